//! Libraries that mean harm: each is ended with one clear message, and nothing has happened.

use super::sandbox::{Done, Sandbox, same};
use std::fs;
use std::time::{Duration, Instant};

/// A library, `evil`, that is used where it is.
fn library(text: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("evil")).unwrap();
    sandbox.write("evil/lib.rhai", text);
    sandbox.write("vmrun.toml", "[lib.evil]\npath = \"evil\"\n");
    sandbox.write("recipe.rhai", "import \"evil\" as evil;\nevil::act();\n");
    sandbox
}

/// A run of a recipe that calls it, which has to be refused and to change nothing.
#[track_caller]
fn harmless(text: &str) -> Done {
    let sandbox = library(text);
    let before = sandbox.everything();
    let begun = Instant::now();
    let done = sandbox.run(&["recipe.rhai"]);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{}", done.stderr);
    assert!(sandbox.everything() == before, "{}", sandbox.everything());
    // Its interfaces are read ahead.
    let calls = sandbox.calls();
    assert!(calls.lines().all(|call| call == "ifconfig"), "{calls}");
    done
}

/// The message and the way out.
#[track_caller]
fn said(text: &str) -> String {
    let stderr = harmless(text).stderr;
    let hint = stderr.lines().find_map(|line| line.trim().strip_prefix("= hint: ")).unwrap_or_default();
    format!("{} | {hint}", stderr.lines().next().unwrap().trim_start_matches("error: "))
}

const ENDLESS: &str = "the recipe did not end within 5000000 operations | is there a loop without an end?";

#[test]
fn an_endless_loop_ends() {
    same(
        &harmless("fn act() {\n    loop { }\n}\n").stderr,
        "
error: the recipe did not end within 5000000 operations
 --> recipe.rhai:2:7
  |
2 | evil::act();
  |       ^^^
  |
  = hint: is there a loop without an end?
",
    );
    // Rhai counts the operations of closures that its own functions call for each of them alone.
    let closures = "fn act() {\n    let a = [];\n    a.pad(9999, 0);\n    a.map(|x| { for n in 0..100000 { } });\n}\n";
    assert_eq!(said(closures), ENDLESS);
    assert_eq!(said("fn act() { try { loop { } } catch { loop { } } }\n"), ENDLESS);
    let deferred = "more than 1000 things were left for the end | does something that is deferred defer something?";
    assert_eq!(said("fn act() { defer(|| again()); } private fn again() { defer(|| again()); }\n"), deferred);
    let deep = "calls go more than 64 deep | is there a loop or a recursion without an end?";
    assert_eq!(said("fn act() { act() }\n"), deep);
}

#[test]
fn a_memory_bomb_of_many_texts_ends() {
    let texts = "fn act() {\n    let all = #{};\n    let text = \"\";\n    text.pad(1000000, 'x');\n    for n in 0..1000000 {\n        \
                 all[`k${n}`] = text + n;\n    }\n}\n";
    same(
        &harmless(texts).stderr,
        "
error: the recipe takes more than 256 MiB of memory
 --> recipe.rhai:2:7
  |
2 | evil::act();
  |       ^^^
  |
  = hint: is there a loop or a recursion without an end?
",
    );
    let long = "a text may have 1048576 bytes at most | is there a loop or a recursion without an end?";
    assert_eq!(said("fn act() { let text = \"x\"; loop { text += text; } }\n"), long);
    let many = "a list or a map may have 10000 values at most | is there a loop or a recursion without an end?";
    assert_eq!(said("fn act() { let all = [1]; loop { all += all; } }\n"), many);
}

#[test]
fn an_effect_at_the_top_of_a_module_is_refused() {
    same(
        &harmless("fn act() { 1 }\ntruncate(\"/vm/x\", 1);\n").stderr,
        "
error: evil/lib.rhai does something while it is being imported
 --> evil/lib.rhai:2:1
  |
2 | truncate(\"/vm/x\", 1);
  | ^^^^^^^^^^^^^^^^^^^^
  |
 ::: recipe.rhai:1:8
  |
1 | import \"evil\" as evil;
  |        ------ imported here
  |
  = hint: at the top of a module are only functions and constants
",
    );
    let message = "evil/lib.rhai does something while it is being imported | at the top of a module are only functions and constants";
    for top in [
        "query(\"ifconfig\");",
        "tap(\"tap9\");",
        "fn now() { tap(\"tap9\"); }\nnow();",
        "bhyve(#{ name: \"x\" }).run();",
        "epair();",
    ] {
        let text = format!("fn act() {{ 1 }}\n{top}\n");
        if top.contains("bhyve") {
            assert!(said(&text).starts_with("evil/lib.rhai does something"), "{top}");
        } else {
            assert_eq!(said(&text), message, "{top}");
        }
    }
}

#[test]
fn what_would_get_out_of_the_language_is_not_there() {
    let no_eval = said("fn act() { eval(\"1\") }\n");
    assert!(no_eval.contains("eval"), "{no_eval}");
    let no_pointer = said("fn act() { let f = Fn(\"run\"); f.call(\"zfs\") }\n");
    assert!(no_pointer.contains("Fn"), "{no_pointer}");
    assert_eq!(
        said("fn Vm.run() { 1 }\nfn act() { 1 }\n"),
        "a library must not define the method `run` of a type | it would replace the recipe's own; use a function"
    );
    assert_eq!(
        said("fn act() { init }\n"),
        "`init` is the recipe's: a library sees only what it is given | take it as an argument"
    );
}

#[test]
fn what_a_library_prints_is_text() {
    let sandbox = library("fn act() { print(\"\\x1b]0;owned\\x07\\x1b[2J\\r\"); debug(\"\\x1b[31m\"); }\n");
    let done = sandbox.run(&["plan", "recipe.rhai"]);
    same(&done.stderr, "\\u{1b}]0;owned\\u{7}\\u{1b}[2J\\r\nevil/lib.rhai:1:48: \"\\u{1b}[31m\"");
    assert_eq!(done.code, 0);
}

#[test]
fn a_sleep_is_not_rehearsed_and_can_be_interrupted() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", "sleep(3600);\nsleep(0.5);\nsleep(\"2m\");\n");
    let begun = Instant::now();
    let done = sandbox.run(&["plan", "recipe.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(begun.elapsed() < Duration::from_secs(20));
    sandbox.write("recipe.rhai", "tap(\"tap1\");\nsleep(3600);\n");
    let mut running = sandbox.start(&["recipe.rhai"]);
    running.until("the tap", |sandbox| sandbox.path("fake/interfaces/tap1").exists());
    running.signal("INT");
    let done = running.wait();
    assert_eq!(done.code, 130);
    assert!(!sandbox.path("fake/interfaces/tap1").exists());
    same(
        &done.stderr,
        "
error: interrupted
 --> recipe.rhai:2:1
  |
2 | sleep(3600);
  | ^^^^^^^^^^^
",
    );
    sandbox.write("recipe.rhai", "sleep(-1);\n");
    same(
        &sandbox.run(&["plan", "recipe.rhai"]).stderr,
        "
error: -1 is no time to wait
 --> recipe.rhai:1:7
  |
1 | sleep(-1);
  |       ^
  |
  = hint: seconds from 0 on
",
    );
}

#[test]
fn a_plan_says_which_line_asked_for_what() {
    let sandbox = library(
        "fn act() {\n    let nic = tap(\"tap1\");\n    bhyve(#{ name: \"x\", bootrom: \"[tmp]/vm/rom\", slots: #{ \"31\": lpc() } })\n}\n",
    );
    fs::write(sandbox.path("vm/rom"), [0; 4096]).unwrap();
    sandbox.write("recipe.rhai", "import \"evil\" as evil;\nallow(#{ paths: [\"[tmp]/vm\"] });\nevil::act().run();\n");
    let done = sandbox.run(&["plan", "recipe.rhai", "--places"]);
    assert_eq!(done.stderr, "");
    same(
        &done.stdout,
        "
umask 026
# evil/lib.rhai:2:15
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:x up
# recipe.rhai:3:13
bhyve -c 1 -m 256M -s 31,lpc -l bootrom,[tmp]/vm/rom x
# given back when the run ends:
bhyvectl --destroy --vm=x
ifconfig tap1 destroy
",
    );
    let json = sandbox.run(&["plan", "recipe.rhai", "--json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let places: Vec<&serde_json::Value> = json["steps"].as_array().unwrap().iter().map(|step| &step["place"]).collect();
    let place = |file, line, column| serde_json::json!({ "file": file, "line": line, "column": column });
    let tap = place("evil/lib.rhai", 2, 15);
    assert_eq!(places, [&serde_json::Value::Null, &tap, &tap, &place("recipe.rhai", 3, 13)]);
}

//! Libraries that mean harm: each is ended with one clear message, and nothing has happened.

use super::sandbox::{Done, Sandbox, project, same};
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// How much memory a process may have, in KiB: `ulimit -v`.
const MEMORY: u32 = 512 << 10;

/// A line of sh(1) that runs a program with so little memory. That is bounded by its addresses, of which glibc reserves 64 MiB for each
/// thread that asks for memory while others do, whether anything is there or not: mallopt(3), M_ARENA_MAX.
fn bounded(command: &str) -> String {
    format!("ulimit -v {MEMORY}; export MALLOC_ARENA_MAX=1; exec {command}")
}

/// One attack of `tests/hostile`: its first line has the message and the way out.
pub(super) struct Attack {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) message: String,
    pub(super) hint: String,
}

/// All of them, by name.
pub(super) fn attacks() -> Vec<Attack> {
    let entries = fs::read_dir(project("tests/hostile")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<Attack> = entries
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let (message, hint) = text.lines().next().unwrap().strip_prefix("//~ ").unwrap().split_once(" | ").unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_string();
            Attack { message: message.into(), hint: hint.into(), name, text }
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(all.len() > 15);
    all
}

/// Runs the program with little memory, and returns what it said in all: it has to say what the attack says, to end by itself with
/// exit code 1 and to change nothing.
fn ends(sandbox: &Sandbox, words: &str, attack: &Attack) {
    let before = sandbox.everything();
    let begun = Instant::now();
    let done = sandbox.finish(&mut sandbox.shell(&bounded(&format!("vmrun {words}"))));
    let took = begun.elapsed();
    let said = format!("{}{}", done.stdout, done.stderr);
    let (name, shown): (_, String) = (&attack.name, said.chars().take(2000).collect());
    assert_eq!(done.code, 1, "{words}, {name}: {shown}");
    assert!(said.contains(&attack.message), "{words}, {name}: {shown}");
    let hint = if words.starts_with("test ") { String::new() } else { format!("= hint: {}", attack.hint) };
    assert!(said.contains(&hint), "{words}, {name}: {shown}");
    assert!(took < Duration::from_secs(60), "{words}, {name}: {took:?}");
    assert!(sandbox.everything() == before, "{words}, {name}");
}

/// How many ways in there are, each with tests of its own: a plan, a check, a test, a run, and a library in a run.
const WAYS: usize = 5;

/// The attacks that are made by one way in: all of them with `make attack`, else a fifth, so that each attack is made by one of the
/// ways. Most take as long as their bound lets them.
fn attacks_by(way: usize) -> Vec<Attack> {
    let is_all = std::env::var("VMRUN_ATTACK").as_deref() == Ok("all");
    let is_made = |at: usize| is_all || (at + way).is_multiple_of(WAYS);
    attacks().into_iter().enumerate().filter(|(at, _)| is_made(*at)).map(|(_, attack)| attack).collect()
}

/// Has every attack done by a recipe.
fn each_ends(way: usize, words: &str) {
    let sandbox = Sandbox::new();
    sandbox.write("recipe_test.rhai", "fn test_it() { host(#{}); assert_clean(recipe(\"recipe.rhai\")); }\n");
    for attack in attacks_by(way) {
        sandbox.write("recipe.rhai", &attack.text);
        ends(&sandbox, words, &attack);
    }
}

#[test]
fn a_hostile_recipe_ends_in_a_plan() {
    each_ends(0, "plan recipe.rhai");
}

#[test]
fn a_hostile_recipe_ends_in_a_check() {
    each_ends(1, "check recipe.rhai");
}

#[test]
fn a_hostile_recipe_ends_in_a_test() {
    each_ends(2, "test recipe_test.rhai");
}

#[test]
fn a_hostile_recipe_ends_in_a_run() {
    each_ends(3, "recipe.rhai");
}

/// The same attack as a library, which does it when `act` is called.
fn of_library(attack: &Attack) -> String {
    let (functions, rest): (Vec<&str>, Vec<&str>) = attack.text.lines().partition(|line| line.starts_with("fn "));
    format!("{}\nfn act() {{\n{}\n}}\n", functions.join("\n"), rest.join("\n"))
}

#[test]
fn a_hostile_library_ends_in_a_run() {
    for attack in attacks_by(4).iter().filter(|attack| attack.name != "actions") {
        ends(&library(&of_library(attack)), "recipe.rhai", attack);
    }
}

/// A rehearsal does not see what comes of a command, so that a library can tell it from the run itself.
#[test]
fn a_library_that_waits_until_its_machine_has_run_leaves_nothing_behind() {
    let recipe = "import \"evil\" as evil;\nlet nic = tap(\"tap1\");\nlet rom = bootrom(\"[tmp]/vm/rom.fd\");\n\
                  bhyve(#{ name: \"db\", memory: 64.MiB, bootrom: rom, slots: #{ \"6\": virtio_net(nic), \"31\": lpc() } }).run();\n\
                  run(\"touch\", [\"[tmp]/vm/mark\"]);\nif exists(\"[tmp]/vm/mark\") { evil::act(); }\n";
    for name in ["memory_of_closures", "closures_dropped", "pad_a_text", "lists_compared"] {
        let attack = attacks().into_iter().find(|attack| attack.name == name).unwrap();
        let sandbox = library(&of_library(&attack));
        fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
        sandbox.write("fake/exits", "1\n");
        sandbox.write("recipe.rhai", recipe);
        let done = sandbox.finish(&mut sandbox.shell(&bounded("vmrun recipe.rhai")));
        let said: String = done.stderr.chars().take(2000).collect();
        assert!(done.code == 1 && said.contains(&attack.message), "{name}: {}: {said}", done.code);
        let calls = sandbox.calls();
        let was_run =
            ["bhyve -c", "bhyvectl --destroy --vm=db", "ifconfig tap1 destroy"].map(|call| calls.contains(call));
        assert_eq!(was_run, [true; 3], "{name}: {calls}");
        assert_eq!((sandbox.names("fake/vmm"), sandbox.names("state")), (vec![], vec![]), "{name}");
    }
}

#[test]
fn what_the_program_had_that_started_it_is_no_memory_of_its_own() {
    let sandbox = Sandbox::new();
    let attack = attacks().into_iter().find(|attack| attack.name == "memory_of_closures").unwrap();
    sandbox.write("recipe.rhai", &attack.text);
    // A program that has 400 MB, and then is vmrun.
    let command = bounded("vmrun check recipe.rhai");
    let large = format!("exec perl -e 'my $large = chr(1) x 400_000_000; exec q(sh), q(-c), q({command})'");
    let done = sandbox.finish(&mut sandbox.shell(&large));
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(said.contains(&attack.message) && done.code == 1, "{}: {said}", done.code);
}

#[test]
fn what_has_no_end_is_not_read() {
    let sandbox = Sandbox::new();
    for name in ["pipe", "pipe.rhai", "lib/vmrun.toml", "locked/vmrun.lock"] {
        fs::create_dir_all(sandbox.path(name).parent().unwrap()).unwrap();
        nix::unistd::mkfifo(&sandbox.path(name), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let _socket = UnixListener::bind(sandbox.path("socket.rhai")).unwrap();
    fs::File::create(sandbox.path("long.rhai")).unwrap().set_len(1 << 40).unwrap();
    sandbox.write("importing.rhai", "import \"./pipe\" as pipe;\n");
    sandbox.write("lib/recipe.rhai", "import \"net/cards\" as net;\n");
    sandbox.write("locked/vmrun.toml", "[lib.net]\ngit = \"https://example.org/net\"\nversion = \"1\"\n");
    sandbox.write("locked/recipe.rhai", "import \"net/cards\" as net;\n");
    let pipe = "it is a named pipe, not a file";
    for (words, message) in [
        ("plan pipe.rhai", format!("cannot read the recipe pipe.rhai: {pipe}")),
        ("check pipe.rhai", format!("cannot read the recipe pipe.rhai: {pipe}")),
        ("pipe.rhai", format!("cannot read the recipe pipe.rhai: {pipe}")),
        ("plan socket.rhai", "cannot read the recipe socket.rhai: it is a socket, not a file".into()),
        ("plan long.rhai", "cannot read the recipe long.rhai: it has more than 1M".into()),
        ("check long.rhai", "cannot read the recipe long.rhai: it has more than 1M".into()),
        ("plan /dev/zero", "cannot read the recipe /dev/zero: it is a device, not a file".into()),
        ("plan importing.rhai", format!("cannot read the module pipe.rhai: {pipe}")),
        ("check importing.rhai", format!("cannot read the module pipe.rhai: {pipe}")),
        ("plan lib/recipe.rhai", format!("cannot read lib/vmrun.toml: {pipe}")),
        ("plan locked/recipe.rhai", format!("cannot read locked/vmrun.lock: {pipe}")),
        ("import pipe", format!("cannot read pipe: {pipe}")),
        ("import /dev/zero", "cannot read /dev/zero: it is a device, not a file".into()),
        ("image inspect pipe", format!("cannot read pipe: {pipe}")),
    ] {
        let line = bounded(&format!("timeout --signal=KILL 60 vmrun {words}"));
        let done = sandbox.finish(&mut sandbox.shell(&line));
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!([1, 2, 3].contains(&done.code), "{words}: {}: {said}", done.code);
        assert!(said.contains(&message), "{words}: {said}");
    }
}

#[test]
fn a_text_with_many_lines_is_checked_in_time() {
    let sandbox = Sandbox::new();
    let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let names = "the text declares more than 4096 variables and functions";
    for (text, message) in [
        (lines(20_000, &|n| format!("let a{n} = {n};\n")), names),
        (lines(20_000, &|n| format!("fn f{n}() {{ f{n}() }}\n")), names),
        (format!("if 1 == 2 {{ }}\n{}", lines(20_000, &|_| "else if 1 == 2 { }\n".into())), "complexity"),
        (lines(20_000, &|n| format!("b{n};\n")), "more than 10000 different words"),
        (lines(5_000, &|n| format!("b{n};\n")), "there is no variable `b0`"),
        (lines(20_000, &|_| "let x = ;\n".into()), "declares more than"),
        ("[".repeat(100_000), "complexity"),
    ] {
        sandbox.write("recipe.rhai", &text);
        for words in ["check recipe.rhai", "plan recipe.rhai"] {
            let line = bounded(&format!("timeout --signal=KILL 120 vmrun {words}"));
            let done = sandbox.finish(&mut sandbox.shell(&line));
            let said: String = format!("{}{}", done.stdout, done.stderr).chars().take(1000).collect();
            assert_eq!(done.code, 1, "{words}: {said}");
            assert!(said.contains(message), "{words}: {said}");
        }
    }
}

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
error: the recipe takes more than 128 MiB of memory
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

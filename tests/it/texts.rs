//! Texts of others on a terminal: nothing of what a name, a guest or a program says is acted on.

use super::host::{Host, ended};
use super::sandbox::{Sandbox, same};
use super::terminal::Terminal;
use std::process::Command;
use std::time::{Duration, Instant};

/// What takes over a terminal, colours, hides, or turns what is read.
const EVIL: &str = "\u{1b}[2J\u{9b}2J\u{1b}]0;pwned\u{7}\u{202e}\u{2066}\u{8}\u{7f}";

/// The same as it may be shown.
const TAME: &str = r"\u{1b}[2J\u{9b}2J\u{1b}]0;pwned\u{7}\u{202e}\u{2066}\u{8}\u{7f}";

/// What a terminal or a reader would act on in a text, our colours apart.
fn acts(text: &str) -> Vec<char> {
    let is_bad = |c: &char| {
        c.is_control() && !['\n', '\r', '\t'].contains(c)
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().filter(is_bad).collect()
}

#[test]
fn a_recipe_its_name_and_its_parameters_cannot_take_over_a_terminal() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.rhai",
        &format!("// about {EVIL}\nlet x = param(\"a{EVIL}\", \"b{EVIL}\");\nprint(x);\nnothing(\"{EVIL}\");\n"),
    );
    let name = format!("b{EVIL}.rhai");
    sandbox.write("help.rhai", &format!("// about {EVIL}\nlet x = param(\"a{EVIL}\", \"b{EVIL}\");\n"));
    for args in [
        &["help.rhai", "--help"][..],
        &["plan", "a.rhai"],
        &["check", "a.rhai"],
        &["plan", &name],
        &["check", &name],
        &[&name],
    ] {
        let done = sandbox.run(args);
        assert_eq!(acts(&done.stdout), [], "{args:?}\n{}", done.stdout);
        assert_eq!(acts(&done.stderr), [], "{args:?}\n{}", done.stderr);
        // Written out in messages, by pictures in lines of a source.
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(said.contains(r"\u{9b}2J") || said.contains("␛[2J\u{fffd}2J"), "{args:?}\n{said}");
    }
    let done = sandbox.run(&["check", "--json", "a.rhai"]);
    assert_eq!(acts(&done.stdout), []);
    assert!(serde_json::from_str::<serde_json::Value>(&done.stdout).is_ok(), "{}", done.stdout);
}

#[test]
fn words_of_a_command_line_are_escaped_on_a_terminal_too() {
    let mut terminal = Terminal::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
    let child = terminal.start(command.args(["list", &format!("--{EVIL}")]).env("TERM", "xterm"));
    let (status, said) = terminal.ends(child);
    assert_eq!(status.code(), Some(2));
    assert_eq!(acts(&said), []);
    // What goes to a terminal without colours has lost whole sequences before.
    assert!(said.starts_with("error: unexpected argument '--") && said.contains(r"\u{9b}2J"), "{said}");
}

#[test]
fn what_a_guest_says_is_escaped_in_its_log() {
    let host = Host::new("talk\n");
    host.write(
        "db.rhai",
        "bhyve(#{ name: \"db\", cpus: 1, com1: \"stdio\", memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), \
         slots: #{ \"0\": hostbridge(), \"31\": lpc() } }).run();\n",
    );
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    host.write("fake/talk.new", &format!("one\r\ntwo{EVIL}\nthree\rfour\n"));
    std::fs::rename(host.path("fake/talk.new"), host.path("fake/talk")).unwrap();
    let begin = Instant::now();
    while !host.log("db").contains("four") {
        assert!(begin.elapsed() < Duration::from_secs(20), "{}", host.log("db"));
        std::thread::sleep(Duration::from_millis(5));
    }
    let said = host.run(&["logs", "db", "-n", "3"]).stdout.replace('\r', "<CR>");
    same(said.trim_start_matches("one\n"), &format!("two{TAME}\nthree\\rfour"));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
}

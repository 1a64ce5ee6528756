//! Answers for installers, and programs that read them.

use super::sandbox::Sandbox;
use std::io::Write as _;
use std::process::{Command, Stdio};

pub(crate) const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ann@home";
pub(crate) const HASH: &str = "$6$salt$Kbx1m0Df9";
/// What does not survive a careless hand: quotes, a backslash, a colon, a number sign, and what sh would fill in.
pub(crate) const COMMAND: &str = r#"echo it\'s "done": $HOME \\ # {{x}} >/root/done"#;

/// Returns the answers for a system, of a machine that says all that can be said, or as little as it may.
pub(crate) fn answers(system: &str, all: bool) -> String {
    let more = match system {
        _ if !all => "",
        "openbsd" => r#"root_hash: HASH, timezone: "Europe/Berlin", disk: "sd1", mirror: "mirror.example.org""#,
        _ => {
            r#"root_hash: HASH, timezone: "Europe/Berlin", disk: "vdb", packages: ["vim", "git"], commands: [COMMAND],
    mirror: "mirror.example.org""#
        }
    };
    let login = if all { "hash: HASH, ssh_keys: [KEY]," } else { "ssh_keys: [KEY]," };
    let recipe = format!(
        "import \"std/answers\" as answers;\nprint(answers::{system}(#{{ hostname: \"web.example.org\", user: \"ann\", {login} {more} }}));\n"
    );
    let command = COMMAND.replace("\\'", "'").replace("\\\\", "\\");
    let quoted = |text: &str| format!("{text:?}");
    let recipe = recipe.replace("HASH", &quoted(HASH)).replace("root_\"$6$salt$Kbx1m0Df9\"", "root_hash");
    let recipe = recipe.replace("COMMAND", &quoted(&command)).replace("KEY", &quoted(KEY));
    let sandbox = Sandbox::new();
    sandbox.write("recipe.rhai", &recipe);
    let done = sandbox.run(&["recipe.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{recipe}");
    done.stdout.strip_suffix('\n').unwrap().to_string()
}

/// Runs a program on a text, and returns what it prints; fails when it fails.
pub(crate) fn reads(program: &str, args: &[&str], text: &str) -> String {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|why| panic!("this test needs {program}: {why}"));
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {said}\n{text}");
    String::from_utf8(output.stdout).unwrap()
}

//! Completion, as shells at a terminal have it.

use crate::sandbox::Sandbox;
use crate::terminal::Terminal;
use std::fs;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// A host with a machine, where `vmrun` is on the path.
fn scene() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("state/webserver")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vmrun"), sandbox.path("bin/vmrun")).unwrap();
    sandbox.write("lab.rhai", "let os = param(\"guest\", \"openbsd\");\n");
    sandbox
}

/// Starts a shell at a terminal, which has read its script.
fn at_terminal(sandbox: &Sandbox, shell: &str, args: &[&str], ready: &str) -> (Terminal, std::process::Child) {
    let mut terminal = Terminal::new();
    let mut command = sandbox.program(shell, args);
    command.env("TERM", "dumb").env("PS1", "$ ");
    let child = terminal.start(&mut command);
    terminal.types(ready);
    terminal.types("echo re''ady\n");
    terminal.shows("ready", SOON);
    (terminal, child)
}

/// A machine's name and a parameter are completed when tab is pressed: the line is printed, not run.
fn completes(sandbox: &Sandbox, shell: &str, args: &[&str], ready: &str) {
    let (mut terminal, mut child) = at_terminal(sandbox, shell, args, ready);
    terminal.types("vmrun stop webs\t");
    terminal.shows("webserver", SOON);
    terminal.types("\x15vmrun plan lab.rhai --set gu\t");
    terminal.shows("guest=", SOON);
    terminal.types("op\t");
    terminal.shows("openbsd", SOON);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn bash_completes_at_a_terminal() {
    completes(&scene(), "bash", &["--norc", "--noprofile", "-i"], "source <(vmrun completions bash)\n");
}

#[test]
fn zsh_completes_at_a_terminal() {
    let sandbox = scene();
    let functions = sandbox.path("functions");
    fs::create_dir_all(&functions).unwrap();
    fs::write(functions.join("_vmrun"), sandbox.run(&["completions", "zsh"]).stdout).unwrap();
    let ready = format!("fpath=({} $fpath); autoload -Uz compinit; compinit -u -D\n", functions.display());
    completes(&sandbox, "zsh", &["-f", "-i"], &ready);
    // Read as a file it serves as well.
    completes(
        &sandbox,
        "zsh",
        &["-f", "-i"],
        "autoload -Uz compinit; compinit -u -D; source <(vmrun completions zsh)\n",
    );
}

#[test]
fn fish_completes() {
    let sandbox = scene();
    let asks = |line: &str| {
        let script = format!("vmrun completions fish | source; complete --do-complete '{line}'");
        sandbox.finish(&mut sandbox.program("fish", &["--no-config", "-c", &script])).stdout
    };
    assert_eq!(asks("vmrun stop webs"), "webserver\ta machine of this host\n");
    assert_eq!(asks("vmrun plan lab.rhai --set gu"), "guest=\t\"openbsd\"\n");
    assert_eq!(asks("vmrun plan lab.rhai --set guest="), "guest=openbsd\ta value of guest\n");
    assert_eq!(asks("vmrun supe"), "");
}

#[test]
fn tcsh_takes_its_script() {
    let sandbox = scene();
    let script = sandbox.run(&["completions", "tcsh"]).stdout;
    fs::write(sandbox.path("vmrun.tcsh"), script).unwrap();
    let done = Command::new("tcsh")
        .args(["-f", "-c", "source vmrun.tcsh; complete vmrun"])
        .current_dir(sandbox.path(""))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success() && shown.contains("p/1/(new run plan"),
        "{shown}\n{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

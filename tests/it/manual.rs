//! The manual page and the completions, which come from the same descriptions as `--help`.

use super::sandbox::Sandbox;

/// The long flags that a help text has.
fn flags(help: &str) -> Vec<&str> {
    let words = help.split_whitespace().map(|word| word.trim_end_matches([',', '.', ')', '`']));
    words.filter(|word| word.starts_with("--") && word.len() > 2 && !["--help", "--version"].contains(word)).collect()
}

fn printed(sandbox: &Sandbox, args: &[&str]) -> String {
    let done = sandbox.finish(&mut sandbox.command(args));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{args:?}");
    done.stdout
}

#[test]
fn the_manual_has_every_command_with_every_flag() {
    let sandbox = Sandbox::new();
    let page = printed(&sandbox, &["man"]).replace("\\-", "-");
    let commands = [
        "new",
        "run",
        "plan",
        "start",
        "stop",
        "restart",
        "kill",
        "adopt",
        "list",
        "status",
        "monitor",
        "metrics",
        "logs",
        "events",
        "gc",
        "words",
        "network",
        "resize",
        "clone",
        "remove",
        "netboot",
        "image",
        "images",
        "snapshot",
        "snapshots",
        "rollback",
        "cache",
        "check",
        "test",
        "export",
        "import",
        "record",
        "lib",
        "audit",
        "lsp",
        "doc",
        "definitions",
        "top",
        "screenshot",
        "type",
        "wait-screen",
        "ssh",
        "cp",
        "ssh-config",
        "find",
        "vnc",
        "console",
        "wait-serial",
        "man",
        "completions",
    ];
    let help = printed(&sandbox, &["--help"]);
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command}");
        assert!(page.contains(&format!(".SH \"VMRUN {}", command.to_uppercase())), "{command}");
        for flag in flags(&printed(&sandbox, &[command, "--help"])) {
            let name = flag.split(['=', '[', '<']).next().unwrap();
            assert!(page.contains(name), "{command} {flag}");
        }
    }
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    assert_eq!(listed.filter(|line| !line.trim_start().starts_with("help")).count(), commands.len());
    for section in
        ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "RELEASES", "EXAMPLES", "SEE ALSO"]
    {
        assert!(
            page.contains(&format!(".SH {section}\n")) || page.contains(&format!(".SH \"{section}\"\n")),
            "{section}"
        );
    }
    assert!(page.contains("\n\\fBfbuf,rfb=unix:PATH\\fR\nFreeBSD 15.1 (documented: release notes 15.1).\n"));
    assert!(page.contains("\nFreeBSD 15.0; before it, -A (inferred: amd64/bhyverun_machdep.c).\n"));
}

#[test]
fn shells_complete_commands_and_flags() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "fish", "zsh"] {
        let text = printed(&sandbox, &["completions", shell]);
        assert!(text.contains("stop-within") && text.contains("import"), "{shell}");
        assert!(text.contains("freebsd-14.3") && text.contains("freebsd-16"), "{shell}");
    }
}

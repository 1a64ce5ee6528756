//! The program, which needs no other of ours: every command is in it, and the stand-ins of recordings are links to it.

use super::sandbox::{Done, Sandbox, same};
use std::fs;
use std::os::unix::fs::symlink;

/// Puts a copy of the program alone into a folder of the sandbox, and returns its path.
fn alone(sandbox: &Sandbox) -> String {
    fs::create_dir_all(sandbox.path("prefix/bin")).unwrap();
    let vmrun = sandbox.path("prefix/bin/vmrun");
    fs::copy(env!("CARGO_BIN_EXE_vmrun"), &vmrun).unwrap();
    vmrun.display().to_string()
}

/// The commands that `--help` lists, in their groups.
pub fn commands(help: &str) -> impl Iterator<Item = &str> {
    let lines = help.lines().skip_while(|line| *line != "Run machines:").take_while(|line| *line != "Options:");
    lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
}

#[test]
fn a_copy_of_the_program_alone_has_every_command() {
    let sandbox = Sandbox::new();
    let vmrun = alone(&sandbox);
    let called = |args: &[&str]| sandbox.finish(&mut sandbox.program(&vmrun, args));
    let help = called(&["--help"]).stdout;
    let found: Vec<&str> = commands(&help).filter(|name| !["", "help"].contains(name)).collect();
    for command in ["run", "start", "check", "record", "lsp", "top", "screenshot", "man", "completions"] {
        assert!(found.contains(&command), "{command} is not in {found:?}");
    }
    for command in found {
        let done = called(&[command, "--help"]);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{command}");
        assert!(done.stdout.contains(&format!("\nUsage: vmrun {command}")), "{}", done.stdout);
    }
    let done = called(&["import", "no.conf"]);
    assert_eq!(done.code, 2);
    same(&done.stderr, &sandbox.finish(&mut sandbox.command(&["import", "no.conf"])).stderr);
}

#[test]
fn what_help_tells_after_its_options_is_wrapped_once_however_wide_the_terminal_is() {
    let sandbox = Sandbox::new();
    let help = |command: &str, columns: &str| {
        let mut called = sandbox.command(&[command, "--help"]);
        sandbox.finish(called.env("COLUMNS", columns)).stdout
    };
    let all = sandbox.run(&["--help"]).stdout;
    for command in commands(&all).filter(|name| !["", "help"].contains(name)) {
        let wide = help(command, "2000");
        for columns in ["80", "60"] {
            // A line that was wrapped is as full as it can be, where it is not the last of its paragraph in a wide one.
            let ends: Vec<&str> = wide.lines().map(str::trim_end).collect();
            let most: usize = columns.parse().unwrap();
            let text = help(command, columns);
            let lines: Vec<&str> = text.lines().collect();
            for pair in lines.windows(2) {
                let first = pair[1].split_whitespace().next().unwrap_or_default();
                let is_full = pair[0].chars().count() + 1 + first.chars().count() > most;
                let is_end = ends.iter().any(|end| end.ends_with(pair[0].trim()));
                // Descriptions of options stand in a column of their own.
                let is_column = pair.iter().any(|line| line.trim().contains("  ") || line.starts_with("       "));
                assert!(
                    is_full || is_end || is_column || first.is_empty(),
                    "{command} at {columns}:\n{}\n{}",
                    pair[0],
                    pair[1]
                );
            }
        }
    }
    assert!(help("record", "80").contains("however they are\ncalled. They do nothing"), "{}", help("record", "80"));
}

#[test]
fn a_copy_of_the_program_alone_records() {
    let sandbox = Sandbox::new();
    let vmrun = alone(&sandbox);
    let args = ["record", "--transcript", "--", "sh", "-c", "ifconfig tap9 create; kldload vmm"];
    let done = sandbox.finish(sandbox.program(&vmrun, &args).env("TMPDIR", sandbox.path("")));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(done.stdout.contains("ifconfig tap9 create") && done.stdout.contains("kldload vmm"), "{}", done.stdout);
}

#[test]
fn a_link_is_a_stand_in_only_by_its_name_and_in_a_recording() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("links")).unwrap();
    let called = |name: &str, recording: Option<&str>| -> Done {
        let link = sandbox.path("links").join(name);
        if !link.exists() {
            symlink(env!("CARGO_BIN_EXE_vmrun"), &link).unwrap();
        }
        let mut command = sandbox.program(link.to_str().unwrap(), &["--version"]);
        command.envs(recording.map(|folder| ("VMRUN_RECORDING", folder)));
        sandbox.finish(&mut command)
    };
    let version = format!("vmrun {}\n", env!("CARGO_PKG_VERSION"));
    for (name, recording) in [("vmrun", None), ("ifconfig", None), ("vmrun", Some("gone"))] {
        let done = called(name, recording);
        assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, version.as_str(), ""), "{name}");
    }
    let done = called("ifconfig", Some("gone"));
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    same(&done.stderr, "vmrun: `ifconfig` is called after the end of its recording, and does nothing\n");
}

//! What other engines than Pacemaker do with vmrun: the command and the signal of systemd's unit, and what devd runs when CARP moves an
//! address, on the fake FreeBSD.

use super::host::{Host, SOON};
use super::sandbox::Sandbox;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

fn project(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A command that holds a permit for as long as it lives, and notes that it was asked for.
const PERMIT: &str = "sh [tmp]/permit";

fn with_permit(exits: &str) -> Host {
    let host = Host::new(exits);
    host.write("permit", "echo asked >>[tmp]/asked; echo held; exec sleep 600\n");
    host.write("bin/logger", "#!/bin/sh\nshift 3\nprintf '%s\\n' \"$*\" >>[tmp]/syslog\n");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(host.path("bin/logger"), mode).unwrap();
    host
}

/// Runs what devd runs, to its end.
fn carp(sandbox: &Sandbox, args: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/carp/vmrun-carp");
    let mut command = sandbox.program("sh", &[&[script.to_str().unwrap()], args].concat());
    let command =
        command.env("VMRUN_CARP", sandbox.path("carp")).env("VMRUN_CARP_PROGRAM", env!("CARGO_BIN_EXE_vmrun"));
    let done = sandbox.finish(command);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
}

/// Waits until syslog was told as many lines, and returns them.
#[track_caller]
fn syslog(sandbox: &Sandbox, lines: usize) -> Vec<String> {
    let begin = Instant::now();
    loop {
        let text = fs::read_to_string(sandbox.path("syslog")).unwrap_or_default();
        let all: Vec<String> = text.lines().map(String::from).collect();
        if all
            .iter()
            .filter(|line| line.contains("status") || line.contains("permit in") || line.contains("usage"))
            .count()
            >= lines
        {
            return all;
        }
        assert!(begin.elapsed() < SOON, "{text}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_address_of_carp_moves_its_machines_and_starts_none_without_a_permit() {
    let host = with_permit("run\nrun\n");
    for name in ["db", "web", "lab"] {
        host.recipe(name, "");
    }
    host.write(
        "carp",
        &format!(
            "# address recipe ttl permit\n\n1@em0 [tmp]/db.rhai 15s {PERMIT}\n2@em0 [tmp]/web.rhai 15s {PERMIT}\n1@em0 [tmp]/lab.rhai\n"
        ),
    );
    carp(&host, &["1@em0", "MASTER"]);
    let told = syslog(&host, 2);
    assert!(
        told.contains(&format!(
            "{} has no permit in {}: CARP alone starts nothing",
            host.path("lab.rhai").display(),
            host.path("carp").display()
        )),
        "{told:?}"
    );
    assert!(
        told.iter().any(|line| line.starts_with(&format!("start {}: status 0", host.path("db.rhai").display()))),
        "{told:?}"
    );
    assert_eq!(host.read("asked"), "asked\n");
    assert_eq!(host.run(&["monitor", "db"]).code, 0);
    assert_eq!((host.run(&["monitor", "web"]).code, host.run(&["monitor", "lab"]).code), (8, 8));
    carp(&host, &["1@em0", "BACKUP"]);
    let told = syslog(&host, 4);
    assert!(
        told.iter().any(|line| line.starts_with(&format!("stop {}: status 0", host.path("db.rhai").display()))),
        "{told:?}"
    );
    assert_eq!(host.run(&["monitor", "db"]).code, 8);
    carp(&host, &["1@em0", "INIT"]);
    assert!(syslog(&host, 5).contains(&"usage: vmrun-carp VHID@INTERFACE MASTER|BACKUP".into()));
}

#[test]
fn the_rule_for_devd_runs_what_is_there() {
    let rule = project("packaging/carp/vmrun-carp.conf");
    assert!(rule.contains("action \"/usr/local/libexec/vmrun-carp $subsystem $type\";"), "{rule}");
    let page = project("docs/engines.md");
    assert!(page.contains("install -m 755 packaging/carp/vmrun-carp /usr/local/libexec/\n"), "{page}");
}

#[test]
fn the_unit_of_a_machine_runs_until_vmrun_alone_is_asked_to_stop() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let unit = project("packaging/systemd/vmrun@.service");
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(&format!("{key}="))).unwrap().to_string();
    let line = value("ExecStart").replace("/usr/local/bin/vmrun", env!("CARGO_BIN_EXE_vmrun"));
    let line = line.replace("/etc/vmrun/recipes/%i.rhai", &host.path("db.rhai").display().to_string());
    let words: Vec<&str> = line.split(' ').collect();
    let mut command: Command = host.program(words[0], &words[1..]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begin = Instant::now();
    while host.run(&["monitor", "db"]).code != 0 {
        assert!(begin.elapsed() < SOON);
        sleep(Duration::from_millis(20));
    }
    // KillMode=mixed: the first signal is for the main process only.
    assert_eq!(value("KillMode"), "mixed");
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGTERM).unwrap();
    let status = run.wait().unwrap();
    assert_eq!(status.code().map(|code| code.to_string()), Some(value("SuccessExitStatus")));
    host.is_clean();
}

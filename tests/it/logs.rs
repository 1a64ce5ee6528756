//! Logs of machines on the fake FreeBSD, whose bhyve takes O_APPEND away from its standard output.

use super::host::{Host, ended, kill};
use super::sandbox::same;
use std::fs;
use std::time::{Duration, Instant};
use vmrun::internals::supervise::status::MachineState;

/// Writes the recipe of a machine whose serial port is its log or the terminal, with something before its boot.
fn recipe(host: &Host, before: &str) {
    host.write(
        "db.rhai",
        &format!(
            "{before}\nbhyve(#{{ name: \"db\", cpus: 1, com1: \"stdio\", memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), \
             slots: #{{\n\"0\": hostbridge(), \"31\": lpc(),\n}} }}).run();\n"
        ),
    );
}

/// Waits until something holds.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "never came: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Has the guest say something.
fn says(host: &Host, text: &str) {
    host.write("fake/talk.new", text);
    fs::rename(host.path("fake/talk.new"), host.path("fake/talk")).unwrap();
    until("that it said so", || host.log("db").contains(text));
}

/// What `/proc` says of the flags of the file at which a program's standard output goes.
fn is_appended_to(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/1")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 0o2000 != 0)
}

#[test]
fn what_a_guest_says_stands_behind_what_its_supervisors_say() {
    let host = Host::new("talk\n");
    recipe(&host, "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    until("O_APPEND", || is_appended_to(status.guest.unwrap()));
    says(&host, "one\n");
    kill(status.supervisor.unwrap());
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    says(&host, "two\n");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    same(
        &host.log("db"),
        "
vmrun: db runs
one
vmrun: db runs
two
vmrun: asked the guest to power off; it has 60s
vmrun: it is down
",
    );
}

#[test]
fn a_machine_is_ready_at_every_start_by_what_this_boot_has_said() {
    let host = Host::new("say login:|0\ntalk\n");
    recipe(&host, "ready(#{ serial: \"login:\", within: \"10s\" });");
    let ready = "vmrun: db runs\nvmrun: db is ready";
    let started = |args: &[&str]| {
        let start = host.start(args);
        host.until("db", |status| status.boots == 2 && status.state == MachineState::Running);
        // What the boot before has said does not count.
        says(&host, "db login: \n");
        ended(&start.wait(), 0, ready);
    };
    started(&["start", "db.rhai"]);
    let heard = |text: &str, within: &str, code: i32, stderr: &str| {
        ended(&host.run(&["wait-serial", "db", text, "--within", within]), code, stderr);
    };
    heard("login:", "10s", 0, "");
    says(&host, "root\n");
    heard("login:", "10s", 0, "");
    // Whoever takes it over finds it ready as well.
    kill(host.status("db").unwrap().supervisor.unwrap());
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db goes on; it was taken over\nvmrun: db is ready");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.write("fake/exits", "say login:|0\ntalk\n");
    started(&["start", "db.rhai"]);
    heard(
        "root",
        "300ms",
        4,
        "
error: db did not say \"root\" on com1 within 300ms
 |
 = hint: the last line that it said is \"db login:\"
",
    );
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    same(
        &host.log("db"),
        "
login:
vmrun: the guest rebooted; starting it again
vmrun: db runs
db login: 
root
vmrun: db runs
vmrun: asked the guest to power off; it has 60s
vmrun: it is down
login:
vmrun: the guest rebooted; starting it again
vmrun: db runs
db login: 
vmrun: asked the guest to power off; it has 60s
vmrun: it is down
",
    );
}

#[test]
fn a_run_in_the_foreground_leaves_its_callers_files_as_they_were() {
    let host = Host::new("say one|0\nsay two|1\n");
    recipe(&host, "");
    let line = "exec 3>>out; flags() { grep flags: /proc/self/fdinfo/3 >>seen; }; flags; \
                vmrun db.rhai <&3 >&3 2>&3; echo \"status $?\" >&3; flags; tac seen | uniq | wc -l";
    host.write("out", "before\n");
    let done = host.finish(&mut host.shell(line));
    assert_eq!((done.code, done.stdout.trim(), done.stderr.as_str()), (0, "1", ""));
    assert!(host.read("seen").contains("02001\n"), "{}", host.read("seen"));
    same(
        &host.read("out"),
        "
before
one
vmrun: the guest rebooted; starting it again
two
status 0
",
    );
}

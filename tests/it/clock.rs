//! What is found of machines where a fact that recovery goes by is wrong: the clock was set, a number was given to another process,
//! something has the name of a machine.

use super::host::{Host, ended, kill, lives};
use super::sandbox::same;
use std::fs;
use vmrun::internals::supervise::journal;

/// A start of the host as a clock tells it which was set meanwhile: as long as the one that it stands for.
const CLOCK: &str = "000000000000000000000000001764090312";

/// The journal of a machine says that the host was started when a clock says that was set by hours since.
fn set_clock(host: &Host, name: &str) {
    let file = host.path(&format!("state/.{name}.lock"));
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.lines().map(|line| {
        let words: Vec<String> = line.split(' ').skip(1).map(|word| word.replace("%20", " ")).collect();
        let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
        if words[0] == "owner" {
            assert_eq!(words[3].len(), CLOCK.len());
            words[3] = CLOCK;
        }
        journal::line(&words)
    });
    let changed = changed.collect::<String>();
    assert_eq!(changed.len(), text.len());
    // In place: the run goes on to write where it was.
    fs::write(&file, changed).unwrap();
}

/// A machine in the background, under a clock that was set after it was started.
fn started() -> Host {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    set_clock(&host, "db");
    host
}

/// The first word of each line of a list behind its head, and the second.
fn states(host: &Host) -> Vec<String> {
    let done = host.run(&["list"]);
    let line = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    done.stdout.lines().skip(1).map(line).collect()
}

#[test]
fn a_machine_whose_host_has_set_its_clock_is_stopped_as_ever() {
    let host = started();
    assert_eq!(states(&host), ["db running"]);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs already");
    let again = host.run(&["db.rhai"]);
    assert_eq!((again.code, again.stdout.as_str()), (5, ""));
    assert!(
        again.stderr.contains("in use by the machine db, vmrun [pid], of [tmp]/db.rhai, since [when]"),
        "{}",
        again.stderr
    );
    ended(&host.run(&["gc"]), 0, "");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_guest_without_its_supervisor_is_adopted_though_the_clock_was_set() {
    let host = started();
    kill(host.status("db").unwrap().supervisor.unwrap());
    let gc = host.run(&["gc"]);
    assert!(gc.stdout.contains("goes on: `vmrun adopt db` takes it over"), "{gc:?}");
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_guest_without_its_supervisor_is_stopped_though_the_clock_was_set() {
    let host = started();
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    let done = host.run(&["stop", "db"]);
    let said = done.stderr.replace(&status.guest.unwrap().to_string(), "[guest]");
    same(
        &said,
        "
vmrun: db was left by vmrun [pid], of [tmp]/db.rhai, since [when]; giving back what it took
vmrun: kill [guest]
vmrun: bhyvectl --destroy --vm=db
vmrun: ifconfig tap1 destroy
vmrun: rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
vmrun: db is down
",
    );
    assert_eq!(done.code, 0);
    assert!(!lives(status.guest.unwrap()));
    host.is_clean();
}

#[test]
fn a_bhyve_that_vmrun_did_not_start_is_not_stopped_but_told_of() {
    let host = Host::new("run\n");
    let bhyve = host.own("exec bhyve -c 1 -m 256M -s 31,lpc -l bootrom,[tmp]/vm/rom.fd db");
    let mut theirs = host.shell(&bhyve).stderr(std::process::Stdio::null()).spawn().unwrap();
    while !host.read("fake/vmm/db").contains("pid ") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let pid = theirs.id();
    for what in ["stop", "kill"] {
        ended(
            &host.run(&[what, "db"]),
            3,
            &format!(
                "
error: vmrun did not start the bhyve of db, process {pid}
 |
 = hint: stop it by what has started it; `kill {pid}` presses its power button
"
            ),
        );
    }
    assert_eq!(theirs.try_wait().unwrap(), None);
    theirs.kill().unwrap();
    theirs.wait().unwrap();
}

#[test]
fn a_node_that_a_bhyve_of_somebody_else_runs_stays_when_a_dead_run_is_cleaned_up() {
    for torn in [false, true] {
        let host = started();
        let status = host.status("db").unwrap();
        kill(status.supervisor.unwrap());
        kill(status.guest.unwrap());
        assert!(host.shell("bhyvectl --destroy --vm=db").status().unwrap().success());
        let bhyve = host.own("exec bhyve -c 1 -m 256M -s 31,lpc -l bootrom,[tmp]/vm/rom.fd db");
        let mut theirs = host.shell(&bhyve).stderr(std::process::Stdio::null()).spawn().unwrap();
        while !host.read("fake/vmm/db").contains("pid ") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if torn {
            fs::write(host.path("state/.db.lock"), "torn\n").unwrap();
        }
        let done = host.run(&["gc"]);
        let node =
            format!("# the node db of process {} stays: it has no mark of the run, or others use it\n", theirs.id());
        assert!(done.stdout.contains(&node) && !done.stdout.contains("--destroy"), "{done:?}");
        assert_eq!((done.code, theirs.try_wait().unwrap()), (0, None));
        host.is_clean();
        theirs.kill().unwrap();
        theirs.wait().unwrap();
    }
}

//! Machines in the background, on the fake FreeBSD: supervisors, their end, and guests that outlive them.

mod events;

use super::host::{Host, SOON, ended, kill};
use super::sandbox::{Done, project, same};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};
use vmrun::internals::supervise::status::MachineState;

#[test]
fn a_machine_is_started_in_the_background_and_stopped() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    assert_eq!((status.state, status.boots, status.restarts), (MachineState::Running, 1, 0));
    let text = host.read("state/.db.lock");
    assert!(text.contains(" background\n"), "{text}");
    let mode = |name: &str| fs::metadata(host.path(name)).unwrap().permissions().mode() & 0o777;
    let modes = ["state/db", "state/db/standing.json", "state/.db.lock"].map(mode);
    assert_eq!(modes, [0o755, 0o644, 0o600]);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs already");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
    same(
        &host.log("db"),
        "
vmrun: db runs
vmrun: asked the guest to power off; it has 60s
vmrun: it is down
",
    );
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db does not run");
}

#[test]
fn a_machine_that_cannot_start_says_why() {
    let host = Host::new("err vm_create: Device busy|4\n");
    host.recipe("db", "");
    ended(
        &host.run(&["start", "db.rhai"]),
        4,
        "
error: the hypervisor failed with status 4
 |
 = hint: its last words: vm_create: Device busy
error: db did not start
 |
 = hint: its log: [tmp]/log/db.log
",
    );
    host.is_clean();
}

#[test]
fn the_guest_of_a_supervisor_that_was_killed_is_taken_over() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai", "--stop-within", "5s"]), 0, "vmrun: db runs");
    let before = host.status("db").unwrap();
    let (supervisor, guest) = (before.supervisor.unwrap(), before.guest.unwrap());
    kill(supervisor);
    let gc = format!(
        "# db was left by vmrun [pid], of [tmp]/db.rhai, since [when]\n\
         # its guest, process {guest}, goes on: `vmrun adopt db` takes it over, `vmrun stop db` stops it\n"
    );
    let done = host.run(&["gc"]);
    assert_eq!((done.code, done.stdout, done.stderr), (0, gc, String::new()));
    ended(
        &host.run(&["db.rhai"]),
        9,
        &format!(
            "
error: the guest of db, process {guest}, goes on without its vmrun
 |
 = hint: `vmrun adopt db` takes it over, `vmrun stop db` stops it
"
        ),
    );
    host.write(
        "web.rhai",
        "bhyve(#{ name: \"web\", memory: 256.MiB, slots: #{ \"4\": virtio_blk(\"[tmp]/vm/db.img\") } }).run();\n",
    );
    ended(
        &host.run(&["web.rhai"]),
        5,
        "
error: [tmp]/vm/db.img is in use by the guest of db, whose vmrun is gone
 --> web.rhai:1:66
  |
1 | bhyve(#{ name: \"web\", memory: 256.MiB, slots: #{ \"4\": virtio_blk(\"[tmp]/vm/db.img\") } }).run();
  |                                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: `vmrun stop db` stops it, `vmrun adopt db` takes it over
",
    );
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    let after = host.status("db").unwrap();
    assert_eq!((after.state, after.guest, after.boots), (MachineState::Running, Some(guest), 1));
    assert_ne!(after.supervisor, Some(supervisor));
    kill(after.supervisor.unwrap());
    // A start of the recipe takes it over as well.
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db goes on; it was taken over");
    assert_eq!(host.status("db").unwrap().guest, Some(guest));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

/// A policy that does not wait long.
const QUICK: &str = "restart(#{ on: [\"reboot\", \"crash\"], delay: \"20ms\", limit: 3, within: \"10m\" });\n";

#[test]
fn a_guest_that_crashes_again_and_again_is_held_until_it_is_started() {
    let host = Host::new("3\n3\n0\n3\n3\n");
    host.recipe("db", QUICK);
    ended(
        &host.run(&["start", "db.rhai"]),
        4,
        "
error: db ended as soon as it was started, and is started again
 |
 = hint: its log says why: [tmp]/log/db.log; `vmrun stop db` stops it
",
    );
    let status = host.until("db", |status| status.state == MachineState::Failed);
    let error = "the guest met a triple fault; it was started again 3 times within 600s, and is not any more";
    assert_eq!((status.error.as_deref(), status.boots, status.restarts), (Some(error), 5, 3));
    assert_eq!((status.supervisor, status.guest), (None, None));
    let crash = "vmrun: error: the guest met a triple fault\n |\n = hint: the guest's kernel or firmware crashed; its console shows where\n";
    let tail = crash.replacen("vmrun: ", "", 1);
    let waits = |time: &str| format!("{crash}vmrun: starting it again in {time}\n");
    let expected = [
        waits("20ms"),
        waits("40ms"),
        "vmrun: the guest rebooted; starting it again\n".into(),
        waits("80ms"),
        "vmrun: it is held until somebody starts it\nvmrun: it is down\n".into(),
        tail,
        "error: it was started again 3 times within 600s, and is not any more\n |\n = hint: mend what ends it, then start it: \
         the recipe's `restart` has the limit\n"
            .into(),
    ];
    let begin = Instant::now();
    while !host.log("db").contains("has the limit") && begin.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(5));
    }
    same(&host.log("db"), &expected.concat());
    // It is in nobody's way, and stays.
    let done = host.run(&["gc"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, "", ""));
    assert_eq!(host.status("db").unwrap().state, MachineState::Failed);
    host.write("fake/exits", "run\n");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    assert_eq!(host.status("db").unwrap().error, None);
    ended(&host.run(&["kill", "db"]), 0, "vmrun: db was switched off");
    host.is_clean();
}

#[test]
fn what_is_held_is_let_go_by_a_stop() {
    let host = Host::new("3\n");
    host.recipe("db", &QUICK.replace("limit: 3", "limit: 0"));
    assert_eq!(host.run(&["start", "db.rhai"]).code, 4);
    host.is_clean();
    host.write("fake/exits", "3\n3\n");
    host.recipe("db", &QUICK.replace("limit: 3", "limit: 1"));
    assert_eq!(host.run(&["start", "db.rhai"]).code, 4);
    host.until("db", |status| status.state == MachineState::Failed);
    let lock = |host: &Host| {
        let begin = Instant::now();
        while !host.log("db").contains("is down") && begin.elapsed() < SOON {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    lock(&host);
    ended(&host.run(&["stop", "--all"]), 0, "vmrun: no machine runs in the background");
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is not held any more");
    host.is_clean();
}

/// Waits until each of these processes does as good as nothing for a second: it looks once a second at most at what the guest has made
/// of the files that they share. Who polls, or computes, is seen in every second, and a busy host only makes this late.
#[track_caller]
fn idle(pids: &[u32]) {
    let begin = Instant::now();
    loop {
        let before: Vec<u64> = pids.iter().map(|pid| turns(*pid)).collect();
        std::thread::sleep(Duration::from_secs(1));
        let busy = pids.iter().zip(before).find(|(pid, before)| turns(**pid) > before + 5);
        let Some(busy) = busy else { return };
        assert!(begin.elapsed() < SOON, "never idle: {busy:?}");
    }
}

/// How often a process has gone to sleep, and was interrupted, and how many ticks it has computed, as Linux counts it; 0 elsewhere.
fn turns(pid: u32) -> u64 {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}"));
    let (Ok(stat), Ok(status)) = (read("stat"), read("status")) else { return 0 };
    let ticks = stat.rsplit_once(") ").unwrap().1.split(' ').skip(11).take(2);
    let switches = status.lines().filter_map(|line| line.split_once("ctxt_switches:")).map(|(_, count)| count.trim());
    ticks.chain(switches).map(|count| count.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_guest_that_waits_uses_no_processor_and_is_stopped_at_once() {
    let host = Host::new("3\n");
    host.recipe("db", &QUICK.replace("20ms", "1h").replace("limit: 3", "max_delay: \"1h\", limit: 3"));
    assert_eq!(host.run(&["start", "db.rhai"]).code, 4);
    let status = host.until("db", |status| status.state == MachineState::Waiting);
    assert!(status.until.is_some_and(|until| until >= status.since + 3599));
    assert_eq!((status.restarts, status.error.as_deref()), (1, Some("the guest met a triple fault")));
    idle(&[status.supervisor.unwrap()]);
    let begin = Instant::now();
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    assert!(begin.elapsed() < Duration::from_secs(5));
    host.is_clean();
}

#[test]
fn a_policy_holds_in_the_foreground_too() {
    let host = Host::new("3\n3\n");
    host.recipe("db", &QUICK.replace("limit: 3", "limit: 1"));
    ended(
        &host.run(&["db.rhai"]),
        4,
        "
vmrun: error: the guest met a triple fault
 |
 = hint: the guest's kernel or firmware crashed; its console shows where
vmrun: starting it again in 20ms
error: the guest met a triple fault
 |
 = hint: the guest's kernel or firmware crashed; its console shows where
error: it was started again once within 600s, and is not any more
 |
 = hint: mend what ends it, then start it: the recipe's `restart` has the limit
",
    );
    host.is_clean();
    // What a policy does not name ends the run, a reboot too.
    host.write("fake/exits", "0\n1\n");
    host.recipe("db", "restart(#{ on: [\"crash\"] });\n");
    ended(&host.run(&["db.rhai"]), 0, "");
    assert_eq!(host.read("fake/exits"), "1\n");
    host.is_clean();
}

#[test]
fn a_deaf_guest_is_switched_off_when_its_time_is_over() {
    let host = Host::new("deaf\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let begin = Instant::now();
    let done = host.run(&["stop", "db", "--within", "300ms"]);
    ended(&done, 0, "vmrun: db did not power off in time and was switched off");
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(host.log("db").contains("vmrun: switching the machine off\n"));
    host.is_clean();
    // A guest that no vmrun looks after gets the same.
    host.write("fake/exits", "deaf\n");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    let done = host.run(&["stop", "db", "--within", "300ms"]);
    ended(
        &done,
        0,
        &format!(
            "
vmrun: db was left by vmrun [pid], of [tmp]/db.rhai, since [when]; giving back what it took
vmrun: kill {}
vmrun: bhyvectl --destroy --vm=db
vmrun: ifconfig tap1 destroy
vmrun: rm -rf [tmp]/state/db [tmp]/state/.db.secrets [tmp]/state/.db.lock
vmrun: db did not power off in time and was switched off
",
            status.guest.unwrap()
        ),
    );
    host.is_clean();
}

#[test]
fn a_run_in_the_foreground_tells_who_stops_it_how_its_machine_came_down() {
    let forced = "vmrun: db did not power off in time and was switched off";
    let cases: [(&str, &[&str], &str); 4] = [
        ("deaf\n", &["stop", "db"], forced),
        ("deaf\n", &["stop", "db", "--within", "200ms"], forced),
        ("deaf\n", &["kill", "db"], "vmrun: db was switched off"),
        ("run\n", &["stop", "db"], "vmrun: db is down"),
    ];
    for (exits, command, said) in cases {
        let host = Host::new(exits);
        host.recipe("db", "");
        let mut run = host.start(&["db.rhai", "--stop-within", "300ms"]);
        run.until("the guest", |sandbox| sandbox.read("state/.db.lock").contains(" + guest "));
        ended(&host.run(command), 0, said);
        ended(&run.wait(), 130, "error: interrupted");
        host.is_clean();
    }
}

#[test]
fn a_run_of_several_machines_tells_it_of_the_one_that_is_stopped() {
    let host = Host::new("1\ndeaf\n");
    host.recipe("db", "");
    host.recipe("web", "");
    let both =
        [host.read("db.rhai"), host.read("web.rhai").replace("let nic", "let other").replace("(nic)", "(other)")];
    host.write("both.rhai", &both.concat());
    let mut run = host.start(&["both.rhai", "--stop-within", "300ms"]);
    run.until("the second guest", |sandbox| {
        sandbox.read("state/.web.lock").contains(" part db\n") && sandbox.read("fake/vmm/web").contains("pid ")
    });
    ended(&host.run(&["stop", "web"]), 0, "vmrun: web did not power off in time and was switched off");
    ended(&run.wait(), 130, "error: interrupted");
    host.is_clean();
}

#[test]
fn how_long_a_stop_gives_is_in_the_log_and_in_the_events() {
    let host = Host::new("deaf\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    ended(
        &host.run(&["stop", "db", "--within", "200ms"]),
        0,
        "vmrun: db did not power off in time and was switched off",
    );
    assert!(host.log("db").contains("vmrun: asked the guest to power off; it has 200ms\n"), "{}", host.log("db"));
    let events = host.run(&["events", "db"]).stdout;
    assert!(events.contains("\"by\":\"power button\"") && events.contains("\"within_ms\":200"), "{events}");
}

#[test]
fn a_start_that_is_verbose_tells_what_its_supervisor_runs() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let done = host.run(&["start", "-v", "db.rhai"]);
    let told: Vec<&str> = done.stderr.lines().filter(|line| *line != "+ ifconfig").collect();
    let bhyve = told.iter().position(|line| line.starts_with("+ bhyve -c")).unwrap_or_else(|| panic!("{told:?}"));
    assert!(told[..bhyve].contains(&"+ ifconfig tap1 create"), "{told:?}");
    assert_eq!((done.code, told.last()), (0, Some(&"vmrun: db runs")));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    assert!(host.log("db").contains("+ ifconfig tap1 destroy\n"), "{}", host.log("db"));
    // Without it neither says anything of them.
    host.write("fake/exits", "run\n");
    fs::remove_file(host.path("log/db.log")).unwrap();
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    assert!(!host.log("db").contains("+ "), "{}", host.log("db"));
}

#[test]
fn a_machine_is_restarted_as_it_was_started() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "let note = param(\"note\", \"none\");\nprint(`${note} ${init}`);\n");
    ended(&host.run(&["start", "db.rhai", "--init", "--set", "note=well"]), 0, "vmrun: db runs");
    let before = host.status("db").unwrap();
    ended(&host.run(&["restart", "db"]), 0, "vmrun: db is down\nvmrun: db runs");
    let after = host.status("db").unwrap();
    assert_ne!(before.guest, after.guest);
    assert_eq!((after.init, after.params.get("note").map(String::as_str)), (false, Some("well")));
    let said = "vmrun: db runs\nvmrun: asked the guest to power off; it has 60s\nvmrun: it is down\n";
    same(&host.log("db"), &format!("well true\n{said}well false\nvmrun: db runs\n"));
    let done = host.run(&["logs", "db", "-n", "1"]);
    assert!(done.stdout.ends_with(" UTC: db runs\n") && done.stdout.lines().count() == 1, "{done:?}");
    let mut follows =
        host.start_program("sh", &["-c", "exec \"$0\" logs -f db -n 0 >followed", env!("CARGO_BIN_EXE_vmrun")]);
    let log = fs::OpenOptions::new().append(true).open(host.path("log/db.log")).unwrap();
    follows.until("the first line", |host| {
        (&log).write_all(b"here\n").unwrap();
        !host.read("followed").is_empty()
    });
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    follows.until("the end of the machine", |host| host.read("followed").ends_with(" UTC: it is down\n"));
    // It goes on with what the next start says.
    (&log).write_all(b"more\n").unwrap();
    follows.until("more", |host| host.read("followed").ends_with(" UTC: it is down\nmore\n"));
    follows.signal("INT");
    assert_eq!(follows.wait().code, -2);
    host.is_clean();
}

#[test]
fn what_cannot_be_done_to_a_machine_is_said_with_the_way_out() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let not = |what: &str, hint: &str| format!("error: {what}\n |\n = hint: {hint}\n");
    ended(&host.run(&["adopt", "db"]), 8, &not("the machine db does not run", "`vmrun start db` starts it"));
    // One that has a recipe may have been meant.
    let meant = not("the machine dbb does not run", "did you mean `db`?");
    for args in [["adopt", "dbb"], ["status", "dbb"]] {
        ended(&host.run(&args), 8, &meant);
    }
    let meant = not("the machine dbb does not run in the background", "did you mean `db`?");
    ended(&host.run(&["restart", "dbb"]), 3, &meant);
    let none = not("the machine db does not run in the background", "`vmrun start db` starts it");
    ended(&host.run(&["restart", "db"]), 3, &none);
    let none = not(
        "there is no log of db: [tmp]/log/db.log is not there",
        "a machine has one once it runs in the background: `vmrun start db`",
    );
    ended(&host.run(&["logs", "db"]), 3, &none);
    let none = not("the configuration lists no machine to start", "add to config.toml: start = [\"db\", \"web\"]");
    ended(&host.run(&["start", "--all"]), 2, &none);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    ended(&host.run(&["stop", "dbb"]), 0, "vmrun: dbb does not run; did you mean `db`?");
    let running = "the machine db is running already: vmrun [pid], of [tmp]/db.rhai, since [when]";
    ended(
        &host.run(&["adopt", "db"]),
        5,
        &not(running, "there is nothing to take over: `vmrun status db` tells who looks after it"),
    );
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    fs::remove_file(host.path("state/db/standing.json")).unwrap();
    let lost = not(
        "nothing is known of how db was started",
        "`vmrun start RECIPE` takes it over, with the recipe that it was started with",
    );
    ended(&host.run(&["adopt", "db"]), 3, &lost);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db goes on; it was taken over");
    // The guest ends without anybody who looks after it.
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    kill(status.guest.unwrap());
    let gone = not("no guest of db goes on without its vmrun", "`vmrun start db` starts it");
    let both = format!("{gone}error: db did not start\n |\n = hint: its log: [tmp]/log/db.log\n");
    ended(&host.run(&["adopt", "db"]), 3, &both);
    let done = host.run(&["gc"]);
    assert!(done.code == 0 && done.stdout.starts_with("# db was left by vmrun "), "{done:?}");
    host.is_clean();
    fs::write(host.path("no-folder"), "").unwrap();
    let done = host.finish(host.command(&["start", "db.rhai"]).env("VMRUN_LOG_DIR", host.path("no-folder/log")));
    ended(
        &done,
        3,
        &not(
            "cannot make [tmp]/no-folder/log: Not a directory",
            "it is for the logs of machines; VMRUN_LOG_DIR names another folder",
        ),
    );
    host.is_clean();
}

#[test]
fn machines_start_after_those_that_they_need_and_stop_before_them() {
    let host = Host::new("run\nrun\nrun\n");
    host.recipe("db", "");
    host.recipe("web", "after(\"db\");\n");
    host.recipe("mail", "after(\"web\");\nafter(\"db\");\n");
    host.write("config/config.toml", "start = [\"mail\", \"web\", \"db\"]\n");
    ended(&host.run(&["start", "--all"]), 0, "vmrun: db runs\nvmrun: web runs\nvmrun: mail runs");
    ended(&host.run(&["stop", "--all"]), 0, "vmrun: mail is down\nvmrun: web is down\nvmrun: db is down");
    host.is_clean();
    ended(
        &host.run(&["start", "web"]),
        1,
        "
error: web starts after db, which does not run and is not among those to start
 |
 = hint: start db first, or both at once
",
    );
    host.write("fake/exits", "err no|4\nrun\n");
    ended(
        &host.run(&["start", "web", "db"]),
        4,
        "
error: the hypervisor failed with status 4
 |
 = hint: its last words: no
error: web was not started: it starts after db
 |
 = hint: `vmrun start web` starts it once db runs
error: db did not start
 |
 = hint: its log: [tmp]/log/db.log
",
    );
    // One that is wrong starts none that starts after it.
    host.recipe("db", "tap(7);\n");
    let done = host.run(&["start", "mail", "web", "db"]);
    assert_eq!(done.code, 1, "{done:?}");
    host.is_clean();
}

#[test]
fn what_is_ready_lets_others_start() {
    let host = Host::new("run\nrun\n");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    host.recipe("db", &format!("ready(#{{ tcp: \"{address}\", within: \"5s\" }});\n"));
    host.recipe("web", "after(\"db\");\nready(#{ serial: \"login:\", within: \"300ms\" });\n");
    ended(
        &host.run(&["start", "db", "web"]),
        4,
        "
vmrun: db runs
vmrun: db is ready
vmrun: web runs
error: web runs, and was not ready within 300ms
 |
 = hint: its log: [tmp]/log/web.log
",
    );
    assert_eq!(host.run(&["stop", "--all"]).code, 0);
    host.is_clean();
    // A guest that speaks on its console.
    host.write("fake/exits", "echo\n");
    host.recipe("db", "ready(#{ serial: \"db runs\" });\n");
    ended(&host.run(&["start", "db"]), 0, "vmrun: db runs\nvmrun: db is ready");
    assert_eq!(host.run(&["stop", "db"]).code, 0);
    // One that powers off at once has done what it had to.
    host.write("fake/exits", "1\n");
    ended(&host.run(&["start", "db"]), 0, "vmrun: db has run and ended; its log: [tmp]/log/db.log");
    host.is_clean();
}

#[test]
fn who_waits_for_a_machine_to_be_ready_can_be_interrupted_and_the_machine_goes_on() {
    let host = Host::new("run\n");
    host.recipe("db", "ready(#{ serial: \"login:\", within: \"60s\" });\n");
    let start = host.start(&["start", "db"]);
    host.until("db", |status| status.state == MachineState::Running);
    start.signal("INT");
    let done = start.wait();
    // Whether it was told already that db runs is a matter of luck.
    same(
        done.stderr.trim_start_matches("vmrun: db runs\n"),
        "
error: interrupted; db goes on
 |
 = hint: `vmrun stop db` stops it
",
    );
    assert_eq!(done.code, 130);
    assert_eq!(host.run(&["stop", "db"]).code, 0);
    host.is_clean();
}

#[test]
fn what_is_wrong_with_how_a_machine_is_kept_is_shown_where_it_is() {
    let host = Host::new("");
    let said = |text: &str| {
        host.write("db.rhai", text);
        let done = host.run(&["plan", "db.rhai"]);
        assert_eq!(done.code, 1, "{done:?}");
        let lines = done.stderr.lines().filter(|line| line.starts_with("error") || line.contains("= hint"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let restart = "write `restart(#{ on: [\"reboot\", \"crash\"], delay: \"1s\", backoff: 2.0, max_delay: \"1m\", limit: 5, within: \"10m\" })`";
    let ready = "write `ready(#{ tcp: \"10.0.0.5:5432\", within: \"30s\" })`";
    for (text, expected) in [
        (
            "restart(#{ on: [\"reboots\"] });",
            "error: a guest does not end by \"reboots\"\n  = hint: did you mean `reboot`?".into(),
        ),
        (
            "restart(#{ on: [\"sleep\"] });",
            "error: a guest does not end by \"sleep\"\n  = hint: one of reboot, poweroff, halt and crash".into(),
        ),
        ("restart(#{ on: \"crash\" });", format!("error: expected a list of texts, got a text\n  = hint: {restart}")),
        ("restart(#{ delay: \"1w\" });", "error: \"1w\" is no time\n  = hint: write 60s, 2m or 500ms".into()),
        (
            "restart(#{ backoff: 0.5 });",
            "error: 0.5 is no factor by which a wait grows\n  = hint: from 1.0 to 100.0".into(),
        ),
        ("restart(#{ backoff: \"x\" });", format!("error: expected a factor: 2.0, got a text\n  = hint: {restart}")),
        (
            "restart(#{ limit: -1 });",
            format!("error: expected how often, as a number from 0 on, got a number\n  = hint: {restart}"),
        ),
        ("restart(#{ dealy: \"1s\" });", "error: there is no key `dealy`\n  = hint: did you mean `delay`?".into()),
        ("restart(5);", format!("error: expected a map #{{ … }}, got a number\n  = hint: {restart}")),
        (
            "ready(#{ tcp: \"10.0.0.5\" });",
            "error: \"10.0.0.5\" is no address with a port\n  = hint: write \"10.0.0.5:5432\"".into(),
        ),
        (
            "ready(#{ serial: \"\" });",
            "error: what the serial port says is a part of one line\n  = hint: write `serial: \"login:\"`".into(),
        ),
        (
            "ready(#{ });",
            format!("error: a machine is ready by `tcp`, `serial`, `ssh` or `agent`, one of them\n  = hint: {ready}"),
        ),
    ] {
        assert_eq!(said(text), expected, "{text}");
    }
}

#[test]
fn twenty_machines_run_at_once_and_all_stop() {
    let host = Host::new(&"run\n".repeat(20));
    let names: Vec<String> = (0..20).map(|number| format!("m{number}")).collect();
    for name in &names {
        let text = format!(
            "bhyve(#{{ name: \"{name}\", memory: 256.MiB, slots: #{{ \"0\": hostbridge(), \"31\": lpc() }} }}).run();\n"
        );
        host.write(&format!("{name}.rhai"), &text.replace("slots", "bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots"));
    }
    let mut args = vec!["start"];
    args.extend(names.iter().map(String::as_str));
    let sorted = |done: &Done| {
        let mut lines: Vec<String> = done.stderr.lines().map(String::from).collect();
        lines.sort();
        lines
    };
    let all = |what: &str| {
        let mut lines: Vec<String> = names.iter().map(|name| format!("vmrun: {name} {what}")).collect();
        lines.sort();
        lines
    };
    let done = host.run(&args);
    assert_eq!((done.code, sorted(&done)), (0, all("runs")));
    let pids: Vec<u32> = names.iter().map(|name| host.status(name).unwrap().supervisor.unwrap()).collect();
    idle(&pids);
    let done = host.run(&["stop", "--all"]);
    assert_eq!((done.code, sorted(&done)), (0, all("is down")));
    host.is_clean();
}

#[test]
fn of_many_starts_at_once_one_wins() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    for round in 0..10 {
        host.write("fake/exits", &"run\n".repeat(10));
        let all: Vec<_> = (0..10).map(|_| host.start(&["start", "db.rhai"])).collect();
        let all: Vec<Done> = all.into_iter().map(super::sandbox::Running::wait).collect();
        let won = all.iter().filter(|done| done.code == 0 && done.stderr == "vmrun: db runs\n").count();
        assert_eq!(won, 1, "{round}: {all:?}");
        // Who comes late finds what he wanted.
        assert!(
            all.iter().all(|done| done.code != 0
                || done.stderr.ends_with("runs\n")
                || done.stderr.ends_with("runs already\n"))
        );
        for lost in all.iter().filter(|done| done.code != 0) {
            assert_eq!(lost.code, 5, "{lost:?}");
            let known = [
                "error: the machine db is running already",
                "error: tap1 is in use by the machine db",
                "error: [tmp]/vm/db.img is in use by",
            ];
            assert!(lost.stderr.lines().any(|line| known.iter().any(|known| line.starts_with(known))), "{lost:?}");
        }
        ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
        host.is_clean();
    }
}

#[test]
fn a_guest_that_was_taken_over_is_started_again_by_its_policy() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", QUICK);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let before = host.status("db").unwrap();
    kill(before.supervisor.unwrap());
    ended(&host.run(&["adopt", "db"]), 0, "vmrun: db goes on; it was taken over");
    kill(before.guest.unwrap());
    let after = host.until("db", |status| status.state == MachineState::Running && status.boots == 2);
    assert_ne!(after.guest, before.guest);
    // What was taken is not taken again.
    let made = |what: &str| host.read("fake/log").lines().filter(|line| line.contains(what)).count();
    assert_eq!((made("ifconfig tap1 create"), made("addm tap1")), (1, 1));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_guest_of_a_recipe_of_several_machines_is_only_stopped() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let one = fs::read_to_string(host.path("db.rhai")).unwrap();
    let two = one
        .lines()
        .skip(2)
        .collect::<Vec<_>>()
        .join("\n")
        .replace("\"6\": virtio_net(nic), ", "")
        .replace("\"db\"", "\"web\"");
    host.write("db.rhai", &format!("{one}{two}\n"));
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    kill(host.status("db").unwrap().supervisor.unwrap());
    ended(
        &host.run(&["adopt", "db"]),
        3,
        "
error: db is one of several machines of its recipe, as web is
 |
 = hint: only a recipe of one machine can be taken over; `vmrun stop db` ends it
error: db did not start
 |
 = hint: its log: [tmp]/log/db.log
",
    );
    assert_eq!(host.run(&["stop", "db"]).code, 0);
    host.is_clean();
}

#[test]
fn the_folder_of_logs_is_for_everybody_whatever_umask_a_start_has() {
    let host = Host::new("1\n");
    host.recipe("db", "");
    let done = host.finish(&mut host.shell("umask 077; vmrun start db.rhai"));
    assert_eq!(done.code, 0, "{done:?}");
    let mode = |name: &str| fs::metadata(host.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("log"), mode("log/db.log")), (0o755, 0o600));
}

/// What is said where nothing is to be adopted.
const NONE: &str = "vmrun: no guest runs without its supervisor\n";

/// Runs the script of rc.d, with what rc.conf says.
fn rc(host: &Host, conf: &str, arg: &str) -> Done {
    let script = fs::read_to_string(project("packaging/vmrun")).unwrap();
    assert_eq!(script.matches("/etc/rc.subr").count(), 1);
    host.write("rc.d", &script.replace("/etc/rc.subr", &project("tests/rc.subr")));
    let bin = host.path("bin").display().to_string();
    host.write("rc.conf", &format!("{conf}vmrun_program={}\nvmrun_path={bin}\n", env!("CARGO_BIN_EXE_vmrun")));
    let mut command = host.shell(&format!("export PATH={bin}:$PATH; exec sh rc.d {arg}"));
    host.finish(command.env("RC_CONF", host.path("rc.conf")))
}

#[test]
fn the_script_of_rc_d_starts_and_stops_machines() {
    let host = Host::new("run\nrun\n");
    for script in ["packaging/vmrun", "tests/rc.subr"] {
        let done = Command::new("sh").args(["-n", &project(script)]).output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{script}: {done:?}");
    }
    host.recipe("db", "");
    host.recipe("web", "after(\"db\");\n");
    let enable = "vmrun_enable=YES\n";
    ended(
        &rc(&host, "", "start"),
        1,
        "Cannot 'start' vmrun. Set vmrun_enable to YES in /etc/rc.conf or use 'onestart' instead of 'start'.",
    );
    let list = format!("{enable}vmrun_list=\"web db\"\n");
    ended(&rc(&host, &list, "start"), 0, &format!("kldload vmm\n{NONE}vmrun: db runs\nvmrun: web runs"));
    // A vmrun that runs is not the service, and a machine that runs is no hindrance to another.
    ended(&host.run(&["stop", "web"]), 0, "vmrun: web is down");
    host.write("fake/exits", "run\n");
    ended(&rc(&host, &list, "start"), 0, &format!("kldload vmm\n{NONE}vmrun: db runs already\nvmrun: web runs"));
    // A guest that has lost its supervisor has one again.
    kill(host.status("db").unwrap().supervisor.unwrap());
    let adopted = "kldload vmm\nvmrun: db goes on; it was taken over\nvmrun: db runs already\nvmrun: web runs already";
    ended(&rc(&host, &list, "start").sorted(), 0, adopted);
    let done = rc(&host, enable, "status");
    let names: Vec<&str> = done.stdout.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!((done.code, names), (0, vec!["NAME", "db", "web"]), "{done:?}");
    // What would not come back is not stopped.
    host.write("fake/exits", "run\n");
    fs::rename(host.path("web.rhai"), host.path("away.rhai")).unwrap();
    let before = host.status("web").unwrap();
    let done = rc(&host, enable, "restart");
    assert!(
        done.code == 1
            && done.stderr.starts_with("vmrun: db is down\nvmrun: db runs\nerror: cannot read the recipe")
            && done.stderr.contains("error: web was not restarted, and goes on as it was started\n"),
        "{done:?}"
    );
    assert_eq!(host.status("web").unwrap(), before);
    ended(&rc(&host, enable, "faststop"), 0, "vmrun: web is down\nvmrun: db is down");
    ended(&rc(&host, enable, "stop"), 0, "vmrun: no machine runs in the background");
    host.is_clean();
    // Without a list it is the configuration's.
    host.write("config/config.toml", "start = [\"db\"]\n");
    host.write("fake/exits", "deaf\n");
    ended(&rc(&host, enable, "start"), 0, &format!("kldload vmm\n{NONE}vmrun: db runs"));
    let short = format!("{enable}vmrun_stop_timeout=1\n");
    ended(&rc(&host, &short, "stop"), 0, "vmrun: db did not power off in time and was switched off");
    host.is_clean();
}

#[test]
fn the_unit_of_systemd_says_what_the_script_says() {
    let unit = fs::read_to_string(project("packaging/vmrun.service")).unwrap();
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap();
    assert_eq!(value("ExecStartPre"), "-/usr/local/bin/vmrun adopt --all");
    assert_eq!(value("ExecStart"), "/usr/local/bin/vmrun start --all");
    assert_eq!(value("ExecReload"), "/usr/local/bin/vmrun restart --all --within 80s");
    assert_eq!(value("ExecStop"), "/usr/local/bin/vmrun stop --all --within 80s");
    // Longer than all that a stop may take.
    assert_eq!((value("Type"), value("RemainAfterExit"), value("TimeoutStopSec")), ("oneshot", "yes", "95"));
}

#[test]
fn no_child_sees_a_secret_and_the_supervisor_keeps_them() {
    let host = Host::new("0\nrun\n");
    host.recipe(
        "db",
        "let s = secret(\"vnc\");\nlet seen = query(\"printenv\");\nprint(seen.contains(\"VMRUN_SECRET\"));\n",
    );
    let started = host.start(&["start", "db.rhai"]).wait();
    assert_eq!((started.code, started.stderr.contains("true")), (0, false), "{}", started.stderr);
    // It was evaluated once more after the reboot, and had its secret.
    let status = host.until("db", |status| status.boots == 2 && status.state == MachineState::Running);
    for pid in [status.supervisor, status.guest].into_iter().flatten() {
        let seen = fs::read(format!("/proc/{pid}/environ")).unwrap();
        let seen = String::from_utf8_lossy(&seen).into_owned();
        assert!(seen.contains("PATH=") && !seen.contains("VMRUN_SECRET"), "{seen}");
    }
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    assert!(!host.everything().contains(super::sandbox::PASSWORD));
}

#[test]
fn a_parameter_that_is_a_secret_is_in_no_file_no_command_line_and_no_event() {
    let host = Host::new("0\nrun\n");
    host.recipe("db", "let s = secret_param(\"console\");\nlet size = param(\"size\", 1);\nprint(`secret ${s}`);\n");
    let lacking = host.start(&["start", "db.rhai"]).wait();
    assert_eq!(lacking.code, 3);
    same(
        &lacking.stderr,
        "
error: the secret `console` is not there
 --> db.rhai:1:22
  |
1 | let s = secret_param(\"console\");
  |                      ^^^^^^^^^
  |
  = hint: set VMRUN_SECRET_CONSOLE, or write it to [tmp]/config/secrets/console (mode 0600)
",
    );
    let started = host.start(&["start", "db.rhai", "--set", "console=geheim77", "--set", "size=2"]).wait();
    assert_eq!(started.code, 0, "{}", started.stderr);
    assert!(!started.stderr.contains("geheim77") && started.stdout.is_empty(), "{}", started.stderr);
    // It was evaluated once more after the reboot, and had its secret.
    let status = host.until("db", |status| status.boots == 2 && status.state == MachineState::Running);
    assert_eq!(status.params, [("size".to_string(), "2".to_string())].into());
    for pid in [status.supervisor, status.guest].into_iter().flatten() {
        for file in ["environ", "cmdline"] {
            let seen = fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&seen).contains("geheim77"), "{file}");
        }
    }
    for command in [["status", "db", "--json"].as_slice(), &["events", "db"], &["logs", "db"]] {
        let said = host.run(command);
        assert!(!format!("{}{}", said.stdout, said.stderr).contains("geheim77"), "{command:?}");
    }
    assert!(!host.everything().contains("geheim77"));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    // A recipe says what it takes: as a secret, and without it as a default.
    let help = host.run(&["db.rhai", "--help"]);
    assert!(help.stdout.contains("--set console=…  (a secret)\n"), "{}", help.stdout);
    let words = "import \"./near\" as near;\nnear::of();\n";
    host.write("near.rhai", "fn of() { secret_param(\"console\") }\n");
    host.recipe("db", words);
    let near = host.run(&["db.rhai"]);
    assert_eq!(near.code, 1);
    let first = near.stderr.lines().next().unwrap();
    assert_eq!(first, "error: a parameter that is a secret is declared in the recipe's own file");
}

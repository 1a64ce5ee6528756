//! Another host whose connection stands while nothing comes from it any more: it is waited for as long as VMRUN_HOST_WITHIN says, and
//! what was begun has its way out.

use super::host::Host;
use super::sandbox::{Done, same};
use super::two_hosts::TwoHosts;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long a command takes at most that waits for such a host twice: once for what was asked, and once to undo that.
const BOUND: Duration = Duration::from_secs(60);

/// Runs vmrun with little patience: more than anything takes that does not hang, on a host that is busy.
#[track_caller]
fn impatient(host: &Host, args: &[&str]) -> Done {
    let begin = Instant::now();
    let done = host.finish(host.command(args).env("VMRUN_HOST_WITHIN", "5s"));
    assert!(begin.elapsed() < BOUND, "{args:?} took {:?}: {done:?}", begin.elapsed());
    done
}

#[track_caller]
fn told(done: &Done, code: i32, stderr: &str) {
    same(&done.stderr, stderr);
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

const SILENT: &str = "error: vm6: nothing came from the other side for too long\n";

/// What is said of a move that has not ended, and may be undone by this host alone.
const SENDING: &str = "error: the move of web to vm6 has not ended; it is still this host's
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
";

/// The same, once the other host may have it.
const GIVEN: &str = "error: the move of web to vm6 has not ended, and which of both hosts has it is to be asked there
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
";

#[test]
fn a_host_that_hangs_within_a_move_is_not_waited_for_and_the_move_is_gone_on_with() {
    let (begins, copied) = (
        "vmrun: web is moved to vm6: 2 disks with 68 KiB\n",
        "vmrun: web is moved to vm6: 2 disks with 68 KiB\nvmrun: copied 1 MiB while it runs\n",
    );
    let stops = format!("{copied}vmrun: stopping web\n");
    let back = "vmrun: what has come to vm6 stays there until `vmrun migrate --forget web` there removes it\n\
                vmrun: starting web here again\n\
                vmrun: the move of web to vm6 is undone; it is this host's\n";
    let cases = [
        ("before hang re:hello", SILENT.to_string(), true),
        ("after hang re:hello", format!("{SILENT}{SENDING}"), true),
        ("before hang re:offer", format!("{SILENT}{SENDING}"), true),
        ("before hang re:digests", format!("{begins}{SILENT}{SENDING}"), true),
        ("before hang re:sync", format!("{begins}{SILENT}{SENDING}"), true),
        ("before hang re:seal", format!("{stops}{back}{SILENT}"), true),
        ("before hang re:take", format!("{stops}{SILENT}{GIVEN}"), false),
        ("before hang re:start", format!("{stops}vmrun: starting web on vm6\n{SILENT}{GIVEN}"), false),
    ];
    // All of them wait at once.
    thread::scope(|scope| {
        let begun = cases.map(|(strike, said, runs)| scope.spawn(move || hangs(strike, &said, runs)));
        begun.into_iter().for_each(|case| case.join().unwrap());
    });
}

/// Moves the machine to a host that hangs there, and goes on with that.
fn hangs(strike: &str, said: &str, runs: bool) {
    let hosts = TwoHosts::running();
    let disks = TwoHosts::disks(&hosts.source);
    hosts.strike(strike);
    let done = impatient(&hosts.source, &["migrate", "web", "vm6", "--answer-within", "1s"]);
    told(&done, 3, said);
    assert_eq!(TwoHosts::runs(&hosts.source), runs, "{strike}");
    assert!(!runs || !TwoHosts::runs(&hosts.target), "{strike}");
    hosts.strike("");
    fs::remove_file(hosts.source.path("fake/struck")).unwrap();
    let is_begun = said.contains("has not ended");
    let args: &[&str] = if is_begun { &["migrate", "--resume", "web"] } else { &["migrate", "web", "vm6"] };
    if strike.ends_with("re:seal") {
        let begin = Instant::now();
        // Whoever answered there ends once nothing more can come.
        while hosts.target.run(&["migrate", "--forget", "web"]).code != 0 {
            assert!(begin.elapsed() < BOUND, "{strike}");
        }
    }
    let done = hosts.patiently(args);
    assert_eq!(done.code, 0, "{strike}: {done:?}");
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true), "{strike}");
    assert!(TwoHosts::disks(&hosts.target) == disks, "{strike}");
}

/// Moves the machine to a host that hangs there, asks the move to stop, and goes on with it.
fn interrupted(strike: &str, said: &str, runs: bool) {
    let hosts = TwoHosts::running();
    let disks = TwoHosts::disks(&hosts.source);
    hosts.strike(strike);
    let mut moving = hosts.source.start(&["migrate", "web", "vm6"]);
    moving.until("a host that hangs", |host| host.path("fake/struck").exists());
    // It waits.
    thread::sleep(Duration::from_millis(500));
    let begin = Instant::now();
    moving.signal("INT");
    let done = moving.wait();
    assert!(begin.elapsed() < Duration::from_secs(30), "{strike}: {:?}", begin.elapsed());
    told(&done, 130, said);
    assert_eq!(TwoHosts::runs(&hosts.source), runs, "{strike}");
    assert!(!runs || !TwoHosts::runs(&hosts.target), "{strike}");
    hosts.strike("");
    let done = hosts.patiently(&["migrate", "--resume", "web"]);
    assert_eq!(done.code, 0, "{strike}: {done:?}");
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true), "{strike}");
    assert!(TwoHosts::disks(&hosts.target) == disks, "{strike}");
}

#[test]
fn who_is_interrupted_while_another_host_hangs_ends_soon_with_the_way_out() {
    let begins = "vmrun: web is moved to vm6: 2 disks with 68 KiB\n";
    let stops = format!("{begins}vmrun: copied 1 MiB while it runs\nvmrun: stopping web\n");
    let cases = [
        ("before hang re:offer", format!("error: interrupted\n{SENDING}"), true),
        ("before hang re:sync", format!("{begins}error: interrupted\n{SENDING}"), true),
        ("before hang re:take", format!("{stops}error: interrupted\n{GIVEN}"), false),
        ("before hang re:start", format!("{stops}vmrun: starting web on vm6\nerror: interrupted\n{GIVEN}"), false),
    ];
    thread::scope(|scope| {
        let begun = cases.map(|(strike, said, runs)| scope.spawn(move || interrupted(strike, &said, runs)));
        begun.into_iter().for_each(|case| case.join().unwrap());
    });
}

#[test]
fn a_host_that_takes_no_more_blocks_is_not_waited_for() {
    let hosts = TwoHosts::new();
    // More than a pipe holds.
    let disk = hosts.source.path("config/recipes/web.img");
    fs::write(&disk, vec![b'x'; usize::try_from(disk.metadata().unwrap().len()).unwrap()]).unwrap();
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    hosts.strike("before hang block");
    let done = impatient(&hosts.source, &["migrate", "web", "vm6", "--answer-within", "1s"]);
    let begins = "vmrun: web is moved to vm6: 2 disks with 3 MiB\n";
    told(&done, 3, &format!("{begins}error: vm6: the other side has taken nothing for too long\n{SENDING}"));
    assert!(TwoHosts::runs(&hosts.source));
    hosts.strike("");
    let done = hosts.patiently(&["migrate", "--abort", "web"]);
    assert_eq!((done.code, TwoHosts::runs(&hosts.source)), (0, true), "{done:?}");
    assert_eq!(hosts.target.names("config/recipes"), ["rom.fd"]);
}

#[test]
fn a_host_that_hangs_while_a_host_is_emptied_keeps_no_other_machine_from_being_told() {
    let hosts = TwoHosts::running();
    hosts.strike("before hang re:sync");
    let done = impatient(&hosts.source, &["migrate", "--all", "vm6", "--answer-within", "1s"]);
    told(
        &done,
        3,
        "
vmrun: web is moved to vm6: 2 disks with 68 KiB
vmrun: web stays here
error: web: vm6: nothing came from the other side for too long
error: web: the move of web to vm6 has not ended; it is still this host's
 |
 = hint: `vmrun migrate --resume web` goes on with it, `vmrun migrate --abort web` undoes it
",
    );
    assert!(TwoHosts::runs(&hosts.source));
}

#[test]
fn a_host_that_hangs_within_a_replica_is_not_waited_for_and_the_next_one_is_whole() {
    thread::scope(|scope| {
        let cases = ["before hang re:offer", "before hang re:digests", "before hang re:seal", "before hang re:keep"];
        let begun = cases.map(|strike| scope.spawn(move || replica_hangs(strike)));
        begun.into_iter().for_each(|case| case.join().unwrap());
    });
}

/// Sends a replica to a host that hangs there, and another one.
fn replica_hangs(strike: &str) {
    let hosts = TwoHosts::new();
    hosts.strike(strike);
    let done = impatient(&hosts.source, &["replicate", "web", "vm6", "--answer-within", "1s"]);
    let begins = "vmrun: a replica of web goes to vm6: 2 disks with 68 KiB\n";
    told(&done, 3, &format!("{}{SILENT}", if strike.ends_with("re:offer") { "" } else { begins }));
    hosts.strike("");
    let done = hosts.patiently(&["replicate", "web", "vm6", "--keep", "1"]);
    assert_eq!(done.code, 0, "{strike}: {done:?}");
    assert_eq!(hosts.target.names("config/replicas/web").len(), 1, "{strike}");
}

#[test]
fn a_host_that_hangs_within_a_restart_is_not_waited_for_and_the_rest_is_left_as_it_is() {
    let hosts = super::rolling::running();
    hosts.strike("before hang restart_db");
    let done = impatient(&hosts.source, &["restart", "--all-hosts", "--answer-within", "20s"]);
    super::rolling::said(
        &done,
        3,
        "vmrun: 1 of 4: lab on this host is back after [time]
error: db on ssh://vm6 runs, and was not restarted, or is not ready: it did not answer
 |
 = hint: `vmrun status db` there tells more
error: nothing more was restarted: 3 machines are left
 |
 = hint: `vmrun restart --resume` goes on, once what is wrong is corrected; `vmrun restart --forget` leaves them alone",
    );
    hosts.strike("");
    let done = hosts.source.run(&["restart", "--resume", "--answer-within", "20s"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn a_time_that_is_none_is_refused_before_anybody_is_asked() {
    let hosts = TwoHosts::new();
    let refused = |time: &str| {
        hosts.source.finish(hosts.source.command(&["migrate", "web", "vm6"]).env("VMRUN_HOST_WITHIN", time))
    };
    told(
        &refused("soon"),
        2,
        "
error: VMRUN_HOST_WITHIN is \"soon\": write 60s, 2m or 500ms
",
    );
    told(
        &refused("99999999999d"),
        2,
        "
error: VMRUN_HOST_WITHIN is \"99999999999d\": too long
",
    );
    // No clock can tell when such a time is over.
    let list = ["list", "--all-hosts", "--hosts", "ssh://vm6", "--answer-within", "213503982334601d"];
    let done = hosts.source.run(&list);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("too long"), "{done:?}");
}

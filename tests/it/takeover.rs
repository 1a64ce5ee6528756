//! A host that was away comes back, and another one has taken its machine over from a replica meanwhile, or may have: it asks before it
//! starts its own copy.

use super::host::Host;
use super::sandbox::{Done, same};
use super::two_hosts::TwoHosts;
use std::fs;
use std::os::unix::fs::FileExt as _;
use vmrun::internals::supervise::status::MachineState;

fn here() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

#[track_caller]
fn ends(done: &Done, code: i32, stderr: &str) {
    // Hosts of the tests call themselves what this one is called.
    same(&done.stderr, &stderr.replace("[here]", &here()));
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

/// Has a host reach none.
fn alone(host: &Host) -> String {
    let known = host.read("fake/ssh");
    host.write("fake/ssh", "");
    known
}

/// Two hosts, of which the second one has a replica of a machine that does not run.
fn replicated() -> TwoHosts {
    let hosts = TwoHosts::new();
    let done = hosts.source.run(&["replicate", "web", "vm6"]);
    assert_eq!(done.code, 0, "{done:?}");
    hosts
}

/// The same, and the first one was off while the second one took the machine over; it runs there.
fn taken() -> TwoHosts {
    let hosts = replicated();
    let known = alone(&hosts.target);
    let done = hosts.target.run(&["start", "web", "--from-replica", &format!("--fenced={}", here())]);
    assert_eq!(done.code, 0, "{done:?}");
    hosts.target.write("fake/ssh", &known);
    write(&hosts.target);
    assert!(TwoHosts::runs(&hosts.target));
    hosts
}

/// Has something on the disk of a host that no other one has.
fn write(host: &Host) {
    let disk = fs::OpenOptions::new().write(true).open(host.path("config/recipes/web.img")).unwrap();
    disk.write_all_at(b"written since", 2 << 20).unwrap();
}

fn runs(hosts: &TwoHosts) -> (bool, bool) {
    (TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target))
}

const TAKEN: &str = "
error: vm6 has taken web over from its replica: what is on the disks here is older
 |
 = hint: `vmrun migrate web HOST` there brings it back; `vmrun migrate --forget web` lets this one be started if that one is gone for ever
";

const AWAY: &str = "
error: the machine web was moved to vm6, which has it now
 |
 = hint: `vmrun migrate web HOST` there brings it back; `vmrun migrate --forget web` lets this one be started if that one is gone for ever
error: web did not start
 |
 = hint: its log: [tmp]/log/web.log
";

const SILENT: &str = "
error: vm6, which has a replica of web, does not tell whether it has taken web over: ssh: connect to host vm6 port 22: Connection refused
 |
 = hint: fence it, so that web cannot run there, then `vmrun start web --fenced vm6`; or wait for it by --wait; `vmrun replicate web vm6 --forget` if it has no \
 replica any more, and never will
";

#[test]
fn a_host_that_comes_back_does_not_start_what_was_taken_over_and_gets_it_back_by_a_move() {
    let hosts = taken();
    ends(&hosts.source.run(&["start", "web"]), 5, TAKEN);
    assert_eq!(runs(&hosts), (false, true));
    // From then on it knows it by itself, as after a move.
    let known = alone(&hosts.source);
    ends(&hosts.source.run(&["start", "web", "--fenced=vm6"]), 5, AWAY);
    let listed = hosts.source.run(&["list", "--all"]);
    assert!(listed.stdout.lines().any(|line| line.starts_with("web ") && line.contains(" moved ")), "{listed:?}");
    hosts.source.write("fake/ssh", &known);
    let done = hosts.target.run(&["migrate", "web", "vm5"]);
    assert_eq!((done.code, runs(&hosts)), (0, (true, false)), "{done:?}");
    assert_eq!(TwoHosts::disks(&hosts.source), TwoHosts::disks(&hosts.target));
    assert!(fs::read(hosts.source.path("config/recipes/web.img")).unwrap()[2 << 20..].starts_with(b"written since"));
    // Nobody has to be asked any more.
    assert_eq!((hosts.source.names("config/replication"), hosts.target.names("config/replication")), (vec![], vec![]));
    alone(&hosts.source);
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
}

#[test]
fn a_run_in_the_foreground_asks_too_and_a_machine_comes_back_to_a_host_that_did_not_know_that_it_was_gone() {
    let hosts = taken();
    ends(&hosts.source.run(&["run", "config/recipes/web.rhai"]), 5, TAKEN);
    let hosts = taken();
    let done = hosts.target.run(&["migrate", "web", "vm5"]);
    assert_eq!((done.code, runs(&hosts)), (0, (true, false)), "{done:?}");
    assert_eq!(TwoHosts::disks(&hosts.source), TwoHosts::disks(&hosts.target));
    assert_eq!((hosts.source.names("config/replication"), hosts.target.names("config/replication")), (vec![], vec![]));
}

#[test]
fn a_host_that_has_replicas_and_does_not_answer_has_to_be_vouched_for() {
    let hosts = replicated();
    // As long as it answers nothing has to be said.
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
    let known = alone(&hosts.source);
    // What runs here is not asked for: nobody has taken over what has run until now.
    let done = hosts.source.run(&["restart", "web"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    ends(&hosts.source.run(&["start", "web"]), 5, SILENT);
    ends(&hosts.source.run(&["start", "web", "--fenced=vm9"]), 5, SILENT);
    assert!(!TwoHosts::runs(&hosts.source));
    ends(&hosts.source.run(&["start", "web", "--fenced=vm6"]), 0, "vmrun: web runs\n");
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    // It is waited for, as for whoever has what a machine needs.
    let waiting = std::thread::scope(|scope| {
        let waits = scope.spawn(|| hosts.source.run(&["start", "web", "--wait=20s"]));
        std::thread::sleep(std::time::Duration::from_millis(700));
        hosts.source.write("fake/ssh", &known);
        waits.join().unwrap()
    });
    let said = SILENT.trim_start().lines().next().unwrap().replace("error: ", "vmrun: waiting: ");
    ends(&waiting, 0, &format!("{said}\nvmrun: web runs\n"));
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    alone(&hosts.source);
    ends(
        &hosts.source.run(&["replicate", "web", "vm9", "--forget"]),
        3,
        "error: no replica of web was sent to vm9\n |\n = hint: those of web went to vm6\n",
    );
    ends(
        &hosts.source.run(&["replicate", "web", "vm6", "--forget"]),
        0,
        "vmrun: vm6 is not asked any more whether it has taken web over\n",
    );
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
}

#[test]
fn of_two_hosts_that_were_both_vouched_for_only_one_starts_the_machine() {
    // The second one took it, went away, and the first one took it back.
    let back = || {
        let hosts = taken();
        assert_eq!(hosts.target.run(&["stop", "web"]).code, 0);
        let known = alone(&hosts.source);
        ends(&hosts.source.run(&["start", "web", "--fenced=vm6"]), 0, "vmrun: web runs\n");
        hosts.source.write("fake/ssh", &known);
        hosts
    };
    // It comes back, and is started.
    let hosts = back();
    ends(&hosts.target.run(&["start", "web"]), 5, &TAKEN.replace("vm6", &here()));
    assert_eq!(runs(&hosts), (true, false));
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
    // It comes back, and hears of it from the first one.
    let hosts = back();
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
    ends(&hosts.target.run(&["start", "web"]), 5, &AWAY.replace("vm6", &here()));
    assert_eq!(runs(&hosts), (true, false));
    // It comes back, cannot ask, and is started all the same: the first one is not then, once it is stopped.
    let hosts = back();
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    let known = alone(&hosts.target);
    ends(
        &hosts.target.run(&["start", "web"]),
        0,
        "
warning: [here], from which web was taken over, does not tell whether it has taken it back: ssh: connect to host [here] port 22: Connection refused
 |
 = hint: `vmrun replicate web [here] --forget` if it is gone for ever
vmrun: web runs
",
    );
    ends(
        &hosts.source.run(&["start", "web"]),
        5,
        "
error: vm6: web runs here: its replica there would be a second one
 |
 = hint: on vm6: `vmrun migrate web HOST` moves it; or stop it
",
    );
    assert_eq!(runs(&hosts), (false, true));
    // And a replica that it has still is not taken from under who has taken the machine back.
    hosts.target.write("fake/ssh", &known);
    assert_eq!(hosts.target.run(&["stop", "web"]).code, 0);
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
    assert_eq!(runs(&hosts), (true, false));
}

/// A third host, which both others reach as vm7.
fn third(hosts: &TwoHosts) -> Host {
    let third = Host::new(&"run\n".repeat(8));
    fs::create_dir_all(third.path("config/recipes")).unwrap();
    fs::copy(third.path("vm/rom.fd"), third.path("config/recipes/rom.fd")).unwrap();
    third.has("ssh");
    for host in [&hosts.source, &hosts.target] {
        let known = host.read("fake/ssh");
        host.write("fake/ssh", &format!("{known}at vm7 {}\n", third.path("").display()));
    }
    third.write("fake/ssh", &hosts.target.read("fake/ssh"));
    third
}

#[test]
fn several_hosts_that_do_not_answer_are_vouched_for_together() {
    let hosts = replicated();
    let _third = third(&hosts);
    assert_eq!(hosts.source.run(&["replicate", "web", "vm7"]).code, 0);
    alone(&hosts.source);
    ends(&hosts.source.run(&["start", "web"]), 5, SILENT);
    // One after the other would never end: each start asks for both.
    let both = SILENT.replace("vm6", "vm7").replace("--fenced vm7", "--fenced vm6,vm7");
    ends(&hosts.source.run(&["start", "web", "--fenced=vm6"]), 5, &both);
    let both = SILENT.replace("--fenced vm6", "--fenced vm7,vm6");
    ends(&hosts.source.run(&["start", "web", "--fenced=vm7"]), 5, &both);
    ends(&hosts.source.run(&["start", "web", "--fenced=vm6,vm7"]), 0, "vmrun: web runs\n");
}

#[test]
fn what_was_taken_over_and_moved_on_is_known_to_the_host_that_comes_back() {
    let hosts = taken();
    let third = third(&hosts);
    let done = hosts.target.run(&["migrate", "web", "vm7"]);
    assert_eq!(done.code, 0, "{done:?}");
    ends(
        &hosts.source.run(&["start", "web"]),
        5,
        &TAKEN.replace("its replica: ", "its replica, and has moved it to vm7: "),
    );
    // From there it comes back as well.
    let done = third.run(&["migrate", "web", "vm5"]);
    assert_eq!((done.code, TwoHosts::runs(&hosts.source)), (0, true), "{done:?}");
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
    assert!(!TwoHosts::runs(&hosts.target) && !TwoHosts::runs(&third));
}

#[test]
fn a_replica_of_a_machine_that_was_moved_to_a_third_host_is_not_taken() {
    let hosts = replicated();
    let third = third(&hosts);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    let done = hosts.source.run(&["migrate", "web", "vm7"]);
    assert_eq!(done.code, 0, "{done:?}");
    let refused = "
error: [here]: the machine web was moved to vm7, which has it now
 |
 = hint: on [here]: take the machine where it is; `vmrun replicate` from there sends a newer replica
";
    ends(&hosts.target.run(&["start", "web", "--from-replica"]), 5, refused);
    ends(&hosts.target.run(&["start", "web", "--from-replica", &format!("--fenced={}", here())]), 5, refused);
    assert!(TwoHosts::runs(&third) && runs(&hosts) == (false, false));
    // That host stays the one that is told of.
    let refused = hosts.source.run(&["start", "web"]);
    ends(&refused, 5, &AWAY.replace("vm6", "vm7"));
}

#[test]
fn whoever_is_killed_while_it_is_asked_the_machine_is_started_on_one_host() {
    for what in ["taken_over", "re:taken_over"] {
        for who in ["source", "target", "ssh"] {
            for when in ["before", "after"] {
                let case = format!("{when} {who} {what}");
                let hosts = taken();
                hosts.strike(&case);
                let done = hosts.source.run(&["start", "web"]);
                assert_eq!(hosts.source.read("fake/struck"), what, "{case}: nobody was struck: {done:?}");
                assert!(done.code != 0 && runs(&hosts) == (false, true), "{case}: {done:?}");
                hosts.strike("");
                let done = hosts.source.run(&["start", "web"]);
                assert_eq!((done.code, runs(&hosts)), (5, (false, true)), "{case}: {done:?}");
                // And where nothing was taken over it is started the next time.
                let hosts = replicated();
                hosts.strike(&case);
                hosts.source.run(&["start", "web"]);
                hosts.strike("");
                let done = hosts.source.run(&["start", "web"]);
                assert_eq!((done.code, runs(&hosts)), (0, (true, false)), "{case}: {done:?}");
            }
        }
    }
}

#[test]
fn whoever_is_killed_while_a_replica_is_sent_a_host_that_may_have_it_is_asked() {
    let said = ["hello", "re:hello", "offer", "re:offer", "re:digests", "seal", "re:seal", "keep", "re:keep"];
    for (at, (what, who)) in said.iter().flat_map(|what| ["source", "target", "ssh"].map(|who| (what, who))).enumerate()
    {
        let case = format!("{} {who} {what}", if at % 2 == 0 { "before" } else { "after" });
        let hosts = TwoHosts::new();
        hosts.strike(&case);
        hosts.source.run(&["replicate", "web", "vm6"]);
        hosts.strike("");
        assert_eq!(hosts.source.read("fake/struck"), **what, "{case}");
        let known = alone(&hosts.target);
        let fenced = format!("--fenced={}", here());
        let taken = loop {
            let done = hosts.target.run(&["start", "web", "--from-replica", &fenced]);
            if !done.stderr.contains("right now") {
                break done;
            }
        };
        hosts.target.write("fake/ssh", &known);
        hosts.source.run(&["start", "web"]);
        assert_eq!(runs(&hosts), (taken.code != 0, taken.code == 0), "{case}: {taken:?}");
    }
}

#[test]
fn who_cannot_read_what_is_known_of_replicas_does_not_start_the_machine() {
    let hosts = replicated();
    let known = hosts.source.read("config/replication/web.json");
    hosts.source.write("config/replication/web.json", &known[1..]);
    ends(
        &hosts.source.run(&["start", "web"]),
        7,
        "
error: cannot tell which hosts have replicas of web: [tmp]/config/replication/web.json: it is no JSON
 |
 = hint: correct that file, or remove it if no other host has taken the machine over
",
    );
    hosts.source.write("config/replication/web.json", &known);
    fs::create_dir(hosts.target.path("config/replication")).unwrap();
    hosts.target.write("config/replication/web.json", "");
    let mut done = hosts.source.run(&["start", "web"]);
    done.stderr = done.stderr.replace(hosts.target.path("").to_str().unwrap(), "[there]/");
    ends(
        &done,
        7,
        "
error: vm6, which has a replica of web, does not tell whether it has taken web over: cannot tell which hosts have replicas of web: \
         [there]/config/replication/web.json: it is no JSON
 |
 = hint: on vm6: correct that file, or remove it if no other host has taken the machine over; `vmrun replicate web vm6 --forget` if it has no replica any more, and never will
",
    );
    // What is removed there was given up: the copy here is the machine again.
    let hosts = taken();
    assert_eq!(hosts.target.run(&["stop", "web"]).code, 0);
    let done = hosts.target.run(&["remove", "web", "--recipe", "--yes"]);
    assert_eq!(done.code, 0, "{done:?}");
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
}

/// Has the other host have an earlier vmrun, which remembers no takeovers.
fn with_earlier(hosts: &TwoHosts) {
    let known = hosts.source.read("fake/ssh");
    hosts.source.write("fake/ssh", &format!("{known}earlier\n"));
}

#[test]
fn a_host_whose_vmrun_is_an_earlier_one_gets_replicas_and_moves_and_is_not_asked() {
    let hosts = TwoHosts::new();
    with_earlier(&hosts);
    ends(
        &hosts.source.run(&["replicate", "web", "vm6"]),
        0,
        "
vmrun: vm6 has an earlier vmrun, which will not tell whether it has taken web over: nobody is asked before web is started here
vmrun: a replica of web goes to vm6: 2 disks with 68 KiB
vmrun: a replica of web is on vm6; 1 MiB were sent
",
    );
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
    let done = hosts.source.run(&["migrate", "web", "vm6"]);
    assert_eq!((done.code, runs(&hosts)), (0, (false, true)), "{done:?}");
    // One that was newer when it got a replica is asked, and cannot tell.
    let hosts = replicated();
    with_earlier(&hosts);
    ends(
        &hosts.source.run(&["start", "web"]),
        7,
        "
error: vm6, which has a replica of web, does not tell whether it has taken web over: nobody here knows the request \"what_is_not_known\"
 |
 = hint: have the same vmrun on both hosts; `vmrun replicate web vm6 --forget` if it has no replica any more, and never will
",
    );
}

#[test]
fn what_was_taken_over_is_neither_moved_nor_replicated_by_the_host_that_comes_back() {
    let both = |args: &[&str]| {
        let hosts = taken();
        let third = third(&hosts);
        ends(&hosts.source.run(args), 5, TAKEN);
        assert_eq!((runs(&hosts), third.names("config/recipes")), ((false, true), vec!["rom.fd".to_string()]));
        assert!(!third.path("config/replicas").exists());
    };
    both(&["migrate", "web", "vm7"]);
    both(&["migrate", "web", "vm7", "--dry-run"]);
    both(&["replicate", "web", "vm7"]);
    // Where nobody tells it is not moved, and may be replicated: that starts nothing.
    let hosts = replicated();
    let third = third(&hosts);
    let known = hosts.source.read("fake/ssh");
    let only_third: String =
        known.lines().filter(|line| !line.starts_with("host ")).map(|line| format!("{line}\n")).collect();
    hosts.source.write("fake/ssh", &only_third);
    ends(&hosts.source.run(&["migrate", "web", "vm7"]), 5, SILENT);
    let done = hosts.source.run(&["replicate", "web", "vm7"]);
    assert_eq!((done.code, third.names("config/replicas")), (0, vec!["web".to_string()]), "{done:?}");
    // One that runs has not been away.
    ends(&hosts.source.run(&["start", "web", "--fenced=vm6"]), 0, "vmrun: web runs\n");
    let done = hosts.source.run(&["migrate", "web", "vm7"]);
    assert_eq!((done.code, TwoHosts::runs(&third)), (0, true), "{done:?}");
}

#[test]
fn a_machine_that_is_held_is_asked_for_before_it_is_restarted() {
    let hosts = TwoHosts::new();
    let text = hosts.source.read("config/recipes/web.rhai");
    let once = "restart(#{ on: [\"crash\"], delay: \"20ms\", limit: 1, within: \"10m\" });\n";
    hosts.source.write("config/recipes/web.rhai", &format!("{once}{text}"));
    assert_eq!(hosts.source.run(&["replicate", "web", "vm6"]).code, 0);
    hosts.source.write("fake/exits", "3\n3\n");
    hosts.source.run(&["start", "web"]);
    hosts.source.until("web", |status| status.state == MachineState::Failed);
    alone(&hosts.source);
    let done = hosts.source.run(&["restart", "web"]);
    let stays =
        "error: web was not restarted, and stays held\n |\n = hint: correct what is wrong; `vmrun stop web` stops it\n";
    ends(&done, 5, &format!("{SILENT}{stays}"));
}

const CUT_OFF: &str = "
error: vm7 has taken web over from its replica: what is on the disks here is older
 |
 = hint: a move of web was cut off here: `vmrun migrate --forget web` ends it
";

/// Two hosts and a third one, which has a replica of a machine whose move to the second one was cut off: it was stopped for that.
fn cut_off() -> (TwoHosts, Host) {
    let hosts = TwoHosts::new();
    let third = third(&hosts);
    assert_eq!(hosts.source.run(&["replicate", "web", "vm7"]).code, 0);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    hosts.strike("before source seal");
    hosts.source.run(&["migrate", "web", "vm6"]);
    hosts.strike("");
    (hosts, third)
}

#[test]
fn a_move_that_was_cut_off_does_not_start_what_a_third_host_has_taken_over() {
    for end in ["--resume", "--abort"] {
        let (hosts, third) = cut_off();
        assert_eq!((hosts.source.read("fake/struck"), runs(&hosts)), ("seal".into(), (false, false)));
        let known = alone(&third);
        let done = third.run(&["start", "web", "--from-replica", &format!("--fenced={}", here())]);
        assert_eq!(done.code, 0, "{done:?}");
        third.write("fake/ssh", &known);
        let done = hosts.patiently(&["migrate", end, "web"]);
        ends(&done, 5, CUT_OFF);
        assert!(runs(&hosts) == (false, false) && TwoHosts::runs(&third), "{end}: {done:?}");
        let done = hosts.patiently(&["migrate", "--forget", "web"]);
        assert_eq!(done.code, 0, "{end}: {done:?}");
        ends(&hosts.source.run(&["start", "web"]), 5, &TAKEN.replace("vm6", "vm7"));
    }
}

#[test]
fn who_only_asks_whether_a_machine_can_be_moved_changes_nothing() {
    let hosts = taken();
    let _third = third(&hosts);
    ends(&hosts.source.run(&["migrate", "web", "vm7", "--dry-run"]), 5, TAKEN);
    assert!(!hosts.source.path("config/moves/web.json").exists());
    ends(&hosts.source.run(&["migrate", "web", "vm7"]), 5, TAKEN);
    assert!(hosts.source.path("config/moves/web.json").exists());
    // Who has taken it back has not told anybody so by asking.
    let hosts = replicated();
    let _third = third(&hosts);
    let known = alone(&hosts.source);
    ends(&hosts.source.run(&["start", "web", "--fenced=vm6"]), 0, "vmrun: web runs\n");
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    hosts.source.write("fake/ssh", &known);
    let before = hosts.source.read("config/replication/web.json");
    let done = hosts.source.run(&["migrate", "web", "vm7", "--dry-run"]);
    assert_eq!((done.code, hosts.source.read("config/replication/web.json")), (0, before), "{done:?}");
}

#[test]
fn a_host_that_is_gone_for_ever_is_told_of_no_more() {
    // One that was vouched for.
    let hosts = replicated();
    alone(&hosts.source);
    ends(&hosts.source.run(&["start", "web", "--fenced=vm6"]), 0, "vmrun: web runs\n");
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    let gone = |host: &str| format!("vmrun: {host} is not asked any more whether it has taken web over\n");
    ends(&hosts.source.run(&["replicate", "web", "vm6", "--forget"]), 0, &gone("vm6"));
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
    // One that it was taken over from, which nobody reaches; until then it is told how.
    let hosts = taken();
    alone(&hosts.target);
    assert_eq!(hosts.target.run(&["stop", "web"]).code, 0);
    let warned = "
warning: [here], from which web was taken over, does not tell whether it has taken it back: ssh: connect to host [here] port 22: Connection refused
 |
 = hint: `vmrun replicate web [here] --forget` if it is gone for ever
vmrun: web runs
";
    ends(&hosts.target.run(&["start", "web"]), 0, warned);
    assert_eq!(hosts.target.run(&["stop", "web"]).code, 0);
    ends(&hosts.target.run(&["replicate", "web", &here(), "--forget"]), 0, &gone("[here]"));
    ends(&hosts.target.run(&["start", "web"]), 0, "vmrun: web runs\n");
    // It comes back after all: it asks, and is refused.
    ends(&hosts.source.run(&["start", "web"]), 5, TAKEN);
}

#[test]
fn a_move_that_was_cut_off_is_ended_where_somebody_vouches_for_a_silent_host() {
    for end in ["--resume", "--abort"] {
        let (hosts, third) = cut_off();
        let known = hosts.source.read("fake/ssh");
        let without: String =
            known.lines().filter(|line| !line.starts_with("at vm7 ")).map(|line| format!("{line}\n")).collect();
        hosts.source.write("fake/ssh", &format!("{without}at vm7 /nowhere\n"));
        let done = hosts.patiently(&["migrate", end, "web"]);
        let way = format!(
            " = hint: fence it, so that web cannot run there, then `vmrun migrate {end} web --fenced vm7`; `vmrun replicate web vm7 --forget` if it has no replica \
             any more, and never will\n"
        );
        assert!(done.code == 5 && done.stderr.ends_with(&way), "{end}: {done:?}");
        assert_eq!(runs(&hosts), (false, false), "{end}");
        let done = hosts.patiently(&["migrate", end, "web", "--fenced", "vm7"]);
        assert_eq!((done.code, runs(&hosts)), (0, (end == "--abort", end == "--resume")), "{end}: {done:?}");
        assert!(!TwoHosts::runs(&third));
    }
    let hosts = TwoHosts::new();
    let done = hosts.source.run(&["migrate", "web", "vm6", "--fenced", "vm7"]);
    assert_eq!(done.code, 2, "{done:?}");
}

#[test]
fn a_machine_that_was_renamed_in_its_recipe_is_the_one_that_was_replicated() {
    let hosts = taken();
    let text = hosts.source.read("config/recipes/web.rhai");
    hosts.source.write("config/recipes/web.rhai", &text.replace("name: \"web\"", "name: \"web2\""));
    for _ in 0..2 {
        ends(&hosts.source.run(&["start", "config/recipes/web.rhai"]), 5, TAKEN);
    }
    // With other parameters it may be another machine, and is asked for by nobody.
    let parametrized =
        format!("let name = param(\"name\", \"web2\");\n{}", text.replace("name: \"web\"", "name: name"));
    hosts.source.write("config/recipes/web.rhai", &parametrized);
    ends(&hosts.source.run(&["start", "config/recipes/web.rhai", "--set", "name=web3"]), 0, "vmrun: web3 runs\n");
}

#[test]
fn hosts_with_replicas_are_asked_at_once() {
    let hosts = replicated();
    let _third = third(&hosts);
    assert_eq!(hosts.source.run(&["replicate", "web", "vm7"]).code, 0);
    let known = hosts.source.read("fake/ssh");
    hosts.source.write("fake/ssh", &format!("{known}together 2\n"));
    ends(&hosts.source.run(&["start", "web"]), 0, "vmrun: web runs\n");
}

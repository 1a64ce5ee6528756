//! Moves whose ends are killed: the vmrun that gives the machine, the one that gets it, and the ssh between them, at each thing that is
//! said, before it arrives and after. Whatever was killed, at most one host starts the machine, and the next command finishes the move or
//! undoes it: then the machine runs on exactly one host, with all that is on its disks.

use super::two_hosts::TwoHosts;

/// What is said, in the order in which it is.
const SAID: [&str; 18] = [
    "hello",
    "re:hello",
    "offer",
    "text",
    "re:offer",
    "digests",
    "block",
    "sync",
    "re:sync",
    "seal",
    "re:seal",
    "take",
    "re:take",
    "start",
    "re:start",
    "forget",
    "re:forget",
    "re:digests",
];

/// How a move is ended that was cut off.
const ENDS: [&str; 2] = ["--resume", "--abort"];

/// Moves the machine while somebody is killed, and ends that.
fn struck(when: &str, who: &str, what: &str, end: &str) {
    let case = format!("{when} {who} {what}, then {end}");
    let hosts = TwoHosts::running();
    let disks = TwoHosts::disks(&hosts.source);
    hosts.strike(&format!("{when} {who} {what}"));
    let moved = hosts.source.run(&["migrate", "web", "vm6"]);
    hosts.strike("");
    assert_eq!(hosts.source.read("fake/struck"), what, "{case}: nobody was struck: {moved:?}");
    // Whoever tries to start it finds at most one host that does.
    let started: Vec<bool> = [&hosts.source, &hosts.target]
        .into_iter()
        .map(|host| {
            host.run(&["start", "web"]);
            TwoHosts::runs(host)
        })
        .collect();
    assert!(started != [true, true], "{case}: both run it: {moved:?}");
    if moved.code != 0 {
        let ended = hosts.patiently(&["migrate", end, "web"]);
        // What was over already, or cannot be undone any more, is told so.
        let is_known = ["no move of web has begun here", "was moved to vm6, which has it now", "web is here by now"];
        let is_over = is_known.iter().any(|text| ended.stderr.contains(text));
        assert!(ended.code == 0 || is_over, "{case}: {moved:?} {ended:?}");
        if ended.stderr.contains("web is here by now") {
            let ended = hosts.patiently(&["migrate", "--resume", "web"]);
            assert_eq!(ended.code, 0, "{case}: {ended:?}");
        }
    }
    let runs = (TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target));
    assert!(runs.0 != runs.1, "{case}: runs {runs:?} {moved:?}");
    let owner = if runs.0 { &hosts.source } else { &hosts.target };
    assert!(TwoHosts::disks(owner) == disks, "{case}: another disk");
    // The other one refuses it, or has nothing of it.
    let other = if runs.0 { &hosts.target } else { &hosts.source };
    other.run(&["start", "web"]);
    assert!(!TwoHosts::runs(other), "{case}");
    if runs.0 {
        assert_eq!(other.names("config/recipes"), ["rom.fd"], "{case}");
        // It may be moved again; that takes as long as all before.
        if end == "--resume" {
            return;
        }
        let again = hosts.patiently(&["migrate", "web", "vm6"]);
        assert_eq!(again.code, 0, "{case}: {again:?}");
        assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true), "{case}");
        assert!(TwoHosts::disks(&hosts.target) == disks, "{case}: another disk there");
    }
}

/// All that is said, one way of ending it after the other. Of the 108 cases half are in `cargo test`: what one of two tests leaves out the
/// other one has, and `make attack` has all.
fn all(when: &str, who: &str) {
    let is_all = std::env::var_os("VMRUN_ATTACK").is_some_and(|value| value == "all");
    let share = usize::from(when == "after") + usize::from(who == "target");
    for (at, what) in SAID.iter().enumerate().filter(|(at, _)| is_all || (at + share) % 2 == 0) {
        struck(when, who, what, ENDS[(at / 2 + usize::from(when == "after")) % 2]);
    }
}

#[test]
fn who_gives_it_is_killed_before_anything_arrives() {
    all("before", "source");
}

#[test]
fn who_gives_it_is_killed_after_anything_has_arrived() {
    all("after", "source");
}

#[test]
fn who_gets_it_is_killed_before_anything_arrives() {
    all("before", "target");
}

#[test]
fn who_gets_it_is_killed_after_anything_has_arrived() {
    all("after", "target");
}

#[test]
fn the_connection_is_lost_before_anything_arrives() {
    all("before", "ssh");
}

#[test]
fn the_connection_is_lost_after_anything_has_arrived() {
    all("after", "ssh");
}

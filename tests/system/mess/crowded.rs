//! Runs that may start few processes, as strace(1) refuses them: what they take they give back, or they take nothing.

use super::{strace, traced};
use crate::sandbox::{Done, Sandbox, same};
use crate::subjects::{SUBJECTS, Subject, again, host, recover, spotless};
use std::collections::BTreeSet;
use std::fs;

/// The system calls that start processes and threads.
const STARTS: &str = "clone3,clone,vfork,fork";

/// How many processes and threads a run starts by the thread that starts most.
fn starts(sandbox: &Sandbox, subject: Subject) -> usize {
    again(sandbox, subject);
    let done = strace(sandbox, subject, &["-e", &format!("trace={STARTS}")]);
    assert_eq!(done.code, 0, "this test needs strace: {done:?}");
    spotless(sandbox, &format!("{subject:?}"));
    traced(&fs::read_to_string(sandbox.path("trace")).unwrap()).len()
}

/// Runs a recipe which is refused each of some processes and threads, as many of them as `when` says (strace(1)).
fn crowded(sandbox: &Sandbox, subject: Subject, when: &str) -> Done {
    again(sandbox, subject);
    strace(sandbox, subject, &["-e", &format!("inject={STARTS}:error=EAGAIN:when={when}")])
}

#[test]
fn a_run_that_is_refused_processes_for_a_while_waits_for_them() {
    if cfg!(target_os = "freebsd") {
        eprintln!("strace(1) is Linux's: processes are refused there");
        return;
    }
    let sandbox = host();
    let mut cases = 0;
    for subject in [SUBJECTS[0], SUBJECTS[4], SUBJECTS[7]] {
        for number in 1..=starts(&sandbox, subject) {
            let done = crowded(&sandbox, subject, &format!("{number}..{}", number + 9));
            let case = format!("{subject:?}: refused from {number} on: {done:?}");
            assert_eq!(done.code, 0, "{case}");
            spotless(&sandbox, &case);
            cases += 1;
        }
    }
    eprintln!("{cases} cases of a run that is refused processes for a while");
}

#[test]
fn a_run_that_is_refused_processes_for_good_is_told_and_leaves_the_rest_to_gc() {
    if cfg!(target_os = "freebsd") {
        eprintln!("strace(1) is Linux's: processes are refused there");
        return;
    }
    let sandbox = host();
    let (mut cases, mut ends) = (0, BTreeSet::new());
    for subject in [SUBJECTS[0], SUBJECTS[3]] {
        for number in (1..=starts(&sandbox, subject)).step_by(6) {
            let done = crowded(&sandbox, subject, &format!("{number}+"));
            let case = format!("{subject:?}: refused from {number} on: {done:?}");
            assert!([0, 3].contains(&done.code) && !done.stderr.contains("panicked"), "{case}");
            let is_left = !sandbox.names("state").is_empty();
            assert!(!is_left || done.stderr.contains("cannot start `"), "{case}");
            ends.insert((done.code, is_left));
            recover(&sandbox, subject, false, &case);
            cases += 1;
        }
    }
    eprintln!("{cases} cases of a run that is refused processes for good: {ends:?}");
    assert!(ends.contains(&(3, true)), "{ends:?}");
}

/// The whole of what is said.
#[test]
fn a_run_that_is_refused_its_guest_says_what_to_do_and_what_is_left() {
    if cfg!(target_os = "freebsd") {
        eprintln!("strace(1) is Linux's: processes are refused there");
        return;
    }
    let sandbox = host();
    let subject = SUBJECTS[3];
    let told = (1..=starts(&sandbox, subject)).rev().find_map(|number| {
        let done = crowded(&sandbox, subject, &format!("{number}+"));
        recover(&sandbox, subject, false, &done.stderr);
        done.stderr.contains("cannot start `bhyve`").then_some(done.stderr)
    });
    let expected = "
error: cannot start `bhyve`: Resource temporarily unavailable
  --> install.rhai:28:4
   |
28 | }).run();
   |    ^^^^^
   |
   = hint: there are as many processes and threads as there may be: end some, or allow more (ulimit -u, pids.max of a cgroup, kern.maxproc)
error: cannot start `bhyvectl`: Resource temporarily unavailable
 |
 = hint: there are as many processes and threads as there may be: end some, or allow more (ulimit -u, pids.max of a cgroup, kern.maxproc); then `vmrun gc` gives back what is left
error: cannot start `ifconfig`: Resource temporarily unavailable
 |
 = hint: there are as many processes and threads as there may be: end some, or allow more (ulimit -u, pids.max of a cgroup, kern.maxproc); then `vmrun gc` gives back what is left
";
    same(&told.unwrap_or_default(), expected);
}

//! Runs that may open few files, or write short files only: what they take they give back, or they take nothing.

use crate::sandbox::{Done, Sandbox};
use crate::subjects::{SUBJECTS, Subject, again, host, spotless};
use std::collections::BTreeSet;

/// Runs a recipe with a limit of the shell's.
fn bounded(sandbox: &Sandbox, subject: Subject, limit: &str) -> Done {
    again(sandbox, subject);
    let args = subject.args();
    let line = format!("ulimit {limit} || exit 99; exec \"$0\" \"$@\"");
    let args: Vec<&str> =
        ["-c", &line, env!("CARGO_BIN_EXE_vmrun")].into_iter().chain(args.iter().map(String::as_str)).collect();
    sandbox.start_program("/bin/sh", &args).wait()
}

#[test]
fn a_run_that_may_open_few_files_leaves_nothing() {
    let sandbox = host();
    let mut ends = BTreeSet::new();
    for subject in SUBJECTS {
        for count in (4..=44).step_by(2) {
            let done = bounded(&sandbox, subject, &format!("-n {count}"));
            let case = format!("{subject:?} with {count} descriptors: {}", done.stderr);
            assert!([0, 3, 4].contains(&done.code) || count < 10, "{}: {case}", done.code);
            assert!(!done.stderr.contains("panicked"), "{case}");
            spotless(&sandbox, &case);
            ends.insert(done.code);
        }
    }
    let done = bounded(&sandbox, SUBJECTS[0], "-n 20");
    let why = "error: vmrun may open too few files: Too many open files\n |\n = hint: it keeps 16 of them for giving back what it \
               takes: ulimit -n 64\n";
    assert_eq!(done.stderr, why);
    assert!(ends.contains(&0) && ends.contains(&3), "{ends:?}");
}

#[test]
fn a_run_that_may_write_short_files_only_leaves_nothing() {
    let sandbox = host();
    for subject in SUBJECTS.into_iter().filter(|subject| subject.init) {
        let done = bounded(&sandbox, subject, "-f 256");
        let case = format!("{subject:?}: {}", done.stderr);
        assert!(done.code == 3 && done.stderr.contains("File too large"), "{}: {case}", done.code);
        spotless(&sandbox, &case);
    }
}

//! Runs that are killed, interrupted, refused and out of room at every step: afterwards nothing of theirs is left, nothing of
//! others is gone, and no disk image has lost a byte.
//!
//! The program is the real one. The fake FreeBSD's programs strike at whoever called them, and strace(1) at every system call
//! that changes something (`tests/system/mess.rs`).

use super::host::SOON;
use super::sandbox::{Done, Sandbox, same};
use super::subjects::{SUBJECTS, Subject, again, calls, host, recover, run, spotless};
use std::fs;
use std::time::{Duration, Instant};
use vmrun::internals::supervise::journal;

mod bounds;
mod strangers;

/// Strikes at every call, before and after it, and hands each case to be judged.
fn at_every_call(what: &str, judge: impl Fn(&Sandbox, Subject, Done, usize, &str)) -> usize {
    let sandbox = host();
    let mut cases = 0;
    for subject in SUBJECTS {
        for (count, call) in calls(&sandbox, subject) {
            for when in ["before", "after"] {
                again(&sandbox, subject);
                sandbox.write("fake/strike", &format!("{when} {what} {count} {call}\n"));
                let done = run(&sandbox, &subject.args());
                let case = format!("{subject:?}: {what} {when} {call} ({count})\n{done:?}");
                assert_eq!(sandbox.read("fake/struck").trim(), what, "{case}");
                cases += 1;
                judge(&sandbox, subject, done, cases, &case);
            }
        }
    }
    cases
}

#[test]
fn a_run_that_is_killed_at_any_call_is_cleaned_up_after() {
    let cases = at_every_call("SIGKILL", |sandbox, subject, done, number, case| {
        assert!(done.code == -9 || done.code == 0, "{case}");
        recover(sandbox, subject, number % 2 == 0, case);
    });
    eprintln!("{cases} cases of a run that is killed at a call");
    assert!(cases >= 50, "{cases}");
}

/// The interfaces are read before anything else is known. A tap that a killed run's commands have made, and not marked yet, may have
/// its mark, and its run's lock may be free, when it is asked whose it is.
#[test]
fn a_start_that_has_seen_a_tap_before_its_mark_looks_again() {
    let (sandbox, links) = (host(), SUBJECTS.iter().copied().find(|subject| subject.name == "links").unwrap());
    again(&sandbox, links);
    sandbox.write("fake/strike", "after SIGKILL 1 ifconfig tap82 create\n");
    let done = run(&sandbox, &links.args());
    assert_eq!((done.code, sandbox.read("fake/struck").trim()), (-9, "SIGKILL"));
    fs::remove_file(sandbox.path("fake/strike")).unwrap();
    // The commands that go on hold it.
    fs::File::open(sandbox.path("state/.links.lock")).unwrap().lock().unwrap();
    // What it was a moment before: without a description, and in no group of ours.
    let list = String::from_utf8(sandbox.shell("ifconfig").output().unwrap().stdout).unwrap();
    let mut name = "";
    let mut seen = Vec::new();
    for line in list.lines() {
        name = if line.starts_with('\t') { name } else { line.split(':').next().unwrap() };
        seen.extend((name != "tap82" || !line.contains("vmrun")).then_some(line));
    }
    assert!(seen.len() < list.lines().count(), "{list}");
    fs::write(sandbox.path("before"), seen.join("\n") + "\n").unwrap();
    fs::create_dir(sandbox.path("real")).unwrap();
    fs::rename(sandbox.path("bin/ifconfig"), sandbox.path("real/ifconfig")).unwrap();
    let folder = sandbox.path("").display().to_string();
    sandbox.script("ifconfig", &format!("[ $# -eq 0 ] && mv {folder}before {folder}said 2>/dev/null && exec cat {folder}said\nexec {folder}real/ifconfig \"$@\""));
    recover(&sandbox, links, true, "a tap that was seen before its mark");
    assert!(sandbox.path("said").exists());
}

#[test]
fn a_run_that_is_asked_to_stop_at_any_call_leaves_nothing() {
    let cases = at_every_call("SIGTERM", |sandbox, _, done, _, case| {
        assert!([0, 3, 130].contains(&done.code), "{case}");
        spotless(sandbox, case);
    });
    eprintln!("{cases} cases of a run that is asked to stop at a call");
}

/// The calls that change something while a machine is started in the background.
fn calls_of_a_start(sandbox: &Sandbox) -> Vec<(usize, String)> {
    again(sandbox, SUBJECTS[3]);
    sandbox.write("fake/exits", "run\n");
    let done = sandbox.run(&["start", "install.rhai", "--stop-within", "2s"]);
    assert_eq!(done.code, 0, "{done:?}");
    let log = fs::read_to_string(sandbox.path("fake/log")).unwrap();
    assert_eq!(sandbox.run(&["stop", "install"]).code, 0);
    spotless(sandbox, "a start and a stop");
    let changes = log.lines().filter(|line| *line != "ifconfig" && !line.starts_with("sysctl"));
    changes.map(|line| (1, if line.starts_with("bhyve ") { "bhyve -c".into() } else { line.into() })).collect()
}

#[test]
fn a_supervisor_that_is_killed_at_any_call_is_cleaned_up_after() {
    let sandbox = host();
    let mut cases = 0;
    for (count, call) in calls_of_a_start(&sandbox) {
        for (when, by_start) in [("before", true), ("before", false), ("after", true), ("after", false)] {
            // A guest that ends has done all that its bhyve does.
            again(&sandbox, SUBJECTS[3]);
            sandbox.write("fake/exits", if call.starts_with("bhyve ") && when == "after" { "1\n" } else { "run\n" });
            sandbox.write("fake/strike", &format!("{when} SIGKILL {count} {call}\n"));
            let done = sandbox.run(&["start", "install.rhai", "--stop-within", "2s"]);
            let case = format!("SIGKILL {when} {call} ({count}), by_start {by_start}\n{done:?}");
            assert_eq!(sandbox.read("fake/struck").trim(), "SIGKILL", "{case}");
            fs::remove_file(sandbox.path("fake/strike")).unwrap();
            if by_start {
                // A bhyve that was only just started may take a line still.
                sandbox.write("fake/exits", "run\nrun\n");
                let done = sandbox.run(&["start", "install.rhai", "--stop-within", "2s"]);
                assert_eq!(done.code, 0, "{case}: {done:?}");
                let done = sandbox.run(&["stop", "install"]);
                assert_eq!(done.code, 0, "{case}: {done:?}\n{}", sandbox.read("log/install.log"));
            } else {
                let done = sandbox.run(&["stop", "install", "--within", "2s"]);
                assert!(done.code == 0 || done.stderr.contains("the machine install does not run"), "{case}: {done:?}");
            }
            spotless(&sandbox, &case);
            cases += 1;
        }
    }
    eprintln!("{cases} cases of a supervisor that is killed at a call");
    assert!(cases >= 12, "{cases}");
}

#[test]
fn a_run_whose_call_is_refused_leaves_nothing_that_can_be_given_back() {
    let sandbox = host();
    let mut cases = 0;
    for subject in SUBJECTS {
        for (_, call) in calls(&sandbox, subject).into_iter().filter(|(count, _)| *count == 1) {
            again(&sandbox, subject);
            sandbox.write("fake/refuse", &format!("once {call}\tno\n"));
            let done = run(&sandbox, &subject.args());
            let case = format!("{subject:?}: refused {call}\n{done:?}\n{}", sandbox.calls());
            // A bhyve that ends with 1 says that its guest powered off; a membership of a bridge that goes is gone with it.
            let goes_along =
                ["bhyve ", "jexec web bhyve ", "ifconfig bridge82 deletem", "ifconfig bridge2 deletem epair"];
            let is_well = goes_along.iter().any(|begin| call.starts_with(begin));
            assert_eq!(done.code, if is_well { 0 } else { 3 }, "{case}");
            cases += 1;
            // What could not be given back is in the journal still.
            recover(&sandbox, subject, false, &case);
        }
    }
    eprintln!("{cases} cases of a call that is refused");
}

/// Waits until nobody has the lock of the machine.
fn wait_for_lock(sandbox: &Sandbox) {
    let begin = Instant::now();
    let lock = fs::File::open(sandbox.path("state/.install.lock")).unwrap();
    while lock.try_lock().is_err() {
        assert!(begin.elapsed() < SOON, "somebody keeps the lock");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_journal_that_was_torn_anywhere_is_as_good_as_a_whole_one() {
    let sandbox = host();
    let subject = SUBJECTS[3];
    let mut cases = 0;
    let mut cut = 0;
    loop {
        again(&sandbox, subject);
        sandbox.write("fake/exits", "run\n");
        sandbox.write("fake/strike", "before SIGKILL 1 never");
        let mut vmrun = sandbox.start(&["install.rhai"]);
        vmrun.until("the guest", |sandbox| {
            sandbox.read("state/.install.lock").contains(" + guest ") && sandbox.read("fake/exits").is_empty()
        });
        vmrun.kill();
        // What tears a journal is a power cut, which no command survives: the last ones hold its lock.
        wait_for_lock(&sandbox);
        let journal = fs::read(sandbox.path("state/.install.lock")).unwrap();
        if cut > journal.len() {
            sandbox.run(&["gc", "--stop-within", "2s"]);
            break;
        }
        // The last line at every byte, the others here and there.
        fs::write(sandbox.path("state/.install.lock"), &journal[..journal.len() - cut]).unwrap();
        recover(&sandbox, subject, cases % 2 == 0, &format!("{cut} bytes are torn off the journal"));
        cases += 1;
        cut += if cut < 32 { 1 } else { 29 };
        let _ = fs::remove_file(sandbox.path("fake/passwords"));
    }
    eprintln!("{cases} cases of a journal that is torn");
}

#[test]
fn a_guest_whose_vmrun_was_killed_is_ended_and_everything_given_back() {
    let sandbox = host();
    let pid = killed(&sandbox);
    let expected = format!(
        "# install was left by vmrun [pid], of [tmp]/install.rhai, since [when]\nkill {pid}\n\
         bhyvectl --destroy --vm=install\nifconfig tap1 destroy\nrm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock\n"
    );
    let before = sandbox.everything();
    let done = sandbox.run(&["gc", "--dry-run"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, expected.as_str(), ""));
    assert!(sandbox.everything() == before, "only looked at");
    let done = sandbox.run(&["gc"]);
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, expected.as_str(), ""));
    spotless(&sandbox, "gc");
    assert_eq!(sandbox.run(&["gc"]).stdout, "");
    assert_eq!(sandbox.run(&["gc", "--json"]).stdout, "[]\n");
}

/// Runs `install` until its guest runs, and kills vmrun.
fn killed(sandbox: &Sandbox) -> String {
    sandbox.write("fake/exits", "run\n");
    let mut vmrun = sandbox.start(&["install.rhai"]);
    // What the guest is to do is taken from there last of all.
    vmrun.until("the guest", |sandbox| {
        sandbox.read("state/.install.lock").contains(" + guest ") && sandbox.read("fake/exits").is_empty()
    });
    vmrun.kill();
    let node = sandbox.read("fake/vmm/install");
    node.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().into()
}

#[test]
fn the_next_start_says_what_it_gives_back_first() {
    let sandbox = host();
    let pid = killed(&sandbox);
    sandbox.write("fake/exits", "1\n1\n");
    let done = sandbox.run(&["install.rhai"]);
    same(
        &done.stderr,
        &format!(
            "vmrun: install was left by vmrun [pid], of [tmp]/install.rhai, since [when]; giving back what it took\n\
             vmrun: kill {pid}\nvmrun: bhyvectl --destroy --vm=install\nvmrun: ifconfig tap1 destroy\n\
             vmrun: rm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock"
        ),
    );
    assert_eq!(done.code, 0);
    spotless(&sandbox, "the next start");
}

#[test]
fn the_disk_of_a_guest_whose_vmrun_is_gone_is_refused() {
    let sandbox = host();
    killed(&sandbox);
    let other = "bhyve(#{ name: \"else\", slots: #{ \"4\": virtio_blk(\"[tmp]/vm/install.img\") } }).run();\n";
    sandbox.write("other.rhai", other);
    let done = sandbox.run(&["other.rhai"]);
    same(
        &done.stderr,
        r#"
error: [tmp]/vm/install.img is in use by the guest of install, whose vmrun is gone
 --> other.rhai:1:50
  |
1 | bhyve(#{ name: "else", slots: #{ "4": virtio_blk("[tmp]/vm/install.img") } }).run();
  |                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: `vmrun gc` ends it
"#,
    );
    assert_eq!(done.code, 5);
    assert_eq!(sandbox.run(&["gc"]).code, 0);
    spotless(&sandbox, "gc");
}

#[test]
fn interfaces_are_known_again_by_their_marks_when_the_journal_is_lost() {
    let sandbox = host();
    let pid = killed(&sandbox);
    fs::write(sandbox.path("state/.install.lock"), "").unwrap();
    let done = sandbox.run(&["gc"]);
    let text = format!(
        "# install was left by a vmrun of which nothing is known\nkill {pid}\nifconfig tap1 destroy\n\
         rm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock\n"
    );
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text.as_str(), ""));
    // Only the journal knew of the node.
    fs::remove_file(sandbox.path("fake/vmm/install")).unwrap();
    spotless(&sandbox, "gc");

    // The whole folder is gone: a tap that nobody has open goes, one that somebody has open is another user's.
    let tap =
        |machine: &str| format!("kind tap\ndescription vmrun:{machine}/{}\ngroup vmrun\n", sandbox.mark_of("state"));
    sandbox.write("fake/interfaces/tap1", &tap("web"));
    let me = std::process::id();
    sandbox.write("fake/interfaces/tap2", &format!("{}opened_by {me}\n", tap("db")));
    let done = sandbox.run(&["gc"]);
    let text = "# web was left by a vmrun of which nothing is known\nifconfig tap1 destroy\n\
        rm -rf [tmp]/state/web [tmp]/state/.web.secrets [tmp]/state/.web.lock\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""));
    fs::remove_file(sandbox.path("fake/interfaces/tap2")).unwrap();
    spotless(&sandbox, "gc");
}

/// The journal of a run that was begun before the host was started anew, or else only just.
fn journal_of(boot: &str, taken: &[&[&str]]) -> String {
    let owner = ["owner", &u32::MAX.to_string(), "1", boot, "0.1.0", "0", "/root/web.rhai"];
    let taken = taken.iter().map(|words| journal::line(&[&["+"], *words].concat()));
    std::iter::once(journal::line(&owner)).chain(taken).collect()
}

#[test]
fn what_others_have_made_since_stays() {
    let sandbox = host();
    let half = sandbox.path("vm/half.img.1.new");
    let (half_word, own) = (half.display().to_string(), std::process::id().to_string());
    let leases: [&[&str]; 7] = [
        &["lock", "web"],
        &["node", "other"],
        &["tap", "tap7"],
        &["tap", "tap6"],
        &["member", "bridge2", "em0"],
        &["file", &half_word],
        &["guest", &own, "1"],
    ];
    let leave = |boot: &str| {
        fs::create_dir_all(sandbox.path("state/web")).unwrap();
        fs::write(&half, "half").unwrap();
        sandbox.write("state/.web.lock", &journal_of(boot, &leases));
    };
    leave("another boot");
    let done = sandbox.run(&["gc"]);
    let text = "# web was left by vmrun [pid], of /root/web.rhai, since [when]\nrm [tmp]/vm/half.img.1.new\n\
        rm -rf [tmp]/state/web [tmp]/state/.web.secrets [tmp]/state/.web.lock\n\
        # tap7 stays: it has no mark of the run, or others use it\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""));
    spotless(&sandbox, "gc after a boot");

    leave("another boot");
    let done = sandbox.run(&["gc", "--json"]);
    let tmp = sandbox.own("[tmp]");
    let value: serde_json::Value = serde_json::from_str(&done.stdout.replace("[tmp]", &tmp)).unwrap();
    let rm = serde_json::json!(["rm", half.display().to_string()]);
    let state = serde_json::json!([
        "rm",
        "-rf",
        format!("{tmp}/state/web"),
        format!("{tmp}/state/.web.secrets"),
        format!("{tmp}/state/.web.lock")
    ]);
    let owner = serde_json::json!({ "pid": u32::MAX, "recipe": "/root/web.rhai", "version": "0.1.0", "since": 0 });
    let object = serde_json::json!({
        "machine": "web", "owner": owner, "given_back": [rm, state], "kept": ["tap7"], "goes_on": null, "faults": [],
    });
    assert_eq!(value, serde_json::json!([object]));
    spotless(&sandbox, "gc after a boot");
}

#[test]
fn what_cannot_be_given_back_stays_in_the_journal() {
    let sandbox = host();
    let pid = killed(&sandbox);
    sandbox.write("fake/refuse", "ifconfig tap1 destroy\tifconfig: SIOCIFDESTROY: Device busy\n");
    let why = "`ifconfig tap1 destroy` failed with status 1: ifconfig: SIOCIFDESTROY: Device busy";
    let done = sandbox.run(&["gc"]);
    same(&done.stderr, &format!("error: {why}"));
    assert_eq!(done.code, 3);
    sandbox.write("fake/exits", "1\n1\n");
    let done = sandbox.run(&["install.rhai"]);
    let said = done.stderr.lines().last().unwrap();
    assert_eq!((done.code, said), (3, format!("error: install cannot be taken over: {why}").as_str()));
    fs::remove_file(sandbox.path("fake/refuse")).unwrap();
    let done = sandbox.run(&["gc"]);
    let text = "# install was left by vmrun [pid], of [tmp]/install.rhai, since [when]\nbhyvectl --destroy --vm=install\n\
        ifconfig tap1 destroy\nrm -rf [tmp]/state/install [tmp]/state/.install.secrets [tmp]/state/.install.lock\n";
    assert_eq!((done.code, done.stdout.as_str(), done.stderr.as_str()), (0, text, ""), "{pid}");
    spotless(&sandbox, "gc");
}

#[test]
fn of_two_starts_at_once_one_wins_and_the_other_says_who_has_it() {
    let sandbox = host();
    let mut wins = 0;
    for _ in 0..100 {
        sandbox.write("fake/exits", "run\nrun\n");
        let _ = fs::remove_file(sandbox.path("fake/passwords"));
        let pair = [sandbox.start(&["install.rhai"]), sandbox.start(&["install.rhai"])];
        let [mut one, mut other] = pair;
        let is_one = loop {
            match (one.has_ended(), other.has_ended()) {
                (true, true) => panic!("nobody wins: {:?} {:?}", one.wait(), other.wait()),
                (true, false) => break false,
                (false, true) => break true,
                (false, false) => std::thread::yield_now(),
            }
        };
        let (mut winner, loser) = if is_one { (one, other) } else { (other, one) };
        let lost = loser.wait();
        assert_eq!(lost.code, 5, "{lost:?}");
        // Who has only just taken the lock has not said yet who he is.
        let known = [
            "error: the machine install is running already: vmrun [pid], of [tmp]/install.rhai, since [when]",
            "error: the machine install is running already",
            "error: tap1 is in use by the machine install, vmrun [pid], of [tmp]/install.rhai, since [when]",
        ];
        assert!(lost.stderr.lines().any(|line| known.contains(&line)), "{lost:?}");
        winner.until("the guest", |sandbox| !sandbox.read("fake/passwords").is_empty());
        winner.signal("TERM");
        assert_eq!(winner.wait().code, 130);
        spotless(&sandbox, "two starts");
        wins += 1;
    }
    assert_eq!(wins, 100);
}

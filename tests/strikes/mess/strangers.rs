//! What others have under the very names that a recipe uses: there before a run, or made while it runs. It is never touched.

use crate::sandbox::Sandbox;
use crate::subjects::{CONTENT, SUBJECTS, Subject, again, calls, host, run};
use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command};

/// A process of somebody else, who may be a bhyve by its node.
struct Process(Child);

impl Process {
    fn new() -> Self {
        Self(Command::new("sleep").arg("1000").spawn().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The names that a recipe of ours takes, as files of the fake: with what somebody else has there.
fn strangers(subject: Subject, pid: u32) -> Vec<(String, String)> {
    let tap = "kind tap\nup yes\ndescription theirs\n";
    let names: &[(&str, &str)] = match subject.name {
        "links" => &[
            ("interfaces/tap82", tap),
            ("interfaces/bridge82", "kind bridge\nup yes\nmember em0\n"),
            ("interfaces/em0.82", "kind vlan\nvlan 82 em0\n"),
            ("interfaces/epair0a", "kind epair\ndescription theirs\n"),
        ],
        "install" => &[("interfaces/tap1", tap)],
        "report1" => &[("interfaces/tap2", tap)],
        _ => &[],
    };
    let mut all: Vec<(String, String)> = names.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    all.push((format!("vmm/{}", subject.name), "cpus 1\n".into()));
    all.push((format!("vmm/{}", subject.name), format!("cpus 1\nprocessors going\npid {pid}\n")));
    all
}

/// What is there of ours or of theirs, beside what was always there.
fn there(sandbox: &Sandbox, theirs: &str) -> BTreeSet<String> {
    let usual = [
        "interfaces/bridge2",
        "interfaces/em0",
        "interfaces/lo0",
        "interfaces/tap7",
        "interfaces/tap8",
        "interfaces/tap9",
    ];
    let names = |folder: &str| {
        let all = sandbox.names(&format!("fake/{folder}")).into_iter().filter(|name| !name.starts_with('.'));
        all.map(|name| format!("{folder}/{name}")).collect::<Vec<_>>()
    };
    let all = [names("interfaces"), names("vmm")].concat().into_iter();
    all.filter(|name| !usual.contains(&name.as_str()) && name != "vmm/other" && name != theirs).collect()
}

/// Judges a run beside what somebody else has.
#[track_caller]
fn judge(sandbox: &Sandbox, name: &str, text: &str, is_there: bool, case: &str) {
    if is_there {
        // The fake writes down more than a test has to.
        let now = sandbox.read(&format!("fake/{name}"));
        let lines: Vec<&str> = text.lines().filter(|line| !now.lines().any(|other| other == *line)).collect();
        assert!(lines.is_empty(), "{name} is not what it was, {lines:?} in {now:?}: {case}");
    }
    assert_eq!(there(sandbox, if is_there { name } else { "" }), BTreeSet::new(), "{case}");
    assert_eq!(sandbox.names("state"), [""; 0], "{case}");
    assert!(fs::read(sandbox.path("vm/install.img")).is_ok_and(|bytes| bytes.starts_with(&CONTENT)), "{case}");
    let _ = fs::remove_file(sandbox.path("fake").join(name));
    let _ = fs::remove_dir_all(sandbox.path("fake/appear"));
    let _ = fs::remove_file(sandbox.path("fake/appeared"));
}

#[test]
fn what_others_have_under_our_names_stays_whether_it_was_there_or_comes_about_at_any_call() {
    let (sandbox, process) = (host(), Process::new());
    let (mut cases, mut met) = (0, 0);
    for subject in [SUBJECTS[0], SUBJECTS[3], SUBJECTS[5]] {
        let calls = calls(&sandbox, subject);
        for (name, text) in strangers(subject, process.0.id()) {
            again(&sandbox, subject);
            sandbox.write(&format!("fake/{name}"), &text);
            let done = run(&sandbox, &subject.args());
            let case = format!("{subject:?}: {name} was there\n{done:?}\n{}", sandbox.calls());
            // A recipe may destroy a node that no bhyve has.
            let may_go =
                name.starts_with("vmm/") && !text.contains("pid") && sandbox.calls().contains("bhyvectl --destroy");
            assert!(done.code == 1 || done.code == 3 || may_go, "{case}");
            judge(&sandbox, &name, &text, !may_go, &case);
            // A node that nobody runs and that comes about between our look and our bhyve's is used by it: nobody can tell whose it is.
            let calls = if name.starts_with("vmm/") && !text.contains("pid") { &[] } else { &calls[..] };
            for (count, call) in calls {
                again(&sandbox, subject);
                for folder in ["interfaces", "vmm"] {
                    fs::create_dir_all(sandbox.path("fake/appear").join(folder)).unwrap();
                }
                sandbox.write(&format!("fake/appear/{name}"), &text);
                sandbox.write("fake/strike", &format!("before appear {count} {call}\n"));
                let done = run(&sandbox, &subject.args());
                let has_come = sandbox.read("fake/appeared").trim() == name;
                let case = format!("{subject:?}: {name} came before {call} ({count})\n{done:?}\n{}", sandbox.calls());
                judge(&sandbox, &name, &text, has_come, &case);
                cases += 1;
                met += usize::from(has_come);
            }
        }
    }
    eprintln!(
        "{cases} cases of something of others that comes about while a run goes on, {met} of them where it could"
    );
    assert!(met >= 40, "{met} of {cases}");
    assert!(process.0.id() > 0 && fs::exists(format!("/proc/{}", process.0.id())).unwrap());
}

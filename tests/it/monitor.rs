//! Whether a machine runs, as an exit code, on the fake FreeBSD: what could not be looked at is never taken for what does not run.

use super::host::{Host, SOON, ended, kill};
use super::sandbox::same;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::{Duration, Instant};

/// Looks at `db`: the whole answer.
#[track_caller]
fn answers(host: &Host, code: i32, stdout: &str, stderr: &str) {
    let done = host.run(&["monitor", "db"]);
    same(&done.stderr, stderr);
    same(&done.stdout, stdout);
    assert_eq!(done.code, code);
}

/// Looks at `db`, of which it cannot be told whether it runs.
#[track_caller]
fn cannot_tell(host: &Host, why: &str) {
    let what = "whether the machine runs is not known; ps(1) shows its hypervisor";
    let torn = "`vmrun status db` shows what there is; `vmrun stop db` ends what is certainly its own";
    let hint = if why.starts_with("cannot look") { what } else { torn };
    answers(host, 7, "db unknown", &format!("error: {why}\n |\n = hint: {hint}\n"));
}

const TORN: &str = "it cannot be told whether db runs: ";

const DOWN: &str = "error: the machine db does not run\n |\n = hint: `vmrun start db` starts it\n";

const LEFT: &str = "error: the machine db does not run
 |
 = hint: `vmrun start db` starts it; `vmrun gc` gives back what its last run has left
";

#[test]
fn the_supervisor_is_whoever_has_the_lock() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let supervisor = host.status("db").unwrap().supervisor.unwrap();
    // So it stands there until one that adopts has written its own.
    let (path, gone) = (host.path("state/db/standing.json"), 4_000_000);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&supervisor.to_string(), &gone.to_string())).unwrap();
    assert_eq!(host.status("db").unwrap().supervisor, Some(gone));
    let said = host.run(&["monitor", "db", "--json"]).stdout;
    assert!(said.contains(&format!("\"supervisor\": {supervisor},")), "{said}");
    fs::write(&path, text).unwrap();
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
}

#[test]
fn a_machine_is_told_by_an_exit_code_from_its_start_to_its_end() {
    let host = Host::new("run\nrun\n");
    host.recipe("db", "");
    answers(&host, 8, "db down", DOWN);
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    // No program is asked of it.
    let before = host.read("fake/log");
    answers(&host, 0, "db running", "");
    assert_eq!(host.read("fake/log"), before);
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    let guest = status.guest.unwrap();
    let gone = format!(
        "error: the guest of db, process {guest}, runs, and its supervisor is gone
 |
 = hint: `vmrun adopt db` takes it over, `vmrun stop db` stops it
"
    );
    answers(&host, 9, "db unsupervised", &gone);
    ended(&host.run(&["adopt", "--all"]), 0, "vmrun: db goes on; it was taken over");
    ended(&host.run(&["adopt", "--all"]), 0, "vmrun: no guest runs without its supervisor");
    answers(&host, 0, "db running", "");
    // Both are gone.
    let status = host.status("db").unwrap();
    kill(status.supervisor.unwrap());
    kill(status.guest.unwrap());
    answers(&host, 8, "db left", LEFT);
    ended(&host.run(&["start", "db.rhai"]), 0, &host.own("vmrun: db runs"));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    let before = host.read("fake/log");
    answers(&host, 8, "db down", DOWN);
    assert_eq!(host.read("fake/log"), before);
    host.is_clean();
}

#[test]
fn a_machine_that_has_failed_is_not_one_that_was_stopped() {
    let host = Host::new("3\n3\n");
    host.recipe("db", "restart(#{ on: [\"crash\"], delay: \"20ms\", limit: 1, within: \"10m\" });\n");
    assert_eq!(host.run(&["start", "db.rhai"]).code, 4);
    let status = host.until("db", |status| status.state.word() == "held");
    let begin = Instant::now();
    while !host.log("db").contains("is down") && begin.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(5));
    }
    let why = status.error.unwrap();
    let failed = format!(
        "error: the machine db has failed, and is not started again: {why}
 |
 = hint: its log: {}; `vmrun start db` starts it
",
        "[tmp]/log/db.log"
    );
    let before = host.read("fake/log");
    answers(&host, 6, "db held", &failed);
    assert_eq!(host.read("fake/log"), before);
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is not held any more");
    answers(&host, 8, "db down", DOWN);
}

#[test]
fn programs_read_an_object() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    let look = || {
        let done = host.run(&["monitor", "db", "--json"]);
        (done.code, serde_json::from_str::<serde_json::Value>(&done.stdout).unwrap())
    };
    let none = serde_json::Value::Null;
    let (code, down) = look();
    assert_eq!((code, &down["state"], &down["code"], &down["pid"]), (8, &"down".into(), &8.into(), &none));
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    let (code, runs) = look();
    assert_eq!(code, 0);
    let keys: Vec<&str> = runs.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["boots", "code", "error", "name", "pid", "recipe", "restarts", "since", "state", "supervisor", "until"]
    );
    assert_eq!((&runs["state"], &runs["code"], &runs["error"]), (&"running".into(), &0.into(), &none));
    assert_eq!((&runs["pid"], &runs["supervisor"]), (&status.guest.into(), &status.supervisor.into()));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
}

#[test]
fn what_could_not_be_looked_at_is_not_what_does_not_run() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let path = host.path("state/db/standing.json");
    let whole = fs::read_to_string(&path).unwrap();
    // A status that is empty, cut off, no text, garbage, of another machine, or no file.
    for text in [&b""[..], &whole.as_bytes()[..whole.len() / 2], b"\0\0\0\0", b"[1, 2]"] {
        fs::write(&path, text).unwrap();
        cannot_tell(&host, &format!("{TORN}its status is not whole"));
    }
    fs::write(&path, b"\xff\xfe").unwrap();
    cannot_tell(&host, "cannot look at [tmp]/state/db/standing.json: it is no UTF-8 text");
    fs::write(&path, whole.replace("\"name\":\"db\"", "\"name\":\"web\"")).unwrap();
    cannot_tell(&host, &format!("{TORN}its status is that of web"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    cannot_tell(&host, "cannot look at [tmp]/state/db/standing.json: it is a folder");
    fs::remove_dir(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    cannot_tell(&host, "cannot look at [tmp]/state/db/standing.json: it is a named pipe, not a file");
    fs::remove_file(&path).unwrap();
    symlink("/nowhere", &path).unwrap();
    cannot_tell(&host, "cannot look at [tmp]/state/db/standing.json: it is a link, which vmrun does not make");
    fs::remove_file(&path).unwrap();
    fs::write(&path, &whole).unwrap();
    answers(&host, 0, "db running", "");
    // A lock file that is away while the machine runs, or is another's.
    let lock = host.path("state/.db.lock");
    fs::rename(&lock, host.path("state/lock")).unwrap();
    cannot_tell(&host, &format!("{TORN}its status says running, and its lock file is gone"));
    fs::create_dir(&lock).unwrap();
    cannot_tell(&host, "cannot look at [tmp]/state/.db.lock: it is a folder");
    fs::remove_dir(&lock).unwrap();
    symlink(host.path("state/lock"), &lock).unwrap();
    cannot_tell(&host, "cannot look at [tmp]/state/.db.lock: it is a link, which vmrun does not make");
    fs::remove_file(&lock).unwrap();
    // One of that name which nobody holds, with nothing in it.
    fs::write(&lock, "").unwrap();
    cannot_tell(&host, &format!("{TORN}its status says running, and its journal is empty"));
    fs::write(&lock, "deadbeef owner 1 2 3").unwrap();
    cannot_tell(&host, &format!("{TORN}its journal is not whole, and tells no owner"));
    fs::rename(host.path("state/lock"), &lock).unwrap();
    answers(&host, 0, "db running", "");
    // A state folder that is none.
    let elsewhere = |state: &str| {
        let done = host.finish(host.command(&["monitor", "db"]).env("VMRUN_STATE_DIR", host.path(state)));
        (done.code, done.stdout)
    };
    assert_eq!(elsewhere("none"), (8, "db down\n".into()));
    assert_eq!(elsewhere("db.rhai"), (7, "db unknown\n".into()));
    assert_eq!(elsewhere("db.rhai/state"), (7, "db unknown\n".into()));
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    host.is_clean();
}

#[test]
fn a_number_that_another_process_has_got_is_no_guest_and_no_supervisor() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    let (supervisor, guest) = (status.supervisor.unwrap(), status.guest.unwrap());
    let state = fs::read(host.path("state/db/standing.json")).unwrap();
    let journal = fs::read_to_string(host.path("state/.db.lock")).unwrap();
    ended(&host.run(&["stop", "db"]), 0, "vmrun: db is down");
    // As if both numbers had been given anew, to processes that run for something else: this one.
    let own = std::process::id().to_string();
    let line = |text: &str| {
        let text = text.split_once(' ').unwrap().1;
        let words: Vec<String> =
            text.split(' ')
                .map(|word| {
                    if word == supervisor.to_string() || word == guest.to_string() { own.clone() } else { word.into() }
                })
                .collect();
        vmrun::internals::supervise::journal::line(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let reused: String = journal.lines().map(line).collect();
    fs::create_dir(host.path("state/db")).unwrap();
    fs::write(host.path("state/db/standing.json"), &state).unwrap();
    fs::write(host.path("state/.db.lock"), &reused).unwrap();
    answers(&host, 8, "db left", LEFT);
    // Somebody holds the lock who is not its owner.
    let lock = fs::File::open(host.path("state/.db.lock")).unwrap();
    lock.lock().unwrap();
    if fs::exists("/proc/self/fd").unwrap() {
        fs::write(host.path("state/.db.lock"), &journal).unwrap();
        cannot_tell(&host, &format!("{TORN}its run is gone, and somebody is giving back what it had"));
    }
    drop(lock);
    // The guest is gone, and a process that nobody knows has its disk.
    fs::write(host.path("state/.db.lock"), &reused).unwrap();
    let image = fs::File::open(host.path("vm/db.img")).unwrap();
    image.lock().unwrap();
    cannot_tell(&host, &format!("{TORN}its run is gone, and somebody still has [tmp]/vm/db.img"));
    drop(image);
    let done = host.run(&["gc"]);
    assert_eq!(done.code, 0, "{done:?}");
    host.is_clean();
}

#[test]
fn a_supervisor_that_does_not_notice_that_its_guest_is_gone_looks_after_nothing() {
    let host = Host::new("run\n");
    host.recipe("db", "");
    ended(&host.run(&["start", "db.rhai"]), 0, "vmrun: db runs");
    let status = host.status("db").unwrap();
    let signal = |name: &str| {
        let pid = status.supervisor.unwrap().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    };
    signal("STOP");
    answers(&host, 0, "db running", "");
    let guest = status.guest.unwrap();
    kill(guest);
    if fs::exists("/proc/self/stat").unwrap() {
        cannot_tell(&host, &format!("{TORN}its guest, process {guest}, is gone, and its supervisor has not noticed"));
    }
    signal("CONT");
    let begin = Instant::now();
    while [0, 7].contains(&host.run(&["monitor", "db"]).code) {
        assert!(begin.elapsed() < SOON);
    }
    let done = host.run(&["monitor", "db"]);
    assert_eq!((done.code, done.stdout.as_str()), (6, "db held\n"), "{done:?}");
}

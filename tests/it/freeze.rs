//! File systems of a guest that are frozen while a snapshot is made, and thawed whatever becomes of who asked, of the supervisor and of
//! an agent that lies.

use super::agent::plays;
use super::host::{Host, SOON, ended, kill};
use super::sandbox::same;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const FREEZE: &str = "{\"execute\":\"guest-fsfreeze-freeze\"}";
const STATUS: &str = "{\"execute\":\"guest-fsfreeze-status\"}";
const THAW: &str = "{\"execute\":\"guest-fsfreeze-thaw\"}";

/// What a guest is asked, in order.
type Heard = Arc<Mutex<Vec<String>>>;

/// A host whose machine, which has a volume, runs; what plays its agent answers so, and otherwise as one that has two file systems.
fn running(odd: impl Fn(&str) -> Option<&'static str> + Send + 'static) -> (Host, Heard) {
    let host = Host::new("run\n");
    host.has("zfs");
    host.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\n");
    assert_eq!(host.finish(&mut host.shell("zfs create -s -V 8M zroot/vm/web")).code, 0);
    host.recipe("web", "");
    let text = host.read("web.rhai").replace("cpus: 1,", "cpus: 1, agent: \"9\",");
    host.write(
        "web.rhai",
        &text.replace("virtio_blk(\"[tmp]/vm/web.img\")", "virtio_blk(zvol(\"zroot/vm/web\", 8.MiB))"),
    );
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    let (volumes, is_frozen) = (host.path("fake/zfs"), Mutex::new(false));
    let heard = plays(&host, move |text| {
        let request: serde_json::Value = serde_json::from_str(text).unwrap();
        let command = request["execute"].as_str().unwrap();
        if command == "guest-sync-delimited" {
            return [b"\xff", format!("{{\"return\": {}}}\n", request["arguments"]["id"]).as_bytes()].concat();
        }
        if let Some(answer) = odd(command) {
            return answer.into();
        }
        let mut is_frozen = is_frozen.lock().unwrap();
        match command {
            "guest-fsfreeze-freeze" => {
                assert!(!fs::read_to_string(&volumes).unwrap().contains('@'), "kept before it was frozen");
                *is_frozen = true;
                b"{\"return\": 2}\n".to_vec()
            }
            "guest-fsfreeze-status" if *is_frozen => b"{\"return\": \"frozen\"}\n".to_vec(),
            "guest-fsfreeze-status" => b"{\"return\": \"thawed\"}\n".to_vec(),
            "guest-fsfreeze-thaw" => {
                let count = if std::mem::take(&mut *is_frozen) { 2 } else { 0 };
                format!("{{\"return\": {count}}}\n").into_bytes()
            }
            _ => b"{\"error\": {\"class\": \"GenericError\", \"desc\": \"it has no such command\"}}\n".to_vec(),
        }
    });
    (host, heard)
}

fn all(heard: &Heard) -> Vec<String> {
    heard.lock().unwrap().clone()
}

#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < SOON, "never came: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Asks the supervisor as one that goes on for as long as this test, and waits for the answer.
fn freezes(host: &Host) {
    let supervisor = host.status("web").unwrap().supervisor.unwrap();
    let asks = format!("{{\"run\":{supervisor},\"asker\":{},\"token\":\"t\",\"freezes\":true}}", std::process::id());
    fs::write(host.path("state/web/freeze"), asks).unwrap();
    until("an answer", || host.read("state/web/frozen").contains("frozen"));
}

/// The lines of the journal that say whether something is frozen.
fn journal(host: &Host) -> Vec<String> {
    let text = host.read("state/.web.lock");
    let words = text.lines().filter_map(|line| line.split_once(' ')).map(|(_, words)| words);
    words.filter(|words| words.starts_with("frozen") || words.starts_with("thawed")).map(String::from).collect()
}

const NOTED: &str = "frozen [tmp]/state/web/agent.sock";

fn snapshot(host: &Host) -> String {
    let done = host.run(&["snapshot", "web", "a"]);
    same(&done.stdout, "zfs snapshot zroot/vm/web@vmrun-a");
    assert_eq!(done.code, 0);
    done.stderr
}

#[test]
fn a_snapshot_of_a_guest_that_runs_is_made_while_its_file_systems_are_frozen() {
    let (host, heard) = running(|_| None);
    let dry = host.run(&["snapshot", "web", "a", "--dry-run"]);
    same(&dry.stderr, "vmrun: the agent in web is asked to freeze its file systems meanwhile");
    assert_eq!(all(&heard), [""; 0]);
    same(
        &snapshot(&host),
        "
vmrun: the file systems in web were frozen meanwhile (2), and go on
vmrun: the snapshot a is made
",
    );
    assert_eq!(all(&heard), [FREEZE, STATUS, THAW]);
    assert_eq!(journal(&host), [NOTED, "thawed"]);
    let log = host.log("web");
    assert!(
        log.contains("vmrun: its file systems are frozen for a snapshot\nvmrun: its file systems are thawed\n"),
        "{log}"
    );
    let events = host.run(&["events", "web"]).stdout;
    assert!(
        events.contains("\"event\":\"freeze\"") && events.contains("\"what\":\"its file systems are thawed\""),
        "{events}"
    );
}

#[test]
fn an_export_of_a_guest_that_runs_is_of_the_moment_at_which_it_was_frozen() {
    let (host, heard) = running(|_| None);
    host.script("zstd", "exec cat");
    let done = host.run(&["export", "web", "web.tar"]);
    assert!(
        done.stderr.starts_with("vmrun: the file systems in web were frozen meanwhile (2), and go on\n"),
        "{done:?}"
    );
    assert_eq!((done.code, all(&heard)), (0, vec![FREEZE.into(), STATUS.into(), THAW.into()]));
    assert!(!host.read("fake/zfs").contains('@'));
}

#[test]
fn where_an_agent_does_not_freeze_a_snapshot_is_as_after_a_power_cut_and_says_why() {
    let refused = "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command guest-fsfreeze-freeze has been disabled\"}}\n";
    for (answer, why) in [
        (refused, "refuses guest-fsfreeze-freeze: The command guest-fsfreeze-freeze has been disabled"),
        ("{\"return\": 0}\n", "has no file system that can be frozen"),
        ("{\"return\": -1}\n", "answers with a number of file systems that is none"),
        ("\u{1b}[2J\n", "answers with what is no JSON"),
        ("", "has not answered within 5s"),
    ] {
        let (host, heard) = running(move |command| (command == "guest-fsfreeze-freeze").then_some(answer));
        let said = format!(
            "vmrun: the disks are as after a power cut: the agent in web {why}\nvmrun: the snapshot a is made\n"
        );
        same(&snapshot(&host), &said);
        until("what was asked", || all(&heard) == [FREEZE, THAW]);
        until("the journal", || journal(&host) == [NOTED, "thawed"]);
    }
}

#[test]
fn a_guest_that_was_thawed_meanwhile_by_others_is_told() {
    let (host, heard) = running(|command| (command == "guest-fsfreeze-status").then_some("{\"return\": \"thawed\"}\n"));
    same(
        &snapshot(&host),
        "
vmrun: the disks are as after a power cut: the file systems in web were thawed before, or after 10s
vmrun: the snapshot a is made
",
    );
    assert_eq!(all(&heard), [FREEZE, STATUS, THAW]);
}

#[test]
fn what_is_frozen_is_thawed_when_who_asked_is_killed() {
    let (host, heard) = running(|_| None);
    host.write("fake/strike", "before SIGKILL 1 zfs snapshot\n");
    assert_eq!(host.run(&["snapshot", "web", "a"]).code, -9);
    until("the thaw", || all(&heard).contains(&THAW.to_string()));
    until("the journal", || journal(&host) == [NOTED, "thawed"]);
}

#[test]
fn what_is_frozen_is_thawed_after_its_time_though_who_asked_lives_on() {
    let (host, heard) = running(|_| None);
    let begun = Instant::now();
    freezes(&host);
    let exec = host.run(&["exec", "web", "--within", "1s", "--", "true"]);
    assert!(
        exec.stderr.starts_with(
            "error: the file systems in web are frozen for a snapshot: the agent in web has not answered within 1s\n"
        ),
        "{}",
        exec.stderr
    );
    assert!(exec.stderr.ends_with(
        "= hint: try again in a moment; `vmrun gc` thaws them if nobody looks after the machine any more\n"
    ));
    until("the thaw", || all(&heard) == [FREEZE, THAW]);
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(9500) && took < Duration::from_secs(13), "{took:?}");
    until("the journal", || journal(&host) == [NOTED, "thawed"]);
}

#[test]
fn a_stop_thaws_before_it_asks_the_agent() {
    let (host, heard) = running(|_| None);
    freezes(&host);
    host.run(&["stop", "web", "--within", "6s"]);
    let asked = all(&heard);
    assert_eq!(asked[..3], [FREEZE, STATUS, THAW]);
    assert!(asked[3].contains("guest-shutdown"), "{asked:?}");
}

#[test]
fn what_a_killed_supervisor_has_left_frozen_is_thawed_by_gc_and_by_who_adopts() {
    for by in ["gc", "adopt"] {
        let (host, heard) = running(|_| None);
        freezes(&host);
        kill(host.status("web").unwrap().supervisor.unwrap());
        assert_eq!(journal(&host), [NOTED]);
        if by == "gc" {
            let dry = host.run(&["gc", "--dry-run"]);
            assert!(
                dry.stdout.ends_with("\n# its file systems were frozen for a snapshot: they are thawed\n"),
                "{}",
                dry.stdout
            );
            assert_eq!(all(&heard), [FREEZE]);
            let done = host.run(&["gc"]);
            same(&done.stdout, &dry.stdout);
            assert_eq!((done.code, done.stderr.as_str()), (0, ""));
        } else {
            ended(&host.run(&["adopt", "web"]), 0, "vmrun: web goes on; it was taken over\n");
            until("the journal", || journal(&host) == [NOTED, "thawed"]);
        }
        until("the thaw", || all(&heard) == [FREEZE, THAW]);
    }
}

#[test]
fn an_agent_that_never_thaws_is_told_and_asked_again_and_keeps_nothing_from_ending() {
    let silent = Arc::new(Mutex::new(PathBuf::new()));
    let mended = silent.clone();
    let (host, heard) = running(move |command| {
        let is_mended = mended.lock().unwrap().as_os_str().is_empty();
        (command == "guest-fsfreeze-thaw" && !is_mended).then_some("")
    });
    *silent.lock().unwrap() = host.path("silent");
    let begun = Instant::now();
    let said = snapshot(&host);
    same(
        &said,
        "
vmrun: the disks are as after a power cut: the file systems in web may stay frozen: its agent has not answered within 2s, and is asked again
vmrun: the snapshot a is made
",
    );
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(journal(&host), [NOTED]);
    *silent.lock().unwrap() = PathBuf::new();
    until("the journal", || journal(&host) == [NOTED, "thawed"]);
    assert!(all(&heard).iter().filter(|line| *line == THAW).count() >= 2);
    let log = host.log("web");
    assert!(
        log.contains(
            "vmrun: its file systems may stay frozen: the agent has not answered within 2s; it is asked again\n"
        ),
        "{log}"
    );
}

//! tools/freebsd-proof.sh, which an administrator runs on a real FreeBSD, on the fake one: what it reports, and what it leaves.

use super::recorded::corpus::{self, Act};
use super::sandbox::{Done, Sandbox, project};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

/// What stands by and belongs to somebody else: marks and names as vmrun has them, and the first free number of each kind.
const THEIRS: &[(&str, &str)] = &[
    ("interfaces/tap0", "kind tap\nup yes\ngroup vmrun\ndescription vmrun:db\n"),
    ("interfaces/tap1", "kind tap\nup yes\n"),
    ("interfaces/vlan5", "kind tap\nup yes\n"),
    ("vmm/web", "cpus 1\n"),
];

/// Programs that are FreeBSD's own; seconds are short.
const PROGRAMS: &[(&str, &str)] = &[
    (
        "uname",
        "case $1 in -s) echo FreeBSD ;; -K) echo 1500068 ;; *) echo FreeBSD secret-host 15.0-RELEASE amd64 ;; esac",
    ),
    ("hostname", "echo secret-host"),
    ("id", "echo 0"),
    ("su", "FAKE_FREEBSD_USER=nobody exec sh -c \"$4\""),
    ("sleep", "exec /bin/sleep \"$(echo \"$1\" | awk '{ print $1 / 8 }')\""),
];

fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    ["kill", "ls", "stat", "truncate"].iter().for_each(|program| sandbox.has(program));
    for (name, text) in PROGRAMS {
        let path = sandbox.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for (name, text) in THEIRS {
        sandbox.write(&format!("fake/{name}"), text);
    }
    sandbox.write("fake/sysctl", "kern.boottime={ sec = 1795875026, usec = 176283 } Sat Nov 28 14:10:26 2026\n");
    sandbox
}

fn script(sandbox: &Sandbox, args: &[&str]) -> Command {
    let script = project("tools/freebsd-proof.sh");
    let mut command = sandbox.program("sh", &[&[script.as_str()], args].concat());
    command.env("FAKE_FREEBSD_RELEASE", "15").env_remove("VMRUN_STATE_DIR").env_remove("VMRUN_CONFIG");
    command
}

/// Runs it to its end, however long that takes.
fn proof(sandbox: &Sandbox, args: &[&str]) -> Done {
    let output = script(sandbox, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// All that is somebody else's, as it is now.
fn theirs(sandbox: &Sandbox) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for folder in ["fake/interfaces", "fake/vmm"] {
        // A fake bhyve that is killed may leave a draft of its node, which is none.
        for name in sandbox.names(folder).into_iter().filter(|name| !name.starts_with('.')) {
            // What the fake itself adds to a description, when it first writes it.
            let is_added = |line: &&str| ["mtu ", "ether ", "index ", "up yes"].iter().any(|key| line.starts_with(key));
            let text = sandbox.read(&format!("{folder}/{name}"));
            let mut lines: Vec<&str> = text.lines().filter(|line| !is_added(line)).collect();
            lines.sort_unstable();
            all.push((name, lines.join("\n")));
        }
    }
    all
}

/// The folder that the script had made.
fn folder(sandbox: &Sandbox) -> String {
    let log = sandbox.read("fake/log");
    let at = log.find("/tmp/vmrun-proof.").expect("no call names the folder");
    log[at..].split(['/', ' ', ',']).take(3).collect::<Vec<_>>().join("/")
}

#[test]
fn a_report_reads_back_as_a_corpus_and_nothing_is_left_or_touched() {
    let sandbox = host();
    let before = theirs(&sandbox);
    let report = sandbox.path("report").display().to_string();
    let topics = ["-t", "ifconfig-names-groups", "-t", "ifconfig-tap", "-t", "mdconfig", "-t", "kldstat"];
    let done = proof(&sandbox, &[&["-y", "-o", report.as_str()][..], &topics].concat());
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (
            0,
            "freebsd-proof: ifconfig-names-groups\nfreebsd-proof: ifconfig-tap\nfreebsd-proof: kldstat\n\
             freebsd-proof: mdconfig\n"
        )
    );
    let text = fs::read_to_string(&report).unwrap();
    let records = corpus::records(&report);
    assert!(records.iter().filter(|record| record.act == Act::Run).count() > 180, "{text}");
    // A line of the corpus, with the names that it has there, and the release's own words.
    let made = records.iter().find(|record| record.command == "ifconfig vm0 create").unwrap();
    assert_eq!((made.status, made.complaint.as_str()), (1, "ifconfig: SIOCIFCREATE2 (vm0): Invalid argument\n"));
    let shown = records.iter().find(|record| record.command == "ifconfig tap2" && record.status == 0).unwrap();
    assert!(shown.output.starts_with("tap2: flags=") && shown.output.contains("ether {{mac 58:9c:fc:"), "{shown:?}");
    let head = records.iter().find(|record| record.command == "uname -a").unwrap();
    assert_eq!(head.output, "FreeBSD {{n HOST}} 15.0-RELEASE amd64\n");
    // Nothing of the host's own.
    for word in ["secret-host", "vmrun:db", "em0", "127.1", "/tmp/vmrun-proof"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
    assert_eq!(theirs(&sandbox), before);
    assert!(!Path::new(&folder(&sandbox)).exists());
    // No memory disk is left either.
    let list = sandbox.finish(&mut sandbox.program("mdconfig", &["-l"]));
    assert_eq!(list.stdout, "");
    // It can be cut into the files of a corpus.
    let cut = proof(&sandbox, &["-x", &report, &sandbox.path("cut").display().to_string()]);
    assert_eq!((cut.code, cut.stderr.as_str()), (0, ""));
    let files = ["host.txt", "ifconfig-names-groups.txt", "ifconfig-tap.txt", "kldstat.txt", "mdconfig.txt"];
    assert_eq!(sandbox.names("cut"), files);
}

/// The interfaces of another vmrun, whose journals are elsewhere, are what gc would give back.
#[test]
fn the_life_of_machines_is_as_expected_and_another_vmruns_taps_stay() {
    for (is_alone, checks) in [(true, 36), (false, 35)] {
        let sandbox = host();
        if is_alone {
            fs::remove_file(sandbox.path("fake/interfaces/tap0")).unwrap();
        }
        let before = theirs(&sandbox);
        let done = proof(&sandbox, &["-y", "-v", env!("CARGO_BIN_EXE_vmrun"), "-t", "life"]);
        assert_eq!((done.code, done.stderr.as_str()), (0, "freebsd-proof: the life of machines\n"), "{}", done.stdout);
        let count = |words: &str| done.stdout.lines().filter(|line| line.starts_with(words)).count();
        assert_eq!((count("# ok "), count("# FAILED ")), (checks, 0), "{}", done.stdout);
        assert!(done.stdout.ends_with("# 0 FAILED\n") && !done.stdout.contains("vmrun:db"), "{}", done.stdout);
        assert_eq!(done.stdout.contains("\n$ vmrun gc\n"), is_alone, "{}", done.stdout);
        assert_eq!(theirs(&sandbox), before);
        assert!(!Path::new(&folder(&sandbox)).exists());
    }
}

#[test]
fn a_proof_that_is_ended_in_the_middle_leaves_nothing() {
    for (topic, call, signal) in [
        ("bhyve-exit", "deaf.rom vpweb", "TERM"),
        ("ifconfig-bridge", "addm tap9001", "INT"),
        ("mdconfig", "-u 9005", "HUP"),
    ] {
        let sandbox = host();
        let before = theirs(&sandbox);
        let mut child = script(&sandbox, &["-y", "-t", topic]).spawn().unwrap();
        while !sandbox.read("fake/log").contains(call) {
            assert!(child.try_wait().unwrap().is_none(), "{topic} ended before {call}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{topic}");
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(words.ends_with("; what it had made was taken away\n"), "{words}");
        assert_eq!(theirs(&sandbox), before, "{topic}");
        let folder = folder(&sandbox);
        assert!(!Path::new(&folder).exists(), "{topic}");
        let ps = Command::new("ps").args(["-axww", "-o", "command="]).output().unwrap();
        assert!(!String::from_utf8_lossy(&ps.stdout).contains(&format!("{folder}/vm/")), "{topic}");
        assert_eq!(sandbox.finish(&mut sandbox.program("mdconfig", &["-l"])).stdout, "", "{topic}");
    }
}

#[test]
fn a_name_that_is_taken_is_refused_before_anything_is_made() {
    for (name, text, shown) in [
        ("interfaces/tap9001", "kind tap\n", "tap9001"),
        ("vmm/vpdb", "cpus 1\n", "vpdb"),
        ("vmm/VPUPPER", "cpus 1\n", "VPUPPER"),
    ] {
        let sandbox = host();
        sandbox.write(&format!("fake/{name}"), text);
        let before = theirs(&sandbox);
        let done = proof(&sandbox, &["-y", "-t", "mdconfig"]);
        let words = format!(
            "freebsd-proof: this is there already, and must not be touched: {shown}\n\
             freebsd-proof: ended before its time, with status 1; what it had made was taken away\n"
        );
        assert_eq!((done.code, done.stdout.as_str(), done.stderr), (1, "", words));
        assert_eq!(theirs(&sandbox), before);
        let log = sandbox.calls();
        assert!(!["create", "destroy", "kldload"].iter().any(|word| log.contains(word)), "{log}");
    }
}

#[test]
fn the_default_route_is_only_played_where_there_is_none() {
    let sandbox = host();
    let done = proof(&sandbox, &["-y", "-t", "route"]);
    assert_eq!((done.code, done.stderr.as_str()), (1, "freebsd-proof: the topic route is played with -r only\n"));
    let route = sandbox.own("route -n add default 127.100.100.9");
    assert!(sandbox.program("sh", &["-c", &route]).output().unwrap().status.success());
    let done = proof(&sandbox, &["-y", "-r", "-t", "route"]);
    let words = "freebsd-proof: -r is refused: this host has a default route, and the commands would take it away\n";
    assert!(done.code == 1 && done.stderr.starts_with(words), "{}", done.stderr);
    let get = sandbox.finish(&mut sandbox.program("route", &["-n", "get", "-4", "default"]));
    assert!(get.stdout.contains("gateway: 127.100.100.9"), "{get:?}");
}

/// FreeBSD's sh(1) is no bash; dash knows as little more than POSIX, and shellcheck knows what POSIX has.
#[test]
fn the_scripts_are_of_posix() {
    for name in ["tools/freebsd-proof.sh", "tools/roms.sh", "packaging/ocf/vmrun"] {
        let text = fs::read_to_string(project(name)).unwrap();
        assert!(text.starts_with("#!/bin/sh\n"), "{name}");
        let no = ["[[ ", "local ", "<<<", "<(", "sed -i", "sed -r", "readlink -f", "date -d", "stat -c"];
        for word in no {
            assert!(!text.contains(word), "{name}: {word}");
        }
        assert!(Command::new("sh").args(["-n", &project(name)]).status().unwrap().success(), "{name}");
        // Where it is installed.
        if let Ok(output) = Command::new("shellcheck").args(["--shell=sh", &project(name)]).output() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

/// What an administrator copies to a host is all that the script needs there.
#[test]
fn the_archive_has_all_that_is_needed() {
    let sandbox = host();
    let archive = sandbox.path("proof.tar").display().to_string();
    let done = proof(&sandbox, &["-p", &archive]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert!(sandbox.program("tar", &["-xf", &archive]).status().unwrap().success());
    let mut there = sandbox.program("sh", &["vmrun-proof/freebsd-proof.sh", "-y", "-t", "truncate"]);
    let output = there.env("FAKE_FREEBSD_RELEASE", "15").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("\n# topic truncate\n"), "{text}");
    assert!(text.ends_with("# without -v: the life of machines was left out\n"), "{text}");
}

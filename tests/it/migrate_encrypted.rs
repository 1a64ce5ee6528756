//! Machines on encrypted volumes that go to another host: made anew there by a key that it has, and never in the clear.

use super::host::Host;
use super::migrate::VOLUME;
use super::sandbox::{Done, same};
use super::two_hosts::TwoHosts;
use std::fs;
use std::os::unix::fs::FileExt as _;

/// A machine on an encrypted volume, between hosts that both have ZFS. All sandboxes are on one host: a key that is at a path is so on both.
fn encrypted(options: &str) -> TwoHosts {
    let hosts = TwoHosts::new();
    for host in [&hosts.source, &hosts.target] {
        ["zfs", "zpool"].iter().for_each(|program| host.has(program));
        host.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\n");
    }
    hosts.source.write("config/recipes/web.rhai", VOLUME);
    fs::write(hosts.source.path("web.key"), [7; 32]).unwrap();
    let options = options.replace("[key]", &format!("file://{}", hosts.source.path("web.key").display()));
    zfs(&hosts.source, &format!("zfs create -s -b 16K {options} -V 8M zroot/vm/web"));
    put(&hosts.source, 5 << 20, b"secret");
    hosts
}

const EARLIER: &str = "vmrun: vm6 has an earlier vmrun, which will not tell whether it has taken web over: nobody is asked before web is started here\n";

const OWN: &str = "-o encryption=on -o keyformat=raw -o keylocation=[key]";

#[track_caller]
fn zfs(host: &Host, line: &str) -> String {
    let done = host.finish(&mut host.shell(line));
    assert_eq!(done.code, 0, "{line}: {done:?}");
    done.stdout
}

/// Writes to the volume of the machine.
fn put(host: &Host, at: u64, text: &[u8]) {
    let volume = fs::OpenOptions::new().write(true).open(host.path("fake/zvol/zroot/vm/web")).unwrap();
    volume.write_all_at(text, at).unwrap();
}

fn disk(host: &Host) -> Vec<u8> {
    fs::read(host.path("fake/zvol/zroot/vm/web")).unwrap()
}

/// How every volume of a host is encrypted.
fn volumes(host: &Host) -> Vec<String> {
    zfs(host, "zfs list -H -o encryption -t volume").lines().map(String::from).collect()
}

#[track_caller]
fn told(done: &Done, code: i32, stderr: &str) {
    let mut said = done.stderr.clone();
    while let Some(at) = said.find("web.vmrun-").filter(|at| !said[*at..].starts_with("web.vmrun-[")) {
        let id = said[at + "web.vmrun-".len()..][..16].to_string();
        said = said.replace(&id, "[id]");
    }
    same(&said, stderr);
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

#[test]
fn an_encrypted_volume_is_made_anew_by_the_key_that_both_hosts_have() {
    let hosts = encrypted(OWN);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    let done = hosts.source.run(&["migrate", "web", "vm6"]);
    assert_eq!((done.code, TwoHosts::runs(&hosts.target)), (0, true), "{done:?}");
    assert!(disk(&hosts.target) == disk(&hosts.source) && disk(&hosts.target)[5 << 20..].starts_with(b"secret"));
    let get = "zfs get -H -o value encryption,encryptionroot,keyformat,keylocation,keystatus zroot/vm/web";
    let key = format!("file://{}", hosts.source.path("web.key").display());
    same(&zfs(&hosts.target, get), &format!("on\nzroot/vm/web\nraw\n{key}\navailable\n"));
    // And back again, onto the volume that is there, which is encrypted, too.
    put(&hosts.target, 1 << 20, b"later");
    let done = hosts.target.run(&["migrate", "web", "vm5"]);
    assert_eq!((done.code, TwoHosts::runs(&hosts.source)), (0, true), "{done:?}");
    assert!(disk(&hosts.source)[1 << 20..].starts_with(b"later"));
    let known = zfs(&hosts.source, get).replace("[tmp]", &hosts.source.path("").display().to_string());
    assert_eq!(known.replace("//web.key", "/web.key"), zfs(&hosts.target, get));
}

#[test]
fn whatever_is_killed_one_host_has_the_machine_and_no_volume_is_in_the_clear() {
    for (at, what) in
        ["offer", "re:offer", "block", "re:sync", "seal", "re:seal", "take", "re:take", "start"].iter().enumerate()
    {
        for (who, end) in [("source", "--resume"), ("target", "--abort"), ("ssh", "--resume"), ("target", "--resume")] {
            let case = format!("{} {who} {what}", if at % 2 == 0 { "before" } else { "after" });
            let hosts = encrypted(OWN);
            assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
            let before = disk(&hosts.source);
            hosts.strike(&case);
            let moved = hosts.source.run(&["migrate", "web", "vm6"]);
            hosts.strike("");
            assert_eq!(hosts.source.read("fake/struck"), *what, "{case}: {moved:?}");
            assert!(volumes(&hosts.target).iter().all(|cipher| cipher == "on"), "{case}");
            if moved.code != 0 {
                let ended = hosts.patiently(&["migrate", end, "web"]);
                let is_over = ["no move of web has begun here", "was moved to vm6", "web is here by now"];
                assert!(ended.code == 0 || is_over.iter().any(|text| ended.stderr.contains(text)), "{case}: {ended:?}");
                if ended.stderr.contains("web is here by now") {
                    assert_eq!(hosts.patiently(&["migrate", "--resume", "web"]).code, 0, "{case}");
                }
            }
            let runs = (TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target));
            assert!(runs.0 != runs.1, "{case}, {end}: {runs:?} {moved:?}");
            assert!(disk(if runs.0 { &hosts.source } else { &hosts.target }) == before, "{case}");
            let there = volumes(&hosts.target);
            assert_eq!(there, vec!["on"; usize::from(runs.1)], "{case}, {end}");
        }
    }
}

#[test]
fn a_key_that_the_other_host_lacks_is_told_before_anything_is_copied() {
    let hosts = encrypted(OWN);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    fs::remove_file(hosts.source.path("web.key")).unwrap();
    let moved = |stderr: &str| {
        let there = hosts.target.read("fake/zfs");
        for args in [&["migrate", "web", "vm6"][..], &["replicate", "web", "vm6"]] {
            let mut done = hosts.source.run(args);
            done.stderr = done.stderr.replace(EARLIER, "");
            told(&done, 3, stderr);
        }
        assert_eq!((hosts.target.read("fake/zfs"), TwoHosts::runs(&hosts.source)), (there, true));
    };
    moved(
        "
error: vm6: [tmp]/web.key, which has the key of the volume zroot/vm/web, is not there
 |
 = hint: on vm6: no key is sent with a machine: bring it there, readable for root alone
",
    );
    // A key that is none.
    fs::write(hosts.source.path("web.key"), [7; 31]).unwrap();
    moved(
        "
error: vm6: `zfs create -s -b 16K -o volmode=dev -o encryption=on -o keyformat=raw -o keylocation=file://[tmp]/web.key -V 8M zroot/vm/web.vmrun-[id].moving` failed with status 1: cannot create 'zroot/vm/web.vmrun-[id].moving': Raw key too short (expected 32).
",
    );
    fs::write(hosts.source.path("web.key"), [7; 32]).unwrap();
    // One that does not know how to make it.
    let known = hosts.source.read("fake/ssh");
    hosts.source.write("fake/ssh", &format!("{known}earlier\n"));
    moved(
        "
error: vm6 has an earlier vmrun, which would have the volume zroot/vm/web in the clear
 |
 = hint: install the same vmrun on both hosts
",
    );
}

#[test]
fn a_key_of_the_filesystem_above_is_that_of_the_other_host() {
    let hosts = encrypted("");
    let locked = |host: &Host, status: &str| {
        let text = format!("filesystem zroot/vm\tencryption=aes-256-gcm\tkeyformat=passphrase\tkeystatus={status}\n");
        let known = host.read("fake/zfs");
        let line = known.lines().find(|line| line.starts_with("filesystem zroot/vm")).unwrap().to_string() + "\n";
        host.write("fake/zfs", &known.replace(&line, &text));
    };
    locked(&hosts.source, "available");
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    told(
        &hosts.source.run(&["migrate", "web", "vm6"]),
        3,
        "
error: vm6: zroot/vm is not encrypted, and on the other host it has the key of zroot/vm/web
 |
 = hint: on vm6: have it be encrypted on both hosts, or give the volume a key of its own: `man zfs-change-key`
",
    );
    locked(&hosts.target, "unavailable");
    told(
        &hosts.source.run(&["migrate", "web", "vm6"]),
        3,
        "
error: vm6: the key of zroot/vm is not loaded
 |
 = hint: on vm6: zfs load-key zroot/vm
",
    );
    locked(&hosts.target, "available");
    let done = hosts.source.run(&["migrate", "web", "vm6"]);
    assert_eq!((done.code, TwoHosts::runs(&hosts.target)), (0, true), "{done:?}");
    assert_eq!(
        zfs(&hosts.target, "zfs get -H -o value encryption,encryptionroot zroot/vm/web"),
        "aes-256-gcm\nzroot/vm\n"
    );
    assert!(disk(&hosts.target)[5 << 20..].starts_with(b"secret"));
}

#[test]
fn a_host_that_was_started_anew_meanwhile_tells_that_a_key_is_to_be_loaded_and_undoes_it_all_the_same() {
    for end in ["--resume", "--abort"] {
        let hosts = encrypted(OWN);
        assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
        hosts.strike("before target block");
        assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 3);
        hosts.strike("");
        let half = hosts.target.names("fake/zvol/zroot/vm").pop().unwrap();
        let there = hosts.target.read("fake/zfs");
        hosts.target.write("fake/zfs", &there.replace("keystatus=available", "keystatus=unavailable"));
        // One whose key is not loaded has no device.
        let (device, away) = (hosts.target.path("fake/zvol/zroot/vm").join(&half), hosts.target.path("away"));
        fs::rename(&device, &away).unwrap();
        if end == "--resume" {
            let done = hosts.patiently(&["migrate", end, "web"]);
            let what = format!(
                "error: vm6: the key of zroot/vm/{half} is not loaded\n |\n = hint: on vm6: zfs load-key zroot/vm/{half}\n"
            );
            assert!(done.code == 3 && done.stderr.contains(&what), "{done:?}");
            assert!(TwoHosts::runs(&hosts.source));
            hosts.target.write("fake/zfs", &there);
            fs::rename(&away, &device).unwrap();
            let done = hosts.patiently(&["migrate", end, "web"]);
            assert_eq!((done.code, TwoHosts::runs(&hosts.target)), (0, true), "{done:?}");
        } else {
            fs::rename(&away, &device).unwrap();
            let done = hosts.patiently(&["migrate", end, "web"]);
            assert_eq!((done.code, TwoHosts::runs(&hosts.source)), (0, true), "{done:?}");
            assert_eq!(volumes(&hosts.target), [""; 0]);
        }
    }
}

#[test]
fn a_replica_of_an_encrypted_volume_is_encrypted_and_is_taken() {
    let hosts = encrypted(OWN);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    for text in [b"second", b"third!"] {
        let done = hosts.source.run(&["replicate", "web", "vm6"]);
        assert_eq!(done.code, 0, "{done:?}");
        put(&hosts.source, 2 << 20, text);
    }
    assert_eq!(volumes(&hosts.target), ["on", "on"]);
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    let done = hosts.target.run(&["start", "web", "--from-replica", "--fenced", &host]);
    assert!(done.code != 0 && done.stderr.contains("web runs here"), "{done:?}");
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    let done = hosts.target.run(&["start", "web", "--from-replica"]);
    assert_eq!((done.code, TwoHosts::runs(&hosts.target)), (0, true), "{done:?}");
    assert!(disk(&hosts.target)[2 << 20..].starts_with(b"second"));
}

#[test]
fn a_volume_whose_key_nobody_has_in_a_file_is_not_sent_and_the_way_out_brings_it_there_as_it_is() {
    let hosts = encrypted("");
    let known = hosts.source.read("fake/zfs");
    let locked = known.replace("volume zroot/vm/web\t", "volume zroot/vm/web\tencryption=aes-256-gcm\t");
    assert_ne!(known, locked);
    hosts.source.write("fake/zfs", &locked);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    let before = hosts.source.read("fake/zfs");
    told(
        &hosts.source.run(&["migrate", "web", "vm6"]),
        3,
        "
error: the volume zroot/vm/web is encrypted, and no file has its key, so that another host cannot make it anew
 |
 = hint: `zfs set keylocation=file:///etc/vm/web.key zroot/vm/web` here, with that file on both hosts; or `vmrun stop web` and `vmrun export web - --zfs-send | ssh HOST vmrun import -` have it there as it is, `zfs load-key zroot/vm/web` there takes who has its key, and `vmrun remove web` here comes before its start
",
    );
    told(
        &hosts.source.run(&["replicate", "web", "vm6"]),
        3,
        "
error: the volume zroot/vm/web is encrypted, and no file has its key, so that another host cannot make it anew
 |
 = hint: `zfs set keylocation=file:///etc/vm/web.key zroot/vm/web` here, with that file on both hosts; or `vmrun export web FILE --zfs-send` keeps it as it is, for who has its key
",
    );
    assert_eq!((hosts.source.read("fake/zfs"), TwoHosts::runs(&hosts.source)), (before, true));
    // The way out.
    assert_eq!(hosts.source.run(&["stop", "web"]).code, 0);
    let export = hosts.source.run(&["export", "web", "web.tar", "--zfs-send"]);
    assert_eq!(export.code, 0, "{export:?}");
    fs::copy(hosts.source.path("web.tar"), hosts.target.path("web.tar")).unwrap();
    let import = hosts.target.run(&["import", "web.tar"]);
    assert_eq!(import.code, 0, "{import:?}");
    assert!(import.stderr.contains("zfs load-key zroot/vm/web"), "{import:?}");
    let done = hosts.source.run(&["remove", "web", "--recipe", "--yes"]);
    assert_eq!(done.code, 0, "{done:?}");
    let done = hosts.target.run(&["start", "web"]);
    assert!(done.code != 0 && done.stderr.contains("zfs load-key"), "{done:?}");
    // What zfs-load-key(8) does.
    let locked = hosts.target.read("fake/zfs");
    hosts.target.write("fake/zfs", &locked.replace("keystatus=unavailable", "keystatus=available"));
    let done = hosts.target.run(&["start", "web"]);
    assert_eq!((done.code, TwoHosts::runs(&hosts.target)), (0, true), "{done:?}");
}

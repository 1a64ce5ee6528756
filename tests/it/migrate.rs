//! `vmrun migrate` between two hosts of the fake FreeBSD.

use super::host::Host;
use super::sandbox::same;
use super::two_hosts::{TwoHosts, WEB};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

/// What is said, without times.
pub(crate) fn told(text: &str) -> String {
    let shown = |line: &str| match line.split_once("it was down for ") {
        Some((head, tail)) => {
            assert!(tail.strip_suffix(" s").is_some_and(|seconds| seconds.parse::<f64>().is_ok()), "{line}");
            format!("{head}it was down for [time]\n")
        }
        None => format!("{line}\n"),
    };
    text.lines().map(shown).collect()
}

#[track_caller]
fn ends(done: &super::sandbox::Done, code: i32, stderr: &str) {
    same(&told(&done.stderr), stderr);
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

#[test]
fn a_machine_that_runs_is_moved_and_runs_there() {
    let hosts = TwoHosts::running();
    let disks = TwoHosts::disks(&hosts.source);
    ends(
        &hosts.source.run(&["migrate", "web", "root@vm6:2222"]),
        0,
        "
vmrun: web is moved to root@vm6:2222: 2 disks with 68 KiB
vmrun: copied 1 MiB while it runs
vmrun: stopping web
vmrun: starting web on root@vm6:2222
vmrun: web runs on root@vm6:2222; it was down for [time]
",
    );
    let ssh = "ssh -oBatchMode=yes -oConnectTimeout=10 -p 2222 -oServerAliveInterval=15 -oServerAliveCountMax=4 -- root@vm6 vmrun migrate-receive";
    assert!(hosts.source.calls().lines().any(|line| line == ssh), "{}", hosts.source.calls());
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true));
    let there = TwoHosts::disks(&hosts.target);
    for (one, other) in disks.iter().flatten().zip(there.iter().flatten()) {
        assert_eq!(one.len(), other.len());
        assert_eq!((0..one.len()).find(|at| one[*at] != other[*at]), None);
    }
    assert_eq!(hosts.target.read("config/recipes/web.rhai"), WEB);
    assert_eq!(hosts.target.names("config/recipes"), ["data.img", "rom.fd", "web.img", "web.rhai"]);
    assert_eq!(hosts.source.names("config/recipes"), ["data.img", "rom.fd", "web.img", "web.rhai"]);
    // Nothing of the move is left but the mark of who has left.
    assert!(!hosts.target.path("config/moves/web.json").exists());
    let refused = "
error: the machine web was moved to root@vm6:2222, which has it now
 |
 = hint: `vmrun migrate web HOST` there brings it back; `vmrun migrate --forget web` lets this one be started if that one is gone for ever
error: web did not start
 |
 = hint: its log: [tmp]/log/web.log
";
    ends(&hosts.source.run(&["start", "web"]), 5, refused);
    ends(
        &hosts.source.run(&["run", "config/recipes/web.rhai"]),
        5,
        refused.split("error: web did not start").next().unwrap(),
    );
}

#[test]
fn a_machine_that_comes_back_brings_only_what_has_changed() {
    let hosts = TwoHosts::running();
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 0);
    let path = hosts.target.path("config/recipes/web.img");
    let mut bytes = fs::read(&path).unwrap();
    bytes[0] = 7;
    fs::write(&path, &bytes).unwrap();
    ends(
        &hosts.target.run(&["migrate", "web", "vm5"]),
        0,
        "
vmrun: web is moved to vm5: 2 disks with 3 MiB
vmrun: copied 1 MiB while it runs
vmrun: stopping web
vmrun: starting web on vm5
vmrun: web runs on vm5; it was down for [time]
",
    );
    assert_eq!(fs::read(hosts.source.path("config/recipes/web.img")).unwrap(), bytes);
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
}

#[test]
fn a_disk_keeps_its_permissions_and_is_never_open_to_more_people_than_where_it_was() {
    let hosts = TwoHosts::running();
    let path = |host: &Host, name: &str| host.path("config/recipes").join(name);
    let set = |host: &Host, name: &str, mode| {
        fs::set_permissions(path(host, name), fs::Permissions::from_mode(mode)).unwrap();
    };
    let modes = |host: &Host| ["web.img", "data.img"].map(|name| path(host, name).metadata().unwrap().mode() & 0o7777);
    set(&hosts.source, "web.img", 0o640);
    set(&hosts.source, "data.img", 0o4664);
    // Killed when all has come: until it is whole nobody else reads it.
    hosts.strike("before source seal");
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, -9);
    hosts.strike("");
    let halves = fs::read_dir(hosts.target.path("config/recipes")).unwrap().map(|entry| entry.unwrap());
    let halves: Vec<u32> = halves
        .filter(|entry| entry.file_name().to_string_lossy().contains(".img.vmrun-"))
        .map(|entry| entry.metadata().unwrap().mode() & 0o7777)
        .collect();
    assert_eq!(halves, [0o600, 0o600]);
    assert_eq!(hosts.patiently(&["migrate", "--resume", "web"]).code, 0);
    assert_eq!(modes(&hosts.target), [0o640, 0o664]);
    // It comes back as it is there now, whatever what is left of it here is open to.
    set(&hosts.target, "data.img", 0o600);
    set(&hosts.source, "data.img", 0o666);
    assert_eq!(hosts.target.run(&["migrate", "web", "vm5"]).code, 0);
    assert_eq!(modes(&hosts.source), [0o640, 0o600]);
}

/// What `vmrun list --all` shows of `web`: its state, what is said of it, and what programs are told.
fn listed(host: &Host) -> (String, String, serde_json::Value) {
    let shown = host.run(&["list", "--all"]);
    let line = shown.stdout.lines().find(|line| line.starts_with("web ")).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&host.run(&["list", "--all", "--json"]).stdout).unwrap();
    let machine = json["machines"].as_array().unwrap().iter().find(|one| one["name"] == "web").unwrap();
    assert_eq!(line.split_whitespace().nth(1), machine["state"].as_str());
    (machine["state"].as_str().unwrap().into(), shown.stderr, machine["moved"].clone())
}

#[test]
fn a_machine_that_was_moved_is_listed_with_where_it_is_and_since_when() {
    let hosts = TwoHosts::running();
    assert_eq!(hosts.source.run(&["migrate", "web", "root@vm6:2222"]).code, 0);
    let (state, said, moved) = listed(&hosts.source);
    let since = moved["since"].as_u64().unwrap();
    assert_eq!((state.as_str(), &moved["host"]), ("moved", &"root@vm6:2222".into()));
    let date = said.strip_prefix("vmrun: web was moved to root@vm6:2222 on ").unwrap();
    assert!(date.len() == "2026-11-30 06:38:42 UTC\n".len() && date.ends_with(" UTC\n"), "{date}");
    assert_eq!(hosts.source.run(&["list"]).stdout, "");
    assert_eq!(listed(&hosts.target), ("running".into(), String::new(), serde_json::Value::Null));
    // A move back that fails changes nothing of that, and one whose recipe nobody knows any more is known by its move.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    hosts.source.write("fake/refuse", "bhyve -c\tvm_create: Device not configured\n");
    hosts.source.write("fake/exits", "4\n");
    assert_eq!(hosts.target.run(&["migrate", "web", "vm5"]).code, 4);
    fs::rename(hosts.source.path("config/recipes/web.rhai"), hosts.source.path("web.away")).unwrap();
    fs::remove_dir_all(hosts.source.path("state")).unwrap();
    fs::create_dir(hosts.source.path("state")).unwrap();
    let (state, said, moved) = listed(&hosts.source);
    assert_eq!((state.as_str(), moved["since"].as_u64()), ("moved", Some(since)));
    assert!(said.starts_with("vmrun: web was moved to root@vm6:2222 on "), "{said}");
    hosts.source.write("config/moves/web.json", "{");
    let done = hosts.source.run(&["list", "--all"]);
    same(
        &done.stderr,
        "
error: cannot tell whether web was moved: [tmp]/config/moves/web.json: it is no JSON
 |
 = hint: correct that file, or remove it if the machine is this host's
vmrun: there is no machine on this host
",
    );
    assert_eq!(done.code, 0);
}

/// A recipe whose disk is a volume.
pub(crate) const VOLUME: &str = "bhyve(#{
    name: \"web\", cpus: 1, memory: 64.MiB, bootrom: bootrom(\"rom.fd\"),
    slots: #{ \"0\": hostbridge(), \"4\": virtio_blk(zvol(\"zroot/vm/web\", 8.MiB)), \"31\": lpc() },
}).run();
";

#[test]
fn a_volume_of_zfs_is_moved_as_one_with_its_properties() {
    let hosts = TwoHosts::new();
    for host in [&hosts.source, &hosts.target] {
        ["zfs", "zpool"].iter().for_each(|program| host.has(program));
        host.write("fake/zfs", "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\n");
    }
    hosts.source.write("config/recipes/web.rhai", VOLUME);
    let line = "zfs create -s -b 16K -o compression=lz4 -V 8M zroot/vm/web";
    assert_eq!(hosts.source.finish(&mut hosts.source.shell(line)).code, 0);
    let text = b"something that is on it";
    let volume = fs::OpenOptions::new().write(true).open(hosts.source.path("fake/zvol/zroot/vm/web")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&volume, text, 5 << 20).unwrap();
    drop(volume);
    assert_eq!(hosts.source.run(&["start", "web"]).code, 0);
    // Killed where it has come under a name of the move.
    hosts.strike("before source take");
    let done = hosts.source.run(&["migrate", "web", "vm6"]);
    assert_eq!(done.code, -9, "{done:?}");
    hosts.strike("");
    let there = hosts.target.names("fake/zvol/zroot/vm");
    assert!(there.len() == 1 && there[0].starts_with("web.vmrun-") && there[0].ends_with(".moving"), "{there:?}");
    let done = hosts.patiently(&["migrate", "--resume", "web"]);
    ends(&done, 0, "vmrun: starting web on vm6\nvmrun: web runs on vm6\n");
    assert_eq!(hosts.target.names("fake/zvol/zroot/vm"), ["web"]);
    let bytes = fs::read(hosts.target.path("fake/zvol/zroot/vm/web")).unwrap();
    assert!(bytes.len() == 8 << 20 && bytes[5 << 20..].starts_with(text));
    let properties = "zfs get -Hp -o value volsize,volblocksize,refreservation,compression zroot/vm/web";
    let done = hosts.target.finish(&mut hosts.target.shell(properties));
    same(&done.stdout, "8388608\n16384\n0\nlz4\n");
    // And back again: what is here of it is renamed, and only what differs comes.
    let done = hosts.target.run(&["migrate", "web", "vm5"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(hosts.source.names("fake/zvol/zroot/vm"), ["web"]);
    assert!(hosts.source.calls().contains("zfs rename zroot/vm/web zroot/vm/web.vmrun-"), "{}", hosts.source.calls());
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
}

#[test]
fn a_move_back_that_is_undone_leaves_the_machine_where_it_is() {
    let hosts = TwoHosts::running();
    assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 0);
    hosts.source.write("fake/refuse", "bhyve -c\tvm_create: Device not configured\n");
    hosts.source.write("fake/exits", "4\n");
    let done = hosts.target.run(&["migrate", "web", "vm5"]);
    assert_eq!(done.code, 4, "{done:?}");
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true));
    // It is not this host's, whatever hinders it from being started is gone or not.
    fs::remove_file(hosts.source.path("fake/refuse")).unwrap();
    let done = hosts.source.run(&["start", "web"]);
    assert!(!TwoHosts::runs(&hosts.source), "{done:?}");
    hosts.source.write("fake/exits", "run\nrun\n");
    let done = hosts.target.run(&["migrate", "web", "vm5"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (true, false));
}

#[test]
fn a_guest_that_runs_there_and_is_not_ready_in_time_stays_there() {
    let hosts = TwoHosts::new();
    let text = hosts.source.read("config/recipes/web.rhai");
    let ready = "ready(#{ tcp: \"127.0.0.1:1\", within: \"300ms\" });\n";
    hosts.source.write("config/recipes/web.rhai", &format!("{ready}{text}"));
    hosts.source.run(&["start", "web"]);
    assert!(TwoHosts::runs(&hosts.source));
    let done = hosts.source.run(&["migrate", "web", "vm6"]);
    assert_eq!((TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target)), (false, true), "{done:?}");
    assert!(done.stderr.contains("vm6: web runs, and was not ready within"), "{done:?}");
    assert_eq!(hosts.source.run(&["start", "web"]).code, 5);
    ends(&hosts.source.run(&["migrate", "--resume", "web"]), 0, "vmrun: starting web on vm6\nvmrun: web runs on vm6\n");
    assert_eq!(hosts.source.run(&["start", "web"]).code, 5);
    assert!(TwoHosts::runs(&hosts.target));
}

#[test]
fn who_is_interrupted_while_disks_are_copied_has_the_machine_where_it_was() {
    let hosts = TwoHosts::running();
    let mut moving = hosts.source.start(&["migrate", "web", "vm6"]);
    moving.until("a record", |host| host.path("config/moves/web.json").exists());
    moving.signal("INT");
    let done = moving.wait();
    // It may have been over before that.
    let runs = (TwoHosts::runs(&hosts.source), TwoHosts::runs(&hosts.target));
    assert!(runs.0 != runs.1, "{done:?}");
    if done.code != 0 {
        assert!(runs.0 && done.stderr.contains("interrupted"), "{done:?}");
        hosts.patiently(&["migrate", "--abort", "web"]);
        assert_eq!(hosts.source.run(&["migrate", "web", "vm6"]).code, 0);
    }
}

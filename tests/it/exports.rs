//! Exports of machines that run: of one moment, which goes again whatever becomes of the export. What packs is a stand-in that packs
//! nothing; with zstd(1) itself exports are in `tests/system/export.rs`.

use super::host::{Host, ended, kill};
use super::sandbox::same;
use std::fs;
use std::os::unix::fs::FileExt as _;

/// A machine with volumes, of which the second is in this pool, and with variables of its firmware.
fn recipe(second: &str) -> String {
    format!(
        "bhyve(#{{
    name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\", #{{ vars: \"[tmp]/vm/web.vars\" }}),
    slots: #{{
        \"0\": hostbridge(), \"4\": virtio_blk(zvol(\"zroot/vm/web\", 8.MiB)), \"5\": virtio_blk(zvol(\"{second}\", 8.MiB)), \"31\": lpc(),
    }},
}}).run();
"
    )
}

/// Writes into a volume as its guest would.
fn put(host: &Host, volume: &str, text: &str) {
    let device = fs::OpenOptions::new().write(true).open(host.path("fake/zvol").join(volume)).unwrap();
    device.write_all_at(text.as_bytes(), 1 << 20).unwrap();
}

/// A host whose machine runs, with something on its volumes; what packs runs `meanwhile` first.
fn running(second: &str, meanwhile: &str) -> Host {
    let host = Host::new("run\nrun\n");
    ["zfs", "zpool"].iter().for_each(|program| host.has(program));
    let pools = "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\nfilesystem tank\tsize=107374182400\n";
    host.write("fake/zfs", pools);
    let made =
        host.finish(&mut host.shell(&format!("zfs create -s -V 8M zroot/vm/web && zfs create -s -V 8M {second}")));
    assert_eq!(made.code, 0, "{made:?}");
    ["zroot/vm/web", second].iter().for_each(|volume| put(&host, volume, "first"));
    fs::write(host.path("vm/web.vars"), "vars".repeat(1024)).unwrap();
    host.write("web.rhai", &recipe(second));
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    host.script("zstd", &format!("{meanwhile}\nexec cat"));
    host.write("fake/log", "");
    host
}

/// The names of datasets that only an export makes.
fn left(host: &Host) -> Vec<String> {
    let text = host.read("fake/zfs");
    let names = text.lines().filter_map(|line| line.split(['\t', ' ']).nth(1));
    let files = [host.names("vm"), host.names("."), host.names("state")].concat();
    let is_its = |name: &String| name.contains('@') || name.contains(".vmrun-") || name.contains(".export");
    names.map(String::from).chain(files).filter(is_its).collect()
}

/// What was called that changes something, without the numbers of processes and times.
fn calls(host: &Host) -> String {
    let log = host.calls();
    let changes = ["zfs snapshot", "zfs clone", "zfs destroy"];
    let lines = log.lines().filter(|line| changes.iter().any(|call| line.starts_with(call)));
    let mut text = String::new();
    for line in lines {
        let digits = |c: char| c.is_ascii_digit();
        let words =
            line.split(' ').map(|word| match word.split_once("@vmrun-export-").or(word.split_once(".vmrun-")) {
                Some((begin, end)) => format!(
                    "{begin}{}{}",
                    if word.contains('@') { "@vmrun-export-N" } else { ".vmrun-N" },
                    end.trim_start_matches(digits).trim_start_matches('-').trim_start_matches(digits)
                ),
                None => word.to_string(),
            });
        text += &words.collect::<Vec<_>>().join(" ");
        text.push('\n');
    }
    text
}

#[test]
fn an_export_of_a_machine_that_runs_is_of_one_moment_and_leaves_nothing() {
    let host = running(
        "zroot/vm/web-logs",
        "for disk in web web-logs; do printf later | dd of=\"$FAKE/zvol/zroot/vm/$disk\" bs=1 seek=1048576 conv=notrunc 2>/dev/null; done",
    );
    let script = host.read("bin/zstd").replace("$FAKE", &host.path("fake").display().to_string());
    host.write("bin/zstd", &script);
    let done = host.run(&["export", "web", "web.tar"]);
    same(
        &done.stderr,
        "
vmrun: the disks are as after a power cut: no agent in web can be asked to freeze its file systems
vmrun: exported web: 3 disks with 132 KiB, packed to 140 KiB
",
    );
    assert_eq!(done.code, 0);
    let tar = String::from_utf8_lossy(&fs::read(host.path("web.tar")).unwrap()).into_owned();
    assert_eq!((tar.matches("first").count(), tar.matches("later").count()), (2, 0));
    assert!(tar.contains("\"volume\": \"zroot/vm/web\"") && tar.contains("varsvars"), "{tar}");
    same(
        &calls(&host),
        "
zfs snapshot zroot/vm/web@vmrun-export-N zroot/vm/web-logs@vmrun-export-N
zfs clone -o volmode=dev zroot/vm/web@vmrun-export-N zroot/vm/web.vmrun-N.new
zfs clone -o volmode=dev zroot/vm/web-logs@vmrun-export-N zroot/vm/web-logs.vmrun-N.new
zfs destroy zroot/vm/web-logs.vmrun-N.new
zfs destroy zroot/vm/web.vmrun-N.new
zfs destroy zroot/vm/web-logs@vmrun-export-N
zfs destroy zroot/vm/web@vmrun-export-N
",
    );
    assert_eq!(left(&host), [""; 0]);
    assert!(host.status("web").is_some_and(|status| status.guest.is_some()));
}

#[test]
fn volumes_of_two_pools_are_of_two_moments_and_that_is_said() {
    let host = running("tank/web", "");
    let done = host.run(&["export", "web", "web.tar"]);
    same(
        &done.stderr,
        "
vmrun: the disks of web are not of one moment: 2 pools are kept one after the other
vmrun: the disks are as after a power cut: no agent in web can be asked to freeze its file systems
vmrun: exported web: 3 disks with 132 KiB, packed to 140 KiB
",
    );
    assert_eq!((done.code, left(&host)), (0, vec![]));
    // One whose run is gone is read no otherwise.
    kill(host.status("web").unwrap().supervisor.unwrap());
    let done = host.run(&["export", "web", "again.tar"]);
    assert_eq!((done.code, left(&host)), (0, vec![]), "{done:?}");
}

#[test]
fn whatever_is_refused_of_an_export_nothing_is_left_of_its_moment() {
    let host = running("tank/web", "");
    for call in
        ["zfs snapshot zroot", "zfs snapshot tank", "zfs clone -o volmode=dev zroot", "zfs clone -o volmode=dev tank"]
    {
        host.write("fake/refuse", &format!("{call}\tcannot do it: out of space\n"));
        let done = host.run(&["export", "web", "web.tar"]);
        assert!(
            done.code == 3 && done.stderr.contains("` failed with status 1: cannot do it: out of space\n"),
            "{done:?}"
        );
        host.write("fake/refuse", "");
        assert_eq!((left(&host), host.path("web.tar").exists()), (vec![], false), "{call}");
    }
    host.script("zstd", "cat >/dev/null; echo 'No space left on device' >&2; exit 70");
    let done = host.run(&["export", "web", "web.tar"]);
    assert!(done.code == 3 && done.stderr.contains("No space left on device"), "{done:?}");
    assert_eq!(left(&host), [""; 0]);
    // What cannot be taken away is told, and `vmrun gc` tries it again.
    host.script("zstd", "exec cat");
    host.write("fake/refuse", "zfs destroy tank\tcannot destroy it: pool I/O is currently suspended\n");
    let done = host.run(&["export", "web", "web.tar"]);
    assert!(
        done.stderr.contains("error: what was made for the export is not gone: `zfs destroy tank/web.vmrun-")
            && done.stderr.ends_with("= hint: `vmrun gc` takes it away\n"),
        "{done:?}"
    );
    assert_eq!((done.code, left(&host).len()), (3, 3), "{:?}", left(&host));
    host.write("fake/refuse", "");
    assert_eq!(host.run(&["gc"]).code, 0);
    assert_eq!(left(&host), [""; 0]);
}

#[test]
fn of_an_export_that_is_killed_the_next_one_and_gc_take_everything_away() {
    let host = running("tank/web", "");
    let kinds = [
        "zfs snapshot zroot",
        "zfs snapshot tank",
        "zfs clone -o volmode=dev zroot",
        "zfs clone -o volmode=dev tank",
        "zfs destroy tank",
        "zfs destroy zroot",
    ];
    for (number, call) in kinds.iter().enumerate() {
        for when in ["before", "after"] {
            host.write("fake/log", "");
            host.write("fake/strike", &format!("{when} SIGKILL 1 {call}\n"));
            let done = host.run(&["export", "web", "web.tar"]);
            assert_eq!(done.code, -9, "{when} {call}: {done:?}");
            fs::remove_file(host.path("fake/strike")).unwrap();
            fs::remove_file(host.path("web.tar")).unwrap_or_default();
            if number % 2 == 0 {
                let gc = host.run(&["gc"]);
                assert_eq!(gc.code, 0, "{when} {call}: {gc:?}");
                assert!(gc.stdout.starts_with("# an export of web ended half done\n"), "{gc:?}");
            } else {
                let done = host.run(&["export", "web", "web.tar"]);
                assert_eq!(done.code, 0, "{when} {call}: {done:?}");
                fs::remove_file(host.path("web.tar")).unwrap();
            }
            assert_eq!(left(&host), [""; 0], "{when} {call}");
        }
    }
    // The machine has not heard of it.
    assert!(host.status("web").is_some_and(|status| status.guest.is_some()));
    assert_eq!(host.run(&["stop", "web", "--within", "1s"]).code, 0);
}

#[test]
fn who_interrupts_an_export_of_a_machine_that_runs_has_nothing_left() {
    let host = running("tank/web", "while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    fs::write(host.path("fake/zvol/tank/web"), vec![7; 8 << 20]).unwrap();
    let mut export = host.start(&["export", "web", "web.tar"]);
    export.until("half an export", |host| host.names(".").iter().any(|name| name.starts_with("web.tar.vmrun-")));
    // It is one machine, which runs.
    assert_eq!(states(&host), [("web".to_string(), "running".to_string(), true)]);
    same(&host.run(&["list"]).stderr, "vmrun: web is exported, as it was when that began");
    let other = host.run(&["export", "web", "other.tar"]);
    same(
        &other.stderr,
        "
error: web is exported already
 |
 = hint: wait until that has ended
",
    );
    assert_eq!(other.code, 5);
    export.signal("TERM");
    let done = export.wait();
    same(&done.stderr, "error: web.tar: interrupted");
    assert_eq!((done.code, left(&host)), (130, vec![]));
    assert_eq!(states(&host), [("web".to_string(), "running".to_string(), false)]);
}

/// The machines that are listed: their names, states, and whether they are exported.
fn states(host: &Host) -> Vec<(String, String, bool)> {
    let listed: serde_json::Value = serde_json::from_str(&host.run(&["list", "--json"]).stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_string();
    let of = |one: &serde_json::Value| (text(&one["name"]), text(&one["state"]), one["exporting"].as_bool().unwrap());
    listed["machines"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_machine_that_does_not_run_is_told_to_be_exported_and_not_to_start() {
    let host = running("tank/web", "while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    assert_eq!(host.run(&["stop", "web", "--within", "1s"]).code, 0);
    let mut export = host.start(&["export", "web", "web.tar"]);
    export.until("half an export", |host| host.names(".").iter().any(|name| name.starts_with("web.tar.vmrun-")));
    assert_eq!(states(&host), [("web".to_string(), "exporting".to_string(), true)]);
    let list = host.run(&["list"]);
    assert!(list.stdout.contains("\nweb   exporting  "), "{}", list.stdout);
    same(&list.stderr, "vmrun: web is exported, and can be started when that has ended");
    let start = host.run(&["start", "web.rhai"]);
    same(
        &start.stderr,
        "
error: the machine web is exported at the moment
 --> web.rhai:2:11
  |
2 |     name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\", #{ vars: \"[tmp]/vm/web.vars\" }),
  |           ^^^^^
  |
  = hint: wait until that has ended; Ctrl-C ends it, where it was started
",
    );
    let stop = host.run(&["stop", "web"]);
    same(
        &stop.stderr,
        "
error: the machine web is exported at the moment
 |
 = hint: wait until that has ended; Ctrl-C ends it, where it was started
",
    );
    assert_eq!((start.code, stop.code), (5, 5));
    assert_eq!(host.run(&["monitor", "web"]).code, 8);
    // Of one that is killed there is the machine's lock and half a file, which gc and the next one remove.
    export.kill();
    let left_over = |name: &str| (name.to_string(), "left".to_string(), false);
    assert_eq!(states(&host), [left_over("web"), left_over("web.export")]);
    host.script("zstd", "exec cat");
    assert_eq!(host.run(&["export", "web", "web.tar"]).code, 0);
    assert_eq!((states(&host), left(&host)), (vec![], vec![]));
}

#[test]
fn an_export_leaves_a_machine_alone_whose_name_is_that_of_its_record() {
    let host = running("tank/web", "");
    let text = host.read("web.rhai").replace("\"web\"", "\"web.export\"").replace("web.vars", "other.vars");
    let text = text.replace("zroot/vm/web", "zroot/vm/other").replace("tank/web", "tank/other");
    host.write("other.rhai", &text);
    fs::write(host.path("vm/other.vars"), "vars".repeat(1024)).unwrap();
    ended(&host.run(&["start", "other.rhai"]), 0, "vmrun: web.export runs\n");
    let status = host.status("web.export").unwrap();
    kill(status.supervisor.unwrap());
    kill(status.guest.unwrap());
    // What its run has left is its own.
    let record = host.read("state/.web.export.lock");
    same(
        &host.run(&["export", "web", "web.tar"]).stderr,
        "
error: the export of web would be noted as web.export, and a machine has that name
 |
 = hint: `vmrun stop web.export`, then export web
",
    );
    assert_eq!(host.run(&["stop", "web", "--within", "1s"]).code, 0);
    assert_eq!(host.run(&["export", "web", "web.tar"]).code, 0);
    assert_eq!(host.read("state/.web.export.lock"), record);
}

#[test]
fn what_is_no_name_of_a_file_is_refused_before_anything_is_packed() {
    let host = running("tank/web", "exit 7");
    for name in ["", "..", "new/"] {
        same(
            &host.run(&["export", "web", name]).stderr,
            &format!(
                "
error: {name:?} is no name of a file
 |
 = hint: `vmrun export web web.tar.zst`
"
            ),
        );
    }
}

#[test]
fn an_export_that_cannot_be_noted_leaves_no_record() {
    let host = running("tank/web", "");
    for state in ["running", "down"] {
        let done = host.finish(&mut host.shell("ulimit -f 0; vmrun export web web.tar"));
        assert_ne!(done.code, 0, "{done:?}");
        let records: Vec<String> = host.names("state").into_iter().filter(|name| name.contains(".export")).collect();
        assert_eq!((records, left(&host)), (vec![], vec![]), "{state}: {done:?}");
        host.run(&["stop", "web", "--within", "1s"]);
    }
}

#[test]
fn of_a_killed_export_no_node_goes_that_has_its_name() {
    let host = running("tank/web", "while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    assert_eq!(host.run(&["stop", "web", "--within", "1s"]).code, 0);
    let mut export = host.start(&["export", "web", "web.tar"]);
    export.until("half an export", |host| host.names(".").iter().any(|name| name.starts_with("web.tar.vmrun-")));
    export.kill();
    host.write("fake/vmm/web.export", "");
    host.write("fake/log", "");
    let gc = host.run(&["gc"]);
    assert!(
        gc.code == 0 && !gc.stdout.contains("--vm=web.export") && !host.calls().contains("--vm=web.export"),
        "{gc:?}"
    );
    assert_eq!(host.names("fake/vmm"), ["web.export"]);
}

#[test]
fn a_record_of_an_export_says_that_it_is_one_before_it_has_its_first_line() {
    let host = running("tank/web", "");
    assert_eq!(host.run(&["stop", "web", "--within", "1s"]).code, 0);
    for text in ["", "06b4d5f2 exp"] {
        host.write("state/.web.lock", "");
        host.write("state/.web.export.lock", text);
        ["web", "web.export"].iter().for_each(|name| host.write(&format!("fake/vmm/{name}"), ""));
        host.write("fake/log", "");
        assert_eq!(states(&host), [("web".to_string(), "left".to_string(), false)]);
        let gc = host.run(&["gc"]);
        same(
            &gc.stdout,
            "
# web has a record that says nothing, and nothing else of it is left
rm -rf [tmp]/state/web [tmp]/state/.web.secrets [tmp]/state/.web.lock
# an export of web ended half done
rm -rf [tmp]/state/web.export [tmp]/state/.web.export.secrets [tmp]/state/.web.export.lock
",
        );
        assert_eq!((gc.code, host.names("fake/vmm")), (0, vec!["web".to_string(), "web.export".to_string()]));
        assert!(!host.calls().contains("bhyvectl") && left(&host).is_empty(), "{}", host.calls());
    }
}

/// Starts an export of the machine, which does not run, and kills it half way.
fn killed_half_way(host: &Host, name: &str) -> String {
    let mut export = host.start(&["export", "web", name]);
    let begin = format!("{name}.vmrun-");
    let half = |names: Vec<String>| names.into_iter().find(|half| half.starts_with(&begin));
    export.until("half an export", |host| half(host.names(".")).is_some());
    export.kill();
    half(host.names(".")).unwrap()
}

#[test]
fn half_a_file_of_a_killed_export_goes_with_gc_and_with_the_next_export_to_any_file() {
    let host = running("tank/web", "while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    assert_eq!(host.run(&["stop", "web", "--within", "1s"]).code, 0);
    let half = killed_half_way(&host, "web.tar");
    let others = "web.tar.vmrun-2147483647.new";
    host.write(others, "somebody else's");
    let gc = host.run(&["gc"]);
    assert!(gc.code == 0 && gc.stdout.contains(&format!("\nrm [tmp]/{half}\n")), "{gc:?}");
    assert_eq!((host.path(&half).exists(), host.path(others).exists()), (false, true));
    fs::remove_file(host.path(others)).unwrap();
    assert_eq!((states(&host), left(&host)), (vec![], vec![]));
    let half = killed_half_way(&host, "web.tar");
    // The one that was started may be about to be read.
    fs::remove_file(host.path("bin/zstd")).unwrap();
    host.script("zstd", "exec cat");
    assert_eq!(host.run(&["export", "web", "other.tar"]).code, 0);
    assert_eq!((host.path(&half).exists(), states(&host), left(&host)), (false, vec![], vec![]));
}

#[test]
fn a_machine_that_is_exported_does_not_run_for_clone_and_snapshot() {
    let host = running("tank/web", "while kill -0 $PPID 2>/dev/null; do sleep 0.05; done");
    assert_eq!(host.run(&["stop", "web", "--within", "1s"]).code, 0);
    let mut export = host.start(&["export", "web", "web.tar"]);
    export.until("half an export", |host| host.names(".").iter().any(|name| name.starts_with("web.tar.vmrun-")));
    for command in [
        &["clone", "web", "new"][..],
        &["snapshot", "web"],
        &["resize", "web", "tank/web", "16M"],
        &["remove", "web", "--yes"],
    ] {
        let done = host.run(command);
        same(
            &done.stderr,
            "
error: the machine web is exported at the moment
 |
 = hint: wait until that has ended; Ctrl-C ends it, where it was started
",
        );
        assert_eq!((done.code, done.stdout.as_str()), (5, ""), "{command:?}");
    }
    export.kill();
    assert_eq!((host.run(&["gc"]).code, left(&host)), (0, vec![]));
}

#[test]
fn a_file_of_a_machine_that_runs_is_exported_where_it_can_be_shared_alone() {
    let host = running("tank/web", "");
    ended(&host.run(&["stop", "web", "--within", "1s"]), 0, "vmrun: web is down\n");
    // No kernel has reflinks there.
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let disk = folder.path().join("web.img");
    fs::write(&disk, [0; 4096]).unwrap();
    std::os::unix::fs::symlink(&disk, host.path("vm/data.img")).unwrap();
    let text = host.read("web.rhai").replace("zvol(\"tank/web\", 8.MiB)", "\"[tmp]/vm/data.img\"");
    host.write("web.rhai", &text);
    ended(&host.run(&["start", "web.rhai"]), 0, "vmrun: web runs\n");
    let done = host.run(&["export", "web", "web.tar"]);
    same(
        &done.stderr,
        "
error: the machine web runs, and the file system of [tmp]/vm/data.img has no reflinks
 |
 = hint: `vmrun stop web`, then export it: what is written meanwhile would be in it by halves
",
    );
    assert_eq!((done.code, left(&host)), (3, vec![]));
}

#[test]
fn volumes_are_sent_as_streams_of_one_snapshot_whether_their_machine_runs_or_not() {
    let host = running("tank/web", "");
    for name in ["runs.tar", "down.tar"] {
        host.write("fake/log", "");
        let done = host.run(&["export", "web", name, "--zfs-send"]);
        assert_eq!((done.code, left(&host)), (0, vec![]), "{done:?}");
        assert_eq!(done.stderr.contains("as after a power cut"), name == "runs.tar", "{done:?}");
        same(
            &calls(&host),
            "
zfs snapshot zroot/vm/web@vmrun-export-N
zfs snapshot tank/web@vmrun-export-N
zfs destroy tank/web@vmrun-export-N
zfs destroy zroot/vm/web@vmrun-export-N
",
        );
        let tar = String::from_utf8_lossy(&fs::read(host.path(name)).unwrap()).into_owned();
        assert_eq!(
            (tar.matches("\"stream\": \"zfs send -c\"").count(), tar.matches("a fake stream of zfs").count()),
            (2, 2)
        );
        host.run(&["stop", "web", "--within", "1s"]);
    }
    // What is refused or killed leaves nothing either.
    host.write("fake/refuse", "zfs send -c tank\twarning: cannot send 'tank/web': Input/output error\n");
    let done = host.run(&["export", "web", "web.tar", "--zfs-send"]);
    assert!(
        done.stderr.starts_with("error: web.tar: `zfs send -c tank/web@vmrun-export-")
            && done.stderr.ends_with("` failed: warning: cannot send 'tank/web': Input/output error\n"),
        "{done:?}"
    );
    assert_eq!((done.code, left(&host), host.path("web.tar").exists()), (3, vec![], false));
    host.write("fake/refuse", "");
    for when in ["before", "after"] {
        host.write("fake/log", "");
        host.write("fake/strike", &format!("{when} SIGKILL 1 zfs snapshot tank\n"));
        assert_eq!(host.run(&["export", "web", "web.tar", "--zfs-send"]).code, -9);
        fs::remove_file(host.path("fake/strike")).unwrap();
        assert_eq!(host.run(&["gc"]).code, 0);
        assert_eq!(left(&host), [""; 0], "{when}");
    }
    // Its key is not needed, and does not come.
    let locked = host.read("fake/zfs").replace("volume tank/web\t", "volume tank/web\tencryption=aes-256-gcm\t");
    host.write("fake/zfs", &locked);
    let done = host.run(&["export", "web", "safe.tar", "--zfs-send"]);
    assert_eq!(done.code, 0, "{done:?}");
    let tar = String::from_utf8_lossy(&fs::read(host.path("safe.tar")).unwrap()).into_owned();
    assert!(tar.contains("\"stream\": \"zfs send -w\"") && host.calls().contains("zfs send -w tank/web@"), "{tar}");
    let done = host.run(&["export", "web", "clear.tar"]);
    same(
        &done.stderr,
        "
error: the volume tank/web is encrypted, and would be in the clear in an export
 |
 = hint: `vmrun export … --zfs-send` has it as it is, for who has its key
",
    );
    host.write(
        "web.rhai",
        &host
            .read("web.rhai")
            .replace("zvol(\"tank/web\", 8.MiB)", "\"[tmp]/vm/web.vars\"")
            .replace("zvol(\"zroot/vm/web\", 8.MiB)", "\"[tmp]/vm/rom.fd\""),
    );
    let done = host.run(&["export", "web", "none.tar", "--zfs-send"]);
    same(
        &done.stderr,
        "
error: web has no volume of ZFS that could be sent
 |
 = hint: leave out --zfs-send
",
    );
    assert_eq!(done.code, 2);
}

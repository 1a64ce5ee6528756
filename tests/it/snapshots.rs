//! The disks of a machine as they were: kept, listed, gone back to and removed, of all disks or of none.

use super::disk_host::host;
use super::sandbox::{Sandbox, same};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};

/// The recipe of a machine with these disks, which are there.
fn machine(disks: &[&str]) -> Sandbox {
    let slots: Vec<String> =
        disks.iter().enumerate().map(|(at, disk)| format!("\"{}\": virtio_blk({disk})", at + 4)).collect();
    let sandbox = host(&format!(
        "bhyve(#{{\n    name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),\n    \
         slots: #{{ \"0\": hostbridge(), {}, \"31\": lpc() }},\n}}).run();\n",
        slots.join(", ")
    ));
    sandbox.write(
        "fake/zfs",
        "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\nfilesystem tank\tsize=107374182400\n",
    );
    for volume in ["zroot/vm/web", "zroot/vm/data", "tank/logs"].iter().filter(|name| disks.concat().contains(**name)) {
        let done = sandbox.finish(&mut sandbox.shell(&format!("zfs create -s -V 8M {volume}")));
        assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    }
    for file in ["web.img", "data.img"].iter().filter(|name| disks.concat().contains(**name)) {
        let file = fs::File::create(sandbox.path("vm").join(file)).unwrap();
        file.set_len(8 << 20).unwrap();
    }
    write(&sandbox, "first");
    sandbox
}

const WEB: &str = "zvol(\"zroot/vm/web\", 8.MiB)";
const DATA: &str = "zvol(\"zroot/vm/data\", 8.MiB)";
const LOGS: &str = "zvol(\"tank/logs\", 8.MiB)";
const FILE: &str = "\"[tmp]/vm/web.img\"";
const MORE: &str = "\"[tmp]/vm/data.img\"";

/// Where the disks are.
fn disks(sandbox: &Sandbox) -> Vec<std::path::PathBuf> {
    let all = ["fake/zvol/zroot/vm/web", "fake/zvol/zroot/vm/data", "fake/zvol/tank/logs", "vm/web.img", "vm/data.img"];
    all.map(|name| sandbox.path(name)).into_iter().filter(|path| path.exists()).collect()
}

/// Has a guest write to every disk.
fn write(sandbox: &Sandbox, text: &str) {
    for path in disks(sandbox) {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(format!("{text:8}").as_bytes(), 4 << 20).unwrap();
    }
}

/// What is on every disk.
fn read(sandbox: &Sandbox) -> Vec<String> {
    let of = |path: std::path::PathBuf| {
        let mut bytes = [0; 8];
        fs::File::open(path).unwrap().read_exact_at(&mut bytes, 4 << 20).unwrap();
        String::from_utf8_lossy(&bytes).trim().to_string()
    };
    disks(sandbox).into_iter().map(of).collect()
}

/// Runs lines of a shell, and returns each with its output, what else it said and its status where that is not 0.
fn transcript(sandbox: &Sandbox, lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        // Names of snapshots begin with it, too.
        let typed = line.replacen("vmrun ", concat!(env!("CARGO_BIN_EXE_vmrun"), " "), 1);
        let done = sandbox.finish(&mut sandbox.program("bash", &["-c", &typed]));
        write!(text, "$ {line}\n{}{}", done.stdout, done.stderr).unwrap();
        text.truncate(text.trim_end().len());
        text += "\n";
        if done.code != 0 {
            writeln!(text, "[{}]", done.code).unwrap();
        }
    }
    text
}

/// Holds that a transcript, whose lines after `$ ` are the commands, comes out as it stands.
#[track_caller]
fn holds(sandbox: &Sandbox, expected: &str) {
    let lines: Vec<&str> = expected.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    same(&transcript(sandbox, &lines), expected);
}

/// Holds that nothing is changed by a transcript.
#[track_caller]
fn refused(sandbox: &Sandbox, expected: &str) {
    let before = sandbox.everything();
    holds(sandbox, expected);
    same(&sandbox.everything(), &before);
}

#[test]
fn the_volumes_of_a_pool_are_kept_in_one_call_and_come_back() {
    let sandbox = machine(&[WEB, DATA]);
    holds(
        &sandbox,
        "
$ vmrun snapshots web
web has no snapshots
$ vmrun snapshot web a
zfs snapshot zroot/vm/web@vmrun-a zroot/vm/data@vmrun-a
vmrun: the snapshot a is made
",
    );
    write(&sandbox, "second");
    holds(
        &sandbox,
        "
$ vmrun snapshot web b
zfs snapshot zroot/vm/web@vmrun-b zroot/vm/data@vmrun-b
vmrun: the snapshot b is made
$ zfs snapshot zroot/vm/web@autosnap_daily
$ vmrun snapshots web
TAG              TAKEN                    BY       DISKS  FREED BY REMOVAL
@autosnap_daily  2025-11-28 00:00:00 UTC  others  1 of 2           0 bytes
a                2025-11-28 00:00:00 UTC  vmrun        2           0 bytes
b                2025-11-28 00:00:00 UTC  vmrun        2           0 bytes
",
    );
    refused(
        &sandbox,
        "
$ vmrun rollback web a
error: web has newer snapshots than a: b, @autosnap_daily
 |
 = hint: --destroy-newer removes them, and what is in them alone is lost
[3]
$ vmrun rollback web @autosnap_daily
error: the snapshot @autosnap_daily of web has nothing of zroot/vm/data
 |
 = hint: one that has all of the disks is needed
[3]
",
    );
    let again = "
vmrun: volumes are rolled back last, one after the other: no failure after the first puts it back
zfs rollback -r zroot/vm/web@vmrun-a
zfs rollback -r zroot/vm/data@vmrun-a
";
    let dry = transcript(&sandbox, &["vmrun rollback web a --destroy-newer --dry-run 2>&1"]);
    same(&dry, &format!("$ vmrun rollback web a --destroy-newer --dry-run 2>&1{again}"));
    assert_eq!(read(&sandbox), ["second", "second"]);
    holds(
        &sandbox,
        &format!(
            "
$ vmrun rollback web a --destroy-newer 2>&1{again}vmrun: the disks of web are as in a
$ zfs list -Ht snapshot -o name
zroot/vm/data@vmrun-a
zroot/vm/web@vmrun-a
"
        ),
    );
    assert_eq!(read(&sandbox), ["first", "first"]);
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn a_snapshot_without_a_tag_has_the_time_for_one_and_json_tells_all_of_it() {
    let sandbox = machine(&[WEB, DATA]);
    let done = sandbox.run(&["snapshot", "web"]);
    let tag =
        done.stderr.strip_prefix("vmrun: the snapshot ").and_then(|rest| rest.strip_suffix(" is made\n")).unwrap();
    let shape: String = tag.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00-00-00Z");
    same(&done.stdout, &format!("zfs snapshot zroot/vm/web@vmrun-{tag} zroot/vm/data@vmrun-{tag}"));
    assert_eq!(sandbox.finish(&mut sandbox.shell("zfs snapshot zroot/vm/web@daily")).code, 0);
    same(
        &sandbox.run(&["snapshots", "web", "--json"]).stdout,
        &format!(
            r#"
[
  {{
    "disks": [
      "zroot/vm/web"
    ],
    "missing": [
      "zroot/vm/data"
    ],
    "own": false,
    "tag": "@daily",
    "taken": 1764288000,
    "used": 0
  }},
  {{
    "disks": [
      "zroot/vm/web",
      "zroot/vm/data"
    ],
    "missing": [],
    "own": true,
    "tag": "{tag}",
    "taken": 1764288000,
    "used": 0
  }}
]
"#
        ),
    );
}

#[test]
fn without_reflinks_data_are_copied_only_where_somebody_says_so() {
    let sandbox = machine(&[&shared(FILE), &shared(MORE)]);
    let folder = Shared::of(&sandbox);
    refused(
        &sandbox,
        "
$ vmrun snapshot web a
error: the file system of [tmp]/shared/web.img has no reflinks
 |
 = hint: `vmrun snapshot web a --copy` copies its data, which takes 16 KiB
[3]
",
    );
    fs::set_permissions(folder.0.path().join("web.img"), fs::Permissions::from_mode(0o640)).unwrap();
    let made = "
cp -p [tmp]/shared/web.img [tmp]/shared/web.img@vmrun-a
cp -p [tmp]/shared/data.img [tmp]/shared/data.img@vmrun-a
";
    let dry = "vmrun snapshot web a --copy --dry-run 2>&1";
    refused(&sandbox, &format!("$ {dry}{made}"));
    holds(&sandbox, &format!("$ vmrun snapshot web a --copy 2>&1{made}vmrun: the snapshot a is made\n"));
    let meta = folder.0.path().join("web.img@vmrun-a").metadata().unwrap();
    assert_eq!((meta.len(), meta.mode() & 0o7777), (8 << 20, 0o640));
    assert!(meta.blocks() * 512 <= 1 << 16, "{} blocks", meta.blocks());
    folder.write("second");
    refused(
        &sandbox,
        "
$ vmrun rollback web a
error: the file system of [tmp]/shared/web.img@vmrun-a has no reflinks
 |
 = hint: `vmrun rollback web a --copy` copies its data, which takes 16 KiB
[3]
",
    );
    holds(
        &sandbox,
        "
$ vmrun rollback web a --copy
cp -p [tmp]/shared/web.img@vmrun-a [tmp]/shared/web.img.new
cp -p [tmp]/shared/data.img@vmrun-a [tmp]/shared/data.img.new
mv [tmp]/shared/web.img.new [tmp]/shared/web.img
mv [tmp]/shared/data.img.new [tmp]/shared/data.img
vmrun: the disks of web are as in a
",
    );
    assert_eq!(folder.read(), ["first", "first"]);
    assert_eq!(folder.names(), ["data.img", "data.img@vmrun-a", "web.img", "web.img@vmrun-a"]);
    assert_eq!(sandbox.names("state"), [""; 0]);
}

/// A disk that is where there are no reflinks, whatever the tests are on.
fn shared(disk: &str) -> String {
    disk.replace("/vm/", "/shared/")
}

/// A folder in memory, whose file system has no reflinks, as `[tmp]/shared`.
struct Shared(tempfile::TempDir);

impl Shared {
    fn of(sandbox: &Sandbox) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let shared = Self(folder);
        std::os::unix::fs::symlink(shared.0.path(), sandbox.path("shared")).unwrap();
        for file in ["web.img", "data.img"] {
            let _ = fs::remove_file(sandbox.path("vm").join(file));
            fs::File::create(shared.0.path().join(file)).unwrap().set_len(8 << 20).unwrap();
        }
        shared.write("first");
        shared
    }

    fn write(&self, text: &str) {
        for file in ["web.img", "data.img"] {
            let file = fs::OpenOptions::new().write(true).open(self.0.path().join(file)).unwrap();
            file.write_all_at(format!("{text:8}").as_bytes(), (4 << 20) + 4092).unwrap();
        }
    }

    fn read(&self) -> Vec<String> {
        let of = |file: &str| {
            let bytes = fs::read(self.0.path().join(file)).unwrap();
            String::from_utf8_lossy(&bytes[(4 << 20) + 4092..][..8]).trim().to_string()
        };
        ["web.img", "data.img"].map(of).to_vec()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn nobody_gives_the_tag_of_a_snapshot_that_the_next_replica_removes() {
    refused(
        &machine(&[WEB]),
        "
$ vmrun snapshot web replica-0123456789abcdef
error: \"replica-0123456789abcdef\" is the tag of a snapshot that `vmrun replicate` makes, and removes again
 |
 = hint: choose another tag
[2]
",
    );
}

#[test]
fn what_cannot_be_kept_is_told_and_what_is_wrong_changes_nothing() {
    let sandbox = machine(&[WEB, "\"/dev/ada1\"", "\"[tmp]/vm/seed.iso\", #{ ro: true }"]);
    holds(
        &sandbox,
        "
$ vmrun snapshot web a 2>&1
vmrun: /dev/ada1 is left out: a device has no snapshots
vmrun: [tmp]/vm/seed.iso is left out: it is only read
zfs snapshot zroot/vm/web@vmrun-a
vmrun: the snapshot a is made
$ zfs snapshot zroot/vm/web@daily
",
    );
    refused(
        &sandbox,
        "
$ vmrun snapshot web a
error: zroot/vm/web@vmrun-a is there already
 |
 = hint: choose another tag; `vmrun snapshots web --remove a` removes it
[3]
$ vmrun snapshot web @b
error: \"@b\" is the name of somebody else's snapshot
 |
 = hint: leave the @ out
[2]
$ vmrun snapshot web clone-db
error: \"clone-db\" is the tag of a snapshot that `vmrun clone` makes, and removes again
 |
 = hint: choose another tag
[2]
$ vmrun snapshot web a/b
error: \"a/b\" is no tag of a snapshot: it has '/'
 |
 = hint: letters, digits and any of -_.: as in before-upgrade
[2]
$ vmrun rollback web nosuch
error: web has no snapshot nosuch
 |
 = hint: `vmrun snapshots web` lists those that there are
[3]
$ vmrun snapshots web --remove nosuch --yes
error: web has no snapshot nosuch
 |
 = hint: `vmrun snapshots web` lists those that there are
[3]
$ vmrun snapshots web --remove a
error: nobody can be asked here whether to remove the snapshot a of web
 |
 = hint: --yes does it, --dry-run shows what would be done
[2]
$ vmrun snapshots web --remove @daily --yes
error: zroot/vm/web@daily is not vmrun's
 |
 = hint: whoever has made it removes it, or `zfs destroy zroot/vm/web@daily`
[3]
$ vmrun snapshots web --remove a --dry-run
zfs destroy zroot/vm/web@vmrun-a
",
    );
    holds(
        &sandbox,
        "
$ zfs hold keep zroot/vm/web@vmrun-a
$ vmrun snapshots web --remove a --yes
error: zroot/vm/web@vmrun-a is held
 |
 = hint: `zfs holds zroot/vm/web@vmrun-a` tells by whom
[3]
$ zfs release keep zroot/vm/web@vmrun-a
$ zfs clone zroot/vm/web@vmrun-a zroot/vm/copy
$ vmrun snapshots web --remove a --yes
error: zroot/vm/copy is a clone of zroot/vm/web@vmrun-a
 |
 = hint: `zfs promote zroot/vm/copy` makes it independent; or keep the snapshot
[3]
$ zfs destroy zroot/vm/copy
$ vmrun snapshots web --remove a --yes
zfs destroy zroot/vm/web@vmrun-a
$ zfs list -Ht snapshot -o name
zroot/vm/web@daily
$ zfs destroy -r zroot/vm/web
$ vmrun snapshot web b
error: the volume zroot/vm/web is not there
 |
 = hint: `--init` makes it, if its recipe does
[3]
",
    );
    refused(
        &machine(&["\"/dev/ada1\""]),
        "
$ vmrun snapshot web
error: web has no disk of which there can be a snapshot
 |
 = hint: /dev/ada1 is left out: a device has no snapshots
[3]
",
    );
}

#[test]
fn a_disk_that_is_not_there_is_told() {
    refused(
        &machine(&["\"[tmp]/vm/none.raw\""]),
        "
$ vmrun snapshot web
error: the disk [tmp]/vm/none.raw is not there
 |
 = hint: `--init` makes it, if its recipe does
[3]
",
    );
}

#[test]
fn who_sits_at_a_terminal_is_asked_before_a_snapshot_goes() {
    let sandbox = machine(&[WEB]);
    assert_eq!(sandbox.run(&["snapshot", "web", "a"]).code, 0);
    let asked = |answer: &str| {
        let line = format!(
            "printf '{answer}\\n' | script --quiet --return --command 'vmrun snapshots web --remove a' /dev/null"
        );
        sandbox.finish(&mut sandbox.shell(&line)).stdout
    };
    let said = asked("n");
    assert!(said.contains("remove the snapshot a of web? [y/N]"), "{said}");
    assert!(sandbox.read("fake/zfs").contains("zroot/vm/web@vmrun-a"));
    asked("y");
    assert!(!sandbox.read("fake/zfs").contains("zroot/vm/web@vmrun-a"));
}

#[test]
fn half_a_snapshot_is_none() {
    let sandbox = machine(&[WEB, LOGS]);
    let before = sandbox.read("fake/zfs");
    sandbox.write("fake/refuse", "zfs snapshot tank/\tcannot create snapshot 'tank/logs@vmrun-a': out of space\n");
    holds(
        &sandbox,
        "
$ vmrun snapshot web a 2>&1
zfs snapshot zroot/vm/web@vmrun-a
zfs snapshot tank/logs@vmrun-a
zfs destroy zroot/vm/web@vmrun-a
error: `zfs snapshot tank/logs@vmrun-a` failed with status 1: cannot create snapshot 'tank/logs@vmrun-a': out of space
[3]
",
    );
    assert_eq!((sandbox.read("fake/zfs"), sandbox.names("state")), (before, vec![]));
    // Beside files, which have their names last.
    let sandbox = machine(&[WEB, &shared(FILE)]);
    let folder = Shared::of(&sandbox);
    sandbox.write("fake/refuse", "once zfs snapshot \tcannot create snapshot 'zroot/vm/web@vmrun-a': out of space\n");
    holds(
        &sandbox,
        "
$ vmrun snapshot web a --copy 2>&1
cp -p [tmp]/shared/web.img [tmp]/shared/web.img@vmrun-a
zfs snapshot zroot/vm/web@vmrun-a
error: `zfs snapshot zroot/vm/web@vmrun-a` failed with status 1: cannot create snapshot 'zroot/vm/web@vmrun-a': out of space
[3]
",
    );
    assert_eq!(folder.names(), ["data.img", "web.img"]);
    let killed = |count: u32, tag: &str| {
        sandbox.write("fake/strike", &format!("before SIGKILL {count} zfs snapshot \n"));
        let done = sandbox.run(&["snapshot", "web", tag, "--copy"]);
        assert_eq!(done.code, -9, "{done:?}\n{}", sandbox.calls());
        sandbox.write("fake/strike", "");
        let half = folder.names().into_iter().find(|name| name.starts_with(&format!("web.img@vmrun-{tag}.vmrun-")));
        half.unwrap_or_else(|| panic!("{:?}", folder.names()))
    };
    let half = killed(2, "a");
    // No run has left it, and a node of that name is somebody else's.
    sandbox.write("fake/vmm/web", "");
    same(
        &sandbox.run(&["gc"]).stdout,
        &format!(
            "
# a change of the disks of web ended half done
rm [tmp]/shared/{half}
rm -rf [tmp]/state/web [tmp]/state/.web.secrets [tmp]/state/.web.lock
"
        ),
    );
    fs::remove_file(sandbox.path("fake/vmm/web")).unwrap();
    assert_eq!((folder.names(), sandbox.names("state")), (vec!["data.img".into(), "web.img".into()], vec![]));
    // The next one removes it as well.
    killed(3, "c");
    assert_eq!(sandbox.run(&["snapshot", "web", "b", "--copy"]).code, 0);
    assert_eq!(folder.names(), ["data.img", "web.img", "web.img@vmrun-b"]);
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn a_rollback_that_fails_puts_the_files_back() {
    let sandbox = machine(&[WEB, DATA, &shared(FILE)]);
    let folder = Shared::of(&sandbox);
    assert_eq!(sandbox.run(&["snapshot", "web", "a", "--copy"]).code, 0);
    write(&sandbox, "second");
    folder.write("second");
    sandbox.write("fake/refuse", "once zfs rollback zroot/vm/web\tcannot rollback 'zroot/vm/web': dataset is busy\n");
    let begins = "
$ vmrun rollback web a --copy 2>&1
vmrun: volumes are rolled back last, one after the other: no failure after the first puts it back
cp -p [tmp]/shared/web.img@vmrun-a [tmp]/shared/web.img.new
mv [tmp]/shared/web.img.new [tmp]/shared/web.img
zfs rollback zroot/vm/web@vmrun-a
";
    let busy = |name: &str| {
        format!(
            "`zfs rollback zroot/vm/{name}@vmrun-a` failed with status 1: cannot rollback 'zroot/vm/{name}': dataset is busy"
        )
    };
    holds(&sandbox, &format!("{begins}error: {}\n[3]\n", busy("web")));
    assert_eq!((read(&sandbox), folder.read()[0].as_str()), (vec!["second".into(), "second".into()], "second"));
    assert_eq!(folder.names(), ["data.img", "web.img", "web.img@vmrun-a"]);
    // What a volume had is gone when it is rolled back.
    sandbox.write("fake/refuse", "once zfs rollback zroot/vm/data\tcannot rollback 'zroot/vm/data': dataset is busy\n");
    let half = format!("zfs rollback zroot/vm/data@vmrun-a\nerror: {}", busy("data"));
    let rest = "; zroot/vm/web, [tmp]/shared/web.img are rolled back already, zroot/vm/data is not\n |\n \
                = hint: do not start the machine: mend that, and roll back again\n[3]\n";
    holds(&sandbox, &format!("{begins}{half}{rest}"));
    // One that is killed is done again.
    folder.write("third");
    sandbox.write("fake/strike", "before SIGKILL 2 zfs rollback zroot/vm/data\n");
    assert_eq!(sandbox.run(&["rollback", "web", "a", "--copy"]).code, -9);
    sandbox.write("fake/strike", "");
    assert_eq!(sandbox.run(&["rollback", "web", "a", "--copy"]).code, 0);
    assert_eq!((read(&sandbox), folder.read()[0].as_str()), (vec!["first".into(), "first".into()], "first"));
    assert_eq!(folder.names(), ["data.img", "web.img", "web.img@vmrun-a"]);
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn of_a_machine_that_runs_it_is_told_that_two_pools_have_two_moments() {
    let sandbox = machine(&[WEB, LOGS]);
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["web.rhai"]);
    run.until("a guest", |sandbox| sandbox.path("fake/vmm/web").exists());
    let done = sandbox.run(&["snapshot", "web", "a"]);
    let told = "vmrun: the disks of web are not of one moment: 2 pools are kept one after the other\n";
    assert!(done.code == 0 && done.stderr.starts_with(told), "{done:?}");
    run.signal("TERM");
    run.wait();
}

#[test]
fn a_tag_that_looks_like_an_option_is_none() {
    refused(
        &machine(&[WEB]),
        "
$ vmrun snapshot web -- -x
error: \"-x\" is no tag of a snapshot: it begins as an option does
 |
 = hint: choose another tag
[2]
",
    );
}

#[test]
fn the_disks_of_a_machine_that_runs_are_kept_as_after_a_power_cut_and_never_changed() {
    let runs = "the machine web is running already: vmrun [pid], of [tmp]/web.rhai, since [when]";
    let sandbox = machine(&[WEB]);
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["web.rhai"]);
    run.until("a guest", |sandbox| sandbox.path("fake/vmm/web").exists());
    holds(
        &sandbox,
        &format!(
            "
$ vmrun snapshot web a 2>&1
vmrun: the disks are as after a power cut: {runs}
zfs snapshot zroot/vm/web@vmrun-a
vmrun: the snapshot a is made
$ vmrun rollback web a
error: {runs}
 |
 = hint: `vmrun stop web` stops it; what it has can be changed then
[5]
"
        ),
    );
    run.signal("TERM");
    assert_eq!(run.wait().code, 130);
    let sandbox = machine(&[&shared(FILE)]);
    let folder = Shared::of(&sandbox);
    sandbox.write("fake/exits", "run\n");
    let mut run = sandbox.start(&["web.rhai"]);
    run.until("a guest", |sandbox| sandbox.path("fake/vmm/web").exists());
    holds(
        &sandbox,
        &format!(
            "
$ vmrun snapshot web a --copy
error: a copy of [tmp]/shared/web.img would be of no one moment: {runs}
 |
 = hint: `vmrun stop web` stops it; what it has can be changed then
[3]
"
        ),
    );
    assert_eq!(folder.names(), ["data.img", "web.img"]);
    run.signal("TERM");
    assert_eq!(run.wait().code, 130);
}

#[test]
fn the_variables_of_the_firmware_go_with_the_disks() {
    let sandbox = machine(&[WEB]);
    let vars = sandbox.read("web.rhai").replace("rom.fd\")", "rom.fd\", #{ vars: \"[tmp]/vm/web.vars\" })");
    sandbox.write("web.rhai", &vars);
    // They come with the first boot.
    assert_eq!(sandbox.run(&["snapshot", "web", "new"]).code, 0);
    sandbox.write("vm/web.vars", "first");
    holds(
        &sandbox,
        "
$ vmrun rollback web new 2>&1
vmrun: [tmp]/vm/web.vars stays as it is: new has nothing of it
zfs rollback zroot/vm/web@vmrun-new
vmrun: the disks of web are as in new
",
    );
    assert_eq!(sandbox.run(&["snapshot", "web", "old", "--copy"]).code, 0);
    sandbox.write("vm/web.vars", "second");
    let done = sandbox.run(&["rollback", "web", "old", "--copy"]);
    assert_eq!((done.code, sandbox.read("vm/web.vars").as_str()), (0, "first"), "{done:?}");
    assert_eq!(sandbox.names("vm"), ["rom.fd", "web.vars", "web.vars@vmrun-old"]);
}

/// Has so much on the volume `zroot/vm/web` that a guest must have written it.
fn fill(sandbox: &Sandbox) {
    let device = fs::OpenOptions::new().write(true).open(sandbox.path("fake/zvol/zroot/vm/web")).unwrap();
    device.write_all_at(&vec![1; 2 << 20], 0).unwrap();
}

#[test]
fn what_is_on_volumes_is_kept_before_another_system_is_installed() {
    let sandbox = machine(&[WEB, DATA, LOGS]);
    let plan = |args: &[&str]| {
        let done = sandbox.run(&[&["plan", "web.rhai"], args].concat());
        let lines: Vec<String> = done.stdout.lines().filter(|line| line.contains("snapshot")).map(Into::into).collect();
        (lines, done.stderr)
    };
    let none = (vec![], String::new());
    // Nothing is on them.
    assert_eq!(plan(&["--init"]), none);
    fill(&sandbox);
    assert_eq!(plan(&[]), none);
    let kept = |tag: &str| {
        vec![
            format!("zfs snapshot zroot/vm/web@vmrun-{tag} zroot/vm/data@vmrun-{tag}"),
            format!("zfs snapshot tank/logs@vmrun-{tag}"),
        ]
    };
    assert_eq!(plan(&["--init"]), (kept("before-init"), String::new()));
    let done = sandbox.run(&["web.rhai", "--init"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    write(&sandbox, "second");
    assert_eq!(plan(&["--init"]), (kept("before-init-2"), String::new()));
    assert_eq!(sandbox.run(&["web.rhai"]).code, 0);
    let calls = sandbox.calls();
    let made: Vec<&str> = calls.lines().filter(|line| line.starts_with("zfs snapshot ")).collect();
    assert_eq!(made, kept("before-init"));
    let done = sandbox.run(&["rollback", "web", "before-init"]);
    assert_eq!((done.code, read(&sandbox)), (0, vec!["first".into(), "first".to_string(), "first".into()]), "{done:?}");
    // Somebody may not want it.
    sandbox.write("web.rhai", &format!("snapshot_before_init(false);\n{}", sandbox.read("web.rhai")));
    assert_eq!(plan(&["--init"]), none);
}

#[test]
fn what_cannot_be_kept_before_an_install_is_told_or_stops_it() {
    let sandbox = machine(&[WEB]);
    fill(&sandbox);
    let text = sandbox.read("fake/zfs");
    let reserved = text.replace("refreservation=0", "refreservation=8388608");
    sandbox.write("fake/zfs", &reserved.replace("zroot\tsize=107374182400", "zroot\tsize=9437184"));
    let done = sandbox.run(&["plan", "web.rhai", "--init"]);
    assert!(!done.stdout.contains("zfs snapshot"), "{done:?}");
    same(
        &done.stderr,
        "
warning: zroot/vm/web is not kept before --init: a snapshot needs 2 MiB, and zroot/vm has 1 MiB left
 --> web.rhai:4:4
  |
4 | }).run();
  |    ^^^^^
  |
  = hint: `zfs set refreservation=none zroot/vm/web` reserves none; `snapshot_before_init(false)` says that it is meant
",
    );
    sandbox.write("fake/zfs", &text);
    sandbox
        .write("fake/refuse", "zfs snapshot \tcannot create snapshot 'zroot/vm/web@vmrun-before-init': out of space\n");
    let done = sandbox.run(&["web.rhai", "--init"]);
    same(
        &done.stderr,
        "
error: `zfs snapshot zroot/vm/web@vmrun-before-init` failed with status 1: cannot create snapshot \
         'zroot/vm/web@vmrun-before-init': out of space
 --> web.rhai:4:4
  |
4 | }).run();
  |    ^^^^^
  |
  = hint: `snapshot_before_init(false)` goes without it
",
    );
    assert_eq!((done.code, sandbox.names("state"), sandbox.calls().contains("bhyve -c")), (3, vec![], false));
}

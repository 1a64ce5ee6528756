//! Snapshots of files on file systems that have reflinks: XFS and Btrfs, on a loop device each.

use super::disk_host::host;
use super::sandbox::{Sandbox, same};
use super::tools::need;
use std::fmt::Write as _;
use std::fs;

/// A machine with a disk and variables, on a file system of its own, and a disk elsewhere.
fn machine() -> Sandbox {
    host(
        "bhyve(#{
    name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\", #{ vars: \"[tmp]/vm/web.vars\" }),
    slots: #{ \"0\": hostbridge(), \"4\": virtio_blk(\"[tmp]/vm/web.img\"), \"31\": lpc() },
}).run();
",
    )
}

/// The programs that make a file system with reflinks.
const FILE_SYSTEMS: [&str; 2] = ["mkfs.xfs", "mkfs.btrfs"];

/// Runs lines of a shell where the folder `vm` is such a file system with a disk of 64 MiB, half of which are data; returns each with what
/// it said.
fn transcript(sandbox: &Sandbox, mkfs: &str, lines: &[&str]) -> String {
    let mut script = format!(
        "set -e
cp -r vm own; truncate -s 320M fs.img; {mkfs} -q fs.img > mkfs.log 2>&1; mount -o loop fs.img vm; cp own/* vm
",
    );
    script.push_str(
        "\
head -c 32M /dev/urandom > vm/web.img; truncate -s 64M vm/web.img; chmod 640 vm/web.img; echo first > vm/web.vars
sum() { cat vm/web.img vm/web.vars | sha256sum; }
used() { sync -f vm; df --output=used vm | tail -n 1; }
write() { echo $1 > vm/web.vars; printf $1 | dd of=vm/web.img conv=notrunc seek=1M bs=1 status=none; }
sum > first; used > before; set +e
",
    );
    for line in lines {
        let typed = line.replacen("vmrun ", concat!(env!("CARGO_BIN_EXE_vmrun"), " "), 1);
        writeln!(script, "echo '$ {line}'; {typed} 2>&1; s=$?; [ $s = 0 ] || echo \"[$s]\"").unwrap();
    }
    // The loop device goes with the last of the namespace.
    let done = sandbox.finish(&mut sandbox.program("unshare", &["-m", "bash", "-c", &script]));
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    done.stdout
}

/// Holds that the lines of a transcript come out as it stands on each of these file systems, on a host of its own.
#[track_caller]
fn holds(machine: &dyn Fn() -> Sandbox, expected: &str) {
    let lines: Vec<&str> = expected.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    for mkfs in FILE_SYSTEMS {
        need(&["unshare", "mount", mkfs]);
        same(&transcript(&machine(), mkfs, &lines), expected);
    }
}

#[test]
fn files_with_reflinks_are_kept_and_come_back_and_take_no_space() {
    holds(
        &machine,
        "
$ vmrun snapshot web a --dry-run
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.img [tmp]/vm/web.img@vmrun-a
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.vars [tmp]/vm/web.vars@vmrun-a
$ ls vm
rom.fd
web.img
web.vars
$ vmrun snapshot web a
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.img [tmp]/vm/web.img@vmrun-a
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.vars [tmp]/vm/web.vars@vmrun-a
vmrun: the snapshot a is made
$ stat -c \"%a %s %n\" vm/web.img@vmrun-a
640 67108864 vm/web.img@vmrun-a
$ test $(($(used) - $(cat before))) -lt 1024
$ write second
$ vmrun snapshot web b > log
$ vmrun rollback web a
error: web has newer snapshots than a: b
 |
 = hint: --destroy-newer removes them, and what is in them alone is lost
[3]
$ vmrun rollback web a --destroy-newer
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.img@vmrun-a [tmp]/vm/web.img.new
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.vars@vmrun-a [tmp]/vm/web.vars.new
mv [tmp]/vm/web.img.new [tmp]/vm/web.img
mv [tmp]/vm/web.vars.new [tmp]/vm/web.vars
rm [tmp]/vm/web.img@vmrun-b
rm [tmp]/vm/web.vars@vmrun-b
vmrun: the disks of web are as in a
$ sum | cmp - first
$ test $(($(used) - $(cat before))) -lt 1024
$ vmrun snapshots web --remove a --yes
rm [tmp]/vm/web.img@vmrun-a
rm [tmp]/vm/web.vars@vmrun-a
$ ls vm state
state:

vm:
rom.fd
web.img
web.vars
",
    );
}

#[test]
fn files_with_reflinks_are_kept_before_another_system_is_installed_and_come_back() {
    let without_variables = || {
        let sandbox = machine();
        let recipe = sandbox.read("web.rhai").replace(", #{ vars: \"[tmp]/vm/web.vars\" }", "");
        sandbox.write("web.rhai", &recipe);
        sandbox.write("fake/exits", "1\n");
        sandbox
    };
    holds(
        &without_variables,
        "
$ vmrun plan web.rhai --init | grep reflink
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.img [tmp]/vm/web.img@vmrun-before-init
$ vmrun plan web.rhai | grep reflink
[1]
$ ls vm | grep @
[1]
$ vmrun web.rhai --init
$ stat -c \"%a %s %n\" vm/web.img@vmrun-before-init
640 67108864 vm/web.img@vmrun-before-init
$ test $(($(used) - $(cat before))) -lt 1024
$ write second
$ vmrun plan web.rhai --init | grep reflink
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.img [tmp]/vm/web.img@vmrun-before-init-2
$ vmrun rollback web before-init
cp --preserve=mode,ownership --reflink=always [tmp]/vm/web.img@vmrun-before-init [tmp]/vm/web.img.new
mv [tmp]/vm/web.img.new [tmp]/vm/web.img
vmrun: the disks of web are as in before-init
$ echo first > vm/web.vars; sum | cmp - first
$ sed -i \"1i snapshot_before_init(false);\" web.rhai; vmrun plan web.rhai --init | grep reflink
[1]
",
    );
}

/// Where nobody has reflinks, two disks; what each of them has.
fn copied() -> (Sandbox, tempfile::TempDir) {
    let sandbox = host(
        "bhyve(#{
    name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),
    slots: #{ \"0\": hostbridge(), \"4\": virtio_blk(\"[tmp]/shm/a.img\"), \"5\": virtio_blk(\"[tmp]/shm/b.img\"), \"31\": lpc() },
}).run();
",
    );
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    std::os::unix::fs::symlink(folder.path(), sandbox.path("shm")).unwrap();
    (sandbox, folder)
}

/// The calls that are struck, and how.
const STRUCK: [&str; 7] = [
    "copy_file_range:error=ENOSPC:when=1",
    "copy_file_range:signal=KILL:when=2",
    "fsync:error=EIO:when=2",
    "linkat:signal=KILL:when=1",
    "linkat:signal=KILL:when=2",
    "rename:signal=KILL:when=2",
    "rename:error=EIO:when=2",
];

#[test]
fn whatever_fails_or_is_killed_no_half_a_copy_has_a_name_and_the_next_one_leaves_nothing() {
    need(&["strace"]);
    let (sandbox, folder) = copied();
    let [first, second] = [vec![1_u8; 1 << 20], vec![2_u8; 1 << 20]];
    let put =
        |bytes: &[u8]| ["a.img", "b.img"].iter().for_each(|name| fs::write(folder.path().join(name), bytes).unwrap());
    let strike = |what: &str, args: &[&str]| {
        let inject = format!("inject={what}");
        let vmrun = env!("CARGO_BIN_EXE_vmrun");
        let all = [&["-f", "-qq", "-o", "/dev/null", "-e", inject.as_str(), vmrun], args].concat();
        sandbox.finish(&mut sandbox.program("strace", &all)).code
    };
    for what in STRUCK {
        fs::read_dir(folder.path()).unwrap().for_each(|entry| fs::remove_file(entry.unwrap().path()).unwrap());
        put(&first);
        let code = strike(what, &["snapshot", "web", "a", "--copy"]);
        let named: Vec<String> = sandbox.names("shm").into_iter().filter(|name| name.ends_with("@vmrun-a")).collect();
        for name in &named {
            assert!(fs::read(folder.path().join(name)).unwrap() == first, "{what}: {name}");
        }
        assert!(code <= 0 || named.is_empty(), "{what}: {code} {named:?}");
        if code != 0 {
            sandbox.run(&["snapshots", "web", "--remove", "a", "--yes"]);
            assert_eq!(sandbox.run(&["snapshot", "web", "a", "--copy"]).code, 0, "{what}");
        }
        let all = ["a.img", "a.img@vmrun-a", "b.img", "b.img@vmrun-a"];
        assert_eq!(sandbox.names("shm"), all, "{what}");
        put(&second);
        let code = strike(what, &["rollback", "web", "a", "--copy"]);
        let disks = ["a.img", "b.img"].map(|name| fs::read(folder.path().join(name)).unwrap());
        assert!(disks.iter().all(|disk| *disk == first || *disk == second), "{what}");
        // Who was not killed has put back what he had done.
        assert!(code <= 0 || disks.iter().all(|disk| *disk == second), "{what}: {code}");
        assert_eq!(sandbox.run(&["rollback", "web", "a", "--copy"]).code, 0, "{what}");
        assert!(["a.img", "b.img"].iter().all(|name| fs::read(folder.path().join(name)).unwrap() == first), "{what}");
        assert_eq!(sandbox.names("shm"), all, "{what}");
        assert_eq!(sandbox.names("state"), [""; 0], "{what}");
    }
}

#[test]
fn a_copy_for_which_there_is_no_room_is_not_begun() {
    need(&["unshare", "mount"]);
    let (sandbox, folder) = copied();
    let shared = folder.path().display();
    let script = format!(
        "mount -t tmpfs -o size=80m tmpfs {shared} && head -c 8M /dev/urandom > shm/a.img && cp shm/a.img shm/b.img
for what in 'snapshot web a --copy' 'clone web db'; do {} $what 2>&1; echo \"[$?]\"; done; ls shm",
        env!("CARGO_BIN_EXE_vmrun")
    );
    let done = sandbox.finish(&mut sandbox.program("unshare", &["-m", "bash", "-c", &script]));
    same(
        &done.stdout,
        "
error: a copy needs 8 MiB, and [tmp]/shm has 64 MiB left
 |
 = hint: make room: remove older snapshots, or other files
[3]
error: a copy needs 8 MiB, and [tmp]/shm has 64 MiB left
 |
 = hint: make room: remove older snapshots, or other files
[3]
a.img
b.img
",
    );
}

#[test]
fn a_machine_that_runs_is_exported_by_reflinks_of_its_files() {
    need(&["zstd"]);
    let running = || {
        let sandbox = machine();
        sandbox.write("fake/exits", "run\n");
        sandbox
    };
    holds(
        &running,
        "
$ truncate -s 4K vm/web.vars
$ vmrun start web.rhai
vmrun: web runs
$ cp vm/web.img first.img
$ vmrun export web web.tar.zst
vmrun: the disks are as after a power cut: no agent in web can be asked to freeze its file systems
vmrun: exported web: 2 disks with 32 MiB, packed to 32 MiB
$ ls vm
rom.fd
web.img
web.vars
$ zstd -dcq web.tar.zst | tar -xf - && cat vmru[n]-export/disks/1/* | cmp - first.img -n 32M && echo same
same
$ vmrun stop web --within 1s
vmrun: web is down
",
    );
}

#[test]
fn a_clone_of_a_machine_has_reflinks_of_its_files() {
    holds(
        &machine,
        "
$ vmrun clone web db
vmrun: [tmp]/vm/db.img is a reflink of [tmp]/vm/web.img
vmrun: [tmp]/vm/db.vars is a reflink of [tmp]/vm/web.vars
vmrun: db.rhai is written; `vmrun start db` starts it
$ cmp vm/web.img vm/db.img && test $(($(used) - $(cat before))) -lt 1024
",
    );
}

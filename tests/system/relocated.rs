//! Machines that come to a host which has its disks in another way: files become volumes of ZFS, and volumes files.

use super::disk_host::host;
use super::disk_strikes::{Scene, own};
use super::sandbox::{Done, Sandbox, same};
use super::tools::need;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;

/// A machine whose disks are files. One has a size that no volume has.
const FILES: &str = r#"let size = 3.MiB;
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd", #{ vars: "[tmp]/vm/web.vars" }),
    slots: #{
        "0": hostbridge(), "4": virtio_blk(disk("[tmp]/vm/web.img", 1000448)),
        "5": virtio_blk("[tmp]/vm/web-data.img"),
        "6": virtio_blk(disk("[tmp]/vm/web-more.raw", size)), "31": lpc(),
    },
}).run();
"#;

/// One whose disks are volumes.
const VOLUMES: &str = r#"bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{
        "0": hostbridge(), "4": virtio_blk(zvol("zroot/vm/web", 4.MiB, #{ sparse: true, volblocksize: "64K" })),
        "5": virtio_blk("/dev/zvol/zroot/vm/web-data"), "31": lpc(),
    },
}).run();
"#;

/// What a host says that has no ZFS.
const NO_ZFS: &str = "
error: tank/web is a volume, and this host has no ZFS
 |
 = hint: `--disks FOLDER` makes files of all its disks there; or install OpenZFS
";

fn sh(sandbox: &Sandbox, line: &str) -> Done {
    sandbox.finish(&mut sandbox.shell(line))
}

fn done(sandbox: &Sandbox, line: &str) {
    let done = sh(sandbox, line);
    assert_eq!(done.code, 0, "{line}: {done:?}");
}

/// Puts something on a disk: at its beginning, and at its end.
fn put(sandbox: &Sandbox, disk: &str, size: u64, byte: u8) {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(sandbox.path(disk)).unwrap();
    file.set_len(size).unwrap();
    [0, size - 5000].iter().for_each(|at| file.write_all_at(&[byte; 5000], *at).unwrap());
}

/// The machine with files as an export alone; its disks are in `old`.
fn files() -> Sandbox {
    let sandbox = host(FILES);
    sandbox.write(
        "fake/zfs",
        "filesystem zroot\tsize=107374182400\nfilesystem zroot/vm\nfilesystem tank\tsize=107374182400\n",
    );
    fs::create_dir_all(sandbox.path("old")).unwrap();
    for (name, size, byte) in [("web.img", 1_000_448, 1), ("web-data.img", 2 << 20, 2), ("web-more.raw", 3 << 20, 3)] {
        put(&sandbox, &format!("vm/{name}"), size, byte);
    }
    sandbox.write("vm/web.vars", "variables");
    done(&sandbox, "vmrun export web.rhai web.tar.zst && mv vm/web* old && rm web.rhai");
    own(&sandbox);
    sandbox
}

/// The machine with volumes as an export alone; its disks are in `old`.
fn volumes() -> Sandbox {
    volumes_exported("")
}

fn volumes_exported(how: &str) -> Sandbox {
    let sandbox = host(VOLUMES);
    fs::create_dir_all(sandbox.path("old")).unwrap();
    done(&sandbox, "zfs create -s -b 64K -V 4M zroot/vm/web && zfs create -V 2M zroot/vm/web-data");
    for (name, size, byte) in [("web", 4 << 20, 1), ("web-data", 2 << 20, 2)] {
        put(&sandbox, &format!("fake/zvol/zroot/vm/{name}"), size, byte);
    }
    done(&sandbox, &format!("vmrun export web.rhai web.tar.zst{how} && cp fake/zvol/zroot/vm/* old"));
    done(&sandbox, "zfs destroy -r zroot/vm/web && zfs destroy -r zroot/vm/web-data && rm web.rhai");
    own(&sandbox);
    sandbox
}

fn imports(sandbox: &Sandbox, disks: &[&str]) -> Done {
    let disks = disks.iter().flat_map(|disks| ["--disks", disks]);
    sandbox.run(&["import", "web.tar.zst", "--out", "web.rhai"].into_iter().chain(disks).collect::<Vec<_>>())
}

/// Holds that an import is refused so, and nothing is left of it.
#[track_caller]
fn refused(sandbox: &Sandbox, disks: &[&str], code: i32, stderr: &str) {
    let pools = sandbox.read("fake/zfs");
    let done = imports(sandbox, disks);
    same(&done.stderr, stderr);
    assert_eq!((done.code, sandbox.read("fake/zfs"), sandbox.path("web.rhai").exists()), (code, pools, false));
    assert!(!sandbox.names("vm").iter().any(|name| name.starts_with("web")));
}

#[test]
fn files_become_volumes_with_what_is_in_them() {
    need(&["zstd"]);
    let sandbox = files();
    let done_import = imports(&sandbox, &["tank"]);
    same(
        &done_import.stderr,
        "
vmrun: made the volume tank/web, 977 KiB, with 15360 bytes more to a whole block
vmrun: made the volume tank/web-data, 2 MiB
vmrun: made the volume tank/web-more, 3 MiB
vmrun: made [tmp]/vm/web.vars, 9 bytes
vmrun: made web.rhai
vmrun: same machine; `vmrun start web.rhai` starts it
",
    );
    same(
        &sandbox.read("web.rhai"),
        r#"
let size = 3.MiB;
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd", #{ vars: "[tmp]/vm/web.vars" }),
    slots: #{
        "0": hostbridge(), "4": virtio_blk(zvol("tank/web", 1015808, #{ sparse: true })),
        "5": virtio_blk("[tmp]/fake/zvol/tank/web-data"),
        "6": virtio_blk(zvol("tank/web-more", size, #{ sparse: true })), "31": lpc(),
    },
}).run();
"#,
    );
    let properties = "zfs get -Hp -o value volsize,refreservation tank/web";
    assert_eq!(sh(&sandbox, properties).stdout, "1015808\n0\n");
    let is = |name: &str| fs::read(sandbox.path(name)).unwrap();
    let mut web = is("old/web.img");
    web.resize(1_015_808, 0);
    assert!(is("fake/zvol/tank/web") == web);
    assert!(is("fake/zvol/tank/web-data") == is("old/web-data.img"));
    assert!(is("fake/zvol/tank/web-more") == is("old/web-more.raw"));
    // The recipe has them: nothing is made by a plan of it, and what is there is taken as it is.
    let plan = sandbox.run(&["plan", "web.rhai"]).stdout;
    assert!(!plan.contains("zfs") && !plan.contains("truncate"), "{plan}");
    done(&sandbox, "rm web.rhai");
    let again = imports(&sandbox, &["tank"]);
    same(
        &again.stderr,
        "
vmrun: the volume tank/web, 977 KiB, with 15360 bytes more to a whole block, is there and the same
vmrun: the volume tank/web-data, 2 MiB, is there and the same
vmrun: the volume tank/web-more, 3 MiB, is there and the same
vmrun: [tmp]/vm/web.vars, 9 bytes, is there and the same
vmrun: made web.rhai
vmrun: same machine; `vmrun start web.rhai` starts it
",
    );
    // Back again they are files with the same bytes.
    done(&sandbox, "vmrun export web.rhai back.tar.zst && rm web.rhai vm/web.vars && mkdir vm/back");
    let back = sandbox.run(&["import", "back.tar.zst", "--out", "web.rhai", "--disks", "./vm/back"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(sandbox.names("vm/back"), ["web-data.img", "web-more.img", "web.img", "web.vars"]);
    assert!(is("vm/back/web.img") == web && is("vm/back/web-more.img") == is("old/web-more.raw"));
    assert!(sandbox.read("web.rhai").contains("virtio_blk(disk(\"[tmp]/vm/back/web.img\", 1015808))"));
}

#[test]
fn volumes_become_files_with_what_is_in_them() {
    need(&["zstd"]);
    let sandbox = volumes();
    // A host without ZFS has them, too.
    fs::remove_file(sandbox.path("bin/zfs")).unwrap();
    let done = imports(&sandbox, &["./vm"]);
    same(
        &done.stderr,
        "
vmrun: made [tmp]/vm/web.img, 4 MiB
vmrun: made [tmp]/vm/web-data.img, 2 MiB
vmrun: made web.rhai
vmrun: same machine; `vmrun start web.rhai` starts it
",
    );
    same(
        &sandbox.read("web.rhai"),
        r#"
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{
        "0": hostbridge(), "4": virtio_blk(disk("[tmp]/vm/web.img", 4.MiB)),
        "5": virtio_blk("[tmp]/vm/web-data.img"), "31": lpc(),
    },
}).run();
"#,
    );
    for (file, volume) in [("web.img", "web"), ("web-data.img", "web-data")] {
        let [now, before] = ["vm/", "old/"].map(|folder| {
            fs::read(sandbox.path(&format!("{folder}{}", if folder == "vm/" { file } else { volume }))).unwrap()
        });
        assert!(now == before, "{file}");
    }
}

#[test]
fn what_cannot_become_the_other_kind_is_refused_and_nothing_is_written() {
    need(&["zstd"]);
    // Another filesystem, a host without ZFS, both kinds of places, and a name that no volume has.
    let sandbox = files();
    refused(
        &sandbox,
        &["tank/none"],
        1,
        "
error: the filesystem tank/none is not there
 |
 = hint: zfs create -p tank/none
",
    );
    refused(
        &sandbox,
        &["tank", "./vm"],
        2,
        "
error: no disk of web is a volume, to be put into tank
 |
 = hint: with one --disks alone its disks become what is there
",
    );
    refused(
        &sandbox,
        &["./a\"b"],
        2,
        "
error: --disks \"[tmp]/a\\\"b\" cannot be put into the texts of a recipe: it has \"
 |
 = hint: name a folder without it; a link to this one will do
",
    );
    fs::remove_file(sandbox.path("bin/zfs")).unwrap();
    refused(&sandbox, &["tank"], 3, NO_ZFS);
    let without = volumes();
    fs::remove_file(without.path("bin/zfs")).unwrap();
    refused(&without, &[], 3, &NO_ZFS.replace("tank/web", "zroot/vm/web"));
    // A path that is put together, and a size that is no volume's.
    for (from, to, stderr) in [
        (
            "\"[tmp]/vm/web.img\", 1000448",
            "\"[tmp]/vm/\" + \"web.img\", 1000448",
            "
error: the export has the disk tank/web, and its recipe has not
 |
 = hint: does the recipe put the name together? import it without --disks
",
        ),
        (
            "\"[tmp]/vm/web.img\", 1000448",
            "`[tmp]/vm/${\"web\"}.img`, 1000448",
            "
error: the recipe says [tmp]/vm/web.img by no literal that can be replaced
 |
 = hint: import it without --disks, or have it say that as one text, where it was exported
",
        ),
        (
            "disk(\"[tmp]/vm/web.img\", 1000448)",
            "\ndisk(\"[tmp]/vm/web.img\", 1000000 + 448)",
            "
error: 977K does not end with a whole block of 16K
 --> web.rhai:6:26
  |
6 | zvol(\"tank/web\", 1000000 + 448, #{ sparse: true })),
  |                          ^
  |
  = hint: 992K does
",
        ),
        (
            "virtio_blk(disk(\"[tmp]/vm/web.img\", 1000448))",
            "virtio_blk({ let d = \"[tmp]/vm/web.img\";\nif init { disk(d, 1000448); }\nd })",
            "
error: 977K does not end with a whole block of 16K
 --> web.rhai:6:19
  |
6 | if init { disk(d, 1000448); }
  |                   ^^^^^^^
  |
  = hint: 992K does
",
        ),
    ] {
        let sandbox = host(&FILES.replace(from, to));
        sandbox.write("fake/zfs", "filesystem tank\tsize=107374182400\n");
        for (name, size) in [("web.img", 1_000_448), ("web-data.img", 2 << 20), ("web-more.raw", 3 << 20)] {
            put(&sandbox, &format!("vm/{name}"), size, 1);
        }
        done(&sandbox, "vmrun export web.rhai web.tar.zst && rm -f vm/web* web.rhai");
        refused(&sandbox, &["tank"], 1, stderr);
    }
    // A stream of zfs-send(8).
    refused(
        &volumes_exported(" --zfs-send"),
        &["./vm"],
        1,
        "
error: zroot/vm/web is in it as a stream of zfs send, which makes no file
 |
 = hint: export the machine without --zfs-send, if that volume is not encrypted
",
    );
}

#[test]
fn a_name_of_old_that_is_left_over_is_refused() {
    need(&["zstd"]);
    let sandbox = host(&format!("run(\"zfs\", [\"set\", \"sync=disabled\", \"zroot/vm/web-data\"]);\n{VOLUMES}"));
    done(&sandbox, "zfs create -s -b 64K -V 4M zroot/vm/web && zfs create -V 2M zroot/vm/web-data");
    done(&sandbox, "vmrun export web.rhai web.tar.zst && rm web.rhai");
    refused(
        &sandbox,
        &["./vm"],
        1,
        "
error: the recipe would still say zroot/vm/web-data at 1:38, which is [tmp]/vm/web-data.img here
 |
 = hint: import it without --disks, or have it not say that there, where it was exported
",
    );
}

#[test]
fn an_import_into_the_other_kind_that_is_struck_at_any_call_leaves_nothing_half() {
    need(&["zstd"]);
    let scene = |command, prepared| Scene { command, prepared, may_begin: false };
    scene("import web.tar.zst --out web.rhai --disks tank", files).at_every_call();
    scene("import web.tar.zst --out web.rhai --disks ./vm", volumes).at_every_call();
}

#[test]
fn half_a_disk_of_the_other_kind_is_taken_away_by_the_next_import() {
    need(&["zstd"]);
    let cut = "/usr/bin/zstd \"$@\" | head -c 8000; while kill -0 $PPID 2>/dev/null; do sleep 0.05; done";
    let args = |disks| ["import", "web.tar.zst", "--out", "web.rhai", "--disks", disks];
    let sandbox = files();
    sandbox.script("zstd", cut);
    let mut running = sandbox.start(&args("tank"));
    running.until("half a volume", |sandbox| sandbox.read("fake/zfs").contains("volume tank/web.vmrun-"));
    running.kill();
    fs::remove_file(sandbox.path("bin/zstd")).unwrap();
    assert_eq!(sandbox.run(&args("tank")).code, 0);
    assert_eq!(sh(&sandbox, "zfs list -H -t volume -o name").stdout, "tank/web\ntank/web-data\ntank/web-more\n");

    let sandbox = volumes();
    sandbox.script("zstd", cut);
    let mut running = sandbox.start(&args("./vm"));
    running.until("half a file", |sandbox| sandbox.names("vm").iter().any(|name| name.starts_with("web.img.vmrun-")));
    running.kill();
    fs::remove_file(sandbox.path("bin/zstd")).unwrap();
    assert_eq!(sandbox.run(&args("./vm")).code, 0);
    assert_eq!(sandbox.names("vm"), ["rom.fd", "web-data.img", "web.img"]);
}

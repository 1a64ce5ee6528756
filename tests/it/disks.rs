//! Disks as recipes have them, wherever they live: made, grown, never cut off, and taken away again where a run failed before a guest
//! had them.

use super::disk_host::host;
use super::sandbox::{Sandbox, same};
use std::fs;

/// A machine with a volume and a file.
const WEB: &str = r#"let root = zvol("zroot/vm/web", 2.GiB, #{ volblocksize: "64K", compression: "lz4" });
let data = disk("[tmp]/vm/data.img", 1.GiB);
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{ "0": hostbridge(), "4": virtio_blk(root), "5": virtio_blk(data), "31": lpc() },
}).run();
"#;

/// The calls of zfs that change something.
fn changes(sandbox: &Sandbox) -> Vec<String> {
    let is_change = |line: &&str| line.starts_with("zfs ") && !line.starts_with("zfs get ");
    sandbox.calls().lines().filter(is_change).map(String::from).collect()
}

/// The volumes that there are, as `NAME SIZE`.
fn volumes(sandbox: &Sandbox) -> Vec<String> {
    let of = |line: &str| {
        let mut fields = line.strip_prefix("volume ")?.split('\t');
        let name = fields.next()?;
        Some(format!("{name} {}", fields.find_map(|field| field.strip_prefix("volsize="))?))
    };
    sandbox.read("fake/zfs").lines().filter_map(of).collect()
}

/// Holds that a run of a recipe is refused so, and that nothing was changed.
#[track_caller]
fn refused(recipe: &str, stderr: &str) {
    let sandbox = host(recipe);
    sandbox.write(
        "fake/zfs",
        &(sandbox.read("fake/zfs")
            + "volume zroot/vm/old\tvolsize=42949672960\tvolblocksize=16384\trefreservation=42949672960\n"),
    );
    fs::write(sandbox.path("vm/full.img"), vec![1; 1 << 16]).unwrap();
    let before = sandbox.everything();
    let done = sandbox.run(&["web.rhai", "--init"]);
    same(&done.stderr, stderr);
    assert_ne!(done.code, 0);
    assert_eq!(sandbox.everything(), before);
}

#[test]
fn a_plan_shows_how_disks_are_made_on_both_systems() {
    let recipe = r#"let root = zvol("zroot/vm/web", 20.GiB, #{ sparse: true });
let data = disk("/vm/web-data.img", 80.GiB);
let more = disk("/dev/ada1");
bhyve(#{
    name: "web", memory: 1.GiB, bootrom: uefi(),
    slots: #{ "0": hostbridge(), "4": virtio_blk(root), "5": nvme(data), "6": virtio_blk(more), "31": lpc() },
}).run();
"#;
    let sandbox = Sandbox::new();
    sandbox.write("web.rhai", recipe);
    let plan = |on: &str, init: &[&str]| {
        let args = [&["plan", "web.rhai", "--on", on], init].concat();
        let done = sandbox.finish(sandbox.command(&args).env_remove("VMRUN_ZVOL_DIR"));
        assert_eq!((done.code, done.stderr.as_str()), (0, ""));
        done.stdout
    };
    let bhyve = "bhyve -c 1 -m 1G -s 0,hostbridge -s 4,virtio-blk,/dev/zvol/zroot/vm/web -s 5,nvme,/vm/web-data.img -s 6,virtio-blk,/dev/ada1 \
                 -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web\n\
                 # given back when the run ends:\nbhyvectl --destroy --vm=web\n";
    let made = "umask 026\nzfs create -s -o volmode=dev -V 20G zroot/vm/web\ntruncate -s 80G /vm/web-data.img\n";
    same(&plan("freebsd-15", &["--init"]), &format!("{made}{bhyve}"));
    same(&plan("freebsd-15", &[]), &format!("umask 026\n{bhyve}"));
    let linux = plan("linux", &["--init"]);
    assert!(linux.starts_with(made), "{linux}");
    assert!(linux.contains("/dev/zvol/zroot/vm/web") && !linux.contains("zfs destroy"), "{linux}");
}

#[test]
fn disks_are_made_once_and_grow_with_the_recipe() {
    let sandbox = host(WEB);
    sandbox.write("fake/exits", "0\n1\n1\n1\n");
    let done = sandbox.run(&["web.rhai", "--init"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, "vmrun: the guest rebooted; starting it again\n"));
    let made = "zfs create -b 64K -o volmode=dev -o compression=lz4 -V 2G zroot/vm/web";
    assert_eq!(changes(&sandbox), [made]);
    assert_eq!(volumes(&sandbox), ["zroot/vm/web 2147483648"]);
    assert_eq!(fs::metadata(sandbox.path("vm/data.img")).unwrap().len(), 1 << 30);
    assert_eq!(sandbox.run(&["web.rhai"]).code, 0);
    assert_eq!(changes(&sandbox), [made]);
    sandbox.write("web.rhai", &WEB.replace("2.GiB", "3.GiB").replace("1.GiB", "2.GiB"));
    let plan = sandbox.run(&["plan", "web.rhai"]);
    let begins = "umask 026\nzfs set volsize=3G zroot/vm/web\ntruncate -s 2G [tmp]/vm/data.img\nbhyve ";
    assert!(plan.stdout.starts_with(begins), "{}{}", plan.stdout, plan.stderr);
    assert!(!plan.stdout.contains("destroy zroot"), "{}", plan.stdout);
    assert_eq!(sandbox.run(&["web.rhai"]).code, 0);
    assert_eq!(changes(&sandbox), [made, "zfs set volsize=3G zroot/vm/web"]);
    assert_eq!(volumes(&sandbox), ["zroot/vm/web 3221225472"]);
    assert_eq!(fs::metadata(sandbox.path("vm/data.img")).unwrap().len(), 2 << 30);
    assert_eq!((sandbox.names("fake/vmm"), sandbox.names("state")), (vec![], vec![]));
}

#[test]
fn what_a_failed_run_had_made_goes_again() {
    let recipe = WEB.replace("bhyve(#{", "zvol(\"zroot/vm/more\", 1.GiB);\nbhyve(#{");
    let sandbox = host(&recipe);
    sandbox.write("fake/refuse", "zfs create -o volmode=dev -V 1G\tcannot create 'zroot/vm/more': out of space\n");
    let done = sandbox.run(&["web.rhai", "--init"]);
    same(
        &done.stderr,
        "
error: `zfs create -o volmode=dev -V 1G zroot/vm/more` failed with status 1: cannot create 'zroot/vm/more': out of space
 --> web.rhai:3:1
  |
3 | zvol(\"zroot/vm/more\", 1.GiB);
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
    );
    assert_eq!(done.code, 3);
    assert_eq!(changes(&sandbox).last().unwrap(), "zfs destroy zroot/vm/web");
    assert_eq!((volumes(&sandbox), sandbox.names("vm")), (vec![], vec!["rom.fd".to_string()]));
    assert_eq!(sandbox.names("state"), [""; 0]);
    // What was there before stays, whatever it is.
    sandbox.write("fake/refuse", "");
    fs::write(sandbox.path("vm/data.img"), [0; 4096]).unwrap();
    sandbox.write("fake/refuse", "zfs create -o volmode=dev -V 1G\tcannot create 'zroot/vm/more': out of space\n");
    assert_eq!(sandbox.run(&["web.rhai", "--init"]).code, 3);
    assert_eq!(sandbox.names("vm"), ["data.img", "rom.fd"]);
}

#[test]
fn a_disk_stays_as_soon_as_a_guest_had_it_or_the_recipe_ended_well() {
    let sandbox = host(WEB);
    sandbox.write("fake/exits", "4\n");
    assert_eq!(sandbox.run(&["web.rhai", "--init"]).code, 4);
    assert_eq!((volumes(&sandbox).len(), sandbox.names("vm")), (1, vec!["data.img".to_string(), "rom.fd".into()]));
    let sandbox = host("disk(\"[tmp]/vm/data.img\", 1.GiB);\nzvol(\"zroot/vm/web\", 1.GiB);\n");
    assert_eq!(sandbox.run(&["web.rhai"]).code, 0);
    assert_eq!((volumes(&sandbox).len(), sandbox.names("vm")), (1, vec!["data.img".to_string(), "rom.fd".into()]));
}

#[test]
fn of_a_run_that_was_killed_an_empty_file_goes_and_a_volume_stays() {
    let recipe = WEB.replace("bhyve(#{", "zvol(\"zroot/vm/more\", 1.GiB);\nbhyve(#{");
    let sandbox = host(&recipe);
    sandbox.write("fake/strike", "before SIGKILL 1 zfs create -o volmode=dev -V 1G\n");
    assert_eq!(sandbox.run(&["web.rhai", "--init"]).code, -9);
    // Its last command goes on without it.
    let begin = std::time::Instant::now();
    while volumes(&sandbox).len() < 2 && begin.elapsed().as_secs() < 10 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!((sandbox.names("vm"), volumes(&sandbox).len()), (vec!["data.img".to_string(), "rom.fd".into()], 2));
    let done = sandbox.run(&["gc"]);
    assert!(done.stdout.contains("rm [tmp]/vm/data.img"), "{done:?}");
    assert!((done.stdout.clone() + done.stderr.as_str()).contains("the volume zroot/vm/web"), "{done:?}");
    assert_eq!((sandbox.names("vm"), volumes(&sandbox).len()), (vec!["rom.fd".to_string()], 2));
    assert_eq!(sandbox.names("state"), [""; 0]);
}

#[test]
fn data_is_never_cut_off_in_silence() {
    refused(
        "zvol(\"zroot/vm/old\", 20.GiB);\n",
        "
error: zroot/vm/old has 40 GiB: 20G would cut off its end
 --> web.rhai:1:22
  |
1 | zvol(\"zroot/vm/old\", 20.GiB);
  |                      ^^^^^^
  |
  = hint: say its size, \"40G\"; `zfs set volsize=20G zroot/vm/old` cuts it off, with what is there
",
    );
    refused(
        "disk(\"[tmp]/vm/full.img\", 4.KiB);\n",
        "
error: [tmp]/vm/full.img has data and 64 KiB: 4K would cut it off
 --> web.rhai:1:37
  |
1 | disk(\"[tmp]/vm/full.img\", 4.KiB);
  |                                     ^^^^^
  |
  = hint: say its size, \"64K\"; `truncate(path, size, #{ shrink: true })` cuts it off all the same
",
    );
}

/// The message of a refusal, and its hint.
fn said(recipe: &str) -> String {
    let sandbox = host(recipe);
    sandbox.write(
        "fake/zfs",
        &(sandbox.read("fake/zfs")
            + "volume zroot/vm/old\tvolsize=42949672960\tvolblocksize=16384\trefreservation=42949672960\n"
            + "filesystem zroot/locked\tencryption=aes-256-gcm\tkeystatus=unavailable\n"),
    );
    let done = sandbox.run(&["web.rhai"]);
    assert_eq!(changes(&sandbox), [""; 0]);
    let lines = done.stderr.lines().filter_map(|line| {
        line.strip_prefix("error: ").or_else(|| line.trim_start().strip_prefix("= hint: ").filter(|_| true))
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn what_zfs_would_refuse_is_found_before_anything_is_touched() {
    for (line, expected) in [
        (
            "zvol(\"zroot/vm/large\", 200.GiB);",
            "zroot/vm/large needs 200 GiB, and zroot/vm has 60 GiB left\n\
             `sparse: true` reserves none, and the pool may be full then when the guest writes\n",
        ),
        (
            "zvol(\"zroot/vm/a\", 40.GiB);\nzvol(\"zroot/vm/b\", 40.GiB);",
            "zroot/vm/b needs 40 GiB, and zroot/vm has 20 GiB left\n\
             `sparse: true` reserves none, and the pool may be full then when the guest writes\n",
        ),
        (
            "zvol(\"zroot/vm/old\", 140.GiB);",
            "zroot/vm/old needs 100 GiB, and zroot/vm has 60 GiB left\n`zfs set refreservation=none zroot/vm/old` reserves none\n",
        ),
        ("zvol(\"zroot/none/web\", 1.GiB);", "the filesystem zroot/none is not there\nzfs create -p zroot/none\n"),
        ("zvol(\"tank/web\", 1.GiB);", "there is no pool tank\nzpool list shows those that there are\n"),
        (
            "zvol(\"zroot/vm/old/web\", 1.GiB);",
            "zroot/vm/old is a volume, and nothing can be below it\nchoose another name\n",
        ),
        ("zvol(\"zroot/vm\", 1.GiB);", "zroot/vm is a filesystem, and no volume\nchoose another name\n"),
        (
            "zvol(\"zroot\", 1.GiB);",
            "\"zroot\" is no name of a volume: a pool has no name before it\n\
             a pool, its filesystems and the volume: \"zroot/vm/web\"\n",
        ),
        ("zvol(\"zroot/vm/web\", 1000000000);", "1000000000 does not end with a whole block of 16K\n976576K does\n"),
        (
            "zvol(\"zroot/vm/old\", 42949672961);",
            "42949672961 does not end with a whole block of 16K\n41943056K does\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ volblocksize: \"10K\" });",
            "10K is no size of a volume's blocks\na power of two from 512 to \"128K\"; \"16K\" is usual\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ compression: \"rar\" });",
            "there is no compression \"rar\"\n\
             on, off, lz4, zstd, zstd-1 to zstd-19, zstd-fast, gzip, gzip-1 to gzip-9, lzjb, zle\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ encryption: \"rot13\" });",
            "there is no cipher \"rot13\"\n\
             on, aes-128-ccm, aes-192-ccm, aes-256-ccm, aes-128-gcm, aes-192-gcm, aes-256-gcm\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ encryption: \"on\" });",
            "zroot/vm is not encrypted, so that it has no key for its volumes\n\
             keylocation: \"file:///etc/vm/web.key\" is one of the volume's own\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ keylocation: \"prompt\" });",
            "\"prompt\" is no file with a key, from the root on\n\
             \"file:///etc/vm/web.key\"; a key that is asked for has nobody to type it\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ keyformat: \"hex\" });",
            "the form of a key is given, and nothing says where the key is\nkeylocation: \"file:///etc/vm/web.key\"\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ keylocation: \"file:///none/web.key\", keyformat: \"pem\" });",
            "there is no form of a key \"pem\"\nraw, hex, passphrase\n",
        ),
        (
            "zvol(\"zroot/vm/web\", 1.GiB, #{ keylocation: \"file:///none/web.key\" });",
            "there is no key /none/web.key\n(umask 077; dd if=/dev/random of=/none/web.key bs=32 count=1)\n",
        ),
        (
            "zvol(\"zroot/locked/web\", 1.GiB);",
            "the key of zroot/locked is not loaded, so that nothing can be made in it\nzfs load-key -r zroot/locked\n",
        ),
        ("disk(\"/dev/null\", 1.GiB);", "/dev/null is a device, and has the size that it has\ndisk(\"/dev/null\")\n"),
        (
            "disk(\"[tmp]/vm/web.img\", 1.GiB, #{ sparse: true });",
            "`sparse` is an option of volumes, and [tmp]/vm/web.img is none\n\
             zvol(\"zroot/vm/web\", 20.GiB, #{ … }) is one\n",
        ),
        ("disk(\"[tmp]/none/web.img\", 1.GiB);", "the folder [tmp]/none is not there\nmkdir -p [tmp]/none\n"),
    ] {
        same(&said(&format!("{line}\n")), expected);
    }
    let sandbox = Sandbox::new();
    sandbox.write("web.rhai", "zvol(\"zroot/vm/web\", 1.GiB);\n");
    let done = sandbox.run(&["web.rhai"]);
    let expected = "`zfs` is not installed, and the recipe has a volume of ZFS";
    assert!(done.stderr.contains(expected) || fs::exists("/sbin/zfs").unwrap(), "{}", done.stderr);
}

#[test]
fn a_volume_has_a_key_that_nobody_but_zfs_reads() {
    let recipe = r#"let root = zvol("zroot/vm/web", 1.GiB, #{ keylocation: "file://[tmp]/vm/web.key" });
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{ "0": hostbridge(), "4": virtio_blk(root), "31": lpc() },
}).run();
"#;
    let sandbox = host(recipe);
    let begins = |stderr: &str, expected: &str| assert!(stderr.starts_with(expected), "{stderr}");
    begins(&sandbox.run(&["web.rhai"]).stderr, "error: there is no key [tmp]/vm/web.key\n");
    sandbox.write("vm/web.key", "short");
    begins(&sandbox.run(&["web.rhai"]).stderr, "error: [tmp]/vm/web.key has 5 bytes, and a raw key has 32\n");
    assert_eq!(changes(&sandbox), [""; 0]);
    sandbox.write("vm/web.key", "0123456789abcdef0123456789abcdef");
    let done = sandbox.run(&["web.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let key = "-o encryption=on -o keyformat=raw -o keylocation=file://[tmp]/vm/web.key";
    assert_eq!(changes(&sandbox), [format!("zfs create -o volmode=dev {key} -V 1G zroot/vm/web")]);
    assert!(!sandbox.calls().contains("0123456789abcdef"));
    // The host was started again, and nobody has loaded the key.
    sandbox.write("fake/zfs", &sandbox.read("fake/zfs").replace("keystatus=available", "keystatus=unavailable"));
    same(
        &sandbox.run(&["web.rhai"]).stderr,
        "
error: the key of zroot/vm/web is not loaded, so that no guest can have it
 --> web.rhai:1:17
  |
1 | let root = zvol(\"zroot/vm/web\", 1.GiB, #{ keylocation: \"file://[tmp]/vm/web.key\" });
  |                 ^^^^^^^^^^^^^^
  |
  = hint: zfs load-key -r zroot/vm/web
",
    );
    assert_eq!(changes(&sandbox).len(), 1);
}

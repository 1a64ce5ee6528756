//! Disks that begin as an image: what is in it is on the disk, holes stay holes, and half a disk never has the name of one.

use super::disk_host::host;
use super::sandbox::{Sandbox, same};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

/// What is on every disk here, one MiB from its beginning; it has 2 MiB.
const DATA: &[u8] = b"a guest's first sector";
const SIZE: usize = 2 << 20;

/// An image of a disk, as it is.
fn raw() -> Vec<u8> {
    let mut bytes = vec![0; SIZE];
    bytes[1 << 20..][..DATA.len()].copy_from_slice(DATA);
    bytes
}

/// Runs a line of a shell in the folder of images.
fn shell(sandbox: &Sandbox, line: &str) {
    let status =
        Command::new("sh").args(["-ec", line]).current_dir(sandbox.path("images")).stdout(Stdio::null()).status();
    assert!(status.unwrap().success(), "{line}");
}

/// A host with images and a recipe that converts one to a disk.
fn images(lines: &str) -> Sandbox {
    let sandbox = host(&format!(
        "{lines}\nbhyve(#{{\n    name: \"web\", memory: 64.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"),\n    \
         slots: #{{ \"0\": hostbridge(), \"4\": virtio_blk(root), \"31\": lpc() }},\n}}).run();\n"
    ));
    fs::create_dir(sandbox.path("images")).unwrap();
    fs::write(sandbox.path("images/web.raw"), raw()).unwrap();
    sandbox
}

/// Holds that a disk has what is in the image, with zeros after it, and takes no more space than that.
#[track_caller]
fn filled(sandbox: &Sandbox, disk: &str, size: u64) {
    let bytes = fs::read(sandbox.path(disk)).unwrap();
    assert_eq!(bytes.len() as u64, size);
    let (image, rest) = bytes.split_at(SIZE);
    assert!(image == raw() && rest == vec![0; rest.len()], "{disk}");
    let used = fs::metadata(sandbox.path(disk)).unwrap().blocks() * 512;
    assert!(used <= 1 << 20, "{disk} takes {used} bytes");
}

#[test]
fn every_form_of_an_image_becomes_the_same_disk_once() {
    for (form, make) in [
        ("raw", "true"),
        ("xz", "xz -T1 -0 -k web.raw"),
        ("gz", "gzip -1 -k web.raw && mv web.raw.gz web.xz"),
        ("bz2", "bzip2 -1 -k web.raw && mv web.raw.bz2 web.xz"),
        ("zst", "zstd -q web.raw -o web.xz"),
        ("qcow2", "qemu-img convert -f raw -O qcow2 web.raw web.xz"),
        ("vmdk", "qemu-img convert -f raw -O vmdk web.raw web.xz"),
        ("vhdx", "qemu-img convert -f raw -O vhdx web.raw web.xz"),
    ] {
        // The name says nothing: the content does.
        let name = match form {
            "raw" => "web.raw",
            "xz" => "web.raw.xz",
            _ => "web.xz",
        };
        for disk in ["disk(\"[tmp]/vm/web.img\", 4.MiB)", "zvol(\"zroot/vm/web\", 4.MiB)"] {
            let sandbox = images(&format!("let root = convert(\"[tmp]/images/{name}\", {disk});"));
            shell(&sandbox, make);
            sandbox.write("fake/exits", "0\n1\n1\n");
            let done = sandbox.run(&["web.rhai", "--init"]);
            let again = "vmrun: the guest rebooted; starting it again\n";
            assert_eq!((done.code, done.stderr.as_str()), (0, again), "{form} {disk}");
            let path = if disk.starts_with("disk") { "vm/web.img" } else { "fake/zvol/zroot/vm/web" };
            filled(&sandbox, path, 4 << 20);
            // What a guest has written stays, and the image is not needed any more.
            fs::remove_file(sandbox.path(&format!("images/{name}"))).unwrap();
            assert_eq!(sandbox.run(&["web.rhai"]).code, 0, "{form}");
            filled(&sandbox, path, 4 << 20);
            assert_eq!(sandbox.names("state"), [""; 0]);
        }
    }
}

#[test]
fn a_plan_says_how_an_image_is_converted() {
    let lines = "let root = convert(\"[tmp]/images/web.qcow2\", zvol(\"zroot/vm/web\", 4.MiB));
convert(\"[tmp]/images/web.qcow2\", disk(\"[tmp]/vm/a.img\", 4.MiB));
convert(\"[tmp]/images/web.raw.xz\", disk(\"[tmp]/vm/b.img\", 4.MiB));
convert(\"[tmp]/images/web.raw\", disk(\"[tmp]/vm/c.img\", 4.MiB));";
    let sandbox = images(lines);
    shell(&sandbox, "xz -T1 -0 -k web.raw && qemu-img convert -f raw -O qcow2 web.raw web.qcow2");
    let done = sandbox.run(&["plan", "web.rhai", "--init"]);
    assert_eq!(done.stderr, "");
    same(
        &done.stdout,
        "
umask 026
zfs create -o volmode=dev -V 4M zroot/vm/web
qemu-img convert -n --target-is-zero -f qcow2 -O raw [tmp]/images/web.qcow2 [tmp]/fake/zvol/zroot/vm/web
truncate -s 4M [tmp]/vm/a.img
truncate -s 4M [tmp]/vm/a.img.new
qemu-img convert -n --target-is-zero -f qcow2 -O raw [tmp]/images/web.qcow2 [tmp]/vm/a.img.new
mv [tmp]/vm/a.img.new [tmp]/vm/a.img
truncate -s 4M [tmp]/vm/b.img
sh -c 'xz -dc --memlimit-decompress=512MiB \"$0\" | dd of=\"$1\" obs=1048576 conv=sparse' [tmp]/images/web.raw.xz [tmp]/vm/b.img.new
truncate -s 4M [tmp]/vm/b.img.new
mv [tmp]/vm/b.img.new [tmp]/vm/b.img
truncate -s 4M [tmp]/vm/c.img
dd if=[tmp]/images/web.raw of=[tmp]/vm/c.img.new obs=1048576 conv=sparse
truncate -s 4M [tmp]/vm/c.img.new
mv [tmp]/vm/c.img.new [tmp]/vm/c.img
bhyve -c 1 -m 64M -s 0,hostbridge -s 4,virtio-blk,[tmp]/fake/zvol/zroot/vm/web -s 31,lpc -l bootrom,[tmp]/vm/rom.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
",
    );
    // On both systems, whatever runs the machine.
    let before = |text: &str| {
        text.lines()
            .take_while(|line| !line.starts_with("bhyve") && !line.contains("qemu-system"))
            .map(String::from)
            .collect::<Vec<_>>()
    };
    for on in ["freebsd-15", "linux"] {
        let there = sandbox.run(&["plan", "web.rhai", "--init", "--on", on]);
        let steps: Vec<String> = before(&there.stdout)
            .into_iter()
            .filter(|line| !line.starts_with("mkdir") && !line.starts_with("install"))
            .collect();
        assert_eq!(steps, before(&done.stdout), "{on} {}", there.stderr);
    }
    // What can be pasted does what the run does.
    let commands = done.stdout.replace("[tmp]", &sandbox.path("").display().to_string());
    let commands: Vec<&str> = commands.lines().filter(|line| line.contains("/vm/b.img")).collect();
    shell(&sandbox, &commands.join("\n"));
    filled(&sandbox, "vm/b.img", 4 << 20);
}

#[test]
fn an_image_that_is_none_is_refused_before_anything_is_touched() {
    for (make, expected) in [
        (
            "qemu-img create -q -f qcow2 -b web.raw -F raw image",
            "[tmp]/images/image names another file, as its backing file, which would be read in its place",
        ),
        (
            "qemu-img create -q -f qcow2 -o data_file=other.raw image 8M",
            "[tmp]/images/image names another file, as its data file, which would be read in its place",
        ),
        (
            "qemu-img convert -f raw -O vmdk -o subformat=twoGbMaxExtentFlat web.raw image",
            "[tmp]/images/image names another file, as its extents, which would be read in its place",
        ),
        ("echo '<html>' > image", "[tmp]/images/image is a page of the web"),
        ("qemu-img convert -f raw -O vdi web.raw image", "[tmp]/images/image is in the format vdi"),
        ("truncate -s 64M image", "[tmp]/images/image makes a disk of 64 MiB, and [tmp]/vm/web.img has 4 MiB"),
        ("true", "cannot read [tmp]/images/image: No such file or directory"),
    ] {
        let sandbox = images("let root = convert(\"[tmp]/images/image\", disk(\"[tmp]/vm/web.img\", 4.MiB));");
        shell(&sandbox, make);
        let done = sandbox.run(&["web.rhai", "--init"]);
        let message = done.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert_eq!(message, format!("error: {expected}"), "{make}");
        assert_eq!(sandbox.names("vm"), ["rom.fd"], "{make}");
    }
}

#[test]
fn half_a_conversion_is_none() {
    for (disk, make, expected) in [
        (
            "disk(\"[tmp]/vm/web.img\", 4.MiB)",
            "head -c 400 web.raw.xz > image",
            "[tmp]/images/image cannot be unpacked: xz: [tmp]/images/image: Unexpected end of input",
        ),
        (
            "zvol(\"zroot/vm/web\", 4.MiB)",
            "head -c 400 web.raw.xz > image",
            "[tmp]/images/image cannot be unpacked: xz: [tmp]/images/image: Unexpected end of input",
        ),
        // A file may ask for any amount of memory.
        (
            "disk(\"[tmp]/vm/web.img\", 4.MiB)",
            "xz -T1 -c --lzma2=preset=0,dict=1GiB web.raw > image",
            "[tmp]/images/image takes more than 512MiB of memory to be unpacked",
        ),
        (
            "disk(\"[tmp]/vm/web.img\", 4.MiB)",
            "truncate -s 64M large && xz -T1 -0 -c large > image",
            "in [tmp]/images/image is more than 4M",
        ),
        (
            "zvol(\"zroot/vm/web\", 4.MiB)",
            "qemu-img convert -f raw -O qcow2 web.raw x && xz -T1 -0 -c x > image",
            "in [tmp]/images/image is an image in the format qcow2, and no disk as it is",
        ),
    ] {
        let sandbox = images(&format!("let root = convert(\"[tmp]/images/image\", {disk});"));
        shell(&sandbox, &format!("xz -T1 -0 -k web.raw && {make}"));
        let done = sandbox.run(&["web.rhai", "--init"]);
        let message = done.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert_eq!(message, format!("error: {expected}"), "{make}");
        assert_eq!((sandbox.names("vm"), sandbox.names("state")), (vec!["rom.fd".to_string()], vec![]), "{make}");
        assert!(!sandbox.read("fake/zfs").contains("zroot/vm/web"), "{make}");
    }
}

#[test]
fn of_a_run_that_was_killed_while_it_converted_nothing_is_left() {
    for disk in ["disk(\"[tmp]/vm/web.img\", 4.MiB)", "zvol(\"zroot/vm/web\", 4.MiB)"] {
        let sandbox = images(&format!("let root = convert(\"[tmp]/images/web.raw.xz\", {disk});"));
        shell(&sandbox, "xz -T1 -0 -k web.raw");
        // Half of it comes, and then nothing.
        let (half, image) = (sandbox.path("bin/xz.came"), sandbox.path("images/web.raw"));
        let half = half.display();
        sandbox.script("xz", &format!("head -c 2000000 {}\n: > {half}\nexec sleep 5", image.display()));
        let mut run = sandbox.start(&["web.rhai", "--init"]);
        run.until("half of it", |sandbox| sandbox.path("bin/xz.came").exists());
        run.kill();
        sandbox.run(&["gc"]);
        assert_eq!((sandbox.names("vm"), sandbox.names("state")), (vec!["rom.fd".to_string()], vec![]), "{disk}");
        assert!(!sandbox.read("fake/zfs").contains("zroot/vm/web"), "{disk}");
    }
}

#[test]
fn a_disk_that_has_data_is_left_alone() {
    let sandbox = images("let root = convert(\"[tmp]/images/web.raw\", disk(\"[tmp]/vm/web.img\", 4.MiB));");
    fs::write(sandbox.path("vm/web.img"), vec![7; 4 << 20]).unwrap();
    sandbox.write("fake/exits", "1\n1\n");
    let done = sandbox.run(&["web.rhai", "--init"]);
    let expected = "warning: [tmp]/vm/web.img has data, and is left as it is";
    assert!(done.stderr.contains(expected), "{}", done.stderr);
    assert!(fs::read(sandbox.path("vm/web.img")).unwrap() == vec![7; 4 << 20]);
    let done = sandbox.run(&["web.rhai"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let sandbox = images("let root = convert(\"[tmp]/images/web.raw\", \"[tmp]/vm/none.img\");");
    let done = sandbox.run(&["web.rhai", "--init"]);
    assert!(done.stderr.contains("error: the disk [tmp]/vm/none.img is not there"), "{}", done.stderr);
    let sandbox = images("let root = convert(\"[tmp]/images/web.raw\", \"/dev/null\");");
    let done = sandbox.run(&["web.rhai", "--init"]);
    let expected = "error: /dev/null is a device, and whose data are on it nobody knows";
    assert!(done.stderr.contains(expected), "{}", done.stderr);
}

#[test]
fn a_volume_that_a_killed_run_has_left_empty_is_filled_by_the_next_one() {
    for when in ["before", "after"] {
        let sandbox = images("let root = convert(\"[tmp]/images/web.raw.xz\", zvol(\"zroot/vm/web\", 4.MiB));");
        shell(&sandbox, "xz -T1 -0 -k web.raw");
        sandbox.write("fake/strike", &format!("{when} SIGKILL 1 zfs create\n"));
        assert_eq!(sandbox.run(&["web.rhai", "--init"]).code, -9, "{when}");
        sandbox.write("fake/strike", "");
        sandbox.write("fake/exits", "1\n");
        let done = sandbox.run(&["web.rhai", "--init"]);
        assert_eq!(done.code, 0, "{when} {}", done.stderr);
        filled(&sandbox, "fake/zvol/zroot/vm/web", 4 << 20);
        assert_eq!(sandbox.names("state"), [""; 0], "{when}");
    }
}

//! Files that a recipe names, by what is in them: what QEMU or bhyve would take for something else is refused before anything
//! happens.

use super::sandbox::{Sandbox, same};
use std::fs;

/// A recipe with this in slot 3, firmware by these words.
fn recipe(sandbox: &Sandbox, firmware: &str, slot: &str) {
    let text = format!(
        "bhyve(#{{\n    name: \"lab\", bootrom: {firmware},\n    slots: #{{ \"0\": hostbridge(), \"3\": {slot}, \"31\": lpc() }},\n}}).run();\n"
    );
    sandbox.write("lab.rhai", &text);
}

fn host() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox
}

const ROM: &str = "bootrom(\"[tmp]/vm/rom.fd\")";

/// The first line of what is said, and the last.
fn said(sandbox: &Sandbox, args: &[&str]) -> (i32, String, String) {
    let done = sandbox.run(args);
    let first = done.stderr.lines().next().unwrap_or_default().to_string();
    let last = done.stderr.lines().rfind(|line| line.contains("hint: ")).unwrap_or_default();
    (done.code, first, last.split("hint: ").last().unwrap_or_default().to_string())
}

/// The name of a file, how it begins (at which byte), what is said of it, and the way out.
const DISKS: &[(&str, usize, &[u8], &str, &str)] = &[
    (
        "a.qcow2",
        0,
        b"QFI\xfb\0\0\0\x03",
        "is in the format qcow2, and is taken byte by byte as it is",
        "qemu-img convert -O raw [tmp]/vm/a.qcow2 [tmp]/vm/a.img",
    ),
    (
        "a.img",
        0,
        b"KDMV\x01",
        "is in the format vmdk, and is taken byte by byte as it is",
        "qemu-img convert -O raw [tmp]/vm/a.img [tmp]/vm/a.img.raw",
    ),
    (
        "a.vmdk",
        0,
        b"# Disk DescriptorFile\n",
        "is in the format vmdk, and is taken byte by byte as it is",
        "qemu-img convert -O raw [tmp]/vm/a.vmdk [tmp]/vm/a.img",
    ),
    (
        "a.vhdx",
        0,
        b"vhdxfile",
        "is in the format vhdx, and is taken byte by byte as it is",
        "qemu-img convert -O raw [tmp]/vm/a.vhdx [tmp]/vm/a.img",
    ),
    (
        "a.vdi",
        64,
        b"\x7f\x10\xda\xbe",
        "is in the format vdi, and is taken byte by byte as it is",
        "qemu-img convert -O raw [tmp]/vm/a.vdi [tmp]/vm/a.img",
    ),
    (
        "a.img.gz",
        0,
        b"\x1f\x8b\x08\x08",
        "is packed (gz), and is taken byte by byte as it is",
        "gzip -d [tmp]/vm/a.img.gz",
    ),
    ("a.img.xz", 0, b"\xfd7zXZ\0", "is packed (xz), and is taken byte by byte as it is", "xz -d [tmp]/vm/a.img.xz"),
    (
        "a.img",
        0,
        b"\xfd7zXZ\0",
        "is packed (xz), and is taken byte by byte as it is",
        "xz -dc < [tmp]/vm/a.img > [tmp]/vm/a.img.raw",
    ),
    ("a.zst", 0, b"\x28\xb5\x2f\xfd", "is packed (zst), and is taken byte by byte as it is", "zstd -d [tmp]/vm/a.zst"),
    ("a.bz2", 0, b"BZh9", "is packed (bz2), and is taken byte by byte as it is", "bzip2 -d [tmp]/vm/a.bz2"),
    ("a.ova", 257, b"ustar", "is packed (tar), and is taken byte by byte as it is", "tar -xf [tmp]/vm/a.ova"),
    ("a.sh", 0, b"#!/bin/sh\n", "is a script", "name the image that it makes"),
    ("a.img", 0, b"<!DOCTYPE html>", "is a page of the web", "fetch the file anew: that is what a server said"),
    (
        "a.iso",
        0x8001,
        b"CD001",
        "is a CD (ISO 9660), and the guest would write to it",
        "ahci_cd(\"[tmp]/vm/a.iso\") is a CD, and `ro: true` a disk that is only read",
    ),
];

/// The way out for a disk whose guest wrote what it begins with.
const RAW: &str = "; if the guest wrote what it begins with, say `format: \"raw\"`";

#[test]
fn a_disk_that_is_none_as_it_is_is_refused_with_the_command_that_makes_one() {
    for (name, at, mark, what, way_out) in DISKS {
        let host = host();
        let bytes = [vec![0; *at], mark.to_vec(), vec![0; 4096]].concat();
        fs::write(host.path("vm").join(name), &bytes).unwrap();
        let path = format!("[tmp]/vm/{name}");
        recipe(&host, ROM, &format!("nvme(\"{path}\")"));
        let expected = (1, format!("error: {path} {what}"), format!("{way_out}{RAW}"));
        assert_eq!(said(&host, &["run", "lab.rhai"]), expected);
        for slot in ["ahci_hd(\"PATH\", #{ ro: true })", "ahci([#{ cd: \"PATH\" }])"] {
            recipe(&host, ROM, &slot.replace("PATH", &path));
            let (_, first, last) = said(&host, &["plan", "lab.rhai"]);
            // A CD is for reading.
            let is_read = *name == "a.iso";
            assert_eq!((first == expected.1, last == expected.2), (!is_read, !is_read), "{first} {last}");
        }
        for slot in ["nvme(\"PATH\", #{ format: \"raw\" })", "ahci([#{ hd: \"PATH\", format: \"raw\" }])"] {
            recipe(&host, ROM, &slot.replace("PATH", &path));
            let done = host.run(&["plan", "lab.rhai"]);
            assert!(done.code == 0 && !done.stdout.contains("format"), "{done:?}");
        }
        assert_eq!(fs::read(host.path("vm").join(name)).unwrap(), bytes);
    }
}

#[test]
fn a_qcow2_disk_is_told_at_its_place() {
    let host = host();
    fs::write(host.path("vm/cloud.qcow2"), b"QFI\xfb\0\0\0\x03").unwrap();
    recipe(&host, ROM, "nvme(\"[tmp]/vm/cloud.qcow2\")");
    same(
        &host.run(&["plan", "lab.rhai"]).stderr,
        "
error: [tmp]/vm/cloud.qcow2 is in the format qcow2, and is taken byte by byte as it is
 --> lab.rhai:3:44
  |
3 |     slots: #{ \"0\": hostbridge(), \"3\": nvme(\"[tmp]/vm/cloud.qcow2\"), \"31\": lpc() },
  |                                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = hint: qemu-img convert -O raw [tmp]/vm/cloud.qcow2 [tmp]/vm/cloud.img; if the guest wrote what it begins with, say `format: \"raw\"`
",
    );
}

#[test]
fn what_the_recipe_writes_itself_counts_and_not_what_was_there() {
    let host = host();
    fs::write(host.path("vm/boot.img"), b"\xfd7zXZ\0").unwrap();
    recipe(&host, ROM, "virtio_blk(\"[tmp]/vm/boot.img\")");
    let text = fs::read_to_string(host.path("lab.rhai")).unwrap();
    fs::write(host.path("seed.txt"), "local-hostname: a\n").unwrap();
    host.write("lab.rhai", &format!("write_file(\"[tmp]/vm/boot.img\", \"x\");\n{text}"));
    assert_eq!(host.run(&["plan", "lab.rhai"]).code, 0);
}

#[test]
fn a_folder_is_no_disk_no_cd_no_firmware_and_no_file_that_is_made() {
    let host = host();
    for (firmware, slot, hint) in [
        (ROM, "ahci_cd(\"[tmp]/vm\")", "name the image in it"),
        (ROM, "virtio_blk(\"[tmp]/vm\")", "name the disk image in it, or a device"),
        ("bootrom(\"[tmp]/vm\")", "virtio_rnd()", "name the firmware's file in it"),
        ("bootrom(\"[tmp]/vm/rom.fd\", #{ vars: \"[tmp]/vm\" })", "virtio_rnd()", "name the firmware's file in it"),
    ] {
        recipe(&host, firmware, slot);
        let (_, first, last) = said(&host, &["plan", "lab.rhai"]);
        assert_eq!((first.as_str(), last.as_str()), ("error: [tmp]/vm is a folder", hint), "{slot}");
    }
    for line in [
        "truncate(\"[tmp]/vm\", 1.GiB);",
        "write_file(\"[tmp]/vm\", \"x\");",
        "cloud_seed(\"[tmp]/vm\", #{ user_data: \"#cloud-config\\n\", meta_data: \"instance-id: a\\n\" });",
    ] {
        host.write("lab.rhai", line);
        let (_, first, last) = said(&host, &["plan", "lab.rhai"]);
        assert_eq!((first.as_str(), last.as_str()), ("error: [tmp]/vm is a folder", "name the file in it"), "{line}");
    }
}

#[test]
fn firmware_is_not_empty_not_packed_and_no_disk_of_another_form() {
    let host = host();
    for (bytes, what, hint) in [
        (
            &b""[..],
            "error: the firmware's code [tmp]/vm/x.fd is empty",
            "copy the file anew that came with the firmware",
        ),
        (
            b"QFI\xfb\0\0\0\x03",
            "error: [tmp]/vm/x.fd is in the format qcow2, and is taken byte by byte as it is",
            "qemu-img convert -O raw [tmp]/vm/x.fd [tmp]/vm/x.img",
        ),
        (b"#!/bin/sh", "error: [tmp]/vm/x.fd is a script", "name the image that it makes"),
    ] {
        fs::write(host.path("vm/x.fd"), bytes).unwrap();
        recipe(&host, "bootrom(\"[tmp]/vm/x.fd\")", "virtio_rnd()");
        let (_, first, last) = said(&host, &["plan", "lab.rhai"]);
        assert_eq!((first.as_str(), last.as_str()), (what, hint));
        let of_vars = what.replace("'s code", "'s variables");
        recipe(&host, "bootrom(\"[tmp]/vm/rom.fd\", #{ vars: \"[tmp]/vm/x.fd\" })", "virtio_rnd()");
        let (_, first, last) = said(&host, &["plan", "lab.rhai"]);
        assert_eq!((first, last.as_str()), (of_vars, hint));
    }
}

#[test]
fn a_pipe_in_the_place_of_a_disk_is_not_opened() {
    let host = host();
    assert!(std::process::Command::new("mkfifo").arg(host.path("vm/pipe")).status().unwrap().success());
    recipe(&host, ROM, "virtio_blk(\"[tmp]/vm/pipe\")");
    assert_eq!(host.run(&["plan", "lab.rhai"]).code, 0);
}

//! Boot images, as sgdisk, fsck.fat and mtools read and make them.

use crate::boot_images::{done, host};
use crate::tools::{need, tool};
use std::fs;

/// Image sizes at the borders of the kinds of FAT, with the volume's kind.
const SIZES: &[(&str, &str)] =
    &[("1M", "FAT12"), ("4M", "FAT12"), ("16M", "FAT12"), ("17M", "FAT16"), ("512M", "FAT16"), ("513M", "FAT32")];

#[test]
fn other_programs_find_nothing_wrong_with_any_size() {
    need(&["sgdisk", "fsck.fat", "mdir", "mtype"]);
    let sandbox = host();
    for (size, kind) in SIZES {
        let line =
            format!("image ipxe a.img --loader x64.efi --loader aa64.efi --file EFI/größe.png=logo.png --size {size}");
        done(&sandbox, &line);
        let image = sandbox.path("a.img").display().to_string();
        let checked = tool("sgdisk", &["-v", &image]);
        assert!(checked.contains("No problems found") && !checked.contains("aution"), "{checked}");
        assert!(tool("sgdisk", &["-i", "1", &image]).contains("(EFI system partition)"));
        let volume = sandbox.path("volume.img");
        let end: u64 = field(&tool("sgdisk", &["-i", "1", &image]), "Last sector: ");
        tool("dd", &[&format!("if={image}"), &format!("of={}", volume.display()), "bs=4096", "skip=5", "conv=sparse"]);
        fs::File::options().write(true).open(&volume).unwrap().set_len((end + 1 - 40) * 512).unwrap();
        let checked = tool("fsck.fat", &["-n", "-v", &volume.display().to_string()]);
        let bits = kind.trim_start_matches("FAT");
        assert!(
            checked.contains(&format!("{bits} bit entries")) || checked.contains(&format!("{bits} bits/entry")),
            "{checked}"
        );
        assert!(done(&sandbox, "image inspect a.img").contains(&format!("\n  {kind}, ")));
        let at = format!("{image}@@20480");
        let listed = tool("mdir", &["-/", "-b", "-i", &at, "::"]);
        let folders = "::/EFI/\n::/autoexec.ipxe\n::/EFI/Boot/\n::/EFI/größe.png\n";
        assert_eq!(listed, format!("{folders}::/EFI/Boot/BootX64.efi\n::/EFI/Boot/BootAA64.efi\n"));
        assert_eq!(tool("mtype", &["-i", &at, "::/EFI/größe.png"]), "logo");
    }
}

fn field<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str, name: &str) -> T {
    let rest = text.split(name).nth(1).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn an_image_of_other_programs_is_shown_as_well() {
    need(&["sgdisk", "mformat", "mmd", "mcopy"]);
    let sandbox = host();
    let image = sandbox.path("other.img").display().to_string();
    fs::File::create(&image).unwrap().set_len(4 << 20).unwrap();
    let guids = ["-u", "1:a86e2b94-73d1-4f05-8c1b-e94d50f7263c", "-U", "5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590"];
    tool(
        "sgdisk",
        &[&["-a", "8", "-n", "1:0:0", "-t", "1:ef00", "-c", "1:made by hand"], &guids[..], &[&image]].concat(),
    );
    let at = format!("{image}@@20480");
    tool("mformat", &["-i", &at, "-T", "8119", "-h", "1", "-s", "1", "-N", "1bfe2021", "-v", "EFISYS", "::"]);
    tool("mmd", &["-i", &at, "::/EFI", "::/EFI/BOOT"]);
    let file = |name: &str| sandbox.path(name).display().to_string();
    tool("mcopy", &["-m", "-i", &at, &file("x64.efi"), "::/EFI/BOOT/BOOTX64.EFI"]);
    tool("mcopy", &["-m", "-i", &at, &file("boot.ipxe"), "::/autoexec.ipxe"]);
    let shown = done(&sandbox, "image inspect other.img");
    // What is not ours to say: times, and how mformat divides.
    let lines: Vec<&str> = shown.lines().map(|line| line.split("  20").next().unwrap()).collect();
    assert_eq!(lines[0], "size 4M, GPT 5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590");
    assert_eq!(
        lines[1],
        "partition 1: EFI system, sectors 40 to 8158, \"made by hand\", a86e2b94-73d1-4f05-8c1b-e94d50f7263c"
    );
    assert!(lines[2].starts_with("  FAT12, label \"EFISYS\", serial 1BFE-2021, "), "{shown}");
    assert_eq!(lines[3..5], ["  EFI/", "  EFI/BOOT/"]);
    assert!(lines[5].starts_with("  EFI/BOOT/BOOTX64.EFI"), "{shown}");
    assert!(lines[6].starts_with("  autoexec.ipxe"), "{shown}");
    assert_eq!(
        lines[7..],
        ["  the script that iPXE runs:", "    #!ipxe", "    chain http://{{server}}/{{port}} || shell"]
    );
}

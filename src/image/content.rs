//! What a file is by its first bytes, where a machine would take it for a disk, a CD or firmware.

/// How much of a file is looked at, in bytes: whole sectors of 4 KiB, as devices are read, and past the mark of ISO 9660.
pub(crate) const HEAD: usize = 36 << 10;

/// What a file is that is no disk as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A disk in the form of another program, by qemu-img(1)'s name for it.
    Disk(&'static str),
    /// Something that is packed: in which form, and what unpacks it.
    Packed(&'static str, &'static str),
    /// A CD: ISO 9660.
    Iso,
    /// A program that an interpreter runs.
    Script,
    /// A page of the web, as a server sends it in the place of a file.
    Page,
}

/// Where a mark stands, the mark, and what has it.
///
/// QEMU's block drivers (qcow2.c, vmdk.c, vhdx.c, vdi.c, vpc.c, qed.c, parallels.c), RFC 1952, xz-file-format.txt, RFC 8878,
/// bzip2's manual, lz4_Frame_format.md, 7zFormat.txt, APPNOTE.TXT of PKWARE, tar(5), ECMA-119.
const MARKS: &[(usize, &[u8], Content)] = &[
    (0, b"QFI\xfb\0\0\0\x01", Content::Disk("qcow")),
    (0, b"QFI\xfb", Content::Disk("qcow2")),
    (0, b"KDMV", Content::Disk("vmdk")),
    (0, b"COWD", Content::Disk("vmdk")),
    (0, b"# Disk DescriptorFile", Content::Disk("vmdk")),
    (0, b"vhdxfile", Content::Disk("vhdx")),
    (0, b"conectix", Content::Disk("vpc")),
    (0, b"QED\0", Content::Disk("qed")),
    (0, b"WithoutFreeSpace", Content::Disk("parallels")),
    (0, b"WithouFreSpacExt", Content::Disk("parallels")),
    (64, b"\x7f\x10\xda\xbe", Content::Disk("vdi")),
    (0, b"\x1f\x8b\x08", Content::Packed("gz", "gzip -d")),
    (0, b"\xfd7zXZ\0", Content::Packed("xz", "xz -d")),
    (0, b"\x28\xb5\x2f\xfd", Content::Packed("zst", "zstd -d")),
    (0, b"BZh", Content::Packed("bz2", "bzip2 -d")),
    (0, b"\x04\x22\x4d\x18", Content::Packed("lz4", "lz4 -d")),
    (0, b"7z\xbc\xaf\x27\x1c", Content::Packed("7z", "7z x")),
    (0, b"PK\x03\x04", Content::Packed("zip", "unzip")),
    (257, b"ustar", Content::Packed("tar", "tar -xf")),
    (0, b"#!", Content::Script),
    (0, b"<!DOCTYPE html", Content::Page),
    (0, b"<!doctype html", Content::Page),
    (0, b"<html", Content::Page),
    (0x8001, b"CD001", Content::Iso),
];

/// Returns what a file is that begins so; nothing of what may be a disk as it is.
pub(crate) fn content(head: &[u8]) -> Option<Content> {
    let has = |(at, mark, _): &&(usize, &[u8], Content)| head.get(*at..).is_some_and(|rest| rest.starts_with(mark));
    MARKS.iter().find(has).map(|(_, _, content)| *content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_disk_is_known_by_its_mark() {
        for (at, mark, expected) in MARKS {
            let head = [vec![0; *at], mark.to_vec(), vec![0; 512]].concat();
            assert_eq!(content(&head), Some(*expected));
            // A mark that is cut off is none.
            let (cut, _) = head.split_at(at + mark.len() - 1);
            assert!(content(cut) != Some(*expected) || *expected == Content::Disk("qcow2"), "{mark:?}");
            assert!(at + mark.len() <= HEAD);
        }
        for disk in [&b""[..], &vec![0; HEAD], b"\xeb\x63\x90", b"LUKS\xba\xbe\0\x02", b"EFI PART"] {
            assert_eq!(content(disk), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(head in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = content(&head);
        }
    }
}

//! Images of which disks are made: in which format one is, how large the disk in it is, and whether it names other files. What a header
//! says is not believed further than that.
//!
//! docs/interop/qcow2.txt of QEMU, VMware's Virtual Disk Format 5.0, MS-VHDX 2.

use super::content::{Content, content};
use crate::diag::Fault;

/// How much of a file is looked at, in bytes: VHDX has what counts within its first 4 MiB.
pub(crate) const BEGINNING: usize = 4 << 20;

/// In which form an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceForm {
    /// Byte by byte as it is.
    Raw,
    /// A format of another program, by qemu-img(1)'s name for it.
    Format(&'static str),
    /// Packed: the program that unpacks it to its standard output, with `-dc`.
    Packed(&'static str),
}

/// The forms of which a disk is made, by qemu-img(1)'s name and what they are packed in.
pub(crate) const FORMS: [(&str, SourceForm); 8] = [
    ("qcow2", SourceForm::Format("qcow2")),
    ("vmdk", SourceForm::Format("vmdk")),
    ("vhdx", SourceForm::Format("vhdx")),
    ("raw", SourceForm::Raw),
    ("raw.xz", SourceForm::Packed("xz")),
    ("raw.gz", SourceForm::Packed("gzip")),
    ("raw.zst", SourceForm::Packed("zstd")),
    ("raw.bz2", SourceForm::Packed("bzip2")),
];

/// An image, as its beginning tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// In which form it is.
    pub form: SourceForm,
    /// How large the disk is that it makes, in bytes; nothing where only unpacking tells.
    pub size: Option<u64>,
}

/// Reads the beginning of a file of so many bytes.
pub(crate) fn source(head: &[u8], length: u64) -> Result<Source, Fault> {
    let of = |form, size| Ok(Source { form, size });
    match content(head) {
        None | Some(Content::Iso) => of(SourceForm::Raw, Some(length)),
        Some(Content::Packed("xz", _)) => of(SourceForm::Packed("xz"), None),
        Some(Content::Packed("gz", _)) => of(SourceForm::Packed("gzip"), None),
        Some(Content::Packed("zst", _)) => of(SourceForm::Packed("zstd"), None),
        Some(Content::Packed("bz2", _)) => of(SourceForm::Packed("bzip2"), None),
        Some(Content::Packed(form, program)) => {
            Err(Fault::new(format!("is packed as {form}")).hint(format!("`{program}` unpacks it")))
        }
        Some(Content::Disk("qcow2")) => of(SourceForm::Format("qcow2"), Some(qcow2(head)?)),
        Some(Content::Disk("vmdk")) => of(SourceForm::Format("vmdk"), Some(vmdk(head)?)),
        Some(Content::Disk("vhdx")) => of(SourceForm::Format("vhdx"), Some(vhdx(head)?)),
        Some(Content::Disk(format)) => {
            let hint = format!("qemu-img convert -f {format} -O qcow2 makes one of it that is known here");
            Err(Fault::new(format!("is in the format {format}")).hint(hint))
        }
        Some(Content::Script) => Err(Fault::new("is a script").hint("name the image that it makes")),
        Some(Content::Page) => {
            Err(Fault::new("is a page of the web").hint("fetch the image anew: that is what a server said"))
        }
    }
}

fn bytes<const N: usize>(head: &[u8], at: u64) -> Result<[u8; N], Fault> {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    let part = head.get(at..).and_then(|rest| rest.first_chunk());
    part.copied().ok_or_else(|| Fault::new("ends before its header does").hint("fetch the image anew"))
}

fn names(what: &str) -> Fault {
    let fault = Fault::new(format!("names another file, as its {what}, which would be read in its place"));
    fault.hint("make one of both where they are: qemu-img convert -O qcow2 IMAGE WHOLE.qcow2")
}

fn qcow2(head: &[u8]) -> Result<u64, Fault> {
    let version = u32::from_be_bytes(bytes(head, 4)?);
    if u64::from_be_bytes(bytes(head, 8)?) != 0 || u32::from_be_bytes(bytes(head, 16)?) != 0 {
        return Err(names("backing file"));
    }
    // Bit 2: the guest's data are in a file of their own.
    if version >= 3 && u64::from_be_bytes(bytes(head, 72)?) & 4 != 0 {
        return Err(names("data file"));
    }
    if u32::from_be_bytes(bytes(head, 32)?) != 0 {
        return Err(Fault::new("is encrypted").hint("decrypt it where its key is: qemu-img convert"));
    }
    Ok(u64::from_be_bytes(bytes(head, 24)?))
}

/// A sector of VMware's.
const SECTOR: u64 = 512;

/// Where QEMU reads the name of a parent, whatever the header says, and how far it reads (vmdk.c, desc_offset and DESC_SIZE).
const DESCRIPTION: u64 = SECTOR;
const DESCRIPTION_LENGTH: u64 = 20 * SECTOR;

fn vmdk(head: &[u8]) -> Result<u64, Fault> {
    if !head.starts_with(b"KDMV") {
        // A description alone, or a disk of ESX in several files.
        return Err(names("extents"));
    }
    let number = |at| Ok::<u64, Fault>(u64::from_le_bytes(bytes(head, at)?));
    let (capacity, at, length) = (number(12)?, number(28)?, number(36)?);
    if capacity == 0 {
        // QEMU reads such a one by its description alone, as if that was a file of its own.
        return Err(names("extents"));
    }
    let text = |at: u64, length: u64| {
        let [begin, length] = [at, length].map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let text = head.get(begin..).map(|rest| rest.get(..length).unwrap_or(rest)).unwrap_or_default();
        described(&String::from_utf8_lossy(text))
    };
    text(at.saturating_mul(SECTOR), length.saturating_mul(SECTOR))?;
    text(DESCRIPTION, DESCRIPTION_LENGTH)?;
    Ok(capacity.saturating_mul(SECTOR))
}

/// Refuses a description that names another file.
fn described(text: &str) -> Result<(), Fault> {
    let is_extent = |line: &&str| ["RW ", "RDONLY ", "NOACCESS "].iter().any(|access| line.starts_with(access));
    if text.split(['\n', '\0']).map(str::trim).filter(is_extent).count() > 1 {
        return Err(names("extents"));
    }
    // Who reads it takes what stands after a key wherever that is, in a comment, too.
    let is_each = |key: &str, known: &[&str]| {
        text.match_indices(key).all(|(at, _)| {
            let rest = text.get(at + key.len()..).unwrap_or_default().trim_start().strip_prefix('=');
            let value =
                rest.map(|rest| rest.trim_start().trim_start_matches('"').split(['"', '\r', '\n', '\0']).next());
            value.flatten().is_none_or(|value| known.iter().any(|one| one.eq_ignore_ascii_case(value.trim())))
        })
    };
    if text.contains("parentFileNameHint") || !is_each("parentCID", &["ffffffff"]) {
        return Err(names("parent"));
    }
    if !is_each("createType", &["monolithicSparse", "streamOptimized"]) {
        return Err(names("extents"));
    }
    Ok(())
}

/// Where the first table of regions is (MS-VHDX 2.2.3), and what is looked for, by GUIDs as they stand in the file.
const REGIONS: u64 = 192 << 10;
const METADATA: [u8; 16] = *b"\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e";
const PARAMETERS: [u8; 16] = *b"\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b";
const DISK_SIZE: [u8; 16] = *b"\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8";

fn vhdx(head: &[u8]) -> Result<u64, Fault> {
    let lost = || Fault::new("has no table that tells how large it is").hint("fetch the image anew");
    let find = |table: u64, count: u64, guid: [u8; 16]| {
        let mut places = (0..count.min(2048)).map(|number| table + 32 * number);
        places.find(|at| bytes::<16>(head, *at).is_ok_and(|found| found == guid)).ok_or_else(lost)
    };
    let regions = u64::from(u32::from_le_bytes(bytes(head, REGIONS + 8)?));
    let region = find(REGIONS + 16, regions, METADATA)?;
    let metadata = u64::from_le_bytes(bytes(head, region + 16)?);
    let items = u64::from(u16::from_le_bytes(bytes(head, metadata.saturating_add(10))?));
    let item = |guid| {
        let entry = find(metadata + 32, items, guid)?;
        Ok::<u64, Fault>(metadata + u64::from(u32::from_le_bytes(bytes(head, entry + 16)?)))
    };
    let flags = u32::from_le_bytes(bytes(head, item(PARAMETERS)? + 4)?);
    if flags & 2 != 0 {
        return Err(names("parent"));
    }
    Ok(u64::from_le_bytes(bytes(head, item(DISK_SIZE)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(head: &[u8]) -> String {
        source(head, head.len() as u64).map_or_else(|fault| fault.message, |source| format!("{source:?}"))
    }

    fn header(version: u32, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut head = vec![0; 112];
        head[..4].copy_from_slice(b"QFI\xfb");
        head[4..8].copy_from_slice(&version.to_be_bytes());
        head[24..32].copy_from_slice(&(2_u64 << 30).to_be_bytes());
        change(&mut head);
        head
    }

    #[test]
    fn an_image_that_names_another_file_is_none_to_make_a_disk_of() {
        let whole = Source { form: SourceForm::Format("qcow2"), size: Some(2 << 30) };
        assert_eq!(source(&header(3, |_| ()), 0), Ok(whole));
        let other = |what: &str| format!("names another file, as its {what}, which would be read in its place");
        assert_eq!(message(&header(2, |head| head[15] = 8)), other("backing file"));
        assert_eq!(message(&header(3, |head| head[19] = 8)), other("backing file"));
        assert_eq!(message(&header(3, |head| head[79] = 4)), other("data file"));
        assert_eq!(message(&header(3, |head| head[35] = 2)), "is encrypted");
        assert_eq!(message(&header(3, |head| head.truncate(20))), "ends before its header does");
        assert_eq!(message(b"# Disk DescriptorFile\nRW 2048 FLAT \"/etc/passwd\" 0\n"), other("extents"));
        let described = |text: &str| {
            let mut head = vec![0; 1024];
            head[..4].copy_from_slice(b"KDMV");
            head[12] = 16;
            (head[28], head[36]) = (1, 1);
            head[512..512 + text.len()].copy_from_slice(text.as_bytes());
            message(&head)
        };
        let sparse = "parentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW 16 SPARSE \"a.vmdk\"\n";
        assert_eq!(described(sparse), "Source { form: Format(\"vmdk\"), size: Some(8192) }");
        assert_eq!(described(&sparse.replace("ffffffff", "01234567")), other("parent"));
        assert_eq!(described(&sparse.replace("monolithicSparse", "twoGbMaxExtentSparse")), other("extents"));
        assert_eq!(described(&(sparse.to_string() + "RW 16 SPARSE \"b.vmdk\"\n")), other("extents"));
    }

    /// What qemu-img 7.2 was seen to read: a comment, a description that the header does not name, and an image without a size.
    #[test]
    fn a_file_that_qemu_would_read_is_found_wherever_its_name_is_hidden() {
        let sparse = "parentCID=ffffffff\ncreateType=\"monolithicSparse\"\nRW 16 SPARSE \"a.vmdk\"\n";
        let image = |capacity: u8, at: u8, named: &str, usual: &str| {
            let mut head = vec![0; 40 * 512];
            head[..4].copy_from_slice(b"KDMV");
            (head[12], head[28], head[36]) = (capacity, at, 1);
            head[512..512 + usual.len()].copy_from_slice(usual.as_bytes());
            let begin = usize::from(at) * 512;
            head[begin..begin + named.len()].copy_from_slice(named.as_bytes());
            message(&head)
        };
        let other = |what| format!("names another file, as its {what}, which would be read in its place");
        assert_eq!(image(16, 30, sparse, sparse), "Source { form: Format(\"vmdk\"), size: Some(8192) }");
        for (hidden, what) in [
            ("#parentFileNameHint=\"/etc/master.passwd\"\n", "parent"),
            ("x = parentFileNameHint\n", "parent"),
            ("# parentCID=01234567\n", "parent"),
            ("# createType=\"monolithicFlat\"\n", "extents"),
            ("xcreateType = \"vmfs\"\n", "extents"),
        ] {
            let text = hidden.to_string() + sparse;
            assert_eq!(image(16, 1, &text, ""), other(what), "{hidden}");
            assert_eq!(image(16, 30, sparse, &text), other(what), "{hidden}");
        }
        assert_eq!(image(0, 1, sparse, ""), other("extents"));
    }

    #[test]
    fn what_is_no_image_of_a_disk_is_told() {
        assert_eq!(message(b"conectix"), "is in the format vpc");
        assert_eq!(message(b"PK\x03\x04"), "is packed as zip");
        assert_eq!(message(b"#!/bin/sh"), "is a script");
        assert_eq!(message(b"<html>"), "is a page of the web");
        assert_eq!(message(b"vhdxfile"), "ends before its header does");
        assert_eq!(source(&[0; 512], 1 << 20), Ok(Source { form: SourceForm::Raw, size: Some(1 << 20) }));
        assert_eq!(message(b"\xfd7zXZ\0"), "Source { form: Packed(\"xz\"), size: None }");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mark in 0_usize..4, rest in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mark: &[u8] = [&b"QFI\xfb\0\0\0\x03"[..], b"KDMV", b"vhdxfile", b""][mark];
            let _ = source(&[mark, &rest].concat(), 0);
        }
    }
}

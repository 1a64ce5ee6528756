//! What an image is like, apart from what is in it: size, alignment, label, identity, time.

use super::fat::{Label, Time};
use super::{GIB, KIB, MIB, SECTOR, amount, grouped};
use crate::diag::Fault;
use uuid::{Builder, Uuid};
use xxhash_rust::xxh3::Xxh3;

/// The size of an image unless another is asked for: 4 MiB, four times as much as the largest iPXE needs.
pub(crate) const DEFAULT_SIZE: u64 = 4 * MIB;
/// Where `gpart add -a 4k` and `sgdisk -a 8` begin partitions.
const DEFAULT_ALIGNMENT: u64 = 4 * KIB;
pub(super) const SMALLEST: u64 = MIB;
/// FAT counts the sectors of a volume in 32 bits.
pub(super) const LARGEST: u64 = 2048 * GIB;

/// The size of an image and what it says of itself. All but the size has a default that nobody need change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageForm {
    /// The size of the disk in bytes: a multiple of 512 from 1 MiB to 2 TiB.
    pub size: u64,
    /// Of what the partition begins and ends at a multiple, in bytes.
    pub alignment: u64,
    /// The label of the volume, and the name of the partition.
    pub label: Label,
    /// The GUID of the disk; else it is made of what is in the image.
    pub guid: Option<Uuid>,
    /// The time that all files have.
    pub time: Time,
}

impl Default for ImageForm {
    fn default() -> Self {
        let (label, time) = (Label::default(), Time::default());
        Self { size: DEFAULT_SIZE, alignment: DEFAULT_ALIGNMENT, label, guid: None, time }
    }
}

/// Says whether there may be an image of that many bytes.
pub(crate) fn check_size(size: u64) -> Result<(), Fault> {
    let sector = u64::from(SECTOR);
    if size < SMALLEST {
        return Err(Fault::new(format!("a boot image of {} is too small", amount(size))).hint(format!(
            "the smallest is {}, usual are {}",
            amount(SMALLEST),
            amount(DEFAULT_SIZE)
        )));
    }
    if size > LARGEST {
        return Err(Fault::new(format!("a boot image of {} is too large", amount(size))).hint(format!(
            "the largest is {}, usual are {}",
            amount(LARGEST),
            amount(DEFAULT_SIZE)
        )));
    }
    if !size.is_multiple_of(sector) {
        return Err(Fault::new(format!("a boot image of {} does not end with a whole sector", amount(size)))
            .hint(format!("ask for {}, a multiple of {sector}", amount(size.next_multiple_of(sector)))));
    }
    Ok(())
}

/// Says whether partitions may be aligned to that many bytes.
pub(crate) fn check_alignment(bytes: u64) -> Result<(), Fault> {
    if bytes.is_power_of_two() && (u64::from(SECTOR)..=64 * MIB).contains(&bytes) {
        return Ok(());
    }
    let fault = Fault::new(format!("nothing is aligned to {}", amount(bytes)));
    Err(fault.hint("write \"4k\" as for gpart, \"1M\", or another power of two from 512 to \"64M\""))
}

/// Reads a GUID.
pub(crate) fn guid(text: &str) -> Result<Uuid, Fault> {
    let none = || {
        let fault = Fault::new(format!("{text:?} is no GUID"));
        fault.hint("write it as \"5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590\", or leave it out")
    };
    // Not the other forms that there are: braces, `urn:uuid:`, no dashes.
    let given = Uuid::try_parse(text).ok().filter(|uuid| text.len() == 36 && !uuid.is_nil());
    given.ok_or_else(none)
}

/// Who an image is: what others tell disks, partitions and volumes apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) disk: Uuid,
    pub(super) partition: Uuid,
    pub(super) serial: u32,
}

/// Returns a digest of what is in an image: of its form and its files, each with its length.
fn digest<'a>(form: &ImageForm, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> u128 {
    let mut hash = Xxh3::new();
    let mut add = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(&form.size.to_le_bytes());
    add(&form.alignment.to_le_bytes());
    add(form.label.as_str().as_bytes());
    add(form.time.to_string().as_bytes());
    for (path, content) in files {
        add(path.as_bytes());
        add(content);
    }
    hash.digest128()
}

impl Identity {
    /// Makes it of what is in the image, by XXH3, so that the same input has the same identity and another input another one.
    /// It proves nothing: who wants to know whether two images are the same compares their bytes.
    pub(super) fn of<'a>(form: &ImageForm, files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let disk = form.guid.unwrap_or_else(|| made(digest(form, files)));
        // What is on the disk follows from the disk.
        let derived = |what: &str| {
            let mut hash = Xxh3::new();
            hash.update(disk.as_bytes());
            hash.update(what.as_bytes());
            hash
        };
        let serial = derived("volume").digest().to_le_bytes();
        Self {
            disk,
            partition: made(derived("partition").digest128()),
            serial: u32::from_le_bytes([serial[0], serial[1], serial[2], serial[3]]),
        }
    }
}

/// Makes a GUID of version 8, which is for those that are made in one's own way (RFC 9562, 5.8).
fn made(hash: u128) -> Uuid {
    Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}

/// Returns a volume's serial number as it is shown everywhere.
pub(super) fn serial(number: u32) -> String {
    format!("{:04X}-{:04X}", number >> 16, number & 0xffff)
}

/// Returns bytes as `1,234 bytes`.
pub(super) fn bytes(number: u64) -> String {
    if number == 1 { "1 byte".into() } else { format!("{} bytes", grouped(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_no_image_has_is_a_fault() {
        let smallest = "the smallest is 1M, usual are 4M";
        let largest = "the largest is 2T, usual are 4M";
        let cases = [
            (0, "a boot image of 0 bytes is too small", smallest),
            (4, "a boot image of 4 bytes is too small", smallest),
            (1000 * KIB, "a boot image of 1000K is too small", smallest),
            (
                4_000_001,
                "a boot image of 4,000,001 bytes does not end with a whole sector",
                "ask for 4,000,256 bytes, a multiple of 512",
            ),
            (
                4 * MIB - 1,
                "a boot image of 4,194,303 bytes does not end with a whole sector",
                "ask for 4M, a multiple of 512",
            ),
            (LARGEST + 512, "a boot image of 2,199,023,256,064 bytes is too large", largest),
            (2 * LARGEST, "a boot image of 4T is too large", largest),
            (u64::MAX, "a boot image of 18,446,744,073,709,551,615 bytes is too large", largest),
        ];
        for (size, message, hint) in cases {
            assert_eq!(check_size(size), Err(Fault::new(message).hint(hint)));
        }
    }

    #[test]
    fn an_alignment_is_a_power_of_two() {
        for bytes in [512, 4 * KIB, MIB, 64 * MIB] {
            assert_eq!(check_alignment(bytes), Ok(()));
        }
        let hint = "write \"4k\" as for gpart, \"1M\", or another power of two from 512 to \"64M\"";
        for (bytes, message) in [
            (0, "nothing is aligned to 0 bytes"),
            (256, "nothing is aligned to 256 bytes"),
            (3 * KIB, "nothing is aligned to 3K"),
            (128 * MIB, "nothing is aligned to 128M"),
        ] {
            assert_eq!(check_alignment(bytes), Err(Fault::new(message).hint(hint)));
        }
    }

    #[test]
    fn a_guid_is_written_in_the_usual_way() {
        assert!(guid("5D1F7C3A-0b62-4c8e-9f47-6a2e81d3b590").is_ok());
        let hint = "write it as \"5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590\", or leave it out";
        for text in ["", "5d1f7c3a0b624c8e9f476a2e81d3b590", "00000000-0000-0000-0000-000000000000", "x"] {
            assert_eq!(guid(text), Err(Fault::new(format!("{text:?} is no GUID")).hint(hint)));
        }
    }

    #[test]
    fn whatever_is_in_an_image_decides_who_it_is() {
        let of =
            |form: &ImageForm, path: &str, content: &str| Identity::of(form, [(path, content.as_bytes())].into_iter());
        let usual = ImageForm::default();
        let first = of(&usual, "a", "b");
        assert_eq!(first, of(&usual, "a", "b"));
        assert_eq!(first.disk.to_string(), "dcf7d99d-9937-81d6-9524-e496c8c364ae");
        let label = "OTHER".parse().unwrap();
        let others = [
            of(&usual, "ab", ""),
            of(&usual, "a", "c"),
            of(&ImageForm { size: 5 * MIB, ..usual.clone() }, "a", "b"),
            of(&ImageForm { label, ..usual.clone() }, "a", "b"),
            of(&ImageForm { time: "2026-01-31".parse().unwrap(), ..usual.clone() }, "a", "b"),
        ];
        for other in others {
            assert!(first.disk != other.disk && first.partition != other.partition && first.serial != other.serial);
        }
        let given = ImageForm { guid: guid("5d1f7c3a-0b62-4c8e-9f47-6a2e81d3b590").ok(), ..usual };
        assert_eq!(of(&given, "a", "b"), of(&given, "c", "d"));
    }
}

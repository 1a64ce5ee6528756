//! What is read of an export, and what is refused of it.

use super::super::manifest::tests::sample;
use super::super::{Writer, extents};
use super::*;
use proptest::prelude::*;

/// An export of the sample, whose first disk has some bytes and whose variables have others.
fn export() -> Vec<u8> {
    let manifest = sample();
    let texts = [b"let a = 1;\n\n".to_vec(), b"// \n".to_vec()];
    let mut writer = Writer::begin(Vec::new(), &manifest, &texts).unwrap();
    for number in 0..manifest.disks.len() {
        let mut sum = DiskSum::default();
        let window = if number == 1 { vec![0; BLOCK] } else { [vec![7; BLOCK], vec![0; BLOCK], vec![8; 100]].concat() };
        for range in extents(&window) {
            let (at, bytes) = (range.start as u64, &window[range]);
            sum.add(at, bytes);
            writer.extent(at, bytes).unwrap();
        }
        writer.end_disk(sum.finish());
    }
    writer.end().unwrap()
}

/// What is read of an export: its texts, and the parts of its disks.
fn read(bytes: &[u8]) -> Result<Vec<(u64, Vec<u8>)>, Fault> {
    let mut reader = Reader::new(bytes);
    let manifest = reader.manifest()?;
    let mut parts = Vec::new();
    for text in &manifest.texts {
        parts.push((0, reader.text(text)?));
    }
    for (number, disk) in manifest.disks.iter().enumerate() {
        while let Some(extent) = reader.extent(number + 1, disk)? {
            parts.push((extent.at, extent.bytes.to_vec()));
        }
    }
    reader.end()?;
    Ok(parts)
}

#[test]
fn an_export_is_read_as_it_was_written() {
    let far = 2 * BLOCK as u64;
    let lengths: Vec<(u64, usize)> = read(&export()).unwrap().iter().map(|(at, bytes)| (*at, bytes.len())).collect();
    assert_eq!(lengths, [(0, 12), (0, 4), (0, BLOCK), (far, 100), (0, BLOCK), (far, 100)]);
}

#[test]
fn an_export_that_is_cut_off_anywhere_is_known() {
    let whole = export();
    for length in (0..whole.len()).step_by(512) {
        let fault = read(&whole[..length]).unwrap_err();
        let expected = if length == 0 { "it is no export of vmrun" } else { "it is cut off: its end did not come" };
        assert_eq!(fault.message, expected, "{length}");
    }
    let more = [whole, vec![0; 512]].concat();
    assert_eq!(read(&more).unwrap_err().message, "it is damaged: there is something after its end");
}

#[test]
fn a_stream_has_no_gap_and_is_no_longer_than_one_of_its_volume_can_be() {
    let mut manifest = sample();
    manifest.disks[1].form = DiskForm::Sent;
    let disk = manifest.disks.remove(1);
    manifest.disks = vec![disk];
    let texts = [b"let a = 1;\n\n".to_vec(), b"// \n".to_vec()];
    let written = |parts: &[(u64, usize)]| {
        let mut writer = Writer::begin(Vec::new(), &manifest, &texts).unwrap();
        let mut sum = DiskSum::default();
        for (at, length) in parts {
            sum.add(*at, &vec![7; *length]);
            writer.extent(*at, &vec![7; *length]).unwrap();
        }
        writer.end_disk(sum.finish());
        read(&writer.end().unwrap()).map(|parts| parts.len() - texts.len()).map_err(|fault| fault.message)
    };
    let window = WINDOW as u64;
    assert_eq!(written(&[(0, WINDOW), (window, 100)]), Ok(2));
    let nowhere = "it is damaged: a part of disk 1 is where none can be";
    assert_eq!(written(&[(0, BLOCK), (window, 100)]), Err(nowhere.into()));
    assert_eq!(written(&[(window, 100)]), Err(nowhere.into()));
    let whole: Vec<(u64, usize)> = (0..24).map(|at| (at * window, WINDOW)).collect();
    assert_eq!(written(&whole), Ok(24));
    assert_eq!(written(&[whole, vec![(24 * window, 1)]].concat()), Err(nowhere.into()));
}

/// What a hostile export says of a part of a disk: its name, and how long it is.
fn with_part(name: &str, length: usize) -> String {
    let text = sample().text();
    let parts = [(MANIFEST, text.as_bytes()), ("texts/web.rhai", &[b' '; 12]), ("texts/lib/cards.rhai", &[b' '; 4])];
    let sums: String = parts.iter().map(|(name, bytes)| sum(name, bytes)).collect();
    let member = |name: &str, content: &[u8]| {
        let header = Header { name: name.into(), size: content.len() as u64 }.bytes().unwrap();
        let padding = content.len().next_multiple_of(UNIT) - content.len();
        [&header[..], content, &vec![0; padding]].concat()
    };
    let [manifest, one, other] = parts.map(|(name, bytes)| member(name, bytes));
    let texts = [manifest, member(SUMS, sums.as_bytes()), one, other].concat();
    read(&[texts, member(name, &vec![1; length])].concat()).unwrap_err().message
}

#[test]
fn a_part_of_a_disk_is_in_the_disk_and_comes_after_the_one_before() {
    let nowhere = "it is damaged: a part of disk 1 is where none can be";
    assert_eq!(with_part("disks/1/00000000000000000001", 10), nowhere);
    assert_eq!(with_part("disks/1/00000000000000000000", 0), nowhere);
    assert_eq!(with_part("disks/1/00000000000000000000", WINDOW + 1), nowhere);
    assert_eq!(with_part("disks/1/00000000000033554432", 10), nowhere);
    assert_eq!(
        with_part("disks/1/00000000000000000000", (1 << 20) + 1),
        "it is damaged: disk 1 has more than its manifest says"
    );
    assert_eq!(with_part("disks/1/18446744073709486080", BLOCK), nowhere);
    assert_eq!(with_part("disks/1/0000000000000000000x", 10), "it is damaged: a part of a disk has no place");
    assert_eq!(with_part("disks/1/0", 10), "it is damaged: a part of a disk has no place");
    assert_eq!(with_part("disks/4/0", 10), "it is damaged: there is something after its last disk");
    assert_eq!(with_part("disks/1/00000000000000000000", 10), "it is cut off: its end did not come");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_byte_that_is_flipped_is_found(at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut bytes = export();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let same = read(&bytes);
        // What fills up a unit is nobody's.
        let is_found = same.is_err() || same == read(&export());
        prop_assert!(is_found, "{at}");
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        prop_assert!(read(&bytes).is_err());
    }
}

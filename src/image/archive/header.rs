//! Headers of a tar: ustar, as POSIX.1-1988 has it (pax(1), "ustar Interchange Format"; tar(5)).

use super::FOLDER;
use crate::diag::Fault;

/// The unit of a tar, in bytes.
pub(super) const UNIT: usize = 512;

/// How long the name of a member may be, in bytes, beside that of the folder.
pub(super) const NAME: usize = 100;

/// The largest size of a member: what eleven octal digits hold.
const LARGEST: u64 = (1 << 33) - 1;

/// A member: its name in the folder, and how many bytes it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its name.
    pub(super) name: String,
    /// Its size, in bytes.
    pub(super) size: u64,
}

/// Where a field begins, and its length: name, mode, uid, gid, size, mtime, chksum, typeflag, magic with version, prefix.
const FIELDS: [(usize, usize); 10] =
    [(0, NAME), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (148, 8), (156, 1), (257, 8), (345, 155)];

/// The magic of ustar and its version.
const MAGIC: &[u8] = b"ustar\x0000";

/// Writes bytes into a field.
fn put(block: &mut [u8; UNIT], field: usize, bytes: &[u8]) {
    let (start, length) = FIELDS.get(field).copied().unwrap_or_default();
    let into = block.get_mut(start..start + length).unwrap_or_default();
    into.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

/// Returns a field without the NULs at its end.
fn field(block: &[u8; UNIT], field: usize) -> &[u8] {
    let (start, length) = FIELDS.get(field).copied().unwrap_or_default();
    let bytes = block.get(start..start + length).unwrap_or_default();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or_default()
}

/// Adds up a header; its own sum counts as blanks.
fn sum(block: &[u8; UNIT]) -> u32 {
    let (start, length) = (148, 8);
    let byte = |(at, byte): (usize, &u8)| if (start..start + length).contains(&at) { 32 } else { u32::from(*byte) };
    block.iter().enumerate().map(byte).sum()
}

fn octal(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?.trim_matches(' ');
    let is_number = !text.is_empty() && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    u64::from_str_radix(text, 8).ok().filter(|_| is_number)
}

impl Header {
    /// Returns its bytes. The same member has the same bytes: it is nobody's and of no time.
    pub(super) fn bytes(&self) -> Result<[u8; UNIT], Fault> {
        if self.name.len() > NAME || self.size > LARGEST {
            let fault =
                Fault::new(format!("{:?} has no room in a tar: its path has more than {NAME} bytes", self.name));
            return Err(fault.hint("give it a shorter name"));
        }
        let mut block = [0; UNIT];
        put(&mut block, 0, self.name.as_bytes());
        put(&mut block, 1, b"0000600");
        put(&mut block, 2, b"0000000");
        put(&mut block, 3, b"0000000");
        put(&mut block, 4, format!("{:011o}", self.size).as_bytes());
        put(&mut block, 5, b"00000000000");
        put(&mut block, 7, b"0");
        put(&mut block, 8, MAGIC);
        put(&mut block, 9, FOLDER.as_bytes());
        let sum = format!("{:06o}\0 ", sum(&block));
        put(&mut block, 6, sum.as_bytes());
        Ok(block)
    }

    /// Reads one; nothing where the members end, and a word of what is wrong where that is none of an export.
    pub(super) fn read(block: &[u8; UNIT]) -> Result<Option<Self>, &'static str> {
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        if field(block, 8) != b"ustar" {
            return Err("no header of a tar is where one has to be");
        }
        let Some(size) = octal(field(block, 4)).filter(|_| octal(field(block, 6)) == Some(sum(block).into())) else {
            return Err("the sum of a header is wrong");
        };
        let name = std::str::from_utf8(field(block, 0)).map_err(|_| "a name is no text")?;
        if field(block, 9) != FOLDER.as_bytes() || field(block, 7) != b"0" {
            return Err("a member is none of an export");
        }
        Ok(Some(Self { name: name.into(), size }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for (name, size) in
            [("manifest.json", 0), ("texts/a b/é.rhai", 8 << 20), ("disks/1/00000000000000065536", LARGEST)]
        {
            let header = Header { name: name.into(), size };
            assert_eq!(Header::read(&header.bytes().unwrap()), Ok(Some(header)));
        }
        assert_eq!(Header::read(&[0; UNIT]), Ok(None));
        let long = Header { name: "a".repeat(NAME + 1), size: 0 };
        assert!(long.bytes().is_err());
        assert!(Header { name: "a".into(), size: LARGEST + 1 }.bytes().is_err());
    }

    proptest! {
        #[test]
        fn a_byte_that_is_flipped_makes_another_header_or_none(at in 0..500_usize, bit in 0..8) {
            let header = Header { name: "disks/1/00000000000000065536".into(), size: 65536 };
            let mut bytes = header.bytes().unwrap();
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(Header::read(&bytes) != Ok(Some(header)) || bytes[at] == b' ' || at >= 148);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), UNIT)) {
            let _ = Header::read(&bytes.try_into().unwrap());
        }
    }
}

//! Sizes of memory and of disks, by FreeBSD's rules.

use super::number::{base_0, leading_base_0};
use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// The letters of expand_number(3), smallest first; each is 1024 of the one before.
const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];

const HOW: &str = "write 20.GiB, or \"20G\" with one of K, M, G, T, P";

impl Size {
    /// Makes a size of bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Makes a size of mebibytes.
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// Returns the bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads a size as `bhyve -m` does: a plain number below 1048576 is in megabytes, from there on in bytes; anything else
    /// is read by expand_number(3). A plain number may be hexadecimal (`0x…`) or octal (`0…`), as with strtoul(3).
    pub fn memory(text: &str) -> Result<Self, Fault> {
        match base_0(text) {
            Some(number) => Self::memory_number(number),
            None => text.parse(),
        }
    }

    /// Reads a plain number as `bhyve -m` does.
    pub fn memory_number(number: u64) -> Result<Self, Fault> {
        Ok(if number < 1 << 20 { Self::mib(number) } else { Self(number) })
    }

    /// Reads a size as a recipe has it: what expand_number(3) takes, and the units by their whole names too (`2GiB`), which bhyve itself
    /// refuses.
    pub fn written(text: &str) -> Result<Self, Fault> {
        Self::in_words(text, str::parse)
    }

    /// Reads the memory of a machine as a recipe has it: as [`Self::written`], with plain numbers as [`Self::memory`].
    pub fn memory_written(text: &str) -> Result<Self, Fault> {
        Self::in_words(text, Self::memory)
    }

    /// Reads the size of a disk: as [`Self::written`], and no larger than a file can be.
    pub fn disk_written(text: &str) -> Result<Self, Fault> {
        Self::written(text)?.of_disk()
    }

    /// Refuses more than a file can have: where its end is, is a signed number of 64 bits (`off_t`).
    pub fn of_disk(self) -> Result<Self, Fault> {
        if i64::try_from(self.0).is_err() {
            let fault = Fault::new(format!("{self} is more than any disk can have, which is less than 8E"));
            return Err(fault.hint(HOW));
        }
        Ok(self)
    }

    fn in_words(text: &str, read: impl Fn(&str) -> Result<Self, Fault>) -> Result<Self, Fault> {
        let (unit, last) = (text.len().saturating_sub(3), text.len().saturating_sub(2));
        let is_whole = |unit: &str| UNITS.iter().any(|letter| unit.eq_ignore_ascii_case(&format!("{letter}iB")));
        match text.get(..last) {
            // A fault is about what was written.
            Some(short) if text.get(unit..).is_some_and(is_whole) => read(short).or_else(|_| read(text)),
            _ => read(text),
        }
    }

    /// Returns the size in the way that people read it: at most one decimal.
    pub fn rough(self) -> String {
        let mut unit = "bytes";
        let (mut whole, mut tenth) = (self.0, 0);
        for next in ["KiB", "MiB", "GiB", "TiB", "PiB"] {
            if whole < 1024 {
                break;
            }
            tenth = whole % 1024 * 10 / 1024;
            whole /= 1024;
            unit = next;
        }
        if tenth == 0 { format!("{whole} {unit}") } else { format!("{whole}.{tenth} {unit}") }
    }
}

/// By expand_number(3): a number in the base that its beginning tells (`0x…`, `0…`), at most one unit letter of either case, at
/// most one `b` after it.
impl FromStr for Size {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || Fault::new(format!("{text:?} is not a size")).hint(HOW);
        let (number, suffix) = leading_base_0(text).ok_or_else(fault)?;
        let too_large = || Fault::new(format!("{text:?} is more than 64 bits of bytes")).hint(HOW);
        let suffix = suffix.to_ascii_uppercase();
        let unit = match suffix.strip_suffix('B').unwrap_or(&suffix) {
            "" => 0,
            letter => 1 + UNITS.iter().position(|unit| letter == unit.to_string()).ok_or_else(fault)?,
        };
        number.and_then(|number| number.checked_mul(1 << (10 * unit))).map(Self).ok_or_else(too_large)
    }
}

/// With the largest unit that divides it, as it would be typed: `512M`, `20G`, `1000`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut number, mut unit) = (self.0, None);
        for letter in UNITS {
            if number == 0 || number % 1024 != 0 {
                break;
            }
            number /= 1024;
            unit = Some(letter);
        }
        match unit {
            Some(letter) => write!(f, "{number}{letter}"),
            None => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_read_as_expand_number_reads_them() {
        for (text, bytes) in [("20G", 20 << 30), ("4gb", 4 << 30), ("1000", 1000), ("7b", 7), ("1t", 1 << 40)] {
            assert_eq!(text.parse(), Ok(Size::bytes(bytes)), "{text}");
        }
        for (text, bytes) in [("010G", 8_u64 << 30), ("0200M", 128 << 20), ("0x400M", 1 << 30), ("+1G", 1 << 30)] {
            assert_eq!(text.parse(), Ok(Size::bytes(bytes)), "{text}");
        }
        for text in ["", "G", "4GiB", "1.5G", "-1", " 1", "4 G", "lots", "1Q", "096M", "08", "+", "0xG"] {
            let fault = text.parse::<Size>().unwrap_err();
            assert_eq!(fault, Fault::new(format!("{text:?} is not a size")).hint(HOW));
        }
        assert_eq!("20000000T".parse::<Size>().unwrap_err().message, "\"20000000T\" is more than 64 bits of bytes");
        assert_eq!(Size::disk_written("7E").map(Size::get), Ok(7 << 60));
        let refused = Size::disk_written("8E").unwrap_err();
        assert_eq!(refused.message, "8E is more than any disk can have, which is less than 8E");
    }

    #[test]
    fn a_plain_number_of_memory_is_megabytes_until_it_can_only_be_bytes() {
        for (text, bytes) in [("512", 512 << 20), ("0x200", 512 << 20), ("010", 8 << 20), ("1048576", 1 << 20)] {
            assert_eq!(Size::memory(text), Ok(Size::bytes(bytes)), "{text}");
        }
        assert_eq!(Size::memory("8G"), Ok(Size::bytes(8 << 30)));
        assert!(Size::memory("0x").is_err());
    }

    #[test]
    fn a_recipe_may_have_the_whole_name_of_a_unit() {
        for (text, bytes) in [("2GiB", 2 << 30), ("20gib", 20 << 30), ("4Kib", 4096), ("2GB", 2 << 30), ("2G", 2 << 30)]
        {
            assert_eq!(
                [Size::written(text), Size::memory_written(text)],
                [Ok(Size::bytes(bytes)), Ok(Size::bytes(bytes))]
            );
        }
        assert_eq!([Size::written("512"), Size::memory_written("512")], [Ok(Size::bytes(512)), Ok(Size::mib(512))]);
        for text in ["GiB", "iB", "2iB", "1.5GiB", "2 GiB", "2GiBB", "éiB", "2QiB"] {
            assert_eq!(Size::written(text), Err(Fault::new(format!("{text:?} is not a size")).hint(HOW)));
        }
    }

    #[test]
    fn rough_sizes_are_for_reading() {
        let rough = |bytes| Size::bytes(bytes).rough();
        assert_eq!([rough(5), rough(1 << 20), rough(24_400_000_000)], ["5 bytes", "1 MiB", "22.7 GiB"]);
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes: u64) {
            prop_assert_eq!(Size::bytes(bytes).to_string().parse(), Ok(Size::bytes(bytes)));
        }

        #[test]
        fn memory_that_is_shown_reads_back_from_a_mebibyte_on(bytes in 1_u64 << 20..) {
            prop_assert_eq!(Size::memory(&Size::bytes(bytes).to_string()), Ok(Size::bytes(bytes)));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = Size::memory(&text);
        }
    }
}

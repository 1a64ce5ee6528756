//! Numbers as C reads them: strtol(3), atoi(3), the `%d` and `%x` of scanf(3), `expand_number(3)`.

/// What strtol(3) found at the start of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Number<'a> {
    /// The value; what does not fit is held at the limit.
    pub(crate) value: i128,
    /// The text behind the number.
    pub(crate) rest: &'a str,
}

impl Number<'_> {
    /// The value, if nothing follows it.
    pub(crate) fn whole(&self) -> Option<i128> {
        self.rest.is_empty().then_some(self.value)
    }
}

/// Reads a number at the start of a text in a base of 10 or 16, or in base 0, where `0x` and `0` choose it. Blanks and
/// a sign may come first. `None` when there is no digit.
pub(crate) fn strtol(text: &str, base: u32) -> Option<Number<'_>> {
    let unsigned = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, unsigned) = match unsigned.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, unsigned.strip_prefix('+').unwrap_or(unsigned)),
    };
    let (base, digits) = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(hex) if (base == 0 || base == 16) && hex.starts_with(|c: char| c.is_ascii_hexdigit()) => (16, hex),
        _ if base == 0 && unsigned.starts_with('0') => (8, unsigned),
        _ if base == 0 => (10, unsigned),
        _ => (base, unsigned),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let limit = i128::from(u64::MAX);
    let value = i128::from_str_radix(digits, base).unwrap_or(limit).min(limit);
    Some(Number { value: if negative { -value } else { value }, rest })
}

/// atoi(3): no digit is 0, text behind the number is ignored.
pub(crate) fn atoi(text: &str) -> i128 {
    strtol(text, 10).map_or(0, |number| number.value)
}

/// Reads as many numbers as scanf(3) would for `%d:%d:%d` (or `%x`), and no more than `most`.
pub(crate) fn scan(text: &str, base: u32, separator: char, most: usize) -> Vec<i128> {
    let mut numbers = Vec::new();
    let mut rest = Some(text);
    while let Some(number) = rest.filter(|_| numbers.len() < most).and_then(|text| strtol(text, base)) {
        numbers.push(number.value);
        rest = number.rest.strip_prefix(separator);
    }
    numbers
}

/// A memory size as bhyve reads it: plain numbers below 1 MiB are megabytes; else a suffix and an optional `b`.
pub(crate) fn memory_size(text: &str) -> Option<u64> {
    const MIB: i128 = 1 << 20;
    let number = strtol(text, 0)?;
    let scaled = match number.whole() {
        Some(value) if value < MIB => value * MIB,
        Some(value) => value,
        None => {
            let mut suffix = number.rest.to_ascii_lowercase();
            if suffix.len() > 1 && suffix.ends_with('b') {
                suffix.pop();
            }
            let power = ["b", "k", "m", "g", "t", "p", "e"].iter().position(|unit| *unit == suffix)?;
            number.value.checked_mul(1_i128 << (10 * power))?
        }
    };
    u64::try_from(scaled).ok()
}

#[cfg(test)]
mod tests {
    use super::{atoi, memory_size, scan, strtol};

    #[test]
    fn strtol_reads_signs_bases_and_stops_at_the_first_foreign_character() {
        let value = |text, base| strtol(text, base).map(|n| (n.value, n.rest));
        assert_eq!(value(" -12x", 10), Some((-12, "x")));
        assert_eq!(value("0x1f", 0), Some((31, "")));
        assert_eq!(value("010", 0), Some((8, "")));
        assert_eq!(value("010", 10), Some((10, "")));
        assert_eq!(value("0x", 0), Some((0, "x")));
        assert_eq!(value("two", 0), None);
        assert_eq!(value("", 0), None);
    }

    #[test]
    fn atoi_takes_garbage_for_zero() {
        assert_eq!((atoi("abc"), atoi("12abc")), (0, 12));
    }

    #[test]
    fn scan_stops_where_scanf_stops() {
        assert_eq!(scan("1:2:3:4", 10, ':', 3), [1, 2, 3]);
        assert_eq!(scan("4x:1", 10, ':', 3), [4]);
        assert_eq!(scan("03", 10, ':', 3), [3]);
        assert_eq!(scan("", 10, ':', 3), [0; 0]);
        assert_eq!(scan("58:9C:fc:0:0:1:zz", 16, ':', 6), [0x58, 0x9c, 0xfc, 0, 0, 1]);
    }

    #[test]
    fn memory_sizes_follow_bhyve() {
        assert_eq!(memory_size("512"), Some(512 << 20));
        assert_eq!(memory_size("1048577"), Some(1_048_577));
        assert_eq!(memory_size("1048576k"), Some(1 << 30));
        assert_eq!(memory_size("4GB"), Some(4 << 30));
        assert_eq!(memory_size("1t"), Some(1 << 40));
        for wrong in ["4GiB", "1.5G", "lots", "", "20000000T", "1Q", "G"] {
            assert_eq!(memory_size(wrong), None, "{wrong}");
        }
    }
}

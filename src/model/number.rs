//! Whole numbers as C reads them.

/// Reads what strtoul(3) with base 0 takes as a whole, or nothing: decimal, hexadecimal after `0x`, octal after `0`, a `+` before.
pub(crate) fn base_0(text: &str) -> Option<u64> {
    leading_base_0(text).and_then(|(number, rest)| if rest.is_empty() { number } else { None })
}

/// Reads as much of a text as strtoul(3) with base 0 takes, and returns what follows: of `096M` it is 0, and `96M` follows. The
/// number is nothing where 64 bits cannot hold it; where no number leads, there is nothing at all.
pub(crate) fn leading_base_0(text: &str) -> Option<(Option<u64>, &str)> {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let hexadecimal = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
    let (digits, base) = match hexadecimal.filter(|digits| digits.starts_with(|c: char| c.is_ascii_hexdigit())) {
        Some(digits) => (digits, 16),
        None if unsigned.starts_with('0') => (unsigned, 8),
        None => (unsigned, 10),
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    (!digits.is_empty()).then(|| (u64::from_str_radix(digits, base).ok(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_before_a_number_changes_its_base() {
        assert_eq!(["10", "0x10", "0X1f", "010", "0", "+2", "+0x2"].map(base_0), [10, 16, 31, 8, 0, 2, 2].map(Some));
        assert_eq!(["", "+", "0x", "08", "1x", "++1", "0x+1", " 1", "99999999999999999999"].map(base_0), [None; 9]);
        assert_eq!(leading_base_0("096M"), Some((Some(0), "96M")));
        assert_eq!(leading_base_0("0x400M"), Some((Some(1024), "M")));
        assert_eq!(leading_base_0("0xg"), Some((Some(0), "xg")));
        assert_eq!((leading_base_0("M"), leading_base_0("-1")), (None, None));
    }
}

//! Whole numbers as C reads them.

/// Reads what strtoul(3) with base 0 takes as a whole, or nothing: decimal, hexadecimal after `0x`, octal after `0`.
pub(crate) fn base_0(text: &str) -> Option<u64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_hexdigit()) => u64::from_str_radix(digits, 16).ok(),
        Some(_) => None,
        None if !text.bytes().all(|b| b.is_ascii_digit()) || text.is_empty() => None,
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_before_a_number_changes_its_base() {
        assert_eq!(["10", "0x10", "0X1f", "010", "0"].map(base_0), [10, 16, 31, 8, 0].map(Some));
        assert_eq!(["", "0x", "08", "1x", "+1", "0x+1", " 1", "99999999999999999999"].map(base_0), [None; 8]);
    }
}

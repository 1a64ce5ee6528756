//! Spans of time as people write them: `500ms`, `60s`, `2m`, `1h`, `30d`.

use std::time::Duration;

/// How spans are written, for messages.
pub(crate) const FORMS: &str = "write 60s, 2m or 500ms";

/// Reads a span; digits alone are seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| FORMS)?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs).ok_or("too long");
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "" | "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        "d" => seconds(86400),
        _ => Err(FORMS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_number_and_a_unit() {
        let parsed = ["500ms", "60", "60s", "2m", "1h", "1d"].map(|text| parse(text).unwrap().as_millis());
        assert_eq!(parsed, [500, 60_000, 60_000, 120_000, 3_600_000, 86_400_000]);
        for text in ["", "s", "1w", "1.5s", "-1s", "99999999999999999999s"] {
            assert_eq!(parse(text), Err(FORMS), "{text}");
        }
        assert_eq!(parse("9999999999999999999h"), Err("too long"));
    }
}

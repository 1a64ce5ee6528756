//! Spans of time as people write them: `500ms`, `60s`, `2m`, `1h`, `30d`.

use std::time::Duration;

/// How spans are written, for messages.
pub(crate) const FORMS: &str = "write 60s, 2m or 500ms";

/// The longest span: a hundred years. A clock cannot tell when one of any length is over.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a span; digits alone are seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = digits.parse().map_err(|_| FORMS)?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs).ok_or("too long");
    let span = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => seconds(1)?,
        "m" => seconds(60)?,
        "h" => seconds(3600)?,
        "d" => seconds(86400)?,
        _ => return Err(FORMS),
    };
    if span > LONGEST { Err("too long") } else { Ok(span) }
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
        for text in ["9999999999999999999h", "36501d", "18446744073709551615", "18446744073709551615ms"] {
            assert_eq!(parse(text), Err("too long"), "{text}");
        }
        assert_eq!(parse("36500d"), Ok(LONGEST));
    }
}

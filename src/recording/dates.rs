//! Dates and times in what a script calls.

/// How far from the time of a recording a number may be that counts as that time, in seconds.
const NEAR: u64 = 3600;

/// Whether a word has one of some days, as `2026-11-30` or without the dashes, or a time close to a moment, both in seconds since 1970.
pub(crate) fn has(word: &str, days: &[String], moment: u64) -> bool {
    let is_day = |day: &String| word.contains(day.as_str()) || word.contains(&day.replace('-', ""));
    let numbers = word.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok());
    days.iter().any(is_day) || numbers.into_iter().any(|number| number.abs_diff(moment) < NEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_and_a_time_are_found() {
        let words =
            ["vm-20261130", "/vm/2026-11-30.img", "ep-1796046800", "20251130", "58:9c:fc:00:00:01", "1796000000"];
        let days = ["2026-11-29", "2026-11-30"].map(String::from);
        assert_eq!(words.map(|word| has(word, &days, 1_796_046_000)), [true, true, true, false, false, false]);
    }
}

//! The time that every file of a volume has.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// A moment as FAT stores it: from 1980 to 2107, in steps of two seconds, without a time zone. UTC is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    pub(super) date: u16,
    pub(super) time: u16,
}

/// The first moment that FAT can tell, which says "no time" to those who know it.
impl Default for Time {
    fn default() -> Self {
        Self { date: 1 << 5 | 1, time: 0 }
    }
}

impl Time {
    /// Makes the moment of that many seconds since 1970, as SOURCE_DATE_EPOCH has them.
    pub fn epoch(seconds: i64) -> Result<Self, Fault> {
        let none = || out_of_range(&seconds.to_string());
        let seconds = u64::try_from(seconds).map_err(|_| none())?;
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        let mut year = 1970;
        let mut left = days;
        while left >= days_of(year) {
            left -= days_of(year);
            year += 1;
            if year > 2107 {
                return Err(none());
            }
        }
        let mut month = 1;
        while left >= u64::from(days_in(year, month)) {
            left -= u64::from(days_in(year, month));
            month += 1;
        }
        let day = u32::try_from(left).unwrap_or_default() + 1;
        let rest = u32::try_from(rest).unwrap_or_default();
        Self::new([year, month, day], [rest / 3600, rest / 60 % 60, rest % 60]).ok_or_else(none)
    }

    fn new([year, month, day]: [u32; 3], [hour, minute, second]: [u32; 3]) -> Option<Self> {
        let is_time = hour < 24 && minute < 60 && second < 60;
        let is_date = (1980..=2107).contains(&year) && (1..=12).contains(&month);
        let is_day = is_date && (1..=days_in(year, month)).contains(&day);
        let date = (year.checked_sub(1980)?) << 9 | month << 5 | day;
        let time = hour << 11 | minute << 5 | second >> 1;
        let moment = Self { date: u16::try_from(date).ok()?, time: u16::try_from(time).ok()? };
        Some(moment).filter(|_| is_day && is_time)
    }
}

fn out_of_range(text: &str) -> Fault {
    Fault::new(format!("{text:?} is no time that FAT can tell"))
        .hint("write \"2026-01-31 12:30:00\", \"2026-01-31\" or the seconds since 1970, from 1980 to 2107, in UTC")
}

fn days_of(year: u32) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// `2026-01-31`, `2026-01-31 12:30:00`, or seconds since 1970.
impl FromStr for Time {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let none = || out_of_range(text);
        if let Ok(seconds) = text.parse() {
            return Self::epoch(seconds).map_err(|_| none());
        }
        let numbers = |text: &str, mark: char, widths: [usize; 3]| -> Option<[u32; 3]> {
            let parts: Vec<&str> = text.split(mark).collect();
            let fits = parts.iter().map(|part| part.len()).eq(widths);
            let parts = parts.iter().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
            let all: Vec<u32> = parts.filter_map(|part| part.parse().ok()).collect();
            all.try_into().ok().filter(|_| fits)
        };
        let (date, time) = text.split_once([' ', 'T']).unwrap_or((text, "00:00:00"));
        let date = numbers(date, '-', [4, 2, 2]).ok_or_else(none)?;
        let time = numbers(time.strip_suffix('Z').unwrap_or(time), ':', [2, 2, 2]).ok_or_else(none)?;
        Self::new(date, time).ok_or_else(none)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (1980 + (self.date >> 9), self.date >> 5 & 15, self.date & 31);
        let (hour, minute, second) = (self.time >> 11, self.time >> 5 & 63, (self.time & 31) * 2);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_moment_is_a_date_a_date_with_a_time_or_seconds() {
        let cases = [
            ("2026-01-31", "2026-01-31 00:00:00"),
            ("2026-01-31 12:30:01", "2026-01-31 12:30:00"),
            ("2024-02-29T23:59:59Z", "2024-02-29 23:59:58"),
            ("1000000000", "2001-09-09 01:46:40"),
            ("315532800", "1980-01-01 00:00:00"),
            ("2107-12-31", "2107-12-31 00:00:00"),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), want);
        }
        assert_eq!(Time::default().to_string(), "1980-01-01 00:00:00");
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        let hint = "write \"2026-01-31 12:30:00\", \"2026-01-31\" or the seconds since 1970, from 1980 to 2107, in UTC";
        let cases = [
            "",
            "now",
            "1979-12-31",
            "2108-01-01",
            "2025-02-29",
            "2026-13-01",
            "2026-1-1",
            "2026-01-31 24:00:00",
            "2026-01-31 1:2:3",
            "0",
            "-1",
            "99999999999",
            "+026-01-01",
        ];
        for text in cases {
            let want = Fault::new(format!("{text:?} is no time that FAT can tell")).hint(hint);
            assert_eq!(text.parse::<Time>(), Err(want));
        }
    }

    proptest! {
        #[test]
        fn every_moment_reads_back(seconds in 315_532_800_i64..4_354_819_200) {
            let time = Time::epoch(seconds).unwrap();
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn no_text_and_no_number_panics(text: String, seconds: i64) {
            let _ = (text.parse::<Time>(), Time::epoch(seconds));
        }
    }
}

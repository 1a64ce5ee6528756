//! The time of day.

use super::environment::of_system;
use std::fmt;
use std::time::Duration;

/// Returns the second of 1970.
pub(crate) fn now() -> u64 {
    since_1970().as_secs()
}

/// Returns the time since the beginning of 1970.
pub(crate) fn since_1970() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Returns how long the processor has worked for this thread: clock_gettime(2).
pub(crate) fn processor() -> Duration {
    let clock = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID;
    nix::time::clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

/// Returns how long the host has run, as uptime(1) tells it: clock_gettime(2), which counts sleep under Linux by another clock.
pub(crate) fn uptime() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = nix::time::ClockId::CLOCK_BOOTTIME;
    #[cfg(not(target_os = "linux"))]
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    nix::time::clock_gettime(clock).map(Duration::from).unwrap_or_default()
}

/// How Linux tells how long it runs, all sleep included (proc(5)).
const UPTIME: &str = "proc/uptime";

/// Returns for how long the host has slept since it was started (suspended to memory or to disk); nothing where the system does not tell.
///
/// Linux tells how long it runs with that, and has a clock which stands still meanwhile. What FreeBSD has of a sleep is not known here:
/// its `CLOCK_BOOTTIME` is another name of `CLOCK_UPTIME` (from memory: sys/_clock_id.h of 14), and the time of day against that one would
/// tell of a clock that somebody sets in the same way. So nothing is told there.
pub(crate) fn slept() -> Option<Duration> {
    const AT_ONCE: Duration = Duration::from_millis(100);
    let awake = || nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from).ok();
    // Two clocks are not read in one moment: who is kept waiting in between reads them again.
    (0..8).find_map(|_| {
        let (before, all) = (awake()?, uptime_of(&std::fs::read_to_string(of_system(UPTIME)).ok()?)?);
        (awake()?.saturating_sub(before) < AT_ONCE).then(|| all.saturating_sub(before))
    })
}

/// Reads `350735.47 234388.90`: how long the system runs, and how long its processors had nothing to do.
fn uptime_of(text: &str) -> Option<Duration> {
    let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

/// A second of 1970, shown as a date of UTC.
pub(crate) struct Utc(pub u64);

impl fmt::Display for Utc {
    /// Howard Hinnant's `civil_from_days`: years begin in March, so that the leap day comes last.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0 / 86400 + 719_468, self.0 % 86400);
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1460 + day / 36524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year + era * 400 + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// Returns the time of day as `YYYYMMDDHHMMSSZ`, in UTC.
pub(crate) fn stamp() -> String {
    let digits = Utc(now()).to_string().chars().filter(char::is_ascii_digit).collect::<String>();
    digits + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_system_runs_is_read_and_what_is_none_is_nothing() {
        assert_eq!(uptime_of("350735.47 234388.90\n"), Some(Duration::from_millis(350_735_470)));
        for wrong in ["", "\n", "-1.0 2.0", "NaN", "inf", "1e400", "one two"] {
            assert_eq!(uptime_of(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn seconds_of_1970_are_dates_of_utc() {
        let day = |second| Utc(second).to_string();
        assert_eq!(day(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(day(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(day(951_868_800), "2000-03-01 00:00:00 UTC");
        assert_eq!(day(4_107_542_399), "2100-02-28 23:59:59 UTC");
        assert_eq!(day(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }
}

//! The time of day.

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

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

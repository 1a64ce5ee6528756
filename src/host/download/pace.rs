//! How quickly a file comes, and whether that is too slow.

use std::time::Duration;

/// What is known of how a file has come so far.
#[derive(Debug)]
pub(in crate::host) struct Pace {
    /// Bytes at the beginning of the second that is counted, and when that was.
    second: (u64, Duration),
    /// Bytes at the beginning of the time in which enough has to come, and when that was.
    stretch: (u64, Duration),
    rate: u64,
}

impl Pace {
    /// Begins with so many bytes.
    pub(in crate::host) fn new(bytes: u64) -> Self {
        Self { second: (bytes, Duration::ZERO), stretch: (bytes, Duration::ZERO), rate: 0 }
    }

    /// Takes in how many bytes there are after some time, and returns whether less than `slowest` a second came for `patience`.
    pub(in crate::host) fn observe(&mut self, bytes: u64, now: Duration, slowest: u64, patience: Duration) -> bool {
        let (from, since) = self.second;
        let took = now.saturating_sub(since);
        if took >= Duration::from_secs(1) {
            let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
            self.rate = bytes.saturating_sub(from).saturating_mul(1000) / millis;
            self.second = (bytes, now);
        }
        let (from, since) = self.stretch;
        if now.saturating_sub(since) < patience {
            return false;
        }
        self.stretch = (bytes, now);
        bytes.saturating_sub(from) < slowest.saturating_mul(patience.as_secs().max(1))
    }

    /// Returns how many bytes came in the last second.
    pub(in crate::host) const fn rate(&self) -> u64 {
        self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_drips_is_too_slow_and_one_that_pauses_is_not() {
        let (slowest, patience) = (1024, Duration::from_secs(60));
        let mut pace = Pace::new(0);
        let seconds = Duration::from_secs;
        // A byte a second.
        assert!((1..60).all(|at| !pace.observe(at, seconds(at), slowest, patience)));
        assert_eq!(pace.rate(), 1);
        assert!(pace.observe(60, seconds(60), slowest, patience));
        // All of it at once, and then nothing.
        let mut pace = Pace::new(500);
        assert!(!pace.observe(1 << 20, seconds(1), slowest, patience));
        assert_eq!(pace.rate(), (1 << 20) - 500);
        assert!((2..120).all(|at| !pace.observe(1 << 20, seconds(at), slowest, patience)));
        assert!(pace.observe(1 << 20, seconds(120), slowest, patience));
    }
}

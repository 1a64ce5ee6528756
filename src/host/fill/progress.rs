//! How far a disk is filled, as it is drawn meanwhile.

use crate::host::terminal::amounts;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far a disk is filled: who fills it counts, who draws reads.
#[derive(Clone, Debug, Default)]
pub(super) struct FillProgress {
    done: Arc<AtomicU64>,
    /// Of how many there are to be counted, if that is known.
    whole: Option<u64>,
    /// Whether hundredths of a percent are counted, and not bytes.
    is_share: bool,
}

impl FillProgress {
    /// Counts bytes.
    pub(super) fn of_bytes(whole: Option<u64>) -> Self {
        Self { whole, ..Self::default() }
    }

    /// Counts as another program tells its own.
    pub(super) fn of_share() -> Self {
        Self { is_share: true, ..Self::default() }
    }

    /// So much is done.
    pub(super) fn comes_to(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }

    /// Reads what `qemu-img convert -p` tells: `    (12.50/100%)` and a carriage return, each time anew.
    pub(super) fn read(&self, told: &[u8]) {
        let told = String::from_utf8_lossy(told);
        let number = told.rsplit_once("/100%)").and_then(|(before, _)| before.rsplit_once('('));
        let Some((whole, part)) = number.and_then(|(_, number)| number.split_once('.')) else { return };
        if let (Ok(whole), Ok(part), 2) = (whole.parse::<u64>(), part.parse::<u64>(), part.len()) {
            self.comes_to(whole.min(100) * 100 + part);
        }
    }

    /// Says how far it is after some time.
    pub(super) fn line(&self, took: Duration) -> String {
        let done = self.done.load(Ordering::Relaxed);
        if !self.is_share {
            let rate = u128::from(done).saturating_mul(1000).checked_div(took.as_millis()).unwrap_or_default();
            return amounts(done, self.whole, u64::try_from(rate).unwrap_or(u64::MAX));
        }
        let rest = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).saturating_mul(10_000_u64.saturating_sub(done));
        let left = rest.checked_div(done).map(|left| left / 1000).filter(|left| *left > 0);
        let left = left.map_or_else(String::new, |left| format!(", {:?} left", Duration::from_secs(left)));
        format!("{} %{left}", done / 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_img_tells_is_a_share_and_the_time_that_is_left() {
        let progress = FillProgress::of_share();
        let said = |told: &str| {
            progress.read(told.as_bytes());
            progress.line(Duration::from_secs(10))
        };
        assert_eq!(said(""), "0 %");
        assert_eq!(said("    (0.00/100%)\r"), "0 %");
        assert_eq!(said("    (12.50/100%)\r    (25.00/100%)\r"), "25 %, 30s left");
        // What was cut off, and what is none of it, changes nothing.
        for odd in ["    (26.", "(x.00/100%)", "(26/100%)", "/100%)", "26.00/100%)", "(-1.00/100%)", "(26.1/100%)"] {
            assert_eq!(said(odd), "25 %, 30s left", "{odd}");
        }
        assert_eq!(said("(99999.00/100%)"), "100 %");
        assert_eq!(said("    (100.00/100%)\r\n"), "100 %");
    }

    #[test]
    fn bytes_are_told_with_their_rate_and_the_time_that_is_left_where_the_end_is_known() {
        let progress = FillProgress::of_bytes(Some(3 << 30));
        progress.comes_to(1 << 30);
        assert_eq!(progress.line(Duration::from_secs(4)), "1 GiB of 3 GiB, 256 MiB/s, 8s left");
        let progress = FillProgress::of_bytes(None);
        progress.comes_to(1 << 30);
        assert_eq!(progress.line(Duration::from_secs(2)), "1 GiB, 512 MiB/s");
        assert_eq!(FillProgress::of_bytes(None).line(Duration::ZERO), "0 bytes, 0 bytes/s");
    }
}

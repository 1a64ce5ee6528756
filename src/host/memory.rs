//! How much memory this process takes.

use nix::sys::resource::{UsageWho, getrusage};

/// Returns the most memory that this process ever had, in bytes: one system call, of a third of a microsecond.
pub(crate) fn peak() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    // getrusage(2) tells KiB, on FreeBSD and on Linux.
    usage.ok().and_then(|usage| u64::try_from(usage.max_rss()).ok()).unwrap_or_default().saturating_mul(1024)
}

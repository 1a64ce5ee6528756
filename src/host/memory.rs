//! How much memory this process takes.

use nix::sys::resource::{RLIM_INFINITY, Resource, UsageWho, getrlimit, getrusage};

/// Returns the most memory that this process ever had, in bytes: one system call, of a third of a microsecond.
pub(crate) fn peak() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF);
    // getrusage(2) tells KiB, on FreeBSD and on Linux.
    usage.ok().and_then(|usage| u64::try_from(usage.max_rss()).ok()).unwrap_or_default().saturating_mul(1024)
}

/// Whether this process may have so much memory and no more, stacks that are not used included: setrlimit(2), `RLIMIT_AS`, which is `RLIMIT_VMEM` too.
pub(crate) fn is_bounded() -> bool {
    #[cfg(target_os = "freebsd")]
    let addresses = Resource::RLIMIT_VMEM;
    #[cfg(not(target_os = "freebsd"))]
    let addresses = Resource::RLIMIT_AS;
    getrlimit(addresses).is_ok_and(|(most, _)| most != RLIM_INFINITY)
}

/// Returns how much memory this process has now, in bytes, where the system tells it in a file (statm of proc(5): pages).
pub(crate) fn now() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
    Some(pages.saturating_mul(u64::try_from(page).ok()?))
}

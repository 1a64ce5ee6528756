//! What differs between the systems.

pub(crate) mod freebsd;
pub(crate) mod linux;

use crate::model::Size;

/// Returns the processors; the kernel is asked for the memory when it matters.
#[cfg(not(target_os = "linux"))]
pub(crate) fn hardware() -> (Option<u64>, Option<Size>) {
    (std::thread::available_parallelism().ok().map(|count| count.get() as u64), None)
}

/// Returns the processors that are online and the memory that is there (sysconf(3)).
#[cfg(target_os = "linux")]
pub(crate) fn hardware() -> (Option<u64>, Option<Size>) {
    use nix::unistd::{SysconfVar, sysconf};
    let ask = |what| sysconf(what).ok().flatten().and_then(|count| u64::try_from(count).ok());
    let memory = ask(SysconfVar::_PHYS_PAGES).zip(ask(SysconfVar::PAGE_SIZE));
    (ask(SysconfVar::_NPROCESSORS_ONLN), memory.and_then(|(pages, size)| pages.checked_mul(size)).map(Size::bytes))
}

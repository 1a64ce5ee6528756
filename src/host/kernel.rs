//! What the kernel knows of processes and of its own start: who is still the one that a journal names.

mod freebsd;
mod linux;

use super::environment::{env, native_platform};
use super::program::{Query, run};
use super::{Identity, Platform, ProcessFact, Witness};
use crate::diag::Fault;
#[cfg(target_os = "linux")]
use crate::diag::may_fail::MayFail as _;
use crate::host::wait;
use crate::model::{Release, Target};
use nix::poll::PollTimeout;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

/// How often it is looked whether a process that is none of our children has ended.
const TICK: Duration = Duration::from_millis(10);

/// Returns who this process is, for machines of a platform.
pub(crate) fn identity(platform: Platform) -> Identity {
    let pid = std::process::id();
    let now = super::clock::now();
    let space = if platform == Platform::Linux { space(platform) } else { String::new() };
    Identity { pid, started: started(pid).unwrap_or_default(), boot: boot(), space, now }
}

/// Returns what no step of the clock changes. On Linux journals have that already.
pub(crate) fn witness(pids: &[u32]) -> Witness {
    match native_platform() {
        Platform::Linux => Witness::default(),
        Platform::FreeBsd => freebsd::witness(&run, pids),
    }
}

/// Waits, where there is nothing to be woken by.
pub(crate) fn tick() {
    wait::pause(PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO));
}

/// Waits until the kernel has randomness, which Linux gathers at once for whoever asks by getrandom(2). Rhai asks for some by looking at
/// /dev/random where a program has no shared libraries, and for that alone nothing is gathered: in a guest that has just been started
/// it would wait for ever.
pub(crate) fn gather_randomness() {
    #[cfg(target_os = "linux")]
    rustix::rand::getrandom(&mut [0_u8][..], rustix::rand::GetRandomFlags::empty())
        .may_fail("whoever needs it asks again, and is told");
}

/// Returns what tells this start of the host from any other.
fn boot() -> String {
    match native_platform() {
        Platform::Linux => linux::boot(),
        Platform::FreeBsd => freebsd::boot(),
    }
}

/// Returns what tells this host from any other, though it is started again or has another name; empty where it has nothing such.
pub(crate) fn host_id() -> String {
    match native_platform() {
        Platform::Linux => linux::host_id(),
        Platform::FreeBsd => freebsd::host_id(&run),
    }
}

/// Returns when a process was started, as the system tells it. To ask costs a command on FreeBSD, which a start does not pay:
/// processes are known again there by what they call themselves.
pub(crate) fn started(pid: u32) -> Option<String> {
    match native_platform() {
        Platform::Linux => linux::started(pid),
        Platform::FreeBsd => None,
    }
}

/// Returns whether there is a process of a number, at no cost. One that has ended and is waited for is none on Linux; elsewhere it is.
pub(crate) fn exists(pid: u32) -> bool {
    if native_platform() == Platform::Linux {
        return started(pid).is_some();
    }
    let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 0) else { return false };
    // One that may not be sent a signal is there.
    let asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
    matches!(asked, Ok(()) | Err(nix::errno::Errno::EPERM))
}

/// Returns what is known of a process, or nothing if there is none of that number.
pub(crate) fn process(pid: u32) -> Option<ProcessFact> {
    match native_platform() {
        Platform::Linux => linux::process(pid),
        Platform::FreeBsd => freebsd::process(&run, pid),
    }
}

/// Returns the processes that certainly run the machine of QEMU whose state is in a folder.
pub(crate) fn that_run(folder: &Path) -> Vec<u32> {
    match native_platform() {
        Platform::Linux => linux::that_run(folder),
        Platform::FreeBsd => Vec::new(),
    }
}

/// Returns whether a process certainly runs the machine of QEMU whose state is in a folder.
pub(crate) fn runs(pid: u32, folder: &Path) -> bool {
    native_platform() == Platform::Linux && linux::runs(pid, folder)
}

/// Returns whether a process is known to be in other namespaces, so that what it says of files and interfaces means others.
pub(crate) fn is_elsewhere(pid: u32) -> bool {
    native_platform() == Platform::Linux && linux::is_elsewhere(pid)
}

/// Returns whether a process has a file open; nothing where that is not told, or not without a command.
pub(crate) fn has_open(pid: u32, path: &Path) -> Option<bool> {
    match native_platform() {
        Platform::Linux => linux::has_open(pid, path),
        Platform::FreeBsd => None,
    }
}

/// Returns where the numbers of processes and the names of interfaces that this process sees mean something: the namespaces of
/// Linux (namespaces(7)), the jail of FreeBSD (jail(8)). Empty where that is not known.
pub(crate) fn space(platform: Platform) -> String {
    match platform {
        Platform::Linux => linux::space(),
        Platform::FreeBsd => freebsd::space().unwrap_or_default(),
    }
}

/// Returns a number that FreeBSD's kernel tells by sysctl(8), if it knows that name.
pub(crate) fn sysctl(query: Query<'_>, name: &str) -> Option<u64> {
    freebsd::sysctl(query, name)
}

/// The bhyve of this host: its release and processor on FreeBSD, the usual ones elsewhere. A host that is older than all releases
/// that are known counts as the oldest, one that is newer as the newest.
pub(crate) fn target() -> Target {
    static HERE: OnceLock<Target> = OnceLock::new();
    let here = || {
        let usual = Target::default();
        let release = match env(UNAME) {
            Some(said) => Release::of_host(&said),
            None if native_platform() != Platform::FreeBsd => return usual,
            None => freebsd::release(&run).or_else(|| Release::of_host(&kernel_release()?)),
        };
        Target { release: release.unwrap_or(usual.release), arch: std::env::consts::ARCH.parse().unwrap_or(usual.arch) }
    };
    *HERE.get_or_init(here)
}

/// What stands for the release of the host where it is set: uname(1) of FreeBSD heeds it, as in a jail of another release.
const UNAME: &str = "UNAME_r";

/// Returns the release of this host as `uname -r` prints it, where this is FreeBSD.
fn kernel_release() -> Option<String> {
    let kernels = || Some(nix::sys::utsname::uname().ok()?.release().to_str()?.to_string());
    env(UNAME).or_else(|| if native_platform() == Platform::FreeBsd { kernels() } else { None })
}

/// Returns what is to be known of this host if its release is none that is known.
pub(crate) fn release_doubt() -> Option<Fault> {
    target().release.doubt(&kernel_release()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known_and_an_impossible_one_is_not() {
        let me = identity(native_platform());
        let fact = process(me.pid).unwrap();
        assert_eq!(fact.started, me.started);
        assert_eq!(process(u32::MAX), None);
    }
}

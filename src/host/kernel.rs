//! What the kernel knows of processes and of its own start: who is still the one that a journal names.

use super::Identity;
use nix::poll::{PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is looked whether a process that is none of our children has ended.
const TICK: Duration = Duration::from_millis(10);

/// What is known of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessFact {
    /// When it was started, as the system tells it.
    pub started: String,
    /// Its command line, or what it calls itself.
    pub command: String,
}

/// Returns who this process is.
pub(crate) fn identity() -> Identity {
    let pid = std::process::id();
    let now = super::clock::now();
    Identity { pid, started: started(pid).unwrap_or_default(), boot: boot(), now }
}

/// Whether two starts of the host, as journals tell them, are the same one.
pub(crate) fn is_same_boot(one: &str, other: &str) -> bool {
    // Where it is computed from clocks, it moves by as much as the clock is set.
    const SET_BY: u64 = 60;
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one), Ok(other)) => one.abs_diff(other) <= SET_BY,
        _ => !one.is_empty() && one == other,
    }
}

/// Waits, where there is nothing to be woken by.
pub(crate) fn tick() {
    let _ = poll(&mut [], PollTimeout::try_from(TICK).unwrap_or(PollTimeout::ZERO));
}

/// Sends a signal to a process that is none of our children.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // One that is gone needs none.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Waits until a process is gone, at most so long; returns whether it is.
pub(crate) fn is_gone_within(pid: u32, within: Duration) -> bool {
    let begin = Instant::now();
    while process(pid).is_some() {
        if begin.elapsed() >= within {
            return false;
        }
        tick();
    }
    true
}

/// Returns the boot's own id (random(4)).
#[cfg(target_os = "linux")]
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().into()
}

/// Returns the second of 1970 at which the kernel began to count, as CLOCK_MONOTONIC does there.
#[cfg(not(target_os = "linux"))]
fn boot() -> String {
    use nix::time::{ClockId, clock_gettime};
    let second = |clock| clock_gettime(clock).map(|time| time.tv_sec()).unwrap_or_default();
    (second(ClockId::CLOCK_REALTIME) - second(ClockId::CLOCK_MONOTONIC)).to_string()
}

/// Returns when a process was started, in ticks since the boot: the 22nd field (proc(5)).
#[cfg(target_os = "linux")]
pub(crate) fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // "pid (name) state …"; the name may hold anything. A zombie is no more.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let lives = !matches!(fields.next()?, "Z" | "X");
    fields.nth(18).filter(|_| lives).map(Into::into)
}

/// To ask costs a command there, which a start does not pay: processes are known again by what they call themselves.
#[cfg(not(target_os = "linux"))]
pub(crate) fn started(_: u32) -> Option<String> {
    None
}

/// Returns what is known of a process, or nothing if there is none of that number.
#[cfg(target_os = "linux")]
pub(crate) fn process(pid: u32) -> Option<ProcessFact> {
    let started = started(pid)?;
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().into();
    Some(ProcessFact { started, command })
}

/// Returns what ps(1) says; bhyve calls itself `bhyve: NAME`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn process(pid: u32) -> Option<ProcessFact> {
    use crate::model::Argv;
    let argv = Argv::new("ps").args(["-ww", "-o", "state=", "-o", "command=", "-p"]).arg(pid);
    let text = super::program::run(&argv).ok()?;
    let (state, command) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| ProcessFact { started: String::new(), command: command.trim().into() })
}

/// Returns the processes whose command line names a file in a folder.
#[cfg(target_os = "linux")]
pub(crate) fn that_name(folder: &Path) -> Vec<u32> {
    let folder = format!("{}/", folder.display());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let own = std::process::id();
    let names = |pid: &u32| {
        *pid != own && process(*pid).is_some_and(|fact| fact.command.contains(&folder) && fact.command.contains("qemu"))
    };
    pids.filter(names).collect()
}

/// bhyve's command line is not to be seen there; its node and its taps tell of it.
#[cfg(not(target_os = "linux"))]
pub(crate) fn that_name(_: &Path) -> Vec<u32> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known_and_an_impossible_one_is_not() {
        let me = identity();
        let fact = process(me.pid).unwrap();
        assert_eq!(fact.started, me.started);
        assert_eq!(process(u32::MAX), None);
        assert!(is_gone_within(u32::MAX, Duration::ZERO) && !is_gone_within(me.pid, Duration::ZERO));
    }

    #[test]
    fn a_boot_told_by_clocks_may_be_off_by_a_minute() {
        assert!(is_same_boot("1764090312", "1764090340") && !is_same_boot("1764090312", "1764090412"));
        assert!(is_same_boot("6d1f-a", "6d1f-a") && !is_same_boot("6d1f-a", "6d1f-b"));
        assert!(!is_same_boot("", ""));
    }
}

//! Whether what runs in an enclosure has something to do.
//!
//! What a script has left in the background goes on when the script has ended, and what runs beside a machine that is booted too often goes on
//! when that one is stopped. How far it has come by then is chance, and less on a host that has much to do: it is ended when it waits.

use crate::host::{files, wait};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long it may take. What never waits is ended then.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long all have to wait: longer than a script may sleep, which is no end of its work.
const CALM: Duration = Duration::from_millis(120);

/// How often it is looked.
const TURN: u8 = 10;

/// Waits until all other processes are gone, or wait, or until nobody listens any more.
pub(super) fn wait_for_calm(talk: &UnixStream) {
    let until = Instant::now() + PATIENCE;
    let mut since: Option<Instant> = None;
    while Instant::now() < until && !is_left(talk) {
        while !matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(WaitStatus::StillAlive) | Err(_)) {}
        let states = states();
        if states.is_empty() {
            return;
        }
        let is_calm = !states.iter().any(|state| ['R', 'D'].contains(state));
        since = since.filter(|_| is_calm).or_else(|| is_calm.then(Instant::now));
        if since.is_some_and(|since| since.elapsed() >= CALM) {
            return;
        }
        wait::pause(PollTimeout::from(TURN));
    }
}

/// Whether nobody listens any more. One who only says no more still listens.
fn is_left(talk: &UnixStream) -> bool {
    let mut fds = [PollFd::new(talk.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds.first().and_then(PollFd::any) == Some(true)
}

/// Returns the states of all other processes that have not ended (proc_pid_stat(5)).
fn states() -> Vec<char> {
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok()).filter(|pid: &u32| *pid != std::process::id());
    let state = |pid| state(&files::read_text(&Path::new("/proc").join(format!("{pid}/stat"))).ok()?);
    pids.filter_map(state).filter(|state| !['Z', 'X'].contains(state)).collect()
}

/// Returns the state of a process: it stands behind its name, which may hold anything.
fn state(stat: &str) -> Option<char> {
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_stands_behind_a_name_that_may_hold_anything() {
        assert_eq!(state("7 (sh) S 1 7"), Some('S'));
        assert_eq!((state("7 (a) R (b) D 1"), state("7 (sh"), state("7 (sh)")), (Some('D'), None, None));
    }
}

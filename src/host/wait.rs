//! Waiting with poll(2), for who looks anew after every wait.

use nix::poll::{PollFd, PollTimeout, poll};

/// Waits until one of these is ready, or the time is over. A signal ends it early: none of them is ready then, and what a signal
/// is about is found by its byte or by the next look.
pub(crate) fn for_any(fds: &mut [PollFd<'_>], time: PollTimeout) {
    // An error is such an interruption; others would need more descriptors than a process can have.
    poll(fds, time).unwrap_or_default();
}

/// Waits so long, or until a signal comes.
pub(crate) fn pause(time: PollTimeout) {
    for_any(&mut [], time);
}

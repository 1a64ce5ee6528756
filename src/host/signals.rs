//! Signals as bytes on a pipe, so that one poll(2) waits for them too.

use crate::diag::{Blame, Fault};
use crate::host::wait;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGXFSZ};
use signal_hook::{SigId, low_level};
use std::io::Read as _;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The signals that a run heeds: those that ask it to stop, each counted, and the one that says that a child ended.
#[derive(Debug)]
pub(crate) struct Signals {
    stops: UnixStream,
    children: UnixStream,
    handlers: Vec<SigId>,
}

/// Whether somebody asks to stop, for who only looks: any thread may.
#[derive(Clone, Debug)]
pub(crate) struct StopAsked(Arc<OwnedFd>);

impl StopAsked {
    /// Returns what is readable while somebody asks to stop.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Returns whether somebody asks to stop.
    pub(crate) fn peek(&self) -> bool {
        is_readable(self.fd())
    }
}

/// Whether something can be read now.
fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
    loop {
        match poll(&mut fds, PollTimeout::ZERO) {
            Err(Errno::EINTR) => {}
            result => return result.is_ok_and(|ready| ready > 0),
        }
    }
}

impl Signals {
    /// Installs the handlers.
    pub(crate) fn install() -> Result<Rc<Self>, Fault> {
        // A terminal sends SIGQUIT for Ctrl-\\; a run that it ended would leave all that it took, and a terminal that is raw.
        Self::heed(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT])
    }

    /// Installs the handlers of who has to put a terminal back: whatever would end or stop us asks us to stop.
    pub(crate) fn for_terminal() -> Result<Rc<Self>, Fault> {
        Self::heed(&[SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP])
    }

    fn heed(stops: &[i32]) -> Result<Rc<Self>, Fault> {
        let mut handlers = Vec::new();
        // A file that may not grow any more is refused then (setrlimit(2)), and does not end us. Programs that we start have the
        // signal as it was.
        let hit = std::sync::Arc::default();
        handlers.extend(signal_hook::flag::register(SIGXFSZ, hit));
        let pipes = pipe(stops, &mut handlers).and_then(|stops| Ok((stops, pipe(&[SIGCHLD], &mut handlers)?)));
        let (stops, children) = pipes.map_err(|why| Fault::host(format!("cannot install signal handlers: {why}")))?;
        Ok(Rc::new(Self { stops, children, handlers }))
    }

    /// Returns what is readable while somebody asks to stop.
    pub(crate) fn stop_fd(&self) -> BorrowedFd<'_> {
        self.stops.as_fd()
    }

    /// Returns what is readable when a child ended.
    pub(crate) fn child_fd(&self) -> BorrowedFd<'_> {
        self.children.as_fd()
    }

    /// Returns whether somebody asked to stop, and forgets one asking.
    pub(crate) fn take_stop(&self) -> bool {
        matches!((&self.stops).read(&mut [0]), Ok(1))
    }

    /// Returns whether somebody asked to stop.
    pub(crate) fn peek_stop(&self) -> bool {
        is_readable(self.stop_fd())
    }

    /// Returns what tells others whether somebody asks to stop.
    pub(crate) fn stop_asked(&self) -> Result<StopAsked, Fault> {
        let fd = self.stops.as_fd().try_clone_to_owned();
        fd.map(|fd| StopAsked(Arc::new(fd))).map_err(|why| Fault::host(format!("cannot watch for signals: {why}")))
    }

    /// Waits so long for somebody who asks to stop, and returns whether somebody did.
    pub(crate) fn stop_within(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while !self.take_stop() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            // Rounded up, so that the last turn is not taken many times.
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            wait::for_any(&mut [PollFd::new(self.stop_fd(), PollFlags::POLLIN)], timeout);
        }
        true
    }

    /// Waits until then; whoever asks to stop is a fault.
    pub(crate) fn pause(&self, until: Instant) -> Result<(), Fault> {
        if self.stop_within(until.saturating_duration_since(Instant::now())) {
            return Err(Fault::new("interrupted").blame(Blame::Interrupted));
        }
        Ok(())
    }

    /// Forgets that children ended: whoever calls this asks each of them next.
    pub(crate) fn forget_children(&self) {
        while matches!((&self.children).read(&mut [0; 64]), Ok(read) if read > 0) {}
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.handlers.drain(..) {
            low_level::unregister(handler);
        }
    }
}

fn pipe(signals: &[i32], handlers: &mut Vec<SigId>) -> std::io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    for signal in signals {
        handlers.push(low_level::pipe::register(*signal, theirs.try_clone()?)?);
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::consts::SIGUSR1;

    #[test]
    fn every_asking_to_stop_is_counted() {
        // Not one of the real ones, which the tests beside this one heed.
        let signals = Signals::heed(&[SIGUSR1]).unwrap();
        assert!(!signals.peek_stop() && !signals.take_stop());
        low_level::raise(SIGUSR1).unwrap();
        low_level::raise(SIGUSR1).unwrap();
        assert!(signals.peek_stop());
        assert!(signals.take_stop() && signals.take_stop());
        assert!(!signals.take_stop());
    }
}

//! A process that is none of our children: its end is waited for without asking again and again.

use super::process::{Happened, LogTail, Process, timeout};
use super::signals::Signals;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::host::wait;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The end of a process, as a descriptor that becomes readable.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct End(std::os::fd::OwnedFd);

/// The end of a process, as a queue that has an event then.
#[cfg(not(target_os = "linux"))]
struct End {
    queue: nix::sys::event::Kqueue,
    status: Option<ExitStatus>,
}

#[cfg(target_os = "linux")]
impl End {
    /// Takes hold of a process (pidfd_open(2)).
    fn of(pid: u32) -> io::Result<Self> {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Self(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?))
    }

    /// Sends a signal to this process and to no other that gets its number (pidfd_send_signal(2)). One that is gone needs none.
    fn signal(&self, _: u32, signal: Signal) {
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal as i32) {
            rustix::process::pidfd_send_signal(&self.0, signal).may_fail("one that is gone needs none");
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Returns whether it has ended, and how, if that can be known: only its parent is told.
    fn look(&mut self) -> (bool, Option<ExitStatus>) {
        let is_over = nix::poll::poll(&mut [PollFd::new(self.fd(), PollFlags::POLLIN)], nix::poll::PollTimeout::ZERO);
        (is_over.is_ok_and(|ready| ready > 0), None)
    }
}

#[cfg(not(target_os = "linux"))]
impl End {
    /// Asks to be told of the end of a process: NOTE_EXIT comes with its status (kqueue(2)).
    fn of(pid: u32) -> io::Result<Self> {
        use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
        let queue = Kqueue::new()?;
        let (add, exit) = (EvFlags::EV_ADD | EvFlags::EV_ONESHOT, FilterFlag::NOTE_EXIT);
        let event = KEvent::new(pid as usize, EventFilter::EVFILT_PROC, add, exit, 0, 0);
        queue.kevent(&[event], &mut [], None)?;
        Ok(Self { queue, status: None })
    }

    /// Sends a signal to a process that has not ended yet: only its number names it.
    fn signal(&mut self, pid: u32, signal: Signal) {
        if let (false, Ok(pid)) = (self.look().0, i32::try_from(pid)) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).may_fail("one that is gone needs none");
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }

    /// Returns whether it has ended, and how.
    fn look(&mut self) -> (bool, Option<ExitStatus>) {
        use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent};
        use std::os::unix::process::ExitStatusExt as _;
        let nothing = KEvent::new(0, EventFilter::EVFILT_PROC, EvFlags::empty(), FilterFlag::empty(), 0, 0);
        let now = nix::libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let mut events = [nothing];
        if self.status.is_none() && self.queue.kevent(&[], &mut events, Some(now)).is_ok_and(|count| count > 0) {
            self.status = Some(ExitStatus::from_raw(i32::try_from(events[0].data()).unwrap_or_default()));
        }
        (self.status.is_some(), self.status)
    }
}

/// A process that another has started and that we watch.
pub(crate) struct ForeignProcess {
    pid: u32,
    end: End,
    signals: Rc<Signals>,
    log_tail: Option<LogTail>,
}

impl ForeignProcess {
    /// Takes hold of a process.
    pub(crate) fn of(pid: u32, signals: Rc<Signals>, log: Option<&Path>) -> Result<Self, Fault> {
        let end = End::of(pid).map_err(|why| {
            let why = super::files::reason(&why);
            Fault::host(format!("process {pid} cannot be watched: {why}")).hint("it may have ended just now")
        })?;
        Ok(Self { pid, end, signals, log_tail: log.map(LogTail::from_here) })
    }

    /// Sends it a signal; one that has ended already gets none.
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.end.signal(self.pid, signal);
    }

    /// Sends a signal to it and, where it leads a group, to that; one that has ended already gets none.
    pub(crate) fn signal_group(&mut self, signal: Signal) {
        let pid = i32::try_from(self.pid).map(nix::unistd::Pid::from_raw);
        if let Ok(pid) = pid.as_ref()
            && !self.has_ended()
            && nix::unistd::getpgid(Some(*pid)) == Ok(*pid)
        {
            nix::sys::signal::killpg(*pid, signal).may_fail("one that is gone needs none");
        } else {
            self.signal(signal);
        }
    }

    /// Returns whether it has ended. It waits for nothing.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.end.look().0
    }

    /// Waits for its end. Whoever asks us to stop is told so.
    pub(crate) fn ends(&mut self) -> Result<(), Fault> {
        self.wait_for_end(None).map(drop)
    }

    /// Waits for its end, at most until then; returns whether it has ended. Whoever asks us to stop is told so.
    pub(crate) fn ends_until(&mut self, until: Instant) -> Result<bool, Fault> {
        self.wait_for_end(Some(until))
    }

    fn wait_for_end(&mut self, until: Option<Instant>) -> Result<bool, Fault> {
        match self.wait(until, None, true) {
            Happened::StopAsked => Err(Fault::new("interrupted").blame(Blame::Interrupted)),
            Happened::TimeOver => Ok(false),
            Happened::Exited(_) | Happened::Gone | Happened::Extra => Ok(true),
        }
    }

    /// Asks a vmrun to stop its guest, as Ctrl-C does: so many times, of three at most.
    pub(crate) fn ask_to_stop(&mut self, times: usize) {
        // Each of them is counted, and two of one kind may come as one.
        let all = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP];
        all.into_iter().take(times).for_each(|signal| self.signal(signal));
    }

    /// Waits for its end without heeding who asks to stop, at most so long; returns whether it has ended.
    pub(crate) fn ends_within(&mut self, within: Duration) -> bool {
        self.wait(Some(Instant::now() + within), None, false) != Happened::TimeOver
    }

    /// Waits until something happens, at most until then.
    pub(crate) fn wait(&mut self, until: Option<Instant>, extra: Option<BorrowedFd<'_>>, heed_stop: bool) -> Happened {
        loop {
            match self.end.look() {
                (true, Some(status)) => return Happened::Exited(status),
                (true, None) => return Happened::Gone,
                _ => {}
            }
            if heed_stop && self.signals.take_stop() {
                return Happened::StopAsked;
            }
            let stop = heed_stop.then(|| self.signals.stop_fd());
            let wanted = [Some(self.end.fd()), stop, extra];
            let mut fds: Vec<PollFd<'_>> =
                wanted.iter().flatten().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
            wait::for_any(&mut fds, timeout(until));
            let is_extra = extra.is_some() && fds.last().is_some_and(|fd| fd.any().unwrap_or(true));
            if is_extra {
                return Happened::Extra;
            }
            if until.is_some_and(|until| until <= Instant::now()) && !self.end.look().0 && !self.signals.peek_stop() {
                return Happened::TimeOver;
            }
        }
    }
}

/// The process of a hypervisor: our child, or one that was adopted.
pub(crate) enum HypervisorProcess {
    /// Our child.
    Child(Process),
    /// One that another vmrun has started.
    Adopted(ForeignProcess),
}

impl HypervisorProcess {
    /// Waits until something happens, at most until then.
    pub(crate) fn wait(&mut self, until: Option<Instant>, extra: Option<BorrowedFd<'_>>) -> Happened {
        match self {
            Self::Child(process) => process.wait(until, extra),
            Self::Adopted(process) => process.wait(until, extra, true),
        }
    }

    /// Waits for its end without heeding who asks to stop, and kills it when it takes too long.
    pub(crate) fn end(&mut self, within: Duration) {
        match self {
            Self::Child(process) => drop(process.end(within)),
            Self::Adopted(process) => {
                if !process.ends_within(within) {
                    process.signal(Signal::SIGKILL);
                    process.wait(None, None, false);
                }
            }
        }
    }

    /// Sends it a signal; one that has ended already gets none.
    pub(crate) fn signal(&mut self, signal: Signal) {
        match self {
            Self::Child(process) => process.signal(signal),
            Self::Adopted(process) => process.signal(signal),
        }
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Child(process) => process.id(),
            Self::Adopted(process) => process.pid,
        }
    }

    /// Returns the last lines that it wrote to its standard error.
    pub(crate) fn last_words(&self) -> Vec<String> {
        match self {
            Self::Child(process) => process.last_words(),
            Self::Adopted(process) => process.log_tail.as_ref().map(LogTail::last_words).unwrap_or_default(),
        }
    }
}

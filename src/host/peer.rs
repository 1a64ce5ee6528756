//! The other side of a move, where it has called us: it speaks on our standard input, and is answered on our standard output.

use super::environment::host_within;
use super::process::{set_nonblocking, timeout};
use super::signals::StopAsked;
use super::terminal::{self, Stream};
use super::wait;
use crate::diag::Fault;
use crate::image::migration::Frame;
use nix::poll::{PollFd, PollFlags};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// How much is read or written at once, in bytes.
const CHUNK: usize = 256 << 10;

/// How often who is asked for something that takes long says that it is under way. An answer may come at any moment instead.
const SIGNS: Duration = Duration::from_secs(10);

/// The other side.
pub(crate) struct Peer {
    from: BufReader<Heard>,
    to: BufWriter<File>,
    /// When it has last heard of us; nothing of one that knows no signs of life.
    heard: Option<Instant>,
}

/// How long somebody is waited for once we were asked to stop: who is under way with an answer gives it, and who hangs does not.
const STOPPING: Duration = Duration::from_secs(3);

/// What comes, for as long as something does.
pub(crate) struct Heard {
    from: File,
    /// How long nothing may come; nothing where it is waited for ever.
    pub(crate) patience: Option<Duration>,
    /// By what we are asked to stop.
    stop: Option<StopAsked>,
}

/// Waits until a descriptor has something for us, or the time is over: it is soon, once we are asked to stop. Returns whether it is over.
fn is_over(fd: PollFd<'_>, until: &mut Option<Instant>, stop: Option<&StopAsked>) -> bool {
    let mut fds = vec![fd];
    loop {
        fds.truncate(1);
        if stop.is_some_and(StopAsked::peek) {
            let soon = Instant::now() + STOPPING;
            *until = Some(until.map_or(soon, |until| until.min(soon)));
        } else {
            fds.extend(stop.map(|stop| PollFd::new(stop.fd(), PollFlags::POLLIN)));
        }
        wait::for_any(&mut fds, timeout(*until));
        if fds.first().is_some_and(|fd| fd.any().unwrap_or(false)) {
            return false;
        }
        if until.is_some_and(|until| Instant::now() >= until) {
            return true;
        }
    }
}

impl Heard {
    /// Makes it of a descriptor.
    pub(crate) fn new(from: OwnedFd, patience: Option<Duration>, stop: Option<StopAsked>) -> Self {
        Self { from: from.into(), patience, stop }
    }
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut until = self.patience.map(|patience| Instant::now() + patience);
        if is_over(PollFd::new(self.from.as_fd(), PollFlags::POLLIN), &mut until, self.stop.as_ref()) {
            return Err(ErrorKind::TimedOut.into());
        }
        self.from.read(buffer)
    }
}

/// Where we write, for as long as somebody reads. It is a descriptor that no other process writes to: it does not block from here on.
pub(crate) struct Told {
    to: File,
    /// How long nothing may be taken.
    patience: Duration,
    /// By what we are asked to stop.
    stop: Option<StopAsked>,
}

impl Told {
    /// Makes it of a descriptor.
    pub(crate) fn new(to: OwnedFd, patience: Duration, stop: Option<StopAsked>) -> io::Result<Self> {
        set_nonblocking(to.as_fd())?;
        Ok(Self { to: to.into(), patience, stop })
    }
}

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut until = Some(Instant::now() + self.patience);
        loop {
            match self.to.write(bytes) {
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    if is_over(PollFd::new(self.to.as_fd(), PollFlags::POLLOUT), &mut until, self.stop.as_ref()) {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Peer {
    /// Takes our standard streams.
    pub(crate) fn of_standard_streams() -> Result<Self, Fault> {
        if terminal::is_terminal(Stream::Output) {
            let fault = Fault::usage("whoever moves a machine to this host calls this, and nobody at a terminal");
            return Err(fault.hint("`vmrun migrate NAME HOST`, on the host that has the machine"));
        }
        let cannot = |error: io::Error| Fault::host(format!("there are no standard streams to speak on: {error}"));
        let from = io::stdin().as_fd().try_clone_to_owned().map_err(cannot)?;
        let to = terminal::output().as_fd().try_clone_to_owned().map_err(cannot)?;
        let (from, to) = (Heard::new(from, Some(host_within()?), None), File::from(to));
        let (from, to) = (BufReader::with_capacity(CHUNK, from), BufWriter::with_capacity(CHUNK, to));
        Ok(Self { from, to, heard: None })
    }

    /// Has it hear from now on that something takes long.
    pub(crate) fn begin_signs(&mut self) {
        self.heard = Some(Instant::now());
    }

    /// Says that what was asked for is under way, now and then.
    pub(crate) fn sign(&mut self) -> Result<(), Fault> {
        if self.heard.is_some_and(|heard| heard.elapsed() >= SIGNS) {
            self.send([Frame::Still])?;
        }
        Ok(())
    }

    /// Waits for a frame; nothing where the other side has ended.
    pub(crate) fn receive(&mut self) -> Result<Option<Frame>, Fault> {
        Frame::read(&mut self.from)
    }

    /// Sends frames.
    pub(crate) fn send(&mut self, frames: impl IntoIterator<Item = Frame>) -> Result<(), Fault> {
        self.heard = self.heard.map(|_| Instant::now());
        let sent = frames.into_iter().try_for_each(|frame| frame.write(&mut self.to)).and_then(|()| self.to.flush());
        sent.map_err(|error| Fault::host(format!("the other side takes no answer: {error}")))
    }
}

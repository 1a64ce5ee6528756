//! The other side of a move, where it has called us: it speaks on our standard input, and is answered on our standard output.

use super::process::timeout;
use super::terminal::{self, Stream};
use super::wait;
use crate::diag::Fault;
use crate::image::migration::Frame;
use nix::poll::{PollFd, PollFlags};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::time::{Duration, Instant};

/// How long the other side may say nothing: longer than a guest takes to power off. Who is gone without a word would otherwise hold
/// the move for as long as TCP takes to find out.
const SILENCE: Duration = Duration::from_secs(900);

/// How much is read or written at once, in bytes.
const CHUNK: usize = 256 << 10;

/// The other side.
pub(crate) struct Peer {
    from: BufReader<Heard>,
    to: BufWriter<File>,
}

/// What comes, for as long as something does.
pub(crate) struct Heard {
    from: File,
    /// How long nothing may come; nothing where it is waited for ever.
    pub(crate) patience: Option<Duration>,
}

impl Heard {
    /// Makes it of a descriptor.
    pub(crate) fn new(from: OwnedFd, patience: Option<Duration>) -> Self {
        Self { from: from.into(), patience }
    }
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let until = self.patience.map(|patience| Instant::now() + patience);
        loop {
            let mut fds = [PollFd::new(self.from.as_fd(), PollFlags::POLLIN)];
            wait::for_any(&mut fds, timeout(until));
            if fds.iter().any(|fd| fd.any().unwrap_or(false)) {
                return self.from.read(buffer);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Err(ErrorKind::TimedOut.into());
            }
        }
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
        let (from, to) = (Heard::new(from, Some(SILENCE)), File::from(to));
        Ok(Self { from: BufReader::with_capacity(CHUNK, from), to: BufWriter::with_capacity(CHUNK, to) })
    }

    /// Waits for a frame; nothing where the other side has ended.
    pub(crate) fn receive(&mut self) -> Result<Option<Frame>, Fault> {
        Frame::read(&mut self.from)
    }

    /// Sends frames.
    pub(crate) fn send(&mut self, frames: impl IntoIterator<Item = Frame>) -> Result<(), Fault> {
        let sent = frames.into_iter().try_for_each(|frame| frame.write(&mut self.to)).and_then(|()| self.to.flush());
        sent.map_err(|error| Fault::host(format!("the other side takes no answer: {error}")))
    }
}

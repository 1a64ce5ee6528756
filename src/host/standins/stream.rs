//! What a script writes to its standard output and error, line by line.

use super::{LAST_LINES, LINE_MAX};
use crate::recording::hidden::hide;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;

/// How lines are put together that several processes write at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// As it comes: what is written at the same time stands in one line.
    AsWritten,
    /// Each process has lines of its own. dash(1) writes what it tells by `-x` word by word, and a shell of the background does so in between.
    ///
    /// It is so on Linux; FreeBSD's sh(1) writes a whole line at once (from its source as remembered: not looked up).
    ByWriter,
}

/// How many lines may be open at the same time.
const OPEN_MAX: usize = 64;

/// One stream of a script's words, and its last lines.
pub(super) struct Stream {
    source: Option<File>,
    lines: Lines,
    /// The lines that have no end yet, by who writes them.
    open: BTreeMap<i32, Vec<u8>>,
    pub(super) last: VecDeque<String>,
}

impl Stream {
    /// Makes a stream of what can be read.
    pub(super) fn new(source: Option<OwnedFd>, lines: Lines) -> Self {
        Self { source: source.map(File::from), lines, open: BTreeMap::new(), last: VecDeque::new() }
    }

    /// Returns what is readable when something was written; nothing if nobody writes any more.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.source.as_ref().map(AsFd::as_fd)
    }

    /// Reads what is there; it is known to be ready.
    pub(super) fn read(&mut self, hear: &mut dyn FnMut(&str)) {
        let Some(source) = &mut self.source else { return };
        let mut buffer = [0; 4096];
        match received(source, self.lines, &mut buffer) {
            Ok((writer, count)) if count > 0 => self.take(writer, buffer.get(..count).unwrap_or_default(), hear),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            _ => self.source = None,
        }
    }

    fn take(&mut self, writer: i32, bytes: &[u8], hear: &mut dyn FnMut(&str)) {
        if self.open.len() >= OPEN_MAX && !self.open.contains_key(&writer) {
            self.finish(hear);
        }
        for byte in bytes {
            let line = self.open.entry(writer).or_default();
            match byte {
                b'\n' => {
                    let line = std::mem::take(line);
                    self.tell(&line, hear);
                }
                _ if line.len() < LINE_MAX => line.push(*byte),
                _ => {}
            }
        }
        self.open.retain(|_, line| !line.is_empty());
    }

    fn tell(&mut self, line: &[u8], hear: &mut dyn FnMut(&str)) {
        let line = hide(String::from_utf8_lossy(line).trim_end());
        hear(&line);
        self.last.push_back(line);
        self.last.drain(..self.last.len().saturating_sub(LAST_LINES));
    }

    /// Tells the last lines, which have no end.
    pub(super) fn finish(&mut self, hear: &mut dyn FnMut(&str)) {
        for line in std::mem::take(&mut self.open).into_values() {
            self.tell(&line, hear);
        }
    }
}

/// Returns what a script may write to, and what can be read of it: nothing where that is a pipe, which whoever starts it has.
#[cfg(target_os = "linux")]
pub(super) fn writable(lines: Lines) -> io::Result<(Stdio, Option<OwnedFd>)> {
    use nix::sys::socket::{setsockopt, sockopt::PassCred};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    if lines == Lines::AsWritten {
        return Ok((Stdio::piped(), None));
    }
    let (ours, theirs) = UnixStream::pair()?;
    setsockopt(&ours, PassCred, &true)?;
    // Whoever reads from it finds its end, and does not wait.
    ours.shutdown(Shutdown::Write)?;
    Ok((OwnedFd::from(theirs).into(), Some(ours.into())))
}

/// There, what is written comes from a pipe.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on another system")]
pub(super) fn writable(_: Lines) -> io::Result<(Stdio, Option<OwnedFd>)> {
    Ok((Stdio::piped(), None))
}

/// Returns who has written what comes next, and how much that is. What two have written never comes at once (unix(7), SO_PASSCRED).
#[cfg(target_os = "linux")]
fn received(source: &mut File, lines: Lines, buffer: &mut [u8]) -> io::Result<(i32, usize)> {
    use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg};
    use std::os::fd::AsRawFd as _;
    if lines == Lines::AsWritten {
        return read(source, buffer);
    }
    let mut space = nix::cmsg_space!(UnixCredentials);
    let mut parts = [io::IoSliceMut::new(buffer)];
    let message = recvmsg::<()>(source.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let writer = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(of) => Some(of.pid()),
        _ => None,
    });
    Ok((writer.unwrap_or_default(), message.bytes))
}

/// There, nobody says who it is.
#[cfg(not(target_os = "linux"))]
fn received(source: &mut File, _: Lines, buffer: &mut [u8]) -> io::Result<(i32, usize)> {
    read(source, buffer)
}

fn read(source: &mut File, buffer: &mut [u8]) -> io::Result<(i32, usize)> {
    use std::io::Read as _;
    source.read(buffer).map(|count| (0, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_write_at_the_same_time_has_lines_of_its_own() {
        let mut heard = Vec::new();
        let mut hear = |line: &str| heard.push(line.to_string());
        let mut stream = Stream::new(None, Lines::ByWriter);
        for (writer, text) in [(7, "+ [ -f"), (8, "+ bhyve"), (7, " /a ]\n+ x"), (8, " a\n"), (9, "y\nz")] {
            stream.take(writer, text.as_bytes(), &mut hear);
        }
        stream.finish(&mut hear);
        for writer in 0..=64 {
            stream.take(writer, b"open", &mut hear);
        }
        assert_eq!(heard.get(..5).unwrap(), ["+ [ -f /a ]", "+ bhyve a", "y", "+ x", "z"]);
        assert_eq!((heard.len(), stream.open.len()), (69, 1));
    }
}

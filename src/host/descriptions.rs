//! Open files whose status flags a hypervisor changes for whoever shares them.
//!
//! bhyve on `stdio` sets its standard input and output to exactly `O_NONBLOCK` (fcntl(2), F_SETFL): uart_emul.c of 12.1,
//! uart_backend.c of later releases. These flags are those of the open file description, which bhyve shares with whoever has opened
//! it and which lives on after bhyve. Without `O_APPEND` it writes where it stood last, over what others have added meanwhile.

use super::terminal;
use crate::diag::may_fail::MayFail as _;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{Whence, lseek};
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How often it is looked whether the flags were changed, soon after the start and later on: a bhyve that waits for its viewer
/// comes to its serial ports late.
const OFTEN: Duration = Duration::from_millis(20);
const SELDOM: Duration = Duration::from_secs(1);

/// How long is soon.
const SOON: Duration = Duration::from_secs(5);

/// The flags that are kept.
const KEPT: OFlag = OFlag::O_APPEND.union(OFlag::O_NONBLOCK);

/// Descriptions that a hypervisor is given, with the flags that they had before. Dropping it gives them all back.
#[derive(Debug)]
pub(crate) struct Descriptions {
    all: Vec<(OwnedFd, OFlag)>,
    begun: Instant,
    /// When it is looked next whether O_APPEND is gone; never where it was not set, or was put back.
    next: Option<Instant>,
}

impl Descriptions {
    /// Those of our own standard streams, which the hypervisor shares with us and with whoever has started us.
    pub(crate) fn of_ours() -> Self {
        let (input, output, error) = (std::io::stdin(), terminal::output(), terminal::error());
        Self::of(&[input.as_fd(), output.as_fd(), error.as_fd()])
    }

    /// Those of these files. Until O_APPEND is put back a hypervisor writes where it stands, which is made the end.
    pub(crate) fn of(files: &[BorrowedFd<'_>]) -> Self {
        let all: Vec<(OwnedFd, OFlag)> =
            files.iter().filter_map(|fd| Some((fd.try_clone_to_owned().ok()?, flags(*fd)?))).collect();
        let (begun, mut next) = (Instant::now(), None);
        for (fd, _) in all.iter().filter(|(_, before)| before.contains(OFlag::O_APPEND)) {
            lseek(fd, 0, Whence::SeekEnd).may_fail("what has no place is written at its end");
            next = Some(begun + OFTEN);
        }
        Self { all, begun, next }
    }

    /// When it wants to look again.
    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Puts O_APPEND back if it is gone. It is taken away once.
    pub(crate) fn look(&mut self) {
        let now = Instant::now();
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        self.next = Some(now + if now < self.begun + SOON { OFTEN } else { SELDOM });
        for (fd, before) in &self.all {
            let lost = |now: &OFlag| before.contains(OFlag::O_APPEND) && !now.contains(OFlag::O_APPEND);
            if let Some(now) = flags(fd.as_fd()).filter(lost) {
                set(fd.as_fd(), now | OFlag::O_APPEND);
                self.next = None;
            }
        }
    }
}

impl Drop for Descriptions {
    fn drop(&mut self) {
        for (fd, before) in &self.all {
            if let Some(now) = flags(fd.as_fd()).filter(|now| now.intersection(KEPT) != before.intersection(KEPT)) {
                set(fd.as_fd(), now.difference(KEPT) | before.intersection(KEPT));
            }
        }
    }
}

/// Opens a log for a hypervisor alone: its output, at the end, and its errors, each a description of its own. Whoever else writes
/// there keeps his. That it cannot be opened is no reason to start nothing.
pub(crate) fn of_log(log: &Path) -> Option<(File, Stdio)> {
    let open = || OpenOptions::new().create(true).append(true).open(log).ok();
    Some((open()?, Stdio::from(open()?)))
}

fn flags(fd: BorrowedFd<'_>) -> Option<OFlag> {
    fcntl(fd, FcntlArg::F_GETFL).ok().map(OFlag::from_bits_retain)
}

/// What cannot be set is left as it is.
fn set(fd: BorrowedFd<'_>, flags: OFlag) {
    fcntl(fd, FcntlArg::F_SETFL(flags)).may_fail("what cannot be set is left as it is");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_was_taken_from_a_description_is_put_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let (mut output, _) = of_log(&path).unwrap();
        let mut kept = Descriptions::of(&[output.as_fd()]);
        set(output.as_fd(), OFlag::O_NONBLOCK);
        output.write_all(b"one\n").unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"another's\n").unwrap();
        while kept.next().is_some() {
            kept.look();
        }
        output.write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nanother's\ntwo\n");
        let now = flags(output.as_fd()).unwrap().intersection(KEPT);
        assert_eq!(now, KEPT);
        drop(kept);
        assert_eq!(flags(output.as_fd()).unwrap().intersection(KEPT), OFlag::O_APPEND);
    }

    #[test]
    fn what_never_added_at_the_end_is_not_looked_at() {
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(Descriptions::of(&[reader.as_fd()]).next(), None);
    }
}

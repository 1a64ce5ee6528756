//! Our standard input on its way to a hypervisor: the keyboard of a guest whose serial port is our terminal.

use crate::host::terminal::{self, LEAVES, RawTerminal};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::read;
use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::process::ChildStdin;

/// How much of what was typed waits for a guest that does not take it, in bytes; the rest is lost, as at a serial port.
const PENDING: usize = 4096;

/// Our standard input on its way to the child. The pipe stays open when ours ends: a guest's serial port has no end.
///
/// A terminal is raw meanwhile: every key goes to the guest, Ctrl-C too, and nothing is echoed but by the guest, which asks for
/// passwords. The key that leaves `vmrun console` leaves this one; the guest goes on, and the terminal is as it was.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) pipe: ChildStdin,
    pub(super) pending: Vec<u8>,
    at_end: bool,
    /// It is a terminal that belongs to another process for now; the next wait tries again.
    in_background: bool,
    raw: Option<RawTerminal>,
}

impl Input {
    pub(super) fn new(pipe: ChildStdin) -> Self {
        let mut input = Self { pipe, pending: Vec::new(), at_end: false, in_background: false, raw: None };
        input.try_again();
        input
    }

    /// Takes the terminal, if it is one and is ours by now.
    pub(super) fn try_again(&mut self) {
        self.in_background = false;
        if self.raw.is_none() && !self.at_end && !terminal::is_in_background() {
            // One that cannot be set up is used as it is.
            self.raw = RawTerminal::new().ok().flatten();
        }
    }

    pub(super) fn wants_more(&self) -> bool {
        // Whatever becomes of the guest, the key that leaves has to be heard.
        !self.at_end && !self.in_background && (self.pending.is_empty() || self.raw.is_some())
    }

    /// Moves what can be moved, and returns whether the child still reads.
    pub(super) fn feed(&mut self, has_more: bool) -> bool {
        if has_more {
            let mut buffer = [0; 4096];
            match read_keyboard(&mut buffer) {
                Ok(count) if count > 0 => self.take(&buffer[..count]),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(Errno::EIO) => self.in_background = true,
                _ => self.at_end = true,
            }
        }
        while !self.pending.is_empty() {
            match self.pipe.write(&self.pending) {
                Ok(count) => drop(self.pending.drain(..count)),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return why.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    /// Takes what was typed, up to the key that leaves.
    fn take(&mut self, typed: &[u8]) {
        let leaves = typed.iter().position(|byte| self.raw.is_some() && *byte == LEAVES);
        let typed = &typed[..leaves.unwrap_or(typed.len())];
        let room = if self.raw.is_some() { PENDING.saturating_sub(self.pending.len()) } else { typed.len() };
        self.pending.extend_from_slice(&typed[..room.min(typed.len())]);
        if leaves.is_some() {
            (self.raw, self.at_end) = (None, true);
            // Somewhere in a line of the guest.
            terminal::say("\nvmrun: left the console; the guest goes on, and Ctrl-C asks it to power off");
        }
    }
}

/// Reads our standard input. A terminal stops whoever reads it from the background, unless SIGTTIN is blocked: then it
/// answers EIO.
fn read_keyboard(buffer: &mut [u8]) -> nix::Result<usize> {
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTTIN);
    let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = read(std::io::stdin().as_fd(), buffer);
    before.thread_set_mask()?;
    result
}

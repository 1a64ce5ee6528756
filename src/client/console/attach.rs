//! A serial console that somebody sits at: the terminal, connected with the line.

use super::{Console, LOOK, PENDING, SerialLine};
use crate::diag::Fault;
use crate::host::process::timeout;
use crate::host::signals::Signals;
use crate::host::terminal::RawTerminal;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

/// How long a line that broke off may take to be there again: a guest that reboots has another hypervisor a moment later.
const AGAIN: Duration = Duration::from_secs(5);

/// How long a line may be silent after the last of an input that is no terminal.
const LULL: Duration = Duration::from_secs(1);

/// How somebody left a console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// By the key for it, or because there is nothing more to say.
    Away,
    /// The line is gone, and so is its guest.
    Ended,
    /// By a signal.
    Interrupted,
}

/// A console that somebody sits at.
struct Attached<'a> {
    line: &'a SerialLine,
    console: Option<Console>,
    /// Since when the line is gone.
    gone: Instant,
    /// Whether there is more to be read from the standard input.
    reads: bool,
    /// When something was last said.
    heard: Instant,
}

/// Connects the terminal with a line, until the key for leaving is pressed there or the guest is gone. What comes is printed, which
/// tells whether somebody still reads. A line that breaks off is opened again while the machine lives.
pub(crate) fn attach(
    line: &SerialLine,
    leave: u8,
    print: &dyn Fn(&[u8]) -> bool,
    lives: &dyn Fn() -> bool,
) -> Result<Left, Fault> {
    let console = Some(line.open()?);
    let signals = Signals::for_terminal()?;
    let raw = RawTerminal::new()?;
    let now = Instant::now();
    let mut attached = Attached { line, console, gone: now, reads: true, heard: now };
    loop {
        if signals.peek_stop() {
            return Ok(Left::Interrupted);
        }
        if !attached.is_there(lives) {
            return Ok(Left::Ended);
        }
        if !attached.reads && attached.is_silent() {
            return Ok(Left::Away);
        }
        let (typed, heard) = attached.wait(&signals);
        if typed && let Some(left) = attached.read(raw.is_some().then_some(leave)) {
            return Ok(left);
        }
        if heard && !attached.hear(print) {
            return Ok(Left::Away);
        }
    }
}

impl Attached<'_> {
    /// Opens the line again if it is gone, and returns whether it is there or may still come.
    fn is_there(&mut self, lives: &dyn Fn() -> bool) -> bool {
        if self.console.is_some() {
            // One end of a nmdm(4) stays when the other one goes away.
            let may_stay = matches!(self.line, SerialLine::Tty(_)) && self.heard.elapsed() >= LULL;
            return !may_stay || lives();
        }
        if self.gone.elapsed() >= AGAIN || !lives() {
            return false;
        }
        self.console = self.line.open().ok();
        true
    }

    fn is_silent(&self) -> bool {
        self.console.as_ref().is_none_or(Console::is_sent) && self.heard.elapsed() >= LULL
    }

    /// Waits until something is typed or heard.
    fn wait(&self, signals: &Signals) -> (bool, bool) {
        let stdin = std::io::stdin();
        let unsent = self.console.as_ref().map_or(0, |console| console.unsent.len());
        let listens = self.reads && unsent < PENDING;
        let wants = if unsent > 0 { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let wanted = [
            Some((signals.stop_fd(), PollFlags::POLLIN)),
            listens.then(|| (stdin.as_fd(), PollFlags::POLLIN)),
            self.console.as_ref().map(|console| (console.file.as_fd(), wants)),
        ];
        let mut fds: Vec<PollFd<'_>> = wanted.iter().flatten().map(|(fd, flags)| PollFd::new(*fd, *flags)).collect();
        let soon = if self.console.is_some() { LULL } else { LOOK };
        let _ = poll(&mut fds, timeout(Some(Instant::now() + soon)));
        let mut answers = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let [_, typed, heard] = wanted.map(|one| one.is_some() && answers.next().unwrap_or_default());
        (typed, heard)
    }

    /// Reads what was typed, and returns how it says to leave, if it does.
    fn read(&mut self, leave: Option<u8>) -> Option<Left> {
        let mut buffer = [0; 1024];
        match nix::unistd::read(std::io::stdin(), &mut buffer) {
            Ok(0) => {
                self.reads = false;
                self.heard = Instant::now();
                leave.map(|_| Left::Interrupted)
            }
            Ok(count) => {
                let typed = &buffer[..count];
                let end = typed.iter().position(|byte| Some(*byte) == leave);
                if let Some(console) = &mut self.console {
                    console.say(&typed[..end.unwrap_or(count)]);
                    let _ = console.send();
                }
                end.map(|_| Left::Away)
            }
            Err(Errno::EINTR | Errno::EAGAIN) => None,
            // The terminal is gone.
            Err(_) => Some(Left::Interrupted),
        }
    }

    /// Prints what was said, and returns whether somebody still reads it.
    fn hear(&mut self, print: &dyn Fn(&[u8]) -> bool) -> bool {
        let Some(console) = &mut self.console else { return true };
        match console.take().filter(|_| console.send().is_some()) {
            None => {
                (self.console, self.gone) = (None, Instant::now());
                true
            }
            Some(heard) if heard.is_empty() => true,
            Some(heard) => {
                self.heard = Instant::now();
                print(&heard)
            }
        }
    }
}

//! A terminal that a program has for itself, and that is as it was when it is left, whatever happens.

use super::files::reason;
use super::signals::Signals;
use super::spawn;
use super::terminal::{Stream, TextForm, canvas, is_dumb, is_terminal, print};
use super::wait;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Fault, shown};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event as TerminalEvent, KeyEvent, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};
use std::io::{self, BufRead as _, IsTerminal as _, Stdout};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A key was pressed.
    Key(KeyEvent),
    /// Somebody asked us to leave.
    StopAsked,
    /// The time is over, or the window has another size.
    TimeOver,
}

/// The terminal, as long as it is ours.
pub(crate) struct FullScreen {
    /// Never dropped by itself: it would complain about a terminal that is gone, and panic where nobody hears that.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
    signals: Rc<Signals>,
}

impl FullScreen {
    /// Takes the terminal.
    pub(crate) fn open() -> Result<Self, Fault> {
        if !io::stdin().is_terminal() || !is_terminal(Stream::Output) {
            let fault = Fault::usage("this is shown on a terminal only");
            return Err(fault.hint("`vmrun list` prints the same once, `vmrun list --json` for programs"));
        }
        if is_dumb() {
            let fault = Fault::usage("this terminal shows lines only: TERM is `dumb`");
            return Err(fault.hint("`vmrun list` prints the same once; TERM names another terminal"));
        }
        // Before anything is changed, so that whoever ends us has it put back.
        let signals = Signals::for_terminal()?;
        let terminal = Terminal::new(CrosstermBackend::new(canvas())).map_err(|why| fault(&why))?;
        leave_with_it()?;
        let screen = Self { terminal: ManuallyDrop::new(terminal), signals };
        enter().map_err(|why| fault(&why))?;
        Ok(screen)
    }

    /// Draws a picture, if the terminal has not gone. What a terminal would act on in a cell is shown as U+FFFD.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Fault> {
        let draw = |frame: &mut Frame<'_>| {
            draw(frame);
            clean(frame.buffer_mut());
        };
        match self.terminal.draw(draw) {
            // The wait that follows ends who watches.
            Err(_) if is_gone(PollTimeout::ZERO) => Ok(()),
            drawn => drawn.map(drop).map_err(|why| fault(&why)),
        }
    }

    /// Waits for a key, until then.
    pub(crate) fn wait(&self, until: Instant) -> Result<Woken, Fault> {
        loop {
            // Where it is gone there is nothing to read, and to ask for a key would never end.
            if is_gone(PollTimeout::ZERO) {
                return Ok(Woken::StopAsked);
            }
            match asked() {
                Err(_) if is_gone(PollTimeout::ZERO) => return Ok(Woken::StopAsked),
                Err(why) => return Err(fault(&why)),
                Ok(Some(TerminalEvent::Key(key))) if key.kind == KeyEventKind::Press => return Ok(Woken::Key(key)),
                Ok(Some(TerminalEvent::Resize(..))) => return Ok(Woken::TimeOver),
                Ok(Some(_)) => continue,
                Ok(None) => {}
            }
            if self.signals.take_stop() {
                return Ok(Woken::StopAsked);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Woken::TimeOver);
            }
            let stdin = io::stdin();
            let mut fds = [stdin.as_fd(), self.signals.stop_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            wait::for_any(&mut fds, timeout);
        }
    }

    /// Gives the terminal to a command of our own, and takes it back when somebody has read what it said.
    pub(crate) fn leave_for(&mut self, words: &[String]) -> Result<(), Fault> {
        leave();
        let ended = itself(words);
        // What stopped the command was not meant for us.
        while self.signals.take_stop() {}
        let ending = match ended {
            Ok(()) => "\n-- Enter leads back --".into(),
            Err(why) => format!("cannot start vmrun: {}\n-- Enter leads back --", reason(&why)),
        };
        print(Stream::Output, TextForm::Text, &ending).map_err(|why| fault(&why))?;
        io::stdin().lock().read_line(&mut String::new()).may_fail("a keyboard that is gone leads back as well");
        // A new one draws all of it. To have the old one cleared would ask the terminal where its cursor is.
        let terminal = Terminal::new(CrosstermBackend::new(canvas())).map_err(|why| fault(&why))?;
        self.terminal = ManuallyDrop::new(terminal);
        enter().map_err(|why| fault(&why))
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        self.terminal.show_cursor().may_fail("a terminal that is gone has no cursor");
        leave();
    }
}

/// Returns what the terminal has told, if anything. What was read already shows at no descriptor.
fn asked() -> io::Result<Option<TerminalEvent>> {
    if event::poll(Duration::ZERO)? { event::read().map(Some) } else { Ok(None) }
}

/// Waits so long for the terminal to go, and returns whether it has.
fn is_gone(within: PollTimeout) -> bool {
    let stdin = io::stdin();
    // Its end is told whatever is asked for.
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    wait::for_any(&mut fds, within);
    fds[0].revents().is_some_and(|now| now.intersects(PollFlags::POLLHUP | PollFlags::POLLNVAL))
}

/// Ends the process soon after its terminal has gone: crossterm, if that happens while it reads a key (0.29, `mio.rs`), reads the end of
/// it for ever.
fn leave_with_it() -> Result<(), Fault> {
    #[expect(clippy::exit, reason = "the thread that would return is the one that does not come back")]
    let end = || {
        while !is_gone(PollTimeout::NONE) {}
        wait::pause(PollTimeout::from(500_u16));
        std::process::exit(0);
    };
    spawn::thread(end).map(drop)
}

/// Replaces what a terminal would act on: texts of others are in the picture.
fn clean(buffer: &mut Buffer) {
    for cell in buffer.content.iter_mut().filter(|cell| cell.symbol().contains(shown::is_hidden)) {
        cell.set_char(char::REPLACEMENT_CHARACTER);
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    execute!(canvas(), EnterAlternateScreen, Clear(ClearType::All))
}

fn leave() {
    disable_raw_mode().may_fail("there is nobody to tell");
    execute!(canvas(), LeaveAlternateScreen, Show).may_fail("there is nobody to tell");
}

/// Runs this program with other words, at our terminal.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn itself(words: &[String]) -> io::Result<()> {
    Command::new(std::env::current_exe()?).args(words).status().map(drop)
}

fn fault(why: &io::Error) -> Fault {
    Fault::host(format!("the terminal cannot be used: {}", reason(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_has_what_a_terminal_would_act_on() {
        let mut buffer = Buffer::with_lines(["a b c"]);
        for (at, text) in ["x\u{202e}", "\u{9b}", "\u{1b}[2J", "ü", "👩‍👩‍👧"].iter().enumerate() {
            buffer.content[at].set_symbol(text);
        }
        clean(&mut buffer);
        let cells: Vec<&str> = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(cells, ["\u{fffd}", "\u{fffd}", "\u{fffd}", "ü", "👩‍👩‍👧"]);
    }
}

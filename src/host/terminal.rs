//! The terminal that somebody sits at, and the only place that writes to it: whatever vmrun says, to a terminal, a pipe or a file,
//! goes through [`print()`], which lets nothing through that a terminal would act on.

mod columns;

pub(crate) use columns::{cut, cut_front, filled, width};

use super::environment::env;
use super::files::reason;
use super::spawn;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Fault, shown};
use crate::model::Size;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use terminal_size::{Height, Width, terminal_size_of};

/// The key that leaves a console unless another is told: Ctrl-], as in telnet(1).
pub(crate) const LEAVES: u8 = 0x1d;

/// Whether the terminal is raw: a newline alone does not go to the beginning of a line then.
static IS_RAW: AtomicBool = AtomicBool::new(false);

/// Whether the last line on the terminal is one that is drawn over.
static IS_DRAWN: AtomicBool = AtomicBool::new(false);

/// A terminal from which every key comes at once and as it is, until this is dropped.
#[derive(Debug)]
pub(crate) struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// Makes the standard input raw, if it is a terminal.
    pub(crate) fn new() -> Result<Option<Self>, Fault> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let cannot = |why: Errno| Fault::host(format!("cannot set up the terminal: {}", reason(&why.into())));
        let before = tcgetattr(&stdin).map_err(cannot)?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(&stdin, SetArg::TCSADRAIN, &raw).map_err(cannot)?;
        IS_RAW.store(true, Ordering::Relaxed);
        Ok(Some(Self { before }))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // From the background it is set only by who blocks SIGTTOU (termios(4)). A terminal that is gone needs nothing.
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGTTOU);
        let before = mask.thread_swap_mask(SigmaskHow::SIG_BLOCK);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &self.before).may_fail("a terminal that is gone needs nothing");
        before.map(|before| before.thread_set_mask()).may_fail("the mask was one of this thread");
        IS_RAW.store(false, Ordering::Relaxed);
    }
}

/// Returns whether the standard input is a terminal that another process group has for now.
pub(crate) fn is_in_background() -> bool {
    // One that is not the terminal of our session is nobody's.
    nix::unistd::tcgetpgrp(io::stdin()).is_ok_and(|group| group != nix::unistd::getpgrp())
}

/// Returns whether somebody can type at the standard input.
pub(crate) fn has_keyboard() -> bool {
    io::stdin().is_terminal()
}

/// Asks who sits at the terminal, and returns the line that he answers; nothing at its end.
pub(crate) fn ask(question: &str) -> Result<String, Fault> {
    print(Stream::Error, TextForm::Text, question).may_fail("there is nowhere left to complain");
    let mut answer = String::new();
    let read = io::BufRead::read_line(&mut io::Read::take(io::stdin().lock(), 1 << 10), &mut answer);
    read.map_err(|why| Fault::host(format!("cannot read the answer: {}", reason(&why))))?;
    Ok(answer)
}

/// Where something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// The standard output: data.
    Output,
    /// The standard error: talk.
    Error,
}

/// What kind of text is written, which tells how it is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextForm {
    /// A text that may have texts of others in it.
    Text,
    /// A text with colours of our own.
    Styled,
    /// A JSON document.
    Json,
}

/// Writes a text as it is to be shown, whatever is in it. Nothing is added to it.
pub(crate) fn print(stream: Stream, form: TextForm, text: &str) -> io::Result<()> {
    let shown = match form {
        TextForm::Text => shown::text(text),
        TextForm::Styled => shown::styled(text),
        TextForm::Json => shown::json(text),
    };
    if stream == Stream::Error || is_terminal(stream) {
        erase();
    }
    if IS_RAW.load(Ordering::Relaxed) && is_terminal(stream) {
        return write(stream, shown.replace('\n', "\r\n").as_bytes());
    }
    write(stream, shown.as_bytes())
}

/// Writes a line for people, without a complaint if it cannot be: there is nowhere left to complain.
pub(crate) fn say(text: &str) {
    print(Stream::Error, TextForm::Text, &format!("{text}\n")).may_fail("there is nowhere left to complain");
}

/// Draws a line for people over the one that was drawn so before, where that can be.
pub(crate) fn redraw(line: &str) {
    if !is_looked_on() {
        return;
    }
    let most = terminal_size_of(io::stderr()).map_or(80, |(Width(columns), _)| usize::from(columns));
    // A longer one would go on in the next line, which is not drawn over.
    let line = cut(&shown::line(line), most.saturating_sub(1));
    write(Stream::Error, format!("\r{line}\u{1b}[K").as_bytes()).may_fail("there is nowhere left to complain");
    IS_DRAWN.store(true, Ordering::Relaxed);
}

/// Takes away the line that was drawn, before another one is written.
fn erase() {
    if IS_DRAWN.swap(false, Ordering::Relaxed) {
        write(Stream::Error, b"\r\x1b[K").may_fail("there is nowhere left to complain");
    }
}

/// Whether somebody looks on, and sees what is drawn: not on the console of a guest, which draws itself.
pub(crate) fn is_looked_on() -> bool {
    !is_dumb() && is_terminal(Stream::Error) && !IS_RAW.load(Ordering::Relaxed)
}

/// Says how much there is of something, how quickly it comes, and how long the rest takes.
pub(crate) fn amounts(done: u64, whole: Option<u64>, rate: u64) -> String {
    let rough = |bytes| Size::bytes(bytes).rough();
    let of = whole.map_or_else(String::new, |whole| format!(" of {}", rough(whole)));
    let left = whole.and_then(|whole| whole.saturating_sub(done).checked_div(rate)).filter(|left| *left > 0);
    let left = left.map_or_else(String::new, |left| format!(", {:?} left", Duration::from_secs(left)));
    format!("{}{of}, {}/s{left}", rough(done), rough(rate))
}

/// Does something of which nobody can say how far it is, and draws for how long it goes on, from the first second on, where somebody
/// looks on.
pub(crate) fn while_it_takes<T>(what: &str, act: impl FnOnce() -> T) -> T {
    while_it_goes_on(what, |took| format!("{}s", took.as_secs()), act)
}

/// Does something, and draws how far it is, as it is said for the time that it took, from the first second on, where somebody looks on.
pub(crate) fn while_it_goes_on<T>(
    what: &str,
    how_far: impl Fn(Duration) -> String + Send + 'static,
    act: impl FnOnce() -> T,
) -> T {
    if !is_looked_on() {
        return act();
    }
    let ((over, is_over), begun, what) = (channel::<()>(), Instant::now(), what.to_string());
    let draw = move || {
        while is_over.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            redraw(&format!("vmrun: {what}: {}", how_far(begun.elapsed())));
        }
    };
    // Without a thread nothing is drawn, and all else is as it is.
    let drawing = spawn::thread(draw);
    let done = act();
    drop(over);
    if let Ok(drawing) = drawing {
        drawing.join().may_fail("what draws has nothing to say");
    }
    erase();
    done
}

/// Passes bytes through as they are: those of a console, and of a picture.
pub(crate) fn pass(bytes: &[u8]) -> io::Result<()> {
    write(Stream::Output, bytes)
}

/// Passes on what another program wrote: as it is, but to a terminal as a text that it shows.
pub(crate) fn pass_on(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    if is_terminal(stream) {
        print(stream, TextForm::Text, &String::from_utf8_lossy(bytes))
    } else {
        write(stream, bytes)
    }
}

fn write(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    // As a whole, so that lines of several writers do not mix.
    match stream {
        Stream::Output => {
            let mut output = io::stdout().lock();
            output.write_all(bytes).and_then(|()| output.flush())
        }
        Stream::Error => io::stderr().lock().write_all(bytes),
    }
}

/// Returns what is drawn on as a whole, cell by cell, by who has looked at each cell (`full_screen`).
pub(super) fn canvas() -> Stdout {
    io::stdout()
}

/// Returns the descriptor of the standard output, to be looked at.
pub(super) fn output() -> impl AsFd + use<> {
    io::stdout()
}

/// Returns the descriptor of the standard error, to be looked at.
pub(super) fn error() -> impl AsFd + use<> {
    io::stderr()
}

/// Returns whether a stream is a terminal.
pub(crate) fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Output => io::stdout().is_terminal(),
        Stream::Error => io::stderr().is_terminal(),
    }
}

/// Returns how many columns and lines the standard output has, if it is a terminal.
pub(crate) fn size() -> Option<(usize, usize)> {
    let (Width(columns), Height(lines)) = terminal_size_of(io::stdout())?;
    Some((columns.into(), lines.into()))
}

/// Who wants colours, by the environment of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colours {
    /// Nobody.
    Never,
    /// Whoever sits at a terminal.
    OnTerminals,
    /// Whatever reads it.
    Always,
}

impl Colours {
    /// Reads what is wanted: NO_COLOR (no-color.org), then CLICOLOR_FORCE and CLICOLOR (bixense.com/clicolors); a terminal that shows
    /// lines only has none.
    pub(crate) fn wanted() -> Self {
        Self::by(&|name| env(name).filter(|value| !value.is_empty()))
    }

    fn by(given: &dyn Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str, wanted: &str| given(name).is_some_and(|value| value == wanted);
        if given("NO_COLOR").is_some() {
            Self::Never
        } else if given("CLICOLOR_FORCE").is_some() && !is("CLICOLOR_FORCE", "0") {
            Self::Always
        } else if is("CLICOLOR", "0") || is("TERM", "dumb") {
            Self::Never
        } else {
            Self::OnTerminals
        }
    }

    /// Returns whether what is written to a stream is coloured.
    pub(crate) fn on(self, stream: Stream) -> bool {
        match self {
            Self::Never => false,
            Self::OnTerminals => is_terminal(stream),
            Self::Always => true,
        }
    }
}

/// Returns whether the terminal shows lines only, as those of editors do: no colour, and nothing that is drawn over.
pub(crate) fn is_dumb() -> bool {
    env("TERM").is_some_and(|kind| kind == "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_wants_no_colours_is_heard_before_whoever_wants_them() {
        let of = |given: &[(&str, &str)]| {
            Colours::by(&|name| given.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string()))
        };
        assert_eq!(of(&[]), Colours::OnTerminals);
        assert_eq!(of(&[("CLICOLOR", "1"), ("CLICOLOR_FORCE", "0"), ("TERM", "xterm")]), Colours::OnTerminals);
        assert_eq!(of(&[("CLICOLOR", "0")]), Colours::Never);
        assert_eq!(of(&[("TERM", "dumb")]), Colours::Never);
        assert_eq!(of(&[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")]), Colours::Always);
        assert_eq!(of(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]), Colours::Never);
    }

    #[test]
    fn texts_are_cut_by_the_columns_that_they_take() {
        assert_eq!([width("web"), width("日本"), width("e\u{301}"), width("")], [3, 4, 1, 0]);
        let ends = ["web", "web.rhai", "日本語", "e\u{301}e\u{301}e\u{301}e\u{301}", ""].map(|text| cut(text, 4));
        assert_eq!(ends, ["web", "web…", "日…", "e\u{301}e\u{301}e\u{301}e\u{301}", ""]);
        let begins = ["web", "/vm/web.rhai", "日本語"].map(|text| cut_front(text, 4));
        assert_eq!(begins, ["web", "…hai", "…語"]);
        assert_eq!([cut("web", 0), cut_front("web", 0), cut("web", 1), cut_front("web", 1)], ["", "", "…", "…"]);
    }
}

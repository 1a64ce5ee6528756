//! What commands print: data to the standard output, talk to the standard error.

use crate::diag::may_fail::MayFail as _;
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault, shown};
use crate::ops::display::terminal::{self, Colours, Stream, TextForm};
use crate::ops::display::terminal_size;
use crate::ops::notice::Notice;
use std::fmt::Display;
use std::io::{self, ErrorKind};

/// The two streams of the program.
pub(crate) struct Term {
    colours: Colours,
    is_terminal: bool,
    verbose: bool,
}

impl Term {
    /// Finds out whether colours are wanted.
    pub(crate) fn new() -> Self {
        Self { colours: Colours::wanted(), is_terminal: terminal::is_terminal(Stream::Error), verbose: false }
    }

    /// Returns whether somebody looks on.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns how many columns and lines the standard output has, if it is a terminal.
    pub(crate) fn size(&self) -> Option<(usize, usize)> {
        terminal_size()
    }

    /// Shows every command as it is run, and all that led to a fault.
    pub(super) fn say_more(&mut self) {
        self.verbose = true;
        show_commands();
    }

    /// Returns whether nobody wants colour.
    pub(crate) fn has_no_colour(&self) -> bool {
        self.colours == Colours::Never
    }

    /// Returns whether data may have colours of ours.
    pub(super) fn has_coloured_data(&self) -> bool {
        self.colours.on(Stream::Output)
    }

    /// Prints data with colours of ours, which has texts of others in it only as they may be shown. A reader that went away is no error.
    pub(super) fn painted(&self, text: &str) -> Result<(), Fault> {
        heard(terminal::print(Stream::Output, TextForm::Styled, &format!("{text}\n")))
    }

    /// Prints data. A reader that went away is no error.
    pub(crate) fn data(&self, text: impl Display) -> Result<(), Fault> {
        heard(terminal::print(Stream::Output, TextForm::Text, &format!("{text}\n")))
    }

    /// Prints a JSON document. A reader that went away is no error.
    pub(crate) fn json(&self, document: impl Display) -> Result<(), Fault> {
        heard(terminal::print(Stream::Output, TextForm::Json, &format!("{document}\n")))
    }

    /// Prints what there is by now of a text, and returns whether somebody still reads.
    pub(crate) fn piece(&self, text: &str) -> bool {
        terminal::print(Stream::Output, TextForm::Text, text).is_ok()
    }

    /// Passes the bytes of a console through as they are, and returns whether somebody still reads.
    pub(crate) fn console(&self, bytes: &[u8]) -> bool {
        terminal::pass(bytes).is_ok()
    }

    /// Writes a file to the standard output. A reader that went away is no error.
    pub(crate) fn file(&self, bytes: &[u8]) -> Result<(), Fault> {
        heard(terminal::pass(bytes))
    }

    /// Passes on what a guest's command wrote: as it is, but to a terminal escaped. A reader that went away is no error.
    pub(crate) fn passed(&self, bytes: &[u8]) -> Result<(), Fault> {
        heard(terminal::pass_on(Stream::Output, bytes))
    }

    /// Passes on what it wrote to its standard error.
    pub(crate) fn passed_as_error(&self, bytes: &[u8]) {
        terminal::pass_on(Stream::Error, bytes).may_fail("there is nowhere left to complain");
    }

    /// Shows a picture that was drawn in colours.
    pub(crate) fn picture(&self, drawn: &str) -> Result<(), Fault> {
        heard(terminal::print(Stream::Output, TextForm::Styled, drawn))
    }

    /// Shows what is wrong with a command line, or help. Words of the command line may be anything, by `*` names of others too: where
    /// there is something to escape in it there are no colours.
    pub(crate) fn usage(&self, words: &clap::Error) {
        let stream = if words.use_stderr() { Stream::Error } else { Stream::Output };
        let text = words.render();
        let unstyled = text.to_string();
        let is_styled = self.colours.on(stream) && shown::text(&unstyled) == unstyled;
        let printed = if is_styled {
            terminal::print(stream, TextForm::Styled, &text.ansi().to_string())
        } else {
            terminal::print(stream, TextForm::Text, &unstyled)
        };
        printed.may_fail("a broken pipe is no error");
    }

    /// Says something about what is going on.
    pub(crate) fn say(&self, text: impl Display) {
        terminal::say(&format!("vmrun: {text}"));
    }

    /// Prints what a recipe printed while it was only rehearsed: it is no data.
    pub(crate) fn printed(&self, lines: &[String]) {
        lines.iter().for_each(|line| terminal::say(line));
    }

    /// Shows what an operation reports.
    pub(crate) fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Printed(line) => self.printed(std::slice::from_ref(line)),
            Notice::Message(text) => self.say(text),
            Notice::Warning(warning) => self.diagnostic(warning),
        }
    }

    /// Shows a diagnostic that has been drawn.
    pub(crate) fn drawn(&self, text: &str) {
        terminal::say(text);
    }

    /// Draws a diagnostic.
    pub(crate) fn diagnostic(&self, diagnostic: &Diagnostic) {
        let colour = if self.colours.on(Stream::Error) { Colour::Styled } else { Colour::Plain };
        let text = draw(&if self.verbose { diagnostic.unfolded() } else { diagnostic.clone() }, colour);
        terminal::print(Stream::Error, TextForm::Styled, &format!("{text}\n"))
            .may_fail("there is nowhere left to complain");
    }
}

/// What became of data: a reader that went away is no error.
fn heard(printed: io::Result<()>) -> Result<(), Fault> {
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Fault::host(format!("cannot write to the standard output: {error}")))
        }
        _ => Ok(()),
    }
}

impl Default for Term {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints every command on the standard error as it is run, for `--verbose`.
fn show_commands() {
    tracing::subscriber::set_global_default(Commands).may_fail("it is set once, here");
}

struct Commands;

impl tracing::Subscriber for Commands {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("vmrun")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line;
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                terminal::say(&format!("+ {value:?}"));
            }
        }
        event.record(&mut Line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

//! The only place that prints: data to the standard output, talk to the standard error.

use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault};
use crate::ops::display::{is_dumb, terminal_size};
use crate::ops::notice::Notice;
use crate::ops::settings::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// The two streams of the program.
pub(crate) struct Term {
    colour: Colour,
    is_terminal: bool,
    plain: bool,
}

impl Term {
    /// Finds out whether colour is wanted: on a terminal that can show it, unless NO_COLOR is set (no-color.org).
    pub(crate) fn new() -> Self {
        let plain = env("NO_COLOR").is_some_and(|value| !value.is_empty()) || is_dumb();
        let is_terminal = io::stderr().is_terminal();
        let colour = if is_terminal && !plain { Colour::Styled } else { Colour::Plain };
        Self { colour, is_terminal, plain }
    }

    /// Returns whether somebody looks on.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Returns how many columns and lines the standard output has, if it is a terminal.
    pub(crate) fn size(&self) -> Option<(usize, usize)> {
        terminal_size()
    }

    /// Returns whether nobody wants colour.
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Prints data. A reader that went away is no error.
    pub(crate) fn data(&self, text: impl Display) -> Result<(), Fault> {
        match writeln!(io::stdout(), "{text}") {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Fault::host(format!("cannot write to the standard output: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Prints bytes as they are, and returns whether somebody still reads.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> bool {
        let mut stdout = io::stdout();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).is_ok()
    }

    /// Says something about what is going on.
    pub(crate) fn say(&self, text: impl Display) {
        // There is nowhere left to complain.
        let _ = writeln!(io::stderr(), "vmrun: {text}");
    }

    /// Prints what a recipe printed while it was only rehearsed: it is no data.
    pub(crate) fn printed(&self, lines: &[String]) {
        lines.iter().for_each(|line| drop(writeln!(io::stderr(), "{line}")));
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
        let _ = writeln!(io::stderr(), "{text}");
    }

    /// Draws a diagnostic.
    pub(crate) fn diagnostic(&self, diagnostic: &Diagnostic) {
        let _ = writeln!(io::stderr(), "{}", draw(diagnostic, self.colour));
    }
}

impl Default for Term {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints every command on the standard error as it is run, for `--verbose`.
pub(super) fn show_commands() {
    // It is set once, here.
    let _ = tracing::subscriber::set_global_default(Commands);
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
                let _ = writeln!(io::stderr(), "+ {value:?}");
            }
        }
        event.record(&mut Line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

//! The terminal that somebody sits at, and the only place that writes to it: whatever vmrun says, to a terminal, a pipe or a file,
//! goes through [`print`], which lets nothing through that a terminal would act on.

use super::environment::env;
use crate::diag::shown;
use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::os::fd::AsFd;
use terminal_size::{Height, Width, terminal_size_of};

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
pub(crate) enum Form {
    /// A text that may have texts of others in it.
    Text,
    /// A text with colours of our own.
    Styled,
    /// A JSON document.
    Json,
}

/// Writes a text as it is to be shown, whatever is in it. Nothing is added to it.
pub(crate) fn print(stream: Stream, form: Form, text: &str) -> io::Result<()> {
    let shown = match form {
        Form::Text => shown::text(text),
        Form::Styled => shown::styled(text),
        Form::Json => shown::json(text),
    };
    write(stream, shown.as_bytes())
}

/// Writes a line for people, without a complaint if it cannot be: there is nowhere left to complain.
pub(crate) fn say(text: &str) {
    let _ = print(Stream::Error, Form::Text, &format!("{text}\n"));
}

/// Passes bytes through as they are: those of a console, and of a picture.
pub(crate) fn pass(bytes: &[u8]) -> io::Result<()> {
    write(Stream::Output, bytes)
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

/// Returns whether the terminal shows lines only, as those of editors do: no colour, and nothing that is drawn over.
pub(crate) fn is_dumb() -> bool {
    env("TERM").is_some_and(|kind| kind == "dumb")
}

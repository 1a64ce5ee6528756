//! The terminal that somebody sits at.

use super::environment::env;
use terminal_size::{Height, Width, terminal_size_of};

/// Returns how many columns and lines the standard output has, if it is a terminal.
pub(crate) fn size() -> Option<(usize, usize)> {
    let (Width(columns), Height(lines)) = terminal_size_of(std::io::stdout())?;
    Some((columns.into(), lines.into()))
}

/// Returns whether the terminal shows lines only, as those of editors do: no colour, and nothing that is drawn over.
pub(crate) fn is_dumb() -> bool {
    env("TERM").is_some_and(|kind| kind == "dumb")
}

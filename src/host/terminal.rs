//! The terminal that somebody sits at.

use terminal_size::{Height, Width, terminal_size_of};

/// Returns how many columns and lines the standard output has, if it is a terminal.
pub(crate) fn size() -> Option<(usize, usize)> {
    let (Width(columns), Height(lines)) = terminal_size_of(std::io::stdout())?;
    Some((columns.into(), lines.into()))
}

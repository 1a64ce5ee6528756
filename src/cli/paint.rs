//! Colours by meaning. Each stands beside a word that says the same: nothing is told by colour alone.

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// It is as it has to be.
    Good,
    /// Somebody may have to do something.
    Doubtful,
    /// Somebody has to.
    Bad,
    /// It is not there, or not at work.
    Faint,
}

impl Paint {
    /// Returns a text in the colour, one of the eight that any terminal has (ECMA-48 8.3.117).
    pub(super) fn on(self, text: &str) -> String {
        let number = match self {
            Self::Good => 32,
            Self::Doubtful => 33,
            Self::Bad => 31,
            Self::Faint => 2,
        };
        format!("\u{1b}[{number}m{text}\u{1b}[0m")
    }
}

/// Returns the paint of a cell, by the title of its column.
pub(super) type Painter = fn(&str, &str) -> Option<Paint>;

/// Paints nothing.
pub(super) const PLAIN: Painter = |_, _| None;

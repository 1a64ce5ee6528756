//! What an operation makes known before it ends.

use crate::diag::{Diagnostic, Fault};

/// One notice. Whoever started the operation shows it at once.
#[derive(Debug)]
pub(crate) enum Notice {
    /// A line that somebody else printed: a recipe under rehearsal, a script that is recorded.
    Printed(String),
    /// A message about what goes on.
    Message(String),
    /// What does not hinder, at its place in the recipe.
    Warning(Diagnostic),
}

impl Notice {
    /// Returns a warning without a place.
    pub(crate) fn warning(fault: Fault) -> Self {
        Self::Warning(Diagnostic::warning(fault))
    }
}

/// The function that receives notices.
pub(crate) type Notify<'a> = &'a mut dyn FnMut(Notice);

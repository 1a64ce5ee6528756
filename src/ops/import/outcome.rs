//! What became of everything that another manager has.

use super::kept::Written;
use super::source::Next;
use crate::vmbhyve::Note;
use crate::vmbhyve::switch::Description;

/// What became of a guest.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) file: String,
    /// The recipe's file, where there is one.
    pub(super) recipe: Option<String>,
    /// The recipe that it runs from, if vmrun runs it, so that there is nothing to import.
    pub(super) own_recipe: Option<String>,
    /// Whether the machine is not known whole, so that none can be the same.
    pub(super) is_partial: bool,
    /// What differs between the machine and the recipe's; nothing says that it is the same.
    pub(super) differences: Vec<String>,
    /// Why there is no recipe, or what is not whole in it, with the way out.
    pub(super) holes: Vec<String>,
    /// What else was said of the lines of the file.
    pub(super) notes: Vec<Note>,
    /// What is doubtful.
    pub(super) warnings: Vec<String>,
    /// The secret that has to be placed.
    pub(super) secret: Option<String>,
    pub(super) written: Written,
    /// The file of its test, if one was to be written, and what became of it.
    pub(super) test: Option<(String, Written)>,
}

/// Everything that a report tells.
pub(super) struct Outcomes {
    pub(super) kind: &'static str,
    pub(super) source: String,
    pub(super) out: String,
    pub(super) guests: Vec<Outcome>,
    /// The file of the switches, the recipe's, and what became of each.
    pub(super) network: Option<NetworkOutcome>,
    pub(super) start: Vec<String>,
    pub(super) start_file: Option<String>,
    pub(super) notes: Vec<Note>,
    pub(super) next: Vec<Next>,
    pub(super) config: Written,
}

pub(super) struct NetworkOutcome {
    pub(super) file: String,
    pub(super) recipe: String,
    pub(super) switches: Vec<Description>,
    pub(super) holes: Vec<String>,
    pub(super) notes: Vec<Note>,
    pub(super) written: Written,
}

//! What of a script hangs on files.

use crate::recording::When;

/// Where a script boots no machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Files, and how each of them is then.
    pub(crate) files: Vec<(String, bool)>,
    /// What is said then.
    pub(crate) message: String,
    /// In which of its ways.
    pub(crate) when: When,
}

/// What a script calls only where some files are there, or are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    /// A whole command, or arguments of bhyve's that belong together.
    pub(crate) what: Vec<String>,
    /// Files, and whether each of them has to be there.
    pub(crate) files: Vec<(String, bool)>,
    /// Whether it is called where they are not all so.
    pub(crate) is_otherwise: bool,
}

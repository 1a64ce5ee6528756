//! Why a host has not told whether it has taken a machine over.

use crate::diag::Fault;

/// Why a host has not told.
#[derive(Clone)]
pub(super) struct Silence {
    /// What hindered it.
    pub(super) why: Fault,
    /// Whether it is there, and has refused to tell.
    pub(super) is_there: bool,
}

impl Silence {
    /// That of a host that was not reached.
    pub(super) const fn away(why: Fault) -> Self {
        Self { why, is_there: false }
    }

    /// What is told of it where the host is named before.
    pub(super) fn said(&self, host: &str) -> &str {
        let said = &self.why.message;
        said.strip_prefix(host).and_then(|said| said.strip_prefix(": ")).unwrap_or(said)
    }
}

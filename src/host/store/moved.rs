//! What a store knows of machines that were moved, or are on their way.

use super::Store;
use crate::diag::Fault;
use crate::host::moves;
use crate::model::VmName;

impl Store {
    /// Says why a machine may not be started, if it was moved or is on its way; a host that is only simulated knows of no moves.
    pub(crate) fn against_move(&self, name: &VmName) -> Option<Fault> {
        if self.is_memory() { None } else { moves::against(&self.settings, name) }
    }

    /// Says why nothing of a machine may be changed, if it is on its way. What is left of one that was moved may.
    pub(crate) fn against_change(&self, name: &VmName) -> Option<Fault> {
        let is_away =
            || moves::read(&self.settings, name).is_ok_and(|record| record.is_some_and(|it| it.away().is_some()));
        self.against_move(name).filter(|_| !is_away())
    }
}

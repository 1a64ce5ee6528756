//! That a machine is exported, for whoever looks meanwhile: a lock and a journal of the export's own, as those of the machine are its run's. What
//! an export has left that was killed is known by them.

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::Host as _;
use crate::host::files::{self, beside};
use crate::host::system::System;
use crate::model::VmName;
use crate::supervise::holds::Hold;
use crate::supervise::journal::{self, Work};
use crate::supervise::recovery;
use crate::supervise::recovery::exports::{is_of_run, record_of};
use std::path::Path;
use std::time::Duration;

/// The record of an export that goes on.
pub(super) struct ExportRecord {
    name: VmName,
}

impl ExportRecord {
    /// Takes it, for a file that is going to be written, and takes away what an export has left that was killed.
    pub(super) fn take(host: &mut System, machine: &VmName, to: Option<&Path>) -> Result<Self, Fault> {
        let name = record_of(machine)?;
        if is_of_run(host, &name) {
            let fault =
                Fault::busy(format!("the export of {machine} would be noted as {name}, and a machine has that name"));
            return Err(fault.hint(format!("`vmrun stop {name}`, then export {machine}")));
        }
        if recovery::holder(host, &name).is_some() {
            return Err(Fault::busy(format!("{machine} is exported already")).hint("wait until that has ended"));
        }
        recovery::take_over(host, &name, Duration::ZERO, &mut |_, _| {})?;
        let record = Self { name };
        let half = to.map(|to| Hold::Temporary(beside(&files::whole(Path::new(""), to))));
        let begins = std::iter::once(journal::of_work(&Work::Export(machine.clone())));
        let lines: String = begins.chain(half.iter().map(journal::taken)).collect();
        match record.note(host, &lines, half.is_some()) {
            Ok(()) => Ok(record),
            // What says of nothing that it is an export's would be taken for what a run has left.
            Err(fault) => {
                record.let_go(host);
                Err(fault)
            }
        }
    }

    /// Notes what is going to be made, before any of it is.
    pub(super) fn note(&self, host: &mut System, lines: &str, durable: bool) -> Result<(), Fault> {
        host.store_mut().note(&self.name, lines, durable)
    }

    /// Lets it go; what is left stays in it.
    pub(super) fn end(&self, host: &mut System, is_left: bool) -> Result<(), Fault> {
        let tidied = host.store_mut().tidy(&self.name, is_left);
        let cleared = host.store_mut().clear(&self.name);
        tidied.and(cleared)
    }

    /// Lets one go by which only others are told.
    pub(super) fn let_go(&self, host: &mut System) {
        self.end(host, false).may_fail("an empty record is of nothing that was left, and the next export removes it");
    }
}

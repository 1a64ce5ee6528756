//! Exports of machines, by the records that they keep while they go on: they hold a machine that does not run as a run would, and are none.

use super::journal;
use crate::diag::Fault;
use crate::host::Host;
use crate::model::VmName;

/// What is behind the name of a machine in that of the record of its export.
pub(crate) const RECORD: &str = ".export";

/// Returns the name of the record of a machine's export.
pub(crate) fn record_of(machine: &VmName) -> Result<VmName, Fault> {
    format!("{machine}{RECORD}").parse()
}

/// Returns whether a machine is exported at the moment.
pub(super) fn is_exported(host: &dyn Host, machine: &VmName) -> bool {
    let record = record_of(machine).ok().and_then(|name| host.store().record(&name));
    record.is_some_and(|record| record.is_locked && journal(&record).exports.as_ref() == Some(machine))
}

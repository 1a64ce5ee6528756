//! Exports of machines, clones and changes of disks, by the records that they keep while they go on: they hold a machine that does not run as
//! a run would, and are none.

use super::{Aim, is_to_be_taken_over, journal, running};
use crate::diag::Fault;
use crate::host::Host;
use crate::model::VmName;
use crate::supervise::journal::{Journal, Work};

/// What is behind the name of a machine in that of the record of its export.
pub(crate) const RECORD: &str = ".export";

/// Returns the name of the record of a machine's export.
pub(crate) fn record_of(machine: &VmName) -> Result<VmName, Fault> {
    format!("{machine}{RECORD}").parse()
}

/// Returns what a record is of that is none of a run's. That of an export says so by its name before it has its first line.
pub(crate) fn work_of(record: &VmName, journal: &Journal) -> Option<Work> {
    let by_name = || record.as_str().strip_suffix(RECORD)?.parse().ok().map(Work::Export);
    let says_nothing = journal.owner.is_none() && journal.holds.is_empty();
    journal.work.clone().or_else(|| by_name().filter(|_| says_nothing))
}

/// Returns whether the name of an export's record is that of a machine, which has a run there.
pub(crate) fn is_of_run(host: &dyn Host, record: &VmName) -> bool {
    let there = host.store().record(record);
    there.is_some_and(|there| !matches!(work_of(record, &journal(&there)), Some(Work::Export(_))))
}

/// Returns what is gone and has left something of a machine that is to be given back first, as people call it. The next change of its
/// disks takes away what one has left by halves.
pub(crate) fn left_by(host: &dyn Host, name: &VmName) -> Option<String> {
    let record = host.store().record(name).filter(|_| is_to_be_taken_over(host, name))?;
    match work_of(name, &journal(&record)) {
        Some(Work::Change(_)) => None,
        Some(work) => Some(work.named()),
        None => Some(format!("a run of {name}")),
    }
}

/// Says why a machine that does not run cannot be changed now, if that is because it is exported.
pub(crate) fn against_exported(host: &dyn Host, machine: &VmName) -> Option<Fault> {
    let is_locked = || host.store().record(machine).is_some_and(|record| record.is_locked && record.journal.is_none());
    (is_exported(host, machine) && is_locked()).then(|| running(host, machine, None, Aim::Disks))
}

/// Returns whether a machine is exported at the moment.
pub(super) fn is_exported(host: &dyn Host, machine: &VmName) -> bool {
    let record = record_of(machine).ok().and_then(|name| host.store().record(&name));
    record.is_some_and(|record| {
        record.is_locked && matches!(journal(&record).work, Some(Work::Export(exported)) if exported == *machine)
    })
}

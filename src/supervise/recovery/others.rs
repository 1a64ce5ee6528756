//! What a machine has alone, and another machine of this host has already: by the journals of those that run.

use super::{evidence, goes_on, holder, journal};
use crate::diag::Fault;
use crate::host::store::StateRecord;
use crate::host::{Host, SameBoot};
use crate::model::{Exclusive, VmName};
use crate::supervise::holds::Hold;

/// Returns what another machine of this host has of what a machine wants alone: its number in the list, and the fault. What the
/// machine itself has, and other machines of a run that is ours, stand in nobody's way.
pub(crate) fn against_own(host: &dyn Host, machine: &VmName, own: &[Exclusive]) -> Vec<(usize, Fault)> {
    if own.is_empty() || host.is_assumed() {
        return Vec::new();
    }
    let is_other = |record: &StateRecord| record.name != *machine && !host.store().holds(&record.name);
    let mut found: Vec<(usize, Fault)> = Vec::new();
    for record in host.store().records().iter().filter(|record| is_other(record)) {
        let noted = journal(record).alone;
        let clashes = |one: &Exclusive| noted.iter().find(|had| had.excludes(one));
        let mut of_record = own.iter().enumerate().filter_map(|(at, one)| Some((at, clashes(one)?))).peekable();
        if of_record.peek().is_none() {
            continue;
        }
        let Some((who, hint)) = user(host, record) else { continue };
        found.extend(of_record.map(|(at, had)| {
            let fault = Fault::busy(format!("{} is in use by {who}", had.named()));
            (at, fault.hint(format!("{hint}, or {}", had.way_out())))
        }));
    }
    found
}

/// Returns who has what a journal says, and how it gets free; nothing if nobody lives who could.
fn user(host: &dyn Host, record: &StateRecord) -> Option<(String, String)> {
    let name = &record.name;
    if let Some(owner) = holder(host, name) {
        let who = owner.map(|owner| format!(", {owner}")).unwrap_or_default();
        return Some((format!("the machine {name}{who}"), format!("`vmrun stop {name}`")));
    }
    let who = || format!("the guest of {name}, whose vmrun is gone");
    if host.store().looks_past(name) {
        None
    } else if goes_on(host, name).is_some() {
        Some((who(), format!("`vmrun stop {name}` stops it, `vmrun adopt {name}` takes it over")))
    } else {
        let journal = journal(record);
        let lives = journal.holds.iter().any(|hold| evidence::living(host.processes(), name, &journal, hold).is_some());
        lives.then(|| (who(), "`vmrun gc` ends it".into()))
    }
}

/// Returns the machine whose run has made something since the host was started, by its journal, and whether that run or its guest lives.
pub(crate) fn maker_of(host: &dyn Host, is_it: &dyn Fn(&Hold) -> bool) -> Option<(VmName, bool)> {
    let has_made = |record: &StateRecord| {
        let journal = journal(record);
        journal.holds.iter().any(is_it) && evidence::boot(host.processes(), &journal) != SameBoot::No
    };
    let record = host.store().records().into_iter().find(has_made)?;
    let lives = user(host, &record).is_some();
    Some((record.name, lives))
}

/// Returns what the run that has left a machine had alone, as far as its journal says: nothing where that may be cut off, since all of
/// it stands there before the first hold.
pub(crate) fn noted_of(host: &dyn Host, machine: &VmName) -> Vec<Exclusive> {
    let journal = host.store().record(machine).map(|record| journal(&record)).unwrap_or_default();
    if journal.holds.is_empty() { Vec::new() } else { journal.alone }
}

//! What dead runs have left, and giving it back.

use super::{reservation, settings};
use crate::diag::Fault;
use crate::host::files::{self, halves};
use crate::host::helper::HelperId;
use crate::host::store::StateRecord;
use crate::host::{Effect, Host, permit};
use crate::model::{Argv, VmName};
use crate::supervise::Hold;
use crate::supervise::journal::Journal;
pub(crate) use crate::supervise::recovery::Left;
use crate::supervise::recovery::{self, Back};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gives back what dead runs have left, or only looks for it, and returns what it was with the faults of each. Before that `listener` hears
/// of each with the commands that give it back.
pub(crate) fn collect(
    only_look: bool,
    within: Duration,
    listener: &mut dyn FnMut(&Left, &[Argv]),
) -> Result<Vec<Left>, Fault> {
    let mut host = settings::host(false)?;
    let guarded = reservations(&host);
    let of =
        |left: &Left| guarded.iter().filter(|one| one.run == left.name && left.goes_on.is_none()).collect::<Vec<_>>();
    let mut tell = |host: &dyn Host, left: &Left| {
        // A guard that is alive gives it back when it is ended.
        let is_ended = left.backs.iter().any(|back| matches!(back, Back::Effect(Effect::EndHelper(end)) if end.name == permit::NAME && matches!(end.id, HelperId::Process(_))));
        let is_left = |one: &&&Reserved| !is_ended && matches!(reservation::left(&one.machine, &one.path), Ok(Some(_)));
        let back = of(left);
        let back = back.iter().filter(is_left).map(|one| reservation::giving_back(&one.machine, &one.path));
        listener(left, &left.commands(host).into_iter().chain(back).collect::<Vec<_>>());
    };
    let mut found = recovery::collect(&mut host, only_look, within, &mut tell)?;
    for left in found.iter_mut().filter(|left| !only_look && left.faults.is_empty()) {
        let faults: Vec<Fault> =
            of(left).into_iter().filter_map(|one| reservation::give_back(&one.machine, &one.path).err()).collect();
        left.faults.extend(faults);
    }
    Ok(found)
}

/// The reservation of a machine, as the journal of a run tells that had it.
struct Reserved {
    /// The machine that has the run's journal.
    run: VmName,
    machine: VmName,
    path: PathBuf,
}

/// Returns the reservations that runs have noted.
fn reservations(host: &dyn Host) -> Vec<Reserved> {
    let of = |record: StateRecord| {
        let journal = Journal::read(record.journal.as_deref()?);
        let guard = |hold: &Hold| {
            let Hold::Helper { name, id: HelperId::Process(process), .. } = hold else { return None };
            permit::reservation_of(&process.command).filter(|_| name == permit::NAME)
        };
        let (machine, path) = journal.holds.iter().find_map(guard)?;
        Some(Reserved { run: record.name, machine, path })
    };
    host.store().records().into_iter().filter_map(of).collect()
}

/// Returns what dead runs have left half written in a folder, and removes it unless it is only looked for.
pub(crate) fn halves(folder: &Path, only_look: bool) -> Result<Vec<PathBuf>, Fault> {
    if !files::is_folder(folder) {
        let fault = Fault::usage(format!("{} is no folder", folder.display()));
        return Err(fault.hint("name the folder in which disk images are"));
    }
    let found = halves::left(folder, None);
    if !only_look {
        found.iter().try_for_each(|path| files::remove(path))?;
    }
    Ok(found)
}

//! What dead runs have left, and how it is given back: by `vmrun gc`, and by the next start of the same machine.
//!
//! A run is alive for as long as its machine's lock is held. What a dead one has taken is in its journal, and interfaces are
//! marked as well, so that they are known again without it. What a journal only announced may never have been taken, and others
//! may have made something of that name since: an interface is given back only with our mark, a membership and a process only if
//! the host was not started anew, a process only if it is still the one.

mod adoption;
mod elsewhere;
mod evidence;
pub(crate) mod exports;
pub(crate) mod left;
pub(crate) mod monitor;
mod others;
mod running;

pub(crate) use adoption::{adoptable, frozen};
use elsewhere::against_elsewhere;
pub(crate) use elsewhere::left_elsewhere;
use left::left;
pub(crate) use left::{Back, Left};
pub(crate) use others::{against_own, maker_of, noted_of};
pub(crate) use running::{Aim, against_interface, in_no_background, running};

use super::freeze;
use super::gone::gone;
use super::holds::Hold;
use super::journal::{Journal, Owner};
use super::status::{MachineState, MachineStatus};
use crate::diag::{Blame, Fault, may_fail::MayFail as _};
use crate::host::store::StateRecord;
use crate::host::{Effect, Host, Interface, Platform, SameBoot};
use crate::model::device::Access;
use crate::model::{InterfaceName, VmName};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the last commands of a dead run may take; they hold its lock.
const LAST_COMMANDS: Duration = Duration::from_secs(10);

/// How long somebody may look whether a lock is held.
const MOMENT: Duration = Duration::from_millis(100);

/// Returns who runs a machine; nothing if nobody does. The owner is not known for the moment in which a run begins.
#[expect(clippy::option_option, reason = "somebody of whom nothing is known is not nobody")]
pub(crate) fn holder(host: &dyn Host, name: &VmName) -> Option<Option<Owner>> {
    let record = host.store().record(name)?;
    let (journal, processes) = (journal(&record), host.processes());
    let lives = record.is_locked
        && (journal.owner.is_none()
            || evidence::is_elsewhere(processes, &journal)
            || evidence::is_alive(processes, name, &journal));
    lives.then_some(journal.owner)
}

/// Returns whether the process of a machine's run is certainly known, so that it may be sent a signal.
pub(crate) fn is_certain(host: &dyn Host, name: &VmName, pid: u32) -> bool {
    let Some(record) = host.store().record(name).filter(|record| record.is_locked) else { return false };
    let journal = journal(&record);
    let is_its = journal.owner.as_ref().is_some_and(|owner| owner.pid == pid);
    is_its && evidence::is_certain(host.processes(), name, &journal)
}

/// Returns the guest of a run in the background that goes on without it.
pub(crate) fn goes_on(host: &dyn Host, name: &VmName) -> Option<u32> {
    let record = host.store().record(name).filter(|_| holder(host, name).is_none())?;
    guest_of(host, &record)
}

/// Returns the guest of a machine's run that lives, whether or not that run does.
pub(crate) fn guest_of_run(host: &dyn Host, name: &VmName) -> Option<u32> {
    let journal = journal(&host.store().record(name)?);
    let whole = journal.part_of.as_ref().and_then(|whole| host.store().record(whole));
    let journal = whole.as_ref().map_or(journal, self::journal);
    journal.holds.iter().find_map(|hold| evidence::living(host.processes(), name, &journal, hold))
}

fn guest_of(host: &dyn Host, record: &StateRecord) -> Option<u32> {
    let journal = journal(record);
    let is_kept =
        journal.in_background && journal.owner.is_some() && evidence::boot(host.processes(), &journal) != SameBoot::No;
    let living = |hold| evidence::living(host.processes(), &record.name, &journal, hold);
    let is_kept = is_kept && !evidence::is_elsewhere(host.processes(), &journal);
    is_kept.then(|| journal.holds.iter().find_map(living)).flatten()
}

/// The fault of a machine whose guest goes on without its run.
fn goes_on_already(name: &VmName, guest: u32) -> Fault {
    let fault = Fault::new(format!("the guest of {name}, process {guest}, goes on without its vmrun"));
    fault.blame(Blame::Unsupervised).hint(format!("`vmrun adopt {name}` takes it over, `vmrun stop {name}` stops it"))
}

/// The fault of a machine of which there is nothing.
pub(crate) fn not_running(name: &VmName) -> Fault {
    is_down(name).hint(format!("`vmrun start {name}` starts it"))
}

/// The same without a way out, which is up to what was wanted of it.
pub(crate) fn is_down(name: &VmName) -> Fault {
    Fault::new(format!("the machine {name} does not run")).blame(Blame::Down)
}

/// Ends the guest of a dead run and gives back what it took, whether or not it was in the background; a machine that has failed is
/// no more.
pub(crate) fn end(
    host: &mut dyn Host,
    name: &VmName,
    within: Duration,
    listener: &mut dyn FnMut(&dyn Host, &Left),
) -> Result<(), Fault> {
    take(host, name, Aim::End)?;
    let Some(record) = host.store().record(name) else { return host.store_mut().clear(name) };
    if let Some(fault) = against_elsewhere(host, &record) {
        host.store_mut().clear(name)?;
        return Err(fault);
    }
    let before = left(host, &record, true)?;
    if record.journal.is_some() {
        listener(host, &before);
    }
    give_back(host, &record, true, within)?.faults.into_iter().next().map_or(Ok(()), Err)
}

/// Returns whether a dead run has left the machine: before the next one begins, its guest is ended, whatever that has open.
pub(crate) fn is_to_be_taken_over(host: &dyn Host, name: &VmName) -> bool {
    host.store().record(name).is_some_and(|record| record.journal.is_some()) && holder(host, name).is_none()
}

/// Has a machine, and those that its run boots as well, count as left by a dead run: it is stopped before anything happens to this
/// host, which is only rehearsed on.
pub(crate) fn look_past(host: &mut dyn Host, name: &VmName) {
    let is_its = |record: &StateRecord| record.name == *name || journal(record).part_of.as_ref() == Some(name);
    let all: Vec<VmName> = host.store().records().into_iter().filter(is_its).map(|record| record.name).collect();
    all.into_iter().for_each(|name| host.store_mut().look_past(name));
}

/// Returns the machines that run and were started by a recipe, or by the file that it leads to.
pub(crate) fn of_recipe(host: &dyn Host, recipe: &str) -> Vec<VmName> {
    let path = host.real(Path::new(recipe));
    let runs = |name: &VmName| {
        let owner = holder(host, name).flatten();
        owner.is_some_and(|owner| host.real(Path::new(&owner.recipe)) == path)
    };
    host.store().records().into_iter().map(|record| record.name).filter(runs).collect()
}

fn journal(record: &StateRecord) -> Journal {
    record.journal.as_deref().map(Journal::read).unwrap_or_default()
}

fn images(journal: &Journal) -> impl Iterator<Item = &Path> {
    journal.holds.iter().filter_map(|hold| if let Hold::Image(path, _) = hold { Some(path.as_path()) } else { None })
}

/// Returns the fault of a disk image that another run or guest has; nothing if it is free, or free once the run that has left
/// this machine behind is cleaned up; of one that is exported its name says so.
pub(crate) fn against_image(host: &dyn Host, machine: &VmName, path: &Path, access: Access) -> Option<Fault> {
    if !host.store().is_held(path, access) {
        return None;
    }
    let has = |record: &StateRecord| images(&journal(record)).any(|image| image == path);
    let by: Vec<VmName> = host.store().records().into_iter().filter(has).map(|record| record.name).collect();
    let shown = path.display();
    let is_its = || is_to_be_taken_over(host, machine) || exports::is_exported(host, machine);
    if by.contains(machine) || by.is_empty() && is_its() {
        return None;
    }
    for name in &by {
        if let Some(owner) = holder(host, name) {
            let who = owner.map(|owner| format!(", {owner}")).unwrap_or_default();
            let fault = Fault::busy(format!("{shown} is in use by the machine {name}{who}"));
            return Some(fault.hint(format!("`vmrun stop {name}`, or give this one a disk of its own")));
        }
    }
    let Some(name) = by.first() else {
        let fault = Fault::busy(format!("{shown} is in use by another vmrun or its guest"));
        return Some(
            fault.hint("it keeps its state in another folder, as another user's or another host's does; stop it there"),
        );
    };
    let fault = Fault::busy(format!("{shown} is in use by the guest of {name}, whose vmrun is gone"));
    if goes_on(host, name).is_some() {
        return Some(fault.hint(format!("`vmrun stop {name}` stops it, `vmrun adopt {name}` takes it over")));
    }
    Some(fault.hint("`vmrun gc` ends it"))
}

/// Takes a machine for this run. If a dead run has left it, everything of that run is given back first; `listener` hears of it.
pub(crate) fn take_over(
    host: &mut dyn Host,
    name: &VmName,
    within: Duration,
    listener: &mut dyn FnMut(&dyn Host, &Left),
) -> Result<(), Fault> {
    let is_fresh = host.store().record(name).is_none();
    take(host, name, Aim::Boot(None))?;
    let Some(record) = host.store().record(name).filter(|_| !is_fresh) else { return Ok(()) };
    let already = guest_of(host, &record).map(|guest| goes_on_already(name, guest));
    if let Some(fault) = already.or_else(|| against_elsewhere(host, &record)) {
        host.store_mut().clear(name)?;
        return Err(fault);
    }
    let left = left(host, &record, true)?;
    if record.journal.is_some() || left.backs != [Back::State] {
        listener(host, &left);
    }
    if let Some(fault) = give_back(host, &record, true, within)?.faults.into_iter().next() {
        return Err(fault.context(format!("{name} cannot be taken over")));
    }
    // The journal of a run of several machines is with its first.
    if let Some(whole) = journal(&record).part_of.filter(|whole| whole != name && holder(host, whole).is_none()) {
        take_over(host, &whole, within, listener)?;
        host.store_mut().tidy(&whole, false)?;
        host.store_mut().clear(&whole)?;
    }
    take(host, name, Aim::Boot(None))
}

/// Takes the lock of a machine that nobody runs.
fn take(host: &mut dyn Host, name: &VmName, aim: Aim<'_>) -> Result<(), Fault> {
    let begin = Instant::now();
    loop {
        match host.store_mut().reserve(name, MOMENT) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(fault) => {
                host.store_mut()
                    .tidy(name, true)
                    .and_then(|()| host.store_mut().clear(name))
                    .may_fail("half of it may be there; the fault that matters is the first one");
                return Err(fault);
            }
        }
        match holder(host, name) {
            None if begin.elapsed() < LAST_COMMANDS => {}
            owner => return Err(running(host, name, owner.flatten().as_ref(), aim)),
        }
    }
}

/// Returns whether the next start of a machine gives its node back, as what a dead run has left. What cannot be told is none.
pub(super) fn gives_back_node(host: &dyn Host, name: &VmName) -> bool {
    let node = Back::Effect(Effect::DestroyNode(name.clone()));
    let is_left = |record: StateRecord| left(host, &record, true).is_ok_and(|left| left.backs.contains(&node));
    host.store().record(name).is_some_and(is_left)
}

/// Gives back what the dead run of a machine has left whose lock is ours, and then the machine.
fn give_back(host: &mut dyn Host, record: &StateRecord, is_known: bool, within: Duration) -> Result<Left, Fault> {
    host.store_mut().release_spare();
    // A guest in which nothing can be written does not power off.
    let frozen = journal(record).frozen.filter(|_| guest_of(host, record).is_some());
    frozen.and_then(|socket| freeze::thaw_left(&record.name, &socket)).map_or(Ok(()), Err).may_fail("it is ended then");
    let (guests, faults) = end_guests(host, record, is_known, within)?;
    let mut left = left(host, record, is_known)?;
    left.backs.retain(|back| !matches!(back, Back::Guest(_)));
    left.faults = faults;
    let name = left.name.clone();
    for back in left.backs.clone() {
        let done = match &back {
            Back::Guest(_) => Ok(()),
            // What was there a moment ago may be gone by now.
            Back::Effect(effect) => match host.perform(effect) {
                Err(_) if gone(host, effect).is_some() => Ok(()),
                done => done.map(drop),
            },
            Back::File(path) => host.remove(path),
            Back::State => {
                host.store_mut().tidy(&name, !left.faults.is_empty()).and_then(|()| host.store_mut().clear(&name))
            }
        };
        left.faults.extend(done.err());
    }
    left.backs.splice(0..0, guests.into_iter().map(Back::Guest));
    Ok(left)
}

/// Ends the guests of a dead run. A hypervisor that was only just started when its run was killed can be seen by nothing but the
/// locks of its images: it is waited for.
fn end_guests(
    host: &mut dyn Host,
    record: &StateRecord,
    is_known: bool,
    within: Duration,
) -> Result<(Vec<u32>, Vec<Fault>), Fault> {
    let begin = Instant::now();
    let others: Vec<Journal> =
        host.store().records().iter().filter(|other| other.name != record.name).map(journal).collect();
    let noted = journal(record);
    let is_ours = |path: &&Path| !others.iter().any(|other| images(other).any(|image| image == *path));
    let own: Vec<&Path> = images(&noted).filter(is_ours).collect();
    let find = |host: &dyn Host| {
        let backs = left(host, record, is_known)?.backs;
        Ok(backs.into_iter().filter_map(|back| if let Back::Guest(pid) = back { Some(pid) } else { None }).collect())
    };
    // One that is not to be seen yet has an image.
    let is_coming = |host: &dyn Host| {
        let is_used = own.iter().any(|path| host.store().is_held(path, Access::ReadWrite));
        is_used && begin.elapsed() <= LAST_COMMANDS + within
    };
    let end = |host: &mut dyn Host, pid| {
        let name = evidence::booted(&record.name, &noted).find(|name| host.processes().runs(pid, name)).cloned();
        host.end_guest(name.as_ref().unwrap_or(&record.name), pid, within).err()
    };
    end_all(host, &record.name, &find, &is_coming, &end)
}

/// How many guests of one machine are ended at most: a run has one at a time, and a second one where it was killed in between.
const GUESTS_MAX: usize = 16;

/// Returns the guests that are there.
type Find<'a> = &'a dyn Fn(&dyn Host) -> Result<Vec<u32>, Fault>;

/// Ends guests until none is found and none is coming. Where there are always new ones that is given up, and told.
fn end_all(
    host: &mut dyn Host,
    name: &VmName,
    find: Find<'_>,
    is_coming: &dyn Fn(&dyn Host) -> bool,
    end: &dyn Fn(&mut dyn Host, u32) -> Option<Fault>,
) -> Result<(Vec<u32>, Vec<Fault>), Fault> {
    let (mut ended, mut faults) = (Vec::new(), Vec::new());
    loop {
        let found = find(host)?;
        let new: Vec<u32> = found.into_iter().filter(|pid| !ended.contains(pid)).collect();
        if let (Some(next), true) = (new.first(), ended.len() + new.len() > GUESTS_MAX) {
            let count = ended.len();
            let fault =
                Fault::host(format!("guests of {name} keep coming: {count} were ended, and process {next} is there"));
            faults.push(fault.hint(format!("end what starts them, and then call `vmrun gc` for what {name} has left")));
            return Ok((ended, faults));
        }
        if new.is_empty() && !is_coming(host) {
            return Ok((ended, faults));
        }
        for pid in new {
            faults.extend(end(host, pid));
            ended.push(pid);
        }
        host.processes().pause();
    }
}

/// Returns whether an interface was made by a run that is dead, so that the next start may take it over. What tells no state folder
/// may be another vmrun's, unless a journal here has it.
pub(crate) fn is_left(host: &dyn Host, interface: &Interface) -> bool {
    let is_known = |name: &VmName| {
        let has = |record: StateRecord| left::is_noted(&journal(&record), &interface.name);
        !interface.is_dated() || host.store().record(name).is_some_and(has)
    };
    interface.mark.as_ref().is_some_and(|name| holder(host, name).is_none() && is_known(name))
}

/// Returns the command that takes an interface away, as one would type it.
pub(super) fn taking_away(host: &dyn Host, name: &str) -> String {
    match host.settings().platform {
        Platform::FreeBsd => format!("ifconfig {name} destroy"),
        Platform::Linux => format!("ip link delete {name}"),
    }
}

/// Waits for the last commands of dead runs where one of them gives an interface its mark: until then nobody can tell whose it is.
/// They hold the lock of their machine. They may have ended since the interfaces were read, which are read anew in any case.
pub(crate) fn await_commands(host: &dyn Host) {
    let Ok(all) = host.interfaces() else { return };
    let is_unmarked = |name: &InterfaceName| all.iter().any(|one| !one.is_ours && one.name == name.as_str());
    let makes = |hold: &Hold| match hold {
        Hold::Effect(Effect::CreateLink(link)) => is_unmarked(&link.name),
        Hold::Link(name) => is_unmarked(name),
        Hold::Effect(_)
        | Hold::Lock(_)
        | Hold::Node(_)
        | Hold::Image(..)
        | Hold::Temporary(_)
        | Hold::Jail(_)
        | Hold::Helper { .. }
        | Hold::Guest { .. } => false,
    };
    let is_making =
        |record: &StateRecord| journal(record).holds.iter().any(makes) && holder(host, &record.name).is_none();
    let begin = Instant::now();
    for making in host.store().records().into_iter().filter(is_making) {
        let is_locked = || host.store().record(&making.name).is_some_and(|record| record.is_locked);
        while is_locked() && begin.elapsed() < LAST_COMMANDS {
            host.processes().pause();
        }
        host.interfaces_anew().may_fail("one that cannot be read is told of when it is asked for");
    }
}

/// Returns whether a machine has failed: nothing of it is left but the reason.
pub(crate) fn has_failed(host: &dyn Host, name: &VmName) -> bool {
    let status = MachineStatus::of(host, name);
    status.is_some_and(|status| status.state == MachineState::Failed)
}

/// Gives back what dead runs have left, or only finds it. What is alive is passed over.
pub(crate) fn collect(
    host: &mut dyn Host,
    only_look: bool,
    within: Duration,
    listener: &mut dyn FnMut(&dyn Host, &Left),
) -> Result<Vec<Left>, Fault> {
    let mut records = host.store().records();
    let marked: BTreeSet<VmName> = host.interfaces()?.iter().filter_map(|one| one.mark.clone()).collect();
    let lost = marked.into_iter().filter(|name| !records.iter().any(|record| record.name == *name));
    let lost: Vec<VmName> = lost.collect();
    records.extend(lost.into_iter().map(|name| StateRecord { name, is_locked: false, journal: None }));
    let mut found = Vec::new();
    for record in records {
        found.extend(collect_one(host, &record, only_look, within, listener)?);
    }
    Ok(found)
}

fn collect_one(
    host: &mut dyn Host,
    record: &StateRecord,
    only_look: bool,
    within: Duration,
    listener: &mut dyn FnMut(&dyn Host, &Left),
) -> Result<Option<Left>, Fault> {
    let is_known = host.store().record(&record.name).is_some();
    // A tap that is open and of no machine that is known here belongs to somebody who keeps his state elsewhere.
    if holder(host, &record.name).is_some() || !is_known && left(host, record, is_known)?.backs == [Back::State] {
        return Ok(None);
    }
    if against_elsewhere(host, record).is_some() {
        return Ok(None);
    }
    if !is_known && left(host, record, is_known)?.backs.is_empty() {
        let left = left(host, record, is_known)?;
        listener(host, &left);
        return Ok(Some(left));
    }
    if let Some(guest) = guest_of(host, record) {
        let mut left = left(host, record, is_known)?;
        left.backs.clear();
        left.goes_on = Some(guest);
        let frozen = left.frozen.as_deref().filter(|_| !only_look);
        left.faults.extend(frozen.and_then(|socket| freeze::thaw_left(&left.name, socket)));
        listener(host, &left);
        return Ok(Some(left));
    }
    if only_look {
        let left = left(host, record, is_known)?;
        listener(host, &left);
        return Ok(Some(left));
    }
    match host.store_mut().reserve(&record.name, LAST_COMMANDS) {
        // Somebody else has taken it over.
        Ok(false) => return Ok(None),
        Ok(true) => {}
        Err(fault) => {
            host.store_mut()
                .tidy(&record.name, true)
                .and_then(|()| host.store_mut().clear(&record.name))
                .may_fail("half of it may be there; the fault that matters is the first one");
            return Err(fault);
        }
    }
    // What was read before the lock was ours may have changed since.
    let record = host.store().record(&record.name).unwrap_or_else(|| record.clone());
    listener(host, &left(host, &record, is_known)?);
    give_back(host, &record, is_known, within).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::fixture::Fixture;
    use crate::host::worlds::simulated::Simulated;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    #[test]
    fn guests_that_keep_coming_are_not_ended_for_ever() {
        let name: VmName = "web".parse().unwrap();
        let mut host = Simulated::new(&Rc::new(RefCell::new(Fixture::lab())));
        let (next, nothing) = (Cell::new(100), |_: &dyn Host| false);
        let chain = |_: &dyn Host| {
            next.set(next.get() + 1);
            Ok(vec![next.get()])
        };
        let (ended, faults) = end_all(&mut host, &name, &chain, &nothing, &|_, _| None).unwrap();
        assert_eq!((ended.len(), faults.len()), (GUESTS_MAX, 1));
        assert_eq!(faults[0].message, "guests of web keep coming: 16 were ended, and process 117 is there");
        assert_eq!(
            faults[0].hint.as_deref(),
            Some("end what starts them, and then call `vmrun gc` for what web has left")
        );
        // One that is ended, and another that was on its way.
        let two = Cell::new(0);
        let find = |_: &dyn Host| Ok(if two.get() < 2 { vec![7] } else { vec![7, 8] });
        let is_coming = |_: &dyn Host| two.replace(two.get() + 1) < 2;
        let (ended, faults) = end_all(&mut host, &name, &find, &is_coming, &|_, _| None).unwrap();
        assert_eq!((ended, faults), (vec![7, 8], vec![]));
    }
}

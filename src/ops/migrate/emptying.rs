//! A host is emptied: each machine that runs on it is moved to another one, one after the other.
//!
//! A machine that starts after others moves after them, and to where they went: it would not be started elsewhere. Each is moved whole
//! or stays as it is, and those that have nothing to do with one that stays are moved all the same.

use super::{Listener, MigrateEvent, MigrateOptions, MigrateRequest, Migrated, migrate};
use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::model::VmName;
use crate::ops::inventory::{Entry, EntryState, MachineState};
use crate::ops::machines::machines;
use crate::supervise::order::order;

/// Where a machine is that was to be moved.
enum Place {
    /// There.
    On(String),
    /// Here.
    Here,
}

/// Moves every machine that runs here to the first of the hosts that nothing stands against. Each fault has the machine before it.
/// Returns how many there were.
pub(crate) fn migrate_all(
    request: &MigrateRequest<'_>,
    options: MigrateOptions,
    listener: Listener<'_>,
) -> Result<usize, Vec<Diagnostic>> {
    let all = machines()?;
    all.iter().filter(|one| one.state == EntryState::Foreign).for_each(|one| {
        let name = one.name.as_deref().unwrap_or("a hypervisor without a name");
        listener(&MigrateEvent::Foreign(name));
    });
    let running: Vec<(VmName, Vec<VmName>)> = all.iter().filter(|one| is_up(one)).filter_map(machine).collect();
    let names: Vec<&VmName> = running.iter().map(|(name, _)| name).collect();
    // What does not run here is no reason to wait for it.
    let of = |after: &Vec<VmName>| after.iter().filter(|name| names.contains(name)).cloned().collect();
    let among: Vec<(VmName, Vec<VmName>)> = running.iter().map(|(name, after)| (name.clone(), of(after))).collect();
    let before = order(&among, |_| true)?;
    let mut places: Vec<Option<Place>> = among.iter().map(|_| None).collect();
    let mut faults = Vec::new();
    let is_next = |places: &[Option<Place>], at: usize| {
        places[at].is_none() && before[at].iter().all(|other| places[*other].is_some())
    };
    while let Some(at) = (0..among.len()).find(|at| is_next(&places, *at)) {
        let name = &among[at].0;
        let of = |other: &usize| (&among[*other].0, places[*other].as_ref());
        let needed: Vec<_> = before[at].iter().map(of).collect();
        let moved = hosts(name, &needed, request.hosts).map_err(Into::into).and_then(|hosts| {
            migrate(&MigrateRequest { name: name.as_str(), hosts: &hosts, ..*request }, options, listener)
        });
        places[at] = Some(match moved {
            Ok(moved) => {
                listener(&MigrateEvent::Done(&moved));
                let Migrated { host, .. } = moved;
                Place::On(host)
            }
            Err(why) => {
                listener(&MigrateEvent::NotMoved(name));
                let is_interrupted = why.iter().any(|one| one.fault.blame == Blame::Interrupted);
                faults.extend(why.into_iter().map(|one| of_machine(one, name)));
                if is_interrupted {
                    return Err(faults);
                }
                Place::Here
            }
        });
    }
    if faults.is_empty() { Ok(among.len()) } else { Err(faults) }
}

fn of_machine(one: Diagnostic, name: &VmName) -> Diagnostic {
    Diagnostic { fault: one.fault.context(name), ..one }
}

/// Whether a machine of ours runs, as far as that can be told; one that has failed does not.
fn is_up(one: &Entry) -> bool {
    match one.state {
        EntryState::Supervised(state) => state != MachineState::Failed,
        EntryState::Foreground | EntryState::Unsupervised | EntryState::Unknown => true,
        EntryState::Exporting
        | EntryState::Left
        | EntryState::Foreign
        | EntryState::Down
        | EntryState::Moved
        | EntryState::Replica => false,
    }
}

fn machine(one: &Entry) -> Option<(VmName, Vec<VmName>)> {
    let after = one.status.as_ref().map(|status| status.after.clone()).unwrap_or_default();
    Some((one.name.as_deref()?.parse().ok()?, after))
}

/// Returns where a machine may go that starts after others: where they are.
fn hosts(name: &VmName, needed: &[(&VmName, Option<&Place>)], asked: &[String]) -> Result<Vec<String>, Fault> {
    let mut hosts: Vec<&String> = Vec::new();
    for (other, place) in needed {
        match place {
            Some(Place::On(host)) if hosts.contains(&host) => {}
            Some(Place::On(host)) => hosts.push(host),
            Some(Place::Here) | None => {
                let fault = Fault::host(format!("it starts after {other}, which stays here"));
                return Err(fault.hint(format!("move {other}; then `vmrun migrate {name} HOST`")));
            }
        }
    }
    match hosts[..] {
        [] => Ok(asked.to_vec()),
        [host] => Ok(vec![host.clone()]),
        _ => {
            let others = suggest::list(needed.iter().map(|(other, _)| other.as_str()));
            let fault = Fault::host(format!("it starts after {others}, which are on different hosts by now"));
            Err(fault.hint(format!("bring them together; then `vmrun migrate {name} HOST`")))
        }
    }
}

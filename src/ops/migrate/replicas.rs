//! Replicas of machines: sent to another host, kept there, and taken there once the host that they came from is gone.

use super::giver::Giver;
use super::{Listener, MigrateEvent, MigrateOptions, SCHEME, begun_already, new_record, own_machine, own_settings};
use crate::diag::{Diagnostic, Fault};
use crate::host::{Settings, clock, moved_disks, moves, replicas, replication};
use crate::image::migration::{MoveRecord, MoveState, Takeover};
use crate::model::reservation::is_fenced;
use crate::model::{Size, VmName};
use crate::ops::other_host::{OtherHost, remote};
use crate::ops::replica_hosts::{Aim, OwnStart, ReplicaHosts};

/// What is asked for.
pub(crate) struct ReplicateRequest<'a> {
    /// The machine, or its recipe.
    pub(crate) name: &'a str,
    /// The host, as ssh knows it.
    pub(crate) host: &'a str,
    /// How many replicas that host keeps.
    pub(crate) keep: u64,
}

/// Sends a replica of a machine to another host. Returns the machine, and how much was sent.
pub(crate) fn replicate(
    request: &ReplicateRequest<'_>,
    options: MigrateOptions,
    listener: Listener<'_>,
) -> Result<(VmName, Size), Vec<Diagnostic>> {
    let (settings, remote) = (own_settings()?, remote(request.host)?);
    let found = own_machine(request.name)?;
    let name = found.0.clone();
    if let (name, false, with) = &found {
        // What was taken over while this host was away is older here than its own replica.
        ReplicaHosts::default().against_old(&OwnStart { name, fenced: None, with: with.clone(), aim: Aim::Start })?;
    }
    let lock = moves::lock_now(&settings, &name)?;
    if let Some(record) = moves::read(&settings, &name)?.filter(|record| !record.is_over()) {
        return Err(begun_already(&record).into());
    }
    let record = new_record(&found, request.host, false)?;
    let sent = Giver::new(settings, record, lock, remote, options, listener).replicate(request.keep)?;
    Ok((name, sent))
}

/// Removes all replicas of a machine from this host. Returns how many that were.
pub(crate) fn forget_replicas(name: &VmName) -> Result<usize, Vec<Diagnostic>> {
    let settings = own_settings()?;
    let _lock = moves::lock_now(&settings, name)?;
    against_taking(&settings, name)?;
    let all = replicas::all(&settings, name)?;
    if all.is_empty() {
        return Err(no_replica(name).into());
    }
    all.iter().try_for_each(|record| replicas::destroy(&settings, record))?;
    Ok(all.len())
}

/// Has the newest replica of a machine be this host's machine. The host that it came from must not run it, nor be about to: either it
/// says so itself, or somebody vouches for it.
pub(crate) fn take_replica(
    name: &VmName,
    fenced: Option<&str>,
    options: MigrateOptions,
    listener: Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let settings = own_settings()?;
    let _lock = moves::lock_now(&settings, name)?;
    let newest = replicas::whole(&settings, name)?.pop().ok_or_else(|| no_replica(name))?;
    let begun = moves::read(&settings, name)?;
    let is_begun = begun.as_ref().is_some_and(|record| record.id == newest.id && record.state == MoveState::Named);
    if let Some(other) = begun.filter(|record| !is_begun && !record.is_over()) {
        return Err(begun_already(&other).into());
    }
    moved_disks::against_names(&settings, &newest.made)?;
    against_source(&newest, fenced, options)?;
    listener(&MigrateEvent::FromReplica(name, &newest.peer, newest.at, clock::now().saturating_sub(newest.at)));
    let named = MoveRecord { state: MoveState::Named, runs: false, at: clock::now(), ..newest.clone() };
    // Should that host come back without knowing it, it asks.
    let takeover = Takeover { id: newest.id.clone(), from: newest.peer.clone(), at: clock::now() };
    replication::change(&settings, name, |all| all.takes(takeover))?;
    // From here on it is known what there is to be finished.
    moves::write(&settings, &named)?;
    moved_disks::name(&settings, &newest.made)?;
    moves::forget(&settings, name)?;
    Ok(replicas::forget(&settings, &newest)?)
}

/// Refuses to remove what is just being taken.
fn against_taking(settings: &Settings, name: &VmName) -> Result<(), Fault> {
    let begun = moves::read(settings, name)?.filter(|record| record.state == MoveState::Named);
    begun.map_or(Ok(()), |record| Err(begun_already(&record)))
}

/// Has a host not be asked any more whether it has taken a machine over: it has none of its replicas, and never will.
pub(crate) fn forget_host(name: &VmName, host: &str) -> Result<(), Vec<Diagnostic>> {
    let settings = own_settings()?;
    let _lock = moves::lock_now(&settings, name)?;
    let host = host.trim_start_matches(SCHEME);
    let is_known = replication::change(&settings, name, |all| all.forget_host(host))?;
    if is_known {
        return Ok(());
    }
    let hosts: Vec<String> = replication::read(&settings, name)?.hosts().map(|(host, _)| host.to_string()).collect();
    let fault = Fault::host(format!("no replica of {name} was sent to {host}"));
    let there = (!hosts.is_empty()).then(|| format!("those of {name} went to {}", hosts.join(", ")));
    Err(fault.maybe_hint(there).into())
}

fn no_replica(name: &VmName) -> Fault {
    let fault = Fault::host(format!("there is no replica of {name} here"));
    fault.hint(format!("`vmrun replicate {name} HOST`, on the host that has it, sends one"))
}

/// Has the host that a machine is replicated from give it up, so that it is not started there any more. Where it cannot be asked
/// somebody has to vouch for it.
fn against_source(newest: &MoveRecord, fenced: Option<&str>, options: MigrateOptions) -> Result<(), Vec<Diagnostic>> {
    let (name, host) = (&newest.machine, &newest.peer);
    if let Some(other) = fenced.filter(|fenced| !is_fenced(fenced, host)) {
        let fault =
            Fault::host(format!("the replica of {name} is {host}'s, and `--fenced {other}` proves nothing of it"));
        return Err(fault.hint(format!("fence {host}, then say --fenced {host}")).into());
    }
    let mut other = OtherHost::new(host.clone(), remote(host)?, options.answer_within);
    let Err(mut faults) = other.give_up(name, &newest.id) else { return Ok(()) };
    if other.has_answered() {
        return Err(faults);
    }
    if fenced.is_some() {
        return Ok(());
    }
    let fault = Fault::busy(format!("{host} does not tell whether {name} runs there"));
    faults.push(fault.hint(format!("fence it, so that it cannot run there, then say --fenced {host}")).into());
    Err(faults)
}

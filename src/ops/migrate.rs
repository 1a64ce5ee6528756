//! A machine is moved to another host: its disks are copied while its guest runs; then it is stopped, the rest is sent, and it is
//! started there. Only once it runs there this host gives it up.
//!
//! Exactly one of both hosts may start it at any moment, whatever is killed: what each of them has written (`image::migration`) says
//! which, and a run asks that (`supervise::claim`). A move that was cut off is gone on with, or undone.

mod arrival;
mod coming;
mod emptying;
mod giver;
mod moment;
mod offered;
mod replicas;
mod start;

pub(crate) use coming::receive;
pub(crate) use emptying::migrate_all;
pub(crate) use replicas::{ReplicateRequest, forget_host, forget_replicas, replicate, take_replica};

use super::installation::Installation;
use super::known;
use super::other_host::remote;
use super::remote::SCHEME;
use super::replica_hosts::{Aim, OwnStart, ReplicaHosts};
use super::settings;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::export::MoveProgress;
use crate::host::moves;
use crate::host::{Settings, clock};
use crate::image::migration::{MoveRecord, MoveState, StartedWith};
use crate::model::{Size, VmName};
use giver::Giver;
use std::time::Duration;

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) struct MigrateRequest<'a> {
    /// The machine, or its recipe.
    pub(crate) name: &'a str,
    /// The hosts, as ssh knows them; it goes to the first of them that nothing stands against.
    pub(crate) hosts: &'a [String],
    /// Whether both hosts see the same disks, and none is copied.
    pub(crate) shared: bool,
    /// Whether it is only asked what would stand against it.
    pub(crate) dry_run: bool,
}

/// How a move goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MigrateOptions {
    /// How long the guest may take to power off; nothing where it gets the time that its start gave it.
    pub(crate) within: Option<Duration>,
    /// How long the other host may take to let us in.
    pub(crate) answer_within: Duration,
}

/// What happens while a machine is moved.
pub(crate) enum MigrateEvent<'a> {
    /// It is moved to a host: so many disks, and how much of them is no hole.
    Begins(&'a VmName, &'a str, usize, Size),
    /// Its disks are copied.
    Copies(MoveProgress),
    /// So much was sent, in that pass over the disks.
    Copied(usize, Size),
    /// Its guest is stopped.
    Stops(&'a VmName),
    /// The other host is asked to start it.
    Starts(&'a VmName, &'a str),
    /// It is started here again.
    StartsHere(&'a VmName),
    /// Something that does not go with it.
    LeftOut(&'a str),
    /// Something that stays on the other host.
    Remains(&'a str),
    /// The move is undone: the machine is this host's.
    Undone(&'a VmName, &'a str),
    /// Something stands against a host, and the next one is asked.
    NextHost(&'a str, &'a [Diagnostic]),
    /// One of several machines was moved.
    Done(&'a Migrated),
    /// One of several machines stays here; why is told at the end.
    NotMoved(&'a VmName),
    /// A hypervisor stays here, as it is not vmrun's.
    Foreign(&'a str),
    /// A replica is sent to a host: so many disks, and how much of them is no hole.
    Replicates(&'a VmName, &'a str, usize, Size),
    /// Something is to be known of the moment that a replica is of.
    Note(&'a str),
    /// A machine begins as the replica from a host is that was whole in that second of 1970, so many seconds ago.
    FromReplica(&'a VmName, &'a str, u64, u64),
}

/// Who hears of what happens.
pub(crate) type Listener<'a> = &'a dyn Fn(&MigrateEvent<'_>);

/// A machine that was moved.
pub(crate) struct Migrated {
    /// The machine.
    pub(crate) machine: VmName,
    /// Where it is now.
    pub(crate) host: String,
    /// How long it was down; nothing of one that did not run, or whose move was cut off meanwhile.
    pub(crate) downtime: Option<Duration>,
    /// Whether it runs there.
    pub(crate) runs: bool,
    /// Whether it was only asked what would stand against it.
    pub(crate) was_dry_run: bool,
}

/// Moves a machine to the first of the hosts that nothing stands against.
pub(crate) fn migrate(
    request: &MigrateRequest<'_>,
    options: MigrateOptions,
    listener: Listener<'_>,
) -> Result<Migrated, Vec<Diagnostic>> {
    let Some((last, others)) = request.hosts.split_last() else { return Err(no_host().into()) };
    request.hosts.iter().try_for_each(|host| remote(host).map(drop))?;
    let found = own_machine(request.name)?;
    if let (name, false, with) = &found {
        // One that does not run may have been taken over while this host was away.
        let aim = if request.dry_run { Aim::Ask } else { Aim::Start };
        let warnings = ReplicaHosts::default().against(&OwnStart { name, fenced: None, with: with.clone(), aim })?;
        warnings.iter().for_each(|warning| listener(&MigrateEvent::Note(&warning.fault.message)));
    }
    for host in others {
        let asked = MigrateRequest { dry_run: true, ..*request };
        // What is told of a machine is told when it goes.
        match migrate_to(host, &found, &asked, options, &|event| {
            if request.dry_run {
                listener(event)
            }
        }) {
            Ok(asked) if request.dry_run => return Ok(asked),
            Ok(_) => return migrate_to(host, &found, request, options, listener),
            Err(faults) if faults.iter().any(|one| one.fault.blame == Blame::Interrupted) => return Err(faults),
            Err(faults) => listener(&MigrateEvent::NextHost(host, &faults)),
        }
    }
    migrate_to(last, &found, request, options, listener)
}

fn no_host() -> Fault {
    Fault::usage("no host is named to move it to").hint("`vmrun migrate NAME HOST`")
}

/// A machine of this host: its name, whether it runs, and how it was started, or would be.
type OwnMachine = (VmName, bool, StartedWith);

fn own_machine(name: &str) -> Result<OwnMachine, Vec<Diagnostic>> {
    let installation = Installation::open()?;
    let machine = offered::machine(&installation, known::one(&installation, &known::statuses()?, name)?)?;
    let name = machine.name().clone();
    let (runs, with) = start::now(&name, &machine)?;
    Ok((name, runs, with))
}

fn migrate_to(
    host: &str,
    found: &OwnMachine,
    request: &MigrateRequest<'_>,
    options: MigrateOptions,
    listener: Listener<'_>,
) -> Result<Migrated, Vec<Diagnostic>> {
    let (settings, remote, name) = (own_settings()?, remote(host)?, &found.0);
    let lock = moves::lock_now(&settings, name)?;
    if let Some(record) = moves::read(&settings, name)?.filter(|record| !record.is_over()) {
        return Err(begun_already(&record).into());
    }
    let record = new_record(found, host, request.shared)?;
    let giver = Giver::new(settings, record, lock, remote, options, listener);
    if request.dry_run { giver.rehearse() } else { giver.begin() }
}

/// Returns the record of something that begins here.
fn new_record((name, runs, with): &OwnMachine, host: &str, is_shared: bool) -> Result<MoveRecord, Fault> {
    Ok(MoveRecord {
        id: moves::new_id()?,
        machine: name.clone(),
        state: MoveState::Sending,
        peer: host.trim_start_matches(SCHEME).into(),
        at: clock::now(),
        runs: *runs,
        is_shared,
        with: with.clone(),
        was_at: None,
        made: Vec::new(),
    })
}

/// Goes on with a move that was cut off. Somebody may vouch for the hosts that may have taken the machine over meanwhile.
pub(crate) fn resume(
    name: &VmName,
    fenced: Option<&str>,
    options: MigrateOptions,
    listener: Listener<'_>,
) -> Result<Migrated, Vec<Diagnostic>> {
    own_giver(name, options, listener)?.go_on(fenced)
}

/// Undoes a move that was cut off; the same.
pub(crate) fn abort(
    name: &VmName,
    fenced: Option<&str>,
    options: MigrateOptions,
    listener: Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    own_giver(name, options, listener)?.undo(fenced)
}

/// Keeps nothing more of a move, whatever the other host has of it; what has come without being this host's is removed.
pub(crate) fn forget(name: &VmName) -> Result<MoveRecord, Vec<Diagnostic>> {
    let settings = own_settings()?;
    let _lock = moves::lock_now(&settings, name)?;
    let record = moves::read(&settings, name)?.ok_or_else(|| no_move(name))?;
    if matches!(record.state, MoveState::Receiving | MoveState::Whole | MoveState::Named) {
        crate::host::moved_disks::undo(&settings, &record.made, record.state == MoveState::Named)?;
    }
    moves::forget(&settings, name)?;
    Ok(record)
}

fn own_giver<'a>(name: &VmName, options: MigrateOptions, listener: Listener<'a>) -> Result<Giver<'a>, Vec<Diagnostic>> {
    let settings = own_settings()?;
    let lock = moves::lock_now(&settings, name)?;
    let record = moves::read(&settings, name)?.ok_or_else(|| no_move(name))?;
    if record.state == MoveState::Moved {
        return Err(record.refusal().unwrap_or_else(|| no_move(name)).into());
    }
    if record.state == MoveState::Undone {
        return Err(no_move(name).into());
    }
    if !record.state.is_of_giver() {
        return Err(begun_already(&record).into());
    }
    let remote = remote(&record.peer)?;
    Ok(Giver::new(settings, record, lock, remote, options, listener))
}

fn own_settings() -> Result<Settings, Fault> {
    settings::settings(settings::platform()?, false)
}

fn no_move(name: &VmName) -> Fault {
    Fault::usage(format!("no move of {name} has begun here")).hint(format!("`vmrun migrate {name} HOST` begins one"))
}

/// The fault of a machine of which this host has a move already.
fn begun_already(record: &MoveRecord) -> Fault {
    let (name, peer) = (&record.machine, &record.peer);
    if let Some(fault) = record.refusal() {
        return fault;
    }
    if record.state == MoveState::Sending {
        let fault = Fault::busy(format!("a move of {name} to {peer} has begun, and has not ended"));
        return fault.hint(format!(
            "`vmrun migrate --resume {name}` goes on with it, `vmrun migrate --abort {name}` undoes it"
        ));
    }
    let fault =
        Fault::busy(format!("the move of {name} from {peer} has not ended: {peer} does not know yet that it is here"));
    fault.hint(format!(
        "`vmrun migrate --resume {name}` there ends it; `vmrun migrate --forget {name}` here if {peer} is gone for ever"
    ))
}

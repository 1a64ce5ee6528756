//! Guests of runs in the background whose supervisor is gone: what is known of one that a new supervisor takes over.

use super::{Aim, against_elsewhere, guest_of, journal, not_running, take};
use crate::diag::Fault;
use crate::host::{Effect, Host};
use crate::model::VmName;
use crate::supervise::holds::Hold;
use crate::supervise::journal::Owner;
use std::path::PathBuf;

/// Returns the socket of the agent that has frozen the file systems of a machine's guest, and not thawed them.
pub(crate) fn frozen(host: &dyn Host, name: &VmName) -> Option<PathBuf> {
    journal(&host.store().record(name)?).frozen
}

/// What is known of a guest that can be taken over.
pub(crate) struct Adoptable {
    /// Who had it.
    pub owner: Option<Owner>,
    /// What was taken for it.
    pub holds: Vec<Hold>,
    /// The memberships that end with its taps.
    pub joined: Vec<Effect>,
    /// Its process.
    pub guest: u32,
}

/// Takes the lock of a machine whose guest goes on without its run, and returns what is known of it.
pub(crate) fn adoptable(host: &mut dyn Host, name: &VmName) -> Result<Adoptable, Fault> {
    if host.store().record(name).is_none() {
        return Err(not_running(name));
    }
    take(host, name, Aim::Adoption)?;
    let found = adopt(host, name);
    if found.is_err() {
        host.store_mut().clear(name)?;
    }
    found
}

fn adopt(host: &dyn Host, name: &VmName) -> Result<Adoptable, Fault> {
    let Some(record) = host.store().record(name) else { return Err(not_running(name)) };
    let journal = journal(&record);
    against_elsewhere(host, &record).map_or(Ok(()), Err)?;
    let Some(guest) = guest_of(host, &record) else {
        let fault = Fault::host(format!("no guest of {name} goes on without its vmrun"));
        return Err(fault.hint(format!("`vmrun start {name}` starts it")));
    };
    let others = |hold: &&Hold| matches!(hold, Hold::Lock(other) if other != name);
    if let Some(Hold::Lock(other)) = journal.holds.iter().find(others) {
        let fault = Fault::host(format!("{name} is one of several machines of its recipe, as {other} is"));
        return Err(fault.hint(format!("only a recipe of one machine can be taken over; `vmrun stop {name}` ends it")));
    }
    let ours = |tap: &str| {
        journal.holds.iter().any(
            |hold| matches!(hold, Hold::Effect(effect) if effect.made_tap().is_some_and(|own| own.as_str() == tap)),
        )
    };
    let interfaces = host.interfaces()?;
    let members = interfaces.iter().flat_map(|one| one.members.iter().map(move |member| (&one.name, member)));
    let join = |(bridge, member): (&String, &String)| Some(Effect::join(bridge.parse().ok()?, member.parse().ok()?));
    let joined = members.filter(|(_, member)| ours(member)).filter_map(join).collect();
    Ok(Adoptable { owner: journal.owner, holds: journal.holds, joined, guest })
}

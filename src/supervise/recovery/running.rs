//! What is said of a machine that runs already, and what the one who hears of it should do: that depends on what was wanted.

use super::evidence;
use super::exports::is_exported;
use super::holder;
use crate::diag::Fault;
use crate::host::Host;
use crate::model::VmName;
use crate::supervise::journal::Owner;
use crate::supervise::status::MachineStatus;
use std::path::Path;

/// What was wanted of a machine that runs already.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim<'a> {
    /// To boot it, by the recipe of that path, if that is known.
    Boot(Option<&'a str>),
    /// To take its guest over.
    Adoption,
    /// To stop it, and no process is certainly its run.
    End,
    /// To change its disks.
    Disks,
}

/// The fault of a machine that another run holds.
pub(crate) fn running(host: &dyn Host, name: &VmName, owner: Option<&Owner>, aim: Aim<'_>) -> Fault {
    let who = owner.map(|owner| format!(": {owner}")).unwrap_or_default();
    if let Some(there) = owner.filter(|owner| evidence::is_of_elsewhere(host.processes(), owner)) {
        let fault = Fault::busy(format!("the machine {name} is running already{who}, {}", there.whereabouts()));
        return fault.hint(format!("`vmrun stop {name}` there stops it; VMRUN_STATE_DIR names another state folder"));
    }
    if owner.is_none() && is_exported(host, name) {
        let fault = Fault::busy(format!("the machine {name} is exported at the moment"));
        return fault.hint("wait until that has ended; Ctrl-C ends it, where it was started");
    }
    let fault = Fault::busy(format!("the machine {name} is running already{who}"));
    fault.hint(match (aim, owner) {
        (Aim::Boot(Some(recipe)), Some(owner)) if is_of(host, owner, recipe) => again(host, name),
        (Aim::Boot(_), _) => format!("`vmrun stop {name}` stops it; or give this machine another name"),
        (Aim::Disks, _) => format!("`vmrun stop {name}` stops it; what it has can be changed then"),
        (Aim::Adoption, _) => {
            format!("there is nothing to take over: `vmrun status {name}` tells who looks after it")
        }
        (Aim::End, Some(owner)) => {
            format!("`ps -p {0}` tells what it is; `kill {0}` stops it if it is vmrun", owner.pid)
        }
        (Aim::End, None) => "it may be about to start: try again in a moment".into(),
    })
}

/// Returns whether a run is of the recipe of that path.
fn is_of(host: &dyn Host, owner: &Owner, recipe: &str) -> bool {
    host.real(Path::new(&owner.recipe)) == host.real(Path::new(recipe))
}

/// Says how a machine that runs is started again.
fn again(host: &dyn Host, name: &VmName) -> String {
    match MachineStatus::of(host, name) {
        Some(_) => format!("`vmrun restart {name}` starts it again, `vmrun stop {name}` stops it"),
        // That is in the foreground of a terminal, and nothing starts it there but who sits at it.
        None => format!("`vmrun stop {name}` stops it; then it can be started again"),
    }
}

/// Says what to do where a run wants an interface of that name and one of a machine that runs has it.
pub(crate) fn against_interface(host: &dyn Host, machine: &VmName, owner: Option<&Owner>, recipe: &str) -> String {
    match owner.filter(|owner| is_of(host, owner, recipe)) {
        Some(_) => format!("{}; a second machine of this recipe needs another name here", again(host, machine)),
        None => format!("`vmrun stop {machine}`, or choose another name for it"),
    }
}

/// The fault of a machine that cannot be started again as it was, as it does not run in the background.
pub(crate) fn in_no_background(host: &dyn Host, name: &VmName) -> Fault {
    let fault = Fault::host(format!("the machine {name} does not run in the background"));
    fault.hint(match holder(host, name).flatten() {
        Some(owner) => {
            format!("it runs in the foreground: `vmrun stop {name}`, then `vmrun start {}`", owner.recipe)
        }
        None => format!("`vmrun start {name}` starts it"),
    })
}

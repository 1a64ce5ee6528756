//! Whose a machine's vmm node is: what is there and was not taken by vmrun is somebody else's.
//!
//! A second bhyve of a name is refused the node, and whoever destroys a node ends the bhyve that has it (12.1, bhyve-node.txt,
//! bhyvectl.txt). Only the kernel knows who has one open, so that processes are asked by their names.

use super::recovery;
use crate::bhyve;
use crate::diag::Fault;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Host, Platform};
use crate::model::VmName;

/// Returns whether a machine has a node. Nothing is known of a host that is not here.
fn is_there(host: &dyn Host, name: &VmName) -> bool {
    let settings = host.settings();
    settings.platform == Platform::FreeBsd && !host.is_assumed() && host.file(&settings.node(name)).is_some()
}

/// Returns what speaks against starting a machine, before anything happens: a node that is not given back as what a dead run of ours
/// has left, and that the recipe does not destroy before.
pub(crate) fn against_starting(host: &dyn Host, name: &VmName) -> Option<Fault> {
    let destroys = |done: &Rehearsed| matches!(done, Rehearsed::Effect(Effect::DestroyNode(of)) if of == name);
    let is_destroyed = || host.rehearsal().is_some_and(|rehearsal| rehearsal.done.iter().any(destroys));
    // Whoever has the machine's lock is told of by that.
    if host.store().trace(name).is_some_and(|trace| trace.is_locked) {
        return None;
    }
    let real = host.rehearsal().map_or(host, |rehearsal| rehearsal.host());
    if !is_there(host, name) || is_destroyed() || recovery::gives_back_node(real, name) {
        return None;
    }
    against_booting(host, name)
}

/// Returns what speaks against the first boot of a machine by a run that has not taken its node: there is one.
pub(crate) fn against_booting(host: &dyn Host, name: &VmName) -> Option<Fault> {
    if !is_there(host, name) {
        return None;
    }
    Some(match host.processes().bhyves(name) {
        Ok(pids) if pids.is_empty() => {
            let fault = Fault::host(format!("{name} has a node already, {}", host.settings().node(name).display()));
            fault.hint(format!(
                "a bhyve that is gone has left it, and the next one is refused: {}",
                bhyve::destroy(name)
            ))
        }
        Ok(pids) => {
            let fault = Fault::host(format!("{name} runs already: {}, which vmrun did not start", processes(&pids)));
            fault.hint(format!("give this machine another name, or stop that one: kill {}", numbers(&pids)))
        }
        Err(fault) => unknown(name, &fault),
    })
}

/// Returns what speaks against destroying a machine's node: a bhyve that has it would end.
pub(crate) fn against_destroying(host: &dyn Host, name: &VmName) -> Option<Fault> {
    if !is_there(host, name) {
        return None;
    }
    // It is not to be ended by a signal from here.
    if let Some(fault) = recovery::left_elsewhere(host, name) {
        return Some(fault);
    }
    match host.processes().bhyves(name) {
        Ok(pids) if pids.iter().all(|pid| recovery::goes_on(host, name) == Some(*pid)) => None,
        Ok(pids) => {
            let fault = Fault::host(format!("the node of {name} belongs to {}, which would end", processes(&pids)));
            Some(fault.hint(format!("stop that machine first, as its owner does, or by kill {}", numbers(&pids))))
        }
        Err(fault) => Some(unknown(name, &fault)),
    }
}

fn unknown(name: &VmName, why: &Fault) -> Fault {
    let fault = Fault::host(format!("{name} has a node, and whose it is cannot be told: {}", why.message));
    fault.hint(format!("vmrun as root sees all processes; if no bhyve runs {name}: {}", bhyve::destroy(name)))
}

fn processes(pids: &[u32]) -> String {
    format!("{} {}", if pids.len() == 1 { "process" } else { "processes" }, numbers(pids))
}

fn numbers(pids: &[u32]) -> String {
    pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

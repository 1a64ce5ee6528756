//! Stopping machines and starting them again. Each is rehearsed before: one that would not come back is not stopped.

use super::settings;
use super::start::{self, Start, near, prepare_again};
use super::stop::{self, How, stop_each, total};
use crate::diag::{Diagnostic, Fault};
use crate::host::system::System;
use crate::model::VmName;
use crate::supervise::recovery;
use crate::supervise::status::{MachineState, MachineStatus};
use serde_json::{Value, json};
use std::time::Duration;

/// Stops machines that run in the background, and starts them again as they were started before, without `init`. What is wrong
/// with one is told, and is no hindrance to the others.
pub(crate) fn restart(
    names: &[VmName],
    within: Option<Duration>,
    stopped: stop::Listener<'_>,
    started: start::Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let (mut starts, mut faults) = all_prepared(names, started)?;
    let all = among_themselves(&mut starts);
    start::in_order(&starts)?;
    if !starts.is_empty() {
        let outcomes = stop_each(&all, How::Asked(total(within, all.len() > 1)), stopped)?;
        let down = |(start, outcome): (Start, Result<(), Fault>)| match outcome {
            Ok(()) => Some(start),
            Err(fault) => {
                faults.push(fault.into());
                None
            }
        };
        let mut starts: Vec<Start> = starts.into_iter().zip(outcomes).filter_map(down).collect();
        among_themselves(&mut starts);
        faults.extend(start::start(&starts, started).err().unwrap_or_default());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// A machine that would come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rehearsal {
    /// The machine.
    pub(crate) name: VmName,
    /// The machines that it starts after, wherever they are.
    pub(crate) after: Vec<VmName>,
}

impl Rehearsal {
    /// Returns what is printed of machines that would come back.
    pub(crate) fn document(all: &[Self]) -> Value {
        let machine = |one: &Self| {
            let after: Vec<&str> = one.after.iter().map(VmName::as_str).collect();
            json!({ "name": one.name.as_str(), "after": after })
        };
        json!({ "version": env!("CARGO_PKG_VERSION"), "machines": all.iter().map(machine).collect::<Vec<_>>() })
    }

    /// Reads that; nothing of anything else.
    pub(crate) fn read(text: &str) -> Option<Vec<Self>> {
        let value: Value = serde_json::from_str(text).ok()?;
        let machine = |one: &Value| {
            let after = one.get("after")?.as_array()?.iter();
            Some(Self {
                name: one.get("name")?.as_str()?.parse().ok()?,
                after: after.map(|name| name.as_str()?.parse().ok()).collect::<Option<_>>()?,
            })
        };
        value.get("machines")?.as_array()?.iter().map(machine).collect()
    }
}

/// Rehearses the restart of machines, and stops none.
pub(crate) fn rehearse(names: &[VmName], listener: start::Listener<'_>) -> Result<Vec<Rehearsal>, Vec<Diagnostic>> {
    let (mut starts, mut faults) = all_prepared(names, listener)?;
    let of = |start: &Start| Rehearsal { name: start.name().clone(), after: start.after().to_vec() };
    let all = starts.iter().map(of).collect();
    among_themselves(&mut starts);
    faults.extend(start::in_order(&starts).err().map(Diagnostic::error));
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

/// Rehearses the start of machines that run in the background. Returns those that would come back, and what is wrong with the others.
fn all_prepared(names: &[VmName], listener: start::Listener<'_>) -> Result<(Vec<Start>, Vec<Diagnostic>), Fault> {
    let here = settings::host(false)?;
    let (mut starts, mut faults) = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        if !names[..at].contains(name) {
            match prepared(&here, name, listener) {
                Ok(start) => starts.push(start),
                Err(wrong) => faults.extend(wrong),
            }
        }
    }
    Ok((starts, faults))
}

/// Has machines start after each other only, and returns their names: what else they start after may have been stopped since they
/// were started.
fn among_themselves(starts: &mut [Start]) -> Vec<VmName> {
    let all: Vec<VmName> = starts.iter().map(|start| start.name().clone()).collect();
    starts.iter_mut().for_each(|start| start.only_after(&all));
    all
}

/// Rehearses the start of a machine that runs in the background.
fn prepared(here: &System, name: &VmName, listener: start::Listener<'_>) -> Result<Start, Vec<Diagnostic>> {
    let Some(status) = MachineStatus::of(here, name) else {
        let fault = recovery::in_no_background(here, name);
        let meant = near(here, name).filter(|_| recovery::holder(here, name).is_none());
        return Err(fault.maybe_hint(meant).into());
    };
    prepare_again(&status, listener).map_err(|mut faults| {
        let goes_on = if status.state == MachineState::Failed { "stays held" } else { "goes on as it was started" };
        let fault = Fault::new(format!("{name} was not restarted, and {goes_on}"));
        faults.push(fault.hint(format!("correct what is wrong; `vmrun stop {name}` stops it")).into());
        faults
    })
}

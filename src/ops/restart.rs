//! Stopping machines and starting them again. Each is rehearsed before: one that would not come back is not stopped.

use super::settings;
use super::start::{self, Start, near, prepare_again};
use super::stop::{self, How, stop_each, total};
use crate::diag::{Diagnostic, Fault};
use crate::host::system::System;
use crate::model::VmName;
use crate::supervise::recovery;
use crate::supervise::status::{MachineState, MachineStatus};
use std::time::Duration;

/// Stops machines that run in the background, and starts them again as they were started before, without `init`. What is wrong
/// with one is told, and is no hindrance to the others.
pub(crate) fn restart(
    names: &[VmName],
    within: Option<Duration>,
    stopped: stop::Listener<'_>,
    started: start::Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let here = settings::host(false)?;
    let (mut starts, mut faults) = (Vec::new(), Vec::new());
    for (at, name) in names.iter().enumerate() {
        if !names[..at].contains(name) {
            match prepared(&here, name, started) {
                Ok(start) => starts.push(start),
                Err(wrong) => faults.extend(wrong),
            }
        }
    }
    drop(here);
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

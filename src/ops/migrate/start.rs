//! How a machine runs, and how it is started again as it was.

use crate::diag::{Blame, Diagnostic, Fault};
use crate::image::migration::{MoveRecord, StartedWith};
use crate::model::VmName;
use crate::model::instance::INSTANCE;
use crate::model::permit::PermitOptions;
use crate::ops::machine_disks::MachineDisks;
use crate::ops::recipe::{RecipeRequest, absolute};
use crate::ops::settings;
use crate::ops::start::{StartEvent, StartOptions, start_recipes};
use crate::supervise::STOP_WITHIN;
use crate::supervise::recovery::monitor::{Monitored, monitor};
use crate::supervise::status::MachineStatus;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Returns whether a machine runs, and how it was started, or would be.
pub(super) fn now(name: &VmName, machine: &MachineDisks) -> Result<(bool, StartedWith), Fault> {
    let host = settings::host(false)?;
    let status = match monitor(&host, name)? {
        Monitored::Supervised(status) => Some(status),
        Monitored::Down(_) | Monitored::Failed(_) => None,
        Monitored::Starting(_) => {
            let fault = Fault::busy(format!("the machine {name} is just being started"));
            return Err(fault.hint("wait until it runs; then move it"));
        }
        Monitored::Foreground(owner) => {
            let fault = Fault::busy(format!("the machine {name} runs in the foreground, of {owner}"));
            return Err(fault.hint(format!("end that run, `vmrun start {name}`, then move it")));
        }
        Monitored::Unsupervised(guest) => {
            let fault = Fault::host(format!("the guest of {name}, process {guest}, runs, and its supervisor is gone"));
            let hint = format!("`vmrun adopt {name}` takes it over; then move it");
            return Err(fault.blame(Blame::Unsupervised).hint(hint));
        }
    };
    let wanted = &machine.wanted;
    let recipe = absolute(&wanted.path.display().to_string()).into();
    let with =
        |params: &BTreeMap<String, String>, permit: &PermitOptions, user_net, stop_within: Duration| StartedWith {
            recipe,
            params: params.clone(),
            permit: words(permit),
            user_net,
            stop_within_ms: u64::try_from(stop_within.as_millis()).unwrap_or(u64::MAX),
        };
    Ok(match status.as_deref() {
        Some(MachineStatus { params, permit, user_net, stop_within, .. }) => {
            (true, with(params, permit, *user_net, *stop_within))
        }
        None => (false, with(&wanted.params, &wanted.permit, wanted.user_net, STOP_WITHIN)),
    })
}

/// Whether a machine runs, or is about to.
pub(super) fn is_up(name: &VmName) -> Result<bool, Fault> {
    let host = settings::host(false)?;
    Ok(!matches!(monitor(&host, name)?, Monitored::Down(_) | Monitored::Failed(_)))
}

/// Starts a machine as it was started before, and makes sure that it runs then. One that runs already is one that was started.
/// One that was not handed over right now may have been taken over by somebody else meanwhile, who is asked.
pub(super) fn again(record: &MoveRecord, is_handed_over: bool) -> Result<(), Vec<Diagnostic>> {
    let (name, with) = (&record.machine, &record.with);
    let path = with.recipe.display().to_string();
    let instance = with.params.get(INSTANCE);
    let word = instance.map_or_else(|| path.clone(), |instance| format!("{path}[{instance}]"));
    let set: Vec<(String, String)> = with
        .params
        .iter()
        .filter(|(key, _)| *key != INSTANCE)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let request =
        RecipeRequest { permit: permit(&with.permit), ..RecipeRequest::new(&path, false, &set, with.user_net) };
    let stop_within = Duration::from_millis(with.stop_within_ms);
    let options = StartOptions { stop_within, wait: None, name: Some(name), is_handed_over };
    let said = Mutex::new(Vec::new());
    let heard = |event: &StartEvent<'_>| {
        // What a supervisor says that fails is all that tells why.
        if let StartEvent::Failed(output) = event {
            said.lock().unwrap_or_else(PoisonError::into_inner).extend(errors(output));
        }
    };
    if let Err(mut faults) = start_recipes(Some(&[word]), &request, options, &heard) {
        let said = said.into_inner().unwrap_or_else(PoisonError::into_inner);
        faults.splice(..0, said.into_iter().map(|line| Diagnostic::error(Fault::host(line))));
        return Err(faults);
    }
    let host = settings::host(false)?;
    match monitor(&host, name)? {
        Monitored::Supervised(_) => Ok(()),
        Monitored::Down(_)
        | Monitored::Failed(_)
        | Monitored::Starting(_)
        | Monitored::Foreground(_)
        | Monitored::Unsupervised(_) => {
            let log = settings::log_file(name)?;
            let fault = Fault::new(format!("{name} was started, and does not run")).blame(Blame::Guest);
            Err(fault.hint(format!("its log says why: {}", log.display())).into())
        }
    }
}

/// Returns the errors in what a supervisor has drawn, a line each.
fn errors(output: &str) -> Vec<String> {
    output.lines().filter_map(|line| line.strip_prefix("error: ")).map(String::from).collect()
}

/// Returns a permit as a record has it.
fn words(permit: &PermitOptions) -> BTreeMap<String, String> {
    let ttl = permit.ttl.map(|ttl| ttl.as_millis().to_string());
    let all = [("acquire", permit.acquire.clone()), ("keep", permit.keep.clone()), ("ttl", ttl)];
    all.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
}

/// Returns the permit of a record.
fn permit(words: &BTreeMap<String, String>) -> PermitOptions {
    let ttl = words.get("ttl").and_then(|ttl| ttl.parse().ok()).map(Duration::from_millis);
    PermitOptions { acquire: words.get("acquire").cloned(), keep: words.get("keep").cloned(), ttl }
}

//! A recipe's machine, in the foreground: rehearsed, then run until nothing follows.

use super::events::Diary;
use super::notice::{Notice, Notify};
use super::recipe::{RecipeRequest, absolute};
use super::replica_hosts::{OwnStart, ReplicaHosts};
use super::settings::{self, platform};
use crate::diag::Diagnostic;
use crate::host::Host;
use crate::host::system::{Prefetch, System};
pub(crate) use crate::host::{FetchProgress, Stage};
use crate::script::{Inputs, Recipe, Refused};
pub(crate) use crate::supervise::Progress;
use crate::supervise::driver::{Beginning, drive};
use crate::supervise::progress::ProgressListener;
pub(crate) use crate::supervise::step::Means;
use crate::supervise::{Claim, Run};
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::Duration;

/// A run in the foreground, as it is asked for.
pub(crate) struct RunRequest {
    /// The recipe, with its parameters.
    pub recipe: RecipeRequest,
    /// How long the guest may take to power off when it is asked to.
    pub stop_within: Duration,
    /// The file to which events are added.
    pub events: Option<PathBuf>,
}

/// A recipe that was rehearsed without a fault: its host, and what it is going to take there.
pub(crate) struct Rehearsed {
    /// The host, on which nothing has happened yet.
    pub host: Box<dyn Host>,
    /// What the run is going to take.
    pub claim: Claim,
}

/// Evaluates the recipe without effect: this boot, and the one after a reboot. Only a clean rehearsal gives the host back.
pub(crate) fn rehearse(
    recipe: &Recipe,
    host: Box<dyn Host>,
    inputs: &Inputs,
    warned: &mut dyn FnMut(&Diagnostic),
) -> Result<Rehearsed, Refused> {
    let run = recipe.rehearse(host, inputs, warned)?;
    let claim = run.claim_of(&absolute(&recipe.source().name));
    Ok(Rehearsed { host: run.into_host(), claim })
}

/// Rehearses a recipe, then runs its machine in the foreground until nothing follows. All that it took has been given back then.
pub(crate) fn run(
    asked: &RunRequest,
    prefetch: Prefetch,
    listener: ProgressListener,
    notify: Notify<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let settings = settings::settings(platform()?, asked.recipe.user_net)?;
    settings::doubt(platform()?).into_iter().for_each(|warning| notify(Notice::Warning(warning)));
    let mut host = System::new(settings, prefetch)?;
    // It is not taken apart: the process ends soon after, and thousands of small parts take their time.
    let recipe = ManuallyDrop::new(asked.recipe.read()?);
    let inputs = asked.recipe.inputs();
    host.work_in(inputs.origin.folder());
    let warned = &mut |warning: &Diagnostic| notify(Notice::Warning(warning.clone()));
    let Rehearsed { host, claim } =
        rehearse(&recipe, Box::new(host), &inputs, warned).map_err(|refused| refusal(refused, notify))?;
    let warnings = ReplicaHosts::default().against(&OwnStart::of(&claim.machine, &asked.recipe))?;
    warnings.into_iter().for_each(|warning| notify(Notice::Warning(warning)));
    claim.emulated.iter().for_each(|line| notify(Notice::Message(line.clone())));
    let diary = asked.events.as_deref().map(|path| Diary::open(path, &claim.machine)).transpose()?;
    let mut run = Run::new(host);
    run.stop_within = asked.stop_within;
    run.listener = Some(Box::new(move |progress| {
        diary.iter().for_each(|diary| diary.tell(progress));
        listener(progress);
    }));
    run.service = claim.service.clone();
    let faults = drive(run, Beginning::Claim(&claim), inputs.init, &mut |run, init| recipe.perform(run, &inputs, init));
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Makes known what a recipe that was refused has printed, and returns what was wrong.
pub(super) fn refusal(refused: Refused, notify: Notify<'_>) -> Vec<Diagnostic> {
    refused.printed.into_iter().for_each(|line| notify(Notice::Printed(line)));
    refused.faults
}

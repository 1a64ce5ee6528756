//! A recipe's machine, in the foreground: rehearsed, then run until nothing follows.

use crate::diag::Diagnostic;
use crate::host::Host;
use crate::script::{Inputs, Recipe, Refused};
use crate::supervise::driver::{Beginning, drive};
use crate::supervise::progress::Told;
use crate::supervise::{Claim, Run};
use std::time::Duration;

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
    let name = &recipe.source().name;
    let path = std::path::absolute(name).map_or_else(|_| name.clone(), |path| path.display().to_string());
    let claim = run.claim_of(&path);
    Ok(Rehearsed { host: run.into_host(), claim })
}

/// Runs what was rehearsed, and returns what was wrong; all that it took has been given back then.
pub(crate) fn perform(
    recipe: &Recipe,
    rehearsed: Rehearsed,
    inputs: &Inputs,
    stop_within: Duration,
    told: Told,
) -> Vec<Diagnostic> {
    let mut run = Run::new(rehearsed.host);
    run.stop_within = stop_within;
    run.told = Some(told);
    run.keeping = rehearsed.claim.keeping.clone();
    drive(run, Beginning::Claim(&rehearsed.claim), inputs.init, &mut |run, init| recipe.perform(run, inputs, init))
}

//! A recipe's machine, in the background: a run whose output is a log, or one that takes over the guest of a run that is gone.

use super::run::rehearse;
use crate::diag::Diagnostic;
use crate::host::Settings;
use crate::host::system::{Ahead, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::Rehearsal;
use crate::model::{Shape, VmName};
use crate::script::{Inputs, Recipe, Refused};
use crate::supervise::conflicts::Purpose;
use crate::supervise::driver::{Beginning, drive};
use crate::supervise::order::Keeping;
use crate::supervise::progress::Told;
use crate::supervise::standing::{Stance, Standing};
use crate::supervise::{Claim, Run};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a supervisor is told.
pub(crate) struct Supervision<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its path, as it was given.
    pub path: String,
    /// What it is told.
    pub inputs: Inputs,
    /// The host's settings.
    pub settings: Settings,
    /// How long the guest may take to power off.
    pub stop_within: Duration,
    /// The log that our output goes into.
    pub log: PathBuf,
    /// The machine whose guest is taken over; else one is booted.
    pub adopt: Option<VmName>,
}

/// Looks after a machine until nothing follows, and returns what was wrong; all that it took has been given back then. A recipe
/// that is refused by its rehearsal has taken nothing.
pub(crate) fn supervise(
    asked: &Supervision<'_>,
    told: Told,
    warned: &mut dyn FnMut(&Diagnostic),
) -> Result<Vec<Diagnostic>, Refused> {
    let Supervision { recipe, inputs, .. } = asked;
    let mut host = System::new(asked.settings.clone(), Ahead::default())?;
    host.in_background(&asked.log);
    let driven = |mut run: Run, beginning: Beginning<'_>| {
        (run.stop_within, run.told) = (asked.stop_within, Some(told));
        drive(run, beginning, inputs.init, &mut |run, init| recipe.perform(run, inputs, init))
    };
    if let Some(name) = &asked.adopt {
        return Ok(driven(adopting(asked, host, name)?, Beginning::Adopt(name)));
    }
    let (run, claim) = claiming(asked, host, warned)?;
    Ok(driven(run, Beginning::Claim(&claim)))
}

/// A run that boots a machine, and what it takes for that.
fn claiming(
    asked: &Supervision<'_>,
    host: System,
    warned: &mut dyn FnMut(&Diagnostic),
) -> Result<(Run, Claim), Refused> {
    let rehearsed = rehearse(asked.recipe, Box::new(host), &asked.inputs, warned)?;
    let mut run = Run::new(rehearsed.host);
    run.standing = Some(asked.standing(&rehearsed.claim.machine, &rehearsed.claim.keeping));
    run.keeping = rehearsed.claim.keeping.clone();
    Ok((run, rehearsed.claim))
}

/// A run that takes over a guest. The guest runs already, so that its recipe is not rehearsed on this host.
fn adopting(asked: &Supervision<'_>, host: System, name: &VmName) -> Result<Run, Refused> {
    let here = System::new(asked.settings.clone(), Ahead::default())?;
    let elsewhere = Elsewhere::new(asked.settings.clone(), Box::new(here));
    let rehearsal = Run::new(Box::new(Rehearsal::new(Box::new(elsewhere))));
    let evaluated = asked.recipe.evaluate(rehearsal, &asked.inputs, Some(Purpose::Plan));
    if !evaluated.faults.is_empty() {
        return Err(Refused { warnings: Vec::new(), faults: evaluated.faults, printed: Vec::new() });
    }
    let keeping = evaluated.run.keeping;
    let standing = Standing::of(&host, name).unwrap_or_else(|| asked.standing(name, &keeping));
    let mut run = Run::new(Box::new(host));
    run.standing = Some(standing);
    run.keeping = keeping;
    Ok(run)
}

impl Supervision<'_> {
    /// Returns how a machine stands before anything has happened.
    fn standing(&self, name: &VmName, keeping: &Keeping) -> Standing {
        Standing {
            name: name.clone(),
            state: Stance::Starting,
            supervisor: None,
            guest: None,
            since: 0,
            boots: 0,
            restarts: 0,
            recipe: self.path.clone(),
            init: self.inputs.init,
            params: self.inputs.params.clone(),
            user_net: self.settings.user_net,
            stop_within: self.stop_within,
            after: keeping.after.clone(),
            log: self.log.display().to_string(),
            error: None,
            until: None,
            shape: Shape::default(),
        }
    }
}

/// Returns the machine whose log it is.
pub(crate) fn machine_of(log: &Path) -> Option<VmName> {
    log.file_stem()?.to_str()?.parse().ok()
}

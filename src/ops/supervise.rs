//! A recipe's machine, in the background: a run whose output is a log, or one that takes over the guest of a run that is gone.

use super::events::Diary;
use super::notice::{Notice, Notify};
use super::recipe::RecipeRequest;
use super::run::{Rehearsed, refusal, rehearse};
use super::settings::{self, platform};
use crate::diag::Diagnostic;
use crate::diag::snippet::{Colour, draw};
use crate::host::background::{self, StarterConnection};
use crate::host::clock::Utc;
use crate::host::system::{Prefetch, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::Rehearsal;
use crate::host::{Settings, clock, events};
use crate::model::{Shape, SshOptions, VmName};
use crate::script::Recipe;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use crate::supervise::driver::{Beginning, drive};
use crate::supervise::order::ServiceOptions;
use crate::supervise::progress::{Progress, ProgressListener};
use crate::supervise::status::{MachineState, MachineStatus};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// What a supervisor is told.
pub(crate) struct Supervision {
    /// The recipe, with its parameters.
    pub recipe: RecipeRequest,
    /// How long the guest may take to power off.
    pub stop_within: Duration,
    /// The log that our output goes into.
    pub log: PathBuf,
    /// The machine whose guest is taken over; else one is booted.
    pub adopt: Option<VmName>,
}

/// What happens to a supervisor.
pub(crate) enum SupervisorEvent<'a> {
    /// Its run went on.
    Run(&'a Progress<'a>),
    /// Its run is over.
    Down,
}

/// Who hears of that; the run itself tells him too.
pub(crate) type Listener = Rc<dyn Fn(&SupervisorEvent<'_>)>;

/// Looks after a machine until nothing follows. All that it took has been given back then. Whoever has started us hears how it
/// went.
pub(crate) fn supervise(asked: &Supervision, listener: &Listener, notify: Notify<'_>) -> Result<(), Vec<Diagnostic>> {
    let line = Rc::new(background::settle()?);
    let ended = drive_in_background(asked, &line, listener, notify);
    if let Err(faults) = &ended {
        faults.iter().for_each(|fault| line.say(&format!("{}\n", draw(fault, Colour::Plain))));
    }
    ended
}

fn drive_in_background(
    asked: &Supervision,
    line: &Rc<StarterConnection>,
    listener: &Listener,
    notify: Notify<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let settings = settings::settings(platform()?, asked.recipe.user_net)?;
    let recipe = asked.recipe.read()?;
    let inputs = asked.recipe.inputs();
    let mut host = System::new(settings.clone(), Prefetch::default())?;
    host.in_background(&asked.log);
    host.work_in(inputs.origin.folder());
    let drive = |mut run: Run, beginning: Beginning<'_>| {
        run.stop_within = asked.stop_within;
        run.listener = Some(listener_of(&asked.log, line.clone(), listener.clone()));
        drive(run, beginning, inputs.init, &mut |run, init| recipe.perform(run, &inputs, init))
    };
    let faults = if let Some(name) = &asked.adopt {
        drive(adopting(asked, &recipe, settings, host, name)?, Beginning::Adopt(name))
    } else {
        let warned = &mut |warning: &Diagnostic| notify(Notice::Warning(warning.clone()));
        let rehearsed = rehearse(&recipe, Box::new(host), &inputs, warned);
        let Rehearsed { host, claim } = rehearsed.map_err(|refused| refusal(refused, notify))?;
        let mut run = Run::new(host);
        run.status = Some(asked.status(&claim.machine, &claim.service));
        run.service = claim.service.clone();
        drive(run, Beginning::Claim(&claim))
    };
    listener(&SupervisorEvent::Down);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Tells whoever has started us, the events beside the log, and the listener. That events cannot be written down stops nothing.
fn listener_of(log: &Path, line: Rc<StarterConnection>, listener: Listener) -> ProgressListener {
    let machine: Option<VmName> = log.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
    let diary = machine.and_then(|machine| Diary::open(&events::beside(log), &machine).ok());
    Box::new(move |progress| {
        diary.iter().for_each(|diary| diary.tell(progress));
        listener(&SupervisorEvent::Run(progress));
        match progress {
            Progress::Runs(..) => line.runs(),
            Progress::Waits(..) => line.waits(),
            // Who has started us waits for one of these.
            _ => {}
        }
    })
}

/// Returns the time of day as it stands in logs.
pub(crate) fn time_of_day() -> String {
    Utc(clock::now()).to_string()
}

/// A run that takes over a guest. The guest runs already, so that its recipe is not rehearsed on this host.
fn adopting(
    asked: &Supervision,
    recipe: &Recipe,
    settings: Settings,
    host: System,
    name: &VmName,
) -> Result<Run, Vec<Diagnostic>> {
    let here = System::new(settings.clone(), Prefetch::default())?;
    let rehearsal = Run::new(Box::new(Rehearsal::new(Box::new(Elsewhere::new(settings, Box::new(here))))));
    let evaluated = recipe.evaluate(rehearsal, &asked.recipe.inputs(), Some(Purpose::Plan));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let service = evaluated.run.service;
    let status = MachineStatus::of(&host, name).unwrap_or_else(|| asked.status(name, &service));
    let mut run = Run::new(Box::new(host));
    run.status = Some(status);
    run.service = service;
    Ok(run)
}

impl Supervision {
    /// Returns the status of a machine before anything has happened.
    fn status(&self, name: &VmName, service: &ServiceOptions) -> MachineStatus {
        MachineStatus {
            name: name.clone(),
            state: MachineState::Starting,
            supervisor: None,
            guest: None,
            since: 0,
            boots: 0,
            restarts: 0,
            recipe: self.recipe.path.clone(),
            init: self.recipe.init,
            params: self.recipe.inputs().params,
            user_net: self.recipe.user_net,
            permit: self.recipe.permit.clone(),
            stop_within: self.stop_within,
            after: service.after.clone(),
            log: self.log.display().to_string(),
            log_from: 0,
            error: None,
            until: None,
            shape: Shape::default(),
            argv: Vec::new(),
            ssh: SshOptions::default(),
        }
    }
}

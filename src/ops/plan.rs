//! The commands that a run would run, in order, each of which can be pasted into a shell.

use crate::diag::{Diagnostic, Fault, Place};
use crate::host::boot_plan::{BootPlan, Form, Setting};
use crate::host::commands::commands;
use crate::host::os::linux;
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Effect, Host, Settings, Step};
use crate::model::VmName;
use crate::script::{Evaluated, Inputs, Recipe, Refused};
use crate::supervise::conflicts::Purpose;
use crate::supervise::recovery::is_left;
use crate::supervise::{DEFAULT_UMASK, Run};
use serde_json::{Value, json};

/// What a run would do.
pub(crate) struct Plan {
    /// What the recipe printed.
    pub printed: Vec<String>,
    /// What is to be said though it stops nothing.
    pub warnings: Vec<Diagnostic>,
    /// The commands.
    pub steps: Vec<PlannedStep>,
    /// What gives back what was taken, when the run ends.
    pub given_back: Vec<Step>,
}

/// A command, and the call that asked for it.
pub(crate) struct PlannedStep {
    /// The command.
    pub step: Step,
    /// The call; none asked for what every run does.
    pub place: Option<Place>,
    /// The commands that are typed while it runs.
    pub meanwhile: Vec<String>,
}

/// Where a plan is for.
pub(crate) enum Where {
    /// This host.
    Here(Box<dyn Host>),
    /// A host of another kind; secrets and the environment are taken from this one.
    There(Settings, Box<dyn Host>),
}

/// Plans a run of a recipe. Whatever the recipe lacks on this host at the moment is a warning.
pub(crate) fn plan(recipe: &Recipe, inputs: &Inputs, at: Where, form: Form) -> Result<Plan, Refused> {
    let host = match at {
        Where::Here(host) => host,
        Where::There(settings, here) => Box::new(Elsewhere::new(settings, here)),
    };
    let settings = host.settings().clone();
    let mut rehearsal = Rehearsal::new(host);
    rehearsal.is_left = is_left;
    let mut run = Run::new(Box::new(rehearsal));
    run.act(&Effect::Umask(DEFAULT_UMASK))?;
    let evaluated = recipe.evaluate(run, inputs, Some(Purpose::Plan));
    if !evaluated.faults.is_empty() {
        return Err(Refused { warnings: evaluated.warnings, faults: evaluated.faults, printed: evaluated.printed });
    }
    let machine = evaluated.run.machine_of(&recipe.source().name);
    let back = evaluated.run.to_give_back();
    let given_back = back.iter().flat_map(|effect| commands(settings.platform, Some(&machine), effect)).collect();
    let steps = steps(&evaluated, &settings, &machine, form)?;
    Ok(Plan { printed: evaluated.printed, warnings: evaluated.warnings, steps, given_back })
}

/// Returns what would be done, with the calls that asked for it.
fn steps(evaluated: &Evaluated, settings: &Settings, machine: &VmName, form: Form) -> Result<Vec<PlannedStep>, Fault> {
    let mut steps = Vec::new();
    for (at, done) in evaluated.run.rehearsed().iter().enumerate() {
        let place = evaluated.places.iter().rfind(|(first, _)| *first <= at).map(|(_, place)| place.clone());
        let planned = |step| PlannedStep { step, place: place.clone(), meanwhile: Vec::new() };
        match done {
            Rehearsed::Effect(effect) => {
                steps.extend(commands(settings.platform, Some(machine), effect).into_iter().map(planned));
            }
            Rehearsed::Boot(machine) => {
                let setting = Setting { kvm: linux::kvm(), form, ..Setting::of(settings) };
                let mut boot: Vec<_> = BootPlan::of(machine, &setting)?.steps().into_iter().map(planned).collect();
                let meanwhile: Vec<String> = machine.talk().iter().map(|step| step.command(machine.name())).collect();
                boot.iter_mut().last().into_iter().for_each(|last| last.meanwhile.clone_from(&meanwhile));
                steps.extend(boot);
            }
        }
    }
    Ok(steps)
}

impl Plan {
    /// Returns the plan as a JSON object: `steps`, a list of `argv`, `stdin` and `place`, which is `file`, `line` and `column` or
    /// null, and `meanwhile` where something is typed while the command runs; and `given_back`, a list of `argv` and `stdin`.
    pub(crate) fn json(&self) -> Value {
        let command = |step: &Step| json!({ "argv": step.argv.words(), "stdin": step.stdin });
        let place = |place: &Place| {
            let (line, column) = place.line_column();
            json!({ "file": place.source.name, "line": line, "column": column })
        };
        let planned = |planned: &PlannedStep| {
            let mut object = command(&planned.step);
            object["place"] = json!(planned.place.as_ref().map(place));
            if !planned.meanwhile.is_empty() {
                object["meanwhile"] = json!(planned.meanwhile);
            }
            object
        };
        let steps: Vec<_> = self.steps.iter().map(planned).collect();
        let given_back: Vec<_> = self.given_back.iter().map(command).collect();
        json!({ "steps": steps, "given_back": given_back })
    }
}

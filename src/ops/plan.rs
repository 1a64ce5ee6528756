//! The commands that a run would run, in order, each of which can be pasted into a shell.

use super::notice::{Notice, Notify};
use super::recipe::RecipeRequest;
use super::settings::{self, platform};
use crate::diag::{Diagnostic, Fault, Place};
pub(crate) use crate::host::boot_plan::Form;
use crate::host::boot_plan::{BootPlan, Setting};
use crate::host::commands::commands;
use crate::host::os::linux;
use crate::host::system::{Ahead, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Asked, Effect, Host, Settings, Step};
use crate::model::VmName;
use crate::script::Evaluated;
use crate::supervise::conflicts::Purpose;
use crate::supervise::recovery::is_left;
use crate::supervise::{DEFAULT_UMASK, Run};
use serde_json::{Value, json};

/// What a run would do.
pub(crate) struct Plan {
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
    /// Whether it is a command of the recipe that is run before each boot: others are not run again after a reboot.
    pub each_boot: bool,
}

/// Plans a run of a recipe, here or on another kind of host (`linux`, `freebsd-15-arm64`). Whatever the recipe lacks on this host
/// at the moment is a warning.
pub(crate) fn plan(
    request: &RecipeRequest,
    on: Option<&str>,
    form: Form,
    ahead: Ahead,
    notify: Notify<'_>,
) -> Result<Plan, Vec<Diagnostic>> {
    let here = platform()?;
    let there: Asked = on.map_or(Ok(here), str::parse)?;
    let settings = |asked| settings::settings(asked, request.user_net);
    let host: Box<dyn Host> = Box::new(System::new(settings(here)?, ahead)?);
    let recipe = request.read()?;
    let is_here = here.platform == there.platform && there.release.is_none() && there.arch.is_none();
    let host = if is_here { host } else { Box::new(Elsewhere::new(settings(there)?, host)) };
    let settings = host.settings().clone();
    let mut rehearsal = Rehearsal::new(host);
    rehearsal.is_left = is_left;
    let mut run = Run::new(Box::new(rehearsal));
    run.act(&Effect::Umask(DEFAULT_UMASK))?;
    let mut evaluated = recipe.evaluate(run, &request.inputs(), Some(Purpose::Plan));
    std::mem::take(&mut evaluated.printed).into_iter().for_each(|line| notify(Notice::Printed(line)));
    std::mem::take(&mut evaluated.warnings).into_iter().for_each(|warning| notify(Notice::Warning(warning)));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let machine = evaluated.run.machine_of(&recipe.source().name);
    let back = evaluated.run.to_give_back();
    let given_back = back.iter().flat_map(|effect| commands(settings.platform, Some(&machine), effect)).collect();
    Ok(Plan { steps: steps(&evaluated, &settings, &machine, form)?, given_back })
}

/// Returns what would be done, with the calls that asked for it.
fn steps(evaluated: &Evaluated, settings: &Settings, machine: &VmName, form: Form) -> Result<Vec<PlannedStep>, Fault> {
    let mut steps = Vec::new();
    for (at, done) in evaluated.run.rehearsed().iter().enumerate() {
        let place = evaluated.places.iter().rfind(|(first, _)| *first <= at).map(|(_, place)| place.clone());
        let each_boot = evaluated.run.repeats.repeats(at);
        let planned = |step| PlannedStep { step, place: place.clone(), meanwhile: Vec::new(), each_boot };
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
    /// null, `each_boot` where it is a command of the recipe that is run before each boot, and `meanwhile` where something is typed while the command runs; and `given_back`, a list of `argv` and `stdin`.
    pub(crate) fn json(&self) -> Value {
        let command = |step: &Step| json!({ "argv": step.argv.words(), "stdin": step.stdin });
        let place = |place: &Place| {
            let (line, column) = place.line_column();
            json!({ "file": place.source.name, "line": line, "column": column })
        };
        let planned = |planned: &PlannedStep| {
            let mut object = command(&planned.step);
            object["place"] = json!(planned.place.as_ref().map(place));
            if planned.each_boot {
                object["each_boot"] = json!(true);
            }
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

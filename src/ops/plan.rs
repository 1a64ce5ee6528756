//! The commands that a run would run, in order, each of which can be pasted into a shell.

pub(crate) mod assumed;
pub(crate) mod running;

use super::instances;
use super::notice::{Notice, Notify};
use super::recipe::{RecipeRequest, absolute};
use super::settings::{self, platform};
use crate::diag::{Diagnostic, Fault, Place};
pub(crate) use crate::host::boot_plan::MachineForm;
use crate::host::boot_plan::{BootPlan, PlanSetting};
use crate::host::commands::commands;
use crate::host::helper::HelperStart;
use crate::host::interfaces::marks::Maker;
use crate::host::kvm::Kvm;
use crate::host::marks;
use crate::host::system::{Prefetch, System};
use crate::host::worlds::elsewhere::{AssumedFiles, Elsewhere};
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Asked, CommandStep, Effect, Host};
use crate::model::{Argv, VmName};
use crate::script::Evaluated;
use crate::script::origin::Origin;
use crate::supervise::conflicts::Purpose;
use crate::supervise::recovery::{self, is_left};
use crate::supervise::status::MachineStatus;
use crate::supervise::{DEFAULT_UMASK, Run};
use assumed::Assumption;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a run would do.
pub(crate) struct Plan {
    /// The commands.
    pub steps: Vec<PlannedStep>,
    /// What gives back what was taken, when the run ends.
    pub given_back: Vec<CommandStep>,
    /// The machines that are booted, one for each boot, with the hypervisor's command line.
    pub boots: Vec<(VmName, Argv)>,
    /// What a host that is not here is taken to have.
    pub assumed: Vec<Assumption>,
}

/// A command, and the call that asked for it.
pub(crate) struct PlannedStep {
    /// The command.
    pub step: CommandStep,
    /// The call; none asked for what every run does.
    pub place: Option<Place>,
    /// The commands that are typed while it runs.
    pub meanwhile: Vec<String>,
    /// Whether it is a command of the recipe that is run before each boot: others are not run again after a reboot.
    pub each_boot: bool,
    /// The folder in which it has to be run, where it has words that mean something there and not here.
    pub folder: Option<PathBuf>,
    /// Whether it is a command of the recipe.
    is_recipes: bool,
    /// The command of the recipe that a shell starts in the background.
    helper: Option<Argv>,
}

/// How a run is planned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planning {
    /// The kind of another host: `linux`, `freebsd-15-arm64`.
    pub on: Option<String>,
    /// How bhyve is given its machine.
    pub form: MachineForm,
    /// Whether another host is taken to lack the files that the recipe asks for; otherwise it has them.
    pub lacks_files: bool,
    /// The log of a run in the background.
    pub log: Option<PathBuf>,
    /// Whether it is compared with what runs, so that nobody needs to be told that it does.
    pub is_compared: bool,
}

/// Plans a run of a recipe, here or on another kind of host. Whatever the recipe lacks on this host at the moment is a warning.
pub(crate) fn plan(
    request: &RecipeRequest,
    planning: &Planning,
    prefetch: Prefetch,
    notify: Notify<'_>,
) -> Result<Plan, Vec<Diagnostic>> {
    let here = platform()?;
    let there: Asked = planning.on.as_deref().map_or(Ok(here), str::parse)?;
    let settings = |asked| settings::settings(asked, request.user_net);
    settings::doubt(there).into_iter().for_each(|warning| notify(Notice::Warning(warning)));
    let mut host = System::new(settings(here)?, prefetch)?;
    let recipe = request.read()?;
    let inputs = request.inputs();
    host.work_in(inputs.origin.folder());
    as_if_down(&mut host, request, planning.is_compared, notify);
    let host: Box<dyn Host> = Box::new(host);
    let is_here = here.platform == there.platform && there.release.is_none() && there.arch.is_none();
    let files = AssumedFiles::default();
    let elsewhere = |host| Ok::<_, Fault>(Elsewhere::new(settings(there)?, host).telling(&files));
    let host = if is_here { host } else { Box::new(elsewhere(host)?.lacking_files(planning.lacks_files)) };
    let settings = host.settings().clone();
    let mut rehearsal = Rehearsal::new(host);
    rehearsal.is_left = is_left;
    let mut run = Run::new(Box::new(rehearsal));
    run.listener = Some(request.listener());
    run.act(&Effect::Umask(DEFAULT_UMASK))?;
    let mut evaluated = recipe.evaluate(run, &inputs, Some(Purpose::Plan));
    std::mem::take(&mut evaluated.printed).into_iter().for_each(|line| notify(Notice::Printed(line)));
    std::mem::take(&mut evaluated.warnings).into_iter().for_each(|warning| notify(Notice::Warning(warning)));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let machine = evaluated.run.machine_of(&recipe.source().name);
    let maker = marks::maker(&*evaluated.run.host, machine);
    let mut back = evaluated.run.to_give_back();
    // A disk that was made goes again only if something fails.
    back.retain(|effect| !matches!(effect, Effect::Disk(_)));
    let given_back = back.iter().flat_map(|effect| commands(settings.platform, Some(&maker), effect)).collect();
    // A host that is not here is assumed to have what helps.
    let kvm = !is_here || evaluated.run.host.kvm() == Kvm::Usable;
    evaluated.run.emulated().into_iter().for_each(|line| notify(Notice::Message(line)));
    let (form, log) = (planning.form, planning.log.as_deref());
    let setting = PlanSetting { kvm, log, form, ..PlanSetting::of(&settings) };
    let mut steps = steps(&evaluated, &setting, &maker)?;
    let boots = boots(&evaluated, &setting)?;
    let assumed = if is_here { Vec::new() } else { assumed::of(evaluated.run.rehearsed(), &files, settings.platform) };
    let missing = assumed.iter().filter(|_| planning.lacks_files).filter_map(|one| one.missing(settings.platform));
    missing.for_each(|fault| notify(Notice::Warning(Diagnostic::warning(fault))));
    in_its_folder(&mut steps, &*evaluated.run.host, &inputs.origin);
    Ok(Plan { steps, given_back, boots, assumed })
}

/// Has a recipe's machine that runs count as down, and says so unless what runs is what it is compared with.
fn as_if_down(host: &mut System, request: &RecipeRequest, is_compared: bool, notify: Notify<'_>) {
    let mut running = recovery::of_recipe(host, &absolute(&request.path));
    // Others of its instances go on.
    running.retain(|name| {
        MachineStatus::of(host, name).is_none_or(|status| instances::is_of(&status, request.instance()))
    });
    running.iter().for_each(|name| recovery::look_past(host, name));
    if let Some(name) = running.first().filter(|_| !is_compared) {
        let fault = Fault::host(format!("{name} runs, and this is its plan as if it did not"));
        notify(Notice::Warning(Diagnostic::warning(fault.hint("what it has taken counts as given back"))));
    }
}

/// Returns the machines that are booted, one for each boot, with the hypervisor's command line.
fn boots(evaluated: &Evaluated, setting: &PlanSetting<'_>) -> Result<Vec<(VmName, Argv)>, Fault> {
    let machine = |done: &'_ Rehearsed| if let Rehearsed::Boot(machine) = done { Some(machine.clone()) } else { None };
    let machines = evaluated.run.rehearsed().iter().filter_map(machine);
    machines
        .map(|machine| Ok((machine.name().clone(), BootPlan::on(&*evaluated.run.host, &machine, setting)?.argv)))
        .collect()
}

/// Says of commands of a recipe that is in another folder that they have to be run there.
fn in_its_folder(steps: &mut [PlannedStep], host: &dyn Host, origin: &Origin) {
    if origin.is_elsewhere() {
        let of_recipe = steps.iter_mut().filter(|step| step.is_recipes);
        of_recipe.for_each(|step| step.folder = folder(host, step, origin));
    }
}

/// Returns the folder of the recipe, for a command with a word that is a path in it.
fn folder(host: &dyn Host, planned: &PlannedStep, origin: &Origin) -> Option<PathBuf> {
    let folder = origin.folder()?;
    let is_plain = |word: &str| word.is_empty() || word.starts_with(['/', '-']);
    // What is assumed to be there says nothing of a word.
    let is_there = |word: &str| !host.is_assumed() && host.file(&folder.join(word)).is_some();
    let is_path = |word: &str| word.starts_with("./") || word.starts_with("../") || is_there(word);
    let argv = planned.helper.as_ref().unwrap_or(&planned.step.argv);
    // A program without a slash is looked for in PATH.
    let program = Some(argv.program.as_str()).filter(|program| program.contains('/'));
    let mut words = argv.args.iter().map(String::as_str).chain(program);
    words.any(|word| !is_plain(word) && is_path(word)).then(|| folder.into())
}

/// Returns what would be done, with the calls that asked for it.
fn steps(evaluated: &Evaluated, setting: &PlanSetting<'_>, maker: &Maker) -> Result<Vec<PlannedStep>, Fault> {
    let mut steps = Vec::new();
    for (at, done) in evaluated.run.rehearsed().iter().enumerate() {
        let place = evaluated.places.iter().rfind(|(first, _)| *first <= at).map(|(_, place)| place.clone());
        let each_boot = evaluated.run.repeats.repeats(at);
        let is_recipes = matches!(done, Rehearsed::Effect(Effect::Run(_) | Effect::Make { .. }));
        let planned = |step| PlannedStep {
            step,
            place: place.clone(),
            meanwhile: Vec::new(),
            each_boot,
            folder: None,
            is_recipes,
            helper: None,
        };
        match done {
            Rehearsed::Effect(effect @ Effect::StartHelper(start)) => {
                let all = commands(setting.host.platform, Some(maker), effect);
                steps.extend(all.into_iter().map(planned).map(|step| starting(step, start)));
            }
            Rehearsed::Effect(effect) => {
                steps.extend(commands(setting.host.platform, Some(maker), effect).into_iter().map(planned));
            }
            Rehearsed::Boot(machine) => {
                let plan = BootPlan::on(&*evaluated.run.host, machine, setting)?;
                let mut boot: Vec<_> = plan.steps().into_iter().map(planned).collect();
                let meanwhile: Vec<String> = machine.dialog().iter().map(|step| step.command(machine.name())).collect();
                boot.iter_mut().last().into_iter().for_each(|last| last.meanwhile.clone_from(&meanwhile));
                steps.extend(boot);
            }
        }
    }
    Ok(steps)
}

/// Returns a step of starting a helper: of that which starts it, a command of the recipe.
fn starting(planned: PlannedStep, start: &HelperStart) -> PlannedStep {
    let is_started = planned.step.argv.args.iter().any(|word| word.contains(" & echo $! >"));
    let is_recipes = is_started && (!start.helper.is_ours || start.helper.is_permit);
    PlannedStep { is_recipes, helper: is_recipes.then(|| start.helper.argv.clone()), ..planned }
}

/// Returns the plans of instances as a JSON object: `instances`, a list of `instance`, `steps` and `given_back`.
pub(crate) fn json(plans: &[(String, Plan)]) -> Value {
    let of = |(instance, plan): &(String, Plan)| {
        let mut object = plan.json();
        object["instance"] = json!(instance);
        object
    };
    json!({ "instances": plans.iter().map(of).collect::<Vec<_>>() })
}

impl Plan {
    /// Returns the plan as a JSON object: `steps`, a list of `argv`, `stdin` and `place`, which is `file`, `line` and `column` or
    /// null, `each_boot` where it is a command of the recipe that is run before each boot, `folder` where it has to be run there, and `meanwhile` where something is typed while the command runs; `given_back`, a list of `argv` and `stdin`;
    /// and `assumed`, a list of `kind` and `name`.
    pub(crate) fn json(&self) -> Value {
        let command = |step: &CommandStep| json!({ "argv": step.argv.words(), "stdin": step.stdin });
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
            if let Some(folder) = &planned.folder {
                object["folder"] = json!(folder.display().to_string());
            }
            if !planned.meanwhile.is_empty() {
                object["meanwhile"] = json!(planned.meanwhile);
            }
            object
        };
        let steps: Vec<_> = self.steps.iter().map(planned).collect();
        let given_back: Vec<_> = self.given_back.iter().map(command).collect();
        let assumed = |one: &Assumption| json!({ "kind": one.kind.word(), "name": one.name });
        let assumed: Vec<_> = self.assumed.iter().map(assumed).collect();
        json!({ "steps": steps, "given_back": given_back, "assumed": assumed })
    }
}

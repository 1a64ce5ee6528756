//! `vmrun plan RECIPE`: the commands that a run would run, in order, each of which can be pasted into a shell.

use super::run::DEFAULT_UMASK;
use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::bhyve;
use crate::diag::{Diagnostic, Fault};
use crate::host::commands::commands;
use crate::host::elsewhere::Elsewhere;
use crate::host::rehearsal::{Rehearsal, Rehearsed};
use crate::host::system::{Ahead, System};
use crate::host::{Effect, Host, Platform, Settings, Step};
use crate::model::{Argv, Machine};
use crate::qemu;
use crate::run::Run;
use crate::run::conflicts::Purpose;
use clap::Args;
use serde_json::json;

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Plan for a host of that kind: freebsd or linux
    #[arg(long, value_name = "PLATFORM")]
    on: Option<String>,
    /// Print a JSON object: `steps` and `given_back`, each a list of `argv` and `stdin`
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PlanArgs, ahead: Ahead, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let here = platform().map_err(one)?;
    let there = args.on.as_ref().map_or(Ok(here), |on| on.parse()).map_err(one)?;
    let settings = |platform| place::settings(platform, args.recipe.user_net);
    let host = System::new(settings(here).map_err(one)?, ahead).map_err(one)?;
    let recipe = args.recipe.read()?;
    let host: Box<dyn Host> = Box::new(host);
    let settings = settings(there).map_err(one)?;
    let host = if here == there { host } else { Box::new(Elsewhere::new(settings.clone(), host)) };
    let mut plan = Run::new(Box::new(Rehearsal::new(host)));
    plan.act(&Effect::Umask(DEFAULT_UMASK)).map_err(one)?;
    let evaluated = recipe.evaluate(plan, &args.recipe.inputs(), Some(Purpose::Plan));
    evaluated.warnings.iter().for_each(|warning| term.diagnostic(warning));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let back = evaluated.run.to_give_back();
    let done = evaluated.run.rehearsed();
    let steps: Vec<Step> = done.iter().flat_map(|done| steps_of(done, &settings)).collect();
    let back: Vec<Step> = back.iter().flat_map(|effect| commands(there, effect)).collect();
    let text = if args.json { as_json(&steps, &back) } else { as_text(&steps, &back) };
    term.data(text).map_err(one)
}

fn steps_of(done: &Rehearsed, settings: &Settings) -> Vec<Step> {
    match done {
        Rehearsed::Effect(effect) => commands(settings.platform, effect),
        Rehearsed::Boot(machine) => boot(machine, settings),
    }
}

/// The hypervisor's command line, after what writes its secrets, which are not shown.
fn boot(machine: &Machine, settings: &Settings) -> Vec<Step> {
    let folder = settings.machine_folder(machine.name());
    let (file, content, argv) = match settings.platform {
        Platform::FreeBsd => {
            let file = folder.join("secrets");
            let argv = bhyve::argv(machine, &file);
            let keys = bhyve::secrets(machine).map(|text| hidden(&text));
            (file, keys, argv)
        }
        Platform::Linux => {
            let setting =
                qemu::Setting { folder: &folder, kvm: crate::host::linux::kvm(), user_net: settings.user_net };
            (
                qemu::secret_file(&folder),
                qemu::secret(machine).map(|_| "***".to_string()),
                qemu::argv(machine, &setting),
            )
        }
    };
    let mut steps: Vec<Step> = Vec::new();
    if settings.platform == Platform::Linux || content.is_some() {
        steps.push(Argv::new("mkdir").arg("-p").arg("-m").arg("700").arg(folder.display()).into());
    }
    if settings.platform == Platform::Linux && machine.bootrom().is_some_and(|rom| rom.vars.is_none()) {
        steps.push(Argv::new("cp").arg(qemu::OVMF_VARS).arg(qemu::vars_file(&folder).display()).into());
    }
    if let Some(content) = content {
        let argv = Argv::new("install").args(["-m", "600", "/dev/stdin"]).arg(file.display());
        steps.push(Step { argv, stdin: Some(content) });
    }
    steps.push(argv.into());
    steps
}

/// The keys of a file of secrets, without the values.
fn hidden(text: &str) -> String {
    let line = |line: &str| format!("{}=***", line.split('=').next().unwrap_or_default());
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn as_text(steps: &[Step], back: &[Step]) -> String {
    let mut lines: Vec<String> = steps.iter().map(ToString::to_string).collect();
    if !back.is_empty() {
        lines.push("# given back when the run ends:".into());
        lines.extend(back.iter().map(ToString::to_string));
    }
    lines.join("\n")
}

fn as_json(steps: &[Step], back: &[Step]) -> String {
    let step = |step: &Step| json!({ "argv": step.argv.words(), "stdin": step.stdin });
    let list = |steps: &[Step]| steps.iter().map(step).collect::<Vec<_>>();
    format!("{:#}", json!({ "steps": list(steps), "given_back": list(back) }))
}

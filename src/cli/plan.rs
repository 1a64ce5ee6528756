//! `vmrun plan RECIPE`: the commands that a run would run, in order, each of which can be pasted into a shell.

use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::bhyve;
use crate::diag::{Diagnostic, Fault, Place};
use crate::host::commands::commands;
use crate::host::system::{Ahead, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{self, Effect, Host, Platform, Settings, Step};
use crate::model::{Argv, Machine, VmName};
use crate::qemu;
use crate::supervise::conflicts::Purpose;
use crate::supervise::recovery::is_left;
use crate::supervise::{DEFAULT_UMASK, Run};
use clap::{Args, ValueEnum};
use serde_json::json;
use std::path::Path;

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Plan for a host of that kind: linux, freebsd, freebsd-14, freebsd-15-arm64
    #[arg(long, value_name = "HOST")]
    on: Option<String>,
    /// Give bhyve its machine as arguments or as a bhyve_config(5) file
    #[arg(long, value_enum, default_value_t = Form::Argv)]
    form: Form,
    /// Print a JSON object: `steps`, a list of `argv`, `stdin` and `place`, which is `file`, `line` and `column` or null; and
    /// `given_back`, a list of `argv` and `stdin`
    #[arg(long)]
    json: bool,
    /// Say before the commands which line asked for them, as a comment
    #[arg(long, conflicts_with = "json")]
    places: bool,
}

/// How bhyve is given its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// As arguments.
    Argv,
    /// As a bhyve_config(5) file.
    Config,
}

pub(super) fn run(args: &PlanArgs, ahead: Ahead, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let here = platform().map_err(one)?;
    let there: host::Asked = args.on.as_ref().map_or(Ok(here), |on| on.parse()).map_err(one)?;
    let settings = |asked| place::settings(asked, args.recipe.given.user_net);
    let host = System::new(settings(here).map_err(one)?, ahead).map_err(one)?;
    let recipe = args.recipe.read()?;
    let host: Box<dyn Host> = Box::new(host);
    let settings = settings(there).map_err(one)?;
    let host = if here.platform == there.platform && there.release.is_none() && there.arch.is_none() {
        host
    } else {
        Box::new(Elsewhere::new(settings.clone(), host))
    };
    let mut rehearsal = Rehearsal::new(host);
    rehearsal.is_left = is_left;
    let mut plan = Run::new(Box::new(rehearsal));
    plan.act(&Effect::Umask(DEFAULT_UMASK)).map_err(one)?;
    let evaluated = recipe.evaluate(plan, &args.recipe.inputs(), Some(Purpose::Plan));
    term.printed(&evaluated.printed);
    evaluated.warnings.iter().for_each(|warning| term.diagnostic(warning));
    if !evaluated.faults.is_empty() {
        return Err(evaluated.faults);
    }
    let machine = evaluated.run.machine_of(&args.recipe.recipe);
    let back = evaluated.run.to_give_back();
    let done = evaluated.run.rehearsed();
    let mut steps: Vec<Asked> = Vec::new();
    for (at, done) in done.iter().enumerate() {
        let place = evaluated.places.iter().rfind(|(first, _)| *first <= at).map(|(_, place)| place.clone());
        let of_one = steps_of(done, &settings, &machine, args.form).map_err(one)?;
        steps.extend(of_one.into_iter().map(|step| Asked { step, place: place.clone(), meanwhile: Vec::new() }));
        if let (Rehearsed::Boot(machine), Some(last)) = (done, steps.last_mut()) {
            last.meanwhile = machine.talk().iter().map(|step| step.command(machine.name())).collect();
        }
    }
    let back: Vec<Step> = back.iter().flat_map(|effect| commands(there.platform, Some(&machine), effect)).collect();
    let text = if args.json { as_json(&steps, &back) } else { as_text(&steps, &back, args.places) };
    term.data(text).map_err(one)
}

/// A command, and the call that asked for it; none did for what every run does.
struct Asked {
    step: Step,
    place: Option<Place>,
    /// What is done while it runs.
    meanwhile: Vec<String>,
}

fn steps_of(done: &Rehearsed, settings: &Settings, machine: &VmName, form: Form) -> Result<Vec<Step>, Fault> {
    match done {
        Rehearsed::Effect(effect) => Ok(commands(settings.platform, Some(machine), effect)),
        Rehearsed::Boot(machine) if form == Form::Config => by_file(machine, settings),
        Rehearsed::Boot(machine) => Ok(boot(machine, settings)),
    }
}

/// The machine as a file, in which its secrets are as well, and bhyve with that file.
fn by_file(machine: &Machine, settings: &Settings) -> Result<Vec<Step>, Fault> {
    if settings.platform != Platform::FreeBsd {
        let fault = Fault::usage("QEMU reads no bhyve_config(5) file");
        return Err(fault.hint("plan for FreeBSD: --on freebsd --form config"));
    }
    let folder = settings.machine_folder(machine.name());
    let file = folder.join("config");
    let secrets = bhyve::secrets(machine).map(|text| hidden(&text) + "\n").unwrap_or_default();
    let text = format!("{}{secrets}", bhyve::file::text(machine)?);
    Ok(vec![
        Argv::new("mkdir").arg("-p").arg("-m").arg("755").arg(folder.display()).into(),
        written(&file, text),
        bhyve::limited(bhyve::file::argv(machine, &file), machine.limits()).into(),
    ])
}

/// Writes a file that only its owner may read.
fn written(file: &Path, text: String) -> Step {
    Step { argv: Argv::new("install").args(["-m", "600", "/dev/stdin"]).arg(file.display()), stdin: Some(text) }
}

/// The hypervisor's command line, after what writes its secrets, which are not shown.
fn boot(machine: &Machine, settings: &Settings) -> Vec<Step> {
    let folder = settings.machine_folder(machine.name());
    let (file, content, argv) = match settings.platform {
        Platform::FreeBsd => {
            let file = settings.secrets_file(machine.name());
            let argv = bhyve::limited(bhyve::argv(machine, &file), machine.limits());
            let keys = bhyve::secrets(machine).map(|text| hidden(&text));
            (file, keys, argv)
        }
        Platform::Linux => {
            let setting = qemu::Setting {
                folder: &folder,
                kvm: crate::host::os::linux::kvm(),
                user_net: settings.user_net,
                log: None,
            };
            (
                qemu::secret_file(&folder),
                qemu::secret(machine).map(|_| "***".to_string()),
                qemu::limited(qemu::argv(machine, &setting), machine.limits()),
            )
        }
    };
    let mut steps: Vec<Step> = Vec::new();
    match settings.platform {
        Platform::Linux => steps.push(Argv::new("mkdir").args(["-p", "-m", "755"]).arg(folder.display()).into()),
        Platform::FreeBsd if content.is_some() => {
            steps.push(Argv::new("mkdir").arg("-p").arg(settings.state.display()).into());
        }
        Platform::FreeBsd => {}
    }
    if settings.platform == Platform::Linux && machine.bootrom().is_some_and(|rom| rom.vars.is_none()) {
        steps.push(
            Argv::new("install").args(["-m", "600", qemu::OVMF_VARS]).arg(qemu::vars_file(&folder).display()).into(),
        );
    }
    if let Some(content) = content {
        steps.push(written(&file, content));
    }
    steps.push(argv.into());
    steps
}

/// The keys of a file of secrets, without the values.
fn hidden(text: &str) -> String {
    let line = |line: &str| format!("{}=***", line.split('=').next().unwrap_or_default());
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn as_text(steps: &[Asked], back: &[Step], places: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut last = None;
    for Asked { step, place, meanwhile } in steps {
        if let Some(place) = place.as_ref().filter(|place| places && last != Some(*place)) {
            lines.push(format!("# {place}"));
            last = Some(place);
        }
        if !meanwhile.is_empty() {
            lines.push("# while the next command runs:".into());
            lines.extend(meanwhile.iter().map(|command| format!("#   {command}")));
        }
        lines.push(step.to_string());
    }
    if !back.is_empty() {
        lines.push("# given back when the run ends:".into());
        lines.extend(back.iter().map(ToString::to_string));
    }
    lines.join("\n")
}

fn as_json(steps: &[Asked], back: &[Step]) -> String {
    let given = |step: &Step| json!({ "argv": step.argv.words(), "stdin": step.stdin });
    let place = |place: &Place| {
        let (line, column) = place.line_column();
        json!({ "file": place.source.name, "line": line, "column": column })
    };
    let asked = |Asked { step, place: at, meanwhile }: &Asked| {
        let mut told = json!({ "argv": step.argv.words(), "stdin": step.stdin, "place": at.as_ref().map(place) });
        if !meanwhile.is_empty() {
            told["meanwhile"] = json!(meanwhile);
        }
        told
    };
    let (steps, back): (Vec<_>, Vec<_>) = (steps.iter().map(asked).collect(), back.iter().map(given).collect());
    format!("{:#}", json!({ "steps": steps, "given_back": back }))
}

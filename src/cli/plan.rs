//! `vmrun plan RECIPE`: the commands that a run would run, in order, each of which can be pasted into a shell.

use super::term::Term;
use super::{PermitArgs, QueryArgs, RecipeArgs};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::model::Argv;
use crate::ops::instances;
use crate::ops::notice::Notify;
use crate::ops::plan::running::{Change, change, sign};
use crate::ops::plan::{self, Plan, PlannedStep, Planning, plan};
use crate::ops::recipe::{Prefetch, RecipeRequest};
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    permit: PermitArgs,
    /// Plan for a host of that kind: linux, freebsd, freebsd-14.3, freebsd-15-arm64
    #[arg(long, value_name = "HOST")]
    on: Option<String>,
    /// Take files that the recipe asks for to be on a host that is not here, or not to be there
    #[arg(long, value_enum, value_name = "WHAT", requires = "on", default_value_t = Assume::There, hide_default_value = true)]
    assume: Assume,
    /// Compare a machine that runs, by its name or recipe, with what its recipe would start now; exit code 1 if that differs
    #[arg(long, conflicts_with_all = ["on", "form", "places"])]
    diff: bool,
    #[command(flatten)]
    query: QueryArgs,
    /// Give bhyve its machine as arguments or as a bhyve_config(5) file
    #[arg(long = "format", alias = "form", value_enum, default_value_t = PlanFormat::Argv)]
    form: PlanFormat,
    /// Print a JSON object: `steps`, a list of `argv`, `stdin` and `place`, which is `file`, `line` and `column` or null, with
    /// `each_boot` where a command of the recipe is run before each boot, and `folder` where it has to be run there; and `given_back`, a list of `argv` and `stdin`; and `assumed`, a list of
    /// `kind` and `name` of what a host that is not here is taken to have. With --diff: `name`, `recipe`, `since`, `differs` and `lines`
    #[arg(long)]
    json: bool,
    /// Say before the commands which line asked for them, as a comment
    #[arg(long, conflicts_with = "json")]
    places: bool,
}

/// What a host that is not here is taken to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Assume {
    /// The files that the recipe asks for are there.
    There,
    /// No file is there but those of the system and of packages, below /usr and /dev.
    Missing,
}

/// How bhyve is given its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PlanFormat {
    /// As arguments.
    Argv,
    /// As a bhyve_config(5) file.
    Config,
}

impl From<PlanFormat> for plan::MachineForm {
    fn from(form: PlanFormat) -> Self {
        match form {
            PlanFormat::Argv => Self::Argv,
            PlanFormat::Config => Self::Config,
        }
    }
}

/// Prints a plan, and returns the exit code: 1 if what was compared differs.
pub(super) fn run(args: &PlanArgs, prefetch: Prefetch, term: &Term) -> Result<u8, Vec<Diagnostic>> {
    let notify = &mut |notice| term.notice(&notice);
    if args.diff {
        let change = change(&args.query.of(args.permit.of(args.recipe.request())?), notify)?;
        return Ok(compared(&change, args.json, term)?);
    }
    planned(args, prefetch, notify, term).map(|()| 0)
}

/// Prints what has changed of a machine that runs, and returns the exit code.
fn compared(change: &Change, json: bool, term: &Term) -> Result<u8, Fault> {
    let Change { name, recipe, since, lines } = change;
    if json {
        term.json(format!("{:#}", change.json()))?;
    } else if change.differs() {
        let head =
            [format!("--- {name}, as it runs since {since}"), format!("+++ {recipe}, as it would be started now")];
        let lines = lines.iter().map(|(side, text)| format!("{} {text}", sign(*side)));
        term.data(head.into_iter().chain(lines).collect::<Vec<_>>().join("\n"))?;
    } else {
        term.say(format!("{name} runs as {recipe} has it now"));
    }
    Ok(if change.differs() { Blame::Recipe.code() } else { 0 })
}

fn planned(args: &PlanArgs, prefetch: Prefetch, notify: Notify<'_>, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let requests = instances::requests(&args.query.of(args.permit.of(args.recipe.request())?))?;
    let planning = Planning {
        on: args.on.clone(),
        form: args.form.into(),
        lacks_files: args.assume == Assume::Missing,
        ..Planning::default()
    };
    if let [request] = requests.as_slice() {
        let plan = plan(request, &planning, prefetch, notify)?;
        tell(&[&plan], term);
        return Ok(if args.json {
            term.json(format!("{:#}", plan.json()))
        } else {
            term.data(as_text(&plan, args.places))
        }?);
    }
    let of = |request: &RecipeRequest| {
        let plan = plan(request, &planning, Prefetch::default(), notify)?;
        Ok((request.instance().unwrap_or_default().to_string(), plan))
    };
    let plans = requests.iter().map(of).collect::<Result<Vec<_>, Vec<Diagnostic>>>()?;
    tell(&plans.iter().map(|(_, plan)| plan).collect::<Vec<_>>(), term);
    Ok(if args.json {
        term.json(format!("{:#}", plan::json(&plans)))
    } else {
        term.data(as_texts(&plans, args.places))
    }?)
}

/// Tells who looks on what another host was taken to have; what is printed for programs is as it is.
fn tell(plans: &[&Plan], term: &Term) {
    let all: BTreeSet<String> = plans.iter().flat_map(|plan| &plan.assumed).map(ToString::to_string).collect();
    if all.is_empty() || !term.is_terminal() {
        return;
    }
    term.say("taken to be so on a host that is not here (`--assume missing` takes files not to be there):");
    all.iter().for_each(|one| term.say(format!("  {one}")));
}

/// Returns plans of instances one after the other. What all of them have in common, in front, is said once.
fn as_texts(plans: &[(String, Plan)], places: bool) -> String {
    let texts: Vec<(&str, Vec<String>)> =
        plans.iter().map(|(instance, plan)| (instance.as_str(), lines(plan, places))).collect();
    let first = texts.first().map_or(&[][..], |(_, lines)| lines);
    let is_common = |at: usize| texts.iter().all(|(_, lines)| lines.get(at) == first.get(at));
    let common = (0..first.len()).take_while(|at| is_common(*at)).count();
    let mut all: Vec<String> = Vec::new();
    if common > 0 {
        all.push("# each of them:".into());
        all.extend(first.iter().take(common).cloned());
    }
    for (instance, lines) in texts {
        all.push(format!("# instance {instance}:"));
        all.extend(lines.into_iter().skip(common));
    }
    all.join("\n")
}

fn as_text(plan: &Plan, places: bool) -> String {
    lines(plan, places).join("\n")
}

fn lines(plan: &Plan, places: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut last = None;
    for PlannedStep { step, place, meanwhile, each_boot, folder, .. } in &plan.steps {
        if let Some(place) = place.as_ref().filter(|place| places && last != Some(*place)) {
            lines.push(format!("# {place}"));
            last = Some(place);
        }
        if !meanwhile.is_empty() {
            lines.push("# while the next command runs:".into());
            lines.extend(meanwhile.iter().map(|command| format!("#   {command}")));
        }
        let step = folder.as_ref().map_or_else(
            || step.to_string(),
            |folder| format!("({} && {step})", Argv::new("cd").arg(folder.display())),
        );
        lines.push(if *each_boot { format!("{step}  # before each boot") } else { step });
    }
    if !plan.given_back.is_empty() {
        lines.push("# given back when the run ends:".into());
        lines.extend(plan.given_back.iter().map(ToString::to_string));
    }
    lines
}

//! `vmrun plan RECIPE`: the commands that a run would run, in order, each of which can be pasted into a shell.

use super::term::Term;
use super::{QueryArgs, RecipeArgs};
use crate::diag::Diagnostic;
use crate::model::Argv;
use crate::ops::instances;
use crate::ops::plan::{self, Plan, PlannedStep, plan};
use crate::ops::recipe::{Prefetch, RecipeRequest};
use clap::{Args, ValueEnum};

#[derive(Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    /// Plan for a host of that kind: linux, freebsd, freebsd-14.3, freebsd-15-arm64
    #[arg(long, value_name = "HOST")]
    on: Option<String>,
    #[command(flatten)]
    query: QueryArgs,
    /// Give bhyve its machine as arguments or as a bhyve_config(5) file
    #[arg(long = "format", alias = "form", value_enum, default_value_t = PlanFormat::Argv)]
    form: PlanFormat,
    /// Print a JSON object: `steps`, a list of `argv`, `stdin` and `place`, which is `file`, `line` and `column` or null, with
    /// `each_boot` where a command of the recipe is run before each boot, and `folder` where it has to be run there; and `given_back`, a list of `argv` and `stdin`
    #[arg(long)]
    json: bool,
    /// Say before the commands which line asked for them, as a comment
    #[arg(long, conflicts_with = "json")]
    places: bool,
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

pub(super) fn run(args: &PlanArgs, prefetch: Prefetch, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let notify = &mut |notice| term.notice(&notice);
    let requests = instances::requests(&args.query.of(args.recipe.request()))?;
    let (on, form) = (args.on.as_deref(), args.form.into());
    if let [request] = requests.as_slice() {
        let plan = plan(request, on, form, prefetch, notify)?;
        return Ok(if args.json {
            term.json(format!("{:#}", plan.json()))
        } else {
            term.data(as_text(&plan, args.places))
        }?);
    }
    let of = |request: &RecipeRequest| {
        let plan = plan(request, on, form, Prefetch::default(), notify)?;
        Ok((request.instance().unwrap_or_default().to_string(), plan))
    };
    let plans = requests.iter().map(of).collect::<Result<Vec<_>, Vec<Diagnostic>>>()?;
    Ok(if args.json {
        term.json(format!("{:#}", plan::json(&plans)))
    } else {
        term.data(as_texts(&plans, args.places))
    }?)
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

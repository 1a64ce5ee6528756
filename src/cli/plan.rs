//! `vmrun plan RECIPE`: the commands that a run would run, in order, each of which can be pasted into a shell.

use super::term::Term;
use super::{QueryArgs, RecipeArgs};
use crate::diag::Diagnostic;
use crate::model::Argv;
use crate::ops::plan::{self, Plan, PlannedStep, plan};
use crate::ops::recipe::Prefetch;
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
    let request = args.query.of(args.recipe.request());
    let plan = plan(&request, args.on.as_deref(), args.form.into(), prefetch, notify)?;
    Ok(if args.json { term.json(format!("{:#}", plan.json())) } else { term.data(as_text(&plan, args.places)) }?)
}

fn as_text(plan: &Plan, places: bool) -> String {
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
    lines.join("\n")
}

//! `vmrun plan RECIPE`: the commands that a run would run, in order, each of which can be pasted into a shell.

use super::run::refusal;
use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::diag::{Diagnostic, Fault};
use crate::host::system::{Ahead, System};
use crate::host::{Asked, boot_plan};
use crate::ops::plan::{Plan, PlannedStep, Where, plan};
use clap::{Args, ValueEnum};

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

impl From<Form> for boot_plan::Form {
    fn from(form: Form) -> Self {
        match form {
            Form::Argv => Self::Argv,
            Form::Config => Self::Config,
        }
    }
}

pub(super) fn run(args: &PlanArgs, ahead: Ahead, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let here = platform().map_err(one)?;
    let there: Asked = args.on.as_ref().map_or(Ok(here), |on| on.parse()).map_err(one)?;
    let settings = |asked| place::settings(asked, args.recipe.given.user_net).map_err(one);
    let host = Box::new(System::new(settings(here)?, ahead).map_err(one)?);
    let recipe = args.recipe.read()?;
    let is_here = here.platform == there.platform && there.release.is_none() && there.arch.is_none();
    let at = if is_here { Where::Here(host) } else { Where::There(settings(there)?, host) };
    let plan = plan(&recipe, &args.recipe.inputs(), at, args.form.into()).map_err(|refused| refusal(refused, term))?;
    term.printed(&plan.printed);
    plan.warnings.iter().for_each(|warning| term.diagnostic(warning));
    let text = if args.json { format!("{:#}", plan.json()) } else { as_text(&plan, args.places) };
    term.data(text).map_err(one)
}

fn as_text(plan: &Plan, places: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut last = None;
    for PlannedStep { step, place, meanwhile } in &plan.steps {
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
    if !plan.given_back.is_empty() {
        lines.push("# given back when the run ends:".into());
        lines.extend(plan.given_back.iter().map(ToString::to_string));
    }
    lines.join("\n")
}

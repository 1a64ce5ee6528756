//! `vmrun run RECIPE`, which is `vmrun RECIPE`: rehearse, then run in the foreground.

use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault};
use crate::host::system::{Ahead, System};
use crate::model::span;
use crate::ops::events::Diary;
use crate::ops::run::{perform, rehearse};
use crate::script::{Recipe, Refused};
use crate::supervise::Progress;
use crate::supervise::step::Means;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) recipe: RecipeArgs,
    /// How long the guest may take to power off when it is asked to: 60s, 2m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(super) stop_within: Duration,
    /// Add what happens to a file, as lines of JSON (see `vmrun events --help`)
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    span::parse(text).map_err(Into::into)
}

pub(super) fn run(args: &RunArgs, ahead: Ahead, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let settings =
        platform().and_then(|platform| place::settings(platform, args.recipe.given.user_net)).map_err(one)?;
    let host = System::new(settings, ahead).map_err(one)?;
    let recipe = args.recipe.read()?;
    let inputs = args.recipe.inputs();
    let rehearsed = rehearse(&recipe, Box::new(host), &inputs, &mut |warning| term.diagnostic(warning));
    let rehearsed = rehearsed.map_err(|refused| refusal(refused, term))?;
    let diary =
        args.events.as_deref().map(|path| Diary::open(path, &rehearsed.claim.machine)).transpose().map_err(one)?;
    let to_people = if term.is_terminal() { tell } else { tell_what_follows };
    let told = Box::new(move |progress: &Progress<'_>| {
        diary.iter().for_each(|diary| diary.tell(progress));
        to_people(progress);
    });
    let faults = perform(&recipe, rehearsed, &inputs, args.stop_within, told);
    // The process ends now; freeing an engine with every word piece by piece takes longer than starting a command.
    std::mem::forget(recipe);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Prints what a recipe that was refused has printed, and returns what was wrong.
pub(super) fn refusal(refused: Refused, term: &Term) -> Vec<Diagnostic> {
    term.printed(&refused.printed);
    refused.warnings.iter().for_each(|warning| term.diagnostic(warning));
    refused.faults
}

/// Says what goes on, where somebody looks on. A guest that has the terminal for its console is left alone with it.
fn tell(progress: &Progress<'_>) {
    let term = Term::new();
    match progress {
        Progress::Runs(_, true) => {}
        Progress::Runs(name, _) => term.say(format!("{name} runs; Ctrl-C asks it to power off")),
        Progress::Stops(Means::PowerButton, within) => {
            term.say(format!("asked the guest to power off; it has {within:?}, Ctrl-C switches it off at once"));
        }
        Progress::Stops(Means::Force, _) => term.say("switching the machine off"),
        Progress::Stops(Means::Kill, _) => term.say("ending the hypervisor"),
        _ => tell_what_follows(progress),
    }
}

/// Says what follows from an end, and what is given back that a dead run has left, even where nobody looks on.
fn tell_what_follows(progress: &Progress<'_>) {
    told_anywhere(progress).iter().for_each(|text| Term::new().say(text));
}

/// Returns what is said wherever a run is: what follows from an end, and what is given back that a dead run has left.
pub(super) fn told_anywhere(progress: &Progress<'_>) -> Vec<String> {
    match progress {
        Progress::Rebooted => vec!["the guest rebooted; starting it again".into()],
        Progress::Waits(wait, faults) => {
            let faults = faults.iter().map(|diagnostic| draw(diagnostic, Colour::Plain));
            faults.chain([format!("starting it again in {wait:?}")]).collect()
        }
        Progress::TakesOver(left, commands) => {
            let whose = format!("{}; giving back what it took", left.whose());
            std::iter::once(whose).chain(commands.iter().map(ToString::to_string)).collect()
        }
        _ => Vec::new(),
    }
}

/// `vmrun RECIPE --help`: the recipe's own parameters.
pub(super) fn recipe_help(args: &[String], term: &Term) -> Option<ExitCode> {
    let is_help = args.iter().any(|arg| arg == "--help" || arg == "-h");
    let path = args.iter().skip(1).find(|arg| arg.contains(".rhai")).filter(|_| is_help)?;
    let text = std::fs::read_to_string(path).ok()?;
    let recipe = Recipe::parse(path, &text).ok()?;
    let about = text.lines().take_while(|line| line.starts_with("//"));
    let mut page: Vec<String> = about.map(|line| line.trim_start_matches('/').trim().to_string()).collect();
    page.push(format!("\nUsage: vmrun {path} [--init] [--set NAME=VALUE]…\n\nParameters:"));
    let params = recipe.params();
    page.extend(params.iter().map(|(name, default)| format!("  --set {name}=…  ({default})")));
    if params.is_empty() {
        page.push("  none".into());
    }
    Some(if term.data(page.join("\n")).is_ok() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

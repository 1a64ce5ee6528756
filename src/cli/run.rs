//! `vmrun run RECIPE`, which is `vmrun RECIPE`: rehearse, then run in the foreground.

use super::term::Term;
use super::{GivenArgs, PermitArgs, RecipeArgs, fetching};
use crate::diag::Diagnostic;
use crate::diag::snippet::{Colour, draw};
use crate::model::span;
use crate::ops::display::terminal;
use crate::ops::instances;
use crate::ops::recipe::{Prefetch, RecipeHelp, is_there};
use crate::ops::run::{self, Means, Progress, RunRequest};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args, Debug, PartialEq)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) recipe: RecipeArgs,
    #[command(flatten)]
    pub(super) permit: PermitArgs,
    /// How long the guest may take to power off when it is asked to: 60s, 2m
    #[arg(long, value_name = "TIME", default_value = STOP_WITHIN.0, value_parser = duration)]
    pub(super) stop_within: Duration,
    /// Add what happens to a file, as lines of JSON (see `vmrun events --help`)
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

/// How long a guest has where nothing is said, as it is written and as it is.
const STOP_WITHIN: (&str, Duration) = ("60s", Duration::from_secs(60));

impl RunArgs {
    /// Those of a command line that names a recipe, and says nothing but `--init`: telling clap all that there could be takes
    /// a twentieth of a start.
    pub(super) fn plain(recipe: &str, init: bool) -> Self {
        let recipe = RecipeArgs { recipe: recipe.into(), given: GivenArgs { init, ..GivenArgs::default() } };
        Self { recipe, permit: PermitArgs::default(), stop_within: STOP_WITHIN.1, events: None }
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    span::parse(text).map_err(Into::into)
}

pub(super) fn run(args: &RunArgs, prefetch: Prefetch, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let (stop_within, events) = (args.stop_within, args.events.clone());
    let asked =
        RunRequest { recipe: instances::request(&args.permit.of(args.recipe.request())?)?, stop_within, events };
    let print_progress = if term.is_terminal() { print_progress } else { print_lines };
    run::run(&asked, prefetch, Box::new(print_progress), &mut |notice| term.notice(&notice))
}

/// Says what goes on, where somebody looks on. A guest that has the terminal for its console is left alone with it.
fn print_progress(progress: &Progress<'_>) {
    let term = Term::new();
    match progress {
        Progress::Runs(name, true) if terminal::has_keyboard() => {
            term.say(format!("{name} runs; this is its console, and Ctrl-] leaves it"));
        }
        Progress::Runs(_, true) => {}
        Progress::Runs(name, _) => term.say(format!("{name} runs; Ctrl-C asks it to power off")),
        Progress::Fetches(file) => match fetching::line(file) {
            Some(line) => terminal::redraw(&format!("vmrun: {line}")),
            None => print_lines(progress),
        },
        // Only machines in the background have it.
        Progress::Stops(Means::Agent, _) => {}
        Progress::Stops(Means::PowerButton, within) => {
            term.say(format!("asked the guest to power off; it has {within:?}, Ctrl-C switches it off at once"));
        }
        Progress::Stops(Means::Force, _) => term.say("switching the machine off"),
        Progress::Stops(Means::Kill, _) => term.say("ending the hypervisor"),
        // The others read the same whether anybody sits at the terminal or not.
        _ => print_lines(progress),
    }
}

/// Says what follows from an end, and what is given back that a dead run has left, even where nobody looks on.
fn print_lines(progress: &Progress<'_>) {
    progress_lines(progress).iter().for_each(|text| Term::new().say(text));
}

/// Returns what is said wherever a run is: what follows from an end, and what is given back that a dead run has left.
pub(super) fn progress_lines(progress: &Progress<'_>) -> Vec<String> {
    match progress {
        Progress::Gone(what) => vec![format!("{what}: it counts as given back")],
        Progress::Helper(what) | Progress::Freeze(what) | Progress::Clock(what) => vec![(*what).into()],
        Progress::PermitHeld => vec!["the permit is held".into()],
        Progress::PermitLost(why, left) => {
            vec![format!("the permit is lost: {why}; the guest is down in {:.1}s", left.as_secs_f64())]
        }
        Progress::Rebooted => vec!["the guest rebooted; starting it again".into()],
        Progress::Pauses(wait) => {
            vec![format!("the guest rebooted as soon as it was started; starting it again in {wait:?}")]
        }
        Progress::Waits(wait, faults) => {
            let faults = faults.iter().map(|diagnostic| draw(diagnostic, Colour::Plain));
            faults.chain([format!("starting it again in {wait:?}")]).collect()
        }
        Progress::TakesOver(left, commands) => {
            let whose = format!("{}; giving back what it took", left.whose());
            std::iter::once(whose).chain(commands.iter().map(ToString::to_string)).collect()
        }
        Progress::Fetches(file) => fetching::message(file).into_iter().collect(),
        // Where they are told, it is with what follows from them.
        Progress::Started { .. }
        | Progress::Adopted(_)
        | Progress::Runs(..)
        | Progress::Ready(_)
        | Progress::Stops(..)
        | Progress::Ended(..)
        | Progress::Failed(_)
        | Progress::NotRestarted(_)
        | Progress::Down
        | Progress::Asks(_) => Vec::new(),
    }
}

/// `vmrun RECIPE --help`: the recipe's own parameters.
pub(super) fn recipe_help(args: &[String], term: &Term) -> Option<ExitCode> {
    let is_help = args.iter().any(|arg| arg == "--help" || arg == "-h");
    // The help of other commands is their own.
    let is_run = args.iter().skip(1).find(|arg| !arg.starts_with('-')).is_some_and(|word| word == "run");
    let is_of = |arg: &&String| arg.contains(".rhai");
    // An executable recipe may have any name, and the kernel gives its path in front of what was typed.
    let is_first = || args.get(2).filter(|arg| !arg.starts_with('-') && is_there(arg));
    let path = args.iter().skip(1).find(is_of).or_else(is_first).filter(|_| is_help && is_run)?;
    let help = RecipeHelp::of(path)?;
    let mut page = help.about;
    page.push(format!("\nUsage: vmrun {path} [--init] [--set NAME=VALUE]…\n\nParameters:"));
    page.extend(help.params.iter().map(|(name, default)| format!("  --set {name}=…  ({default})")));
    if help.params.is_empty() {
        page.push("  none".into());
    }
    Some(if term.data(page.join("\n")).is_ok() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

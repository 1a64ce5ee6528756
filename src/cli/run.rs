//! `vmrun run RECIPE`, which is `vmrun RECIPE`: rehearse, then run in the foreground.

use super::events::Diary;
use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::Host;
use crate::host::system::{Ahead, System};
use crate::model::span;
use crate::script::{Inputs, Recipe};
use crate::supervise::cycle::Action;
use crate::supervise::policy::Next;
use crate::supervise::{Claim, DEFAULT_UMASK, Progress, Run};
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
    let (host, claim) = rehearse(&recipe, Box::new(host), &inputs, term)?;
    let diary = args.events.as_deref().map(|path| Diary::open(path, &claim.machine)).transpose().map_err(one)?;
    let mut run = Run::new(host);
    run.stop_within = args.stop_within;
    let to_people = if term.is_terminal() { tell } else { tell_what_was_left };
    run.told = Some(Box::new(move |progress| {
        diary.iter().for_each(|diary| diary.tell(progress));
        to_people(progress);
    }));
    run.keeping = claim.keeping.clone();
    let claimed = run.claim(&claim).and_then(|()| run.act(&crate::host::Effect::Umask(DEFAULT_UMASK)));
    let result = match claimed {
        Ok(_) => perform(&recipe, run, inputs, term),
        Err(fault) => give_back(run, vec![fault.into()]),
    };
    // The process ends now; freeing an engine with every word piece by piece takes longer than starting a command.
    std::mem::forget(recipe);
    result
}

/// Says what goes on, where somebody looks on. A guest that has the terminal for its console is left alone with it.
fn tell(progress: &Progress<'_>) {
    let term = Term::new();
    match progress {
        // What follows from an end is told on any terminal and none.
        Progress::Runs(_, true) => {}
        Progress::Runs(name, _) => term.say(format!("{name} runs; Ctrl-C asks it to power off")),
        Progress::Acts(Action::PressPowerButton, within) => {
            term.say(format!("asked the guest to power off; it has {within:?}, Ctrl-C switches it off at once"));
        }
        Progress::Acts(Action::Force, _) => term.say("switching the machine off"),
        Progress::Acts(Action::Kill, _) => term.say("ending the hypervisor"),
        Progress::TakesOver(..) => tell_what_was_left(progress),
        _ => {}
    }
}

/// Says what is given back that a dead run has left, even where nobody looks on.
pub(super) fn tell_what_was_left(progress: &Progress<'_>) {
    if let Progress::TakesOver(left, commands) = progress {
        let term = Term::new();
        term.say(format!("{}; giving back what it took", left.whose()));
        commands.iter().for_each(|command| term.say(command));
    }
}

/// Evaluates the recipe without effect: this boot, and the one after a reboot. Only a clean rehearsal gives the host back.
pub(super) fn rehearse(
    recipe: &Recipe,
    host: Box<dyn Host>,
    inputs: &Inputs,
    term: &Term,
) -> Result<(Box<dyn Host>, Claim), Vec<Diagnostic>> {
    let rehearsed = recipe.rehearse(host, inputs, &mut |warning| term.diagnostic(warning));
    let run = rehearsed.map_err(|refused| {
        term.printed(&refused.printed);
        refused.faults
    })?;
    let name = &recipe.source().name;
    let path = std::path::absolute(name).map_or_else(|_| name.clone(), |path| path.display().to_string());
    let claim = run.claim_of(&path);
    Ok((run.into_host(), claim))
}

/// Evaluates the recipe for real, again for as long as its policy says so, and gives back what was taken.
fn perform(recipe: &Recipe, run: Run, inputs: Inputs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let (run, faults) = boots(recipe, run, inputs, &|text| term.say(text));
    give_back(run, faults)
}

/// Evaluates the recipe for real, again for as long as its policy says so. Somebody is told why.
pub(super) fn boots(recipe: &Recipe, mut run: Run, mut inputs: Inputs, say: &dyn Fn(String)) -> (Run, Vec<Diagnostic>) {
    loop {
        let evaluated = recipe.evaluate(run, &inputs, None);
        run = evaluated.run;
        if !evaluated.faults.is_empty() {
            // A hook that fails does not hide why the guest did.
            let guest = run.failed().map(|verdict| explained(verdict, evaluated.blamed));
            return (run, guest.into_iter().chain(evaluated.faults).collect());
        }
        let faults = again(&mut run, &mut inputs, evaluated.blamed.as_ref(), say);
        if let Err(faults) = faults {
            return (run, faults);
        }
    }
}

/// Waits until the recipe is to be evaluated again; what ends the run comes back, which is nothing where all is well.
pub(super) fn again(
    run: &mut Run,
    inputs: &mut Inputs,
    blamed: Option<&Diagnostic>,
    say: &dyn Fn(String),
) -> Result<(), Vec<Diagnostic>> {
    let verdict =
        |run: &Run| run.verdict().map(|verdict| explained(verdict, blamed.cloned())).into_iter().collect::<Vec<_>>();
    match run.follow() {
        Next::Again => {
            say("the guest rebooted; starting it again".into());
            // Only a reboot says that the machine is initialized.
            inputs.init = false;
            run.standing.iter_mut().for_each(|standing| standing.init = false);
        }
        Next::Wait(wait) => {
            verdict(run).iter().for_each(|diagnostic| say(draw(diagnostic, Colour::Plain)));
            say(format!("starting it again in {wait:?}"));
            run.rest(wait).map_err(|fault| vec![fault.into()])?;
        }
        Next::Over => return Err(verdict(run)),
        Next::Held(fault) => {
            let mut faults = verdict(run);
            faults.push(fault.into());
            return Err(faults);
        }
    }
    Ok(())
}

/// Of a guest that failed, what is known about it; anything else that ended a run says enough.
fn explained(verdict: Fault, blamed: Option<Diagnostic>) -> Diagnostic {
    blamed.filter(|_| verdict.blame == Blame::Guest).unwrap_or_else(|| Diagnostic::error(verdict))
}

/// Ends a run: what it took is given back, whatever was wrong with it.
pub(super) fn give_back(mut run: Run, mut faults: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    let lost: Vec<Diagnostic> = run.give_back().into_iter().map(Diagnostic::error).collect();
    let is_down = lost.is_empty();
    faults.extend(lost);
    let errors: Vec<&str> = faults.iter().map(|diagnostic| diagnostic.fault.message.as_str()).collect();
    let happened = [
        (!errors.is_empty()).then_some(Progress::Failed(&errors)),
        run.is_held().map(Progress::Held),
        is_down.then_some(Progress::Down),
    ];
    happened.into_iter().flatten().filter(|_| run.has_claimed()).for_each(|progress| run.tell(progress));
    if faults.is_empty() { Ok(()) } else { Err(faults) }
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

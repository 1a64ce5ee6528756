//! `vmrun supervise`: what `vmrun start` starts, a run whose output is a log.

use super::events::Diary;
use super::run::{again, boots, duration, give_back, rehearse, tell_what_was_left};
use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Blame, Diagnostic};
use crate::host::background::{self, Line};
use crate::host::events;
use crate::host::system::{Ahead, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::Rehearsal;
use crate::host::{Effect, Host, Settings};
use crate::model::{Shape, VmName};
use crate::script::{Inputs, Recipe};
use crate::supervise::conflicts::Purpose;
use crate::supervise::cycle::Action;
use crate::supervise::journal::Utc;
use crate::supervise::order::Keeping;
use crate::supervise::standing::{Stance, Standing};
use crate::supervise::{Claim, DEFAULT_UMASK, Progress, Run};
use clap::Args;
use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

#[derive(Args)]
pub(super) struct SuperviseArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[arg(long, value_parser = duration)]
    stop_within: Duration,
    #[arg(long)]
    log: PathBuf,
    /// The machine whose guest is taken over
    #[arg(long)]
    adopt: Option<VmName>,
}

impl SuperviseArgs {
    /// Returns the command line that has this meaning.
    pub(super) fn words(recipe: &RecipeArgs, stop_within: Duration, log: &str, adopt: Option<&VmName>) -> Vec<String> {
        let path =
            std::path::absolute(&recipe.recipe).map_or_else(|_| recipe.recipe.clone(), |p| p.display().to_string());
        let mut words = vec!["supervise".into(), path, format!("--log={log}")];
        words.push(format!("--stop-within={}ms", stop_within.as_millis()));
        words.extend(adopt.map(|name| format!("--adopt={name}")));
        words.extend(recipe.given.init.then(|| "--init".into()));
        words.extend(recipe.given.user_net.then(|| "--user-net".into()));
        words.extend(recipe.given.set.iter().map(|(name, value)| format!("--set={name}={value}")));
        words
    }
}

/// What a supervisor says, and to whom.
struct Talk {
    line: Line,
    /// Whether whoever has started us was told how it went.
    is_told: Cell<bool>,
    diary: Option<Diary>,
}

/// Says something in the log.
fn say(text: &str) {
    Term::new().say(format!("{}: {text}", Utc(crate::host::clock::now())));
}

impl Talk {
    fn tell(&self, progress: &Progress<'_>) {
        self.diary.iter().for_each(|diary| diary.tell(progress));
        match progress {
            Progress::Runs(name, _) => {
                say(&format!("{name} runs"));
                self.is_told.set(true);
                self.line.runs();
            }
            Progress::Waits(_) => {
                self.is_told.set(true);
                self.line.waits();
            }
            Progress::Acts(Action::PressPowerButton, within) => {
                say(&format!("asked the guest to power off; it has {within:?}"));
            }
            Progress::Acts(Action::Force, _) => say("switching the machine off"),
            Progress::Acts(Action::Kill, _) => say("ending the hypervisor"),
            Progress::TakesOver(..) => tell_what_was_left(progress),
            _ => {}
        }
    }
}

pub(super) fn run(args: &SuperviseArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let line = background::settle().map_err(|fault| vec![Diagnostic::error(fault)])?;
    let machine = args.log.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
    // That events cannot be written down stops nothing.
    let diary = machine.and_then(|machine| Diary::open(&events::beside(&args.log), &machine).ok());
    let talk = Rc::new(Talk { line, is_told: Cell::default(), diary });
    let kept = keep(args, &talk, term);
    if let Err(faults) = &kept {
        faults.iter().for_each(|fault| talk.line.say(&format!("{}\n", draw(fault, Colour::Plain))));
    }
    kept
}

fn keep(args: &SuperviseArgs, talk: &Rc<Talk>, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault| vec![Diagnostic::error(fault)];
    let settings =
        platform().and_then(|platform| place::settings(platform, args.recipe.given.user_net)).map_err(one)?;
    let mut host = System::new(settings.clone(), Ahead::default()).map_err(one)?;
    host.in_background(&args.log);
    let recipe = args.recipe.read()?;
    let inputs = args.recipe.inputs();
    let (mut run, claim) = if let Some(name) = &args.adopt {
        let (host, keeping) = keeping(&recipe, &inputs, settings, host)?;
        let standing = Standing::of(&host, name);
        let mut run = Run::new(Box::new(host));
        run.standing = Some(standing.unwrap_or_else(|| stands(args, name, &keeping)));
        run.keeping = keeping;
        (run, None)
    } else {
        let (host, claim) = rehearse(&recipe, Box::new(host), &inputs, term)?;
        let mut run = Run::new(host);
        run.standing = Some(stands(args, &claim.machine, &claim.keeping));
        run.keeping = claim.keeping.clone();
        (run, Some(claim))
    };
    run.stop_within = args.stop_within;
    let told = talk.clone();
    run.told = Some(Box::new(move |progress| told.tell(progress)));
    let (mut run, mut faults) = drive(&recipe, run, inputs, claim.as_ref(), args.adopt.as_ref());
    if run.is_stopped() {
        faults.retain(|diagnostic| diagnostic.fault.blame != Blame::Interrupted);
    } else if !faults.is_empty() && talk.is_told.get() {
        let errors: Vec<&str> = faults.iter().map(|diagnostic| diagnostic.fault.message.as_str()).collect();
        run.hold_on(&errors.join("; "));
        say("it is held until somebody starts it");
    }
    let ended = give_back(run, faults);
    say("it is down");
    std::mem::forget(recipe);
    ended
}

/// Boots the machine, or takes its guest over, until nothing follows.
fn drive(
    recipe: &Recipe,
    mut run: Run,
    mut inputs: Inputs,
    claim: Option<&Claim>,
    adopt: Option<&VmName>,
) -> (Run, Vec<Diagnostic>) {
    let log = |text: String| say(&text);
    let begun = match (claim, adopt) {
        (Some(claim), _) => run
            .claim(claim)
            .and_then(|()| run.act(&Effect::Umask(DEFAULT_UMASK)))
            .map_err(|fault| vec![fault.into()])
            .map(drop),
        (None, Some(name)) => {
            let ended = run.adopt(name).map_err(|fault| vec![fault.into()]);
            let umask =
                |run: &mut Run| run.act(&Effect::Umask(DEFAULT_UMASK)).map(drop).map_err(|fault| vec![fault.into()]);
            ended.and_then(|_| again(&mut run, &mut inputs, None, &log)).and_then(|()| umask(&mut run))
        }
        (None, None) => Ok(()),
    };
    match begun {
        Ok(()) => boots(recipe, run, inputs, &log),
        Err(faults) => (run, faults),
    }
}

/// How a machine stands before anything has happened.
fn stands(args: &SuperviseArgs, name: &VmName, keeping: &Keeping) -> Standing {
    Standing {
        name: name.clone(),
        state: Stance::Starting,
        supervisor: None,
        guest: None,
        since: 0,
        boots: 0,
        restarts: 0,
        recipe: args.recipe.recipe.clone(),
        init: args.recipe.given.init,
        params: args.recipe.given.set.iter().cloned().collect(),
        user_net: args.recipe.given.user_net,
        stop_within: args.stop_within,
        after: keeping.after.clone(),
        log: args.log.display().to_string(),
        error: None,
        until: None,
        shape: Shape::default(),
    }
}

/// Returns how a recipe wants its machine kept. Its guest runs already, so that it is not rehearsed on this host.
fn keeping(
    recipe: &Recipe,
    inputs: &Inputs,
    settings: Settings,
    host: System,
) -> Result<(System, Keeping), Vec<Diagnostic>> {
    let here = System::new(settings.clone(), Ahead::default()).map_err(|fault| vec![Diagnostic::error(fault)])?;
    let elsewhere = Elsewhere::new(settings, Box::new(here));
    let run = Run::new(Box::new(Rehearsal::new(Box::new(elsewhere))));
    let evaluated = recipe.evaluate(run, inputs, Some(Purpose::Plan));
    if evaluated.faults.is_empty() { Ok((host, evaluated.run.keeping)) } else { Err(evaluated.faults) }
}

//! `vmrun supervise`: what `vmrun start` starts, a run whose output is a log.

use super::run::{duration, refusal, told_anywhere};
use super::term::Term;
use super::{RecipeArgs, place, platform};
use crate::diag::Diagnostic;
use crate::diag::snippet::{Colour, draw};
use crate::host::background::{self, Line};
use crate::host::events;
use crate::model::VmName;
use crate::ops::events::Diary;
use crate::ops::supervise::{Supervision, machine_of, supervise};
use crate::supervise::Progress;
use crate::supervise::journal::Utc;
use crate::supervise::step::Means;
use clap::Args;
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

/// What a supervisor says, and to whom.
struct Talk {
    line: Line,
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
                self.line.runs();
            }
            Progress::Waits(..) => self.line.waits(),
            Progress::Stops(Means::PowerButton, within) => {
                say(&format!("asked the guest to power off; it has {within:?}"));
            }
            Progress::Stops(Means::Force, _) => say("switching the machine off"),
            Progress::Stops(Means::Kill, _) => say("ending the hypervisor"),
            Progress::Held(_) => say("it is held until somebody starts it"),
            _ => {}
        }
        // What a dead run has left is told as it is in the foreground, without a time.
        let say = |text: &String| match progress {
            Progress::TakesOver(..) => Term::new().say(text),
            _ => say(text),
        };
        told_anywhere(progress).iter().for_each(say);
    }
}

pub(super) fn run(args: &SuperviseArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let line = background::settle().map_err(|fault| vec![Diagnostic::error(fault)])?;
    // That events cannot be written down stops nothing.
    let diary = machine_of(&args.log).and_then(|machine| Diary::open(&events::beside(&args.log), &machine).ok());
    let talk = Rc::new(Talk { line, diary });
    let ended = keep(args, &talk, term);
    if let Err(faults) = &ended {
        faults.iter().for_each(|fault| talk.line.say(&format!("{}\n", draw(fault, Colour::Plain))));
    }
    ended
}

fn keep(args: &SuperviseArgs, talk: &Rc<Talk>, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault| vec![Diagnostic::error(fault)];
    let settings =
        platform().and_then(|platform| place::settings(platform, args.recipe.given.user_net)).map_err(one)?;
    let recipe = args.recipe.read()?;
    let asked = Supervision {
        recipe: &recipe,
        path: args.recipe.recipe.clone(),
        inputs: args.recipe.inputs(),
        settings,
        stop_within: args.stop_within,
        log: args.log.clone(),
        adopt: args.adopt.clone(),
    };
    let told = talk.clone();
    let told = Box::new(move |progress: &Progress<'_>| told.tell(progress));
    let faults = supervise(&asked, told, &mut |warning| term.diagnostic(warning));
    let faults = faults.map_err(|refused| refusal(refused, term))?;
    say("it is down");
    std::mem::forget(recipe);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

//! `vmrun supervise`: what `vmrun start` starts, a run whose output is a log.

use super::run::{duration, progress_lines};
use super::term::Term;
use super::{PermitArgs, RecipeArgs};
use crate::diag::Diagnostic;
use crate::model::VmName;
use crate::ops::run::{Means, Progress};
use crate::ops::supervise::{Listener, Supervision, SupervisorEvent, supervise, time_of_day};
use clap::Args;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

#[derive(Args)]
pub(super) struct SuperviseArgs {
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    permit: PermitArgs,
    #[arg(long, value_parser = duration)]
    stop_within: Duration,
    #[arg(long)]
    log: PathBuf,
    /// The machine whose guest is taken over
    #[arg(long)]
    adopt: Option<VmName>,
}

/// Says something in the log.
fn say(text: &str) {
    Term::new().say(format!("{}: {text}", time_of_day()));
}

fn print_progress(event: &SupervisorEvent<'_>) {
    let SupervisorEvent::Run(progress) = event else { return say("it is down") };
    match progress {
        Progress::Runs(name, _) => say(&format!("{name} runs")),
        Progress::Stops(Means::Agent, within) => {
            say(&format!("asking the guest's agent to power off; it has {within:?}"))
        }
        Progress::Stops(Means::PowerButton, within) => {
            say(&format!("asked the guest to power off; it has {within:?}"));
        }
        Progress::Stops(Means::Force, _) => say("switching the machine off"),
        Progress::Stops(Means::Kill, _) => say("ending the hypervisor"),
        Progress::NotRestarted(_) => say("it is held until somebody starts it"),
        // What a dead run has left is told as it is in the foreground, without a time.
        Progress::TakesOver(..) => progress_lines(progress).iter().for_each(|text| Term::new().say(text)),
        // The others read as they do in the foreground.
        _ => progress_lines(progress).iter().for_each(|text| say(text)),
    }
}

pub(super) fn run(args: &SuperviseArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let (recipe, log) = (args.permit.of(args.recipe.request())?, args.log.clone());
    let asked = Supervision { recipe, stop_within: args.stop_within, log, adopt: args.adopt.clone() };
    let listener: Listener = Rc::new(print_progress);
    supervise(&asked, &listener, &mut |notice| term.notice(&notice))
}

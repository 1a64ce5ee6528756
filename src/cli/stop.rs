//! `vmrun stop`, `vmrun restart` and `vmrun kill`: machines that run, and wait until they are down.

use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::model::VmName;
use crate::ops::restart;
use crate::ops::start::StartEvent;
use crate::ops::stop::{self, Down, How, StopEvent};
use clap::Args;
use std::time::Duration;

#[derive(Args)]
pub(super) struct StopArgs {
    /// The machines
    #[arg(required_unless_present = "all")]
    machines: Vec<VmName>,
    /// Every machine in the background, those that others start after last
    #[arg(long, conflicts_with = "machines")]
    all: bool,
    /// How long all of them together may take to power off; they are switched off then. One machine gets the time that its start
    /// gave it, several 80s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
}

#[derive(Args)]
pub(super) struct RestartArgs {
    /// The machines
    #[arg(required_unless_present = "all")]
    machines: Vec<VmName>,
    /// Every machine in the background
    #[arg(long, conflicts_with = "machines")]
    all: bool,
    /// How long all of them together may take to power off
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
}

#[derive(Args)]
pub(super) struct KillArgs {
    /// The machines
    #[arg(required = true)]
    machines: Vec<VmName>,
}

/// What is said where `--all` means none.
const NONE: &str = "no machine runs in the background";

pub(super) fn run(args: &StopArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let names = if args.all { stop::in_background()? } else { args.machines.clone() };
    if names.is_empty() {
        term.say(NONE);
        return Ok(());
    }
    let total = stop::total(args.within, args.all || names.len() > 1);
    stop::stop(&names, How::Asked(total), &|event| tell(event, term))
}

pub(super) fn kill(args: &KillArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    stop::stop(&args.machines, How::AtOnce, &|event| tell(event, term))
}

pub(super) fn restart(args: &RestartArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let names = if args.all { stop::in_background()? } else { args.machines.clone() };
    if names.is_empty() {
        term.say(NONE);
        return Ok(());
    }
    let started = |event: &StartEvent<'_>| super::start::tell(event, term);
    restart::restart(&names, args.within, &|event| tell(event, term), &started)
}

/// Says what happens while machines are stopped.
fn tell(event: &StopEvent<'_>, term: &Term) {
    match event {
        StopEvent::GivesBack(whose, commands) => {
            term.say(format_args!("{whose}; giving back what it took"));
            commands.iter().for_each(|command| term.say(command));
        }
        StopEvent::NotRunning(name, near) => {
            let near = near.as_ref().map(|near| format!("; {near}")).unwrap_or_default();
            term.say(format_args!("{name} does not run{near}"));
        }
        StopEvent::FailureCleared(name) => term.say(format_args!("{name} is not held any more")),
        StopEvent::Down(name, Down::PoweredOff) => term.say(format_args!("{name} is down")),
        StopEvent::Down(name, Down::SwitchedOff) => term.say(format_args!("{name} was switched off")),
        StopEvent::Down(name, Down::Forced) => {
            term.say(format_args!("{name} did not power off in time and was switched off"));
        }
    }
}

//! `vmrun stop` and `vmrun kill`: machines that run, and wait until they are down.

use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::instances;
use crate::ops::stop::{self, Down, How, StopEvent};
use clap::Args;
use std::time::Duration;

#[derive(Args)]
pub(super) struct StopArgs {
    /// The machines, or recipes whose machines run: 'worker.rhai[1..=3]'
    #[arg(required_unless_present = "all", value_parser = instances::word)]
    machines: Vec<String>,
    /// Every machine in the background, those that others start after last
    #[arg(long, conflicts_with = "machines")]
    all: bool,
    /// How long all of them together may take to power off; they are switched off then. One machine gets the time that its start
    /// gave it, several 80s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
}

#[derive(Args)]
pub(super) struct KillArgs {
    /// The machines, or recipes whose machines run
    #[arg(required = true, value_parser = instances::word)]
    machines: Vec<String>,
}

/// What is said where `--all` means none.
pub(super) const NONE: &str = "no machine runs in the background";

pub(super) fn run(args: &StopArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let names = if args.all { stop::in_background()? } else { instances::running(&args.machines)? };
    if names.is_empty() {
        term.say(NONE);
        return Ok(());
    }
    let total = stop::total(args.within, args.all || names.len() > 1);
    stop::stop(&names, How::Asked(total), &|event| tell(event, term))
}

pub(super) fn kill(args: &KillArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let names = instances::running(&args.machines)?;
    stop::stop(&names, How::AtOnce, &|event| tell(event, term))
}

/// Says what happens while machines are stopped.
pub(super) fn tell(event: &StopEvent<'_>, term: &Term) {
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

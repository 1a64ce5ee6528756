//! `vmrun start`: machines in the background, each with a supervisor of its own; and `vmrun adopt`.

use super::migrate;
use super::run::duration;
use super::term::Term;
use super::{GivenArgs, PermitArgs, RecipeArgs};
use crate::diag::{Diagnostic, Fault};
use crate::model::{Argv, VmName};
use crate::ops::display::CONNECT;
use crate::ops::migrate::{MigrateEvent, MigrateOptions, take_replica};
use crate::ops::start::{self, StartEvent, StartOptions, start_recipes};
use clap::Args;
use std::time::Duration;

#[derive(Args)]
pub(super) struct StartArgs {
    /// The recipes, or the names of their machines
    #[arg(required_unless_present = "all")]
    recipes: Vec<String>,
    /// Every machine that `start` in the configuration lists
    #[arg(long, conflicts_with = "recipes")]
    all: bool,
    #[command(flatten)]
    given: GivenArgs,
    /// How long a guest may take to power off when it is asked to: 60s, 2m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    stop_within: Duration,
    /// Wait so long for a machine or a disk that another run or guest has: 45s. Exit code 5 if it is not let go in time
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wait: Option<Duration>,
    #[command(flatten)]
    permit: PermitArgs,
    /// Have the newest replica of a machine be this host's machine first. The host that it came from has to tell that it does not run
    /// there; where that one is gone, --fenced vouches for it
    #[arg(long, conflicts_with = "all")]
    from_replica: bool,
    /// Refuse a recipe whose machine has another name
    #[arg(long, conflicts_with = "all")]
    name: Option<VmName>,
}

#[derive(Args)]
pub(super) struct AdoptArgs {
    /// The machines
    #[arg(required_unless_present = "all")]
    machines: Vec<VmName>,
    /// Every guest of this host whose supervisor is gone
    #[arg(long, conflicts_with = "machines")]
    all: bool,
}

pub(super) fn run(args: &StartArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let names = (!args.all).then_some(args.recipes.as_slice());
    if args.from_replica {
        from_replicas(args, term)?;
    }
    let given = args.permit.of(RecipeArgs { recipe: String::new(), given: args.given.clone() }.request())?;
    let (stop_within, wait, name) = (args.stop_within, args.wait, args.name.as_ref());
    let options = StartOptions { stop_within, wait, name, is_handed_over: false };
    start_recipes(names, &given, options, &|event| tell(event, term))
}

/// Has replicas be machines of this host.
fn from_replicas(args: &StartArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let options = MigrateOptions { within: None, answer_within: CONNECT };
    let told = |event: &MigrateEvent<'_>| migrate::tell(event, term, false);
    args.recipes.iter().try_for_each(|name| {
        let name: VmName = name.parse().map_err(|fault: Fault| fault.hint("name the machine, not its recipe"))?;
        take_replica(&name, args.permit.fenced(), options, &told)
    })
}

pub(super) fn adopt(args: &AdoptArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    if !args.all {
        return start::adopt(&args.machines, &|event| tell(event, term));
    }
    if !start::adopt_all(&|event| tell(event, term))? {
        term.say("no guest runs without its supervisor");
    }
    Ok(())
}

/// Says what happens while machines are started.
pub(super) fn tell(event: &StartEvent<'_>, term: &Term) {
    match event {
        StartEvent::Warning(warning) => term.diagnostic(warning),
        StartEvent::Emulated(line) => term.say(line),
        StartEvent::AsBefore(name, params) => {
            let words = Argv::new(*name).args(*params);
            term.say(format_args!("as it was started before: {words}"));
        }
        StartEvent::Printed(lines) | StartEvent::Commands(lines) => term.printed(lines),
        StartEvent::RunsAlready(name) => term.say(format_args!("{name} runs already")),
        StartEvent::Waits(fault) => term.say(format_args!("waiting: {fault}")),
        StartEvent::Runs(name) => term.say(format_args!("{name} runs")),
        StartEvent::TakenOver(name) => term.say(format_args!("{name} goes on; it was taken over")),
        StartEvent::Ready(name) => term.say(format_args!("{name} is ready")),
        StartEvent::Ended(name, log) => term.say(format_args!("{name} has run and ended; its log: {}", log.display())),
        StartEvent::Failed(output) => term.drawn(output),
    }
}

//! `vmrun restart`: machines are stopped and started again, those of this host or, some at once, those of many.

use super::list::hosts::AllHostsArgs;
use super::list::lasted;
use super::run::duration;
use super::table::{Column, table};
use super::term::Term;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::model::VmName;
use crate::ops::instances;
use crate::ops::restart::{self, Rehearsal};
use crate::ops::rolling::{self, Planned, RollingEvent, RollingRequest};
use crate::ops::search::HostQuery;
use crate::ops::start::StartEvent;
use crate::ops::stop::{self, StopEvent};
use clap::Args;
use serde_json::json;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = AFTER)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct RestartArgs {
    /// The machines, or recipes whose machines run: 'worker.rhai[1..=3]'
    #[arg(required_unless_present_any = ["all", "all_hosts", "hosts", "resume", "forget"], value_parser = instances::word)]
    machines: Vec<String>,
    /// Every machine in the background
    #[arg(long, conflicts_with = "machines")]
    all: bool,
    #[command(flatten)]
    hosts: AllHostsArgs,
    /// How many machines of many hosts are restarted at once
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = at_once)]
    at_once: usize,
    /// Go on with a restart of many hosts that was cut off
    #[arg(long, conflicts_with_all = ["machines", "all", "all_hosts", "hosts", "at_once", "within", "dry_run", "forget"])]
    resume: bool,
    /// Leave alone what is left of a restart of many hosts that was cut off
    #[arg(long, conflicts_with_all = ["machines", "all", "all_hosts", "hosts", "at_once", "within", "dry_run"])]
    forget: bool,
    /// Only rehearse it: say in which order machines would be restarted
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON object: `machines` with the `name` of each, and the machines that it starts `after`; of many hosts its `host`, too
    #[arg(long, requires = "dry_run")]
    json: bool,
    /// How long all of them together may take to power off; of many hosts how long each may
    #[arg(long, value_name = "TIME", value_parser = duration)]
    within: Option<Duration>,
}

const AFTER: &str = "\
Many hosts: with --all-hosts the machines that run in the background on this host and on those of `hosts` in config.toml, with --hosts
those of the hosts that are named, as ssh://HOST. On each the same vmrun is installed. One machine is restarted after the other, or
--at-once so many, and never one before those that it starts after, on whatever host these are; while one of them is down the others run.

Before anything is stopped each machine is rehearsed on its host, and what would not come back is told: nothing is restarted then. The
first machine that does not come back, which is one that does not run or is not `ready` in time, ends it; so does a host that does not
answer any more, and Ctrl-C. What has begun is waited for. --resume goes on with those that were not restarted since.";

fn at_once(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=100).contains(count));
    count.ok_or_else(|| "expected a number from 1 to 100".into())
}

pub(super) fn run(args: &RestartArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let heard = |event: &RollingEvent<'_>| tell(event, term);
    if args.forget {
        let left = rolling::forget()?;
        term.say(format_args!("{} left alone", counted(left, "is", "are")));
        return Ok(());
    }
    if args.resume {
        let left = rolling::resume(args.hosts.answer_within(), &heard)?;
        term.say(format_args!("{} restarted", counted(left, "was", "were")));
        return Ok(());
    }
    if let Some(query) = args.hosts.query() {
        return of_many(args, query, term);
    }
    if args.at_once != 1 {
        let fault = Fault::usage("--at-once is for the machines of many hosts");
        return Err(fault.hint("add --all-hosts; here all that nothing orders are restarted at once").into());
    }
    here(args, term)
}

/// Restarts the machines of this host.
fn here(args: &RestartArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let names = if args.all { stop::in_background()? } else { instances::running(&args.machines)? };
    if names.is_empty() && !args.json {
        term.say(super::stop::NONE);
        return Ok(());
    }
    let started = |event: &StartEvent<'_>| super::start::tell(event, term);
    if !args.dry_run {
        return restart::restart(&names, args.within, &|event| super::stop::tell(event, term), &started);
    }
    let all = restart::rehearse(&names, &started)?;
    if args.json {
        return Ok(term.json(format!("{:#}", Rehearsal::document(&all)))?);
    }
    for Rehearsal { name, .. } in &all {
        term.say(format_args!("nothing stands against restarting {name}; nothing was changed"));
    }
    Ok(())
}

/// Restarts the machines of many hosts.
fn of_many(args: &RestartArgs, query: HostQuery, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let named = |word: &String| {
        let hint = "name the machine, not its recipe: the machines of other hosts are known by their names";
        word.parse().map_err(|fault: Fault| Diagnostic::error(fault.blame(Blame::Usage).hint(hint)))
    };
    let machines: Vec<VmName> =
        args.machines.iter().map(named).collect::<Result<_, _>>().map_err(|fault| vec![fault])?;
    let request = RollingRequest { machines: &machines, query, within: args.within, at_once: args.at_once };
    let heard = |event: &RollingEvent<'_>| tell(event, term);
    if args.dry_run {
        return planned(&rolling::plan(&request, &heard)?, args.json, term);
    }
    match rolling::restart(&request, &heard)? {
        0 => term.say("no machine runs in the background on these hosts"),
        count => term.say(format_args!("{} restarted", counted(count, "was", "were"))),
    }
    Ok(())
}

/// Prints the order in which machines would be restarted.
fn planned(all: &[Planned], is_json: bool, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let after = |one: &Planned| one.after.iter().map(VmName::to_string).collect::<Vec<_>>();
    if is_json {
        let machine = |one: &Planned| json!({ "name": one.name.as_str(), "host": one.host_name, "after": after(one) });
        let machines: Vec<_> = all.iter().map(machine).collect();
        let value = json!({ "version": env!("CARGO_PKG_VERSION"), "machines": machines });
        return Ok(term.json(format!("{value:#}"))?);
    }
    if !all.is_empty() {
        let row = |one: &Planned| vec![one.name.to_string(), one.host.clone(), after(one).join(", ")];
        let columns = [Column::Text("NAME"), Column::Text("HOST"), Column::Text("AFTER")];
        term.data(table(&columns, &all.iter().map(row).collect::<Vec<_>>()))?;
    }
    term.say(format_args!("nothing stands against restarting {}; nothing was changed", machines(all.len())));
    Ok(())
}

fn machines(count: usize) -> String {
    if count == 1 { "1 machine".into() } else { format!("{count} machines") }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", machines(count), if count == 1 { one } else { many })
}

/// Says what happens while the machines of many hosts are restarted.
fn tell(event: &RollingEvent<'_>, term: &Term) {
    match event {
        RollingEvent::LeftAlone(name, host, state) => {
            term.say(format_args!("{name} on {host} is {state}, and is left alone"));
        }
        RollingEvent::Gone(name) => term.say(format_args!("{name} does not run any more, and is left alone")),
        RollingEvent::IsBack(name) => term.say(format_args!("{name} was restarted since")),
        RollingEvent::Said(host, text) => text.lines().for_each(|line| term.say(format_args!("{host}: {line}"))),
        RollingEvent::Wrong(diagnostic) => term.diagnostic(diagnostic),
        // Each machine is told of when it is back.
        RollingEvent::Stopped(StopEvent::Down(..))
        | RollingEvent::Started(StartEvent::Runs(_) | StartEvent::Ready(_)) => {}
        RollingEvent::Stopped(event) => super::stop::tell(event, term),
        RollingEvent::Started(event) => super::start::tell(event, term),
        RollingEvent::Back(name, host, (count, all), took) => {
            term.say(format_args!("{count} of {all}: {name} on {host} is back after {}", lasted(*took)));
        }
        RollingEvent::Waits => term.say("interrupted: what has begun is waited for"),
    }
}

//! `vmrun stop`, `vmrun restart` and `vmrun kill`: machines that run, and wait until they are down.

use super::inventory::meant;
use super::place;
use super::run::duration;
use super::start::{as_before, start};
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::host::Host;
use crate::host::system::System;
use crate::model::VmName;
use crate::supervise::order::{depths, order};
use crate::supervise::recovery;
use crate::supervise::standing::{Stance, Standing};
use clap::Args;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long all machines together get: below the 90 seconds of rc.shutdown(8).
const TOTAL: Duration = Duration::from_secs(80);

/// How long a supervisor may take to switch its machine off and to give back what it took.
const FORCED: Duration = Duration::from_secs(10);

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
    #[arg(required = true)]
    machines: Vec<VmName>,
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

/// How a machine is stopped.
#[derive(Clone, Copy)]
enum How {
    /// Its guest is asked to power off, and gets so long.
    Asked(Option<Duration>),
    /// It is switched off.
    AtOnce,
}

pub(super) fn run(args: &StopArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let names = if args.all { in_background(&place::host(false).map_err(one)?) } else { args.machines.clone() };
    if names.is_empty() {
        term.say("no machine runs in the background");
        return Ok(());
    }
    let total = if args.all || names.len() > 1 { Some(args.within.unwrap_or(TOTAL)) } else { args.within };
    stop(&names, total, false)
}

pub(super) fn kill(args: &KillArgs, _: &Term) -> Result<(), Vec<Diagnostic>> {
    stop(&args.machines, None, true)
}

pub(super) fn restart(args: &RestartArgs, _: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let here = place::host(false).map_err(one)?;
    let read = |name: &VmName| {
        let standing = Standing::of(&here, name);
        let fault = Fault::host(format!("the machine {name} does not run in the background"));
        standing.ok_or_else(|| fault.hint(format!("`vmrun start {name}` starts it")).maybe_hint(near(&here, name)))
    };
    let all: Result<Vec<Standing>, Fault> = args.machines.iter().map(read).collect();
    let all = all.map_err(one)?;
    drop(here);
    let total = if args.machines.len() > 1 { Some(args.within.unwrap_or(TOTAL)) } else { args.within };
    stop(&args.machines, total, false)?;
    start(&all.iter().map(|standing| as_before(standing, false)).collect::<Vec<_>>())
}

/// The machines that run in the background, by name.
fn in_background(host: &System) -> Vec<VmName> {
    let runs = |name: &VmName| {
        let standing = Standing::of(host, name);
        standing.is_some_and(|standing| standing.state != Stance::Held)
    };
    host.store().traces().into_iter().map(|trace| trace.name).filter(runs).collect()
}

/// Stops machines, side by side where nothing orders them, within one time for all.
fn stop(names: &[VmName], total: Option<Duration>, at_once: bool) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let here = place::host(false).map_err(one)?;
    let after = |name: &VmName| {
        let standing = Standing::of(&here, name);
        standing
            .map(|standing| standing.after)
            .unwrap_or_default()
            .into_iter()
            .filter(|name| names.contains(name))
            .collect()
    };
    let machines: Vec<(VmName, Vec<VmName>)> = names.iter().map(|name| (name.clone(), after(name))).collect();
    let before = order(&machines, |_| true).map_err(one)?;
    drop(here);
    let depths = depths(&before);
    let (begun, down, changed) = (Instant::now(), Mutex::new(vec![false; names.len()]), Condvar::new());
    let outcomes: Vec<Result<(), Fault>> = thread::scope(|scope| {
        let (down, changed, before) = (&down, &changed, &before);
        let each = names.iter().zip(depths).enumerate().map(|(at, (name, depth))| {
            scope.spawn(move || {
                let mut known = down.lock().unwrap_or_else(PoisonError::into_inner);
                let is_needed = |known: &[bool]| (0..known.len()).any(|it| before[it].contains(&at) && !known[it]);
                while is_needed(&known) {
                    known = changed.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
                drop(known);
                let share = |total: Duration| total.saturating_sub(begun.elapsed()) / depth;
                let how = if at_once { How::AtOnce } else { How::Asked(total.map(share)) };
                let outcome = stop_one(name, how);
                down.lock().unwrap_or_else(PoisonError::into_inner)[at] = true;
                changed.notify_all();
                outcome
            })
        });
        let threads: Vec<_> = each.collect();
        let lost = |_| Err(Fault::host("vmrun itself failed: this is a mistake in it"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    });
    let faults: Vec<Diagnostic> = outcomes.into_iter().filter_map(Result::err).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Stops one machine, and says how it went.
fn stop_one(name: &VmName, how: How) -> Result<(), Fault> {
    let (mut host, term) = (place::host(false)?, Term::new());
    let was_held = recovery::is_held(&host, name);
    let how_it_went = match recovery::holder(&host, name) {
        Some(Some(owner)) => ask(&host, name, owner.pid, how)?,
        Some(None) => return Err(recovery::running(name, None)),
        None if host.store().trace(name).is_none() && !was_held => return Err(unknown(&host, name)),
        None => "is down",
    };
    // A supervisor that was killed meanwhile, or long before, has left its guest.
    if (was_held || host.store().trace(name).is_some()) && recovery::holder(&host, name).is_none() {
        let within = match how {
            How::Asked(within) => within.unwrap_or(crate::supervise::STOP_WITHIN),
            How::AtOnce => Duration::ZERO,
        };
        recovery::end(&mut host, name, within, &mut |host, left| {
            term.say(format!("{}; giving back what it took", left.whose()));
            left.commands(host).iter().for_each(|command| term.say(command));
        })?;
    }
    if was_held {
        term.say(format!("{name} is not held any more"));
    } else {
        term.say(format!("{name} {how_it_went}"));
    }
    Ok(())
}

/// Has a run stop its machine, and waits for its end.
fn ask(host: &System, name: &VmName, pid: u32, how: How) -> Result<&'static str, Fault> {
    let within = match how {
        How::AtOnce => {
            host.ask_to_stop(pid, true);
            Some(FORCED)
        }
        How::Asked(within) => {
            host.ask_to_stop(pid, false);
            within
        }
    };
    if host.has_ended_within(pid, within)? {
        return Ok(if matches!(how, How::AtOnce) { "was switched off" } else { "is down" });
    }
    // Each asking goes a step further: the switch, then the end of the hypervisor.
    for _ in 0..2 {
        host.ask_to_stop(pid, false);
        if host.has_ended_within(pid, Some(FORCED))? {
            return Ok("did not power off in time and was switched off");
        }
    }
    let fault = Fault::host(format!("the run of {name}, process {pid}, does not end"));
    Err(fault.hint(format!("`kill -9 {pid}` ends it, and `vmrun stop {name}` what it leaves")))
}

fn unknown(host: &System, name: &VmName) -> Fault {
    recovery::not_running(name).maybe_hint(near(host, name))
}

/// Returns another machine that a name may have been meant for.
pub(super) fn near(host: &System, name: &VmName) -> Option<String> {
    meant(name.as_str(), host.store().traces().iter().map(|trace| trace.name.to_string()))
}

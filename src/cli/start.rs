//! `vmrun start`: machines in the background, each with a supervisor of its own; and `vmrun adopt`.

use super::events::Diary;
use super::inventory::Inventory;
use super::run::{duration, refusal};
use super::stop::near;
use super::supervise::SuperviseArgs;
use super::term::Term;
use super::{GivenArgs, RecipeArgs, place};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::Host;
use crate::host::background::{Outcome, Supervisor};
use crate::host::events;
use crate::host::system::System;
use crate::model::VmName;
use crate::ops::run::{Rehearsed, rehearse};
use crate::supervise::Progress;
use crate::supervise::order::{Ready, Sign, order};
use crate::supervise::recovery;
use crate::supervise::standing::Standing;
use clap::Args;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
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
}

#[derive(Args)]
pub(super) struct AdoptArgs {
    /// The machines
    #[arg(required = true)]
    machines: Vec<VmName>,
}

/// A machine that is about to be started.
pub(super) struct Start {
    name: VmName,
    after: Vec<VmName>,
    ready: Option<Ready>,
    /// The command line of its supervisor.
    words: Vec<String>,
    log: PathBuf,
    /// Whether its guest runs already and is taken over.
    adopts: bool,
}

/// What became of it.
enum Came {
    Runs,
    Ended,
    Failed(i32, String),
    NotReady(Duration),
    Waits,
    Interrupted,
    /// One that it starts after did not come.
    Left(VmName),
    Refused(Fault),
}

pub(super) fn run(args: &StartArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let inventory = Inventory::open()?;
    let names = if args.all { &inventory.config.start } else { &args.recipes };
    if names.is_empty() {
        let fault = Fault::usage("the configuration lists no machine to start");
        return Err(vec![fault.hint("add to config.toml: start = [\"db\", \"web\"]").into()]);
    }
    let paths: Vec<PathBuf> = super::find::recipes(&inventory, names)?;
    let mut starts = Vec::new();
    let mut faults = Vec::new();
    for path in paths {
        let recipe = path.display().to_string();
        let recipe = RecipeArgs { recipe, given: args.given.clone() };
        match prepare(&recipe, args.stop_within, term) {
            Ok(start) => starts.push(start),
            Err(wrong) => faults.extend(wrong),
        }
    }
    // One that is wrong starts none.
    if faults.is_empty() { start(&starts) } else { Err(faults) }
}

/// Rehearses a recipe, and returns what is to be started for it.
fn prepare(args: &RecipeArgs, stop_within: Duration, term: &Term) -> Result<Start, Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let host = place::host(args.given.user_net).map_err(one)?;
    let recipe = args.read()?;
    let rehearsed = rehearse(&recipe, Box::new(host), &args.inputs(), &mut |warning| term.diagnostic(warning));
    let Rehearsed { host, claim } = rehearsed.map_err(|refused| refusal(refused, term))?;
    let name = claim.machine;
    let log = place::log_file(&name).map_err(one)?;
    let adopts = recovery::goes_on(&*host, &name).is_some();
    let words = SuperviseArgs::words(args, stop_within, &log.display().to_string(), adopts.then_some(&name));
    // As in a run, which ends here too.
    std::mem::forget(recipe);
    Ok(Start { name, after: claim.keeping.after, ready: claim.keeping.ready, words, log, adopts })
}

pub(super) fn adopt(args: &AdoptArgs, _: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let host = place::host(false).map_err(one)?;
    let starts: Result<Vec<Start>, Fault> = args.machines.iter().map(|name| adoption(&host, name)).collect();
    let starts = starts.map_err(one)?;
    drop(host);
    start(&starts)
}

/// Returns what is to be started for a guest that runs already.
fn adoption(host: &System, name: &VmName) -> Result<Start, Fault> {
    if let Some(owner) = recovery::holder(host, name) {
        return Err(recovery::running(name, owner.as_ref()));
    }
    if host.store().trace(name).is_none() {
        return Err(recovery::not_running(name).maybe_hint(near(host, name)));
    }
    let standing = Standing::of(host, name);
    let lost = || {
        let fault = Fault::host(format!("nothing is known of how {name} was started"));
        fault.hint("`vmrun start RECIPE` takes it over, with the recipe that it was started with")
    };
    let standing = standing.ok_or_else(lost)?;
    let mut start = as_before(&standing, standing.init);
    start.after.clear();
    start.adopts = true;
    start.words.push(format!("--adopt={name}"));
    Ok(start)
}

/// Returns what is to be started for a machine as it was started before.
pub(super) fn as_before(standing: &Standing, init: bool) -> Start {
    let set = standing.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let recipe =
        RecipeArgs { recipe: standing.recipe.clone(), given: GivenArgs { init, set, user_net: standing.user_net } };
    let words = SuperviseArgs::words(&recipe, standing.stop_within, &standing.log, None);
    let (name, log) = (standing.name.clone(), PathBuf::from(&standing.log));
    Start { name, after: Vec::new(), ready: None, words, log, adopts: false }
}

/// Starts machines, side by side where nothing orders them, and waits until all run.
pub(super) fn start(starts: &[Start]) -> Result<(), Vec<Diagnostic>> {
    let machines: Vec<_> = starts.iter().map(|start| (start.name.clone(), start.after.clone())).collect();
    let before = order(&machines, runs).map_err(|fault| vec![Diagnostic::error(fault)])?;
    let (came, changed) = (Mutex::new(vec![None::<bool>; starts.len()]), Condvar::new());
    let outcomes: Vec<Came> = thread::scope(|scope| {
        let (came, changed) = (&came, &changed);
        let each = starts.iter().zip(&before).enumerate().map(|(at, (start, before))| {
            scope.spawn(move || {
                let mut known = came.lock().unwrap_or_else(PoisonError::into_inner);
                while before.iter().any(|other| known[*other].is_none()) {
                    known = changed.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
                let missing = before.iter().find(|other| known[**other] == Some(false));
                drop(known);
                let outcome = missing.map_or_else(|| begin(start), |other| Came::Left(starts[*other].name.clone()));
                let mut known = came.lock().unwrap_or_else(PoisonError::into_inner);
                known[at] = Some(matches!(outcome, Came::Runs | Came::Ended));
                changed.notify_all();
                outcome
            })
        });
        let threads: Vec<_> = each.collect();
        let lost = |_| Came::Refused(Fault::host("vmrun itself failed: this is a mistake in it"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(lost)).collect()
    });
    let faults: Vec<Diagnostic> =
        starts.iter().zip(outcomes).filter_map(|(start, came)| fault(start, came)).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Whether a machine runs already.
fn runs(name: &VmName) -> bool {
    place::host(false).is_ok_and(|host| recovery::holder(&host, name).is_some())
}

/// Starts one machine, and waits until it runs and is ready.
fn begin(start: &Start) -> Came {
    let (term, name) = (Term::new(), &start.name);
    let mut supervisor = match Supervisor::start(&start.words, &start.log) {
        Ok(supervisor) => supervisor,
        Err(fault) => return Came::Refused(fault),
    };
    match supervisor.wait() {
        Outcome::Ended(0, _) => {
            term.say(format!("{name} has run and ended; its log: {}", start.log.display()));
            return Came::Ended;
        }
        Outcome::Waits => return Came::Waits,
        Outcome::Interrupted => return Came::Interrupted,
        Outcome::Ended(code, said) => return Came::Failed(code, said),
        Outcome::Runs if start.adopts => term.say(format!("{name} goes on; it was taken over")),
        Outcome::Runs => term.say(format!("{name} runs")),
    }
    let Some(Ready { sign, within }) = &start.ready else { return Came::Runs };
    let is_ready = match sign {
        Sign::Tcp(address) => supervisor.answers(*address, *within),
        Sign::Serial(text) => supervisor.says(text, *within),
    };
    match is_ready {
        None => Came::Interrupted,
        Some(false) => Came::NotReady(*within),
        Some(true) => {
            term.say(format!("{name} is ready"));
            let diary = Diary::open(&events::beside(&start.log), name);
            diary.iter().for_each(|diary| diary.tell(&Progress::Ready));
            Came::Runs
        }
    }
}

/// Returns why a machine did not come. What its supervisor said is shown as it is.
fn fault(start: &Start, came: Came) -> Option<Fault> {
    let (name, log) = (&start.name, start.log.display());
    match came {
        Came::Runs | Came::Ended => None,
        Came::Refused(fault) => Some(fault),
        Came::Left(other) => {
            let fault = Fault::host(format!("{name} was not started: it starts after {other}"));
            Some(fault.hint(format!("`vmrun start {name}` starts it once {other} runs")))
        }
        Came::Interrupted => {
            let fault = Fault::new(format!("interrupted; {name} goes on")).blame(Blame::Interrupted);
            Some(fault.hint(format!("`vmrun stop {name}` stops it")))
        }
        Came::Waits => {
            let fault =
                Fault::new(format!("{name} ended as soon as it was started, and is started again")).blame(Blame::Guest);
            Some(fault.hint(format!("its log says why: {log}; `vmrun stop {name}` stops it")))
        }
        Came::NotReady(within) => {
            let fault = Fault::new(format!("{name} runs, and was not ready within {within:?}")).blame(Blame::Guest);
            Some(fault.hint(format!("its log: {log}")))
        }
        Came::Failed(code, said) => {
            if !said.is_empty() {
                Term::new().drawn(&said);
            }
            let blame = match code {
                1 => Blame::Recipe,
                2 => Blame::Usage,
                4 => Blame::Guest,
                130 => Blame::Interrupted,
                _ => Blame::Host,
            };
            Some(Fault::new(format!("{name} did not start")).blame(blame).hint(format!("its log: {log}")))
        }
    }
}

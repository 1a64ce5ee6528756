//! Starting machines in the background, each with a supervisor of its own, and taking over guests whose supervisor is gone.

mod already;
mod elsewhere;
mod patience;
mod ready;

use super::address;
use super::events::Diary;
use super::installation::{Installation, Wanted, did_you_mean};
use super::known::wanted;
use super::recipe::RecipeRequest;
use super::replica_hosts::{OwnStart, ReplicaHosts};
use super::run::{Rehearsed, rehearse};
use super::settings;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::Host;
use crate::host::background::{Supervisor, SupervisorOutcome};
use crate::host::events;
use crate::host::spawn;
use crate::host::system::System;
use crate::model::VmName;
use crate::model::instance::INSTANCE;
use crate::model::permit::PermitOptions;
use crate::supervise::order::order;
use crate::supervise::recovery::{self, Aim};
use crate::supervise::status::{MachineState, MachineStatus};
use crate::supervise::{Claim, Progress};
use already::Already;
use patience::{LOOK, patiently};
use ready::Awaited;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// What happens while machines are started.
pub(crate) enum StartEvent<'a> {
    /// A rehearsal has a warning.
    Warning(&'a Diagnostic),
    /// A machine is going to run without KVM, as this line says.
    Emulated(&'a str),
    /// The machine is started with these parameters, as it was before.
    AsBefore(&'a str, &'a [String]),
    /// A rehearsal that failed has printed this.
    Printed(&'a [String]),
    /// The supervisor of a machine has run these commands.
    Commands(&'a [String]),
    /// The machine runs already, as it would be started.
    RunsAlready(&'a VmName),
    /// Somebody else has what a machine needs, and is waited for.
    Waits(&'a Fault),
    /// The guest of the machine runs.
    Runs(&'a VmName),
    /// The guest of the machine ran already, and has a supervisor again.
    TakenOver(&'a VmName),
    /// The machine is ready, as its recipe says.
    Ready(&'a VmName),
    /// The run of the machine is over already; its log.
    Ended(&'a VmName, &'a Path),
    /// A supervisor has failed, and has written this.
    Failed(&'a str),
}

/// A machine that is about to be started.
pub(crate) struct Start {
    name: VmName,
    after: Vec<VmName>,
    ready: Option<Awaited>,
    /// The command line of its supervisor.
    words: Vec<String>,
    log: PathBuf,
    /// Whether its guest runs already and is taken over.
    adopts: bool,
    /// Until when somebody who has what it needs is waited for.
    until: Option<Instant>,
}

/// How machines are started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartOptions<'a> {
    /// How long their guests may take to power off, when they are stopped.
    pub(crate) stop_within: Duration,
    /// How long somebody is waited for who has a machine or a disk.
    pub(crate) wait: Option<Duration>,
    /// What the machine has to be called.
    pub(crate) name: Option<&'a VmName>,
    /// Whether another host hands it over right now, or gives it back: nobody else has taken it over then.
    pub(crate) is_handed_over: bool,
}

impl StartOptions<'_> {
    /// Refuses a recipe whose machine is called otherwise: whoever looks for the one that was meant would not find it.
    fn named(&self, request: &RecipeRequest, name: &VmName) -> Result<(), Fault> {
        let Some(wanted) = self.name.filter(|wanted| *wanted != name) else { return Ok(()) };
        let fault = Fault::usage(format!("the recipe {} boots the machine {name}, not {wanted}", request.path));
        Err(fault.hint(format!("say --name={name}, or give the recipe of {wanted}")))
    }
}

impl Start {
    /// Returns the machine.
    pub(crate) const fn name(&self) -> &VmName {
        &self.name
    }

    /// Returns the machines that it starts after.
    pub(crate) fn after(&self) -> &[VmName] {
        &self.after
    }

    /// Has it start after none but these.
    pub(crate) fn only_after(&mut self, names: &[VmName]) {
        self.after.retain(|name| names.contains(name));
    }
}

/// How the start of a machine ended.
enum StartOutcome {
    Runs,
    Ended,
    Failed(i32, String),
    NotReady(Duration),
    Waits,
    Interrupted,
    /// One that it starts after does not run.
    Skipped(VmName),
    Refused(Fault),
}

/// Who hears of what happens, in any thread.
pub(crate) type Listener<'a> = &'a (dyn Fn(&StartEvent<'_>) + Sync);

/// Starts the machines of recipes, by name or path, or those that `start` in the configuration lists. All of them have the inputs
/// of `given`, whose own recipe does not count. One that runs already as it would be started is only told of. What is wrong with one,
/// or runs as something else, is told, and is no hindrance to the others but to those that start after it.
pub(crate) fn start_recipes(
    names: Option<&[String]>,
    given: &RecipeRequest,
    options: StartOptions<'_>,
    listener: Listener<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let until = options.wait.map(|wait| Instant::now() + wait);
    let installation = Installation::open()?;
    let names = names.unwrap_or(&installation.config.start);
    if names.is_empty() {
        let fault = Fault::usage("the configuration lists no machine to start");
        return Err(fault.hint("add to config.toml: start = [\"db\", \"web\"]").into());
    }
    settings::doubt(settings::platform()?).iter().for_each(|warning| listener(&StartEvent::Warning(warning)));
    let mut starts = Vec::new();
    let (mut faults, mut running) = (Vec::new(), Vec::new());
    let mut others = ReplicaHosts::default();
    let all = wanted(&installation, names)?;
    let are_several = all.len() > 1;
    for wanted in &all {
        let request = asked_as_before(wanted, given, listener);
        if let Some(name) = Already::of(&request)?.same(&request) {
            options.named(&request, name)?;
            listener(&StartEvent::RunsAlready(name));
            continue;
        }
        let again = |others: &mut ReplicaHosts| prepare(&request, options, others, listener);
        let wrong = match again(&mut others) {
            Ok(start) => {
                starts.push(Start { until, ..start });
                continue;
            }
            Err(wrong) => wrong,
        };
        // Somebody else may have begun to start it meanwhile.
        let already = Already::of(&request)?;
        if let Some(name) = already.same(&request) {
            listener(&StartEvent::RunsAlready(name));
        } else if let Some(fault) = already.refused(&installation, &request, are_several) {
            // What runs already is in the way of itself alone.
            running.push(Diagnostic::error(fault));
        } else {
            match patiently(wrong, until, listener, &|| again(&mut ReplicaHosts::default())) {
                Ok(start) => starts.push(Start { until, ..start }),
                Err(wrong) => faults.extend(wrong),
            }
        }
    }
    drop(others);
    elsewhere::look(&mut starts, &installation, until, listener)?;
    if !faults.is_empty() {
        faults.extend(without_what_is_missing(&mut starts).into_iter().map(Diagnostic::error));
    }
    if !starts.is_empty() {
        faults.extend(start(&starts, listener).err().unwrap_or_default());
    }
    faults.extend(running);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Returns the recipe of a machine with what was given, and beside that with what the machine was started with before.
fn asked_as_before(wanted: &Wanted, given: &RecipeRequest, listener: Listener<'_>) -> RecipeRequest {
    let is_given = |name: &String| given.set.iter().any(|(known, _)| known == name);
    let before = wanted.params.iter().filter(|(name, _)| !is_given(name));
    let before: Vec<(String, String)> = before.map(|(name, value)| (name.clone(), value.clone())).collect();
    let permit = if given.permit == PermitOptions::default() { &wanted.permit } else { &given.permit };
    // Its name says which instance it is.
    let news = before.iter().filter(|(name, _)| name != INSTANCE).map(|(name, value)| format!("--set={name}={value}"));
    let news: Vec<String> = news.chain(permit.words().into_iter().filter(|_| *permit != given.permit)).collect();
    if let Some(name) = wanted.name.as_ref().filter(|_| !news.is_empty()) {
        listener(&StartEvent::AsBefore(name, &news));
    }
    let set: Vec<(String, String)> = before.into_iter().chain(given.set.iter().cloned()).collect();
    let user_net = given.user_net || wanted.user_net;
    let request = RecipeRequest::new(&wanted.path.display().to_string(), given.init, &set, user_net);
    let (asks_nothing, asked, fenced) = (given.asks_nothing, given.asked, given.fenced.clone());
    RecipeRequest { asks_nothing, permit: permit.clone(), fenced, asked, ..request }
}

/// Takes away the machines that start after one which does not run and is not among them, and returns why.
fn without_what_is_missing(starts: &mut Vec<Start>) -> Vec<Fault> {
    let mut faults = Vec::new();
    loop {
        let names: Vec<VmName> = starts.iter().map(|start| start.name.clone()).collect();
        let missing = |start: &Start| start.after.iter().find(|name| !names.contains(name) && !runs(name)).cloned();
        let Some((at, other)) = starts.iter().enumerate().find_map(|(at, start)| Some((at, missing(start)?))) else {
            return faults;
        };
        faults.push(skipped(&starts.remove(at).name, &other).blame(Blame::Recipe));
    }
}

/// Rehearses a recipe, and returns what is to be started for it.
fn prepare(
    request: &RecipeRequest,
    options: StartOptions<'_>,
    others: &mut ReplicaHosts,
    listener: Listener<'_>,
) -> Result<Start, Vec<Diagnostic>> {
    let (host, claim) = rehearsed(request, settings::host(request.user_net)?, listener)?;
    let name = &claim.machine;
    options.named(request, name)?;
    let log = settings::log_file(name)?;
    let adopts = recovery::goes_on(&*host, name).is_some();
    if !adopts && !options.is_handed_over {
        let warnings = others.against(&OwnStart::of(name, request))?;
        warnings.iter().for_each(|warning| listener(&StartEvent::Warning(warning)));
    }
    // One that runs already is said to have been started.
    claim.emulated.iter().filter(|_| !adopts).for_each(|line| listener(&StartEvent::Emulated(line)));
    let request = request.with(&claim.given);
    let words = request.supervisor(options.stop_within, &log.display().to_string(), adopts.then_some(name.as_str()));
    let ready = Awaited::of(&claim);
    Ok(Start { name: claim.machine, after: claim.service.after, ready, words, log, adopts, until: None })
}

/// Rehearses a recipe on a host that is here, and returns the host with what the recipe is going to take.
fn rehearsed(
    request: &RecipeRequest,
    mut host: System,
    listener: Listener<'_>,
) -> Result<(Box<dyn Host>, Claim), Vec<Diagnostic>> {
    let recipe = request.read()?;
    let inputs = request.inputs();
    host.work_in(inputs.origin.folder());
    let warned = &mut |warning: &Diagnostic| listener(&StartEvent::Warning(warning));
    let rehearsed = rehearse(&recipe, Box::new(host), &inputs, warned);
    let Rehearsed { host, claim } = rehearsed.map_err(|refused| {
        listener(&StartEvent::Printed(&refused.printed));
        refused.faults
    })?;
    Ok((host, claim))
}

/// Rehearses the start of a machine as it was started before, though without `init`, on this host as it is once the machine is
/// stopped; returns what is to be started then.
pub(crate) fn prepare_again(status: &MachineStatus, listener: Listener<'_>) -> Result<Start, Vec<Diagnostic>> {
    let (name, request) = (&status.name, as_asked(status, false));
    let mut host = settings::host(request.user_net)?;
    recovery::look_past(&mut host, name);
    let (_, claim) = rehearsed(&request, host, listener)?;
    if claim.machine != *name {
        let fault = Fault::host(format!("the recipe {} is of the machine {} by now", request.path, claim.machine));
        return Err(fault.hint(format!("`vmrun stop {name}`, then start the recipe")).into());
    }
    // What runs until it is stopped for this was taken over by nobody.
    if status.state == MachineState::Failed {
        let warnings = ReplicaHosts::default().against(&OwnStart::of(name, &request))?;
        warnings.iter().for_each(|warning| listener(&StartEvent::Warning(warning)));
    }
    claim.emulated.iter().for_each(|line| listener(&StartEvent::Emulated(line)));
    let ready = Awaited::of(&claim);
    Ok(Start { after: claim.service.after, ready, ..as_before(status, false) })
}

/// Takes over guests that run without a supervisor.
pub(crate) fn adopt(machines: &[VmName], listener: Listener<'_>) -> Result<(), Vec<Diagnostic>> {
    let host = settings::host(false)?;
    let starts: Vec<Start> = machines.iter().map(|name| adoption(&host, name)).collect::<Result<_, _>>()?;
    drop(host);
    start(&starts, listener)
}

/// Takes over every guest that runs without a supervisor. Returns whether there was one.
pub(crate) fn adopt_all(listener: Listener<'_>) -> Result<bool, Vec<Diagnostic>> {
    let host = settings::host(false)?;
    let goes_on = |name: &VmName| recovery::goes_on(&host, name).is_some();
    let names: Vec<VmName> = host.store().records().into_iter().map(|record| record.name).filter(goes_on).collect();
    let (mut starts, mut faults) = (Vec::new(), Vec::new());
    for name in &names {
        match adoption(&host, name) {
            Ok(start) => starts.push(start),
            Err(fault) => faults.push(Diagnostic::error(fault)),
        }
    }
    drop(host);
    faults.extend(start(&starts, listener).err().unwrap_or_default());
    if faults.is_empty() { Ok(!names.is_empty()) } else { Err(faults) }
}

/// Returns what is to be started for a guest that runs already.
fn adoption(host: &System, name: &VmName) -> Result<Start, Fault> {
    if let Some(owner) = recovery::holder(host, name) {
        return Err(recovery::running(host, name, owner.as_ref(), Aim::Adoption));
    }
    if host.store().record(name).is_none() {
        return Err(recovery::not_running(name).maybe_hint(near(host, name)));
    }
    let status = MachineStatus::of(host, name);
    let lost = || {
        let fault = Fault::host(format!("nothing is known of how {name} was started"));
        fault.hint("`vmrun start RECIPE` takes it over, with the recipe that it was started with")
    };
    let status = status.ok_or_else(lost)?;
    let mut start = as_before(&status, status.init);
    start.after.clear();
    start.adopts = true;
    start.words.push(format!("--adopt={name}"));
    Ok(start)
}

/// Returns the recipe of a machine and its inputs, as they were when it was started.
fn as_asked(status: &MachineStatus, init: bool) -> RecipeRequest {
    let set = status.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let (path, user_net) = (status.recipe.clone(), status.user_net);
    let permit = status.permit.clone();
    RecipeRequest { path, init, set, user_net, asks_nothing: false, permit, fenced: None, asked: |_| {} }
}

/// Returns what is to be started for a machine as it was started before.
fn as_before(status: &MachineStatus, init: bool) -> Start {
    let words = as_asked(status, init).supervisor(status.stop_within, &status.log, None);
    let (name, log) = (status.name.clone(), PathBuf::from(&status.log));
    Start { name, after: Vec::new(), ready: None, words, log, adopts: false, until: None }
}

/// Returns a hint at another machine that a name may have been meant for.
pub(crate) fn near(host: &System, name: &VmName) -> Option<String> {
    did_you_mean(name.as_str(), host.store().records().iter().map(|record| record.name.to_string()))
}

/// Returns for each machine which of them it starts after, by number.
pub(crate) fn in_order(starts: &[Start]) -> Result<Vec<Vec<usize>>, Fault> {
    let machines: Vec<_> = starts.iter().map(|start| (start.name.clone(), start.after.clone())).collect();
    order(&machines, runs)
}

/// Starts machines, side by side where nothing orders them, and waits until all run.
pub(crate) fn start(starts: &[Start], listener: Listener<'_>) -> Result<(), Vec<Diagnostic>> {
    let before = in_order(starts)?;
    let (started, changed) = (Mutex::new(vec![None::<bool>; starts.len()]), Condvar::new());
    let outcomes: Vec<StartOutcome> = thread::scope(|scope| {
        let (started, changed) = (&started, &changed);
        let each = starts.iter().zip(&before).enumerate().map(|(at, (start, before))| {
            let begun = spawn::scoped(scope, move || {
                let mut known = started.lock().unwrap_or_else(PoisonError::into_inner);
                while before.iter().any(|other| known[*other].is_none()) {
                    known = changed.wait(known).unwrap_or_else(PoisonError::into_inner);
                }
                let missing = before.iter().find(|other| known[**other] == Some(false));
                drop(known);
                let outcome = missing
                    .map_or_else(|| begin(start, listener), |other| StartOutcome::Skipped(starts[*other].name.clone()));
                let mut known = started.lock().unwrap_or_else(PoisonError::into_inner);
                known[at] = Some(matches!(outcome, StartOutcome::Runs | StartOutcome::Ended));
                changed.notify_all();
                outcome
            });
            begun.inspect_err(|_| {
                started.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(false);
                changed.notify_all();
            })
        });
        let threads: Vec<_> = each.collect();
        let lost = |_| StartOutcome::Refused(Fault::host("vmrun itself failed: this is a mistake in it"));
        let end = |begun: Result<ScopedJoinHandle<'_, _>, _>| match begun {
            Ok(thread) => thread.join().unwrap_or_else(lost),
            Err(fault) => StartOutcome::Refused(fault),
        };
        threads.into_iter().map(end).collect()
    });
    let faults: Vec<Diagnostic> = starts
        .iter()
        .zip(outcomes)
        .filter_map(|(start, outcome)| fault(start, outcome, listener))
        .map(Diagnostic::error)
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Whether a machine runs already.
fn runs(name: &VmName) -> bool {
    settings::host(false).is_ok_and(|host| recovery::holder(&host, name).is_some())
}

/// Starts one machine, and waits until it runs and is ready.
fn begin(start: &Start, listener: Listener<'_>) -> StartOutcome {
    let name = &start.name;
    let from = start.ready.as_ref().map_or(0, Awaited::now);
    let mut supervisor = match Supervisor::start(&start.words, &start.log) {
        Ok(supervisor) => supervisor,
        Err(fault) => return StartOutcome::Refused(fault),
    };
    let mut outcome = supervisor.wait();
    // Somebody was quicker since the rehearsal, or the permit was lost as soon as it was had.
    while matches!(outcome, SupervisorOutcome::Ended(code, _) if matches!(Blame::of_code(code), Some(Blame::Busy | Blame::Permit)))
        && start.until.is_some_and(|until| Instant::now() < until)
    {
        match supervisor.again(&start.words, &start.log, LOOK) {
            Ok(Some(next)) => supervisor = next,
            Ok(None) => return StartOutcome::Interrupted,
            Err(fault) => return StartOutcome::Refused(fault),
        }
        outcome = supervisor.wait();
    }
    listener(&StartEvent::Commands(&supervisor.commands()));
    match outcome {
        SupervisorOutcome::Ended(0, _) => {
            listener(&StartEvent::Ended(name, &start.log));
            return StartOutcome::Ended;
        }
        SupervisorOutcome::Waits => return StartOutcome::Waits,
        SupervisorOutcome::Interrupted => return StartOutcome::Interrupted,
        SupervisorOutcome::Ended(code, output) => return StartOutcome::Failed(code, output),
        SupervisorOutcome::Runs if start.adopts => listener(&StartEvent::TakenOver(name)),
        SupervisorOutcome::Runs => listener(&StartEvent::Runs(name)),
    }
    let Some(awaited) = &start.ready else { return StartOutcome::Runs };
    match awaited.comes(&supervisor, name, from) {
        None => StartOutcome::Interrupted,
        Some(false) => StartOutcome::NotReady(awaited.within()),
        Some(true) => {
            listener(&StartEvent::Ready(name));
            let diary = Diary::open(&events::beside(&start.log), name);
            let address = address::of_machine(name).map(|found| found.ip);
            diary.iter().for_each(|diary| diary.tell(&Progress::Ready(address)));
            StartOutcome::Runs
        }
    }
}

/// The fault of a machine that starts after one which does not run.
fn skipped(name: &VmName, other: &VmName) -> Fault {
    let fault = Fault::host(format!("{name} was not started: it starts after {other}"));
    fault.hint(format!("`vmrun start {name}` starts it once {other} runs"))
}

/// Returns why a machine does not run. What its supervisor has written is handed out as it is.
fn fault(start: &Start, outcome: StartOutcome, listener: Listener<'_>) -> Option<Fault> {
    let (name, log) = (&start.name, start.log.display());
    match outcome {
        StartOutcome::Runs | StartOutcome::Ended => None,
        StartOutcome::Refused(fault) => Some(fault),
        StartOutcome::Skipped(other) => Some(skipped(name, &other)),
        StartOutcome::Interrupted => {
            let fault = Fault::new(format!("interrupted; {name} goes on")).blame(Blame::Interrupted);
            Some(fault.hint(format!("`vmrun stop {name}` stops it")))
        }
        StartOutcome::Waits => {
            let fault =
                Fault::new(format!("{name} ended as soon as it was started, and is started again")).blame(Blame::Guest);
            Some(fault.hint(format!("its log says why: {log}; `vmrun stop {name}` stops it")))
        }
        StartOutcome::NotReady(within) => {
            let fault = Fault::new(format!("{name} runs, and was not ready within {within:?}")).blame(Blame::Guest);
            Some(fault.hint(format!("its log: {log}")))
        }
        StartOutcome::Failed(code, output) => {
            if !output.is_empty() {
                listener(&StartEvent::Failed(&output));
            }
            let blame = Blame::of_code(code).unwrap_or(Blame::Host);
            Some(Fault::new(format!("{name} did not start")).blame(blame).hint(format!("its log: {log}")))
        }
    }
}

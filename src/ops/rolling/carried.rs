//! Restarts are carried out: by ssh on other hosts, here by ourselves. What has begun is waited for, whatever happens.

use super::fleet::{Fleet, FleetMachine, HERE, blame};
use super::record::{back, begun};
use super::schedule::Schedule;
use super::{Listener, RollingEvent};
use crate::client::ssh::{Answer, run_apart};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::environment::host_within;
use crate::host::rolling::RollingFile;
use crate::host::signals::Signals;
use crate::host::spawn;
use crate::model::VmName;
use crate::ops::display::CONNECT;
use crate::ops::monitor::monitor;
use crate::ops::remote::{Remote, failure};
use crate::ops::restart;
use crate::ops::start::StartEvent;
use crate::ops::stop::StopEvent;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether somebody asked to stop.
const LOOK: Duration = Duration::from_millis(50);

/// How long a host may take to look whether a machine runs, once ssh has let us in.
const LOOKED: Duration = Duration::from_secs(10);

/// What is carried out, and for whom.
pub(super) struct Carried<'a> {
    pub file: &'a RollingFile,
    pub fleet: &'a Fleet,
    pub within: Option<Duration>,
    pub at_once: usize,
    pub listener: Listener<'a>,
}

/// How far it is.
struct Progress {
    schedule: Schedule,
    under_way: usize,
    back: usize,
    faults: Vec<Fault>,
    /// Whether nothing more is begun.
    is_over: bool,
}

/// What the threads share that restart machines.
struct Shared {
    progress: Mutex<Progress>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has nothing more begin.
    fn end(&self, fault: Fault) {
        let mut progress = self.lock();
        progress.is_over = true;
        progress.faults.push(fault);
        self.changed.notify_all();
    }

    /// Waits for a machine that can be restarted, which is under way then; nothing where there is none any more.
    fn next(&self) -> Option<usize> {
        let mut progress = self.lock();
        loop {
            let next = if progress.is_over { None } else { progress.schedule.next() };
            if let Some(at) = next {
                progress.under_way += 1;
                return Some(at);
            }
            if progress.is_over || progress.under_way == 0 {
                return None;
            }
            progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes one to be back, and returns how many are.
    fn is_back(&self, at: usize) -> usize {
        let mut progress = self.lock();
        progress.schedule.back(at);
        progress.under_way -= 1;
        progress.back += 1;
        self.changed.notify_all();
        progress.back
    }
}

/// Restarts all machines of a schedule.
pub(super) fn carry_out(carried: &Carried<'_>, schedule: Schedule) -> Result<(), Vec<Diagnostic>> {
    let signals = Signals::install()?;
    let progress = Progress { schedule, under_way: 0, back: 0, faults: Vec::new(), is_over: false };
    let shared = Shared { progress: Mutex::new(progress), changed: Condvar::new() };
    let all = carried.fleet.machines.len();
    thread::scope(|scope| {
        let shared = &shared;
        let of = |_| spawn::scoped(scope, move || work(carried, shared));
        let workers: Vec<_> = (0..carried.at_once.min(all)).map_while(|at| of(at).ok()).collect();
        if workers.is_empty() {
            shared.end(Fault::host("no thread could be started"));
        }
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            if signals.stop_within(LOOK) && !shared.lock().is_over {
                (carried.listener)(&RollingEvent::Waits);
                shared.end(Fault::new("interrupted").blame(Blame::Interrupted));
            }
        }
    });
    let Progress { faults, back, .. } = shared.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    if faults.is_empty() { Ok(()) } else { Err(stopped(faults, all - back)) }
}

/// Adds what is to be done about a restart that has ended before its end.
fn stopped(mut faults: Vec<Fault>, left: usize) -> Vec<Diagnostic> {
    let blame = faults[0].blame;
    let machines = if left == 1 { "1 machine is".into() } else { format!("{left} machines are") };
    let fault = Fault::host(format!("nothing more was restarted: {machines} left")).blame(blame);
    let hint =
        "`vmrun restart --resume` goes on, once what is wrong is corrected; `vmrun restart --forget` leaves them alone";
    faults.push(fault.hint(hint));
    faults.into_iter().map(Diagnostic::error).collect()
}

/// Restarts one machine after the other, for as long as there is one.
fn work(carried: &Carried<'_>, shared: &Shared) {
    let all = carried.fleet.machines.len();
    while let Some(at) = shared.next() {
        let (one, begin) = (&carried.fleet.machines[at], Instant::now());
        match restarted(carried, one) {
            Ok(()) => {
                let count = shared.is_back(at);
                let host = &carried.fleet.hosts[one.host].name;
                (carried.listener)(&RollingEvent::Back(&one.name, host, (count, all), begin.elapsed()));
            }
            Err(fault) => {
                shared.end(fault);
                shared.lock().under_way -= 1;
                shared.changed.notify_all();
            }
        }
    }
}

/// Restarts a machine, and writes down that it begins and that it is back.
fn restarted(carried: &Carried<'_>, one: &FleetMachine) -> Result<(), Fault> {
    carried.file.add(&begun(&one.name))?;
    let host = &carried.fleet.hosts[one.host];
    match &host.remote {
        None => here(carried, &one.name)?,
        Some(remote) => there(carried, &one.name, &host.name, remote)?,
    }
    carried.file.add(&back(&one.name))
}

/// Restarts a machine of this host.
fn here(carried: &Carried<'_>, name: &VmName) -> Result<(), Fault> {
    let stopped = |event: &StopEvent<'_>| (carried.listener)(&RollingEvent::Stopped(event));
    let started = |event: &StartEvent<'_>| (carried.listener)(&RollingEvent::Started(event));
    let done = restart::restart(std::slice::from_ref(name), carried.within, &stopped, &started);
    let now = monitor(name).fault();
    match (done, now) {
        (Ok(()), None) => Ok(()),
        // One whose run is over at once was started.
        (Ok(()), Some(_)) => Err(failed(name, HERE, Now::Down, "", Blame::Guest)),
        (Err(faults), now) => {
            let blame = faults.first().map_or(Blame::Host, |one| one.fault.blame);
            faults.iter().for_each(|one| (carried.listener)(&RollingEvent::Wrong(one)));
            Err(failed(name, HERE, if now.is_none() { Now::Runs } else { Now::Down }, "", blame))
        }
    }
}

/// Restarts a machine of another host.
fn there(carried: &Carried<'_>, name: &VmName, host: &str, remote: &Remote) -> Result<(), Fault> {
    let within = carried.within.map(|within| format!("--within={}ms", within.as_millis()));
    let words: Vec<&str> = ["restart", name.as_str()].into_iter().chain(within.as_deref()).collect();
    // What its guest may take to power off comes on top of what any host may take.
    let patience = host_within()?;
    let answer = run_apart(&remote.peer(&words, CONNECT), patience.saturating_add(carried.within.unwrap_or_default()));
    let now = match run_apart(&remote.peer(&["monitor", name.as_str()], CONNECT), CONNECT + LOOKED) {
        Answer::Ended(0, ..) => Now::Runs,
        Answer::Ended(code, ..) if is_down(code) => Now::Down,
        Answer::Ended(..) | Answer::Failed(_) | Answer::Silent => Now::Unknown,
    };
    let why = match &answer {
        Answer::Ended(0, ..) if now == Now::Runs => return Ok(()),
        Answer::Ended(0, ..) => return Err(failed(name, host, now, "", Blame::Guest)),
        Answer::Ended(status, _, said) => {
            (carried.listener)(&RollingEvent::Said(host, said));
            failure(remote, *status, said)
        }
        Answer::Failed(why) => why.clone(),
        Answer::Silent => "it did not answer".into(),
    };
    Err(failed(name, host, now, &format!(": {why}"), blame(&answer)))
}

/// How a machine is whose restart has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    Runs,
    Down,
    Unknown,
}

/// Whether an exit code of `vmrun monitor` says that a machine does not run.
fn is_down(code: i32) -> bool {
    matches!(Blame::of_code(code), Some(Blame::Down | Blame::Failed))
}

/// The fault of a machine that is not back.
fn failed(name: &VmName, host: &str, now: Now, why: &str, blame: Blame) -> Fault {
    let there = if host == HERE { "here" } else { "there" };
    let (status, logs) = (format!("`vmrun status {name}`"), format!("`vmrun logs {name}`"));
    let (what, way) = match now {
        Now::Runs => (format!("{name} on {host} runs, and was not restarted, or is not ready"), status),
        Now::Down => (format!("{name} on {host} did not come back"), logs),
        Now::Unknown => (format!("nobody knows whether {name} on {host} came back"), status),
    };
    Fault::host(format!("{what}{why}")).blame(blame).hint(format!("{way} {there} tells more"))
}

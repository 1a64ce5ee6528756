//! The machines of many hosts are restarted, so many at once and no more, in the order in which they start after each other, whichever
//! hosts they are on. All are rehearsed before; the first one that does not come back ends it. How far it is is written down, so that it
//! can be gone on with.

mod carried;
mod fleet;
mod record;
mod schedule;

use super::all_hosts;
use super::search::HostQuery;
use super::settings;
use super::start::StartEvent;
use super::stop::StopEvent;
use crate::diag::{Diagnostic, Fault};
use crate::host::clock;
use crate::host::rolling::RollingFile;
use crate::model::VmName;
use carried::{Carried, carry_out};
use fleet::{Fleet, FleetMachine};
use record::{Record, Recorded};
use schedule::Schedule;
use std::time::Duration;

/// What is restarted, and how.
pub(crate) struct RollingRequest<'a> {
    /// The machines, or none for all that run in the background.
    pub(crate) machines: &'a [VmName],
    /// The hosts.
    pub(crate) query: HostQuery,
    /// How long a guest may take to power off.
    pub(crate) within: Option<Duration>,
    /// How many are restarted at once.
    pub(crate) at_once: usize,
}

/// What happens meanwhile.
pub(crate) enum RollingEvent<'a> {
    /// A machine on a host is left alone, as it is in that state.
    LeftAlone(&'a str, &'a str, &'a str),
    /// A machine that was to be restarted does not run any more, and is left alone.
    Gone(&'a VmName),
    /// A machine was restarted since.
    IsBack(&'a VmName),
    /// A host has said this.
    Said(&'a str, &'a str),
    /// A machine of this host is not restarted, for that.
    Wrong(&'a Diagnostic),
    /// A machine of this host is stopped.
    Stopped(&'a StopEvent<'a>),
    /// A machine of this host is started.
    Started(&'a StartEvent<'a>),
    /// A machine on a host is back: how many are by now, of how many, and how long it took.
    Back(&'a VmName, &'a str, (usize, usize), Duration),
    /// Somebody asked to stop: what has begun is waited for.
    Waits,
}

/// Who hears of it, in any thread.
pub(crate) type Listener<'a> = &'a (dyn Fn(&RollingEvent<'_>) + Sync);

/// A machine as it would be restarted, in order.
pub(crate) struct Planned {
    /// The machine.
    pub(crate) name: VmName,
    /// Its host, as it is called in messages.
    pub(crate) host: String,
    /// The same for a program: this host is what it calls itself.
    pub(crate) host_name: String,
    /// Those of the others that it starts after.
    pub(crate) after: Vec<VmName>,
}

/// A fleet that was rehearsed.
struct Rehearsed {
    fleet: Fleet,
    after: Vec<Vec<VmName>>,
    schedule: Schedule,
}

/// Rehearses everything, and returns the order in which machines would be restarted one by one.
pub(crate) fn plan(request: &RollingRequest<'_>, listener: Listener<'_>) -> Result<Vec<Planned>, Vec<Diagnostic>> {
    let Rehearsed { fleet, after, schedule } = rehearsed(request, listener)?;
    let known = fleet.by_name();
    let of = |at: usize| {
        let (one, among) = (&fleet.machines[at], |name: &&VmName| known.contains_key(*name));
        let (host, after) = (&fleet.hosts[one.host], after[at].iter().filter(among).cloned().collect());
        let host_name = if host.remote.is_some() { &host.name } else { &host.own };
        Planned { name: one.name.clone(), host: host.name.clone(), host_name: host_name.clone(), after }
    };
    Ok(schedule.whole().into_iter().map(of).collect())
}

/// Restarts machines. Returns how many there were.
pub(crate) fn restart(request: &RollingRequest<'_>, listener: Listener<'_>) -> Result<usize, Vec<Diagnostic>> {
    let file = RollingFile::open(settings::settings(settings::platform()?, false)?)?;
    if let Some(record) = read(&file)? {
        let (left, began) = (record.left().count(), super::snapshots::shown_time(record.began));
        let fault = Fault::busy(format!("a restart of many hosts that began on {began} has {left} machines left"));
        return Err(fault
            .hint("`vmrun restart --resume` goes on with it, `vmrun restart --forget` leaves them alone")
            .into());
    }
    let rehearsed = rehearsed(request, listener)?;
    let Rehearsed { fleet, schedule, .. } = rehearsed;
    let recorded = |one: &FleetMachine| Recorded {
        name: one.name.clone(),
        host: fleet.hosts[one.host].own.clone(),
        supervisor: one.supervisor,
    };
    let record = Record {
        began: clock::now(),
        hosts: request.query.hosts.clone(),
        within: request.within,
        at_once: request.at_once,
        machines: fleet.machines.iter().map(recorded).collect(),
        ..Record::default()
    };
    if record.machines.is_empty() {
        return Ok(0);
    }
    file.begin(&record.text())?;
    done(&file, &record, &fleet, schedule, listener)
}

/// Goes on with a restart that was cut off. Returns how many of the machines that were left have been restarted by now.
pub(crate) fn resume(answer_within: Duration, listener: Listener<'_>) -> Result<usize, Vec<Diagnostic>> {
    let file = begun()?;
    let mut record = read(&file)?.ok_or_else(none)?;
    let query = HostQuery { hosts: record.hosts.clone(), timeout: answer_within };
    let mut fleet = Fleet::of(&all_hosts::ask(&query, false)?)?;
    let left: Vec<Recorded> = record.left().cloned().collect();
    let (mut names, mut gone, known) = (Vec::new(), 0, fleet.by_name());
    for one in &left {
        let now = known.get(&one.name).copied();
        let is_same = |now: &&FleetMachine| now.supervisor == one.supervisor && fleet.hosts[now.host].own == one.host;
        match (now, now.filter(is_same)) {
            (_, Some(_)) => names.push(one.name.clone()),
            (Some(_), None) => {
                record.back.insert(one.name.to_string());
                listener(&RollingEvent::IsBack(&one.name));
            }
            (None, _) if record.begun.contains(one.name.as_str()) => return Err(down(one).into()),
            (None, _) => {
                record.back.insert(one.name.to_string());
                gone += 1;
                listener(&RollingEvent::Gone(&one.name));
            }
        }
    }
    if names.is_empty() {
        file.remove()?;
        return Ok(left.len() - gone);
    }
    fleet.only(&names, listener)?;
    let after = fleet.rehearse(answer_within, listener)?;
    let schedule = scheduled(&fleet, &after)?;
    file.begin(&record.text())?;
    done(&file, &record, &fleet, schedule, listener).map(|_| left.len() - gone)
}

/// Takes part in a restart that has begun; who finds none leaves nothing behind.
fn begun() -> Result<RollingFile, Fault> {
    let settings = settings::settings(settings::platform()?, false)?;
    if RollingFile::is_there(&settings) { RollingFile::open(settings) } else { Err(none()) }
}

/// Leaves alone what is left of a restart that was cut off. Returns how many machines that are.
pub(crate) fn forget() -> Result<usize, Fault> {
    let file = begun()?;
    // One that cannot be read is forgotten, too.
    let left = match read(&file) {
        Ok(Some(record)) => record.left().count(),
        Ok(None) => return Err(none()),
        Err(_) => 0,
    };
    file.remove()?;
    Ok(left)
}

fn none() -> Fault {
    Fault::usage("no restart of many hosts was cut off here").hint("`vmrun restart --all-hosts` begins one")
}

/// The fault of a machine whose restart began, and which does not run.
fn down(one: &Recorded) -> Fault {
    let Recorded { name, host, .. } = one;
    let fault = Fault::host(format!(
        "{name} on {host} does not run since its restart was cut off, and nothing more was restarted"
    ));
    fault.hint(format!(
        "`vmrun start {name}` there; then `vmrun restart --resume`, or `vmrun restart --forget` leaves the others alone"
    ))
}

fn read(file: &RollingFile) -> Result<Option<Record>, Fault> {
    let Some(text) = file.read()? else { return Ok(None) };
    Record::read(&text).map(Some).map_err(|fault| {
        let path = file.path().display().to_string();
        fault.context(&path).hint("`vmrun restart --forget` removes it, and leaves alone what is left of that restart")
    })
}

fn rehearsed(request: &RollingRequest<'_>, listener: Listener<'_>) -> Result<Rehearsed, Vec<Diagnostic>> {
    let mut fleet = Fleet::of(&all_hosts::ask(&request.query, false)?)?;
    fleet.only(request.machines, listener)?;
    let after = fleet.rehearse(request.query.timeout, listener)?;
    let schedule = scheduled(&fleet, &after)?;
    Ok(Rehearsed { fleet, after, schedule })
}

fn scheduled(fleet: &Fleet, after: &[Vec<VmName>]) -> Result<Schedule, Fault> {
    let all = fleet.machines.iter().zip(after).map(|(one, after)| (&one.name, after.as_slice()));
    Schedule::new(&all.collect::<Vec<_>>())
}

/// Restarts what is left, and forgets the record when all is back.
fn done(
    file: &RollingFile,
    record: &Record,
    fleet: &Fleet,
    schedule: Schedule,
    listener: Listener<'_>,
) -> Result<usize, Vec<Diagnostic>> {
    carry_out(&Carried { file, fleet, within: record.within, at_once: record.at_once, listener }, schedule)?;
    file.remove()?;
    Ok(fleet.machines.len())
}

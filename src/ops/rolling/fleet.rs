//! What runs on which host, and whether each of it would come back: asked of all hosts at once, before anything is stopped.

use super::{Listener, RollingEvent};
use crate::client::ssh::{Answer, Asking};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::model::{Argv, VmName};
use crate::ops::all_hosts::{AllHosts, TellingHost};
use crate::ops::inventory::EntryState;
use crate::ops::remote::{Remote, SCHEME, ToldMachine, failure};
use crate::ops::restart::{self, Rehearsal};
use crate::ops::start;
use crate::supervise::status::MachineState;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long the rehearsal of one machine may take.
const REHEARSAL: Duration = Duration::from_secs(2);

/// How many machines are rehearsed by one command: a command line of a shell has room for so many names (`ARG_MAX`, and 128 KiB for each
/// argument under Linux).
const AT_ONCE: usize = 1000;

/// How this host is called.
pub(super) const HERE: &str = "this host";

/// A host that restarts machines.
#[derive(Clone, Debug)]
pub(super) struct RollingHost {
    /// How it is called in messages.
    pub name: String,
    /// What it calls itself, by which it is the same however it is asked.
    pub own: String,
    /// Where ssh connects to; nothing for this one.
    pub remote: Option<Remote>,
}

/// A machine that runs in the background.
#[derive(Clone, Debug)]
pub(super) struct FleetMachine {
    pub name: VmName,
    /// The number of its host.
    pub host: usize,
    pub supervisor: u64,
}

/// The hosts, and what runs there.
pub(super) struct Fleet {
    pub hosts: Vec<RollingHost>,
    /// Host by host, by name; each name once.
    pub machines: Vec<FleetMachine>,
    /// The machines that are there and do not run in the background as they should: name, host and how they are.
    pub others: Vec<(String, usize, String)>,
}

impl Fleet {
    /// Takes what hosts have told.
    ///
    /// # Errors
    /// One has not told, or cannot be asked to restart anything; or a machine runs twice.
    pub(super) fn of(all: &AllHosts) -> Result<Self, Vec<Diagnostic>> {
        all.verdict()?;
        let mut faults: Vec<Diagnostic> =
            all.silent.iter().map(|(host, why)| silent(host, why.as_deref()).into()).collect();
        let mut hosts: Vec<RollingHost> = Vec::new();
        for host in &all.hosts {
            match rolling(host) {
                Ok(host) => hosts.push(host),
                Err(fault) => faults.push(fault.into()),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut fleet = Self { hosts, machines: Vec::new(), others: Vec::new() };
        let mut seen = BTreeSet::new();
        let places: BTreeMap<*const TellingHost, usize> =
            all.hosts.iter().enumerate().map(|(at, host)| (std::ptr::from_ref(host), at)).collect();
        for (host, told) in all.machines() {
            let at = places[&std::ptr::from_ref(host)];
            // A host that is asked by two names tells the same twice.
            if seen.insert((fleet.hosts[at].own.clone(), told.name.clone(), told.number("supervisor"))) {
                fleet.add(at, told);
            }
        }
        Ok(fleet)
    }

    fn add(&mut self, host: usize, told: &ToldMachine) {
        let Some(name) = told.name.as_deref().filter(|_| !told.is_foreign()) else { return };
        let is_up = told.state == EntryState::Supervised(MachineState::Running).word();
        match (name.parse(), told.number("supervisor")) {
            (Ok(name), Some(supervisor)) if is_up => self.machines.push(FleetMachine { name, host, supervisor }),
            _ => self.others.push((name.into(), host, told.state.clone())),
        }
    }

    /// Returns the machines that run, by their names.
    pub(super) fn by_name(&self) -> BTreeMap<&VmName, &FleetMachine> {
        self.machines.iter().map(|one| (&one.name, one)).collect()
    }

    /// Keeps the machines that are named, each of which has to run; all where none is named, and tells what is left alone then.
    pub(super) fn only(&mut self, names: &[VmName], listener: Listener<'_>) -> Result<(), Vec<Diagnostic>> {
        if names.is_empty() {
            for (name, host, state) in &self.others {
                listener(&RollingEvent::LeftAlone(name, &self.hosts[*host].name, state));
            }
            return Ok(());
        }
        let names: BTreeSet<&VmName> = names.iter().collect();
        let known = self.by_name();
        let missing = names.iter().filter(|name| !known.contains_key(*name));
        let faults: Vec<Diagnostic> = missing.map(|name| self.missing(name).into()).collect();
        if !faults.is_empty() {
            return Err(faults);
        }
        self.machines.retain(|one| names.contains(&one.name));
        Ok(())
    }

    fn missing(&self, name: &VmName) -> Fault {
        let other = self.others.iter().find(|(other, ..)| other == name.as_str());
        other.map_or_else(
            || {
                let hosts: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
                Fault::host(format!("{name} runs in the background on none of these hosts: {}", hosts.join(", ")))
            },
            |(_, host, state)| {
                let host = &self.hosts[*host].name;
                let fault = Fault::host(format!(
                    "{name} on {host} is {state}, and is restarted only where it runs in the background"
                ));
                fault.hint(format!("`vmrun status {name}` there tells more"))
            },
        )
    }

    /// Rehearses the restart of each machine on its host. Returns which machines each one starts after, in the order of the machines.
    pub(super) fn rehearse(
        &self,
        within: Duration,
        listener: Listener<'_>,
    ) -> Result<Vec<Vec<VmName>>, Vec<Diagnostic>> {
        let (mut asked, mut own) = (Vec::new(), Vec::new());
        for (at, host) in self.hosts.iter().enumerate() {
            let names: Vec<&VmName> = self.machines.iter().filter(|one| one.host == at).map(|one| &one.name).collect();
            match &host.remote {
                Some(remote) => asked.extend(
                    names.chunks(AT_ONCE).map(|names| (host, remote, rehearsal(remote, names, within), names.len())),
                ),
                None => own = names.into_iter().cloned().collect(),
            }
        }
        let commands: Vec<Argv> = asked.iter().map(|(_, _, argv, _)| argv.clone()).collect();
        let most = asked.iter().map(|(_, _, _, count)| *count).max().unwrap_or_default();
        let until = Instant::now() + within + REHEARSAL * u32::try_from(most).unwrap_or(u32::MAX);
        let asking = Asking::begin(&commands);
        let mut faults = Vec::new();
        let started = |event: &start::StartEvent<'_>| listener(&RollingEvent::Started(event));
        let mut all = restart::rehearse(&own, &started).unwrap_or_else(|wrong| {
            faults.extend(wrong);
            Vec::new()
        });
        for ((host, remote, ..), answer) in asked.iter().zip(asking.wait(until, |_| false)) {
            match told(remote, &answer) {
                Ok(some) => all.extend(some),
                Err(why) => {
                    if let Answer::Ended(_, _, said) = &answer {
                        listener(&RollingEvent::Said(&host.name, said));
                    }
                    faults.push(Fault::host(format!("{}: {why}", host.name)).blame(blame(&answer)).into());
                }
            }
        }
        let mut all: BTreeMap<VmName, Vec<VmName>> = all.into_iter().map(|one| (one.name, one.after)).collect();
        let mut of = |one: &FleetMachine| {
            all.remove(&one.name).ok_or_else(|| {
                let host = &self.hosts[one.host].name;
                Diagnostic::error(Fault::host(format!("{host} has not told whether {} would come back", one.name)))
            })
        };
        if faults.is_empty() {
            return self.machines.iter().map(|one| of(one).map_err(|fault| vec![fault])).collect();
        }
        let fault = Fault::host("nothing was restarted").blame(faults[0].fault.blame);
        faults.push(fault.hint("correct what is wrong, or name the machines that are to be restarted").into());
        Err(faults)
    }
}

/// Returns how a host is asked to restart machines.
fn rolling(host: &TellingHost) -> Result<RollingHost, Fault> {
    let own = host.told.host.clone().unwrap_or_else(|| host.name.clone());
    if host.is_here {
        return Ok(RollingHost { name: HERE.into(), own, remote: None });
    }
    let remote = host.name.parse().map_err(|_| {
        let fault = Fault::host(format!("{} is known by its file alone: nothing is restarted by that", host.name));
        fault.hint(format!("name it as {SCHEME}HOST, or leave it out: --hosts with the others"))
    })?;
    Ok(RollingHost { name: host.name.clone(), own, remote: Some(remote) })
}

/// The fault of a host that does not tell what runs there.
fn silent(host: &str, why: Option<&str>) -> Fault {
    let said = why.map_or_else(|| format!("{host} did not answer"), |why| format!("{host} cannot be asked: {why}"));
    let fault = Fault::host(format!("{said}; nothing was restarted"));
    // Without a scheme it is asked by screens.
    let way_out = if host.contains("://") {
        "wait for it, or give it longer by --answer-within 10s; or".into()
    } else {
        format!("name it as {SCHEME}{host}, or")
    };
    fault.hint(format!("{way_out} leave it out: --hosts with the others"))
}

/// Returns the command that rehearses restarts on a host.
fn rehearsal(remote: &Remote, names: &[&VmName], within: Duration) -> Argv {
    let words = ["restart", "--dry-run", "--json"].into_iter().chain(names.iter().map(|name| name.as_str()));
    remote.peer(&words.collect::<Vec<_>>(), within)
}

/// Returns what a host has rehearsed, or why it has not.
fn told(remote: &Remote, answer: &Answer) -> Result<Vec<Rehearsal>, String> {
    match answer {
        Answer::Ended(0, said, _) => Rehearsal::read(said).ok_or_else(|| "what it answered is no rehearsal".into()),
        Answer::Ended(status, _, said) => Err(failure(remote, *status, said)),
        Answer::Failed(why) => Err(why.clone()),
        Answer::Silent => Err("it did not rehearse in time".into()),
    }
}

/// Whose fault it is that a command there has failed.
pub(super) fn blame(answer: &Answer) -> Blame {
    match answer {
        Answer::Ended(code, ..) => Blame::of_code(*code).unwrap_or(Blame::Host),
        Answer::Failed(_) | Answer::Silent => Blame::Host,
    }
}

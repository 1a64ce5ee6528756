//! The search for machines: every host of the configuration is asked which of them it runs.

use super::hosts::{Access, KnownMachine, Location, VmHost, add_running, locations, questions, silent};
use super::installation::{Installation, Machines, Wanted};
use super::inventory::{Entry, EntryState};
use super::known::{self, every, statuses, wanted};
use super::machines::machines;
use super::remote::{Remote, SCHEME, Told, failure, read_list};
use super::written::{self, SCHEME as FILE};
use crate::client::reach;
use crate::client::screen::Seat;
use crate::client::ssh::{Answer, Asking};
use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::model::Argv;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Which hosts are asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostQuery {
    /// The hosts, if not those of the configuration: `ssh://HOST` by its own vmrun, `HOST` by the screens of its machines,
    /// `file://PATH` by the file that it writes.
    pub hosts: Vec<String>,
    /// How long they may take to answer.
    pub timeout: Duration,
}

impl HostQuery {
    /// Returns the hosts to ask, as they were given.
    fn names(&self, installation: &Installation) -> Vec<String> {
        let given = if self.hosts.is_empty() { &installation.config.hosts } else { &self.hosts };
        if given.is_empty() { vec!["127.0.0.1".to_string()] } else { given.clone() }
    }

    /// Returns whether any of them tells of its machines itself.
    fn has_remotes(&self, installation: &Installation) -> bool {
        self.names(installation).iter().any(|name| name.starts_with(SCHEME) || name.starts_with(FILE))
    }
}

/// What happens in a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SearchEvent {
    /// A recipe is wrong: the diagnostic, drawn without colour.
    RecipeFault(String),
    /// A host did not answer.
    Unanswered {
        /// The host, as it was given.
        host: String,
        /// The reason, if it is known.
        why: Option<String>,
    },
}

/// Who hears of what happens in a search.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(SearchEvent);

/// A host that runs a machine, by name, and where the machine's screen listens there.
pub(crate) type HostRun<'a> = (&'a str, Option<Seat>);

/// What was asked, and what came back.
pub(crate) struct Search {
    /// The machines that were looked for.
    pub machines: Vec<KnownMachine>,
    /// The hosts that were asked.
    pub hosts: Vec<VmHost>,
    /// Where each machine runs.
    pub locations: Vec<Location>,
    /// The hosts that did not answer, by number, and why if that is known.
    silent: Vec<(usize, Option<String>)>,
    /// The faults of recipes, drawn without colour.
    faults: Vec<String>,
}

/// Looks for machines by name or recipe.
pub(crate) fn find(names: &[String], query: &HostQuery) -> Result<Search, Vec<Diagnostic>> {
    let installation = Installation::open()?;
    let (recipes, others) = if query.has_remotes(&installation) {
        known(&installation, names)?
    } else {
        (wanted(&installation, names)?, Vec::new())
    };
    Search::among(&installation, &recipes, others, query, false)?.with_own_state()
}

/// Looks for every machine of every recipe, and waits for every host.
pub(crate) fn find_all(query: &HostQuery) -> Result<Search, Vec<Diagnostic>> {
    let installation = Installation::open()?;
    Search::among(&installation, &every(&installation)?, Vec::new(), query, true)?.with_own_state()
}

/// Finds the host that runs a machine, where hosts are asked by ssh, and returns the machine's name and where ssh leads to it;
/// nothing where none is asked so, or where none runs it and `is_known_wrong` here. The faults of its recipe were told there too.
pub(crate) fn elsewhere(
    machine: &str,
    query: &HostQuery,
    is_known_wrong: bool,
    listener: Listener<'_>,
) -> Result<Option<(Remote, String)>, Vec<Diagnostic>> {
    let installation = Installation::open()?;
    if !query.has_remotes(&installation) {
        return Ok(None);
    }
    let (recipes, others) = known(&installation, &[machine.to_string()])?;
    let mut search = Search::among(&installation, &recipes, others, query, false)?;
    if !search.faults.is_empty() {
        return Err(wrong().into());
    }
    if search.machines.is_empty() {
        return Ok(None);
    }
    search.silence().for_each(listener);
    if is_known_wrong && search.locations[0].runs.is_empty() {
        return Ok(None);
    }
    let host = search.only(0)?;
    let name = search.machines.swap_remove(0).name;
    Ok(Some((reached(&search.hosts[host], &name)?, name)))
}

/// Returns how a host is asked that a machine runs on.
fn reached(host: &VmHost, name: &str) -> Result<Remote, Fault> {
    host.remote().cloned().ok_or_else(|| {
        let fault = Fault::host(format!("{name} runs on {}, which is not asked by ssh", host.name));
        if host.file().is_some() {
            return fault.hint("name it as ssh://HOST in `hosts`, or by --hosts, to get there");
        }
        fault.hint(format!("write it as ssh://{} to get at its serial ports", host.name))
    })
}

/// Returns the fault of recipes that are wrong, after the faults of each.
pub(crate) fn wrong() -> Fault {
    Fault::new("not every recipe could be read: the machines of the others were looked for")
}

/// Finds machines; a host that tells of its machines itself knows others too.
fn known(installation: &Installation, names: &[String]) -> Result<(Vec<Wanted>, Vec<KnownMachine>), Fault> {
    let statuses = statuses()?;
    let (mut recipes, mut others) = (Vec::new(), Vec::new());
    for name in names {
        if let Ok(wanted) = known::one(installation, &statuses, name) {
            recipes.push(wanted);
        } else {
            let (name, ttys) = (name.clone(), BTreeMap::new());
            others.push(KnownMachine { name, console: None, socket: None, password: None, ttys, serial_log: None });
        }
    }
    Ok((recipes, others))
}

/// Returns hosts with how they are asked; the addresses of those whose screens are asked are looked for.
pub(super) fn vm_hosts(names: Vec<String>) -> Result<Vec<VmHost>, Vec<Diagnostic>> {
    let names = written::expanded(names)?;
    let is_asked = |name: &&String| !name.starts_with(SCHEME) && !name.starts_with(FILE);
    let consoles: Vec<String> = names.iter().filter(is_asked).cloned().collect();
    let mut addresses = reach::resolve(&consoles).into_iter();
    let lost = || Err(Fault::host("a host's address could not be asked for"));
    let mut access = |name: &String| {
        if name.starts_with(SCHEME) {
            name.parse().map(Access::Ssh)
        } else if name.starts_with(FILE) {
            written::path(name).map(Access::File)
        } else {
            addresses.next().unwrap_or_else(lost).map(Access::Consoles)
        }
    };
    let all: Vec<Result<Access, Fault>> = names.iter().map(&mut access).collect();
    let faults: Vec<Diagnostic> = all.iter().filter_map(|one| one.clone().err()).map(Diagnostic::error).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(names.into_iter().zip(all.into_iter().flatten()).map(|(name, access)| VmHost { name, access }).collect())
}

/// Returns the fault of a machine that runs on several hosts.
pub(super) fn runs_twice(name: &str, count: usize, hosts: &str) -> Fault {
    let fault = Fault::new(format!("{name} runs on {count} hosts: {hosts}")).blame(Blame::Guest);
    fault.hint("stop all but one at once: a disk that two machines write to is lost")
}

/// Whether a host is this one.
fn is_here(host: &VmHost) -> bool {
    host.ip().is_some_and(|ip| ip.is_loopback())
}

/// Adds the machines whose screens listen on sockets of the file system, where this host is asked: no other reaches them.
fn ask_sockets(machines: &[KnownMachine], hosts: &[VmHost], within: Duration, found: &mut [Location]) {
    let Some(here) = hosts.iter().position(is_here) else { return };
    for (machine, location) in machines.iter().zip(found) {
        let answer = machine.socket.as_ref().map(|path| reach::ask_socket(path, within));
        if answer == Some(reach::Answer::Vnc) {
            location.runs.push((here, None));
            location.runs.sort_by_key(|(host, _)| *host);
        }
    }
}

/// Returns what a host told of its machines by its answer, or why it did not tell, if that is known.
pub(super) fn answered(remote: &Remote, answer: &Answer) -> Result<Told, Option<String>> {
    match answer {
        Answer::Ended(0, output, error) => {
            read_list(output).ok_or_else(|| Some(failure(remote, 0, if output.is_empty() { error } else { output })))
        }
        Answer::Ended(status, _, error) => Err(Some(failure(remote, *status, error))),
        Answer::Failed(why) => Err(Some(why.clone())),
        Answer::Silent => Err(None),
    }
}

impl Search {
    /// Asks every host for every machine of the recipes, all at once.
    pub(crate) fn new(
        installation: &Installation,
        recipes: &[Wanted],
        query: &HostQuery,
    ) -> Result<Self, Vec<Diagnostic>> {
        Self::among(installation, recipes, Vec::new(), query, false)
    }

    /// Asks every host for the machines of the recipes and for others, all at once.
    fn among(
        installation: &Installation,
        recipes: &[Wanted],
        others: Vec<KnownMachine>,
        query: &HostQuery,
        all: bool,
    ) -> Result<Self, Vec<Diagnostic>> {
        let Machines { all: mut machines, faults } = installation.machines(recipes)?;
        machines.extend(others);
        let hosts = vm_hosts(query.names(installation))?;
        let until = Instant::now() + query.timeout;
        let remotes: Vec<(usize, &Remote)> =
            hosts.iter().enumerate().filter_map(|(number, host)| Some((number, host.remote()?))).collect();
        let commands: Vec<Argv> = remotes.iter().map(|(_, remote)| remote.question(false, query.timeout)).collect();
        let asking = Asking::begin(&commands);
        let questions = questions(&machines, &hosts);
        let addresses: Vec<_> = questions.iter().map(|question| question.address).collect();
        // For every machine there is, all hosts are waited for; who looks for some wants to know soon.
        let is_enough = |found: &[Location]| !all && found.iter().all(|location| !location.runs.is_empty());
        let answers =
            reach::ask(&addresses, query.timeout, |answers| is_enough(&locations(machines.len(), &questions, answers)));
        let mut by_consoles = locations(machines.len(), &questions, &answers);
        ask_sockets(&machines, &hosts, query.timeout, &mut by_consoles);
        let mut silent = silent(hosts.len(), &questions, &answers);
        let files = hosts.iter().enumerate().filter_map(|(host, one)| Some((host, one.file()?)));
        for (host, path) in files {
            match written::fresh(path) {
                Ok(told) => add_running(&mut by_consoles, &machines, host, &told.machines),
                Err(why) => silent.push((host, Some(why))),
            }
        }
        let with = |answers: &[Answer]| {
            let mut found = by_consoles.clone();
            for ((host, remote), answer) in remotes.iter().zip(answers) {
                add_running(&mut found, &machines, *host, &answered(remote, answer).unwrap_or_default().machines);
            }
            found
        };
        let answers = asking.wait(until, |answers| is_enough(&with(answers)));
        let locations = with(&answers);
        for ((host, remote), answer) in remotes.iter().zip(&answers) {
            silent.extend(answered(remote, answer).err().map(|why| (*host, why)));
        }
        silent.sort();
        Ok(Self { machines, hosts, locations, silent, faults })
    }

    /// Adds the machines that this host runs itself, if it is asked: it knows of those without a screen, too.
    fn with_own_state(mut self) -> Result<Self, Vec<Diagnostic>> {
        let Some(here) = self.hosts.iter().position(is_here) else { return Ok(self) };
        let own: Vec<Entry> =
            machines()?.into_iter().filter(|one| one.process.is_some() && one.state != EntryState::Foreign).collect();
        for (location, machine) in self.locations.iter_mut().zip(&self.machines) {
            let runs = own.iter().find(|one| one.name.as_deref() == Some(machine.name.as_str()));
            let is_known = location.runs.iter().any(|(host, _)| *host == here);
            if let Some(one) = runs.filter(|_| !is_known) {
                location.runs.push((here, one.shape.vnc));
                location.runs.sort_by_key(|(host, _)| *host);
            }
        }
        Ok(self)
    }

    /// Returns whether a recipe is wrong.
    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.is_empty()
    }

    /// Returns the faults of recipes.
    pub(crate) fn faults(&self) -> impl Iterator<Item = SearchEvent> {
        self.faults.iter().cloned().map(SearchEvent::RecipeFault)
    }

    /// Returns the hosts that did not answer.
    pub(crate) fn silence(&self) -> impl Iterator<Item = SearchEvent> {
        let event = |(host, why): &(usize, Option<String>)| SearchEvent::Unanswered {
            host: self.hosts[*host].name.clone(),
            why: why.clone(),
        };
        self.silent.iter().map(event)
    }

    /// Returns each machine with the hosts that run it, and the addresses of its screen there.
    pub(crate) fn runs(&self) -> Vec<(&str, Vec<HostRun<'_>>)> {
        let all = self.machines.iter().zip(&self.locations);
        all.map(|(machine, location)| {
            let host = |(number, address): &(usize, Option<SocketAddr>)| {
                let host = &self.hosts[*number];
                let socket = || machine.socket.clone().filter(|_| is_here(host)).map(Seat::Socket);
                (host.name.as_str(), address.map(Seat::Address).or_else(socket))
            };
            (machine.name.as_str(), location.runs.iter().map(host).collect())
        })
        .collect()
    }

    /// Returns the faults of a search: a machine that does not run on one host, or, of all, one that runs on several; and of
    /// recipes that are wrong.
    pub(crate) fn verdict(&self, all: bool) -> Result<(), Vec<Diagnostic>> {
        let is_judged = |machine: &usize| !all || self.locations[*machine].runs.len() > 1;
        let judged = (0..self.machines.len()).filter(is_judged);
        let mut faults: Vec<Diagnostic> =
            judged.filter_map(|machine| self.only(machine).err().map(Into::into)).collect();
        if self.has_faults() {
            faults.push(wrong().into());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Returns the number of the one host that runs a machine.
    pub(crate) fn only(&self, machine: usize) -> Result<usize, Fault> {
        let (wanted, found) = (&self.machines[machine], &self.locations[machine]);
        let name = &wanted.name;
        let guest = |text: String| Fault::new(text).blame(Blame::Guest);
        let names =
            |all: &mut dyn Iterator<Item = usize>| suggest::list(all.map(|host| self.hosts[host].name.as_str()));
        let has_remotes = self.hosts.iter().any(VmHost::tells);
        match (found.runs.as_slice(), wanted.console) {
            ([(host, _)], _) => Ok(*host),
            ([_, ..], _) => {
                Err(runs_twice(name, found.runs.len(), &names(&mut found.runs.iter().map(|(host, _)| *host))))
            }
            ([], None) if !has_remotes && wanted.socket.is_some() && !self.has_loopback() => {
                let path = wanted.socket.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
                let fault = guest(format!("{name} can be found only by its own host: its screen is the socket {path}"));
                Err(fault
                    .hint("run `vmrun find` there with --hosts 127.0.0.1, or have its vmrun asked: --hosts ssh://HOST"))
            }
            ([], None) if !has_remotes && wanted.socket.is_none() => {
                let fault = guest(format!("{name} has no screen by which it could be found"));
                Err(fault.hint(
                    "a frame buffer has one: \"29\": fbuf(#{ tcp: \"0.0.0.0:5901\", password: secret(\"vnc\") })",
                ))
            }
            ([], Some(console)) if console.ip().is_loopback() && !has_remotes && !self.has_loopback() => {
                let fault = guest(format!("{name} can be found only by its own host: its screen is at {console}"));
                Err(fault
                    .hint("run `vmrun find` there with --hosts 127.0.0.1, or have its vmrun asked: --hosts ssh://HOST"))
            }
            ([], console) => {
                let fault = guest(format!("{name} runs on none of these hosts: {}", self.answering()));
                let other = console.filter(|_| !found.others.is_empty()).map(|console| {
                    format!(
                        "on port {} of {} something else answers",
                        console.port(),
                        names(&mut found.others.iter().map(|(host, _)| *host))
                    )
                });
                Err(fault.maybe_hint(other))
            }
        }
    }

    /// Returns the socket where the screen of a machine listens on this host, if it listens on one and this host alone is known to
    /// run it, or no other is asked.
    pub(crate) fn socket(&self, machine: usize) -> Option<PathBuf> {
        let has_remotes = self.hosts.iter().any(VmHost::tells);
        let runs = &self.locations[machine].runs;
        let is_only_here = !runs.is_empty() && runs.iter().all(|(host, _)| is_here(&self.hosts[*host]));
        self.machines[machine].socket.clone().filter(|_| self.has_loopback() && (!has_remotes || is_only_here))
    }

    /// Whether the screens of this host itself were asked.
    fn has_loopback(&self) -> bool {
        self.hosts.iter().any(is_here)
    }

    /// The hosts that were asked, by name.
    fn answering(&self) -> String {
        suggest::list(self.hosts.iter().map(|host| host.name.as_str()))
    }
}

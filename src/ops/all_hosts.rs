//! The machines of many hosts: each host tells of its own, by ssh or by a file that it writes.

use super::hosts::{Access, VmHost};
use super::installation::Installation;
use super::machines::{document, locate, machines, machines_and_known};
use super::remote::{SCHEME, Told, ToldMachine};
use super::search::{HostQuery, answered, runs_twice, vm_hosts};
use super::written::{self, SCHEME as FILE};
use crate::client::ssh::Asking;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::clock;
use crate::host::environment::host_name;
use crate::model::name::in_order;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What hosts have told of their machines.
#[derive(Default)]
pub(crate) struct AllHosts {
    /// The hosts that told, this one first if it is asked.
    pub hosts: Vec<TellingHost>,
    /// The hosts that did not, and why if that is known.
    pub silent: Vec<(String, Option<String>)>,
    /// The faults of recipes of this host, drawn without colour.
    pub faults: Vec<String>,
}

/// A host that told of its machines.
pub(crate) struct TellingHost {
    /// How it is asked; this host, and one that is known by its file, by its name.
    pub name: String,
    /// Whether it is this one, which asks nobody.
    pub is_here: bool,
    /// What it told.
    pub told: Told,
    /// Why that may not be so any more.
    pub stale: Option<String>,
}

/// A machine, and hosts by how they are asked.
pub(crate) type OnHosts<'a> = (&'a str, Vec<&'a str>);

/// Asks this host and those of the configuration, or those that are given and not this one, all at once; for machines that are down
/// too, if that is wanted.
pub(crate) fn ask(query: &HostQuery, with_known: bool) -> Result<AllHosts, Vec<Diagnostic>> {
    let installation = Installation::open()?;
    let names = if query.hosts.is_empty() { &installation.config.hosts } else { &query.hosts };
    let (telling, mute): (Vec<String>, Vec<String>) =
        names.iter().cloned().partition(|name| name.starts_with(SCHEME) || name.starts_with(FILE));
    if names.is_empty() {
        let fault = Fault::usage("no other host is known");
        let way = "name them in config.toml, as hosts = [\"ssh://vm5\", \"ssh://vm6\"], or by --hosts";
        return Err(fault.hint(way).into());
    }
    let hosts = vm_hosts(telling)?;
    let mut all = AllHosts::default();
    if query.hosts.is_empty() {
        all.add_own(with_known)?;
    }
    all.ask(&hosts, query.timeout, with_known);
    let why =
        |name: &String| format!("it is asked by screens alone, which do not tell what runs: write {SCHEME}{name}");
    all.silent.extend(mute.into_iter().map(|name| (name.clone(), Some(why(&name)))));
    Ok(all)
}

impl AllHosts {
    /// Adds this host.
    fn add_own(&mut self, with_known: bool) -> Result<(), Vec<Diagnostic>> {
        let mut own = if with_known {
            let (own, faults) = machines_and_known()?;
            self.faults = faults;
            own
        } else {
            machines()?
        };
        locate(&mut own);
        let told = Told::of(document(&own)).unwrap_or_default();
        self.hosts.push(TellingHost { name: host_name().unwrap_or_default(), is_here: true, told, stale: None });
        Ok(())
    }

    /// Adds others.
    fn ask(&mut self, hosts: &[VmHost], within: Duration, with_known: bool) {
        let until = Instant::now() + within;
        let remotes: Vec<_> = hosts.iter().filter_map(VmHost::remote).collect();
        let commands: Vec<_> = remotes.iter().map(|remote| remote.question(with_known, within)).collect();
        let answers = Asking::begin(&commands).wait(until, |_| false);
        let mut answers = remotes.iter().zip(&answers).map(|(remote, answer)| answered(remote, answer));
        let now = clock::now();
        for host in hosts {
            let told = match &host.access {
                Access::Ssh(_) => answers.next().unwrap_or(Err(None)),
                Access::File(path) => written::read(path).map_err(Some),
                Access::Consoles(_) => Err(None),
            };
            match told {
                Ok(told) => self.add(host, told, now),
                Err(why) => self.silent.push((host.name.clone(), why)),
            }
        }
    }

    fn add(&mut self, host: &VmHost, told: Told, now: u64) {
        // One list of hosts serves all of them: this one finds itself in it.
        if told.host.is_some() {
            self.hosts.retain(|one| !one.is_here || one.told.host != told.host);
        }
        let is_written = host.file().is_some();
        let stale = if is_written { written::stale(&told, now) } else { None };
        // Nobody asks a host by the path of its file: what it calls itself says more.
        let name = told.host.clone().filter(|_| is_written).unwrap_or_else(|| host.name.clone());
        self.hosts.push(TellingHost { name, is_here: false, told, stale });
    }

    /// Returns the machines with their hosts, in order: host by host, by name.
    pub(crate) fn machines(&self) -> Vec<(&TellingHost, &ToldMachine)> {
        let of = |host| {
            let host: &TellingHost = host;
            let mut own: Vec<_> = host.told.machines.iter().map(|one| (host, one)).collect();
            own.sort_by_cached_key(|(_, one)| (one.name.is_none(), in_order(one.name.as_deref().unwrap_or_default())));
            own
        };
        self.hosts.iter().flat_map(of).collect()
    }

    /// The machines by name, with each host that tells of them: not what vmrun did not start, and nothing that may not be so any more.
    fn by_name(&self) -> BTreeMap<&str, Vec<(&TellingHost, &ToldMachine)>> {
        let mut all: BTreeMap<&str, Vec<(&TellingHost, &ToldMachine)>> = BTreeMap::new();
        let fresh = self.hosts.iter().filter(|host| host.stale.is_none());
        let told = fresh.flat_map(|host| host.told.machines.iter().map(move |one| (host, one)));
        for (host, one) in told.filter(|(_, one)| !one.is_foreign()) {
            if let Some(name) = &one.name {
                all.entry(name).or_default().push((host, one));
            }
        }
        all
    }

    /// Returns the machines that run on several hosts.
    pub(crate) fn twice(&self) -> Vec<OnHosts<'_>> {
        let mut all = Vec::new();
        for (name, told) in self.by_name() {
            // A host that is asked by two names tells the same twice.
            let mut seen = Vec::new();
            let runs = told.iter().filter(|(host, one)| {
                let is_new = one.pid.is_some() && !seen.contains(&(&host.told.host, one.pid));
                seen.push((&host.told.host, one.pid));
                is_new
            });
            let hosts: Vec<&str> = runs.map(|(host, _)| host.name.as_str()).collect();
            if hosts.len() > 1 {
                all.push((name, hosts));
            }
        }
        all
    }

    /// Returns the machines whose recipes, or the pins of these, differ between hosts: one host for each digest.
    pub(crate) fn drifted(&self) -> Vec<OnHosts<'_>> {
        let mut all = Vec::new();
        for (name, told) in self.by_name() {
            let mut digests: BTreeMap<&str, &str> = BTreeMap::new();
            for (host, digest) in told.iter().filter_map(|(host, one)| Some((host, one.recipe_digest.as_deref()?))) {
                digests.entry(digest).or_insert(&host.name);
            }
            if digests.len() > 1 {
                let mut hosts: Vec<&str> = digests.into_values().collect();
                hosts.sort_unstable();
                all.push((name, hosts));
            }
        }
        all
    }

    /// Returns what is wrong: a fault for each machine that runs on several hosts.
    pub(crate) fn verdict(&self) -> Result<(), Vec<Diagnostic>> {
        let fault = |(name, hosts): OnHosts<'_>| runs_twice(name, hosts.len(), &suggest::list(hosts)).into();
        let faults: Vec<Diagnostic> = self.twice().into_iter().map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

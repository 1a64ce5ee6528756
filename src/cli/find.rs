//! `vmrun find`: which host runs a machine.

use super::inventory::{Inventory, Machines};
use super::run::duration;
use super::term::Term;
use crate::client::reach;
use crate::client::ssh::Asking;
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::fleet::find::{Found, Place, Wanted, Way, add, found, questions, silent};
use crate::fleet::ssh::{Remote, SCHEME, Told, told, why};
use crate::model::Argv;
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Args)]
pub(super) struct FindArgs {
    /// The machines, by name or by recipe
    #[arg(required_unless_present = "all")]
    machines: Vec<String>,
    /// Every machine of every recipe, waiting for every host: finds what runs twice
    #[arg(long, conflicts_with = "machines")]
    all: bool,
    #[command(flatten)]
    hosts: HostArgs,
    /// Print a JSON object: `machines` with the hosts that run each, and the `silent` hosts
    #[arg(long)]
    json: bool,
}

/// Whom to ask.
#[derive(Args)]
pub(super) struct HostArgs {
    /// The hosts to ask, if not those of the configuration: ssh://HOST by its own vmrun, HOST by the consoles of its machines
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    hosts: Vec<String>,
    /// How long they may take to answer
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(super) timeout: Duration,
}

impl HostArgs {
    /// The hosts to ask, as they were given.
    fn names(&self, inventory: &Inventory) -> Vec<String> {
        let given = if self.hosts.is_empty() { &inventory.config.hosts } else { &self.hosts };
        if given.is_empty() { vec!["127.0.0.1".to_string()] } else { given.clone() }
    }

    /// Whether the own vmrun of any of them is asked.
    fn has_remotes(&self, inventory: &Inventory) -> bool {
        self.names(inventory).iter().any(|name| name.starts_with(SCHEME))
    }
}

/// What was asked, and what came back.
pub(super) struct Search {
    /// The machines that were looked for.
    pub(super) machines: Vec<Wanted>,
    /// The hosts that were asked.
    pub(super) hosts: Vec<Place>,
    /// What is known of each machine.
    pub(super) found: Vec<Found>,
    /// The hosts that did not answer.
    silent: Vec<(usize, Option<String>)>,
    /// What was wrong with recipes.
    faults: Vec<String>,
}

pub(super) fn run(args: &FindArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let inventory = Inventory::open()?;
    let (recipes, others) = if args.all {
        (inventory.recipes(), Vec::new())
    } else if args.hosts.has_remotes(&inventory) {
        known(&inventory, &args.machines)
    } else {
        (recipes(&inventory, &args.machines)?, Vec::new())
    };
    let search = Search::among(&inventory, &recipes, others, &args.hosts, args.all)?;
    search.faults.iter().for_each(|fault| term.drawn(fault));
    search.tell_silence(term);
    let text = if args.json { search.as_json() } else { search.as_text() };
    if !text.is_empty() {
        term.data(text)?;
    }
    let mut faults: Vec<Diagnostic> = (0..search.machines.len())
        .filter(|machine| !args.all || search.found[*machine].runs.len() > 1)
        .filter_map(|machine| search.only(machine).err().map(Diagnostic::error))
        .collect();
    if !search.faults.is_empty() {
        faults.push(wrong().into());
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Finds the recipes of machines.
pub(super) fn recipes(inventory: &Inventory, names: &[String]) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let all: Vec<_> = names.iter().map(|name| inventory.recipe(name)).collect();
    let faults: Vec<Diagnostic> = all.iter().filter_map(|one| one.clone().err()).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(all.into_iter().flatten().collect()) } else { Err(faults) }
}

/// Finds the recipes of machines; a host that tells of its machines itself knows others too.
fn known(inventory: &Inventory, names: &[String]) -> (Vec<PathBuf>, Vec<Wanted>) {
    let (mut recipes, mut others) = (Vec::new(), Vec::new());
    for name in names {
        match inventory.recipe(name) {
            Ok(path) => recipes.push(path),
            Err(_) => others.push(Wanted { name: name.clone(), console: None, password: None, ttys: BTreeMap::new() }),
        }
    }
    (recipes, others)
}

/// Finds the host that runs a machine, where hosts are asked by ssh, and returns the machine's name and where ssh leads to it;
/// nothing where none is asked so, or where none runs it and it `is_told` what is wrong with it here. What is wrong with its
/// recipe was told there too.
pub(super) fn elsewhere(
    machine: &str,
    hosts: &HostArgs,
    is_told: bool,
    term: &Term,
) -> Result<Option<(Remote, String)>, Vec<Diagnostic>> {
    let inventory = Inventory::open()?;
    if !hosts.has_remotes(&inventory) {
        return Ok(None);
    }
    let (recipes, others) = known(&inventory, &[machine.to_string()]);
    let mut search = Search::among(&inventory, &recipes, others, hosts, false)?;
    if !search.faults.is_empty() {
        return Err(wrong().into());
    }
    if search.machines.is_empty() {
        return Ok(None);
    }
    search.tell_silence(term);
    if is_told && search.found[0].runs.is_empty() {
        return Ok(None);
    }
    let host = search.only(0)?;
    let name = search.machines.swap_remove(0).name;
    let place = &search.hosts[host];
    let remote = place.remote().cloned().ok_or_else(|| {
        let fault = Fault::host(format!("{name} runs on {}, which is not asked by ssh", place.name));
        fault.hint(format!("write it as ssh://{} to get at its serial ports", place.name))
    });
    Ok(Some((remote?, name)))
}

/// The fault of recipes that are wrong, after what is wrong with each.
pub(super) fn wrong() -> Fault {
    Fault::new("not every recipe could be read: the machines of the others were looked for")
}

/// Returns hosts with how they are asked; the addresses of those whose consoles are asked are looked for.
fn places(names: Vec<String>) -> Result<Vec<Place>, Vec<Diagnostic>> {
    let consoles: Vec<String> = names.iter().filter(|name| !name.starts_with(SCHEME)).cloned().collect();
    let mut addresses = reach::resolve(&consoles).into_iter();
    let lost = || Err(Fault::host("a host's address could not be asked for"));
    let mut way = |name: &String| {
        if name.starts_with(SCHEME) {
            name.parse().map(Way::Ssh)
        } else {
            addresses.next().unwrap_or_else(lost).map(Way::Consoles)
        }
    };
    let ways: Vec<Result<Way, Fault>> = names.iter().map(&mut way).collect();
    let faults: Vec<Diagnostic> = ways.iter().filter_map(|way| way.clone().err()).map(Diagnostic::error).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(names.into_iter().zip(ways.into_iter().flatten()).map(|(name, way)| Place { name, way }).collect())
}

/// Returns the machines that a host told of, or why it did not, if that is known.
fn understood(remote: &Remote, answer: &crate::client::ssh::Answer) -> Result<Vec<Told>, Option<String>> {
    match answer {
        crate::client::ssh::Answer::Ended(0, output, error) => {
            told(output).ok_or_else(|| Some(why(remote, 0, if output.is_empty() { error } else { output })))
        }
        crate::client::ssh::Answer::Ended(status, _, error) => Err(Some(why(remote, *status, error))),
        crate::client::ssh::Answer::Failed(why) => Err(Some(why.clone())),
        crate::client::ssh::Answer::Silent => Err(None),
    }
}

impl Search {
    /// Asks every host for every machine of the recipes, all at once.
    pub(super) fn new(
        inventory: &Inventory,
        recipes: &[PathBuf],
        args: &HostArgs,
        all: bool,
    ) -> Result<Self, Vec<Diagnostic>> {
        Self::among(inventory, recipes, Vec::new(), args, all)
    }

    /// Asks every host for the machines of the recipes and for others, all at once.
    fn among(
        inventory: &Inventory,
        recipes: &[PathBuf],
        others: Vec<Wanted>,
        args: &HostArgs,
        all: bool,
    ) -> Result<Self, Vec<Diagnostic>> {
        let Machines { all: mut machines, faults } = inventory.machines(recipes, |fault| draw(fault, Colour::Plain))?;
        machines.extend(others);
        let hosts = places(args.names(inventory))?;
        let until = Instant::now() + args.timeout;
        let remotes: Vec<(usize, &Remote)> =
            hosts.iter().enumerate().filter_map(|(host, place)| Some((host, place.remote()?))).collect();
        let commands: Vec<Argv> = remotes.iter().map(|(_, remote)| remote.question(args.timeout)).collect();
        let asking = Asking::begin(&commands);
        let questions = questions(&machines, &hosts);
        let addresses: Vec<_> = questions.iter().map(|question| question.address).collect();
        // For every machine there is, all hosts are waited for; who looks for some wants to know soon.
        let is_enough = |found: &[Found]| !all && found.iter().all(|found| !found.runs.is_empty());
        let answers =
            reach::ask(&addresses, args.timeout, |answers| is_enough(&found(machines.len(), &questions, answers)));
        let by_consoles = found(machines.len(), &questions, &answers);
        let mut silent = silent(hosts.len(), &questions, &answers);
        let with = |told: &[crate::client::ssh::Answer]| {
            let mut found = by_consoles.clone();
            for ((host, remote), answer) in remotes.iter().zip(told) {
                add(&mut found, &machines, *host, &understood(remote, answer).unwrap_or_default());
            }
            found
        };
        let told = asking.wait(until, |told| is_enough(&with(told)));
        let found = with(&told);
        for ((host, remote), answer) in remotes.iter().zip(&told) {
            silent.extend(understood(remote, answer).err().map(|why| (*host, why)));
        }
        silent.sort();
        Ok(Self { machines, hosts, found, silent, faults })
    }

    /// Returns what was wrong with the recipes, as it is shown.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// Says which hosts did not answer.
    pub(super) fn tell_silence(&self, term: &Term) {
        for (host, why) in &self.silent {
            let name = &self.hosts[*host].name;
            match why {
                Some(why) => term.say(format_args!("{name} cannot be asked: {why}")),
                None => term.say(format_args!("{name} did not answer")),
            }
        }
    }

    /// Returns the number of the one host that runs a machine.
    pub(super) fn only(&self, machine: usize) -> Result<usize, Fault> {
        let (wanted, found) = (&self.machines[machine], &self.found[machine]);
        let name = &wanted.name;
        let guest = |text: String| Fault::new(text).blame(Blame::Guest);
        let names =
            |all: &mut dyn Iterator<Item = usize>| suggest::list(all.map(|host| self.hosts[host].name.as_str()));
        let has_remotes = self.hosts.iter().any(|place| place.remote().is_some());
        match (found.runs.as_slice(), wanted.console) {
            ([(host, _)], _) => Ok(*host),
            ([_, ..], _) => {
                let fault = guest(format!(
                    "{name} runs on {} hosts: {}",
                    found.runs.len(),
                    names(&mut found.runs.iter().map(|(host, _)| *host))
                ));
                Err(fault.hint("stop all but one at once: a disk that two machines write to is lost"))
            }
            ([], None) if !has_remotes => {
                let fault = guest(format!("{name} has no console by which it could be found"));
                Err(fault.hint("a frame buffer has one: \"29\": fbuf(#{ tcp: \"0.0.0.0:5901\" })"))
            }
            ([], Some(console)) if console.ip().is_loopback() && !has_remotes && !self.has_loopback() => {
                let fault = guest(format!("{name} can be found only by its own host: its console is at {console}"));
                Err(fault
                    .hint("run `vmrun find` there with --hosts 127.0.0.1, or let the console listen on the network"))
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

    /// Whether the consoles of this host itself were asked.
    fn has_loopback(&self) -> bool {
        self.hosts.iter().any(|place| place.ip().is_some_and(|ip| ip.is_loopback()))
    }

    /// The hosts that were asked, by name.
    fn answering(&self) -> String {
        suggest::list(self.hosts.iter().map(|host| host.name.as_str()))
    }

    fn as_text(&self) -> String {
        let mut lines = Vec::new();
        for (wanted, found) in self.machines.iter().zip(&self.found) {
            lines.extend(
                found
                    .runs
                    .iter()
                    .map(|(host, address)| format!("{}\t{}\t{}", wanted.name, self.hosts[*host].name, shown(*address))),
            );
        }
        lines.join("\n")
    }

    fn as_json(&self) -> String {
        let host = |(host, address): &(usize, Option<SocketAddr>)| json!({ "host": self.hosts[*host].name, "address": address.map(|address| address.to_string()) });
        let machines = self.machines.iter().zip(&self.found).map(
            |(wanted, found)| json!({ "name": wanted.name, "hosts": found.runs.iter().map(host).collect::<Vec<_>>() }),
        );
        let silent = self.silent.iter().map(|(host, _)| self.hosts[*host].name.clone());
        format!("{:#}", json!({ "machines": machines.collect::<Vec<_>>(), "silent": silent.collect::<Vec<_>>() }))
    }
}

/// The address of a console, if it has one.
fn shown(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "-".into(), |address| address.to_string())
}

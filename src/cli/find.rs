//! `vmrun find`: which host runs a machine.

use super::inventory::{Inventory, Machines};
use super::run::duration;
use super::term::Term;
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::fleet::find::{Found, Place, Wanted, found, questions, silent};
use crate::host::reach::{self, Answer};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

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
    /// The hosts to ask, if not those of the configuration
    #[arg(long, value_name = "HOST,…", value_delimiter = ',')]
    hosts: Vec<String>,
    /// How long they may take to answer
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    timeout: Duration,
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
    let recipes = if args.all { inventory.recipes() } else { recipes(&inventory, &args.machines)? };
    let search = Search::new(&inventory, &recipes, &args.hosts, args.all)?;
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

/// The fault of recipes that are wrong, after what is wrong with each.
pub(super) fn wrong() -> Fault {
    Fault::new("not every recipe could be read: the machines of the others were looked for")
}

impl Search {
    /// Asks every host for every machine of the recipes, all at once.
    pub(super) fn new(
        inventory: &Inventory,
        recipes: &[PathBuf],
        args: &HostArgs,
        all: bool,
    ) -> Result<Self, Vec<Diagnostic>> {
        let Machines { all: machines, faults } = inventory.machines(recipes, |fault| draw(fault, Colour::Plain))?;
        let given = if args.hosts.is_empty() { &inventory.config.hosts } else { &args.hosts };
        let names = if given.is_empty() { vec!["127.0.0.1".to_string()] } else { given.clone() };
        let addresses = reach::resolve(&names);
        let lost: Vec<Diagnostic> =
            addresses.iter().filter_map(|one| one.clone().err()).map(Diagnostic::error).collect();
        if !lost.is_empty() {
            return Err(lost);
        }
        let hosts: Vec<Place> =
            names.into_iter().zip(addresses.into_iter().flatten()).map(|(name, ip)| Place { name, ip }).collect();
        let questions = questions(&machines, &hosts);
        let addresses: Vec<_> = questions.iter().map(|question| question.address).collect();
        // For every machine there is, all hosts are waited for; who looks for some wants to know soon.
        let enough = |answers: &[Answer]| {
            !all && found(machines.len(), &questions, answers).iter().all(|found| !found.runs.is_empty())
        };
        let answers = reach::ask(&addresses, args.timeout, enough);
        let found = found(machines.len(), &questions, &answers);
        let silent = silent(hosts.len(), &questions, &answers);
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
        let names = |all: &[(usize, std::net::SocketAddr)]| {
            suggest::list(all.iter().map(|(host, _)| self.hosts[*host].name.as_str()))
        };
        match (found.runs.as_slice(), wanted.console) {
            ([(host, _)], _) => Ok(*host),
            ([_, ..], _) => {
                let fault = guest(format!("{name} runs on {} hosts: {}", found.runs.len(), names(&found.runs)));
                Err(fault.hint("stop all but one at once: a disk that two machines write to is lost"))
            }
            ([], None) => {
                let fault = guest(format!("{name} has no console by which it could be found"));
                Err(fault.hint("a frame buffer has one: \"29\": fbuf(#{ tcp: \"0.0.0.0:5901\" })"))
            }
            ([], Some(console)) if console.ip().is_loopback() && !self.hosts.iter().any(|it| it.ip.is_loopback()) => {
                let fault = guest(format!("{name} can be found only by its own host: its console is at {console}"));
                Err(fault
                    .hint("run `vmrun find` there with --hosts 127.0.0.1, or let the console listen on the network"))
            }
            ([], Some(console)) => {
                let fault = guest(format!("{name} runs on none of these hosts: {}", self.answering()));
                let other = (!found.others.is_empty())
                    .then(|| format!("on port {} of {} something else answers", console.port(), names(&found.others)));
                Err(fault.maybe_hint(other))
            }
        }
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
                    .map(|(host, address)| format!("{}\t{}\t{}", wanted.name, self.hosts[*host].name, address)),
            );
        }
        lines.join("\n")
    }

    fn as_json(&self) -> String {
        let host = |(host, address): &(usize, std::net::SocketAddr)| json!({ "host": self.hosts[*host].name, "address": address.to_string() });
        let machines = self.machines.iter().zip(&self.found).map(
            |(wanted, found)| json!({ "name": wanted.name, "hosts": found.runs.iter().map(host).collect::<Vec<_>>() }),
        );
        let silent = self.silent.iter().map(|(host, _)| self.hosts[*host].name.clone());
        format!("{:#}", json!({ "machines": machines.collect::<Vec<_>>(), "silent": silent.collect::<Vec<_>>() }))
    }
}

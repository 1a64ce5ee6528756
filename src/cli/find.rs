//! `vmrun find`: which host runs a machine.

use super::run::duration;
use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::search::{HostQuery, HostRun, Search, SearchEvent, find, find_all};
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};
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
    /// The hosts to ask, if not those of the configuration: ssh://HOST by its own vmrun, HOST by the screens of its machines,
    /// file://FILE by the file that it writes
    #[arg(long, value_name = "HOST,…", value_delimiter = ',', value_parser = NonEmptyStringValueParser::new())]
    hosts: Vec<String>,
    /// How long they may take to answer
    #[arg(long = "answer-within", alias = "timeout", value_name = "TIME", default_value = "1s", value_parser = duration)]
    timeout: Duration,
}

impl HostArgs {
    /// Returns how long they may take to answer.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns which hosts are asked.
    pub(super) fn query(&self) -> HostQuery {
        HostQuery { hosts: self.hosts.clone(), timeout: self.timeout }
    }
}

pub(super) fn run(args: &FindArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let query = args.hosts.query();
    let search = if args.all { find_all(&query)? } else { find(&args.machines, &query)? };
    search.faults().chain(search.silence()).for_each(tell(term));
    let text = as_text(&search);
    if args.json {
        term.json(as_json(&search))?;
    } else if !text.is_empty() {
        term.data(text)?;
    }
    search.verdict(args.all)
}

/// Says what happens in a search.
pub(super) fn tell(term: &Term) -> impl FnMut(SearchEvent) {
    |event| match event {
        SearchEvent::RecipeFault(drawn) => term.drawn(&drawn),
        SearchEvent::Unanswered { host, why } => term.say(unanswered(&host, why.as_deref())),
    }
}

/// Says that a host did not answer, and why if that is known.
pub(super) fn unanswered(host: &str, why: Option<&str>) -> String {
    why.map_or_else(|| format!("{host} did not answer"), |why| format!("{host} cannot be asked: {why}"))
}

fn as_text(search: &Search) -> String {
    let mut lines = Vec::new();
    for (machine, hosts) in search.runs() {
        for (host, address) in hosts {
            let address = address.map_or_else(|| "-".into(), |address| address.to_string());
            lines.push(format!("{machine}\t{host}\t{address}"));
        }
    }
    lines.join("\n")
}

fn as_json(search: &Search) -> String {
    let mut machines: Vec<Value> = Vec::new();
    for (name, hosts) in search.runs() {
        let host = |(host, address): &HostRun<'_>| {
            let address = address.as_ref().map(ToString::to_string);
            json!({ "host": host, "address": address })
        };
        machines.push(json!({ "name": name, "hosts": hosts.iter().map(host).collect::<Vec<_>>() }));
    }
    let silent = search.silence().filter_map(|event| match event {
        SearchEvent::Unanswered { host, .. } => Some(host),
        SearchEvent::RecipeFault(_) => None,
    });
    format!("{:#}", json!({ "machines": machines, "silent": silent.collect::<Vec<_>>() }))
}

//! `vmrun list --all-hosts`: the machines of many hosts in one table.

use super::{ADVICES, by_state, lasted};
use crate::cli::find::{HostArgs, tell, unanswered};
use crate::cli::paint::{PLAIN, Painter};
use crate::cli::table::{Column, Cut, Fit, fitted, painted};
use crate::cli::term::Term;
use crate::diag::{Diagnostic, shown, suggest};
use crate::model::Size;
use crate::ops::all_hosts::{AllHosts, OnHosts, TellingHost, ask};
use crate::ops::remote::ToldMachine;
use crate::ops::search::{HostQuery, SearchEvent};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// Whom to ask beside this host.
#[derive(Args)]
pub(in crate::cli) struct AllHostsArgs {
    /// The hosts of the configuration too, or those of --hosts alone, as each tells of its machines itself
    #[arg(long)]
    all_hosts: bool,
    #[command(flatten)]
    hosts: HostArgs,
}

impl AllHostsArgs {
    /// Returns how long hosts may take to answer.
    pub(in crate::cli) const fn answer_within(&self) -> Duration {
        self.hosts.timeout()
    }

    /// Returns which hosts are asked, if any but this one are.
    pub(in crate::cli) fn query(&self) -> Option<HostQuery> {
        Some(self.hosts.query()).filter(|query| self.all_hosts || !query.hosts.is_empty())
    }
}

/// The columns of the table, in order.
const COLUMNS: [Column; 10] = [
    Column::Text("HOST"),
    Column::Text("NAME"),
    Column::Text("STATE"),
    Column::Number("UPTIME"),
    Column::Number("CPUS"),
    Column::Number("MEMORY"),
    Column::Number("CPU%"),
    Column::Text("ADDRESS"),
    Column::Number("RESTARTS"),
    Column::Text("RECIPE"),
];

/// What of the table gives way on a terminal that is too narrow for it.
const FIT: Fit = Fit {
    cut: &[("RECIPE", Cut::Front, 18), ("HOST", Cut::Front, 12), ("NAME", Cut::End, 12)],
    left_out: &["RESTARTS", "CPU%", "UPTIME", "CPUS", "MEMORY", "ADDRESS"],
};

/// The state of a machine of which its host has told nothing for long.
const UNKNOWN: &str = "unknown";

pub(super) fn run(query: &HostQuery, with_known: bool, is_json: bool, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let all = ask(query, with_known)?;
    all.faults.iter().cloned().map(SearchEvent::RecipeFault).chain(silence(&all)).for_each(tell(term));
    if is_json {
        term.json(format!("{:#}", document(&all)))?;
        return all.verdict();
    }
    let (machines, most) = (all.machines(), term.size().map(|(columns, _)| columns));
    if machines.is_empty() {
        term.say("there is no machine on these hosts");
    } else if term.has_coloured_data() {
        term.painted(&as_table(&machines, most, by_state))?;
    } else {
        term.data(as_table(&machines, most, PLAIN))?;
    }
    advices(&all).iter().for_each(|advice| term.say(advice));
    all.verdict()
}

/// The table for a terminal that has so many columns, and what is said below it.
pub(super) fn watched(
    query: &HostQuery,
    with_known: bool,
    columns: usize,
) -> Result<(Vec<String>, Vec<String>), Vec<Diagnostic>> {
    let all = ask(query, with_known)?;
    let table = as_table(&all.machines(), Some(columns), PLAIN).lines().map(String::from).collect();
    Ok((table, shown_below(&all)))
}

/// What somebody who watches is told below a table: what is wrong first.
pub(in crate::cli) fn shown_below(all: &AllHosts) -> Vec<String> {
    let twice = all.verdict().err().into_iter().flatten().map(|it| it.fault.message);
    let silent = all.silent.iter().map(|(host, why)| unanswered(host, why.as_deref()));
    twice.chain(silent).chain(advices(all)).collect()
}

/// The hosts that did not tell.
fn silence(all: &AllHosts) -> impl Iterator<Item = SearchEvent> {
    all.silent.iter().map(|(host, why)| SearchEvent::Unanswered { host: host.clone(), why: why.clone() })
}

/// What else somebody should know: of hosts that have told nothing for long, and of recipes that differ.
fn advices(all: &AllHosts) -> Vec<String> {
    let stale =
        all.hosts.iter().filter_map(|host| host.stale.as_ref().map(|why| format!("{} {why}", shown::line(&host.name))));
    let drifted = all.drifted().into_iter().map(|(name, hosts)| {
        let (name, hosts) = (shown::line(name), suggest::list(hosts));
        format!(
            "the recipe of {name}, or what pins its libraries, is not the same on {hosts}: compare them before it moves"
        )
    });
    let mut advices: Vec<String> = stale.chain(drifted).collect();
    if advices.len() > ADVICES {
        let more = advices.len() - ADVICES;
        advices.truncate(ADVICES);
        advices.push(format!("{more} more lines of this kind; --json has all"));
    }
    advices
}

/// The table of machines, as wide as it is, or no wider than so many columns of a terminal.
pub(in crate::cli) fn as_table(
    machines: &[(&TellingHost, &ToldMachine)],
    most: Option<usize>,
    painter: Painter,
) -> String {
    let mut rows: Vec<Vec<String>> = machines.iter().map(|(host, one)| row(host, one)).collect();
    let mut columns = COLUMNS.to_vec();
    // As on one host, most have nobody who is asked for by an address.
    let at = COLUMNS.iter().position(|column| *column == Column::Text("ADDRESS")).unwrap_or_default();
    if rows.iter().all(|row| row[at].is_empty()) {
        columns.remove(at);
        rows.iter_mut().for_each(|row| drop(row.remove(at)));
    }
    most.map_or_else(|| painted(&columns, &rows, painter), |most| fitted(&columns, &rows, FIT, most, painter))
}

fn row(host: &TellingHost, one: &ToldMachine) -> Vec<String> {
    let number = |key: &str| one.number(key);
    let text = |key: &str| one.value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let told = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let instance = one.value.get("instance").and_then(Value::as_str);
    let recipe = one.value.get("recipe").and_then(Value::as_str).map(|recipe| super::of_instance(recipe, instance));
    vec![
        host.name.clone(),
        one.name.clone().unwrap_or_default(),
        if host.stale.is_some() { UNKNOWN.into() } else { one.state.clone() },
        number("uptime").map(|seconds| lasted(Duration::from_secs(seconds))).unwrap_or_default(),
        told(number("cpus")),
        number("memory").map(|bytes| Size::bytes(bytes).to_string()).unwrap_or_default(),
        one.value.get("cpu").filter(|cpu| cpu.is_number()).map(ToString::to_string).unwrap_or_default(),
        text("address"),
        told(number("restarts")),
        recipe.unwrap_or_default(),
    ]
}

/// What programs read.
fn document(all: &AllHosts) -> Value {
    let host = |host: &TellingHost| {
        let machines: Vec<&Value> = host.told.machines.iter().map(|one| &one.value).collect();
        json!({
            "name": host.name, "host": host.told.host, "time": host.told.time, "stale": host.stale.is_some(), "machines": machines,
        })
    };
    let on_hosts = |all: Vec<OnHosts<'_>>| -> Vec<Value> {
        all.into_iter().map(|(name, hosts)| json!({ "name": name, "hosts": hosts })).collect()
    };
    let silent = |(host, why): &(String, Option<String>)| json!({ "name": host, "why": why });
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "hosts": all.hosts.iter().map(host).collect::<Vec<_>>(),
        "silent": all.silent.iter().map(silent).collect::<Vec<_>>(),
        "twice": on_hosts(all.twice()),
        "drifted": on_hosts(all.drifted()),
    })
}

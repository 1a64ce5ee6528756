//! `vmrun list`: the machines of this host, whoever has started them.

pub(super) mod hosts;

use super::paint::{PLAIN, Paint, Painter};
use super::run::duration;
use super::table::{Column, Cut, Fit, fitted, painted};
use super::term::Term;
use crate::diag::{Diagnostic, shown};
use crate::ops::display::terminal::cut;
use crate::ops::inventory::{Entry, EntryState, MachineState, Replicas};
use crate::ops::machines::{document, locate, machines, machines_and_known, percent};
use crate::ops::metrics::write;
use crate::ops::search::HostQuery;
use crate::ops::snapshots::shown_time;
use crate::ops::watch::watch;
use clap::Args;
use hosts::AllHostsArgs;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = SCHEMA)]
pub(super) struct ListArgs {
    /// Also those that are down: known since the host was started, or described by a recipe of the configuration
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    hosts: AllHostsArgs,
    /// Print a JSON object, as below
    #[arg(long, conflicts_with = "watch")]
    json: bool,
    /// Write it into this file, which is replaced as a whole: other hosts read it as file://FILE
    #[arg(long, value_name = "FILE", requires = "json", conflicts_with_all = ["all_hosts", "hosts"])]
    out: Option<PathBuf>,
    /// Draw it anew until q or Ctrl-C is pressed
    #[arg(long)]
    watch: bool,
    /// How often it is drawn anew, at most once a second
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration, requires = "watch")]
    every: Duration,
}

const SCHEMA: &str = "\
States:
  starting, running, stopping  a machine in the background
  waiting                      its guest crashed, and is started again later
  held                         it crashed too often: `vmrun start` starts it, its log says why
  foreground                   run by a vmrun that somebody has before him
  unsupervised                 its guest goes on without its vmrun: `vmrun adopt` takes it over
  exporting                    it does not run, and is exported; one that runs and is exported is told of below the table
  left                         its run is dead and has left something: `vmrun gc` gives it back
  unknown                      it cannot be told: its lock may be read by its owner only, and nothing else tells
  foreign                      a bhyve or QEMU that vmrun did not start
  down                         known, and does not run (--all)
  moved                        another host has it, as it was moved there (--all)
  replica                      another host has it, and this one has replicas of it (--all)

CPU% is of one processor: since the start under Linux, within the last minute under FreeBSD.

On a terminal the table is no wider than that: paths of recipes lose their beginning, then the columns RESTARTS, VNC, CPU%, UPTIME, PID,
CPUS, MEMORY and ADDRESS go, in this order. Into a pipe or a file all of it is written.

Many hosts: with --all-hosts this host and those of `hosts` in config.toml tell of their machines, with --hosts those that are named.
ssh://HOST is asked by its own vmrun; file://FILE, or file://FOLDER with a file NAME.json of each host, is what hosts write by cron:
vmrun list --all --json --out /srv/vmrun/$(hostname).json. What is older than five minutes is shown as unknown.
A machine that runs on two hosts is an error (exit code 4); a recipe that differs between hosts is told.

JSON: an object with `version` (of vmrun), `host` (its name), `time` (the second of 1970) and `machines`, a list of objects:
  name          text, or null of a foreign one without a name
  state         one of the words above
  hypervisor    \"bhyve\" or \"qemu\", or null if none runs
  pid           the hypervisor's process, or null
  supervisor    the process of the vmrun that looks after it, or null
  uptime        how long the hypervisor runs, in seconds, or null
  since         the second of 1970 in which the state began, in the background only, or null
  until         the second of 1970 in which it is started again, while it waits, or null
  cpus          its vCPUs, or null
  memory        its memory, in bytes, or null
  resident      how much of the host's memory the hypervisor has, in bytes, or null
  cpu           percent of one processor, or null
  vnc           \"ADDRESS:PORT\" of its screen, or null
  disks, taps, macs
                lists of texts
  address       where its guest is, if it runs and that is known, or null
  address_from  by what that is known: recipe, forward, agent, leases or neighbours, or null
  ssh           an object: `user`, `host_key` and `port`, each null where nothing is said of it, or null
  boots         how often it was booted, reboots included, or null
  restarts      how often it was started again after a crash, or null
  recipe        the path of its recipe, or null
  recipe_digest SHA-256 of that recipe as it is now, of the files beside it that it imports and of what pins its libraries, or null
  instance      which instance of its recipe it is, where that is of several machines, or null
  log           the path of its log, or null
  error         its last error, or null
  exporting     whether it is exported now
  permit        an object: `state` (held or lost), `since` (the second of 1970 from which on it was held) and `why` it is lost,
                each null where it is not known; or null of a machine that needs none
  moved         an object: `host`, which has it since it was moved there, and `since` (the second of 1970); or null
  replicas      an object: `count`, and of the newest `host`, from which it came, and `at` (the second of 1970); or null
What is not known is null. Keys may be added.

JSON of many hosts: an object with `version`, `hosts` (objects: `name` as it is asked, `host` as it calls itself, `time`, `stale` and
`machines` as above), `silent` (objects: `name`, `why`), and `twice` and `drifted`, which are machines with their `name` and `hosts`.";

pub(super) fn run(args: &ListArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let query = args.hosts.query();
    if args.watch {
        return watch(args.every, &mut |columns, lines| watched(query.as_ref(), args.all, columns, lines));
    }
    if let Some(query) = query {
        return hosts::run(&query, args.all, args.json, term);
    }
    let (all, faults) = seen(args.all)?;
    faults.iter().for_each(|fault| term.drawn(fault));
    if args.json {
        let text = format!("{:#}", document(&all));
        return match &args.out {
            Some(path) => Ok(write(path.clone(), &format!("{text}\n"))?),
            None => Ok(term.json(text)?),
        };
    }
    if all.is_empty() {
        term.say("there is no machine on this host");
        return Ok(());
    }
    let most = term.size().map(|(columns, _)| columns);
    if term.has_coloured_data() {
        term.painted(&as_table(&all, most, by_state))?;
    } else {
        term.data(as_table(&all, most, PLAIN))?;
    }
    advices(&all).iter().for_each(|advice| term.say(advice));
    Ok(())
}

/// The machines as they are now, and the faults of recipes that do not tell.
fn seen(with_known: bool) -> Result<(Vec<Entry>, Vec<String>), Vec<Diagnostic>> {
    let (mut all, faults) = if with_known { machines_and_known()? } else { (machines()?, Vec::new()) };
    locate(&mut all);
    Ok((all, faults))
}

/// The lines of a terminal that has so many columns and lines, for who watches.
fn watched(
    query: Option<&HostQuery>,
    with_known: bool,
    columns: usize,
    lines: usize,
) -> Result<Vec<String>, Vec<Diagnostic>> {
    let (mut shown, said) = match query {
        Some(query) => hosts::watched(query, with_known, columns)?,
        None => own(with_known, columns)?,
    };
    let room = lines.saturating_sub(2);
    if shown.len() > room && room > 0 {
        let more = shown.len() + 1 - room;
        shown.truncate(room - 1);
        shown.push(format!("… and {more} more"));
    }
    shown.extend(said.into_iter().take(room.saturating_sub(shown.len())).map(|line| cut(&shown::line(&line), columns)));
    shown.resize(lines.saturating_sub(1), String::new());
    shown.push(cut("q leaves", columns));
    Ok(shown)
}

/// The table of this host for a terminal that has so many columns, and what is said below it.
fn own(with_known: bool, columns: usize) -> Result<(Vec<String>, Vec<String>), Vec<Diagnostic>> {
    let (all, faults) = seen(with_known)?;
    let shown = if all.is_empty() {
        vec!["there is no machine on this host".into()]
    } else {
        as_table(&all, Some(columns), PLAIN).lines().map(String::from).collect()
    };
    let said = advices(&all).into_iter().chain(faults.iter().flat_map(|fault| fault.lines().map(String::from)));
    Ok((shown, said.collect()))
}

/// What is to be done, machine by machine, as far as somebody reads it.
fn advices(all: &[Entry]) -> Vec<String> {
    let mut advices: Vec<String> = all.iter().filter_map(advice).collect();
    if advices.len() > ADVICES {
        let more = advices.len() - ADVICES;
        advices.truncate(ADVICES);
        advices.push(format!("{more} more machines need something; `vmrun status` tells what"));
    }
    advices
}

/// How much advice somebody reads at once.
const ADVICES: usize = 10;

/// The columns of the table, in order.
const COLUMNS: [Column; 10] = [
    Column::Text("NAME"),
    Column::Text("STATE"),
    Column::Number("PID"),
    Column::Number("UPTIME"),
    Column::Number("CPUS"),
    Column::Number("MEMORY"),
    Column::Number("CPU%"),
    Column::Text("VNC"),
    Column::Number("RESTARTS"),
    Column::Text("RECIPE"),
];

/// What of the table gives way on a terminal that is too narrow for it: least what tells which machine it is, and how it is.
const FIT: Fit = Fit {
    cut: &[("RECIPE", Cut::Front, 18), ("NAME", Cut::End, 12)],
    left_out: &["RESTARTS", "VNC", "CPU%", "UPTIME", "PID", "CPUS", "MEMORY", "ADDRESS"],
};

/// The colours of states.
fn by_state(title: &str, cell: &str) -> Option<Paint> {
    match (title, cell) {
        ("STATE", "running" | "foreground") => Some(Paint::Good),
        ("STATE", "starting" | "stopping" | "waiting" | "exporting" | "unsupervised" | "left" | "unknown") => {
            Some(Paint::Doubtful)
        }
        ("STATE", "held") => Some(Paint::Bad),
        ("STATE", "down" | "moved" | "replica") => Some(Paint::Faint),
        _ => None,
    }
}

/// Returns the table, as wide as it is, or no wider than so many columns of a terminal.
fn as_table(all: &[Entry], most: Option<usize>, painter: Painter) -> String {
    // Most hosts have nobody who is asked for by an address.
    let has_addresses = all.iter().any(|one| one.address.is_some());
    let mut columns = COLUMNS.to_vec();
    if has_addresses {
        columns.insert(columns.len() - 1, Column::Text("ADDRESS"));
    }
    let text = |value: Option<String>| value.unwrap_or_default();
    let row = |one: &Entry| {
        let process = one.process.as_ref();
        let mut row = vec![
            text(one.name.clone()),
            one.state.to_string(),
            text(process.map(|it| it.pid.to_string())),
            text(process.map(|it| lasted(it.uptime))),
            text(one.shape.cpus.map(|count| count.to_string())),
            text(one.shape.memory.map(|size| size.to_string())),
            text(process.map(|it| percent(it.cpu))),
            text(one.shape.vnc.map(|address| address.to_string())),
            text(one.status.as_ref().map(|it| it.restarts.to_string())),
        ];
        row.extend(has_addresses.then(|| text(one.address.map(|found| found.ip.to_string()))));
        row.push(text(one.recipe.as_ref().map(|recipe| of_instance(recipe, one.instance.as_deref()))));
        row
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    most.map_or_else(|| painted(&columns, &rows, painter), |most| fitted(&columns, &rows, FIT, most, painter))
}

/// A recipe, with which of its instances is meant, as it can be started.
fn of_instance(recipe: &str, instance: Option<&str>) -> String {
    instance.map_or_else(|| recipe.into(), |instance| format!("{recipe}[{instance}]"))
}

/// What is to be done about a machine.
pub(super) fn advice(one: &Entry) -> Option<String> {
    let name = shown::line(one.name.as_deref().unwrap_or_default());
    // What is to be done about a run elsewhere is to be done there.
    let (place, there) = one.elsewhere.as_ref().map_or_else(Default::default, |it| (format!(" {it}"), " there"));
    match one.state {
        EntryState::Unsupervised => {
            Some(format!("{name} goes on without its vmrun{place}; `vmrun adopt {name}`{there} takes it over"))
        }
        EntryState::Left => {
            Some(format!("{name} was left by a run that is dead{place}; `vmrun gc`{there} gives back what it took"))
        }
        EntryState::Unknown => Some(format!("whether {name} runs cannot be told: its owner and root can ask")),
        EntryState::Supervised(MachineState::Failed) => {
            let why = one.status.as_ref().and_then(|it| it.error.as_deref()).unwrap_or("its log says why");
            Some(format!("{name} is held: {why}"))
        }
        EntryState::Moved => {
            let away = one.away.as_ref()?;
            Some(format!("{name} was moved to {} on {}", shown::line(&away.host), shown_time(away.since)))
        }
        EntryState::Replica => {
            let Replicas { host, at, count, .. } = one.replicas.as_ref()?;
            let (host, date) = (shown::line(host), shown_time(*at));
            let which = if *count == 1 { "a replica".into() } else { format!("{count} replicas, the newest") };
            Some(format!("{name} is {host}'s, and here is {which} of {date}"))
        }
        EntryState::Exporting => Some(format!("{name} is exported, and can be started when that has ended")),
        EntryState::Supervised(_) | EntryState::Foreground if one.is_exported => {
            Some(format!("{name} is exported, as it was when that began"))
        }
        EntryState::Supervised(_) | EntryState::Foreground | EntryState::Foreign | EntryState::Down => None,
    }
}

/// A time as people read it: the two greatest units.
pub(super) fn lasted(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, ..) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_as_far_as_somebody_reads_it() {
        let left = |number: usize| Entry {
            name: Some(format!("m{number}")),
            state: EntryState::Left,
            supervisor: None,
            process: None,
            shape: crate::model::Shape::default(),
            status: None,
            recipe: None,
            instance: None,
            elsewhere: None,
            address: None,
            permit: None,
            is_exported: false,
            away: None,
            replicas: None,
        };
        let all: Vec<Entry> = (0..12).map(left).collect();
        let said = advices(&all);
        assert_eq!(said.len(), 11);
        assert_eq!(said[9], "m9 was left by a run that is dead; `vmrun gc` gives back what it took");
        assert_eq!(said[10], "2 more machines need something; `vmrun status` tells what");
        assert_eq!(advices(&all[..10]).len(), 10);
    }

    #[test]
    fn times_are_for_reading() {
        let said = [5, 65, 3725, 90_061].map(|seconds| lasted(Duration::from_secs(seconds)));
        assert_eq!(said, ["5s", "1m05s", "1h02m", "1d01h"]);
    }
}

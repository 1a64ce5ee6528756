//! `vmrun list`: the machines of this host, whoever has started them.

use super::table::{Column, table};
use super::term::Term;
use super::{place, platform};
use crate::diag::{Diagnostic, Fault};
use crate::host::processes::Processes;
use crate::host::{Kept, kept};
use crate::model::Size;
use crate::supervise::roster::{Seen, State, roster};
use crate::supervise::standing::Stance;
use clap::Args;
use serde_json::{Value, json};
use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = SCHEMA)]
pub(super) struct ListArgs {
    /// Print a JSON object, as below
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "\
States:
  starting, running, stopping  a machine in the background
  waiting                      its guest crashed, and is started again later
  held                         it crashed too often: `vmrun start` starts it, its log says why
  foreground                   run by a vmrun that somebody has before him
  unsupervised                 its guest goes on without its vmrun: `vmrun adopt` takes it over
  left                         its run is dead and has left something: `vmrun gc` gives it back
  unknown                      its lock may be read by its owner only, and nothing else tells
  foreign                      a bhyve or QEMU that vmrun did not start

CPU% is of one processor: since the start under Linux, within the last minute under FreeBSD.

JSON: an object with `version` (of vmrun), `host` (its name) and `machines`, a list of objects:
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
  vnc           \"ADDRESS:PORT\" of its console, or null
  disks, taps   lists of texts
  boots         how often it was booted, reboots included, or null
  restarts      how often it was started again after a crash, or null
  recipe        the path of its recipe, or null
  log           the path of its log, or null
  error         its last error, or null
What is not known is null. Keys may be added.";

pub(super) fn run(args: &ListArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let all = machines()?;
    if args.json {
        term.data(as_json(&all))?;
        return Ok(());
    }
    if all.is_empty() {
        term.say("there is no machine on this host");
        return Ok(());
    }
    term.data(as_table(&all))?;
    advices(&all).iter().for_each(|advice| term.say(advice));
    Ok(())
}

/// What is to be done, machine by machine, as far as somebody reads it.
fn advices(all: &[Seen]) -> Vec<String> {
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

/// Returns every machine of this host that this user can see.
pub(super) fn machines() -> Result<Vec<Seen>, Fault> {
    let platform = platform()?.platform;
    let states = place::states()?;
    let look = || Processes::look(platform);
    // Both ask the kernel for one small thing after the other, and neither needs what the other finds.
    let (kept, processes) = thread::scope(|scope| {
        let looks = thread::Builder::new().spawn_scoped(scope, look);
        let kept: Vec<Kept> = states.iter().flat_map(|folder| kept(folder)).collect();
        let processes = looks.map_or_else(|_| look(), |it| it.join().unwrap_or_else(|panic| resume_unwind(panic)));
        (kept, processes)
    });
    let processes = processes?;
    Ok(roster(&kept, &processes.hypervisors, &|pid| processes.is_vmrun(pid)))
}

fn as_table(all: &[Seen]) -> String {
    let columns = [
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
    let text = |value: Option<String>| value.unwrap_or_default();
    let row = |one: &Seen| {
        let process = one.process.as_ref();
        vec![
            text(one.name.clone()),
            one.state.to_string(),
            text(process.map(|it| it.pid.to_string())),
            text(process.map(|it| lasted(it.uptime))),
            text(one.shape.cpus.map(|count| count.to_string())),
            text(one.shape.memory.map(|size| size.to_string())),
            text(process.map(|it| percent(it.cpu))),
            text(one.shape.vnc.map(|address| address.to_string())),
            text(one.standing.as_ref().map(|it| it.restarts.to_string())),
            text(one.recipe.clone()),
        ]
    };
    table(&columns, &all.iter().map(row).collect::<Vec<_>>())
}

/// What is to be done about a machine.
pub(super) fn advice(one: &Seen) -> Option<String> {
    let name = one.name.as_deref().unwrap_or_default();
    match one.state {
        State::Unsupervised => Some(format!("{name} goes on without its vmrun; `vmrun adopt {name}` takes it over")),
        State::Left => Some(format!("{name} was left by a run that is dead; `vmrun gc` gives back what it took")),
        State::Kept(Stance::Held) => {
            let why = one.standing.as_ref().and_then(|it| it.error.as_deref()).unwrap_or("its log says why");
            Some(format!("{name} is held: {why}"))
        }
        _ => None,
    }
}

/// Thousandths as a percentage.
pub(super) fn percent(permille: u64) -> String {
    format!("{}.{}", permille / 10, permille % 10)
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

fn as_json(all: &[Seen]) -> String {
    let host = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).ok();
    let machines: Vec<Value> = all.iter().map(object).collect();
    format!("{:#}", json!({ "version": env!("CARGO_PKG_VERSION"), "host": host, "machines": machines }))
}

/// A machine as it is told to programs.
pub(super) fn object(one: &Seen) -> Value {
    let (process, standing) = (one.process.as_ref(), one.standing.as_ref());
    // Tenths of a percent are whole numbers, so that no other decimals come about.
    let cpu: Option<Value> = process.and_then(|it| percent(it.cpu).parse().ok());
    json!({
        "name": one.name,
        "state": one.state.word(),
        "hypervisor": process.map(|it| it.kind.word()),
        "pid": process.map(|it| it.pid),
        "supervisor": one.supervisor,
        "uptime": process.map(|it| it.uptime.as_secs()),
        "since": standing.map(|it| it.since),
        "until": standing.and_then(|it| it.until),
        "cpus": one.shape.cpus,
        "memory": one.shape.memory.map(Size::get),
        "resident": process.map(|it| it.resident.get()),
        "cpu": cpu,
        "vnc": one.shape.vnc.map(|address| address.to_string()),
        "disks": one.shape.disks,
        "taps": one.shape.taps,
        "boots": standing.map(|it| it.boots),
        "restarts": standing.map(|it| it.restarts),
        "recipe": one.recipe,
        "log": standing.map(|it| it.log.as_str()).filter(|log| !log.is_empty()),
        "error": standing.and_then(|it| it.error.as_deref()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_as_far_as_somebody_reads_it() {
        let left = |number: usize| Seen {
            name: Some(format!("m{number}")),
            state: State::Left,
            supervisor: None,
            process: None,
            shape: crate::model::Shape::default(),
            standing: None,
            recipe: None,
        };
        let all: Vec<Seen> = (0..12).map(left).collect();
        let said = advices(&all);
        assert_eq!(said.len(), 11);
        assert_eq!(said[9], "m9 was left by a run that is dead; `vmrun gc` gives back what it took");
        assert_eq!(said[10], "2 more machines need something; `vmrun status` tells what");
        assert_eq!(advices(&all[..10]).len(), 10);
    }

    #[test]
    fn times_and_shares_are_for_reading() {
        let said = [5, 65, 3725, 90_061].map(|seconds| lasted(Duration::from_secs(seconds)));
        assert_eq!(said, ["5s", "1m05s", "1h02m", "1d01h"]);
        assert_eq!([0, 7, 1125].map(percent), ["0.0", "0.7", "112.5"]);
    }
}

//! `vmrun events`: what happened to machines, as lines of JSON.

use super::place;
use super::term::Term;
use crate::diag::{Diagnostic, Fault};
use crate::host::clock::since_1970;
use crate::host::events::{self, Events, Reader};
use crate::model::VmName;
use crate::supervise::Progress;
use crate::supervise::event::{line, time};
use clap::Args;
use std::path::{Path, PathBuf};

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct EventsArgs {
    /// The machines, if not all
    machines: Vec<VmName>,
    /// Go on with what happens, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the last events, if not all that are kept
    #[arg(short = 'n', long, value_name = "COUNT")]
    lines: Option<usize>,
}

const AFTER: &str = "\
A line is a JSON object with `time` (RFC 3339, UTC), `machine` and `event`:
  cleaned   what a killed run had left was given back; `of`, `commands`
  started   the hypervisor was started; `boot`, `pid`
  adopted   a guest that ran already was taken over; `pid`
  running   the guest runs
  ready     the machine is ready, as its recipe says
  stopping  it is being stopped; `by` (power button, force, kill), `within_ms`
  ended     the boot ended; `how` (as in an exit's questions), `status`, `message`, `last_words`
  waiting   it is started again after `delay_ms`
  failed    the run is over; `errors`
  held      nothing happens until somebody starts it; `error`
  down      all was given back

Machines in the background have their events beside their logs; a run in the foreground has some
where `vmrun run --events FILE` says so.";

pub(super) fn run(args: &EventsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let folder = place::log_folder()?;
    let named: Vec<PathBuf> = args.machines.iter().map(file).collect::<Result<_, _>>()?;
    let files = || if named.is_empty() { events::within(&folder) } else { named.clone() };
    let mut reader = Reader::default();
    let mut lines = Vec::new();
    for (at, file) in files().iter().enumerate() {
        let missing = !file.exists();
        if missing && !args.follow {
            return Err(none(&args.machines[at], file).into());
        }
        lines.extend(if missing { Vec::new() } else { reader.added(file)? });
    }
    let lines = in_order(lines);
    let from = args.lines.map_or(0, |count| lines.len().saturating_sub(count));
    let print = |lines: Vec<String>| if lines.is_empty() { Ok(()) } else { term.data(lines.join("\n")) };
    print(lines[from..].to_vec())?;
    if args.follow {
        reader.follow(&files, &|lines| print(in_order(lines)))?;
    }
    Ok(())
}

/// Puts lines into the order in which they happened. What is no event is dropped: a power cut may have torn it.
fn in_order(lines: Vec<String>) -> Vec<String> {
    let mut timed: Vec<(String, String)> = lines.into_iter().filter_map(|line| Some((time(&line)?, line))).collect();
    timed.sort_by(|one, other| one.0.cmp(&other.0));
    timed.into_iter().map(|(_, line)| line).collect()
}

/// Where the events of a machine are.
fn file(name: &VmName) -> Result<PathBuf, Fault> {
    super::logs::log(name).map(|log| events::beside(&log))
}

fn none(name: &VmName, path: &Path) -> Fault {
    let fault = Fault::host(format!("there are no events of {name}: {} is not there", path.display()));
    fault.hint(format!("a machine has some once it runs in the background: `vmrun start {name}`"))
}

/// Who writes down what happens to a machine.
pub(super) struct Diary {
    events: Events,
    machine: VmName,
}

impl Diary {
    /// Opens the file for the events of a machine.
    pub(super) fn open(path: &Path, machine: &VmName) -> Result<Self, Fault> {
        Ok(Self { events: Events::open(path)?, machine: machine.clone() })
    }

    /// Writes down what happened now.
    pub(super) fn tell(&self, progress: &Progress<'_>) {
        line(since_1970(), &self.machine, progress).iter().for_each(|line| self.events.add(line));
    }
}

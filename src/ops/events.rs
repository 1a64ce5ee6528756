//! The events of machines: what supervisors write, and who reads it.

use super::{logs, settings};
use crate::diag::Fault;
use crate::host::clock::since_1970;
use crate::host::events::{self, EventReader, Events};
use crate::host::files;
use crate::model::VmName;
use crate::supervise::Progress;
use crate::supervise::event::{line, time};
use std::path::{Path, PathBuf};

/// Hands out the events of machines, of all if none is named, as lines of JSON in their order: the last ones until now, and if it
/// `follows` what is added, until nobody reads any more. That a named machine has none is a fault, unless it follows.
pub(crate) fn read(
    machines: &[VmName],
    last: Option<usize>,
    follows: bool,
    print: &dyn Fn(&[String]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let folder = settings::log_folder()?;
    let named: Vec<PathBuf> = machines.iter().map(file).collect::<Result<_, _>>()?;
    if let Some((machine, file)) = machines.iter().zip(&named).find(|(_, file)| !follows && !files::exists(file)) {
        return Err(none(machine, file));
    }
    let all = || if named.is_empty() { events::within(&folder) } else { named.clone() };
    let mut reader = EventReader::default();
    let mut lines = Vec::new();
    for file in all().iter().filter(|file| files::exists(file)) {
        lines.extend(reader.added(file)?);
    }
    let lines = in_order(lines);
    let from = last.map_or(0, |count| lines.len().saturating_sub(count));
    print(&lines[from..])?;
    if follows {
        reader.follow(&all, &|lines| print(&in_order(lines)))?;
    }
    Ok(())
}

/// Puts lines into the order in which they happened. What is no event is dropped: a power cut may have torn it.
fn in_order(lines: Vec<String>) -> Vec<String> {
    let mut timed: Vec<(String, String)> = lines.into_iter().filter_map(|line| Some((time(&line)?, line))).collect();
    timed.sort_by(|one, other| one.0.cmp(&other.0));
    timed.into_iter().map(|(_, line)| line).collect()
}

/// Returns the file of a machine's events.
fn file(name: &VmName) -> Result<PathBuf, Fault> {
    logs::path(name).map(|log| events::beside(&log))
}

fn none(name: &VmName, path: &Path) -> Fault {
    let fault = Fault::host(format!("there are no events of {name}: {} is not there", path.display()));
    fault.hint(format!("a machine has some once it runs in the background: `vmrun start {name}`"))
}

/// The events of a machine as they are written.
pub(crate) struct Diary {
    events: Events,
    machine: VmName,
}

impl Diary {
    /// Opens the file for the events of a machine.
    pub(crate) fn open(path: &Path, machine: &VmName) -> Result<Self, Fault> {
        Ok(Self { events: Events::open(path)?, machine: machine.clone() })
    }

    /// Writes an event that happens now.
    pub(crate) fn tell(&self, progress: &Progress<'_>) {
        line(since_1970(), &self.machine, progress).iter().for_each(|line| self.events.add(line));
    }
}

//! The journal of a run: who it is, and what it has taken and not given back.
//!
//! It is the text of the machine's lock file. A line is a checksum, a blank, and words between blanks:
//!
//! ```text
//! 9bd366ae owner 1234 81213 6d1f…e2 0.1.0 1764090312 /root/install.rhai
//! 3b1c6f0a + tap tap1
//! 8e0d55c1 - tap tap1
//! ```
//!
//! What no step of the clock changes is added once the guest runs, where it takes commands to ask for it: what the kernel calls this
//! start of the host, and when the owner and its guest were started, in seconds since then.
//!
//! ```text
//! 5d0c1b7e boot 0123456789abcdef0123456789abcdef
//! 77e1c2a4 start 1234 93784
//! ```
//!
//! Where numbers of processes and names of interfaces mean something is told behind the owner: its namespaces, or its jail.
//!
//! ```text
//! 0c4e6b19 space net:[4026531840],pid:[4026531836]
//! ```
//!
//! How many vCPUs a machine of the run has is nowhere else to be seen before its guest has started them all.
//!
//! ```text
//! 2f6f0a43 vcpus web 4
//! ```
//!
//! So is what its machines have alone while they run, beside their images.
//!
//! ```text
//! 64a0f2d1 has mac 58:9c:fc:00:00:01
//! ```
//!
//! How the guest is told to stop is written before that is done, for whoever has asked the run to stop and reads on until its end.
//!
//! ```text
//! 5709c4ac stops force
//! ```
//!
//! So is that its file systems are frozen, with the socket of who thaws them, until they are thawed.
//!
//! ```text
//! 1f8c0d35 frozen /var/run/vmrun/web/agent.sock
//! ```
//!
//! That of an export, a clone or a change of disks is none of a run: its first line tells which machine that is of, and it has no owner.
//!
//! ```text
//! 06b4d5f2 exports web
//! 5e7ac1d0 clones web
//! 0d7b52e6 changes web
//! ```
//!
//! One that took over from another has a line of its own, and the last one counts; `background` says that the guest goes on
//! without its owner. The owner is told by its process, when that and when the host were started, the version, the second of 1970 at which it
//! began, and the recipe. `+` is written before something is taken, `-` when it was given back or was refused. A line whose
//! checksum is wrong was never written whole, and says nothing.

mod lines;

use super::holds::Hold;
use super::step::Means;
use crate::host::clock::Utc;
use crate::host::{IN_JAIL, ON_HOST, Witness};
use crate::model::{Exclusive, Role, VmName};
pub use lines::line;
use lines::words;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// The owner of a journal: the process of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When that process was started, as the system tells it; empty where nobody says.
    pub started: String,
    /// When the host was started, as the system tells it.
    pub boot: String,
    /// Where its number and the names of its interfaces mean something, as the system tells it; empty where nobody says.
    pub space: String,
    /// The version of vmrun.
    pub version: String,
    /// When it began, in seconds of 1970.
    pub since: u64,
    /// The path of its recipe.
    pub recipe: String,
}

impl Owner {
    /// Returns whether it is in other namespaces or another jail than who asks, who says where that is. What is not known is here.
    pub(crate) fn is_elsewhere(&self, here: impl FnOnce() -> String) -> bool {
        let here = if self.space.is_empty() { String::new() } else { here() };
        !here.is_empty() && here != self.space
    }

    /// Returns where it is, as words for who is elsewhere.
    pub(crate) fn whereabouts(&self) -> String {
        match self.space.strip_prefix(IN_JAIL) {
            Some("") => "in a jail without a host name".into(),
            Some(hostname) => format!("in the jail with the host name {hostname}"),
            None if self.space == ON_HOST => "on the host of this jail".into(),
            None => format!("in other namespaces than this vmrun, {}", self.space),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vmrun {}, of {}, since {}", self.pid, self.recipe, Utc(self.since))
    }
}

/// What a journal is of that is none of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// The export of a machine.
    Export(VmName),
    /// The making of a clone of a machine.
    Clone(VmName),
    /// A change of the disks of a machine that does not run.
    Change(VmName),
}

impl Work {
    /// Returns what it is, as people call it.
    pub(crate) fn named(&self) -> String {
        match self {
            Self::Export(machine) => format!("an export of {machine}"),
            Self::Clone(machine) => format!("a clone of {machine}"),
            Self::Change(machine) => format!("a change of the disks of {machine}"),
        }
    }
}

/// A journal that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Journal {
    /// Its owner; nothing if the first line was never written whole.
    pub owner: Option<Owner>,
    /// What the kernel called that start of the host, where it took a command to ask.
    pub boot: Option<String>,
    /// When processes were started, in seconds since the host was, where it took commands to ask: the owner and its guest.
    pub starts: BTreeMap<u32, i64>,
    /// Whether its guest goes on without its owner.
    pub in_background: bool,
    /// The machine whose journal has the holds, for every machine of a run but its first.
    pub part_of: Option<VmName>,
    /// What it is of, if it is none of a run.
    pub work: Option<Work>,
    /// How many vCPUs the machines of the run have.
    pub vcpus: BTreeMap<VmName, u64>,
    /// What the machines of the run have alone, beside their images.
    pub alone: Vec<Exclusive>,
    /// How its guest was told to stop last, if it was.
    pub stops: Option<Means>,
    /// The socket of the agent that has frozen the file systems of its guest, and not thawed them.
    pub frozen: Option<PathBuf>,
    /// What was taken, or was about to be, and not given back, in the order in which it was taken.
    pub holds: Vec<Hold>,
}

impl Journal {
    /// Reads a journal. Whatever is not a whole line is passed over.
    pub(crate) fn read(text: &str) -> Self {
        let mut journal = Self::default();
        for words in text.lines().filter_map(words) {
            journal.take(&words);
        }
        journal
    }

    fn take(&mut self, words: &[String]) {
        match words.split_first() {
            Some((first, rest)) if first == "owner" => {
                if let Some(owner) = owner(rest) {
                    self.starts.remove(&owner.pid);
                    self.owner = Some(owner);
                    self.stops = None;
                }
            }
            Some((first, [id])) if first == "boot" => self.boot = Some(id.clone()),
            Some((first, [space])) if first == "space" => {
                self.owner.iter_mut().for_each(|owner| owner.space.clone_from(space));
            }
            Some((first, [pid, start])) if first == "start" => {
                if let (Ok(pid), Ok(start)) = (pid.parse(), start.parse()) {
                    self.starts.insert(pid, start);
                }
            }
            Some((first, [])) if first == "background" => self.in_background = true,
            Some((first, [name, count])) if first == "vcpus" => {
                if let (Ok(name), Ok(count)) = (name.parse(), count.parse()) {
                    self.vcpus.insert(name, count);
                }
            }
            Some((first, [role, text])) if first == "has" => {
                self.alone.extend(Role::named(role).map(|role| Exclusive::new(role, text)));
            }
            Some((first, [name])) if first == "changes" => self.work = name.parse().ok().map(Work::Change),
            Some((first, [name])) if first == "part" => self.part_of = name.parse().ok(),
            Some((first, [name])) if first == "exports" => self.work = name.parse().ok().map(Work::Export),
            Some((first, [name])) if first == "clones" => self.work = name.parse().ok().map(Work::Clone),
            Some((first, [means])) if first == "stops" => self.stops = Means::named(means).or(self.stops),
            Some((first, [socket])) if first == "frozen" => self.frozen = Some(socket.into()),
            Some((first, [])) if first == "thawed" => self.frozen = None,
            Some((first, rest)) if first == "+" => {
                if let Some(pid) = Hold::read(rest).as_ref().and_then(Hold::process) {
                    self.starts.remove(&pid);
                }
                self.holds.extend(Hold::read(rest).filter(|hold| !self.holds.contains(hold)));
            }
            Some((first, rest)) if first == "-" => {
                let gone = Hold::read(rest);
                self.holds.retain(|hold| Some(hold) != gone.as_ref());
            }
            _ => {}
        }
    }
}

/// Returns the line that says whose a journal is.
pub(crate) fn begun_by(owner: &Owner) -> String {
    let Owner { pid, started, boot, space, version, since, recipe } = owner;
    let begun = line(&["owner", &pid.to_string(), started, boot, version, &since.to_string(), recipe]);
    [begun, in_space(space)].concat()
}

/// Returns the line that says where a journal's owner is; none where that is not known.
pub(crate) fn in_space(space: &str) -> String {
    if space.is_empty() { String::new() } else { line(&["space", space]) }
}

/// Returns the lines that say of the host and of processes what no step of the clock changes.
pub(crate) fn witnessed(witness: &Witness) -> String {
    let boot = witness.boot.as_ref().map(|id| line(&["boot", id]));
    let start = |(pid, start): (&u32, &i64)| line(&["start", &pid.to_string(), &start.to_string()]);
    boot.into_iter().chain(witness.starts.iter().map(start)).collect()
}

/// Returns the line that says that file systems are frozen by the agent at a socket.
pub(crate) fn frozen(socket: &Path) -> String {
    line(&["frozen", &socket.to_string_lossy()])
}

/// Returns the line that says that they are thawed.
pub(crate) fn thawed() -> String {
    line(&["thawed"])
}

/// Returns the line that says that the guest goes on without its owner.
pub(crate) fn in_background() -> String {
    line(&["background"])
}

/// Returns the line that says how many vCPUs a machine of the run has.
pub(crate) fn vcpus(name: &VmName, count: u64) -> String {
    line(&["vcpus", name.as_str(), &count.to_string()])
}

/// Returns the line that says what a machine of the run has alone.
pub(crate) fn has(own: &Exclusive) -> String {
    line(&["has", own.role.word(), &own.text])
}

/// Returns the line that says how the guest is made to stop. Whoever has asked the run to stop reads there how it came down.
pub(crate) fn stops(means: Means) -> String {
    line(&["stops", means.word()])
}

/// Returns the line of a machine whose holds are in the journal of another.
pub(crate) fn part_of(name: &VmName) -> String {
    line(&["part", name.as_str()])
}

/// Returns the line of what is none of a run.
pub(crate) fn of_work(work: &Work) -> String {
    match work {
        Work::Export(name) => line(&["exports", name.as_str()]),
        Work::Clone(name) => line(&["clones", name.as_str()]),
        Work::Change(name) => line(&["changes", name.as_str()]),
    }
}

/// Returns the line to be written before something is taken; nothing for what takes nothing.
pub(crate) fn taken(hold: &Hold) -> String {
    entry("+", hold)
}

/// Returns the line to be written when something was given back, or was not to be had.
pub(crate) fn given_back(hold: &Hold) -> String {
    entry("-", hold)
}

fn entry(sign: &str, hold: &Hold) -> String {
    let Some(words) = hold.words() else { return String::new() };
    line(&std::iter::once(sign).chain(words.iter().map(String::as_str)).collect::<Vec<_>>())
}

fn owner(words: &[String]) -> Option<Owner> {
    let [pid, started, boot, version, since, recipe] = words else { return None };
    let (pid, since) = (pid.parse().ok()?, since.parse().ok()?);
    let [started, boot, version, recipe] = [started, boot, version, recipe].map(Clone::clone);
    Some(Owner { pid, started, boot, space: String::new(), version, since, recipe })
}

#[cfg(test)]
mod tests;

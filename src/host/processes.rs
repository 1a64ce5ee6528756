//! The hypervisors that run on this host and their threads, whoever has started them: what everybody may know of them.
//!
//! Linux tells it by proc(5), FreeBSD by ps(1) and procstat(1). Nothing of it needs root.

pub(crate) mod freebsd;
mod linux;

use super::program::run;
use super::{Platform, kernel};
use crate::diag::Fault;
use crate::model::{Shape, Size};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypervisorKind {
    /// bhyve(8).
    Bhyve,
    /// A qemu-system of any architecture.
    Qemu,
}

impl HypervisorKind {
    /// Returns its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bhyve => "bhyve",
            Self::Qemu => "qemu",
        }
    }
}

/// A hypervisor that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hypervisor {
    /// Its process id.
    pub pid: u32,
    /// The process that has started it, or that took it over.
    pub parent: u32,
    /// Whose process it is.
    pub kind: HypervisorKind,
    /// The name of its machine, if it has one.
    pub name: Option<String>,
    /// How long it runs.
    pub uptime: Duration,
    /// How much of one processor it uses, in thousandths: since it was started on Linux, on FreeBSD within the last minute (ps(1)).
    pub cpu: u64,
    /// How much time of processors it has used, if that is known.
    pub used: Option<Duration>,
    /// How much of the host's memory it has.
    pub resident: Size,
    /// What its machine is made of, as far as the system tells.
    pub shape: Shape,
    /// The folder of the machine's state, where the command line names it.
    pub folder: Option<PathBuf>,
}

/// A thread of a hypervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The number of the process.
    pub id: u32,
    /// Its name, as the hypervisor has called it.
    pub name: String,
    /// What it does: `run`, `sleep` and the like.
    pub state: String,
    /// The number of the processor that runs it, or did last.
    pub processor: Option<u32>,
    /// How much of one processor it uses, in thousandths, where the system tells.
    pub cpu: Option<u64>,
    /// How much time of processors it has used, where the system tells.
    pub used: Option<Duration>,
    /// What it waits for, where the system tells.
    pub wait: Option<String>,
}

/// What a thread is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// It waits for events, and has started the others.
    Main,
    /// It is a virtual processor, of this number.
    Vcpu(u16),
    /// It reads and writes the disk in this slot, or any disk where it is not told which.
    Disk(String),
    /// It sends what the network card in this slot has to send.
    Net(String),
    /// It shows the screen to viewers.
    Screen,
    /// It is not known what for.
    Other,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("main"),
            Self::Vcpu(number) => write!(f, "vcpu {number}"),
            Self::Disk(slot) if slot.is_empty() => f.write_str("disk"),
            Self::Disk(slot) => write!(f, "disk {slot}"),
            Self::Net(slot) => write!(f, "net {slot}"),
            Self::Screen => f.write_str("screen"),
            Self::Other => f.write_str("other"),
        }
    }
}

impl Thread {
    /// Returns what it is for, by the names that bhyve and QEMU give to their threads. QEMU's workers do what blocks, which is
    /// reading and writing files.
    pub fn work(&self) -> Work {
        let name = self.name.as_str();
        let words: Vec<&str> = name.split(' ').collect();
        let number = |text: &str| text.split('/').next().and_then(|text| text.parse().ok());
        let in_slot =
            |prefix: &str| words[0].strip_prefix(prefix).map(|slot| slot.split('-').next().unwrap_or(slot).into());
        match words.as_slice() {
            ["vcpu" | "CPU", which, ..] => number(which).map_or(Work::Other, Work::Vcpu),
            ["rfb" | "vnc_worker"] => Work::Screen,
            ["mevent" | "bhyve"] => Work::Main,
            ["worker" | "pool-worker"] => Work::Disk(String::new()),
            [first, ..] if first.starts_with("qemu-system-") => Work::Main,
            _ => in_slot("blk-").map(Work::Disk).or_else(|| in_slot("vtnet-").map(Work::Net)).unwrap_or(Work::Other),
        }
    }
}

/// Returns the threads of a hypervisor, by number.
pub(crate) fn threads(platform: Platform, pid: u32) -> Result<Vec<Thread>, Fault> {
    let mut all = match platform {
        Platform::Linux => linux::threads(pid),
        Platform::FreeBsd => freebsd::threads(&run, pid)?,
    };
    all.sort_by_key(|thread| thread.id);
    Ok(all)
}

/// How a process was started, as far as the system tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommandLine {
    /// The words of its command line (proc(5)).
    Words(Vec<String>),
    /// Its command line with blanks between the words, or the title that it has given itself (ps(1)).
    Line(String),
}

/// Returns how a process was started; nothing if there is none, or none that may be seen.
pub(crate) fn command_line(platform: Platform, pid: u32) -> Option<CommandLine> {
    match platform {
        Platform::Linux => linux::words(pid).map(CommandLine::Words),
        Platform::FreeBsd => freebsd::command(&run, pid).map(CommandLine::Line),
    }
}

/// Returns what FreeBSD shows of a bhyve beside its title, as a terminal would: its files, its threads, and the interfaces of the host.
/// To see the files of others takes root.
pub(crate) fn shown(pid: u32) -> Result<String, Fault> {
    freebsd::shown(&run, pid)
}

/// What runs at one moment.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    /// The hypervisors, by process id.
    pub hypervisors: Vec<Hypervisor>,
    /// Whether processes of other users are to be seen: the first of all is root's (security.bsd.see_other_uids; hidepid of
    /// proc(5)).
    pub sees_others: bool,
    /// The process numbers of programs that are called vmrun.
    vmruns: BTreeSet<u32>,
}

impl Processes {
    /// Looks at what runs.
    pub fn look(platform: Platform) -> Result<Self, Fault> {
        match platform {
            Platform::Linux => Ok(linux::look()),
            Platform::FreeBsd => freebsd::look(&run),
        }
    }

    /// Returns whether a process is a vmrun that lives.
    pub fn is_vmrun(&self, pid: u32) -> bool {
        self.vmruns.contains(&pid) || kernel::process(pid).is_some_and(|fact| fact.is_vmrun())
    }
}

/// Returns whether a process lives that this user can see.
pub(crate) fn lives(pid: u32) -> bool {
    kernel::process(pid).is_some()
}

/// Returns where the numbers of processes mean what is seen here; empty where that is not known.
pub(crate) fn space(platform: Platform) -> String {
    kernel::space(platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_known_by_its_name() {
        let work = |name: &str| {
            let (state, name) = ("run".into(), name.into());
            Thread { id: 1, name, state, processor: None, cpu: None, used: None, wait: None }.work().to_string()
        };
        let names = [
            "mevent",
            "blk-4:0-7",
            "vtnet-5:0 tx",
            "rfb",
            "vcpu 12",
            "vcpu x",
            "qemu-system-x86",
            "CPU 0/TCG",
            "CPU 11/KVM",
        ];
        let said = ["main", "disk 4:0", "net 5:0", "screen", "vcpu 12", "other", "main", "vcpu 0", "vcpu 11"];
        assert_eq!(names.map(work), said);
        let names = ["worker", "vnc_worker", "call_rcu", "IO mon_iothread", ""];
        assert_eq!(names.map(work), ["disk", "screen", "other", "other", "other"]);
    }
}

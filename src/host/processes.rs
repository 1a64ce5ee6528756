//! The hypervisors that run on this host and their threads, whoever has started them: what everybody may know of them.
//!
//! Linux tells it by proc(5), FreeBSD by ps(1) and procstat(1). Nothing of it needs root.

mod freebsd;
mod linux;

use super::{Platform, kernel};
use crate::diag::Fault;
use crate::model::{Shape, Size};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// Whose process it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// bhyve(8).
    Bhyve,
    /// QEMU.
    Qemu,
}

impl Kind {
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
    pub kind: Kind,
    /// The name of its machine, if it has one.
    pub name: Option<String>,
    /// How long it runs.
    pub uptime: Duration,
    /// How much of one processor it uses, in thousandths: since it was started on Linux, on FreeBSD within the last minute (ps(1)).
    pub cpu: u64,
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
    /// Its number.
    pub id: u32,
    /// Its name, as the hypervisor has called it.
    pub name: String,
    /// What it does: `run`, `sleep` and the like.
    pub state: String,
    /// The processor that it is on.
    pub processor: Option<u32>,
    /// How much of one processor it uses, in thousandths, where the system tells.
    pub cpu: Option<u64>,
    /// What it waits for, where the system tells.
    pub wait: Option<String>,
}

/// What runs at one moment.
#[derive(Clone, Debug, Default)]
pub struct Processes {
    /// The hypervisors, by process id.
    pub hypervisors: Vec<Hypervisor>,
    /// The vmruns.
    vmruns: BTreeSet<u32>,
}

impl Processes {
    /// Looks at what runs.
    pub fn look(platform: Platform) -> Result<Self, Fault> {
        match platform {
            Platform::Linux => Ok(linux::look()),
            Platform::FreeBsd => freebsd::look(),
        }
    }

    /// Returns whether a process is a vmrun that lives.
    pub fn is_vmrun(&self, pid: u32) -> bool {
        let fact = || kernel::process(pid);
        self.vmruns.contains(&pid)
            || fact().is_some_and(|fact| is_vmrun(fact.command.split(' ').next().unwrap_or_default()))
    }
}

/// Whether a program is vmrun, or the one that has its tools.
fn is_vmrun(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| matches!(name, "vmrun" | "vmrun-tools"))
}

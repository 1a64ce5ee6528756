//! Who a process is: by its number, when it was started, and when the host was.

use crate::bhyve::seen::machine_of;
use crate::diag::Fault;
use crate::model::VmName;
use std::collections::BTreeMap;

/// Who a process is, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The number of the process.
    pub pid: u32,
    /// When it was started, as the system tells it; empty where to ask would cost a command.
    pub started: String,
    /// When the host was started, as the system tells it.
    pub boot: String,
    /// Where numbers of processes and names of interfaces mean something, as the system tells it; empty where to ask would cost a
    /// command.
    pub space: String,
    /// The time, in seconds of 1970.
    pub now: u64,
}

/// What is known of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProcessFact {
    /// When it was started, as the system tells it.
    pub started: String,
    /// Its command line, or what it calls itself.
    pub command: String,
}

impl ProcessFact {
    /// Returns whether it calls itself vmrun.
    pub(crate) fn is_vmrun(&self) -> bool {
        is_vmrun(self.command.split(' ').next().unwrap_or_default())
    }

    /// Returns whether it is a bhyve that runs a machine of this name: by its title, or by its command line for as long as it has
    /// none, which ends with the name (bhyve(8)).
    pub(crate) fn is_bhyve_of(&self, name: &VmName) -> bool {
        machine_of(&self.command).is_some_and(|of| of == name.as_str())
    }
}

/// Whether a program is vmrun. A supervisor that `vmrun top` started in an earlier build is called `vmrun-tools`.
pub(crate) fn is_vmrun(program: &str) -> bool {
    program.rsplit('/').next().is_some_and(|name| matches!(name, "vmrun" | "vmrun-tools"))
}

/// Whether two things that journals tell of the host's start tell of the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SameBoot {
    /// They do.
    Yes,
    /// The host was started anew in between.
    No,
    /// They were computed from clocks and are far apart: the host was started anew, or its clock was set.
    Unsure,
}

impl SameBoot {
    /// Sets what two identities tell of the host's start against each other. Linux has an id for it, FreeBSD's is computed from
    /// clocks, and moves by as much as the clock is set.
    pub(crate) fn of(one: &str, other: &str) -> Self {
        const SET_BY: u64 = 60;
        match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) if one.abs_diff(other) <= SET_BY => Self::Yes,
            (Err(_), Err(_)) if one == other && !one.is_empty() => Self::Yes,
            (Err(_), Err(_)) if !one.is_empty() && !other.is_empty() => Self::No,
            _ => Self::Unsure,
        }
    }
}

/// What no step of the clock changes, where it takes commands to ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Witness {
    /// What the kernel calls this start of the host: 16 random bytes as hexadecimal digits (`kern.boot_id`, from FreeBSD 13 on).
    pub boot: Option<String>,
    /// When processes were started, in seconds since the host was, to within one.
    pub starts: BTreeMap<u32, i64>,
}

/// Where a process of FreeBSD is that is in no jail.
pub(crate) const ON_HOST: &str = "host";

/// How it begins where one is that is in a jail; the host name of that follows.
pub(crate) const IN_JAIL: &str = "jail:";

/// The processes of a host, as far as runs ask for them.
pub(crate) trait ProcessTable {
    /// Returns who this process is.
    fn identity(&self) -> Identity;
    /// Returns what no step of the clock changes of the host and of these processes. It may cost commands.
    fn witness(&self, pids: &[u32]) -> Witness;
    /// Returns when a child was started, as far as that can be known at no cost.
    fn started(&self, pid: u32) -> String;
    /// Returns what is known of a process, or nothing if there is none of that number.
    fn process(&self, pid: u32) -> Option<ProcessFact>;
    /// Returns whether there is a process of a number, whoever it is, at no cost.
    fn exists(&self, pid: u32) -> bool;
    /// Returns whether a process certainly is a hypervisor that runs the machine of this name whose state is in this host's folder.
    fn runs(&self, pid: u32, name: &VmName) -> bool;
    /// Returns whether a process has the lock file of a machine open; nothing where that cannot be told.
    fn has_lock(&self, pid: u32, name: &VmName) -> Option<bool>;
    /// Returns where numbers of processes and names of interfaces mean something; empty where that is not known. It may cost a
    /// command.
    fn space(&self) -> String;
    /// Returns whether a hypervisor of the machine lives, wherever it is: one that cannot be seen among the processes shows itself
    /// by its socket on Linux. Nothing where that cannot be told.
    fn answers(&self, name: &VmName) -> Option<bool>;
    /// Returns the hypervisors of a machine that can be found without its journal.
    fn strays(&self, name: &VmName) -> Vec<u32>;
    /// Returns the processes of bhyve that run a machine of this name, whoever has started them: there is one node of a name.
    fn bhyves(&self, name: &VmName) -> Result<Vec<u32>, Fault>;
    /// Waits for a moment, where there is nothing to be woken by.
    fn pause(&self);
}

/// The processes of a host of which nothing is known.
pub(crate) struct UnknownProcesses;

impl ProcessTable for UnknownProcesses {
    fn identity(&self) -> Identity {
        Identity::default()
    }

    fn witness(&self, _: &[u32]) -> Witness {
        Witness::default()
    }

    fn started(&self, _: u32) -> String {
        String::new()
    }

    fn process(&self, _: u32) -> Option<ProcessFact> {
        None
    }

    fn exists(&self, _: u32) -> bool {
        false
    }

    fn runs(&self, _: u32, _: &VmName) -> bool {
        false
    }

    fn has_lock(&self, _: u32, _: &VmName) -> Option<bool> {
        None
    }

    fn space(&self) -> String {
        String::new()
    }

    fn answers(&self, _: &VmName) -> Option<bool> {
        None
    }

    fn strays(&self, _: &VmName) -> Vec<u32> {
        Vec::new()
    }

    fn bhyves(&self, _: &VmName) -> Result<Vec<u32>, Fault> {
        Ok(Vec::new())
    }

    fn pause(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_told_by_clocks_may_be_off_and_one_that_is_far_off_may_be_the_same() {
        assert_eq!(SameBoot::of("1764090312", "1764090340"), SameBoot::Yes);
        assert_eq!(SameBoot::of("1764090312", "1764090412"), SameBoot::Unsure);
        assert_eq!(SameBoot::of("6d1f-a", "6d1f-a"), SameBoot::Yes);
        assert_eq!(SameBoot::of("6d1f-a", "6d1f-b"), SameBoot::No);
        for (one, other) in [("", ""), ("6d1f-a", ""), ("6d1f-a", "1764090312"), ("", "1764090312")] {
            assert_eq!((SameBoot::of(one, other), SameBoot::of(other, one)), (SameBoot::Unsure, SameBoot::Unsure));
        }
    }
}

//! Who a process is: by its number, when it was started, and when the host was.

use crate::model::VmName;

/// Who a process is, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its number.
    pub pid: u32,
    /// When it was started, as the system tells it; empty where to ask would cost a command.
    pub started: String,
    /// When the host was started, as the system tells it.
    pub boot: String,
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

/// The processes of a host, as far as runs ask for them.
pub(crate) trait ProcessTable {
    /// Returns who this process is.
    fn identity(&self) -> Identity;
    /// Returns whether the host was started once and not again between what two journals tell of it.
    fn is_same_boot(&self, one: &str, other: &str) -> bool;
    /// Returns when a child was started, as far as that can be known at no cost.
    fn started(&self, pid: u32) -> String;
    /// Returns what is known of a process, or nothing if there is none of that number.
    fn process(&self, pid: u32) -> Option<ProcessFact>;
    /// Returns the hypervisors of a machine that can be found without its journal.
    fn strays(&self, name: &VmName) -> Vec<u32>;
    /// Waits for a moment, where there is nothing to be woken by.
    fn pause(&self);
}

/// The processes of a host of which nothing is known.
pub(crate) struct UnknownProcesses;

impl ProcessTable for UnknownProcesses {
    fn identity(&self) -> Identity {
        Identity::default()
    }

    fn is_same_boot(&self, _: &str, _: &str) -> bool {
        true
    }

    fn started(&self, _: u32) -> String {
        String::new()
    }

    fn process(&self, _: u32) -> Option<ProcessFact> {
        None
    }

    fn strays(&self, _: &VmName) -> Vec<u32> {
        Vec::new()
    }

    fn pause(&self) {}
}

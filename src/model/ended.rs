//! How a boot ended.

use std::fmt;

/// How a boot ended, in bhyve's terms: its exit statuses 0 to 4 (bhyve(8), EXIT STATUS), and a death by signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The guest rebooted: status 0.
    Rebooted,
    /// The guest powered off: status 1.
    PoweredOff,
    /// The guest halted: status 2.
    Halted,
    /// The guest's processor met a triple fault: status 3.
    TripleFault,
    /// The hypervisor refused or failed: status 4, or any other.
    Failed {
        /// The hypervisor's own exit status.
        status: i32,
    },
    /// The hypervisor was killed.
    Killed {
        /// The signal's number.
        signal: i32,
    },
}

impl Ended {
    /// Returns the name under which recipes know it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Rebooted => "rebooted",
            Self::PoweredOff => "powered_off",
            Self::Halted => "halted",
            Self::TripleFault => "triple_fault",
            Self::Failed { .. } => "failed",
            Self::Killed { .. } => "killed",
        }
    }

    /// Returns bhyve's exit status for it.
    pub const fn status(&self) -> i32 {
        match self {
            Self::Rebooted => 0,
            Self::PoweredOff => 1,
            Self::Halted => 2,
            Self::TripleFault => 3,
            Self::Failed { status } => *status,
            Self::Killed { signal } => 128 + *signal,
        }
    }
}

/// The signals that have one number on every system (signal(3), signal(7)), and that hypervisors die of.
const fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rebooted => f.write_str("the guest rebooted"),
            Self::PoweredOff => f.write_str("the guest powered off"),
            Self::Halted => f.write_str("the guest halted"),
            Self::TripleFault => f.write_str("the guest met a triple fault"),
            Self::Failed { status } => write!(f, "the hypervisor failed with status {status}"),
            Self::Killed { signal } => match signal_name(*signal) {
                Some(name) => write!(f, "the hypervisor was killed by signal {signal} ({name})"),
                None => write!(f, "the hypervisor was killed by signal {signal}"),
            },
        }
    }
}

//! The order of the machines in the view.

/// The order in which machines are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By name, A first.
    Name,
    /// By the share of a processor.
    Cpu,
    /// By the memory of the guest, most first.
    Memory,
    /// By the time since the hypervisor was started.
    Uptime,
}

impl Order {
    /// Returns its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Uptime => "uptime",
        }
    }

    /// Returns the one that follows it.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Name => Self::Cpu,
            Self::Cpu => Self::Memory,
            Self::Memory => Self::Uptime,
            Self::Uptime => Self::Name,
        }
    }
}

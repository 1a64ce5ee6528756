//! NUMA domains of a guest.

use super::{CpuSet, Size};

/// One domain (bhyve(8), `-n`), since FreeBSD 15.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domain {
    /// Its memory; where one of them has none, bhyve divides the machine's evenly.
    pub size: Option<Size>,
    /// Its virtual CPUs.
    pub cpus: Option<CpuSet>,
    /// Where the host takes its memory from, as cpuset(1) `-n` has it.
    pub policy: Option<String>,
}

/// How many domains a machine may have.
pub(crate) const DOMAINS_MAX: u16 = 8;

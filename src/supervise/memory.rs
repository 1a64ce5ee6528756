//! What the kernel has killed because the machine's control group had as much memory as its limit (`memory.events` of cgroup-v2.rst).

use super::Run;
use super::holds::Hold;
use crate::host::{Effect, cgroup};
use crate::model::{Ended, Size};

/// The signal by which the kernel kills: SIGKILL.
const KILLED: i32 = 9;

/// What is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MemoryKills {
    /// How many processes of the run's control group were killed, in all its boots.
    count: u64,
    /// The limit in whose name it was in the last boot, if it was.
    pub limit: Option<Size>,
}

impl Run {
    /// Looks whether the kernel has killed the hypervisor in a boot that has just ended: its control group is still there.
    pub(super) fn look_at_memory(&mut self, ended: &Ended) {
        self.memory_kills.limit = None;
        let folder = self.holds.iter().find_map(|hold| match hold {
            Hold::Effect(Effect::MakeCgroup(folder)) => Some(folder),
            // Nothing else is where a limit is.
            _ => None,
        });
        let Some((count, limit)) = folder.and_then(|folder| cgroup::memory_kills(&*self.host, folder)) else { return };
        let is_more = count > self.memory_kills.count;
        self.memory_kills.count = count;
        self.memory_kills.limit = (is_more && *ended == Ended::Killed { signal: KILLED }).then_some(limit);
    }
}

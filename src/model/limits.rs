//! How much of the host a machine's hypervisor may take.

use super::Size;
use crate::diag::Fault;

/// Limits of a hypervisor's process; nothing where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The memory of the process: the guest's and the hypervisor's own.
    pub memory: Option<Size>,
    /// The processor time, in percent of one processor.
    pub cpu: Option<u32>,
}

impl Limits {
    /// Returns whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.memory.is_none() && self.cpu.is_none()
    }

    /// Refuses what no guest of this memory could run in.
    pub fn check(&self, memory: Size) -> Result<(), Fault> {
        if self.cpu == Some(0) {
            return Err(Fault::new("a guest that gets no processor time never runs").hint("100 is one processor"));
        }
        match self.memory.filter(|limit| *limit <= memory) {
            Some(limit) => {
                let fault = Fault::new(format!("the limit of {limit} is no more than the guest's memory, {memory}"));
                Err(fault.hint("the hypervisor needs some itself: add a few hundred MiB"))
            }
            None => Ok(()),
        }
    }
}

//! How much of the host a machine's processes may take.

use super::Size;
use crate::diag::Fault;

/// The range of nice(1).
const NICE: std::ops::RangeInclusive<i64> = -20..=19;

/// The range of the weights of a control group (`cpu.weight`, admin-guide/cgroup-v2.rst of the kernel).
const WEIGHTS: std::ops::RangeInclusive<i64> = 1..=10_000;

/// Limits of a hypervisor and of the helpers that serve it; nothing where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The memory of the process: the guest's and the hypervisor's own.
    pub memory: Option<Size>,
    /// The processor time, in percent of one processor.
    pub cpu: Option<u32>,
    /// The share of the processors where there are not enough, against the 100 that others have.
    pub cpu_weight: Option<u32>,
    /// By how much others go before it (nice(1)).
    pub nice: Option<i32>,
    /// What goes to and from disks.
    pub transfers: Transfers,
}

/// The most that goes to and from disks in a second, by the names that rctl(8) has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
    /// Bytes that are read.
    pub readbps: Option<Size>,
    /// Bytes that are written.
    pub writebps: Option<Size>,
    /// Operations that read.
    pub readiops: Option<u64>,
    /// Operations that write.
    pub writeiops: Option<u64>,
}

/// One limit of transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    /// The name that rctl(8) has for it, which is that of the recipe's key.
    pub resource: &'static str,
    /// The name that a control group has (`io.max`).
    pub key: &'static str,
    /// How much, in bytes or operations.
    pub amount: u64,
    /// The same with a unit, as rctl(8) and a recipe read it.
    pub shown: String,
}

impl Transfers {
    /// Returns those that are limited.
    pub(crate) fn all(&self) -> Vec<Transfer> {
        let bytes = |size: Option<Size>| size.map(|size| (size.get(), size.to_string()));
        let count = |count: Option<u64>| count.map(|count| (count, count.to_string()));
        let all = [
            ("readbps", "rbps", bytes(self.readbps)),
            ("writebps", "wbps", bytes(self.writebps)),
            ("readiops", "riops", count(self.readiops)),
            ("writeiops", "wiops", count(self.writeiops)),
        ];
        let limited = |(resource, key, amount): (_, _, Option<(u64, String)>)| {
            amount.map(|(amount, shown)| Transfer { resource, key, amount, shown })
        };
        all.into_iter().filter_map(limited).collect()
    }
}

impl Limits {
    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the controllers of a control group that have to do with them.
    pub(crate) fn controllers(&self) -> Vec<&'static str> {
        let all = [
            ("memory", self.memory.is_some()),
            ("cpu", self.cpu.is_some() || self.cpu_weight.is_some()),
            ("io", self.transfers != Transfers::default()),
        ];
        all.into_iter().filter_map(|(name, is_needed)| is_needed.then_some(name)).collect()
    }

    /// Refuses what no guest of this memory could run in, with the key that it is about.
    pub fn check(&self, memory: Size) -> Result<(), Fault> {
        if self.cpu == Some(0) {
            return Err(Fault::new("a guest that gets no processor time never runs").hint("100 is one processor"));
        }
        if let Some(none) = self.transfers.all().into_iter().find(|transfer| transfer.amount == 0) {
            let fault = Fault::new(format!("with a limit of 0 for `{}` no disk ever answers", none.resource));
            return Err(fault.hint("leave it out: what has no limit is not counted"));
        }
        if let Some(nice) = self.nice.filter(|nice| !NICE.contains(&i64::from(*nice))) {
            let fault = Fault::new(format!("there is no `nice` of {nice}"));
            return Err(fault.hint("from -20 to 19: the more, the more others go before it"));
        }
        if let Some(weight) = self.cpu_weight.filter(|weight| !WEIGHTS.contains(&i64::from(*weight))) {
            let fault = Fault::new(format!("there is no `cpu_weight` of {weight}"));
            return Err(fault.hint("from 1 to 10000; what says nothing has 100"));
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

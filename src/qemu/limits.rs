//! QEMU within limits of the kernel's own (setrlimit(2)).

use crate::diag::Fault;
use crate::model::{Argv, Limits, Machine, Part};

/// Returns the command that takes the limits on itself and then becomes QEMU (prlimit(1)). What is limited is the address space,
/// which is what Linux enforces of a process's memory.
pub(crate) fn limited(argv: Argv, limits: Limits) -> Argv {
    match limits.memory {
        Some(memory) => Argv::new("prlimit").arg(format!("--as={}", memory.get())).args(argv.words()),
        None => argv,
    }
}

/// Returns what of the limits no process of Linux has: processor time is shared out by control groups, which are systemd's.
pub(super) fn check(machine: &Machine) -> Option<(Part, Fault)> {
    let cpu = machine.limits().cpu?;
    let fault = Fault::new("Linux limits the processor time of no single process");
    Some((Part::Whole, fault.hint(format!("leave `cpu` out, and start vmrun by systemd-run -p CPUQuota={cpu}%"))))
}

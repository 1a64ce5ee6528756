//! QEMU, and what serves it, within limits: by a control group (admin-guide/cgroup-v2.rst of the kernel), or of the kernel's own
//! (setrlimit(2)) where there is none.

use crate::model::argv::quote;
use crate::model::{Argv, Limits};
use std::path::PathBuf;

/// The status of a shell that the kernel has refused a limit (sysexits(3), `EX_CANTCREAT`): QEMU has none like it.
const REFUSED: u8 = 73;

/// In which time processor time is counted, in microseconds: the kernel's own (`cpu.max`).
const PERIOD: u64 = 100_000;

/// The control group of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cgroup {
    /// Its folder.
    pub folder: PathBuf,
    /// The devices whose transfers are limited, each as `MAJ:MIN`.
    pub disks: Vec<String>,
}

/// Returns the command that takes the limits on itself and then becomes QEMU: it sets those of the group, enters it, and stays in
/// it. Without a group what is limited is the address space (prlimit(1)), which is what Linux enforces of a process's memory.
pub(crate) fn limited(argv: Argv, limits: &Limits, cgroup: Option<&Cgroup>) -> Argv {
    let argv = match limits.nice {
        Some(nice) => Argv::new("nice").arg("-n").arg(nice).args(argv.words()),
        None => argv,
    };
    match (cgroup, limits.memory) {
        (Some(cgroup), _) => {
            let folder = cgroup.folder.display().to_string();
            let write =
                |(file, value): (_, String)| format!("echo {value} > {} && ", quote(&format!("{folder}/{file}")));
            let enter = [("cgroup.procs", "$$".to_string())];
            let take: String = settings(limits, &cgroup.disks).into_iter().chain(enter).map(write).collect();
            Argv::new("sh").arg("-c").arg(format!("{take}exec \"$0\" \"$@\" || exit {REFUSED}")).args(argv.words())
        }
        (None, Some(memory)) => Argv::new("prlimit").arg(format!("--as={}", memory.get())).args(argv.words()),
        (None, None) => argv,
    }
}

/// Returns the files of a group and what is written into them.
fn settings(limits: &Limits, disks: &[String]) -> Vec<(&'static str, String)> {
    let memory = limits.memory.map(|memory| ("memory.max", memory.get().to_string()));
    let cpu = limits.cpu.map(|percent| ("cpu.max", format!("{} {PERIOD}", u64::from(percent) * (PERIOD / 100))));
    let weight = limits.cpu_weight.map(|weight| ("cpu.weight", weight.to_string()));
    let transfers = limits.transfers.all();
    let keys: Vec<String> = transfers.iter().map(|one| format!("{}={}", one.key, one.amount)).collect();
    let disks = disks.iter().filter(|_| !keys.is_empty());
    let io = disks.map(|disk| ("io.max", format!("{disk} {}", keys.join(" "))));
    memory.into_iter().chain(cpu).chain(weight).chain(io).collect()
}

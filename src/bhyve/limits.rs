//! bhyve, and what serves it, within limits of rctl(8).

use crate::diag::Fault;
use crate::model::{Argv, Limits, Machine, Part};

/// The status of a shell whose rctl(8) refused: bhyve has none like it (sysexits(3), `EX_CANTCREAT`).
const REFUSED: u8 = 73;

/// Returns the command that takes the limits on itself and then becomes bhyve, so that no guest runs without them. They end with
/// the process. rctl(8) counts a `pcpu` in percent of one processor; `memoryuse` is what is resident; only transfers can be
/// slowed down (`throttle`). (That the kernel drops a process's rules when it ends is knowledge, not from a manual.)
pub(crate) fn limited(argv: Argv, limits: &Limits) -> Argv {
    let argv = match limits.nice {
        Some(nice) => Argv::new("nice").arg("-n").arg(nice).args(argv.words()),
        None => argv,
    };
    let memory = limits.memory.map(|size| format!("memoryuse:deny={size}"));
    let cpu = limits.cpu.map(|percent| format!("pcpu:deny={percent}"));
    let transfers = limits.transfers.all();
    let transfers = transfers.iter().map(|one| format!("{}:throttle={}", one.resource, one.shown));
    let take: String =
        memory.into_iter().chain(cpu).chain(transfers).map(|rule| format!("rctl -a process:$$:{rule} && ")).collect();
    if take.is_empty() {
        return argv;
    }
    Argv::new("sh").arg("-c").arg(format!("{take}exec \"$0\" \"$@\" || exit {REFUSED}")).args(argv.words())
}

/// Returns what of the limits no process of FreeBSD has.
pub(crate) fn against_limits(machine: &Machine) -> Option<(Part, Fault)> {
    machine.limits().cpu_weight?;
    let fault = Fault::new("FreeBSD shares processors out by no weights");
    Some((
        Part::Whole,
        fault.hint("leave `cpu_weight` out: `nice` says who goes first, `cpu` how much there is at most"),
    ))
}

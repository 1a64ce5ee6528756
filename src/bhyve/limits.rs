//! bhyve within limits of rctl(8).

use crate::model::{Argv, Limits};

/// The status of a shell whose rctl(8) refused: bhyve has none like it (sysexits(3), `EX_CANTCREAT`).
const REFUSED: u8 = 73;

/// Returns the command that takes the limits on itself and then becomes bhyve, so that no guest runs without them. They end with
/// the process. rctl(8) counts a `pcpu` in percent of one processor; `memoryuse` is what is resident. (That the kernel drops a
/// process's rules when it ends is knowledge, not from a manual.)
pub(crate) fn limited(argv: Argv, limits: Limits) -> Argv {
    let memory = limits.memory.map(|size| format!("process:$$:memoryuse:deny={size}"));
    let cpu = limits.cpu.map(|percent| format!("process:$$:pcpu:deny={percent}"));
    let rules: Vec<String> = memory.into_iter().chain(cpu).collect();
    if rules.is_empty() {
        return argv;
    }
    let take = rules.iter().map(|rule| format!("rctl -a {rule} && ")).collect::<String>();
    Argv::new("sh").arg("-c").arg(format!("{take}exec \"$0\" \"$@\" || exit {REFUSED}")).args(argv.words())
}

//! The umask of a recorded script, as calls of a word of recipes.

use crate::recording::{Call, Recording};
use crate::supervise::DEFAULT_UMASK;

/// The word that sets the umask, in the calls of a recording; after it comes the mask.
pub(crate) const WORD: &str = "umask";

/// Returns a recording in which the umask is set before the first call that has another one: what that makes, bhyve's sockets too, has the
/// permissions that the script gave it. One who leaves it as it was has that of a run.
pub(crate) fn with_umasks(recording: &Recording) -> Recording {
    let mut calls = Vec::with_capacity(recording.calls.len());
    let is_runs = |mask: u32| recording.umask == Some(mask) || mask == DEFAULT_UMASK;
    let mut last = None;
    for call in &recording.calls {
        let mask = call.umask.filter(|_| !call.reads && recording.umask.is_some());
        let is_set = |mask: &u32| last.map_or(!is_runs(*mask), |last| last != *mask);
        if let Some(mask) = mask.filter(is_set) {
            last = Some(mask);
            calls.push(Call { argv: [WORD.into(), shown(mask)].into(), cwd: call.cwd.clone(), ..Call::default() });
        }
        calls.push(call.clone());
    }
    Recording { calls, ..recording.clone() }
}

/// Writes a mask, or a mode.
pub(super) fn shown(bits: u32) -> String {
    format!("{bits:03o}")
}

/// Returns the mode of a file that a shell writes after some calls.
pub(super) fn usual_mode(before: &[Call], recording: &Recording) -> u32 {
    let set = before.iter().rev().find(|call| call.program() == WORD).and_then(|call| call.args().first());
    let set = set.and_then(|mask| u32::from_str_radix(mask, 8).ok());
    0o666 & !set.or(recording.umask).unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_umask_stands_before_the_first_call_that_has_it() {
        let call = |(line, umask): &(&str, u32)| Call {
            argv: line.split(' ').map(String::from).collect(),
            umask: Some(*umask),
            reads: line.starts_with('?'),
            ..Call::default()
        };
        let lines = |calls: &[(&str, u32)]| {
            let calls = calls.iter().map(call).collect();
            let all = with_umasks(&Recording { calls, umask: Some(0o022), ..Recording::default() });
            all.calls.iter().map(|call| call.argv.join(" ")).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(lines(&[("a", 0o022), ("? b", 0o7), ("c", 0o26), ("d", 0o22)]), "a; ? b; c; d");
        assert_eq!(lines(&[("a", 0o22), ("b", 0o77), ("c", 0o77), ("d", 0o22)]), "a; umask 077; b; c; umask 022; d");
        let unknown = Recording { calls: vec![call(&("a", 0o77))], ..Recording::default() };
        assert_eq!(with_umasks(&unknown), unknown);
    }
}

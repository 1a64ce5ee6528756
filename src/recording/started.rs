//! The order of calls by when the script started them.

use super::call::Call;

/// Puts what runs in the background before the calls that the script made after it had started it: which of two is heard first is chance. What
/// prints something stays where it was answered, as what it prints hangs on that, and so does what has slept before.
pub(crate) fn in_order(calls: &mut [Call]) {
    let main = calls.iter().map(|call| call.parent).filter(|parent| *parent > 0).min().unwrap_or_default();
    for at in 1..calls.len() {
        let is_silent = |call: &&Call| call.boots().is_some() || call.output.is_empty() && call.program() != "sleep";
        let is_beside = |call: &&Call| call.carriers.ends_with('&') && is_silent(call);
        let Some(root) = calls.get(at).filter(is_beside).map(|call| root(call, main)) else { continue };
        let before = calls.get(..at).unwrap_or_default();
        if before.iter().any(|call| call.program() == "sleep" && self::root(call, main) == root) {
            continue;
        }
        // What is started later has a greater number.
        let later = before.iter().rev().take_while(|call| self::root(call, main) > root).count();
        if let Some(part) = calls.get_mut(at.saturating_sub(later)..=at) {
            part.rotate_right(1);
        }
    }
}

/// Returns the process that the script has started for a call: its own, or the shell of the background that has made it. That shell becomes
/// its last command.
fn root(call: &Call, main: u32) -> u32 {
    if call.carriers.ends_with('&') && call.parent != main { call.parent } else { call.pid }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_started_in_the_background_comes_before_what_was_started_later() {
        let call = |(name, carriers, pid, parent): (&str, &str, u32, u32)| Call {
            argv: name.split(' ').map(String::from).collect(),
            carriers: carriers.into(),
            pid,
            parent,
            ..Call::default()
        };
        let cases = [
            (vec![("tap", "", 5, 1), ("add", "", 9, 1), ("bhyve a", "&", 7, 1)], "tap bhyve add"),
            (vec![("tap", "&", 9, 7), ("bhyve a", "&", 7, 1)], "tap bhyve"),
            (vec![("tap", "&", 9, 7), ("b", "&", 10, 8), ("bhyve a", "&", 7, 1)], "tap bhyve b"),
            // Two shells of the background, and one that waits first.
            (vec![("b", "&", 11, 8), ("a", "&", 10, 7), ("c", "", 12, 1)], "a b c"),
            (vec![("b", "&", 11, 8), ("sleep 1", "&", 9, 7), ("a", "&", 10, 7), ("c", "", 12, 1)], "b sleep a c"),
            (vec![("a", "", 9, 1), ("b", "", 8, 1)], "a b"),
        ];
        for (calls, expected) in cases {
            let mut calls: Vec<Call> = calls.into_iter().map(call).collect();
            in_order(&mut calls);
            assert_eq!(calls.iter().map(Call::program).collect::<Vec<_>>().join(" "), expected);
        }
    }
}

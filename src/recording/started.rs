//! The order of calls by when the script started them.

use super::call::Call;

/// Puts the boots of the background before the calls that the script made after it had started them: which of two is heard first is chance.
pub(crate) fn in_order(calls: &mut [Call]) {
    for at in 1..calls.len() {
        let is_beside = |call: &&Call| call.boots().is_some() && call.carriers.ends_with('&');
        let Some(pid) = calls.get(at).filter(is_beside).map(|call| call.pid) else { continue };
        // A shell of the background becomes its last command, and what it has started before has greater numbers.
        let is_later = |call: &&Call| call.pid > pid && call.parent != pid;
        let later = calls.iter().take(at).rev().take_while(is_later).count();
        if let Some(part) = calls.get_mut(at.saturating_sub(later)..=at) {
            part.rotate_right(1);
        }
    }
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
            (vec![("a", "", 9, 1), ("b", "", 8, 1)], "a b"),
        ];
        for (calls, expected) in cases {
            let mut calls: Vec<Call> = calls.into_iter().map(call).collect();
            in_order(&mut calls);
            assert_eq!(calls.iter().map(Call::program).collect::<Vec<_>>().join(" "), expected);
        }
    }
}

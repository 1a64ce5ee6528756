//! Two recordings with the same answers: where they differ, the script's calls hang on time or chance.

use super::call::{Call, Recording};

/// The first place at which two recordings with the same answers differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Race {
    /// What the first one called there; nothing if it had ended.
    pub(crate) first: Option<String>,
    /// What the second one called there; nothing if it had ended.
    pub(crate) second: Option<String>,
}

/// Returns the first place at which two recordings with the same answers differ, if there is one.
pub(crate) fn race(first: &Recording, second: &Recording) -> Option<Race> {
    // How often something that waits in the background has slept is chance.
    let acts = |recording: &'_ Recording| -> Vec<Call> {
        recording.calls.iter().filter(|call| call.program() != "sleep").cloned().collect()
    };
    let (first, second) = (acts(first), acts(second));
    let length = first.len().max(second.len());
    let at = |calls: &[Call], at: usize| calls.get(at).map(|call| call.argv.clone());
    let place = (0..length).find(|place| at(&first, *place) != at(&second, *place))?;
    let command = |calls: &[Call]| calls.get(place).map(|call| call.command().to_string());
    Some(Race { first: command(&first), second: command(&second) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(lines: &[&str]) -> Recording {
        let call = |line: &&str| Call { argv: line.split(' ').map(str::to_string).collect(), ..Call::default() };
        Recording { calls: lines.iter().map(call).collect(), ..Recording::default() }
    }

    #[test]
    fn the_first_place_that_differs_is_told() {
        let one = recording(&["ifconfig tap1 create", "ifconfig tap2 create", "bhyve a"]);
        let other = recording(&["ifconfig tap2 create", "ifconfig tap1 create", "bhyve a"]);
        let text = |text: &str| Some(text.to_string());
        let swapped = Race { first: text("ifconfig tap1 create"), second: text("ifconfig tap2 create") };
        assert_eq!((race(&one, &one), race(&one, &other)), (None, Some(swapped)));
        let short = recording(&["ifconfig tap1 create"]);
        assert_eq!(race(&one, &short), Some(Race { first: text("ifconfig tap2 create"), second: None }));
    }
}

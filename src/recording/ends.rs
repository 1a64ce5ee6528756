//! What a script does after each end of a boot, found by recordings that differ in that end alone.

use super::call::Recording;

/// The statuses in which bhyve ends (bhyve(8), EXIT STATUS): rebooted, powered off, halted, a triple fault, an error.
pub(crate) const STATUSES: [i32; 5] = [0, 1, 2, 3, 4];

/// The status of a machine that powered off.
pub(crate) const POWERED_OFF: i32 = 1;

/// After which of bhyve's statuses a script starts its machine again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restarts(pub(crate) Vec<i32>);

impl Restarts {
    /// Finds them in recordings, one for each status: its first boot ended so, all others by a power off.
    pub(crate) fn of(ends: &[(i32, Recording)]) -> Self {
        let off = ends.iter().find(|(status, _)| *status == POWERED_OFF).map(|(_, recording)| recording);
        let is_again = |recording: &Recording| {
            let Some(name) = recording.calls.iter().find_map(|call| call.boots()) else { return false };
            // A script that starts it after a power off too has no end to compare with.
            let usual = off.filter(|off| !off.is_cut).map_or(1, |off| off.boots_of(name));
            recording.is_cut || recording.boots_of(name) > usual
        };
        let mut all: Vec<i32> =
            ends.iter().filter(|(_, recording)| is_again(recording)).map(|(status, _)| *status).collect();
        // What daemon(8) runs with `-r` it starts again, however it ended.
        if ends.iter().any(|(_, recording)| is_supervised(recording)) {
            all = STATUSES.into();
        }
        Self(all)
    }

    /// Returns the ends after which the machine is started again, in the words of a recipe's policy.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        let words = [("reboot", &[0][..]), ("poweroff", &[1]), ("halt", &[2]), ("crash", &[3, 4])];
        let is_all = |statuses: &[i32]| statuses.iter().all(|status| self.0.contains(status));
        words.into_iter().filter(|(_, statuses)| is_all(statuses)).map(|(word, _)| word).collect()
    }

    /// Returns the two crashes that a policy does not tell apart and the script does: the one after which it starts the machine again first.
    pub(crate) fn torn_crash(&self) -> Option<(i32, i32)> {
        match (self.0.contains(&3), self.0.contains(&4)) {
            (true, false) => Some((3, 4)),
            (false, true) => Some((4, 3)),
            _ => None,
        }
    }
}

/// Whether daemon(8) runs a machine of a recording, and starts it again by itself.
pub(crate) fn is_supervised(recording: &Recording) -> bool {
    let mut boots = recording.calls.iter().filter(|call| call.boots().is_some());
    boots.any(|call| call.carriers.split(' ').any(|word| word == "-r"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Call;

    fn recording(line: &str) -> Recording {
        let calls = line.split_whitespace().filter(|word| *word != "…").map(|status| Call {
            argv: vec!["bhyve".into(), "a".into()],
            status: status.parse().unwrap(),
            ..Call::default()
        });
        Recording { calls: calls.collect(), is_cut: line.ends_with('…'), ..Recording::default() }
    }

    fn restarts(lines: [&str; 5]) -> Restarts {
        Restarts::of(&STATUSES.into_iter().zip(lines.map(recording)).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_booted_again_is_told_apart_from_what_ends() {
        assert_eq!(restarts(["0 1", "1", "2", "3", "4"]).words(), ["reboot"]);
        assert_eq!(restarts(["0", "1", "2", "3", "4"]).words(), [""; 0]);
        assert_eq!(
            restarts(["0 1 1 …", "1 1 …", "2 1 …", "3 1 …", "4 1 …"]).words(),
            ["reboot", "poweroff", "halt", "crash"]
        );
        assert_eq!(restarts(["0 1 1 …", "1 1 …", "2 1 …", "3 1 …", "4"]).torn_crash(), Some((3, 4)));
        // Two boots, one after the other.
        assert_eq!(restarts(["0 1", "1 1", "2 1", "3 1", "4 1"]).words(), [""; 0]);
        assert_eq!(restarts(["0 1 1", "1 1", "2 1", "3 1", "4"]).words(), ["reboot"]);
    }
}

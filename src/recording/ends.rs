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
    /// Finds them in recordings, one for each status: its first boot ended so, all others by a power off. `is_loop` is whether what a script
    /// boots several times with all powered off is one machine that it starts again.
    pub(crate) fn of(ends: &[(i32, Recording)], is_loop: bool) -> Self {
        let off = ends.iter().find(|(status, _)| *status == POWERED_OFF).map(|(_, recording)| recording);
        let is_again = |recording: &Recording| {
            let Some(name) = recording.calls.iter().find_map(|call| call.boots()) else { return false };
            // A script that starts it after a power off too has no end to compare with.
            let usual = off.filter(|off| !off.is_cut && !is_loop).map_or(1, |off| off.boots_of(name));
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

/// Whether a recording boots one machine several times in the same way, with the same calls between.
pub(crate) fn is_loop(recording: &Recording) -> bool {
    let boots: Vec<usize> =
        recording.calls.iter().enumerate().filter(|(_, call)| call.boots().is_some()).map(|(at, _)| at).collect();
    let turn = |pair: &[usize]| -> Vec<&[String]> {
        let calls = recording.calls.get(pair[0] + 1..=pair[1]).unwrap_or_default();
        calls.iter().filter(|call| !call.reads).map(|call| call.argv.as_slice()).collect()
    };
    let first = boots.first().and_then(|at| recording.calls.get(*at)).map(|call| &call.argv);
    let is_same = boots.iter().all(|at| recording.calls.get(*at).map(|call| &call.argv) == first);
    let mut turns = boots.windows(2).map(turn);
    let Some(one) = turns.next() else { return false };
    is_same && turns.all(|other| other == one)
}

/// How a machine is started again: how often, and how long a script waits before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// How often it is started again at most, by a script that counts.
    pub(crate) limit: Option<usize>,
    /// How many milliseconds the script sleeps before the first of these starts.
    pub(crate) delay: Option<u64>,
    /// How many hundredths of a wait the next one takes.
    pub(crate) backoff: u64,
    /// The longest wait, where it is known.
    pub(crate) max_delay: Option<u64>,
    /// How many milliseconds it sleeps before it starts the machine again that has rebooted, where that is another wait.
    pub(crate) after_reboot: Option<u64>,
}

/// Returns how long a script sleeps between each boot of a recording and the next one, in milliseconds.
pub(crate) fn waits(recording: &Recording) -> Vec<u64> {
    let mut waits = Vec::new();
    let mut slept = 0;
    for call in &recording.calls {
        if call.boots().is_some() {
            waits.push(std::mem::take(&mut slept));
        } else if call.program() == "sleep" {
            slept += call.args().iter().filter_map(|time| milliseconds(time)).sum::<u64>();
        }
    }
    waits.drain(..waits.len().min(1));
    waits
}

/// Reads what sleep(1) is told: seconds, with a fraction or a unit.
fn milliseconds(time: &str) -> Option<u64> {
    let (number, each) = match time.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) if time.ends_with('m') => (number, 60_000.0),
        Some(number) if time.ends_with('h') => (number, 3_600_000.0),
        Some(number) if time.ends_with('d') => (number, 86_400_000.0),
        Some(number) => (number, 1000.0),
        None => (time, 1000.0),
    };
    let number: f64 = number.parse().ok()?;
    let time = std::time::Duration::try_from_secs_f64(number * each / 1000.0).ok()?;
    u64::try_from(time.as_millis()).ok()
}

impl Bounds {
    /// Finds how long a script waits, by what it slept before each start of its machine.
    pub(crate) fn waiting(mut self, waits: &[u64]) -> Self {
        let Some(first) = waits.first().copied().filter(|first| *first > 0) else { return self };
        let second = waits.get(1).copied().unwrap_or(first);
        self.delay = Some(first);
        self.backoff = (second * 100 / first).clamp(100, 10_000);
        let most = waits.iter().max().copied().unwrap_or(first);
        let stays = waits.len() > 1 && waits.ends_with(&[most, most]);
        self.max_delay = Some(most).filter(|_| stays || self.backoff == 100 || most > USUAL_MAX);
        self
    }

    /// Whether these are the waits: each is the one before it, so many times as long, up to the longest.
    pub(crate) fn are(&self, waits: &[u64]) -> bool {
        let Some(delay) = self.delay else { return waits.iter().all(|wait| *wait == 0) };
        let most = self.max_delay.unwrap_or(USUAL_MAX);
        let mut next = delay;
        waits.iter().all(|wait| {
            let is_one = *wait == next.min(most);
            next = next.saturating_mul(self.backoff) / 100;
            is_one
        })
    }
}

/// The longest wait of a recipe that does not say it, in milliseconds.
pub(crate) const USUAL_MAX: u64 = 60_000;

/// Returns after how many milliseconds daemon(8), which runs a machine of a recording, starts it again by itself, if it does.
pub(crate) fn supervised_after(recording: &Recording) -> Option<u64> {
    let mut boots = recording.calls.iter().filter(|call| call.boots().is_some());
    let seconds: u64 =
        boots.find_map(|call| call.carriers.split(' ').find_map(|word| word.strip_prefix("-r=")?.parse().ok()))?;
    seconds.checked_mul(1000)
}

/// Whether daemon(8) runs a machine of a recording, and starts it again by itself.
pub(crate) fn is_supervised(recording: &Recording) -> bool {
    supervised_after(recording).is_some()
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
        Restarts::of(&STATUSES.into_iter().zip(lines.map(recording)).collect::<Vec<_>>(), false)
    }

    #[test]
    fn a_wait_is_the_same_or_grows() {
        let of = |waits: &[u64]| {
            let bounds = Bounds::default().waiting(waits);
            (bounds.delay, bounds.backoff, bounds.max_delay)
        };
        assert_eq!(of(&[5000, 5000, 5000]), (Some(5000), 100, Some(5000)));
        assert_eq!(of(&[1000, 2000, 4000]), (Some(1000), 200, None));
        assert_eq!(of(&[1000, 2000, 4000, 4000]), (Some(1000), 200, Some(4000)));
        assert_eq!(of(&[30_000, 60_000, 120_000]), (Some(30_000), 200, Some(120_000)));
        assert_eq!(of(&[0, 5]), (None, 0, None));
        let known: [&[u64]; 8] = [
            &[],
            &[0, 0],
            &[5, 5],
            &[1, 2, 4, 8],
            &[1, 2, 4, 4],
            &[5000, 10_000, 20_000, 40_000, 60_000, 60_000],
            &[1000, 3000, 4000, 4000],
            &[40_000, 80_000, 160_000],
        ];
        assert!(known.iter().all(|waits| Bounds::default().waiting(waits).are(waits)));
        let others: [&[u64]; 5] = [&[0, 5], &[5, 10, 15], &[10, 5], &[1, 2, 4, 1], &[5, 5, 9]];
        assert!(!others.iter().any(|waits| Bounds::default().waiting(waits).are(waits)));
        let times = ["5", "0.5", "2m", "1h", "1d", "3s", "x", "-1", ""].map(milliseconds);
        let expected = [5000, 500, 120_000, 3_600_000, 86_400_000, 3000].map(Some);
        assert_eq!(times.to_vec(), [&expected[..], &[None; 3]].concat());
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
        let counted = ["0", "1 1 1", "2 1 1", "3 1 1", "4 1 1"].map(recording);
        let counted: Vec<(i32, Recording)> = STATUSES.into_iter().zip(counted).collect();
        assert!(is_loop(&counted[1].1));
        assert_eq!(Restarts::of(&counted, true).words(), ["poweroff", "halt", "crash"]);
    }
}

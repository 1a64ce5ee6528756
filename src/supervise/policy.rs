//! When a guest that ended is started again: a policy as data, and what follows from it as a pure function of time.
//!
//! A reboot that the guest asked for is no crash: a policy does not count it, and nothing waits for it. Everything else that a
//! policy starts again waits longer each time, and too often within a while fails for good. A guest that reboots as soon as it was started
//! would do so for ever: the next of such reboots waits, with a policy or without, and too many in a row end the run.

use crate::diag::{Blame, Fault};
use crate::model::Ended;
use std::time::Duration;

/// A boot that ends by a reboot sooner than this after its start has come to nothing; so long the next one waits.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// How many such boots in a row are followed by another: a guest that mends itself, or a firmware that sets itself up, needs one
/// or two.
pub(crate) const SOON_MAX: u32 = 5;

/// What a guest may be started again after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// It rebooted.
    Reboot,
    /// It powered off.
    PowerOff,
    /// It halted.
    Halt,
    /// It met a triple fault, or its hypervisor failed or was killed.
    Crash,
}

impl After {
    /// Every one, with its word.
    pub(crate) const ALL: [(&'static str, Self); 4] =
        [("reboot", Self::Reboot), ("poweroff", Self::PowerOff), ("halt", Self::Halt), ("crash", Self::Crash)];

    const fn of(ended: &Ended) -> Self {
        match ended {
            Ended::Rebooted => Self::Reboot,
            Ended::PoweredOff => Self::PowerOff,
            Ended::Halted => Self::Halt,
            Ended::TripleFault | Ended::Failed { .. } | Ended::Killed { .. } => Self::Crash,
        }
    }
}

/// When a guest is started again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RestartPolicy {
    /// After what; whatever else ends it ends the run.
    pub on: Vec<After>,
    /// How long it waits the first time.
    pub delay: Duration,
    /// How many hundredths of the last wait the next one takes: 200 is twice as long.
    pub backoff: u32,
    /// The longest wait.
    pub max_delay: Duration,
    /// How often it is started again within [`RestartPolicy::within`].
    pub limit: u32,
    /// The while in which starts are counted.
    pub within: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            on: vec![After::Reboot, After::Crash],
            delay: Duration::from_secs(1),
            backoff: 200,
            max_delay: Duration::from_secs(60),
            limit: 5,
            within: Duration::from_secs(600),
        }
    }
}

impl RestartPolicy {
    /// Returns how long the start after so many others waits.
    fn wait(&self, before: usize) -> Duration {
        let mut wait = self.delay;
        for _ in 0..before {
            if wait >= self.max_delay {
                break;
            }
            let longer = wait.as_micros().saturating_mul(u128::from(self.backoff)) / 100;
            wait = Duration::from_micros(u64::try_from(longer).unwrap_or(u64::MAX));
        }
        wait.min(self.max_delay)
    }
}

/// What follows when a guest ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It is started again at once.
    Again,
    /// It is started again after this time: it rebooted as soon as it was started.
    Pause(Duration),
    /// It is started again after this time.
    Wait(Duration),
    /// The run is over.
    Over,
    /// The run is over, because it was started too often.
    Failed(Fault),
}

/// When a guest was started again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// The starts of the last while, since some beginning.
    starts: Vec<Duration>,
    /// How many of the last boots, without another between them, ended by a reboot as soon as they were started.
    soon: u32,
}

impl Tally {
    /// Returns what follows from an end of a boot that took so long, at a time, which only grows.
    pub(crate) fn next(
        &mut self,
        policy: Option<&RestartPolicy>,
        ended: &Ended,
        took: Duration,
        now: Duration,
    ) -> Next {
        let is_soon = *ended == Ended::Rebooted && took < SOON;
        self.soon = if is_soon { self.soon + 1 } else { 0 };
        let Some(policy) = policy else {
            return if *ended == Ended::Rebooted { self.again() } else { Next::Over };
        };
        if !policy.on.contains(&After::of(ended)) {
            return Next::Over;
        }
        if *ended == Ended::Rebooted {
            return self.again();
        }
        self.starts.retain(|start| now.saturating_sub(*start) < policy.within);
        let before = self.starts.len();
        if before >= policy.limit as usize {
            return Next::Failed(start_limit_hit(before, policy));
        }
        self.starts.push(now);
        Next::Wait(policy.wait(before))
    }

    /// What follows from a reboot.
    fn again(&self) -> Next {
        match self.soon {
            0 | 1 => Next::Again,
            2..=SOON_MAX => Next::Pause(SOON),
            _ => Next::Failed(never_up(self.soon)),
        }
    }
}

fn never_up(boots: u32) -> Fault {
    let message = format!("it does not come up: it rebooted {boots} times in a row within {SOON:?} of its start");
    let hint = "it is not started again; its console, or `vmrun logs`, shows what it says last: often it has nothing to boot \
                from, or its loader or firmware does not fit";
    Fault::new(message).hint(hint).blame(Blame::Guest)
}

fn start_limit_hit(before: usize, policy: &RestartPolicy) -> Fault {
    let times = if before == 1 { "once".into() } else { format!("{before} times") };
    let fault = Fault::new(format!("it was started again {times} within {:?}, and is not any more", policy.within));
    fault.hint("mend what ends it, then start it: the recipe's `restart` has the limit").blame(Blame::Guest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn without_a_policy_only_a_reboot_goes_on() {
        let next = |ended| Tally::default().next(None, &ended, SECOND, SECOND);
        assert_eq!(next(Ended::Rebooted), Next::Again);
        assert_eq!(next(Ended::PoweredOff), Next::Over);
        assert_eq!(next(Ended::TripleFault), Next::Over);
    }

    #[test]
    fn a_crash_waits_longer_each_time_and_is_held_at_the_limit() {
        let policy = RestartPolicy { limit: 4, max_delay: 5 * SECOND, ..RestartPolicy::default() };
        let mut tally = Tally::default();
        let mut crash = |at| tally.next(Some(&policy), &Ended::TripleFault, SECOND, SECOND * at);
        let waits: Vec<Next> = (0..5).map(&mut crash).collect();
        let wait = |seconds| Next::Wait(SECOND * seconds);
        assert_eq!(waits[..4], [wait(1), wait(2), wait(4), wait(5)]);
        let Next::Failed(fault) = &waits[4] else { panic!("{waits:?}") };
        assert_eq!(fault.message, "it was started again 4 times within 600s, and is not any more");
        let hint = "mend what ends it, then start it: the recipe's `restart` has the limit";
        assert_eq!((fault.hint.as_deref(), fault.blame), (Some(hint), Blame::Guest));
        // What is long ago does not count.
        assert_eq!(crash(700), wait(1));
    }

    #[test]
    fn what_a_policy_does_not_name_ends_the_run() {
        let policy = RestartPolicy { on: vec![After::PowerOff], limit: 1, ..RestartPolicy::default() };
        let mut tally = Tally::default();
        assert_eq!(tally.next(Some(&policy), &Ended::Rebooted, SECOND, SECOND), Next::Over);
        assert_eq!(tally.next(Some(&policy), &Ended::Halted, SECOND, SECOND), Next::Over);
        assert_eq!(tally.next(Some(&policy), &Ended::Killed { signal: 9 }, SECOND, SECOND), Next::Over);
        assert_eq!(tally.next(Some(&policy), &Ended::PoweredOff, SECOND, SECOND), Next::Wait(SECOND));
        let Next::Failed(fault) = tally.next(Some(&policy), &Ended::PoweredOff, SECOND, SECOND) else { panic!() };
        assert_eq!(fault.message, "it was started again once within 600s, and is not any more");
    }

    fn ends() -> impl Strategy<Value = Vec<(Ended, u64)>> {
        let ended = prop_oneof![
            Just(Ended::Rebooted),
            Just(Ended::PoweredOff),
            Just(Ended::TripleFault),
            Just(Ended::Failed { status: 4 }),
        ];
        prop::collection::vec((ended, 0_u64..300), 0..60)
    }

    fn policies() -> impl Strategy<Value = RestartPolicy> {
        (0_u64..100, 100_u32..1000, 0_u64..200, 0_u32..8, 1_u64..900).prop_map(
            |(delay, backoff, max, limit, within)| {
                let second = Duration::from_secs;
                let (delay, max_delay, within) = (second(delay), second(max), second(within));
                RestartPolicy {
                    on: After::ALL.map(|(_, after)| after).to_vec(),
                    delay,
                    backoff,
                    max_delay,
                    limit,
                    within,
                }
            },
        )
    }

    #[test]
    fn a_guest_that_resets_at_once_is_slowed_down_and_then_given_up() {
        let mut tally = Tally::default();
        let mut reboot = |took| tally.next(None, &Ended::Rebooted, Duration::from_millis(took), SECOND);
        assert_eq!(reboot(25), Next::Again);
        assert_eq!([25, 999, 0].map(&mut reboot), [const { Next::Pause(SECOND) }; 3]);
        // One that comes up begins anew.
        assert_eq!([1000, 999].map(&mut reboot), [Next::Again, Next::Again]);
        assert_eq!([25; 4].map(&mut reboot), [const { Next::Pause(SECOND) }; 4]);
        let Next::Failed(fault) = reboot(25) else { panic!() };
        assert_eq!(fault.message, "it does not come up: it rebooted 6 times in a row within 1s of its start");
        let hint = "it is not started again; its console, or `vmrun logs`, shows what it says last: often it has nothing to boot \
                    from, or its loader or firmware does not fit";
        assert_eq!((fault.hint.as_deref(), fault.blame), (Some(hint), Blame::Guest));
    }

    proptest! {
        /// However a guest reboots, with a policy or without: boots are a second apart but for one in between, and it is given up
        /// exactly when too many in a row were short.
        #[test]
        fn no_guest_reboots_faster_than_twice_a_second_for_long(
            policy in prop::option::of(policies()), boots in prop::collection::vec(0_u64..1500, 0..40)
        ) {
            let (mut tally, mut now, mut begun, mut in_a_row) = (Tally::default(), Duration::ZERO, vec![], 0);
            for took in boots.into_iter().map(Duration::from_millis) {
                begun.push(now);
                now += took;
                in_a_row = if took < SOON { in_a_row + 1 } else { 0 };
                match tally.next(policy.as_ref(), &Ended::Rebooted, took, now) {
                    Next::Again => prop_assert!(in_a_row < 2),
                    Next::Pause(wait) => {
                        prop_assert!((2..=SOON_MAX).contains(&in_a_row));
                        now += wait;
                    }
                    Next::Failed(_) => {
                        prop_assert_eq!(in_a_row, SOON_MAX + 1);
                        break;
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert!(begun.windows(3).all(|three| three[2].saturating_sub(three[0]) >= SOON));
        }

        #[test]
        fn no_while_has_more_starts_than_the_limit(policy in policies(), ends in ends()) {
            let (mut tally, mut now, mut starts) = (Tally::default(), Duration::ZERO, Vec::new());
            for (ended, later) in ends {
                now += Duration::from_secs(later);
                match tally.next(Some(&policy), &ended, SOON, now) {
                    Next::Wait(wait) => {
                        prop_assert!(wait <= policy.max_delay && ended != Ended::Rebooted);
                        starts.push(now);
                        now += wait;
                    }
                    Next::Again => prop_assert_eq!(ended, Ended::Rebooted),
                    Next::Failed(_) => prop_assert!(ended != Ended::Rebooted),
                    Next::Pause(_) => prop_assert!(false, "no boot was so short"),
                    Next::Over => prop_assert!(false, "the policy names every end"),
                }
            }
            for begin in &starts {
                let within = starts.iter().filter(|start| *start >= begin && start.saturating_sub(*begin) < policy.within);
                prop_assert!(within.count() <= policy.limit as usize);
            }
        }

        #[test]
        fn the_wait_never_gets_shorter(policy in policies(), before in 0_usize..2000) {
            prop_assert!(policy.wait(before) <= policy.wait(before + 1));
        }
    }
}

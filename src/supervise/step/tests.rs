use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn rules() -> Rules {
    let (stop_within, force_within) = (60 * SECOND, FORCE_WITHIN);
    Rules { stop_within, force_within, has_agent: false, is_background: false, restart: None, is_imagined: false }
}

/// A run as whoever drives it sees it: what was decided, and what became of it.
#[derive(Clone, Debug, Default)]
struct Walk {
    state: RunState,
    now: Duration,
    has_guest: bool,
    finished: usize,
    actions: Vec<Action>,
}

/// Whether a hypervisor runs, as far as the state knows.
fn has_guest(state: &RunState) -> bool {
    matches!(state.phase, Phase::Running | Phase::Asking | Phase::Stopping | Phase::Forcing | Phase::Killing)
}

impl Walk {
    /// Has something happen, as far as it can: nothing ends that does not run, nothing is started beside a guest, no recipe
    /// ends while it waits for its guest, and a time is over when it has come.
    fn feel(&mut self, event: Event, rules: &Rules) {
        let is_evaluated = matches!(self.state.phase, Phase::Evaluating | Phase::Down | Phase::Stopped);
        let can = match &event {
            Event::Started => matches!(self.state.phase, Phase::Evaluating | Phase::Down),
            Event::Ended(_) | Event::DialogFailed | Event::PermitLost => self.has_guest,
            Event::Evaluated(_) => is_evaluated,
            Event::Deadline => self.state.deadline.is_some(),
            Event::StopAsked => true,
        };
        if !can {
            return;
        }
        match &event {
            Event::Started => self.has_guest = true,
            Event::Ended(_) => self.has_guest = false,
            Event::Deadline => self.now = self.now.max(self.state.deadline.unwrap_or_default()),
            // What happens later than that happens after it.
            _ => self.now = self.state.deadline.map_or(self.now + SECOND, |deadline| deadline.min(self.now + SECOND)),
        }
        let (state, actions) = step(self.state.clone(), event, self.now, rules);
        self.finished += actions.iter().filter(|action| matches!(action, Action::Finish(_))).count();
        (self.state, self.actions) = (state, actions);
    }
}

fn ends() -> impl Strategy<Value = Ended> {
    prop_oneof![
        Just(Ended::Rebooted),
        Just(Ended::PoweredOff),
        Just(Ended::Halted),
        Just(Ended::TripleFault),
        Just(Ended::Failed { status: 4 }),
        Just(Ended::Killed { signal: 9 }),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => Just(Event::Started),
        3 => ends().prop_map(Event::Ended),
        1 => Just(Event::StopAsked),
        1 => Just(Event::DialogFailed),
        1 => Just(Event::PermitLost),
        2 => Just(Event::Deadline),
        3 => any::<bool>().prop_map(Event::Evaluated),
    ];
    prop::collection::vec(event, 0..40)
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let policy = (0_u32..4, 1_u64..100).prop_map(|(limit, delay)| RestartPolicy {
        limit,
        delay: SECOND * u32::try_from(delay).unwrap(),
        ..RestartPolicy::default()
    });
    (1_u64..100, any::<[bool; 2]>(), prop::option::of(policy)).prop_map(
        |(stop, [is_background, has_agent], restart)| Rules {
            has_agent,
            stop_within: Duration::from_secs(stop),
            force_within: FORCE_WITHIN,
            is_background,
            restart,
            is_imagined: false,
        },
    )
}

proptest! {
    /// Whatever has happened: once somebody asks to stop, and nobody starts anything any more, time alone ends the run.
    #[test]
    fn from_every_state_every_run_ends_gives_back_once_and_leaves_no_hypervisor(
        before in events(), late in ends(), rules in any_rules()
    ) {
        let mut walk = Walk::default();
        for event in before {
            walk.feel(event, &rules);
            prop_assert_eq!(walk.has_guest, has_guest(&walk.state));
            prop_assert!(walk.finished == usize::from(walk.state.phase == Phase::Over));
            prop_assert!(!(walk.has_guest && walk.state.phase == Phase::Over));
        }
        walk.feel(Event::StopAsked, &rules);
        let mut steps = 0;
        while walk.state.phase != Phase::Over {
            steps += 1;
            prop_assert!(steps < 10, "{:?}", walk);
            match walk.state.phase {
                // A hypervisor that was killed ends.
                Phase::Killing => walk.feel(Event::Ended(late.clone()), &rules),
                Phase::Asking | Phase::Stopping | Phase::Forcing => walk.feel(Event::Deadline, &rules),
                _ => walk.feel(Event::Evaluated(false), &rules),
            }
            prop_assert_eq!(walk.has_guest, has_guest(&walk.state));
        }
        prop_assert!(walk.finished == 1 && !walk.has_guest);
        for event in [Event::Started, Event::StopAsked, Event::Deadline, Event::Evaluated(true), Event::Ended(late)] {
            prop_assert_eq!(step(walk.state.clone(), event, walk.now, &rules), (walk.state.clone(), vec![]));
        }
    }

    #[test]
    fn whatever_happens_after_a_stop_is_asked_nothing_is_evaluated_again(
        before in events(), after in events(), rules in any_rules()
    ) {
        let mut walk = Walk::default();
        before.into_iter().for_each(|event| walk.feel(event, &rules));
        walk.feel(Event::StopAsked, &rules);
        for event in after {
            walk.feel(event, &rules);
            let goes_on = |action: &Action| matches!(action, Action::Evaluate { .. } | Action::Rest(_) | Action::Pause(_));
            prop_assert!(!walk.actions.iter().any(goes_on), "{:?}", walk);
        }
    }

    #[test]
    fn an_agent_has_a_third_of_the_time_and_all_of_it_is_over_when_it_would_be_without_one(stop in 3_u64..100, begin in 1_u64..9) {
        let rules = Rules { stop_within: Duration::from_secs(stop), has_agent: true, ..rules() };
        let mut walk = step(RunState::default(), Event::Started, SECOND, &rules);
        let mut times = vec![];
        let mut now = Duration::from_secs(begin);
        for event in [Event::StopAsked, Event::Deadline, Event::Deadline] {
            walk = step(walk.0, event, now, &rules);
            times.push((walk.1.clone(), now));
            now = walk.0.deadline.unwrap_or(now);
        }
        let after = |share: Duration| Duration::from_secs(begin) + share;
        prop_assert_eq!(times, [
            (vec![Action::Stop(Means::Agent)], after(Duration::ZERO)),
            (vec![Action::Stop(Means::PowerButton)], after(rules.stop_within / 3)),
            (vec![Action::Stop(Means::Force)], after(rules.stop_within)),
        ]);
    }

    #[test]
    fn no_deadline_is_in_the_past(before in events(), rules in any_rules()) {
        let mut walk = Walk::default();
        for event in before {
            walk.feel(event, &rules);
            prop_assert!(walk.state.deadline.is_none_or(|deadline| deadline >= walk.now), "{:?}", walk);
        }
    }

    #[test]
    fn three_requests_to_stop_kill_a_guest_that_runs(noise in 0_usize..5) {
        let mut state = step(RunState::default(), Event::Started, SECOND, &rules()).0;
        let mut actions = vec![];
        for event in std::iter::repeat_n(Event::StopAsked, 3 + noise) {
            let (next, more) = step(state, event, SECOND, &rules());
            state = next;
            actions.extend(more);
        }
        prop_assert_eq!(actions, [Means::PowerButton, Means::Force, Means::Kill].map(Action::Stop));
    }
}

/// Tells a run step by step: when, what happened, where it is then, and what is done.
fn told(rules: &Rules, events: &[(u64, Event)]) -> Vec<String> {
    let mut state = RunState::default();
    let mut lines = Vec::new();
    for (at, event) in events {
        let (next, actions) = step(state, event.clone(), SECOND * u32::try_from(*at).unwrap(), rules);
        let until = next.deadline.map(|deadline| format!(" until {deadline:?}")).unwrap_or_default();
        let actions = if actions.is_empty() { String::new() } else { format!(": {actions:?}") };
        lines.push(format!("{at} {event:?} -> {:?}{until}{actions}", next.phase));
        state = next;
    }
    lines
}

#[test]
fn a_guest_that_reboots_and_then_powers_off_is_evaluated_twice() {
    let events = [
        (0, Event::Started),
        (1, Event::Deadline),
        (9, Event::Ended(Ended::Rebooted)),
        (9, Event::Evaluated(true)),
        (10, Event::Started),
        (20, Event::Ended(Ended::PoweredOff)),
        (20, Event::Evaluated(true)),
    ];
    assert_eq!(
        told(&rules(), &events),
        [
            "0 Started -> Running until 1s: [RotateLog]",
            "1 Deadline -> Running: [Announce]",
            "9 Ended(Rebooted) -> Down",
            "9 Evaluated(true) -> Evaluating: [Evaluate { is_reboot: true }]",
            "10 Started -> Running until 11s: [RotateLog]",
            "20 Ended(PoweredOff) -> Down",
            "20 Evaluated(true) -> Over: [Finish(None)]",
        ]
    );
}

#[test]
fn a_guest_that_crashes_waits_and_one_that_crashes_too_often_is_over() {
    let rules =
        Rules { is_background: true, restart: Some(RestartPolicy { limit: 1, ..RestartPolicy::default() }), ..rules() };
    let crash = || Event::Ended(Ended::TripleFault);
    let events = [
        (0, Event::Started),
        (1, Event::Deadline),
        (700, crash()),
        (700, Event::Evaluated(true)),
        (701, Event::Deadline),
        (701, Event::Started),
        (702, crash()),
        (702, Event::Evaluated(true)),
    ];
    let lines = told(&rules, &events);
    assert_eq!(
        lines[..7],
        [
            "0 Started -> Running until 300ms: [RotateLog]",
            "1 Deadline -> Running: [Announce]",
            "700 Ended(TripleFault) -> Down",
            "700 Evaluated(true) -> Resting until 701s: [Rest(1s)]",
            "701 Deadline -> Evaluating: [Evaluate { is_reboot: false }]",
            "701 Started -> Running until 701.3s: [RotateLog]",
            "702 Ended(TripleFault) -> Down",
        ]
    );
    assert!(lines[7].starts_with("702 Evaluated(true) -> Over: [Finish(Some(Fault"), "{}", lines[7]);
}

#[test]
fn a_dialog_that_fails_powers_the_guest_off_and_starts_nothing_again() {
    let state = step(RunState::default(), Event::Started, SECOND, &rules()).0;
    let (state, actions) = step(state, Event::DialogFailed, SECOND, &rules());
    assert_eq!((actions, state.is_stopped), (vec![Action::Stop(Means::PowerButton)], true));
    let (state, _) = step(state, Event::Ended(Ended::PoweredOff), SECOND, &rules());
    assert_eq!((state.phase.clone(), state.is_stopped), (Phase::Stopped, true));
    let (state, actions) = step(state, Event::Evaluated(false), SECOND, &rules());
    assert_eq!((state.phase, actions), (Phase::Over, vec![Action::Finish(None)]));
}

#[test]
fn a_guest_that_reboots_at_once_pauses_and_one_that_is_imagined_does_not() {
    let reboot = |at| [(at, Event::Started), (at, Event::Ended(Ended::Rebooted)), (at, Event::Evaluated(true))];
    let events = [&reboot(0)[..], &reboot(0), &[(1, Event::Deadline)], &reboot(1)].concat();
    let lines = told(&rules(), &events);
    assert_eq!(lines[2], "0 Evaluated(true) -> Evaluating: [Evaluate { is_reboot: true }]");
    assert_eq!(
        lines[5..7],
        [
            "0 Evaluated(true) -> Resting until 1s: [Pause(1s)]",
            "1 Deadline -> Evaluating: [Evaluate { is_reboot: true }]"
        ]
    );
    let imagined = told(&Rules { is_imagined: true, ..rules() }, &events);
    assert_eq!(imagined[5], "0 Evaluated(true) -> Evaluating: [Evaluate { is_reboot: true }]");
}

#[test]
fn a_guest_whose_permit_is_lost_has_the_time_that_is_left_whatever_it_was_given_before() {
    let lost = Rules { stop_within: 3 * SECOND, force_within: SECOND, ..rules() };
    let with_agent = Rules { has_agent: true, ..rules() };
    let button = Action::Stop(Means::PowerButton);
    for (before, first) in [
        (vec![(Event::Started, rules())], vec![button.clone()]),
        // Its button is pressed already.
        (vec![(Event::Started, rules()), (Event::StopAsked, rules())], vec![]),
        (vec![(Event::Started, rules()), (Event::StopAsked, with_agent)], vec![button]),
    ] {
        let mut state = RunState::default();
        for (event, rules) in before {
            state = step(state, event, SECOND, &rules).0;
        }
        let (state, actions) = step(state, Event::PermitLost, 2 * SECOND, &lost);
        assert_eq!((state.deadline, actions, state.is_stopped), (Some(5 * SECOND), first, true));
        let (state, actions) = step(state, Event::Deadline, 5 * SECOND, &lost);
        assert_eq!((state.deadline, actions), (Some(6 * SECOND), vec![Action::Stop(Means::Force)]));
        // It is being switched off, and there is nothing left to say.
        assert_eq!(step(state.clone(), Event::PermitLost, 6 * SECOND, &lost), (state.clone(), vec![]));
        let (_, actions) = step(state, Event::Deadline, 6 * SECOND, &lost);
        assert_eq!(actions, [Action::Stop(Means::Kill)]);
    }
}

//! The reboot loop as a pure function.
//!
//! ```text
//!               Started            Ended(rebooted)
//!  Evaluating ----------> Running ----------------> Rebooted --> (the recipe again)
//!      |                   |   |  Ended(anything else)
//!      | StopAsked         |   +------------------> Down
//!      v         StopAsked v
//!   Stopped <---------- Stopping --GraceOver|StopAsked--> Forcing --> Killing
//!              Ended(any)
//! ```

use crate::model::Ended;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The recipe is being evaluated.
    Evaluating,
    /// A guest runs.
    Running,
    /// The guest was asked to power itself off.
    Stopping,
    /// The machine was told to switch off.
    Forcing,
    /// The hypervisor was killed.
    Killing,
    /// The guest rebooted: the recipe is to be evaluated again.
    Rebooted,
    /// The last boot ended by itself.
    Down,
    /// Somebody stopped the run.
    Stopped,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The hypervisor was started.
    Started,
    /// The boot ended.
    Ended(Ended),
    /// Somebody asked to stop: Ctrl-C, SIGTERM.
    StopAsked,
    /// The guest had its time.
    GraceOver,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the guest to power itself off, and wait.
    PressPowerButton,
    /// Switch the machine off, and wait a little.
    Force,
    /// End the hypervisor.
    Kill,
}

/// Returns what follows from an event.
pub(crate) fn step(state: State, event: Event) -> (State, Vec<Action>) {
    use State::{Down, Evaluating, Forcing, Killing, Rebooted, Running, Stopped, Stopping};
    match (state, event) {
        // One evaluation may boot several machines, one after the other: the last one counts.
        (Evaluating | Down | Rebooted, Event::Started) => (Running, vec![]),
        (Running, Event::Ended(Ended::Rebooted)) => (Rebooted, vec![]),
        (Running, Event::Ended(_)) => (Down, vec![]),
        (Running, Event::StopAsked) => (Stopping, vec![Action::PressPowerButton]),
        (Stopping, Event::StopAsked | Event::GraceOver) => (Forcing, vec![Action::Force]),
        (Forcing, Event::StopAsked | Event::GraceOver) => (Killing, vec![Action::Kill]),
        // A reboot while stopping is a stop.
        (Stopping | Forcing | Killing, Event::Ended(_)) => (Stopped, vec![]),
        (Evaluating | Rebooted | Down, Event::StopAsked) => (Stopped, vec![]),
        (Evaluating | Rebooted | Down, Event::Ended(_) | Event::GraceOver)
        | (Running, Event::Started | Event::GraceOver)
        | (Stopping | Forcing | Killing, Event::Started)
        | (Killing, Event::StopAsked | Event::GraceOver)
        | (Stopped, _) => (state, vec![]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            Just(Event::Started),
            Just(Event::Ended(Ended::Rebooted)),
            Just(Event::Ended(Ended::PoweredOff)),
            Just(Event::Ended(Ended::TripleFault)),
            Just(Event::StopAsked),
            Just(Event::GraceOver),
        ];
        prop::collection::vec(event, 0..20)
    }

    proptest! {
        #[test]
        fn whatever_happens_after_a_stop_is_asked_nothing_is_evaluated_again(before in events(), after in events()) {
            let walk = |state, events: Vec<Event>| events.into_iter().fold(state, |state, event| step(state, event).0);
            let asked = step(walk(State::Evaluating, before), Event::StopAsked).0;
            let end = walk(asked, after);
            prop_assert!(matches!(end, State::Stopping | State::Forcing | State::Killing | State::Stopped));
        }

        #[test]
        fn three_requests_to_stop_kill_a_guest_that_runs(noise in 0_usize..5) {
            let mut state = State::Running;
            let mut actions = vec![];
            for event in std::iter::repeat_n(Event::StopAsked, 3 + noise) {
                let (next, more) = step(state, event);
                state = next;
                actions.extend(more);
            }
            prop_assert_eq!(actions, [Action::PressPowerButton, Action::Force, Action::Kill]);
        }
    }
}

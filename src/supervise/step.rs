//! What follows from what happens to a run, as one pure function of a state, an event and the time.
//!
//! ```text
//!                   Started                     Ended(any)
//!   +--> Evaluating ---------> Running --------------------------> Down --+--> Over
//!   |        |                  |  ^ Started (the recipe boots     |      |    Evaluated: the restart policy
//!   |        |                  |  |          another machine)     |      |    starts nothing again
//!   |        |                  |  +-------------------------------+      |
//!   |        |                  | StopAsked, DialogFailed (by way of      | Evaluated: after a reboot
//!   |        |                  | Asking, where the guest has an agent)   |
//!   |        |                  v                                         +---------------> Evaluating
//!   |        |               Stopping --Deadline,StopAsked--> Forcing     | Evaluated: after a crash
//!   |        |                  |                               |         v
//!   |        | StopAsked        | Ended(any)    Deadline,StopAsked     Resting --StopAsked--> Stopped
//!   |        v                  v                               v         | Deadline
//!   |     Stopped <-------------+------------ Ended(any) --- Killing      |
//!   |        | Evaluated                                                  |
//!   |        +--> Over                                                    |
//!   +---------------------------------------------------------------------+
//! ```
//!
//! A guest that rebooted as soon as it was started rests, too, before its recipe is evaluated again; too often, and the run is over
//! (`supervise::policy`).
//!
//! `Over` is the end of every run: what it took is given back there, and nothing follows. An evaluation with a fault goes there
//! from wherever no hypervisor runs.

use super::policy::{Next, RestartPolicy, SOON, Tally};
use crate::diag::Fault;
use crate::model::Ended;
use std::time::Duration;

/// How long the hypervisor gets to end after it was told to, before it is killed.
pub(crate) const FORCE_WITHIN: Duration = Duration::from_secs(5);

/// What part of the time that a guest gets to power off its agent has, before the power button is pressed.
pub(crate) const AGENT_SHARE: u32 = 3;

/// How long a guest may run before somebody is told that it does.
const ANNOUNCED_AFTER: Duration = Duration::from_secs(1);

/// The same where somebody waits to be told: long enough for a hypervisor to refuse its command line.
const ANNOUNCED_SOON_AFTER: Duration = Duration::from_millis(300);

/// What a run is told once and for all.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// How long a guest gets to power itself off.
    pub stop_within: Duration,
    /// How long the hypervisor gets to end after it was told to, before it is killed.
    pub force_within: Duration,
    /// Whether the guest may have an agent, which is asked first.
    pub has_agent: bool,
    /// Whether it runs in the background: somebody waits to hear that it runs.
    pub is_background: bool,
    /// When its guest is started again; without a policy after reboots only.
    pub restart: Option<RestartPolicy>,
    /// Whether its guest is only imagined: how long it takes says nothing.
    pub is_imagined: bool,
}

/// Where a run is on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The recipe is being evaluated, and has not booted anything yet.
    Evaluating,
    /// A guest runs.
    Running,
    /// The guest's agent was asked to power it off.
    Asking,
    /// The guest was asked to power itself off.
    Stopping,
    /// The machine was told to switch off.
    Forcing,
    /// The hypervisor was killed.
    Killing,
    /// The last boot ended by itself; the recipe is still being evaluated.
    Down,
    /// The guest is started again when its time has come.
    Resting,
    /// Somebody stopped the run; the recipe is still being evaluated.
    Stopped,
    /// Nothing follows, but to give back what was taken.
    Over,
}

/// A run as far as decisions depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunState {
    /// Where it is on its way.
    pub phase: Phase,
    /// When [`Event::Deadline`] happens unless something else happens before, since the run began.
    pub deadline: Option<Duration>,
    /// How the last boot ended.
    pub last: Option<Ended>,
    /// Whether it was stopped from outside, by somebody or because its dialog failed, whatever happened since.
    pub is_stopped: bool,
    /// When the last boot began and, if it has ended, how long it took.
    begun: Duration,
    took: Duration,
    /// When its agent was asked to power it off.
    asked: Duration,
    restarts: Tally,
}

impl Default for RunState {
    fn default() -> Self {
        let (phase, begun, restarts) = (Phase::Evaluating, Duration::ZERO, Tally::default());
        Self { phase, deadline: None, last: None, is_stopped: false, begun, took: begun, asked: begun, restarts }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A hypervisor was started, or taken over.
    Started,
    /// The boot ended.
    Ended(Ended),
    /// Somebody asked to stop: Ctrl-C, SIGTERM.
    StopAsked,
    /// The guest did not say what it was to say, or could not be talked to.
    DialogFailed,
    /// The guest may not run any longer than the time that it has to stop.
    PermitLost,
    /// The time of the state is over.
    Deadline,
    /// The evaluation of the recipe ended, and whether without a fault.
    Evaluated(bool),
}

/// How a guest is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// Its agent is asked to power it off.
    Agent,
    /// It is asked to power itself off.
    PowerButton,
    /// The machine is switched off.
    Force,
    /// The hypervisor is killed.
    Kill,
}

impl Means {
    const ALL: [Self; 4] = [Self::Agent, Self::PowerButton, Self::Force, Self::Kill];

    /// Returns its word, as events and journals have it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::PowerButton => "power button",
            Self::Force => "force",
            Self::Kill => "kill",
        }
    }

    /// Returns the means of a word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|means| means.word() == word)
    }
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Say that the guest runs.
    Announce,
    /// Begin the log anew if it has grown too long.
    RotateLog,
    /// Have the guest end.
    Stop(Means),
    /// Evaluate the recipe again; after a reboot it initializes nothing.
    Evaluate {
        /// Whether the guest asked for it by a reboot.
        is_reboot: bool,
    },
    /// Wait so long before the recipe is evaluated again.
    Rest(Duration),
    /// Wait so long before the recipe is evaluated again after a reboot.
    Pause(Duration),
    /// Give back what was taken. The fault is that of a restart policy which starts nothing any more.
    Finish(Option<Fault>),
}

/// Returns what follows from an event at a time since the run began, which only grows.
pub(crate) fn step(mut state: RunState, event: Event, now: Duration, rules: &Rules) -> (RunState, Vec<Action>) {
    use Phase::{Asking, Down, Evaluating, Forcing, Killing, Over, Resting, Running, Stopped, Stopping};
    state.is_stopped |= is_stop(&state.phase, &event);
    let is_reboot = state.last == Some(Ended::Rebooted);
    let actions = match (&state.phase, event) {
        // One evaluation may boot several machines, one after the other: the last one counts.
        (Evaluating | Down, Event::Started) => {
            state.begun = now;
            let patience = if rules.is_background { ANNOUNCED_SOON_AFTER } else { ANNOUNCED_AFTER };
            go(&mut state, Running, Some(now + patience), vec![Action::RotateLog])
        }
        (Running, Event::Ended(ended)) => {
            (state.last, state.took) = (Some(ended), now.saturating_sub(state.begun));
            go(&mut state, Down, None, vec![])
        }
        (Running, Event::Deadline) => go(&mut state, Running, None, vec![Action::Announce]),
        (Running, Event::StopAsked | Event::DialogFailed | Event::PermitLost) if rules.has_agent => {
            state.asked = now;
            go(&mut state, Asking, Some(now + rules.stop_within / AGENT_SHARE), vec![Action::Stop(Means::Agent)])
        }
        // Nobody was there to be asked, or it was not done in the agent's share of the time.
        (Asking, Event::Deadline) => {
            let over = (state.asked + rules.stop_within).max(now);
            go(&mut state, Stopping, Some(over), vec![Action::Stop(Means::PowerButton)])
        }
        (Asking | Stopping, Event::PermitLost) => hurry(&mut state, now, rules),
        (Running, Event::StopAsked | Event::DialogFailed | Event::PermitLost) => {
            go(&mut state, Stopping, Some(now + rules.stop_within), vec![Action::Stop(Means::PowerButton)])
        }
        (Asking, Event::StopAsked) | (Stopping, Event::StopAsked | Event::Deadline) => {
            go(&mut state, Forcing, Some(now + rules.force_within), vec![Action::Stop(Means::Force)])
        }
        (Forcing, Event::StopAsked | Event::Deadline) => go(&mut state, Killing, None, vec![Action::Stop(Means::Kill)]),
        // A reboot while stopping is a stop.
        (Asking | Stopping | Forcing | Killing, Event::Ended(ended)) => {
            state.last = Some(ended);
            go(&mut state, Stopped, None, vec![])
        }
        (Evaluating | Down | Resting, Event::StopAsked) => go(&mut state, Stopped, None, vec![]),
        (Down, Event::Evaluated(true)) => follow(&mut state, now, rules),
        (Evaluating | Stopped, Event::Evaluated(_)) | (Down, Event::Evaluated(false)) => {
            go(&mut state, Over, None, vec![Action::Finish(None)])
        }
        (Resting, Event::Deadline) => go(&mut state, Evaluating, None, vec![Action::Evaluate { is_reboot }]),
        (Evaluating | Down | Stopped, Event::Ended(_) | Event::Deadline | Event::DialogFailed | Event::PermitLost)
        | (Running | Asking | Stopping | Forcing | Killing, Event::Started | Event::Evaluated(_))
        | (Asking | Stopping | Forcing | Killing, Event::DialogFailed)
        | (Forcing | Killing, Event::PermitLost)
        | (Killing, Event::StopAsked | Event::Deadline)
        | (Stopped, Event::Started | Event::StopAsked)
        | (Resting, Event::Started | Event::Ended(_) | Event::DialogFailed | Event::PermitLost | Event::Evaluated(_))
        | (Over, _) => vec![],
    };
    (state, actions)
}

/// Returns whether an event has a run stop from outside.
fn is_stop(phase: &Phase, event: &Event) -> bool {
    match event {
        Event::StopAsked => *phase != Phase::Over,
        Event::DialogFailed => *phase == Phase::Running,
        Event::PermitLost => matches!(phase, Phase::Running | Phase::Asking | Phase::Stopping),
        Event::Started | Event::Ended(_) | Event::Deadline | Event::Evaluated(_) => false,
    }
}

fn go(state: &mut RunState, phase: Phase, deadline: Option<Duration>, actions: Vec<Action>) -> Vec<Action> {
    (state.phase, state.deadline) = (phase, deadline);
    actions
}

/// A guest that is being stopped already has less time than it was given: its power button is pressed, if it was not.
fn hurry(state: &mut RunState, now: Duration, rules: &Rules) -> Vec<Action> {
    let over = now + rules.stop_within;
    if state.phase == Phase::Asking {
        return go(state, Phase::Stopping, Some(over), vec![Action::Stop(Means::PowerButton)]);
    }
    let sooner = state.deadline.map_or(over, |deadline| deadline.min(over));
    go(state, Phase::Stopping, Some(sooner), vec![])
}

/// The recipe has ended after a boot: what the restart policy says of how that ended.
fn follow(state: &mut RunState, now: Duration, rules: &Rules) -> Vec<Action> {
    let Some(ended) = &state.last else { return go(state, Phase::Over, None, vec![Action::Finish(None)]) };
    let took = if rules.is_imagined { SOON } else { state.took };
    match state.restarts.next(rules.restart.as_ref(), ended, took, now) {
        Next::Again => go(state, Phase::Evaluating, None, vec![Action::Evaluate { is_reboot: true }]),
        Next::Pause(wait) => go(state, Phase::Resting, Some(now + wait), vec![Action::Pause(wait)]),
        Next::Wait(wait) => go(state, Phase::Resting, Some(now + wait), vec![Action::Rest(wait)]),
        Next::Over => go(state, Phase::Over, None, vec![Action::Finish(None)]),
        Next::Failed(fault) => go(state, Phase::Over, None, vec![Action::Finish(Some(fault))]),
    }
}

#[cfg(test)]
mod tests;

//! How a guest is ended that runs: its agent is asked, its power button is pressed, it is switched off, its hypervisor is killed.

use super::status::MachineState;
use super::step::{AGENT_SHARE, Event, Means};
use super::{Hold, Run};
use crate::client::agent::Agent;
use crate::host::Guest;
use crate::model::VmName;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long an agent may take to say that it is there. One that runs answers at once, and as long as this nothing else is done.
const GREETS_WITHIN: Duration = Duration::from_secs(1);

impl Run {
    /// Returns the socket of the port at which the guest of a machine in the background may have an agent.
    pub(super) fn agent(&self) -> Option<PathBuf> {
        self.status.as_ref().and_then(|status| status.shape.agent.clone()).map(PathBuf::from)
    }

    /// Has a guest end.
    pub(super) fn stop(&mut self, means: Means, guest: &mut dyn Guest, process: Option<&Hold>, what: (&VmName, bool)) {
        match means {
            Means::Agent => {
                self.set_status(MachineState::Stopping, process, |_| ());
                let next = if self.host.stop_asked() {
                    // Somebody is in a hurry, and has asked twice.
                    Some(Event::StopAsked)
                } else {
                    // As if the agent's time were over: there is nobody to wait for.
                    (!self.is_asked_by_agent()).then_some(Event::Deadline)
                };
                for action in next.map(|event| self.feed(event)).into_iter().flatten() {
                    self.carry_out(&action, guest, process, what);
                }
            }
            Means::PowerButton => {
                self.set_status(MachineState::Stopping, process, |_| ());
                guest.press_power_button();
            }
            Means::Force => guest.force(),
            Means::Kill => guest.kill(),
        }
    }

    /// Asks the agent to power the guest off, and returns whether it is going to.
    fn is_asked_by_agent(&mut self) -> bool {
        let Some(socket) = self.agent() else { return false };
        let until = Instant::now() + (self.stop_within / AGENT_SHARE).min(GREETS_WITHIN);
        self.thaw_until(until);
        let asked = Agent::open(&socket, until).and_then(|mut agent| agent.power_down(until));
        asked.inspect_err(|fault| tracing::debug!("the guest's agent {fault}")).is_ok()
    }
}

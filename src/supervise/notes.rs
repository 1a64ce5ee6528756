//! What a run adds to its journal while a guest of it runs, beside what it takes.

use super::holds::Hold;
use super::step::Means;
use super::{Run, journal};
use crate::diag::may_fail::MayFail as _;
use crate::host::helper::HelperId;
use crate::model::Machine;

impl Run {
    /// Writes down what no step of the clock changes, and where the run is. It is asked while the guest comes up, so that no start
    /// waits for it; it stops nothing.
    pub(super) fn note_witness(&mut self, guest: Option<&Hold>) {
        let Some((name, owner)) = &self.owner else { return };
        // What the system tells at no cost stands in the journal already.
        let guest = guest.and_then(|hold| {
            let Hold::Guest { pid, started } = hold else { return None };
            started.is_empty().then_some(*pid)
        });
        let helper = |hold: &Hold| match hold {
            Hold::Helper { id: HelperId::Process(process), .. } if process.started.is_empty() => Some(process.pid),
            // Of the others it is not asked, or it stands there already.
            _ => None,
        };
        let helpers = self.holds.iter().filter_map(helper);
        let owners = (!self.is_witnessed).then_some(owner.pid).into_iter();
        let pids: Vec<u32> = owners.chain(guest).chain(helpers).collect();
        if pids.is_empty() {
            return;
        }
        let processes = self.host.processes();
        let is_to_be_asked = !self.is_witnessed && owner.space.is_empty();
        let space = if is_to_be_asked { processes.space() } else { String::new() };
        let lines = [journal::in_space(&space), journal::witnessed(&processes.witness(&pids))].concat();
        self.host.store_mut().note(name, &lines, false).may_fail("it stops nothing");
        self.is_witnessed = true;
    }

    /// Writes down how many vCPUs a machine has, where that is not what was to be: a guest need not start all of them. That it cannot
    /// be written stops nothing.
    pub(super) fn note_vcpus(&mut self, machine: &Machine) {
        let (name, count) = (machine.name(), u64::from(machine.cpus()));
        let Some((owner, _)) = self.owner.as_ref().filter(|_| self.vcpus.get(name) != Some(&count)) else { return };
        self.host.store_mut().note(owner, &journal::vcpus(name, count), false).may_fail("it stops nothing");
        self.vcpus.insert(name.clone(), count);
    }

    /// Writes down how the guest is told to stop. That it cannot be written stops nothing.
    pub(super) fn note_stop(&mut self, means: Means) {
        let Some((owner, _)) = &self.owner else { return };
        self.host.store_mut().note(owner, &journal::stops(means), false).may_fail("it stops nothing");
    }
}

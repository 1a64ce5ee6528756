//! One run of a recipe: what it takes is a hold, what it boots is driven by [`driver`], which asks a pure [`step::step`].
//!
//! A run outlives its boots: after a reboot the recipe is evaluated again, and finds what the run has taken still there.

mod accelerator;
mod claim;
pub(crate) mod conflicts;
pub(crate) mod driver;
pub(crate) mod event;
pub(crate) mod freeze;
mod gone;
mod guest_clock;
pub(crate) mod helpers;
pub(crate) mod holds;
mod jail;
pub(crate) mod journal;
mod made;
mod membership;
mod memory;
pub(crate) mod network;
pub(crate) mod node;
mod notes;
pub(crate) mod order;
mod outcome;
pub(crate) mod permit;
pub(crate) mod policy;
pub(crate) mod progress;
pub(crate) mod recovery;
mod repeats;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod step;
mod stopping;

use crate::client::dialog::Dialog;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Host};
use crate::model::VmName;
use freeze::Frozen;
use guest_clock::GuestClock;
use helpers::Helpers;
use journal::Owner;
use memory::MemoryKills;
use order::ServiceOptions;
use permit::RunPermit;
use progress::ProgressListener;
use repeats::Repeats;
use status::{MachineState, MachineStatus};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use step::RunState;

pub(crate) use claim::Claim;
pub(crate) use holds::Hold;
pub(crate) use holds::is_left_to_itself;
pub(crate) use progress::Progress;

/// How long a guest gets to power itself off, unless `--stop-within` says otherwise.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(60);

/// What new files lack in a run, as in the design document's script.
pub(crate) const DEFAULT_UMASK: u32 = 0o026;

/// What of a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Working {
    /// What puts the guest's code into memory, before the hypervisor.
    Loader,
    /// bhyve(8) or QEMU, which runs the guest.
    Hypervisor,
    /// A guest that is only imagined: its boots take no time.
    Imagined,
}

/// A run on a host, real or rehearsed.
pub(crate) struct Run {
    /// The host, on which effects are done or only rehearsed.
    pub host: Box<dyn Host>,
    /// How long a guest gets to power itself off.
    pub stop_within: Duration,
    /// Who is told how it goes.
    pub(crate) listener: Option<ProgressListener>,
    /// When its guest is started again, what it starts after, and when it is ready, as its recipe says.
    pub service: ServiceOptions,
    /// The parameters that are paths, from the root on.
    pub given: BTreeMap<String, String>,
    /// The status of the machine, if it runs in the background: then everybody may read it.
    pub status: Option<MachineStatus>,
    /// The machine in whose journal the holds are, and its owner.
    owner: Option<(VmName, Owner)>,
    /// Whether the journal has what no step of the clock changes.
    is_witnessed: bool,
    /// What is in the journal.
    noted: Vec<Hold>,
    holds: Vec<Hold>,
    /// The machines whose node no other boot gets until it is destroyed.
    spent: Vec<VmName>,
    /// Memberships that end with the tap that has them.
    joined: Vec<Effect>,
    state: RunState,
    /// Whether somebody was told that the guest runs, or is going to.
    is_announced: bool,
    last_words: Vec<String>,
    /// What of the machine the kernel has killed for want of memory.
    memory_kills: MemoryKills,
    /// The dialog with the guest that runs.
    dialog: Option<Dialog>,
    /// What went wrong in it.
    wrong: Option<Fault>,
    late: Option<Effect>,
    /// What serves its machines.
    pub(crate) helpers: Helpers,
    /// What its machine needs to run.
    pub(crate) permit: RunPermit,
    /// What of its guest is frozen.
    frozen: Option<Frozen>,
    /// What is known of its clock.
    clock: GuestClock,
    /// What of the machine runs, or was the last that did.
    program: Working,
    /// Which commands of the recipe are run again when it is evaluated again.
    pub(crate) repeats: Repeats,
    /// How many vCPUs the machines have, as the journal says.
    vcpus: BTreeMap<VmName, u64>,
    begun: Instant,
    boots: u64,
}

impl Run {
    /// Begins a run that has taken nothing yet.
    pub(crate) fn new(host: Box<dyn Host>) -> Self {
        let (holds, last_words) = (Vec::new(), Vec::new());
        Self {
            host,
            stop_within: STOP_WITHIN,
            listener: None,
            service: ServiceOptions::default(),
            given: BTreeMap::new(),
            status: None,
            owner: None,
            is_witnessed: false,
            noted: Vec::new(),
            holds,
            spent: Vec::new(),
            joined: Vec::new(),
            state: RunState::default(),
            is_announced: false,
            last_words,
            memory_kills: MemoryKills::default(),
            dialog: None,
            frozen: None,
            clock: GuestClock::default(),
            wrong: None,
            late: None,
            helpers: Helpers::default(),
            permit: RunPermit::default(),
            program: Working::Hypervisor,
            repeats: Repeats::default(),
            vcpus: BTreeMap::new(),
            begun: Instant::now(),
            boots: 0,
        }
    }

    /// Changes the status of the machine and writes it, if it runs in the background. That it cannot be written stops nothing.
    fn set_status(&mut self, state: MachineState, guest: Option<&Hold>, change: impl FnOnce(&mut MachineStatus)) {
        let Some(status) = &mut self.status else { return };
        let me = self.host.processes().identity();
        status.state = state;
        status.supervisor = Some(me.pid);
        status.guest = guest.and_then(|hold| if let Hold::Guest { pid, .. } = hold { Some(*pid) } else { None });
        status.since = me.now;
        status.until = None;
        change(status);
        self.host
            .store_mut()
            .write_status(&status.name, &status.text())
            .may_fail("the guest goes on though nobody is told of it");
    }

    /// Marks the machine as failed when the run is over: its last error stays where everybody can read it.
    pub(crate) fn fail(&mut self, error: &str) {
        if let Some(status) = &mut self.status {
            status.error = Some(error.into());
            status.state = MachineState::Failed;
        }
    }

    /// Returns why the machine has failed, if it has.
    pub(crate) fn failure(&self) -> Option<&str> {
        let failed = self.status.as_ref().filter(|status| status.state == MachineState::Failed)?;
        Some(failed.error.as_deref().unwrap_or_default())
    }

    /// Ends a rehearsal: the host below it comes back.
    pub(crate) fn into_host(self) -> Box<dyn Host> {
        self.host.into_below()
    }

    /// Returns what a rehearsal would have done.
    pub(crate) fn rehearsed(&self) -> &[Rehearsed] {
        self.host.rehearsal().map_or(&[], |rehearsal| &rehearsal.done)
    }

    /// Tells whoever wants to know how it goes.
    pub(crate) fn tell(&self, progress: Progress<'_>) {
        if let Some(listener) = &self.listener {
            listener(&progress);
        }
    }
}

/// The fault of a run that somebody stopped.
pub(crate) fn interrupted() -> Fault {
    Fault::new("interrupted").blame(Blame::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::fixture::{Fixture, Refusal};
    use crate::host::worlds::simulated::Simulated;
    use crate::model::{Draft, Ended, Machine};
    use std::cell::RefCell;
    use std::rc::Rc;

    fn machine() -> Machine {
        Draft { name: "lab".parse().ok(), ..Draft::default() }.check().unwrap()
    }

    fn tap(name: &str) -> Effect {
        Effect::create_tap(name.parse().unwrap())
    }

    fn join(member: &str) -> Effect {
        Effect::join("bridge2".parse().unwrap(), member.parse().unwrap())
    }

    fn transcript(fixture: Fixture, effects: &[Effect]) -> (Vec<String>, Vec<String>) {
        let fixture = Rc::new(RefCell::new(fixture));
        let mut run = Run::new(Box::new(Simulated::new(&fixture)));
        let done: Result<Vec<String>, Fault> = effects.iter().map(|effect| run.act(effect)).collect();
        let mut faults: Vec<String> = done.err().iter().map(|fault| fault.message.clone()).collect();
        if faults.is_empty() {
            faults.extend(run.boot(&machine()).err().map(|fault| fault.message));
        }
        faults.extend(run.give_back().iter().map(|fault| fault.message.clone()));
        (std::mem::take(&mut fixture.borrow_mut().log), faults)
    }

    #[test]
    fn what_was_taken_is_given_back_in_reverse() {
        let (log, faults) =
            transcript(Fixture::lab(), &[tap("tap1"), join("tap1"), tap("tap2"), join("em0"), tap("tap1")]);
        assert_eq!(
            log,
            [
                "ifconfig tap1 create",
                "ifconfig tap1 up",
                "ifconfig bridge2 addm tap1",
                "ifconfig tap2 create",
                "ifconfig tap2 up",
                "ifconfig bridge2 addm em0",
                "bhyve -c 1 -m 256M lab",
                "# the guest powered off",
                "bhyvectl --destroy --vm=lab",
                "ifconfig bridge2 deletem em0",
                "ifconfig tap2 destroy",
                "ifconfig tap1 destroy",
            ]
        );
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn a_refused_step_takes_back_only_what_was_done() {
        let fixture = Fixture { refuses: Some(Refusal::Line("ifconfig bridge2 addm tap1")), ..Fixture::lab() };
        let (log, faults) = transcript(fixture, &[tap("tap1"), join("tap1"), tap("tap2")]);
        let expected = [
            "ifconfig tap1 create",
            "ifconfig tap1 up",
            "ifconfig bridge2 addm tap1  # refused",
            "ifconfig tap1 destroy",
        ];
        assert_eq!(log, expected);
        assert_eq!(faults, ["`ifconfig bridge2 addm tap1` failed"]);
    }

    #[test]
    fn giving_back_goes_on_past_a_failing_step() {
        let fixture = Fixture { refuses: Some(Refusal::Line("ifconfig tap2 destroy")), ..Fixture::lab() };
        let (log, faults) = transcript(fixture, &[tap("tap1"), tap("tap2")]);
        // What cannot be begun beside others is tried alone.
        let tap2 = "ifconfig tap2 destroy  # refused";
        assert_eq!(log[6..], ["bhyvectl --destroy --vm=lab", tap2, tap2, "ifconfig tap1 destroy"]);
        assert_eq!(faults, ["`ifconfig tap2 destroy` failed"]);
    }

    #[test]
    fn only_a_reboot_goes_on_and_every_failure_has_a_verdict() {
        let verdict = |ended: Ended| {
            let fixture = Rc::new(RefCell::new(Fixture { exits: [ended].into(), ..Fixture::lab() }));
            let mut run = Run::new(Box::new(Simulated::new(&fixture)));
            run.boot(&machine()).unwrap();
            (run.goes_on(), run.verdict().map(|fault| fault.message))
        };
        assert_eq!(verdict(Ended::Rebooted), (true, None));
        assert_eq!(verdict(Ended::PoweredOff), (false, None));
        assert_eq!(verdict(Ended::Halted), (false, None));
        assert_eq!(verdict(Ended::TripleFault), (false, Some("the guest met a triple fault".into())));
        let failed = "the hypervisor failed with status 4";
        assert_eq!(verdict(Ended::Failed { status: 4 }), (false, Some(failed.into())));
        let killed = "the hypervisor was killed by signal 9 (SIGKILL)";
        assert_eq!(verdict(Ended::Killed { signal: 9 }), (false, Some(killed.into())));
    }

    #[test]
    fn a_hypervisor_that_crashed_was_not_ended_by_somebody() {
        let hint = |signal| {
            let fixture = Fixture { exits: [Ended::Killed { signal }].into(), ..Fixture::lab() };
            let mut run = Run::new(Box::new(Simulated::new(&Rc::new(RefCell::new(fixture)))));
            run.boot(&machine()).unwrap();
            run.verdict().and_then(|fault| fault.hint).unwrap_or_default()
        };
        let crashed = "the hypervisor itself crashed: dmesg(8) shows what the kernel says of it";
        assert_eq!([4, 5, 8, 11].map(hint), [crashed; 4]);
        assert_eq!([1, 2, 15].map(hint), ["somebody ended it from outside"; 3]);
        assert_eq!(hint(9), "somebody killed it, or the host ran out of memory");
        assert_eq!(hint(13), "whoever read what it says is gone");
        // SIGBUS on one system and SIGUSR1 on another.
        assert_eq!(hint(10), "it crashed, or somebody ended it: dmesg(8) shows what the kernel says of it");
    }
}

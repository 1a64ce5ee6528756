//! The only loop: a recipe is evaluated, its machine booted and watched, and what follows is done, until nothing does. Runs in
//! the foreground and in the background, guests that were taken over, and tests of recipes all go through it.
//!
//! What is done is decided by [`super::step`]; here it is carried out.

use super::claim::images_of;
use super::journal;
use super::progress::Progress;
use super::status::MachineState;
use super::step::{Action, Event, Phase, Rules, step};
use super::{Claim, DEFAULT_UMASK, Hold, Run, Working, interrupted, node, recovery};
use crate::bhyve;
use crate::client::dialog::{Dialog, DialogOutcome};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::boot_plan::BootPlan;
use crate::host::{Effect, Guest, Platform, Woken};
use crate::model::{DialogStep, Ended, Machine, Shape, VmName};
use std::time::{Duration, Instant};

/// How often it is looked how a dialog with the guest goes, for as long as it does.
const DIALOG_CHECKED: Duration = Duration::from_millis(100);

/// How often the log of a machine in the background is looked at: a guest that writes without end is to fill no disk meanwhile, nor while
/// it is stopped.
const LOG_CHECKED: Duration = Duration::from_secs(1);

/// How a run begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beginning<'a> {
    /// It takes what its rehearsal found, and boots its machine.
    Claim(&'a Claim),
    /// It takes over the guest of a run whose supervisor is gone.
    Adopt(&'a VmName),
}

/// What came out of one evaluation of the recipe.
pub(crate) struct Evaluation {
    /// The run, with what it has taken.
    pub run: Run,
    /// What was wrong.
    pub faults: Vec<Diagnostic>,
    /// What is known about the way in which the last boot failed, and where.
    pub blamed: Option<Diagnostic>,
}

/// Evaluates the recipe once, with `init` or without.
pub(crate) type Evaluate<'a> = &'a mut dyn FnMut(Run, bool) -> Evaluation;

/// Drives a run from its beginning until nothing follows, and gives back what it took. What was wrong comes back.
pub(crate) fn drive(run: Run, beginning: Beginning<'_>, init: bool, evaluate: Evaluate<'_>) -> Vec<Diagnostic> {
    let (run, faults) = boots(run, beginning, init, evaluate);
    finish(run, faults)
}

/// Drives a run until nothing follows; it still has what it took.
pub(crate) fn boots(
    run: Run,
    beginning: Beginning<'_>,
    mut init: bool,
    evaluate: Evaluate<'_>,
) -> (Run, Vec<Diagnostic>) {
    let umask = |run: &mut Run| run.act(&Effect::Umask(DEFAULT_UMASK)).map(drop);
    let mut next = match beginning {
        Beginning::Claim(claim) => {
            after(run, |run| run.claim(claim).and_then(|()| umask(run)), |run| evaluate(run, init))
        }
        Beginning::Adopt(name) => after(run, |run| run.adopt(name).map(drop), Evaluation::well),
    };
    let mut is_masked = matches!(beginning, Beginning::Claim(_));
    loop {
        let Evaluation { mut run, faults, blamed } = next;
        let guest = if faults.is_empty() { run.verdict() } else { run.failed() };
        let mut wrong: Vec<Diagnostic> = guest.map(|verdict| explained(verdict, blamed)).into_iter().collect();
        let is_well = faults.is_empty();
        run.keep_disks_if(is_well);
        wrong.extend(faults);
        let resting = match run.feed(Event::Evaluated(is_well)).pop() {
            Some(Action::Rest(wait)) => Some((wait, false)),
            Some(Action::Pause(wait)) => {
                init = false;
                Some((wait, true))
            }
            Some(Action::Evaluate { is_reboot }) => {
                run.tell(Progress::Rebooted);
                // Only a reboot says that the machine is initialized.
                init &= !is_reboot;
                None
            }
            Some(Action::Finish(fault)) => {
                wrong.extend(fault.map(Diagnostic::from));
                return (run, wrong);
            }
            Some(Action::Announce | Action::RotateLog | Action::Stop(_)) | None => return (run, wrong),
        };
        run.status.iter_mut().for_each(|status| status.init &= init);
        let before = |run: &mut Run| {
            match resting {
                Some((wait, true)) => run.pause(wait)?,
                Some((wait, false)) => run.rest(wait, &wrong)?,
                None => {}
            }
            // Before the recipe's loaders, which fill the node.
            run.renew_nodes()?;
            if std::mem::replace(&mut is_masked, true) { Ok(()) } else { umask(run) }
        };
        run.repeats.again();
        next = after(run, before, |run| evaluate(run, init));
    }
}

impl Evaluation {
    /// An evaluation in which nothing was wrong and nothing was booted.
    fn well(run: Run) -> Self {
        Self { run, faults: Vec::new(), blamed: None }
    }
}

/// Does what comes before an evaluation, then that one; a fault of the first is that of the whole.
fn after(
    mut run: Run,
    before: impl FnOnce(&mut Run) -> Result<(), Fault>,
    evaluate: impl FnOnce(Run) -> Evaluation,
) -> Evaluation {
    match before(&mut run) {
        Ok(()) => evaluate(run),
        Err(fault) => Evaluation { run, faults: vec![fault.into()], blamed: None },
    }
}

/// Of a guest that failed, what is known about it; anything else that ended a run says enough.
fn explained(verdict: Fault, blamed: Option<Diagnostic>) -> Diagnostic {
    blamed.filter(|_| verdict.blame == Blame::Guest).unwrap_or_else(|| Diagnostic::error(verdict))
}

/// Ends a run: what it took is given back, whatever was wrong with it. What was wrong comes back; that somebody stopped it is
/// nothing wrong with a run in the background, and any other fault marks its machine as failed.
pub(crate) fn finish(mut run: Run, mut faults: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let messages = |faults: &[Diagnostic]| faults.iter().map(|one| one.fault.message.clone()).collect::<Vec<_>>();
    if run.status.is_some() {
        if run.is_stopped() {
            faults.retain(|diagnostic| diagnostic.fault.blame != Blame::Interrupted);
        } else if !faults.is_empty() && run.is_announced {
            run.fail(&messages(&faults).join("; "));
        }
    }
    let lost: Vec<Diagnostic> = run.give_back().into_iter().map(Diagnostic::error).collect();
    let is_down = lost.is_empty();
    faults.extend(lost);
    let errors = messages(&faults);
    let errors: Vec<&str> = errors.iter().map(String::as_str).collect();
    let happened = [
        (!errors.is_empty()).then_some(Progress::Failed(&errors)),
        run.failure().map(Progress::NotRestarted),
        is_down.then_some(Progress::Down),
    ];
    happened.into_iter().flatten().filter(|_| run.has_claimed()).for_each(|progress| run.tell(progress));
    faults
}

impl Run {
    /// Boots a machine and waits until the boot ended.
    pub(crate) fn boot(&mut self, machine: &Machine) -> Result<Ended, Fault> {
        if matches!(self.state.phase, Phase::Stopped | Phase::Over) || self.host.stop_asked() {
            self.feed(Event::StopAsked);
            return Err(interrupted());
        }
        self.reserve(machine.name())?;
        for (path, access) in images_of(machine) {
            self.lock_image(machine.name(), &path, access)?;
            self.write_down(&Hold::Image(path, access))?;
        }
        let plan = self.host.boot_plan(machine)?;
        self.make_cgroup(&plan)?;
        self.host.prepare(&plan)?;
        self.make_jail(machine)?;
        self.lend_taps(machine)?;
        self.start_helpers(machine, &plan)?;
        // A loader fills a node of its own making.
        let is_left = plan.load.is_some() && self.holds.contains(&Hold::Node(machine.name().clone()));
        self.spent.extend(is_left.then(|| machine.name().clone()));
        self.renew_nodes()?;
        // A node that is still going away would take the new one with it, and bhyve opens its taps; a membership may come about
        // while bhyve starts.
        self.settle_only(|effect| matches!(effect, Effect::DestroyNode(_)) || effect.made_tap().is_some())?;
        let is_first = !self.holds.contains(&Hold::Node(machine.name().clone()));
        if is_first && self.host.rehearsal().is_none() {
            node::against_booting(&*self.host, machine.name()).map_or(Ok(()), Err)?;
        }
        self.ensure(&Hold::Node(machine.name().clone()))?;
        let log_from = self.host.rotate_log();
        self.load(machine, &plan)?;
        let mut guest = self.boot_with_disks(machine, &plan)?;
        let process = self.hold_of(&*guest);
        let noted = process.as_ref().map_or(Ok(()), |hold| self.write_down(hold));
        if let Err(fault) = noted.and_then(|()| self.settle()) {
            guest.kill();
            while !matches!(guest.wait(None), Woken::Ended(_)) {}
            return Err(fault);
        }
        self.boots += 1;
        self.set_status(MachineState::Starting, process.as_ref(), |status| {
            status.boots += 1;
            status.log_from = log_from.unwrap_or_default();
            status.shape = Shape::of(machine);
            status.argv = plan.argv.words().into_iter().map(String::from).collect();
            status.ssh = machine.ssh().clone();
        });
        self.note_vcpus(machine);
        self.tell(Progress::Started { boot: self.boots, process: guest.process() });
        // A guest that is only imagined has no process, and says nothing.
        self.program = if guest.process().is_some() { Working::Hypervisor } else { Working::Imagined };
        self.dialog = guest.process().and_then(|_| Dialog::of(machine, self.host.settings()));
        let ended = self.watch(&mut *guest, machine.name(), machine.uses_stdio(), process.as_ref());
        self.look_at_node(machine.name(), &ended, is_first);
        self.end_helpers_of_boot()?;
        self.dialog_verdict(machine)?;
        Ok(ended)
    }

    /// Runs the machine's loader, if it has one.
    fn load(&mut self, machine: &Machine, plan: &BootPlan) -> Result<(), Fault> {
        let Some(load) = &plan.load else { return Ok(()) };
        self.program = Working::Loader;
        self.host.load(machine, load).inspect_err(|fault| {
            if fault.blame == Blame::Interrupted {
                self.feed(Event::StopAsked);
            }
        })?;
        self.program = Working::Hypervisor;
        Ok(())
    }

    /// Whether the boot came to its end in the machine's loader.
    pub(crate) fn is_loading(&self) -> bool {
        self.program == Working::Loader
    }

    /// A node that the first bhyve was refused is another's, and is not given back; one that a crash has left is ours, and spent.
    fn look_at_node(&mut self, name: &VmName, ended: &Ended, is_first: bool) {
        if self.host.settings().platform != Platform::FreeBsd {
            return;
        }
        if is_first && bhyve::is_node_refused(ended, &self.last_words) {
            self.strike(&Hold::Node(name.clone()));
        } else if !bhyve::is_node_reusable(ended) {
            self.spent.push(name.clone());
        }
    }

    /// Destroys the nodes of this run that crashes have left: bhyve would be refused them.
    fn renew_nodes(&mut self) -> Result<(), Fault> {
        for name in std::mem::take(&mut self.spent) {
            self.host.perform(&Effect::DestroyNode(name.clone()))?;
            self.strike(&Hold::Node(name));
        }
        Ok(())
    }

    /// Takes over the guest of a run in the background whose supervisor is gone, and waits until its boot ended.
    fn adopt(&mut self, name: &VmName) -> Result<Ended, Fault> {
        let found = recovery::adoptable(&mut *self.host, name)?;
        self.host.mark(name);
        let recipe = found.owner.as_ref().map(|owner| owner.recipe.clone()).unwrap_or_default();
        let owner = self.owner(&recipe);
        self.host.store_mut().note(name, &journal::begun_by(&owner), false)?;
        self.owner = Some((name.clone(), owner));
        self.noted.clone_from(&found.holds);
        let is_kept = |hold: &&Hold| !matches!(hold, Hold::Guest { .. } | Hold::Image(..) | Hold::Temporary(_));
        self.holds =
            std::iter::once(Hold::Lock(name.clone())).chain(found.holds.iter().filter(is_kept).cloned()).collect();
        self.holds.dedup();
        self.joined = found.joined;
        let adopted = self.host.adopt(name, found.guest);
        let mut guest = adopted.inspect_err(|_| {
            // It is still the guest of the run that is dead, with all that this one took.
            self.holds.clear();
            self.host.store_mut().clear(name).may_fail("the fault that matters is the first one");
        })?;
        let process = found.holds.into_iter().find(|hold| matches!(hold, Hold::Guest { .. }));
        self.adopt_permit(name);
        self.adopt_helpers();
        self.adopt_frozen(name);
        self.tell(Progress::Adopted(guest.process()));
        let ended = self.watch(&mut *guest, name, false, process.as_ref());
        self.look_at_node(name, &ended, false);
        // What a fault of the recipe is where the boot is its own.
        self.wrong.take().map_or(Ok(ended), Err)
    }

    /// Waits until a boot ended, and does what has to be done meanwhile.
    fn watch(&mut self, guest: &mut dyn Guest, name: &VmName, uses_stdio: bool, process: Option<&Hold>) -> Ended {
        let started = self.feed(Event::Started);
        started.iter().for_each(|action| self.carry_out(action, guest, process, (name, uses_stdio)));
        self.note_witness(process);
        self.clock_begins();
        let mut log_looked = Instant::now();
        let ended = loop {
            let dialog = self.dialog.as_ref().map(|_| Instant::now() + DIALOG_CHECKED);
            let log = self.status.is_some().then(|| log_looked + LOG_CHECKED);
            let looked = dialog.into_iter().chain(self.helpers_checked()).chain(self.freeze_checked()).chain(log);
            let deadline = self.state.deadline.map(|deadline| self.begun + deadline);
            let woken = guest.wait(looked.chain(deadline).min());
            self.look_at_freeze(name);
            self.look_at_clock();
            if log.is_some_and(|log| Instant::now() >= log) {
                self.rotate_log();
                log_looked = Instant::now();
            }
            let event = match woken {
                Woken::Ended(ended) => break ended,
                Woken::StopAsked => {
                    self.hear_how_long();
                    Event::StopAsked
                }
                Woken::TimeOver if self.permit_fails() => Event::PermitLost,
                Woken::TimeOver if self.dialog_fails() || self.helper_fails() => Event::DialogFailed,
                Woken::TimeOver if deadline.is_none_or(|deadline| Instant::now() < deadline) => continue,
                Woken::TimeOver => Event::Deadline,
            };
            for action in self.feed(event) {
                self.carry_out(&action, guest, process, (name, uses_stdio));
            }
        };
        if let Some(hold) = process {
            self.strike(hold);
        }
        self.permit_is_over();
        self.freeze_is_over();
        self.last_words = guest.last_words();
        self.look_at_memory(&ended);
        self.tell(Progress::Ended(&ended, &self.last_words));
        self.feed(Event::Ended(ended.clone()));
        ended
    }

    /// Looks after the log: in one that is begun anew the boot begins at its beginning.
    fn rotate_log(&mut self) {
        let is_anew = self.host.rotate_log() == Some(0);
        if let Some(status) = self.status.as_mut().filter(|status| is_anew && status.log_from > 0) {
            status.log_from = 0;
            self.host.store_mut().write_status(&status.name, &status.text()).may_fail("the guest goes on");
        }
    }

    /// Does something to a guest that runs, or says something of it.
    pub(super) fn carry_out(
        &mut self,
        action: &Action,
        guest: &mut dyn Guest,
        process: Option<&Hold>,
        what: (&VmName, bool),
    ) {
        match action {
            Action::RotateLog => self.rotate_log(),
            Action::Announce => {
                self.set_status(MachineState::Running, process, |_| ());
                self.tell(Progress::Runs(what.0, what.1));
                self.is_announced = true;
            }
            Action::Stop(means) => {
                self.tell(Progress::Stops(*means, self.stop_within));
                self.note_stop(*means);
                self.stop(*means, guest, process, what);
            }
            Action::Evaluate { .. } | Action::Rest(_) | Action::Pause(_) | Action::Finish(_) => {}
        }
    }

    /// Hears how long the guest gets to power off, where who asks to stop says so.
    fn hear_how_long(&mut self) {
        for hold in &self.holds {
            if let Hold::Lock(name) = hold {
                self.stop_within = self.host.store_mut().asked_within(name).unwrap_or(self.stop_within);
            }
        }
    }

    /// Looks how far the dialog with the guest has come, and returns whether it has just failed.
    fn dialog_fails(&mut self) -> bool {
        match self.dialog.as_ref().map(|dialog| dialog.outcome(Duration::ZERO)) {
            Some(DialogOutcome::UnderWay) | None => false,
            Some(DialogOutcome::Done) => {
                self.dialog = None;
                false
            }
            Some(DialogOutcome::Failed(fault)) => {
                (self.dialog, self.wrong) = (None, Some(fault));
                true
            }
        }
    }

    /// Returns what failed in the dialog with a guest that has ended. One that somebody stopped had not to say everything.
    fn dialog_verdict(&mut self, machine: &Machine) -> Result<(), Fault> {
        const LAST: Duration = Duration::from_secs(1);
        let wrong = match self.dialog.take().map(|dialog| dialog.outcome(LAST)) {
            Some(DialogOutcome::Failed(fault)) => Some(fault),
            Some(DialogOutcome::UnderWay) => {
                let is_seen = machine.dialog().iter().any(DialogStep::is_on_screen);
                let what = if is_seen { "said and typed" } else { "said on com1" };
                let fault = Fault::new(format!("{} ended before all was {what}", machine.name()));
                Some(fault.blame(Blame::Guest))
            }
            Some(DialogOutcome::Done) | None => None,
        };
        let is_stopped = self.is_stopped();
        self.wrong.take().or(wrong.filter(|_| !is_stopped)).map_or(Ok(()), Err)
    }

    /// A process may be known again when vmrun is gone.
    fn hold_of(&self, guest: &dyn Guest) -> Option<Hold> {
        let pid = guest.process().filter(|_| self.owner.is_some())?;
        Some(Hold::Guest { pid, started: self.host.processes().started(pid) })
    }

    /// Returns whether the guest rebooted, and makes the run of a rehearsal ready for the next evaluation.
    pub(crate) fn goes_on(&mut self) -> bool {
        let again = self.state.phase == Phase::Down && self.state.last == Some(Ended::Rebooted);
        if again {
            self.repeats.again();
            self.state.phase = Phase::Evaluating;
        }
        again
    }

    /// Waits before a guest is started again, of which these things were wrong. Returns the fault of a run that was stopped
    /// meanwhile.
    fn rest(&mut self, wait: Duration, faults: &[Diagnostic]) -> Result<(), Fault> {
        let error = self.state.last.as_ref().map(ToString::to_string);
        let until = self.host.processes().identity().now + wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.set_status(MachineState::Waiting, None, |status| {
            status.restarts += 1;
            status.error = error;
            status.until = Some(until);
        });
        self.is_announced = true;
        self.tell(Progress::Waits(wait, faults));
        self.sleep_through(wait)?;
        self.feed(Event::Deadline);
        Ok(())
    }

    /// Waits before a guest is started again that rebooted at once. Nobody is told that it runs: it may never come up. Returns the
    /// fault of a run that was stopped meanwhile.
    fn pause(&mut self, wait: Duration) -> Result<(), Fault> {
        let until = self.host.processes().identity().now + wait.as_secs();
        self.set_status(MachineState::Waiting, None, |status| status.until = Some(until));
        self.tell(Progress::Pauses(wait));
        self.sleep_through(wait)?;
        self.feed(Event::Deadline);
        Ok(())
    }

    /// Waits because the recipe says so. Returns the fault of a run that was stopped meanwhile.
    pub(crate) fn sleep(&mut self, wait: Duration) -> Result<(), Fault> {
        self.settle()?;
        self.sleep_through(wait)
    }

    fn sleep_through(&mut self, wait: Duration) -> Result<(), Fault> {
        if self.host.rest(wait) {
            self.feed(Event::StopAsked);
            return Err(interrupted());
        }
        Ok(())
    }

    /// Notes that somebody asked to stop while the recipe was evaluated.
    pub(crate) fn interrupt(&mut self) {
        self.feed(Event::StopAsked);
    }

    /// Has something happen, and returns what is to be done about it.
    pub(super) fn feed(&mut self, event: Event) -> Vec<Action> {
        let restart = self.service.restart.clone();
        let is_background = self.status.is_some();
        let rules = Rules {
            stop_within: self.stop_within,
            force_within: self.forced_within(),
            has_agent: self.agent().is_some(),
            is_background,
            is_imagined: self.program == Working::Imagined,
            restart,
        };
        let (state, actions) = step(std::mem::take(&mut self.state), event, self.begun.elapsed(), &rules);
        self.state = state;
        actions
    }
}

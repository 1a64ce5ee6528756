//! The helpers of a run: started before its hypervisor, looked after while that runs, ended after it.

use super::Run;
use super::holds::Hold;
use super::progress::Progress;
use super::step::{Event, Phase};
use crate::bhyve;
use crate::diag::{Blame, Fault};
use crate::host::Platform;
use crate::host::boot_plan::BootPlan;
use crate::host::helper::{HelperId, HelperStart};
use crate::host::permit;
use crate::model::{Helper, Machine};
use std::time::{Duration, Instant};

/// How often it is looked whether a helper has ended.
pub(super) const HELPERS_CHECKED: Duration = Duration::from_millis(200);

/// How often one is started again at most in a row.
const RESTARTS: u32 = 5;

/// How long it is waited before that the first time; each time twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// How long one has to live for what was before to count no more.
const STEADY: Duration = Duration::from_secs(600);

/// The helpers of a run.
#[derive(Default)]
pub(crate) struct Helpers {
    /// Those that the recipe has named, beside those of its machines.
    pub declared: Vec<Helper>,
    /// Those that serve the guest that runs.
    cared: Vec<Cared>,
}

/// A helper that serves the guest that runs.
struct Cared {
    name: String,
    is_fatal: bool,
    /// How it is started again; of one that was adopted that is not known.
    start: Option<HelperStart>,
    /// It has ended, and perhaps because its machine did: who looks next finds which.
    is_suspect: bool,
    since: Instant,
    restarts: u32,
    /// When it is started again.
    again: Option<Instant>,
    is_given_up: bool,
}

impl Cared {
    fn of(start: HelperStart) -> Self {
        let (name, is_fatal) = (start.helper.name.clone(), start.helper.is_fatal);
        Self::new(&name, is_fatal, Some(start))
    }

    fn new(name: &str, is_fatal: bool, start: Option<HelperStart>) -> Self {
        Self {
            name: name.into(),
            is_fatal,
            start,
            is_suspect: false,
            since: Instant::now(),
            restarts: 0,
            again: None,
            is_given_up: false,
        }
    }
}

impl Run {
    /// Starts the helpers of a machine that do not run yet.
    pub(super) fn start_helpers(&mut self, machine: &Machine, plan: &BootPlan) -> Result<(), Fault> {
        self.helpers.cared.clear();
        let guard = self.permit_guard(machine)?;
        let all: Vec<Helper> = guard.iter().chain(&plan.helpers).chain(&self.helpers.declared).cloned().collect();
        self.against_two(machine, plan)?;
        self.end_others(&all)?;
        for helper in all {
            let is_freebsd = self.host.settings().platform == Platform::FreeBsd;
            let argv = match machine.jail().filter(|_| is_freebsd && !helper.is_ours) {
                Some(jail) => bhyve::within(&jail.name, &helper.argv),
                None => helper.argv.clone(),
            };
            // What is vmrun's own runs where this one does.
            let argv = if helper.is_ours { argv } else { plan.helped(self.host.settings().platform, machine, argv) };
            let folder = self.host.settings().machine_folder(machine.name());
            let start = HelperStart { helper, argv, folder };
            let is_kept = self.keeps_helper(&start)?;
            if !is_kept {
                self.start_helper(&start, true)?;
            }
            match start.helper.socket.clone().filter(|_| start.helper.is_permit) {
                Some(socket) => self.watch_permit(socket, !is_kept),
                None => self.helpers.cared.push(Cared::of(start)),
            }
        }
        Ok(())
    }

    /// Refuses a helper of the recipe that is called as one of the machine's own is.
    fn against_two(&self, machine: &Machine, plan: &BootPlan) -> Result<(), Fault> {
        let is_own = |one: &&Helper| plan.helpers.iter().any(|own| own.name == one.name);
        let Some(twice) = self.helpers.declared.iter().find(is_own) else { return Ok(()) };
        let fault = Fault::new(format!("{} has a helper of its own that is called {}", machine.name(), twice.name));
        Err(fault.hint("give the helper of the recipe another `name`"))
    }

    /// Ends the helpers that served boots before, and are named no more.
    fn end_others(&mut self, named: &[Helper]) -> Result<(), Fault> {
        let is_named = |name: &str| named.iter().any(|one| one.name == name);
        let is_other = |hold: &&Hold| matches!(hold, Hold::Helper { name, .. } if !is_named(name));
        let others: Vec<Hold> = self.holds.iter().filter(is_other).cloned().collect();
        others.iter().try_for_each(|hold| self.end_helper(hold))
    }

    /// Returns whether a helper runs that serves the next boot as well; one that does not is ended.
    fn keeps_helper(&mut self, start: &HelperStart) -> Result<bool, Fault> {
        let Some(hold) = self.helper_hold(&start.helper.name) else { return Ok(false) };
        let is_kept = !start.helper.each_boot && self.host.helper_ended(&start.helper.name).is_none();
        let is_kept = is_kept && self.is_permit_held(&start.helper);
        if !is_kept {
            self.end_helper(&hold)?;
        }
        Ok(is_kept)
    }

    /// Starts a helper: it is written down before it does anything.
    fn start_helper(&mut self, start: &HelperStart, is_waited: bool) -> Result<(), Fault> {
        let process = self.host.start_helper(start)?;
        let id = process.map_or_else(|| HelperId::PidFile(start.pid_file()), HelperId::Process);
        let (name, is_fatal, socket) = (start.helper.name.clone(), start.helper.is_fatal, start.own_socket());
        let hold = Hold::Helper { name, is_fatal, id, socket };
        let done = self.take(&hold).and_then(|()| self.host.release_helper(&start.helper, is_waited));
        done.map_err(|fault| {
            if fault.blame == Blame::Interrupted {
                self.feed(Event::StopAsked);
            }
            match self.end_helper(&hold) {
                Ok(()) => fault,
                Err(left) => fault.hint(left.message),
            }
        })
    }

    fn end_helper(&mut self, hold: &Hold) -> Result<(), Fault> {
        let back = hold.back(self.host.settings().platform);
        back.map_or(Ok(()), |effect| self.host.perform(&effect).map(drop))?;
        self.strike(hold);
        Ok(())
    }

    fn helper_hold(&self, name: &str) -> Option<Hold> {
        let is_its = |hold: &&Hold| matches!(hold, Hold::Helper { name: of, .. } if of == name);
        self.holds.iter().find(is_its).cloned()
    }

    /// Ends those helpers that served one boot, which is over.
    pub(super) fn end_helpers_of_boot(&mut self) -> Result<(), Fault> {
        let is_over = |cared: &Cared| cared.start.as_ref().is_some_and(|start| start.helper.each_boot);
        let over: Vec<String> = self.helpers.cared.drain(..).filter(is_over).map(|cared| cared.name).collect();
        // In a plan they are ended where everything is.
        if self.host.rehearsal().is_some() {
            return Ok(());
        }
        over.iter().try_for_each(|name| self.helper_hold(name).map_or(Ok(()), |hold| self.end_helper(&hold)))
    }

    /// Takes over the helpers of a guest that was adopted; those that are gone are no hold any more.
    pub(super) fn adopt_helpers(&mut self) {
        for hold in self.holds.clone() {
            let Hold::Helper { name, is_fatal, id: HelperId::Process(process), .. } = &hold else { continue };
            if self.host.adopt_helper(name, process) {
                if name == permit::NAME {
                    continue;
                }
                self.helpers.cared.push(Cared::new(name, *is_fatal, None));
            } else {
                self.tell(Progress::Helper(&format!("the helper {name} is gone; the next boot has it again")));
                if let Err(fault) = self.end_helper(&hold) {
                    self.tell(Progress::Helper(&fault.message));
                }
            }
        }
    }

    /// Returns when it is looked at the helpers next, if there are any.
    pub(super) fn helpers_checked(&self) -> Option<Instant> {
        (!self.helpers.cared.is_empty() || self.has_permit()).then(|| Instant::now() + HELPERS_CHECKED)
    }

    /// Looks after the helpers of a guest that runs, and returns whether one has ended without which it is not to go on.
    pub(super) fn helper_fails(&mut self) -> bool {
        if self.state.phase != Phase::Running {
            return false;
        }
        let mut all = std::mem::take(&mut self.helpers.cared);
        let fatal = all.iter_mut().find_map(|cared| self.look_after(cared));
        self.helpers.cared = all;
        let is_fatal = fatal.is_some();
        self.wrong = fatal.or(self.wrong.take());
        is_fatal
    }

    /// Looks after one helper, and returns the fault of one whose end is that of its machine.
    fn look_after(&mut self, cared: &mut Cared) -> Option<Fault> {
        if cared.is_given_up {
            return None;
        }
        if let Some(again) = cared.again {
            if Instant::now() >= again {
                self.start_again(cared);
            }
            return None;
        }
        let how = self.host.helper_ended(&cared.name)?;
        // swtpm ends when its QEMU does, which may be just now.
        if !std::mem::replace(&mut cared.is_suspect, true) {
            return None;
        }
        cared.is_suspect = false;
        let what = format!("the helper {} {how}", cared.name);
        if cared.is_fatal {
            let fault = Fault::host(format!("{what}; the guest is stopped, as its recipe says by `fatal`"));
            let log =
                self.status.as_ref().map(|status| format!("`vmrun logs {}` shows what it said before", status.name));
            return Some(fault.hint(log.unwrap_or_else(|| "what it said before stands above".into())));
        }
        self.plan_again(cared, &what);
        None
    }

    /// Decides whether and when a helper is started again whose guest goes on, and tells it.
    fn plan_again(&mut self, cared: &mut Cared, what: &str) {
        if cared.since.elapsed() >= STEADY {
            cared.restarts = 0;
        }
        if cared.start.is_none() || cared.restarts >= RESTARTS {
            cared.is_given_up = true;
            let is_adopted = cared.start.is_none();
            let why = if is_adopted {
                "who adopted it cannot start it: the next boot does"
            } else {
                "it is not started again"
            };
            return self.tell(Progress::Helper(&format!("{what}; {why}")));
        }
        let wait = PAUSE * 2_u32.saturating_pow(cared.restarts);
        cared.restarts += 1;
        cared.again = Some(Instant::now() + wait);
        self.tell(Progress::Helper(&format!("{what}; starting it again in {wait:?}")));
    }

    /// Starts a helper again whose guest goes on meanwhile: nobody waits until it is ready.
    fn start_again(&mut self, cared: &mut Cared) {
        (cared.again, cared.since) = (None, Instant::now());
        let Some(start) = cared.start.clone() else { return };
        let ended = self.helper_hold(&cared.name).map_or(Ok(()), |hold| self.end_helper(&hold));
        if let Err(fault) = ended.and_then(|()| self.start_helper(&start, false)) {
            cared.is_given_up = true;
            self.tell(Progress::Helper(&format!("{}; the helper {} is not started again", fault.message, cared.name)));
        }
    }
}

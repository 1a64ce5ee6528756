//! The permit of a machine, as its run sees it: had before the guest runs, watched while it does, and what is done when it is lost.

use super::Run;
use super::claim::images_of;
use super::holds::Hold;
use super::progress::Progress;
use super::step::{FORCE_WITHIN, Phase};
use crate::diag::{Blame, Fault};
use crate::host::permit::{self, PermitAnswer};
use crate::host::reservation::is_same;
use crate::model::permit::{Permit, PermitState};
use crate::model::{Helper, Machine, VmName};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the guard of an adopted guest may take to answer for the first time.
const FIRST_ANSWER: Duration = Duration::from_secs(2);

/// What of the time that is left the machine gets to switch off before its hypervisor is killed, at most.
const FORCED_WITHIN: Duration = Duration::from_secs(1);

/// The permit of the run's machine.
#[derive(Default)]
pub(crate) struct RunPermit {
    /// What is wanted, as the recipe or the command line says.
    pub wanted: Option<Permit>,
    /// Which host is proved to be fenced, as the command line says.
    pub fenced: Option<String>,
    /// The permit of the guest that runs.
    watched: Option<Watched>,
    /// How long the machine gets to switch off once it was told to, where its permit is lost.
    forced_within: Option<Duration>,
}

/// A permit that is watched.
struct Watched {
    socket: PathBuf,
    /// When the guest has to be down, if nothing more is heard of the permit.
    until: Instant,
    /// How much of that time the guest is left with when the permit is given up.
    margin: Duration,
    is_lost: bool,
}

impl Run {
    /// Returns the helper that guards the permit of a machine, if it needs one.
    pub(super) fn permit_guard(&self, machine: &Machine) -> Result<Option<Helper>, Fault> {
        let Some(wanted) = &self.permit.wanted else { return Ok(None) };
        let fenced = self.permit.fenced.clone().filter(|_| wanted.reservation.is_some());
        if let Some(path) = &wanted.reservation
            && let Some((disk, _)) = images_of(machine).into_iter().find(|(disk, _)| is_same(disk, path))
        {
            let fault = Fault::new(format!(
                "{} is a disk of {}, and no place for its reservation",
                disk.display(),
                machine.name()
            ));
            return Err(
                fault.hint("a record would go over what the guest has there: name a file beside it, or another disk")
            );
        }
        permit::helper(&Permit { fenced, ..wanted.clone() }, machine.name(), self.host.settings()).map(Some)
    }

    /// Returns whether a helper that runs serves the next boot as well, as far as it guards a permit: one that is lost is no more.
    pub(super) fn is_permit_held(&self, helper: &Helper) -> bool {
        let held = |answer: PermitAnswer| matches!(answer.state, PermitState::Held { .. });
        !helper.is_permit || helper.socket.as_deref().and_then(permit::ask).is_some_and(held)
    }

    /// Watches the permit of a guest from now on that is about to run, or runs already.
    pub(super) fn watch_permit(&mut self, socket: PathBuf, is_new: bool) {
        let (until, margin) = (Instant::now() + FIRST_ANSWER, Duration::ZERO);
        self.permit.watched = Some(Watched { socket, until, margin, is_lost: false });
        if is_new {
            self.tell(Progress::PermitHeld);
        }
    }

    /// Takes over the permit of a guest that was adopted. Where nobody guards it any more it is lost, as nobody knows whether it is held.
    pub(super) fn adopt_permit(&mut self, machine: &VmName) {
        let has_permit =
            self.holds.iter().any(|hold| matches!(hold, Hold::Helper { name, .. } if name == permit::NAME));
        if has_permit {
            self.watch_permit(permit::socket(self.host.settings(), machine), false);
        }
    }

    /// Nothing is watched any more: the boot is over.
    pub(super) fn permit_is_over(&mut self) {
        (self.permit.watched, self.permit.forced_within) = (None, None);
    }

    /// Returns whether there is a permit to look at.
    pub(super) const fn has_permit(&self) -> bool {
        self.permit.watched.is_some()
    }

    /// Returns how long the machine gets to switch off once it was told to.
    pub(super) fn forced_within(&self) -> Duration {
        self.permit.forced_within.unwrap_or(FORCE_WITHIN)
    }

    /// Looks how the permit of a guest that runs stands, and returns whether it was just lost: the guest is to be stopped in the time
    /// that is left.
    pub(super) fn permit_fails(&mut self) -> bool {
        if !matches!(self.state.phase, Phase::Running | Phase::Asking | Phase::Stopping) {
            return false;
        }
        let Some(mut watched) = self.permit.watched.take() else { return false };
        let lost = if watched.is_lost { None } else { self.look_at_permit(&mut watched) };
        let left = watched.until.saturating_duration_since(Instant::now());
        watched.is_lost |= lost.is_some();
        self.permit.watched = Some(watched);
        lost.map(|why| self.lose_permit(&why, left)).is_some()
    }

    /// Returns why the permit is lost, if it is.
    fn look_at_permit(&mut self, watched: &mut Watched) -> Option<String> {
        let answer = permit::ask(&watched.socket);
        let now = Instant::now();
        match answer.map(|answer| (answer.margin, answer.state)) {
            Some((margin, PermitState::Held { left })) => {
                (watched.until, watched.margin) = (now + left, margin);
                None
            }
            Some((_, PermitState::Lost { left, why })) => {
                watched.until = now + left;
                Some(why)
            }
            Some((_, PermitState::Wanted)) | None => match self.host.helper_ended(permit::NAME) {
                Some(how) => Some(format!("who guards it {how}")),
                None => (now + watched.margin >= watched.until).then(|| "who guards it does not answer".into()),
            },
        }
    }

    /// Has the guest get what is left of its time, and notes what is wrong.
    fn lose_permit(&mut self, why: &str, left: Duration) {
        let forced = FORCED_WITHIN.min(left / 4);
        self.permit.forced_within = Some(forced);
        self.stop_within = left.saturating_sub(forced);
        self.tell(Progress::PermitLost(why, left));
        let fault = Fault::new(format!("the permit is lost: {why}")).blame(Blame::Permit);
        self.wrong = Some(
            fault.hint("the guest was stopped, as it runs only while its permit is held; start it again where that is"),
        );
    }
}

//! Sessions with iSCSI targets that runs have made: as words of a journal, and what of them is left.

use super::holds::Hold;
use super::recovery::{self, Back, Left};
use crate::diag::{Cause, Fault};
use crate::host::iscsi::{self, IscsiDevice};
use crate::host::{Effect, Host, Platform};
use crate::model::iscsi::IscsiNickname;
use crate::model::{IscsiDisk, IscsiSession};
use std::time::{Duration, Instant};

/// Returns the words of a journal for a session that was made.
pub(super) fn words(session: &IscsiSession) -> Vec<String> {
    let IscsiSession { target, portal, nickname } = session;
    let all = ["session".to_string(), target.to_string(), portal.to_string()];
    all.into_iter().chain(nickname.as_ref().map(ToString::to_string)).collect()
}

/// Reads what stands behind the first of these words.
pub(super) fn read(words: &[&str]) -> Option<IscsiSession> {
    let (target, portal, nickname) = match words {
        [target, portal] => (target, portal, None),
        [target, portal, nickname] => (target, portal, Some(nickname.parse().ok()?)),
        _ => return None,
    };
    Some(IscsiSession { target: target.parse().ok()?, portal: portal.parse().ok()?, nickname })
}

/// What a dead run had made: a session ends that is there, or of which nobody says whether it is.
pub(super) fn undo(host: &dyn Host, session: &IscsiSession, left: &mut Left) {
    if iscsi::is_there(host, session).unwrap_or(true) {
        left.backs.push(Back::Effect(Effect::IscsiLogout(Box::new(session.clone()))));
    }
}

/// Returns what is gone already, as a sentence.
pub(super) fn gone(host: &dyn Host, session: &IscsiSession) -> Option<String> {
    iscsi::is_there(host, session).is_ok_and(|is_there| !is_there).then(|| format!("{session} is gone already"))
}

/// Who has made a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// The administrator, or another program.
    Foreign,
    /// This run.
    Own,
    /// A run that is dead, and gives it back before its machine starts again, or with `vmrun gc`.
    Dead,
}

/// How long it is waited before a host is asked again.
const MOMENT: Duration = Duration::from_millis(250);

impl super::Run {
    /// Waits for a disk whose session was made: iscsid(8) connects it in the background, and the kernel and udev(7) bring the device a little later.
    /// Nothing is returned where the host says nothing.
    ///
    /// # Errors
    /// It did not come in time, or the session is another one than was meant.
    pub(crate) fn await_iscsi(
        &mut self,
        disk: &IscsiDisk,
        session: &IscsiSession,
        within: Duration,
    ) -> Result<Option<IscsiDevice>, Fault> {
        let begin = Instant::now();
        loop {
            let fault = match iscsi::device(&*self.host, disk) {
                Ok(device) => return Ok(device),
                Err(fault) => fault,
            };
            let is_listed_at_once = self.host.settings().platform == Platform::FreeBsd;
            match (&fault.cause, &session.nickname) {
                (Some(Cause::NoSession), Some(nickname)) if is_listed_at_once => {
                    return Err(of_others(nickname, session));
                }
                (Some(Cause::NoSession), _) if is_listed_at_once => return Err(fault),
                (Some(Cause::NoSession | Cause::NotReady), _) if begin.elapsed() < within => self.sleep(MOMENT)?,
                (Some(Cause::NoSession), _) => return Err(no_link(session, within)),
                _ => return Err(fault),
            }
        }
    }

    /// Returns who has made a session that is there, by its target and its portal as the host names them.
    ///
    /// # Errors
    /// The run of another machine has made it, and ends it when that stops.
    pub(crate) fn maker_of(&self, target: &str, portal: &str) -> Result<Maker, Fault> {
        let is_it = |hold: &Hold| matches!(hold, Hold::Effect(Effect::IscsiLogin(made)) if made.is(target, portal));
        if self.holds.iter().any(is_it) {
            return Ok(Maker::Own);
        }
        match recovery::maker_of(&*self.host, &is_it) {
            None => Ok(Maker::Foreign),
            Some((_, false)) => Ok(Maker::Dead),
            Some((name, true)) => {
                let fault = Fault::busy(format!(
                    "the iSCSI session of {target} at {portal} is of the machine {name}, and ends with it"
                ));
                Err(fault.hint(format!(
                    "`vmrun stop {name}`, or log in yourself for both: a session that vmrun finds is left as it is"
                )))
            }
        }
    }
}

/// The fault of a nickname that means something else.
fn of_others(nickname: &IscsiNickname, session: &IscsiSession) -> Fault {
    let IscsiSession { target, portal, .. } = session;
    let fault = Fault::host(format!("{nickname} of /etc/iscsi.conf is not {session}"));
    fault.hint(format!("what it has as TargetName and TargetAddress is to be {target} and {portal}, as in the recipe"))
}

/// The fault of a session whose disks have no links.
fn no_link(session: &IscsiSession, within: Duration) -> Fault {
    let fault = Fault::host(format!("{session} has no disk after {} s", within.as_secs()));
    fault.hint("`ls /dev/disk/by-path` shows what udev knows: does its server give this initiator a LUN?")
}

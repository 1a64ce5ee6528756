//! The file systems of a guest that runs are frozen while its disks are kept, where it has an agent: its supervisor does that, and
//! thaws them whatever becomes of this process.

use crate::diag::may_fail::MayFail as _;
use crate::host::freeze::{self, FreezeAnswer, FreezeRequest};
use crate::host::system::System;
use crate::host::{Facts as _, Host as _};
use crate::model::VmName;
use crate::supervise::freeze::FROZEN_AT_MOST;
use crate::supervise::status::MachineStatus;
use std::time::{Duration, Instant};

/// How long a supervisor may take to hear what is asked, to freeze and to thaw.
const HEARS_WITHIN: Duration = Duration::from_secs(2);
const FREEZES_WITHIN: Duration = Duration::from_secs(8);
const THAWS_WITHIN: Duration = Duration::from_secs(5);

/// What is asked of the supervisor of a machine.
pub(in crate::ops) struct Freeze<'a> {
    host: &'a System,
    name: &'a VmName,
    request: FreezeRequest,
}

impl<'a> Freeze<'a> {
    /// Returns what can be asked, if the machine is in the background and may have an agent.
    pub(in crate::ops) fn of(host: &'a System, name: &'a VmName) -> Option<Self> {
        let status = MachineStatus::of(host, name)?;
        let run = status.supervisor.filter(|run| status.guest.is_some() && host.processes().exists(*run))?;
        status.shape.agent?;
        Some(Self { host, name, request: FreezeRequest::new(run) })
    }

    /// Has the file systems frozen, and returns how many. The error is why they are not.
    pub(super) fn begin(&self) -> Result<u64, String> {
        match self.asks(true, FREEZES_WITHIN) {
            Ok(FreezeAnswer::Frozen(count)) => Ok(count),
            Ok(FreezeAnswer::Refused(why) | FreezeAnswer::Stuck(why)) => {
                Err(format!("the agent in {} {why}", self.name))
            }
            Ok(FreezeAnswer::Thawed(_)) => Err(format!("the agent in {} has frozen nothing", self.name)),
            Err(why) => {
                // It may do it later, and is to undo it then.
                let undone = freeze::ask(
                    self.host.settings(),
                    self.name,
                    &FreezeRequest { freezes: false, ..self.request.clone() },
                );
                undone.may_fail("it thaws by itself after a time");
                Err(why)
            }
        }
    }

    /// Has them thawed. The error is why what was kept meanwhile is not of one moment, or what stays frozen.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.asks(false, THAWS_WITHIN) {
            Ok(FreezeAnswer::Thawed(true)) => Ok(()),
            Ok(FreezeAnswer::Thawed(false)) => {
                Err(format!("the file systems in {} were thawed before, or after {FROZEN_AT_MOST:?}", self.name))
            }
            Ok(FreezeAnswer::Refused(why) | FreezeAnswer::Stuck(why)) => {
                Err(format!("the file systems in {} may stay frozen: its agent {why}, and is asked again", self.name))
            }
            Ok(FreezeAnswer::Frozen(_)) => {
                Err(format!("the file systems in {} stay frozen for {FROZEN_AT_MOST:?} at most", self.name))
            }
            Err(why) => Err(why),
        }
    }

    /// Asks the supervisor, and waits for what it answers to that.
    fn asks(&self, freezes: bool, within: Duration) -> Result<FreezeAnswer, String> {
        let (settings, name) = (self.host.settings(), self.name);
        let before = freeze::heard(settings, name, &self.request.token);
        if let Some(FreezeAnswer::Thawed(is_whole)) = before {
            return Ok(FreezeAnswer::Thawed(is_whole));
        }
        freeze::ask(settings, name, &FreezeRequest { freezes, ..self.request.clone() })
            .map_err(|fault| fault.message)?;
        let begun = Instant::now();
        loop {
            let answer = freeze::heard(settings, name, &self.request.token);
            if let Some(answer) = answer.filter(|answer| Some(answer) != before.as_ref()) {
                return Ok(answer);
            }
            let within = if freeze::is_unheard(settings, name) { within.min(HEARS_WITHIN) } else { within };
            if begun.elapsed() > within {
                freeze::withdraw(settings, name);
                let silent = || format!("the supervisor of {name} has not answered within {within:?}");
                return before.filter(|answer| matches!(answer, FreezeAnswer::Stuck(_))).ok_or_else(silent);
            }
            self.host.processes().pause();
        }
    }
}

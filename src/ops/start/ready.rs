//! What is waited for until a machine is ready, as its recipe says.

use crate::host::background::Supervisor;
use crate::host::files;
use crate::host::log::after;
use crate::model::VmName;
use crate::ops::{address, exec, settings};
use crate::supervise::Claim;
use crate::supervise::order::{Ready, Sign};
use crate::supervise::status::MachineStatus;
use std::path::PathBuf;
use std::time::Duration;

/// What is waited for.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    ready: Ready,
    /// The file that has what the serial port says, where the recipe has that kept; else the log of the machine has it.
    serial_log: Option<PathBuf>,
}

impl Awaited {
    /// Returns what a recipe's machine has to do until it is ready, if that is more than to run.
    pub(super) fn of(claim: &Claim) -> Option<Self> {
        let ready = claim.service.ready.clone()?;
        Some(Self { ready, serial_log: claim.serial_log.clone() })
    }

    /// How long is waited.
    pub(super) const fn within(&self) -> Duration {
        self.ready.within
    }

    /// Returns where in the file of the serial port begins what is said from now on.
    pub(super) fn now(&self) -> u64 {
        self.serial_log.as_deref().and_then(files::length).unwrap_or_default()
    }

    /// Waits until a machine that was started is ready: what its serial port had said before says nothing. Returns whether it came
    /// to that in time, or nothing if somebody asked us to stop.
    pub(super) fn comes(&self, supervisor: &Supervisor, name: &VmName, from: u64) -> Option<bool> {
        let within = self.within();
        match (&self.ready.sign, &self.serial_log) {
            (Sign::Tcp(address), _) => supervisor.answers(*address, within),
            (Sign::Ssh, _) => supervisor.until(within, || address::greets(name)),
            (Sign::Agent, _) => supervisor.until(within, || exec::has_agent(name)),
            (Sign::Serial(text), Some(log)) => supervisor.until(within, || after(log, from).contains(text)),
            (Sign::Serial(text), None) => supervisor.says(text, || boot_log(name), within),
        }
    }
}

/// Where in the log of a machine what its last boot says begins.
fn boot_log(name: &VmName) -> u64 {
    let status = settings::host(false).ok().and_then(|host| MachineStatus::of(&host, name));
    status.map_or(0, |status| status.log_from)
}

//! The jail in which a machine's bhyve runs: one that is there is only entered, one that is made for it goes with it.

use super::Run;
use super::recovery::{Back, Left};
use crate::bhyve;
use crate::diag::Fault;
use crate::host::{Effect, Host, Platform};
use crate::model::{JailName, Machine};

impl Run {
    /// Makes the jail of a machine, if it is to be made; once for all boots of a run.
    pub(super) fn make_jail(&mut self, machine: &Machine) -> Result<(), Fault> {
        let is_freebsd = self.host.settings().platform == Platform::FreeBsd;
        let Some(jail) = machine.jail().filter(|jail| jail.is_made && is_freebsd) else { return Ok(()) };
        let passes_devices = machine.devices().any(|(_, device)| device.kind().name == "passthru");
        let effect = Effect::CreateJail { jail: jail.name.clone(), machine: machine.name().clone(), passes_devices };
        self.act(&effect).map(drop)
    }
}

/// A jail that a dead run has made goes, if it is still that one: another of its name stays.
pub(super) fn undo(host: &dyn Host, jail: &JailName, left: &mut Left) {
    match host.query(&bhyve::look_at_jail(jail)) {
        Ok(parameters) if bhyve::is_made_for(&parameters, &left.name) => {
            left.backs.push(Back::Effect(Effect::RemoveJail(jail.clone())));
        }
        Err(fault) if bhyve::is_no_jail(&fault.message) => {}
        Ok(_) | Err(_) => left.kept.push(format!("the jail {jail}")),
    }
}

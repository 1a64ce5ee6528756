//! The logs of machines in the background.

use super::installation::Installation;
use super::known;
use super::settings::{log_file, platform, settings};
use crate::diag::{Diagnostic, Fault};
use crate::host::files;
use crate::host::log::{follow, last_lines};
use crate::model::VmName;
use crate::supervise::status::MachineStatus;
use std::path::{Path, PathBuf};

/// The log of a machine.
pub(crate) struct Log {
    path: PathBuf,
    /// The length when it was opened, in bytes.
    length: u64,
}

impl Log {
    /// Finds the log of a machine. A fault says that there is none.
    pub(crate) fn open(name: &VmName) -> Result<Self, Fault> {
        let path = path(name)?;
        let length = files::length(&path).ok_or_else(|| none(name, &path))?;
        Ok(Self { path, length })
    }

    /// Finds the log of a machine's serial port, as its recipe says it.
    pub(crate) fn of_serial(name: &VmName) -> Result<Self, Vec<Diagnostic>> {
        let installation = Installation::open()?;
        let known = known::one(&installation, &known::statuses()?, name.as_str())?;
        let machines = installation.machines_of(&known)?;
        let found = machines.all.into_iter().find(|one| one.name == name.as_str());
        let Some(path) = found.and_then(|one| one.serial_log) else {
            let fault = Fault::new(format!("what {name} says on its serial port is not kept"));
            let hint = "give the machine `serial_log: \"/var/log/vmrun/NAME.serial\"`, and a `com1` that is a nmdm(4)";
            return Err(fault.hint(hint).into());
        };
        let length = files::length(&path).ok_or_else(|| {
            let fault = Fault::host(format!("{} is not there", path.display()));
            fault.hint(format!("it is made when the machine is started: `vmrun start {name}`"))
        })?;
        Ok(Self { path, length })
    }

    /// Returns so many lines from its end, or as many as there are.
    pub(crate) fn last_lines(&self, count: usize) -> String {
        last_lines(&self.path, 0, count)
    }

    /// Hands out what is added after it was opened, until `print` says that nobody reads any more, or somebody asks to stop.
    pub(crate) fn follow(&self, print: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Fault> {
        follow(&self.path, self.length, print)
    }
}

/// Returns the path of a machine's log: what its supervisor has written, or where it would be.
pub(crate) fn path(name: &VmName) -> Result<PathBuf, Fault> {
    let settings = platform().and_then(|platform| settings(platform, false))?;
    let status = files::read_text(&settings.status_file(name)).ok();
    let status = status.and_then(|text| MachineStatus::read(&text));
    status.map_or_else(|| log_file(name), |status| Ok(status.log.into()))
}

fn none(name: &VmName, log: &Path) -> Fault {
    let fault = Fault::host(format!("there is no log of {name}: {} is not there", log.display()));
    fault.hint(format!("a machine has one once it runs in the background: `vmrun start {name}`"))
}

//! The processes of the real host.

use super::System;
use crate::diag::Fault;
use crate::host::program::run;
use crate::host::{Identity, Platform, ProcessFact, ProcessTable, Witness, kernel, processes};
use crate::model::VmName;

impl ProcessTable for System {
    fn identity(&self) -> Identity {
        kernel::identity()
    }

    fn witness(&self, pids: &[u32]) -> Witness {
        kernel::witness(pids)
    }

    fn started(&self, pid: u32) -> String {
        kernel::started(pid).unwrap_or_default()
    }

    fn process(&self, pid: u32) -> Option<ProcessFact> {
        kernel::process(pid)
    }

    fn strays(&self, name: &VmName) -> Vec<u32> {
        kernel::that_name(&self.settings.machine_folder(name))
    }

    fn bhyves(&self, name: &VmName) -> Result<Vec<u32>, Fault> {
        match self.settings.platform {
            Platform::FreeBsd => processes::freebsd::named(&run, name.as_str()),
            Platform::Linux => Ok(Vec::new()),
        }
    }

    fn pause(&self) {
        kernel::tick();
    }
}

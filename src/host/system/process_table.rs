//! The processes of the real host.

use super::System;
use crate::diag::Fault;
use crate::host::program::run;
use crate::host::rights::is_root;
use crate::host::{IN_JAIL, Identity, Platform, ProcessFact, ProcessTable, Settings, Witness, kernel, processes};
use crate::model::VmName;
use crate::qemu::{ask_socket, qmp_socket};
use std::os::unix::net::UnixStream;

/// Returns whether a process certainly runs a machine of these settings.
pub(super) fn is_of(settings: &Settings, pid: u32, name: &VmName) -> bool {
    match settings.platform {
        Platform::FreeBsd => kernel::process(pid).is_some_and(|fact| fact.is_bhyve_of(name)),
        Platform::Linux => kernel::runs(pid, &settings.machine_folder(name)),
    }
}

impl ProcessTable for System {
    fn identity(&self) -> Identity {
        kernel::identity(self.settings.platform)
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

    fn exists(&self, pid: u32) -> bool {
        kernel::exists(pid)
    }

    fn runs(&self, pid: u32, name: &VmName) -> bool {
        is_of(&self.settings, pid, name)
    }

    fn has_lock(&self, pid: u32, name: &VmName) -> Option<bool> {
        kernel::has_open(pid, &self.settings.lock_file(name))
    }

    fn space(&self) -> String {
        kernel::space(self.settings.platform)
    }

    /// A jail sees neither the processes nor the nodes of its host and of other jails (prison_check(9)), and what a host sees of a
    /// node that no process runs tells nothing of what else is in the jail.
    fn answers(&self, name: &VmName) -> Option<bool> {
        let folder = self.settings.machine_folder(name);
        match self.settings.platform {
            Platform::FreeBsd => self.bhyves(name).is_ok_and(|all| !all.is_empty()).then_some(true),
            Platform::Linux => {
                Some([ask_socket(&folder), qmp_socket(&folder)].iter().any(|path| UnixStream::connect(path).is_ok()))
            }
        }
    }

    fn strays(&self, name: &VmName) -> Vec<u32> {
        match self.settings.platform {
            Platform::FreeBsd => Vec::new(),
            Platform::Linux => kernel::that_run(&self.settings.machine_folder(name)),
        }
    }

    fn bhyves(&self, name: &VmName) -> Result<Vec<u32>, Fault> {
        match self.settings.platform {
            // Root sees all that is in its jail (cr_canseeotheruids(9)), and a node there is of a process there.
            Platform::FreeBsd => processes::freebsd::named(&run, name.as_str(), &|| {
                is_root(&self.settings.nodes) && self.space().starts_with(IN_JAIL)
            }),
            Platform::Linux => Ok(Vec::new()),
        }
    }

    fn pause(&self) {
        kernel::tick();
    }
}

//! A machine that does not run, and that nobody starts while what it has is changed.

use crate::diag::Fault;
use crate::host::Host;
use crate::model::VmName;
use crate::model::device::Access;
use crate::supervise::node;
use crate::supervise::recovery::{self, Aim};
use std::path::PathBuf;
use std::time::Duration;

/// How long somebody else may look whether a lock is held.
const MOMENT: Duration = Duration::from_millis(100);

/// Says why what a machine has is not to be changed now: it runs, a run has left something, or somebody else has one of these disks.
pub(crate) fn against(host: &dyn Host, name: &VmName, disks: &[PathBuf]) -> Option<Fault> {
    if let Some(owner) = recovery::holder(host, name) {
        return Some(recovery::running(host, name, owner.as_ref(), Aim::Disks));
    }
    if let Some(fault) = recovery::left_elsewhere(host, name) {
        return Some(fault);
    }
    if recovery::is_to_be_taken_over(host, name) {
        let fault = Fault::host(format!("a run of {name} that is gone has left something"));
        return Some(fault.hint("`vmrun gc` gives it back, `vmrun gc --dry-run` shows what that is"));
    }
    node::against_starting(host, name)
        .or_else(|| disks.iter().find_map(|path| recovery::against_image(host, name, path, Access::ReadWrite)))
}

/// Holds a machine and its disks while something is done, so that nobody starts it and no other machine gets a disk of it. One that is
/// on its way to another host, or from there, is left to that.
pub(crate) fn hold<T>(
    host: &mut dyn Host,
    name: &VmName,
    disks: &[PathBuf],
    work: impl FnOnce(&mut dyn Host) -> Result<T, Fault>,
) -> Result<T, Fault> {
    hold_moving(host, name, disks, |host| {
        host.store().against_change(name).map_or(Ok(()), Err).and_then(|()| work(host))
    })
}

/// Holds a machine and its disks like [`hold`], for what has to do with its move.
pub(crate) fn hold_moving<T>(
    host: &mut dyn Host,
    name: &VmName,
    disks: &[PathBuf],
    work: impl FnOnce(&mut dyn Host) -> Result<T, Fault>,
) -> Result<T, Fault> {
    if !host.store_mut().reserve(name, MOMENT)? {
        return Err(recovery::running(host, name, recovery::holder(host, name).flatten().as_ref(), Aim::Disks));
    }
    let taken = disks.iter().find(|path| !host.store_mut().hold(path, Access::ReadWrite));
    let done = match (against(host, name, &[]), taken) {
        (Some(fault), _) => Err(fault),
        (None, Some(path)) => {
            let fault = Fault::busy(format!("{} is in use by another machine", path.display()));
            Err(fault.hint("`vmrun list` shows what runs"))
        }
        (None, None) => work(host),
    };
    let cleared = host.store_mut().clear(name);
    let done = done?;
    cleared.map(|()| done)
}

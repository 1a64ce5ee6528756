//! A machine that does not run, and that nobody starts while what it has is changed.

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::Host;
use crate::host::files::beside;
use crate::model::VmName;
use crate::model::device::Access;
use crate::supervise::holds::Hold;
use crate::supervise::journal::{self, Work};
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
    if let Some(what) = recovery::exports::left_by(host, name) {
        let fault = Fault::host(format!("{what} that is gone has left something"));
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

/// Holds a machine and its disks like [`hold`], and has its journal name these files meanwhile, so that `vmrun gc` takes away what is left of
/// them by one that is killed.
pub(crate) fn hold_with_halves<T>(
    host: &mut dyn Host,
    name: &VmName,
    (disks, halves): (&[PathBuf], &[PathBuf]),
    work: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    hold(host, name, disks, |host| {
        if halves.is_empty() {
            return work();
        }
        let taken = halves.iter().map(|path| journal::taken(&Hold::Temporary(beside(path))));
        let begins = journal::of_work(&Work::Change(name.clone()));
        let lines: String = std::iter::once(begins).chain(taken).collect();
        // What could not be noted whole goes again too.
        let done = host.store_mut().note(name, &lines, true).and_then(|()| work());
        host.store_mut().settle(name).may_fail("what it names is gone, and the next one finds it gone");
        done
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
        (None, Some(path)) => Err(recovery::against_image(host, name, path, Access::ReadWrite).unwrap_or_else(|| {
            let fault = Fault::busy(format!("{} is in use by another machine", path.display()));
            fault.hint("`vmrun list` shows what runs")
        })),
        (None, None) => work(host),
    };
    let cleared = host.store_mut().clear(name);
    let done = done?;
    cleared.map(|()| done)
}

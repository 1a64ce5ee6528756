//! Runs in other namespaces or another jail with the same state folder: what of them is there is theirs, and seen only from there.

use super::{evidence, holder, journal};
use crate::bhyve;
use crate::diag::Fault;
use crate::host::store::Trace;
use crate::host::{Host, IN_JAIL};
use crate::model::{Argv, VmName};
use crate::supervise::journal::Owner;

/// Returns the fault of a machine that a dead run elsewhere has left, and with it a guest, or what cannot be seen from here: nothing is
/// given back under it. Nothing where its run was here, or has certainly left no guest.
pub(super) fn against_elsewhere(host: &dyn Host, trace: &Trace) -> Option<Fault> {
    let (journal, processes, name) = (journal(trace), host.processes(), &trace.name);
    let owner = journal.owner.as_ref().filter(|owner| evidence::is_of_elsewhere(processes, owner))?;
    match processes.answers(name) {
        Some(false) => None,
        Some(true) => {
            let fault = Fault::host(format!("the guest of {name} goes on without its vmrun {}", owner.whereabouts()));
            Some(fault.hint(format!("`vmrun adopt {name}` there takes it over, `vmrun stop {name}` there stops it")))
        }
        None => Some(out_of_sight(host, name, owner)),
    }
}

/// The same of a machine by its name, which nobody runs.
pub(crate) fn left_elsewhere(host: &dyn Host, name: &VmName) -> Option<Fault> {
    let trace = host.store().trace(name).filter(|_| holder(host, name).is_none())?;
    against_elsewhere(host, &trace)
}

/// The fault of a machine that a dead run elsewhere has left, and of which nobody here can tell what it left.
fn out_of_sight(host: &dyn Host, name: &VmName, owner: &Owner) -> Fault {
    let place = owner.whereabouts();
    let fault = Fault::host(format!("{name} was left by {owner}, {place}: what it left is to be seen only there"));
    let there = format!("`vmrun stop {name}` there gives it back");
    if !owner.space.starts_with(IN_JAIL) {
        return fault.hint(there);
    }
    // With a jail go its processes and its network; its nodes and the files stay.
    let settings = host.settings();
    let node = host.file(&settings.node(name)).map(|_| format!("`{}` and ", bhyve::destroy(name)));
    let files = [settings.machine_folder(name), settings.lock_file(name)];
    let files = Argv::new("rm").arg("-rf").args(files.iter().map(|path| path.display()));
    fault.hint(format!("{there}; if that jail is gone, {}`{files}` here", node.unwrap_or_default()))
}

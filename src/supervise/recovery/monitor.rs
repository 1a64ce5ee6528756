//! How a machine is right now, for programs that ask again and again, and act on the answer: what could not be looked at is never
//! taken for what does not run.
//!
//! A machine that runs, has failed or is down is told by files, locks and by whether there is a process, which starts no program on any
//! system. What a dead run has left is looked at as `vmrun adopt` does, for which FreeBSD's ps(1) is asked.

use super::exports::is_exported;
use super::{evidence, holder, images};
use crate::diag::{Blame, Fault};
use crate::host::store::StateRecord;
use crate::host::{Host, SameBoot};
use crate::model::VmName;
use crate::model::device::Access;
use crate::supervise::journal::{Journal, Owner};
use crate::supervise::status::{MachineState, MachineStatus};

/// How often it is looked until what does not fit together is told: a run writes one file after the other.
const LOOKS: usize = 20;

/// How a machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Monitored {
    /// A run in the background looks after it, and has written this.
    Supervised(Box<MachineStatus>),
    /// A run has just begun, and has written no status yet.
    Starting(u32),
    /// A run in the foreground has it, or a run of several machines.
    Foreground(Owner),
    /// Its guest runs and its supervisor is gone.
    Unsupervised(u32),
    /// It has failed, and nobody starts it again.
    Failed(Box<MachineStatus>),
    /// It does not run; whether a dead run has left something.
    Down(bool),
}

/// What one look at a machine shows.
enum Look {
    Sure(Monitored),
    /// What was read does not fit together, as while somebody writes it.
    Torn(String),
}

/// Looks at a machine. The fault says that it cannot be told how it is, and why.
pub(crate) fn monitor(host: &dyn Host, name: &VmName) -> Result<Monitored, Fault> {
    let mut torn = String::new();
    for _ in 0..LOOKS {
        match look(host, name)? {
            Look::Sure(monitored) => return Ok(monitored),
            Look::Torn(what) => torn = what,
        }
        host.processes().pause();
    }
    let fault = Fault::new(format!("it cannot be told whether {name} runs: {torn}")).blame(Blame::Unsure);
    Err(fault
        .hint(format!("`vmrun status {name}` shows what there is; `vmrun stop {name}` ends what is certainly its own")))
}

fn look(host: &dyn Host, name: &VmName) -> Result<Look, Fault> {
    let examined = host.store().examine(name)?;
    let status = match examined.status.as_deref().map(MachineStatus::read) {
        None => None,
        Some(Some(status)) if status.name == *name => Some(status),
        Some(Some(status)) => return Ok(Look::Torn(format!("its status is that of {}", status.name))),
        Some(None) => return Ok(Look::Torn("its status is not whole".into())),
    };
    let Some(record) = examined.record else { return Ok(without_lock(status)) };
    let Some(text) = &record.journal else {
        let is_exported = record.is_locked && is_exported(host, name);
        return Ok(if is_exported { without_lock(status) } else { without_journal(&record, status) });
    };
    let journal = Journal::read(text);
    if journal.owner.is_none() {
        return Ok(Look::Torn("its journal is not whole, and tells no owner".into()));
    }
    Ok(if record.is_locked {
        locked(host, name, &journal, status)
    } else {
        left(host, &record, &journal, status.as_ref())
    })
}

/// Of a machine without a lock file: one that has failed keeps nothing but its status.
fn without_lock(status: Option<MachineStatus>) -> Look {
    match status {
        None => Look::Sure(Monitored::Down(false)),
        Some(status) if status.state == MachineState::Failed => Look::Sure(Monitored::Failed(Box::new(status))),
        Some(status) => Look::Torn(format!("its status says {}, and its lock file is gone", status.state)),
    }
}

/// Of a lock file that says nothing: somebody has the lock for a moment, or has left an empty file.
fn without_journal(record: &StateRecord, status: Option<MachineStatus>) -> Look {
    match status {
        _ if record.is_locked => Look::Torn("somebody holds its lock, and does not tell for what".into()),
        Some(status) if status.state == MachineState::Failed => Look::Sure(Monitored::Failed(Box::new(status))),
        Some(status) => Look::Torn(format!("its status says {}, and its journal is empty", status.state)),
        None => Look::Sure(Monitored::Down(true)),
    }
}

/// Of a lock that somebody holds: the owner, a command that it has left, or somebody who gives back what a dead run has left.
fn locked(host: &dyn Host, name: &VmName, journal: &Journal, status: Option<MachineStatus>) -> Look {
    let processes = host.processes();
    let Some(owner) = journal.owner.clone() else { return Look::Torn("its journal tells no owner".into()) };
    let is_here = processes.exists(owner.pid) && processes.has_lock(owner.pid, name) != Some(false);
    if !is_here && holder(host, name).is_none() {
        let guest = journal.holds.iter().find_map(|hold| evidence::living(processes, name, journal, hold));
        return guest.map_or_else(
            || Look::Torn("its run is gone, and somebody is giving back what it had".into()),
            |guest| Look::Sure(Monitored::Unsupervised(guest)),
        );
    }
    match status {
        None if journal.in_background => Look::Sure(Monitored::Starting(owner.pid)),
        None => Look::Sure(Monitored::Foreground(owner)),
        Some(status) if status.state == MachineState::Failed => Look::Torn("its run is ending".into()),
        Some(mut status) => match status.guest.filter(|_| status.state == MachineState::Running && is_here) {
            Some(guest) if !processes.exists(guest) => {
                Look::Torn(format!("its guest, process {guest}, is gone, and its supervisor has not noticed"))
            }
            _ => {
                // Whoever takes a guest over has its lock before the status is its own.
                status.supervisor = Some(owner.pid);
                Look::Sure(Monitored::Supervised(Box::new(status)))
            }
        },
    }
}

/// Of a journal whose lock nobody holds: its run is dead, and its guest may go on.
fn left(host: &dyn Host, record: &StateRecord, journal: &Journal, status: Option<&MachineStatus>) -> Look {
    let (processes, name) = (host.processes(), &record.name);
    let is_down = || match status {
        Some(status) if status.state == MachineState::Failed => Look::Sure(Monitored::Failed(Box::new(status.clone()))),
        _ => Look::Sure(Monitored::Down(true)),
    };
    if evidence::boot(processes, journal) == SameBoot::No {
        return is_down();
    }
    if let Some(owner) = journal.owner.as_ref().filter(|owner| evidence::is_of_elsewhere(processes, owner)) {
        return Look::Torn(format!("its run is gone, and was {}, where its guest may go on", owner.whereabouts()));
    }
    if let Some(guest) = super::guest_of_run(host, name) {
        return Look::Sure(Monitored::Unsupervised(guest));
    }
    if let Some(image) = images(journal).find(|image| host.store().is_held(image, Access::ReadWrite)) {
        return Look::Torn(format!("its run is gone, and somebody still has {}", image.display()));
    }
    if processes.answers(name) == Some(true) {
        return Look::Torn("its run is gone, and a hypervisor of that name is not the one that it has noted".into());
    }
    is_down()
}

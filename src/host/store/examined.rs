//! What the state folder has of one machine, for whoever has to know whether it could be looked at.

use super::{StateRecord, Store};
use crate::diag::{Blame, Fault};
use crate::host::files::{self, reason};
use crate::model::VmName;
use std::fs::TryLockError;
use std::io::{self, ErrorKind};
use std::path::Path;

/// What there is of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Examined {
    /// Its lock and its journal.
    pub record: Option<StateRecord>,
    /// The text of its status.
    pub status: Option<String>,
}

impl Store {
    /// Looks at a machine as [`Store::record`] and [`Store::status`] do. What is not there is nothing; of what is there and could not
    /// be read there is a fault.
    pub(crate) fn examine(&self, name: &VmName) -> Result<Examined, Fault> {
        if self.is_memory() {
            return Ok(Examined::default());
        }
        let record = self.examine_lock(name)?;
        let status = self.settings.status_file(name);
        let text = match there(&status)? {
            None => None,
            Some(_) => match files::read_text(&status) {
                Ok(text) => Some(text),
                Err(why) if why.kind() == ErrorKind::NotFound => None,
                Err(why) => return Err(cannot_read(&status, &why)),
            },
        };
        Ok(Examined { record, status: text })
    }

    /// Looks at the lock of a machine in the same way. The status comes behind it, and goes before it.
    pub(crate) fn examine_lock(&self, name: &VmName) -> Result<Option<StateRecord>, Fault> {
        if self.is_memory() {
            return Ok(None);
        }
        if there(&self.settings.state)?.is_some_and(|kind| !kind.is_dir()) {
            return Err(unreadable(&self.settings.state, "it is no folder"));
        }
        let lock = self.settings.lock_file(name);
        let seen = there(&lock)?.map(|_| examined(&lock, self.holds(name))).transpose()?.flatten();
        Ok(seen.map(|(is_locked, journal)| StateRecord { name: name.clone(), is_locked, journal }))
    }
}

/// Returns whether another process holds a lock, and the text of its file; nothing if it is gone by now.
fn examined(path: &Path, is_ours: bool) -> Result<Option<(bool, Option<String>)>, Fault> {
    let cannot = |why: &io::Error| cannot_read(path, why);
    let lock = match files::open(path) {
        Ok(lock) => lock,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(cannot(&why)),
    };
    let is_locked = match lock.try_lock_shared() {
        _ if is_ours => false,
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(why)) => return Err(cannot(&why)),
    };
    // To close it lets go of it.
    let text = files::read_text(path).map(Some).or_else(|why| match why.kind() {
        ErrorKind::NotFound => Ok(None),
        _ => Err(cannot(&why)),
    })?;
    drop(lock);
    Ok(text.map(|text| (is_locked, Some(text).filter(|text| !text.is_empty()))))
}

/// Returns what is at a path; nothing if there is nothing.
fn there(path: &Path) -> Result<Option<std::fs::FileType>, Fault> {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => Err(unreadable(path, "it is a link, which vmrun does not make")),
        Ok(meta) => Ok(Some(meta.file_type())),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(why) => Err(cannot_read(path, &why)),
    }
}

fn cannot_read(path: &Path, why: &io::Error) -> Fault {
    unreadable(path, &reason(why))
}

/// The fault of what is there and cannot be read.
fn unreadable(path: &Path, why: &str) -> Fault {
    let fault = Fault::new(format!("cannot look at {}: {why}", path.display())).blame(Blame::Unsure);
    fault.hint("whether the machine runs is not known; ps(1) shows its hypervisor")
}

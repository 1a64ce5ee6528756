//! Journals that are read when their run is over, and has removed them.

use super::Store;
use crate::diag::Fault;
use crate::host::files::{io_fault, without_links};
use crate::model::VmName;
use std::fs::File;
use std::io::{Read as _, Seek as _};

/// The journal of a run that may end: what it says last is read when its file has no name any more, and nothing of it stays behind.
pub(crate) struct OpenJournal(File);

impl OpenJournal {
    /// Returns what it says by now; nothing if it cannot be read.
    pub(crate) fn text(&self) -> String {
        let (mut file, mut bytes) = (&self.0, Vec::new());
        let read = file.rewind().and_then(|()| file.read_to_end(&mut bytes));
        read.map(|_| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Store {
    /// Takes everything out of the journal of a machine that is ours: all of it is done.
    pub(crate) fn settle(&mut self, name: &VmName) -> Result<(), Fault> {
        let path = self.settings.lock_file(name);
        let Some(held) = self.machines.get_mut(name) else { return Ok(()) };
        held.lock.set_len(0).map_err(io_fault("write", &path))?;
        held.written = 0;
        Ok(())
    }

    /// Opens the journal of a machine, if it has one that may be read.
    pub(crate) fn open_journal(&self, name: &VmName) -> Option<OpenJournal> {
        if self.is_memory() {
            return None;
        }
        without_links().read(true).open(self.settings.lock_file(name)).ok().map(OpenJournal)
    }
}

//! Journals that are read when their run is over, and has removed them.

use super::Store;
use crate::host::files::without_links;
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
    /// Opens the journal of a machine, if it has one that may be read.
    pub(crate) fn open_journal(&self, name: &VmName) -> Option<OpenJournal> {
        if self.is_memory() {
            return None;
        }
        without_links().read(true).open(self.settings.lock_file(name)).ok().map(OpenJournal)
    }
}

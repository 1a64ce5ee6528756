//! Files of events, a line each: what supervisors add, and who reads along.

use super::files::{io_fault, without_links};
use super::log::{LOG_MAX, has_reader, open, rotate};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// What the names of such files end with.
const ENDING: &str = ".events.jsonl";

/// A file to which events are added.
#[derive(Debug)]
pub(crate) struct Events {
    path: PathBuf,
}

impl Events {
    /// Opens a file of events, which need not be there yet.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        open(path).map(|_| Self { path: path.into() })
    }

    /// Adds a line with one write(2), so that lines of several processes do not mix. That it cannot be written stops nothing.
    pub(crate) fn add(&self, line: &str) {
        rotate(&self.path, LOG_MAX);
        let file = without_links().create(true).append(true).open(&self.path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).may_fail("that it cannot be written stops nothing");
    }
}

/// Returns the file of events that is beside a machine's log.
pub(crate) fn beside(log: &Path) -> PathBuf {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    log.with_file_name(format!("{}{ENDING}", name.strip_suffix(".log").unwrap_or(&name)))
}

/// Returns the files of events in a folder, by name; none of a folder that is not there.
pub(crate) fn within(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(ENDING)).collect();
    files.sort();
    files
}

/// A reader of files that others add to.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    /// How much of each was read.
    known: BTreeMap<PathBuf, u64>,
}

impl EventReader {
    /// Returns the whole lines that were added to a file since it was read last; all of them, if it was begun anew meanwhile.
    pub(crate) fn added(&mut self, path: &Path) -> Result<Vec<String>, Fault> {
        let mut file = File::open(path).map_err(io_fault("read", path))?;
        let length = file.metadata().map_err(io_fault("read", path))?.len();
        let from = self.known.get(path).copied().filter(|from| *from <= length).unwrap_or_default();
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut bytes)).map_err(io_fault("read", path))?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.known.insert(path.into(), from + whole as u64);
        Ok(String::from_utf8_lossy(&bytes[..whole]).lines().map(Into::into).collect())
    }

    /// Goes on with what is added to files, also to those that come later, until nobody reads it any more.
    pub(crate) fn follow(
        &mut self,
        files: &dyn Fn() -> Vec<PathBuf>,
        print: &dyn Fn(Vec<String>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        while has_reader() {
            let mut lines = Vec::new();
            for file in files().iter().filter(|file| file.exists()) {
                lines.extend(self.added(file)?);
            }
            print(lines)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_reader_gets_whole_lines_once_and_stands_a_file_that_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("logs/my.db.log"));
        assert_eq!(path, folder.path().join("logs/my.db.events.jsonl"));
        let events = Events::open(&path).unwrap();
        let mut reader = EventReader::default();
        events.add("one\n");
        events.add("two\nthr");
        assert_eq!(reader.added(&path).unwrap(), ["one", "two"]);
        assert_eq!(reader.added(&path).unwrap(), [""; 0]);
        events.add("ee\n");
        assert_eq!(reader.added(&path).unwrap(), ["three"]);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
        events.add("new\n");
        assert_eq!(reader.added(&path).unwrap(), ["new"]);
        assert_eq!(within(path.parent().unwrap()), [path]);
        assert!(within(folder.path()).is_empty());
    }
}

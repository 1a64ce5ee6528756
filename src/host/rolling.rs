//! Where it is kept how far a restart of the machines of many hosts is: lines, each of which is on the disk when [`RollingFile::add`]
//! returns. It outlives a start of the host, as the records of moves do. There is one at a time.

use super::files::{self, io_fault, reason, remove};
use super::moves::sync_folder;
use super::settings::Settings;
use crate::diag::{Blame, Fault};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

/// How much is read of it at most: some hundred thousand machines.
const MOST: u64 = 64 << 20;

fn path(settings: &Settings) -> PathBuf {
    settings.config.join("rolling-restart.jsonl")
}

/// The record, of which nobody else has a part for as long as this is.
#[derive(Debug)]
pub(crate) struct RollingFile {
    settings: Settings,
    _lock: File,
}

impl RollingFile {
    /// Takes part in it.
    ///
    /// # Errors
    /// Somebody else does.
    pub(crate) fn open(settings: Settings) -> Result<Self, Fault> {
        files::make_folder(&settings.config, None)?;
        let path = settings.config.join(".rolling-restart.lock");
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(io_fault("make", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { settings, _lock: file }),
            Err(TryLockError::WouldBlock) => {
                let fault = Fault::busy("another vmrun restarts the machines of many hosts right now");
                Err(fault.hint("wait until it has ended; `pgrep -fl 'restart'` shows it"))
            }
            Err(TryLockError::Error(error)) => Err(io_fault("lock", &path)(error)),
        }
    }

    /// Returns whether there is a record, without taking part in it.
    pub(crate) fn is_there(settings: &Settings) -> bool {
        path(settings).symlink_metadata().is_ok()
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> PathBuf {
        path(&self.settings)
    }

    /// Returns what is in it, up to the last line that is whole; nothing where there is none.
    pub(crate) fn read(&self) -> Result<Option<String>, Fault> {
        let path = self.path();
        let unsure = |why: &str| Fault::host(format!("cannot read {}: {why}", path.display())).blame(Blame::Unsure);
        match files::read_within(&path, MOST) {
            Ok(bytes) => {
                let mut text = String::from_utf8(bytes).map_err(|_| unsure("it is no text"))?;
                text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
                Ok(Some(text))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unsure(&reason(&error))),
        }
    }

    /// Begins it, or has it be what was read of it: a line that is not whole goes.
    pub(crate) fn begin(&self, text: &str) -> Result<(), Fault> {
        files::write_whole(&self.path(), text)?;
        sync_folder(&self.settings.config)
    }

    /// Adds a line.
    pub(crate) fn add(&self, line: &str) -> Result<(), Fault> {
        let path = self.path();
        let mut file = OpenOptions::new().append(true).open(&path).map_err(io_fault("write", &path))?;
        let added = file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_data());
        added.map_err(io_fault("write", &path))
    }

    /// Removes it.
    pub(crate) fn remove(&self) -> Result<(), Fault> {
        remove(&self.path())?;
        sync_folder(&self.settings.config)
    }
}

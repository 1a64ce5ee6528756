//! The records of moves: which machines have left this host, are about to, or come to it. They outlive a start of the host, so that they
//! are with its configuration and not with what runs.

use super::files::{self, io_fault, reason, remove};
use super::settings::Settings;
use crate::diag::{Blame, Fault};
use crate::image::migration::MoveRecord;
use crate::model::VmName;
use crate::model::name::in_order;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A move of a machine in which nobody else has a part for as long as this is.
#[derive(Debug)]
pub(crate) struct MoveLock(#[expect(dead_code, reason = "it holds the lock")] File);

/// Returns the folder of the records.
fn folder(settings: &Settings) -> PathBuf {
    settings.config.join("moves")
}

/// Returns the file of the record of a machine's move.
pub(crate) fn path(settings: &Settings, name: &VmName) -> PathBuf {
    folder(settings).join(format!("{name}.json"))
}

/// Returns the record of a machine's move, if there is one.
///
/// # Errors
/// It cannot be read: nobody knows then whether the machine may be started.
pub(crate) fn read(settings: &Settings, name: &VmName) -> Result<Option<MoveRecord>, Fault> {
    let path = path(settings, name);
    let unsure = |fault: Fault| {
        let fault = Fault::host(format!("cannot tell whether {name} was moved: {}: {}", path.display(), fault.message));
        let hint = "correct that file, or remove it if the machine is this host's";
        fault.hint(hint).blame(Blame::Unsure)
    };
    match files::read_text(&path) {
        Ok(text) => MoveRecord::read(&text).map(Some).map_err(unsure),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unsure(Fault::host(reason(&error)))),
    }
}

/// Returns the records of all moves, by the names of the machines, or why one cannot be read.
pub(crate) fn all(settings: &Settings) -> Vec<Result<MoveRecord, Fault>> {
    let of = |file: String| file.strip_suffix(".json").filter(|name| !name.starts_with('.'))?.parse().ok();
    let mut machines: Vec<VmName> = files::names(&folder(settings)).into_iter().filter_map(of).collect();
    machines.sort_by_cached_key(|name| in_order(name.as_str()));
    machines.iter().filter_map(|name| read(settings, name).transpose()).collect()
}

/// Says why a machine may not be started here, if it was moved, is about to be, or is on its way here.
pub(crate) fn against(settings: &Settings, name: &VmName) -> Option<Fault> {
    match read(settings, name) {
        Ok(record) => record.and_then(|record| record.refusal()),
        Err(fault) => Some(fault),
    }
}

/// Writes the record of a move in the place of another. It is on the disk when this returns.
pub(crate) fn write(settings: &Settings, record: &MoveRecord) -> Result<(), Fault> {
    let (folder, path) = (folder(settings), path(settings, &record.machine));
    files::make_folder(&folder, Some(0o700))?;
    files::write_whole(&path, &record.text())?;
    sync_folder(&folder)
}

/// Removes the record of a move.
pub(crate) fn forget(settings: &Settings, name: &VmName) -> Result<(), Fault> {
    let folder = folder(settings);
    remove(&path(settings, name))?;
    if folder.is_dir() { sync_folder(&folder) } else { Ok(()) }
}

fn lock_path(folder: &Path, name: &VmName) -> PathBuf {
    folder.join(format!(".{name}.lock"))
}

/// Takes part in the move of a machine; nothing where somebody else does.
pub(crate) fn lock(settings: &Settings, name: &VmName) -> Result<Option<MoveLock>, Fault> {
    let folder = folder(settings);
    files::make_folder(&folder, Some(0o700))?;
    let path = lock_path(&folder, name);
    let mut options = OpenOptions::new();
    let file =
        options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(io_fault("make", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(MoveLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(io_fault("lock", &path)(error)),
    }
}

/// Takes part in the move of a machine.
///
/// # Errors
/// Somebody else does.
pub(crate) fn lock_now(settings: &Settings, name: &VmName) -> Result<MoveLock, Fault> {
    lock(settings, name)?.ok_or_else(|| {
        let fault = Fault::busy(format!("another vmrun moves {name} right now"));
        fault.hint("wait until it has ended; `pgrep -fl migrate` shows it")
    })
}

/// Returns a name for a move that no other has: 16 hexadecimal digits.
pub(crate) fn new_id() -> Result<String, Fault> {
    let (mut bytes, source) = ([0_u8; 8], Path::new("/dev/urandom"));
    // random(4) of both systems; getrandom(2) is reached through rustix on one of them only.
    File::open(source).and_then(|mut random| random.read_exact(&mut bytes)).map_err(io_fault("read", source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Has the names in a folder on the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Fault> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_fault("write", folder))
}

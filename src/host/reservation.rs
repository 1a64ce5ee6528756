//! The place of a reservation on a host: a file beside a disk, or a device of its own, which is read and written past every cache.

use super::environment::host_name;
use super::files::io_fault;
use super::kernel;
use crate::diag::Fault;
use crate::model::reservation::{ReservationOwner, SECTOR, Sector};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// How much is read and written: a sector of a disk of today. The record is in its beginning.
const BLOCK: usize = 4096;

/// Where a record stands.
pub(crate) struct ReservationFile(PathBuf);

impl ReservationFile {
    /// Returns the one at a path.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.into())
    }

    /// Reads what stands there. It is opened anew each time: NFS asks the server then.
    pub(crate) fn read(&self) -> Result<Sector, Fault> {
        let read = || -> io::Result<Sector> {
            let file = match open(&self.0, false) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sector::Blank),
                opened => opened?,
            };
            let (mut block, at) = aligned();
            let block = block.get_mut(at..at + BLOCK).unwrap_or_default();
            let mut filled = 0;
            while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, filled as u64) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    // The end of a file that is no whole number of blocks long.
                    Err(error) if filled > 0 && is_invalid(&error) => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(Sector::read(block))
        };
        read().map_err(io_fault("read", &self.0))
    }

    /// Writes a record there, and returns when the storage has it.
    pub(crate) fn write(&self, record: &[u8; SECTOR]) -> Result<(), Fault> {
        let write = || -> io::Result<()> {
            let file = open(&self.0, true)?;
            let (mut block, at) = aligned();
            let block = block.get_mut(at..at + BLOCK).unwrap_or_default();
            block.iter_mut().zip(record).for_each(|(to, from)| *to = *from);
            file.write_all_at(block, 0)?;
            file.sync_all()
        };
        write().map_err(io_fault("write", &self.0))
    }
}

/// Returns room for a block that begins where disks want it to, and where that is.
fn aligned() -> (Vec<u8>, usize) {
    let room = vec![0; 2 * BLOCK];
    let at = room.as_ptr().align_offset(BLOCK).min(BLOCK);
    (room, at)
}

/// Opens it, and makes a file where there is none and one is written. What cannot be had past the cache, as on a tmpfs, is not on a
/// disk that others see.
fn open(path: &Path, writes: bool) -> io::Result<File> {
    let with = |flags: OFlag| {
        let mut options = OpenOptions::new();
        options.read(true).write(writes).create(writes).truncate(false).mode(0o600);
        options.custom_flags((flags | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits()).open(path)
    };
    let direct = OFlag::O_DIRECT | OFlag::O_SYNC;
    let file = match with(direct) {
        Err(error) if is_invalid(&error) => with(OFlag::O_SYNC)?,
        opened => opened?,
    };
    let kind = file.metadata()?.file_type();
    if is_place(kind) { Ok(file) } else { Err(io::Error::other("it is neither a file nor a disk")) }
}

fn is_invalid(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EINVAL as i32)
}

/// Disks are character devices on FreeBSD.
fn is_place(kind: FileType) -> bool {
    kind.is_file() || kind.is_block_device() || kind.is_char_device()
}

/// Returns whether two paths lead to one file or device.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let is_device = |there: &Metadata| there.file_type().is_block_device() || there.file_type().is_char_device();
    match (std::fs::metadata(one), std::fs::metadata(other)) {
        (Ok(one), Ok(other)) if is_device(&one) && is_device(&other) => one.rdev() == other.rdev(),
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => one == other,
    }
}

/// Returns who runs a machine whose lock is in a state folder, on this start of this host; he is named for one run.
pub(crate) fn owner(machine: &str, boot: String, state: &Path, nonce: &str) -> Result<ReservationOwner, Fault> {
    let there = std::fs::metadata(state).map_err(io_fault("read", state))?;
    Ok(ReservationOwner {
        host: host_name().unwrap_or_default(),
        host_id: kernel::host_id(),
        boot,
        machine: machine.into(),
        state: format!("{}:{}", there.dev(), there.ino()),
        nonce: nonce.into(),
    })
}

/// Returns a name that no other run has.
pub(crate) fn nonce() -> Result<String, Fault> {
    const RANDOM: &str = "/dev/urandom";
    let mut bytes = [0; 16];
    let read = File::open(RANDOM).and_then(|mut file| io::Read::read_exact(&mut file, &mut bytes));
    read.map_err(io_fault("read", Path::new(RANDOM)))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reservation::Record;
    use std::time::Duration;

    #[test]
    fn a_record_is_read_as_it_was_written_and_what_is_not_there_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db.reservation");
        let file = ReservationFile::at(&path);
        assert_eq!(file.read().unwrap(), Sector::Blank);
        assert!(!path.exists());
        let owner = owner("db", "boot".into(), folder.path(), &nonce().unwrap()).unwrap();
        let (begun, ttl) = (Duration::from_secs(5), Duration::from_secs(15));
        let record = Record { owner, epoch: 1, renewals: 0, written: 9, begun, ttl, is_released: false };
        file.write(&record.bytes().unwrap()).unwrap();
        assert_eq!(file.read().unwrap(), Sector::Record(record));
        let there = std::fs::metadata(&path).unwrap();
        assert_eq!((there.len(), there.mode() & 0o777), (4096, 0o600));
        // Somebody has emptied it, or has written to it by hand.
        File::create(&path).unwrap();
        assert_eq!(file.read().unwrap(), Sector::Blank);
        File::create(&path).unwrap().write_all_at(b"vmrun\n", 0).unwrap();
        assert_eq!(file.read().unwrap(), Sector::Garbled);
    }

    #[test]
    fn what_cannot_be_read_or_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let is_folder = ReservationFile::at(folder.path());
        let shown = folder.path().display();
        assert_eq!(
            is_folder.read().unwrap_err().message,
            format!("cannot read {shown}: it is neither a file nor a disk")
        );
        let full = ReservationFile::at(Path::new("/dev/full"));
        let fault = full.write(&[0; SECTOR]).unwrap_err();
        assert_eq!(fault.message, "cannot write /dev/full: No space left on device");
    }

    #[test]
    fn two_paths_of_one_file_are_one() {
        let folder = tempfile::tempdir().unwrap();
        let (one, link, other) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
        File::create(&one).unwrap();
        std::os::unix::fs::symlink(&one, &link).unwrap();
        assert!(is_same(&one, &link) && is_same(&other, &other) && !is_same(&one, &other));
        assert!(is_same(Path::new("/dev/null"), Path::new("/dev/null")));
        assert!(!is_same(Path::new("/dev/null"), Path::new("/dev/zero")));
    }
}

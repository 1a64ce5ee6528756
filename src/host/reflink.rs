//! A file as a second one: by a reflink, where both have the same blocks until one is written to (ioctl_ficlone(2)), or by a copy of
//! its data, in which holes stay holes. Neither has its name before it is whole, and neither takes the name of another unasked.

use super::download::room;
use super::files::{beside, halves, io_fault, open, remove};
use super::fill::data_from;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::{Argv, Size};
use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use nix::unistd::{Whence, lseek};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// How much is copied before it is told, in bytes.
const PIECE: u64 = 64 << 20;

/// How much is read at once where the kernel does not copy, and left out if it is zero.
const CHUNK: usize = 64 << 10;

/// How a file comes to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyWay {
    /// It has the same blocks, which takes no time and no space.
    Reflink,
    /// It has the same data.
    Data,
}

/// Returns the command that makes a reflink, with its owner and its mode.
pub(crate) fn command(from: &Path, to: &Path) -> Argv {
    let cp = Argv::new("cp").args(["--preserve=mode,ownership", "--reflink=always"]);
    cp.arg(from.display()).arg(to.display())
}

/// Who hears how many bytes of data are copied by now, and says whether to go on.
pub(crate) type Copied<'a> = &'a mut dyn FnMut(u64) -> bool;

/// A file that is whole and has no name yet; it goes if it gets none.
#[derive(Debug)]
pub(crate) struct NewFile {
    half: PathBuf,
    to: PathBuf,
    /// Its lock tells that it is not left over.
    file: File,
    has_name: bool,
}

impl NewFile {
    /// Makes it beside where it is to be, of another file, with its owner and its mode. That it is interrupted is a fault with the
    /// blame of that.
    pub(crate) fn of(from: &Path, to: &Path, way: CopyWay, copied: Copied<'_>) -> Result<Self, Fault> {
        halves::clear(to)?;
        let half = beside(to);
        let source = open(from).map_err(io_fault("read", from))?;
        // Nobody else reads what may be somebody's disk before it has the mode of that.
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&half);
        let new = Self { to: to.into(), file: file.map_err(io_fault("make", &half))?, half, has_name: false };
        let file = &new.file;
        file.try_lock().may_fail("where files have no locks, the time that it was made at says that it is written");
        match way {
            CopyWay::Reflink => share(&source, file)
                .map_err(|why| if is_unable(&why) { unable(from, to, &why) } else { io_fault("reflink", from)(why) })?,
            CopyWay::Data => {
                if !copy(&source, file, copied).map_err(io_fault("write", &new.half))? {
                    return Err(Fault::new("interrupted").blame(crate::diag::Blame::Interrupted));
                }
            }
        }
        let dressed = source.metadata().and_then(|meta| {
            // Who is not root has no file of somebody else's.
            std::os::unix::fs::fchown(file, Some(meta.uid()), Some(meta.gid())).may_fail("it is our own then");
            file.set_permissions(std::fs::Permissions::from_mode(meta.mode() & 0o7777))?;
            file.sync_all()
        });
        dressed.map_err(io_fault("write", &new.half))?;
        Ok(new)
    }

    /// Returns where it is until it has its name.
    pub(crate) fn path(&self) -> &Path {
        &self.half
    }

    /// Gives it its name, which nobody has.
    pub(crate) fn name(mut self) -> Result<(), Fault> {
        match std::fs::hard_link(&self.half, &self.to) {
            Ok(()) => self.settle_or_go(),
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
                let fault = Fault::host(format!("{} is there already", self.to.display()));
                Err(fault.hint("choose another name, or remove that one"))
            }
            // Some file systems have no second names.
            Err(_) if !super::files::exists(&self.to) => {
                self.rename()?;
                self.settle_or_go()
            }
            Err(why) => Err(io_fault("name", &self.to)(why)),
        }
    }

    /// Gives it the name of the file that it takes the place of.
    pub(crate) fn replace(mut self) -> Result<(), Fault> {
        self.rename()?;
        self.settle()
    }

    fn rename(&mut self) -> Result<(), Fault> {
        std::fs::rename(&self.half, &self.to).map_err(io_fault("rename to", &self.to))?;
        self.has_name = true;
        Ok(())
    }

    /// Has a new name on the disk as well, or not at all: who calls counts on nothing that failed.
    fn settle_or_go(&self) -> Result<(), Fault> {
        self.settle()
            .inspect_err(|_| remove(&self.to).may_fail("the fault that matters is why it is not there to stay"))
    }

    /// Has the name on the disk as well.
    fn settle(&self) -> Result<(), Fault> {
        let folder = self.to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_fault("write", folder))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.has_name {
            remove(&self.half).may_fail("by its name it is known as half a file, and the next one removes it");
        }
    }
}

/// Returns the fault of a file system that has no reflinks, or of two.
fn unable(from: &Path, to: &Path, why: &io::Error) -> Fault {
    let what = match why.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EXDEV) => format!("{} and {} are on two file systems", from.display(), to.display()),
        _ => format!("the file system of {} has no reflinks", from.display()),
    };
    Fault::host(what)
}

/// Whether an error says that reflinks are not to be had here (ioctl_ficlone(2)), and not that this one failed.
fn is_unable(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::Unsupported
        || why.raw_os_error().map(Errno::from_raw).is_some_and(|errno| {
            [Errno::EOPNOTSUPP, Errno::ENOTTY, Errno::ENOSYS, Errno::EINVAL, Errno::EXDEV].contains(&errno)
        })
}

/// Returns whether a file can have a reflink in its folder; it is tried with a file without a name, of which nothing is left whatever
/// becomes of us (open(2), O_TMPFILE).
#[cfg(target_os = "linux")]
pub(crate) fn has_reflinks(path: &Path) -> Result<bool, Fault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let source = open(path).map_err(io_fault("read", path))?;
    let flags = nix::fcntl::OFlag::O_TMPFILE.bits();
    let unnamed = OpenOptions::new().write(true).custom_flags(flags).mode(0o600).open(folder);
    match unnamed.and_then(|unnamed| share(&source, &unnamed)) {
        Ok(()) => Ok(true),
        // EISDIR is what a kernel or a file system says that has no such files.
        Err(why) if is_unable(&why) || why.kind() == io::ErrorKind::IsADirectory => Ok(false),
        Err(why) => Err(io_fault("write in", folder)(why)),
    }
}

/// Returns whether a file can have a reflink in its folder. FreeBSD shares blocks in copy_file_range(2) where it can, and nothing that is
/// sure of it is known of all its releases.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
pub(crate) fn has_reflinks(_: &Path) -> Result<bool, Fault> {
    Ok(false)
}

#[cfg(target_os = "linux")]
fn share(from: &File, to: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(to, from)?)
}

#[cfg(not(target_os = "linux"))]
fn share(_: &File, _: &File) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns how much space the data of a file take, in bytes: without its holes.
pub(crate) fn data_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.blocks().saturating_mul(512))
}

/// How many bytes of a file system stay free: others have to write too.
const RESERVE: u64 = 64 << 20;

/// Refuses copies for whose data there is no room: each is a file and what it is copied to.
pub(crate) fn against_room<'a>(copies: impl IntoIterator<Item = (&'a Path, &'a Path)>) -> Result<(), Fault> {
    let mut wanted: BTreeMap<u64, u64> = BTreeMap::new();
    for (from, to) in copies {
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let device = std::fs::metadata(folder).map_or(0, |meta| meta.dev());
        let wanted = wanted.entry(device).or_default();
        *wanted = wanted.saturating_add(data_of(from));
        let free = room(folder);
        if wanted.saturating_add(RESERVE) > free {
            let [wanted, free] = [*wanted, free].map(|bytes| Size::bytes(bytes).rough());
            let fault = Fault::host(format!("a copy needs {wanted}, and {} has {free} left", folder.display()));
            return Err(fault.hint("make room: remove older snapshots, or other files"));
        }
    }
    Ok(())
}

/// Copies a file to one that is empty: what is a hole is not even read. Returns whether nobody asked to stop.
fn copy(from: &File, to: &File, copied: Copied<'_>) -> io::Result<bool> {
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let (mut at, mut done) = (data_from(from, 0).unwrap_or(0), 0);
    while at < length {
        let end = hole_from(from, at).unwrap_or(length).min(length).max(at + 1);
        while at < end {
            let some = copy_some(from, to, at, (end - at).min(PIECE))?;
            // It has become shorter.
            if some == 0 {
                return Ok(true);
            }
            at += some;
            done += some;
            if !copied(done) {
                return Ok(false);
            }
        }
        at = data_from(from, at).unwrap_or(at).max(at);
    }
    Ok(true)
}

/// Copies some bytes, at least one if there is one; returns how many.
fn copy_some(from: &File, to: &File, at: u64, most: u64) -> io::Result<u64> {
    let wrong = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let (mut source, mut target) = (i64::try_from(at).map_err(wrong)?, i64::try_from(at).map_err(wrong)?);
    let length = usize::try_from(most).map_err(wrong)?;
    match copy_file_range(from, Some(&mut source), to, Some(&mut target), length) {
        Ok(some) => Ok(some as u64),
        // Of two file systems, or of one that does not do it (copy_file_range(2)).
        Err(Errno::EXDEV | Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP | Errno::EINTR) => {
            let mut chunk = vec![0; CHUNK.min(length)];
            let read = from.read_at(&mut chunk, at)?;
            let bytes = chunk.get(..read).unwrap_or_default();
            if bytes.iter().any(|byte| *byte != 0) {
                to.write_all_at(bytes, at)?;
            }
            Ok(read as u64)
        }
        Err(why) => Err(why.into()),
    }
}

/// Where the next hole is, the end at last; nothing where a file system does not say.
fn hole_from(file: &File, at: u64) -> Option<u64> {
    lseek(file, i64::try_from(at).ok()?, Whence::SeekHole).ok().and_then(|found| u64::try_from(found).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(done: Result<(), Fault>) -> String {
        done.map_or_else(|fault| [fault.message, fault.hint.unwrap_or_default()].join(" | "), |()| "done".into())
    }

    #[test]
    fn a_copy_has_the_same_data_holes_and_mode_and_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["web.img", "web.img@a"].map(|name| folder.path().join(name));
        let file = OpenOptions::new().create_new(true).write(true).mode(0o640).open(&from).unwrap();
        file.set_len(64 << 20).unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o640)).unwrap();
        file.write_all_at(b"data", 40 << 20).unwrap();
        let mut told = Vec::new();
        let new = NewFile::of(&from, &to, CopyWay::Data, &mut |done| {
            told.push(done);
            true
        });
        let new = new.unwrap();
        assert!(!to.exists() && super::super::files::names(folder.path()).len() == 2);
        new.name().unwrap();
        let meta = to.metadata().unwrap();
        assert_eq!((meta.len(), meta.mode() & 0o7777), (64 << 20, 0o640));
        assert!(meta.blocks() <= 1024 && told.last().is_some_and(|done| *done <= 1 << 20), "{told:?}");
        assert!(std::fs::read(&to).unwrap() == std::fs::read(&from).unwrap());
        assert_eq!(super::super::files::names(folder.path()), ["web.img", "web.img@a"]);
        // Nobody's name is taken, and who is asked to stop leaves nothing.
        let again = NewFile::of(&from, &to, CopyWay::Data, &mut |_| true).and_then(NewFile::name);
        let there = format!("{} is there already | choose another name, or remove that one", to.display());
        assert_eq!(said(again), there);
        let other = folder.path().join("web.img@b");
        assert_eq!(said(NewFile::of(&from, &other, CopyWay::Data, &mut |_| false).map(drop)), "interrupted | ");
        assert_eq!(super::super::files::names(folder.path()), ["web.img", "web.img@a"]);
    }

    #[test]
    fn where_there_are_no_reflinks_that_is_said_and_nothing_is_left() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let [from, to] = ["web.img", "web.img@a"].map(|name| folder.path().join(name));
        super::super::library_tree::put(&from, b"data").unwrap();
        assert_eq!(has_reflinks(&from).map_err(|fault| fault.message), Ok(false));
        let refused = NewFile::of(&from, &to, CopyWay::Reflink, &mut |_| true).map(drop);
        assert_eq!(said(refused), format!("the file system of {} has no reflinks | ", from.display()));
        assert_eq!(super::super::files::names(folder.path()), ["web.img"]);
    }
}

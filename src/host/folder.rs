//! The folders in which vmrun keeps what it believes later: the state of machines, their logs, and what it has fetched.
//!
//! Whoever may write there, or in a folder above, could make root remove, overwrite or end what he likes. So root keeps nothing in a
//! folder of which any part belongs to somebody else or may be written by others, as sshd(8) does with its files (`safe_path` of
//! OpenSSH's misc.c). A folder of root with the sticky bit, as /tmp, may be above it: what is in it is its owner's.

use super::files::reason;
use crate::diag::Fault;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat};
use nix::unistd::{AccessFlags, access, geteuid};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

/// Which of the folders it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeps {
    /// The state of machines.
    State,
    /// What supervisors and consoles wrote.
    Logs,
    /// What was fetched.
    Cache,
}

impl Keeps {
    /// Returns what it is for, in words.
    const fn purpose(self) -> &'static str {
        match self {
            Self::State => "vmrun keeps what runs there",
            Self::Logs => "it is for the logs of machines",
            Self::Cache => "vmrun keeps there what it has fetched",
        }
    }

    /// Returns the variable that names another one.
    const fn variable(self) -> &'static str {
        match self {
            Self::State => "VMRUN_STATE_DIR",
            Self::Logs => "VMRUN_LOG_DIR",
            Self::Cache => "VMRUN_CACHE_DIR",
        }
    }

    /// Returns who may do what in it when it is made.
    const fn mode(self) -> u32 {
        match self {
            Self::State | Self::Logs => 0o755,
            Self::Cache => 0o700,
        }
    }
}

/// A folder that is open, so that what is opened in it is in it, whatever becomes of its name.
#[derive(Debug)]
pub(crate) struct Folder(File);

/// Why a folder cannot be had.
#[derive(Debug)]
enum Wrong {
    /// A part of it is somebody else's, or open to others: which, and what is wrong with it and what mends it.
    Unsafe(PathBuf, String, String),
    /// A part of it cannot be opened.
    Error(io::Error),
}

impl Folder {
    /// Opens a folder that is there.
    pub(crate) fn open(path: &Path, keeps: Keeps) -> Result<Self, Fault> {
        walk(path).map(Self).map_err(|wrong| fault(path, keeps, wrong))
    }

    /// Opens a folder, and makes it where it is not there, if what is above it could have it.
    pub(crate) fn made(path: &Path, keeps: Keeps) -> Result<Self, Fault> {
        match walk(path) {
            Err(Wrong::Error(error)) if error.kind() == io::ErrorKind::NotFound => {
                let made = DirBuilder::new().recursive(true).mode(keeps.mode()).create(path);
                made.map_err(|error| fault(path, keeps, Wrong::Error(error)))?;
                Self::open(path, keeps)
            }
            // It is there, or nothing could be made in what is.
            done => done.map(Self).map_err(|wrong| fault(path, keeps, wrong)),
        }
    }

    /// Returns it as a file, whose lock is that of the folder.
    pub(crate) fn into_file(self) -> File {
        self.0
    }

    /// Opens a file in it, and follows no link.
    pub(crate) fn file(&self, name: &OsStr, flags: OFlag, mode: u32) -> io::Result<File> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(nix::libc::mode_t::try_from(mode).unwrap_or(0o600));
        Ok(openat(&self.0, name, flags, mode).map(File::from)?)
    }
}

/// Returns what speaks against a folder, if it is there.
pub(crate) fn against(path: &Path, keeps: Keeps) -> Option<Fault> {
    match walk(path) {
        Err(wrong @ Wrong::Unsafe(..)) => Some(fault(path, keeps, wrong)),
        _ => None,
    }
}

/// Returns whether a folder is there; of one that is not, that it can be made when it is needed.
pub(crate) fn is_there(path: &Path, keeps: Keeps) -> Result<bool, Fault> {
    let may_write = |folder: &Path| access(folder, AccessFlags::W_OK | AccessFlags::X_OK);
    let refused = |why: nix::Error| fault(path, keeps, Wrong::Error(why.into()));
    match walk(path) {
        Ok(_) => may_write(path).map(|()| true).map_err(|why| {
            let fault = refused(why);
            Fault { message: format!("cannot write into {}: {}", path.display(), why.desc()), ..fault }
        }),
        Err(Wrong::Error(error)) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.ancestors().skip(1).find(|above| above.exists()).unwrap_or(Path::new("/"));
            may_write(above).map(|()| false).map_err(refused)
        }
        Err(wrong) => Err(fault(path, keeps, wrong)),
    }
}

fn fault(path: &Path, keeps: Keeps, wrong: Wrong) -> Fault {
    let variable = keeps.variable();
    match wrong {
        Wrong::Unsafe(part, why, mend) => {
            let fault =
                Fault::host(format!("{} {why} could change what vmrun keeps in {}", part.display(), path.display()));
            fault.hint(format!("`{mend} {}`, or name another folder by {variable}", part.display()))
        }
        Wrong::Error(error) => {
            let fault = Fault::host(format!("cannot make {}: {}", path.display(), reason(&error)));
            fault.hint(format!("{}; {variable} names another folder", keeps.purpose()))
        }
    }
}

/// How many links a path may lead over, as for the kernel (path_resolution(7)).
const LINKS: usize = 40;

/// Opens a folder part by part, as to root each has to be safe. Anybody else keeps what he likes where he likes, and need not be able
/// to read what is above it.
fn walk(path: &Path) -> Result<File, Wrong> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.into());
    if !geteuid().is_root() {
        let flags = OFlag::O_DIRECTORY.bits();
        return OpenOptions::new().read(true).custom_flags(flags).open(&whole).map_err(Wrong::Error);
    }
    let cannot = |why: nix::Error| Wrong::Error(why.into());
    let mut parts: VecDeque<OsString> = names(&whole).collect();
    let mut at: Vec<(File, PathBuf)> = vec![root()?];
    let mut links = 0;
    while let Some(part) = parts.pop_front() {
        if part == ".." {
            at.truncate(at.len().saturating_sub(1).max(1));
            continue;
        }
        let Some((folder, above)) = at.last() else { return Err(cannot(nix::Error::ENOENT)) };
        let here = above.join(&part);
        let is_last = parts.is_empty();
        let stat = fstatat(folder, part.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW).map_err(cannot)?;
        if is_link(&stat) {
            links += 1;
            // Its mode says nothing (symlink(7)).
            judge(&here, (stat.st_uid, 0), is_last)?;
            let target = readlinkat(folder, part.as_os_str()).map_err(cannot)?;
            if links > LINKS {
                return Err(cannot(nix::Error::ELOOP));
            }
            if Path::new(&target).is_absolute() {
                at.truncate(1);
            }
            let rest = std::mem::take(&mut parts);
            parts = names(Path::new(&target)).chain(rest).collect();
            continue;
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let file = openat(folder, part.as_os_str(), flags, Mode::empty()).map(File::from).map_err(cannot)?;
        let meta = file.metadata().map_err(Wrong::Error)?;
        judge(&here, (meta.uid(), meta.mode() & 0o7777), is_last)?;
        at.push((file, here));
    }
    at.pop().map(|(file, _)| file).ok_or_else(|| cannot(nix::Error::ENOENT))
}

fn root() -> Result<(File, PathBuf), Wrong> {
    let path = PathBuf::from("/");
    File::open(&path).map(|file| (file, path)).map_err(Wrong::Error)
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_os_string()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn is_link(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK
}

fn judge(path: &Path, (owner, mode): (u32, u32), is_last: bool) -> Result<(), Wrong> {
    match unsafe_by(owner, mode, is_last) {
        Some((why, mend)) => Err(Wrong::Unsafe(path.into(), why, mend)),
        None => Ok(()),
    }
}

/// Returns what makes a folder, or one above it, nothing for root, and the command that mends it.
fn unsafe_by(owner: u32, mode: u32, is_last: bool) -> Option<(String, String)> {
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o022;
    if owner != 0 {
        return Some((format!("belongs to user {owner}, who"), "chown root".into()));
    }
    let is_open = mode & OTHERS_WRITE != 0 && (is_last || mode & STICKY == 0);
    is_open.then(|| (format!("may be written by others (mode {mode:04o}), who"), "chmod go-w".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{Uid, chown};
    use std::fs::Permissions;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn root_keeps_nothing_where_others_write() {
        let judged =
            |owner, mode, is_last| unsafe_by(owner, mode, is_last).map(|(why, mend)| format!("{why} / {mend}"));
        for mode in [0o755, 0o700, 0o1755] {
            assert_eq!([judged(0, mode, true), judged(0, mode, false)], [None, None]);
        }
        let open = |mode: &str| Some(format!("may be written by others (mode {mode}), who / chmod go-w"));
        assert_eq!([judged(0, 0o1777, false), judged(0, 0o1777, true)], [None, open("1777")]);
        assert_eq!([judged(0, 0o777, false), judged(0, 0o775, true)], [open("0777"), open("0775")]);
        assert_eq!(judged(1001, 0o1777, false), Some("belongs to user 1001, who / chown root".into()));
    }

    /// What is said of a folder; nothing if it can be had.
    fn said(path: &Path) -> Option<String> {
        let fault = Folder::made(path, Keeps::State).err()?;
        Some(format!("{} / {}", fault.message, fault.hint.unwrap_or_default()))
    }

    #[test]
    fn every_part_of_a_folder_is_looked_at_links_included() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(said(&at("safe/state")), None);
        assert!(at("safe/state").is_dir());
        // Anybody else may do as he likes, and nobody else can give folders away.
        if !geteuid().is_root() {
            return;
        }
        std::fs::create_dir(at("open")).unwrap();
        std::fs::set_permissions(at("open"), Permissions::from_mode(0o777)).unwrap();
        let shown = |name: &str| at(name).display().to_string();
        let open = |kept: &str| {
            Some(format!(
                "{} may be written by others (mode 0777), who could change what vmrun keeps in {} / `chmod go-w {}`, or name \
                 another folder by VMRUN_STATE_DIR",
                shown("open"),
                shown(kept),
                shown("open")
            ))
        };
        assert_eq!([said(&at("open")), said(&at("open/new/state"))], [open("open"), open("open/new/state")]);
        assert!(!at("open/new").exists(), "nothing is made there");
        assert!(against(&at("open/none"), Keeps::State).is_some() && against(&at("safe/none"), Keeps::State).is_none());
        std::fs::set_permissions(at("open"), Permissions::from_mode(0o1777)).unwrap();
        assert_eq!(said(&at("open/state")), None);
        // A link of somebody else may lead elsewhere tomorrow; one of root is what it leads to.
        symlink(at("safe"), at("link")).unwrap();
        assert_eq!(said(&at("link/state")), None);
        nix::unistd::fchownat(
            nix::fcntl::AT_FDCWD,
            &at("link"),
            Some(Uid::from_raw(1001)),
            None,
            AtFlags::AT_SYMLINK_NOFOLLOW,
        )
        .unwrap();
        let theirs = said(&at("link/state")).unwrap();
        assert!(theirs.starts_with(&format!("{} belongs to user 1001, who could change", shown("link"))), "{theirs}");
        chown(&at("safe/state"), Some(Uid::from_raw(1001)), None).unwrap();
        assert!(said(&at("safe/state")).unwrap().contains("/safe/state belongs to user 1001, who could change"));
        symlink("round", at("round")).unwrap();
        assert!(said(&at("round/state")).unwrap().starts_with("cannot make "));
    }

    #[test]
    fn a_file_is_opened_in_its_folder_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let open = Folder::made(&path, Keeps::Logs).unwrap();
        let flags = OFlag::O_CREAT | OFlag::O_WRONLY | OFlag::O_APPEND;
        open.file(OsStr::new("web.log"), flags, 0o640).unwrap().write_all(b"x").unwrap();
        let target = folder.path().join("target");
        symlink(&target, path.join("db.log")).unwrap();
        assert!(open.file(OsStr::new("db.log"), flags, 0o640).is_err() && !target.exists());
        // Whatever becomes of its name.
        std::fs::rename(&path, folder.path().join("moved")).unwrap();
        open.file(OsStr::new("web.log"), flags, 0o640).unwrap().write_all(b"y").unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join("moved/web.log")).unwrap(), "xy");
    }
}

//! Snapshots of disks, as they are found: of volumes by zfs(8), of files beside them; and the state of a file that is kept until
//! another one has its place.

use super::Host;
use super::files::{self, beside, halves, io_fault, remove};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::snapshot::SnapshotName;
use crate::model::volume::VolumeName;
use crate::model::{Argv, Size};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// A snapshot of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// Its name.
    pub name: SnapshotName,
    /// When it was made, in seconds since 1970.
    pub taken: u64,
    /// What grows with each snapshot of this disk: a transaction of the pool (zfsprops(7), createtxg), or a time in nanoseconds.
    pub order: u64,
    /// How much space comes back when it goes; nothing for a file, which may share its blocks.
    pub used: Option<Size>,
    /// Whether somebody holds it (zfs-hold(8)).
    pub is_held: bool,
    /// What is cloned of it.
    pub clones: Vec<String>,
}

/// Returns the snapshots of a volume, whoever has made them.
pub(crate) fn of_volume(host: &dyn Host, volume: &VolumeName) -> Result<Vec<Snapshot>, Fault> {
    if !host.has_program("zfs") {
        let fault = Fault::host(format!("`zfs` is not installed, and {volume} is a volume of ZFS"));
        return Err(fault.hint("install OpenZFS, or give the machine another disk"));
    }
    let fields = "name,creation,createtxg,used,userrefs,clones";
    let argv = Argv::new("zfs").args(["list", "-Hp", "-d", "1", "-t", "snapshot", "-o", fields]).arg(volume);
    let text = host.query(&argv).map_err(|fault| {
        // libzfs_util.c, zfs_standard_error.
        if !fault.message.contains("dataset does not exist") {
            return fault;
        }
        Fault::host(format!("the volume {volume} is not there")).hint("`--init` makes it, if its recipe does")
    })?;
    Ok(text.lines().filter_map(|line| snapshot(volume, line)).collect())
}

fn snapshot(volume: &VolumeName, line: &str) -> Option<Snapshot> {
    let mut fields = line.split('\t');
    let name = fields.next()?.strip_prefix(volume.as_str())?.strip_prefix('@')?;
    let mut number = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (taken, order, used, holds) = (number()?, number()?, number(), number());
    let clones = fields.next().unwrap_or_default().split(',').filter(|clone| !["", "-"].contains(clone));
    Some(Snapshot {
        name: SnapshotName::there(name),
        taken,
        order,
        used: used.map(Size::bytes),
        is_held: holds.is_some_and(|holds| holds > 0),
        clones: clones.map(Into::into).collect(),
    })
}

/// Returns the snapshots of a file, which are beside it.
pub(crate) fn of_file(file: &Path) -> Vec<Snapshot> {
    let (folder, name) = (folder(file), file.file_name().unwrap_or_default().to_string_lossy());
    let found = files::names(folder).into_iter().filter_map(|there| {
        let snapshot = SnapshotName::in_name(&name, &there)?;
        let meta = folder.join(&there).symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
        let taken = u64::try_from(meta.mtime()).unwrap_or_default();
        let order =
            taken.saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec().try_into().unwrap_or_default());
        Some(Snapshot { name: snapshot, taken, order, used: None, is_held: false, clones: Vec::new() })
    });
    let mut found: Vec<Snapshot> = found.collect();
    found.sort_by_key(|snapshot| snapshot.order);
    found
}

/// Returns what is half of a snapshot of a file, of any tag, and whose writer is dead.
pub(crate) fn halves_of(file: &Path) -> Vec<PathBuf> {
    let of_it = format!("{}@", file.file_name().unwrap_or_default().to_string_lossy());
    let is_its = |half: &PathBuf| half.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&of_it));
    halves::left(folder(file), None).into_iter().filter(is_its).collect()
}

/// Removes it: its tag may never be said again.
pub(crate) fn clear_halves(file: &Path) -> Result<(), Fault> {
    halves_of(file).iter().try_for_each(|half| remove(half))
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn before(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}.before", path.display()))
}

/// Removes what a rollback of a file has left that was killed. It may be the file itself, so that it is none's only before who asks has
/// the lock of that.
pub(crate) fn clear_before(path: &Path) -> Result<(), Fault> {
    halves::clear(&before(path))
}

/// A file as it was, under a second name, until it is certain that it is not needed any more.
pub(crate) struct Before {
    path: PathBuf,
    kept: Option<PathBuf>,
}

impl Before {
    /// Keeps a file; one that is not there is kept as that.
    pub(crate) fn of(path: &Path) -> Result<Self, Fault> {
        // By that name it is known as what may be removed, if we die.
        let kept = beside(&before(path));
        match std::fs::hard_link(path, &kept) {
            Ok(()) => Ok(Self { path: path.into(), kept: Some(kept) }),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(Self { path: path.into(), kept: None }),
            Err(why) => Err(io_fault("keep", path)(why)),
        }
    }

    /// Has it be as it was.
    pub(crate) fn put_back(mut self) -> Result<(), Fault> {
        match self.kept.take() {
            Some(kept) => {
                std::fs::rename(&kept, &self.path).map_err(io_fault("put back", &self.path))?;
                // Of two names of one file both stay (rename(2)): it was not replaced yet.
                remove(&kept)
            }
            None => remove(&self.path),
        }
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        if let Some(kept) = &self.kept {
            remove(kept).may_fail("by its name it is known as what may be removed");
        }
    }
}

/// Removes the snapshot of a file.
pub(crate) fn remove_file(file: &Path) -> Result<(), Fault> {
    remove(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_of_a_volume_are_what_zfs_says() {
        let volume: VolumeName = "zroot/vm/web".parse().unwrap();
        let line = "zroot/vm/web@vmrun-a\t1764288000\t17\t4096\t1\tzroot/vm/b,zroot/vm/c";
        let expected = Snapshot {
            name: SnapshotName::there("vmrun-a"),
            taken: 1_764_288_000,
            order: 17,
            used: Some(Size::bytes(4096)),
            is_held: true,
            clones: vec!["zroot/vm/b".into(), "zroot/vm/c".into()],
        };
        assert_eq!(snapshot(&volume, line), Some(expected));
        let none = snapshot(&volume, "zroot/vm/web@daily\t1\t2\t0\t0\t-").unwrap();
        assert_eq!((none.is_held, none.clones), (false, vec![]));
        assert_eq!(snapshot(&volume, "zroot/vm/web2@daily\t1\t2\t0\t0\t-"), None);
    }

    #[test]
    fn a_file_is_put_back_as_it_was_or_its_second_name_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.img");
        let put = |text: &[u8]| super::super::library_tree::put(&path, text).unwrap();
        put(b"old");
        let before = Before::of(&path).unwrap();
        remove(&path).unwrap();
        put(b"new");
        before.put_back().unwrap();
        assert_eq!(files::read_text(&path).unwrap(), "old");
        drop(Before::of(&path).unwrap());
        // Nobody has replaced it.
        Before::of(&path).unwrap().put_back().unwrap();
        assert_eq!(files::names(folder.path()), ["web.img"]);
        remove(&path).unwrap();
        let before = Before::of(&path).unwrap();
        put(b"new");
        before.put_back().unwrap();
        assert_eq!(files::names(folder.path()), [""; 0]);
    }
}

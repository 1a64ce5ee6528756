//! The replicas of machines that other hosts have: a record of each, which says what of its disks is here and under which names. None of
//! them is a machine of this host until somebody takes it.

use super::files::{self, remove};
use super::moved_disks::{Sign, destroy_volume};
use super::moves::sync_folder;
use super::reflink::{CopyWay, NewFile, has_reflinks};
use super::settings::Settings;
use crate::diag::Fault;
use crate::image::migration::{Made, MoveRecord, MoveState};
use crate::model::VmName;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The replicas of a machine on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replicas {
    /// The machine.
    pub(crate) machine: VmName,
    /// The host from which the newest one came.
    pub(crate) host: String,
    /// When that was whole, in seconds since 1970.
    pub(crate) at: u64,
    /// How many there are.
    pub(crate) count: usize,
}

fn folder(settings: &Settings) -> PathBuf {
    settings.config.join("replicas")
}

fn path(settings: &Settings, record: &MoveRecord) -> PathBuf {
    folder(settings).join(record.machine.as_str()).join(format!("{}.json", record.id))
}

/// Returns the machines of which something is here.
fn machines(settings: &Settings) -> Vec<VmName> {
    files::names(&folder(settings)).iter().filter_map(|name| name.parse().ok()).collect()
}

/// Returns the records of a machine's replicas, from the oldest on; those that are not whole as well.
pub(crate) fn all(settings: &Settings, machine: &VmName) -> Result<Vec<MoveRecord>, Fault> {
    let folder = folder(settings).join(machine.as_str());
    let mut all = Vec::new();
    let is_record = |name: &&String| name.strip_suffix(".json").is_some_and(|id| !id.starts_with('.'));
    for name in files::names(&folder).iter().filter(is_record) {
        let path = folder.join(name);
        let text = files::read_text(&path).map_err(files::io_fault("read", &path))?;
        let record = MoveRecord::read(&text).map_err(|fault| fault.context(path.display()))?;
        // Two may be of one second.
        let written = path.metadata().map_or((0, 0), |meta| (meta.mtime(), meta.mtime_nsec()));
        all.push((record.at, written, record));
    }
    all.sort_by_key(|(at, written, _)| (*at, *written));
    Ok(all.into_iter().map(|(.., record)| record).collect())
}

/// Returns those that are whole, from the oldest on.
pub(crate) fn whole(settings: &Settings, machine: &VmName) -> Result<Vec<MoveRecord>, Fault> {
    let mut all = all(settings, machine)?;
    all.retain(|record| record.state == MoveState::Whole);
    Ok(all)
}

/// Returns the replicas that this host has, by machine; of one whose records cannot be read, why.
pub(crate) fn kept(settings: &Settings) -> Vec<Result<Replicas, Fault>> {
    let of = |machine: VmName| {
        let all = whole(settings, &machine)?;
        let newest = all.last().map(|newest| (newest.peer.clone(), newest.at));
        Ok(newest.map(|(host, at)| Replicas { machine, host, at, count: all.len() }))
    };
    machines(settings).into_iter().filter_map(|machine| of(machine).transpose()).collect()
}

/// Writes the record of a replica. It is on the disk when this returns.
pub(crate) fn write(settings: &Settings, record: &MoveRecord) -> Result<(), Fault> {
    let path = path(settings, record);
    let folder = path.parent().unwrap_or(Path::new("/"));
    files::make_folder(folder, Some(0o700))?;
    files::write_whole(&path, &record.text())?;
    sync_folder(folder)
}

/// Removes the record of a replica, and leaves what it tells of.
pub(crate) fn forget(settings: &Settings, record: &MoveRecord) -> Result<(), Fault> {
    let path = path(settings, record);
    remove(&path)?;
    // The last one leaves nothing.
    path.parent().map_or(
        Ok(()),
        |folder| {
            if std::fs::remove_dir(folder).is_ok() { Ok(()) } else { sync_folder(folder) }
        },
    )
}

/// Removes a replica: what has the names of a replica, and never what has those of a machine.
pub(crate) fn destroy(settings: &Settings, record: &MoveRecord) -> Result<(), Fault> {
    for one in record.made.iter().rev() {
        match one {
            Made::File(half, ..) => remove(half)?,
            Made::Volume(half, _) => destroy_volume(settings, &half.parse()?)?,
            // One that others use is not empty.
            Made::Folder(path) => drop(std::fs::remove_dir(path).ok()),
        }
    }
    forget(settings, record)
}

/// Has the files of a replica begin as those of an earlier one are, so that what has not changed since need not come.
pub(crate) fn seed_files(made: &[Made], earlier: &[Made], sign: Sign<'_>) -> Result<(), Fault> {
    for one in made {
        let Made::File(half, path, _) = one else { continue };
        let from = earlier.iter().find_map(|old| match old {
            Made::File(old, named, _) if named == path => Some(old),
            Made::File(..) | Made::Volume(..) | Made::Folder(_) => None,
        });
        let Some(from) = from.filter(|from| files::is_file(from) && !files::exists(half)) else { continue };
        let way = if has_reflinks(from)? { CopyWay::Reflink } else { CopyWay::Data };
        // Who is gone is found out by the answer.
        NewFile::of(from, half, way, &mut |_| sign().is_ok())?.name()?;
    }
    Ok(())
}

//! Snapshots of a machine's disks: made, listed, gone back to and removed. Volumes have those of ZFS, files a second one beside them.

mod copies;
mod freeze;
mod removal;
mod rollback;
mod take;

use super::installation::Installation;
use super::machine_disks::MachineDisks;
use super::settings;
use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::host::clock::Utc;
use crate::host::files;
use crate::host::signals::Signals;
use crate::host::snapshots::{self as host_snapshots, Snapshot};
use crate::host::system::System;
use crate::host::{Facts as _, Platform};
use crate::model::snapshot::SnapshotName;
use crate::model::volume::{DiskPlace, VolumeName};
use crate::model::{Argv, Size, VmName};
use std::path::{Path, PathBuf};

pub(super) use freeze::Freeze;
pub(crate) use removal::Removal;
pub(crate) use rollback::{RollbackRequest, rollback};
pub(crate) use take::{OF_REPLICA, TakeRequest, take};
pub(super) use take::{frozen, no_one_moment};

/// What happens with snapshots.
pub(crate) enum SnapshotEvent<'a> {
    /// This is done, or would be.
    Runs(&'a Argv),
    /// Something is to be known.
    Note(&'a str),
    /// So many bytes of a file are copied, of so many.
    Copies(&'a Path, u64, u64),
}

/// Who hears of it.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(&SnapshotEvent<'_>);

/// The disks of a machine of which there can be snapshots, and what there is of them.
struct Disks {
    name: VmName,
    host: System,
    parts: Vec<Part>,
    /// What can have none, and why.
    left_out: Vec<String>,
}

/// Something of a machine of which there can be snapshots.
struct Part {
    place: Place,
    /// From the oldest on.
    snapshots: Vec<Snapshot>,
    /// Whether it is the variables of the firmware, which come with its first boot.
    is_vars: bool,
}

/// Where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Volume(VolumeName, PathBuf),
    File(PathBuf),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::Volume(_, path) | Self::File(path) => path,
        }
    }

    /// As people call it.
    fn shown(&self) -> String {
        match self {
            Self::Volume(name, _) => name.to_string(),
            Self::File(path) => path.display().to_string(),
        }
    }

    fn snapshot(&self, name: &SnapshotName) -> String {
        match self {
            Self::Volume(volume, _) => name.of_volume(volume),
            Self::File(path) => name.of_file(path).display().to_string(),
        }
    }
}

impl Part {
    fn find(&self, name: &SnapshotName) -> Option<&Snapshot> {
        self.snapshots.iter().find(|one| one.name == *name)
    }
}

impl Disks {
    fn of(name: &str) -> Result<Self, Vec<Diagnostic>> {
        let installation = Installation::open()?;
        let machine = MachineDisks::of(&installation, name)?;
        let host = settings::host(false)?;
        let (mut parts, mut left_out): (Vec<Part>, _) = (Vec::new(), Vec::new());
        let places = machine.disks.iter().map(|disk| (&disk.place, disk.only_reads, false));
        let vars = machine.vars.clone().map(DiskPlace::File);
        for (place, only_reads, is_vars) in places.chain(vars.iter().map(|place| (place, false, true))) {
            let shown = place.path().display();
            let place = match place {
                _ if only_reads => {
                    left_out.push(format!("{shown} is left out: it is only read"));
                    continue;
                }
                DiskPlace::Device(_) => {
                    left_out.push(format!("{shown} is left out: a device has no snapshots"));
                    continue;
                }
                DiskPlace::Volume(name, path) => Place::Volume(name.clone(), path.clone()),
                // What a link leads to is what is kept, and replaced.
                DiskPlace::File(path) => Place::File(files::target(path)),
            };
            if parts.iter().any(|part| part.place == place) {
                continue;
            }
            let snapshots = match &place {
                Place::Volume(name, _) => host_snapshots::of_volume(&host, name)?,
                Place::File(path) => host_snapshots::of_file(path),
            };
            parts.push(Part { place, snapshots, is_vars });
        }
        Ok(Self { name: machine.name().clone(), host, parts, left_out })
    }

    fn platform(&self) -> Platform {
        self.host.settings().platform
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.parts.iter().map(|part| part.place.path().to_path_buf()).collect()
    }

    /// The volumes of each pool.
    fn pools(&self) -> Vec<Vec<&VolumeName>> {
        let mut pools: Vec<Vec<&VolumeName>> = Vec::new();
        for part in &self.parts {
            let Place::Volume(name, _) = &part.place else { continue };
            match pools.iter_mut().find(|pool| pool.iter().any(|other| other.pool() == name.pool())) {
                Some(pool) => pool.push(name),
                None => pools.push(vec![name]),
            }
        }
        pools
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().filter_map(|part| match &part.place {
            Place::File(path) if !part.is_vars || files::is_file(path) => Some(path.as_path()),
            Place::File(_) | Place::Volume(..) => None,
        })
    }

    /// Returns the fault of a snapshot that there is not.
    fn against_missing(&self, name: &SnapshotName) -> Option<Fault> {
        let disks = self.parts.iter().filter(|part| !part.is_vars);
        let (with, without): (Vec<&Part>, Vec<&Part>) = disks.partition(|part| part.find(name).is_some());
        if with.is_empty() {
            let fault = Fault::host(format!("{} has no snapshot {name}", self.name));
            let all = list_of(self);
            let tags: Vec<String> = all.iter().map(|one| one.name.tag()).collect();
            let near = suggest::did_you_mean(&name.tag(), tags.iter().map(String::as_str));
            let listed = format!("`vmrun snapshots {}` lists those that there are", self.name);
            return Some(fault.hint(near.unwrap_or(listed)));
        }
        let missing: Vec<String> = without.iter().map(|part| part.place.shown()).collect();
        if missing.is_empty() {
            return None;
        }
        let fault = format!("the snapshot {name} of {} has nothing of {}", self.name, missing.join(", "));
        Some(Fault::host(fault).hint("one that has all of the disks is needed"))
    }
}

/// A snapshot of a machine: those of its disks with one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name.
    pub name: SnapshotName,
    /// When the first of them was made, in seconds since 1970.
    pub taken: u64,
    /// What it has: volumes, and paths of files.
    pub disks: Vec<String>,
    /// The disks that it does not have.
    pub missing: Vec<String>,
    /// How much space of volumes comes back when it goes; nothing where that is not known.
    pub used: Option<Size>,
}

/// Returns the snapshots of a machine, whoever has made them, from the oldest on.
///
/// # Errors
/// The machine is not known, or its disks cannot be asked.
pub(crate) fn list(name: &str) -> Result<Vec<Listed>, Vec<Diagnostic>> {
    Ok(list_of(&Disks::of(name)?))
}

fn list_of(disks: &Disks) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for part in &disks.parts {
        for one in &part.snapshots {
            let shown = part.place.shown();
            match all.iter_mut().find(|listed| listed.name == one.name) {
                Some(listed) => {
                    listed.taken = listed.taken.min(one.taken);
                    listed.disks.push(shown);
                    listed.used = listed.used.zip(one.used).map(|(a, b)| Size::bytes(a.get().saturating_add(b.get())));
                }
                None => all.push(Listed {
                    name: one.name.clone(),
                    taken: one.taken,
                    disks: vec![shown],
                    missing: Vec::new(),
                    used: one.used,
                }),
            }
        }
    }
    for listed in &mut all {
        let lacks = |part: &&Part| !part.is_vars && part.find(&listed.name).is_none();
        listed.missing = disks.parts.iter().filter(lacks).map(|part| part.place.shown()).collect();
    }
    all.sort_by(|one, other| (one.taken, &one.name).cmp(&(other.taken, &other.name)));
    all
}

/// Returns a time as people read it.
pub(crate) fn shown_time(seconds: u64) -> String {
    Utc(seconds).to_string()
}

/// Returns the fault of somebody who asks to stop.
pub(super) fn against_stop(signals: &Signals) -> Result<(), Fault> {
    if signals.peek_stop() { Err(Fault::new("interrupted").blame(Blame::Interrupted)) } else { Ok(()) }
}

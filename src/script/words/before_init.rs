//! What is on the disks of a machine is kept before `--init` lets another system write to them: on volumes of ZFS, and on files whose
//! file system has reflinks, both of which take neither time nor space. Other files are not copied: `vmrun snapshot --copy` does that.
//! Of FreeBSD's files nothing sure is known of whether they share blocks (`host::reflink`), so that they are not kept.

use super::machine::warn;
use super::{Call, Param, Type, Word, WordKind, expected};
use crate::diag::Fault;
use crate::host::disks::DiskChange;
use crate::host::volumes;
use crate::host::{Effect, Host, snapshots};
use crate::model::Machine;
use crate::model::device::Access;
use crate::model::snapshot::SnapshotName;
use crate::model::volume::{DiskPlace, VolumeName};
use crate::script::raise::Raised;
use rhai::Dynamic;
use std::path::{Path, PathBuf};

pub(super) const WORDS: &[Word] = &[Word {
    name: "snapshot_before_init",
    kind: WordKind::Description,
    params: &[Param::written("kept", Type::Flag, "false")],
    help: "Says whether what is on volumes of ZFS, and on files with reflinks, is kept in a snapshot before a boot with `--init`, as it is where nothing is said.",
    ..Word::of(snapshot_before_init)
}];

/// What the tags begin with.
const TAG: &str = "before-init";

/// What an evaluation knows of it.
#[derive(Debug, Default)]
pub(crate) struct BeforeInit {
    is_off: bool,
    /// What was kept in this evaluation.
    kept: Vec<PathBuf>,
}

fn snapshot_before_init(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let value = &call.args[0];
    let wanted = value.as_bool().map_err(|_| expected("true or false", value).arg(0))?;
    call.evaluation().before_init.is_off = !wanted;
    Ok(Dynamic::UNIT)
}

/// The disks of a machine that can be kept.
#[derive(Default)]
struct Disks {
    /// The volumes of each pool, with their devices.
    pools: Vec<Vec<(VolumeName, PathBuf)>>,
    files: Vec<PathBuf>,
    have_data: bool,
}

impl Disks {
    fn has(&self, path: &Path) -> bool {
        self.files.iter().chain(self.pools.iter().flatten().map(|(_, device)| device)).any(|one| one == path)
    }

    fn add_volume(&mut self, name: VolumeName, device: PathBuf) {
        match self.pools.iter_mut().find(|pool| pool.iter().any(|(other, _)| other.pool() == name.pool())) {
            Some(pool) => pool.push((name, device)),
            None => self.pools.push(vec![(name, device)]),
        }
    }

    /// Has of files only those that can be kept, which is tried only where there is something to be kept: not in a
    /// folder in which nothing can be made.
    fn only_cheap(mut self, host: &dyn Host, filled: &[PathBuf]) -> Self {
        let files = std::mem::take(&mut self.files);
        if !self.have_data && filled.is_empty() {
            return self;
        }
        for path in files {
            // What a link leads to is what is kept.
            let real = host.real(&path);
            if !self.files.contains(&real) && matches!(host.has_reflinks(&real), Ok(true)) {
                self.have_data |= filled.contains(&path);
                self.files.push(real);
            }
        }
        self
    }

    /// Returns what keeps them, those of a pool at one moment, all by one name.
    fn changes(self, host: &dyn Host) -> Result<Vec<DiskChange>, Fault> {
        let snapshot = free_name(host, &self)?;
        let of_pool = |pool: Vec<(VolumeName, PathBuf)>| {
            let (volumes, devices): (Vec<VolumeName>, Vec<PathBuf>) = pool.into_iter().unzip();
            let device = devices.into_iter().next()?;
            Some(DiskChange::KeepVolumes { snapshot: snapshot.clone(), volumes, device })
        };
        let mut changes: Vec<DiskChange> = self.pools.into_iter().filter_map(of_pool).collect();
        if !self.files.is_empty() {
            changes.push(DiskChange::KeepFiles { snapshot, files: self.files });
        }
        Ok(changes)
    }
}

/// Keeps the disks of a machine that has data on one of them. It is not given back: the snapshots stay.
pub(super) fn keep(call: &Call<'_>, machine: &Machine) -> Result<(), Raised> {
    if !call.evaluation().inputs.init || call.evaluation().before_init.is_off {
        return Ok(());
    }
    let disks = disks(call, machine);
    // Without one that is empty a snapshot would not be of the machine; with all of them empty it is of nothing.
    if !disks.have_data {
        return Ok(());
    }
    let kept = disks.files.iter().chain(disks.pools.iter().flatten().map(|(_, device)| device));
    let kept: Vec<PathBuf> = kept.cloned().collect();
    call.evaluation().before_init.kept.extend(kept);
    let changes = disks.changes(&*call.evaluation().run().host)?;
    for change in changes {
        call.evaluation().asks(&call.site);
        let done = call.evaluation().run().act(&Effect::Disk(Box::new(change)));
        done.map_err(|fault| call.evaluation().raised(fault.hint("`snapshot_before_init(false)` goes without it")))?;
    }
    Ok(())
}

/// Returns the disks that can be kept. Of a host that is not here nothing is known.
fn disks(call: &Call<'_>, machine: &Machine) -> Disks {
    let (mut disks, mut filled) = (Disks::default(), Vec::new());
    if call.evaluation().run().host.is_assumed() {
        return disks;
    }
    for (.., path, access) in machine.devices().flat_map(|(_, device)| device.images()) {
        let mut evaluation = call.evaluation();
        let zvols = evaluation.run().host.settings().zvols.clone();
        let Ok(place) = DiskPlace::of(path.as_path(), &zvols) else { continue };
        let is_known = evaluation.before_init.kept.iter().any(|one| one == place.path()) || disks.has(place.path());
        if is_known || access == Access::ReadOnly || evaluation.run().has_to_do_with(place.path()) {
            continue;
        }
        match place {
            DiskPlace::Device(_) => {}
            DiskPlace::File(path) => {
                let fact = evaluation.run().host.file(&path);
                if let Some(fact) = fact.filter(|fact| fact.size.is_some() && !fact.is_folder) {
                    filled.extend(fact.has_data.then(|| path.clone()));
                    disks.files.push(path);
                }
            }
            DiskPlace::Volume(name, device) => {
                let room = lacking_room(&*evaluation.run().host, &name);
                drop(evaluation);
                match room {
                    Room::Unknown => {}
                    Room::Lacks(fault) => warn(call, fault.into()),
                    Room::Enough { has_data } => {
                        disks.have_data |= has_data;
                        disks.add_volume(name, device);
                    }
                }
            }
        }
    }
    disks.only_cheap(&*call.evaluation().run().host, &filled)
}

/// Whether there is room for a snapshot.
enum Room {
    /// There is no such volume, as far as that is known.
    Unknown,
    /// There is too little.
    Lacks(Fault),
    /// There is.
    Enough {
        /// Whether anything is on the volume.
        has_data: bool,
    },
}

/// What has a reservation keeps it beside a snapshot, which needs as much as there is on the volume (zfsprops(7), refreservation).
fn lacking_room(host: &dyn Host, name: &VolumeName) -> Room {
    if !host.has_program("zfs") {
        return Room::Unknown;
    }
    let Some(fact) = volumes::volume(host, name).ok().flatten() else { return Room::Unknown };
    let free = if fact.reserved.get() == 0 {
        None
    } else {
        volumes::parent(host, name).ok().flatten().map(|parent| parent.free)
    };
    match free.filter(|free| *free < fact.referenced) {
        None => Room::Enough { has_data: !fact.is_empty() },
        Some(free) => {
            let (needed, parent) = (fact.referenced.rough(), name.parent());
            let what = format!(
                "{name} is not kept before --init: a snapshot needs {needed}, and {parent} has {} left",
                free.rough()
            );
            let way_out = format!(
                "`zfs set refreservation=none {name}` reserves none; `snapshot_before_init(false)` says that it is meant"
            );
            Room::Lacks(Fault::host(what).hint(way_out))
        }
    }
}

/// Returns the first name that none of the disks has a snapshot of.
fn free_name(host: &dyn Host, disks: &Disks) -> Result<SnapshotName, Fault> {
    let mut taken: Vec<SnapshotName> = Vec::new();
    for (volume, _) in disks.pools.iter().flatten() {
        taken.extend(snapshots::of_volume(host, volume)?.into_iter().map(|one| one.name));
    }
    taken.extend(disks.files.iter().flat_map(|file| snapshots::of_file(file)).map(|one| one.name));
    let mut name = SnapshotName::of_tag(TAG)?;
    for number in 2.. {
        if !taken.contains(&name) {
            break;
        }
        name = SnapshotName::of_tag(&format!("{TAG}-{number}"))?;
    }
    Ok(name)
}

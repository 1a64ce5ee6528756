//! What is on the volumes of a machine is kept before `--init` lets another system write to them.
//!
//! Files are not: whether they have reflinks is no question to every host, and FreeBSD's have none that are sure.

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
use std::path::PathBuf;

pub(super) const WORDS: &[Word] = &[Word {
    name: "snapshot_before_init",
    kind: WordKind::Description,
    params: &[Param::written("kept", Type::Flag, "false")],
    help: "Says whether what is on volumes of ZFS is kept in a snapshot before a boot with `--init`, as it is where nothing is said.",
    ..Word::of(snapshot_before_init)
}];

/// What the tags begin with.
const TAG: &str = "before-init";

/// What an evaluation knows of it.
#[derive(Debug, Default)]
pub(crate) struct BeforeInit {
    is_off: bool,
    /// What was kept in this evaluation.
    kept: Vec<VolumeName>,
}

fn snapshot_before_init(call: &Call<'_>) -> Result<Dynamic, Raised> {
    let value = &call.args[0];
    let wanted = value.as_bool().map_err(|_| expected("true or false", value).arg(0))?;
    call.evaluation().before_init.is_off = !wanted;
    Ok(Dynamic::UNIT)
}

/// Keeps the volumes of a machine that have data, those of a pool at one moment. It is not given back: the snapshots stay.
pub(super) fn keep(call: &Call<'_>, machine: &Machine) -> Result<(), Raised> {
    if !call.evaluation().inputs.init || call.evaluation().before_init.is_off {
        return Ok(());
    }
    for pool in pools(call, machine) {
        let names: Vec<&VolumeName> = pool.iter().map(|(name, _)| name).collect();
        let snapshot = free_name(&*call.evaluation().run().host, &names)?;
        let Some((_, device)) = pool.first().cloned() else { continue };
        let volumes: Vec<VolumeName> = names.into_iter().cloned().collect();
        call.evaluation().before_init.kept.extend(volumes.clone());
        call.evaluation().asks(&call.site);
        let effect = Effect::Disk(Box::new(DiskChange::KeepVolumes { snapshot, volumes, device }));
        let done = call.evaluation().run().act(&effect);
        done.map_err(|fault| call.evaluation().raised(fault.hint("`snapshot_before_init(false)` goes without it")))?;
    }
    Ok(())
}

/// Returns the volumes of each pool, if any of them has data: without one that is empty a snapshot would not be of the machine. Of a
/// host that is not here nothing is known.
fn pools(call: &Call<'_>, machine: &Machine) -> Vec<Vec<(VolumeName, PathBuf)>> {
    let mut pools: Vec<Vec<(VolumeName, PathBuf)>> = Vec::new();
    let mut have_data = false;
    if call.evaluation().run().host.is_assumed() {
        return pools;
    }
    for (.., path, access) in machine.devices().flat_map(|(_, device)| device.images()) {
        let mut evaluation = call.evaluation();
        let zvols = evaluation.run().host.settings().zvols.clone();
        let Ok(DiskPlace::Volume(name, device)) = DiskPlace::of(path.as_path(), &zvols) else { continue };
        let is_known =
            evaluation.before_init.kept.contains(&name) || pools.iter().flatten().any(|(other, _)| *other == name);
        if is_known || access == Access::ReadOnly || evaluation.run().has_to_do_with(&device) {
            continue;
        }
        let lacks = lacking_room(&*evaluation.run().host, &name);
        drop(evaluation);
        match lacks {
            Room::Unknown => continue,
            Room::Lacks(fault) => {
                warn(call, fault.into());
                continue;
            }
            Room::Enough { has_data } => have_data |= has_data,
        }
        match pools.iter_mut().find(|pool| pool.iter().any(|(other, _)| other.pool() == name.pool())) {
            Some(pool) => pool.push((name, device)),
            None => pools.push(vec![(name, device)]),
        }
    }
    if have_data { pools } else { Vec::new() }
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

/// Returns the first name that none of the volumes has a snapshot of.
fn free_name(host: &dyn Host, volumes: &[&VolumeName]) -> Result<SnapshotName, Fault> {
    let mut taken: Vec<SnapshotName> = Vec::new();
    for volume in volumes {
        taken.extend(snapshots::of_volume(host, volume)?.into_iter().map(|one| one.name));
    }
    let mut name = SnapshotName::of_tag(TAG)?;
    for number in 2.. {
        if !taken.contains(&name) {
            break;
        }
        name = SnapshotName::of_tag(&format!("{TAG}-{number}"))?;
    }
    Ok(name)
}

//! The disks of a machine that runs, as they are at one moment: a snapshot of all of them, which goes once it was read.

use super::{Listener, MigrateEvent};
use crate::diag::{Diagnostic, Fault};
use crate::host::Settings;
use crate::host::moved_disks::{clone_volume, destroy_volume, half_volume};
use crate::host::sparse::SparseDisk;
use crate::image::archive::{DiskPart, Home};
use crate::image::migration::is_id;
use crate::model::VmName;
use crate::model::snapshot::SnapshotName;
use crate::model::volume::VolumeName;
use crate::ops::snapshots::{self, OF_REPLICA, Removal, SnapshotEvent, TakeRequest};
use std::path::Path;

/// A snapshot that is read.
pub(super) struct Moment<'a> {
    settings: &'a Settings,
    machine: &'a VmName,
    id: String,
    name: SnapshotName,
}

impl<'a> Moment<'a> {
    /// Makes it, after what earlier ones have left that were killed.
    pub(super) fn of(
        settings: &'a Settings,
        machine: &'a VmName,
        id: &str,
        parts: &[DiskPart],
        listener: Listener<'_>,
    ) -> Result<Self, Vec<Diagnostic>> {
        for listed in snapshots::list(machine.as_str())? {
            let tag = listed.name.tag();
            if let Some(old) = tag.strip_prefix(OF_REPLICA).filter(|id| listed.name.is_own() && is_id(id)) {
                Self { settings, machine, id: old.into(), name: listed.name.clone() }.remove(parts)?;
            }
        }
        let tag = format!("{OF_REPLICA}{id}");
        let request = TakeRequest {
            machine: machine.as_str(),
            tag: Some(&tag),
            may_copy: false,
            only_look: false,
            is_for_replica: true,
        };
        let name = snapshots::take(&request, &mut |event| {
            if let SnapshotEvent::Note(note) = event {
                listener(&MigrateEvent::Note(note));
            }
        })?;
        Ok(Self { settings, machine, id: id.into(), name })
    }

    /// Opens the disks as they were then. A snapshot of a volume has no device of its own unless somebody says so; its clone has one.
    pub(super) fn open(&self, parts: &[DiskPart], paths: &[impl AsRef<Path>]) -> Result<Vec<SparseDisk>, Fault> {
        let open = |(part, path): (&DiskPart, &_)| {
            let path = <_ as AsRef<Path>>::as_ref(path);
            let Home::Volume(volume) = &part.home else { return SparseDisk::open(&self.name.of_file(path)) };
            let half = half_volume(&volume.name, &self.id)?;
            clone_volume(&self.name.of_volume(&volume.name), &half)?;
            SparseDisk::open(&self.settings.volume(&half))
        };
        parts.iter().zip(paths).map(open).collect()
    }

    /// Removes it.
    pub(super) fn remove(self, parts: &[DiskPart]) -> Result<(), Vec<Diagnostic>> {
        for part in parts {
            if let Home::Volume(volume) = &part.home {
                let half: VolumeName = half_volume(&volume.name, &self.id)?;
                destroy_volume(self.settings, &half)?;
            }
        }
        Ok(Removal::of(self.machine.as_str(), &self.name.tag())?.perform(&mut |_| ())?)
    }
}

//! The room that the disks of a machine take where they are put.

use crate::diag::Fault;
use crate::host::restore::{self, Place};
use crate::host::system::System;
use crate::host::{files, volumes};
use crate::image::archive::{DiskForm, Manifest};
use crate::model::Size;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Refuses what there is no room for: on each file system, and in each filesystem of a pool. What of a disk has come already has its room;
/// `again` says what is done once there is more.
pub(in crate::ops) fn against_space(
    host: &System,
    manifest: &Manifest,
    places: &[Place],
    has_come: &dyn Fn(&Place) -> Size,
    again: &str,
) -> Result<(), Fault> {
    let no_room = |place: &str, needs: Size, free: Size| {
        let (needs, free) = (needs.rough(), free.rough());
        let fault = Fault::host(format!("there is no room at {place}: {needs} are needed, and {free} are free"));
        fault.hint(format!("make room, and {again} it again"))
    };
    let mut wanted: BTreeMap<u64, (u64, PathBuf)> = BTreeMap::new();
    for (part, place) in manifest.disks.iter().zip(places).filter(|(_, place)| !files::exists(place.path())) {
        match place {
            Place::File(path) => {
                let folder = path.parent().unwrap_or(Path::new("/")).to_path_buf();
                let entry = wanted.entry(restore::file_system(&folder)).or_insert((0, folder));
                entry.0 = entry.0.saturating_add(part.used.get().saturating_sub(has_come(place).get()));
            }
            Place::Volume(volume, _) => {
                // How much one takes that reserves nothing is known when all of it is there.
                let sent = if part.form == DiskForm::Bytes { Size::bytes(0) } else { part.used };
                let needs = if volume.is_sparse { sent } else { volume.size.max(sent) };
                let needs = Size::bytes(needs.get().saturating_sub(has_come(place).get()));
                if let Some(parent) = volumes::parent(host, &volume.name)?.filter(|parent| parent.free < needs) {
                    return Err(no_room(&volume.name.to_string(), needs, parent.free));
                }
            }
        }
    }
    for (wanted, folder) in wanted.into_values() {
        let free = restore::room(&folder);
        if wanted > free {
            return Err(no_room(&folder.display().to_string(), Size::bytes(wanted), Size::bytes(free)));
        }
    }
    Ok(())
}

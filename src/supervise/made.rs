//! Disks that a run has made and that no guest has had yet: they go again if it fails before, and stay as soon as one starts.

use super::Run;
use super::holds::Hold;
use super::recovery::{Back, Left};
use crate::diag::Fault;
use crate::host::boot_plan::BootPlan;
use crate::host::disks::{DiskChange, Filling};
use crate::host::volumes;
use crate::host::{Effect, Guest, Host};
use crate::image::source::SourceForm;
use crate::model::volume::{Volume, VolumeName};
use crate::model::{Argv, Machine, Size};
use std::path::{Path, PathBuf};

/// Returns the words of a journal for a disk that was made.
pub(super) fn words(change: &DiskChange) -> Option<Vec<String>> {
    let words = |kind: &str, name: String, size: Size| Some(vec![kind.into(), name, size.get().to_string()]);
    match change {
        DiskChange::MakeFile { path, size } => words("disk", path.to_string_lossy().into(), *size),
        DiskChange::MakeVolume { volume, device } => {
            let mut all = words("volume", device.to_string_lossy().into(), volume.size)?;
            all.push(volume.name.to_string());
            Some(all)
        }
        DiskChange::Fill(filling) => {
            let name = filling.volume.as_ref()?;
            Some(vec!["filled".into(), filling.path.to_string_lossy().into(), name.to_string()])
        }
        DiskChange::CloneVolume { name, device, origin } => {
            Some(vec!["cloned".into(), device.to_string_lossy().into(), name.to_string(), origin.clone()])
        }
        DiskChange::ResizeFile { .. }
        | DiskChange::RemoveFile { .. }
        | DiskChange::GrowVolume { .. }
        | DiskChange::KeepVolumes { .. }
        | DiskChange::KeepFiles { .. }
        | DiskChange::DestroyVolume { .. } => None,
    }
}

/// Reads what [`words`] wrote.
pub(super) fn read(words: &[&str]) -> Option<DiskChange> {
    let size = |text: &str| text.parse().ok().map(Size::bytes);
    match words {
        ["disk", path, bytes] => Some(DiskChange::MakeFile { path: path.into(), size: size(bytes)? }),
        ["volume", device, bytes, name] => {
            let (name, size, device) = (name.parse().ok()?, size(bytes)?, device.into());
            let volume = Volume { name, size, block: None, is_sparse: false, compression: None, encryption: None };
            Some(DiskChange::MakeVolume { volume, device })
        }
        ["cloned", device, name, origin] => Some(DiskChange::CloneVolume {
            name: name.parse().ok()?,
            device: device.into(),
            origin: (*origin).to_string(),
        }),
        // Of the image no more is needed to take the volume away.
        ["filled", device, name] => Some(DiskChange::Fill(Filling {
            image: PathBuf::new(),
            form: SourceForm::Raw,
            path: device.into(),
            volume: Some(name.parse().ok()?),
            is_of_the_run: true,
            size: Size::bytes(0),
        })),
        _ => None,
    }
}

/// What a dead run had made: a file in which nothing is goes, and a volume in which half an image may be; of an empty volume it is
/// not certain that nobody has used it since.
pub(super) fn undo(host: &dyn Host, change: &DiskChange, left: &mut Left) {
    if let DiskChange::CloneVolume { name, origin, .. } = change {
        return undo_clone(host, change, (name, origin), left);
    }
    let Some(fact) = host.file(change.path()) else { return };
    let back = || change.opposite().map(|back| Back::Effect(Effect::Disk(Box::new(back))));
    match change {
        DiskChange::MakeFile { size, .. } if !fact.has_data && fact.size == Some(*size) => left.backs.extend(back()),
        DiskChange::Fill(_) => left.backs.extend(back()),
        DiskChange::MakeVolume { volume, .. } => left.kept.push(format!("the volume {}", volume.name)),
        DiskChange::MakeFile { path, .. } => left.kept.push(format!("the disk {}", path.display())),
        DiskChange::CloneVolume { .. }
        | DiskChange::ResizeFile { .. }
        | DiskChange::RemoveFile { .. }
        | DiskChange::GrowVolume { .. }
        | DiskChange::KeepVolumes { .. }
        | DiskChange::KeepFiles { .. }
        | DiskChange::DestroyVolume { .. } => {}
    }
}

/// A clone that was cut off goes, with the snapshot that was made for it; a volume of that name that is no clone of it is another's.
fn undo_clone(host: &dyn Host, change: &DiskChange, (name, origin): (&VolumeName, &str), left: &mut Left) {
    if volumes::origin(host, name).as_deref() == Some(origin) {
        left.backs.extend(change.opposite().map(|back| Back::Effect(Effect::Disk(Box::new(back)))));
    } else if !matches!(volumes::volume(host, name), Ok(None)) {
        left.kept.push(format!("the volume {name}"));
        return;
    }
    let zfs = |word: &str| Argv::new("zfs").arg(word);
    if host.query(&zfs("list").args(["-H", "-t", "snapshot", "-o", "name"]).arg(origin)).is_ok() {
        left.backs.push(Back::Effect(Effect::Run(zfs("destroy").arg(origin))));
    }
}

/// Returns what is gone already, as a sentence.
pub(super) fn gone(host: &dyn Host, back: &DiskChange) -> Option<String> {
    let DiskChange::DestroyVolume { name, .. } = back else { return None };
    matches!(volumes::volume(host, name), Ok(None)).then(|| format!("the volume {name} is gone already"))
}

impl Run {
    fn made(&self) -> Vec<Hold> {
        let is_disk = |hold: &&Hold| matches!(hold, Hold::Effect(Effect::Disk(_)));
        self.holds.iter().filter(is_disk).cloned().collect()
    }

    /// Returns whether the run has made a disk that no guest has had yet.
    pub(crate) fn has_made_disk(&self, path: &Path) -> bool {
        self.made_size(path).is_some()
    }

    /// Returns whether the run has made a disk, or what is on it, and no guest has had it yet.
    pub(crate) fn has_to_do_with(&self, path: &Path) -> bool {
        let is_its = |hold: &Hold| matches!(hold, Hold::Effect(Effect::Disk(change)) if change.path() == path);
        self.holds.iter().any(is_its)
    }

    /// Returns the size of a disk that the run has made and that no guest has had yet.
    pub(crate) fn made_size(&self, path: &Path) -> Option<Size> {
        self.holds.iter().find_map(|hold| {
            let Hold::Effect(Effect::Disk(change)) = hold else { return None };
            change.made_size().filter(|_| change.path() == path)
        })
    }

    /// Fills a volume: half an image in it is nothing that a guest could begin with, so that it goes if that fails, even of a run that
    /// is killed meanwhile.
    pub(super) fn fill_volume(&mut self, effect: &Effect) -> Option<Result<String, Fault>> {
        let Effect::Disk(change) = effect else { return None };
        let DiskChange::Fill(Filling { volume: Some(_), is_of_the_run: true, path, .. }) = &**change else {
            return None;
        };
        let is_its = |hold: &&Hold| matches!(hold, Hold::Effect(Effect::Disk(change)) if change.makes() && change.path() == path);
        let made: Vec<Hold> = self.holds.iter().filter(is_its).cloned().collect();
        let taken = self.take(&Hold::Effect(effect.clone()));
        // Each of both would take it away.
        made.iter().for_each(|hold| self.strike(hold));
        Some(taken.and_then(|()| self.host.perform(effect)))
    }

    /// Notes that a file is filled which the run has made: what is in it is the image's, so that it goes as an empty one does if the run
    /// fails. Of a run that was killed it stays, as no journal says so: it is whole, and somebody may have used it since.
    pub(super) fn note_filled(&mut self, effect: &Effect) {
        let Effect::Disk(change) = effect else { return };
        if matches!(&**change, DiskChange::Fill(Filling { volume: None, is_of_the_run: true, .. })) {
            self.holds.push(Hold::Effect(effect.clone()));
        }
    }

    /// Keeps the disks of a recipe that did what it does.
    pub(super) fn keep_disks_if(&mut self, is_well: bool) {
        if is_well {
            self.made().iter().for_each(|hold| self.strike(hold));
        }
    }

    /// Starts a guest: what is on the disks is its own from here on, and they are none of the run's any more. Where the hypervisor
    /// could not be started nothing is on them.
    pub(super) fn boot_with_disks(&mut self, machine: &Machine, plan: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        let made = self.made();
        // First, so that nobody who finds the journal takes a disk away that a guest has.
        made.iter().for_each(|hold| self.strike(hold));
        match self.host.boot(machine, plan) {
            Ok(guest) => Ok(guest),
            Err(fault) => {
                made.iter().try_for_each(|hold| self.take(hold))?;
                Err(fault)
            }
        }
    }
}

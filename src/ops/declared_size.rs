//! The sizes that a recipe gives its disks, beside those that they have.

use super::installation::{Foreseen, Installation, Wanted, read};
use super::machine_disks::MachineDisks;
use crate::diag::Place;
use crate::host::growth::{self, Ungrown};
use crate::host::system::System;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Facts as _, volumes};
use crate::model::volume::DiskPlace;
use crate::model::{Argv, Size};
use crate::script::Recipe;
use std::path::{Path, PathBuf};

/// Returns the size that a recipe gives a disk last, and where.
pub(super) fn size_of(foreseen: &Foreseen, path: &Path) -> Option<(Size, Option<Place>)> {
    let size = |(at, step): (usize, &Rehearsed)| Some((of_step(step, path)?, foreseen.place(at).cloned()));
    foreseen.steps.iter().enumerate().rev().find_map(size)
}

/// Returns the size that a step gives a disk.
pub(super) fn of_step(step: &Rehearsed, path: &Path) -> Option<Size> {
    match step {
        Rehearsed::Effect(Effect::Truncate { path: of, size }) if of == path => Some(*size),
        Rehearsed::Effect(Effect::Disk(change)) if change.path() == path => change.size(),
        Rehearsed::Effect(_) | Rehearsed::Boot(_) => None,
    }
}

/// A disk that is larger than its recipe says, by which the next start is refused.
pub(crate) struct Undersized {
    disk: String,
    recipe: PathBuf,
    says: Size,
    is: Size,
}

impl Undersized {
    /// Returns what is to be known of it, with the way out.
    pub(crate) fn shown(&self) -> String {
        let resize = Argv::new("vmrun").arg("resize").arg(self.recipe.display());
        let resize = resize.arg(&self.disk).arg(self.is).arg("--edit");
        let Self { disk, says, is, .. } = self;
        format!(
            "{disk} has {is}, and its recipe says {says}, by which no start is let through: `{resize}` corrects that"
        )
    }
}

/// Returns the disks of a machine as [`undersized`] does; none of one whose recipe cannot be read, which is told elsewhere.
pub(super) fn undersized_of(host: &System, installation: &Installation, wanted: &Wanted) -> Vec<Undersized> {
    let of = |recipe: Recipe| {
        let booted = installation.booted_by(&recipe, wanted).ok()?;
        let machine = MachineDisks::among(wanted.clone(), &booted).ok()?;
        Some(undersized(host, installation, &recipe, &machine))
    };
    read(wanted).ok().and_then(of).unwrap_or_default()
}

/// Returns the disks of a machine that are larger than its recipe says. A recipe that does not rehearse says nothing.
pub(super) fn undersized(
    host: &System,
    installation: &Installation,
    recipe: &Recipe,
    machine: &MachineDisks,
) -> Vec<Undersized> {
    let foreseen = |init| installation.foreseen(recipe, &machine.wanted, init).ok();
    let all: Vec<Foreseen> = [true, false].into_iter().filter_map(foreseen).collect();
    let of = |place: &DiskPlace| {
        let (says, _) = all.iter().find_map(|one| size_of(one, place.path()))?;
        let (disk, is) = larger(host, place, says)?;
        Some(Undersized { disk, recipe: machine.wanted.path.clone(), says, is })
    };
    machine.own().filter_map(|disk| of(&disk.place)).collect()
}

/// Returns a disk by its name that a start would have to cut off, and its size.
fn larger(host: &System, place: &DiskPlace, says: Size) -> Option<(String, Size)> {
    match place {
        DiskPlace::Volume(name, _) => {
            let is = volumes::volume(host, name).ok()??.size;
            (is > says).then(|| (name.to_string(), is))
        }
        DiskPlace::File(path) => {
            let fact = host.file(path)?;
            let grown = growth::of_file(host, path, fact.size?, fact.has_data, says);
            if let Err(Ungrown::Smaller(_, is)) = grown { Some((path.display().to_string(), is)) } else { None }
        }
        DiskPlace::Device(_) => None,
    }
}

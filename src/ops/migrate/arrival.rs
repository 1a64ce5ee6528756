//! A machine that is offered to this host: what stands against it, before anything of it is written, and where all of it is put.

use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::disks::DiskChange;
use crate::host::moved_disks::{self, half, half_volume, inode_of};
use crate::host::reflink;
use crate::host::restore::Place;
use crate::host::system::System;
use crate::host::worlds::rehearsal::Rehearsal;
use crate::host::{Effect, Effects as _, Facts as _, Settings, files, volumes};
use crate::image::archive::DiskPart;
use crate::image::migration::{Made, MoveRecord, Offer};
use crate::library::{LOCK, MANIFEST};
use crate::model::volume::{Encryption, Volume, VolumeKey};
use crate::model::{Argv, Size, VmName, is_recipe};
use crate::ops::export::beside;
use crate::ops::import::archive::{
    Content, against_place, against_space, differences, has_libraries, parsed, places, rehearsed,
};
use crate::ops::installation::Installation;
use crate::ops::machine_disks::MachineDisks;
use crate::ops::recipe::RecipeRequest;
use crate::ops::{known, settings, stopped};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use std::path::{Path, PathBuf};

/// Where all of a machine is put.
pub(super) struct Arrival {
    /// Its recipe.
    pub(super) recipe: PathBuf,
    /// The texts that are not here as they are, by number, and where each is put.
    texts: Vec<(PathBuf, usize)>,
    /// The disks, in the order of the manifest.
    places: Vec<Place>,
}

impl Arrival {
    /// Finds out where it is put, and what stands against it. Of a machine that comes back what is here already is in nobody's way.
    pub(super) fn of(offer: &Offer, texts: &[Vec<u8>], id: &str, is_back: bool) -> Result<Self, Vec<Diagnostic>> {
        let (installation, content) = (Installation::open()?, Content { manifest: &offer.manifest, texts });
        let recipe = installation.home().join(offer.manifest.recipe());
        against_known(&installation, content, &recipe)?;
        let new = new_texts(content, &recipe)?;
        against_libraries(content, &recipe)?;
        let machine = rehearsed(content, &installation, &recipe)?;
        let places = places(content.manifest, &machine)?;
        for (at, (part, place)) in content.manifest.disks.iter().zip(&places).enumerate() {
            against_disk(place, offer.shared.get(at), id, is_back)?;
            against_place(part, place, recipe.parent().unwrap_or(Path::new("")))?;
        }
        let host = settings::host(false)?;
        places.iter().try_for_each(|place| against_volume(&host, place, is_back))?;
        against_space(&host, content.manifest, &places, &|place| has_come(host.settings(), place, id), "send")?;
        against_difference(content, &machine, &places, &recipe)?;
        rehearse(offer, content, &recipe, &places)?;
        Ok(Self { recipe, texts: new, places })
    }

    /// Returns what is made for it, by the names that it has until the move is over. What a record has of it already stays.
    pub(super) fn made(&self, record: &MoveRecord, is_back: bool) -> Result<Vec<Made>, Fault> {
        let mut made = Vec::new();
        let folder = files::whole(Path::new(""), self.recipe.parent().unwrap_or(Path::new("")));
        let missing: Vec<&Path> = folder.ancestors().take_while(|above| !files::exists(above)).collect();
        made.extend(missing.iter().rev().map(|path| Made::Folder(path.to_path_buf())));
        for place in self.places.iter().filter(|_| !record.is_shared) {
            made.push(match place {
                Place::File(path) => {
                    let inode = if is_back { inode_of(path) } else { 0 };
                    Made::File(half(path, &record.id), path.clone(), inode)
                }
                Place::Volume(volume, _) => {
                    Made::Volume(half_volume(&volume.name, &record.id)?.to_string(), volume.name.to_string())
                }
            });
        }
        // The recipe has its name last.
        let texts = self.texts.iter().rev();
        made.extend(texts.map(|(path, _)| Made::File(half(path, &record.id), path.clone(), 0)));
        let known = |one: &Made| record.made.iter().find(|old| is_same(old, one)).cloned();
        let folders = record.made.iter().filter(|old| matches!(old, Made::Folder(_)) && !made.contains(old));
        let folders: Vec<Made> = folders.cloned().collect();
        Ok(folders.into_iter().chain(made.into_iter().map(|one| known(&one).unwrap_or(one))).collect())
    }

    /// Makes it, and returns it as it is by now.
    pub(super) fn prepare(
        &self,
        settings: &Settings,
        offer: &Offer,
        texts: &[Vec<u8>],
        made: &[Made],
        is_back: bool,
    ) -> Result<Vec<Made>, Fault> {
        let mut done = Vec::new();
        for one in made {
            done.push(match one {
                Made::Folder(path) => {
                    files::make_folder(path, None)?;
                    one.clone()
                }
                Made::File(half, path, inode) => {
                    let text = self.texts.iter().find(|(text, _)| text == path).and_then(|(_, at)| texts.get(*at));
                    let inode = match text {
                        Some(bytes) => moved_disks::write_text(half, bytes)?,
                        None => moved_disks::prepare_file(half, path, *inode, self.size(offer, path))?,
                    };
                    Made::File(half.clone(), path.clone(), inode)
                }
                Made::Volume(half, _) => {
                    if let Some(Place::Volume(volume, _)) = self.places.iter().find(|place| is_half(one, place)) {
                        moved_disks::prepare_volume(settings, volume, &half.parse()?, is_back)?;
                    }
                    one.clone()
                }
            });
        }
        Ok(done)
    }

    fn size(&self, offer: &Offer, path: &Path) -> u64 {
        let disks = offer.manifest.disks.iter().zip(&self.places);
        disks.into_iter().find(|(_, place)| place.path() == path).map_or(0, |(part, _)| part.size.get())
    }

    /// Returns where each disk is written, and its size.
    pub(super) fn disks(&self, settings: &Settings, offer: &Offer, id: &str) -> Result<Vec<(PathBuf, u64)>, Fault> {
        let of = |(part, place): (&DiskPart, &Place)| match place {
            Place::File(path) => Ok((half(path, id), part.size.get())),
            Place::Volume(volume, _) => Ok((settings.volume(&half_volume(&volume.name, id)?), part.size.get())),
        };
        offer.manifest.disks.iter().zip(&self.places).map(of).collect()
    }
}

/// Returns how much room a disk has already, of a move that was cut off.
fn has_come(settings: &Settings, place: &Place, id: &str) -> Size {
    match place {
        Place::File(path) => Size::bytes(reflink::data_of(&half(path, id))),
        Place::Volume(volume, _) => {
            let half = half_volume(&volume.name, id).ok();
            let is_there = half.is_some_and(|half| files::exists(&settings.volume(&half)));
            if is_there { volume.size } else { Size::bytes(0) }
        }
    }
}

fn is_half(made: &Made, place: &Place) -> bool {
    matches!((made, place), (Made::Volume(_, name), Place::Volume(volume, _)) if volume.name.as_str() == name)
}

/// Whether two are of the same name.
fn is_same(one: &Made, other: &Made) -> bool {
    match (one, other) {
        (Made::File(_, one, _), Made::File(_, other, _)) => one == other,
        (Made::Volume(_, one), Made::Volume(_, other)) => one == other,
        (Made::Folder(one), Made::Folder(other)) => one == other,
        (Made::File(..) | Made::Volume(..) | Made::Folder(_), _) => false,
    }
}

/// The fault of a name that another machine has here.
fn other(name: &VmName, recipe: &Path) -> Fault {
    let fault = Fault::host(format!("there is another machine {name} here, of {}", recipe.display()));
    fault.hint("give one of them another name, or move that recipe away")
}

/// Refuses a machine whose name another one has here, or that runs here.
fn against_known(installation: &Installation, content: Content<'_>, recipe: &Path) -> Result<(), Fault> {
    let (name, whole) = (&content.manifest.machine, |path: &Path| files::whole(Path::new(""), path));
    let is_other = |path: &Path| files::exists(path) && whole(path) != whole(recipe);
    let statuses = known::statuses()?;
    let status = statuses.iter().find(|status| status.name == *name && is_other(Path::new(&status.recipe)));
    if let Some(status) = status {
        return Err(other(name, Path::new(&status.recipe)));
    }
    if let Some(there) = installation.recipe(name.as_str()).ok().filter(|there| is_other(there)) {
        return Err(other(name, &there));
    }
    stopped::against(&settings::host(false)?, name, &[]).map_or(Ok(()), Err)
}

/// Returns the texts that are not here. One that is here as it is stays, and another one of its name is in the way.
fn new_texts(content: Content<'_>, recipe: &Path) -> Result<Vec<(PathBuf, usize)>, Fault> {
    let (folder, mut new) = (recipe.parent().unwrap_or(Path::new("")), Vec::new());
    for (at, (part, bytes)) in content.manifest.texts.iter().zip(content.texts).enumerate() {
        if !is_recipe(&part.name) && ![MANIFEST, LOCK].contains(&part.name.as_str()) {
            return Err(Fault::host(format!("{:?} is neither a recipe nor what pins its libraries", part.name)));
        }
        let path = if at == 0 { recipe.to_path_buf() } else { beside(folder, part) };
        match files::read_bytes(&path) {
            Ok(there) if there == *bytes => {}
            _ if files::exists(&path) || files::is_link(&path) => {
                let fault = Fault::host(format!("{} is here already, and is another text", path.display()));
                return Err(fault.hint("have the same recipe with the same pins on both hosts, or move that one away"));
            }
            _ => new.push((path, at)),
        }
    }
    Ok(new)
}

/// Refuses a recipe whose libraries are not here.
fn against_libraries(content: Content<'_>, recipe: &Path) -> Result<(), Fault> {
    let is_pinned = content.manifest.texts.iter().any(|part| part.name == MANIFEST || part.name == LOCK);
    if !is_pinned || has_libraries(recipe) {
        return Ok(());
    }
    let folder = recipe.parent().unwrap_or(Path::new("")).display();
    let sync = Argv::new("vmrun").args(["lib", "--folder"]).arg(&folder).arg("sync");
    let fault = Fault::host(format!("the libraries of its recipe are not in {folder}"));
    Err(fault.hint(format!("copy {MANIFEST} and {LOCK} there, and `{sync}` fetches them by their pins")))
}

/// Refuses a disk in whose place something is; of one that both hosts see, whatever is not the same.
fn against_disk(place: &Place, nonce: Option<&String>, id: &str, is_back: bool) -> Result<(), Fault> {
    let path = place.path();
    if let Some(nonce) = nonce {
        let beside = half(path, id);
        return match files::read_text(&beside) {
            Ok(text) if text == *nonce => Ok(()),
            _ => {
                let fault = Fault::host(format!("{} is not the disk that the other host sees", path.display()));
                Err(fault.hint("leave --shared out: it is copied then"))
            }
        };
    }
    if is_back || !files::exists(path) {
        return Ok(());
    }
    Err(here_already(path.display()))
}

/// Refuses a volume that is here already, though it may have no device, and one that would have no key here: none is sent.
fn against_volume(host: &System, place: &Place, is_back: bool) -> Result<(), Fault> {
    let Place::Volume(Volume { name, encryption, .. }, _) = place else { return Ok(()) };
    if volumes::volume(host, name)?.is_some() {
        return match (is_back, encryption) {
            (false, _) => Err(here_already(name)),
            (true, Some(_)) => moved_disks::against_clear(name),
            (true, None) => Ok(()),
        };
    }
    let Some(Encryption { key, .. }) = encryption else { return Ok(()) };
    if let Some(VolumeKey { file, .. }) = key {
        if files::is_file(file) {
            return Ok(());
        }
        let fault = Fault::host(format!("{}, which has the key of the volume {name}, is not there", file.display()));
        return Err(fault.hint("no key is sent with a machine: bring it there, readable for root alone"));
    }
    match volumes::parent(host, name)? {
        Some(parent) if parent.is_locked => Err(volumes::locked(name.parent())),
        Some(parent) if !parent.is_encrypted => {
            let above = name.parent();
            let fault =
                Fault::host(format!("{above} is not encrypted, and on the other host it has the key of {name}"));
            Err(fault
                .hint("have it be encrypted on both hosts, or give the volume a key of its own: `man zfs-change-key`"))
        }
        Some(_) | None => Ok(()),
    }
}

fn here_already(place: impl std::fmt::Display) -> Fault {
    let fault = Fault::host(format!("{place} is here already"));
    fault.hint("nothing is written over: move it away, or remove it; --shared if both hosts see the same disk")
}

/// Refuses a machine that would be another one here.
fn against_difference(
    content: Content<'_>,
    machine: &MachineDisks,
    places: &[Place],
    recipe: &Path,
) -> Result<(), Vec<Diagnostic>> {
    let whole = files::whole(Path::new(""), recipe);
    let folder = whole.parent().unwrap_or(Path::new(""));
    let differences = differences(content.manifest, &machine.machine, places, folder);
    let fault = |line: &String| Diagnostic::error(Fault::host(format!("it would be another machine: {line}")));
    if differences.is_empty() { Ok(()) } else { Err(differences.iter().map(fault).collect()) }
}

/// Rehearses the recipe on this host as it would be with the machine's disks: bridges, firmware and whatever else it needs is asked
/// for before anything is copied.
fn rehearse(offer: &Offer, content: Content<'_>, recipe: &Path, places: &[Place]) -> Result<(), Vec<Diagnostic>> {
    let path = recipe.display().to_string();
    let set: Vec<(String, String)> =
        content.manifest.params.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    let inputs = RecipeRequest::new(&path, false, &set, offer.with.user_net).inputs();
    let mut here = settings::host(offer.with.user_net)?;
    here.work_in(inputs.origin.folder().filter(|folder| files::is_folder(folder)));
    let mut host = Rehearsal::new(Box::new(here));
    for (part, place) in content.manifest.disks.iter().zip(places).filter(|(_, place)| !files::exists(place.path())) {
        host.perform(&match place {
            Place::File(path) => Effect::Truncate { path: path.clone(), size: part.size },
            Place::Volume(volume, device) => {
                Effect::Disk(Box::new(DiskChange::MakeVolume { volume: volume.clone(), device: device.clone() }))
            }
        })?;
    }
    let evaluated = parsed(content, recipe)?.evaluate(Run::new(Box::new(host)), &inputs, Some(Purpose::Run));
    // Whoever gives the machine still has what both hosts see; what else is in use is told by its start.
    let is_told = |one: &Diagnostic| offer.shared.is_empty() || one.fault.blame != Blame::Busy;
    let faults: Vec<Diagnostic> = evaluated.faults.into_iter().filter(is_told).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

//! What the other machines of this installation have.

use crate::diag::Fault;
use crate::host::{Host, files};
use crate::model::volume::DiskPlace;
use crate::model::{Device, Machine, VmName};
use crate::ops::installation::{Installation, read};
use crate::ops::known;
use crate::ops::machine_disks::MachineDisks;
use crate::script::edit;
use std::path::{Path, PathBuf};

/// The other machines, with the files and volumes of each.
pub(super) struct Others {
    /// Those of the same recipe.
    pub(super) of_recipe: Vec<VmName>,
    used: Vec<(String, PathBuf)>,
    /// The texts of recipes that cannot be rehearsed.
    unknown: Vec<(PathBuf, String)>,
    /// The texts of all other recipes.
    texts: Vec<(PathBuf, String)>,
    /// The host keys that other machines of the same recipe have.
    keys: Vec<(VmName, PathBuf)>,
}

impl Others {
    /// Rehearses every recipe of the installation, but for the machine itself.
    pub(super) fn of(host: &dyn Host, installation: &Installation, machine: &MachineDisks) -> Result<Self, Fault> {
        let mut others =
            Self { of_recipe: Vec::new(), used: Vec::new(), unknown: Vec::new(), texts: Vec::new(), keys: Vec::new() };
        let own = files::whole(Path::new(""), &machine.wanted.path);
        let mut all = known::every(installation)?;
        all.push(machine.wanted.clone());
        for wanted in all {
            let is_own = files::whole(Path::new(""), &wanted.path) == own;
            if !is_own {
                others.texts.extend(files::read_text(&wanted.path).ok().map(|text| (wanted.path.clone(), text)));
            }
            match installation.booted(&wanted) {
                Ok(machines) => machines.iter().filter(|one| !is_own || one.name() != machine.name()).for_each(|one| {
                    if is_own && !others.of_recipe.contains(one.name()) {
                        others.of_recipe.push(one.name().clone());
                        let foreseen = read(&wanted).and_then(|recipe| installation.foreseen(&recipe, &wanted, true));
                        let keys = foreseen.map(|foreseen| foreseen.host_keys()).unwrap_or_default();
                        others.keys.extend(keys.into_iter().map(|key| (one.name().clone(), key)));
                    }
                    others.take_in(host, one);
                }),
                Err(_) => others.unknown.extend(files::read_text(&wanted.path).ok().map(|text| (wanted.path, text))),
            }
        }
        Ok(others)
    }

    fn take_in(&mut self, host: &dyn Host, machine: &Machine) {
        let images = |(_, device): (_, &Device)| {
            device.images().into_iter().map(|(.., path, _)| path.to_string()).collect::<Vec<_>>()
        };
        let images = machine.devices().flat_map(images);
        let vars = machine.draft().bootrom.as_ref().and_then(|rom| rom.vars.as_ref()).map(ToString::to_string);
        let real = |path: String| {
            let place = DiskPlace::of(Path::new(&path), &host.settings().zvols);
            host.real(place.as_ref().map_or(Path::new(&path), DiskPlace::path))
        };
        let paths: Vec<PathBuf> = images.chain(vars).map(real).collect();
        self.used.extend(paths.into_iter().map(|path| (machine.name().to_string(), path)));
    }

    /// Returns who else has what is at a path. A recipe that cannot be rehearsed has what it may name.
    pub(super) fn user(&self, host: &dyn Host, path: &Path) -> Option<String> {
        let real = host.real(path);
        let used = self.used.iter().find(|(_, used)| *used == real).map(|(name, _)| name.clone());
        used.or_else(|| {
            let names = names(host, path);
            let unknown = self.unknown.iter().find(|(_, text)| may_name(text, &names));
            unknown.map(|(recipe, _)| format!("{}, which cannot be rehearsed,", recipe.display()))
        })
    }
}

impl Others {
    /// Returns who else has a host key, which no machine says of itself: another recipe may name it, or another machine of the same one.
    pub(super) fn user_of_key(&self, host: &dyn Host, path: &Path) -> Option<String> {
        let (real, names) = (host.real(path), names(host, path));
        let own = self.keys.iter().find(|(_, key)| host.real(key) == real).map(|(name, _)| name.to_string());
        own.or_else(|| {
            let other = self.texts.iter().find(|(_, text)| may_name(text, &names));
            other.map(|(recipe, _)| recipe.display().to_string())
        })
    }
}

/// Returns how recipes name a disk: by its path, or a volume by its name.
fn names(host: &dyn Host, path: &Path) -> Vec<String> {
    let path_name = path.display().to_string();
    match DiskPlace::of(path, &host.settings().zvols) {
        Ok(DiskPlace::Volume(name, _)) => vec![name.to_string(), path_name],
        Ok(DiskPlace::File(_) | DiskPlace::Device(_)) | Err(_) => vec![path_name],
    }
}

/// Whether a text may name a disk: as a whole, from the recipe's folder on, or by a folder and what it computes.
fn may_name(text: &str, names: &[String]) -> bool {
    names.iter().any(|name| {
        let (folder, last) = name.rsplit_once('/').unwrap_or(("", name));
        let folder = format!("{folder}/");
        let computes = text.contains("${") || ["\"", "`"].iter().any(|end| text.contains(&format!("{folder}{end}")));
        edit::words(text, last, "") != text || folder.len() > 1 && text.contains(&folder) && computes
    })
}

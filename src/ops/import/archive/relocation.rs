//! Where the disks of an export are put, if not where its recipe has them: the literals of its text that say where are replaced, as a clone
//! replaces them, and the rehearsal of what comes out decides whether that was enough.

use super::name_of;
use crate::diag::Fault;
use crate::host::files;
use crate::host::restore::Place;
use crate::image::archive::{Home, Manifest};
use crate::model::volume::VolumeName;
use crate::script::edit::{replaced, rewritten};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Where disks are put.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The folder of those that are files, and of the variables of the firmware.
    folder: Option<PathBuf>,
    /// The filesystem of those that are volumes.
    dataset: Option<String>,
}

impl Targets {
    /// Reads what somebody says: a path, or the name of a filesystem of ZFS.
    pub(super) fn of(given: &[String]) -> Result<Self, Fault> {
        let mut targets = Self::default();
        for one in given {
            let is_path = one.starts_with(['/', '.']);
            let twice = if is_path { targets.folder.is_some() } else { targets.dataset.is_some() };
            if twice {
                let fault = Fault::usage(format!("--disks {one} is a second place of the same kind"));
                return Err(fault.hint("a folder for files, and a filesystem of ZFS for volumes"));
            }
            if is_path {
                targets.folder = Some(files::whole(Path::new(""), Path::new(one)));
                continue;
            }
            let below: Result<VolumeName, Fault> = format!("{one}/disk").parse();
            below.map_err(|_| {
                let fault = Fault::usage(format!("{one:?} is neither a path nor a filesystem of ZFS"));
                fault.hint("--disks /vm, --disks ./vm or --disks zroot/vm")
            })?;
            targets.dataset = Some(one.clone());
        }
        Ok(targets)
    }

    /// Whether anything is said of files.
    pub(super) const fn are_said(&self) -> bool {
        self.folder.is_some()
    }

    /// Returns where a disk lives then; one of a kind of which nothing is said stays.
    fn home(&self, home: &Home) -> Result<Home, Fault> {
        Ok(match (home, &self.folder, &self.dataset) {
            (Home::File(path), Some(folder), _) => Home::File(folder.join(path.file_name().unwrap_or_default())),
            (Home::Volume(volume), _, Some(dataset)) => {
                let last = volume.name.as_str().rsplit('/').next().unwrap_or_default();
                let mut volume = volume.clone();
                volume.name = format!("{dataset}/{last}").parse()?;
                Home::Volume(volume)
            }
            (Home::File(_) | Home::Volume(_), ..) => home.clone(),
        })
    }

    /// Returns what an export says, and the text of its recipe, with the disks in these places.
    pub(super) fn applied(&self, manifest: &Manifest, text: &[u8]) -> Result<(Manifest, Vec<u8>), Fault> {
        let mut moved = manifest.clone();
        for part in &mut moved.disks {
            part.home = self.home(&part.home)?;
        }
        let has = |is_file: bool| manifest.disks.iter().any(|part| matches!(part.home, Home::File(_)) == is_file);
        let nothing = match (&self.folder, &self.dataset) {
            (Some(folder), _) if !has(true) => Some((folder.display().to_string(), "file")),
            (_, Some(dataset)) if !has(false) => Some((dataset.clone(), "volume")),
            _ => None,
        };
        if let Some((target, kind)) = nothing {
            let fault = Fault::usage(format!("no disk of {} is a {kind}, to be put into {target}", manifest.machine));
            return Err(
                fault.hint("files come as files into a folder, and volumes as volumes into a filesystem of ZFS")
            );
        }
        let mut names = BTreeSet::new();
        if let Some(part) = moved.disks.iter().find(|part| !names.insert(name_of(part))) {
            let fault = Fault::new(format!("two disks of {} would be {}", manifest.machine, name_of(part)));
            return Err(fault.hint("import it without --disks, or rename one of them where it was exported"));
        }
        let homes = manifest.disks.iter().map(|part| &part.home).zip(moved.disks.iter().map(|part| &part.home));
        let changes: Vec<(&Home, &Home)> = homes.filter(|(old, new)| old != new).collect();
        let text = String::from_utf8_lossy(text).into_owned();
        for (old, new) in &changes {
            if rewritten(&text, &|written| written_as(written, old, new)).is_empty() && !says(&text, new) {
                let fault = Fault::new(format!("the recipe says {} by no literal that can be replaced", shown(old)));
                return Err(
                    fault.hint("import it without --disks, or have it say that as one text, where it was exported")
                );
            }
        }
        let whole = |written: &str| changes.iter().find_map(|(old, new)| written_as(written, old, new));
        let text = replaced(&text, &rewritten(&text, &whole)).into_bytes();
        Ok((moved, text))
    }
}

fn shown(home: &Home) -> String {
    match home {
        Home::File(path) => path.display().to_string(),
        Home::Volume(volume) => volume.name.to_string(),
    }
}

/// Whether a recipe says a place already.
fn says(text: &str, home: &Home) -> bool {
    let is_it = |written: &str| (written == shown(home)).then(String::new);
    !rewritten(text, &is_it).is_empty()
}

/// Returns what a literal says instead, if it is where a disk was: as a whole path, from the folder of the recipe on, or as a device.
fn written_as(written: &str, old: &Home, new: &Home) -> Option<String> {
    match (old, new) {
        (Home::File(old), Home::File(new)) => {
            let is_it = Path::new(written) == old || !written.starts_with('/') && old.ends_with(written);
            (is_it && !written.is_empty()).then(|| new.display().to_string())
        }
        (Home::Volume(old), Home::Volume(new)) => {
            let (old, new) = (old.name.as_str(), &new.name);
            let folder = written.strip_suffix(old)?;
            (folder.is_empty() || folder.starts_with("/dev/") && folder.ends_with('/'))
                .then(|| format!("{folder}{new}"))
        }
        (Home::File(_), Home::Volume(_)) | (Home::Volume(_), Home::File(_)) => None,
    }
}

/// Refuses a machine that has a disk elsewhere than it was to be.
pub(super) fn against_elsewhere(moved: &Manifest, places: &[Place]) -> Result<(), Fault> {
    for (part, place) in moved.disks.iter().zip(places) {
        if let (Home::File(path), Place::File(there)) = (&part.home, place)
            && path != there
        {
            let fault = Fault::new(format!("the recipe would have the disk {} at {}", path.display(), there.display()));
            return Err(fault.hint("does it put the path together? import it without --disks"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::archive::manifest_sample;

    fn targets(given: &[&str]) -> Result<Targets, String> {
        let given: Vec<String> = given.iter().map(ToString::to_string).collect();
        Targets::of(&given).map_err(|fault| fault.message)
    }

    fn applied(given: &[&str], text: &str) -> Result<String, String> {
        let done = targets(given)?.applied(&manifest_sample(), text.as_bytes());
        done.map(|(_, text)| String::from_utf8(text).unwrap()).map_err(|fault| fault.message)
    }

    #[test]
    fn literals_that_say_where_a_disk_was_say_where_it_is() {
        let text = "disk(\"web.img\"); zvol(`zroot/vm/web`); \"/vm/web.vars\" // /vm/web.img\n\"/dev/zvol/zroot/vm/web\"; \"web\"";
        assert_eq!(
            applied(&["/data", "tank/a"], text).unwrap(),
            "disk(\"/data/web.img\"); zvol(`tank/a/web`); \"/data/web.vars\" // /vm/web.img\n\"/dev/zvol/tank/a/web\"; \"web\""
        );
        assert_eq!(applied(&["tank"], text).unwrap(), text.replace("zroot/vm/web", "tank/web"));
        assert_eq!(applied(&[], text).unwrap(), text);
        assert_eq!(applied(&["/vm", "zroot/vm"], text).unwrap(), text);
    }

    #[test]
    fn what_cannot_be_put_elsewhere_is_told() {
        for (given, text, expected) in [
            (&["/a", "/b"][..], "", "--disks /b is a second place of the same kind"),
            (&["a b/@"], "", "\"a b/@\" is neither a path nor a filesystem of ZFS"),
            (&["tank"], "zvol(dir + \"/web\")", "the recipe says zroot/vm/web by no literal that can be replaced"),
            (&["/data"], "\"web.img\"", "the recipe says /vm/web.vars by no literal that can be replaced"),
        ] {
            assert_eq!(applied(given, text), Err(expected.into()));
        }
        let mut manifest = manifest_sample();
        manifest.disks.remove(1);
        let said =
            |manifest: &Manifest, given: &str| targets(&[given]).unwrap().applied(manifest, b"").unwrap_err().message;
        assert_eq!(said(&manifest, "tank"), "no disk of web is a volume, to be put into tank");
        manifest.disks[1].home = Home::File("/other/web.img".into());
        assert_eq!(said(&manifest, "/data"), "two disks of web would be /data/web.img");
    }
}

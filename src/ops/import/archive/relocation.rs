//! Where the disks of an export are put, if not where its recipe has them: the literals of its text that say where are replaced, as a clone
//! replaces them, and the rehearsal of what comes out decides whether that was enough.

mod written;

use super::{Content, name_of};
use crate::diag::{Diagnostic, Fault};
use crate::host::files;
use crate::host::restore::Place;
use crate::image::archive::{DiskForm, DiskPart, Home, Manifest, Role};
use crate::model::volume::{Volume, VolumeName, whole_blocks};
use crate::ops::installation::Installation;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use written::Change;

/// How the file of a disk is called that was a volume.
const FILE: &str = "img";

/// The ends of names of files that say what they are, and which a volume does not need.
const IMAGES: [&str; 2] = [FILE, "raw"];

/// Where disks are put.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The folder of those that are files, and of the variables of the firmware.
    folder: Option<PathBuf>,
    /// The filesystem of those that are volumes.
    dataset: Option<String>,
}

impl Targets {
    /// Returns the folder that somebody has named.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

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
                let folder = files::whole(Path::new(""), Path::new(one));
                against_no_literal(&folder)?;
                targets.folder = Some(folder);
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

    /// Returns where a disk lives then. Where one place is said alone, all disks come there, and become what is there; what the firmware
    /// keeps is a file in any case.
    fn home(&self, part: &DiskPart) -> Result<Home, Fault> {
        Ok(match (&part.home, &self.folder, &self.dataset) {
            (Home::File(path), Some(folder), _) => Home::File(folder.join(path.file_name().unwrap_or_default())),
            (Home::Volume(volume), _, Some(dataset)) => {
                let mut volume = volume.clone();
                volume.name = format!("{dataset}/{}", last(&volume.name)).parse()?;
                Home::Volume(volume)
            }
            (Home::File(path), None, Some(dataset)) if part.role == Role::Disk => {
                Home::Volume(volume(path, part, dataset)?)
            }
            (Home::Volume(volume), Some(folder), None) => Home::File(file(volume, part, folder)?),
            (Home::File(_) | Home::Volume(_), ..) => part.home.clone(),
        })
    }

    /// Returns what an export says, and the text of its recipe, with the disks in these places.
    pub(super) fn applied(&self, manifest: &Manifest, text: &[u8], zvols: &Path) -> Result<(Manifest, Vec<u8>), Fault> {
        let mut moved = manifest.clone();
        for part in &mut moved.disks {
            part.home = self.home(part)?;
        }
        self.against_nothing(&moved)?;
        let mut names = BTreeSet::new();
        if let Some(part) = moved.disks.iter().find(|part| !names.insert(name_of(part))) {
            let fault = Fault::new(format!("two disks of {} would be {}", manifest.machine, name_of(part)));
            return Err(fault.hint("import it without --disks, or rename one of them where it was exported"));
        }
        let homes = manifest.disks.iter().map(|part| &part.home).zip(moved.disks.iter().map(|part| &part.home));
        let changes: Vec<Change<'_>> =
            homes.filter(|(old, new)| old != new).map(|(old, new)| Change { old, new, zvols }).collect();
        let text = written::text(&String::from_utf8_lossy(text), &changes)?;
        Ok((moved, text.into_bytes()))
    }

    /// Refuses a place into which nothing would come.
    fn against_nothing(&self, moved: &Manifest) -> Result<(), Fault> {
        let has = |is_file: bool| moved.disks.iter().any(|part| matches!(part.home, Home::File(_)) == is_file);
        let (target, kind) = match (&self.folder, &self.dataset) {
            (Some(folder), _) if !has(true) => (folder.display().to_string(), "file"),
            (_, Some(dataset)) if !has(false) => (dataset.clone(), "volume"),
            _ => return Ok(()),
        };
        let fault = Fault::usage(format!("no disk of {} is a {kind}, to be put into {target}", moved.machine));
        Err(fault.hint("with one --disks alone its disks become what is there"))
    }

    /// Says of a machine that has not the disks that it was to have what that may be.
    pub(super) fn explained(&self, fault: Fault) -> Fault {
        if self.folder.is_none() && self.dataset.is_none() {
            return fault;
        }
        Fault { hint: None, ..fault }.hint("does the recipe put the name together? import it without --disks")
    }

    /// Refuses a machine that has a disk elsewhere than it was to be.
    pub(super) fn against_elsewhere(&self, moved: &Manifest, places: &[Place]) -> Result<(), Fault> {
        if self.folder.is_none() {
            return Ok(());
        }
        for (part, place) in moved.disks.iter().zip(places) {
            if let (Home::File(path), Place::File(there)) = (&part.home, place)
                && path != there
            {
                let fault =
                    Fault::new(format!("the recipe would have the disk {} at {}", path.display(), there.display()));
                return Err(fault.hint("does it put the path together? import it without --disks"));
            }
        }
        Ok(())
    }
}

/// Refuses a recipe that would make a disk anew, with `--init`, in the size of the file that it was, which no volume has.
pub(super) fn against_init(
    exported: &Manifest,
    content: Content<'_>,
    installation: &Installation,
    recipe: &Path,
) -> Result<(), Vec<Diagnostic>> {
    let is_rounded = |(old, new): (&DiskPart, &DiskPart)| matches!((&old.home, &new.home), (Home::File(_), Home::Volume(volume)) if volume.size != old.size);
    if exported.disks.iter().zip(&content.manifest.disks).any(is_rounded) {
        let parsed = super::parsed(content, recipe)?;
        installation.foreseen(&parsed, &super::wanted(content.manifest, recipe), true)?;
    }
    Ok(())
}

/// Refuses a folder that no text of a recipe says as it is, whichever quotes it has.
fn against_no_literal(folder: &Path) -> Result<(), Fault> {
    let written = folder.display().to_string();
    let special = ["\"", "\\", "`", "${"].into_iter().find(|special| written.contains(special));
    let control = || written.chars().any(char::is_control).then_some("a control character");
    let Some(special) = special.or_else(control) else { return Ok(()) };
    let fault = Fault::usage(format!("--disks {written:?} cannot be put into the texts of a recipe: it has {special}"));
    Err(fault.hint("name a folder without it; a link to this one will do"))
}

/// Returns the name of a volume within its filesystem.
fn last(name: &VolumeName) -> &str {
    name.as_str().rsplit('/').next().unwrap_or_default()
}

/// Returns the volume that a file becomes: it takes what is written to it, as the file did, and ends with a whole block.
fn volume(path: &Path, part: &DiskPart, dataset: &str) -> Result<Volume, Fault> {
    let is_form = path.extension().is_some_and(|end| IMAGES.iter().any(|known| end == *known));
    let name = if is_form { path.file_stem() } else { path.file_name() };
    let name = format!("{dataset}/{}", name.unwrap_or_default().display());
    let name = name.parse().map_err(|fault: Fault| fault.context(format!("{} as a volume", path.display())))?;
    let size = whole_blocks(part.size).unwrap_or(part.size);
    Ok(Volume { name, size, block: None, is_sparse: true, compression: None, encryption: None })
}

/// Returns the file that a volume becomes, of which only the bytes are known by then.
fn file(volume: &Volume, part: &DiskPart, folder: &Path) -> Result<PathBuf, Fault> {
    if part.form != DiskForm::Bytes {
        let fault = Fault::new(format!("{} is in it as a stream of zfs send, which makes no file", volume.name));
        return Err(fault.hint("export the machine without --zfs-send, if that volume is not encrypted"));
    }
    Ok(folder.join(format!("{}.{FILE}", last(&volume.name))))
}

fn shown(home: &Home) -> String {
    match home {
        Home::File(path) => path.display().to_string(),
        Home::Volume(volume) => volume.name.to_string(),
    }
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
        let done = targets(given)?.applied(&manifest_sample(), text.as_bytes(), Path::new("/dev/zvol"));
        done.map(|(_, text)| String::from_utf8(text).unwrap()).map_err(|fault| fault.message)
    }

    #[test]
    fn literals_that_say_where_a_disk_was_say_where_it_is() {
        let text = "disk(\"web.img\"); zvol(`zroot/vm/web`); \"/vm/web.vars\" // /vm/web.img\n\"/dev/zvol/zroot/vm/web\"; \"web\"";
        assert_eq!(
            applied(&["/data", "tank/a"], text).unwrap(),
            "disk(\"/data/web.img\"); zvol(`tank/a/web`); \"/data/web.vars\" // /vm/web.img\n\"/dev/zvol/tank/a/web\"; \"web\""
        );
        assert_eq!(applied(&["tank", "/vm"], text).unwrap(), text.replace("zroot/vm/web", "tank/web"));
        assert_eq!(applied(&[], text).unwrap(), text);
        assert_eq!(applied(&["/vm", "zroot/vm"], text).unwrap(), text);
    }

    #[test]
    fn one_place_alone_is_that_of_all_disks_which_become_what_is_there() {
        let mut manifest = manifest_sample();
        manifest.disks[0].home = Home::File("/vm/data.img".into());
        let applied = |given: &str, text: &str| {
            let done = targets(&[given]).unwrap().applied(&manifest, text.as_bytes(), Path::new("/dev/zvol")).unwrap();
            let homes: Vec<String> = done.0.disks.iter().map(name_of).collect();
            (homes.join(" "), String::from_utf8(done.1).unwrap())
        };
        let text = "disk(\"/vm/data.img\", 1.MiB); zvol(\"zroot/vm/web\", 1.GiB); \"/vm/web.vars\"";
        assert_eq!(
            applied("tank", text),
            (
                "tank/data tank/web /vm/web.vars".into(),
                "zvol(\"tank/data\", 1.MiB, #{ sparse: true }); zvol(\"tank/web\", 1.GiB); \"/vm/web.vars\"".into()
            )
        );
        assert_eq!(
            applied("/data", text),
            (
                "/data/data.img /data/web.img /data/web.vars".into(),
                "disk(\"/data/data.img\", 1.MiB); disk(\"/data/web.img\", 1.GiB); \"/data/web.vars\"".into()
            )
        );
    }

    #[test]
    fn what_cannot_be_put_elsewhere_is_told() {
        for (given, text, expected) in [
            (&["/a", "/b"][..], "", "--disks /b is a second place of the same kind"),
            (&["tank"], "", "two disks of web would be tank/web"),
            (&["/data"], "", "two disks of web would be /data/web.img"),
            (&["a b/@"], "", "\"a b/@\" is neither a path nor a filesystem of ZFS"),
            (&["/a\"b"], "", "--disks \"/a\\\"b\" cannot be put into the texts of a recipe: it has \""),
            (&["/a\\b"], "", "--disks \"/a\\\\b\" cannot be put into the texts of a recipe: it has \\"),
            (&["/a`b"], "", "--disks \"/a`b\" cannot be put into the texts of a recipe: it has `"),
            (&["/a${b}"], "", "--disks \"/a${b}\" cannot be put into the texts of a recipe: it has ${"),
            (&["/a\nb"], "", "--disks \"/a\\nb\" cannot be put into the texts of a recipe: it has a control character"),
            (
                &["tank", "/vm"],
                "zvol(dir + \"/web\")",
                "the recipe says zroot/vm/web by no literal that can be replaced",
            ),
            (&["/data", "zroot/vm"], "\"web.img\"", "the recipe says /vm/web.vars by no literal that can be replaced"),
        ] {
            assert_eq!(applied(given, text), Err(expected.into()));
        }
        let mut manifest = manifest_sample();
        manifest.disks.remove(1);
        let said = |manifest: &Manifest, given: &[&str]| {
            targets(given).unwrap().applied(manifest, b"", Path::new("/dev/zvol")).unwrap_err().message
        };
        assert_eq!(said(&manifest, &["/data", "tank"]), "no disk of web is a volume, to be put into tank");
        manifest.disks[1].home = Home::File("/other/web.img".into());
        manifest.disks[0].home = Home::File("/other/we+b".into());
        let no_name = "/other/we+b as a volume: \"tank/we+b\" is no name of a volume: it has '+'";
        assert_eq!(said(&manifest, &["tank"]), no_name);
    }
}

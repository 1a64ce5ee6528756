//! `vmrun import` of what `vmrun export` wrote: the same machine, on another host.
//!
//! The stream is somebody else's. Its recipe is rehearsed before anything is written, and what that has for disks is where they are
//! put: not where the stream says.

mod place;
mod relocation;
mod space;

use crate::diag::{Diagnostic, Fault};
use crate::host::export::MoveTell;
pub(crate) use crate::host::restore::Begun;
use crate::host::restore::{self, Place, Restore, Written};
use crate::host::signals::Signals;
use crate::host::system::System;
pub(crate) use crate::host::zstd::Unpacker;
use crate::host::{Facts as _, Host as _, files, volumes};
use crate::image::archive::{DiskForm, DiskPart, Home, Manifest, Role, TextPart};
use crate::import::proof;
use crate::library::{LOCK, MANIFEST};
use crate::model::volume::{DiskPlace, VolumeName};
use crate::model::{Argv, Machine, Size, VmName, is_recipe};
use crate::ops::declared_size::{Undersized, undersized_of};
use crate::ops::export::beside;
use crate::ops::installation::{Installation, Wanted};
use crate::ops::machine_disks::MachineDisks;
use crate::ops::{known, settings};
use crate::script::Recipe;
use crate::script::library_store::LibraryStore;
use crate::supervise::recovery;
pub(in crate::ops) use place::against_place;
use relocation::Targets;
pub(in crate::ops) use space::against_space;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long somebody may look whether a machine's lock is held.
const MOMENT: Duration = Duration::from_millis(100);

/// What is asked for.
pub(crate) struct MoveOptions<'a> {
    /// What the stream is called in messages.
    pub(crate) name: &'a str,
    /// Where the recipe is put, if not where this host has its recipes.
    pub(crate) out: Option<&'a Path>,
    /// Where its disks are put, if not where its recipe has them: a folder for files, a filesystem of ZFS for volumes.
    pub(crate) disks: &'a [String],
    /// Whether it is only said what would be made.
    pub(crate) dry_run: bool,
}

/// A disk or a text that was made, or would be.
pub(crate) struct MadePath {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What one would say of it.
    pub(crate) shown: String,
}

/// What was imported.
pub(crate) struct Moved {
    /// The machine.
    pub(crate) machine: VmName,
    /// Its recipe.
    pub(crate) recipe: PathBuf,
    /// What was made, or would be.
    pub(crate) made: Vec<MadePath>,
    /// The disks that were there, and are the same.
    pub(crate) kept: Vec<PathBuf>,
    /// The parameters with which it was started.
    pub(crate) params: BTreeMap<String, String>,
    /// How the machine differs from the one that was exported.
    pub(crate) differences: Vec<String>,
    /// The disks that are larger than the recipe says.
    pub(crate) undersized: Vec<Undersized>,
    /// The volumes whose keys are not here.
    pub(crate) locked: Vec<VolumeName>,
}

/// Looks at what a file is, or the standard input: an export is known by its content.
pub(crate) fn begin(file: Option<&str>) -> Result<Begun, Fault> {
    let path = file.filter(|file| *file != "-").map(Path::new);
    restore::begin(path).map_err(|error| super::unread(file.unwrap_or("-"), &error))?
}

/// Imports an export.
pub(crate) fn import(from: Unpacker, options: &MoveOptions<'_>, tell: MoveTell<'_>) -> Result<Moved, Vec<Diagnostic>> {
    let named = |fault: Fault| fault.context(options.name);
    let targets = Targets::of(options.disks)?;
    let signals = Signals::install()?;
    let export = Restore::begin(from, signals.clone()).map_err(named)?;
    let installation = Installation::open()?;
    let recipe = options.out.map_or_else(|| installation.home().join(export.manifest.recipe()), Path::to_path_buf);
    let plan = libraries(&export, &recipe, options).map_err(Into::into);
    let plan = match plan.and_then(|()| Plan::of(&export, &installation, recipe, &targets)) {
        Ok(plan) => plan,
        Err(faults) => {
            export.stop();
            return Err(faults);
        }
    };
    let moved = plan.moved(&export.manifest);
    if options.dry_run {
        export.stop();
        return Ok(moved);
    }
    let mut host = settings::host(false)?;
    let name = moved.machine.clone();
    if !host.store_mut().reserve(&name, MOMENT)? {
        return Err(known_already(&name, &plan.recipe).into());
    }
    let kept = plan.write(export, &signals, tell);
    let given_back = host.store_mut().clear(&name);
    let kept = kept.map_err(named)?;
    given_back?;
    let undersized = undersized_of(&host, &installation, &wanted_as(&name, &moved.params, &plan.recipe));
    Ok(Moved { kept, undersized, ..moved })
}

fn known_already(name: &VmName, recipe: &Path) -> Fault {
    let fault = Fault::host(format!("a machine {name} is here already, of {}", recipe.display()));
    fault.hint("an import writes over nothing: `vmrun list` shows the machines of this host")
}

/// A machine that comes, but for what is on its disks.
#[derive(Clone, Copy)]
pub(in crate::ops) struct Content<'a> {
    /// What is in it.
    pub(in crate::ops) manifest: &'a Manifest,
    /// Its texts, in the order of the manifest.
    pub(in crate::ops) texts: &'a [Vec<u8>],
}

/// What is going to be written.
struct Plan {
    recipe: PathBuf,
    /// The texts, and where they are put; those that are there as they are come no second time.
    texts: Vec<(PathBuf, usize)>,
    /// What is in the texts.
    contents: Vec<Vec<u8>>,
    places: Vec<Place>,
    differences: Vec<String>,
}

impl Plan {
    /// Finds out where everything is put, and what stands against it.
    fn of(
        export: &Restore,
        installation: &Installation,
        recipe: PathBuf,
        targets: &Targets,
    ) -> Result<Self, Vec<Diagnostic>> {
        let manifest = &export.manifest;
        against_known(installation, &manifest.machine, &recipe)?;
        let host = settings::host(false)?;
        let texts = texts(export, &recipe)?;
        let mut contents = export.texts.clone();
        let text = contents.first().map(Vec::as_slice).unwrap_or_default();
        let (relocated, text) = targets.applied(manifest, text, &host.settings().zvols)?;
        against_no_zfs(&host, &relocated)?;
        contents.iter_mut().take(1).for_each(|first| first.clone_from(&text));
        let content = Content { manifest: &relocated, texts: &contents };
        let machine = rehearsed(content, installation, &recipe)?;
        relocation::against_init(manifest, content, installation, &recipe)?;
        let places = places(&relocated, &machine).map_err(|fault| targets.explained(fault))?;
        targets.against_elsewhere(&relocated, &places)?;
        against_there(&host, &relocated, &places)?;
        let whole = files::whole(Path::new(""), &recipe);
        let differences = differences(manifest, &machine.machine, &places, whole.parent().unwrap_or(Path::new("")));
        for (part, place) in relocated.disks.iter().zip(&places) {
            let recipes = recipe.parent().unwrap_or(Path::new(""));
            against_place(part, place, recipes)?;
            place::against_foreign(place, [whole.parent(), targets.folder()])?;
        }
        against_space(&host, &relocated, &places, &|_| Size::bytes(0), "import")?;
        Ok(Self { recipe, texts, contents, places, differences })
    }

    fn moved(&self, manifest: &Manifest) -> Moved {
        let disk = |(part, place): (&DiskPart, &Place)| {
            let more = place.size(part).get().saturating_sub(part.size.get());
            let more = if more == 0 { String::new() } else { format!(", with {more} bytes more to a whole block") };
            let name = match place {
                Place::File(path) => path.display().to_string(),
                Place::Volume(volume, _) => format!("the volume {}", volume.name),
            };
            MadePath { path: place.path().into(), shown: format!("{name}, {}{more}", part.size.rough()) }
        };
        let disks = manifest.disks.iter().zip(&self.places).map(disk);
        let texts =
            self.texts.iter().map(|(path, _)| MadePath { path: path.clone(), shown: path.display().to_string() });
        Moved {
            machine: manifest.machine.clone(),
            recipe: self.recipe.clone(),
            made: disks.chain(texts).collect(),
            kept: Vec::new(),
            params: manifest.params.clone(),
            differences: self.differences.clone(),
            undersized: Vec::new(),
            locked: manifest.disks.iter().zip(&self.places).filter_map(locked).collect(),
        }
    }

    /// Writes all of it; the recipe has its name last.
    fn write(&self, export: Restore, signals: &Signals, tell: MoveTell<'_>) -> Result<Vec<PathBuf>, Fault> {
        let mut written = Written::default();
        for folder in self.texts.iter().filter_map(|(path, _)| path.parent()) {
            written.folder(folder)?;
        }
        export.disks(&self.places, &mut written, signals, tell)?;
        for (path, at) in self.texts.iter().rev() {
            written.text(path, self.contents.get(*at).map(Vec::as_slice).unwrap_or_default())?;
        }
        let kept = std::mem::take(&mut written.kept);
        written.name()?;
        Ok(kept)
    }
}

/// Refuses a machine that this host knows.
fn against_known(installation: &Installation, name: &VmName, recipe: &Path) -> Result<(), Fault> {
    let host = settings::host(false)?;
    let statuses = known::statuses()?;
    let status = statuses.iter().find(|status| status.name == *name && files::exists(Path::new(&status.recipe)));
    if let Some(status) = status {
        return Err(known_already(name, Path::new(&status.recipe)));
    }
    if let Ok(there) = installation.recipe(name.as_str()) {
        return Err(known_already(name, &there));
    }
    if files::exists(recipe) {
        return Err(files::is_there(recipe));
    }
    match recovery::holder(&host, name) {
        Some(owner) => Err(recovery::running(&host, name, owner.as_ref(), recovery::Aim::Boot(None))),
        None => Ok(()),
    }
}

/// Returns where the texts are put. One that is there as it is stays; another one of its name is in the way.
fn texts(export: &Restore, recipe: &Path) -> Result<Vec<(PathBuf, usize)>, Fault> {
    let folder = recipe.parent().unwrap_or(Path::new(""));
    let mut texts = vec![(recipe.to_path_buf(), 0)];
    for (at, (part, bytes)) in export.manifest.texts.iter().zip(&export.texts).enumerate().skip(1) {
        if !is_recipe(&part.name) && ![MANIFEST, LOCK].contains(&part.name.as_str()) {
            let fault = Fault::new(format!("{:?} is in the export, and is no module of its recipe", part.name));
            return Err(fault.hint("an import writes modules and the pins of libraries alone; who made the export?"));
        }
        let path = beside(folder, part);
        match files::read_bytes(&path) {
            Ok(there) if there == *bytes => {}
            _ if files::exists(&path) || files::is_link(&path) => {
                let fault = Fault::host(format!("{} is there already, and is another text", path.display()));
                return Err(fault.hint("`--out FOLDER/NAME.rhai` puts the recipe into a folder of its own"));
            }
            _ => texts.push((path, at)),
        }
    }
    Ok(texts)
}

/// Refuses a recipe whose libraries are not here, once what names and pins them is: without them nobody knows what its disks are.
fn libraries(export: &Restore, recipe: &Path, options: &MoveOptions<'_>) -> Result<(), Fault> {
    let parts = export.manifest.texts.iter().zip(&export.texts);
    let pins: Vec<_> = parts.filter(|(part, _)| part.name == MANIFEST || part.name == LOCK).collect();
    if pins.is_empty() || has_libraries(recipe) {
        return Ok(());
    }
    let texts = texts(export, recipe)?;
    let folder = recipe.parent().unwrap_or(Path::new(""));
    let sync = Argv::new("vmrun").args(["lib", "--folder"]).arg(folder.display()).arg("sync");
    let fault = Fault::new("the libraries of its recipe are not here");
    if options.dry_run {
        return Err(fault.hint(format!("without --dry-run their pins come to {}; then `{sync}`", folder.display())));
    }
    let mut written = Written::default();
    for (part, bytes) in pins {
        let path = beside(folder, part);
        if texts.iter().any(|(new, _)| *new == path) {
            written.folder(folder)?;
            written.text(&path, bytes)?;
        }
    }
    written.name()?;
    Err(fault.hint(format!("`{sync}` fetches them by their pins, which are there now; then import it again")))
}

/// Parses the recipe as it is going to be, with what it imports.
pub(in crate::ops) fn parsed(content: Content<'_>, recipe: &Path) -> Result<Recipe, Vec<Diagnostic>> {
    let text = content.texts.first().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
    let parsed = Recipe::parse(&recipe.display().to_string(), &text)?;
    let imported = content.texts.iter().zip(&content.manifest.texts).skip(1).filter(|(_, part)| is_recipe(&part.name));
    for (bytes, part) in imported {
        let folder = recipe.parent().unwrap_or(Path::new(""));
        let text = String::from_utf8(bytes.clone());
        let text = text.map_err(|_| Fault::new(format!("{} is no text", part.name)).hint("a module is text"))?;
        parsed.knows(&beside(folder, part), text);
    }
    Ok(parsed)
}

fn wanted(manifest: &Manifest, recipe: &Path) -> Wanted {
    wanted_as(&manifest.machine, &manifest.params, recipe)
}

fn wanted_as(name: &VmName, params: &BTreeMap<String, String>, recipe: &Path) -> Wanted {
    Wanted { params: params.clone(), name: Some(name.to_string()), ..Wanted::of(recipe.into()) }
}

/// Rehearses the recipe as it is going to be.
pub(in crate::ops) fn rehearsed(
    content: Content<'_>,
    installation: &Installation,
    recipe: &Path,
) -> Result<MachineDisks, Vec<Diagnostic>> {
    let manifest = content.manifest;
    let wanted = wanted(manifest, recipe);
    let parsed = parsed(content, recipe)?;
    let booted = installation.booted_by(&parsed, &wanted)?;
    let read = parsed.own_texts();
    let is_read = |part: &TextPart| {
        let path = beside(recipe.parent().unwrap_or(Path::new("")), part).display().to_string();
        read.iter().any(|source| source.name == path)
    };
    // As a recipe beside the others it would be a machine of this host.
    if let Some(part) = manifest.texts.iter().skip(1).find(|part| is_recipe(&part.name) && !is_read(part)) {
        let fault = Fault::new(format!("{:?} is in the export, and its recipe does not import it", part.name));
        return Err(fault
            .hint("an import writes modules and the pins of libraries alone; who made the export?")
            .into());
    }
    MachineDisks::among(wanted, &booted)
}

/// Whether the libraries that are named beside a recipe are here.
pub(in crate::ops) fn has_libraries(recipe: &Path) -> bool {
    let store = LibraryStore::beside(recipe.parent().unwrap_or(Path::new("")));
    let all = |store: &LibraryStore| store.named.iter().all(|library| files::is_folder(&store.root(library)));
    store.is_ok_and(|store| store.as_ref().is_some_and(all))
}

/// Returns where the disks are put: where the recipe has them.
pub(in crate::ops) fn places(manifest: &Manifest, machine: &MachineDisks) -> Result<Vec<Place>, Fault> {
    let mut own = machine.own().map(|disk| &disk.place);
    let mut places = Vec::new();
    for part in &manifest.disks {
        let place = match part.role {
            Role::Vars => machine.vars.clone().map(Place::File),
            Role::Disk => own.next().and_then(|place| match (place, &part.home) {
                (DiskPlace::Volume(name, device), Home::Volume(volume)) if *name == volume.name => {
                    Some(Place::Volume(volume.clone(), device.clone()))
                }
                (DiskPlace::File(path), Home::File(_)) => Some(Place::File(path.clone())),
                (DiskPlace::File(_) | DiskPlace::Volume(..) | DiskPlace::Device(_), _) => None,
            }),
        };
        places.push(place.ok_or_else(|| not_of_recipe(&name_of(part)))?);
    }
    match own.next() {
        None => Ok(places),
        Some(place) => {
            let fault =
                Fault::new(format!("the recipe has the disk {}, and the export has not", place.path().display()));
            Err(fault.hint("export the machine again"))
        }
    }
}

/// Returns a volume that comes without its key.
fn locked((part, place): (&DiskPart, &Place)) -> Option<VolumeName> {
    match (part.form, place) {
        (DiskForm::SentRaw, Place::Volume(volume, _)) => Some(volume.name.clone()),
        _ => None,
    }
}

fn name_of(part: &DiskPart) -> String {
    match &part.home {
        Home::File(path) => path.display().to_string(),
        Home::Volume(volume) => volume.name.to_string(),
    }
}

/// Whether a value of the configuration is the path of a disk; hosts may have the devices of volumes in different folders.
fn is_of(part: &DiskPart, value: &str) -> bool {
    match &part.home {
        Home::File(path) => path.display().to_string() == value,
        Home::Volume(volume) => Path::new(value).ends_with(volume.name.as_str()),
    }
}

fn not_of_recipe(disk: &str) -> Fault {
    let fault = Fault::new(format!("the export has the disk {disk}, and its recipe has not"));
    fault.hint("nothing is written that the recipe does not name; who made the export?")
}

/// Refuses volumes on a host that has none, and streams of zfs-send(8) where nothing receives them.
fn against_no_zfs(host: &System, manifest: &Manifest) -> Result<(), Fault> {
    let is_volume = |part: &&DiskPart| matches!(part.home, Home::Volume(_));
    let Some(part) = manifest.disks.iter().find(is_volume).filter(|_| !host.has_program("zfs")) else { return Ok(()) };
    let name = name_of(part);
    Err(match part.form {
        DiskForm::Bytes => Fault::host(format!("{name} is a volume, and this host has no ZFS"))
            .hint("`--disks FOLDER` makes files of all its disks there; or install OpenZFS"),
        DiskForm::Sent | DiskForm::SentRaw => {
            Fault::host(format!("{name} is in it as a stream of zfs send, and this host has no ZFS"))
                .hint("export the machine without --zfs-send, if none of its volumes is encrypted; or install OpenZFS")
        }
    })
}

/// Refuses a stream of a volume that is there: what is on that cannot be compared with it.
fn against_there(host: &System, manifest: &Manifest, places: &[Place]) -> Result<(), Fault> {
    for (part, place) in manifest.disks.iter().zip(places).filter(|(part, _)| part.form != DiskForm::Bytes) {
        if let Place::Volume(volume, _) = place
            && volumes::volume(host, &volume.name)?.is_some()
        {
            let name = name_of(part);
            let fault =
                Fault::host(format!("the volume {name} is there already, and a stream cannot be compared with it"));
            return Err(fault.hint(format!("if an import that was cut off has left it: zfs destroy {name}")));
        }
    }
    Ok(())
}

/// Returns how the machine differs from the one that was exported, but for where its disks are now, and what its recipe has beside it:
/// an image that is only read, say, which does not come.
pub(in crate::ops) fn differences(
    manifest: &Manifest,
    machine: &Machine,
    places: &[Place],
    folder: &Path,
) -> Vec<String> {
    let there: BTreeMap<String, String> = machine.entries().into_iter().collect();
    let moved = |key: &String, value: &String| {
        let part = manifest.disks.iter().zip(places).find(|(part, _)| is_of(part, value));
        let beside = || there.get(key).filter(|there| is_beside(value, there, folder)).unwrap_or(value).clone();
        part.map_or_else(beside, |(_, place)| place.path().display().to_string())
    };
    let entries: Vec<(String, String)> =
        manifest.configuration.iter().map(|(key, value)| (key.clone(), moved(key, value))).collect();
    proof::changes(&entries, machine)
}

/// Whether two paths are the same one below the folder of the recipe, which was another one where the machine was exported.
fn is_beside(exported: &str, here: &str, folder: &Path) -> bool {
    let rest = Path::new(here).strip_prefix(folder);
    rest.is_ok_and(|rest| {
        !rest.as_os_str().is_empty() && Path::new(exported).is_absolute() && Path::new(exported).ends_with(rest)
    })
}

//! A machine as one stream: its recipe, and its disks as they are.

mod disks;
mod moment;
mod record;

use super::declared_size::{Undersized, undersized};
use super::installation::{Installation, read};
use super::machine_disks::MachineDisks;
use super::{known, settings};
use crate::bhyve::tree::is_secret;
use crate::diag::{Diagnostic, Fault};
use crate::host::export::Export;
pub(crate) use crate::host::export::{MoveProgress, MoveTell};
use crate::host::signals::Signals;
use crate::host::system::System;
use crate::host::terminal::{Stream, is_terminal};
use crate::host::{Host, files, host_key};
use crate::image::archive::{DiskPart, Manifest, TextPart, check_text};
use crate::library::{LOCK, MANIFEST};
use crate::model::device::Access;
use crate::model::{Machine, Size, VmName};
use crate::script::Recipe;
use crate::supervise::recovery::{self, Aim};
pub(super) use disks::own_disks;
use moment::{Moment, Reading};
pub(super) use moment::{ReadAim, Sources};
use record::ExportRecord;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// How long somebody may look whether a machine's lock is held.
const MOMENT: Duration = Duration::from_millis(100);

/// What was exported.
pub(crate) struct Exported {
    /// The machine.
    pub(crate) machine: VmName,
    /// How many disks it has.
    pub(crate) disks: usize,
    /// How much of them is no hole.
    pub(crate) used: Size,
    /// How long the file is, if it is one.
    pub(crate) length: Option<Size>,
    /// What is not in it, and why.
    pub(crate) left_out: Vec<String>,
    /// What is to be known of a machine that runs.
    pub(crate) notes: Vec<String>,
}

/// Exports a machine to a file, or to the standard output. One that does not run cannot be started meanwhile; of one that runs its disks
/// are as they are at one moment.
pub(crate) fn export(
    name: &str,
    to: Option<&Path>,
    sends: bool,
    tell: MoveTell<'_>,
) -> Result<Exported, Vec<Diagnostic>> {
    match to {
        None if is_terminal(Stream::Output) => {
            let fault = Fault::usage("an export is no text, and the standard output is a terminal");
            return Err(fault
                .hint(format!("`vmrun export {name} FILE`, or a pipe: `| ssh host vmrun import -`"))
                .into());
        }
        Some(path) if path.file_name().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            let fault = Fault::usage(format!("{:?} is no name of a file", path.display().to_string()));
            return Err(fault.hint(format!("`vmrun export {name} {name}.tar.zst`")).into());
        }
        Some(path) if files::exists(path) => return Err(files::is_there(path).into()),
        Some(_) | None => {}
    }
    let installation = Installation::open()?;
    let wanted = known::one(&installation, &known::statuses()?, name)?;
    let recipe = read(&wanted)?;
    let booted = installation.booted_by(&recipe, &wanted)?;
    let machine = MachineDisks::among(wanted, &booted)?;
    let mut host = settings::host(false)?;
    let export = Writing { recipe: &recipe, machine: &machine, to, signals: Signals::install()? };
    let runs = runs(&host, machine.name());
    if !runs {
        take(&mut host, &machine)?;
    }
    let done = if runs || sends {
        export.of_moment(&mut host, Reading { runs, sends }, tell)
    } else {
        export.of_disks(&mut host, tell)
    };
    let given_back = if runs { Ok(()) } else { host.store_mut().clear(machine.name()) };
    let exported = done?;
    given_back?;
    Ok(exported)
}

/// Whether a machine runs, or its guest goes on without its run.
fn runs(host: &System, name: &VmName) -> bool {
    matches!(recovery::holder(host, name), Some(Some(_))) || recovery::guest_of_run(host, name).is_some()
}

/// Takes the lock of a machine that does not run, and those of its disks.
fn take(host: &mut System, machine: &MachineDisks) -> Result<(), Fault> {
    let name = machine.name();
    // Whoever changes it now is no run of it.
    if recovery::holder(host, name).is_some() || !host.store_mut().reserve(name, MOMENT)? {
        return Err(recovery::running(host, name, None, Aim::Disks));
    }
    for disk in machine.own() {
        let path = disk.place.path();
        let free = recovery::against_image(host, name, path, Access::ReadOnly).map_or(Ok(()), Err);
        if let Err(fault) = free.and_then(|()| held(host, path)) {
            host.store_mut().clear(name)?;
            return Err(fault);
        }
    }
    Ok(())
}

fn held(host: &mut System, path: &Path) -> Result<(), Fault> {
    if host.store_mut().hold(path, Access::ReadOnly) {
        return Ok(());
    }
    Err(Fault::host(format!("{} is in use", path.display())).hint("end who has it, then export the machine"))
}

/// What is written, and where.
struct Writing<'a> {
    recipe: &'a Recipe,
    machine: &'a MachineDisks,
    to: Option<&'a Path>,
    signals: Rc<Signals>,
}

impl Writing<'_> {
    /// Writes it as it is at one moment.
    fn of_moment(&self, host: &mut System, reading: Reading, tell: MoveTell<'_>) -> Result<Exported, Vec<Diagnostic>> {
        let mut moment = Moment::of(host, self.machine, reading, self.to, &self.signals)?;
        let notes = std::mem::take(&mut moment.notes);
        let done = self.stream(host, &moment.sources(), tell);
        let ended = moment.end(host);
        match (done, ended) {
            (Ok(exported), Ok(())) => {
                let notes = notes.into_iter().chain(exported.notes).collect();
                Ok(Exported { notes, ..exported })
            }
            (Ok(_), Err(fault)) => Err(fault.into()),
            (Err(faults), ended) => Err(faults.into_iter().chain(ended.err().map(Diagnostic::error)).collect()),
        }
    }

    /// Writes it as it lies there. That others are told is not worth to refuse an export for.
    fn of_disks(&self, host: &mut System, tell: MoveTell<'_>) -> Result<Exported, Vec<Diagnostic>> {
        let record = ExportRecord::take(host, self.machine.name(), self.to).ok();
        let done = self.stream(host, &Sources::default(), tell);
        record.iter().for_each(|record| record.let_go(host));
        done
    }

    /// Writes it; a disk that is not where it lives is read where it is said.
    fn stream(&self, host: &System, sources: &Sources, tell: MoveTell<'_>) -> Result<Exported, Vec<Diagnostic>> {
        let machine = self.machine;
        let mut left_out = Vec::new();
        let texts = texts(self.recipe, &machine.wanted.path, &mut left_out)?;
        let (parts, disks) = own_disks(host, machine, sources, &mut left_out)?;
        left_out.extend(keys(self.recipe, machine)?);
        let undersized = undersized(host, &Installation::open()?, self.recipe, machine);
        let manifest = manifest(machine, &texts, parts).map_err(|fault| fault.context("it cannot be exported"))?;
        let texts: Vec<Vec<u8>> = texts.into_iter().map(|(_, bytes)| bytes).collect();
        Export { manifest: &manifest, texts: &texts, disks: &disks }.write(self.to, &self.signals, tell)?;
        Ok(Exported {
            machine: machine.name().clone(),
            disks: disks.len(),
            used: Size::bytes(manifest.used()),
            length: self.to.and_then(files::length).map(Size::bytes),
            left_out,
            notes: undersized.iter().map(Undersized::shown).collect(),
        })
    }
}

/// Returns what goes with a machine. What could not be read again is refused.
pub(super) fn manifest(
    machine: &MachineDisks,
    texts: &[(String, Vec<u8>)],
    disks: Vec<DiskPart>,
) -> Result<Manifest, Fault> {
    let part = |(name, bytes): &(String, Vec<u8>)| TextPart { name: name.clone(), size: bytes.len() as u64 };
    let manifest = Manifest {
        vmrun: env!("CARGO_PKG_VERSION").into(),
        machine: machine.name().clone(),
        configuration: configuration(&machine.machine),
        params: machine.wanted.params.clone(),
        texts: texts.iter().map(part).collect(),
        disks,
    };
    Manifest::parse(manifest.text().as_bytes()).map(|_| manifest)
}

/// Returns what is to be known of the host keys that a recipe keeps: the guest has them, and its new host would make others.
pub(super) fn keys(recipe: &Recipe, machine: &MachineDisks) -> Result<Vec<String>, Vec<Diagnostic>> {
    let foreseen = Installation::open()?.foreseen(recipe, &machine.wanted, true);
    let keys = foreseen.map(|foreseen| foreseen.host_keys()).unwrap_or_default();
    let keys = keys.into_iter().filter(|key| files::exists(key));
    let about = |key: PathBuf| {
        let (key, public) = (key.display().to_string(), host_key::public_path(&key).display().to_string());
        format!(
            "{key} and {public}, by which ssh knows the guest: copy them to where its recipe has them, before its first start there"
        )
    };
    Ok(keys.map(about).collect())
}

/// Returns the configuration of a machine, without its secrets.
pub(super) fn configuration(machine: &Machine) -> BTreeMap<String, String> {
    machine.entries().into_iter().filter(|(key, _)| !is_secret(key)).collect()
}

/// Returns the recipe, what it imports of its own, and what names its libraries: by their paths from its folder on.
pub(super) fn texts(recipe: &Recipe, path: &Path, left_out: &mut Vec<String>) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let folder = files::home(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut texts = Vec::new();
    for (at, source) in recipe.own_texts().iter().enumerate() {
        let whole = files::whole(Path::new(""), Path::new(&source.name));
        let inner = if at == 0 { Some(name.clone()) } else { whole.strip_prefix(&folder).ok().map(shown) };
        let inner = inner.filter(|inner| check_text(inner).is_ok()).ok_or_else(|| {
            let fault = Fault::new(format!("{} is imported from outside of the recipe's folder", source.name));
            fault.hint(format!("an export has what is in {}: move it there, or make it a library", folder.display()))
        })?;
        texts.push((inner, source.text.clone().into_bytes()));
    }
    if recipe.has_libraries() {
        for name in [MANIFEST, LOCK] {
            let path = folder.join(name);
            if files::exists(&path) {
                texts.push((name.into(), files::read_bytes(&path).map_err(files::io_fault("read", &path))?));
            }
        }
        left_out.push("the libraries, which `vmrun lib sync` fetches where it is imported".into());
    }
    Ok(texts)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Returns what a text of an export is called where it is put.
pub(super) fn beside(folder: &Path, part: &TextPart) -> PathBuf {
    folder.join(&part.name)
}

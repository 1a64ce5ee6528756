//! A machine goes: its disks with their snapshots, the variables of its firmware, what is kept of it, and its recipe. All of it is
//! checked before the first of it goes.

mod others;

use super::installation::{Foreseen, Installation, read};
use super::machine_disks::{MachineDisk, MachineDisks};
use super::{settings, stopped};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::disks::DiskChange;
use crate::host::moves;
use crate::host::replication;
use crate::host::snapshots::{self, Snapshot};
use crate::host::system::System;
use crate::host::volumes;
use crate::host::{Effect, Host, files, host_key};
use crate::model::snapshot::SnapshotName;
use crate::model::volume::{DiskPlace, VolumeName};
use crate::model::{Argv, Size, VmName};
use others::Others;
use std::path::{Path, PathBuf};

/// What is to go of a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemovalRequest<'a> {
    /// The machine, or its recipe.
    pub(crate) name: &'a str,
    /// Whether the snapshots of its disks go as well.
    pub(crate) snapshots: bool,
    /// Whether its recipe goes as well.
    pub(crate) recipe: bool,
}

/// A machine that goes, once all of it was checked.
pub(crate) struct Removal {
    /// The machine.
    pub(crate) name: VmName,
    /// How many disks go, and how large they are together.
    pub(crate) disks: (usize, Size),
    /// What stays though the machine has it, and why.
    pub(crate) kept: Vec<String>,
    steps: Vec<Step>,
    files: Vec<PathBuf>,
    host: System,
}

/// A part of it that goes.
enum Step {
    /// By a change of a disk.
    Disk(DiskChange),
    /// By a command.
    Command(Argv),
    /// A file.
    File(PathBuf),
    /// The folder with its status.
    Folder(PathBuf),
}

impl Step {
    fn commands(&self) -> Vec<Argv> {
        match self {
            Self::Disk(change) => change.commands(),
            Self::Command(argv) => vec![argv.clone()],
            Self::File(path) => vec![Argv::new("rm").arg(path.display())],
            Self::Folder(path) => vec![Argv::new("rm").arg("-r").arg(path.display())],
        }
    }

    /// Does it. The folder goes with all that is kept of the machine.
    fn perform(&self, host: &mut dyn Host, name: &VmName) -> Result<(), Fault> {
        match self {
            Self::Disk(change) => host.perform(&Effect::Disk(Box::new(change.clone()))).map(drop),
            Self::Command(argv) => host.perform(&Effect::Run(argv.clone())).map(drop),
            Self::File(path) => host.remove(path),
            Self::Folder(_) => {
                host.store_mut().tidy(name, false)?;
                let last = host.settings().last_file(name);
                host.remove(&last)
            }
        }
    }
}

impl Removal {
    /// Finds out what a machine has, and checks that it may go.
    ///
    /// # Errors
    /// It runs, has something to be given back or snapshots that are to stay; something hangs on a disk; or its recipe has other
    /// machines as well.
    pub(crate) fn of(request: RemovalRequest<'_>) -> Result<Self, Vec<Diagnostic>> {
        let installation = Installation::open()?;
        let machine = MachineDisks::of(&installation, request.name)?;
        let name = machine.name().clone();
        let host = settings::host(false)?;
        let others = Others::of(&host, &installation, &machine)?;
        if request.recipe
            && let Some(other) = others.of_recipe.first()
        {
            let recipe = machine.wanted.path.display();
            let fault = Fault::new(format!("{recipe} is the recipe of {other} as well"));
            return Err(fault.hint("leave --recipe out, and take this machine out of it by hand").into());
        }
        let foreseen =
            read(&machine.wanted).and_then(|recipe| installation.foreseen(&recipe, &machine.wanted, true)).ok();
        let written = |of: &dyn Fn(&Foreseen) -> Vec<PathBuf>| foreseen.as_ref().map(of).unwrap_or_default();
        let paths = |one: &Foreseen| one.written().into_iter().map(|(path, _)| path).collect();
        let mut found = Found { written: written(&paths), ..Found::default() };
        for disk in &machine.disks {
            found.disk(&host, disk, &others)?;
        }
        if let Some(vars) = &machine.vars {
            found.file(&host, vars, &others);
        }
        // A key by which nobody knows a guest any more is one that may be lost.
        for key in written(&Foreseen::host_keys) {
            found.key(&host, &key, &others);
        }
        if let Some(fault) = stopped::against(&host, &name, &found.paths) {
            return Err(fault.into());
        }
        found.against_snapshots(request)?;
        let files = found.files.iter().map(|(path, _)| path.clone()).collect();
        let mut steps = found.steps();
        steps.extend(of_state(&host, &name)?);
        steps.extend(request.recipe.then(|| Step::File(machine.wanted.path.clone())));
        let recipe = format!("{}, its recipe, which --recipe removes", machine.wanted.path.display());
        found.kept.extend((!request.recipe).then_some(recipe));
        Ok(Self { name, disks: found.disks, kept: found.kept, steps, files, host })
    }

    /// Returns the commands that do the same, in their order.
    pub(crate) fn commands(&self) -> Vec<Argv> {
        self.steps.iter().flat_map(Step::commands).collect()
    }

    /// Does it, the recipe last: whatever hinders it, it can be called again.
    ///
    /// # Errors
    /// The host refuses a part of it, as zfs(8) does what is busy; what went before is gone.
    pub(crate) fn perform(mut self) -> Result<(), Fault> {
        let steps = &self.steps;
        let name = &self.name;
        // A volume that is open is not destroyed: zfs(8) itself refuses one that somebody has.
        stopped::hold(&mut self.host, name, &self.files, |host| {
            steps.iter().enumerate().try_for_each(|(at, step)| {
                step.perform(host, name).map_err(|fault| {
                    let hint = format!("correct that, and remove {name} again; what came before it is gone");
                    if at > 0 && fault.hint.is_none() { fault.hint(hint) } else { fault }
                })
            })
        })
    }
}

/// What was found of a machine.
#[derive(Default)]
struct Found {
    /// What its recipe writes for it.
    written: Vec<PathBuf>,
    volumes: Vec<(VolumeName, PathBuf, Vec<Snapshot>, Option<String>)>,
    files: Vec<(PathBuf, Vec<Snapshot>)>,
    /// How many disks there are, and how large they are together.
    disks: (usize, Size),
    kept: Vec<String>,
    paths: Vec<PathBuf>,
}

impl Found {
    /// Takes a disk in, if it is the machine's own and there.
    fn disk(&mut self, host: &dyn Host, disk: &MachineDisk, others: &Others) -> Result<(), Fault> {
        let path = disk.place.path();
        let shown = path.display();
        // What the recipe makes for it, such as a seed, is its own.
        if disk.only_reads && !self.written.iter().any(|written| written == path) {
            self.kept.push(format!("{shown}, which it only reads"));
            return Ok(());
        }
        match &disk.place {
            DiskPlace::Device(_) => self.kept.push(format!("{shown}, which is a device")),
            DiskPlace::Volume(name, device) => {
                let Some(fact) = volumes::volume(host, name)? else { return Ok(()) };
                if let Some(other) = others.user(host, device) {
                    self.kept.push(format!("{name}, which {other} has as well"));
                    return Ok(());
                }
                self.count(fact.size);
                self.paths.push(device.clone());
                self.volumes.push((
                    name.clone(),
                    device.clone(),
                    snapshots::of_volume(host, name)?,
                    origin(host, name)?,
                ));
            }
            DiskPlace::File(path) => {
                if let Some(size) = self.file(host, path, others) {
                    self.count(size);
                }
            }
        }
        Ok(())
    }

    /// Takes a host key in, with its public half.
    fn key(&mut self, host: &dyn Host, path: &Path, others: &Others) {
        if let Some(other) = others.user_of_key(host, path) {
            self.kept.push(format!("{}, which {other} has as well", path.display()));
            return;
        }
        self.file(host, path, others);
        self.file(host, &host_key::public_path(path), others);
    }

    fn count(&mut self, size: Size) {
        let (count, all) = self.disks;
        self.disks = (count + 1, Size::bytes(all.get().saturating_add(size.get())));
    }

    /// Takes a file in, and returns its size.
    fn file(&mut self, host: &dyn Host, path: &Path, others: &Others) -> Option<Size> {
        let fact = host.file(path).filter(|fact| !fact.is_folder)?;
        if let Some(other) = others.user(host, path) {
            self.kept.push(format!("{}, which {other} has as well", path.display()));
            return None;
        }
        self.paths.push(path.into());
        let target = files::target(path);
        if target != path {
            // Whose what it leads to is nobody knows.
            self.kept.push(format!("{}, to which {} leads", target.display(), path.display()));
            self.files.push((path.into(), Vec::new()));
            return None;
        }
        self.files.push((path.into(), snapshots::of_file(path)));
        fact.size
    }

    /// Refuses to remove snapshots unasked, and those on which something hangs.
    fn against_snapshots(&self, request: RemovalRequest<'_>) -> Result<(), Fault> {
        let of_volumes = self
            .volumes
            .iter()
            .flat_map(|(volume, _, all, _)| all.iter().map(move |one| (one.name.of_volume(volume), one)));
        for (name, one) in of_volumes.clone() {
            if let [clone, ..] = one.clones.as_slice() {
                let fault = Fault::host(format!("{clone} is cloned of {name}, and cannot be without it"));
                return Err(fault.hint(format!("`zfs promote {clone}` makes it stand alone; or remove that one first")));
            }
            if one.is_held {
                let fault = Fault::host(format!("{name} is held by somebody"));
                return Err(fault.hint(format!("`zfs holds {name}` tells by whom, `zfs release` lets it go")));
            }
        }
        let of_files = self.files.iter().flat_map(|(file, all)| all.iter().map(move |one| one.name.of_file(file)));
        let all: Vec<String> =
            of_volumes.map(|(name, _)| name).chain(of_files.map(|path| path.display().to_string())).collect();
        if request.snapshots || all.is_empty() {
            return Ok(());
        }
        let list = suggest::list(all.iter().map(String::as_str));
        let fault = Fault::usage(format!("there are snapshots of its disks: {list}"));
        Err(fault.hint("--snapshots removes them as well"))
    }

    /// Returns what removes it: volumes first, since zfs(8) may refuse that.
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (volume, device, all, origin) in &self.volumes {
            let destroy = |name: String| Step::Command(Argv::new("zfs").arg("destroy").arg(name));
            steps.extend(all.iter().map(|one| destroy(one.name.of_volume(volume))));
            steps.push(Step::Disk(DiskChange::DestroyVolume { name: volume.clone(), device: device.clone() }));
            steps.extend(origin.clone().map(destroy));
        }
        for (file, all) in &self.files {
            steps.extend(all.iter().map(|one| Step::File(one.name.of_file(file))));
            steps.push(Step::File(file.clone()));
        }
        steps
    }
}

/// Returns the snapshot that was made for this volume to be cloned of, which nothing else is cloned of.
fn origin(host: &dyn Host, name: &VolumeName) -> Result<Option<String>, Fault> {
    let argv = Argv::new("zfs").args(["get", "-Hp", "-o", "value", "origin"]).arg(name);
    let origin = host.query(&argv)?.trim().to_string();
    let Some((volume, tag)) = origin.split_once('@') else { return Ok(None) };
    let is_ours = SnapshotName::there(tag).tag().starts_with(super::clone::TAG);
    let Some(volume) = volume.parse::<VolumeName>().ok().filter(|_| is_ours) else { return Ok(None) };
    let all = snapshots::of_volume(host, &volume)?;
    let clones = all.into_iter().find(|one| one.name.of_volume(&volume) == origin).map(|one| one.clones);
    Ok(clones.is_some_and(|clones| clones == [name.to_string()]).then_some(origin))
}

/// Returns what removes what is kept of a machine: its status, how it was started last, secrets, logs.
fn of_state(host: &dyn Host, name: &VmName) -> Result<Vec<Step>, Fault> {
    let settings = host.settings();
    let folder = settings.machine_folder(name);
    let mut steps = Vec::new();
    if files::is_folder(&folder) {
        steps.push(Step::Folder(folder));
    }
    let log = settings::log_file(name)?;
    let logs = (0_u32..=9).map(|number| match number {
        0 => log.clone(),
        _ => PathBuf::from(format!("{}.{number}", log.display())),
    });
    // Of a machine that another host has by now nothing is here then to be mistaken for it.
    let is_away = moves::read(settings, name)?.is_some_and(|record| record.away().is_some());
    steps.extend(is_away.then(|| Step::File(moves::path(settings, name))));
    // What was taken from another host is asked for by that for as long as it is not given up.
    let replication = (!is_away).then(|| replication::path(settings, name));
    let kept = [
        settings.last_file(name),
        settings.secrets_file(name),
        settings.map_file(name),
        settings.known_hosts_file(name),
    ];
    steps.extend(kept.into_iter().chain(replication).chain(logs).filter(|path| files::exists(path)).map(Step::File));
    Ok(steps)
}

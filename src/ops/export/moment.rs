//! The disks of a machine as they are at one moment: of volumes the clones of one snapshot, or that itself where it is sent, of files
//! reflinks. They are there for as long as they are read.
//!
//! The run of one that runs has the lock of its machine, and so its journal: what is made here is in one of its own, by which the next export of the
//! machine, or `vmrun gc`, takes away what one leaves that was killed.

use super::record::ExportRecord;
use crate::diag::Fault;
use crate::host::disks::DiskChange;
use crate::host::files::beside;
use crate::host::program::run;
use crate::host::reflink::{CopyWay, NewFile, has_reflinks};
use crate::host::signals::Signals;
use crate::host::system::System;
use crate::host::{Effect, Host as _, clock, files, volumes};
use crate::model::snapshot::SnapshotName;
use crate::model::volume::{DiskPlace, VolumeName};
use crate::model::{Argv, VmName};
use crate::ops::machine_disks::MachineDisks;
use crate::ops::snapshots::{Freeze, SnapshotEvent, against_stop, frozen, no_one_moment};
use crate::supervise::holds::Hold;
use crate::supervise::journal;
use crate::supervise::recovery::exports::RECORD;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// With what the tag of such a snapshot begins.
const TAG: &str = "export-";

/// How often the variables of a firmware are read until two readings are the same.
const READINGS: usize = 8;

/// How long a clone may be somebody's who looks at every new device, as udev(7) does.
const BUSY: Duration = Duration::from_secs(2);

/// A volume, and where what it has at that moment can be read.
struct VolumeCopy {
    device: PathBuf,
    name: VolumeName,
    snapshot: String,
    clone: VolumeName,
    clone_device: PathBuf,
}

impl VolumeCopy {
    fn clone_of(&self) -> DiskChange {
        let (name, device) = (self.clone.clone(), self.clone_device.clone());
        DiskChange::CloneVolume { name, device, origin: self.snapshot.clone() }
    }
}

/// Of which machine a moment is, and how that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Whether it runs, so that files have a moment, too.
    pub(super) runs: bool,
    /// Whether volumes are sent.
    pub(super) sends: bool,
}

/// What disks are read for.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::ops) enum ReadAim {
    /// A file, or who reads it.
    #[default]
    Export,
    /// Another host, which gets the machine.
    Move,
    /// Another host, which keeps it.
    Replica,
}

/// Where disks are read that are not read where they live, by where they do.
#[derive(Debug, Default)]
pub(in crate::ops) struct Sources {
    /// Other files and devices.
    pub(super) others: BTreeMap<PathBuf, PathBuf>,
    /// Snapshots that are sent.
    pub(super) sent: BTreeMap<PathBuf, String>,
    /// What for.
    pub(super) aim: ReadAim,
}

impl Sources {
    /// Returns that of disks that are read where they live.
    pub(in crate::ops) fn of(aim: ReadAim) -> Self {
        Self { aim, ..Self::default() }
    }
}

/// The disks of a machine at one moment.
pub(super) struct Moment {
    record: ExportRecord,
    reading: Reading,
    volumes: Vec<VolumeCopy>,
    files: Vec<(PathBuf, NewFile)>,
    /// What takes away what was made, from the first on.
    backs: Vec<Argv>,
    /// What is to be known of it.
    pub(super) notes: Vec<String>,
}

impl Moment {
    /// Makes all of it, or nothing, for a file that is going to be written.
    pub(super) fn of(
        host: &mut System,
        machine: &MachineDisks,
        reading: Reading,
        to: Option<&Path>,
        signals: &Signals,
    ) -> Result<Self, Fault> {
        let plan = Plan::of(host, machine, reading)?;
        let record = ExportRecord::take(host, machine.name(), to)?;
        let mut moment =
            Self { record, reading, volumes: plan.volumes, files: Vec::new(), backs: Vec::new(), notes: plan.notes };
        let done = moment.note(host, &plan.files).and_then(|()| moment.make(host, machine, &plan.files, signals));
        match done {
            Ok(()) => Ok(moment),
            Err(fault) => Err(match moment.end(host) {
                Ok(()) => fault,
                Err(left) => Fault { message: format!("{}; {}", fault.message, left.message), ..fault },
            }),
        }
    }

    /// Writes down what is going to be made, before any of it is.
    fn note(&self, host: &mut System, files: &[PathBuf]) -> Result<(), Fault> {
        // That of a clone is that of its snapshot as well.
        let clones = self.volumes.iter().map(|one| Hold::Effect(Effect::Disk(Box::new(one.clone_of()))));
        let halves = files.iter().map(|path| Hold::Temporary(beside(&second(path))));
        let lines: String = clones.chain(halves).map(|hold| journal::taken(&hold)).collect();
        self.record.note(host, &lines, true)
    }

    fn make(
        &mut self,
        host: &System,
        machine: &MachineDisks,
        files: &[PathBuf],
        signals: &Signals,
    ) -> Result<(), Fault> {
        let name = machine.name();
        if !self.reading.runs {
            return self.keep(files, None, signals);
        }
        let why = format!("no agent in {name} can be asked to freeze its file systems");
        let freeze = Freeze::of(host, name);
        let mut notes = Vec::new();
        let mut tell = |event: &SnapshotEvent<'_>| {
            if let SnapshotEvent::Note(note) = event {
                notes.push((*note).to_string());
            }
        };
        let vars = machine.vars.as_deref();
        let done = frozen(freeze.as_ref().ok_or(&why), name, &mut tell, |_| self.keep(files, vars, signals));
        self.notes.append(&mut notes);
        done?;
        if self.reading.sends {
            return Ok(());
        }
        for one in &self.volumes {
            against_stop(signals)?;
            let change = one.clone_of();
            change.commands().iter().try_for_each(|argv| run(argv).map(drop))?;
            self.backs.extend(change.opposite().iter().flat_map(DiskChange::commands));
        }
        Ok(())
    }

    /// Keeps all of it, which takes a moment.
    fn keep(&mut self, files: &[PathBuf], vars: Option<&Path>, signals: &Signals) -> Result<(), Fault> {
        for file in files {
            against_stop(signals)?;
            let is_vars = vars == Some(file.as_path());
            let copy = if is_vars { settled(file, &are_same)? } else { reflink(file)? };
            self.files.push((file.clone(), copy));
        }
        for argv in of_pools(&self.volumes) {
            against_stop(signals)?;
            run(&argv)?;
            self.backs.extend(argv.args.iter().skip(1).map(|snapshot| Argv::new("zfs").arg("destroy").arg(snapshot)));
        }
        Ok(())
    }

    /// Returns where disks are read.
    pub(super) fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        for one in &self.volumes {
            if self.reading.sends {
                sources.sent.insert(one.device.clone(), one.snapshot.clone());
            } else {
                sources.others.insert(one.device.clone(), one.clone_device.clone());
            }
        }
        sources.others.extend(self.files.iter().map(|(path, copy)| (path.clone(), copy.path().into())));
        sources
    }

    /// Takes all of it away again.
    ///
    /// # Errors
    /// Something is refused: that stays, and in the journal.
    pub(super) fn end(mut self, host: &mut System) -> Result<(), Fault> {
        self.files.clear();
        let left: Vec<String> = self.backs.iter().rev().filter_map(|argv| away(host, argv).err()).collect();
        let ended = self.record.end(host, !left.is_empty());
        if !left.is_empty() {
            let fault = Fault::host(format!("what was made for the export is not gone: {}", left.join("; ")));
            return Err(fault.hint("`vmrun gc` takes it away"));
        }
        ended
    }
}

/// What is going to be made.
struct Plan {
    volumes: Vec<VolumeCopy>,
    files: Vec<PathBuf>,
    notes: Vec<String>,
}

impl Plan {
    /// Finds out whether there can be one moment of all disks.
    fn of(host: &System, machine: &MachineDisks, reading: Reading) -> Result<Self, Fault> {
        let tag = SnapshotName::of_tag(&format!("{TAG}{}", clock::since_1970().as_nanos()))?;
        let mut plan = Self { volumes: Vec::new(), files: Vec::new(), notes: Vec::new() };
        for disk in machine.own() {
            match &disk.place {
                DiskPlace::Volume(name, device) => plan.volumes.push(volume(host, name, device, &tag)?),
                DiskPlace::File(path) if files::exists(path) => plan.files.push(path.clone()),
                // It is refused when it is opened.
                DiskPlace::File(_) | DiskPlace::Device(_) => {}
            }
        }
        if reading.sends && plan.volumes.is_empty() {
            let fault = Fault::usage(format!("{} has no volume of ZFS that could be sent", machine.name()));
            return Err(fault.hint("leave out --zfs-send"));
        }
        if !reading.runs {
            plan.files.clear();
            return Ok(plan);
        }
        for path in &plan.files {
            if !has_reflinks(&files::target(path))? {
                return Err(no_reflinks(machine.name(), path));
            }
        }
        let pools = of_pools(&plan.volumes).len();
        if pools + plan.files.len() > 1 {
            plan.notes.push(no_one_moment(machine.name(), pools, plan.files.len()));
        }
        plan.files.extend(machine.vars.clone().filter(|vars| files::exists(vars)));
        Ok(plan)
    }
}

fn no_reflinks(name: &VmName, path: &Path) -> Fault {
    let fault = format!("the machine {name} runs, and the file system of {} has no reflinks", path.display());
    let hint = "what is written meanwhile would be in it by halves";
    Fault::host(fault).hint(format!("`vmrun stop {name}`, then export it: {hint}"))
}

fn volume(host: &System, name: &VolumeName, device: &Path, tag: &SnapshotName) -> Result<VolumeCopy, Fault> {
    if volumes::volume(host, name)?.is_none() {
        return Err(no_volume(name));
    }
    let clone_device = beside(device);
    let last = clone_device.file_name().and_then(|last| last.to_str()).unwrap_or_default();
    let clone = format!("{}/{last}", name.parent()).parse()?;
    Ok(VolumeCopy { device: device.into(), name: name.clone(), snapshot: tag.of_volume(name), clone, clone_device })
}

pub(super) fn no_volume(name: &VolumeName) -> Fault {
    Fault::host(format!("there is no volume {name}")).hint("zfs list -t volume")
}

/// Returns a call for each pool, which keeps all of its volumes at one moment (zfs-snapshot(8)).
fn of_pools(volumes: &[VolumeCopy]) -> Vec<Argv> {
    let mut pools: Vec<(&str, Argv)> = Vec::new();
    for one in volumes {
        let pool = one.name.pool();
        match pools.iter_mut().find(|(name, _)| *name == pool) {
            Some((_, argv)) => argv.args.push(one.snapshot.clone()),
            None => pools.push((pool, Argv::new("zfs").arg("snapshot").arg(&one.snapshot))),
        }
    }
    pools.into_iter().map(|(_, argv)| argv).collect()
}

/// What the second file of one is called, behind which there is the number of this process: beside what a link leads to.
fn second(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}{RECORD}", files::target(path).display()))
}

fn reflink(path: &Path) -> Result<NewFile, Fault> {
    NewFile::of(path, &second(path), CopyWay::Reflink, &mut |_| true)
}

/// Copies the variables of a firmware, which are small and seldom written, until the copy is what they are afterwards, too.
fn settled(path: &Path, are_same: &dyn Fn(&Path, &Path) -> bool) -> Result<NewFile, Fault> {
    for _ in 0..READINGS {
        let copy = NewFile::of(path, &second(path), CopyWay::Data, &mut |_| true)?;
        if are_same(path, copy.path()) {
            return Ok(copy);
        }
    }
    let fault = Fault::busy(format!("{} is written all the time", path.display()));
    Err(fault.hint("its guest changes the variables of its firmware now: export it in a moment"))
}

fn are_same(one: &Path, other: &Path) -> bool {
    let (one, other) = (files::read_bytes(one), files::read_bytes(other));
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

/// Takes something away, and returns the command where it is refused.
fn away(host: &System, argv: &Argv) -> Result<(), String> {
    let began = Instant::now();
    loop {
        match run(argv) {
            Ok(_) => return Ok(()),
            // libzfs_util.c, zfs_standard_error: EBUSY.
            Err(fault) if fault.message.contains("dataset is busy") && began.elapsed() < BUSY => {
                host.processes().pause()
            }
            Err(fault) => return Err(fault.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_never_settle_are_told_and_no_copy_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.vars");
        crate::host::library_tree::put(&path, b"variables").unwrap();
        let fault = settled(&path, &|_, _| false).unwrap_err();
        assert_eq!(fault.message, format!("{} is written all the time", path.display()));
        assert_eq!(
            fault.hint.as_deref(),
            Some("its guest changes the variables of its firmware now: export it in a moment")
        );
        assert_eq!(files::names(folder.path()), ["web.vars"]);
        assert!(are_same(&path, settled(&path, &are_same).unwrap().path()));
    }
}

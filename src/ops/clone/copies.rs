//! The disks of a clone, and how they are made: of a volume a clone of a snapshot, of a file a reflink or a copy, and what the recipe
//! writes itself is written anew. Nothing has its name before all of it is whole.

use super::{TAG, list};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::disks::DiskChange;
use crate::host::files::beside;
use crate::host::reflink::{CopyWay, NewFile, against_room, has_reflinks};
use crate::host::volumes;
use crate::host::{Effect, Host, Platform, commands, files, host_key, snapshots};
use crate::image::{GuestKey, Seed};
use crate::model::snapshot::SnapshotName;
use crate::model::volume::{DiskPlace, VolumeName};
use crate::model::{Argv, VmName};
use crate::ops::machine_disks::{MachineDisk, MachineDisks};
use crate::supervise::holds::Hold;
use crate::supervise::journal::{self, Work};
use std::path::{Path, PathBuf};

/// What happens while a machine is cloned.
pub(crate) enum CloneEvent<'a> {
    /// A file was copied, to where, so far as that many bytes of its data.
    Copied(&'a Path, u64),
    /// A disk is there: where, and of what it is.
    Made(String, String),
}

/// Who hears of it.
pub(crate) type Listener<'a> = &'a mut dyn FnMut(&CloneEvent<'_>);

/// What is to be made.
pub(super) struct Copies {
    volumes: Vec<VolumeCopy>,
    files: Vec<FileCopy>,
    written: Vec<(PathBuf, Effect)>,
    /// Snapshots that a clone has left which was cut off.
    stale: Vec<String>,
    tag: SnapshotName,
    platform: Platform,
}

struct VolumeCopy {
    from: VolumeName,
    to: VolumeName,
    device: PathBuf,
}

struct FileCopy {
    from: PathBuf,
    to: PathBuf,
    way: CopyWay,
}

impl Copies {
    /// Pairs the disks of a machine with those of its clone, and checks that each can be made.
    pub(super) fn of(
        host: &dyn Host,
        (machine, name): (&MachineDisks, &VmName),
        (disks, vars): (&[MachineDisk], Option<PathBuf>),
        written: &[(PathBuf, Effect)],
        runs: bool,
    ) -> Result<Self, Fault> {
        let tag = SnapshotName::of_tag(&format!("{TAG}{name}"))?;
        let (volumes, files, platform) = (Vec::new(), Vec::new(), host.settings().platform);
        let mut copies = Self { volumes, files, written: Vec::new(), stale: Vec::new(), tag, platform };
        let plug = |disk: &MachineDisk| (disk.slot, disk.port);
        if !machine.disks.iter().map(plug).eq(disks.iter().map(plug)) {
            let fault = Fault::new(format!("{name} would have other disks than {}", machine.name()));
            return Err(fault.hint("does the recipe choose disks by the machine's name?"));
        }
        for (old, new) in machine.disks.iter().zip(disks) {
            copies.disk(host, old, new, written)?;
        }
        if let Some((from, to)) = machine.vars.clone().zip(vars).filter(|(from, _)| host.file(from).is_some()) {
            copies.file(host, from, to)?;
        }
        copies.keys(host, written)?;
        copies.against_copying(machine, runs)?;
        let plain = copies.files.iter().filter(|one| one.way == CopyWay::Data);
        against_room(plain.map(|one| (one.from.as_path(), one.to.as_path())))?;
        Ok(copies)
    }

    fn disk(
        &mut self,
        host: &dyn Host,
        old: &MachineDisk,
        new: &MachineDisk,
        written: &[(PathBuf, Effect)],
    ) -> Result<(), Fault> {
        let (from, to) = (old.place.path(), new.place.path());
        let own = written.iter().find(|(path, _)| path == to);
        match (&old.place, &new.place) {
            _ if from == to && old.only_reads => Ok(()),
            _ if from == to => {
                let fault = Fault::new(format!("both machines would have {}", to.display()));
                Err(fault.hint("a device is one machine's alone: clone without it, and give the clone another"))
            }
            (_, DiskPlace::File(path)) if own.is_some() => {
                against_file(host, path)?;
                self.written.extend(own.cloned());
                Ok(())
            }
            (DiskPlace::Volume(from, _), DiskPlace::Volume(to, device)) => self.volume(host, from, to, device),
            (DiskPlace::File(from), DiskPlace::File(to)) => self.file(host, from.clone(), to.clone()),
            _ => {
                let fault =
                    Fault::new(format!("{} would become {}, which is no copy of it", from.display(), to.display()));
                Err(fault.hint(match &old.place {
                    DiskPlace::Device(_) => {
                        "a device is copied by what provides it: clone without it, and give the clone another"
                    }
                    DiskPlace::File(_) | DiskPlace::Volume(..) => {
                        "a volume is cloned as a volume, and a file as a file"
                    }
                }))
            }
        }
    }

    /// Takes in the host keys that the recipe makes: another machine is known by another one. Seeds have them in them.
    fn keys(&mut self, host: &dyn Host, written: &[(PathBuf, Effect)]) -> Result<(), Fault> {
        let is_key = |(_, effect): &&(PathBuf, Effect)| matches!(effect, Effect::MakeHostKey(_));
        let keys: Vec<_> = written.iter().filter(is_key).cloned().collect();
        for (path, _) in &keys {
            against_file(host, path)?;
            against_file(host, &host_key::public_path(path))?;
        }
        self.written.splice(..0, keys);
        Ok(())
    }

    fn volume(&mut self, host: &dyn Host, from: &VolumeName, to: &VolumeName, device: &Path) -> Result<(), Fault> {
        if volumes::volume(host, from)?.is_none() {
            return Err(missing(from.as_str()));
        }
        if from.pool() != to.pool() {
            let fault = Fault::new(format!("{from} and {to} are in two pools, and zfs clones within one"));
            return Err(fault.hint("`zfs send` and `zfs receive` make a copy in another pool"));
        }
        if volumes::volume(host, to)?.is_some() {
            let fault = Fault::host(format!("{to} is there already"));
            let hint = "choose another name; if a clone that was cut off has left it";
            return Err(fault.hint(format!("{hint}: zfs destroy {to}")));
        }
        volumes::parent(host, to)?;
        let snapshot = self.tag.of_volume(from);
        if let Some(there) = snapshots::of_volume(host, from)?.into_iter().find(|one| one.name == self.tag) {
            if let [clone, ..] = there.clones.as_slice() {
                let fault = Fault::host(format!("{clone} is a clone of {snapshot} already"));
                return Err(fault.hint(format!("choose another name; if nobody needs it: zfs destroy {clone}")));
            }
            self.stale.push(snapshot);
        }
        self.volumes.push(VolumeCopy { from: from.clone(), to: to.clone(), device: device.into() });
        Ok(())
    }

    fn file(&mut self, host: &dyn Host, from: PathBuf, to: PathBuf) -> Result<(), Fault> {
        if host.file(&from).is_none_or(|fact| fact.is_folder) {
            return Err(missing(&from.display().to_string()));
        }
        against_file(host, &to)?;
        let is_one_folder = from.parent() == to.parent();
        let way = if is_one_folder && has_reflinks(&from)? { CopyWay::Reflink } else { CopyWay::Data };
        self.files.push(FileCopy { from, to, way });
        Ok(())
    }

    /// What a guest writes to cannot be copied piece by piece.
    fn against_copying(&self, machine: &MachineDisks, runs: bool) -> Result<(), Fault> {
        let copied: Vec<PathBuf> =
            self.files.iter().filter(|one| one.way == CopyWay::Data).map(|one| one.from.clone()).collect();
        if !runs || copied.is_empty() {
            return Ok(());
        }
        let name = machine.name();
        let fault = Fault::host(format!("{name} runs, and {} would be copied while it writes", list(&copied)));
        Err(fault
            .hint(format!("`vmrun stop {name}` stops it; volumes, and files with reflinks, are cloned while it runs")))
    }

    /// Returns the files that are copied.
    pub(super) fn sources(&self) -> Vec<PathBuf> {
        self.files.iter().map(|one| one.from.clone()).collect()
    }

    /// Returns the commands that do the same.
    pub(super) fn commands(&self) -> Vec<String> {
        let stale = self.stale.iter().map(|name| destroy(name)).chain(self.snapshots()).map(|argv| argv.to_string());
        let copy = |one: &FileCopy| {
            let argv = match self.platform {
                Platform::Linux => Argv::new("cp").args(["-p", "--reflink=auto", "--sparse=always"]),
                Platform::FreeBsd => Argv::new("cp").arg("-p"),
            };
            argv.arg(one.from.display()).arg(one.to.display()).to_string()
        };
        let cloned = |one: &VolumeCopy| {
            commands::commands(self.platform, None, &self.change(one)).into_iter().map(|step| step.to_string())
        };
        let written = self.written.iter().flat_map(|(_, effect)| commands::commands(self.platform, None, effect));
        stale
            .chain(self.files.iter().map(copy))
            .chain(self.volumes.iter().flat_map(cloned))
            .chain(written.map(|step| step.to_string()))
            .collect()
    }

    /// All of a pool at one moment (zfs-snapshot(8)).
    fn snapshots(&self) -> Vec<Argv> {
        let mut pools: Vec<&str> = self.volumes.iter().map(|one| one.from.pool()).collect();
        pools.dedup();
        let of_pool = |pool: &str| {
            let own = self.volumes.iter().filter(|one| one.from.pool() == pool);
            Argv::new("zfs").arg("snapshot").args(own.map(|one| self.tag.of_volume(&one.from)))
        };
        pools.into_iter().map(of_pool).collect()
    }

    fn change(&self, one: &VolumeCopy) -> Effect {
        let (name, device) = (one.to.clone(), one.device.clone());
        Effect::Disk(Box::new(DiskChange::CloneVolume { name, device, origin: self.tag.of_volume(&one.from) }))
    }

    /// What there may be of it without its names when it is cut off.
    fn halves(&self) -> Vec<Hold> {
        let volumes = self.volumes.iter().map(|one| Hold::Effect(self.change(one)));
        let files = self.files.iter().map(|one| &one.to).chain(self.written.iter().map(|(path, _)| path));
        let keys = self.written.iter().filter(|(_, effect)| matches!(effect, Effect::MakeHostKey(_)));
        let keys = keys.map(|(path, _)| Hold::Temporary(host_key::public_path(&beside(path))));
        volumes.chain(files.map(|path| Hold::Temporary(beside(path)))).chain(keys).collect()
    }

    /// Makes all of it; what takes long has no name until the end.
    pub(super) fn make(&self, host: &mut dyn Host, made: &mut Made, listener: Listener<'_>) -> Result<(), Fault> {
        made.note(host, self.halves())?;
        self.stale.iter().try_for_each(|name| host.perform(&Effect::Run(destroy(name))).map(drop))?;
        for argv in self.snapshots() {
            host.perform(&Effect::Run(argv.clone()))?;
            made.all.extend(argv.args.into_iter().skip(1).map(Thing::Snapshot));
        }
        let mut new = Vec::new();
        for one in &self.files {
            let mut copied = |done| {
                listener(&CloneEvent::Copied(&one.to, done));
                !host.stop_asked()
            };
            new.push((one, NewFile::of(&one.from, &one.to, one.way, &mut copied)?));
        }
        for one in &self.volumes {
            made.all.push(Thing::Volume(one.to.clone(), one.device.clone()));
            host.perform(&self.change(one)).inspect_err(|_| drop(made.all.pop()))?;
            listener(&CloneEvent::Made(one.to.to_string(), format!("cloned of {}", self.tag.of_volume(&one.from))));
        }
        for (one, file) in new {
            file.name()?;
            made.file(host, &one.to)?;
            let how = if one.way == CopyWay::Reflink { "a reflink" } else { "a copy" };
            listener(&CloneEvent::Made(one.to.display().to_string(), format!("{how} of {}", one.from.display())));
        }
        for (path, effect) in &self.written {
            let public = matches!(effect, Effect::MakeHostKey(_)).then(|| host_key::public_path(path));
            if let Some(public) = &public {
                // It has its name first, and for a moment alone.
                made.note(host, vec![Hold::Temporary(public.clone())])?;
            }
            host.perform(&with_key(host, effect)?)?;
            made.file(host, path)?;
            made.all.extend(public.map(Thing::File));
            listener(&CloneEvent::Made(path.display().to_string(), "made by the recipe".into()));
        }
        Ok(())
    }
}

/// Returns what writes a seed with the key that was made for it: when the recipe was rehearsed there was none.
fn with_key(host: &dyn Host, effect: &Effect) -> Result<Effect, Fault> {
    let mut effect = effect.clone();
    if let Effect::WriteImage { image, .. } = &mut effect
        && let Some(seed) = image.seed()
        && let Some(key) = &seed.host_key
    {
        let (private, public) = (host_key::private(host, &key.path)?, host_key::public(host, &key.path)?);
        let host_key = Some(GuestKey { path: key.path.clone(), private, public });
        *image = Seed { host_key, ..seed.clone() }.build()?.into();
    }
    Ok(effect)
}

fn destroy(name: &str) -> Argv {
    Argv::new("zfs").arg("destroy").arg(name)
}

fn missing(what: &str) -> Fault {
    Fault::host(format!("the disk {what} is not there")).hint("start its machine with --init first")
}

/// Refuses a file that is there, and one whose folder is not.
fn against_file(host: &dyn Host, path: &Path) -> Result<(), Fault> {
    if host.file(path).is_some() || files::is_link(path) {
        let fault = Fault::host(format!("{} is there already", path.display()));
        return Err(fault.hint("choose another name, or remove it if nobody needs it"));
    }
    let folder = path.parent().filter(|folder| !files::is_folder(folder));
    folder.map_or(Ok(()), |folder| {
        let fault = Fault::host(format!("the folder {} is not there", folder.display()));
        Err(fault.hint(Argv::new("mkdir").arg("-p").arg(folder.display()).to_string()))
    })
}

/// What was made of a clone by now. Its journal has it too, so that `vmrun gc` takes away what a clone leaves that is killed.
pub(super) struct Made {
    name: VmName,
    /// The first line of the journal, until it is written.
    begins: String,
    all: Vec<Thing>,
    noted: Vec<Hold>,
}

/// A part of it.
enum Thing {
    Snapshot(String),
    Volume(VolumeName, PathBuf),
    File(PathBuf),
}

impl Made {
    /// Begins with nothing, in the journal of the clone of a machine.
    pub(super) fn of(name: VmName, source: &VmName) -> Self {
        let begins = journal::of_work(&Work::Clone(source.clone()));
        Self { name, begins, all: Vec::new(), noted: Vec::new() }
    }

    fn note(&mut self, host: &mut dyn Host, holds: Vec<Hold>) -> Result<(), Fault> {
        let taken = holds.iter().map(journal::taken);
        let lines: String = std::iter::once(std::mem::take(&mut self.begins)).chain(taken).collect();
        self.noted.extend(holds);
        host.store_mut().note(&self.name, &lines, true)
    }

    /// Notes a file as soon as it has its name: before, it may be somebody else's.
    fn file(&mut self, host: &mut dyn Host, path: &Path) -> Result<(), Fault> {
        self.all.push(Thing::File(path.into()));
        self.note(host, vec![Hold::Temporary(path.into())])
    }

    /// Says that all of it is there to stay.
    pub(super) fn settle(&mut self, host: &mut dyn Host) -> Result<(), Fault> {
        let lines: String = self.noted.drain(..).map(|hold| journal::given_back(&hold)).collect();
        host.store_mut().note(&self.name, &lines, true)?;
        host.store_mut().tidy(&self.name, false)
    }

    /// Takes it away again, the last part first, and returns the fault with what could not be.
    pub(super) fn take_back(self, host: &mut dyn Host, fault: Fault) -> Fault {
        let mut left = Vec::new();
        for thing in self.all.into_iter().rev() {
            let (argv, done) = match thing {
                Thing::Snapshot(name) => {
                    let argv = destroy(&name);
                    (argv.clone(), host.perform(&Effect::Run(argv)).map(drop))
                }
                Thing::Volume(name, device) => {
                    let argv = destroy(name.as_str());
                    (argv, host.perform(&Effect::Disk(Box::new(DiskChange::DestroyVolume { name, device }))).map(drop))
                }
                Thing::File(path) => (Argv::new("rm").arg(path.display()), host.remove(&path)),
            };
            left.extend(done.err().map(|_| argv.to_string()));
        }
        // What could not be removed the journal has still.
        host.store_mut().tidy(&self.name, !left.is_empty()).may_fail("the fault that matters is why there is no clone");
        if left.is_empty() {
            fault
        } else {
            fault.hint(format!("what was made could not be removed again: {}", left.join("; ")))
        }
    }
}

//! Disks as they are made, grown and taken away again, wherever they live: zfs(8) for volumes, truncate(1) for files, and what a host
//! says of a volume.

use super::files::{io_fault, remove, truncate};
pub(crate) use super::fill::Filling;
use super::{FileFact, Host};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::volume::{Encryption, Volume, VolumeName};
use crate::model::{Argv, Size};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

/// A change of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DiskChange {
    /// A file is made, sparse; never in the place of one.
    MakeFile {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: Size,
    },
    /// A file gets another size; nobody's data is cut off by it.
    ResizeFile {
        /// The file.
        path: PathBuf,
        /// Its size afterwards.
        size: Size,
    },
    /// A file goes, unless there is something in it by now.
    RemoveFile(PathBuf),
    /// A volume is made.
    MakeVolume {
        /// What it is.
        volume: Volume,
        /// Its device.
        device: PathBuf,
    },
    /// A volume gets a larger size.
    GrowVolume {
        /// The volume.
        name: VolumeName,
        /// Its device.
        device: PathBuf,
        /// Its size afterwards.
        size: Size,
    },
    /// A volume goes. zfs(8) refuses it where something hangs on it, and where it is open.
    DestroyVolume {
        /// The volume.
        name: VolumeName,
        /// Its device.
        device: PathBuf,
    },
    /// A disk gets what is in an image.
    Fill(Filling),
}

impl DiskChange {
    /// Returns the path by which a machine has the disk.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::MakeFile { path, .. } | Self::ResizeFile { path, .. } | Self::RemoveFile(path) => path,
            Self::MakeVolume { device, .. } | Self::GrowVolume { device, .. } | Self::DestroyVolume { device, .. } => {
                device
            }
            Self::Fill(filling) => &filling.path,
        }
    }

    /// Returns the file that it replaces as a whole.
    pub(crate) fn replaced(&self) -> Option<&Path> {
        let Self::Fill(filling) = self else { return None };
        filling.volume.is_none().then_some(filling.path.as_path())
    }

    /// Returns the size of a disk that it makes.
    pub(crate) const fn made_size(&self) -> Option<Size> {
        if let Self::MakeFile { size, .. } | Self::MakeVolume { volume: Volume { size, .. }, .. } = self {
            return Some(*size);
        }
        None
    }

    /// Returns the size that the disk has afterwards, where that is said.
    pub(crate) const fn size(&self) -> Option<Size> {
        match self {
            Self::MakeFile { size, .. }
            | Self::ResizeFile { size, .. }
            | Self::GrowVolume { size, .. }
            | Self::MakeVolume { volume: Volume { size, .. }, .. }
            | Self::Fill(Filling { size, .. }) => Some(*size),
            Self::RemoveFile(_) | Self::DestroyVolume { .. } => None,
        }
    }

    /// Has the disk get another size.
    pub(crate) const fn set_size(&mut self, new: Size) {
        match self {
            Self::MakeFile { size, .. }
            | Self::ResizeFile { size, .. }
            | Self::GrowVolume { size, .. }
            | Self::MakeVolume { volume: Volume { size, .. }, .. }
            | Self::Fill(Filling { size, .. }) => *size = new,
            Self::RemoveFile(_) | Self::DestroyVolume { .. } => {}
        }
    }

    /// Returns the volume that it is about.
    pub(crate) const fn volume(&self) -> Option<&VolumeName> {
        match self {
            Self::MakeVolume { volume: Volume { name, .. }, .. }
            | Self::GrowVolume { name, .. }
            | Self::DestroyVolume { name, .. } => Some(name),
            Self::Fill(filling) => filling.volume.as_ref(),
            Self::MakeFile { .. } | Self::ResizeFile { .. } | Self::RemoveFile(_) => None,
        }
    }

    /// Returns whether vmrun does it itself.
    pub(crate) const fn is_done_without_a_command(&self) -> bool {
        matches!(self, Self::MakeFile { .. } | Self::ResizeFile { .. } | Self::RemoveFile(_) | Self::Fill(_))
    }

    /// Returns whether there is a new disk afterwards, which is empty.
    pub(crate) const fn makes(&self) -> bool {
        matches!(self, Self::MakeFile { .. } | Self::MakeVolume { .. })
    }

    /// Returns it as commands that one would type.
    pub(crate) fn commands(&self) -> Vec<Argv> {
        let zfs = |word: &str| Argv::new("zfs").arg(word);
        vec![match self {
            Self::Fill(filling) => return filling.commands(),
            Self::MakeFile { path, size } | Self::ResizeFile { path, size } => {
                Argv::new("truncate").arg("-s").arg(size).arg(path.display())
            }
            Self::RemoveFile(path) => Argv::new("rm").arg(path.display()),
            Self::MakeVolume { volume, .. } => {
                let argv = if volume.is_sparse { zfs("create").arg("-s") } else { zfs("create") };
                let argv = volume.block.iter().fold(argv, |argv, block| argv.arg("-b").arg(block));
                // A device for the guest alone: the host does not look for partitions in it (zfsprops(7), volmode).
                let argv = argv.args(["-o", "volmode=dev"]);
                let compression = volume.compression.iter();
                let argv = compression.fold(argv, |argv, how| argv.arg("-o").arg(format!("compression={how}")));
                let argv = encryption(argv, volume.encryption.as_ref());
                argv.arg("-V").arg(volume.size).arg(&volume.name)
            }
            Self::GrowVolume { name, size, .. } => zfs("set").arg(format!("volsize={size}")).arg(name),
            Self::DestroyVolume { name, .. } => zfs("destroy").arg(name),
        }]
    }

    /// Returns what gives it back: what was made goes, and what was grown stays as it is.
    pub(crate) fn opposite(&self) -> Option<Self> {
        match self {
            Self::MakeFile { path, .. } => Some(Self::RemoveFile(path.clone())),
            Self::MakeVolume { volume, device } => {
                Some(Self::DestroyVolume { name: volume.name.clone(), device: device.clone() })
            }
            Self::Fill(Filling { volume: Some(name), path, is_of_the_run: true, .. }) => {
                Some(Self::DestroyVolume { name: name.clone(), device: path.clone() })
            }
            Self::Fill(_)
            | Self::ResizeFile { .. }
            | Self::RemoveFile(_)
            | Self::GrowVolume { .. }
            | Self::DestroyVolume { .. } => None,
        }
    }

    /// Does it, unless a command does.
    pub(super) fn perform(&self) -> Option<Result<(), Fault>> {
        match self {
            Self::MakeFile { path, size } => Some(make(path, *size)),
            Self::ResizeFile { path, size } => Some(truncate(path, *size)),
            Self::RemoveFile(path) if has_data(path) => Some(Ok(())),
            Self::RemoveFile(path) => Some(remove(path)),
            Self::Fill(filling) => Some(filling.perform()),
            Self::MakeVolume { .. } | Self::GrowVolume { .. } | Self::DestroyVolume { .. } => None,
        }
    }
}

/// How a volume is encrypted: where its key is, never the key.
fn encryption(argv: Argv, encryption: Option<&Encryption>) -> Argv {
    let Some(Encryption { cipher, key }) = encryption else { return argv };
    let argv = argv.arg("-o").arg(format!("encryption={cipher}"));
    let key =
        key.iter().flat_map(|key| [format!("keyformat={}", key.format), format!("keylocation={}", key.location())]);
    key.fold(argv, |argv, property| argv.arg("-o").arg(property))
}

fn has_data(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).is_ok_and(|meta| meta.blocks() > 0)
}

/// Makes a file where none is, of that size or not at all.
fn make(path: &Path, size: Size) -> Result<(), Fault> {
    let file = OpenOptions::new().create_new(true).write(true).open(path).map_err(io_fault("make", path))?;
    file.set_len(size.get()).map_err(io_fault("truncate", path)).inspect_err(|_| {
        remove(path).may_fail("the fault that matters is why it could not have its size");
    })
}

/// What is known of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VolumeFact {
    /// Its size.
    pub size: Size,
    /// Its blocks.
    pub block: Size,
    /// What is reserved for it.
    pub reserved: Size,
    /// How much it refers to.
    pub referenced: Size,
    /// Whether it is encrypted and nobody has loaded its key, so that no guest can have it (zfsprops(7), keystatus).
    pub is_locked: bool,
}

impl VolumeFact {
    /// Whether nothing is on it. What describes an untouched volume takes some tens of KiB; how many on which pool is not sure.
    pub(crate) const fn is_empty(&self) -> bool {
        self.referenced.get() < 1 << 20
    }
}

/// The question about a volume.
fn question(name: &str) -> Argv {
    Argv::new("zfs")
        .args(["get", "-Hp", "-o", "value", "type,volsize,volblocksize,refreservation,referenced,keystatus"])
        .arg(name)
}

/// Whether zfs(8) says that a dataset is not there (libzfs_util.c, zfs_standard_error).
fn is_missing(fault: &Fault) -> bool {
    fault.message.contains("dataset does not exist")
}

/// Returns what is known of a volume, or nothing if there is none of that name. Where the host cannot tell, that is an error.
pub(crate) fn volume(host: &dyn Host, name: &VolumeName) -> Result<Option<VolumeFact>, Fault> {
    let text = match host.query(&question(name.as_str())) {
        Ok(text) => text,
        Err(fault) if is_missing(&fault) => return Ok(None),
        Err(fault) => return Err(fault),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let number = |text: &str| text.parse().ok().map(Size::bytes);
    match lines.as_slice() {
        // A test of a recipe says nothing of it.
        [] => Ok(None),
        ["volume", size, block, reserved, referenced, key] => {
            Ok(number(size).zip(number(block)).map(|(size, block)| VolumeFact {
                size,
                block,
                reserved: number(reserved).unwrap_or(Size::bytes(0)),
                // What cannot be told counts as full.
                referenced: number(referenced).unwrap_or(Size::bytes(u64::MAX)),
                is_locked: *key == "unavailable",
            }))
        }
        [kind, ..] => Err(Fault::new(format!("{name} is a {kind}, and no volume")).hint("choose another name")),
    }
}

/// What is known of the filesystem in which a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParentFact {
    /// How much space it has for volumes, without what the rehearsal has reserved.
    pub free: Size,
    /// Whether it is encrypted, so that its volumes may have its key.
    pub is_encrypted: bool,
    /// Whether nobody has loaded that key.
    pub is_locked: bool,
}

/// Returns what is known of the filesystem in which a volume is; nothing where that cannot be told.
pub(crate) fn parent(host: &dyn Host, name: &VolumeName) -> Result<Option<ParentFact>, Fault> {
    let parent = name.parent();
    let properties = "type,available,encryption,keystatus";
    let argv = Argv::new("zfs").args(["get", "-Hp", "-o", "value", properties]).arg(parent);
    let text = host.query(&argv).map_err(|fault| {
        if !is_missing(&fault) {
            return fault;
        }
        let pool = name.pool();
        if parent == pool {
            return Fault::new(format!("there is no pool {pool}")).hint("zpool list shows those that there are");
        }
        Fault::new(format!("the filesystem {parent} is not there")).hint(format!("zfs create -p {parent}"))
    })?;
    match text.lines().map(str::trim).collect::<Vec<_>>().as_slice() {
        ["volume", ..] => {
            Err(Fault::new(format!("{parent} is a volume, and nothing can be below it")).hint("choose another name"))
        }
        [_, free, encryption, key] => {
            let promised = host.rehearsal().map_or(0, |rehearsal| rehearsal.promised(name.pool()));
            let fact = |free: u64| ParentFact {
                free: Size::bytes(free.saturating_sub(promised)),
                is_encrypted: !matches!(*encryption, "off" | "-"),
                is_locked: *key == "unavailable",
            };
            Ok(free.parse().ok().map(fact))
        }
        _ => Ok(None),
    }
}

/// What has become of volumes in a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Volumes {
    known: BTreeMap<String, VolumeFact>,
    /// How much more is reserved in each pool than before.
    promised: BTreeMap<String, u64>,
}

impl Volumes {
    /// Has a change; what a file is afterwards is said of its path.
    pub(crate) fn apply(&mut self, change: &DiskChange, files: &mut BTreeMap<PathBuf, FileFact>) {
        let mut file = |path: &Path, size: Option<Size>, has_data: bool| {
            files.insert(path.into(), FileFact { size, has_data, is_folder: false });
        };
        match change {
            DiskChange::MakeFile { path, size } => file(path, Some(*size), false),
            DiskChange::ResizeFile { path, size } => {
                let has_data = files.get(path).is_none_or(|fact| fact.has_data);
                files.insert(path.clone(), FileFact { size: Some(*size), has_data, is_folder: false });
            }
            DiskChange::MakeVolume { volume, device } => {
                file(device, None, true);
                let reserved = if volume.is_sparse { Size::bytes(0) } else { volume.size };
                let block = volume.block.unwrap_or(Size::bytes(16 << 10));
                self.promise(&volume.name, reserved.get());
                self.known.insert(
                    volume.name.to_string(),
                    VolumeFact { size: volume.size, block, reserved, referenced: Size::bytes(0), is_locked: false },
                );
            }
            DiskChange::GrowVolume { name, size, .. } => {
                let Some(mut fact) = self.known.get(name.as_str()).cloned() else { return };
                if fact.reserved == fact.size {
                    self.promise(name, size.get().saturating_sub(fact.size.get()));
                    fact.reserved = *size;
                }
                self.known.insert(name.to_string(), VolumeFact { size: *size, ..fact });
            }
            DiskChange::Fill(filling) => {
                let size = filling.volume.is_none().then_some(filling.size);
                file(&filling.path, size, true);
                let known = filling.volume.as_ref().and_then(|name| self.known.get_mut(name.as_str()));
                known.into_iter().for_each(|fact| fact.referenced = fact.size);
            }
            DiskChange::RemoveFile(path) => {
                files.remove(path);
            }
            DiskChange::DestroyVolume { name, device } => {
                files.remove(device);
                self.known.remove(name.as_str());
            }
        }
    }

    fn promise(&mut self, name: &VolumeName, more: u64) {
        *self.promised.entry(name.pool().into()).or_default() += more;
    }

    /// Takes in what is known of a volume that is going to be changed.
    pub(crate) fn take_in(&mut self, name: &VolumeName, fact: VolumeFact) {
        self.known.entry(name.to_string()).or_insert(fact);
    }

    /// Returns how much more is reserved in a pool than before, in bytes.
    pub(crate) fn promised(&self, pool: &str) -> u64 {
        self.promised.get(pool).copied().unwrap_or(0)
    }

    /// Answers a question about a volume that is known here.
    pub(crate) fn answer(&self, argv: &Argv) -> Option<String> {
        let name = argv.args.last().filter(|_| argv.program == "zfs")?;
        let fact = self.known.get(name).filter(|_| *argv == question(name))?;
        let numbers = [fact.size, fact.block, fact.reserved, fact.referenced].map(|size| format!("{}\n", size.get()));
        let key = if fact.is_locked { "unavailable" } else { "-" };
        Some(format!("volume\n{}{key}\n", numbers.concat()))
    }
}

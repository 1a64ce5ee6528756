//! What a host says of volumes of ZFS and of the filesystems that they are in, and what becomes of them in a world.

use super::disks::DiskChange;
use super::{FileFact, Host};
use crate::diag::Fault;
use crate::model::volume::VolumeName;
use crate::model::{Argv, Size};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// Returns the snapshot of which a volume is a clone; nothing if it is none, or not there.
pub(crate) fn origin(host: &dyn Host, name: &VolumeName) -> Option<String> {
    let argv = Argv::new("zfs").args(["get", "-Hp", "-o", "value", "origin"]).arg(name);
    host.query(&argv).ok().map(|text| text.trim().to_string()).filter(|origin| origin.contains('@'))
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

/// The fault of a dataset whose key nobody has loaded.
pub(crate) fn locked(name: &str) -> Fault {
    Fault::host(format!("the key of {name} is not loaded")).hint(Argv::new("zfs").args(["load-key", name]).to_string())
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
            files.insert(path.into(), FileFact { size, has_data, is_folder: false, device: None });
        };
        match change {
            DiskChange::MakeFile { path, size } => file(path, Some(*size), false),
            DiskChange::ResizeFile { path, size } => {
                let has_data = files.get(path).is_none_or(|fact| fact.has_data);
                files.insert(path.clone(), FileFact { size: Some(*size), has_data, is_folder: false, device: None });
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
            DiskChange::RemoveFile { path, .. } => {
                files.remove(path);
            }
            // How large it is only its snapshot says.
            DiskChange::CloneVolume { device, .. } => file(device, None, true),
            DiskChange::KeepVolumes { .. } | DiskChange::KeepFiles { .. } => {}
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

//! Disks as they are made, grown and taken away again, wherever they live: zfs(8) for volumes, truncate(1) for files.

use super::files::{io_fault, remove, truncate};
pub(crate) use super::fill::Filling;
use super::reflink::{self, CopyWay, NewFile};
use super::snapshots;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::snapshot::SnapshotName;
use crate::model::volume::{Encryption, Volume, VolumeName};
use crate::model::{Argv, Size};
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
    /// A file goes, unless there is something in it by now that nobody expects there.
    RemoveFile {
        /// The file.
        path: PathBuf,
        /// Whether the run has filled it, so that what is in it is of an image.
        is_filled: bool,
    },
    /// A volume is made.
    MakeVolume {
        /// What it is.
        volume: Volume,
        /// Its device.
        device: PathBuf,
    },
    /// A volume is made as a clone of a snapshot, with what is in that.
    CloneVolume {
        /// The volume.
        name: VolumeName,
        /// Its device.
        device: PathBuf,
        /// The snapshot, as zfs(8) knows it.
        origin: String,
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
    /// What is on volumes of one pool is kept in snapshots of one moment, which stay.
    KeepVolumes {
        /// The name of the snapshots.
        snapshot: SnapshotName,
        /// The volumes.
        volumes: Vec<VolumeName>,
        /// The device of the first of them.
        device: PathBuf,
    },
    /// What is on files is kept in second ones that share their blocks, which stay: of all of them, or of none.
    KeepFiles {
        /// The name of the snapshots.
        snapshot: SnapshotName,
        /// The files, of which there is one at least.
        files: Vec<PathBuf>,
    },
    /// A disk gets what is in an image.
    Fill(Filling),
}

impl DiskChange {
    /// Returns the path by which a machine has the disk.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::MakeFile { path, .. } | Self::ResizeFile { path, .. } | Self::RemoveFile { path, .. } => path,
            Self::MakeVolume { device, .. }
            | Self::CloneVolume { device, .. }
            | Self::GrowVolume { device, .. }
            | Self::DestroyVolume { device, .. }
            | Self::KeepVolumes { device, .. } => device,
            Self::KeepFiles { files, .. } => files.first().map_or(Path::new(""), PathBuf::as_path),
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
            Self::RemoveFile { .. }
            | Self::CloneVolume { .. }
            | Self::DestroyVolume { .. }
            | Self::KeepFiles { .. }
            | Self::KeepVolumes { .. } => None,
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
            Self::RemoveFile { .. }
            | Self::CloneVolume { .. }
            | Self::DestroyVolume { .. }
            | Self::KeepFiles { .. }
            | Self::KeepVolumes { .. } => {}
        }
    }

    /// Returns the volume that it is about.
    pub(crate) fn volume(&self) -> Option<&VolumeName> {
        match self {
            Self::MakeVolume { volume: Volume { name, .. }, .. }
            | Self::CloneVolume { name, .. }
            | Self::GrowVolume { name, .. }
            | Self::DestroyVolume { name, .. } => Some(name),
            Self::Fill(filling) => filling.volume.as_ref(),
            Self::KeepVolumes { volumes, .. } => volumes.first(),
            Self::MakeFile { .. } | Self::ResizeFile { .. } | Self::RemoveFile { .. } | Self::KeepFiles { .. } => None,
        }
    }

    /// Returns whether vmrun does it itself.
    pub(crate) const fn is_done_without_a_command(&self) -> bool {
        match self {
            Self::MakeFile { .. }
            | Self::ResizeFile { .. }
            | Self::RemoveFile { .. }
            | Self::KeepFiles { .. }
            | Self::Fill(_) => true,
            Self::MakeVolume { .. }
            | Self::CloneVolume { .. }
            | Self::GrowVolume { .. }
            | Self::DestroyVolume { .. }
            | Self::KeepVolumes { .. } => false,
        }
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
            Self::KeepFiles { snapshot, files } => {
                return files.iter().map(|file| reflink::command(file, &snapshot.of_file(file))).collect();
            }
            Self::MakeFile { path, size } | Self::ResizeFile { path, size } => {
                Argv::new("truncate").arg("-s").arg(size).arg(path.display())
            }
            Self::RemoveFile { path, .. } => Argv::new("rm").arg(path.display()),
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
            Self::CloneVolume { name, origin, .. } => zfs("clone").args(["-o", "volmode=dev"]).arg(origin).arg(name),
            Self::GrowVolume { name, size, .. } => zfs("set").arg(format!("volsize={size}")).arg(name),
            Self::DestroyVolume { name, .. } => zfs("destroy").arg(name),
            Self::KeepVolumes { snapshot, volumes, .. } => {
                zfs("snapshot").args(volumes.iter().map(|volume| snapshot.of_volume(volume)))
            }
        }]
    }

    /// Returns what gives it back: what was made goes, and what was grown stays as it is.
    pub(crate) fn opposite(&self) -> Option<Self> {
        match self {
            Self::MakeFile { path, .. } => Some(Self::RemoveFile { path: path.clone(), is_filled: false }),
            Self::MakeVolume { volume, device } => {
                Some(Self::DestroyVolume { name: volume.name.clone(), device: device.clone() })
            }
            Self::CloneVolume { name, device, .. } => {
                Some(Self::DestroyVolume { name: name.clone(), device: device.clone() })
            }
            Self::Fill(Filling { volume: Some(name), path, is_of_the_run: true, .. }) => {
                Some(Self::DestroyVolume { name: name.clone(), device: path.clone() })
            }
            Self::Fill(Filling { volume: None, path, is_of_the_run: true, .. }) => {
                Some(Self::RemoveFile { path: path.clone(), is_filled: true })
            }
            Self::Fill(_)
            | Self::ResizeFile { .. }
            | Self::RemoveFile { .. }
            | Self::GrowVolume { .. }
            | Self::KeepVolumes { .. }
            | Self::KeepFiles { .. }
            | Self::DestroyVolume { .. } => None,
        }
    }

    /// Does it, unless a command does.
    pub(super) fn perform(&self) -> Option<Result<(), Fault>> {
        match self {
            Self::MakeFile { path, size } => Some(make(path, *size)),
            Self::ResizeFile { path, size } => Some(truncate(path, *size)),
            Self::RemoveFile { path, is_filled: false } if has_data(path) => Some(Ok(())),
            Self::RemoveFile { path, .. } => Some(remove(path)),
            Self::Fill(filling) => Some(filling.perform()),
            Self::KeepFiles { snapshot, files } => Some(keep(snapshot, files)),
            Self::MakeVolume { .. }
            | Self::CloneVolume { .. }
            | Self::GrowVolume { .. }
            | Self::DestroyVolume { .. }
            | Self::KeepVolumes { .. } => None,
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

/// Keeps files in second ones. They get their names last: until then what is made of them goes by itself.
fn keep(snapshot: &SnapshotName, files: &[PathBuf]) -> Result<(), Fault> {
    let new = |file: &PathBuf| {
        snapshots::clear_halves(file)?;
        NewFile::of(file, &snapshot.of_file(file), CopyWay::Reflink, &mut |_| true)
    };
    let made: Vec<NewFile> = files.iter().map(new).collect::<Result<_, Fault>>()?;
    for (at, made) in made.into_iter().enumerate() {
        made.name().inspect_err(|_| {
            let named = files.iter().take(at).map(|file| snapshots::remove_file(&snapshot.of_file(file)));
            named.for_each(|gone| {
                gone.may_fail("`vmrun snapshots` tells that it is not whole, and it can be removed by that")
            });
        })?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_files_cannot_be_kept_in_reflinks_that_is_said_and_nothing_is_left() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let files: Vec<PathBuf> = ["a.img", "b.img"].map(|name| folder.path().join(name)).into();
        for file in &files {
            crate::host::library_tree::put(file, b"data").unwrap();
        }
        let snapshot = SnapshotName::of_tag("before-init").unwrap();
        let change = DiskChange::KeepFiles { snapshot, files: files.clone() };
        let commands: Vec<String> = change.commands().iter().map(Argv::to_string).collect();
        let of = |file: &PathBuf| {
            format!("cp --preserve=mode,ownership --reflink=always {0} {0}@vmrun-before-init", file.display())
        };
        assert_eq!(commands, files.iter().map(of).collect::<Vec<_>>());
        let said = change.perform().unwrap().unwrap_err();
        assert_eq!(said.message, format!("the file system of {} has no reflinks", files[0].display()));
        assert_eq!(crate::host::files::names(folder.path()), ["a.img", "b.img"]);
    }
}

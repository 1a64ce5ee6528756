//! Files and devices that are read as disks.

use super::{io_fault, no_disk};
use crate::diag::Fault;
use crate::image::Disk;
use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// A file that is read as a disk.
pub(crate) struct DiskFile {
    file: File,
    path: PathBuf,
    size: u64,
}

impl DiskFile {
    /// Opens it, for reading only.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        if let Some(error) = no_disk(path) {
            return Err(io_fault("read", path)(error));
        }
        let mut file = File::open(path).map_err(io_fault("read", path))?;
        // A block device has no size but where it ends.
        let size = file.seek(SeekFrom::End(0)).map_err(io_fault("read", path))?;
        Ok(Self { file, path: path.into(), size })
    }
}

impl Disk for DiskFile {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), Fault> {
        self.file.read_exact_at(into, at).map_err(io_fault("read", &self.path))
    }
}

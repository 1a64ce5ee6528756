//! What of a disk is no hole, as the file system knows it; a device has none.

use super::files::io_fault;
use super::fill::data_from;
use crate::diag::Fault;
use crate::image::archive::{BLOCK, WINDOW};
use nix::fcntl::OFlag;
use nix::unistd::{Whence, lseek};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A disk that is read.
#[derive(Debug)]
pub(crate) struct SparseDisk {
    file: File,
    /// Its file, or its device.
    pub(crate) path: PathBuf,
    /// Its size, in bytes.
    pub(crate) size: u64,
}

impl SparseDisk {
    /// Opens a file or a device, and nothing else.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let cannot = || io_fault("read", path);
        let kind = std::fs::metadata(path).map_err(cannot())?.file_type();
        if !(kind.is_file() || kind.is_block_device() || kind.is_char_device()) {
            return Err(cannot()(io::Error::new(io::ErrorKind::InvalidInput, "it is neither a file nor a disk")));
        }
        let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path);
        let mut file = file.map_err(cannot())?;
        // A block device has no size but where it ends.
        let size = file.seek(SeekFrom::End(0)).map_err(cannot())?;
        Ok(Self { file, path: path.into(), size })
    }

    /// Returns how much of it is in blocks that are not all hole, in bytes.
    pub(crate) fn used(&self) -> u64 {
        let (mut used, mut at, block) = (0, 0, BLOCK as u64);
        while at < self.size {
            let Some(data) = data_from(&self.file, at) else { return self.size };
            // What is before was counted with its block.
            let begin = (data / block * block).max(at);
            let end = self.hole_from(data).next_multiple_of(block).min(self.size);
            if data >= self.size || end <= begin {
                break;
            }
            used += end - begin;
            at = end;
        }
        used
    }

    /// Where the next hole is.
    fn hole_from(&self, at: u64) -> u64 {
        let found = i64::try_from(at).map(|at| lseek(&self.file, at, Whence::SeekHole));
        match found {
            Ok(Ok(found)) => u64::try_from(found).unwrap_or(self.size),
            // What does not know its holes has none.
            Ok(Err(_)) | Err(_) => self.size,
        }
    }

    /// Reads the next window with data, from a byte on at which one begins; returns where it is, or nothing at the end.
    pub(crate) fn window(&self, from: u64, into: &mut Vec<u8>) -> Result<Option<u64>, Fault> {
        let window = WINDOW as u64;
        let at = data_from(&self.file, from).map_or(from, |data| (data / window * window).max(from));
        if at >= self.size {
            return Ok(None);
        }
        let length = usize::try_from(self.size - at).unwrap_or(WINDOW).min(WINDOW);
        into.resize(length, 0);
        self.file.read_exact_at(into, at).map_err(io_fault("read", &self.path))?;
        Ok(Some(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.img");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let far = 1 << 39;
        file.write_all_at(&[1; 10], far + 5000).unwrap();
        let disk = SparseDisk::open(&path).unwrap();
        let mut window = Vec::new();
        assert_eq!((disk.size, disk.used()), (1 << 40, BLOCK as u64));
        assert_eq!(disk.window(0, &mut window).unwrap(), Some(far));
        assert_eq!((window.len(), window[4999], window[5000]), (WINDOW, 0, 1));
        assert_eq!(disk.window(far + WINDOW as u64, &mut window).unwrap(), None);
        file.set_len(100).unwrap();
        file.write_all_at(&[1; 100], 0).unwrap();
        let disk = SparseDisk::open(&path).unwrap();
        assert_eq!((disk.window(0, &mut window).unwrap(), window.len(), disk.used()), (Some(0), 100, 100));
        assert!(SparseDisk::open(folder.path()).is_err());
    }
}

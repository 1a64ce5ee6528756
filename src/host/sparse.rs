//! What of a disk is no hole, as the file system knows it; a device has none.

use super::files::io_fault;
use super::fill::data_from;
use crate::diag::Fault;
use crate::image::archive::{BLOCK, WINDOW};
use nix::fcntl::OFlag;
use nix::unistd::{Whence, lseek};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
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

    /// Returns the permissions of a file, as bits for its owner, its group and others; nothing of a device.
    pub(crate) fn permissions(&self) -> Option<u32> {
        let meta = self.file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Some(meta.permissions().mode() & 0o777)
    }

    /// Returns how much of it is in blocks that are not all hole, in bytes.
    pub(crate) fn used(&self) -> u64 {
        let (mut used, mut at) = (0, 0);
        while let Some(begin) = self.data_block(at) {
            at = self.run_end(begin, self.size);
            used += at - begin;
        }
        used
    }

    /// Where the next block begins that is not all hole, from the beginning of one on.
    fn data_block(&self, from: u64) -> Option<u64> {
        // What does not know its holes has none.
        let data = Some(data_from(&self.file, from).unwrap_or(from)).filter(|data| *data < self.size);
        data.map(|data| (data / BLOCK as u64 * BLOCK as u64).max(from))
    }

    /// Where such blocks end that follow each other.
    fn run_end(&self, begin: u64, most: u64) -> u64 {
        let mut end = begin;
        while end < most && self.data_block(end) == Some(end) {
            let data = data_from(&self.file, end).unwrap_or(end);
            end = self.hole_from(data).max(end + 1).next_multiple_of(BLOCK as u64).min(most);
        }
        end
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

    /// Reads what of the next window with data is no hole, from the beginning of a block on; returns whether there is one.
    ///
    /// Holes are not read: a disk has more of them than of all else, and zeroes take time, too. What is read ends before a block that is
    /// zero, or with its window, so that what is found there follows from what is on the disk alone.
    pub(crate) fn read(&self, from: u64, window: &mut Window) -> Result<bool, Fault> {
        window.runs.clear();
        let mut next = self.data_block(from);
        window.end = next.map_or(self.size, |at| ((at / WINDOW as u64 + 1) * WINDOW as u64).min(self.size));
        let mut filled = 0;
        while let Some(begin) = next.filter(|at| *at < window.end) {
            let end = self.run_end(begin, window.end);
            let range = filled..filled + usize::try_from(end - begin).unwrap_or(WINDOW);
            if window.bytes.len() < range.end {
                window.bytes.resize(range.end, 0);
            }
            let bytes = window.bytes.get_mut(range.clone()).unwrap_or_default();
            self.file.read_exact_at(bytes, begin).map_err(io_fault("read", &self.path))?;
            filled = range.end;
            window.runs.push((begin, range));
            next = self.data_block(end);
        }
        Ok(!window.runs.is_empty())
    }
}

/// What of a disk is in memory at once.
#[derive(Debug, Default)]
pub(crate) struct Window {
    bytes: Vec<u8>,
    runs: Vec<(u64, Range<usize>)>,
    /// Where it ends, and the next one begins.
    pub(crate) end: u64,
}

impl Window {
    /// Returns what is in it: where that is on the disk, and the bytes.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.runs.iter().filter_map(|(at, range)| Some((*at, self.bytes.get(range.clone())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::archive::extents;
    use proptest::prelude::*;

    #[test]
    fn holes_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.img");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 40).unwrap();
        let far = 1 << 39;
        file.write_all_at(&[1; 10], far + 5000).unwrap();
        let disk = SparseDisk::open(&path).unwrap();
        let mut window = Window::default();
        assert_eq!((disk.size, disk.used()), (1 << 40, BLOCK as u64));
        assert!(disk.read(0, &mut window).unwrap());
        let found: Vec<_> = window.runs().map(|(at, bytes)| (at, bytes.len(), bytes[4999], bytes[5000])).collect();
        assert_eq!((found, window.end), (vec![(far, BLOCK, 0, 1)], far + WINDOW as u64));
        assert!(!disk.read(window.end, &mut window).unwrap());
        file.set_len(100).unwrap();
        file.write_all_at(&[1; 100], 0).unwrap();
        let disk = SparseDisk::open(&path).unwrap();
        assert!(disk.read(0, &mut window).unwrap());
        assert_eq!(window.runs().collect::<Vec<_>>(), [(0, [1; 100].as_slice())]);
        assert_eq!((window.end, disk.used()), (100, 100));
        // A hole at the end counts for nothing where its block is a short one.
        file.set_len(BLOCK as u64 + 100).unwrap();
        let disk = SparseDisk::open(&path).unwrap();
        assert_eq!((disk.size, disk.used()), (BLOCK as u64 + 100, BLOCK as u64));
        assert!(SparseDisk::open(folder.path()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// What is in an export is the same whether zeroes are holes, are written, or are holes within a block.
        #[test]
        fn stretches_follow_from_the_content_alone(
            written in proptest::collection::vec((0..3 * WINDOW, 1..3 * BLOCK, any::<bool>()), 0..24),
            size in 1..3 * WINDOW,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let found = ["holes", "written"].map(|name| {
                let path = folder.path().join(name);
                let file = File::create(&path).unwrap();
                file.set_len(size as u64).unwrap();
                if name == "written" {
                    file.write_all_at(&vec![0; size], 0).unwrap();
                }
                for (at, length, is_zero) in &written {
                    let length = (*length).min(size.saturating_sub(*at));
                    file.write_all_at(&vec![u8::from(!is_zero); length], *at as u64).unwrap();
                }
                file.set_len(size as u64).unwrap();
                let disk = SparseDisk::open(&path).unwrap();
                let (mut found, mut window) = (Vec::new(), Window::default());
                while disk.read(window.end, &mut window).unwrap() {
                    for (at, bytes) in window.runs() {
                        found.extend(extents(bytes).into_iter().map(|range| (at + range.start as u64, bytes[range].to_vec())));
                    }
                }
                found
            });
            prop_assert_eq!(
                found[0].iter().map(|(at, bytes)| (at, bytes.len())).collect::<Vec<_>>(),
                found[1].iter().map(|(at, bytes)| (at, bytes.len())).collect::<Vec<_>>()
            );
            prop_assert!(found[0] == found[1]);
        }
    }
}

//! The disks of a machine that is moved: on the host that gives them they are read, block by block; on the one that gets them they are
//! written under names that say of which move they are, until they get their own.

use super::disks::DiskChange;
use super::files::{exists, io_fault, name_new, remove, without_links};
use super::moves::sync_folder;
use super::program::run;
use super::settings::Settings;
use super::sparse::{SparseDisk, Window};
use super::volumes::locked;
use crate::diag::Fault;
use crate::image::archive::extents;
use crate::image::migration::{BLOCK, BlockDigests, Made};
use crate::model::Argv;
use crate::model::volume::{Volume, VolumeName};
use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What is seen of a disk that is read.
pub(crate) enum Seen<'a> {
    /// A block that is not as it is known: its number, and what is in it.
    Block(u64, &'a [u8]),
    /// One that is all zero, and is known to be something else.
    Hole(u64),
    /// Some of it was read, and all that is new there was told.
    Read,
}

/// Who is told of it.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Seen<'_>) -> Result<(), Fault>;

/// Who is told, now and then, that something takes long and goes on.
pub(crate) type Sign<'a> = &'a mut dyn FnMut() -> Result<(), Fault>;

/// Reads a disk, and tells of each block that is not as it is known. Holes are not read.
pub(crate) fn differing(disk: &SparseDisk, known: &mut BlockDigests, tell: Sink<'_>) -> Result<(), Fault> {
    let (mut window, mut next) = (Window::default(), 0);
    while disk.read(window.end, &mut window)? {
        for (number, bytes) in blocks(disk.size, &window) {
            holes(known, next, number, tell)?;
            let digest = BlockDigests::of(&bytes);
            if known.set(number, digest) {
                tell(if digest.is_some() { Seen::Block(number, &bytes) } else { Seen::Hole(number) })?;
            }
            next = number + 1;
        }
        tell(Seen::Read)?;
    }
    holes(known, next, BlockDigests::count(disk.size), tell)
}

/// Returns the blocks of a window in which anything is that is no hole, by their numbers. A window begins with a block, and ends with one.
fn blocks(size: u64, window: &Window) -> BTreeMap<u64, Vec<u8>> {
    let mut all = BTreeMap::new();
    for (mut at, mut bytes) in window.runs() {
        while !bytes.is_empty() {
            let number = at / BLOCK as u64;
            let within = usize::try_from(at % BLOCK as u64).unwrap_or_default();
            let (part, rest) = bytes.split_at(bytes.len().min(BLOCK - within));
            let whole = || vec![0; BlockDigests::length(size, number).unwrap_or(BLOCK)];
            if let Some(to) = all.entry(number).or_insert_with(whole).get_mut(within..within + part.len()) {
                to.copy_from_slice(part);
            }
            (at, bytes) = (at + part.len() as u64, rest);
        }
    }
    all
}

/// Tells of the blocks of a hole that are known to be something else.
fn holes(known: &mut BlockDigests, from: u64, to: u64, tell: Sink<'_>) -> Result<(), Fault> {
    while let Some(number) = known.next(from).filter(|number| *number < to) {
        known.set(number, None);
        tell(Seen::Hole(number))?;
    }
    Ok(())
}

/// Returns the path that a file of a move has until it gets its own.
pub(crate) fn half(path: &Path, id: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".vmrun-{id}.moving"));
    path.with_file_name(name)
}

/// Returns the name that a volume of a move has until it gets its own.
pub(crate) fn half_volume(name: &VolumeName, id: &str) -> Result<VolumeName, Fault> {
    format!("{name}.vmrun-{id}.moving").parse()
}

fn inode(path: &Path) -> Option<u64> {
    path.symlink_metadata().ok().filter(Metadata::is_file).map(|meta| meta.ino())
}

/// Returns the inode of a file that is there.
pub(crate) fn inode_of(path: &Path) -> u64 {
    inode(path).unwrap_or(0)
}

/// Has a file of a move there, under the name that it has meanwhile: made anew, or what it was before. Returns the number of its inode.
pub(crate) fn prepare_file(half: &Path, path: &Path, known: u64, size: u64) -> Result<u64, Fault> {
    if known != 0 && !exists(half) && inode(path) == Some(known) {
        // What is here of a machine that comes back.
        std::fs::rename(path, half).map_err(io_fault("rename to", half))?;
    }
    let mut options = without_links();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(half);
    let file = file.map_err(io_fault("make", half))?;
    // One that comes back may be open to more people here than it was there; it gets its permissions when it is whole.
    file.set_permissions(Permissions::from_mode(0o600)).map_err(io_fault("chmod", half))?;
    file.set_len(size).map_err(io_fault("truncate", half))?;
    file.metadata().map(|meta| meta.ino()).map_err(io_fault("make", half))
}

/// Has a volume of a move there, under the name that it has meanwhile.
pub(crate) fn prepare_volume(
    settings: &Settings,
    volume: &Volume,
    half: &VolumeName,
    is_back: bool,
) -> Result<(), Fault> {
    if is_there(settings, half) {
    } else if is_back && is_there(settings, &volume.name) {
        run(&zfs("rename").arg(&volume.name).arg(half))?;
    } else {
        let volume = Volume { name: half.clone(), ..volume.clone() };
        let change = DiskChange::MakeVolume { volume, device: settings.volume(half) };
        change.commands().iter().try_for_each(|argv| run(argv).map(drop))?;
    }
    if volume.encryption.is_some() { against_clear(half) } else { Ok(()) }
}

/// Whether a volume is there. One whose key is not loaded has no device.
fn is_there(settings: &Settings, volume: &VolumeName) -> bool {
    settings.volume(volume).exists() || run(&zfs("list").args(["-H", "-o", "name"]).arg(volume)).is_ok()
}

/// Refuses to write to a volume what is encrypted elsewhere, and would not be here.
pub(crate) fn against_clear(volume: &VolumeName) -> Result<(), Fault> {
    let text = run(&zfs("get").args(["-H", "-o", "value", "encryption,keystatus"]).arg(volume))?;
    match text.lines().map(str::trim).collect::<Vec<_>>()[..] {
        ["off" | "-", ..] => {
            let fault = Fault::host(format!("the volume {volume} is not encrypted here, and it is on the other host"));
            Err(fault.hint("remove it, so that it is made anew; or give it another name"))
        }
        [_, "available"] => Ok(()),
        _ => Err(locked(volume.as_str())),
    }
}

/// Writes a text of a move under the name that it has meanwhile, and returns the number of its inode.
pub(crate) fn write_text(half: &Path, bytes: &[u8]) -> Result<u64, Fault> {
    let mut options = without_links();
    let file = options.create(true).truncate(true).write(true).mode(0o666).open(half);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        file.metadata()
    });
    written.map(|meta| meta.ino()).map_err(io_fault("write", half))
}

fn zfs(word: &str) -> Argv {
    Argv::new("zfs").arg(word)
}

/// Makes a volume of a snapshot, which shares all with it.
pub(crate) fn clone_volume(snapshot: &str, volume: &VolumeName) -> Result<(), Fault> {
    run(&zfs("clone").arg(snapshot).arg(volume)).map(drop)
}

/// Removes a volume, if it is there.
pub(crate) fn destroy_volume(settings: &Settings, volume: &VolumeName) -> Result<(), Fault> {
    if is_there(settings, volume) { run(&zfs("destroy").arg(volume)).map(drop) } else { Ok(()) }
}

/// A disk that comes.
pub(crate) struct ComingDisk {
    file: File,
    path: PathBuf,
    /// Its size, in bytes.
    pub(crate) size: u64,
    /// The permissions that it gets once it is whole, if it is a file.
    mode: Option<u32>,
    /// What is in its blocks.
    pub(crate) digests: BlockDigests,
}

impl ComingDisk {
    /// Opens it, and reads what it has by now. Whoever waits for that is told that it goes on.
    pub(crate) fn open(path: &Path, size: u64, mode: Option<u32>, sign: Sign<'_>) -> Result<Self, Fault> {
        let disk = SparseDisk::open(path)?;
        if disk.size != size {
            let fault = Fault::host(format!("{} is {} bytes long, and {size} come", path.display(), disk.size));
            return Err(fault.hint("undo the move by `vmrun migrate --abort`, and begin anew"));
        }
        let mut digests = BlockDigests::default();
        differing(&disk, &mut digests, &mut |_| sign())?;
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(io_fault("open", path))?;
        Ok(Self { file, path: path.into(), size, mode, digests })
    }

    /// Whether it is the one at that path.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Writes a block, or nothing but zeros.
    pub(crate) fn put(&mut self, at: u64, bytes: Option<&[u8]>) -> Result<(), Fault> {
        let length = BlockDigests::length(self.size, at);
        let length = length.filter(|length| bytes.is_none_or(|bytes| bytes.len() == *length));
        let length = length.ok_or_else(|| {
            let long = bytes.map_or(0, <[u8]>::len);
            Fault::host(format!("{} has no block {at} of {long} bytes", self.path.display()))
        })?;
        let (digest, begin) = (bytes.and_then(BlockDigests::of), at * BLOCK as u64);
        let written = match bytes.filter(|_| digest.is_some()) {
            // What is a hole stays one.
            Some(bytes) if self.digests.is_zero(at) => extents(bytes)
                .into_iter()
                .filter_map(|range| Some((begin + range.start as u64, bytes.get(range)?)))
                .try_for_each(|(at, part)| self.file.write_all_at(part, at)),
            Some(bytes) => self.file.write_all_at(bytes, begin),
            None => self.file.write_all_at(&vec![0; length], begin),
        };
        written.map_err(io_fault("write", &self.path))?;
        self.digests.set(at, digest);
        Ok(())
    }

    /// Has on the disk what was written.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        self.file.sync_all().map_err(io_fault("write", &self.path))
    }

    /// Has it be as it was on the other host, now that all of it has come.
    pub(crate) fn end(&self) -> Result<(), Fault> {
        let is_file = self.file.metadata().is_ok_and(|meta| meta.is_file());
        if let Some(mode) = self.mode.filter(|_| is_file) {
            self.file.set_permissions(Permissions::from_mode(mode)).map_err(io_fault("chmod", &self.path))?;
        }
        self.sync()
    }
}

/// Gives all that a move has made its names. What has its name already keeps it, so that this can be called again.
pub(crate) fn name(settings: &Settings, made: &[Made]) -> Result<(), Fault> {
    for one in made {
        match one {
            Made::Volume(half, name) => {
                let (half, name): (VolumeName, VolumeName) = (half.parse()?, name.parse()?);
                if is_there(settings, &half) {
                    run(&zfs("rename").arg(&half).arg(&name))?;
                } else if !is_there(settings, &name) {
                    return Err(gone(&name.to_string()));
                }
            }
            Made::File(half, path, known) => {
                match (inode(half), inode(path)) {
                    // Killed between the two names.
                    (Some(_), Some(other)) if other == *known => remove(half)?,
                    (Some(_), _) => name_new(half, path)?,
                    (None, Some(other)) if other == *known => {}
                    (None, _) => return Err(gone(&path.display().to_string())),
                }
                path.parent().map_or(Ok(()), sync_folder)?;
            }
            Made::Folder(_) => {}
        }
    }
    Ok(())
}

/// Refuses names that something else has already. What has its name from an attempt before is in nobody's way.
pub(crate) fn against_names(settings: &Settings, made: &[Made]) -> Result<(), Fault> {
    let taken = |one: &Made| match one {
        Made::Volume(half, name) => {
            let is_there = |volume: &String| volume.parse().is_ok_and(|volume| is_there(settings, &volume));
            (is_there(half) && is_there(name)).then(|| name.clone())
        }
        Made::File(_, path, known) => (exists(path) && inode(path) != Some(*known)).then(|| path.display().to_string()),
        Made::Folder(_) => None,
    };
    made.iter().find_map(taken).map_or(Ok(()), |name| {
        Err(Fault::host(format!("{name} is here already")).hint("nothing is written over: move it away, or remove it"))
    })
}

fn gone(name: &str) -> Fault {
    let fault = Fault::host(format!("{name}, which has come with the machine, is gone"));
    fault.hint("undo the move by `vmrun migrate --abort`")
}

/// Takes away what a move has made, whatever name it has; nothing that is not its own.
pub(crate) fn undo(settings: &Settings, made: &[Made], is_named: bool) -> Result<(), Fault> {
    for one in made.iter().rev() {
        match one {
            Made::Volume(half, name) => {
                let (half, name): (VolumeName, VolumeName) = (half.parse()?, name.parse()?);
                let is_half = is_there(settings, &half);
                destroy_volume(settings, &half)?;
                if is_named && !is_half {
                    destroy_volume(settings, &name)?;
                }
            }
            Made::File(half, path, known) => {
                remove(half)?;
                if *known != 0 && inode(path) == Some(*known) {
                    remove(path)?;
                }
            }
            Made::Folder(path) => drop(std::fs::remove_dir(path).ok()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends what differs from one file to another, and returns how many blocks that were.
    fn sent(from: &Path, to: &mut ComingDisk) -> usize {
        let (mut known, mut count) = (to.digests.clone(), 0);
        let disk = SparseDisk::open(from).unwrap();
        differing(&disk, &mut known, &mut |seen| {
            count += usize::from(!matches!(seen, Seen::Read));
            match seen {
                Seen::Block(at, bytes) => to.put(at, Some(bytes)),
                Seen::Hole(at) => to.put(at, None),
                Seen::Read => Ok(()),
            }
        })
        .unwrap();
        assert_eq!(known, to.digests);
        count
    }

    fn files() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        (folder, one, other)
    }

    #[test]
    fn only_what_differs_is_sent_and_a_hole_is_not_even_read() {
        let (_folder, one, other) = files();
        let file = File::create(&one).unwrap();
        let size = (40 << 20) + 7;
        file.set_len(size).unwrap();
        file.write_all_at(b"first", 3).unwrap();
        file.write_all_at(b"last", size - 4).unwrap();
        let known = prepare_file(&other, Path::new("/no/such"), 0, size).unwrap();
        assert_eq!(known, inode_of(&other));
        let mut coming = ComingDisk::open(&other, size, None, &mut || Ok(())).unwrap();
        assert_eq!((sent(&one, &mut coming), sent(&one, &mut coming)), (2, 0));
        file.write_all_at(&[0; 5], 3).unwrap();
        file.write_all_at(b"middle", 20 << 20).unwrap();
        assert_eq!(sent(&one, &mut coming), 2);
        coming.sync().unwrap();
        assert!(std::fs::read(&one).unwrap() == std::fs::read(&other).unwrap());
        // What was sent before a crash is known by reading it.
        let mut again = ComingDisk::open(&other, size, None, &mut || Ok(())).unwrap();
        assert_eq!(again.digests, coming.digests);
        assert_eq!(sent(&one, &mut again), 0);
    }

    #[test]
    fn a_block_that_the_disk_has_not_is_refused() {
        let (_folder, one, _) = files();
        prepare_file(&one, Path::new("/no/such"), 0, (1 << 20) + 7).unwrap();
        let mut coming = ComingDisk::open(&one, (1 << 20) + 7, None, &mut || Ok(())).unwrap();
        let mut refused = |at, bytes: Option<&[u8]>| {
            coming.put(at, bytes).unwrap_err().message.replace(&one.display().to_string(), "one")
        };
        assert_eq!(refused(2, None), "one has no block 2 of 0 bytes");
        assert_eq!(refused(u64::MAX, None), "one has no block 18446744073709551615 of 0 bytes");
        assert_eq!(refused(1, Some(&[1; 8])), "one has no block 1 of 8 bytes");
        assert_eq!(refused(0, Some(&[1; 8])), "one has no block 0 of 8 bytes");
        assert_eq!(std::fs::metadata(&one).unwrap().len(), (1 << 20) + 7);
        assert_eq!(
            ComingDisk::open(&one, 8, None, &mut || Ok(()))
                .err()
                .unwrap()
                .message
                .replace(&one.display().to_string(), "one"),
            "one is 1048583 bytes long, and 8 come"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn whatever_is_written_while_it_is_copied_the_copy_is_the_same_in_the_end(
            size in 1_u64..(5 << 20),
            writes in prop::collection::vec(prop::collection::vec((0_u64..(5 << 20), any::<bool>(), 1_usize..5000), 0..6), 1..5),
        ) {
            let (_folder, one, other) = files();
            let file = File::create(&one).unwrap();
            file.set_len(size).unwrap();
            prepare_file(&other, Path::new("/no/such"), 0, size).unwrap();
            let mut coming = ComingDisk::open(&other, size, None, &mut || Ok(())).unwrap();
            for pass in writes {
                for (at, is_zero, length) in pass {
                    let (at, byte) = (at % size, if is_zero { 0 } else { 7 });
                    let length = length.min(usize::try_from(size - at).unwrap());
                    file.write_all_at(&vec![byte; length], at).unwrap();
                }
                sent(&one, &mut coming);
            }
            prop_assert!(std::fs::read(&one).unwrap() == std::fs::read(&other).unwrap());
        }
    }
}

//! The disks of an export are written: under names that say whose they are, and with their own only when all of them are whole.
//!
//! What dies meanwhile leaves files that the next import removes (`files/halves.rs`). A disk that is there already is read and
//! compared: one that an import has named before it was killed is taken as it is, and any other one stays and is refused.

mod received;

use super::disks::DiskChange;
use super::export::{MoveTell, Watch};
use super::files::{beside, halves, io_fault, name_new, remove};
use super::program::run;
use super::signals::Signals;
use super::sparse::{SparseDisk, Window};
use super::zstd::Unpacker;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::image::archive::{AGAIN, DiskForm, DiskPart, Extent, Manifest, Reader, WINDOW, ZSTD};
use crate::model::volume::{Volume, VolumeName};
use crate::model::{Argv, Size};
use received::Received;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub(crate) use super::download::room;

/// Returns the number of the file system that a folder is on.
pub(crate) fn file_system(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(folder).map_or(0, |meta| meta.dev())
}

/// A stream that begins as an export does.
pub(crate) enum Begun {
    /// It is one, or at least of zstd.
    Packed(Unpacker),
    /// It is something else: what was read of the standard input by now.
    Other(Vec<u8>),
}

/// Looks at what a file is, or the standard input: by its content.
///
/// # Errors
/// It cannot be read; the fault within is of zstd(1), which is not there.
pub(crate) fn begin(file: Option<&Path>) -> io::Result<Result<Begun, Fault>> {
    let mut head = [0; ZSTD.len()];
    let packed = |unpacker: Result<Unpacker, Fault>| unpacker.map(Begun::Packed);
    let Some(path) = file else {
        let mut input = io::stdin().as_fd().try_clone_to_owned().map(File::from)?;
        let mut begun = Vec::new();
        (&mut input).take(head.len() as u64).read_to_end(&mut begun)?;
        let is_packed = begun == ZSTD;
        return Ok(if is_packed { packed(Unpacker::of_pipe(begun, input)) } else { Ok(Begun::Other(begun)) });
    };
    let file = super::files::open(path)?;
    let is_packed = file.read_exact_at(&mut head, 0).is_ok() && head == ZSTD;
    Ok(if is_packed { packed(Unpacker::of_file(file)) } else { Ok(Begun::Other(Vec::new())) })
}

/// An export that is read: its manifest and its texts came, and its disks are next.
pub(crate) struct Restore {
    reader: Reader<Unpacker>,
    /// What is in it.
    pub manifest: Manifest,
    /// The texts, in the order of the manifest.
    pub texts: Vec<Vec<u8>>,
}

/// Ends a stream that something is wrong with. Where that is no whole stream of zstd, what zstd(1) says of it is nearer to the cause
/// than what was found behind it; who was only ended says nothing.
fn explained(unpacker: &mut Unpacker, fault: Fault) -> Fault {
    match unpacker.end() {
        Err(Some(why)) if fault.blame != Blame::Interrupted => unpacked(&why),
        Err(_) | Ok(()) => fault,
    }
}

fn unpacked(why: &str) -> Fault {
    Fault::host(format!("it is cut off or damaged: {why}")).hint(AGAIN)
}

impl Restore {
    /// Reads what stands before the disks.
    pub(crate) fn begin(mut unpacker: Unpacker, signals: Rc<Signals>) -> Result<Self, Fault> {
        unpacker.heed(signals);
        let mut reader = Reader::new(unpacker);
        let came = reader.manifest().and_then(|manifest| {
            let texts = manifest.texts.iter().map(|part| reader.text(part)).collect::<Result<_, _>>()?;
            Ok((manifest, texts))
        });
        let (manifest, texts) = came.map_err(|fault| explained(reader.source(), fault))?;
        Ok(Self { reader, manifest, texts })
    }

    /// Ends it without its disks.
    pub(crate) fn stop(mut self) {
        self.reader.source().stop();
    }

    /// Writes the disks, each where it is said; they have no names yet.
    pub(crate) fn disks(
        mut self,
        places: &[Place],
        written: &mut Written,
        signals: &Signals,
        tell: MoveTell<'_>,
    ) -> Result<(), Fault> {
        let mut watch = Watch::new(signals, tell, self.manifest.used());
        for (at, (part, place)) in self.manifest.disks.iter().zip(places).enumerate() {
            let mut disk = written.begin(part, place, signals)?;
            let done = Self::disk(&mut self.reader, at + 1, part, &mut disk, &mut watch);
            watch.against_stop()?;
            done.map_err(|fault| explained(self.reader.source(), fault))?;
        }
        let ended = self.reader.end();
        ended.map_err(|fault| explained(self.reader.source(), fault))?;
        let unpacker = self.reader.source();
        unpacker.fed();
        unpacker.end().map_err(|why| unpacked(&why.unwrap_or_else(|| "zstd failed, and said nothing".into())))
    }

    fn disk(
        reader: &mut Reader<Unpacker>,
        number: usize,
        part: &DiskPart,
        disk: &mut NewDisk<'_>,
        watch: &mut Watch<'_>,
    ) -> Result<(), Fault> {
        while let Some(extent) = reader.extent(number, part)? {
            let length = extent.bytes.len() as u64;
            disk.take(&extent)?;
            watch.count(length)?;
        }
        disk.end()
    }
}

/// Where a disk is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// As a file.
    File(PathBuf),
    /// As a volume, which has this device.
    Volume(Volume, PathBuf),
}

impl Place {
    /// Returns the path by which a machine has it.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Volume(_, path) => path,
        }
    }

    /// Returns how large a disk is there: a volume that was a file may end with more of its last block.
    pub(crate) fn size(&self, part: &DiskPart) -> Size {
        match self {
            Self::Volume(volume, _) if part.form == DiskForm::Bytes => volume.size,
            Self::File(_) | Self::Volume(..) => part.size,
        }
    }
}

/// A disk that is written, or one that is there and compared.
enum NewDisk<'a> {
    /// It is received by zfs(8).
    Received(Box<Received<'a>>),
    /// It is written.
    Written(File, PathBuf),
    /// It is compared, and was the same up to some byte.
    Compared(SparseDisk, File, u64),
}

impl NewDisk<'_> {
    fn take(&mut self, extent: &Extent<'_>) -> Result<(), Fault> {
        match self {
            Self::Received(received) => received.take(extent.bytes),
            Self::Written(file, path) => file.write_all_at(extent.bytes, extent.at).map_err(io_fault("write", path)),
            Self::Compared(disk, file, to) => {
                zero(disk, *to, extent.at)?;
                let mut there = vec![0; extent.bytes.len()];
                file.read_exact_at(&mut there, extent.at).map_err(io_fault("read", &disk.path))?;
                *to = extent.at + extent.bytes.len() as u64;
                if there == extent.bytes { Ok(()) } else { Err(another(&disk.path)) }
            }
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self {
            Self::Received(received) => received.end(),
            Self::Written(file, path) => file.sync_all().map_err(io_fault("write", path)),
            Self::Compared(disk, _, to) => zero(disk, *to, disk.size),
        }
    }
}

/// Refuses a disk that has something from one byte to another.
fn zero(disk: &SparseDisk, from: u64, to: u64) -> Result<(), Fault> {
    let (mut from, mut window) = (from, Window::default());
    while from < to && disk.read(from, &mut window)? {
        let before = |at: u64| usize::try_from(to.saturating_sub(at)).unwrap_or(WINDOW);
        if window.runs().any(|(at, bytes)| bytes.iter().take(before(at)).any(|byte| *byte != 0)) {
            return Err(another(&disk.path));
        }
        from = window.end;
    }
    Ok(())
}

fn another(path: &Path) -> Fault {
    let fault = Fault::host(format!("{} is there already, and is another disk", path.display()));
    fault.hint("an import writes over nothing: move it away, or remove it")
}

fn zfs(word: &str) -> Argv {
    Argv::new("zfs").arg(word)
}

/// A file that has no name yet.
struct Half {
    new: PathBuf,
    path: PathBuf,
    /// Holds its lock, by which others know that it is somebody's.
    _lock: File,
}

impl Half {
    /// Makes it, where nothing of its name is left, and returns it to be written.
    fn make(path: &Path, mode: u32) -> Result<(Self, File), Fault> {
        halves::clear(path)?;
        let new = beside(path);
        let cannot = || io_fault("make", path);
        let file = OpenOptions::new().create_new(true).read(true).write(true).mode(mode).open(&new).map_err(cannot())?;
        file.try_lock().may_fail("where files have no locks, the time that it was made at says that it is written");
        let half = Self { new, path: path.into(), _lock: file.try_clone().map_err(cannot())? };
        Ok((half, file))
    }
}

/// Disks that are whole, and have no names yet; without them they go again.
#[derive(Default)]
pub(crate) struct Written {
    /// The files that have no names yet.
    files: Vec<Half>,
    /// What has a name already, and is this import's.
    named: Vec<PathBuf>,
    /// The volumes, with the names that they get.
    volumes: Vec<(VolumeName, VolumeName)>,
    /// Those that have their names already.
    named_volumes: Vec<VolumeName>,
    /// The folders that were made, the outermost first.
    folders: Vec<PathBuf>,
    /// What was there, and is the same.
    pub kept: Vec<PathBuf>,
}

impl Written {
    /// Begins with a disk.
    fn begin<'a>(&mut self, part: &DiskPart, place: &Place, signals: &'a Signals) -> Result<NewDisk<'a>, Fault> {
        if let (true, Place::Volume(volume, device)) = (part.form != DiskForm::Bytes, place) {
            let new = self.new_name(volume, device)?;
            let received =
                Received::start(Volume { name: new.clone(), ..volume.clone() }, volume.name.to_string(), signals)?;
            self.volumes.push((new, volume.name.clone()));
            return Ok(NewDisk::Received(Box::new(received)));
        }
        if place.path().exists() {
            return self.compared(place.size(part), place.path());
        }
        match place {
            Place::File(path) => {
                let (half, file) = Half::make(path, 0o600)?;
                self.files.push(half);
                file.set_len(part.size.get()).map_err(io_fault("truncate", path))?;
                Ok(NewDisk::Written(file, path.clone()))
            }
            Place::Volume(volume, device) => self.new_volume(volume, device),
        }
    }

    /// Returns the name under which a volume is made, and removes what was left half made by who is dead. One whose key is not here has no
    /// device.
    fn new_name(&self, volume: &Volume, device: &Path) -> Result<VolumeName, Fault> {
        let name = &volume.name;
        let last = device.file_name().and_then(|last| last.to_str()).unwrap_or_default();
        let listed = run(&zfs("list").args(["-H", "-d", "1", "-t", "volume", "-o", "name"]).arg(name.parent()))?;
        let halves = listed.lines().filter_map(|line| line.strip_prefix(name.parent())?.strip_prefix('/'));
        for half in halves.filter(|half| halves::is_of_dead(half, last)) {
            run(&zfs("destroy").arg("-r").arg(format!("{}/{half}", name.parent())))?;
        }
        let new_device = beside(device);
        let new_last = new_device.file_name().and_then(|last| last.to_str()).unwrap_or_default();
        format!("{}/{new_last}", name.parent()).parse()
    }

    /// Makes a volume under a name of its own. Whether its device is there as soon as zfs(8) has ended is not sure on a Linux whose
    /// udev is slow; then it is refused, and can be called again.
    fn new_volume<'a>(&mut self, volume: &Volume, device: &Path) -> Result<NewDisk<'a>, Fault> {
        let (new, new_device) = (self.new_name(volume, device)?, beside(device));
        let name = &volume.name;
        let volume = Volume { name: new.clone(), ..volume.clone() };
        let change = DiskChange::MakeVolume { volume, device: new_device.clone() };
        change.commands().iter().try_for_each(|argv| run(argv).map(drop))?;
        self.volumes.push((new, name.clone()));
        let file = OpenOptions::new().read(true).write(true).open(&new_device).map_err(io_fault("open", device))?;
        Ok(NewDisk::Written(file, device.into()))
    }

    fn compared<'a>(&mut self, size: Size, path: &Path) -> Result<NewDisk<'a>, Fault> {
        let disk = SparseDisk::open(path)?;
        if disk.size != size.get() {
            return Err(another(path));
        }
        self.kept.push(path.into());
        let file = File::open(path).map_err(io_fault("read", path))?;
        Ok(NewDisk::Compared(disk, file, 0))
    }

    /// Makes a folder, and those above it that are not there.
    pub(crate) fn folder(&mut self, path: &Path) -> Result<(), Fault> {
        let missing = path.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists());
        let missing: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
        self.folders.extend(missing.into_iter().rev());
        super::files::make_folder(path, None)
    }

    /// Adds a text that gets its name with the disks, after them.
    pub(crate) fn text(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Fault> {
        let (half, mut file) = Half::make(path, 0o666)?;
        self.files.push(half);
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_fault("write", path))
    }

    /// Gives all of them their names, in the order in which they came.
    pub(crate) fn name(mut self) -> Result<(), Fault> {
        while let Some((new, name)) = self.volumes.first() {
            run(&zfs("rename").arg(new).arg(name))?;
            let (_, name) = self.volumes.remove(0);
            self.named_volumes.push(name);
        }
        while let Some(Half { new, path, .. }) = self.files.first() {
            name_new(new, path)?;
            let Half { path, .. } = self.files.remove(0);
            self.named.push(path);
        }
        self.named.clear();
        self.named_volumes.clear();
        self.folders.clear();
        Ok(())
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        const WHY: &str = "the fault that matters is why it is not whole; the next import removes it";
        self.files.iter().for_each(|half| remove(&half.new).may_fail(WHY));
        self.named.iter().for_each(|path| remove(path).may_fail(WHY));
        // What somebody else has put there meanwhile stays.
        self.folders.iter().rev().for_each(|folder| std::fs::remove_dir(folder).may_fail(WHY));
        self.named_volumes.iter().for_each(|volume| run(&zfs("destroy").arg(volume)).may_fail("zfs list shows it"));
        // With the snapshot that one was received with.
        let halves = self.volumes.iter().map(|(new, _)| zfs("destroy").arg("-r").arg(new));
        halves.for_each(|argv| run(&argv).may_fail("zfs list shows it, and the next import removes it"));
    }
}

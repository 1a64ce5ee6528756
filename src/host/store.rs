//! The folder of running machines: locks that die with their owner, journals, the status of machines, and the locks of disk images.
//!
//! It is a folder, and no door with several worlds behind it: a rehearsal only looks at it, and a simulated host has one in
//! memory.

mod examined;
mod journals;
mod kept;
mod look;
mod moved;

pub(crate) use journals::OpenJournal;
pub(crate) use kept::{Kept, kept, last};
use look::look;

use super::files::{self, io_fault, reason, remove, without_links};
use super::folder::{Folder, Keeps};
use super::kernel::tick;
use super::settings::{LAST, STATUS_FILE, Settings};
use super::spare::Spare;
use super::spawn;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::VmName;
use crate::model::device::Access;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a journal usually is at most, in bytes.
const JOURNAL: usize = 1 << 10;

/// The record of a machine in the state folder: its lock and its journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateRecord {
    /// The machine.
    pub name: VmName,
    /// Whether another process holds its lock: the run, or a command that it has started.
    pub is_locked: bool,
    /// The text of its journal, if it has one.
    pub journal: Option<String>,
}

/// What runs keep of their machines, and what this one holds of it.
pub(crate) struct Store {
    settings: Settings,
    place: Place,
    machines: BTreeMap<VmName, OwnMachine>,
    images: BTreeMap<PathBuf, (File, Access)>,
    /// The machines that count as stopped.
    past: BTreeSet<VmName>,
    /// Descriptors that are kept for giving back.
    spare: Spare,
}

/// The machines of a store in memory whose locks are held.
pub(crate) type Locks = Rc<RefCell<BTreeSet<VmName>>>;

/// Where a store is.
enum Place {
    /// In the state folder.
    Folder,
    /// In the state folder, at which it only looks: everything can be had, and nothing is taken.
    Looked,
    /// In memory, for a host that is only simulated: nothing outlives it.
    Memory(Locks),
}

/// A machine that is ours.
struct OwnMachine {
    /// The file that is locked; its text is the journal.
    lock: File,
    /// How much of the journal is whole, in bytes.
    written: u64,
    /// Nothing of the machine is left but the journal, which has nothing more to say.
    is_over: bool,
}

impl Store {
    /// Opens the one of the state folder.
    pub(crate) fn new(settings: Settings) -> Self {
        Self::at(settings, Place::Folder)
    }

    /// Makes one in memory, which holds these locks.
    pub(crate) fn in_memory(settings: Settings, locks: Locks) -> Self {
        Self::at(settings, Place::Memory(locks))
    }

    const fn at(settings: Settings, place: Place) -> Self {
        Self {
            settings,
            place,
            machines: BTreeMap::new(),
            images: BTreeMap::new(),
            past: BTreeSet::new(),
            spare: Spare::new(),
        }
    }

    /// Opens another one of the same place to look at it only.
    pub(crate) fn looked_at(&self) -> Self {
        let place = match &self.place {
            Place::Folder | Place::Looked => Place::Looked,
            Place::Memory(_) => Place::Memory(Locks::default()),
        };
        Self { past: self.past.clone(), ..Self::at(self.settings.clone(), place) }
    }

    /// Has a machine count as one whose run has ended, and left all that it has: who asks is going to stop it before.
    pub(crate) fn look_past(&mut self, name: VmName) {
        self.past.insert(name);
    }

    /// Whether a machine runs, and counts as stopped.
    pub(crate) fn looks_past(&self, name: &VmName) -> bool {
        self.past.contains(name)
    }

    const fn is_folder(&self) -> bool {
        matches!(self.place, Place::Folder)
    }

    const fn is_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// Whether a machine is ours.
    pub(crate) fn holds(&self, name: &VmName) -> bool {
        self.machines.contains_key(name)
    }

    /// Returns the lock of a machine that is ours.
    pub(crate) fn lock_of(&self, name: &VmName) -> Option<&File> {
        self.machines.get(name).map(|held| &held.lock)
    }

    /// Takes the lock of a machine, and waits so long for one that another has. Returns whether it was had.
    pub(crate) fn reserve(&mut self, name: &VmName, patience: Duration) -> Result<bool, Fault> {
        if let Place::Memory(locks) = &self.place {
            locks.borrow_mut().insert(name.clone());
        }
        if !self.is_folder() || self.holds(name) {
            return Ok(true);
        }
        self.spare.fill()?;
        let path = self.settings.lock_file(name);
        let refuse = |error: io::Error| {
            let fault = Fault::host(format!("cannot make {}: {}", path.display(), reason(&error)));
            fault.hint("vmrun keeps what runs there; VMRUN_STATE_DIR names another folder")
        };
        let folder = Folder::made(&self.settings.state, Keeps::State)?;
        let Some(lock) = lock(&folder, &path, patience).map_err(refuse)? else { return Ok(false) };
        let written = lock.metadata().map_err(refuse)?.len();
        self.machines.insert(name.clone(), OwnMachine { lock, written, is_over: false });
        Ok(true)
    }

    /// Lets the descriptors go that were kept for giving back, which begins now, and has it wait for processes.
    pub(crate) fn release_spare(&mut self) {
        spawn::wait_again();
        self.spare.clear();
    }

    /// Adds lines to the journal of a machine that is ours. A line that could not be written whole is cut off again.
    pub(crate) fn note(&mut self, name: &VmName, lines: &str, durable: bool) -> Result<(), Fault> {
        let path = self.settings.lock_file(name);
        let Some(held) = self.machines.get_mut(name).filter(|_| !lines.is_empty()) else { return Ok(()) };
        let cannot = |error| io_fault("write", &path)(error);
        if let Err(error) = held.lock.write_all(lines.as_bytes()) {
            held.lock.set_len(held.written).may_fail("a line without its end is none to who reads it");
            return Err(cannot(error));
        }
        held.written += lines.len() as u64;
        if durable {
            // The file's name has to be on the disk as well.
            let folder = File::open(&self.settings.state);
            held.lock.sync_all().and_then(|()| folder?.sync_all()).map_err(cannot)?;
        }
        Ok(())
    }

    /// Writes the status of a machine that is ours: everybody may read it, and nobody sees half of it.
    pub(crate) fn write_status(&mut self, name: &VmName, text: &str) -> Result<(), Fault> {
        if !self.holds(name) {
            return Ok(());
        }
        let (folder, path) = (self.settings.machine_folder(name), self.settings.status_file(name));
        let made = DirBuilder::new().recursive(true).create(&folder);
        // Whatever the umask of the recipe.
        let made = made.and_then(|()| std::fs::set_permissions(&folder, Permissions::from_mode(0o755)));
        made.map_err(io_fault("make", &folder))?;
        let new = path.with_extension("new");
        let file = without_links().create(true).truncate(true).write(true).open(&new);
        let written = file.and_then(|mut file| {
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.write_all(text.as_bytes())?;
            std::fs::rename(&new, &path)
        });
        written.map_err(io_fault("write", &path))
    }

    /// Returns what was written as the status of a machine.
    pub(crate) fn status(&self, name: &VmName) -> Option<String> {
        if self.is_memory() { None } else { files::read_text(&self.settings.status_file(name)).ok() }
    }

    /// Leaves word for the run of a machine, by its process, how long its guest gets to power off once it is asked to stop. Without a
    /// folder of the machine, or where it cannot be written, the run takes the time that it was started with.
    pub(crate) fn ask_within(&self, name: &VmName, run: u32, within: Duration) {
        if self.is_folder() && self.settings.machine_folder(name).is_dir() {
            let text = format!("{run} {}\n", within.as_millis());
            files::write_anew(&self.settings.stop_file(name), 0o600, text.as_bytes())
                .may_fail("the run takes the time that it was started with then");
        }
    }

    /// Takes the word that [`Self::ask_within`] has left for this process.
    pub(crate) fn asked_within(&mut self, name: &VmName) -> Option<Duration> {
        let path = self.settings.stop_file(name);
        let text = if self.is_folder() { files::read_text(&path).ok()? } else { return None };
        remove(&path).may_fail("the next one is written over it");
        let (run, within) = text.trim_end().split_once(' ')?;
        let is_ours = run.parse() == Ok(std::process::id());
        within.parse().ok().filter(|_| is_ours).map(Duration::from_millis)
    }

    /// Removes the folder and the secrets of a machine that is ours. What the journal says counts no more, unless it is kept.
    pub(crate) fn tidy(&mut self, name: &VmName, keeps_journal: bool) -> Result<(), Fault> {
        let (secrets, folder) = (self.settings.secrets_file(name), self.settings.machine_folder(name));
        let map = self.settings.map_file(name);
        let Some(held) = self.machines.get_mut(name) else { return Ok(()) };
        remove(&secrets)?;
        remove(&map)?;
        // How it was started is known until the host is.
        std::fs::rename(self.settings.status_file(name), self.settings.last_file(name))
            .may_fail("there may be no status");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(io_fault("remove", &folder)(error)),
            _ => {}
        }
        held.is_over = !keeps_journal;
        Ok(())
    }

    /// Gives back the lock of a machine; its file goes unless its journal still has something to say. With that of the last machine go
    /// those of all images.
    pub(crate) fn clear(&mut self, name: &VmName) -> Result<(), Fault> {
        if self.machines.keys().all(|one| one == name) {
            self.images.clear();
        }
        if let Place::Memory(locks) = &self.place {
            locks.borrow_mut().remove(name);
        }
        // The lock is held until its file is gone, and whoever opened that file before finds it gone.
        let Some(held) = self.machines.remove(name) else { return Ok(()) };
        let gone = if held.is_over || held.written == 0 { remove(&self.settings.lock_file(name)) } else { Ok(()) };
        // Whatever else of ours has it open still.
        held.lock.unlock().may_fail("closing the file lets go of it, too");
        gone
    }

    /// Takes the lock of an image that is there: shared for who only reads it. Returns whether it was had; what cannot be locked
    /// counts as had.
    pub(crate) fn hold(&mut self, path: &Path, access: Access) -> bool {
        let Some(file) = open_image(path).filter(|_| self.is_folder()) else { return true };
        if self
            .images
            .get(path)
            .is_some_and(|(held, had)| is_same(held, &file) && [access, Access::ReadWrite].contains(had))
        {
            return true;
        }
        // Ours would stand in our own way.
        self.images.remove(path);
        let is_free = !matches!(try_image(&file, access), Err(TryLockError::WouldBlock));
        if is_free {
            self.images.insert(path.into(), (file, access));
        }
        is_free
    }

    /// Whether another process holds the lock of an image, and not only to see whether it can be had.
    pub(crate) fn is_held(&self, path: &Path, access: Access) -> bool {
        const LOOKS: usize = 5;
        let Some(file) = open_image(path).filter(|_| !self.is_memory() && !self.images.contains_key(path)) else {
            return false;
        };
        let is_held = || matches!(try_image(&file, access), Err(TryLockError::WouldBlock));
        (0..LOOKS).all(|look| {
            is_held()
                && (look + 1 == LOOKS || {
                    tick();
                    true
                })
        })
    }

    /// Has the locks of images go to every program that is started from here on, or to none. A guest keeps them for as long as
    /// it runs, whatever becomes of us.
    pub(crate) fn pass_images_on(&self, pass: bool) {
        let flag = if pass { FdFlag::empty() } else { FdFlag::FD_CLOEXEC };
        for (file, _) in self.images.values() {
            fcntl(file.as_fd(), FcntlArg::F_SETFD(flag)).may_fail("the guest runs without");
        }
    }

    /// Returns the records of all machines that have a lock file, by name.
    pub(crate) fn records(&self) -> Vec<StateRecord> {
        if self.is_memory() {
            return Vec::new();
        }
        let entries = std::fs::read_dir(&self.settings.state).into_iter().flatten().flatten();
        let name = |entry: std::fs::DirEntry| {
            entry.file_name().to_str()?.strip_prefix('.')?.strip_suffix(".lock")?.parse::<VmName>().ok()
        };
        let mut records: Vec<StateRecord> = entries.filter_map(name).filter_map(|name| self.record(&name)).collect();
        records.sort_by(|one, other| one.name.cmp(&other.name));
        records
    }

    /// Returns the record of a machine, if it has a lock file.
    pub(crate) fn record(&self, name: &VmName) -> Option<StateRecord> {
        if self.is_memory() {
            return None;
        }
        let (is_locked, journal) = look(&self.settings.lock_file(name), self.holds(name)).ok().flatten()?;
        Some(StateRecord { name: name.clone(), is_locked: is_locked && !self.looks_past(name), journal })
    }
}

/// Takes a lock that dies with its owner. Its file is removed by whoever gives it back, so that one which was opened before may
/// be the lock of nothing: then there is a new file.
fn lock(folder: &Folder, path: &Path, patience: Duration) -> io::Result<Option<File>> {
    let begin = Instant::now();
    let name = path.file_name().unwrap_or_default();
    loop {
        let file = folder.file(name, OFlag::O_CREAT | OFlag::O_APPEND | OFlag::O_WRONLY, 0o600)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if begin.elapsed() >= patience => return Ok(None),
            Err(TryLockError::WouldBlock) => tick(),
        }
    }
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn is_at(file: &File, path: &Path) -> bool {
    let there = std::fs::metadata(path).map(|meta| identity(&meta)).ok();
    there.is_some() && file.metadata().map(|meta| identity(&meta)).ok() == there
}

fn is_same(one: &File, other: &File) -> bool {
    let of = |file: &File| file.metadata().map(|meta| identity(&meta)).ok();
    of(one).is_some() && of(one) == of(other)
}

/// Opens what can be locked: files and disks. Opening anything else might do something.
fn open_image(path: &Path) -> Option<File> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    let is_disk = kind.is_file() || kind.is_block_device() || kind.is_char_device();
    let file = || OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path).ok();
    is_disk.then(file).flatten()
}

fn try_image(file: &File, access: Access) -> Result<(), TryLockError> {
    match access {
        Access::ReadOnly => file.try_lock_shared(),
        Access::ReadWrite => file.try_lock(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Platform;
    use crate::model::Target;

    pub(super) fn settings(folder: &Path) -> Settings {
        let (state, config) = (folder.join("state"), folder.join("config"));
        Settings {
            platform: Platform::FreeBsd,
            state,
            config,
            cache: folder.join("cache"),
            target: Target::default(),
            nodes: crate::host::NODES.into(),
            zvols: crate::model::volume::ZVOLS.into(),
            cgroups: crate::host::cgroup::CGROUPS.into(),
            user_net: false,
        }
    }

    #[test]
    fn a_machine_is_one_runs_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, name) = (settings(folder.path()), "lab".parse().unwrap());
        let (mut one, mut other) = (Store::new(settings.clone()), Store::new(settings.clone()));
        assert!(one.reserve(&name, Duration::ZERO).unwrap());
        assert!(one.reserve(&name, Duration::ZERO).unwrap());
        assert!(!other.reserve(&name, Duration::from_millis(20)).unwrap());
        one.note(&name, "a\n", false).unwrap();
        one.note(&name, "b\n", true).unwrap();
        let records = other.records();
        let expected = StateRecord { name: name.clone(), is_locked: true, journal: Some("a\nb\n".into()) };
        assert_eq!(records, [expected]);
        assert!(!one.records()[0].is_locked);
        one.tidy(&name, true).unwrap();
        one.clear(&name).unwrap();
        // A journal that still has something to say keeps its lock file.
        assert_eq!(other.records().len(), 1);
        assert!(other.reserve(&name, Duration::ZERO).unwrap());
        other.tidy(&name, false).unwrap();
        other.clear(&name).unwrap();
        assert_eq!(std::fs::read_dir(&settings.state).unwrap().count(), 0);
    }

    #[test]
    fn whoever_looks_sees_machines_with_a_lock_or_a_word_of_how_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        let [db, web, idle]: [VmName; 3] = ["db", "web", "idle"].map(|name| name.parse().unwrap());
        let mut run = Store::new(settings.clone());
        assert!(run.reserve(&db, Duration::ZERO).unwrap());
        run.note(&db, "a\n", false).unwrap();
        run.write_status(&db, "{}").unwrap();
        std::fs::create_dir(settings.machine_folder(&idle)).unwrap();
        std::fs::create_dir(settings.machine_folder(&web)).unwrap();
        std::fs::copy(settings.status_file(&db), settings.status_file(&web)).unwrap();
        let record = StateRecord { name: db.clone(), is_locked: true, journal: Some("a\n".into()) };
        let one = |name: &VmName, record: Option<StateRecord>| Kept {
            name: name.clone(),
            folder: settings.machine_folder(name),
            status: Some("{}".into()),
            has_lock: record.is_some(),
            record,
        };
        assert_eq!(kept(&settings.state), [one(&db, Some(record)), one(&web, None)]);
        assert_eq!(kept(folder.path().join("none").as_path()), []);
    }

    #[test]
    fn a_run_is_told_how_long_its_guest_gets_and_only_once() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, name) = (settings(folder.path()), "lab".parse().unwrap());
        let mut store = Store::new(settings.clone());
        store.ask_within(&name, std::process::id(), Duration::from_secs(2));
        assert_eq!(store.asked_within(&name), None, "without a folder there is no word");
        std::fs::create_dir_all(settings.machine_folder(&name)).unwrap();
        store.ask_within(&name, std::process::id(), Duration::from_millis(2500));
        assert_eq!(store.asked_within(&name), Some(Duration::from_millis(2500)));
        assert_eq!(store.asked_within(&name), None);
        // What was left for a run before it.
        store.ask_within(&name, 1, Duration::from_secs(2));
        assert_eq!(store.asked_within(&name), None);
        for text in ["", "x", "1 2 3", &format!("{} soon", std::process::id())] {
            File::create(settings.stop_file(&name)).and_then(|mut file| file.write_all(text.as_bytes())).unwrap();
            assert_eq!(store.asked_within(&name), None, "{text}");
        }
    }

    #[test]
    fn an_image_has_one_writer_or_many_readers() {
        let folder = tempfile::tempdir().unwrap();
        let (image, settings) = (folder.path().join("a.img"), settings(folder.path()));
        File::create(&image).unwrap();
        let (mut one, mut other) = (Store::new(settings.clone()), Store::new(settings.clone()));
        assert!(one.hold(&image, Access::ReadOnly) && one.hold(&image, Access::ReadOnly));
        assert!(other.hold(&image, Access::ReadOnly));
        assert!(!one.hold(&image, Access::ReadWrite));
        other.clear(&"lab".parse().unwrap()).unwrap();
        assert!(!other.is_held(&image, Access::ReadWrite));
        assert!(one.hold(&image, Access::ReadWrite));
        assert!(other.is_held(&image, Access::ReadOnly) && !other.hold(&image, Access::ReadOnly));
        assert!(!one.is_held(&image, Access::ReadOnly));
        assert!(one.hold(&folder.path().join("none.img"), Access::ReadWrite), "what is not there is nobody's");
        let [lab, web]: [VmName; 2] = ["lab", "web"].map(|name| name.parse().unwrap());
        assert!(one.reserve(&lab, Duration::ZERO).unwrap() && one.reserve(&web, Duration::ZERO).unwrap());
        one.clear(&web).unwrap();
        assert!(!other.hold(&image, Access::ReadOnly));
        // Who replaced the file has a lock of the old one only.
        File::create(folder.path().join("b.img")).unwrap();
        std::fs::rename(folder.path().join("b.img"), &image).unwrap();
        assert!(one.hold(&image, Access::ReadWrite));
        assert!(!other.hold(&image, Access::ReadWrite));
    }
}

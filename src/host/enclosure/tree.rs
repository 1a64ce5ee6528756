//! The files that an enclosed script sees: this host's, each folder below an overlay in memory, with stand-ins in the place of programs.

use super::mounts::{ANEW, Mounted, is_anew, mounted};
use super::{COVERED, INSIDE, PLACE, PROGRAMS_INSIDE, UMASK, WRITTEN_INSIDE};
use crate::diag::may_fail::MayFail as _;
use crate::recording::file_programs::{FILE_PROGRAMS, UNPACKERS};
use crate::recording::watched::WatchedPrograms;
use crate::recording::{CARRIERS, NAMES, Scenario};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, umask};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::pivot_root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The folders in which programs are looked for where PATH is not asked.
const PROGRAMS: &[&str] = &["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// What of /proc is the whole kernel's, and not of a process.
const OF_KERNEL: &[&str] = &["sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi", "mtrr"];

/// The devices that a script has.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// The largest file that is taken into an enclosure as a copy, in bytes.
const COPY_MAX: u64 = 16 << 20;

/// An overlay over a folder of the host.
pub(super) struct Overlay {
    /// The folder.
    pub(super) at: PathBuf,
    /// What is below: the host's folder.
    pub(super) lower: File,
    /// What is above, in the folder of the enclosure.
    pub(super) upper: String,
}

/// What a script sees.
pub(super) struct Tree {
    /// The folder in memory that has the upper sides.
    pub(super) scratch: File,
    pub(super) overlays: Vec<Overlay>,
    /// Files that are in the enclosure as copies, and when those were made.
    pub(super) copies: BTreeMap<PathBuf, SystemTime>,
}

/// What lies over the folders of the host, below what the script writes.
pub(super) struct Above<'a> {
    /// This program, to which stand-ins are links.
    us: &'a Path,
    programs: Vec<Program>,
    /// The folders in which programs are watched.
    watched: BTreeSet<PathBuf>,
    /// Folders that are the script's.
    owned: Vec<PathBuf>,
    in_user_namespace: bool,
}

impl<'a> Above<'a> {
    /// `cwd` is the folder in which the script starts; the setting has the programs that have stand-ins besides the usual ones.
    ///
    /// An ordinary user can change no folder of another one's in an overlay, not even one in which everybody may write: a copy of it would
    /// have to belong to that other one, who is not in the namespace. So those in which scripts write are made to be the script's.
    pub(super) fn new(us: &'a Path, cwd: &Path, setting: &Scenario, in_user_namespace: bool) -> Self {
        let known = ["/etc", "/var/tmp", "/var/run", "/var/log", "/var/db"].map(Path::new);
        let owned = if in_user_namespace {
            known.iter().chain([&cwd]).map(|folder| real(folder)).collect()
        } else {
            Vec::new()
        };
        let (mut programs, watched) = (programs(us, &setting.programs), watched(setting));
        let folders = watched.iter().map(|program| program.folder.clone()).collect();
        programs.extend(watched);
        Self { us, programs, watched: folders, owned, in_user_namespace }
    }

    /// Has the stand-ins of a folder in one of the enclosure's own, which is below no overlay.
    fn stand_in(&self, folder: &Path, new: &Path) -> StepResult<()> {
        for program in self.programs.iter().filter(|program| program.folder == folder) {
            symlink(self.us, new.join(&program.name)).or_else(known).map_err(step(&program.name))?;
        }
        Ok(())
    }

    /// Writes what lies over a folder, and returns whether that is anything.
    fn write(&self, folder: &Path, above: &Path) -> StepResult<bool> {
        let mut any = false;
        for owned in self.owned.iter().filter(|owned| owned.is_dir()) {
            let Ok(inner) = owned.strip_prefix(folder) else { continue };
            make(&above.join(inner))?;
            any = true;
        }
        for program in &self.programs {
            let Ok(inner) = program.folder.strip_prefix(folder) else { continue };
            make(&above.join(inner))?;
            symlink(self.us, above.join(inner).join(&program.name)).or_else(known).map_err(step(&program.name))?;
            any = true;
        }
        Ok(any)
    }
}

/// A step that failed, and why.
pub(super) type StepResult<T> = Result<T, String>;

fn step<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> String {
    move |why| format!("{what}: {why}")
}

const NOTHING: Option<&Path> = None;

/// How an overlay and the like are mounted: what is in them opens no device and gives nobody more rights.
fn harmless() -> MsFlags {
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV
}

impl Tree {
    /// Mounts all of it, and makes it the root of this process. `folder` is that of the recording.
    pub(super) fn enter(folder: &Path, above: &Above<'_>) -> StepResult<Self> {
        umask(Mode::from_bits_truncate(UMASK));
        mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)
            .map_err(step("mount / private"))?;
        let info = std::fs::read("/proc/self/mountinfo").map_err(step("read /proc/self/mountinfo"))?;
        let place = folder.join(PLACE);
        mount(Some("tmpfs"), &place, Some("tmpfs"), harmless(), Some("mode=700")).map_err(step("mount tmpfs"))?;
        std::env::set_current_dir(&place).map_err(step("enter the enclosure"))?;
        let root = place.join("root");
        make(&root)?;
        mount(Some("tmpfs"), &root, Some("tmpfs"), harmless(), Some("mode=755")).map_err(step("mount tmpfs"))?;
        let scratch = at(Path::new(".")).map_err(step("open the enclosure"))?;
        let mut tree = Self { scratch, overlays: Vec::new(), copies: BTreeMap::new() };
        let mounts = mounted(&info);
        let mut folders = tree.lay_out(Path::new("/"), &root, &mounts, above)?;
        for name in ANEW {
            make(&root.join(name.trim_start_matches('/')))?;
        }
        if !above.in_user_namespace {
            folders.extend(mounts.iter().filter(|one| one.has_files).map(|one| one.at.clone()));
        }
        for folder in &folders {
            tree.cover(folder, &root, above)?;
        }
        kernel(&root)?;
        devices(&root, folder)?;
        if !above.watched.is_empty() {
            watching(&root, above, &mounts)?;
        }
        // As in pivot_root(2): the old root is below the new one, and goes.
        std::env::set_current_dir(&root).map_err(step("enter the new root"))?;
        pivot_root(".", ".").map_err(step("pivot_root"))?;
        umount2(".", MntFlags::MNT_DETACH).map_err(step("leave the old root"))?;
        std::env::set_current_dir("/").map_err(step("enter the new root"))?;
        Ok(tree)
    }

    /// Has what is in a folder in the new root: links as they are, files as copies. Returns the folders, each of which is covered as a
    /// whole.
    ///
    /// What is mounted below a folder hides something of it, and in a user namespace is not taken away: such a folder is below no
    /// overlay (mount_namespaces(7), "locked"), but what is in it.
    fn lay_out(
        &mut self,
        folder: &Path,
        root: &Path,
        mounts: &[Mounted],
        over: &Above<'_>,
    ) -> StepResult<BTreeSet<PathBuf>> {
        let mut folders = BTreeSet::new();
        over.stand_in(folder, &new(root, folder))?;
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
            let new = new(root, &path);
            if kind.is_dir() {
                make(&new)?;
                let hides = |one: &Mounted| one.at != path && one.at.starts_with(&path);
                if mounts.iter().any(|one| one.at == path && !one.has_files) || is_anew(&path) {
                    continue;
                }
                if over.in_user_namespace && mounts.iter().any(hides) {
                    folders.extend(self.lay_out(&path, root, mounts, over)?);
                } else {
                    folders.insert(path);
                }
            } else if new.symlink_metadata().is_ok() {
                // A stand-in is in its place.
            } else if kind.is_symlink() {
                let to = std::fs::read_link(&path).map_err(step(path.display()))?;
                symlink(to, &new).map_err(step(path.display()))?;
            } else if path == over.us {
                // It may be too large for a copy, and stand-ins are links to it.
                File::create(&new).map_err(step(new.display()))?;
                read_only(&path, &new)?;
            } else if kind.is_file() {
                self.copy(&path, &new);
            }
        }
        Ok(folders)
    }

    /// Has a small file as a copy. One that cannot be read is not there.
    fn copy(&mut self, path: &Path, new: &Path) {
        let is_small = std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.len() <= COPY_MAX);
        if !is_small {
            return;
        }
        if std::fs::copy(path, new).is_ok() {
            let made = std::fs::metadata(new).and_then(|meta| meta.modified());
            self.copies.extend(made.ok().map(|made| (path.to_path_buf(), made)));
        } else {
            // Of what opens and cannot be read, as a network's name in /run/netns, an empty file would be left, as if the script had
            // written it. What cannot be taken away is told with what it wrote.
            drop(crate::host::files::remove(new));
        }
    }

    /// Has a folder of the host below an overlay. What cannot be covered, and what cannot be reached, is not shown: an overlay shows
    /// nothing of what is mounted in it.
    fn cover(&mut self, folder: &Path, root: &Path, over: &Above<'_>) -> StepResult<()> {
        let new = new(root, folder);
        let Ok(meta) = std::fs::metadata(folder) else { return Ok(()) };
        if !meta.is_dir() {
            self.copy(folder, &new);
            return Ok(());
        }
        let (Ok(lower), true) = (at(folder), new.is_dir()) else { return Ok(()) };
        let number = self.overlays.len();
        let (upper, work, above) = (format!("upper{number}"), format!("work{number}"), format!("above{number}"));
        for name in [&upper, &work, &above] {
            make(Path::new(name))?;
        }
        let mut below = format!("/proc/self/fd/{}", lower.as_raw_fd());
        if over.write(folder, Path::new(&above))? {
            below = format!("{above}:{below}");
        }
        // An ordinary user has no trusted attributes (overlayfs, "userxattr").
        let user = if over.in_user_namespace { ",userxattr" } else { "" };
        let options = format!("lowerdir={below},upperdir={upper},workdir={work}{user}");
        // The root of the overlay is its upper side's: as the folder was.
        std::fs::set_permissions(&upper, meta.permissions())
            .may_fail("the root of the overlay then has the mode of a new folder");
        let covered = mount(Some("overlay"), &new, Some("overlay"), harmless(), Some(options.as_str()));
        if covered.is_ok() {
            symlink(folder, format!("{COVERED}{number}")).map_err(step(folder.display()))?;
            self.overlays.push(Overlay { at: folder.to_path_buf(), lower, upper });
        } else if PROGRAMS.iter().any(|program| Path::new(program).starts_with(folder)) {
            // Without /usr no script runs.
            covered.map_err(step(format_args!("mount an overlay over {}", folder.display())))?;
        }
        Ok(())
    }
}

/// Returns where a path is in the new root.
fn new(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Opens a folder, only to name it.
fn at(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(nix::libc::O_PATH | nix::libc::O_DIRECTORY).open(folder)
}

fn make(path: &Path) -> StepResult<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(step(format_args!("make {}", path.display())))
}

/// A program in whose place a stand-in is.
struct Program {
    folder: PathBuf,
    name: String,
}

/// Returns where stand-ins are: all of them in the usual folders, and wherever PATH finds a program of such a name, but for that with our
/// own stand-ins.
fn programs(us: &Path, more: &[String]) -> Vec<Program> {
    let names = || NAMES.iter().chain(CARRIERS).map(ToString::to_string).chain(more.iter().cloned());
    let usual: BTreeSet<PathBuf> = PROGRAMS.iter().map(|folder| real(Path::new(folder))).collect();
    let path = crate::host::environment::env("PATH").unwrap_or_default();
    let others: BTreeSet<PathBuf> =
        std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|f| real(&f)).collect();
    let is_real =
        |program: &Program| program.folder.join(&program.name).exists() && program.folder.join(&program.name) != us;
    let of = |folder: &PathBuf| names().map(|name| Program { folder: folder.clone(), name }).collect::<Vec<_>>();
    let found = others.difference(&usual).flat_map(of).filter(is_real);
    usual.iter().flat_map(of).chain(found).collect()
}

/// Returns the programs of this host that are watched, where PATH and the usual folders have them.
fn watched(setting: &Scenario) -> Vec<Program> {
    let path = crate::host::environment::env("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let folders: BTreeSet<PathBuf> = PROGRAMS.iter().map(PathBuf::from).chain(folders).map(|f| real(&f)).collect();
    let all = |folder: &PathBuf| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        // A folder in it may be one of programs, too.
        entries
            .filter(|entry| entry.path().is_file())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| setting.watched.has(name))
            .collect()
    };
    let these = |folder: &PathBuf| -> Vec<String> {
        setting.watched.names().iter().filter(|name| folder.join(name).is_file()).cloned().collect()
    };
    let names = |folder: &PathBuf| if setting.watched == WatchedPrograms::All { all(folder) } else { these(folder) };
    let of = |folder: PathBuf| names(&folder).into_iter().map(move |name| Program { folder: folder.clone(), name });
    folders.into_iter().flat_map(of).collect()
}

/// Returns a path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(path), ..) => path,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_path_buf(),
    }
}

fn known(why: io::Error) -> io::Result<()> {
    if why.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(why) }
}

/// Mounts /proc of the enclosure's processes and /sys of its network, of which nothing can be written that is the kernel's.
fn kernel(root: &Path) -> StepResult<()> {
    let proc = root.join("proc");
    let flags = harmless() | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &proc, Some("proc"), flags, NOTHING).map_err(step("mount /proc"))?;
    for name in OF_KERNEL.iter().map(|name| proc.join(name)).filter(|path| path.exists()) {
        read_only(&name, &name)?;
    }
    mount(Some("sysfs"), &root.join("sys"), Some("sysfs"), flags | MsFlags::MS_RDONLY, NOTHING)
        .may_fail("where it is forbidden it is empty");
    Ok(())
}

/// Shows a file or a folder at another place, where its inode cannot be changed. A device can be written to nevertheless.
fn read_only(from: &Path, to: &Path) -> StepResult<()> {
    let what = || format!("show {}", from.display());
    mount(Some(from), to, NOTHING, MsFlags::MS_BIND, NOTHING).map_err(step(what()))?;
    // What the mount has of these it has to keep (mount_namespaces(7)).
    let has = statvfs(to).map_err(step(what()))?.flags();
    let kept = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
    ];
    let kept: MsFlags = kept.into_iter().filter(|(flag, _)| has.contains(*flag)).map(|(_, flag)| flag).collect();
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | kept;
    mount(NOTHING, to, NOTHING, flags, NOTHING).map_err(step(what()))
}

/// Shows the host's programs for files at a place of their own: their stand-ins have them do what they are called for.
fn file_programs(root: &Path) -> StepResult<()> {
    let folder = root.join(PROGRAMS_INSIDE.trim_start_matches('/'));
    make(&folder)?;
    for name in FILE_PROGRAMS.iter().chain(UNPACKERS).chain(&["date"]) {
        let found = PROGRAMS.iter().find_map(|folder| Path::new(folder).join(name).canonicalize().ok());
        let Some(from) = found.filter(|path| path.is_file()) else { continue };
        let to = folder.join(name);
        File::create(&to).map_err(step(to.display()))?;
        read_only(&from, &to)?;
    }
    Ok(())
}

/// Shows the folders of watched programs, and what the script has changed, at places of their own. In a folder in which something is mounted
/// an ordinary user is shown no more than each of its programs.
fn watching(root: &Path, above: &Above<'_>, mounts: &[Mounted]) -> StepResult<()> {
    for folder in &above.watched {
        let to = root.join(PROGRAMS_INSIDE.trim_start_matches('/')).join(folder.strip_prefix("/").unwrap_or(folder));
        make(&to)?;
        let hides = |one: &Mounted| one.at != *folder && one.at.starts_with(folder);
        if !above.in_user_namespace || !mounts.iter().any(hides) {
            read_only(folder, &to)?;
            continue;
        }
        let is_here = |program: &&Program| program.folder == *folder && folder.join(&program.name).is_file();
        for program in above.programs.iter().filter(is_here) {
            let to = to.join(&program.name);
            File::create(&to).map_err(step(to.display()))?;
            read_only(&folder.join(&program.name), &to)?;
        }
    }
    let to = root.join(WRITTEN_INSIDE.trim_start_matches('/'));
    make(&to)?;
    // We are where the upper sides are.
    read_only(Path::new("."), &to)
}

/// Makes a /dev without devices of the host's, in which the folder of the recording is too.
fn devices(root: &Path, folder: &Path) -> StepResult<()> {
    let dev = root.join("dev");
    mount(Some("tmpfs"), &dev, Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=755")).map_err(step("mount /dev"))?;
    for name in DEVICES {
        let (from, to) = (Path::new("/dev").join(name), dev.join(name));
        if from.exists() {
            File::create(&to).map_err(step(to.display()))?;
            read_only(&from, &to)?;
        }
    }
    let links =
        [("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"), ("ptmx", "pts/ptmx")];
    for (name, to) in links {
        symlink(to, dev.join(name)).map_err(step(name))?;
    }
    make(&dev.join("shm"))?;
    make(&dev.join("pts"))?;
    // A script without terminals is one that has none.
    let options = Some("newinstance,ptmxmode=0666,mode=620");
    mount(Some("devpts"), &dev.join("pts"), Some("devpts"), MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, options)
        .may_fail("a script without terminals is one that has none");
    file_programs(root)?;
    let inside = root.join(INSIDE.trim_start_matches('/'));
    make(&inside)?;
    mount(Some(folder), &inside, NOTHING, MsFlags::MS_BIND, NOTHING).map_err(step("show the recording"))
}

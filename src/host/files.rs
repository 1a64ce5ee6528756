//! Files: how they are written, replaced and removed, and what is said where that cannot be done.

pub(crate) mod disk_file;
pub(crate) mod halves;

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::image::{Disk as _, Image};
use crate::model::{Argv, Size};
use nix::fcntl::OFlag;
use nix::sys::stat::{self, Mode};
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Component, Path, PathBuf};

pub(crate) use halves::beside;

/// Returns what the operating system says of an error, without its number.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_string()
}

/// Returns what makes a fault of an error; of one that is about space, with the way out.
pub(crate) fn io_fault(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Fault {
    move |error| {
        let fault = Fault::host(format!("cannot {what} {}: {}", path.display(), reason(&error)));
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => fault.hint(making_room(path)),
            io::ErrorKind::FileTooLarge => {
                fault.hint("its file system has no files of that length, or `ulimit -f` allows none")
            }
            io::ErrorKind::NotFound if ["make", "write"].contains(&what) => fault.maybe_hint(missing_folder(path)),
            _ => fault,
        }
    }
}

/// Returns the way out where the folder of a file is missing.
fn missing_folder(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())?;
    Some(Argv::new("mkdir").arg("-p").arg(folder.display()).to_string())
}

/// Returns the way out where there is no room for a file.
pub(crate) fn making_room(path: &Path) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    format!("make room there: `df -h {}` shows how much is left", folder.display())
}

/// Returns what opens a file, and no link.
pub(crate) fn without_links() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

/// Returns the names in a folder that are text, in order; none of a folder that cannot be read.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Returns the length of a file in bytes; nothing if it is not there.
pub(crate) fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|meta| meta.len())
}

/// Returns whether there is anything at a path; a link that leads nowhere is nothing.
pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}

/// Returns whether a path leads to a file.
pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Returns whether a path leads to a folder.
pub(crate) fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Returns whether a link is at a path.
pub(crate) fn is_link(path: &Path) -> bool {
    path.is_symlink()
}

/// Returns what a path leads to, where that is a link to something that is there; otherwise the path.
pub(crate) fn target(path: &Path) -> PathBuf {
    let real = if is_link(path) { path.canonicalize().ok() } else { None };
    real.unwrap_or_else(|| path.into())
}

/// Says why what is at a path can be no disk; nothing if it can be one, or is not there.
pub(crate) fn no_disk(path: &Path) -> Option<io::Error> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    // A disk is a device too.
    no_file(kind).filter(|_| !kind.is_block_device() && !kind.is_char_device())
}

/// Returns a folder as the system has it, with no link on the way; nothing where it is not there.
pub(crate) fn real(folder: &Path) -> Option<PathBuf> {
    folder.canonicalize().ok()
}

/// Returns a path from the root on, where it begins in a folder; in the working directory where that is none. Where `..` may lead
/// past a link, the system says where.
pub(crate) fn whole(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    let whole = std::path::absolute(&joined).unwrap_or(joined);
    if !whole.components().any(|part| part == Component::ParentDir) {
        return whole;
    }
    let Some((above, name)) = whole.parent().zip(whole.file_name()) else {
        return whole.canonicalize().unwrap_or(whole);
    };
    above.canonicalize().map(|above| above.join(name)).unwrap_or(whole)
}

/// Returns the folder of a file, from the root on; of a link, that of what it leads to.
pub(crate) fn home(path: &Path) -> PathBuf {
    let real = if is_link(path) { path.canonicalize().ok() } else { None };
    let folder = real.as_deref().unwrap_or(path).parent().unwrap_or(Path::new(""));
    let folder = whole(Path::new(""), if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    if folder.ends_with("..") { folder.canonicalize().unwrap_or(folder) } else { folder }
}

/// How long a text may be that somebody wrote, in bytes.
pub(crate) const TEXT: u64 = 1 << 20;

/// How long a file may be that is put into an image or compared as a whole, in bytes.
pub(crate) const CONTENT: u64 = 1 << 30;

/// Says what is at a path that is no file to read to its end: of a pipe or a device nobody knows whether it has one.
fn no_file(kind: std::fs::FileType) -> Option<io::Error> {
    let refused = |what| Some(io::Error::new(io::ErrorKind::InvalidInput, what));
    match kind {
        kind if kind.is_file() => None,
        kind if kind.is_dir() => Some(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")),
        kind if kind.is_fifo() => refused("it is a named pipe, not a file"),
        kind if kind.is_socket() => refused("it is a socket, not a file"),
        _ => refused("it is a device, not a file"),
    }
}

/// Opens a file for reading, and nothing but a file. Others are not even opened: that would wait for whoever writes to a pipe, and
/// may do something to a device.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let refused = |kind| no_file(kind).map_or(Ok(()), Err);
    refused(std::fs::metadata(path)?.file_type())?;
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    refused(file.metadata()?.file_type())?;
    Ok(file)
}

/// Returns the bytes of a file that has no more than so many.
pub(crate) fn read_within(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > most {
        return Err(too_long(most));
    }
    bounded(file, most, usize::try_from(length).unwrap_or(0))
}

/// Reads to the end, which has to come within so many bytes.
fn bounded(from: impl io::Read, most: u64, expected: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected);
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(too_long(most)) } else { Ok(bytes) }
}

fn too_long(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {}", Size::bytes(most)))
}

/// Returns the text of a file.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text");
    String::from_utf8(read_within(path, TEXT)?).map_err(no_text)
}

/// Returns the bytes of a file that should be a text.
pub(crate) fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    read_within(path, TEXT)
}

/// As much of a file as there is.
pub(crate) const WHOLE: usize = usize::MAX;

/// Returns the bytes of a file, or so many of its beginning: of files and disks only, since to open anything else might do something.
pub(crate) fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    if most == WHOLE {
        return read_within(path, CONTENT);
    }
    let kind = std::fs::metadata(path)?.file_type();
    // Disks are character devices on FreeBSD, where other systems have their terminals and watchdogs.
    let is_disk = kind.is_block_device() || kind.is_char_device() && cfg!(target_os = "freebsd");
    if !(kind.is_file() || is_disk) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    // A device gives whole sectors only: what is asked for at once is never less.
    let mut bytes = Vec::with_capacity(most);
    file.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns what is read from the standard input until its end, after what was read of it by now.
pub(crate) fn read_standard_input(begun: &[u8]) -> io::Result<Vec<u8>> {
    bounded(begun.chain(io::stdin()), TEXT, 0)
}

/// Returns the paths of what is in a folder, in the order of their names.
pub(crate) fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    paths.sort();
    Ok(paths)
}

/// Writes a text as a file that is not there yet.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

/// Returns a path in a folder that no other process uses: `STEM.PID`.
pub(crate) fn of_this_process(folder: &Path, stem: &str) -> PathBuf {
    folder.join(format!("{stem}.{}", std::process::id()))
}

/// Returns the umask of this process, which is another one for a moment: no other thread may make a file then.
#[allow(clippy::useless_conversion, reason = "a mode has sixteen bits on FreeBSD")]
pub(crate) fn umask() -> u32 {
    let mask = stat::umask(Mode::from_bits_truncate(0o077));
    stat::umask(mask);
    mask.bits().into()
}

/// Writes a file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    write_anew(path, 0o600, bytes)
}

/// Writes a file in place of another; who may do what with it is what the umask leaves of the mode.
pub(crate) fn write_anew(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), Fault> {
    remove(path)?;
    let file = OpenOptions::new().create_new(true).write(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(io_fault("write", path))
}

#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn remove(path: &Path) -> Result<(), Fault> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Makes a folder, and those above it, where it is not there yet.
pub(crate) fn make_folder(path: &Path, mode: Option<u32>) -> Result<(), Fault> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    if let Some(mode) = mode {
        builder.mode(mode);
    }
    builder.create(path).map_err(io_fault("make", path))
}

/// Copies a file for its owner alone; one that is there already stays as it is.
pub(crate) fn copy_private(from: &Path, to: &Path) -> Result<(), Fault> {
    if to.exists() {
        return Ok(());
    }
    let copied = std::fs::copy(from, to).and_then(|_| std::fs::set_permissions(to, Permissions::from_mode(0o600)));
    copied.map_err(io_fault("write", to))
}

pub(crate) fn truncate(path: &Path, size: Size) -> Result<(), Fault> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    file.and_then(|file| file.set_len(size.get())).map_err(io_fault("truncate", path))
}

/// Writes what is not zero; the rest of a new file is zero without being written.
pub(crate) fn fill(file: &File, bytes: &[u8]) -> io::Result<()> {
    const CHUNK: usize = 1 << 16;
    file.set_len(bytes.len() as u64)?;
    let chunks = bytes.chunks(CHUNK).enumerate().filter(|(_, chunk)| chunk.iter().any(|byte| *byte != 0));
    chunks.into_iter().try_for_each(|(at, chunk)| file.write_all_at(chunk, (at * CHUNK) as u64))
}

/// Writes an image; its permissions are there before it is, and between its pieces a new file is zero.
pub(crate) fn fill_with(file: &File, image: &Image, mode: Option<u32>) -> io::Result<()> {
    if let Some(mode) = mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.set_len(image.size())?;
    image.pieces().iter().try_for_each(|piece| file.write_all_at(&piece.bytes, piece.at))
}

/// Writes a text; its permissions are there before it is.
pub(crate) fn fill_as(file: &mut File, text: &str, mode: Option<u32>) -> io::Result<()> {
    if let Some(mode) = mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.write_all(text.as_bytes())
}

/// Writes beside the file and renames, so that nobody ever sees half of it.
pub(crate) fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), Fault> {
    halves::clear(path)?;
    let beside = beside(path);
    let file = OpenOptions::new().create_new(true).write(true).open(&beside);
    let written = file.and_then(|mut file| {
        file.try_lock().may_fail("where files have no locks, the time that it was made at says that it is written");
        write(&mut file)?;
        std::fs::rename(&beside, path)
    });
    written.map_err(|error| {
        remove(&beside).may_fail("the fault that matters is the first one");
        io_fault("write", path)(error)
    })
}

/// Replaces the text of a file that is there: who has it and who may do what with it stays as it is, and of a link what it leads to is
/// replaced.
pub(crate) fn rewrite(path: &Path, text: &str) -> Result<(), Fault> {
    let real = path.canonicalize().map_err(io_fault("write", path))?;
    let meta = std::fs::metadata(&real).map_err(io_fault("write", path))?;
    replace(&real, |file| {
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (meta.uid(), meta.gid()) {
            std::os::unix::fs::fchown(&*file, Some(meta.uid()), Some(meta.gid()))?;
        }
        file.set_permissions(meta.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
}

/// Writes a text as a file that has its name when it is whole.
pub(crate) fn write_whole(path: &Path, text: &str) -> Result<(), Fault> {
    replace(path, |file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
}

/// Gives a file its name, where nothing has it. A file system without links has it renamed.
pub(crate) fn name_new(new: &Path, path: &Path) -> Result<(), Fault> {
    match std::fs::hard_link(new, path) {
        Ok(()) => remove(new),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(is_there(path)),
        Err(_) => std::fs::rename(new, path).map_err(io_fault("rename to", path)),
    }
}

/// The fault of a file that nobody writes over.
pub(crate) fn is_there(path: &Path) -> Fault {
    let hint = if path.is_dir() { "it is a folder: name a file in it" } else { "choose another path, or remove it" };
    Fault::usage(format!("{} is there already", path.display())).hint(hint)
}

/// Writes a text as a file that has its name when it is whole, and where nothing has that.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), Fault> {
    halves::clear(path)?;
    let beside = beside(path);
    let file = OpenOptions::new().create_new(true).write(true).open(&beside);
    let written = file.and_then(|mut file| {
        file.try_lock().may_fail("where files have no locks, the time that it was made at says that it is written");
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    let named = written.map_err(io_fault("write", path)).and_then(|()| name_new(&beside, path));
    named.inspect_err(|_| remove(&beside).may_fail("the fault that matters is the first one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        read_text(path).map_or_else(|error| error.to_string(), |text| format!("read: {text}"))
    }

    #[test]
    fn only_files_with_an_end_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        File::create(at("long")).unwrap().set_len(TEXT + 1).unwrap();
        write_private(&at("bytes"), &[0xff]).unwrap();
        write_private(&at("text"), b"text").unwrap();
        std::os::unix::fs::symlink("pipe", at("link")).unwrap();
        assert_eq!(refused(&at("pipe")), "it is a named pipe, not a file");
        assert_eq!(refused(&at("link")), "it is a named pipe, not a file");
        assert_eq!(refused(&at("socket")), "it is a socket, not a file");
        assert_eq!(refused(Path::new("/dev/zero")), "it is a device, not a file");
        assert_eq!(refused(folder.path()), "it is a folder");
        assert_eq!(refused(&at("long")), "it has more than 1M");
        assert_eq!(refused(&at("bytes")), "it is no UTF-8 text");
        assert_eq!(refused(&at("text")), "read: text");
        let disk = disk_file::DiskFile::open(&at("pipe")).err().map(|fault| fault.message);
        assert_eq!(disk, Some(format!("cannot read {}: it is a named pipe, not a file", at("pipe").display())));
    }
}

//! The trees of libraries on the disk.

pub(crate) use super::files::is_folder;
use super::files::{self, reason};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::library::tree::Files;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Why a file of a library cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not there.
    Missing,
    /// A symbolic link leads out of the library.
    Outside,
    /// The system says why.
    Refused(String),
}

/// Reads a file below a folder, unless a link leads out of that.
pub(crate) fn read_below(root: &Path, path: &str) -> Result<Vec<u8>, Unread> {
    let refused = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => Unread::Missing,
        _ => Unread::Refused(reason(&error)),
    };
    let root = root.canonicalize().map_err(refused)?;
    let file = root.join(path).canonicalize().map_err(refused)?;
    if !file.starts_with(&root) {
        return Err(Unread::Outside);
    }
    files::read_within(&file, files::TEXT).map_err(refused)
}

/// Returns the text of a file, or nothing if it is not there.
pub(crate) fn text(path: &Path) -> Result<Option<String>, Fault> {
    match files::read_text(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::host(format!("cannot read {}: {}", path.display(), reason(&error)))),
    }
}

/// Returns every file below a folder, and the paths of what is a link; nothing where there is no folder.
pub(crate) fn read(root: &Path) -> Result<Option<(Files, Vec<String>)>, Fault> {
    let refused =
        |path: &Path, error: &std::io::Error| Fault::host(format!("cannot read {}: {}", path.display(), reason(error)));
    let (mut files, mut links) = (Files::new(), Vec::new());
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let here = root.join(&folder);
        let entries = match fs::read_dir(&here) {
            Err(error) if error.kind() == ErrorKind::NotFound && folder.as_os_str().is_empty() => return Ok(None),
            entries => entries.map_err(|error| refused(&here, &error))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| refused(&here, &error))?;
            let path = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(|error| refused(&here, &error))?;
            let name = path.to_string_lossy().into_owned();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let file = root.join(&path);
                let bytes = files::read_within(&file, files::CONTENT).map_err(|error| refused(&file, &error))?;
                files.insert(name, bytes);
            } else {
                // A pipe or a device would not end.
                links.push(name);
            }
        }
    }
    links.sort();
    Ok(Some((files, links)))
}

/// Puts files where a folder is, in its place: it is there as it was or as it is to be, and a dead run leaves only what the next
/// one replaces.
pub(crate) fn write(root: &Path, files: &Files) -> Result<(), Fault> {
    let refused = |path: &Path| {
        let path = path.to_path_buf();
        move |error: std::io::Error| Fault::host(format!("cannot write {}: {}", path.display(), reason(&error)))
    };
    let beside = |end: &str| root.with_file_name(format!(".{}.{end}", root.file_name().unwrap_or_default().display()));
    let (new, old) = (beside("new"), beside("old"));
    for folder in [&new, &old] {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(refused(folder)(error)),
            _ => {}
        }
    }
    fs::create_dir_all(&new).map_err(refused(&new))?;
    for (path, bytes) in files {
        let file = new.join(path);
        fs::create_dir_all(file.parent().unwrap_or(&new)).map_err(refused(&file))?;
        put(&file, bytes)?;
    }
    match fs::rename(root, &old) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(refused(root)(error)),
        _ => {}
    }
    fs::rename(&new, root).map_err(refused(root))?;
    fs::remove_dir_all(&old).may_fail("what was there before is in nobody's way");
    Ok(())
}

/// Writes files below a folder; what else is there stays.
pub(crate) fn add(root: &Path, files: &Files) -> Result<(), Fault> {
    for (path, bytes) in files {
        let file = root.join(path);
        let folder = file.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .map_err(|error| Fault::host(format!("cannot make {}: {}", folder.display(), reason(&error))))?;
        put(&file, bytes)?;
    }
    Ok(())
}

/// Writes a file.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    fs::write(path, bytes).map_err(|error| Fault::host(format!("cannot write {}: {}", path.display(), reason(&error))))
}

/// Replaces a file as a whole.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Fault> {
    let new = path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().display()));
    put(&new, text.as_bytes())?;
    fs::rename(&new, path).map_err(|error| Fault::host(format!("cannot write {}: {}", path.display(), reason(&error))))
}

/// Makes a folder that is not there yet.
pub(crate) fn make_folder(path: &Path) -> Result<(), Fault> {
    fs::create_dir(path).map_err(|error| Fault::host(format!("cannot make {}: {}", path.display(), reason(&error))))
}

/// Takes a tree away; absent is fine.
pub(crate) fn remove(root: &Path) -> Result<(), Fault> {
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Fault::host(format!("cannot remove {}: {}", root.display(), reason(&error))))
        }
        _ => Ok(()),
    }
}

//! Files that the program carries and that others want to read: they are put into the user's cache.

use super::files::{io_fault, write_anew};
use crate::diag::Fault;
use directories::ProjectDirs;
use std::path::PathBuf;

/// Puts a file that the program carries where it can be read, and returns where that is.
pub(crate) fn unpack(name: &str, text: &str) -> Result<PathBuf, Fault> {
    let dirs = ProjectDirs::from("", "", "vmrun");
    let cache = dirs.as_ref().map(ProjectDirs::cache_dir);
    let path = cache.ok_or_else(|| Fault::host("there is no home folder for a cache").hint("set HOME"))?.join(name);
    if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(path);
    }
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).create(folder).map_err(io_fault("make", folder))?;
    }
    write_anew(&path, 0o444, text.as_bytes())?;
    Ok(path)
}

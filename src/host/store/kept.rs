//! What a state folder has of machines, for whoever looks into it.

use super::{LAST, STATUS_FILE, StateRecord, look};
use crate::host::files;
use crate::model::VmName;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a state folder has of a machine for whoever looks into it, who need not be its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The machine.
    pub name: VmName,
    /// The folder of its state.
    pub folder: PathBuf,
    /// What was written as its status.
    pub status: Option<String>,
    /// Whether there is a lock file.
    pub has_lock: bool,
    /// What that file says, where it may be read.
    pub record: Option<StateRecord>,
}

/// Returns what a state folder has of machines, by name; nothing of one that is not there or may not be read.
pub(crate) fn kept(state: &Path) -> Vec<Kept> {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    let mut found: BTreeMap<VmName, (bool, bool)> = BTreeMap::new();
    for entry in entries {
        let Ok(text) = entry.file_name().into_string() else { continue };
        let locked = text.strip_prefix('.').and_then(|name| name.strip_suffix(".lock"));
        let Ok(name) = locked.unwrap_or(&text).parse() else { continue };
        let (has_lock, has_folder) = found.entry(name).or_default();
        *(if locked.is_some() { has_lock } else { has_folder }) = true;
    }
    let read = |(name, (has_lock, has_folder)): (VmName, (bool, bool))| {
        let folder = state.join(name.as_str());
        let status = || has_folder.then(|| files::read_text(&folder.join(STATUS_FILE)).ok()).flatten();
        let running = status();
        let seen = if has_lock { look(&state.join(format!(".{name}.lock")), false) } else { Ok(None) };
        let has_lock = !matches!(seen, Ok(None));
        let record = seen.ok().flatten();
        // A run takes its status away before it lets go of its lock: one that is there after that is a dead one's.
        let is_over = !has_lock || record.as_ref().is_some_and(|(is_locked, _)| !is_locked);
        let status = if is_over { status() } else { running };
        let record = record.map(|(is_locked, journal)| StateRecord { name: name.clone(), is_locked, journal });
        (has_lock || status.is_some()).then_some(Kept { name, folder, status, has_lock, record })
    };
    found.into_iter().filter_map(read).collect()
}

/// Returns the last status of the machines whose run in the background is over, as it was written.
pub(crate) fn last(state: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    let is_last = |name: &str| name.starts_with('.') && name.ends_with(LAST);
    let last = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_last));
    last.filter_map(|entry| files::read_text(&entry.path()).ok()).collect()
}

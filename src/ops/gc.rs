//! What dead runs have left, and giving it back.

use super::settings;
use crate::diag::Fault;
use crate::host::files::{self, halves};
use crate::model::Argv;
use crate::supervise::recovery;
pub(crate) use crate::supervise::recovery::Left;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Gives back what dead runs have left, or only looks for it, and returns what it was with the faults of each. Before that `listener` hears
/// of each with the commands that give it back.
pub(crate) fn collect(
    only_look: bool,
    within: Duration,
    listener: &mut dyn FnMut(&Left, &[Argv]),
) -> Result<Vec<Left>, Fault> {
    let mut host = settings::host(false)?;
    recovery::collect(&mut host, only_look, within, &mut |host, left| listener(left, &left.commands(host)))
}

/// Returns what dead runs have left half written in a folder, and removes it unless it is only looked for.
pub(crate) fn halves(folder: &Path, only_look: bool) -> Result<Vec<PathBuf>, Fault> {
    if !files::is_folder(folder) {
        let fault = Fault::usage(format!("{} is no folder", folder.display()));
        return Err(fault.hint("name the folder in which disk images are"));
    }
    let found = halves::left(folder, None);
    if !only_look {
        found.iter().try_for_each(|path| files::remove(path))?;
    }
    Ok(found)
}

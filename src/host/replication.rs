//! Where it is kept what is known of the replicas of machines (`image::migration::Replication`). It outlives a start of the host, as the
//! records of moves do. Whoever changes it has the machine's [`super::moves::MoveLock`]; it is read without.

use super::files::{self, reason, remove};
use super::moves::sync_folder;
use super::settings::Settings;
use crate::diag::{Blame, Fault};
use crate::image::migration::Replication;
use crate::model::VmName;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

fn folder(settings: &Settings) -> PathBuf {
    settings.config.join("replication")
}

/// Returns the file of a machine.
pub(crate) fn path(settings: &Settings, name: &VmName) -> PathBuf {
    folder(settings).join(format!("{name}.json"))
}

/// Returns what is known of the replicas of a machine.
///
/// # Errors
/// It cannot be read: nobody knows then whether another host has taken the machine over.
pub(crate) fn read(settings: &Settings, name: &VmName) -> Result<Replication, Fault> {
    let path = path(settings, name);
    let unsure = |fault: Fault| {
        let what = "cannot tell which hosts have replicas of";
        let fault = Fault::host(format!("{what} {name}: {}: {}", path.display(), fault.message));
        let hint = "correct that file, or remove it if no other host has taken the machine over";
        fault.hint(hint).blame(Blame::Unsure)
    };
    match files::read_text(&path) {
        Ok(text) => Replication::read(&text).map_err(unsure),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Replication::of(name.clone())),
        Err(error) => Err(unsure(Fault::host(reason(&error)))),
    }
}

/// Changes it. It is on the disk when this returns; what is empty is not there.
pub(crate) fn change<T>(
    settings: &Settings,
    name: &VmName,
    change: impl FnOnce(&mut Replication) -> T,
) -> Result<T, Fault> {
    let before = read(settings, name)?;
    let mut replication = before.clone();
    let done = change(&mut replication);
    if replication == before {
        return Ok(done);
    }
    let (folder, path) = (folder(settings), path(settings, name));
    files::make_folder(&folder, Some(0o700))?;
    if replication.is_empty() {
        remove(&path)?
    } else {
        files::write_whole(&path, &replication.text())?
    }
    sync_folder(&folder)?;
    Ok(done)
}

/// Returns what is known of the replicas of machines of one recipe with the same parameters that have other names than this one: the
/// recipe named its machine otherwise. What cannot be read is told by who asks for that machine.
pub(crate) fn of_other_names(
    settings: &Settings,
    name: &VmName,
    recipe: &Path,
    params: &BTreeMap<String, String>,
) -> Vec<Replication> {
    let of = |file: String| file.strip_suffix(".json").filter(|name| !name.starts_with('.'))?.parse().ok();
    let others = files::names(&folder(settings)).into_iter().filter_map(of).filter(|other: &VmName| other != name);
    let known = others.filter_map(|other| read(settings, &other).ok());
    known.filter(|one| one.of.as_ref().is_some_and(|of| of.0 == recipe && of.1 == *params)).collect()
}

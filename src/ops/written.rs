//! Hosts that are known by a file in which each tells of its machines: `vmrun list --json --out FILE`, by cron.

use super::remote::{Told, read_list};
use crate::diag::Fault;
use crate::host::clock;
use crate::host::files::{self, reason};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How a host is written that is known by its file, or how a folder of such files is.
pub(crate) const SCHEME: &str = "file://";

/// What the files of a folder end in.
const SUFFIX: &str = ".json";

/// Returns the path of a file or a folder of files.
pub(crate) fn path(name: &str) -> Result<PathBuf, Fault> {
    let path = name.strip_prefix(SCHEME).map(Path::new).filter(|path| path.is_absolute());
    let fault = || {
        let fault = Fault::usage(format!("{name:?} is not the file of a host"));
        fault.hint(format!(
            "write {SCHEME} and the path from the root on, as {SCHEME}/srv/vmrun/vm5.json, or that of their folder"
        ))
    };
    path.map(Path::to_path_buf).ok_or_else(fault)
}

/// Puts the files of a folder in its place, in the order of their names.
pub(crate) fn expanded(names: Vec<String>) -> Result<Vec<String>, Fault> {
    let mut all = Vec::new();
    for name in names {
        let folder =
            if name.starts_with(SCHEME) { Some(path(&name)?).filter(|path| files::is_folder(path)) } else { None };
        let Some(folder) = folder else {
            all.push(name);
            continue;
        };
        let inside = files::names(&folder).into_iter().filter(|name| name.ends_with(SUFFIX) && !name.starts_with('.'));
        all.extend(inside.map(|name| format!("{SCHEME}{}", folder.join(name).display())));
    }
    Ok(all)
}

/// Reads what a host has written, or returns why it does not tell.
pub(crate) fn read(path: &Path) -> Result<Told, String> {
    let text = files::read_within(path, MOST).map_err(|error| reason(&error))?;
    let told = String::from_utf8(text).ok().and_then(|text| read_list(&text));
    told.ok_or_else(|| "it is no list of machines, as `vmrun list --json --out FILE` writes it".into())
}

/// Returns why what a host has written may not be so any more, to be said behind its name.
pub(crate) fn stale(told: &Told, now: u64) -> Option<String> {
    let time = told.time?;
    if now.abs_diff(time) <= FRESH.as_secs() {
        return None;
    }
    let when = match now.checked_sub(time) {
        Some(age) => format!("{:?} ago", Duration::from_secs(age)),
        None => "at a time that is still to come, by its clock or by ours".into(),
    };
    Some(format!("has written its file {when}: what it runs now is not known"))
}

/// Reads what a host has written not long ago, or returns why it does not tell.
pub(crate) fn fresh(path: &Path) -> Result<Told, String> {
    let told = read(path)?;
    stale(&told, clock::now()).map_or(Ok(told), |why| Err(format!("it {why}")))
}

/// How old the file of a host may be; cron writes one each minute.
const FRESH: Duration = Duration::from_secs(300);

/// How long such a file may be, in bytes: as an answer by ssh.
const MOST: u64 = 16 << 20;

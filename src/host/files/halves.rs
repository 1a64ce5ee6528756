//! Files that were being written when their writer died: known by their names alone, since the journal that had them may be gone
//! with a state folder in memory.
//!
//! A file is written beside the one that it replaces, as `FILE.vmrun-PID.new`, and its writer holds its lock until it has its name. So
//! one whose lock can be had is nobody's any more, unless its writer has only just made it.

use super::{names, remove};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::Machine;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What stands between the name of the file and the process that writes it.
const BY: &str = ".vmrun-";

/// What its name ends with.
const END: &str = ".new";

/// What ssh-keygen puts behind that of a private key, for the public one.
const PUBLIC: &str = ".pub";

/// How long a writer may take from making the file to locking it.
const MOMENT: Duration = Duration::from_secs(60);

/// Returns the file that is written before it replaces another.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!("{BY}{}{END}", std::process::id()));
    path.with_file_name(name)
}

/// Returns the file that a name is half of, and its writer; nothing of any other name.
fn of(name: &str) -> Option<(&str, i32)> {
    let (file, pid) = name.strip_suffix(PUBLIC).unwrap_or(name).strip_suffix(END)?.rsplit_once(BY)?;
    let is_number = !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !file.is_empty()).then_some((file, pid.parse().ok()?))
}

/// Whether nobody writes a file any more.
fn is_left(path: &Path, pid: i32) -> bool {
    let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let Some(file) = is_file.then(|| File::open(path).ok()).flatten() else { return false };
    if matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)) {
        return false;
    }
    let is_gone = kill(Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH);
    let age = file.metadata().ok().and_then(|meta| meta.modified().ok()?.elapsed().ok());
    // After a start of the host another process may have that number, and so may we.
    is_gone || Pid::this().as_raw() == pid || age.is_some_and(|age| age > MOMENT)
}

/// Returns what dead writers have left in a folder: of one file, or of any.
pub(crate) fn left(folder: &Path, of_file: Option<&str>) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let half = |name: &String| {
        let (file, pid) = of(name)?;
        let path = folder.join(name);
        (of_file.is_none_or(|wanted| wanted == file) && is_left(&path, pid)).then_some(path)
    };
    names(folder).iter().filter_map(half).collect()
}

/// Whether a name is half of that one, and its writer is gone: for volumes, which nobody locks.
pub(crate) fn is_of_dead(half: &str, name: &str) -> bool {
    let is_gone = |pid| kill(Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH) || Pid::this().as_raw() == pid;
    of(half).is_some_and(|(whole, pid)| whole == name && is_gone(pid))
}

/// Removes what dead writers have left of a file.
pub(crate) fn clear(path: &Path) -> Result<(), Fault> {
    let Some((folder, name)) = path.parent().zip(path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    left(folder, Some(name)).iter().try_for_each(|half| {
        tracing::debug!("rm {}", half.display());
        remove(half)
    })
}

/// Removes what dead writers have left of a machine's images, as before a power cut. That it cannot be removed hinders no guest.
pub(crate) fn clear_images(machine: &Machine) {
    for (.., path, _) in machine.devices().flat_map(|(_, device)| device.images()) {
        clear(path.as_path()).may_fail("what cannot be removed hinders no guest");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn half_a_file_says_by_its_name_what_it_is() {
        assert_eq!(of("a.img.vmrun-7.new"), Some(("a.img", 7)));
        assert_eq!(of("a.vmrun-1.new.vmrun-22.new"), Some(("a.vmrun-1.new", 22)));
        assert!(is_of_dead("web.vmrun-2147483647.new", "web") && !is_of_dead("web.vmrun-1.new", "web"));
        assert!(!is_of_dead("web2.vmrun-2147483647.new", "web") && !is_of_dead("web", "web"));
        for name in [
            "a.img.7.new",
            "a.img.vmrun-.new",
            ".vmrun-7.new",
            "a.vmrun-7x.new",
            "a.vmrun-7",
            "a.vmrun-99999999999.new",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn only_what_a_dead_writer_has_left_of_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (mine, dead) = (beside(&path("a.img")), path("a.img.vmrun-2147483647.new"));
        let stays = ["b.img.vmrun-2147483647.new", "a.img.5.new", "a.img", "a.img.vmrun-1.new"];
        for file in stays.iter().map(|name| path(name)).chain([mine.clone(), dead.clone()]) {
            crate::host::library_tree::put(&file, b"").unwrap();
        }
        fs::create_dir(path("a.img.vmrun-2147483646.new")).unwrap();
        let held = File::open(&mine).unwrap();
        held.lock().unwrap();
        assert_eq!(left(folder.path(), Some("a.img")), std::slice::from_ref(&dead));
        drop(held);
        clear(&path("a.img")).unwrap();
        assert!(!dead.exists() && !mine.exists());
        assert!(stays.iter().all(|name| path(name).exists()));
        assert_eq!(left(folder.path(), None), [path("b.img.vmrun-2147483647.new")]);
        assert_eq!(left(&path("none"), None), [""; 0].map(PathBuf::from));
    }
}

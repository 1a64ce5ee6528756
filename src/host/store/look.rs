//! What a lock says to whoever only looks: whether a run lives, and what its journal tells.

use super::{JOURNAL, is_at};
use crate::diag::may_fail::MayFail as _;
use crate::host::files::without_links;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _};
use std::path::Path;

/// Returns whether another process holds a lock, and the text of its file, if it may be read. That of a run which ended just now is
/// gone, and there is none.
///
/// # Errors
///
/// It may not be read.
pub(super) fn look(path: &Path, is_ours: bool) -> io::Result<Option<(bool, Option<String>)>> {
    let lock = match without_links().read(true).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let is_locked = || {
        let is_locked = !is_ours && matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock));
        lock.unlock().may_fail("closing the file lets go of it, too");
        is_locked
    };
    let was_locked = is_locked();
    let text = text_of(&lock);
    if was_locked || is_ours {
        return Ok(Some((was_locked, text)));
    }
    // A run may have begun between the two, and what was read be its own: it is not dead for that.
    Ok(if is_locked() { Some((true, text_of(&lock))) } else { is_at(&lock, path).then_some((false, text)) })
}

/// The text of a lock's file.
fn text_of(lock: &File) -> Option<String> {
    let mut text = Vec::with_capacity(JOURNAL);
    let mut from_begin = lock;
    from_begin.rewind().may_fail("what was just opened stands at its begin");
    // One that is bounded is not asked for its size.
    from_begin.take(u64::MAX).read_to_end(&mut text).may_fail("what came until it failed is what came");
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::host::store::Store;
    use crate::host::store::tests::settings;
    use crate::model::VmName;
    use std::time::Duration;

    /// A look takes several steps, and a run may begin or end between any two of them.
    #[test]
    fn a_run_that_begins_or_ends_while_somebody_looks_is_never_seen_dead() {
        let folder = tempfile::tempdir().unwrap();
        let (settings, name): (_, VmName) = (settings(folder.path()), "lab".parse().unwrap());
        std::thread::scope(|threads| {
            let runs = threads.spawn(|| {
                for _ in 0..2000 {
                    let mut run = Store::new(settings.clone());
                    while !run.reserve(&name, Duration::ZERO).unwrap() {}
                    run.note(&name, "a\n", false).unwrap();
                    run.tidy(&name, false).unwrap();
                    run.clear(&name).unwrap();
                }
            });
            let looker = Store::new(settings.clone());
            while !runs.is_finished() {
                let dead = looker.records().into_iter().find(|seen| !seen.is_locked && seen.journal.is_some());
                assert_eq!(dead, None);
            }
        });
    }
}

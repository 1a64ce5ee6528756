//! Which files an enclosed script wrote.

use super::tree::{Overlay, Tree};
use super::{INSIDE, REMOVED};
use crate::host::files;
use crate::recording::Written;
use crate::recording::journal::read_written;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The longest file whose content is kept, in bytes.
const WRITTEN_MAX: u64 = 1 << 20;

/// How many files of a script are kept.
const WRITTEN_FILES_MAX: usize = 256;

/// How deep folders are looked into.
const DEPTH: usize = 64;

/// Returns the files that were made or changed, also those that the script has removed again, sorted by their paths.
pub(super) fn written(tree: &Tree) -> Vec<Written> {
    let by_fd = |fd: RawFd| PathBuf::from(format!("/proc/self/fd/{fd}"));
    let removed = std::fs::read(Path::new(INSIDE).join(REMOVED)).unwrap_or_default();
    let removed = read_written(&removed).into_iter().map(|file| (PathBuf::from(&file.path), file));
    let mut all: BTreeMap<PathBuf, Written> = removed.collect();
    for overlay in &tree.overlays {
        let upper = by_fd(tree.scratch.as_raw_fd()).join(&overlay.upper);
        walk(&upper, Path::new(""), &mut |inner, path, meta| {
            if !meta.is_file() {
                return;
            }
            let at = overlay.at.join(inner);
            let is_same = is_same(path, &by_fd(overlay.lower.as_raw_fd()).join(inner));
            if !is_same && !is_copy(tree, &at, path) {
                all.extend(read(path).map(|(mode, content)| (at, mode, content)).map(entry));
            }
        });
    }
    // What is in / itself has no overlay.
    walk(Path::new("/"), Path::new(""), &mut |_, path, meta| {
        if meta.is_file() && !is_copy(tree, path, path) {
            all.extend(read(path).map(|(mode, content)| (path.to_path_buf(), mode, content)).map(entry));
        }
    });
    // One that the host has too was not made by the script.
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let is_hosts = |overlay: &Overlay, path: &Path| {
        path.strip_prefix(&overlay.at).is_ok_and(|inner| is_there(&by_fd(overlay.lower.as_raw_fd()).join(inner)))
    };
    for (path, file) in all.iter_mut().filter(|(_, file)| file.is_gone) {
        file.is_gone = !is_there(path) && !tree.overlays.iter().any(|overlay| is_hosts(overlay, path));
    }
    all.into_values().take(WRITTEN_FILES_MAX).collect()
}

/// Whether a file is the copy that it was.
fn is_copy(tree: &Tree, at: &Path, path: &Path) -> bool {
    let now = path.symlink_metadata().and_then(|meta| meta.modified()).ok();
    tree.copies.get(at).is_some_and(|made| Some(*made) == now)
}

fn entry((path, mode, content): (PathBuf, u32, Option<Vec<u8>>)) -> (PathBuf, Written) {
    let shown = path.display().to_string();
    (path, Written { path: shown, mode, content, is_gone: false })
}

/// Visits what is below a folder and is none, by its path in it and its whole one. Links are not followed, and what is mounted is passed over.
pub(super) fn walk(folder: &Path, inner: &Path, visit: &mut dyn FnMut(&Path, &Path, &Metadata)) {
    let Ok(device) = std::fs::metadata(folder).map(|meta| meta.dev()) else { return };
    let mut left = vec![inner.to_path_buf()];
    while let Some(inner) = left.pop() {
        for entry in std::fs::read_dir(folder.join(&inner)).into_iter().flatten().flatten() {
            let (path, inner) = (entry.path(), inner.join(entry.file_name()));
            let Ok(meta) = path.symlink_metadata() else { continue };
            if meta.is_dir() && meta.dev() == device && inner.components().count() < DEPTH {
                left.push(inner);
            } else if !meta.is_dir() && meta.dev() == device {
                visit(&inner, &path, &meta);
            }
        }
    }
}

fn read(path: &Path) -> Option<(u32, Option<Vec<u8>>)> {
    let meta = path.symlink_metadata().ok()?;
    let content = (meta.len() <= WRITTEN_MAX).then(|| files::read_within(path, WRITTEN_MAX).ok()).flatten();
    Some((meta.mode() & 0o7777, content))
}

/// Whether a file has the content that the host's has: then only its mode or its owner was changed.
fn is_same(one: &Path, other: &Path) -> bool {
    let length = |path: &Path| path.symlink_metadata().ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
    let (Some(of_one), Some(of_other)) = (length(one), length(other)) else { return false };
    of_one == of_other
        && of_one <= WRITTEN_MAX
        && files::read_within(one, WRITTEN_MAX).ok() == files::read_within(other, WRITTEN_MAX).ok()
}

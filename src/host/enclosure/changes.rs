//! What an enclosed script has changed up to now, as its stand-ins see it.

use super::WRITTEN_INSIDE;
use super::written::walk;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How a file was at a moment: one that is changed has another stamp.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::host) struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self { inode: meta.ino(), length: meta.len(), changed: (meta.ctime(), meta.ctime_nsec()) }
    }
}

/// Returns the files that an enclosed script has made, changed or removed, by their whole paths, and those that are in / itself.
pub(in crate::host) fn changes() -> BTreeMap<PathBuf, Stamp> {
    let mut all = BTreeMap::new();
    let mut take = |folder: &Path, at: &Path| {
        walk(folder, Path::new(""), &mut |inner, _, meta| {
            all.insert(at.join(inner), Stamp::of(meta));
        });
    };
    // It has no overlay, and what is covered is mounted.
    take(Path::new("/"), Path::new("/"));
    for entry in std::fs::read_dir(WRITTEN_INSIDE).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.strip_prefix(super::COVERED)) else { continue };
        let Ok(at) = std::fs::read_link(entry.path()) else { continue };
        // A device without a number stands for what was removed (overlayfs, "whiteouts").
        take(&Path::new(WRITTEN_INSIDE).join(format!("upper{number}")), &at);
    }
    all
}

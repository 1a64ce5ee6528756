//! What the file system says of a file.

use crate::host::FileFact;
use crate::host::cgroup::DeviceNumber;
use crate::model::Size;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// Returns what is known of a file.
pub(super) fn fact(path: &Path) -> Option<FileFact> {
    let meta = std::fs::metadata(path).ok()?;
    let kind = meta.file_type();
    let has_size = !kind.is_block_device() && !kind.is_char_device();
    let device = if kind.is_block_device() { meta.rdev() } else { meta.dev() };
    Some(FileFact {
        size: has_size.then(|| Size::bytes(meta.len())),
        has_data: !has_size || meta.blocks() > 0,
        is_folder: meta.is_dir(),
        device: Some(DeviceNumber::of(device)),
    })
}

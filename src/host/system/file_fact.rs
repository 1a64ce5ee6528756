//! What the file system says of a file.

use crate::host::FileFact;
use crate::host::cgroup::DeviceNumber;
use crate::model::Size;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

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

/// Returns where a path leads, as far as it is there.
pub(super) fn real(path: &Path) -> PathBuf {
    let found = path.ancestors().find_map(|there| match there.canonicalize() {
        Ok(real) => Some((there, real)),
        // A link to what is not there yet leads nowhere that could be told for certain.
        Err(_) if there.is_symlink() => Some((there, PathBuf::new())),
        Err(_) => None,
    });
    match found {
        Some((there, real)) => match path.strip_prefix(there) {
            // Joined with nothing it would end with a slash, as no file does.
            Ok(rest) if rest != Path::new("") => real.join(rest),
            _ => real,
        },
        None => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_where_its_links_do_and_what_is_a_file_is_one_there() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().canonicalize().unwrap();
        crate::host::library_tree::put(&at.join("a.img"), b"data").unwrap();
        std::os::unix::fs::symlink("a.img", at.join("link")).unwrap();
        let file = real(&at.join("link"));
        assert_eq!(file.to_str(), at.join("a.img").to_str());
        assert!(fact(&file).is_some_and(|fact| fact.size == Some(Size::bytes(4))));
        assert_eq!(real(&at.join("no/such.img")), at.join("no/such.img"));
    }
}

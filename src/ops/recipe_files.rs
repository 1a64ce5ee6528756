//! The files that paths on a command line mean.

use crate::diag::Fault;
use crate::host::files;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is looked for in folders.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    /// Whether a file name fits.
    pub(super) fits: fn(&str) -> bool,
    /// What such a file is called in messages.
    pub(super) what: &'static str,
    /// What is said where there is none.
    pub(super) hint: &'static str,
}

impl Wanted {
    /// Returns the files that are meant, in order, each once; those of the working directory if there is no path. In folders those
    /// whose name fits are; what is hidden is left out.
    pub(super) fn files(self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Fault> {
        let here = [PathBuf::from(".")];
        let mut found = Vec::new();
        for path in if paths.is_empty() { &here } else { paths } {
            if files::is_folder(path) {
                let before = found.len();
                self.below(path, &mut found)?;
                if found.len() == before {
                    let fault = Fault::usage(format!("there is no {} in {}", self.what, path.display()));
                    return Err(fault.hint(self.hint));
                }
            } else {
                found.push(path.clone());
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|path| seen.insert(path.clone()));
        Ok(found)
    }

    fn below(self, folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Fault> {
        let entries = files::entries(folder).map_err(|error| {
            let why = files::reason(&error);
            Fault::usage(format!("cannot read the folder {}: {why}", folder.display()))
        })?;
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            if files::is_folder(&path) && !files::is_link(&path) {
                self.below(&path, found)?;
            } else if (self.fits)(&name) && files::is_file(&path) {
                // `./lab.rhai` is how nobody would write it.
                found.push(path.strip_prefix(".").map(Path::to_path_buf).unwrap_or(path));
            }
        }
        Ok(())
    }
}

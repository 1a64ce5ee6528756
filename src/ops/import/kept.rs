//! Files that an import writes again and again: what somebody has changed since is left alone.

use crate::diag::Fault;
use crate::host::files;
use crate::library::tree::sum;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that has the sums of what was written, by the names of the files, as sha256sum(1) prints them.
const SUMS: &str = ".vmrun-import";

/// A folder that files are written into.
pub(super) struct KeptFolder {
    folder: PathBuf,
    before: BTreeMap<String, String>,
    now: BTreeMap<String, String>,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is as it should be.
    Ours,
    /// Somebody changed it, and what is to be written is what was written before.
    Edited,
    /// Somebody changed it, or it is somebody else's, and what is to be written is not what was written before.
    Behind,
}

impl KeptFolder {
    /// Opens a folder, which is made if it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self, Fault> {
        files::make_folder(folder, None)?;
        let sums = folder.join(SUMS);
        let text = if files::exists(&sums) {
            files::read_text(&sums).map_err(files::io_fault("read", &sums))?
        } else {
            String::new()
        };
        let pairs = text.lines().filter_map(|line| line.split_once("  "));
        let before = pairs.map(|(sum, name)| (name.to_string(), sum.to_string())).collect();
        Ok(Self { folder: folder.into(), before, now: BTreeMap::new() })
    }

    /// Writes a file, unless it is not ours any more.
    pub(super) fn write(&mut self, name: &str, text: &str) -> Result<Written, Fault> {
        let path = self.folder.join(name);
        let (new, old) = (sum(text.as_bytes()), self.before.get(name).cloned());
        self.now.insert(name.into(), new.clone());
        let there = if files::exists(&path) || files::is_link(&path) {
            Some(sum(&files::read_bytes(&path).map_err(files::io_fault("read", &path))?))
        } else {
            None
        };
        match there {
            Some(there) if there == new => Ok(Written::Ours),
            Some(there) if old.as_ref() != Some(&there) => {
                let is_behind = old.as_ref() != Some(&new);
                if is_behind {
                    // It stays behind until somebody has taken over what is new.
                    match old {
                        Some(old) => drop(self.now.insert(name.into(), old)),
                        None => drop(self.now.remove(name)),
                    }
                }
                Ok(if is_behind { Written::Behind } else { Written::Edited })
            }
            _ => {
                files::replace(&path, |file| files::fill_as(file, text, None))?;
                Ok(Written::Ours)
            }
        }
    }

    /// Leaves a file of an earlier time as it is.
    pub(super) fn keep(&mut self, name: &str) {
        if let Some(sum) = self.before.get(name) {
            self.now.insert(name.into(), sum.clone());
        }
    }

    /// Keeps what was written, and returns the files of an earlier time that are not written any more.
    pub(super) fn close(self) -> Result<Vec<String>, Fault> {
        let text: String = self.now.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        let path = self.folder.join(SUMS);
        if self.now != self.before {
            files::replace(&path, |file| files::fill_as(file, &text, None))?;
        }
        let is_left = |name: &&String| !self.now.contains_key(*name) && files::exists(&self.folder.join(name));
        Ok(self.before.keys().filter(is_left).cloned().collect())
    }
}

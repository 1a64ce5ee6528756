//! A tree of files as sums, by which one tree is told from another.

use crate::diag::Fault;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The content of each file, by its path with `/`.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The SHA-256 of each file, by its path.
pub(crate) type Sums = BTreeMap<String, String>;

/// How a file differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has another content.
    Changed(String),
    /// It is no more.
    Missing(String),
    /// It was not there.
    New(String),
    /// It is a symbolic link, and so anything.
    Link(String),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(path) => write!(f, "{path} was changed"),
            Self::Missing(path) => write!(f, "{path} is missing"),
            Self::New(path) => write!(f, "{path} is new"),
            Self::Link(path) => write!(f, "{path} is a symbolic link"),
        }
    }
}

/// Returns the SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the sum of every file.
pub(crate) fn sums(files: &Files) -> Sums {
    files.iter().map(|(path, bytes)| (path.clone(), sum(bytes))).collect()
}

/// Returns the sum of a tree: that of the lines which `sha256sum` prints of its files, sorted by path.
pub(crate) fn whole(sums: &Sums) -> String {
    let lines: String = sums.iter().map(|(path, sum)| format!("{sum}  {path}\n")).collect();
    sum(lines.as_bytes())
}

/// Returns how a tree differs from what was pinned, in the order of paths; links are named by their paths.
pub(crate) fn changes(pinned: &Sums, files: &Files, links: &[String]) -> Vec<Change> {
    let mut all: BTreeMap<&str, Change> = BTreeMap::new();
    for (path, bytes) in files {
        match pinned.get(path) {
            Some(known) if *known == sum(bytes) => {}
            Some(_) => drop(all.insert(path, Change::Changed(path.clone()))),
            None => drop(all.insert(path, Change::New(path.clone()))),
        }
    }
    for path in pinned.keys().filter(|path| !files.contains_key(*path)) {
        all.insert(path, Change::Missing(path.clone()));
    }
    for path in links {
        all.insert(path, Change::Link(path.clone()));
    }
    all.into_values().collect()
}

/// Refuses a path that a tree must not have: one that leads out of it, or that no terminal shows.
pub fn check_path(path: &str) -> Result<(), Fault> {
    let is_plain = |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    if path.split('/').all(is_plain) && !path.chars().any(|c| c.is_control() || c == '\\') {
        return Ok(());
    }
    Err(Fault::new(format!("{path:?} is no path of a library")).hint("names without `..`, control characters and `\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Files {
        all.iter().map(|(path, text)| ((*path).to_string(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn the_sum_of_a_tree_is_that_of_the_lines_of_sha256sum() {
        let sums = sums(&files(&[("b/c", ""), ("a", "x\n")]));
        assert_eq!(sums["a"], "73cb3858a687a8494ca3323053016282f3dad39d42cf62ca4e79dda2aac7d9ac");
        assert_eq!(sums["b/c"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let lines = format!("{}  a\n{}  b/c\n", sums["a"], sums["b/c"]);
        assert_eq!(whole(&sums), sum(lines.as_bytes()));
    }

    #[test]
    fn every_difference_is_named_once() {
        let pinned = sums(&files(&[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")]));
        let found = files(&[("a", "1"), ("b", "x"), ("e", "5")]);
        let said: Vec<String> = changes(&pinned, &found, &["d".into()]).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["b was changed", "c is missing", "d is a symbolic link", "e is new"]);
    }

    #[test]
    fn no_path_leads_out_of_a_tree() {
        for path in ["lib.rhai", "a/b.rhai", "..a", "a..b/c", "ä"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
        for path in ["", "/a", "a/", "..", "a/../b", "./a", "a//b", ".git/config", ".GIT/x", "a\nb", "a\\b"] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}

//! The programs of the recording's host that have no stand-in of their own: they do in the enclosure what they are called for, and it is looked
//! what they change. What changes nothing only tells the script something.

use super::file_programs::{FILE_PROGRAMS, MAKERS, UNPACKERS};
use super::{CARRIERS, NAMES, TELLERS};
use std::collections::BTreeSet;

/// What a watched program did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// The files that it made, changed or removed, by their whole paths.
    pub changed: Vec<String>,
    /// The file from which it read its standard input.
    pub input: String,
    /// The file into which its standard output was written, after `>` or `>>`.
    pub output: String,
    /// It read from a pipe, and what it read is not known.
    pub is_fed: bool,
}

/// Which programs of this host are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchedPrograms {
    /// Each that may be.
    All,
    /// These.
    These(Vec<String>),
}

impl WatchedPrograms {
    /// Whether a program is one of them.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::All => is_watched(name),
            Self::These(names) => names.iter().any(|watched| watched == name),
        }
    }

    /// Returns those that are named.
    pub(crate) fn names(&self) -> &[String] {
        if let Self::These(names) = self { names } else { &[] }
    }

    /// Has one more of them be named.
    pub(crate) fn add(&mut self, name: &str) {
        if let Self::These(names) = self
            && !names.iter().any(|watched| watched == name)
        {
            names.push(name.into());
        }
    }
}

impl Watched {
    /// Whether a call has not done what it does on a host on which the script works: it failed, or was answered.
    pub(crate) const fn is_tried(&self, made_up: &str) -> bool {
        self.changed.is_empty() || !made_up.is_empty()
    }
}

/// The programs that print what they find, and fail where they find nothing: they are not watched. Shells are none either: what they call is.
const READERS: &[&str] = &[
    "[",
    "arch",
    "ash",
    "awk",
    "b2sum",
    "basename",
    "bash",
    "bc",
    "busybox",
    "cat",
    "cksum",
    "clear",
    "cmp",
    "col",
    "column",
    "comm",
    "csh",
    "csplit",
    "cut",
    "dash",
    "dc",
    "df",
    "diff",
    "dircolors",
    "dirname",
    "du",
    "echo",
    "egrep",
    "env",
    "expand",
    "expr",
    "factor",
    "false",
    "fgrep",
    "file",
    "fmt",
    "fold",
    "free",
    "fuser",
    "gawk",
    "getconf",
    "getent",
    "getopt",
    "grep",
    "groups",
    "head",
    "hexdump",
    "id",
    "join",
    "jot",
    "kill",
    "ksh",
    "ksh93",
    "less",
    "locale",
    "logname",
    "ls",
    "lsof",
    "mawk",
    "md5",
    "md5sum",
    "mksh",
    "more",
    "nawk",
    "nl",
    "nohup",
    "nproc",
    "numfmt",
    "od",
    "oksh",
    "paste",
    "pathchk",
    "pidof",
    "pr",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rev",
    "seq",
    "sh",
    "sha1",
    "sha1sum",
    "sha256",
    "sha256sum",
    "sha512",
    "sha512sum",
    "shuf",
    "sort",
    "split",
    "stat",
    "stdbuf",
    "stty",
    "sum",
    "sync",
    "tac",
    "tail",
    "tcsh",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "tr",
    "true",
    "tty",
    "uniq",
    "unexpand",
    "uptime",
    "users",
    "w",
    "wc",
    "whereis",
    "which",
    "who",
    "whoami",
    "xargs",
    "yes",
    "zsh",
];

/// Whether a program is watched where this host has it.
pub(crate) fn is_watched(name: &str) -> bool {
    let lists = [READERS, FILE_PROGRAMS, UNPACKERS, MAKERS, NAMES, CARRIERS, TELLERS];
    !lists.iter().any(|list| list.contains(&name)) && !["vmrun", "rbash", "login"].contains(&name)
}

/// Whether a call of a watched program has nothing to watch: sed(1) that edits no file, base64(1) and xxd(1) that decode nothing.
pub(crate) fn is_reader(argv: &[String]) -> bool {
    let Some((program, words)) = argv.split_first() else { return false };
    let (letters, long): (&[char], &str) = match program.as_str() {
        "gsed" | "sed" => (&['i', 'I'], "--in-place"),
        "base64" => (&['d', 'D'], "--decode"),
        "xxd" => (&['r'], "-revert"),
        _ => return false,
    };
    let has_letter = |word: &str| word.starts_with('-') && !word.starts_with("--") && word.contains(letters);
    !words.iter().any(|word| word.starts_with(long) || has_letter(word))
}

/// Returns the words of a script that may be programs.
pub(crate) fn words(script: &str) -> BTreeSet<&str> {
    script
        .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.+".contains(c)))
        .filter(|word| !word.is_empty() && is_watched(word))
        .collect()
}

/// Whether a file is one that a program leaves at home for itself.
pub(crate) fn is_left(path: &str) -> bool {
    const LEFT: &[&str] =
        &["/.cache/", "/.config/", "/.gnupg/", "/.local/", "/.rnd", "/.viminfo", "/.wget-hsts", "/__pycache__/"];
    LEFT.iter().any(|part| path.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads_is_told_apart_by_its_name_and_its_options() {
        let watched = ["openssl", "python3", "jq", "sed", "rsync"].map(is_watched);
        let others = ["grep", "cp", "bhyve", "tar", "sudo", "clear", "sh"].map(is_watched);
        assert_eq!((watched, others), ([true; 5], [false; 7]));
        let reads = |line: &str| is_reader(&line.split(' ').map(String::from).collect::<Vec<_>>());
        let lines = ["sed -n 1p a", "sed -i s/a/b/ c", "sed -Ei.bak s/a/b/ c", "sed --in-place p c", "openssl rand 8"];
        assert_eq!(lines.map(reads), [true, false, false, false, false]);
        let lines = ["base64 a", "base64 -d a", "base64 --decode", "xxd -p a", "xxd -r -p a"];
        assert_eq!(lines.map(reads), [true, false, false, true, false]);
        assert_eq!(
            words("x=$(openssl rand 8) | grep jq").into_iter().collect::<Vec<_>>(),
            ["8", "jq", "openssl", "rand", "x"]
        );
    }
}

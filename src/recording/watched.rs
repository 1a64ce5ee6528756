//! The programs of the recording's host that have no stand-in of their own: they do in the enclosure what they are called for, and it is looked
//! what they change. What changes nothing only tells the script something.

use super::call::Call;
use super::file_programs::{FILE_PROGRAMS, MAKERS, UNPACKERS};
use super::{CARRIERS, NAMES, TELLERS, settled};
use crate::model::Argv;
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

impl Watched {
    /// Whether a call has not done what it does on a host on which the script works: it failed, or was answered.
    pub(crate) fn is_tried(&self, call: &Call) -> bool {
        self.changed.is_empty() || !call.made_up.is_empty()
    }
}

/// The programs that print what they find, and fail where they find nothing: they are not watched. Shells are none either: what they call is.
const READERS: &[&str] = &[
    "[",
    "arch",
    "ash",
    "awk",
    "b2sum",
    "base64",
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
    "mktemp",
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
    "xxd",
    "yes",
    "zsh",
];

/// Whether a program is watched where this host has it.
pub(crate) fn is_watched(name: &str) -> bool {
    let lists = [READERS, FILE_PROGRAMS, UNPACKERS, MAKERS, NAMES, CARRIERS, TELLERS];
    !lists.iter().any(|list| list.contains(&name)) && !["vmrun", "rbash", "login"].contains(&name)
}

/// Whether a call of a watched program has nothing to watch: sed(1) that edits no file.
pub(crate) fn is_reader(argv: &[String]) -> bool {
    let is_sed = argv.first().is_some_and(|program| ["gsed", "sed"].contains(&program.as_str()));
    let edits = |word: &String| {
        word.starts_with("--in-place") || word.starts_with('-') && !word.starts_with("--") && word.contains(['i', 'I'])
    };
    is_sed && !argv.iter().skip(1).any(edits)
}

/// Returns the words of a script that may be programs.
pub(crate) fn words(script: &str) -> BTreeSet<&str> {
    script.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.+".contains(c))).filter(|word| is_watched(word)).collect()
}

/// Returns the call of a watched program as it can be repeated elsewhere: with what was written into it and out of it, in its folder.
pub(crate) fn repeated(call: &Call, watched: &Watched) -> Call {
    let mut line = call.command().to_string();
    if !watched.input.is_empty() {
        line = format!("{line} < {}", Argv::new(&watched.input));
    }
    if let Some((sign, path)) = watched.output.split_once(' ') {
        line = format!("{line} {sign} {}", Argv::new(path));
    }
    let is_fed = !call.heard.is_empty();
    if is_fed {
        line = format!("printf %s \"$1\" | {line}");
    }
    let is_here = works_here(call, watched);
    if is_here {
        line = format!("{} && {line}", Argv::new("cd").arg(&call.cwd));
    }
    if !is_fed && !is_here && line == call.command().to_string() {
        return call.clone();
    }
    let mut argv: Vec<String> = ["sh", "-c", &line].map(String::from).into();
    if is_fed {
        argv.extend(["sh".to_string(), call.heard.clone()]);
    }
    Call { argv, heard: String::new(), ..call.clone() }
}

/// Whether it names files by where it is called.
fn works_here(call: &Call, watched: &Watched) -> bool {
    let redirected = watched.output.split_once(' ').map_or("", |(_, path)| path);
    let is_said =
        |path: &&String| call.args().iter().any(|word| word.contains(path.as_str())) || path.as_str() == redirected;
    let is_relative = |word: &String| {
        !word.starts_with(['/', '-'])
            && !word.starts_with("s/")
            && !word.contains([':', ' ', '('])
            && word.contains(['/', '.'])
            && word.parse::<f64>().is_err()
    };
    counting(watched).any(|path| !is_said(&path)) || call.args().iter().any(is_relative)
}

/// Returns what a watched program changed beside what programs leave at home, what is of a run, and logs.
pub(crate) fn counting(watched: &Watched) -> impl Iterator<Item = &String> {
    let counts = |path: &&String| !is_left(path) && !settled::is_of_a_run(path) && !settled::is_a_log(path);
    watched.changed.iter().filter(counts)
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
    fn a_watched_program_is_called_with_what_goes_in_and_out() {
        let shown = |line: &str, changed: &[&str], input: &str, output: &str, heard: &str| {
            let argv = line.split(' ').map(String::from).collect();
            let call = Call { argv, cwd: "/vm".into(), heard: heard.into(), ..Call::default() };
            let changed = changed.iter().map(ToString::to_string).collect();
            let watched = Watched { changed, input: input.into(), output: output.into(), is_fed: false };
            repeated(&call, &watched).argv.join("|")
        };
        assert_eq!(shown("openssl req -out /a", &["/a"], "", "", ""), "openssl|req|-out|/a");
        assert_eq!(shown("openssl req -out a", &["/vm/a"], "", "", ""), "sh|-c|cd /vm && openssl req -out a");
        assert_eq!(shown("openssl rand 8", &["/a b"], "/in", "> /a b", ""), "sh|-c|openssl rand 8 < /in > '/a b'");
        assert_eq!(shown("jq .a -", &["/a"], "", ">> /a", "{}\n"), "sh|-c|printf %s \"$1\" | jq .a - >> /a|sh|{}\n");
        assert_eq!(shown("rsync -a nas:/iso/ /iso/", &[], "", "", ""), "rsync|-a|nas:/iso/|/iso/");
    }

    #[test]
    fn what_only_reads_is_told_apart_by_its_name_and_its_options() {
        let watched = ["openssl", "python3", "jq", "sed", "rsync"].map(is_watched);
        let others = ["grep", "cp", "bhyve", "tar", "sudo", "clear", "sh"].map(is_watched);
        assert_eq!((watched, others), ([true; 5], [false; 7]));
        let reads = |line: &str| is_reader(&line.split(' ').map(String::from).collect::<Vec<_>>());
        let lines = ["sed -n 1p a", "sed -i s/a/b/ c", "sed -Ei.bak s/a/b/ c", "sed --in-place p c", "openssl rand 8"];
        assert_eq!(lines.map(reads), [true, false, false, false, false]);
        assert_eq!(
            words("x=$(openssl rand 8) | grep jq").into_iter().collect::<Vec<_>>(),
            ["8", "jq", "openssl", "rand", "x"]
        );
    }
}

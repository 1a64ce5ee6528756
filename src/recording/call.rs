//! A call and a recording as values.

use super::hidden::{hide, hide_lines};
use super::watched::Watched;
use super::world::{Answer, FileState};
use crate::model::Argv;
use std::collections::BTreeSet;

/// One call of a program that has a stand-in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The program's name and its arguments; a password in them is `***`.
    pub argv: Vec<String>,
    /// The folder in which it was called.
    pub cwd: String,
    /// The exit status that it was answered with.
    pub status: i32,
    /// The standard output that it was answered with.
    pub output: String,
    /// It only asks and changes nothing.
    pub reads: bool,
    /// What a loader read from its standard input.
    pub heard: String,
    /// The text of the file that it was told of: a loader's map of devices (`-m`), bhyve's configurations (`-k`), with
    /// a NUL between them.
    pub map: String,
    /// What runs it, as `tmux daemon`, with `&` where the shell does not wait for it; nothing if the script does by itself.
    pub carriers: String,
    /// The process that called; 0 where that is not known.
    pub pid: u32,
    /// What has started that process; 0 where that is not known.
    pub parent: u32,
    /// Its umask; nothing where that is not known.
    pub umask: Option<u32>,
    /// What of the host was made up so that it worked; nothing where a world knows by itself what it makes up.
    pub made_up: String,
    /// What it did, where it is a watched program's.
    pub watched: Option<Watched>,
    /// An argument holds bytes that are not UTF-8; U+FFFD stands for them.
    pub is_lossy: bool,
}

impl Call {
    /// Makes a call of the bytes that a program is told, with its answer. A password is hidden.
    pub fn new<T: AsRef<[u8]>>(argv: impl IntoIterator<Item = T>, cwd: &[u8], answer: &Answer) -> Self {
        let mut call = Self {
            cwd: String::from_utf8_lossy(cwd).into_owned(),
            status: i32::from(answer.status),
            output: answer.output.clone(),
            reads: answer.reads,
            heard: hide_lines(&answer.heard),
            map: hide_lines(&answer.map),
            carriers: answer.carriers.clone(),
            pid: answer.pid,
            parent: answer.parent,
            umask: answer.umask,
            made_up: answer.made_up.clone().unwrap_or_default(),
            watched: answer.watched.clone(),
            ..Self::default()
        };
        for arg in argv {
            let text = String::from_utf8_lossy(arg.as_ref());
            call.is_lossy |= text.as_bytes() != arg.as_ref();
            call.argv.push(hide(&text));
        }
        call
    }

    /// Returns the program's name.
    pub fn program(&self) -> &str {
        self.argv.first().map(String::as_str).unwrap_or_default()
    }

    /// Returns the arguments.
    pub fn args(&self) -> &[String] {
        self.argv.get(1..).unwrap_or_default()
    }

    /// Returns the command, which shows itself as one could paste it into a shell.
    pub fn command(&self) -> Argv {
        Argv::new(self.program()).args(self.args())
    }

    /// Returns whether a boot ended in a way after which scripts start the machine again: a reboot, a triple fault or an error of bhyve's
    /// (bhyve(8), EXIT STATUS).
    pub(crate) const fn is_over(&self) -> bool {
        self.status == 0 || self.status >= 3
    }

    /// Returns the machine that a call of bhyve boots. Nothing for any other call.
    pub fn boots(&self) -> Option<&str> {
        let boots = self.program() == "bhyve" && !self.reads;
        boots.then(|| super::part::machine(self.args())).flatten()
    }
}

/// Everything that one run of a script called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The calls, in the order in which they were made.
    pub calls: Vec<Call>,
    /// The script's exit status; 128 and the signal's number if one killed it.
    pub status: i32,
    /// The last lines that the script wrote to its standard error; a password in them is `***`.
    pub stderr: Vec<String>,
    /// The files that the script itself made or changed, sorted by their paths. Only an enclosed script's are known.
    pub written: Vec<Written>,
    /// What was made up for answers, each once: neither the script nor who records it said so.
    pub made_up: Vec<String>,
    /// How files were on which it hangs what the script calls.
    pub files: Vec<FileState>,
    /// It was cut where the script booted a machine too often.
    pub is_cut: bool,
    /// The other machines that the script boots, where only one machine's calls are here.
    pub beside: Vec<String>,
    /// What the script does to files that vmrun makes needless, each command once.
    pub needless: Vec<String>,
    /// What the script calls only to tell people something, each command once.
    pub told: Vec<String>,
    /// The files that the script writes and no word of a recipe does, and whether a program is told of them.
    pub unsaid: Vec<(String, bool)>,
    /// The watched programs that went on until the recording ended, each command once.
    pub left: Vec<String>,
    /// The files that have another text in each recording.
    pub varying: BTreeSet<String>,
    /// The umask with which the script began; nothing where that is not known.
    pub umask: Option<u32>,
    /// After which of bhyve's statuses the script starts its machine again, where that was found.
    pub restarts: Option<Vec<i32>>,
}

impl Recording {
    /// Returns whether a boot ended in a way after which the script starts the machine again, if it boots it later.
    pub(crate) fn goes_on_after(&self, call: &Call) -> bool {
        let usual = || call.is_over();
        call.boots().is_some() && self.restarts.as_ref().map_or_else(usual, |known| known.contains(&call.status))
    }

    /// Whether a file is the node of a machine that is booted, which is there while it runs.
    pub(crate) fn has_node(&self, path: &str) -> bool {
        path.strip_prefix("/dev/vmm/").is_some_and(|name| self.boots_of(name) > 0)
    }

    /// Returns how often a machine is booted.
    pub(crate) fn boots_of(&self, name: &str) -> usize {
        self.calls.iter().filter(|call| call.boots() == Some(name)).count()
    }
}

/// A file that a script made or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Its whole path; U+FFFD stands for bytes that are no text.
    pub path: String,
    /// Its permissions, as of chmod(2).
    pub mode: u32,
    /// What is in it; nothing where that is too much, or cannot be read.
    pub content: Option<Vec<u8>>,
    /// The script has made it, and it is not there any more.
    pub is_gone: bool,
}

impl Written {
    /// Returns the text that is in it, in which a password is `***`. Nothing where it is no text.
    pub fn text(&self) -> Option<String> {
        std::str::from_utf8(self.content.as_deref()?).ok().map(hide_lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_no_password_and_says_when_bytes_were_no_text() {
        let call = Call::new(
            [b"bhyve".as_slice(), b"-s", b"29,fbuf,password=geheim,w=800", b"a\xff"],
            b"/vm",
            &Answer::default(),
        );
        assert_eq!(call.argv, ["bhyve", "-s", "29,fbuf,password=***,w=800", "a\u{fffd}"]);
        assert_eq!((call.is_lossy, call.boots(), call.cwd.as_str()), (true, Some("a\u{fffd}"), "/vm"));
        assert!(!format!("{call:?}").contains("geheim"));
    }
}

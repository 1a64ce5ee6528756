//! The files that a script reads and that are not there when it does, on this host or anywhere: what hangs on what is in them, no recording has.

use super::asked_files::{has_same_acts, is_of_the_system, put};
use super::sessions::Sessions;
use super::unasked_files::made_by;
use super::whole_path;
use crate::diag::{Blame, Fault};
use crate::import::recorded::with_whole_paths;
use crate::model::{Argv, Target};
use crate::recording::hidden::hide;
use crate::recording::settled::is_of_a_run;
use crate::recording::system_files::is_of_rc;
use crate::recording::{CARRIERS, FileState, NAMES, Prepared, Recording, base_name, words};

/// Programs that read the files that they are told.
const READERS: &[&str] = &[
    ".",
    "cat",
    "cksum",
    "cmp",
    "diff",
    "du",
    "file",
    "head",
    "hexdump",
    "md5",
    "md5sum",
    "od",
    "readlink",
    "sha256",
    "sha256sum",
    "sha512",
    "sha512sum",
    "sort",
    "source",
    "strings",
    "tail",
    "uniq",
    "wc",
];

/// Where the programs of a system are.
const SYSTEM: &[&str] = &["/bin/", "/rescue/", "/sbin/", "/usr/bin/", "/usr/libexec/", "/usr/sbin/"];

/// Those that are told first what they look for.
const SEARCHERS: &[&str] = &["awk", "cut", "egrep", "fgrep", "grep", "jq", "sed"];

/// What is in such a file where it is tried whether the script reads it.
const OTHER_CONTENT: &str = "7\nyes\n";

impl Sessions<'_> {
    /// Tells of the files that a script reads and that nobody has, as its shell tells it (`lines`), or as its text has it behind `<` (`inputs`).
    /// `usual` is a recording with whole paths.
    pub(super) fn unread(
        &mut self,
        command: &[String],
        usual: &Recording,
        (lines, inputs): (&[String], &[String]),
        target: Target,
    ) -> Result<Vec<Fault>, Fault> {
        let mut gaps: Vec<Fault> = Vec::new();
        for path in reads(lines, &here()).iter().filter(|path| self.is_unknown(path)) {
            // When the script itself has written a text nobody tells.
            if usual.written.iter().any(|file| file.path == *path) {
                continue;
            }
            let is_made = usual.calls.iter().flat_map(made_by).any(|made| made.path == *path);
            let gap = if is_made { unmade(path) } else { absent(path) };
            if !gaps.contains(&gap) {
                gaps.push(gap);
            }
        }
        for path in inputs.iter().filter(|path| self.is_unknown(path)).cloned().collect::<Vec<_>>() {
            // Whether the script comes there at all is not known; whether it is there is asked by itself of what it makes.
            let is_made = usual.calls.iter().flat_map(made_by).any(|made| made.path == path);
            let filled = self.with_content(command, &path, OTHER_CONTENT, target)?;
            let is_same = match filled {
                Some(filled) if has_same_acts(usual, &filled) => true,
                Some(filled) if is_made => {
                    let empty = self.with_content(command, &path, "\n", target)?;
                    empty.is_none_or(|empty| has_same_acts(&empty, &filled))
                }
                other => other.is_none(),
            };
            if !is_same && !gaps.contains(&absent(&path)) {
                gaps.push(absent(&path));
            }
        }
        Ok(gaps)
    }

    /// Records a command where a file is there and has a text. Nothing where it cannot be recorded so, which is told elsewhere.
    fn with_content(
        &mut self,
        command: &[String],
        path: &str,
        text: &str,
        target: Target,
    ) -> Result<Option<Recording>, Fault> {
        let mut setting = self.setting.clone();
        put(&mut setting, &FileState { path: path.into(), is_there: true, ..FileState::default() });
        setting.answers.push(Prepared { words: vec![path.into()], text: text.into(), ..Prepared::default() });
        match self.again(command, &setting) {
            Ok(other) => Ok(other.map(|other| with_whole_paths(&other, target, &whole_path))),
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(_) => Ok(None),
        }
    }

    /// Tells of a file that is there for a recording alone, if the script reads it there.
    pub(super) fn unread_there(&self, file: &FileState, lines: &[String]) -> Option<Fault> {
        let path = &file.path;
        (file.is_there && self.is_unknown(path) && reads(lines, &here()).contains(path)).then(|| empty(path))
    }

    /// Tells if what the script calls hangs on what is in a file that is not on this host.
    pub(super) fn hanging_on_contents(&mut self, command: &[String], usual: &Recording) -> Result<Vec<Fault>, Fault> {
        let needed =
            self.needed.iter().filter(|file| !file.is_folder).map(|file| file.path.clone()).collect::<Vec<_>>();
        if needed.is_empty() {
            return Ok(Vec::new());
        }
        let setting = self.setting.clone();
        let read = self.tried(command, &setting)?.map(|asked| read(&asked.lines, &needed)).unwrap_or_default();
        let mut gaps = Vec::new();
        for path in needed {
            let mut other = setting.clone();
            let text = OTHER_CONTENT.into();
            other.answers.push(Prepared { words: vec![path.clone()], text, ..Prepared::default() });
            let again = |sessions: &mut Self| sessions.tried(command, &other).map(|asked| asked.map(|it| it.recording));
            let is_other = |other: &Recording| !has_same_acts(other, usual);
            if read.contains(&path) || again(self)?.as_ref().is_none_or(is_other) {
                gaps.push(empty(&path));
            }
        }
        Ok(gaps)
    }

    /// Whether nobody says what is in a file.
    fn is_unknown(&self, path: &str) -> bool {
        let is_said = self.setting.answers.iter().any(|answer| answer.words == [path])
            || self.needed.iter().any(|file| file.path == path);
        !is_said && !is_of_rc(path) && !self.is_there(path) && !is_of_the_system(path) && !is_of_a_run(path)
    }
}

/// The folder from which it is recorded.
fn here() -> String {
    std::env::current_dir().unwrap_or_default().display().to_string()
}

/// Returns the files that programs read before a stand-in is told of them, as a shell tells it line by line, by their whole paths.
fn reads(lines: &[String], cwd: &str) -> Vec<String> {
    let mut folder = cwd.to_string();
    let (mut known, mut found) = (Vec::new(), Vec::new());
    for line in lines {
        let Some(all) = words::told(line) else { continue };
        let Some((program, args)) = all.split_first() else { continue };
        let program = base_name(program);
        let whole = |path: &str| whole_path(&folder, path);
        if let ("cd", [path]) = (program, args) {
            folder = whole(path);
            continue;
        }
        if NAMES.contains(&program) {
            known.extend(args.iter().map(|word| whole(word.split_once('=').map_or(word, |(_, path)| path))));
        }
        let is_file = |word: &&String| {
            let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic() || "/._".contains(c));
            is_name && !word.contains(['*', '%', '=', '\n'])
        };
        // A script of its own that is not there; which programs are not there is told by itself.
        let is_own = |word: &&String| {
            let is_systems = SYSTEM.iter().any(|folder| word.starts_with(folder));
            word.starts_with('/') && !is_systems && ![NAMES, CARRIERS].iter().any(|list| list.contains(&program))
        };
        let run = all.first().filter(is_own).map(|word| whole(word));
        found.extend(run.filter(|path| !known.contains(path)));
        let names = args.iter().filter(|word| !word.starts_with('-'));
        let files: Vec<&String> = if READERS.contains(&program) {
            names.collect()
        } else if SEARCHERS.contains(&program) {
            // Not each shell tells the quotes of what it looks for.
            names.skip(1).last().filter(|word| word.trim_matches('.').contains(['/', '.'])).into_iter().collect()
        } else {
            continue;
        };
        found.extend(files.into_iter().filter(is_file).map(|path| whole(path)).filter(|path| !known.contains(path)));
    }
    found
}

/// Tells that a script reads a file that is there for the recording alone.
fn empty(path: &str) -> Fault {
    let shown = hide(path);
    answerable(
        path,
        format!("the script reads {shown}, which is not on this host, and the recipe has what an empty one says"),
    )
}

/// Tells that a script reads a file that is not there, and goes on without it.
fn absent(path: &str) -> Fault {
    let shown = hide(path);
    answerable(
        path,
        format!("the script reads {shown}, which is not on this host, and the recipe has what it does without it"),
    )
}

/// Tells of a file whose content can be said.
fn answerable(path: &str, what: String) -> Fault {
    let option = Argv::new("--answer").arg(format!("{}=FILE", hide(path)));
    Fault::new(what).hint(format!("record where it is, or say what is in it: {option}"))
}

/// Tells that a script reads a file before it makes it.
fn unmade(path: &str) -> Fault {
    let shown = hide(path);
    let what =
        format!("the script reads {shown} before it makes it, and the recipe has what it does where it is not there");
    Fault::new(what).hint("write what hangs on it into the recipe, or ask by `[ -e FILE ]` alone in the script")
}

/// Returns the files that a command reads of which a shell tells (`sh -x`).
fn read(lines: &[String], paths: &[String]) -> Vec<String> {
    const OTHERS: &[&str] = &["[", "[[", "test", "echo", "printf", "ls", "cd", "logger", "mkdir", "rm", "touch"];
    let commands = lines.iter().filter_map(|line| words::told(line));
    let reading = commands.filter(|words| {
        let name = words.first().map_or("", |word| base_name(word));
        let sets = name.contains('=') || ["local", "export", "readonly"].contains(&name);
        !sets && ![OTHERS, NAMES, CARRIERS].iter().any(|list| list.contains(&name))
    });
    let named: Vec<Vec<String>> = reading.collect();
    let is_read = |path: &&String| named.iter().any(|words| words.iter().skip(1).any(|word| word == *path));
    paths.iter().filter(is_read).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_told_by_the_shell_up_to_where_it_is_made() {
        let lines = [
            "+ cat /etc/a.conf",
            "++ grep -q '^/x' /etc/b.conf",
            "+ cd /vm",
            "+ file -s x.img",
            "+ truncate -s 1G x.img",
            "+ wc -c x.img 7",
            "+ sed -n /foo/p ../c.txt",
            "+ awk BEGIN { if ((getline line < \"/no\") < 0) exit }",
            "+ grep -q is there",
            "+ head -n 5 -",
            "+ echo /no",
            "+ dd if=/dev/zero of=/vm/y.img",
            "+ cmp -s /vm/y.img /vm/z.img",
            "+ . /etc/rc.d/d",
            "+ /root/before.sh -x",
            "+ /usr/sbin/daemon -f x",
            "cat /neither",
        ];
        let found = reads(&lines.map(String::from), "/root");
        assert_eq!(
            found,
            ["/etc/a.conf", "/etc/b.conf", "/vm/x.img", "/vm/../c.txt", "/vm/z.img", "/etc/rc.d/d", "/root/before.sh"]
        );
    }

    #[test]
    fn who_reads_a_file_is_told_by_the_shell() {
        let lines =
            ["+ [ -f /a ]", "+ . /b", "++ cat /c", "+ x=/d", "+ bhyve -k /d", "+ echo /a", "/a"].map(String::from);
        let paths = ["/a", "/b", "/c", "/d"].map(String::from);
        assert_eq!(read(&lines, &paths), ["/b", "/c"]);
    }
}

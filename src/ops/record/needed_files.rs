//! The files without which a script boots no machine, and that are not on this host: they are there for the recordings, as they are where the
//! script works.

use super::asked_files::AskedFiles;
use super::read_files::empty;
use super::sessions::{Sessions, Tests};
use crate::diag::{Blame, Fault};
use crate::host::{files, standins};
use crate::recording::asked::FileTest;
use crate::recording::hidden::hide;
use crate::recording::{CARRIERS, Call, FileState, NAMES, Prepared, Recording, Scenario, base_name, words};
use std::path::Path;

/// How many recordings are made to find them.
const TRIES_MAX: u32 = 16;

/// What is in such a file where it is tried whether the script reads it.
pub(super) const OTHER_CONTENT: &str = "7\nyes\n";

impl Sessions<'_> {
    /// Has the files be there for which the script asks and without which it boots no machine, if it boots one with them.
    pub(super) fn learn_needed_files(&mut self, command: &[String]) -> Result<(), Fault> {
        if !self.is_repeatable() || self.tests != Tests::Told || standins::traced(command).is_none() {
            return Ok(());
        }
        let (before, left) = (self.setting.clone(), self.left);
        let found = self.with_needed_files(command, before.clone())?;
        // What finds them is no part of what may be recorded of the script.
        self.left = left;
        let Some(setting) = found else { return Ok(()) };
        for file in setting.files.iter().skip(before.files.len()) {
            self.assumed.push(format!("{} is there, for which the script asks", hide(&file.path)));
            self.needed.push(file.clone());
        }
        self.setting = setting;
        Ok(())
    }

    /// Returns a setting in which the script boots a machine. Nothing where it does so already, and where no file is what it lacks.
    fn with_needed_files(&mut self, command: &[String], mut setting: Scenario) -> Result<Option<Scenario>, Fault> {
        let Some(mut last) = self.tried(command, &setting)?.filter(|asked| !boots(&asked.recording)) else {
            return Ok(None);
        };
        let mut tries = 0;
        // The last that it asks for is the one by which it ends, unless others say otherwise.
        while let Some(file) = Self::next_needed(&setting, &last, &[]) {
            let mut passed = Vec::new();
            let mut next = Some(file);
            let mut is_further = false;
            while let Some(file) = next.filter(|_| tries < TRIES_MAX) {
                tries += 1;
                let mut with = setting.clone();
                with.files.push(file.clone());
                if let Some(asked) = self.tried(command, &with)?
                    && is_further_than(&asked, &last)
                {
                    if boots(&asked.recording) {
                        return Ok(Some(with));
                    }
                    (setting, last, is_further) = (with, asked, true);
                    break;
                }
                passed.push(file.path);
                next = Self::next_needed(&setting, &last, &passed);
            }
            if !is_further {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Returns the last file that a recording asked for and that is not there, but for those that were tried.
    fn next_needed(setting: &Scenario, asked: &AskedFiles, passed: &[String]) -> Option<FileState> {
        let is_one = |test: &&FileTest| {
            let path = &test.path;
            let is_systems = ["/dev/", "/proc/"].iter().any(|folder| path.starts_with(folder));
            let is_systems = is_systems || [".pid", ".lock", ".lck"].iter().any(|end| path.ends_with(end));
            !is_systems && !passed.contains(path) && !is_there(setting, path)
        };
        asked.tests.iter().rev().find(is_one).map(|test| FileState { is_there: true, ..FileState::of(test) })
    }

    /// Records a command; nothing where that fails.
    fn tried(&mut self, command: &[String], setting: &Scenario) -> Result<Option<AskedFiles>, Fault> {
        match self.asking(command, setting) {
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            other => Ok(other.ok().flatten()),
        }
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
            let is_other = |other: &Recording| !super::asked_files::has_same_acts(other, usual);
            if read.contains(&path) || again(self)?.as_ref().is_none_or(is_other) {
                gaps.push(empty(&path));
            }
        }
        Ok(gaps)
    }
}

/// Whether a file is there in a setting.
fn is_there(setting: &Scenario, path: &str) -> bool {
    let set = setting.files.iter().rev().find(|file| file.path == path);
    set.map_or_else(|| files::exists(Path::new(path)), |file| file.is_there)
}

/// Whether a recording boots a machine.
pub(super) fn boots(recording: &Recording) -> bool {
    recording.calls.iter().any(|call| call.boots().is_some())
}

/// Whether a script has come further than in another recording.
fn is_further_than(asked: &AskedFiles, before: &AskedFiles) -> bool {
    let acts = |asked: &AskedFiles| asked.recording.calls.iter().filter(|call: &&Call| !call.reads).count();
    boots(&asked.recording) || asked.tests.len() > before.tests.len() || acts(asked) > acts(before)
}

/// Returns the files that a command reads of which a shell tells (`sh -x`).
fn read(lines: &[String], paths: &[String]) -> Vec<String> {
    const OTHERS: &[&str] = &["[", "[[", "test", "echo", "printf", "ls", "cd", "logger", "mkdir", "rm", "touch"];
    let commands = lines.iter().filter_map(|line| words::split(line.strip_prefix('+')?.trim_start_matches('+')).ok());
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
    fn who_reads_a_file_is_told_by_the_shell() {
        let lines =
            ["+ [ -f /a ]", "+ . /b", "++ cat /c", "+ x=/d", "+ bhyve -k /d", "+ echo /a", "/a"].map(String::from);
        let paths = ["/a", "/b", "/c", "/d"].map(String::from);
        assert_eq!(read(&lines, &paths), ["/b", "/c"]);
    }
}

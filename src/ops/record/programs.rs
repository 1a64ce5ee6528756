//! The programs that a script calls and that are not on this host: each gets a stand-in that succeeds, and it is looked whether anything hangs
//! on what it would say. The folders into which it writes, and that are not there, are there.

use super::asked_files::has_same_acts;
use super::sessions::Sessions;
use super::whole_path;
use crate::diag::{Blame, Fault, suggest};
use crate::host::standins::{self, Lines};
use crate::host::{files, program};
use crate::recording::asked::{FileTest, waited_for};
use crate::recording::hidden::hide;
use crate::recording::watched::{self, WatchedPrograms};
use crate::recording::{
    CARRIERS, Call, FileState, MAKERS, NAMES, Prepared, Recording, Scenario, TELLERS, base_name, carried, lost,
    system_files, words,
};
use std::path::Path;

/// How often it is looked for programs: a script may end where it misses the first.
const ROUNDS: usize = 4;

/// How many programs may be missing.
const PROGRAMS_MAX: usize = 64;

/// How many calls a script may make while it is looked for programs and for what it waits for.
const CALLS_MAX: usize = 400;

impl Sessions<'_> {
    /// Finds the programs that a command calls and that are not on this host, and gives them stand-ins.
    pub(super) fn learn_programs(&mut self, command: &[String]) -> Result<(), Fault> {
        if !self.is_repeatable() {
            return Ok(());
        }
        self.texts.clear();
        for _ in 0..ROUNDS {
            let mut lines = Vec::new();
            let traced = standins::traced(command);
            let limit = self.setting.limit.min(CALLS_MAX);
            let setting = Scenario { limit, watched: WatchedPrograms::All, ..self.setting.clone() };
            let mut hear = |line: &str| lines.push(line.to_string());
            let heard = (Lines::ByWriter, &mut hear as &mut dyn FnMut(&str));
            let ended = self.listened(traced.as_deref().unwrap_or(command), &setting, heard);
            match ended {
                Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
                // What else is wrong with it is told where it is heard.
                Err(_) => {
                    if self.learn_waited_for(&lines)? {
                        continue;
                    }
                }
                Ok(_) => {}
            }
            self.ends_processes |= lines.iter().any(|line| is_kill(line));
            let called = lines.iter().filter_map(|line| called(line));
            let missed = lines.iter().filter_map(|line| lost::program(line).map(String::from));
            let mut names: Vec<String> = Vec::new();
            for name in called.chain(missed).filter(|name| is_missing(name) || MAKERS.contains(&name.as_str())) {
                if !names.contains(&name) && !self.setting.programs.contains(&name) {
                    names.push(name);
                }
            }
            let room = PROGRAMS_MAX.saturating_sub(self.setting.programs.len());
            names.truncate(room);
            let files = self.learn_folders(&lines) | self.learn_system_files(&lines);
            let watched = self.has_watched_more();
            if names.is_empty() && !files && !watched {
                break;
            }
            self.setting.programs.extend(names);
        }
        let script = standins::script(command).map(|script| script.text).unwrap_or_default();
        for name in watched::words(&script) {
            let is_missing = self.setting.programs.iter().any(|known| known == name);
            if !is_missing && program::find(name).is_some() {
                self.setting.watched.add(name);
            }
        }
        Ok(())
    }

    /// Has a file be there for which the script waits, and that no stand-in makes, and returns whether there is one.
    fn learn_waited_for(&mut self, lines: &[String]) -> Result<bool, Fault> {
        let cwd = std::env::current_dir().unwrap_or_default().display().to_string();
        let Some(test) = waited_for(lines, &cwd) else { return Ok(false) };
        let path = hide(&test.path);
        if self.setting.files.iter().any(|file| file.path == test.path) || files::exists(Path::new(&test.path)) {
            let fault = Fault::new(format!("the script asks for {path} again and again, and no stand-in changes that"));
            return Err(fault.hint("leave the loop that waits for it out of the script that is recorded"));
        }
        self.assumed.push(format!("{path} is there, for which the script waits"));
        let fault = Fault::new(format!("the script waits until {path} is there, and the recipe does not"));
        let option = if test.is_folder { "-d" } else { "-e" };
        self.awaited.push(fault.hint(format!(
            "write into it, where it waits, `run(\"sh\", [\"-c\", \"until [ {option} {path} ]; do sleep 1; done\"])`"
        )));
        let FileTest { path, is_folder, is_socket } = test;
        self.setting.files.push(FileState { path, is_there: true, is_folder, is_socket });
        Ok(true)
    }

    /// Has the folders be there that a shell has not found when it was to write or to go into them, and returns whether there are any.
    fn learn_folders(&mut self, lines: &[String]) -> bool {
        let mut any = false;
        let whole = |path: &str| whole_path(&std::env::current_dir().unwrap_or_default().display().to_string(), path);
        let above = |path: &str| whole(path).rsplit_once('/').map(|(folder, _)| folder.to_string());
        let written = lines.iter().filter_map(|line| above(lost::unwritten(line)?));
        let entered = lines.iter().filter_map(|line| lost::unfound_folder(line)).map(whole);
        for folder in written.chain(entered).filter(|folder| !folder.is_empty()) {
            let is_known = self.setting.files.iter().any(|file| file.path == folder);
            if is_known || files::exists(Path::new(&folder)) || self.setting.files.len() >= PROGRAMS_MAX {
                continue;
            }
            any = true;
            self.assumed.push(format!("the folder {folder} is there"));
            self.setting.files.push(FileState { path: folder, is_there: true, is_folder: true, is_socket: false });
        }
        any
    }

    /// Has the files of FreeBSD's be there that the script reads, and that this host has not, and returns whether there are any.
    fn learn_system_files(&mut self, lines: &[String]) -> bool {
        let before = self.setting.files.len();
        for (path, told) in lines.iter().flat_map(|line| system_files::asked(line)) {
            let is_known = self.setting.files.iter().any(|file| file.path == path);
            if !is_known && !files::exists(Path::new(path)) {
                self.assumed.push(told.into());
                self.setting.files.push(FileState { path: path.into(), is_there: true, ..FileState::default() });
            }
        }
        for text in lines.iter().filter_map(|line| system_files::assumed(line)) {
            if !self.assumed.contains(&text) {
                self.assumed.push(text);
            }
        }
        self.setting.files.len() > before
    }

    /// Tells if what the script calls hangs on what a program says that is not on this host, or on how it ends.
    pub(super) fn hanging(&mut self, command: &[String], usual: &Recording) -> Result<Vec<Fault>, Fault> {
        let mut gaps = self.hanging_on_answers(command, usual)?;
        let failing: Vec<Vec<String>> = self.failing.iter().cloned().collect();
        let mut names = self.called_programs(usual);
        let is_here = names.iter().any(|name| MAKERS.contains(&name.as_str()));
        names.extend(failing.iter().filter_map(|argv| argv.first().cloned()));
        names.dedup();
        if names.is_empty() {
            return Ok(gaps);
        }
        let lines = self.called_programs(usual).into_iter().map(|name| vec![name]).chain(failing.iter().cloned());
        let says = |words| Prepared { words, text: "1\n".into(), ..Prepared::default() };
        let mut printing = self.setting.clone();
        printing.answers.extend(lines.map(says));
        let fails = |words: &Vec<String>| Prepared { words: words.clone(), status: 1, ..Prepared::default() };
        let mut ending = Scenario { are_failing: true, ..self.setting.clone() };
        ending.answers.extend(failing.iter().map(fails));
        let (why, hint) = if !failing.is_empty() {
            ("a call of it fails where the script is recorded", "record where it works, or let the recipe ask for it")
        } else if is_here {
            (
                "it is not run where the script is recorded",
                "let the recipe ask for it: `query(\"…\", […])` is what it prints, and a `run(…)` that fails ends the recipe",
            )
        } else {
            ("this host has no such program", "record where it is")
        };
        let list = quoted(&names);
        let (prints, ends) = if names.len() > 1 { ("print", "end") } else { ("prints", "ends") };
        for (setting, on) in [(printing, format!("on what {list} {prints}")), (ending, format!("on how {list} {ends}"))]
        {
            if self.is_other(command, &setting, usual)? {
                gaps.push(Fault::new(format!("what the script calls hangs {on}, and {why}")).hint(hint));
            }
        }
        Ok(gaps)
    }

    /// Returns the programs that a recording calls, that are not on this host, and that do not only tell people something.
    fn called_programs(&self, recording: &Recording) -> Vec<String> {
        let is_own = |call: &&Call| self.setting.programs.iter().any(|name| name == call.program());
        let called = recording.calls.iter().filter(is_own).map(|call| call.program().to_string());
        let mut names: Vec<String> = called.filter(|name| !TELLERS.contains(&name.as_str())).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Tells which programs that a recording calls are not on this host: what they would have printed may be missing in what it calls.
    pub(super) fn unknown_programs(&self, recording: &Recording) -> Option<Fault> {
        let names = self.called_programs(recording);
        let what = format!(
            "what the script calls may hang on what {} prints, and this host has no such program",
            quoted(&names)
        );
        (!names.is_empty()).then(|| Fault::new(what).hint("record where it is"))
    }

    /// Whether a script calls something else with other answers. One that gives up there does nothing that a recipe could say.
    pub(super) fn is_other(
        &mut self,
        command: &[String],
        setting: &Scenario,
        usual: &Recording,
    ) -> Result<bool, Fault> {
        Ok(self.other(command, setting, usual)?.is_some())
    }

    /// Returns the recording with other answers, if the script calls something else there and does not give up.
    pub(super) fn other(
        &mut self,
        command: &[String],
        setting: &Scenario,
        usual: &Recording,
    ) -> Result<Option<Recording>, Fault> {
        let other = match self.again(command, setting) {
            Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
            other => other.ok().flatten(),
        };
        let other = other.filter(|other| other.calls.iter().any(|call| call.boots().is_some()));
        Ok(other.filter(|other| !has_same_acts(other, usual)))
    }
}

/// Lists programs.
fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    suggest::list(quoted.iter().map(String::as_str))
}

/// Returns the program that a shell tells of that it calls it: `+ foo -a`, as with `-x`.
pub(super) fn called(line: &str) -> Option<String> {
    let mut words = words::told(line)?;
    let is_set = |word: &String| word.split_once('=').is_some_and(|(name, _)| !name.is_empty() && !name.contains('/'));
    // What it sets for this command alone.
    while words.len() > 1 && words.first().is_some_and(is_set) {
        words.remove(0);
    }
    let is_carrier = words.first().is_some_and(|word| CARRIERS.contains(&base_name(word)));
    let words = if is_carrier { carried(&words).filter(|rest| !rest.is_line)?.words.to_vec() } else { words };
    words.first().cloned()
}

/// Whether a shell tells that it ends a process: `kill -0` only asks.
fn is_kill(line: &str) -> bool {
    let words = line.strip_prefix('+').map(|line| line.trim_start_matches('+').split_whitespace());
    words.is_some_and(|mut words| words.next() == Some("kill") && words.next() != Some("-0"))
}

/// Whether a word is the name of a program that is not on this host, and has no stand-in. The shell's own words are found by it alone.
fn is_missing(name: &str) -> bool {
    const OWN: &[&str] = &[
        "alias", "bg", "break", "cd", "command", "continue", "declare", "eval", "exec", "exit", "export", "false",
        "fg", "for", "getopts", "hash", "if", "jobs", "let", "local", "read", "readonly", "return", "set", "setvar",
        "shift", "source", "then", "trap", "type", "typeset", "ulimit", "umask", "unalias", "unset", "vmrun", "wait",
        "while", "case", "select",
    ];
    let is_plain = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.+".contains(c));
    is_plain
        && !NAMES.contains(&name)
        && !CARRIERS.contains(&name)
        && !OWN.contains(&name)
        && program::find(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_tells_that_it_calls_is_found() {
        let lines = ["+ foo -a", "++ bar", "+ sudo -u x baz 1", "+ x=1", "echo +", "+ '[' a ']'", "+ su -c 'foo'"];
        let found: Vec<Option<String>> = lines.iter().map(|line| called(line)).collect();
        let expected = [Some("foo"), Some("bar"), Some("baz"), Some("x=1"), None, Some("["), None];
        assert_eq!(found, expected.map(|one| one.map(String::from)));
        let kills = ["+ kill 7", "++ kill -TERM 7", "+ kill", "+ kill -0 7", "+ echo kill", "kill 7"].map(is_kill);
        assert_eq!(kills, [true, true, true, false, false, false]);
        assert!(is_missing("vmrun-no-such-program") && !is_missing("x=1") && !is_missing("bhyve") && !is_missing("cd"));
    }
}

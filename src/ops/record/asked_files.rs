//! What a script does only where a file is there, or only where it is not: each file that it asks for is there in one recording and is not
//! in another, and they are compared.

use super::sessions::Sessions;
use super::whole_path;
use crate::diag::{Blame, Fault};
use crate::host::{files, standins};
use crate::import::recorded::{Guard, import, with_whole_paths};
use crate::model::{Draft, Target};
use crate::recording::asked::{FileTest, file_tests};
use crate::recording::hidden::hide;
use crate::recording::merge::{Pair, align, likeness};
use crate::recording::part::groups;
use crate::recording::race::race;
use crate::recording::{Call, FileState, Recording};
use std::path::Path;

/// How many files are there in one recording and not in another.
const FILES_MAX: usize = 12;

/// What hangs on files.
#[derive(Default)]
pub(super) struct Files {
    /// What is called only where a file is there, or is not.
    pub(super) guards: Vec<Guard>,
    /// A recording for each file on which something hangs, in which it is the other way.
    pub(super) others: Vec<(FileState, Recording)>,
    /// How these files are on the host on which it is recorded.
    pub(super) states: Vec<FileState>,
    /// The recording with all that is called in any of them.
    pub(super) all: Option<Recording>,
    /// What cannot be said in a recipe.
    pub(super) gaps: Vec<Fault>,
}

impl Sessions<'_> {
    /// Finds what hangs on files in a recording of a command.
    pub(super) fn files(&mut self, command: &[String], usual: &Recording, target: Target) -> Result<Files, Fault> {
        let mut found = Files::default();
        let Some(traced) = standins::traced(command).filter(|_| self.is_repeatable()) else { return Ok(found) };
        let setting = self.setting.clone();
        let mut lines = Vec::new();
        let Some(told) = self.listened(&traced, &setting, &mut |line| lines.push(line.to_string()))? else {
            return Ok(found);
        };
        let cwd = std::env::current_dir().unwrap_or_default().display().to_string();
        let tests = file_tests(&lines, &cwd);
        // One that does something else when its shell tells of its commands hangs on what it tells.
        if tests.is_empty() || race(usual, &told).is_some() {
            return Ok(found);
        }
        let usual = &with_whole_paths(usual, target, &whole_path);
        for test in tests.into_iter().filter(|test| !is_of_the_system(&test.path)).take(FILES_MAX) {
            self.turned(command, &test, &mut found, usual, target)?;
        }
        for (other, recording) in &mut found.others {
            recording.files.clone_from(&found.states);
            recording.files.retain(|state| state.path != other.path);
            recording.files.push(other.clone());
        }
        Ok(found)
    }
}

impl Sessions<'_> {
    /// Records a command with a file the other way, and compares. A folder with all that is in it is not taken away.
    fn turned(
        &mut self,
        command: &[String],
        test: &FileTest,
        found: &mut Files,
        usual: &Recording,
        target: Target,
    ) -> Result<(), Fault> {
        let is_there = files::exists(Path::new(&test.path));
        if is_there && files::is_folder(Path::new(&test.path)) {
            return Ok(());
        }
        let state = FileState { path: test.path.clone(), is_there, is_folder: test.is_folder };
        let other = FileState { is_there: !is_there, ..state.clone() };
        let mut setting = self.setting.clone();
        setting.files.push(other.clone());
        match self.again(command, &setting) {
            Ok(Some(recording)) => {
                found.compare(state, other, usual, with_whole_paths(&recording, target, &whole_path), target);
            }
            Ok(None) => {}
            Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
            Err(fault) => {
                let what = format!("what the script does where {} is not known: {fault}", other.shown());
                found.gaps.push(Fault::new(what).maybe_hint(fault.hint));
            }
        }
        Ok(())
    }
}

/// Whether a path is of the kernel, which says by itself what is there.
fn is_of_the_system(path: &str) -> bool {
    ["/proc/", "/sys/", "/dev/fd/"].iter().any(|folder| path.starts_with(folder))
        || ["/dev/null", "/dev/tty", "/dev/zero", "/dev/stdin"].contains(&path)
}

impl Files {
    fn compare(&mut self, state: FileState, other: FileState, usual: &Recording, recording: Recording, target: Target) {
        let boots = |recording: &Recording| recording.calls.iter().any(|call| call.boots().is_some());
        let changes = |recording: &Recording| -> Vec<Vec<String>> {
            recording.calls.iter().filter(|call| !call.reads).map(|call| call.argv.clone()).collect()
        };
        if changes(usual) == changes(&recording) {
            return;
        }
        if !boots(&recording) {
            // That one of its files is missing bhyve says, and vmrun before it.
            if !is_a_machines(usual, &state.path, target) {
                let what = format!("where {} the script boots no machine, and the recipe does", other.shown());
                let hint = "write `if !exists(\"…\") { throw \"…\"; }` into the recipe";
                self.gaps.push(Fault::new(what).hint(hint));
            }
            return;
        }
        let base = self.all.clone().unwrap_or_else(|| usual.clone());
        if let Some(all) = self.together(&base, &recording, &state, &other, target) {
            self.all = Some(all);
            self.states.push(state);
            self.others.push((other, recording));
        } else {
            let what = format!("where {} the script boots another machine than the recipe", other.shown());
            let hint = "let two recipes be made of it, or write `if exists(\"…\")` around both";
            self.gaps.push(Fault::new(what).hint(hint));
        }
    }

    /// Returns a recording with what is called in both, and keeps what is called in one of them alone. Nothing where the two machines are none
    /// together.
    fn together(
        &mut self,
        base: &Recording,
        other: &Recording,
        state: &FileState,
        turned: &FileState,
        target: Target,
    ) -> Option<Recording> {
        let (left, right): (Vec<&Call>, Vec<&Call>) = (base.calls.iter().collect(), other.calls.iter().collect());
        let mut alone = Vec::new();
        let calls = align(&left, &right, |a, b| likeness(a, b)).into_iter().map(|pair| match pair {
            Pair::Left(call) => {
                alone.push((call.argv.clone(), state));
                (*call).clone()
            }
            Pair::Right(call) => {
                alone.push((call.argv.clone(), turned));
                (*call).clone()
            }
            Pair::Both(left, right) => both(left, right, |words, is_left| {
                alone.push((words.to_vec(), if is_left { state } else { turned }));
            }),
        });
        let all = Recording { calls: calls.collect(), ..base.clone() };
        let drafts = drafts(&all, target)?;
        let is_part = |other: &Recording| {
            let others = self::drafts(other, target).unwrap_or_default();
            others.len() == drafts.len()
                && others.iter().zip(&drafts).all(|(one, all)| differs_in_slots_alone(one, all))
        };
        if !is_part(base) || !is_part(other) {
            return None;
        }
        // What hangs on another file is not there in this recording either.
        alone.retain(|(what, _)| !self.guards.iter().any(|guard| guard.what == *what));
        let guard = |(what, state): (Vec<String>, &FileState)| Guard {
            what,
            path: state.path.clone(),
            is_there: state.is_there,
        };
        self.guards.extend(alone.into_iter().map(guard));
        Some(all)
    }
}

/// Returns a call with the arguments of two, and tells which are those of one of them alone: the first, or not.
fn both(left: &Call, right: &Call, mut tell: impl FnMut(&[String], bool)) -> Call {
    let mut argv = vec![left.program().to_string()];
    let (ours, theirs) = (groups(left.program(), left.args()), groups(right.program(), right.args()));
    for pair in align(&ours, &theirs, |a, b| usize::from(a == b)) {
        let (words, is_left) = match pair {
            Pair::Both(words, _) => (words, None),
            Pair::Left(words) => (words, Some(true)),
            Pair::Right(words) => (words, Some(false)),
        };
        is_left.into_iter().for_each(|is_left| tell(words, is_left));
        argv.extend(words.iter().cloned());
    }
    Call { argv, ..left.clone() }
}

/// Returns the machines that are booted. Nothing where one of them is none.
fn drafts(recording: &Recording, target: Target) -> Option<Vec<Draft>> {
    let boots = recording.calls.iter().filter(|call| call.boots().is_some());
    boots.map(|call| Some(import(call.args(), target).ok()?.draft)).collect()
}

/// Whether a machine is another one without some of its slots.
fn differs_in_slots_alone(one: &Draft, all: &Draft) -> bool {
    let mut rest = all.clone();
    rest.slots.retain(|slot, _| one.slots.contains_key(slot));
    rest == *one
}

/// Whether a file is one of a machine that is booted.
fn is_a_machines(recording: &Recording, path: &str, target: Target) -> bool {
    let boots = recording.calls.iter().filter(|call| call.boots().is_some());
    let mut drafts = boots.filter_map(|call| import(call.args(), target).ok()).map(|import| import.draft);
    drafts.any(|mut draft| {
        draft.paths_mut().into_iter().any(|(_, of)| path.ends_with(of.as_str().trim_start_matches("./")))
    })
}

impl FileState {
    /// Says how it is.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", hide(&self.path), if self.is_there { "is there" } else { "is not there" })
    }
}

//! The files without which a script boots no machine, and that are not on this host: they are there for the recordings, as they are where the
//! script works.

use super::asked_files::AskedFiles;
use super::sessions::{Sessions, Tests};
use crate::diag::{Blame, Fault};
use crate::host::{files, standins};
use crate::recording::asked::FileTest;
use crate::recording::hidden::hide;
use crate::recording::{Call, FileState, Recording, Scenario};
use std::path::Path;

/// How many recordings are made to find them.
const TRIES_MAX: u32 = 16;

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
    pub(super) fn tried(&mut self, command: &[String], setting: &Scenario) -> Result<Option<AskedFiles>, Fault> {
        match self.asking(command, setting) {
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            other => Ok(other.ok().flatten()),
        }
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

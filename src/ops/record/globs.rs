//! What a script calls that hangs on which files a pattern of it finds: it is recorded where none is there, one more, and two more.

use super::sessions::Sessions;
use crate::diag::{Blame, Fault};
use crate::host::files;
use crate::host::standins::{self, Lines};
use crate::recording::globs::{fits, globs};
use crate::recording::hidden::hide;
use crate::recording::{FileState, Recording};
use std::path::Path;

/// How many patterns are tried.
const PATTERNS_MAX: usize = 4;

/// How many files of one are taken away for a recording without any.
const FILES_MAX: usize = 64;

impl Sessions<'_> {
    /// Tells if the machine, or what the script calls, hangs on which files its patterns find.
    pub(super) fn hanging_on_globs(&mut self, command: &[String], usual: &Recording) -> Result<Vec<Fault>, Fault> {
        let (Some(script), Some(traced)) = (standins::script(command), standins::traced(command)) else {
            return Ok(Vec::new());
        };
        if !script.text.contains('*') {
            return Ok(Vec::new());
        }
        let mut lines = Vec::new();
        let mut hear = |line: &str| lines.push(line.to_string());
        let heard = (Lines::ByWriter, &mut hear as &mut dyn FnMut(&str));
        match self.listened(&traced, &self.setting.clone(), heard) {
            Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
            // What is wrong with it is told where it is heard.
            _ => {}
        }
        let cwd = std::env::current_dir().unwrap_or_default().display().to_string();
        let mut gaps = Vec::new();
        for pattern in globs(&script.text, &lines, &cwd).into_iter().take(PATTERNS_MAX) {
            // One that is named as it is, as nothing fits it, is told by itself.
            let is_named = usual.calls.iter().any(|call| call.args().iter().any(|word| word.contains(&pattern)));
            if !is_named && self.hangs_on_glob(command, usual, &pattern)? {
                let what = format!(
                    "what the script calls hangs on which files `{}` finds, and the recipe has what it was",
                    hide(&pattern)
                );
                gaps.push(Fault::new(what).hint("write the name that you mean into the script, or into the recipe"));
            }
        }
        Ok(gaps)
    }

    fn hangs_on_glob(&mut self, command: &[String], usual: &Recording, pattern: &str) -> Result<bool, Fault> {
        let Some((folder, name)) = pattern.rsplit_once('/') else { return Ok(false) };
        let state = |path: String, is_there: bool| FileState { path, is_there, ..FileState::default() };
        let there = files::names(Path::new(folder)).into_iter().filter(|other| fits(other, name)).take(FILES_MAX);
        let gone: Vec<FileState> = there.map(|name| state(format!("{folder}/{name}"), false)).collect();
        let new = |number: &str| state(format!("{folder}/{}", name.replace('*', number)), true);
        let ways = [gone, vec![new("0")], vec![new("0"), new("zz")]];
        for way in ways.into_iter().filter(|way| !way.is_empty()) {
            let mut setting = self.setting.clone();
            setting.files.extend(way);
            if self.is_other(command, &setting, usual)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

//! The files for which a script asks where its shell does not tell of its commands: what it tells is sent elsewhere (`exec 2>>FILE`), or a script
//! of its own asks, whose shell tells nothing.

use super::programs::called;
use super::whole_path;
use crate::host::environment::env;
use crate::host::standins;
use crate::recording::asked::{FileTest, named_files, told_tests};
use crate::recording::globs::fits;
use crate::recording::operands::{Family, Operand, Script, inputs, operands};
use crate::recording::{Recording, base_name, words};
use std::collections::{BTreeMap, BTreeSet};

/// The scripts that are called, as their texts have them.
pub(super) struct Untraced {
    scripts: Vec<Script>,
    /// Whether calls were made of which no shell has told.
    has_untold: bool,
    /// The tests of which one has told.
    told: Vec<Operand>,
}

/// How many scripts are read.
const TEXTS_MAX: usize = 64;

/// How many files behind `<` are tried.
const INPUTS_MAX: usize = 8;

impl Untraced {
    /// Reads them.
    pub(super) fn of(command: &[String], lines: &[String], recording: &Recording) -> Self {
        let told = lines.iter().filter_map(|line| words::told(line));
        let mut called: Vec<Vec<String>> = vec![command.to_vec()];
        for words in told.filter(|words| words.first().is_some_and(|word| word.contains('/'))) {
            if !called.contains(&words) {
                called.push(words);
            }
        }
        let scripts = called.iter().take(TEXTS_MAX).filter_map(|command| {
            let source = standins::script(command)?;
            let args = command.iter().skip_while(|word| **word != source.name).skip(1).cloned().collect();
            Some(Script { text: source.text, args })
        });
        let has_untold = has_untold_calls(lines, recording);
        Self { scripts: scripts.collect(), has_untold, told: told_tests(lines) }
    }

    /// Returns the texts that each test may name, with its script's own word; what is not known of one is a `*`.
    fn named(&self) -> Vec<(Operand, Vec<String>)> {
        let family = Family { scripts: &self.scripts, env: &env };
        let of = |script: &'_ Script| -> Vec<(Operand, Vec<String>)> {
            let all = operands(&script.text).into_iter();
            all.map(|operand| (operand.clone(), family.values(script, &operand.word))).collect()
        };
        self.scripts.iter().flat_map(of).collect()
    }

    /// Returns the files for which they ask where nobody tells of it: all that are named there, or in a call.
    pub(super) fn tests(&self, recording: &Recording) -> Vec<FileTest> {
        if !self.has_untold {
            return Vec::new();
        }
        let mut all = self.resolved(recording, |_| true);
        let with_tests = self.scripts.iter().filter(|script| !operands(&script.text).is_empty());
        for test in with_tests.flat_map(|script| named_files(&script.text, &recording.calls)) {
            let is_folder = is_folder_of(recording, &test.path);
            add(&mut all, FileTest { is_folder, ..test });
        }
        all
    }

    /// Returns the files for which they may ask without a word of it, and which hangs on nothing that they called: what they would call there
    /// alone.
    pub(super) fn possible(&self, recording: &Recording) -> Vec<FileTest> {
        if self.has_untold {
            return Vec::new();
        }
        let is_told = |operand: &Operand, text: &str| {
            self.told
                .iter()
                .any(|told| told.option == operand.option && (may_be(&told.word, text) || text.ends_with(&told.word)))
        };
        self.resolved(recording, |(operand, text)| !is_told(operand, text))
    }

    /// Returns the files that they may read behind `<`, by their whole paths, of which that is known.
    pub(super) fn inputs(&self, recording: &Recording) -> Vec<String> {
        let family = Family { scripts: &self.scripts, env: &env };
        let folder = recording.calls.first().map_or_else(String::new, |call| call.cwd.clone());
        let mut all: Vec<String> = Vec::new();
        for script in &self.scripts {
            let texts = inputs(&script.text).into_iter().flat_map(|word| family.values(script, &word));
            for text in texts.filter(|text| !text.is_empty() && !text.contains('*')) {
                let path = whole_path(&folder, &text);
                if !all.contains(&path) && !path.starts_with("/dev/") {
                    all.push(path);
                }
            }
        }
        all.truncate(INPUTS_MAX);
        all
    }

    /// Returns the files that tests name whose words are known.
    fn resolved(&self, recording: &Recording, is_one: impl Fn((&Operand, &str)) -> bool) -> Vec<FileTest> {
        let mut all: Vec<FileTest> = Vec::new();
        let mut folders: BTreeSet<String> = recording.calls.iter().map(|call| call.cwd.clone()).collect();
        folders.insert(std::env::current_dir().unwrap_or_default().display().to_string());
        for (operand, texts) in self.named() {
            let is_known = |text: &&String| !text.contains('*') && !text.is_empty() && is_one((&operand, text));
            for text in texts.iter().filter(is_known) {
                // In which folder it was asked is not known.
                let is_whole = text.starts_with('/');
                for folder in folders.iter().take(if is_whole { 1 } else { folders.len() }) {
                    let path = if is_whole { text.clone() } else { whole_path(folder, text) };
                    let is_folder = operand.option == "-d" || is_folder_of(recording, &path);
                    add(&mut all, FileTest { path, is_folder, is_socket: operand.option == "-S" });
                }
            }
        }
        all
    }

    /// Returns a word by which a file is named of which nobody knows which it is.
    pub(super) fn unknown(&self, tests: &[FileTest]) -> Option<String> {
        let is_known = |operand: &Operand, text: &str| {
            let end = text.rsplit('*').next().unwrap_or_default();
            let is_told = |told: &Operand| told.option == operand.option && may_be(&told.word, text);
            !text.contains('*')
                || self.told.iter().any(is_told)
                || end.len() > 1 && tests.iter().any(|test| may_be(&test.path, text))
        };
        if !self.has_untold {
            return None;
        }
        let is_variable = |operand: &Operand| operand.word.contains(['$', '`']);
        let mut named = self.named().into_iter().filter(|(operand, _)| is_variable(operand));
        named
            .find(|(operand, texts)| !texts.iter().all(|text| is_known(operand, text)))
            .map(|(operand, _)| operand.word)
    }
}

/// Whether a word is what is known of another one. What is not known may begin with a dot.
fn may_be(word: &str, text: &str) -> bool {
    fits(word, text) || text.starts_with('*') && fits(word.trim_start_matches('.'), text)
}

/// Adds a test, each file once.
fn add(all: &mut Vec<FileTest>, test: FileTest) {
    if all.iter().all(|other| other.path != test.path) {
        all.push(test);
    }
}

/// Whether a program was called more often than a shell has told.
fn has_untold_calls(lines: &[String], recording: &Recording) -> bool {
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for program in lines.iter().filter_map(|line| called(line)) {
        *told.entry(base_name(&program).to_string()).or_default() += 1;
    }
    let calls = |program: &str| recording.calls.iter().filter(|call| call.program() == program).count();
    recording.calls.iter().any(|call| calls(call.program()) > told.get(call.program()).copied().unwrap_or_default())
}

/// Whether a path is that of a folder, by what is called there or in it.
fn is_folder_of(recording: &Recording, path: &str) -> bool {
    let is_in = |word: &str| word.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    recording.calls.iter().any(|call| {
        let is_arg = || call.args().iter().any(|word| word == path);
        call.cwd == path
            || is_in(&call.cwd)
            || call.args().iter().any(|word| is_in(word))
            || call.program() == "mkdir" && is_arg()
    })
}

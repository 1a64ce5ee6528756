//! The files for which a script asks where its shell does not tell of its commands: what it tells is sent elsewhere (`exec 2>>FILE`), or a script
//! of its own asks, whose shell tells nothing.

use super::programs::called;
use crate::host::standins;
use crate::recording::asked::{FileTest, named_files};
use crate::recording::{Recording, base_name, words};
use std::collections::BTreeSet;

/// The texts of the scripts whose tests nobody tells of.
pub(super) struct Untraced(Vec<String>);

/// How many scripts are read.
const TEXTS_MAX: usize = 64;

impl Untraced {
    /// Finds them: there are some where a call was made of which no shell has told.
    pub(super) fn of(command: &[String], lines: &[String], recording: &Recording) -> Self {
        let named: BTreeSet<String> =
            lines.iter().filter_map(|line| called(line)).map(|program| base_name(&program).to_string()).collect();
        if recording.calls.iter().all(|call| named.contains(call.program())) {
            return Self(Vec::new());
        }
        let told =
            lines.iter().filter_map(|line| words::split(line.strip_prefix('+')?.trim_start_matches('+').trim()).ok());
        let mut called: Vec<Vec<String>> = vec![command.to_vec()];
        for program in told.filter_map(|words| words.into_iter().next()).filter(|word| word.contains('/')) {
            if !called.iter().any(|other| *other == [program.clone()]) {
                called.push(vec![program]);
            }
        }
        let texts =
            called.iter().take(TEXTS_MAX).filter_map(|command| standins::script(command)).map(|script| script.text);
        Self(texts.filter(|text| !operands(text).is_empty()).collect())
    }

    /// Returns the files that are named there, or in a call.
    pub(super) fn tests(&self, recording: &Recording) -> Vec<FileTest> {
        let mut all: Vec<FileTest> = Vec::new();
        for text in &self.0 {
            for mut test in named_files(text, &recording.calls) {
                test.is_folder = operands(text).iter().any(|(option, path)| *option == "-d" && *path == test.path)
                    || is_folder_of(recording, &test.path);
                if all.iter().all(|other| other.path != test.path) {
                    all.push(test);
                }
            }
        }
        all
    }

    /// Returns a word by which a file is named of which nobody knows which it is.
    pub(super) fn unknown(&self, tests: &[FileTest]) -> Option<String> {
        let is_known = |text: &str, word: &str| {
            let end = known_end(text, word);
            !word.contains('$')
                || if end.is_empty() { !tests.is_empty() } else { tests.iter().any(|test| test.path.ends_with(&end)) }
        };
        let unknown = |text: &String| {
            operands(text).into_iter().map(|(_, word)| word).find(|word| !is_known(text, word)).map(String::from)
        };
        self.0.iter().find_map(unknown)
    }
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

/// Returns what a script tests files for, with the words that name them.
fn operands(text: &str) -> Vec<(&str, &str)> {
    const OPTIONS: &[&str] = &["-e", "-f", "-s", "-r", "-w", "-x", "-d", "-S", "-c", "-b", "-p"];
    let mut all = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let tests =
            words.iter().any(|word| ["[", "[[", "test"].contains(&word.trim_start_matches(['(', '{', '!', '\'', '"'])));
        let pairs = words.windows(2).filter(|_| tests);
        all.extend(pairs.filter_map(|pair| match pair {
            [option, word] if OPTIONS.contains(option) => {
                Some((*option, word.trim_matches(|c: char| "\"';)".contains(c)))).filter(|(_, word)| !word.is_empty())
            }
            _ => None,
        }));
    }
    all
}

/// Returns what is known of the end of a word in which the shell puts something: what stands behind that, or ends what it is set to.
fn known_end(text: &str, word: &str) -> String {
    let Some((_, rest)) = word.rsplit_once('$') else { return word.into() };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (name, end) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once('}').unwrap_or((rest, "")),
        None => rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len())),
    };
    if !end.is_empty() {
        return end.into();
    }
    let head = format!("{name}=");
    let set = text.split(|c: char| c.is_whitespace() || c == ';').find_map(|word| word.strip_prefix(&head));
    let set = set.map(|set| set.trim_matches(['"', '\''])).unwrap_or_default();
    // One step only: a variable that is set to itself has no end.
    set.rsplit_once('$').map_or(set, |(_, rest)| rest.trim_start_matches(|c| is_name(c) || c == '{' || c == '}')).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tested_is_found_in_a_text() {
        let text = "D=/vm\nimg=\"$D/a.img\"\n# [ -f no ]\n[ -f $img ] || x\nif test ! -d \"${D}/b\"; then\n(([ -s '/c' ])\necho -f d";
        assert_eq!(operands(text), [("-f", "$img"), ("-d", "${D}/b"), ("-s", "/c")]);
        let ends = ["$img", "${D}/b", "$D", "/c", "$1"].map(|word| known_end(text, word));
        assert_eq!(ends, ["/a.img", "/b", "/vm", "/c", ""]);
    }
}

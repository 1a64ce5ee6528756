//! The standard library as far as a recipe asks for it. A recipe uses one function of a module or two, and reading the others took
//! longer than all the rest of its plan.
//!
//! What a function needs is found by the words in it, wherever they stand: one too many costs a little time, and none is missing,
//! because Rhai has no other way to a function of a module than its name (`Fn` and `eval` are not there).

use std::collections::{BTreeMap, BTreeSet};

/// What was read of a module.
#[derive(Default)]
pub(super) struct Kept {
    /// The names at its top level that were asked for, and what those need.
    names: BTreeSet<String>,
    /// The words in what was read.
    words: BTreeSet<String>,
}

impl Kept {
    /// Returns whether everything of those names was read, as far as the module has it.
    pub(super) fn has(&self, text: &str, words: &BTreeSet<String>) -> bool {
        cut(text)
            .is_some_and(|items| items.iter().all(|item| !words.contains(item.name) || self.names.contains(item.name)))
    }

    /// Returns the words in what was read.
    pub(super) fn words(&self) -> &BTreeSet<String> {
        &self.words
    }

    /// Takes up what a module has of some names. Returns its text with empty lines in the place of all that nobody asked for, so that
    /// what is left stands where it stood.
    pub(super) fn read(&mut self, text: &str, words: &BTreeSet<String>) -> String {
        let Some(items) = cut(text) else { return text.to_string() };
        let by_name: BTreeMap<&str, &Item<'_>> = items.iter().map(|item| (item.name, item)).collect();
        let mut open: Vec<&Item<'_>> =
            items.iter().filter(|item| words.contains(item.name) || self.names.contains(item.name)).collect();
        let mut kept = BTreeSet::new();
        while let Some(item) = open.pop() {
            if kept.insert(item.first) {
                self.names.insert(item.name.to_string());
                for word in words_of(item.text) {
                    self.words.insert(word.to_string());
                    open.extend(by_name.get(word));
                }
            }
        }
        let mut read = String::with_capacity(text.len());
        let mut line = 0;
        for item in items.iter().filter(|item| kept.contains(&item.first)) {
            read.extend(std::iter::repeat_n('\n', item.first - line));
            read.push_str(item.text);
            line = item.first + item.text.matches('\n').count();
        }
        read
    }
}

/// Returns the words of a text.
pub(super) fn words_of(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(move |c| !is_part(c)).filter(|word| !word.is_empty())
}

/// An import or a function at the top level of a module.
struct Item<'a> {
    name: &'a str,
    /// The line at which it begins, from 0 on.
    first: usize,
    /// Its lines, with their ends.
    text: &'a str,
}

/// Cuts a module of the standard library: comments and, from the beginning of a line on, imports and functions, of which each ends
/// with a `}` that stands there too. Nothing if it has anything else.
fn cut(text: &str) -> Option<Vec<Item<'_>>> {
    let mut items: Vec<Item<'_>> = Vec::new();
    // Where the function begins that has no end yet: name, line, byte.
    let mut begun: Option<(&str, usize, usize)> = None;
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let from = at;
        at += line.len();
        match begun {
            Some((name, first, from)) if line.starts_with('}') => {
                items.push(Item { name, first, text: text.get(from..at)? });
                begun = None;
            }
            Some(_) => {}
            None => {
                let head = line.strip_prefix("private ").unwrap_or(line);
                if let Some(head) = head.strip_prefix("fn ") {
                    begun = Some((words_of(head).next()?, number, from));
                } else if line.starts_with("import ") {
                    items.push(Item { name: words_of(line).last()?, first: number, text: line });
                } else if !line.trim_end().is_empty() && !line.starts_with("//") {
                    return None;
                }
            }
        }
    }
    begun.is_none().then_some(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::modules::STDLIB;

    fn words(all: &[&str]) -> BTreeSet<String> {
        all.iter().map(ToString::to_string).collect()
    }

    const TEXT: &str = "//! Of what.\nimport \"std/a\" as a;\nimport \"std/b\" as b;\n\n/// One.\nfn one(x) {\n    two(x)\n}\n\n\
                        private fn two(x) {\n    b::two(x)\n}\n\n// Three.\nfn three() {\n    a::three()\n}\n";

    #[test]
    fn of_a_module_is_read_what_is_named_and_what_that_needs_in_its_place() {
        let mut kept = Kept::default();
        let read = kept.read(TEXT, &words(&["one", "other"]));
        let lines = ["", "", "import \"std/b\" as b;", "", "", "fn one(x) {", "    two(x)", "}", ""];
        assert_eq!(read, lines.join("\n") + "\nprivate fn two(x) {\n    b::two(x)\n}\n");
        assert!(kept.has(TEXT, &words(&["two", "other"])) && !kept.has(TEXT, &words(&["three"])));
        // What was read before stays when more is asked for.
        assert_eq!(kept.read(TEXT, &words(&["three"])).lines().filter(|line| !line.is_empty()).count(), 11);
        assert_eq!(Kept::default().read(TEXT, &words(&[])), "");
    }

    #[test]
    fn every_module_of_the_standard_library_can_be_cut_and_is_whole_if_all_is_asked_for() {
        for (name, text) in STDLIB {
            let items = cut(text).unwrap_or_else(|| panic!("{name} has more than comments, imports and functions"));
            let all = items.iter().map(|item| item.name.to_string()).collect();
            let mut kept = Kept::default();
            let read = kept.read(text, &all);
            let bare = |text: &str| -> Vec<String> {
                let of = |line: &str| if line.starts_with("//") { String::new() } else { line.to_string() };
                text.lines().map(of).collect()
            };
            assert_eq!(bare(&read), bare(text.trim_end()), "{name}");
            assert!(kept.has(text, &all), "{name}");
        }
    }

    #[test]
    fn a_module_of_another_shape_is_read_whole() {
        for text in ["const A = 1;\nfn a() {\n}\n", "fn a() {\n", "fn () {\n}\n"] {
            assert_eq!(Kept::default().read(text, &words(&[])), text);
        }
    }
}

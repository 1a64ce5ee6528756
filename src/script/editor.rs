//! What an editor asks about a text that is being written: what can come, what something is, where it is declared.
//!
//! All of it comes from tokens, so that a line that does not parse takes nothing away from the others. Places are bytes; one within a
//! character, or behind the text, is the boundary before it.

mod cursor;
mod fixes;
mod folds;
mod key_docs;
mod names;
mod semantics;

use super::check::test_words::{TEST_WORDS, TestWord, is_test_file};
use super::lexer;
use super::modules::STDLIB;
use super::words::{self, Row, WordKind};
use crate::script::handle::{EXITS, Handle, PARTS};
use cursor::{Around, Of, Within, cursor};
pub(crate) use fixes::edit;
pub(crate) use folds::{Fold, FoldKind, folds};
use key_docs::key_docs;
pub(crate) use names::{Declaration, Names, Sort, is_free, names};
pub(crate) use semantics::{Meaning, SemanticToken, semantics};
use std::ops::Range;

/// Who knows the texts of modules.
pub(crate) trait Modules {
    /// Returns the name and the text of the module that a text imports by a path.
    fn module(&self, importer: &str, path: &str) -> Option<(String, String)>;
    /// Returns the paths that a text could import, or the names of files, that begin so.
    fn paths(&self, importer: &str, begun: &str, is_import: bool) -> Vec<String>;
}

/// A text, and who knows what it imports.
pub(crate) struct Document<'a> {
    /// Its name: a path.
    pub name: &'a str,
    /// The text as it is in the editor.
    pub text: &'a str,
    /// Who knows what it imports.
    pub modules: &'a dyn Modules,
}

/// What an item of a list of completions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sense {
    /// A word or a function.
    Function,
    /// What is called on a value, behind a dot.
    Method,
    /// What `let`, `const` or a parameter has named.
    Variable,
    /// A key of a map or a property.
    Key,
    /// What an import has named.
    Module,
    /// A file that an import can name.
    File,
    /// A keyword or a unit.
    Keyword,
}

/// Something that can come at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// What it is called, and what is put in.
    pub label: String,
    /// What an editor draws in front of it.
    pub sense: Sense,
    /// How it is written.
    pub detail: String,
    /// What it does.
    pub docs: String,
}

/// What can come at a place, and what it replaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The bytes that are replaced.
    pub replaced: Range<usize>,
    /// The items, in the order in which they are shown.
    pub items: Vec<Item>,
}

/// What is told of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hover {
    /// The bytes that it is about.
    pub span: Range<usize>,
    /// How it is written.
    pub usage: Vec<String>,
    /// What it does.
    pub docs: String,
}

/// A call that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// The ways in which it is written.
    pub usages: Vec<(String, String)>,
    /// Which argument comes.
    pub argument: usize,
}

/// Where something is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The name of the text; nothing where it is the same one.
    pub module: Option<String>,
    /// The bytes there.
    pub span: Range<usize>,
}

const KEYWORDS: [(&str, &str); 14] = [
    ("let", "let name = value;"),
    ("const", "const NAME = value;"),
    ("fn", "fn name(of) { … }"),
    ("if", "if init { … }"),
    ("else", "else { … }"),
    ("for", "for name in list { … }"),
    ("while", "while condition { … }"),
    ("loop", "loop { … }"),
    ("switch", "switch value { 1 => …, _ => … }"),
    ("return", "return value;"),
    ("import", "import \"std/guest\" as guest;"),
    ("try", "try { … } catch (fault) { … }"),
    ("true", "true"),
    ("false", "false"),
];

impl Document<'_> {
    /// Returns what can come at a byte.
    pub(crate) fn complete(&self, at: usize) -> Completion {
        let at = self.text.floor_char_boundary(at);
        let cursor = cursor(self.text, at);
        let names = names(self.text);
        let (mut replaced, within) = (cursor.begun.clone(), cursor.within.as_ref());
        let items = match cursor.around {
            Around::Comment => Vec::new(),
            Around::Text(from, begun) => {
                replaced = from..at;
                self.in_text(from, &begun, within)
            }
            Around::Module(alias) => self.members(&names, &alias, at),
            Around::Member(of) => members_of_values(of),
            Around::Key(used) => {
                let known = self.keys(&names, within, &cursor.keys, at);
                known.into_iter().filter(|item| !used.contains(&item.label)).collect()
            }
            Around::Value => self.values(&names, at, within.is_none()),
        };
        Completion { replaced, items }
    }

    /// In a text: what an import names, a file, or an end of a boot.
    fn in_text(&self, from: usize, begun: &str, within: Option<&Within>) -> Vec<Item> {
        let before = self.text[..from].strip_suffix(['"', '\'', '`']);
        let is_import = before.is_some_and(|before| before.trim_end().ends_with("import"));
        let item = |label: String, sense| Item { label, sense, detail: String::new(), docs: String::new() };
        if is_import || begun.starts_with(['/', '.']) {
            let sense = if is_import { Sense::Module } else { Sense::File };
            let paths = self.modules.paths(self.name, begun, is_import);
            return paths.into_iter().map(|path| item(path, sense)).collect();
        }
        match within.filter(|call| call.name == "on" && call.argument == 0) {
            Some(_) => EXITS.iter().chain(&["exited"]).map(|end| item((*end).into(), Sense::Keyword)).collect(),
            None => Vec::new(),
        }
    }

    /// The text of a module by the name that it has here.
    fn module(&self, names: &Names, alias: &str, at: usize) -> Option<(String, String)> {
        let known = names.known(at);
        let anywhere = || names.declarations.iter().find(|one| one.sort == Sort::Module && one.name == alias);
        let module = known.into_iter().find(|one| one.sort == Sort::Module && one.name == alias).or_else(anywhere)?;
        self.modules.module(self.name, &module.detail)
    }

    fn members(&self, own: &Names, alias: &str, at: usize) -> Vec<Item> {
        let Some((_, text)) = self.module(own, alias, at) else { return Vec::new() };
        let names = names(&text);
        let offered = names.declarations.iter().filter(|one| one.sort == Sort::Function && !one.is_private);
        let mut items: Vec<Item> = offered.map(|one| as_item(one, Sense::Function)).collect();
        items.sort_by(|one, other| one.label.cmp(&other.label));
        items
    }

    /// The keys of a map that a word or a function of a module gets.
    fn keys(&self, own: &Names, within: Option<&Within>, keys: &[String], at: usize) -> Vec<Item> {
        let Some(call) = within else { return Vec::new() };
        let item = |label: String, docs: String| Item { label, sense: Sense::Key, detail: String::new(), docs };
        if let Some(alias) = &call.of {
            let Some((_, text)) = self.module(own, alias, at) else { return Vec::new() };
            let [own, shared] = [names_of(&text, &call.name).map(|of| of.docs).unwrap_or_default(), heading(&text)];
            let [mut own, mut shared] = [key_docs(&own), key_docs(&shared)];
            let mut help = |key: &str| own.remove(key).or_else(|| shared.remove(key)).unwrap_or_default();
            return asked_keys(&text)
                .into_iter()
                .map(|key| (help(&key), key))
                .map(|(help, key)| item(key, help))
                .collect();
        }
        if !keys.is_empty() {
            return Vec::new();
        }
        self.keys_of(&call.name).into_iter().map(|(key, help)| item(key, help)).collect()
    }

    /// Returns what is known of the name at a byte.
    pub(crate) fn hover(&self, at: usize) -> Option<Hover> {
        let (span, name) = self.word(at)?;
        let names = names(self.text);
        let cursor = cursor(self.text, span.start);
        let hover = |usage: Vec<String>, docs: String| Some(Hover { span: span.clone(), usage, docs });
        if let Around::Module(alias) = &cursor.around {
            let (_, text) = self.module(&names, alias, at)?;
            let of = names_of(&text, name)?;
            return hover(vec![format!("{alias}::{name}{}", of.detail)], of.docs);
        }
        if let Around::Key(_) = cursor.around {
            let found = self
                .keys(&names, cursor.within.as_ref(), &cursor.keys, at)
                .into_iter()
                .find(|key| key.label == name)?;
            return hover(vec![name.into()], found.docs);
        }
        if let Around::Member(Of::Number) = cursor.around {
            return words::UNITS.iter().find(|(unit, _)| *unit == name).and_then(|(unit, shift)| {
                hover(vec![format!("20.{unit}")], format!("20 times {} bytes", 1_u64 << shift))
            });
        }
        let is_member = matches!(cursor.around, Around::Member(Of::Value | Of::Part(_)));
        if let Some(declared) = names.at(at).filter(|_| !is_member).map(|at| &names.declarations[at]) {
            return hover(vec![written(declared)], self.documentation(declared));
        }
        if let Some(word) = self.test_word(name) {
            return hover(vec![word.usage.into()], word.help.into());
        }
        let rows: Vec<Row> = self.rows().filter(|row| row.is_named(name)).collect();
        if rows.is_empty() {
            if let Some((part, _, help)) = PARTS.iter().find(|part| is_member && part.0 == name) {
                return hover(vec![format!("vm.{part}")], (*help).into());
            }
            let (_, help) = words::variables().iter().find(|(variable, _)| *variable == name)?;
            return hover(vec![name.into()], (*help).into());
        }
        hover(rows.iter().map(|row| row.usage()).collect(), reference(&rows))
    }

    /// What is said of a declaration: its comments, or those of the module that it is.
    fn documentation(&self, declared: &Declaration) -> String {
        if declared.sort != Sort::Module {
            return declared.docs.clone();
        }
        self.modules.module(self.name, &declared.detail).map(|(_, text)| heading(&text)).unwrap_or_default()
    }

    /// The words that the text has: those of recipes, or, in a file of tests, those of tests.
    fn rows(&self) -> impl Iterator<Item = Row> {
        let is_recipe = !is_test_file(self.name);
        words::all().filter(move |_| is_recipe)
    }

    fn test_words(&self) -> &'static [TestWord] {
        if is_test_file(self.name) { &TEST_WORDS } else { &[] }
    }

    fn test_word(&self, name: &str) -> Option<&'static TestWord> {
        self.test_words().iter().find(|word| word.name == name)
    }

    /// The keys of a word's map.
    fn keys_of(&self, word: &str) -> Vec<(String, String)> {
        let rows = self.rows().filter(|row| row.is_named(word)).flat_map(Row::options);
        let rows = rows.map(|(key, help)| (key.to_string(), help));
        let of_tests = self.test_word(word).map_or(&[][..], |word| word.keys);
        rows.chain(of_tests.iter().map(|(key, help)| ((*key).into(), (*help).into()))).collect()
    }

    /// Whatever has a value: what the text itself has a name for first.
    fn values(&self, names: &Names, at: usize, is_statement: bool) -> Vec<Item> {
        let sense = |sort| match sort {
            Sort::Function => Sense::Function,
            Sort::Module => Sense::Module,
            Sort::Variable | Sort::Parameter => Sense::Variable,
        };
        let mut items: Vec<Item> = names.known(at).into_iter().map(|one| as_item(one, sense(one.sort))).collect();
        let words = self.rows().filter(|row| row.kind() != WordKind::Method);
        items.extend(words.map(|row| Item {
            label: row.name().into(),
            sense: Sense::Function,
            detail: row.usage(),
            docs: row.help().into(),
        }));
        items.extend(self.test_words().iter().map(|word| Item {
            label: word.name.into(),
            sense: Sense::Function,
            detail: word.usage.into(),
            docs: word.help.into(),
        }));
        items.extend(words::variables().iter().map(|(name, help)| Item {
            label: (*name).into(),
            sense: Sense::Variable,
            detail: String::new(),
            docs: (*help).into(),
        }));
        let keywords =
            KEYWORDS.iter().filter(|(word, _)| is_statement || matches!(*word, "if" | "switch" | "true" | "false"));
        items.extend(keywords.map(|(word, usage)| Item {
            label: (*word).into(),
            sense: Sense::Keyword,
            detail: (*usage).into(),
            docs: String::new(),
        }));
        let mut seen = std::collections::BTreeSet::new();
        items.retain(|item| seen.insert(item.label.clone()));
        items
    }

    /// Returns how the call that a byte is in is written.
    pub(crate) fn signature(&self, at: usize) -> Option<Signature> {
        let at = self.text.floor_char_boundary(at);
        let call = cursor(self.text, at).within?;
        let names = names(self.text);
        let usages: Vec<(String, String)> = if let Some(alias) = &call.of {
            let (_, text) = self.module(&names, alias, at)?;
            let of = names_of(&text, &call.name)?;
            vec![(format!("{alias}::{}{}", call.name, of.detail), of.docs)]
        } else {
            let own = names.declarations.iter().filter(|one| one.sort == Sort::Function && one.name == call.name);
            let own = own.map(|one| (written(one), one.docs.clone()));
            let rows = self.rows().filter(|row| row.is_named(&call.name));
            let rows = rows.filter(|row| (row.kind() == WordKind::Method) == call.is_method);
            let of_tests = self.test_word(&call.name).map(|word| (word.usage.into(), word.help.into()));
            own.chain(of_tests).chain(rows.map(|row| (row.usage(), row.help().to_string()))).collect()
        };
        (!usages.is_empty()).then_some(Signature { usages, argument: call.argument })
    }

    /// Returns where the name at a byte is declared.
    pub(crate) fn definition(&self, at: usize) -> Option<Target> {
        let (span, name) = self.word(at)?;
        let names = names(self.text);
        if let Around::Module(alias) = cursor(self.text, span.start).around {
            let (id, text) = self.module(&names, &alias, at)?;
            return Some(Target { module: Some(id), span: names_of(&text, name)?.span });
        }
        let declared = &names.declarations[names.at(at)?];
        // Whoever asks where a module is declared wants to see it, unless he is at its import.
        if declared.sort == Sort::Module && declared.span != span {
            let (id, _) = self.modules.module(self.name, &declared.detail)?;
            return Some(Target { module: Some(id), span: 0..0 });
        }
        Some(Target { module: None, span: declared.span.clone() })
    }

    /// Returns every place that is renamed with the name at a byte; nothing for a name that is not the text's own.
    pub(crate) fn renamed(&self, at: usize) -> Option<Vec<Range<usize>>> {
        let names = names(self.text);
        Some(names.places(names.at(at)?))
    }

    /// Returns every place that means the same as the name at a byte, and that where it is declared if wanted; nothing for a name that
    /// is not the text's own.
    pub(crate) fn references(&self, at: usize, with_declaration: bool) -> Option<Vec<Range<usize>>> {
        let names = names(self.text);
        let number = names.at(at)?;
        let declared = &names.declarations[number].span;
        let is_wanted = |span: &Range<usize>| with_declaration || span != declared;
        Some(names.places(number).into_iter().filter(is_wanted).collect())
    }

    /// Returns what its tokens mean, first to last.
    pub(crate) fn semantics(&self) -> Vec<SemanticToken> {
        semantics(self.text)
    }

    /// Returns what of it can be folded away.
    pub(crate) fn folds(&self) -> Vec<Fold> {
        folds(self.text)
    }

    /// Returns the declarations of the text.
    pub(crate) fn declarations(&self) -> Vec<Declaration> {
        names(self.text).declarations
    }

    /// The name around a byte.
    fn word(&self, at: usize) -> Option<(Range<usize>, &str)> {
        let at = self.text.floor_char_boundary(at);
        let is_part = |c: char| c == '_' || c.is_alphanumeric();
        let start = self.text[..at]
            .rfind(|c| !is_part(c))
            .map_or(0, |end| end + self.text[end..].chars().next().map_or(1, char::len_utf8));
        let end = self.text[at..].find(|c| !is_part(c)).map_or(self.text.len(), |length| at + length);
        let name = &self.text[start..end];
        (!name.is_empty() && cursor(self.text, start).around != Around::Comment).then_some((start..end, name))
    }
}

/// What the comments at the head of a text say of it.
fn heading(text: &str) -> String {
    let lines = text[lexer::interpreter(text)..].trim_start().lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// How a declaration is written.
fn written(declared: &Declaration) -> String {
    let Declaration { name, detail, .. } = declared;
    match declared.sort {
        Sort::Function => format!("fn {name}{detail}"),
        Sort::Module => format!("import \"{detail}\" as {name}"),
        Sort::Variable => format!("{detail} {name}"),
        Sort::Parameter => name.clone(),
    }
}

fn as_item(declared: &Declaration, sense: Sense) -> Item {
    Item { label: declared.name.clone(), sense, detail: written(declared), docs: declared.docs.clone() }
}

fn names_of(text: &str, name: &str) -> Option<Declaration> {
    names(text).declarations.into_iter().find(|one| one.sort == Sort::Function && one.name == name)
}

/// The keys that the functions of a module let their maps have: texts in the lists that `known_keys` gets.
fn asked_keys(text: &str) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let all = lexer::tokens(text);
    let word = |at: usize| all.get(at).map_or("", |token: &lexer::Token| &text[token.span.clone()]);
    for at in (0..all.len()).filter(|at| word(*at) == "known_keys" && word(at + 1) == "(") {
        let begin = all[at + 1].span.start;
        let end = begin + lexer::group(&text[begin..]).unwrap_or(text.len() - begin);
        let texts = all[at..]
            .iter()
            .take_while(|token| token.span.end <= end)
            .filter(|token| token.kind == lexer::TokenKind::Text);
        keys.extend(texts.map(|token| text[token.span.clone()].trim_matches('"').to_string()));
    }
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    keys
}

/// What can be asked of a value: its type is not known, but for a number and a part of a machine.
fn members_of_values(of: Of) -> Vec<Item> {
    let item =
        |label: &str, sense, detail: String, docs: &str| Item { label: label.into(), sense, detail, docs: docs.into() };
    if of == Of::Number {
        return words::UNITS.iter().map(|(unit, _)| item(unit, Sense::Keyword, format!("20.{unit}"), "")).collect();
    }
    let part_of = |row: &Row| PARTS.iter().find(|part| row.on() == Some(part.1)).map(|part| part.0);
    let wanted = if let Of::Part(part) = of { Some(part) } else { None };
    let methods = words::all().filter(|row| row.kind() == WordKind::Method && part_of(row) == wanted);
    let methods = methods.map(|row| item(row.name(), Sense::Method, row.usage(), row.help()));
    if wanted.is_some() {
        return methods.collect();
    }
    let properties = [Handle::Exit.properties(false), Handle::Vm.properties(true)]
        .concat()
        .into_iter()
        .map(|name| item(name, Sense::Key, String::new(), ""));
    let properties = properties.chain(PARTS.map(|(name, _, help)| item(name, Sense::Key, String::new(), help)));
    let mut seen = std::collections::BTreeSet::new();
    methods.chain(properties).filter(|item| seen.insert(item.label.clone())).collect()
}

/// What words of one name do, with the keys of their maps.
fn reference(rows: &[Row]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for row in rows {
        lines.push(row.help().into());
        lines.extend(row.options().into_iter().map(|(name, help)| format!("- `{name}`: {help}")));
    }
    lines.join("\n")
}

/// Returns the import paths of the standard library.
pub(crate) fn standard() -> impl Iterator<Item = &'static str> {
    STDLIB.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests;

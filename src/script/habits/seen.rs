//! The place at which a text does not parse, and what stands around it.

use super::{is_part, until_mark};
use crate::script::lexer::{self, TokenKind};

/// A text at the place at which it does not parse.
pub(super) struct Seen<'a> {
    /// The whole text.
    pub(super) text: &'a str,
    /// The byte at fault.
    pub(super) at: usize,
    /// What the parser says.
    pub(super) says: String,
    /// Whether it was about something that is missing before the place.
    pub(super) lacks: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn before(&self) -> &'a str {
        self.text.get(..self.at).unwrap_or_default()
    }

    pub(super) fn first(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The line from the place on.
    pub(super) fn line_from(&self) -> &'a str {
        self.rest().lines().next().unwrap_or_default()
    }

    /// The whole line.
    pub(super) fn line(&self) -> &'a str {
        let start = self.before().rfind('\n').map_or(0, |end| end + 1);
        self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    pub(super) fn begins_a_line(&self) -> bool {
        let before = self.before();
        before.contains('\n') && before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
    }

    /// The word at the place.
    pub(super) fn word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())]
    }

    /// The word before the place.
    pub(super) fn word_before(&self) -> &'a str {
        let before = self.before().trim_end();
        &before[before
            .rfind(|c: char| !is_part(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..]
    }

    /// The word at the place, or before it, if a table has it.
    pub(super) fn word_of(&self, table: &[(&'static str, &'static str)]) -> Option<(&'static str, &'static str)> {
        let row = |word: &str| table.iter().find(|(theirs, _)| *theirs == word).copied();
        row(self.word()).or_else(|| row(self.word_before()))
    }

    /// What stands between two quotes from the place on, on its line.
    pub(super) fn quoted(&self, open: char, close: char) -> Option<String> {
        let rest = self.line_from().strip_prefix(open)?;
        rest.split_once(close).map(|(inside, _)| inside.to_string())
    }

    /// A number with a unit, `2G`, at whose letters the parser is.
    pub(super) fn with_unit(&self) -> Option<String> {
        let number = self.word_before();
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if !is_number || self.begins_a_line() {
            return None;
        }
        let unit = match self.word().to_ascii_lowercase().as_str() {
            "k" | "kb" | "kib" => "KiB",
            "m" | "mb" | "mib" => "MiB",
            "g" | "gb" | "gib" => "GiB",
            "t" | "tb" | "tib" => "TiB",
            _ => return None,
        };
        Some(format!("{number}.{unit}"))
    }

    /// A key of a map that is a number or begins with one: `5:`, `5:0:`.
    pub(super) fn key_that_is_a_number(&self) -> Option<String> {
        let is_map = self.says.contains("object map") || self.says.contains("name of a property");
        let rest = self.line_from();
        let key = rest.trim_start().split([' ', '"', ',', '}']).next()?.strip_suffix(':')?;
        (is_map && key.starts_with(|c: char| c.is_ascii_digit())).then(|| key.to_string())
    }

    /// Whether what is open begins with a brace that is no map's and holds a key: `{ name:`.
    pub(super) fn opens_like_a_map(&self) -> bool {
        let before = self.before().trim_end();
        let key = before.rsplit(['{', '(', ',']).next().unwrap_or_default().trim();
        let brace = before[..before.len() - key.len()].trim_end();
        let key = key.trim_matches('"');
        !key.is_empty() && key.chars().all(is_part) && brace.ends_with('{') && !brace.ends_with("#{")
    }

    /// Whether the line begins so.
    pub(super) fn begins_with(&self, start: &str) -> bool {
        self.line().trim_start().starts_with(start)
    }

    /// The bracket that is open at the place, innermost: where its last character is.
    fn open(&self) -> Option<usize> {
        lexer::open(self.before()).pop()
    }

    /// The name of what is called whose arguments the place stands in, at the `:` behind a name.
    pub(super) fn key_of_a_call(&self) -> Option<String> {
        let open = self.open().filter(|open| self.before().get(*open..).is_some_and(|rest| rest.starts_with('(')))?;
        let name = Seen { at: open, says: String::new(), lacks: false, ..*self }.word_before();
        let is_key = self.rest().starts_with(':') && !self.rest().starts_with("::") && !self.word_before().is_empty();
        (is_key && !name.is_empty()).then(|| name.into())
    }

    /// A word that stands before a blank and no bracket as if it were a command: one of those, or any at the beginning of a value.
    pub(super) fn called_without_parentheses(&self, only: &[&str], word: &'a str) -> Option<String> {
        let is_known =
            if only.is_empty() { word.starts_with(|c: char| c.is_alphabetic()) } else { only.contains(&word) };
        let follows = self.rest().strip_prefix(word).unwrap_or(self.rest());
        let is_called = only.is_empty() || follows.starts_with([' ', '\t']) && !follows.trim_start().starts_with('(');
        (is_known && is_called).then(|| word.into())
    }

    /// Whether an argument stands at the place, behind a blank on the same line.
    pub(super) fn is_argument(&self) -> bool {
        let begins = self.first().is_some_and(|c| is_part(c) || "\"`'[".contains(c));
        self.lacks && begins && !self.begins_a_line() && self.before().ends_with([' ', '\t'])
    }

    /// A path without quotes, where a value was to stand.
    pub(super) fn path(&self) -> Option<String> {
        let path = until_mark(self.line_from());
        let begins = ["/", "./", "../"].iter().find_map(|start| path.strip_prefix(start))?;
        let is_value = self.before().trim_end().ends_with(['(', ',', '=', '[', ':']);
        (is_value && begins.starts_with(is_part)).then(|| path.into())
    }

    /// The name that `let` was to give, with what it may have in place of dashes.
    pub(super) fn name_with_dashes(&self) -> String {
        format!("{}{}", self.word_before(), until_mark(self.line_from()).replace('-', "_"))
    }

    /// The bracket that is open and has no end: with its line, and what closes it.
    pub(super) fn not_closed(&self) -> Option<String> {
        let open = self.open().filter(|_| self.lacks)?;
        let (mark, close) = match self.before().get(open..)?.chars().next()? {
            '(' => ("(", ')'),
            '[' => ("[", ']'),
            _ if self.before().get(..open)?.ends_with('#') => ("#{", '}'),
            _ => return None,
        };
        if self.is_closed_by(close) {
            return None;
        }
        let line = self.before().get(..open)?.matches('\n').count() + 1;
        Some(format!("the `{mark}` of line {line}|{close}"))
    }

    /// Whether what follows closes a bracket by that mark before its statement ends.
    fn is_closed_by(&self, close: char) -> bool {
        let mut depth = 0_usize;
        for token in lexer::tokens(self.rest()).iter().filter(|token| token.kind == TokenKind::Mark) {
            match &self.rest()[token.span.clone()] {
                "(" | "[" | "{" | "#{" | "${" => depth += 1,
                mark @ (")" | "]" | "}") if depth == 0 => return mark.starts_with(close),
                ")" | "]" | "}" => depth -= 1,
                ";" if depth == 0 => return false,
                _ => {}
            }
        }
        false
    }

    /// A bracket that closes nothing.
    pub(super) fn closes_nothing(&self) -> Option<String> {
        self.first().filter(|c| ")]}".contains(*c) && self.open().is_none()).map(String::from)
    }
}

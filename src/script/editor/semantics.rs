//! What each token of a text means, by which an editor gives it a colour.

use super::names::{KEYWORDS, Names, Sort, names};
use crate::script::lexer::{Token, TokenKind, with_comments};
use crate::script::words;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What a token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// A comment.
    Comment,
    /// A text, or a part of one.
    Text,
    /// A number, or the unit behind it.
    Number,
    /// A word of the language.
    Keyword,
    /// A function: the text's own, a module's, or a word of vmrun.
    Function,
    /// What is called on a value.
    Method,
    /// A key of a map, or what is asked of a value.
    Property,
    /// A variable or a constant.
    Variable,
    /// A parameter of a function or a closure, or what a loop or a `catch` names.
    Parameter,
    /// What an import has named.
    Module,
}

/// A token that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SemanticToken {
    /// The bytes that it takes; never more than a line where it is no comment and no text.
    pub span: Range<usize>,
    /// What it means.
    pub meaning: Meaning,
    /// Whether it is declared here.
    pub is_declared: bool,
    /// Whether vmrun brings it.
    pub is_builtin: bool,
}

/// Returns what the tokens of a text mean, first to last; marks mean nothing.
pub(crate) fn semantics(text: &str) -> Vec<SemanticToken> {
    let names = names(text);
    let reader = SemanticsReader {
        text,
        tokens: with_comments(text),
        own: sorts(&names),
        words: words::all().filter(|row| row.kind() != words::WordKind::Method).map(words::Row::name).collect(),
    };
    (0..reader.tokens.len()).filter_map(|at| reader.meant(at)).collect()
}

/// What each place of a name that the text declares means, and whether it is declared there, by its first byte.
fn sorts(names: &Names) -> BTreeMap<usize, (Sort, bool)> {
    let meant = names.meant.iter().filter_map(|one| Some((one.span.start, one.declaration?)));
    let used = meant.map(|(at, number)| (at, (names.declarations[number].sort, false)));
    let declared = names.declarations.iter().map(|one| (one.span.start, (one.sort, true)));
    used.chain(declared).collect()
}

struct SemanticsReader<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    own: BTreeMap<usize, (Sort, bool)>,
    words: BTreeSet<&'static str>,
}

impl SemanticsReader<'_> {
    fn word(&self, at: Option<usize>) -> &str {
        at.and_then(|at| self.tokens.get(at)).map_or("", |token| &self.text[token.span.clone()])
    }

    fn meant(&self, at: usize) -> Option<SemanticToken> {
        let token = &self.tokens[at];
        let plain = |meaning| Some((meaning, false, false));
        let (meaning, is_declared, is_builtin) = match token.kind {
            TokenKind::Doc | TokenKind::Comment => plain(Meaning::Comment),
            TokenKind::Text => plain(Meaning::Text),
            TokenKind::Number => plain(Meaning::Number),
            TokenKind::Mark => None,
            TokenKind::Word => Some(self.name(at)),
        }?;
        let span = token.span.clone();
        (!span.is_empty()).then_some(SemanticToken { span, meaning, is_declared, is_builtin })
    }

    /// What a name or a keyword means, whether it is declared here, and whether vmrun brings it.
    fn name(&self, at: usize) -> (Meaning, bool, bool) {
        let (name, before, after) = (self.word(Some(at)), self.word(at.checked_sub(1)), self.word(Some(at + 1)));
        let is_call = after == "(";
        if matches!(before, "." | "?.") {
            let is_unit = at > 1 && self.tokens[at - 2].kind == TokenKind::Number;
            let of_value = if is_call { Meaning::Method } else { Meaning::Property };
            return (if is_unit { Meaning::Number } else { of_value }, false, is_unit);
        }
        if let Some((sort, is_declared)) = self.own.get(&self.tokens[at].span.start) {
            let meaning = match sort {
                Sort::Variable => Meaning::Variable,
                Sort::Parameter => Meaning::Parameter,
                Sort::Function => Meaning::Function,
                Sort::Module => Meaning::Module,
            };
            return (meaning, *is_declared, false);
        }
        match after {
            _ if before == "::" => (if is_call { Meaning::Function } else { Meaning::Variable }, false, false),
            "::" => (Meaning::Module, false, false),
            ":" => (Meaning::Property, false, false),
            _ if KEYWORDS.contains(&name) => (Meaning::Keyword, false, false),
            _ if self.words.contains(name) => (Meaning::Function, false, true),
            _ if is_call => (Meaning::Function, false, false),
            _ => (Meaning::Variable, false, words::variables().iter().any(|(known, _)| *known == name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each token with what it means, `!` where it is declared and `*` where vmrun brings it.
    fn shown(text: &str) -> Vec<String> {
        let one = |meant: SemanticToken| {
            let marks = [(meant.is_declared, "!"), (meant.is_builtin, "*")];
            let marks: String = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
            format!("{} {:?}{marks}", &text[meant.span], meant.meaning)
        };
        semantics(text).into_iter().map(one).collect()
    }

    #[test]
    fn each_token_means_what_it_does_where_it_stands() {
        assert_eq!(
            shown("import \"std/guest\" as guest; // own\nconst SIZE = 20.GiB;\nguest::debian(#{ size: SIZE }).run();"),
            [
                "import Keyword",
                "\"std/guest\" Text",
                "as Keyword",
                "guest Module!",
                "// own Comment",
                "const Keyword",
                "SIZE Variable!",
                "20 Number",
                "GiB Number*",
                "guest Module",
                "debian Function",
                "size Property",
                "SIZE Variable",
                "run Method",
            ]
        );
        assert_eq!(
            shown("fn two(disk) { truncate(disk, `${disk}`); }\nif init { two(exit.status) }"),
            [
                "fn Keyword",
                "two Function!",
                "disk Parameter!",
                "truncate Function*",
                "disk Parameter",
                "` Text",
                "disk Parameter",
                "` Text",
                "if Keyword",
                "init Variable*",
                "two Function",
                "exit Variable",
                "status Property",
            ]
        );
        assert_eq!(shown(""), [""; 0]);
    }
}

//! What an editor can fold away.

use crate::script::lexer::{Token, TokenKind, with_comments};
use std::ops::Range;

/// What is folded away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoldKind {
    /// Comments.
    Comment,
    /// Imports.
    Imports,
    /// What stands between brackets; the line of the last one stays.
    Brackets,
}

/// Something that can be folded away: from the line of the first byte on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// The bytes that it takes.
    pub span: Range<usize>,
    /// What it is.
    pub kind: FoldKind,
}

/// Returns what of a text can be folded away and has more than one line.
pub(crate) fn folds(text: &str) -> Vec<Fold> {
    let tokens = with_comments(text);
    let mut all = brackets(text, &tokens);
    all.extend(runs(text, &comments(text, &tokens), FoldKind::Comment));
    all.extend(runs(text, &imports(text, &tokens), FoldKind::Imports));
    all.retain(|fold| text[fold.span.clone()].contains('\n'));
    all.sort_by_key(|fold| (fold.span.start, fold.span.end));
    all
}

fn brackets(text: &str, tokens: &[Token]) -> Vec<Fold> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for token in tokens.iter().filter(|token| token.kind == TokenKind::Mark) {
        match &text[token.span.clone()] {
            "(" | "[" | "{" | "#{" | "${" => open.push(token.span.start),
            ")" | "]" | "}" => {
                found.extend(open.pop().map(|start| Fold { span: start..token.span.end, kind: FoldKind::Brackets }))
            }
            _ => {}
        }
    }
    found
}

/// The comments that have their lines to themselves.
fn comments(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let is_alone = |span: &Range<usize>| {
        let line = text[..span.start].rfind('\n').map_or(0, |end| end + 1);
        text[line..span.start].trim().is_empty()
    };
    let all = tokens.iter().filter(|token| matches!(token.kind, TokenKind::Doc | TokenKind::Comment));
    all.map(|token| token.span.clone()).filter(is_alone).collect()
}

/// The statements that import something.
fn imports(text: &str, tokens: &[Token]) -> Vec<Range<usize>> {
    let is = |token: &Token, word: &str| &text[token.span.clone()] == word;
    let begins = tokens.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::Word && is(token, "import"));
    let statement = |(at, first): (usize, &Token)| {
        let end = tokens[at..].iter().find(|token| token.kind == TokenKind::Mark && is(token, ";"))?;
        Some(first.span.start..end.span.end)
    };
    begins.filter_map(statement).collect()
}

/// Joins what stands on lines that follow each other.
fn runs(text: &str, all: &[Range<usize>], kind: FoldKind) -> Vec<Fold> {
    let mut found: Vec<Fold> = Vec::new();
    for span in all {
        match found.last_mut() {
            Some(last) if last.span.end <= span.start && is_next_line(&text[last.span.end..span.start]) => {
                last.span.end = span.end;
            }
            _ => found.push(Fold { span: span.clone(), kind }),
        }
    }
    found
}

/// Whether what stands between two things is the end of a line, and blanks.
fn is_next_line(between: &str) -> bool {
    between.trim().is_empty() && between.matches('\n').count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let line = |at: usize| text[..at].matches('\n').count();
        let one = |fold: Fold| format!("{}-{} {:?}", line(fold.span.start), line(fold.span.end), fold.kind);
        folds(text).into_iter().map(one).collect()
    }

    #[test]
    fn brackets_comments_and_imports_of_several_lines_fold() {
        let text = "//! One\n//! two\n\nimport \"a\" as a;\nimport \"b\" as b;\nlet x = [1, 2]; // no\n/* three\nfour */\nif init {\n    f(#{\n        a: `${1 +\n2}`,\n    });\n}\n";
        assert_eq!(
            shown(text),
            [
                "0-1 Comment",
                "3-4 Imports",
                "6-7 Comment",
                "8-13 Brackets",
                "9-12 Brackets",
                "9-12 Brackets",
                "10-11 Brackets"
            ]
        );
        assert_eq!(shown("}}{(\n"), [""; 0]);
    }
}

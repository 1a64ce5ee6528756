//! The tokens of a text, whether or not it parses: an editor has a text that is being written.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number.
    Number,
    /// A text, or the part of one that stands between what is put in.
    Text,
    /// A comment that documents what follows.
    Doc,
    /// Anything else: brackets, operators.
    Mark,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The bytes that it takes.
    pub(super) span: Range<usize>,
    /// Whether a text or a comment goes on at the end of the whole text.
    pub(super) is_open: bool,
    /// How many bytes of a text are the quote that it begins with: none behind something put in.
    pub(super) quote: usize,
}

/// Marks of more than one character that mean something of their own.
const MARKS: [&str; 9] = ["#{", "::", "=>", "||", "?.", "..=", "..", "${", "=="];

/// Returns the tokens of a text. Comments that document nothing are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new(), open: Vec::new() };
    while lexer.at < text.len() {
        lexer.next();
    }
    lexer.tokens
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
    /// For each text in which something is put in, how many braces are open there.
    open: Vec<usize>,
}

impl Lexer<'_> {
    fn next(&mut self) {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return };
        let is_part = |c: char| c == '_' || c.is_alphanumeric();
        match first {
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '/' if rest.starts_with("//") => self.comment(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => {
                let length = nested(rest);
                self.comment(length);
            }
            '"' | '\'' => {
                let (length, is_open) = quoted(rest, first);
                self.push_text(1, length, is_open);
            }
            '`' => self.put_in(1),
            c if c.is_ascii_digit() => {
                let length = number(rest);
                self.push(Kind::Number, length, false);
            }
            c if is_part(c) => {
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                self.push(Kind::Word, length, false);
            }
            '}' if self.open.last() == Some(&0) => {
                self.open.pop();
                self.push(Kind::Mark, 1, false);
                self.put_in(0);
            }
            _ => {
                let mark =
                    MARKS.iter().find(|mark| rest.starts_with(**mark)).map_or(first.len_utf8(), |mark| mark.len());
                if let Some(depth) = self.open.last_mut() {
                    match first {
                        '{' => *depth += 1,
                        '#' if mark == 2 => *depth += 1,
                        '}' => *depth -= 1,
                        _ => {}
                    }
                }
                self.push(Kind::Mark, mark, false);
            }
        }
    }

    fn push(&mut self, kind: Kind, length: usize, is_open: bool) {
        self.tokens.push(Token { kind, span: self.at..self.at + length, is_open, quote: 0 });
        self.at += length;
    }

    fn push_text(&mut self, quote: usize, length: usize, is_open: bool) {
        self.tokens.push(Token { kind: Kind::Text, span: self.at..self.at + length, is_open, quote });
        self.at += length;
    }

    /// The part of a text between backquotes up to what is put in, or to its end.
    fn put_in(&mut self, quote: usize) {
        let rest = &self.text[self.at..];
        let mut at = quote;
        loop {
            let tail = &rest[at..];
            if tail.starts_with("${") {
                self.push_text(quote, at, false);
                self.push(Kind::Mark, 2, false);
                self.open.push(0);
                return;
            }
            match tail.chars().next() {
                None => return self.push_text(quote, at, true),
                // Doubled, it is one of the text.
                Some('`') if tail.starts_with("``") => at += 2,
                Some('`') => return self.push_text(quote, at + 1, false),
                Some(c) => at += c.len_utf8(),
            }
        }
    }

    fn comment(&mut self, length: usize) {
        let text = &self.text[self.at..self.at + length];
        let is_doc = ["///", "//!", "/**"].iter().any(|mark| text.starts_with(mark)) && !text.starts_with("////");
        let is_open = !text.starts_with("//") && !text.ends_with("*/") || self.at + length == self.text.len();
        if is_doc {
            self.push(Kind::Doc, length, is_open);
        } else {
            self.at += length;
        }
    }
}

/// Returns the length of a comment with others in it.
fn nested(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Returns the length of a text in quotes, and whether it has no end. It ends with its line.
fn quoted(text: &str, quote: char) -> (usize, bool) {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => return (at, true),
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return (at + 1, false),
            _ => {}
        }
    }
    (text.len(), true)
}

/// Returns the length of a number: a point belongs to it only if a digit follows.
fn number(text: &str) -> usize {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    let whole = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let tail = &text[whole..];
    let has_point = tail.starts_with('.') && tail[1..].starts_with(|c: char| c.is_ascii_digit());
    if has_point { whole + 1 + tail[1..].find(|c| !is_part(c)).unwrap_or(tail.len() - 1) } else { whole }
}

/// Whether a byte lies within a comment, and so nothing of the language does.
pub(super) fn is_comment(text: &str, at: usize) -> bool {
    let head = &text[..at];
    let line = head.rfind('\n').map_or(0, |end| end + 1);
    let before = tokens(head);
    let open = before.last().filter(|token| token.is_open);
    if let Some(open) = open {
        return open.kind == Kind::Doc;
    }
    // Of what is left out, the tokens say nothing: it begins after the last one.
    let from = before.last().map_or(0, |token| token.span.end);
    let gap = &head[from..];
    gap.rfind("//").is_some_and(|slash| from + slash >= line)
        || gap.rfind("/*").is_some_and(|slash| !gap[slash..].contains("*/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| &text[token.span]).collect()
    }

    #[test]
    fn what_is_put_into_a_text_is_tokens() {
        assert_eq!(
            shown("print(`a ${f(\"}\", #{ x: 1 })}b``c`); // no"),
            ["print", "(", "`a ", "${", "f", "(", "\"}\"", ",", "#{", "x", ":", "1", "}", ")", "}", "b``c`", ")", ";"]
        );
        assert_eq!(
            shown("20.GiB 1.5 1..=16 guest::f"),
            ["20", ".", "GiB", "1.5", "1", "..=", "16", "guest", "::", "f"]
        );
        assert_eq!(shown("/// of f\nfn f() { /* /* x */ */ }"), ["/// of f", "fn", "f", "(", ")", "{", "}"]);
    }

    #[test]
    fn comments_are_known_where_they_are() {
        let text = "let a = \"//\"; // here\nlet b = 1; /* and\nhere */ let c;\n/// docs\n";
        let at = |part: &str| is_comment(text, text.find(part).unwrap());
        assert_eq!(
            [at("\"; //"), at("here\n"), at("b = "), at("here */"), at("c;"), at("docs")],
            [false, true, false, true, false, true]
        );
    }

    proptest! {
        #[test]
        fn any_text_has_tokens_that_follow_each_other(text in "([a-z0-9 .,:;/*{}()#$`\"'\\\\|=\n]|[äπ]){0,60}", at in 0_usize..80) {
            let mut end = 0;
            for token in tokens(&text) {
                prop_assert!(token.span.start >= end && token.span.end > token.span.start || token.kind == Kind::Text);
                prop_assert!(text.get(token.span.clone()).is_some());
                end = token.span.end;
            }
            prop_assert!(end <= text.len());
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let _ = is_comment(&text, at);
        }
    }
}

//! The only reader of Rhai's text that is not Rhai's own: its tokens, whether or not it parses. An editor has a text that is being
//! written, a report has to know where something ends of which Rhai tells the beginning, and what does not parse is gone past.

mod stretches;

use std::collections::VecDeque;
use std::ops::Range;
pub(crate) use stretches::{argument, group, open, value};

/// Which part a token plays in Rhai's grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A name or a keyword.
    Word,
    /// A whole number, or one with a fraction.
    Number,
    /// A text, or the part of one that stands between what is put in.
    Text,
    /// A comment that documents what follows.
    Doc,
    /// Any other comment.
    Comment,
    /// Anything else: brackets, operators.
    Mark,
}

/// The least part of a recipe's text that means something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// The bytes that it takes.
    pub(crate) span: Range<usize>,
    /// Whether a text or a comment goes on at the end of the whole text.
    pub(crate) is_open: bool,
    /// How many bytes of a text are the quote that it begins with: none behind something put in.
    pub(crate) quote: usize,
    /// Whether a text goes on behind something that is put in.
    pub(crate) goes_on: bool,
}

/// Marks of more than one character that mean something of their own.
const MARKS: [&str; 9] = ["#{", "::", "=>", "||", "?.", "..=", "..", "${", "=="];

/// Returns the tokens of a text. Comments that document nothing are left out.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    lex(text).collect()
}

/// Returns the tokens of a text with all of its comments.
pub(crate) fn with_comments(text: &str) -> Vec<Token> {
    Lexer { keeps_comments: true, ..lex(text) }.collect()
}

/// Returns how many bytes the first line takes by which a kernel knows what runs a file that is executable, without the end of the
/// line: `#!/usr/bin/env vmrun` is a comment. It counts only at the very beginning, as it does for a kernel.
pub(crate) fn interpreter(text: &str) -> usize {
    if text.starts_with("#!") { text.find('\n').unwrap_or(text.len()) } else { 0 }
}

/// Reads the tokens of a text one after the other.
fn lex(text: &str) -> Lexer<'_> {
    Lexer { text, at: 0, tokens: VecDeque::new(), open: Vec::new(), keeps_comments: false }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Those that were read and not taken yet.
    tokens: VecDeque<Token>,
    /// For each text in which something is put in, how many braces are open there.
    open: Vec<usize>,
    /// Whether comments that document nothing are tokens too.
    keeps_comments: bool,
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        while self.tokens.is_empty() && self.at < self.text.len() {
            self.read();
        }
        self.tokens.pop_front()
    }
}

impl Lexer<'_> {
    fn read(&mut self) {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return };
        let is_part = |c: char| c == '_' || c.is_alphanumeric();
        match first {
            c if c.is_whitespace() => self.at += c.len_utf8(),
            '#' if self.at == 0 && rest.starts_with("#!") => self.comment(interpreter(rest)),
            '/' if rest.starts_with("//") => self.comment(rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => {
                let length = nested(rest);
                self.comment(length);
            }
            '"' | '\'' => {
                let (length, is_open) = quoted(rest, first);
                self.push_text(1, length, is_open, false);
            }
            '#' if raw_quote(rest) > 0 => self.raw(raw_quote(rest)),
            '`' => self.put_in(1),
            c if c.is_ascii_digit() => {
                let length = number(rest);
                self.push(TokenKind::Number, length, false);
            }
            c if is_part(c) => {
                let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                self.push(TokenKind::Word, length, false);
            }
            '}' if self.open.last() == Some(&0) => {
                self.open.pop();
                self.push(TokenKind::Mark, 1, false);
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
                self.push(TokenKind::Mark, mark, false);
            }
        }
    }

    fn push(&mut self, kind: TokenKind, length: usize, is_open: bool) {
        let span = self.at..self.at + length;
        self.tokens.push_back(Token { kind, span, is_open, quote: 0, goes_on: false });
        self.at += length;
    }

    fn push_text(&mut self, quote: usize, length: usize, is_open: bool, goes_on: bool) {
        let span = self.at..self.at + length;
        self.tokens.push_back(Token { kind: TokenKind::Text, span, is_open, quote, goes_on });
        self.at += length;
    }

    /// A text between `#"` and `"#`, or with as many more of both signs: all that is in it stands for itself.
    fn raw(&mut self, quote: usize) {
        let rest = &self.text[self.at..];
        let end = format!("\"{}", "#".repeat(quote - 1));
        let length = rest[quote..].find(&end).map(|at| quote + at + end.len());
        self.push_text(quote, length.unwrap_or(rest.len()), length.is_none(), false);
    }

    /// The part of a text between backquotes up to what is put in, or to its end.
    fn put_in(&mut self, quote: usize) {
        let rest = &self.text[self.at..];
        let mut at = quote;
        loop {
            let tail = &rest[at..];
            // A backslash makes it text, whatever stands before the backslash.
            if tail.starts_with("\\${") {
                at += 3;
                continue;
            }
            if tail.starts_with("${") {
                self.push_text(quote, at, false, true);
                self.push(TokenKind::Mark, 2, false);
                self.open.push(0);
                return;
            }
            match tail.chars().next() {
                None => return self.push_text(quote, at, true, false),
                // Doubled, it is one of the text.
                Some('`') if tail.starts_with("``") => at += 2,
                Some('`') => return self.push_text(quote, at + 1, false, false),
                Some(c) => at += c.len_utf8(),
            }
        }
    }

    fn comment(&mut self, length: usize) {
        let text = &self.text[self.at..self.at + length];
        let is_doc = ["///", "//!", "/**"].iter().any(|mark| text.starts_with(mark)) && !text.starts_with("////");
        let is_open = !text.starts_with("//") && !text.ends_with("*/") || self.at + length == self.text.len();
        if is_doc {
            self.push(TokenKind::Doc, length, is_open);
        } else if self.keeps_comments {
            self.push(TokenKind::Comment, length, is_open);
        } else {
            self.at += length;
        }
    }
}

/// Returns how many bytes a text begins with whose signs stand for themselves, `#"…"#`; 0 if it is none. Nobody needs more than a few.
fn raw_quote(text: &str) -> usize {
    let signs = text.bytes().take(64).take_while(|sign| *sign == b'#').count();
    if signs > 0 && text[signs..].starts_with('"') { signs + 1 } else { 0 }
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

/// Returns the length of a text in quotes, and whether it has no end. A quote that stands twice is one of the text's own; it ends with
/// its line, unless a backslash ends that.
fn quoted(text: &str, quote: char) -> (usize, bool) {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\n' => return (at, true),
            '\\' => drop(chars.next()),
            c if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() => return (at + 1, false),
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

/// Returns the names and keywords of a text.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    lex(text).filter(|token| token.kind == TokenKind::Word).map(|token| &text[token.span])
}

/// Returns what a text imports, as it is written between the quotes.
pub(crate) fn imports(text: &str) -> Vec<&str> {
    // Most recipes import nothing, and none of those needs to be read.
    if !text.contains("import") {
        return Vec::new();
    }
    let all = tokens(text);
    let pairs = all.iter().zip(all.iter().skip(1));
    let named = pairs.filter(|(word, path)| {
        word.kind == TokenKind::Word
            && &text[word.span.clone()] == "import"
            && path.kind == TokenKind::Text
            && !path.is_open
    });
    named.filter_map(|(_, path)| text.get(path.span.start + path.quote..path.span.end - path.quote)).collect()
}

/// Whether a byte lies within a comment, and so nothing of the language does.
pub(crate) fn is_comment(text: &str, at: usize) -> bool {
    let head = &text[..at];
    let line = head.rfind('\n').map_or(0, |end| end + 1);
    let before = tokens(head);
    let open = before.last().filter(|token| token.is_open);
    if let Some(open) = open {
        return open.kind == TokenKind::Doc;
    }
    // Of what is left out, the tokens say nothing: it begins after the last one.
    let first = interpreter(text);
    if at < first {
        return true;
    }
    let from = before.last().map_or(first, |token| token.span.end);
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
        assert_eq!(shown(r"`a \${no ${b}`"), [r"`a \${no ", "${", "b", "}", "`"]);
        assert_eq!(shown(r"`\\${no` x"), [r"`\\${no`", "x"]);
        assert_eq!(
            shown("20.GiB 1.5 1..=16 guest::f"),
            ["20", ".", "GiB", "1.5", "1", "..=", "16", "guest", "::", "f"]
        );
        assert_eq!(shown("/// of f\nfn f() { /* /* x */ */ }"), ["/// of f", "fn", "f", "(", ")", "{", "}"]);
    }

    #[test]
    fn an_argument_ends_where_it_ends() {
        for (text, wanted) in [
            ("\"a, b)\", 1)", "\"a, b)\""),
            ("[1, 2] + `x, ${f(1, 2)}`)", "[1, 2] + `x, ${f(1, 2)}`"),
            ("#{ min: 1, max: 2 }, 3", "#{ min: 1, max: 2 }"),
            ("20.GiB )", "20.GiB"),
            ("\"ä", "\"ä"),
            ("", ""),
        ] {
            assert_eq!(argument(text), wanted, "{text}");
        }
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

    #[test]
    fn the_first_line_that_a_kernel_reads_is_a_comment() {
        let text = "#!/usr/bin/env -S vmrun \"run\" /*\nlet a = #{}; // b\n";
        assert_eq!(shown(text), ["let", "a", "=", "#{", "}", ";"]);
        assert_eq!((interpreter(text), interpreter("#!x"), interpreter("\n#!x")), (32, 3, 0));
        let at = |part: &str| is_comment(text, text.find(part).unwrap());
        assert_eq!([at("!/usr"), at("run\""), at("let"), at("b\n")], [true, true, false, true]);
        assert_eq!(shown("let a;\n#!x"), ["let", "a", ";", "#", "!", "x"]);
    }

    #[test]
    fn a_text_ends_where_rhai_ends_it() {
        assert_eq!(shown(r#""a""b\"c" d"#), [r#""a""b\"c""#, "d"]);
        assert_eq!(shown("\"a\\\nb\" c"), ["\"a\\\nb\"", "c"]);
        assert_eq!(shown("\"a\nb"), ["\"a", "b"]);
        assert_eq!(shown("#\"a\\\"b\"\nc\"# d"), ["#\"a\\\"b\"\nc\"#", "d"]);
        assert_eq!(shown("##\"a\"#b\"\"## #{ x"), ["##\"a\"#b\"\"##", "#{", "x"]);
        assert_eq!(shown("#\"// import \"#; x"), ["#\"// import \"#", ";", "x"]);
        assert_eq!(value("`a${f(`b${1}`)}c` + d"), "`a${f(`b${1}`)}c`".len());
        assert_eq!(value("#{ x: \"}\" } + 1"), "#{ x: \"}\" }".len());
        assert_eq!(open("f(#{ x: [ \"(\" // {\n"), [1, 3, 8]);
    }

    #[test]
    fn a_text_says_what_it_imports() {
        let text = "// import \"not\" as this;\nimport \"std/disk\" as disk;\nimport `./net` as net; let x = \"import\";\nimport y;";
        assert_eq!(imports(text), ["std/disk", "./net"]);
        assert_eq!(imports("import \"open"), [""; 0]);
        assert_eq!(imports("let a = 1;"), [""; 0]);
    }

    /// What a place of Rhai's is as a byte.
    fn byte(text: &str, position: rhai::Position) -> usize {
        crate::script::source::offset(text, position).unwrap_or(text.len())
    }

    proptest! {
        #[test]
        fn rhais_own_tokens_begin_where_ours_do(parts in proptest::collection::vec(
            prop_oneof![
                Just("\"a\\\"b\""), Just("\"c\"\"d\""), Just("\"e\\\n f\""), Just("'x'"), Just("#\"g \" \\ \n\"#"), Just("##\"\"#h\"##"), Just("20.GiB"), Just("1.5"), Just("1..=16"),
                Just("0x1f"), Just("1_000"), Just("a_b"), Just("#{ k: 1 }"), Just("f(x)"), Just("// c\n"), Just("/* a /* b */ */"),
                Just("std::f"), Just("x?.y"), Just("|a| a"), Just("=="), Just("a += 1"), Just("/// doc\n"), Just("[1,2]"),
            ],
            0..20,
        )) {
            let text = parts.join(" ");
            let engine = rhai::Engine::new_raw();
            let (tokens_of_rhai, _) = engine.lex([&text]);
            let mut theirs = std::collections::BTreeSet::new();
            for (token, position) in tokens_of_rhai {
                if matches!(token, rhai::Token::LexError(..) | rhai::Token::EOF) {
                    break;
                }
                theirs.insert(byte(&text, position));
            }
            let end = theirs.last().copied().unwrap_or(0);
            let ours = tokens(&text);
            let starts: std::collections::BTreeSet<usize> = ours.iter().map(|token| token.span.start).collect();
            prop_assert!(theirs.is_subset(&starts), "{text:?}: {theirs:?} {starts:?}");
            for token in ours.iter().filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Number | TokenKind::Text)) {
                prop_assert!(token.span.start > end || theirs.contains(&token.span.start), "{text:?}: {token:?}");
            }
        }

        #[test]
        fn any_text_has_tokens_that_follow_each_other(text in "([a-z0-9 .,:;/*{}()#$`\"'\\\\|=\n]|[äπ]){0,60}", at in 0_usize..80) {
            let mut end = 0;
            for token in tokens(&text) {
                prop_assert!(token.span.start >= end && token.span.end > token.span.start || token.kind == TokenKind::Text);
                prop_assert!(text.get(token.span.clone()).is_some());
                end = token.span.end;
            }
            prop_assert!(end <= text.len());
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let _ = is_comment(&text, at);
        }
    }
}

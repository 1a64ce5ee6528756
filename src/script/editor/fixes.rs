//! What mends a fault in a text: the bytes that are replaced, and by what.

use crate::diag::Fix;
use crate::script::lexer::{TokenKind, group, interpreter, tokens};
use std::ops::Range;

/// A change of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    /// What somebody is told who is asked whether it shall be done.
    pub title: String,
    /// The bytes that are replaced.
    pub span: Range<usize>,
    /// What comes in their place.
    pub text: String,
}

/// Returns the change that mends a fault at a place; nothing where the text is no longer what the fault was found in.
pub(crate) fn edit(text: &str, place: &Range<usize>, fix: &Fix) -> Option<Edit> {
    let there = text.get(place.clone())?;
    match fix {
        Fix::Word { written, meant } => {
            let span = only(there, written)?;
            let span = place.start + span.start..place.start + span.end;
            Some(Edit { title: format!("Write `{meant}`"), span, text: meant.clone() })
        }
        Fix::Import { path, name } => {
            let (title, line) = (format!("Import \"{path}\""), format!("import \"{path}\" as {name};\n"));
            let at = imports(text);
            Some(Edit { title, span: at..at, text: line })
        }
        Fix::Run => run(text, place.start),
    }
}

/// Where a word stands in a text, if it stands there once.
fn only(text: &str, word: &str) -> Option<Range<usize>> {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    let is_whole = |at: usize| !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part);
    let mut all = text.match_indices(word).map(|(at, _)| at).filter(|at| is_whole(*at));
    let at = all.next().filter(|_| !word.is_empty())?;
    all.next().is_none().then_some(at..at + word.len())
}

/// Where an import is put: in front of the first one, else of what is behind the comments at the head of the text.
fn imports(text: &str) -> usize {
    let tokens = tokens(text);
    let is_import = |word: &str| word == "import";
    let first = tokens.iter().find(|one| one.kind == TokenKind::Word && is_import(&text[one.span.clone()]));
    if let Some(first) = first {
        return text[..first.span.start].rfind('\n').map_or(0, |end| end + 1);
    }
    let mut at = interpreter(text);
    at += usize::from(text[at..].starts_with('\n'));
    for line in text[at..].split_inclusive('\n') {
        let is_head = line.starts_with("//") || line.trim().is_empty();
        if !is_head || !line.ends_with('\n') {
            break;
        }
        at += line.len();
    }
    at
}

/// Boots the machine that a call describes: behind the call, or at the end where it has a name by which it may be changed until then.
fn run(text: &str, call: usize) -> Option<Edit> {
    let title = "Boot the machine: .run()".to_string();
    let tokens = tokens(text);
    let at = tokens.iter().position(|token| token.span.start == call)?;
    let word = |back: usize| at.checked_sub(back).map_or("", |at| &text[tokens[at].span.clone()]);
    if word(1) == "=" && word(3) == "let" {
        let newline = if text.ends_with('\n') { "" } else { "\n" };
        return Some(Edit { title, span: text.len()..text.len(), text: format!("{newline}{}.run();\n", word(2)) });
    }
    let open = tokens.get(at + 1).filter(|token| &text[token.span.clone()] == "(")?.span.start;
    let end = open + group(&text[open..])?;
    Some(Edit { title, span: end..end, text: ".run()".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str, place: &str, fix: &Fix) -> Option<String> {
        let start = text.find(place).unwrap();
        let edit = edit(text, &(start..start + place.len()), fix)?;
        let mut text = text.to_string();
        text.replace_range(edit.span, &edit.text);
        Some(text)
    }

    #[test]
    fn a_fix_changes_what_is_at_fault_and_nothing_else() {
        let word = |written: &str, meant: &str| Fix::Word { written: written.into(), meant: meant.into() };
        assert_eq!(mended("tpa(\"tpa\");", "tpa", &word("tpa", "tap")).as_deref(), Some("tap(\"tpa\");"));
        assert_eq!(
            mended("tap(\"a\", #{ muu: 1, mtu_: 2 })", "#{ muu: 1, mtu_: 2 }", &word("muu", "mtu")).as_deref(),
            Some("tap(\"a\", #{ mtu: 1, mtu_: 2 })")
        );
        assert_eq!(mended("a + a", "a + a", &word("a", "b")), None);
        assert_eq!(mended("tap()", "tap", &word("tpa", "tap")), None);
        let import = Fix::Import { path: "std/net".into(), name: "net".into() };
        let line = "import \"std/net\" as net;\n";
        for (head, rest) in [
            ("", "net::mac(1, 2);"),
            ("#!/usr/bin/env vmrun\n// Own.\n\n", "net::mac(1, 2);\n"),
            ("// a\n", "import \"std/disk\" as disk;\nnet::mac(1, 2);\n"),
        ] {
            let text = format!("{head}{rest}");
            assert_eq!(mended(&text, "net::mac", &import), Some(format!("{head}{line}{rest}")));
        }
        let machine = "bhyve(#{ name: `a${b(1)}` })";
        assert_eq!(mended(&format!("{machine};\n"), "bhyve", &Fix::Run), Some(format!("{machine}.run();\n")));
        assert_eq!(
            mended(&format!("let vm = {machine};\nvm.slot(3, x);"), "bhyve", &Fix::Run),
            Some(format!("let vm = {machine};\nvm.slot(3, x);\nvm.run();\n"))
        );
        assert_eq!(mended("bhyve(#{ name: ", "bhyve", &Fix::Run), None);
    }
}

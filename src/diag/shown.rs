//! Texts of others as they may be shown: nothing in them moves a cursor, colours, hides or turns the order of what is read.
//!
//! What is escaped is written as Rust does (`\u{1b}`), in JSON as JSON does (`\u001b`). Newlines and tabs stay in a [`text`].

use std::borrow::Cow;

/// What a terminal would act on instead of showing it, or what changes how text around it is read: controls (C0, DEL, and C1, of
/// which U+009B is CSI to a terminal, ECMA-48 5.4), separators of lines and paragraphs, and controls of the direction of writing
/// (Unicode Standard Annex #9, 2).
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes a text of several lines. A carriage return before a newline is a part of it, and stays.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    escaped(text, is_kept, rust)
}

/// Escapes a text that has to stay in its line and column: a name in a table.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| 0, rust)
}

/// Escapes a text of our own in colour: sequences that choose colours (SGR, ECMA-48 8.3.117) stay.
pub(crate) fn styled(text: &str) -> Cow<'_, str> {
    escaped(text, |rest| is_kept(rest).max(colour(rest)), rust)
}

/// Escapes a JSON document, in whose texts alone there is something to escape.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    // All that is hidden is in the Basic Multilingual Plane, so that four digits are enough.
    escaped(text, is_kept, |c, out| out.push_str(&format!("\\u{:04x}", u32::from(c))))
}

/// Replaces what is hidden in a source, character by character, so that columns stay: controls by their pictures (U+2400), the rest
/// by U+FFFD.
pub(crate) fn source(text: &str) -> Cow<'_, str> {
    let picture = |c: char| match u32::from(c) {
        number @ 0..=0x1f => char::from_u32(0x2400 + number),
        0x7f => Some('\u{2421}'),
        _ => None,
    };
    escaped(text, is_kept, |c, out| out.push(picture(c).unwrap_or(char::REPLACEMENT_CHARACTER)))
}

fn rust(c: char, out: &mut String) {
    out.extend(c.escape_default());
}

/// Returns how many bytes at the beginning of a text stay although they are hidden: tabs and ends of lines.
fn is_kept(rest: &str) -> usize {
    match rest.as_bytes().first() {
        Some(b'\n' | b'\t') => 1,
        Some(b'\r') => {
            let returns = rest.len() - rest.trim_start_matches('\r').len();
            if rest[returns..].starts_with('\n') { returns } else { 0 }
        }
        _ => 0,
    }
}

/// Returns how long the sequence at the beginning of a text is that chooses colours.
fn colour(rest: &str) -> usize {
    let Some(parameters) = rest.strip_prefix("\u{1b}[") else { return 0 };
    let end = parameters.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    if end.starts_with('m') { rest.len() - end.len() + 1 } else { 0 }
}

fn escaped(text: &str, keeps: impl Fn(&str) -> usize, write: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len() + 16), text);
    while let Some(at) = rest.find(is_hidden) {
        out += &rest[..at];
        rest = &rest[at..];
        let kept = keeps(rest);
        if kept > 0 {
            out += &rest[..kept];
            rest = &rest[kept..];
        } else if let Some(c) = rest.chars().next() {
            write(c, &mut out);
            rest = &rest[c.len_utf8()..];
        }
    }
    out += rest;
    Cow::Owned(out)
}

/// A text that comes as bytes and in pieces: what a guest or a program says.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// What may go on in the next piece: the beginning of a character, or carriage returns.
    rest: Vec<u8>,
}

impl Pieces {
    /// Returns what can be shown by now, escaped. Bytes that are no UTF-8 are shown as `\x9b`.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.rest);
        let whole = all.len() - unfinished(&all);
        self.rest = all[whole..].to_vec();
        show(&all[..whole])
    }

    /// Returns what is left, escaped.
    pub(crate) fn finish(&mut self) -> String {
        show(&std::mem::take(&mut self.rest))
    }
}

/// Returns how many bytes at the end may mean something else with what follows.
fn unfinished(bytes: &[u8]) -> usize {
    let returns = bytes.iter().rev().take_while(|byte| **byte == b'\r').count();
    if returns > 0 {
        // A flood of them is no end of a line.
        return if returns < 16 { returns } else { 0 };
    }
    let cut = bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    let is_begun = |tail: &[u8]| std::str::from_utf8(tail).is_err_and(|why| why.error_len().is_none());
    if cut > 0 && is_begun(&bytes[bytes.len() - cut..]) { cut } else { 0 }
}

fn show(bytes: &[u8]) -> String {
    let mut valid = String::new();
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid();
        if !chunk.invalid().is_empty() {
            out.push_str(&text(&std::mem::take(&mut valid)));
            chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
        }
    }
    out.push_str(&text(&valid));
    out
}

/// Returns a text in whose addresses the users and passwords are stars, as long as it was: `https://user:password@host` in a recipe is
/// refused, and is not shown for that.
pub(crate) fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for (at, _) in text.match_indices("://") {
        let from = at + "://".len();
        let rest = text.get(from..).unwrap_or_default();
        let authority = rest.split(|c: char| c.is_whitespace() || "/?#\"'`\\".contains(c)).next().unwrap_or_default();
        let Some(end) = authority.rfind('@') else { continue };
        // The user alone is no secret where it is not a token.
        let begin = authority.find(':').filter(|colon| *colon < end).map(|colon| colon + 1);
        let is_web = text.get(..at).is_some_and(|before| before.ends_with("http") || before.ends_with("https"));
        let begin = if is_web { Some(0) } else { begin };
        let Some(begin) = begin else { continue };
        masked.to_mut().replace_range(from + begin..from + end, &"*".repeat(end - begin));
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_not_shown() {
        let shown = |text: &str| without_passwords(text).into_owned();
        assert_eq!(shown("f(\"https://ann:hunter2@a.b/c@d\");"), "f(\"https://***********@a.b/c@d\");");
        assert_eq!(shown("http://token@a x://u:p\u{e4}@b/ ssh://git@c"), "http://*****@a x://u:***@b/ ssh://git@c");
        assert_eq!(shown("https://a.b/c:d@e \"://\""), "https://a.b/c:d@e \"://\"");
    }
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_act_on_is_written_out() {
        assert_eq!(text("a\u{1b}[2Jb\u{9b}2J\u{7f}\u{85}c"), "a\\u{1b}[2Jb\\u{9b}2J\\u{7f}\\u{85}c");
        assert_eq!(
            text("x\u{202e}y\u{2066}z\u{2069}\u{200f}\u{61c}"),
            "x\\u{202e}y\\u{2066}z\\u{2069}\\u{200f}\\u{61c}"
        );
        assert_eq!(text("one\n\ttwo\r\nthree\r\r\nfour\rfive"), "one\n\ttwo\r\nthree\r\r\nfour\\rfive");
        assert_eq!(line("web\nvmrun: all is well\t"), "web\\nvmrun: all is well\\t");
        assert!(matches!(text("Zürich – 東京 👩‍👩‍👧"), Cow::Borrowed("Zürich – 東京 👩‍👩‍👧")));
    }

    #[test]
    fn colours_of_our_own_stay_and_nothing_else_does() {
        assert_eq!(styled("\u{1b}[1m\u{1b}[38;2;1;2;3merror\u{1b}[0m"), "\u{1b}[1m\u{1b}[38;2;1;2;3merror\u{1b}[0m");
        assert_eq!(
            styled("\u{1b}[2J\u{1b}]0;x\u{7}\u{1b}[?1m\u{1b}["),
            "\\u{1b}[2J\\u{1b}]0;x\\u{7}\\u{1b}[?1m\\u{1b}["
        );
    }

    #[test]
    fn a_source_keeps_its_columns() {
        let text = "a\u{1b}b\u{9b}\u{202e}\u{7f}\tc\r\nd";
        assert_eq!(source(text), "a\u{241b}b\u{fffd}\u{fffd}\u{2421}\tc\r\nd");
        assert_eq!(source(text).chars().count(), text.chars().count());
    }

    #[test]
    fn json_stays_json() {
        let name = "a\u{9b}2J\u{202e}\u{7f}\u{1b}\n";
        let document = format!("{:#}", serde_json::json!({ "name": name }));
        let shown = json(&document);
        assert_eq!(shown, "{\n  \"name\": \"a\\u009b2J\\u202e\\u007f\\u001b\\n\"\n}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["name"], name);
    }

    #[test]
    fn what_comes_in_pieces_is_shown_as_what_comes_at_once() {
        let mut pieces = Pieces::default();
        let said: Vec<String> = [&b"a\xc3"[..], b"\xbc\xe2\x80", b"\xae\xff\r", b"\nlogin: \r", b"x\x9b2J\xe2"]
            .iter()
            .map(|piece| pieces.add(piece))
            .collect();
        assert_eq!(said, ["a", "ü", "\\u{202e}\\xff", "\r\nlogin: ", "\\rx\\x9b2J"]);
        assert_eq!(pieces.finish(), "\\xe2");
    }

    proptest! {
        #[test]
        fn no_text_of_others_is_acted_on(said in proptest::collection::vec(any::<u8>(), 0..60), at in 0_usize..60) {
            let (one, other) = said.split_at(at.min(said.len()));
            let mut pieces = Pieces::default();
            let shown = [pieces.add(one), pieces.add(other), pieces.finish()].concat();
            prop_assert_eq!(&shown, &show(&said));
            prop_assert!(!shown.replace(['\n', '\t'], "").contains(|c| is_hidden(c) && c != '\r'));
            // It is done once, however often it is asked for.
            prop_assert_eq!(text(&shown), shown.as_str());
            prop_assert!(!line(&shown).contains(is_hidden));
        }

        #[test]
        fn what_is_json_can_be_read_back(text in any::<String>()) {
            let document = serde_json::Value::String(text.clone()).to_string();
            let shown = json(&document);
            prop_assert!(!shown.contains(is_hidden));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}

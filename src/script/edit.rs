//! Literals of a recipe's text, and what is written in their place: the rest of the text, with its comments, stays as it is.

use super::lexer::{Token, TokenKind, tokens};
use super::words::UNITS;
use crate::model::Size;
use std::ops::Range;

/// A size as a recipe has it: `20.GiB`, `"20G"`, `21474836480`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SizeLiteral {
    /// The bytes that it takes.
    pub(crate) span: Range<usize>,
    /// What it says.
    pub(crate) size: Size,
    form: Form,
}

/// How a size is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A number and its unit.
    WithUnit,
    /// A number of bytes.
    Bytes,
    /// A text, in this quote.
    Text(char),
}

impl SizeLiteral {
    /// Returns how another size is written in its place.
    pub(crate) fn written(&self, size: Size) -> String {
        match self.form {
            Form::Bytes => size.get().to_string(),
            Form::Text(quote) => format!("{quote}{size}{quote}"),
            Form::WithUnit => {
                let whole = |(_, shift): &&(&str, u32)| size.get() != 0 && size.get().trailing_zeros() >= *shift;
                match UNITS.iter().rev().find(whole) {
                    Some((unit, shift)) => format!("{}.{unit}", size.get() >> shift),
                    None => size.get().to_string(),
                }
            }
        }
    }
}

/// Returns the sizes that a text has, in its order: those that are written, and none that is computed.
pub(crate) fn sizes(text: &str) -> Vec<SizeLiteral> {
    let tokens = tokens(text);
    let follows = |at: usize| tokens.get(at).and_then(|token| text.get(token.span.clone()));
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(written) = text.get(token.span.clone()) else { continue };
        found.extend(match token.kind {
            TokenKind::Number if follows(at + 1) == Some(".") => {
                let unit = tokens.get(at + 2).zip(follows(at + 2));
                unit.and_then(|(last, unit)| with_unit(written, unit, token.span.start..last.span.end))
            }
            TokenKind::Number => bytes(written, token.span.clone()),
            TokenKind::Text => in_quotes(written, token),
            TokenKind::Word | TokenKind::Doc | TokenKind::Comment | TokenKind::Mark => None,
        });
    }
    found
}

/// Reads a number as Rhai does, without what stands between its digits.
fn number(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    let radix = |prefix: &str| digits.strip_prefix(prefix).or(digits.strip_prefix(&prefix.to_uppercase()));
    match (radix("0x"), radix("0o"), radix("0b")) {
        (Some(hex), ..) => u64::from_str_radix(hex, 16).ok(),
        (_, Some(octal), _) => u64::from_str_radix(octal, 8).ok(),
        (.., Some(binary)) => u64::from_str_radix(binary, 2).ok(),
        _ => digits.parse().ok(),
    }
}

fn bytes(written: &str, span: Range<usize>) -> Option<SizeLiteral> {
    Some(SizeLiteral { span, size: Size::bytes(number(written)?), form: Form::Bytes })
}

fn with_unit(written: &str, unit: &str, span: Range<usize>) -> Option<SizeLiteral> {
    let (_, shift) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let size = number(written)?.checked_mul(1 << shift)?;
    Some(SizeLiteral { span, size: Size::bytes(size), form: Form::WithUnit })
}

fn in_quotes(written: &str, token: &Token) -> Option<SizeLiteral> {
    let quote = written.chars().next().filter(|_| is_whole(token))?;
    let size = Size::written(inside(written, token)?).ok()?;
    Some(SizeLiteral { span: token.span.clone(), size, form: Form::Text(quote) })
}

/// Whether a token is a text from its quote to its quote.
const fn is_whole(token: &Token) -> bool {
    token.quote == 1 && !token.is_open && !token.goes_on
}

/// Returns what stands between the quotes of a whole text.
fn inside<'a>(written: &'a str, token: &Token) -> Option<&'a str> {
    written.get(token.quote..written.len().checked_sub(1)?)
}

/// A call of a word of the language whose first argument is a text as a whole: `zvol("zroot/vm/web", 20.GiB, #{ … })`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrittenCall {
    /// The bytes of the word.
    pub(crate) word: Range<usize>,
    /// Those of the text, between its quotes.
    pub(crate) first: Range<usize>,
    /// Those of the second argument, if there is one.
    pub(crate) second: Option<Range<usize>>,
    /// Those behind both, with the comma before them: nothing where there are no more.
    pub(crate) rest: Range<usize>,
}

/// Returns the calls of some words that a text has, in its order; none of a module's function, or of a method, that is called so.
pub(crate) fn calls(text: &str, words: &[&str]) -> Vec<WrittenCall> {
    let tokens = tokens(text);
    let is_word = |at: &usize| {
        let said =
            |at: usize| tokens.get(at).and_then(|token: &Token| text.get(token.span.clone())).unwrap_or_default();
        let before = at.checked_sub(1).map(said).unwrap_or_default();
        words.contains(&said(*at)) && said(at + 1) == "(" && ![".", "::", "?.", "fn"].contains(&before)
    };
    (0..tokens.len()).filter(is_word).filter_map(|at| call(text, tokens.get(at..)?)).collect()
}

/// Returns the call whose word and bracket come first.
fn call(text: &str, tokens: &[Token]) -> Option<WrittenCall> {
    let [word, open, first, ..] = tokens else { return None };
    let inner = first.span.start + first.quote..first.span.end.checked_sub(1)?;
    if first.kind != TokenKind::Text || !is_whole(first) {
        return None;
    }
    let (mut depth, mut commas) = (0_usize, Vec::new());
    for token in tokens.get(1..)?.iter().filter(|token| token.kind == TokenKind::Mark) {
        match text.get(token.span.clone())? {
            "(" | "[" | "{" | "#{" | "${" => depth += 1,
            "," if depth == 1 => commas.push(token.span.start),
            ")" | "]" | "}" if depth > 1 => depth -= 1,
            ")" | "]" | "}" => {
                let end = token.span.start;
                let of_first = commas.first().copied().unwrap_or(end);
                // A path that is put together is none that is written.
                let is_alone = text.get(first.span.end..of_first)?.trim().is_empty();
                let of_second = commas.get(1).copied().unwrap_or(end);
                let second = commas.first().map(|comma| comma + 1..of_second);
                let second = second.filter(|span| text.get(span.clone()).is_some_and(|text| !text.trim().is_empty()));
                let call = WrittenCall { word: word.span.clone(), first: inner, second, rest: of_second..end };
                return (is_alone && open.span.start < end).then_some(call);
            }
            _ => {}
        }
    }
    None
}

/// What becomes of what a text says as a whole: nothing where nothing is known of it.
pub(crate) type Whole<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Returns what is to be written in the place of which stretches, so that a machine has another name: texts that are the name, that have it
/// as a word in a path, or of which something is known as a whole.
pub(crate) fn renamed(text: &str, old: &str, new: &str, whole: Whole<'_>) -> Vec<(Range<usize>, String)> {
    rewritten(text, &|written| Some(whole(written).unwrap_or_else(|| in_text(written, old, new))))
}

/// Returns what is to be written in the place of which texts, by what becomes of each of them.
pub(crate) fn rewritten(text: &str, whole: Whole<'_>) -> Vec<(Range<usize>, String)> {
    let mut edits = Vec::new();
    for token in tokens(text).into_iter().filter(|token| token.kind == TokenKind::Text) {
        let end = token.span.end - usize::from(!token.goes_on && !token.is_open);
        let span = token.span.start + token.quote..end.max(token.span.start + token.quote);
        let Some(written) = text.get(span.clone()) else { continue };
        edits.extend(whole(written).filter(|other| other != written).map(|other| (span, other)));
    }
    edits
}

/// Returns a text with another name in its paths, or everywhere where it is one word or the metadata of cloud-init.
fn in_text(written: &str, old: &str, new: &str) -> String {
    const INSTANCE: &str = "instance-id:";
    if written.contains(INSTANCE) {
        let renamed = words(written, old, new);
        let (head, tail) = renamed.split_once(INSTANCE).unwrap_or((&renamed, ""));
        let is_renamed = |line: &str| words(line, new, "") != line;
        let line = tail.split(['\n', '\\']).next().unwrap_or_default();
        if is_renamed(line) || line.trim().is_empty() {
            return renamed;
        }
        let rest = tail.get(line.len()..).unwrap_or_default();
        return format!("{head}{INSTANCE}{}-{new}{rest}", line.trim_end());
    }
    let is_gap = |c: char| c.is_whitespace() || "\"'=,;<>()".contains(c);
    if !written.contains(is_gap) && !written.contains("://") {
        return words(written, old, new);
    }
    let piece = |piece: &str| {
        let is_path = piece.contains('/') && !piece.contains("://");
        if is_path { words(piece, old, new) } else { piece.to_string() }
    };
    written.split_inclusive(is_gap).map(piece).collect()
}

/// Returns a text with another word in the place of one.
pub(crate) fn words(written: &str, old: &str, new: &str) -> String {
    let mut out = String::with_capacity(written.len());
    let (mut rest, mut before) = (written, None);
    while let Some(at) = rest.find(old).filter(|_| !old.is_empty()) {
        let (head, tail) = rest.split_at(at);
        let tail = tail.get(old.len()..).unwrap_or_default();
        let is_part = |c: Option<char>| c.is_some_and(|c| c == '_' || c.is_alphanumeric());
        let is_word = !is_part(head.chars().next_back().or(before)) && !is_part(tail.chars().next());
        out += head;
        out += if is_word { new } else { old };
        (rest, before) = (tail, old.chars().next_back());
    }
    out + rest
}

/// Returns a text with others in the place of some of its stretches, which do not overlap.
pub(crate) fn replaced(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut sorted: Vec<&(Range<usize>, String)> = edits.iter().collect();
    sorted.sort_by_key(|(span, _)| span.start);
    let mut new = String::with_capacity(text.len());
    let mut at = 0;
    for (span, other) in sorted {
        new += text.get(at..span.start).unwrap_or_default();
        new += other;
        at = span.end;
    }
    new + text.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_found_however_it_is_written_and_written_anew_in_the_same_way() {
        let text = "// 20.GiB\nlet a = 20.GiB + f(0x5_0000_0000); x(\"20G\", `20GiB`, 1.5, 21474836480, \"20 G\", `${n}G`, 20.to_string());";
        let shown = |size: Size| {
            let written = |one: &SizeLiteral| format!("{} → {}", &text[one.span.clone()], one.written(size));
            sizes(text).iter().filter(|one| one.size == Size::bytes(20 << 30)).map(written).collect::<Vec<_>>()
        };
        assert_eq!(
            shown(Size::bytes(40 << 30)),
            [
                "20.GiB → 40.GiB",
                "0x5_0000_0000 → 42949672960",
                "\"20G\" → \"40G\"",
                "`20GiB` → `40G`",
                "21474836480 → 42949672960"
            ]
        );
        assert_eq!(shown(Size::bytes(1536 << 20))[0], "20.GiB → 1536.MiB");
        assert_eq!(shown(Size::bytes(1001))[0], "20.GiB → 1001");
    }

    #[test]
    fn a_name_is_replaced_where_it_is_a_word_of_a_path_and_nowhere_else() {
        let text = r#"// web
let a = "web"; let web = `/vm/${name}/web.img`; x("/vm/webmail.img", "zroot/vm/web-data", "the web server", "web.img",
"http://web.example.org/web", "cp /vm/web/a to web", "instance-id: web-1\nlocal-hostname: web", "instance-id: i-1\n", "58:9c:fc:0:0:1", "/vm/web_1");"#;
        let whole = |written: &str| (written == "58:9c:fc:0:0:1").then(|| "58:9c:fc:00:00:02".to_string());
        let edits = renamed(text, "web", "db", &whole);
        let expected = r#"// web
let a = "db"; let web = `/vm/${name}/db.img`; x("/vm/webmail.img", "zroot/vm/db-data", "the web server", "db.img",
"http://web.example.org/web", "cp /vm/db/a to web", "instance-id: db-1\nlocal-hostname: db", "instance-id: i-1-db\n", "58:9c:fc:00:00:02", "/vm/web_1");"#;
        assert_eq!(replaced(text, &edits), expected);
        assert_eq!(renamed("f(\"web", "web", "db", &|_| None), [(3..6, "db".to_string())]);
    }

    #[test]
    fn a_call_is_found_with_its_arguments_however_they_are_written() {
        let found = |text: &str| {
            let shown = |call: &WrittenCall| {
                let part = |span: &Range<usize>| text[span.clone()].to_string();
                let second = call.second.as_ref().map_or("-".into(), part);
                [part(&call.word), part(&call.first), second, part(&call.rest)].join("|")
            };
            calls(text, &["disk", "zvol"]).iter().map(shown).collect::<Vec<_>>().join(" ; ")
        };
        assert_eq!(found("disk(\"a\")"), "disk|a|-|");
        assert_eq!(
            found("x(disk(`a`,20.GiB), zvol(\"b\", f([1, 2], #{ a: 1 }), #{ sparse: true }))"),
            "disk|a|20.GiB| ; zvol|b| f([1, 2], #{ a: 1 })|, #{ sparse: true }"
        );
        assert_eq!(found("zvol(\"b\", `${c}, ${d}`, e,)"), "zvol|b| `${c}, ${d}`|, e,");
        assert_eq!(found("zvol /* why */ (\"b\" , // that\n 1.GiB)"), "zvol|b| // that\n 1.GiB|");
        for none in [
            "disk(a)",
            "disk(\"a\" + b)",
            "x::disk(\"a\")",
            "x.disk(\"a\")",
            "fn disk(\"a\")",
            "disk(`${a}`)",
            "disk(\"a\"",
            "disk",
            "\"disk(a)\"",
            "mydisk(\"a\")",
        ] {
            assert_eq!(found(none), "", "{none}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_text_is_its_calls_are_stretches_of_it(text in "(disk|zvol|\\(|\\)|\"a\"|,|#\\{|\\}|`|\\$\\{|é| ){0,12}") {
            for call in calls(&text, &["disk", "zvol"]) {
                proptest::prop_assert_eq!(&text[call.word.clone()].len(), &4);
                proptest::prop_assert!(text.get(call.first).is_some() && text.get(call.rest).is_some());
            }
        }
    }

    #[test]
    fn what_is_replaced_is_all_that_changes() {
        let edits = [(4..5, "xyz".to_string()), (0..1, String::new())];
        assert_eq!(replaced("a b c // ä", &edits), " b xyz // ä");
        assert_eq!(replaced("", &[]), "");
    }
}

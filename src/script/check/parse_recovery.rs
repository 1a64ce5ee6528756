//! Parsing on after a fault: Rhai's parser stops at the first one.
//!
//! The statement or the line at fault is blanked, by spaces of the same length so that every place stays, and the text is
//! parsed again. What was blanked makes no name unknown and none unused.

use crate::diag::{Diagnostic, Place, Source};
use crate::script::{bare_engine, bounds, compile, habits, lexer, report, source};
use rhai::{AST, Engine};
use std::ops::Range;
use std::rc::Rc;

/// How many faults of one text are told: whoever has more sees the rest when those are mended.
const FAULTS: usize = 20;

/// How many bytes are parsed anew for faults, about: of a long text fewer are told.
const AGAIN: usize = 2 << 20;

/// What can be read of a text.
pub(crate) struct Parsed {
    /// The syntax tree of what parses.
    pub ast: AST,
    /// Where it does not.
    pub faults: Vec<Diagnostic>,
    /// The names in what was left out.
    pub blanked: Vec<String>,
}

/// Parses a text as far as it parses.
pub(crate) fn parse(source: &Rc<Source>) -> Parsed {
    let engine = bare_engine();
    let (mut faults, mut blanked) = (Vec::new(), Vec::new());
    if let Some(fault) = bounds::declared(&source.text) {
        faults.push(Diagnostic::error(fault).at(Place { source: source.clone(), span: 0..0 }));
        return Parsed { ast: AST::empty(), faults, blanked };
    }
    let mut text = source.text.clone();
    let most = (AGAIN / text.len().max(1)).clamp(1, FAULTS);
    loop {
        let error = match compile(&engine, &text) {
            Ok(ast) => return Parsed { ast, faults, blanked },
            Err(error) => error,
        };
        let at = source::offset(&text, error.position()).unwrap_or(text.len());
        faults.push(report::syntax(&error, source));
        // What is no recipe at all has one fault.
        let is_recipe = faults.len() > 1 || habits::kind(&source.text).is_none();
        let rest = (is_recipe && faults.len() < most).then(|| mended(&engine, &text, at)).flatten();
        let Some((span, next)) = rest else {
            return Parsed { ast: AST::empty(), faults, blanked };
        };
        blanked.extend(words(&text[span]));
        text = next;
    }
}

/// Blanks the part around a fault without which the parser comes furthest; of several the smallest.
fn mended(engine: &Engine, text: &str, at: usize) -> Option<(Range<usize>, String)> {
    let weight = |span: &Range<usize>| text[span.clone()].split_whitespace().map(str::len).sum::<usize>();
    let mut best: Option<(usize, Range<usize>, String)> = None;
    let mut tried: Vec<Range<usize>> = Vec::new();
    for span in candidates(text, at) {
        if weight(&span) == 0 || tried.contains(&span) {
            continue;
        }
        tried.push(span.clone());
        let next = blank(text, span.clone());
        let reached = match compile(engine, &next) {
            Ok(_) => usize::MAX,
            // The end of the text may only be a bracket that is open.
            Err(error) => {
                source::offset(&next, error.position()).filter(|end| *end < next.trim_end().len()).unwrap_or(0)
            }
        };
        let is_better = |(most, other, _): &(usize, Range<usize>, String)| {
            reached > *most || reached == *most && weight(&span) < weight(other)
        };
        if reached > at.max(span.end) && best.as_ref().is_none_or(is_better) {
            best = Some((reached, span, next));
        }
    }
    let (_, span, next) = best.or_else(|| {
        // All that is left: what stands before it.
        let span = paragraph(text, at).start..text.len();
        (weight(&span) > 0).then(|| (0, span.clone(), blank(text, span)))
    })?;
    Some((span, next))
}

/// The parts of a text that may be at fault.
fn candidates(text: &str, at: usize) -> Vec<Range<usize>> {
    let line = line(text, at);
    // An unfinished line is found by what follows it.
    let before = text[..line.start].trim_end().len();
    let previous = self::line(text, before.saturating_sub(1));
    let mut all = vec![
        statement(text, at),
        line.clone(),
        previous.clone(),
        statement(text, previous.end.saturating_sub(1)),
        previous.start..line.end,
        paragraph(text, at),
        paragraph(text, before.saturating_sub(1)),
    ];
    // A bracket that nobody closes is told of at the end.
    let open = lexer::open(&text[..floor(text, at)]);
    all.extend(open.last().iter().chain(&open.first()).map(|bracket| self::line(text, **bracket)));
    all.retain(|span| span.start < span.end);
    all
}

/// The line around a byte, without its end.
fn line(text: &str, at: usize) -> Range<usize> {
    let at = floor(text, at);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    start..end
}

/// The statement around a byte: from the last `;` or brace before it to the next `;` after it, or to a brace that closes it.
fn statement(text: &str, at: usize) -> Range<usize> {
    let at = floor(text, at);
    let marks: Vec<lexer::Token> =
        lexer::tokens(text).into_iter().filter(|token| token.kind == lexer::TokenKind::Mark).collect();
    let mark = |token: &lexer::Token| &text[token.span.clone()];
    let ends = |token: &&lexer::Token| token.span.end <= at && matches!(mark(token), ";" | "{" | "}" | "#{" | "${");
    let start = marks.iter().rev().find(ends).map_or(0, |token| token.span.end);
    let mut depth = 0_usize;
    for token in marks.iter().filter(|token| token.span.start >= start) {
        let is_behind = token.span.start >= at;
        match mark(token) {
            "{" | "(" | "[" | "#{" | "${" => depth += 1,
            "}" if depth == 0 && is_behind => return start..token.span.start,
            "}" | ")" | "]" => depth = depth.saturating_sub(1),
            ";" if depth == 0 && is_behind => return start..token.span.end,
            _ => {}
        }
    }
    start..text.len()
}

/// The lines around a byte up to those at the left margin, where a statement of the whole text begins.
fn paragraph(text: &str, at: usize) -> Range<usize> {
    let at = floor(text, at);
    let begins = |byte: usize| {
        text[byte..].starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '/')
            && (byte == 0 || text[..byte].ends_with('\n'))
    };
    let here = line(text, at).start;
    let start = (0..=here).rev().find(|byte| text.is_char_boundary(*byte) && begins(*byte)).unwrap_or(0);
    let after = line(text, at).end;
    let end = (after..text.len()).find(|byte| text.is_char_boundary(*byte) && begins(*byte)).unwrap_or(text.len());
    start..end
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Puts spaces where a part of a text is: as many as it has characters, so that columns stay.
fn blank(text: &str, span: Range<usize>) -> String {
    let spaces = text[span.clone()].chars().map(|c| if c == '\n' { c } else { ' ' });
    text[..span.start].chars().chain(spaces).chain(text[span.end..].chars()).collect()
}

/// The names in a part of a text.
fn words(text: &str) -> Vec<String> {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    text.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()).map(String::from).collect()
}

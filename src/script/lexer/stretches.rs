//! How far a part of a text goes that is no single token: a value, what brackets enclose, an argument.

use super::{TokenKind, lex};

/// Returns how many bytes the value takes that a text begins with: a name, a number, a text with all that is put in, a list, a map or a
/// block to its end, any other mark alone; of what has no end only how it begins.
pub(crate) fn value(text: &str) -> usize {
    match lex(text).next().filter(|first| first.span.start == 0) {
        None => text.chars().next().map_or(0, char::len_utf8),
        Some(first) if first.goes_on || matches!(&text[first.span.clone()], "#{" | "[" | "{") => {
            group(text).unwrap_or(if first.goes_on { text.len() } else { first.span.end })
        }
        Some(first) => first.span.end,
    }
}

/// Returns how many bytes a text takes up to the end of what it opens first: a bracket, or a text in which something is put in.
pub(crate) fn group(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for token in lex(text) {
        let is_done = match &text[token.span.clone()] {
            _ if token.kind == TokenKind::Text => !token.goes_on,
            "(" | "[" | "{" | "#{" | "${" => {
                depth += 1;
                false
            }
            ")" | "]" | "}" => {
                depth = depth.checked_sub(1)?;
                // A text goes on behind what was put in.
                text.get(..1).is_some_and(|first| first != "`")
            }
            _ => false,
        };
        if depth == 0 && is_done {
            return Some(token.span.end);
        }
    }
    None
}

/// Returns a text up to the bracket, comma or line that ends an argument.
pub(crate) fn argument(text: &str) -> &str {
    let (mut depth, mut end) = (0_usize, 0);
    for token in lex(text) {
        let mark = &text[token.span.clone()];
        let is_text = token.kind == TokenKind::Text;
        if depth == 0
            && (text[end..token.span.start].contains('\n') || !is_text && matches!(mark, ")" | "]" | "}" | ","))
        {
            break;
        }
        match mark {
            "(" | "[" | "{" | "#{" | "${" if !is_text => depth += 1,
            ")" | "]" | "}" if !is_text => depth -= 1,
            _ => {}
        }
        end = token.span.end;
    }
    &text[..end]
}

/// Returns where the brackets stand that are open at the end of a text.
pub(crate) fn open(text: &str) -> Vec<usize> {
    let mut open = Vec::new();
    for token in lex(text).filter(|token| token.kind == TokenKind::Mark) {
        match &text[token.span.clone()] {
            "(" | "[" | "{" | "#{" | "${" => open.push(token.span.end - 1),
            ")" | "]" | "}" => drop(open.pop()),
            _ => {}
        }
    }
    open
}

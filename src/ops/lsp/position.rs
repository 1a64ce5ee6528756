//! Places as the protocol has them: lines, and in them the units of UTF-16.

use lsp_types::{Position, Range, Uri};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

/// Returns the byte of a place; the nearest one where there is no such place.
pub(super) fn byte(text: &str, position: Position) -> usize {
    let line = usize::try_from(position.line).unwrap_or(usize::MAX);
    let start = match line {
        0 => 0,
        _ => match text.match_indices('\n').nth(line - 1) {
            Some((at, _)) => at + 1,
            None => return text.len(),
        },
    };
    let rest = text[start..].split('\n').next().unwrap_or_default();
    let wanted = usize::try_from(position.character).unwrap_or(usize::MAX);
    let mut units = 0;
    for (at, c) in rest.char_indices() {
        if units >= wanted {
            return start + at;
        }
        units += c.len_utf16();
    }
    start + rest.len()
}

/// Returns the place of a byte.
pub(super) fn position(text: &str, byte: usize) -> Position {
    let head = text.get(..byte).unwrap_or(text);
    let start = head.rfind('\n').map_or(0, |end| end + 1);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let units: usize = head[start..].chars().map(char::len_utf16).sum();
    Position { line: number(head.matches('\n').count()), character: number(units) }
}

/// Returns the places of a stretch of bytes.
pub(super) fn range(text: &str, span: &std::ops::Range<usize>) -> Range {
    Range { start: position(text, span.start), end: position(text, span.end) }
}

/// Places of bytes one behind the other, in one walk through the text: it is not read anew for each.
pub(super) struct Walk<'a> {
    text: &'a str,
    at: usize,
    place: Position,
}

impl<'a> Walk<'a> {
    /// Stands at the beginning.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, place: Position::new(0, 0) }
    }

    /// Goes on to a byte, and returns its place; one that lies behind is where it stands.
    pub(super) fn to(&mut self, byte: usize) -> Position {
        for c in self.text.get(self.at..byte).unwrap_or_default().chars() {
            let units = u32::try_from(c.len_utf16()).unwrap_or_default();
            let Position { line, character } = self.place;
            let next = Position::new(line.saturating_add(1), 0);
            self.place = if c == '\n' { next } else { Position::new(line, character.saturating_add(units)) };
        }
        self.at = self.at.max(byte.min(self.text.len()));
        self.place
    }

    /// Goes through a stretch of bytes, and returns its places.
    pub(super) fn through(&mut self, span: &std::ops::Range<usize>) -> Range {
        Range { start: self.to(span.start), end: self.to(span.end) }
    }
}

/// Returns the path of a file's address; nothing of another address.
pub(super) fn path(uri: &Uri) -> Option<PathBuf> {
    let is_file = uri.scheme().is_some_and(|scheme| scheme.as_str() == "file");
    let path = uri.path().as_estr().decode().into_string().ok()?;
    is_file.then(|| PathBuf::from(path.into_owned()))
}

/// Returns the address of a file.
pub(super) fn uri(path: &Path) -> Option<Uri> {
    use std::os::unix::ffi::OsStrExt as _;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let escaped = |byte: &u8| if is_plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    let path: String = path.as_os_str().as_bytes().iter().map(escaped).collect();
    Uri::from_str(&format!("file://{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_column_counts_the_units_of_utf_16() {
        let text = "let a = \"ä😀b\";\nx";
        assert_eq!(position(text, text.find('b').unwrap()), Position { line: 0, character: 12 });
        assert_eq!(byte(text, Position { line: 0, character: 12 }), text.find('b').unwrap());
        assert_eq!(byte(text, Position { line: 0, character: 99 }), text.find('\n').unwrap());
        assert_eq!(byte(text, Position { line: 9, character: 0 }), text.len());
        assert_eq!(uri(Path::new("/vm/my a.rhai")).unwrap().as_str(), "file:///vm/my%20a.rhai");
    }

    proptest! {
        #[test]
        fn a_walk_comes_by_every_place(text in "[a-z😀ä\n]{0,30}") {
            let mut walk = Walk::new(&text);
            for (at, _) in text.char_indices() {
                prop_assert_eq!(walk.to(at), position(&text, at));
            }
            prop_assert_eq!(walk.to(text.len()), position(&text, text.len()));
        }

        #[test]
        fn places_and_paths_come_back(text in "[a-z😀ä\n]{0,30}", at in 0_usize..60, name in "[^/\0]{1,20}") {
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            prop_assert_eq!(byte(&text, position(&text, at)), at);
            let file = PathBuf::from("/vm").join(&name);
            prop_assert_eq!(uri(&file).and_then(|uri| path(&uri)), Some(file));
        }
    }
}

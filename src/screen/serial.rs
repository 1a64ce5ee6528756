//! What a guest says on a serial line, as text: without the sequences by which terminals are told colours and places.

/// How much of what was said is kept, in characters.
const KEPT: usize = 1 << 16;

/// Where in a sequence for terminals it is (ECMA-48, 5.3 and 5.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Outside of one.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// In a control sequence, which ends with a letter or the like.
    Control,
    /// In a string, which ends with BEL or ESC and `\`.
    String,
}

/// What was heard of a serial line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    text: String,
    /// The bytes of a character that is not whole yet.
    rest: Vec<u8>,
    at: At,
}

impl Heard {
    /// Adds what was said.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        for chunk in rest.utf8_chunks() {
            chunk.valid().chars().for_each(|c| self.put(c));
            // The last character may have its other bytes still to come; no character has more than four.
            let is_last = chunk.invalid().as_ptr_range().end == rest.as_ptr_range().end;
            match chunk.invalid() {
                [] => {}
                cut if is_last && is_begun(cut) => self.rest = cut.to_vec(),
                _ => self.put(char::REPLACEMENT_CHARACTER),
            }
        }
        if self.text.len() > 2 * KEPT {
            let from = self.text.ceil_char_boundary(self.text.len() - KEPT);
            self.text.drain(..from);
        }
    }

    fn put(&mut self, c: char) {
        self.at = match (self.at, c) {
            (_, '\x1b') => At::Escape,
            (At::Escape, '[') => At::Control,
            (At::Escape, ']' | 'P' | 'X' | '^' | '_') => At::String,
            // Some have a character between the two.
            (At::Escape, ' '..='/') => At::Escape,
            (At::Control, '@'..='~') | (At::Escape, _) | (At::String, '\x07') => At::Text,
            (At::Control, _) => At::Control,
            (At::String, _) => At::String,
            (At::Text, _) => {
                // A line ends with `\n`, whatever comes before it; the others are no text.
                if c == '\n' || c == '\t' || !c.is_control() {
                    self.text.push(c);
                }
                At::Text
            }
        };
    }

    /// Returns whether a text was said.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    /// Returns what is after a text that was said, and forgets what came before it.
    pub(crate) fn forget_to(&mut self, text: &str) -> bool {
        let Some(at) = self.text.find(text) else { return false };
        self.text.drain(..at + text.len());
        true
    }

    /// Returns the last line in which anything was said.
    pub(crate) fn last_line(&self) -> Option<&str> {
        self.text.lines().rev().map(str::trim).find(|line| !line.is_empty())
    }
}

/// Whether bytes may be the beginning of a character.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|why| why.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn heard(pieces: &[&[u8]]) -> Heard {
        let mut heard = Heard::default();
        pieces.iter().for_each(|piece| heard.add(piece));
        heard
    }

    #[test]
    fn colours_and_the_like_are_no_text() {
        let all = heard(&[
            b"\x1b[2J\x1b[01;01H[\x1b[0;32m  OK  ",
            b"\x1b[0m] Started\r\n\x1b]0;web\x07\x1b(Bweb lo",
            b"gin: \xc3",
            b"\xa4",
        ]);
        assert_eq!(all.text, "[  OK  ] Started\nweb login: ä");
        assert!(all.says("OK  ] Started") && !all.says("\x1b"));
        assert_eq!(all.last_line(), Some("web login: ä"));
        assert_eq!(heard(&[b"\xff\xc3(\n \n"]).last_line(), Some("\u{fffd}\u{fffd}("));
        assert_eq!(heard(&[b"\r\n"]).last_line(), None);
    }

    #[test]
    fn what_was_waited_for_is_forgotten_with_what_came_before() {
        let mut all = heard(&[b"login: root\nPassword:"]);
        assert!(all.forget_to("login:") && !all.forget_to("login:") && all.forget_to("word:"));
        assert_eq!(all.text, "");
    }

    #[test]
    fn only_the_end_of_what_was_said_is_kept() {
        let mut all = Heard::default();
        (0..100_000).for_each(|_| all.add("line ä\n".as_bytes()));
        all.add(b"the end");
        assert!(all.text.len() <= 2 * KEPT && all.says("the end"), "{}", all.text.len());
    }

    proptest! {
        #[test]
        fn pieces_of_any_length_say_the_same(bytes in prop::collection::vec(any::<u8>(), 0..60), length in 1_usize..9) {
            prop_assert_eq!(heard(&bytes.chunks(length).collect::<Vec<_>>()), heard(&[&bytes]));
        }
    }
}

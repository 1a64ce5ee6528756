//! Keys, as a text names them and as RFB numbers them: the keysyms of the X Window System (RFC 6143, 7.5.4).
//!
//! The text is what is typed. `\n` is the return key, `\t` the tabulator, `\\` and `\<` are those characters, and `<NAME>` is a
//! key by its name, or several at once: `<Ctrl-Alt-Del>`, `<F2>`, `<Alt-F4>`. bhyve and QEMU make key codes of a US keyboard of
//! keysyms unless they are told another one, and leave the shift key to the client: a character has what is pressed for it on
//! that keyboard.

use crate::diag::{Fault, suggest};

/// Keys that are pressed together: in this order, and let go in reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stroke(Vec<u32>);

impl Stroke {
    /// The keysyms, in the order in which they are pressed.
    pub fn keys(&self) -> &[u32] {
        &self.0
    }
}

/// The keys that have names; the first one of a key is the one that is told.
const NAMES: &[(&str, u32)] = &[
    ("Enter", RETURN),
    ("Return", RETURN),
    ("Tab", TAB),
    ("Esc", 0xff1b),
    ("Escape", 0xff1b),
    ("Space", 0x20),
    ("Backspace", 0xff08),
    ("Del", 0xffff),
    ("Delete", 0xffff),
    ("Ins", 0xff63),
    ("Insert", 0xff63),
    ("Home", 0xff50),
    ("End", 0xff57),
    ("PageUp", 0xff55),
    ("PgUp", 0xff55),
    ("PageDown", 0xff56),
    ("PgDn", 0xff56),
    ("Left", 0xff51),
    ("Up", 0xff52),
    ("Right", 0xff53),
    ("Down", 0xff54),
    ("F1", 0xffbe),
    ("F2", 0xffbf),
    ("F3", 0xffc0),
    ("F4", 0xffc1),
    ("F5", 0xffc2),
    ("F6", 0xffc3),
    ("F7", 0xffc4),
    ("F8", 0xffc5),
    ("F9", 0xffc6),
    ("F10", 0xffc7),
    ("F11", 0xffc8),
    ("F12", 0xffc9),
    ("Shift", SHIFT),
    ("Ctrl", 0xffe3),
    ("Control", 0xffe3),
    ("Alt", 0xffe9),
    ("Super", 0xffeb),
    ("Win", 0xffeb),
];

const RETURN: u32 = 0xff0d;
const TAB: u32 = 0xff09;
const SHIFT: u32 = 0xffe1;

/// What a US keyboard has above its other characters that are no letters.
const SHIFTED: &str = "~!@#$%^&*()_+{}|:\"<>?";

/// Reads a text.
pub fn parse(text: &str) -> Result<Vec<Stroke>, Fault> {
    let mut strokes = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        strokes.push(match c {
            '\\' => escaped(rest.next())?,
            '<' => {
                let Some((name, after)) = rest.as_str().split_once('>') else {
                    let fault = Fault::usage(format!("`<{}` is a key whose name does not end", rest.as_str()));
                    return Err(fault.hint("close it by `>`, as in <Enter>, or write \\< to type a `<`"));
                };
                rest = after.chars();
                named(name)?
            }
            _ => character(c)?,
        });
    }
    Ok(strokes)
}

/// Reads a text in which every character stands for itself. What it is is told to nobody.
pub(crate) fn literal(text: &str) -> Result<Vec<Stroke>, Fault> {
    let cannot = |_| {
        let fault = Fault::new("it has a character that is on no key of a US keyboard");
        fault.hint("that is the one which bhyve and QEMU have")
    };
    text.chars().map(|c| character(c).map_err(cannot)).collect()
}

fn escaped(c: Option<char>) -> Result<Stroke, Fault> {
    match c {
        Some('n') => Ok(Stroke(vec![RETURN])),
        Some('t') => Ok(Stroke(vec![TAB])),
        Some(c @ ('\\' | '<')) => character(c),
        other => {
            let name = other.map_or_else(String::new, String::from);
            let fault = Fault::usage(format!("`\\{name}` is nothing that can be typed"));
            Err(fault.hint("there are \\n for return, \\t for the tabulator, \\\\ and \\<"))
        }
    }
}

/// A character, with the shift key where a US keyboard needs it.
fn character(c: char) -> Result<Stroke, Fault> {
    match c {
        '\n' | '\r' => Ok(Stroke(vec![RETURN])),
        '\t' => Ok(Stroke(vec![TAB])),
        _ if c.is_ascii_uppercase() || SHIFTED.contains(c) => Ok(Stroke(vec![SHIFT, u32::from(c)])),
        ' '..='~' => Ok(Stroke(vec![u32::from(c)])),
        _ => {
            let fault = Fault::usage(format!("{c:?} is on no key of a US keyboard"));
            Err(fault.hint("that is the one which bhyve and QEMU have"))
        }
    }
}

/// Keys by their names, which `-` joins: `Ctrl-Alt-Del`, `Ctrl-c`, `Ctrl--`.
fn named(text: &str) -> Result<Stroke, Fault> {
    let mut keys = Vec::new();
    let mut rest = text;
    loop {
        // The key `-` may be the last one.
        let (name, after) = match rest.get(1..).and_then(|tail| tail.find('-')) {
            Some(at) => (&rest[..=at], Some(&rest[at + 2..])),
            None => (rest, None),
        };
        keys.push(key(name)?);
        match after {
            Some(after) => rest = after,
            None => return Ok(Stroke(keys)),
        }
    }
}

fn key(name: &str) -> Result<u32, Fault> {
    let mut letters = name.chars();
    if let (Some(c @ '!'..='~'), None) = (letters.next(), letters.next()) {
        return Ok(u32::from(c.to_ascii_lowercase()));
    }
    let known = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map(|(_, key)| *key).ok_or_else(|| {
        let told = NAMES.chunk_by(|one, other| one.1 == other.1).filter_map(|names| Some(names.first()?.0));
        let fault = Fault::usage(format!("there is no key `{name}`"));
        let fault = fault.hint(format!("keys: {}; \\< types a `<`", suggest::list(told)));
        fault.did_you_mean(name, NAMES.iter().map(|(name, _)| *name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(text: &str) -> Vec<Vec<u32>> {
        parse(text).unwrap().into_iter().map(|stroke| stroke.0).collect()
    }

    #[test]
    fn a_text_is_typed_as_on_a_us_keyboard() {
        assert_eq!(keys("aB 1!\\n"), [&[0x61][..], &[SHIFT, 0x42], &[0x20], &[0x31], &[SHIFT, 0x21], &[RETURN]]);
        assert_eq!(keys("\\\\\\<\\t\n"), [&[0x5c][..], &[SHIFT, 0x3c], &[TAB], &[RETURN]]);
        assert_eq!(
            keys("<Ctrl-Alt-Del><f12><CTRL-C><Ctrl--><->"),
            [&[0xffe3, 0xffe9, 0xffff][..], &[0xffc9], &[0xffe3, 0x63], &[0xffe3, 0x2d], &[0x2d]]
        );
        assert_eq!(keys(""), [[0; 0]; 0]);
    }

    #[test]
    fn a_secret_is_typed_as_it_is_and_not_told() {
        let typed: Vec<_> = literal("<a>\\n").unwrap().into_iter().map(|stroke| stroke.0).collect();
        assert_eq!(typed, [&[SHIFT, 0x3c][..], &[0x61], &[SHIFT, 0x3e], &[0x5c], &[0x6e]]);
        let fault = literal("hunter\u{f6}").unwrap_err();
        assert_eq!(fault.message, "it has a character that is on no key of a US keyboard");
        assert_eq!(fault.hint.as_deref(), Some("that is the one which bhyve and QEMU have"));
    }

    #[test]
    fn what_cannot_be_typed_is_told_with_the_way_out() {
        let said = |text: &str| {
            let fault = parse(text).unwrap_err();
            format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
        };
        assert_eq!(said("<Entr>"), "there is no key `Entr` | did you mean `Enter`?");
        assert_eq!(
            said("a <b"),
            "`<b` is a key whose name does not end | close it by `>`, as in <Enter>, or write \\< to type a `<`"
        );
        assert_eq!(
            said("\\r"),
            "`\\r` is nothing that can be typed | there are \\n for return, \\t for the tabulator, \\\\ and \\<"
        );
        assert_eq!(said("ö"), "'ö' is on no key of a US keyboard | that is the one which bhyve and QEMU have");
        let names = "Enter, Tab, Esc, Space, Backspace, Del, Ins, Home, End, PageUp, PageDown, Left, Up, Right, Down, F1, F2, F3, \
                     F4, F5, F6, F7, F8, F9, F10, F11, F12, Shift, Ctrl, Alt and Super";
        assert_eq!(said("<>"), format!("there is no key `` | keys: {names}; \\< types a `<`"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "([<>\\\\a-]|Ctrl|.){0,12}") {
            if let Ok(strokes) = parse(&text) {
                prop_assert!(strokes.iter().all(|stroke| !stroke.0.is_empty()));
            }
        }
    }
}

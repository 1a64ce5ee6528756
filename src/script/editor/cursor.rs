//! What stands around a place in a text that is being written.

use crate::script::handle::PARTS;
use crate::script::lexer::{Token, TokenKind, is_comment, tokens};
use std::ops::Range;

/// A call that a place is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Within {
    /// The name of what is called.
    pub(super) name: String,
    /// The module that it is asked of, by the name that it has here.
    pub(super) of: Option<String>,
    /// Whether it is called on something: `vm.slot(`.
    pub(super) is_method: bool,
    /// Which argument it is, from 0.
    pub(super) argument: usize,
}

/// What can stand at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// Nothing of the language: it is a comment.
    Comment,
    /// A part of a text, which begins at a byte, behind its quote, and is so far this.
    Text(usize, String),
    /// A member of a module.
    Module(String),
    /// A property or a method.
    Member(Of),
    /// A key of a map that has these already.
    Key(Vec<String>),
    /// Anything that has a value, or a statement.
    Value,
}

/// What has a property or a method, as far as the text tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// A number, whose methods are the units.
    Number,
    /// A part of a machine that one talks to: `serial`, `screen`.
    Part(&'static str),
    /// Any other value.
    Value,
}

/// A place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The part of a name that stands before it.
    pub(super) begun: Range<usize>,
    /// What can stand there.
    pub(super) around: Around,
    /// The call that it is in, if it is in one; for a key the call that gets the map.
    pub(super) within: Option<Within>,
    /// The keys that lead to a map within a map.
    pub(super) keys: Vec<String>,
}

/// What is open before a place.
struct Open<'a> {
    mark: &'a str,
    /// The call whose arguments it has.
    call: Option<Within>,
    /// The keys of the map so far, if it is one.
    keys: Vec<String>,
    /// Whether a key may come.
    at_key: bool,
}

/// Looks at a byte of a text.
pub(super) fn cursor(text: &str, at: usize) -> Cursor {
    let head = &text[..at];
    let none = |around| Cursor { begun: at..at, around, within: None, keys: Vec::new() };
    if is_comment(text, at) {
        return none(Around::Comment);
    }
    let all = tokens(head);
    let last = all.last().filter(|token| token.span.end == at);
    if let Some(text) = last.filter(|token| token.kind == TokenKind::Text && token.is_open) {
        let open = opened(head, &all[..all.len() - 1]);
        let begins = text.span.start + text.quote;
        let (within, keys) = surroundings(&open);
        return Cursor { within, keys, ..none(Around::Text(begins, head[begins..].to_string())) };
    }
    let is_begun = last.is_some_and(|token| token.kind == TokenKind::Word);
    let before = if is_begun { &all[..all.len() - 1] } else { &all[..] };
    let begun = if is_begun { all[all.len() - 1].span.clone() } else { at..at };
    let open = opened(head, before);
    let word = |back: usize| before.len().checked_sub(back).map_or("", |at| &head[before[at].span.clone()]);
    let around = match word(1) {
        "::" => Around::Module(word(2).into()),
        "." | "?." if before.len() > 1 && before[before.len() - 2].kind == TokenKind::Number => {
            Around::Member(Of::Number)
        }
        "." | "?." => {
            let part = PARTS.iter().map(|part| part.0).find(|part| word(2) == *part && word(3) == ".");
            Around::Member(part.map_or(Of::Value, Of::Part))
        }
        _ => match open.last() {
            Some(open) if open.mark == "#{" && open.at_key => Around::Key(open.keys.clone()),
            _ => Around::Value,
        },
    };
    let (within, keys) = surroundings(&open);
    Cursor { begun, around, within, keys }
}

/// The innermost call, and the keys that lead from it to the place.
fn surroundings(open: &[Open<'_>]) -> (Option<Within>, Vec<String>) {
    let mut keys = Vec::new();
    for one in open.iter().rev() {
        if let Some(call) = &one.call {
            keys.reverse();
            return (Some(call.clone()), keys);
        }
        match one.mark {
            // The last key is the one whose value is being written, unless a new one is.
            "#{" if !one.at_key => keys.extend(one.keys.last().cloned()),
            "#{" | "[" | "(" => {}
            _ => break,
        }
    }
    (None, Vec::new())
}

fn opened<'a>(text: &'a str, all: &[Token]) -> Vec<Open<'a>> {
    let mut open: Vec<Open<'a>> = Vec::new();
    for (at, token) in all.iter().enumerate() {
        let word = &text[token.span.clone()];
        let before = |back: usize| at.checked_sub(back).map_or("", |at| &text[all[at].span.clone()]);
        match (token.kind, word) {
            (TokenKind::Mark, "(" | "[" | "{" | "#{" | "${") => {
                let is_call = word == "(" && at > 0 && all[at - 1].kind == TokenKind::Word && before(2) != "fn";
                let call = is_call.then(|| Within {
                    name: before(1).into(),
                    of: (before(2) == "::").then(|| before(3).into()),
                    is_method: matches!(before(2), "." | "?."),
                    argument: 0,
                });
                open.push(Open { mark: word, call, keys: Vec::new(), at_key: word == "#{" });
            }
            (TokenKind::Mark, ")" | "]" | "}") => drop(open.pop()),
            (TokenKind::Mark, ",") => {
                if let Some(last) = open.last_mut() {
                    last.at_key = last.mark == "#{";
                    last.call.iter_mut().for_each(|call| call.argument += 1);
                }
            }
            (TokenKind::Mark, ":") => {
                if let Some(last) = open.last_mut().filter(|last| last.at_key) {
                    last.at_key = false;
                    last.keys.push(before(1).trim_matches('"').into());
                }
            }
            // A statement ends whatever was left open before it.
            (TokenKind::Word, "let" | "const" | "fn" | "import") => {
                while open.last().is_some_and(|last| !matches!(last.mark, "{" | "${")) {
                    open.pop();
                }
            }
            _ => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Cursor {
        let at = text.find('@').unwrap();
        cursor(&text.replace('@', ""), at)
    }

    fn call(name: &str, argument: usize) -> Within {
        Within { name: name.into(), of: None, is_method: false, argument }
    }

    #[test]
    fn the_innermost_call_and_the_keys_that_lead_to_a_place_are_known() {
        let found = at("bhyve(#{ name: \"a\", slots: #{ \"3\": virtio_blk(disk, #{ ro: true, se@ }) } }).run();");
        assert_eq!((found.within, found.around), (Some(call("virtio_blk", 1)), Around::Key(vec!["ro".into()])));
        let found = at("bhyve(#{ name: \"a\", slots: #{ \"3\": vir@");
        assert_eq!(
            (found.within, found.around, found.keys),
            (Some(call("bhyve", 0)), Around::Value, vec!["slots".into(), "3".into()])
        );
        let found = at("let a = bhyve(#{ na@\nlet b = 1;");
        assert_eq!((found.within, found.around), (Some(call("bhyve", 0)), Around::Key(vec![])));
        assert_eq!(at("guest::deb@").around, Around::Module("guest".into()));
        assert_eq!(at("20.@").around, Around::Member(Of::Number));
        assert_eq!(at("vm.@").around, Around::Member(Of::Value));
        assert_eq!(at("vm.serial.ex@").around, Around::Member(Of::Part("serial")));
        assert_eq!(at("let serial = 1; serial.@").around, Around::Member(Of::Value));
        assert_eq!(at("tap(\"ta@").around, Around::Text(5, "ta".into()));
        assert_eq!(at("// tap(@").around, Around::Comment);
        let found = at("print(`${f(1, @");
        assert_eq!(found.within, Some(call("f", 1)));
        let found = at("tap(\nlet x = @");
        assert_eq!((found.within, found.around), (None, Around::Value));
        let found = at("vm.slot(4, @)");
        assert_eq!(found.within.map(|call| (call.name, call.is_method, call.argument)), Some(("slot".into(), true, 1)));
        let found = at("if init { tru@ }");
        assert_eq!((found.begun, found.around), (10..13, Around::Value));
    }

    #[test]
    fn what_stands_behind_something_put_in_has_no_quote() {
        assert_eq!(at("print(`${n}@").around, Around::Text(11, String::new()));
        assert_eq!(at("print(`${n}ä@").around, Around::Text(11, "ä".into()));
        assert_eq!(at("print(`${n}${m}ab@").around, Around::Text(15, "ab".into()));
        assert_eq!(at("print(`a${n}`, `@").around, Around::Text(16, String::new()));
        assert_eq!(at("print(`${n}@").within, Some(call("print", 0)));
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_is_one(text in "([a-z.,:;{}()#$`\"|=\n ]|\\PC){0,60}", at in 0_usize..90) {
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let found = cursor(&text, at);
            prop_assert!(found.begun.end == at && text.get(found.begun).is_some());
        }
    }
}

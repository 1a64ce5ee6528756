//! Rhai's text, laid out: what fits stands in one line, what does not is broken at its outermost map or list.

/// How wide a line may be, in characters.
const WIDTH: usize = 110;

/// How much further each nesting is indented.
const STEP: usize = 4;

/// A part of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A text that is not broken.
    Text(String),
    /// A call: what stands before its arguments, the arguments, and what stands after them.
    Call(String, Vec<Self>, &'static str),
    /// Values in brackets, a line each where they are too long for one.
    List(Vec<Self>),
    /// A map: keys as they are written, and their values.
    Map(Vec<(String, Self)>),
}

impl Piece {
    /// Returns the text in one line.
    pub(super) fn flat(&self) -> String {
        let joined = |pieces: &[Self]| pieces.iter().map(Self::flat).collect::<Vec<_>>().join(", ");
        match self {
            Self::Text(text) => text.clone(),
            Self::Call(open, args, close) => format!("{open}({}){close}", joined(args)),
            Self::List(items) => format!("[{}]", joined(items)),
            Self::Map(entries) if entries.is_empty() => "#{}".into(),
            Self::Map(entries) => {
                let pairs: Vec<String> =
                    entries.iter().map(|(key, value)| format!("{key}: {}", value.flat())).collect();
                format!("#{{ {} }}", pairs.join(", "))
            }
        }
    }

    /// Returns the text where `before` characters stand in front of it and `after` behind it, in a line that is indented by
    /// `indent`.
    fn placed(&self, indent: usize, before: usize, after: usize) -> String {
        let flat = self.flat();
        if indent + before + flat.chars().count() + after <= WIDTH {
            return flat;
        }
        match self {
            Self::Text(_) => flat,
            Self::List(items) => broken("[", &filled(indent + STEP, items.iter().map(|item| ("", item))), indent, "]"),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.as_str(), value));
                broken("#{", &filled(indent + STEP, entries), indent, "}")
            }
            Self::Call(open, args, close) => {
                let Some((last, others)) = args.split_last() else { return flat };
                let mut text = format!("{open}(");
                others.iter().for_each(|other| text.extend([other.flat().as_str(), ", "]));
                let before = before + text.chars().count();
                format!("{text}{}){close}", last.placed(indent, before, after + 1 + close.len()))
            }
        }
    }
}

fn broken(open: &str, inside: &str, indent: usize, close: &str) -> String {
    format!("{open}\n{inside}{:indent$}{close}", "")
}

/// Returns entries as lines that are as full as they may be, each entry with its comma. A key may be empty.
pub(super) fn filled<'a>(indent: usize, entries: impl Iterator<Item = (&'a str, &'a Piece)>) -> String {
    let (mut text, mut line) = (String::new(), String::new());
    for (key, value) in entries {
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        let placed = format!("{key}{},", value.placed(indent, key.chars().count(), 1));
        let fits = indent + line.chars().count() + 1 + placed.chars().count() <= WIDTH;
        if !line.is_empty() && (!fits || placed.contains('\n')) {
            text.push_str(&format!("{:indent$}{line}\n", ""));
            line.clear();
        }
        line += if line.is_empty() { "" } else { " " };
        line += &placed;
        if placed.contains('\n') {
            text.push_str(&format!("{:indent$}{line}\n", ""));
            line.clear();
        }
    }
    if !line.is_empty() {
        text.push_str(&format!("{:indent$}{line}\n", ""));
    }
    text
}

/// Returns a text as a Rhai string: nothing in it is interpolated.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '\t' => quoted += "\\t",
            '\r' => quoted += "\\r",
            c if c.is_control() => {
                quoted.push_str(&format!("\\U{:08x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// Words that Rhai keeps for itself, so that a key of such a name is quoted.
const RESERVED: &[&str] = &[
    "async",
    "await",
    "break",
    "case",
    "catch",
    "const",
    "continue",
    "default",
    "do",
    "else",
    "exit",
    "export",
    "false",
    "fn",
    "for",
    "global",
    "go",
    "goto",
    "if",
    "import",
    "in",
    "is",
    "let",
    "loop",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "shared",
    "spawn",
    "static",
    "super",
    "switch",
    "sync",
    "thread",
    "this",
    "throw",
    "true",
    "try",
    "until",
    "use",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// Returns a text as the key of a map.
pub(super) fn key(name: &str) -> String {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let is_identifier = starts && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_identifier && !RESERVED.contains(&name) { name.into() } else { quoted(name) }
}

/// Returns a remark as lines of comment, without a line break in any of them.
pub(super) fn comment(indent: usize, remark: &str) -> String {
    let clean: String = remark.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (mut text, mut line) = (String::new(), String::new());
    for word in clean.split_whitespace() {
        if !line.is_empty() && indent + 3 + line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&format!("{:indent$}// {line}\n", ""));
            line.clear();
        }
        line += if line.is_empty() { "" } else { " " };
        line += word;
    }
    text.push_str(&format!("{:indent$}// {line}\n", ""));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[test]
    fn what_does_not_fit_is_broken_at_its_outermost_map() {
        let long = || text(&"x".repeat(60));
        let map = Piece::Map(vec![("a".into(), long()), ("b".into(), text("1")), ("c".into(), long())]);
        let call = Piece::Call("f".into(), vec![text("p"), map], "");
        let x = "x".repeat(60);
        assert_eq!(
            filled(4, [("\"4\"", &call)].into_iter()),
            format!("    \"4\": f(p, #{{\n        a: {x}, b: 1,\n        c: {x},\n    }}),\n")
        );
        assert_eq!(filled(0, [("a", &text("1")), ("b", &text("2"))].into_iter()), "a: 1, b: 2,\n");
        assert_eq!(Piece::Map(Vec::new()).flat(), "#{}");
    }

    #[test]
    fn strings_and_keys_are_safe() {
        assert_eq!(quoted("a\\b\"${x}`\n\u{1b}"), r#""a\\b\"${x}`\n\U0000001b""#);
        assert_eq!([key("sync"), key("tcp"), key("a.b"), key("")], ["\"sync\"", "tcp", "\"a.b\"", "\"\""]);
        assert_eq!(comment(2, "a\nb"), "  // a b\n");
    }
}

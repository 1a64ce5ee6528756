//! What people write who know other languages: what stands where a text does not parse or a name is unknown, and what a
//! recipe has in its place.
//!
//! Rhai says what it expected. The tables here say what was meant: [`syntax`] of a text that does not parse, [`name`] of a
//! variable that nothing has, [`literal`] of a text that parses and hardly says what it should.

mod kinds;
mod names;
mod seen;
mod texts;

use super::source;
use crate::diag::{Fault, Source};
pub(super) use kinds::kind;
use names::WORDS;
pub(super) use names::name;
use rhai::{ParseError, ParseErrorType};
use seen::Seen;
pub(super) use texts::{interpolated, literal, of_shell, path};

/// What is said where nothing better is known.
const MANUAL: &str = "a recipe is Rhai: https://rhai.rs/book";

/// Something that people write.
struct Habit {
    /// Returns what is written there, if it is this.
    finds: fn(&Seen<'_>) -> Option<String>,
    /// The fault, with `{}` for what is written; Rhai's own words if it is empty.
    message: &'static str,
    /// What to write, with `{}` for what is written.
    hint: &'static str,
}

const HABITS: [Habit; 48] = [
    Habit {
        finds: |seen| seen.rest().starts_with("#!").then(|| seen.line_from().trim_end().into()),
        message: "`{}` has to be at the very beginning of the file",
        hint: "move it there, with no blank, no line and no mark of UTF-8 before it, or remove it",
    },
    Habit {
        finds: |seen| seen.rest().starts_with('#').then(|| seen.line_from().trim_start_matches('#').trim().into()),
        message: "`#` begins no comment",
        hint: "// {}",
    },
    Habit { finds: |seen| seen.quoted('\'', '\''), message: "a text stands in double quotes", hint: "\"{}\"" },
    Habit {
        finds: |seen| seen.quoted('“', '”').or_else(|| seen.quoted('„', '“')).or_else(|| seen.quoted('‘', '’')),
        message: "a text stands in straight quotes",
        hint: "\"{}\"",
    },
    Habit {
        finds: |seen| seen.first().filter(|c| "“”„‟‘’‚‛«»″′".contains(*c)).map(String::from),
        message: "a text stands in straight quotes, and `{}` is none",
        hint: "write \"",
    },
    Habit {
        finds: |seen| seen.first().filter(|c| c.is_whitespace()).map(code),
        message: "there is a blank here that is none of the keyboard: {}",
        hint: "replace it by a space; it often comes along when text is copied",
    },
    Habit {
        finds: |seen| seen.first().filter(|c| is_invisible(*c)).map(code),
        message: "there is an invisible character here: {}",
        hint: "delete it; it often comes along when text is copied",
    },
    Habit {
        finds: |seen| seen.first().filter(|c| "–—−‐‑".contains(*c)).map(String::from),
        message: "`{}` is no minus sign",
        hint: "write -",
    },
    Habit { finds: |seen| seen.with_unit(), message: "a number has no letters", hint: "write {}" },
    Habit {
        finds: |seen| seen.key_that_is_a_number(),
        message: "a key of a map that begins with a digit stands in quotes",
        hint: "\"{}\": …",
    },
    Habit {
        finds: |seen| (seen.rest().starts_with(':') && seen.opens_like_a_map()).then(String::new),
        message: "a map begins with `#{`",
        hint: "#{ name: \"lab\" }",
    },
    Habit {
        finds: |seen| (seen.rest().starts_with('=') && seen.says.contains("object map")).then(String::new),
        message: "a key and its value stand with `:` between them",
        hint: "#{ name: \"lab\" }",
    },
    Habit {
        finds: |seen| (seen.rest().starts_with(';') && seen.says.contains("object map")).then(String::new),
        message: "the pairs of a map stand with `,` between them",
        hint: "#{ name: \"lab\", cpus: 2 }",
    },
    Habit {
        finds: |seen| seen.key_of_a_call().filter(|_| seen.begins_with("fn ")),
        message: "a parameter has a name alone",
        hint: "fn {}(a, b) { … }",
    },
    Habit {
        finds: |seen| seen.key_of_a_call(),
        message: "what a call takes by name stands in a map",
        hint: "{}(#{ name: \"lab\" })",
    },
    Habit {
        finds: |seen| {
            let is_block = ["if ", "for ", "while ", "else", "} else", "def ", "fn "];
            let line = seen.line().trim();
            (seen.rest().starts_with(':') && is_block.iter().any(|word| line.starts_with(word))).then(|| line.into())
        },
        message: "what belongs together stands in braces, not behind a `:`",
        hint: "if init { … }",
    },
    Habit {
        finds: |seen| seen.rest().starts_with("else").then(String::new),
        message: "an `else` stands behind the `}` of its `if`",
        hint: "if init { … } else { … }",
    },
    Habit {
        finds: |seen| (seen.word() == "new").then(String::new),
        message: "`new` is no word of recipes",
        hint: "a call makes a value by itself: bhyve(#{ … })",
    },
    Habit {
        finds: |seen| seen.called_without_parentheses(&["print", "debug"], seen.word()),
        message: "what is called stands before its arguments in parentheses",
        hint: "{}(…);",
    },
    Habit {
        finds: |seen| seen.word_of(&WORDS).map(|(word, ours)| format!("{word}|{ours}")),
        message: "`{}` is no word of recipes",
        hint: "write `{}`",
    },
    Habit {
        finds: |seen| seen.rest().starts_with("++").then(|| seen.word_before().into()),
        message: "there is no operator `++`",
        hint: "{} += 1",
    },
    Habit {
        finds: |seen| seen.rest().starts_with('?').then(String::new),
        message: "there is no operator `?`",
        hint: "if init { 1 } else { 2 }",
    },
    Habit {
        finds: |seen| {
            let is_of_c = seen.says.contains("iteration variable") && seen.line().contains(';');
            (is_of_c || seen.says.contains("iterable value")).then(String::new)
        },
        message: "`for` goes through a list or a range",
        hint: "for n in 0..4 { … }",
    },
    Habit {
        finds: |seen| {
            seen.says.contains("name of a property").then(String::new).filter(|_| seen.rest().starts_with('"'))
        },
        message: "texts are put together by `+`",
        hint: "\"a\" + \"b\", or `a ${b}` in backticks",
    },
    Habit {
        finds: |seen| {
            let is_other = [":", "=="].iter().any(|mark| seen.rest().starts_with(mark)) && seen.begins_with("let ");
            (is_other || seen.rest().starts_with(":=")).then(String::new)
        },
        message: "a variable gets its value by `=`",
        hint: "let name = …;",
    },
    Habit {
        finds: |seen| seen.says.contains("escape sequence").then(String::new),
        message: "",
        hint: r#"known are \n, \t, \r, \", \\, \x1b and \u263a; a backslash that is meant stands twice"#,
    },
    Habit {
        finds: |seen| seen.says.contains("not terminated").then(String::new),
        message: "",
        hint: "a text ends with \" on its line; one of several lines stands in backticks: `…`",
    },
    Habit { finds: |seen| seen.path(), message: "a path stands in double quotes", hint: "\"{}\"" },
    Habit {
        finds: |seen| seen.line_from().strip_prefix("~/").map(|rest| until_mark(rest).into()),
        message: "a path stands in quotes, and only a shell reads `~`",
        hint: "`${env(\"HOME\")}/{}` in backticks",
    },
    Habit {
        finds: |seen| seen.rest().strip_prefix('$').map(|rest| until_mark(rest.trim_start_matches('{')).into()),
        message: "`$` is for a shell: a variable stands by its name alone",
        hint: "write {}",
    },
    Habit {
        finds: |seen| {
            seen.rest().starts_with("->").then(|| seen.word_before().into()).filter(|_| !seen.begins_with("fn "))
        },
        message: "what a value has and can do stands behind a `.`",
        hint: "{}.…",
    },
    Habit {
        finds: |seen| seen.rest().starts_with("->").then(String::new),
        message: "a function does not say what it returns",
        hint: "fn name(a, b) { … }",
    },
    Habit {
        finds: |seen| seen.says.contains("typo of '=='").then(String::new),
        message: "two values are compared by `==`",
        hint: "if a == b { … }",
    },
    Habit {
        finds: |seen| seen.says.contains("start a statement block").then(String::new),
        message: "what belongs together stands in braces",
        hint: "if init { … }",
    },
    Habit {
        finds: |seen| seen.says.contains("parameters for function").then(|| seen.word_before().into()),
        message: "",
        hint: "fn {}(a, b) { … }",
    },
    Habit {
        finds: |seen| (seen.rest().starts_with('-') && seen.begins_with("let ")).then(|| seen.name_with_dashes()),
        message: "a name has letters, digits and `_`",
        hint: "let {} = …;",
    },
    Habit {
        finds: |seen| (seen.says.contains("for a matching (") && seen.rest().starts_with(',')).then(String::new),
        message: "a list stands in square brackets",
        hint: "[1, 2]",
    },
    Habit {
        finds: |seen| {
            let is_next = seen.lacks && seen.rest().starts_with(',');
            let is_list = seen.says.contains("name of a variable") && seen.rest().starts_with(['(', '[', '{']);
            (seen.begins_with("let ") && (is_next || is_list)).then(String::new)
        },
        message: "each variable has a `let` of its own",
        hint: "let a = 1; let b = 2;",
    },
    Habit {
        finds: |seen| seen.says.contains("name of a variable").then(String::new),
        message: "",
        hint: "a name begins with a letter or `_`; letters, digits and `_` follow",
    },
    Habit {
        finds: |seen| {
            (seen.rest().starts_with('"') && seen.before().ends_with(['f', 'F']))
                .then(|| seen.word_before().into())
                .filter(|word: &String| word.len() == 1)
        },
        message: "values are put into a text in backticks",
        hint: "`a ${b}`",
    },
    Habit {
        finds: |seen| (seen.lacks && seen.begins_with("import ")).then(String::new),
        message: "what is imported has its name behind `as`",
        hint: "import \"std/guest\" as guest;",
    },
    Habit {
        finds: |seen| (seen.lacks && !seen.begins_a_line() && seen.word() == "if").then(String::new),
        message: "a condition stands before what it is for",
        hint: "if init { … }",
    },
    Habit { finds: |seen| seen.not_closed(), message: "{} is not closed", hint: "close it by `{}`" },
    Habit {
        finds: |seen| seen.closes_nothing(),
        message: "this `{}` closes nothing",
        hint: "remove it, or open before it what it closes",
    },
    Habit {
        finds: |seen| seen.says.contains("to separate the ").then(String::new),
        message: "there is no `,` before this",
        hint: "what stands in brackets has a `,` between each two",
    },
    Habit {
        finds: |seen| seen.says.starts_with("Unexpected ';'").then(String::new),
        message: "a value is missing before this `;`",
        hint: "write it, or remove the operator before it",
    },
    Habit {
        finds: |seen| seen.called_without_parentheses(&[], seen.word_before()).filter(|_| seen.is_argument()),
        message: "what is called stands before its arguments in parentheses",
        hint: "{}(…);",
    },
    Habit {
        finds: |seen| (seen.lacks && seen.begins_a_line()).then(String::new),
        message: "the statement before this one lacks its `;`",
        hint: "end each statement with `;`",
    },
];

/// Returns the fault of a text that does not parse.
pub(crate) fn syntax(error: &ParseError, source: &Source) -> Fault {
    if let Some((what, hint)) = kind(&source.text) {
        let name = if source.name.is_empty() { "FILE" } else { source.name.as_str() };
        return Fault::new(format!("this is {what} and no recipe")).hint(hint.replace("{}", name));
    }
    let text = source.text.as_str();
    let at = source::offset(text, error.position()).unwrap_or(text.len());
    let lacks = matches!(error.err_type(), ParseErrorType::MissingToken(..));
    let seen = Seen { text, at, says: error.err_type().to_string(), lacks };
    let found = HABITS.iter().find_map(|habit| Some((habit, (habit.finds)(&seen)?)));
    let Some((Habit { message, hint, .. }, written)) = found else { return Fault::new(seen.says).hint(MANUAL) };
    let (theirs, ours) = written.split_once('|').unwrap_or((&written, &written));
    let message = if message.is_empty() { seen.says.clone() } else { message.replace("{}", theirs) };
    Fault::new(message).hint(hint.replace("{}", ours))
}

/// The part of a line that a path or a name takes: up to a blank or a mark that ends an argument.
fn until_mark(text: &str) -> &str {
    text.split(|c: char| c.is_whitespace() || "\"'`;,()[]{}".contains(c)).next().unwrap_or_default()
}

fn is_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Characters without a width: of the zero-width ones and marks of order those that editors let through.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{ad}')
}

fn code(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_panics(text in "([“”'\"`#{}:;=?ä\u{a0}\u{feff} \n0-9]|G|let |not |if |\\$\\{|\\\\n){0,12}|.*") {
            let _ = kind(&text);
            let _ = literal(&text, &|_| true);
            if let Err(error) = crate::script::bare_engine().compile(&text) {
                let _ = syntax(&error, &Source { name: "t".into(), text });
            }
        }
    }
}

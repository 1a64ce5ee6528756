//! What people write who know other languages: what stands where a text does not parse or a name is unknown, and what a
//! recipe has in its place.
//!
//! Rhai says what it expected. The tables here say what was meant: [`syntax`] of a text that does not parse, [`name`] of a
//! variable that nothing has, [`literal`] of a text that parses and hardly says what it should.

use super::source;
use crate::diag::{Fault, Source};
use crate::vmbhyve::keys;
use rhai::{ParseError, ParseErrorType};

/// What is said where nothing better is known.
const MANUAL: &str = "a recipe is Rhai: https://rhai.rs/book";

/// A text at the place at which it does not parse.
struct Seen<'a> {
    /// The whole text.
    text: &'a str,
    /// The byte at fault.
    at: usize,
    /// What the parser says.
    says: String,
    /// Whether it was about something that is missing before the place.
    lacks: bool,
}

/// Something that people write.
struct Habit {
    /// Returns what is written there, if it is this.
    finds: fn(&Seen<'_>) -> Option<String>,
    /// The fault, with `{}` for what is written; Rhai's own words if it is empty.
    message: &'static str,
    /// What to write, with `{}` for what is written.
    hint: &'static str,
}

/// Whether a text is a file of some kind, what that is, and how it becomes a recipe.
type FileKind = (fn(&str) -> bool, &'static str, &'static str);

/// Files of other kinds, which are wrong as a whole: each with what it is, and how it becomes a recipe.
const KINDS: [FileKind; 8] = [
    (is_shell, "a shell script", "`vmrun record -- sh {}` writes the recipe of what a script does"),
    (is_command, "a command line of bhyve", "`vmrun import {}` makes a recipe of it"),
    (is_vm_bhyve, "a guest of vm-bhyve", "`vmrun import {}` makes a recipe of it"),
    (is_config, "a configuration of bhyve", "`vmrun import {}` makes a recipe of it"),
    (|text| text.trim_start().starts_with('<'), "XML", "a recipe is made of calls: `vmrun words` lists them"),
    (is_json, "JSON", "a map of a recipe is `#{ name: \"lab\" }`; `vmrun words` lists the calls that take one"),
    (is_toml, "TOML", "a recipe is made of calls: `vmrun words` lists them"),
    (is_yaml, "YAML", "a recipe is made of calls: `vmrun words` lists them"),
];

const HABITS: [Habit; 23] = [
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
        finds: |seen| {
            let is_block = ["if ", "for ", "while ", "else", "} else", "def ", "fn "];
            let line = seen.line().trim();
            (seen.rest().starts_with(':') && is_block.iter().any(|word| line.starts_with(word))).then(|| line.into())
        },
        message: "what belongs together stands in braces, not behind a `:`",
        hint: "if init { … }",
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
        finds: |seen| (seen.says.contains("iteration variable") && seen.line().contains(';')).then(String::new),
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
        finds: |seen| (seen.line().trim_start().starts_with("let ") && seen.rest().starts_with(':')).then(String::new),
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
    Habit {
        finds: |seen| (seen.lacks && seen.begins_a_line()).then(String::new),
        message: "the statement before this one lacks its `;`",
        hint: "end each statement with `;`",
    },
];

/// Words of other languages, with what a recipe has in their place.
const WORDS: [(&str, &str); 15] = [
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("elif", "else if"),
    ("elsif", "else if"),
    ("elseif", "else if"),
    ("def", "fn"),
    ("func", "fn"),
    ("function", "fn"),
    ("var", "let"),
    ("then", "{ … }"),
    ("null", "()"),
    ("nil", "()"),
    ("match", "switch"),
    ("case", "switch"),
];

/// Names of other languages, with what a recipe has in their place.
const NAMES: [(&str, &str); 20] = [
    ("True", "true"),
    ("TRUE", "true"),
    ("yes", "true"),
    ("Yes", "true"),
    ("YES", "true"),
    ("on", "true"),
    ("On", "true"),
    ("ON", "true"),
    ("False", "false"),
    ("FALSE", "false"),
    ("no", "false"),
    ("No", "false"),
    ("NO", "false"),
    ("off", "false"),
    ("Off", "false"),
    ("OFF", "false"),
    ("None", "()"),
    ("nil", "()"),
    ("NULL", "()"),
    ("undefined", "()"),
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

/// Returns what a text is that is no recipe at all, and how it becomes one. Asked only of what does not parse.
pub(super) fn kind(text: &str) -> Option<(&'static str, &'static str)> {
    KINDS.iter().find(|(is, ..)| is(text)).map(|(_, what, hint)| (*what, *hint))
}

/// Returns what a recipe has in place of a name that it does not know.
pub(super) fn name(name: &str) -> Option<String> {
    let (_, ours) = NAMES.iter().find(|(theirs, _)| *theirs == name)?;
    Some(format!("write `{ours}`"))
}

/// Returns what is wrong with a text that is written out, with the quotes around it: it parses, and stays as it is.
pub(super) fn literal(written: &str, is_known: &dyn Fn(&str) -> bool) -> Option<Fault> {
    let inside = written.get(1..written.len().max(2) - 1)?;
    match written.chars().next()? {
        '"' => {
            let name = interpolated(inside).find(|name| is_known(name))?;
            let fault = Fault::new(format!("`${{{name}}}` stays in this text as it is"));
            Some(fault.hint(format!("a text in backticks puts the value in: `{inside}`")))
        }
        '`' => {
            let escape = ["\\n", "\\t", "\\r"].into_iter().find(|escape| is_bare(inside, escape))?;
            let fault = Fault::new(format!("`{escape}` stays in a text in backticks as it is"));
            Some(fault.hint("write the text in double quotes, or break the line where it should break"))
        }
        _ => None,
    }
}

/// Returns what is wrong with a path that is written as for a shell, or with a value that was to be put in.
pub(super) fn path(text: &str) -> Option<Fault> {
    if let Some(rest) = text.strip_prefix("~/").or_else(|| (text == "~").then_some("")) {
        let fault = Fault::new(format!("the path {text:?} begins with `~`, which only a shell reads"));
        let hint = format!("write it whole: `${{env(\"HOME\")}}/{rest}` in backticks; a file of that name is ./{text}");
        return Some(fault.hint(hint));
    }
    let name = interpolated(text).next()?;
    let fault = Fault::new(format!("the path {text:?} has `${{{name}}}` in it as it is"));
    Some(fault.hint(format!("a text in backticks puts the value in: `{text}`")))
}

/// The names that stand as `${name}` in a text.
pub(super) fn interpolated(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        let name = name.split(['.', '[']).next().unwrap_or(name);
        (!name.is_empty() && name.chars().all(|c| c == '_' || c.is_alphanumeric())).then_some(name)
    })
}

/// Whether something stands in a text outside of quotes: what is in quotes is for another program, as in `printf 'a\n'`.
fn is_bare(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, _)| {
        let before = text[..at].rsplit('\n').next().unwrap_or_default();
        !before.ends_with('\\') && ['"', '\''].iter().all(|quote| before.matches(*quote).count() % 2 == 0)
    })
}

impl<'a> Seen<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn before(&self) -> &'a str {
        self.text.get(..self.at).unwrap_or_default()
    }

    fn first(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The line from the place on.
    fn line_from(&self) -> &'a str {
        self.rest().lines().next().unwrap_or_default()
    }

    /// The whole line.
    fn line(&self) -> &'a str {
        let start = self.before().rfind('\n').map_or(0, |end| end + 1);
        self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
    }

    fn begins_a_line(&self) -> bool {
        let before = self.before();
        before.contains('\n') && before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
    }

    /// The word at the place.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())]
    }

    /// The word before the place.
    fn word_before(&self) -> &'a str {
        let before = self.before().trim_end();
        &before[before
            .rfind(|c: char| !is_part(c))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..]
    }

    /// The word at the place, or before it, if a table has it.
    fn word_of(&self, table: &[(&'static str, &'static str)]) -> Option<(&'static str, &'static str)> {
        let row = |word: &str| table.iter().find(|(theirs, _)| *theirs == word).copied();
        row(self.word()).or_else(|| row(self.word_before()))
    }

    /// What stands between two quotes from the place on, on its line.
    fn quoted(&self, open: char, close: char) -> Option<String> {
        let rest = self.line_from().strip_prefix(open)?;
        rest.split_once(close).map(|(inside, _)| inside.to_string())
    }

    /// A number with a unit, `2G`, at whose letters the parser is.
    fn with_unit(&self) -> Option<String> {
        let number = self.word_before();
        let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if !is_number || !self.before().ends_with(number) {
            return None;
        }
        let unit = match self.word().to_ascii_lowercase().as_str() {
            "k" | "kb" | "kib" => "KiB",
            "m" | "mb" | "mib" => "MiB",
            "g" | "gb" | "gib" => "GiB",
            "t" | "tb" | "tib" => "TiB",
            _ => return None,
        };
        Some(format!("{number}.{unit}"))
    }

    /// A key of a map that is a number or begins with one: `5:`, `5:0:`.
    fn key_that_is_a_number(&self) -> Option<String> {
        let is_map = self.says.contains("object map") || self.says.contains("name of a property");
        let rest = self.line_from();
        let key = rest.trim_start().split([' ', '"', ',', '}']).next()?.strip_suffix(':')?;
        (is_map && key.starts_with(|c: char| c.is_ascii_digit())).then(|| key.to_string())
    }

    /// Whether what is open begins with a brace that is no map's and holds a key: `{ name:`.
    fn opens_like_a_map(&self) -> bool {
        let before = self.before().trim_end();
        let key = before.rsplit(['{', '(', ',']).next().unwrap_or_default().trim();
        let brace = before[..before.len() - key.len()].trim_end();
        let key = key.trim_matches('"');
        !key.is_empty() && key.chars().all(is_part) && brace.ends_with('{') && !brace.ends_with("#{")
    }
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

/// The lines of a text that say something, without those that are comments of a shell or of YAML.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
}

fn is_shell(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    let by = first.strip_prefix("#!").and_then(|rest| rest.split(['/', ' ']).rfind(|word| !word.is_empty()));
    if by.is_some_and(|by| by.ends_with("sh")) {
        return true;
    }
    let words = |line: &'_ str| line.trim().to_string();
    lines(text).map(words).any(|line| {
        matches!(line.as_str(), "fi" | "done" | "esac" | "then" | "do" | "set -e" | "set -eu" | "set -u")
            || line.ends_with("; then")
            || line.ends_with("; do")
            || line.starts_with("export ") && line.contains('=')
            || is_called(
                &line,
                &["truncate", "ifconfig", "sysctl", "kldload", "zfs", "qemu-img", "bhyveload", "bhyvectl"],
            )
    })
}

/// Whether a line calls one of the programs as a shell does: with a word or an option behind a blank.
fn is_called(line: &str, programs: &[&str]) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| ["sudo", "doas", "exec"].contains(word));
    let program = words.next().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    let begins = |word: &str| word.starts_with(|c: char| c == '-' || c.is_ascii_alphanumeric() || c == '$');
    programs.contains(&program) && words.next().is_some_and(begins) && !line.contains('(')
}

fn is_command(text: &str) -> bool {
    lines(text).next().is_some_and(|line| is_called(line, &["bhyve"]))
}

/// The keys of a text whose lines all are `key=value`.
fn assigned(text: &str) -> Option<Vec<&str>> {
    let key = |line: &'_ str| line.split_once('=').map(|(key, _)| key.trim_end().len());
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| is_part(c) || ".-".contains(c));
    let keys: Option<Vec<&str>> = lines(text).map(|line| line.get(..key(line)?)).collect();
    keys.filter(|keys| !keys.is_empty() && keys.iter().all(|key| is_key(key)) && !text.contains(';'))
}

fn is_vm_bhyve(text: &str) -> bool {
    assigned(text).is_some_and(|keys| keys.iter().filter(|key| keys::find(key).is_some()).count() * 2 > keys.len())
}

fn is_config(text: &str) -> bool {
    assigned(text).is_some_and(|keys| keys.iter().any(|key| key.contains('.')))
}

fn is_json(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('{') && text[1..].trim_start().starts_with('"') || text.starts_with("[{")
}

fn is_toml(text: &str) -> bool {
    let is_name = |line: &str| line.trim_start_matches('[').starts_with(|c: char| c.is_ascii_alphabetic());
    let is_table =
        |line: &str| line.starts_with('[') && is_name(line) && line.ends_with(']') && !line.contains([',', '"']);
    lines(text).any(is_table) && lines(text).all(|line| is_table(line) || line.contains('=')) && !text.contains(';')
}

fn is_yaml(text: &str) -> bool {
    let is_line = |line: &str| {
        let line = line.trim_start();
        let pair = line.trim_start_matches("- ").split_once(':');
        let is_pair = pair.is_some_and(|(key, value)| {
            key.chars().all(|c| is_part(c) || "-. \"'".contains(c)) && (value.is_empty() || value.starts_with(' '))
        });
        line == "---" || line.starts_with("- ") || is_pair
    };
    lines(text).next().is_some() && lines(text).all(|line| is_line(line) && !line.ends_with([';', '{', '(', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_of_other_kinds_are_known() {
        let what = |text: &str| kind(text).map(|(what, _)| what);
        assert_eq!(what("#!/usr/bin/env bash\nx\n"), Some("a shell script"));
        assert_eq!(what("if [ -e /x ]; then\n\techo\nfi\n"), Some("a shell script"));
        assert_eq!(what("ifconfig tap0 create\n"), Some("a shell script"));
        assert_eq!(what("# mine\nbhyve -c 1 vm\n"), Some("a command line of bhyve"));
        assert_eq!(what("loader=\"uefi\"\ncpu=2\n"), Some("a guest of vm-bhyve"));
        assert_eq!(what("cpus=2\nmemory.size=1G\n"), Some("a configuration of bhyve"));
        assert_eq!(what("<domain type='bhyve'>\n"), Some("XML"));
        assert_eq!(what("{\n  \"name\": \"lab\"\n}\n"), Some("JSON"));
        assert_eq!(what("[machine]\nname = \"lab\"\n"), Some("TOML"));
        assert_eq!(what("---\nname: lab\ndisks:\n  - /vm/a\n"), Some("YAML"));
        for text in
            ["", "tap(\"a\"\n", "let a = 1\nlet b = 2\n", "let disk: \"/vm/a\";\n", "[1]\n", "a = 1;\nb.c = 2\n"]
        {
            assert_eq!(what(text), None, "{text}");
        }
    }

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

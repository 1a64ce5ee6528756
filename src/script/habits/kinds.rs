//! Files of other kinds than recipes: a script of a shell, a configuration, YAML.

use super::is_part;
use crate::vmbhyve::keys;

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

/// Returns what a text is that is no recipe at all, and how it becomes one. Asked only of what does not parse.
pub(in crate::script) fn kind(text: &str) -> Option<(&'static str, &'static str)> {
    KINDS.iter().find(|(is, ..)| is(text)).map(|(_, what, hint)| (*what, *hint))
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
            || text.contains('$') && is_set(&line)
            || is_called(
                &line,
                &["truncate", "ifconfig", "sysctl", "kldload", "zfs", "qemu-img", "bhyveload", "bhyvectl"],
            )
    })
}

/// Whether a line sets a variable of a shell: `NAME=value`, which has no blank and no end.
fn is_set(line: &str) -> bool {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_uppercase() || c.is_ascii_digit());
    let value = line.split_once('=').filter(|(name, _)| is_name(name)).map(|(_, value)| value);
    value.is_some_and(|value| !value.starts_with([' ', '=']) && !value.ends_with([';', '{', '(', ',']))
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

    #[test]
    fn files_of_other_kinds_are_known() {
        let what = |text: &str| kind(text).map(|(what, _)| what);
        assert_eq!(what("#!/usr/bin/env bash\nx\n"), Some("a shell script"));
        assert_eq!(what("if [ -e /x ]; then\n\techo\nfi\n"), Some("a shell script"));
        assert_eq!(what("ifconfig tap0 create\n"), Some("a shell script"));
        assert_eq!(what("NAME=web\nMEM=2G\nbhyve -m $MEM $NAME\n"), Some("a shell script"));
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
}

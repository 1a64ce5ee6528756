//! Every command line of vmrun and every word of recipes that a message, a help text or the README names is one that there is.

use super::{Cli, with_run};
use clap::CommandFactory;
use clap::error::ErrorKind;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Returns the texts in which people are told something, without the comments of code.
fn texts() -> Vec<(String, String)> {
    fn below(path: &Path, found: &mut Vec<(String, String)>) {
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|entry| below(&entry.unwrap().path(), found));
            return;
        }
        let Ok(text) = fs::read_to_string(path) else { return };
        let is_code = path.extension().is_some_and(|kind| kind == "rs");
        let is_comment = |line: &&str| is_code && line.trim_start().starts_with("//") && !line.contains("/// ");
        let lines: String = text.lines().filter(|line| !is_comment(line)).flat_map(|line| [line, "\n"]).collect();
        // A text of code goes on at the beginning of the next line.
        let mut parts = lines.split("\\\n");
        let first = parts.next().unwrap_or_default().to_string();
        let joined = parts.fold(first, |text, part| text + part.trim_start()).replace("\\\"", "\"");
        found.push((path.display().to_string(), joined));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for name in ["src", "stdlib", "recipes", "docs", "README.md"] {
        below(&root.join(name), &mut found);
    }
    found
}

/// Returns what stands in backticks in one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Returns the command lines that a message writes in one: with each of the parts in brackets, which may be left out.
fn written(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" | ").next().unwrap_or_default().replace('\'', "");
    let word = |word: &str| match word {
        "…" => "x".into(),
        // By its letters it would be a command that is misspelt.
        "RECIPE" => "x.rhai".into(),
        word => word.replace("{}", "x"),
    };
    let words = |text: &str| text.split_whitespace().map(word).collect::<Vec<String>>();
    let (mut always, mut parts) = (String::new(), vec![String::new()]);
    for (at, piece) in line.split(['[', ']']).enumerate() {
        if at % 2 == 0 { always += piece } else { parts.push(piece.into()) }
    }
    parts.iter().map(|part| [words(&always), words(part)].concat()).collect()
}

/// Returns why a command line is none of vmrun's; nothing if it is one, or only the name of a command.
fn fault(line: &str) -> Option<String> {
    written(line).into_iter().find_map(|words| fault_of(line, words))
}

fn fault_of(line: &str, words: Vec<String>) -> Option<String> {
    // Several commands at once: `vmrun network up|down`, `vmrun netboot …`.
    if words[1..].iter().any(|word| word.contains('|'))
        || words.get(2).is_some_and(|word| word == "x") && words.len() == 3
    {
        return None;
    }
    let command = Cli::command();
    let mut named = Some(&command);
    for word in &words[1..] {
        named = named.and_then(|command| command.find_subcommand(word));
    }
    if named.is_some() {
        return None;
    }
    let error = command.clone().try_get_matches_from(with_run(words, &command)).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        // A word that stands for a value is no value.
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => None,
        // An option is named; a line with names filled in is one to be typed.
        ErrorKind::MissingRequiredArgument if !line.contains('{') => None,
        kind => Some(format!("{line}: {kind:?}")),
    }
}

#[test]
fn every_command_line_that_is_named_is_one_of_vmrun() {
    let mut lines = BTreeSet::new();
    for (_, text) in texts() {
        lines.extend(quoted(&text).filter(|line| line.starts_with("vmrun ")).map(String::from));
    }
    assert!(lines.len() > 100, "{}", lines.len());
    let faults: Vec<String> = lines.iter().filter_map(|line| fault(line)).collect();
    assert_eq!(faults, [""; 0]);
}

/// Returns the words of a command line as a shell has them, as far as documents need it: quotes, and comments.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Returns the command lines of vmrun that a document has in blocks of sh and in transcripts, where they are typed as they stand.
fn typed(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut kind = None;
    for line in text.replace("\\\n", "").lines() {
        if let Some(opened) = line.strip_prefix("```") {
            kind = if kind.is_none() { Some(opened.to_string()) } else { None };
            continue;
        }
        let line = match kind.as_deref() {
            Some("sh") => line,
            Some("console") => line.strip_prefix("# ").unwrap_or_default(),
            _ => continue,
        };
        let words = shell_words(line);
        let commands = words.split(|word| ["|", "&&", ";", "||"].contains(&word.as_str()));
        // A command that another host is told stands behind that.
        let ours = commands.map(|words| match words {
            [ssh, _, rest @ ..] if ssh == "ssh" => rest,
            words => words,
        });
        found.extend(ours.filter(|words| words.first().is_some_and(|word| word == "vmrun")).map(<[String]>::to_vec));
    }
    found
}

#[test]
fn every_command_line_that_a_document_has_to_be_typed_is_one_of_vmrun() {
    let command = Cli::command();
    let mut count = 0;
    let mut faults = Vec::new();
    let is_document = |path: &str| Path::new(path).extension().is_some_and(|kind| kind == "md");
    for (path, text) in texts().into_iter().filter(|(path, _)| is_document(path)) {
        for words in typed(&text) {
            count += 1;
            let line = words.join(" ");
            let error = command.clone().try_get_matches_from(with_run(words, &command)).err();
            let is_wrong =
                |error: &clap::Error| !matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            faults.extend(error.filter(is_wrong).map(|error| format!("{path}: {line}: {:?}", error.kind())));
        }
    }
    assert_eq!(faults, [""; 0]);
    assert!(count >= 50, "{count}");
}

#[test]
fn a_command_line_to_be_typed_is_read_as_a_shell_does() {
    let text = "```sh\nvmrun type a 'x y' # why\nls && vmrun list\nvmrun plan a.rhai \\\n    --init\n```\n`vmrun no`\n\
                ```console\n# vmrun stop a\nvmrun: a is down\n```\n```text\nvmrun none\n```\n```sh\nssh b vmrun export a - | vmrun import -\n```\n";
    let lines: Vec<String> = typed(text).iter().map(|words| words.join("|")).collect();
    let all = [
        "vmrun|type|a|x y",
        "vmrun|list",
        "vmrun|plan|a.rhai|--init",
        "vmrun|stop|a",
        "vmrun|export|a|-",
        "vmrun|import|-",
    ];
    assert_eq!(lines, all);
}

#[test]
fn a_command_line_that_is_none_is_found() {
    for (line, wrong) in [
        ("vmrun stop NAME", false),
        ("vmrun logs", false),
        ("vmrun RECIPE [--init]", false),
        ("vmrun vnc {} --hosts ssh://HOST", false),
        ("vmrun stop NAME --at-once", true),
        ("vmrun lib pull", true),
        ("vmrun vnc --hosts {}", true),
        ("vmrun stop NAME… [--within TIME] [--bogus]", true),
        ("vmrun status one two", true),
    ] {
        assert_eq!(fault(line).is_some(), wrong, "{line}");
    }
}

#[test]
fn every_word_of_recipes_that_a_hint_names_is_one() {
    let of_tests = crate::script::check::test_words::TEST_WORDS.iter().map(|word| word.name);
    let known: Vec<&str> = crate::script::words::names().into_iter().chain(of_tests).collect();
    let library: String =
        texts().into_iter().filter(|(path, _)| path.contains("stdlib")).map(|(_, text)| text).collect();
    let mut unknown = BTreeSet::new();
    for (path, text) in texts() {
        if !path.contains("/src/") || path.ends_with("named.rs") {
            continue;
        }
        let hints =
            text.lines().filter(|line| line.contains("hint(") || line.contains("hint:") || line.contains("let hint"));
        for line in hints {
            for (at, _) in line.match_indices('(') {
                let name: String =
                    line[..at].chars().rev().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let name: String = name.chars().rev().collect();
                let before = line[..at - name.len()].chars().next_back();
                // `word(…)` in backticks, or at the beginning of a hint; a method or a function of code is neither.
                let is_text = matches!(before, Some('`' | '"'));
                let is_known = known.contains(&name.as_str()) || library.contains(&format!("fn {name}("));
                if is_text && !name.is_empty() && !is_known {
                    unknown.insert(format!("{path}: {name}"));
                }
            }
        }
    }
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), [""; 0]);
}

/// Nobody is told to let everybody in.
#[test]
fn no_message_proposes_a_screen_that_is_open() {
    let is_open = |text: &&str| {
        let is_of_host = text.contains("127.0.0.1") || text.contains("unix:") || text.contains("[::1]");
        text.starts_with("fbuf(#{") && text.contains(':') && !is_of_host && !text.contains("password")
    };
    for (path, text) in texts().into_iter().filter(|(path, _)| !path.contains("named.rs")) {
        let mut calls = text.match_indices("fbuf(#{").map(|(at, _)| text[at..].lines().next().unwrap_or_default());
        assert_eq!(calls.find(|call| call.contains("tcp: \"") && is_open(call)), None, "{path}");
    }
}

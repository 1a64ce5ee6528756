//! Commands and what FreeBSD 12.1 answered, as they stand in tests/fixtures/freebsd-12.1: README.md there says in which form.

use std::path::{Path, PathBuf};

/// What a line of a transcript did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Act {
    /// `$` or `%`: a command was run to its end.
    #[default]
    Run,
    /// `&`: a command was started and not waited for.
    Begin,
    /// `=`: one that had been started was waited for.
    Wait,
    /// `+`: something was done of which nothing was kept.
    Aside,
}

/// What was done, and what came of it. What differs from run to run stands as `{{KIND VALUE}}`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its line in the file, from 1.
    pub(crate) line: usize,
    /// How it was called, by the sign in front of it.
    pub(crate) act: Act,
    /// Whether an ordinary user ran it.
    pub(crate) is_nobodys: bool,
    /// The command as sh(1) had it; nothing of one that was waited for.
    pub(crate) command: String,
    /// What the file calls the process that was begun or waited for.
    pub(crate) id: String,
    /// Its exit status, as sh(1) sees it.
    pub(crate) status: i32,
    /// Its standard output.
    pub(crate) output: String,
    /// Its standard error.
    pub(crate) complaint: String,
}

/// A command that was run, and what came of it, as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// The command as sh(1) had it; of a process that was waited for `= ID`.
    pub(crate) command: String,
    /// Its exit status, as sh(1) sees it.
    pub(crate) status: i32,
    /// Its standard output.
    pub(crate) output: String,
    /// Its standard error.
    pub(crate) complaint: String,
}

impl Record {
    fn new(line: usize, act: Act, text: &str) -> Self {
        let text = text.strip_prefix(' ').unwrap_or(text).to_string();
        let mut record = Self { line, act, ..Self::default() };
        (record.id, record.command) = match act {
            Act::Begin => text.split_once(' ').map(|(id, command)| (id.into(), command.into())).unwrap_or_default(),
            Act::Wait => (text, String::new()),
            Act::Run | Act::Aside => (String::new(), text),
        };
        record
    }

    /// Returns the step that it is, if it is one, with what was there in the place of placeholders.
    fn step(self) -> Option<Step> {
        let command = match self.act {
            Act::Run => filled(&self.command),
            Act::Wait => format!("= {}", self.id),
            Act::Begin | Act::Aside => return None,
        };
        Some(Step { command, status: self.status, output: filled(&self.output), complaint: filled(&self.complaint) })
    }
}

/// Returns the folder of the files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/freebsd-12.1")
}

/// Reads the steps of a file.
pub(crate) fn steps(file: &str) -> Vec<Step> {
    records(file).into_iter().filter_map(Record::step).collect()
}

/// Reads all that was done in a file.
pub(crate) fn records(file: &str) -> Vec<Record> {
    read(&std::fs::read_to_string(folder().join(file)).unwrap())
}

fn read(text: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (sign, rest) = line.split_at(line.len().min(1));
        let is_cut = rest == ".";
        let act = match sign {
            "$" | "%" => Some(Act::Run),
            "&" => Some(Act::Begin),
            "=" => Some(Act::Wait),
            "+" => Some(Act::Aside),
            _ => None,
        };
        if let Some(act) = act {
            records.push(Record { is_nobodys: sign == "%", ..Record::new(at + 1, act, rest) });
            continue;
        }
        let Some(record) = records.last_mut() else { continue };
        match sign {
            "<" if is_cut => cut(&mut record.output),
            "!" if is_cut => cut(&mut record.complaint),
            "?" => record.status = rest.trim().parse().unwrap(),
            "<" => add(&mut record.output, rest),
            "!" => add(&mut record.complaint, rest),
            _ => {}
        }
    }
    records
}

/// Adds a line of output.
fn add(output: &mut String, line: &str) {
    let line = line.strip_prefix(' ').unwrap_or(line);
    let parts: Vec<String> = line.split("\\\\").map(|part| part.replace("\\r", "\r")).collect();
    *output += &parts.join("\\");
    output.push('\n');
}

/// Takes the end of the last line away.
fn cut(output: &mut String) {
    output.truncate(output.strip_suffix('\n').map_or(output.len(), str::len));
}

/// Puts what was there in the place of each `{{KIND VALUE}}`.
fn filled(text: &str) -> String {
    replaced(text, |words| match words.strip_prefix("pid ") {
        Some(pid) => pid.rsplit(' ').next().unwrap_or_default().to_string(),
        None => words.split_once(' ').map_or_else(String::new, |(_, value)| value.to_string()),
    })
}

/// Puts a text in the place of each `{{KIND VALUE}}`, from the innermost one, given what stands in its braces. JSON may end with `}}`.
pub(crate) fn replaced(text: &str, with: impl Fn(&str) -> String) -> String {
    let mut text = text.to_string();
    let mut from = 0;
    while let Some(end) = text[from..].find("}}").map(|at| from + at) {
        match text[..end].rfind("{{") {
            Some(begin) => {
                let value = with(&text[begin + 2..end]);
                text.replace_range(begin..end + 2, &value);
                from = begin;
            }
            None => from = end + 2,
        }
    }
    text
}

#[test]
fn a_step_is_read_as_it_was() {
    let text = "# a remark\n@ a state\n$ ps -p {{pid web 14}}\n? 1\n< a {{mac 0:1}} {{pid web {{pid web 14}}}}\\r\n< {\"a\": {\"b\": 1}}\n\
                <.\n! no\n& web bhyve web\n: {{pid web 14}}\n+ sleep 1\n% id\n? 0\n= web\n? 134\n";
    let step = |command: &str, status, output: &str, complaint: &str| Step {
        command: command.into(),
        status,
        output: output.into(),
        complaint: complaint.into(),
    };
    let first = step("ps -p 14", 1, "a 0:1 14\r\n{\"a\": {\"b\": 1}}", "no\n");
    let steps: Vec<Step> = read(text).into_iter().filter_map(Record::step).collect();
    assert_eq!(steps, [first, step("id", 0, "", ""), step("= web", 134, "", "")]);
    let begun = &read(text)[1];
    assert_eq!((begun.line, begun.act, begun.id.as_str(), begun.command.as_str()), (9, Act::Begin, "web", "bhyve web"));
    assert!(read(text)[3].is_nobodys && read(text)[2].act == Act::Aside);
}

//! Commands and what FreeBSD 12.1 answered, as they stand in tests/fixtures/freebsd-12.1: README.md there says in which form.

use std::path::{Path, PathBuf};

/// A command that was run, and what came of it.
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

/// Returns the folder of the files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/freebsd-12.1")
}

/// Reads the steps of a file.
pub(crate) fn steps(file: &str) -> Vec<Step> {
    read(&std::fs::read_to_string(folder().join(file)).unwrap())
}

/// Reads steps. What differs from run to run stands as it was.
fn read(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        let (sign, rest) = line.split_at(line.len().min(1));
        let is_cut = rest == ".";
        let rest = filled(rest.strip_prefix(' ').unwrap_or(rest));
        match (sign, steps.last_mut()) {
            ("<", Some(step)) if is_cut => cut(&mut step.output),
            ("!", Some(step)) if is_cut => cut(&mut step.complaint),
            ("$" | "%", _) => steps.push(Step { command: rest, ..Step::default() }),
            ("=", _) => steps.push(Step { command: format!("= {rest}"), ..Step::default() }),
            ("?", Some(step)) => step.status = rest.parse().unwrap(),
            ("<", Some(step)) => add(&mut step.output, &rest),
            ("!", Some(step)) => add(&mut step.complaint, &rest),
            _ => {}
        }
    }
    steps
}

/// Adds a line of output.
fn add(output: &mut String, line: &str) {
    let parts: Vec<String> = line.split("\\\\").map(|part| part.replace("\\r", "\r")).collect();
    *output += &parts.join("\\");
    output.push('\n');
}

/// Takes the end of the last line away.
fn cut(output: &mut String) {
    output.truncate(output.strip_suffix('\n').map_or(output.len(), str::len));
}

/// Puts what was there in the place of each `{{KIND VALUE}}`, from the innermost one. JSON may end with `}}`.
fn filled(line: &str) -> String {
    let mut line = line.to_string();
    let mut from = 0;
    while let Some(end) = line[from..].find("}}").map(|at| from + at) {
        match line[..end].rfind("{{") {
            Some(begin) => {
                let words = &line[begin + 2..end];
                let value = match words.strip_prefix("pid ") {
                    Some(pid) => pid.rsplit(' ').next(),
                    None => words.split_once(' ').map(|(_, value)| value),
                };
                let value = value.unwrap_or_default().to_string();
                line.replace_range(begin..end + 2, &value);
                from = begin;
            }
            None => from = end + 2,
        }
    }
    line
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
    assert_eq!(read(text), [first, step("id", 0, "", ""), step("= web", 134, "", "")]);
}

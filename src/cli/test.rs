//! `vmrun test [PATH…]`: runs the tests of recipes on hosts that they describe.

use super::check::{count, files_of};
use super::term::Term;
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault};
use crate::host::report;
use crate::script::trial::{Result as Outcome, TestFile};
use crate::script::unreadable;
use clap::Args;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct TestArgs {
    /// Files of tests, and folders in which they end in _test.rhai (.)
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Run only those tests whose name holds this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write what recipes do now into the tests, in place of the plans that differ
    #[arg(long)]
    bless: bool,
    /// Write a report in the form of JUnit
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

const AFTER: &str = "\
A test is a function `fn test_…()`; a file without one is a test as a whole. Each has a host of its own, in memory:

  fn test_the_installer_makes_the_disk() {
      host(#{ interfaces: #{ bridge2: \"bridge\" }, files: [\"/iso/a.iso\"], release: \"15.0\" });
      exits([\"reboot\", \"poweroff\"]);
      let r = recipe(\"lab.rhai\", #{ init: true, params: #{ cpus: 4 } });
      assert_plan(r, `…`);             // what was done, line by line; --bless writes it
      prove_clean(r);                  // fails each effect in turn: nothing is left
  }

assert_error(r, \"…\") wants a failure with these words, assert_clean(r) that nothing failed and nothing is left, and
assert(condition, \"why\") anything. r has plan, errors, warnings and printed.

host knows platform, release, interfaces, files (a list of paths, or a map of paths to a size, a text or ()), secrets, env,
hostname, lacks (programs), answers (of query), cpus and memory. exits knows reboot, poweroff, halt, triple_fault, error
and killed; a boot that is not told of powers off.

Exit codes:
  0    every test passed
  1    a test failed
  2    the command line is wrong";

/// A test that was run.
struct Done {
    file: String,
    name: String,
    time: Duration,
    outcome: Outcome,
}

impl Done {
    fn title(&self) -> String {
        if self.name.is_empty() { self.file.clone() } else { format!("{}: {}", self.file, self.name) }
    }
}

pub(super) fn run(args: &TestArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let one = |fault: Fault| vec![Diagnostic::error(fault)];
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here[..] } else { &args.paths };
    let files = files_of(paths, |name| name.ends_with("_test.rhai"), "test", "tests are files that end in _test.rhai")
        .map_err(one)?;
    let begin = Instant::now();
    let mut tests = Vec::new();
    for path in &files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| one(unreadable(&name, &error)))?;
        tests.push((path, TestFile::parse(&name, &text)?, text));
    }
    let wanted = |file: &Path, test: &str| {
        args.only.as_ref().is_none_or(|only| test.contains(only) || file.display().to_string().contains(only))
    };
    let number: usize =
        tests.iter().map(|(path, file, _)| file.tests().iter().filter(|test| wanted(path, test)).count()).sum();
    term.data(format!("running {}", count(number, "test"))).map_err(one)?;
    let mut done = Vec::new();
    for (path, file, text) in &tests {
        let mut blessed = Vec::new();
        for test in file.tests().into_iter().filter(|test| wanted(path, test)) {
            let begin = Instant::now();
            let mut outcome = file.run(&test, args.bless);
            blessed.append(&mut outcome.blessed);
            let one_done = Done { file: path.display().to_string(), name: test, time: begin.elapsed(), outcome };
            let word = if one_done.outcome.faults.is_empty() { "ok" } else { "FAILED" };
            term.data(format!("test {} ... {word}", one_done.title())).map_err(one)?;
            done.push(one_done);
        }
        if !blessed.is_empty() {
            report::write(path, &replaced(text, blessed)).map_err(one)?;
        }
    }
    if let Some(file) = &args.junit {
        report::write(file, &junit(&done)).map_err(one)?;
    }
    ended(&done, begin.elapsed(), term).map_err(one)
}

/// Puts plans into a text, from its end on.
fn replaced(text: &str, mut blessed: Vec<(Range<usize>, String)>) -> String {
    blessed.sort_by_key(|(span, _)| span.start);
    blessed.dedup_by(|a, b| a.0 == b.0);
    let mut text = text.to_string();
    for (span, plan) in blessed.into_iter().rev() {
        text.replace_range(span, &plan);
    }
    text
}

fn ended(done: &[Done], time: Duration, term: &Term) -> Result<(), Fault> {
    let failed: Vec<&Done> = done.iter().filter(|one| !one.outcome.faults.is_empty()).collect();
    if !failed.is_empty() {
        term.data("\nfailures:\n")?;
        for one in &failed {
            term.data(format!("---- {} ----", one.title()))?;
            one.outcome.printed.iter().try_for_each(|line| term.data(line))?;
            for fault in &one.outcome.faults {
                term.data(draw(fault, Colour::Plain))?;
            }
            term.data("")?;
        }
        term.data("failures:")?;
        failed.iter().try_for_each(|one| term.data(format!("    {}", one.title())))?;
    }
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    let passed = done.len() - failed.len();
    let seconds = time.as_secs_f64();
    term.data(format!("\ntest result: {word}. {passed} passed; {} failed; finished in {seconds:.2}s", failed.len()))?;
    if failed.is_empty() { Ok(()) } else { Err(Fault::new(format!("{} failed", count(failed.len(), "test")))) }
}

/// A report as JUnit's Ant task writes it, which most servers read.
fn junit(done: &[Done]) -> String {
    let mut files: Vec<&str> = done.iter().map(|one| one.file.as_str()).collect();
    files.dedup();
    let failures = |all: &[&Done]| all.iter().filter(|one| !one.outcome.faults.is_empty()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for file in files {
        let tests: Vec<&Done> = done.iter().filter(|one| one.file == file).collect();
        let time: Duration = tests.iter().map(|one| one.time).sum();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\" time=\"{:.3}\">",
            escaped(file),
            tests.len(),
            failures(&tests),
            time.as_secs_f64()
        );
        tests.iter().for_each(|one| case(&mut xml, one));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, one: &Done) {
    let name = if one.name.is_empty() { "file" } else { &one.name };
    let (name, class) = (escaped(name), escaped(one.file.trim_end_matches(".rhai")));
    let time = one.time.as_secs_f64();
    let _ = write!(xml, "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{time:.3}\"");
    let Some(first) = one.outcome.faults.first() else {
        xml.push_str("/>\n");
        return;
    };
    let text: Vec<String> = one.outcome.faults.iter().map(|fault| draw(fault, Colour::Plain)).collect();
    let _ = writeln!(
        xml,
        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
        escaped(&first.fault.message),
        escaped(&text.join("\n"))
    );
}

/// A text in XML 1.0, which knows no other control characters than these three.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

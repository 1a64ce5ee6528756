//! Tests that were run, as a report in the form of JUnit.

use super::TestRun;
use crate::diag::shown;
use crate::diag::snippet::{Colour, draw};
use std::fmt::Write as _;
use std::time::Duration;

/// A report as JUnit's Ant task writes it, which most servers read.
pub(super) fn document(done: &[TestRun]) -> String {
    let mut files: Vec<&str> = done.iter().map(|one| one.file.as_str()).collect();
    files.dedup();
    let failures = |all: &[&TestRun]| all.iter().filter(|one| !one.has_passed()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for file in files {
        let tests: Vec<&TestRun> = done.iter().filter(|one| one.file == file).collect();
        let time: Duration = tests.iter().map(|one| one.time).sum();
        xml.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\" time=\"{:.3}\">\n",
            escaped(file),
            tests.len(),
            failures(&tests),
            time.as_secs_f64()
        ));
        tests.iter().for_each(|one| case(&mut xml, one));
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, one: &TestRun) {
    let name = if one.name.is_empty() { "file" } else { &one.name };
    let (name, class) = (escaped(name), escaped(one.file.trim_end_matches(".rhai")));
    let time = one.time.as_secs_f64();
    xml.push_str(&format!("    <testcase name=\"{name}\" classname=\"{class}\" time=\"{time:.3}\""));
    let Some(first) = one.outcome.faults.first() else {
        xml.push_str("/>\n");
        return;
    };
    let text: Vec<String> = one.outcome.faults.iter().map(|fault| draw(fault, Colour::Plain)).collect();
    xml.push_str(&format!(
        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
        escaped(&first.fault.message),
        escaped(&text.join("\n"))
    ));
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
            c if shown::is_hidden(c) && !c.is_control() => _ = write!(escaped, "&#{};", u32::from(c)),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

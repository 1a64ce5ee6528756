//! Prometheus, as it reads what vmrun tells of machines, and the alerts that stand beside it.

use crate::sandbox::{Sandbox, project};
use crate::tools::{need, tool};
use std::io::Write as _;
use std::process::Stdio;

#[test]
fn each_alert_comes_when_it_should_and_only_then() {
    need(&["promtool"]);
    let rules = tool("promtool", &["check", "rules", &project("packaging/prometheus/vmrun.rules.yml")]);
    assert!(rules.contains("SUCCESS: 5 rules found"), "{rules}");
    let tests = tool("promtool", &["test", "rules", &project("packaging/prometheus/vmrun.test.yml")]);
    assert!(tests.contains("SUCCESS"), "{tests}");
}

#[test]
fn prometheus_finds_nothing_to_say_against_the_numbers() {
    need(&["promtool"]);
    let sandbox = Sandbox::new();
    let done = sandbox.run(&["metrics"]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let mut reader = sandbox.program("promtool", &["check", "metrics"]);
    let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    reader.stdin.take().unwrap().write_all(done.stdout.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&read.stdout), String::from_utf8_lossy(&read.stderr));
    assert!(read.status.success() && said.is_empty(), "{said}");
}

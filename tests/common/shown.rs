//! What differs from run to run, out of what is printed of machines.

use serde_json::Value;
use std::fmt::Write as _;

/// A table with one blank between its columns, in which numbers of processes have names.
pub(crate) fn table(table: &str, pids: &[(u32, &str)]) -> String {
    let word = |word: &str| {
        let name = pids.iter().find(|(pid, _)| word == pid.to_string()).map(|(_, name)| format!("[{name}]"));
        name.unwrap_or_else(|| word.into())
    };
    let line = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ") + "\n";
    table.lines().map(line).collect()
}

/// A text with names in the place of processes, without the times.
pub(crate) fn status(text: &str, pids: &[(u32, &str)]) -> String {
    let line = |line: &str| {
        let line = line.split(" since ").next().unwrap().trim_end();
        let known = |line: String, (pid, name): &(u32, &str)| {
            line.replace(&format!("process {pid}"), &format!("process [{name}]"))
        };
        pids.iter().fold(line.to_string(), known) + "\n"
    };
    text.lines().map(line).collect()
}

/// Events without their times, which are ordered, and without numbers of processes.
pub(crate) fn events(text: &str) -> String {
    let mut last = String::new();
    let mut shown = String::new();
    for line in text.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        let object = event.as_object_mut().unwrap();
        let time = object.remove("time").unwrap().as_str().unwrap().to_string();
        assert!(time.len() == "2026-11-25T17:05:12.045Z".len() && time >= last, "{time} after {last}");
        last = time;
        if object.get("pid").is_some_and(Value::is_u64) {
            object.insert("pid".into(), "[pid]".into());
        }
        writeln!(shown, "{event}").unwrap();
    }
    shown
}

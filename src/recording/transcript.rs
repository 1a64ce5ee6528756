//! The steps of a recording, for people and for programs.

use super::{Again, Call, Part, Recording, Step, When, Written};
use crate::model::argv::quote;
use serde_json::{Value, json};

/// Returns the steps as lines of sh(1), with comments that tell when they are done. `init` is what initializes the machine,
/// as one types it; `from` is the folder in which the script was started.
pub fn text(steps: &[Step], again: Again, init: &str, from: &str) -> String {
    let mut lines = Vec::new();
    let mut folder = from;
    for step in steps {
        if step.call.cwd != folder {
            folder = &step.call.cwd;
            lines.push(format!("cd {}", quote(folder)));
        }
        let notes = notes(step, steps, again, init);
        let note = if notes.is_empty() { String::new() } else { format!("  # {}", notes.join("; ")) };
        lines.push(format!("{}{note}", step.call.command()));
    }
    lines.join("\n")
}

fn notes(step: &Step, steps: &[Step], again: Again, init: &str) -> Vec<String> {
    let mut notes = Vec::new();
    if step.call.status != 0 {
        notes.push(format!("status {}", step.call.status));
    } else if step.call.boots().is_some() {
        notes.push(match again {
            Again::NoReboot | Again::Never => "status 0, not started again".into(),
            Again::Same => "status 0, started again in the same way".into(),
            Again::AsWithout => format!("status 0, started again as without {init}"),
            Again::Otherwise => "status 0, started again in another way".into(),
        });
    }
    match step.when {
        When::Always => {
            for (when, word) in [(When::OnlyInit, "with"), (When::OnlyWithout, "without")] {
                let words: Vec<String> = step
                    .parts
                    .iter()
                    .filter(|part| part.when == when)
                    .flat_map(|part| &part.words)
                    .map(|word| quote(word))
                    .collect();
                notes.extend((!words.is_empty()).then(|| format!("only {word} {init}: {}", words.join(" "))));
            }
        }
        When::OnlyInit => notes.push(format!("only with {init}")),
        When::OnlyWithout => notes.push(format!("only without {init}")),
    }
    if let Some(back) = step.given_back_by.and_then(|at| steps.get(at)) {
        notes.push(format!("given back by {}", back.call.command()));
    }
    // A comment ends with its line.
    notes.into_iter().map(|note| note.replace('\n', "\\n")).collect()
}

/// Returns the steps and the recordings that they come from as one JSON object.
pub fn json(steps: &[Step], again: Again, with: &Recording, without: Option<&Recording>) -> String {
    let object = json!({
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "again": match again {
            Again::NoReboot => "no_reboot",
            Again::Never => "never",
            Again::Same => "same",
            Again::AsWithout => "as_without",
            Again::Otherwise => "otherwise",
        },
        "with": recording(with),
        "without": without.map(recording),
    });
    format!("{object:#}")
}

fn step(step: &Step) -> Value {
    let part = |part: &Part| json!({ "words": part.words, "when": word(part.when) });
    json!({
        "call": call(&step.call),
        "when": word(step.when),
        "parts": step.parts.iter().map(part).collect::<Vec<_>>(),
        "given_back_by": step.given_back_by,
    })
}

fn word(when: When) -> &'static str {
    match when {
        When::Always => "always",
        When::OnlyInit => "only_init",
        When::OnlyWithout => "only_without",
    }
}

fn call(call: &Call) -> Value {
    json!({ "argv": call.argv, "cwd": call.cwd, "status": call.status, "output": call.output, "reads": call.reads })
}

fn recording(recording: &Recording) -> Value {
    json!({
        "calls": recording.calls.iter().map(call).collect::<Vec<_>>(),
        "status": recording.status,
        "stderr": recording.stderr,
        "made_up": recording.made_up,
        "written": recording.written.iter().map(written).collect::<Vec<_>>(),
    })
}

/// Bytes that are no text are null.
fn written(file: &Written) -> Value {
    json!({ "path": file.path, "mode": format!("{:04o}", file.mode), "content": file.text() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::merge;

    #[test]
    fn a_comment_never_becomes_a_command() {
        let call = |argv: &[&str]| Call { argv: argv.iter().map(ToString::to_string).collect(), ..Call::default() };
        let with = Recording {
            calls: vec![call(&["kldload", "a\nreboot"]), call(&["kldunload", "a\nreboot"])],
            ..Recording::default()
        };
        let shown = text(&merge(&with, None), Again::NoReboot, "-i", "");
        assert_eq!(shown, "kldload 'a\nreboot'  # given back by kldunload 'a\\nreboot'\nkldunload 'a\nreboot'");
    }
}

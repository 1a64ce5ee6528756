//! A command in the guest, by its agent: `guest-exec` and `guest-exec-status`.

use super::protocol::garbled;
use super::{Agent, base64};
use crate::diag::{Blame, Fault};
use crate::host::process::timeout;
use crate::host::wait;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The most bytes of a command's output that are taken, and of its input that are sent.
pub(crate) const MOST_OUTPUT: usize = 8 << 20;

/// How long it is waited at least, and at most, before it is looked again whether a command has ended.
const LOOK: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(100)];

/// How long the agent may take to say that a command has not ended in its time.
const MOMENT: Duration = Duration::from_secs(1);

/// How a command in a guest ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandEnd {
    /// It exited with this status; on Windows that may be any number of 32 bits.
    Exited(i64),
    /// A signal ended it; on Windows an exception.
    Signalled(i64),
}

/// What came of a command in a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Executed {
    /// How it ended.
    pub end: CommandEnd,
    /// What it wrote to its standard output.
    pub output: Vec<u8>,
    /// What it wrote to its standard error.
    pub error: Vec<u8>,
    /// Whether the agent has left out some of either, as it keeps no more than 16 MiB.
    pub is_cut: bool,
}

impl Agent {
    /// Runs a command in the guest until it ends, or until then. What is not over by then goes on there.
    pub(crate) fn execute(
        &mut self,
        command: &[String],
        input: &[u8],
        until: Option<Instant>,
    ) -> Result<Executed, Fault> {
        let begun = Instant::now();
        let (program, rest) = command.split_first().ok_or_else(|| Fault::usage("there is no command"))?;
        let mut arguments = json!({ "path": program, "arg": rest, "capture-output": true });
        if let (false, Some(map)) = (input.is_empty(), arguments.as_object_mut()) {
            map.insert("input-data".into(), base64::encode(input).into());
        }
        let started = self.call("guest-exec", &arguments, until.unwrap_or(begun + super::PATIENCE))?;
        let pid = started.get("pid").and_then(Value::as_i64).ok_or_else(|| garbled("a process without a number"))?;
        let mut pause = LOOK[0];
        loop {
            let now = Instant::now();
            // The last question has a moment too.
            let soon = until.map_or(now + super::PATIENCE, |until| until.max(now) + MOMENT);
            let answer = self.call("guest-exec-status", &json!({ "pid": pid }), soon)?;
            if let Some(executed) = read(&answer)? {
                return Ok(executed);
            }
            if until.is_some_and(|until| until <= now) {
                return Err(late(program, pid, until.unwrap_or(now).saturating_duration_since(begun)));
            }
            let next = now + pause;
            wait::pause(timeout(Some(until.map_or(next, |until| until.min(next)))));
            pause = (pause * 2).min(LOOK[1]);
        }
    }
}

/// Reads an answer to `guest-exec-status`; nothing while the command runs.
pub(crate) fn read(answer: &Value) -> Result<Option<Executed>, Fault> {
    match answer.get("exited").and_then(Value::as_bool) {
        Some(true) => {}
        Some(false) => return Ok(None),
        None => return Err(garbled("a process of which it does not say whether it has ended")),
    }
    let number = |key: &str| answer.get(key).and_then(Value::as_i64);
    let end = number("signal").map(CommandEnd::Signalled).or_else(|| number("exitcode").map(CommandEnd::Exited));
    let bytes = |key: &str| match answer.get(key) {
        None => Ok(Vec::new()),
        Some(value) => value.as_str().and_then(base64::decode).ok_or_else(|| garbled("an output that is no base64")),
    };
    let (mut output, mut error) = (bytes("out-data")?, bytes("err-data")?);
    let is = |key: &str| answer.get(key).and_then(Value::as_bool).unwrap_or_default();
    let is_long = output.len().max(error.len()) > MOST_OUTPUT;
    output.truncate(MOST_OUTPUT);
    error.truncate(MOST_OUTPUT);
    let is_cut = is_long || is("out-truncated") || is("err-truncated");
    let end = end.ok_or_else(|| garbled("a process without an exit status"))?;
    Ok(Some(Executed { end, output, error, is_cut }))
}

/// The fault of a command that has not ended.
fn late(program: &str, pid: i64, within: Duration) -> Fault {
    let within = super::said(within);
    let fault = Fault::new(format!("says that `{program}` has not ended within {within:?}"));
    let fault = fault.blame(Blame::Guest);
    fault.hint(format!("process {pid} goes on in the guest, and what it writes is lost; --within gives it more time"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_runs_or_has_ended_somehow_and_has_written_something() {
        let end = |answer: Value| read(&answer).map(|all| all.map(|all| (all.end, all.output, all.error, all.is_cut)));
        assert_eq!(end(json!({ "exited": false })), Ok(None));
        let done = json!({ "exited": true, "exitcode": 3, "out-data": "aGk=", "err-data": "", "err-truncated": true });
        assert_eq!(end(done), Ok(Some((CommandEnd::Exited(3), b"hi".to_vec(), vec![], true))));
        let dead = json!({ "exited": true, "signal": 9 });
        assert_eq!(end(dead), Ok(Some((CommandEnd::Signalled(9), vec![], vec![], false))));
        let long = json!({ "exited": true, "exitcode": 0, "out-data": base64::encode(&vec![b'x'; MOST_OUTPUT + 1]) });
        let long = read(&long).unwrap().unwrap();
        assert_eq!((long.output.len(), long.is_cut), (MOST_OUTPUT, true));
    }

    #[test]
    fn what_is_no_status_is_a_fault() {
        let said = |answer: Value| read(&answer).unwrap_err().message;
        assert_eq!(said(json!(1)), "answers with a process of which it does not say whether it has ended");
        assert_eq!(said(json!({ "exited": true })), "answers with a process without an exit status");
        let wrong = "answers with an output that is no base64";
        assert_eq!(said(json!({ "exited": true, "exitcode": 0, "out-data": "\u{1b}[2J" })), wrong);
        assert_eq!(said(json!({ "exited": true, "exitcode": 0, "err-data": 7 })), wrong);
    }
}

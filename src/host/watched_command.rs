//! A command of somebody else's that is watched and never waited for: it may hang, ignore signals, fork, or write without end.

use super::environment::command;
use super::files::reason;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Fault, shown};
use crate::model::Argv;
use nix::poll::PollTimeout;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How much of a line is kept, in bytes.
const LINE_MAX: usize = 600;

/// A command that was started, in a process group of its own.
pub(crate) struct WatchedCommand {
    /// The command, as one would type it.
    shown: String,
    /// Whether it is vmrun itself, whose faults are whole sentences.
    is_own: bool,
    child: Child,
    is_ready: Arc<AtomicBool>,
    /// The last line of what it complained of, and who reads it.
    complaint: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// How a fault begins that vmrun tells.
const FAULT: &str = "error: ";

/// How long it is waited for what a command that has ended complained of.
const HEARD_WITHIN: Duration = Duration::from_millis(50);

impl WatchedCommand {
    /// Starts a command, and hears whether it writes a line that has this in it, if that is given. It is called otherwise for people.
    pub(crate) fn start(argv: &Argv, shown: &Argv, sign: Option<&str>) -> Result<Self, Fault> {
        Self::begin(argv, shown, sign, false)
    }

    /// Starts a command of vmrun itself.
    pub(crate) fn start_own(argv: &Argv, sign: Option<&str>) -> Result<Self, Fault> {
        let shown = Argv::new("vmrun").args(argv.args.iter().take(2));
        Self::begin(argv, &shown, sign, true)
    }

    fn begin(argv: &Argv, shown: &Argv, sign: Option<&str>, is_own: bool) -> Result<Self, Fault> {
        let shown = shown.to_string();
        let cannot = |why: &std::io::Error| Fault::host(format!("cannot start `{shown}`: {}", reason(why)));
        let mut command = command(&argv.program);
        let output = if sign.is_some() { Stdio::piped() } else { Stdio::null() };
        command.args(&argv.args).stdin(Stdio::null()).stdout(output).stderr(Stdio::piped()).process_group(0);
        // Nobody waits here until there is room: a guest may have to be ended meanwhile.
        let mut child = command.spawn().map_err(|why| cannot(&why))?;
        let (is_ready, complaint) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(String::new())));
        if let (Some(output), Some(sign)) = (child.stdout.take(), sign) {
            let (is_ready, sign) = (is_ready.clone(), sign.to_string());
            let is_sign = move |line: &str| is_ready.fetch_or(line.contains(&sign), Ordering::Relaxed);
            super::spawn::thread(move || each_line(output, |line| _ = is_sign(line)))?;
        }
        let mut reader = None;
        if let Some(errors) = child.stderr.take() {
            let complaint = complaint.clone();
            let keep = move |line: &str| {
                let line = if is_own { line.strip_prefix(FAULT).unwrap_or_default() } else { line };
                if !line.trim().is_empty() {
                    *complaint.lock().unwrap_or_else(PoisonError::into_inner) = shown::line(line.trim()).to_string();
                }
            };
            reader = Some(super::spawn::thread(move || each_line(errors, keep))?);
        }
        Ok(Self { shown, is_own, child, is_ready, complaint, reader })
    }

    /// Returns whether it has written what it was to write.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    /// Returns whether it has ended well, if it has, or how, as a sentence. Whatever of its group is left is killed then.
    pub(crate) fn ended(&mut self) -> Option<Result<(), String>> {
        // Its number is nobody else's until it is waited for.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        if matches!(waitid(Id::Pid(self.pid()), flags), Ok(WaitStatus::StillAlive)) {
            return None;
        }
        self.signal(Signal::SIGKILL);
        let until = Instant::now() + HEARD_WITHIN;
        while self.reader.as_ref().is_some_and(|reader| !reader.is_finished()) && Instant::now() < until {
            super::wait::pause(PollTimeout::from(1_u8));
        }
        Some(match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self.told(&how(status))),
            Err(why) => Err(self.told(&format!("cannot be waited for: {}", reason(&why)))),
        })
    }

    /// Returns a sentence about it, with what it complained of last.
    pub(crate) fn told(&self, what: &str) -> String {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_own && !complaint.is_empty() {
            return complaint.clone();
        }
        let complaint = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
        format!("`{}` {what}{complaint}", self.shown)
    }

    /// Sends a signal to all of its group.
    pub(crate) fn signal(&self, signal: Signal) {
        killpg(self.pid(), signal).may_fail("what is gone needs none");
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap_or(i32::MAX))
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, signal) => format!("was killed by signal {}", signal.unwrap_or_default()),
    }
}

/// Reads until the end, and has each line heard, or its beginning.
fn each_line(mut from: impl Read, mut heard: impl FnMut(&str)) {
    let (mut line, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(count) = from.read(&mut chunk) {
        let Some(bytes) = chunk.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        for byte in bytes {
            match byte {
                b'\n' => {
                    heard(&String::from_utf8_lossy(&line));
                    line.clear();
                }
                _ if line.len() < LINE_MAX => line.push(*byte),
                _ => {}
            }
        }
    }
    if !line.is_empty() {
        heard(&String::from_utf8_lossy(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_heard_whole_or_their_beginning() {
        let mut lines = Vec::new();
        each_line(format!("one\n{}\n\nlast", "x".repeat(10_000)).as_bytes(), |line| lines.push(line.to_string()));
        assert_eq!(lines, ["one", &"x".repeat(LINE_MAX), "", "last"]);
    }
}

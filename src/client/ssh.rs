//! Commands that ask other hosts, side by side, all within one time.

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::environment::command;
use crate::host::files::reason;
use crate::host::spawn;
use crate::model::Argv;
use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How much a command may say, in bytes; a list of ten thousand machines is smaller.
const MOST: u64 = 16 << 20;

/// How long the others may still take when it is known what was asked for.
const GRACE: Duration = Duration::from_millis(100);

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It ended with this status, having said this to its output and to its error.
    Ended(i32, String, String),
    /// It could not be started.
    Failed(String),
    /// It did not end in time.
    Silent,
}

/// Commands that are on their way. They end when this is dropped.
pub(crate) struct Asking {
    children: Vec<Option<Child>>,
    answers: Vec<Answer>,
    waiting: usize,
    heard: Receiver<(usize, Answer)>,
}

impl Asking {
    /// Starts them all.
    pub(crate) fn begin(commands: &[Argv]) -> Self {
        let (tell, heard) = channel();
        let mut asking =
            Self { children: Vec::new(), answers: vec![Answer::Silent; commands.len()], waiting: 0, heard };
        for (at, argv) in commands.iter().enumerate() {
            match start(argv, false) {
                Ok(mut child) => {
                    if let (Some(output), Some(error)) = (child.stdout.take(), child.stderr.take()) {
                        match listen(at, output, error, tell.clone()) {
                            Ok(()) => asking.waiting += 1,
                            Err(fault) => asking.answers[at] = Answer::Failed(fault.message),
                        }
                    }
                    asking.children.push(Some(child));
                }
                Err(why) => {
                    asking.answers[at] = Answer::Failed(why);
                    asking.children.push(None);
                }
            }
        }
        asking
    }

    /// Waits for their ends until then, and little longer than it takes until the answers are enough.
    pub(crate) fn wait(mut self, mut until: Instant, enough: impl Fn(&[Answer]) -> bool) -> Vec<Answer> {
        while self.waiting > 0 {
            if enough(&self.answers) {
                until = until.min(Instant::now() + GRACE);
            }
            match self.heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((at, answer)) => {
                    self.waiting -= 1;
                    self.answers[at] = self.ended(at, answer);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        std::mem::take(&mut self.answers)
    }

    /// One that has closed both its streams is about to end.
    fn ended(&mut self, at: usize, answer: Answer) -> Answer {
        let status = self.children[at].as_mut().and_then(|child| child.wait().ok());
        let code = status.map_or(-1, code);
        match answer {
            Answer::Ended(_, output, error) => Answer::Ended(code, output, error),
            other @ (Answer::Failed(_) | Answer::Silent) => other,
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            spawn::end(child);
        }
    }
}

/// Runs a command to its end, or until it has taken so long. Whoever asks us to stop at a terminal does not ask it.
pub(crate) fn run_apart(argv: &Argv, within: Duration) -> Answer {
    let (tell, heard) = channel();
    let mut child = match start(argv, true) {
        Ok(child) => child,
        Err(why) => return Answer::Failed(why),
    };
    let (Some(output), Some(error)) = (child.stdout.take(), child.stderr.take()) else {
        spawn::end(&mut child);
        return Answer::Failed(format!("{} has no standard streams", argv.program));
    };
    if let Err(fault) = listen(0, output, error, tell) {
        spawn::end(&mut child);
        return Answer::Failed(fault.message);
    }
    let Ok((_, Answer::Ended(_, output, error))) = heard.recv_timeout(within) else {
        spawn::end(&mut child);
        return Answer::Silent;
    };
    child.wait().map_or(Answer::Silent, |status| Answer::Ended(code(status), output, error))
}

/// Returns the status of a program as a shell has it.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

fn start(argv: &Argv, is_apart: bool) -> Result<Child, String> {
    tracing::debug!("{argv}");
    let mut command = command(&argv.program);
    if is_apart {
        command.process_group(0);
    }
    command.args(&argv.args).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    spawn::start(&mut command).map_err(|why| match why.kind() {
        std::io::ErrorKind::NotFound => format!("{} is not installed here", argv.program),
        _ => format!("cannot start {}: {}", argv.program, reason(&why)),
    })
}

/// Reads both streams to their ends; neither has to wait for the other.
fn listen(at: usize, output: ChildStdout, error: ChildStderr, tell: Sender<(usize, Answer)>) -> Result<(), Fault> {
    // One that is left alone here ends with the program, which is killed when the asking is over.
    let errors = spawn::thread(move || read(error))?;
    let listening = spawn::thread(move || {
        let output = read(output);
        let answer = Answer::Ended(0, output, errors.join().unwrap_or_default());
        tell.send((at, answer)).may_fail("nobody listens any more when the time is over");
    });
    listening.map(drop)
}

fn read(from: impl Read) -> String {
    let mut bytes = Vec::new();
    from.take(MOST).read_to_end(&mut bytes).may_fail("what came until it failed is what came");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Argv {
        Argv::new("sh").args(["-c", script])
    }

    #[test]
    fn commands_run_side_by_side_and_who_is_late_is_silent() {
        let commands = [
            sh("sleep 0.2; echo a; echo b >&2; exit 3"),
            Argv::new("/no/such/ssh"),
            sh("sleep 60"),
            sh("sleep 0.2; kill $$"),
        ];
        let begin = Instant::now();
        let answers = Asking::begin(&commands).wait(begin + Duration::from_secs(3), |_| false);
        let ended = Answer::Ended(3, "a\n".into(), "b\n".into());
        let failed = Answer::Failed("/no/such/ssh is not installed here".into());
        assert_eq!(answers, [ended, failed, Answer::Silent, Answer::Ended(143, String::new(), String::new())]);
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_command_that_is_run_to_its_end_has_its_time() {
        let begin = Instant::now();
        let ended = run_apart(&sh("echo a; exit 3"), Duration::from_secs(60));
        assert_eq!(ended, Answer::Ended(3, "a\n".into(), String::new()));
        assert_eq!(run_apart(&sh("exec sleep 60"), Duration::from_millis(50)), Answer::Silent);
        assert!(begin.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn nobody_waits_for_the_silent_once_enough_is_known() {
        let begin = Instant::now();
        let commands = [sh("sleep 60"), sh("echo a")];
        let answers = Asking::begin(&commands).wait(begin + Duration::from_secs(60), |all| all[1] != Answer::Silent);
        assert_eq!(answers, [Answer::Silent, Answer::Ended(0, "a\n".into(), String::new())]);
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert_eq!(Asking::begin(&[]).wait(begin, |_| false), []);
    }
}

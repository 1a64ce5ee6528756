//! A command that runs to its end, and what it says.

use super::environment::env;
use super::files::reason;
use crate::diag::Fault;
use crate::model::Argv;
use std::fmt::Display;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};

/// What runs a command that only asks, and returns its output. Readers of facts are given one: [`run`] on a host, and in tests
/// what a host answered once.
pub(crate) type Query<'a> = &'a dyn Fn(&Argv) -> Result<String, Fault>;

/// A command that nobody waits for yet: to wait for each would make a start a third longer. It is run by a thread of its own, once it is hurried, or by whoever waits for it.
#[derive(Clone)]
pub(crate) struct Errand {
    outcome: Arc<LazyLock<Outcome, Box<dyn FnOnce() -> Outcome + Send>>>,
    hurried: bool,
}

/// What a command said, or why it failed.
type Outcome = Result<String, Fault>;

/// How much a thread needs that starts a command and reads what it says, in bytes.
const STACK: usize = 256 << 10;

impl Errand {
    /// Makes one that is to be run when what it stands on has succeeded. If that fails nothing is run, and the fault is the
    /// other's to tell.
    pub(crate) fn new(argv: Argv, holds: Option<File>, after: Option<Self>) -> Self {
        let stands = move || after.is_none_or(|errand| errand.outcome.is_ok());
        let run =
            move || if stands() { Program::start_with(&argv, holds.as_ref())?.finish() } else { Ok(String::new()) };
        let run: Box<dyn FnOnce() -> Outcome + Send> = Box::new(run);
        Self { outcome: Arc::new(LazyLock::new(run)), hurried: false }
    }

    /// Has it run by a thread of its own: to start a process takes whoever does it several times as long as to start a thread.
    pub(crate) fn hurry(&mut self) {
        if !std::mem::replace(&mut self.hurried, true) {
            let outcome = self.outcome.clone();
            // Where no thread is to be had, whoever waits for the command runs it.
            let _ = std::thread::Builder::new().stack_size(STACK).spawn(move || outcome.is_ok());
        }
    }

    /// Waits for its end, or runs it.
    pub(crate) fn wait(&self) {
        LazyLock::force(&self.outcome);
    }

    /// Waits for its end, and returns what it said.
    pub(crate) fn finish(self) -> Outcome {
        (*self.outcome).clone()
    }
}

/// A command that was started.
pub(crate) struct Program {
    argv: Argv,
    child: Child,
}

impl Program {
    /// Starts a command, with nothing to read.
    pub(crate) fn start(argv: &Argv) -> Result<Self, Fault> {
        Self::start_with(argv, None)
    }

    /// Starts a command that holds a file until it ends, whatever becomes of us: the file is in the place of its standard input,
    /// and cannot be read.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub(crate) fn start_with(argv: &Argv, holds: Option<&File>) -> Result<Self, Fault> {
        tracing::debug!("{argv}");
        let mut command = Command::new(&argv.program);
        let stdin = holds.and_then(|file| file.try_clone().ok()).map_or_else(Stdio::null, Stdio::from);
        command.args(&argv.args).stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let child =
            child.map_err(|error| Fault::host(format!("cannot start `{}`: {}", argv.program, reason(&error))))?;
        Ok(Self { argv: argv.clone(), child })
    }

    /// Waits for its end and returns its output; a status other than 0 is a fault, with what the command complained of.
    pub(crate) fn finish(self) -> Result<String, Fault> {
        let argv = self.argv;
        let output = self.child.wait_with_output();
        let output = output.map_err(|error| Fault::host(format!("cannot wait for `{argv}`: {}", reason(&error))))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let how = match (output.status.code(), output.status.signal()) {
            (Some(code), _) => format!("status {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        let [complaint, said] =
            [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Err(failed(&argv, &how, &complaint, &said))
    }
}

/// Returns the fault of a command that failed, with what it complained of.
fn failed(argv: &dyn Display, how: &str, complaint: &str, output: &str) -> Fault {
    // bhyvectl(8) complains on its standard output.
    let words = [complaint, output].into_iter().map(str::trim).find(|text| !text.is_empty());
    let said = words.map(|words| format!(": {words}")).unwrap_or_default();
    Fault::host(format!("`{argv}` failed with {how}{said}"))
}

#[cfg(test)]
impl super::corpus::Step {
    /// Returns what [`run`] makes of such a command: a query that answers as it was recorded.
    pub(crate) fn outcome(&self) -> Result<String, Fault> {
        match self.status {
            0 => Ok(self.output.clone()),
            status => Err(failed(&self.command, &format!("status {status}"), &self.complaint, &self.output)),
        }
    }
}

/// Runs a command to its end and returns its output.
pub(crate) fn run(argv: &Argv) -> Result<String, Fault> {
    Program::start(argv)?.finish()
}

/// Finds a program in PATH.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env("PATH")?;
    let executable =
        |file: &PathBuf| std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0);
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Argv {
        Argv::new("sh").args(["-c", script])
    }

    #[test]
    fn an_errand_runs_after_the_one_that_it_stands_on_and_not_at_all_when_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made").display().to_string();
        let first = Errand::new(sh(&format!("sleep 0.05; echo made > {file}")), None, None);
        let mut second = Errand::new(sh(&format!("cat {file}")), None, Some(first.clone()));
        second.hurry();
        assert_eq!((second.finish(), first.finish()), (Ok("made\n".into()), Ok(String::new())));

        let first = Errand::new(sh("echo no room; exit 1"), None, None);
        let second = Errand::new(sh(&format!("rm {file}")), None, Some(first.clone()));
        assert_eq!(second.finish(), Ok(String::new()));
        let said = first.finish().map_err(|fault| fault.message);
        assert_eq!(said, Err("`sh -c 'echo no room; exit 1'` failed with status 1: no room".into()));
        assert!(std::fs::exists(file).unwrap());
    }
}

//! A command that runs to its end, and what it says.

use super::system::{env, reason};
use crate::diag::Fault;
use crate::model::Argv;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A command that nobody waits for yet: it is started when the next one that somebody does wait for has been, so that the
/// starting of it costs nobody anything.
pub(super) enum Errand {
    /// It is to be started.
    Queued(Argv),
    /// It was, or could not be.
    Started(Result<Program, Fault>),
}

impl Errand {
    /// Starts it, if it was not yet.
    pub(super) fn start(&mut self) {
        if let Self::Queued(argv) = self {
            *self = Self::Started(Program::start(argv));
        }
    }

    /// Waits for its end.
    pub(super) fn finish(self) -> Result<String, Fault> {
        match self {
            Self::Queued(argv) => run(&argv),
            Self::Started(program) => program?.finish(),
        }
    }
}

/// A command that was started.
pub(super) struct Program {
    argv: Argv,
    child: Child,
}

impl Program {
    /// Starts a command, with nothing to read.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub(super) fn start(argv: &Argv) -> Result<Self, Fault> {
        tracing::debug!("{argv}");
        let mut command = Command::new(&argv.program);
        command.args(&argv.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let child =
            child.map_err(|error| Fault::host(format!("cannot start `{}`: {}", argv.program, reason(&error))))?;
        Ok(Self { argv: argv.clone(), child })
    }

    /// Waits for its end and returns its output; a status other than 0 is a fault, with what the command complained of.
    pub(super) fn finish(self) -> Result<String, Fault> {
        let argv = self.argv;
        let output = self.child.wait_with_output();
        let output = output.map_err(|error| Fault::host(format!("cannot wait for `{argv}`: {}", reason(&error))))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        // bhyvectl(8) complains on its standard output.
        let words = [output.stderr, output.stdout].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_string());
        let words = words.iter().find(|text| !text.is_empty()).map(String::as_str).unwrap_or_default();
        let said = if words.is_empty() { String::new() } else { format!(": {words}") };
        let how = match (output.status.code(), output.status.signal()) {
            (Some(code), _) => format!("status {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or_default()),
        };
        Err(Fault::host(format!("`{argv}` failed with {how}{said}")))
    }
}

/// Runs a command to its end and returns its output.
pub(super) fn run(argv: &Argv) -> Result<String, Fault> {
    Program::start(argv)?.finish()
}

/// Finds a program in PATH.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = env("PATH")?;
    let executable =
        |file: &PathBuf| std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0);
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(executable)
}

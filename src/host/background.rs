//! A supervisor: our own program once more, in a session of its own, with its output in a log.

use super::environment;
use super::files::{io_fault, reason};
use super::log::{after, last_lines, open};
use super::signals::Signals;
use super::spawn;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::wait;
use crate::model::Argv;
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stdin, setsid};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long the secrets may be in all that a supervisor is handed, in bytes: half of what a socket takes at once.
const SECRETS: usize = 4096;

/// What says that the guest runs.
const RUNS: u8 = 0;

/// What says that it ended, and is started again later.
const WAITS: u8 = 1;

/// How often it is looked whether a machine is ready.
const LOOK: Duration = Duration::from_millis(100);

/// A supervisor that was started.
pub(crate) struct Supervisor {
    child: Child,
    line: UnixStream,
    log: PathBuf,
    /// Where the log ended when it was started.
    from: u64,
    signals: Rc<Signals>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SupervisorOutcome {
    /// Its guest runs.
    Runs,
    /// Its guest ended, and is started again later.
    Waits,
    /// It ended, with this status, and said this.
    Ended(i32, String),
    /// Somebody asked us to stop: it goes on.
    Interrupted,
}

impl Supervisor {
    /// Starts our own program with these arguments.
    pub(crate) fn start(args: &[String], log: &Path) -> Result<Self, Fault> {
        let program = std::env::current_exe().map_err(io_fault("find", Path::new("vmrun")))?;
        let cannot = |why: &std::io::Error| {
            let shown = Argv::new(program.display().to_string()).args(args.iter().take(1));
            Fault::host(format!("cannot start `{shown}`: {}", reason(why)))
        };
        let (output, from) = open(log)?;
        let (line, theirs) = UnixStream::pair().map_err(|why| cannot(&why))?;
        // They fit into the socket, and are there when the supervisor looks.
        let secrets = environment::all_secrets();
        if secrets.len() > SECRETS {
            let fault = Fault::host(format!("the secrets of the environment have more than {SECRETS} bytes"));
            return Err(
                fault.hint("long ones are read from files: secrets/NAME in the configuration folder, mode 0600")
            );
        }
        (&line).write_all(secrets.as_bytes()).map_err(|why| cannot(&why))?;
        let mut command = environment::command(&program);
        // What it runs is told in its log.
        let verbose = is_verbose().then_some("--verbose");
        command.args(args).args(verbose).stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
        command.stdout(output.try_clone().map_err(|why| cannot(&why))?).stderr(output);
        let child = spawn::start(&mut command).map_err(|why| cannot(&why).maybe_hint(spawn::hint(&why)))?;
        Ok(Self { child, line, log: log.into(), from, signals: Signals::install()? })
    }

    /// Waits until its guest runs, or until it has ended.
    pub(crate) fn wait(&mut self) -> SupervisorOutcome {
        let mut output = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let mut fds = [self.line.as_fd(), self.signals.stop_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            wait::for_any(&mut fds, PollTimeout::NONE);
            if self.signals.peek_stop() {
                return SupervisorOutcome::Interrupted;
            }
            match self.line.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) if buffer[..count].contains(&RUNS) => return SupervisorOutcome::Runs,
                Ok(count) if buffer[..count].contains(&WAITS) => return SupervisorOutcome::Waits,
                Ok(count) => output.extend_from_slice(&buffer[..count]),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let status = self.child.wait();
        let code = status.map_or(1, |status| status.code().unwrap_or(128 + status.signal().unwrap_or_default()));
        let output = String::from_utf8_lossy(&output).trim_end().to_string();
        let output = if output.is_empty() && code != 0 { last_lines(&self.log, self.from, 10) } else { output };
        SupervisorOutcome::Ended(code, output)
    }

    /// Starts it once more after a moment, now that it has ended; nothing if somebody asked us to stop.
    pub(crate) fn again(&self, args: &[String], log: &Path, pause: Duration) -> Result<Option<Self>, Fault> {
        if self.signals.stop_within(pause) { Ok(None) } else { Self::start(args, log).map(Some) }
    }

    /// Returns the lines of its log that tell what it has run, where that is asked for: those that begin with `+`.
    pub(crate) fn commands(&self) -> Vec<String> {
        let log = if is_verbose() { after(&self.log, self.from) } else { String::new() };
        log.lines().filter(|line| line.starts_with("+ ")).map(String::from).collect()
    }

    /// Waits until somebody listens at an address, at most so long; returns whether somebody does, or nothing if somebody asked
    /// us to stop.
    pub(crate) fn answers(&self, address: SocketAddr, within: Duration) -> Option<bool> {
        self.until(within, || TcpStream::connect_timeout(&address, LOOK * 10).is_ok())
    }

    /// Waits until its log says something from a place on, at most so long; returns whether it does, or nothing if somebody asked
    /// us to stop.
    pub(crate) fn says(&self, text: &str, from: impl Fn() -> u64, within: Duration) -> Option<bool> {
        self.until(within, || after(&self.log, from()).contains(text))
    }

    /// Waits until something holds, at most so long; returns whether it does, or nothing if somebody asked us to stop.
    pub(crate) fn until(&self, within: Duration, holds: impl Fn() -> bool) -> Option<bool> {
        let end = Instant::now() + within;
        while !holds() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(false);
            }
            if self.signals.stop_within(LOOK.min(left)) {
                return None;
            }
        }
        Some(true)
    }
}

/// Whether every command is shown as it is run.
fn is_verbose() -> bool {
    tracing::enabled!(tracing::Level::DEBUG)
}

/// The line from a supervisor to who has started it.
pub(crate) struct StarterConnection(UnixStream);

impl StarterConnection {
    /// Says something.
    pub(crate) fn say(&self, text: &str) {
        (&self.0).write_all(text.as_bytes()).may_fail("whoever has started us may be gone");
    }

    /// Says that the guest runs.
    pub(crate) fn runs(&self) {
        self.end(RUNS);
    }

    /// Says that the guest ended, and is started again later.
    pub(crate) fn waits(&self) {
        self.end(WAITS);
    }

    fn end(&self, word: u8) {
        (&self.0).write_all(&[word]).may_fail("whoever has started us may be gone");
        self.0.shutdown(std::net::Shutdown::Both).may_fail("whoever has started us may be gone");
    }
}

/// Makes this process a supervisor: a session of its own, nothing to read, and what everybody may read can be read.
pub(crate) fn settle() -> Result<StarterConnection, Fault> {
    let cannot = |what: &str, why: &dyn std::fmt::Display| Fault::host(format!("cannot {what}: {why}"));
    let line = std::io::stdin().as_fd().try_clone_to_owned().map_err(|why| cannot("keep the line", &why))?;
    let line = UnixStream::from(line);
    environment::keep_secrets(&handed(&line));
    let null = File::open("/dev/null").map_err(|why| cannot("read /dev/null", &why))?;
    dup2_stdin(null).map_err(|why| cannot("read /dev/null", &why))?;
    setsid().may_fail("who leads a session already has nothing to leave");
    umask(Mode::from_bits_truncate(0o022));
    Ok(StarterConnection(line))
}

/// Returns what was handed over before this process was started; nothing where nobody has handed anything over.
fn handed(line: &UnixStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    line.set_nonblocking(true).may_fail("a socket of our own takes the flag");
    while text.len() < SECRETS && matches!((&*line).read(&mut byte), Ok(1)) && byte != *b"\n" {
        text.extend(byte);
    }
    line.set_nonblocking(false).may_fail("a socket of our own takes the flag");
    String::from_utf8(text).unwrap_or_default()
}

//! Programs that are written to, or read from, piece by piece: whoever asks to stop is heard meanwhile, and ends them.

use super::environment::command;
use super::signals::Signals;
use super::{spawn, wait};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::Argv;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

/// How much of what one says is read.
const WORDS: u64 = 1 << 12;

/// Starts a program, apart from the signals that a terminal sends to all that runs there: who is interrupted ends it.
pub(super) fn start(argv: &Argv, input: Stdio, output: Stdio) -> Result<Child, Fault> {
    tracing::debug!("{argv}");
    let mut command = command(&argv.program);
    command.args(&argv.args).stdin(input).stdout(output).stderr(Stdio::piped()).process_group(0);
    spawn::start(&mut command).map_err(|why| spawn::refused(&argv.program, &why))
}

/// Waits for its end; what it complained of is what is wrong, and nothing where it was ended by a signal. It says little, which fits
/// into the pipe.
pub(super) fn ended(mut child: Child) -> Result<(), Option<String>> {
    let mut said = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        stderr.take(WORDS).read_to_end(&mut said).may_fail("it has said nothing then");
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        _ => {
            let words = String::from_utf8_lossy(&said);
            Err(words.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(String::from))
        }
    }
}

/// Waits until a pipe is ready; whoever asks to stop ends it.
pub(super) fn wait_for(pipe: BorrowedFd<'_>, ready: PollFlags, signals: &Signals) -> io::Result<()> {
    loop {
        if signals.peek_stop() {
            return Err(io::Error::other("interrupted"));
        }
        let mut fds = [PollFd::new(pipe, ready), PollFd::new(signals.stop_fd(), PollFlags::POLLIN)];
        wait::for_any(&mut fds, PollTimeout::NONE);
        // The end of the other side counts as ready: reading or writing tells what it is.
        if fds.first().and_then(PollFd::any).unwrap_or_default() {
            return Ok(());
        }
    }
}

/// Has a pipe take as much at once as anybody may have it take (pipe(7)): 64 KiB, as it is otherwise, have both ends wait for each other
/// most of the time, and an export takes half as long again.
#[cfg(target_os = "linux")]
fn widen(pipe: &ChildStdin) -> nix::Result<()> {
    fcntl(pipe, FcntlArg::F_SETPIPE_SZ(1 << 20)).map(drop)
}

/// FreeBSD has no such call: its kernel has a pipe grow by itself, up to 64 KiB (sys_pipe.c, from memory).
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn widen(_: &ChildStdin) -> nix::Result<()> {
    Ok(())
}

/// A program that is written to. Without its end it is killed, and its input does not look whole to it.
pub(super) struct Fed<'a> {
    child: Option<Child>,
    input: Option<ChildStdin>,
    signals: &'a Signals,
}

impl<'a> Fed<'a> {
    /// Starts one.
    pub(super) fn start(argv: &Argv, output: Stdio, signals: &'a Signals) -> Result<Self, Fault> {
        let mut child = start(argv, Stdio::piped(), output)?;
        let input = child.stdin.take();
        // What takes nothing now may never do so again: that is waited for where signals are heard.
        let nonblocking = input.as_ref().map(|input| fcntl(input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)));
        nonblocking.transpose().may_fail("then only what reads from it can end it");
        input.as_ref().map_or(Ok(()), widen).may_fail("it only takes more turns to fill a pipe that is small");
        Ok(Self { child: Some(child), input, signals })
    }

    /// Ends its input and waits for it, and says why not all of that is where it was to go, if it says so.
    pub(super) fn end(&mut self) -> Result<(), Option<String>> {
        self.input = None;
        self.child.take().map_or(Ok(()), ended)
    }
}

impl Drop for Fed<'_> {
    fn drop(&mut self) {
        // Before its input ends: what it would make of that then looks whole.
        self.child.iter_mut().for_each(spawn::end);
    }
}

impl Write for Fed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(input) = self.input.as_mut() else { return Err(io::ErrorKind::BrokenPipe.into()) };
        loop {
            match input.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_for(input.as_fd(), PollFlags::POLLOUT, self.signals)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

/// A program that is read from.
pub(super) struct Speaking<'a> {
    child: Option<Child>,
    output: Option<ChildStdout>,
    signals: &'a Signals,
}

impl<'a> Speaking<'a> {
    /// Starts one, with nothing to read.
    pub(super) fn start(argv: &Argv, signals: &'a Signals) -> Result<Self, Fault> {
        let mut child = start(argv, Stdio::null(), Stdio::piped())?;
        let output = child.stdout.take();
        Ok(Self { child: Some(child), output, signals })
    }

    /// Waits for its end, and says why what it said is not all.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.output = None;
        let ended = self.child.take().map_or(Ok(()), ended);
        ended.map_err(|why| why.unwrap_or_else(|| "it was ended".into()))
    }
}

impl Drop for Speaking<'_> {
    fn drop(&mut self) {
        self.child.iter_mut().for_each(spawn::end);
    }
}

impl Read for Speaking<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(output) = self.output.as_mut() else { return Ok(0) };
        wait_for(output.as_fd(), PollFlags::POLLIN, self.signals)?;
        output.read(into)
    }
}

//! Streams of zstd, packed and unpacked by zstd(1), which FreeBSD has in its base system and Linux as a package: it packs on all
//! processors, and a library for that would be one in C.

use super::environment::command;
use super::signals::Signals;
use super::{spawn, wait};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::rc::Rc;
use std::thread::JoinHandle;

/// The program.
const ZSTD: &str = "zstd";
/// How much of what it says is read.
const WORDS: u64 = 1 << 12;

/// Starts it, apart from the signals that a terminal sends to all that runs there: who is interrupted ends it.
fn start(args: &[&str], input: Stdio, output: Stdio) -> Result<Child, Fault> {
    tracing::debug!("{ZSTD} {}", args.join(" "));
    let mut command = command(ZSTD);
    command.args(args).stdin(input).stdout(output).stderr(Stdio::piped()).process_group(0);
    let way_out = "install zstd: `apt install zstd`; FreeBSD has it in its base system";
    spawn::start(&mut command).map_err(|why| spawn::refused(ZSTD, &why).hint(way_out))
}

/// Waits for its end; what it complained of is what is wrong, and nothing where it was ended by a signal. It says little, which fits
/// into the pipe.
fn ended(mut child: Child) -> Result<(), Option<String>> {
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
fn wait_for(pipe: BorrowedFd<'_>, ready: PollFlags, signals: &Signals) -> io::Result<()> {
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

/// A stream that is packed as it is written.
pub(super) struct Packer<'a> {
    child: Option<Child>,
    input: Option<ChildStdin>,
    signals: &'a Signals,
}

impl<'a> Packer<'a> {
    /// Begins one that goes to a file, or to our standard output.
    pub(super) fn start(to: Option<File>, signals: &'a Signals) -> Result<Self, Fault> {
        let output = to.map_or_else(Stdio::inherit, Stdio::from);
        // The quickest level that has a number: the digest is made on the same processors.
        let mut child = start(&["-q", "-c", "-1", "-T0"], Stdio::piped(), output)?;
        let input = child.stdin.take();
        // What takes nothing now may never do so again: that is waited for where signals are heard.
        let nonblocking = input.as_ref().map(|input| fcntl(input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)));
        nonblocking.transpose().may_fail("then only what reads from it can end it");
        input.as_ref().map_or(Ok(()), widen).may_fail("it only takes more turns to fill a pipe that is small");
        Ok(Self { child: Some(child), input, signals })
    }

    /// Ends it, and says why not all of it is where it was to go.
    pub(super) fn end(&mut self) -> Result<(), String> {
        self.input = None;
        let ended = self.child.take().map_or(Ok(()), ended);
        ended.map_err(|why| why.unwrap_or_else(|| "whoever reads it has ended".into()))
    }
}

impl Drop for Packer<'_> {
    fn drop(&mut self) {
        // Before its input ends: what it would write then looks whole.
        self.child.iter_mut().for_each(spawn::end);
    }
}

impl Write for Packer<'_> {
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

/// A stream that is unpacked as it is read.
pub(crate) struct Unpacker {
    child: Option<Child>,
    output: Option<ChildStdout>,
    /// Who feeds it, where somebody has read the beginning of its input.
    feeder: Option<JoinHandle<()>>,
    /// Who asks to stop.
    signals: Option<Rc<Signals>>,
}

impl Unpacker {
    /// Begins with a file at its beginning.
    pub(crate) fn of_file(file: File) -> Result<Self, Fault> {
        let mut child = start(&["-q", "-dc"], Stdio::from(file), Stdio::piped())?;
        let output = child.stdout.take();
        Ok(Self { child: Some(child), output, feeder: None, signals: None })
    }

    /// Begins with what comes of a pipe after what was read of it.
    pub(crate) fn of_pipe(begun: Vec<u8>, mut pipe: File) -> Result<Self, Fault> {
        let mut child = start(&["-q", "-dc"], Stdio::piped(), Stdio::piped())?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let feed = move || {
            let Some(mut input) = input else { return };
            let fed = input.write_all(&begun).and_then(|()| io::copy(&mut pipe, &mut input).map(drop));
            fed.may_fail("whoever reads finds that it ends too early");
        };
        let feeder = Some(spawn::thread(feed)?);
        Ok(Self { child: Some(child), output, feeder, signals: None })
    }

    /// Has it heed who asks to stop.
    pub(super) fn heed(&mut self, signals: Rc<Signals>) {
        self.signals = Some(signals);
    }

    /// Ends it, and says why it could not be unpacked, if it says so.
    pub(super) fn end(&mut self) -> Result<(), Option<String>> {
        self.output = None;
        self.child.take().map_or(Ok(()), ended)
    }

    /// Ends it before its end.
    pub(super) fn stop(&mut self) {
        self.child.iter_mut().for_each(spawn::end);
        self.child = None;
    }

    /// Waits for whoever feeds it, once all was read: nothing is left in the pipe then.
    pub(super) fn fed(&mut self) {
        if let Some(feeder) = self.feeder.take() {
            feeder.join().may_fail("what it did not feed is not there");
        }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.child.iter_mut().for_each(spawn::end);
    }
}

impl Read for Unpacker {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(output) = self.output.as_mut() else { return Ok(0) };
        if let Some(signals) = &self.signals {
            wait_for(output.as_fd(), PollFlags::POLLIN, signals)?;
        }
        output.read(into)
    }
}

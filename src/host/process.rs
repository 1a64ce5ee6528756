//! A hypervisor as a child process: one poll(2) waits for its end, its words, our input and whoever asks to stop.

mod input;

use super::descriptions::{Descriptions, of_log};
use super::environment::command;
use super::signals::Signals;
use super::spawn;
use super::terminal::{self, Stream, TextForm};
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Fault, shown};
use crate::host::wait;
use crate::model::Argv;
use input::Input;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How many of the last lines are kept.
const LAST_LINES: usize = 20;

/// How much of a line is kept.
const LINE_MAX: usize = 4096;

/// How much is read after the end, when a grandchild may go on writing.
const DRAIN_MAX: usize = 1 << 20;

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happened {
    /// The process ended.
    Exited(ExitStatus),
    /// Somebody asked to stop; one asking is taken.
    StopAsked,
    /// The moment that the wait was given has come.
    TimeOver,
    /// The extra descriptor has something to read, or its other end is gone.
    Extra,
    /// The process ended, and nobody can know how: it was none of our children.
    Gone,
}

/// What a process ended by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// Its own exit, with this status.
    Code(i32),
    /// A signal, by its number.
    Signal(i32),
}

/// What a loader reads from its standard input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reads<'a> {
    /// Its input is /dev/null.
    Nothing,
    /// What we would read.
    Ours,
    /// This text, and then its end.
    Text(&'a str),
}

/// A running child in a process group of its own. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    signals: Rc<Signals>,
    stderr: Option<ChildStderr>,
    words: Words,
    /// What it says on its way to our standard error.
    shown: shown::Pieces,
    /// Where its words go that we do not hear.
    log_tail: Option<LogTail>,
    input: Option<Box<Input>>,
    /// What it shares with others and changes the flags of.
    shared: Option<Descriptions>,
}

impl Process {
    /// Starts a process. One that uses the standard streams is fed from ours; our output and error are its own. Where ours are a
    /// log it writes there itself, so that it can go on without us, by descriptions of its own.
    pub(crate) fn spawn(
        argv: &Argv,
        uses_stdio: bool,
        signals: Rc<Signals>,
        log: Option<&Path>,
    ) -> Result<Self, Fault> {
        let cannot = |why: &dyn std::fmt::Display| Fault::host(format!("cannot start `{}`: {why}", argv.program));
        let stdin = if uses_stdio { Stdio::piped() } else { Stdio::null() };
        let log_tail = log.map(LogTail::from_here);
        let own = log.and_then(of_log).and_then(|(output, error)| Some((output.try_clone().ok()?, output, error)));
        let mut shared = uses_stdio.then(Descriptions::of_ours);
        let set = |command: &mut Command| {
            if let Some((kept, output, error)) = own {
                shared = uses_stdio.then(|| Descriptions::of(&[kept.as_fd()]));
                command.stdout(output).stderr(error);
            }
            command.stdin(stdin).process_group(0);
        };
        let mut child = Self::start(argv, set, log)?;
        let (stderr, stdin) = (child.stderr.take(), child.stdin.take());
        let process = Self {
            child,
            signals,
            stderr,
            words: Words::default(),
            shown: shown::Pieces::default(),
            log_tail,
            input: stdin.map(Input::new).map(Box::new),
            shared,
        };
        // From here on a fault kills the child.
        let pipes = process.stderr.iter().map(AsFd::as_fd).chain(process.input.iter().map(|input| input.pipe.as_fd()));
        for pipe in pipes {
            set_nonblocking(pipe).map_err(|why| cannot(&why))?;
        }
        Ok(process)
    }

    /// Starts a loader. It is in our own process group, as a terminal stops whoever sets it from the background, and it reads the
    /// terminal itself, so that nothing which is typed is lost to the machine.
    pub(crate) fn load(argv: &Argv, reads: Reads<'_>, signals: Rc<Signals>, log: Option<&Path>) -> Result<Self, Fault> {
        let cannot = |why: &dyn std::fmt::Display| Fault::host(format!("cannot start `{}`: {why}", argv.program));
        let stdin = match reads {
            Reads::Nothing => Stdio::null(),
            Reads::Ours => Stdio::inherit(),
            Reads::Text(_) => Stdio::piped(),
        };
        let log_tail = log.map(LogTail::from_here);
        let mut child = Self::start(argv, |command| _ = command.stdin(stdin), log)?;
        if let (Some(mut pipe), Reads::Text(text)) = (child.stdin.take(), reads) {
            pipe.write_all(text.as_bytes())
                .may_fail("it fits into the pipe; one that does not read it tells why it ended");
        }
        let stderr = child.stderr.take();
        let process = Self {
            child,
            signals,
            stderr,
            words: Words::default(),
            shown: shown::Pieces::default(),
            log_tail,
            input: None,
            shared: None,
        };
        let pipe = process.stderr.iter().map(AsFd::as_fd).next();
        pipe.map_or(Ok(()), set_nonblocking).map_err(|why| cannot(&why))?;
        Ok(process)
    }

    /// Starts a program that waits at a gate until it gets a line, and ends where we are gone before. It is in a group of its own, its
    /// output goes where its errors go, and its number stays when it becomes the program.
    pub(crate) fn gated(
        argv: &Argv,
        folder: Option<&Path>,
        signals: Rc<Signals>,
        log: Option<&Path>,
    ) -> Result<(Self, ChildStdin), Fault> {
        const GATE: &str = "read go && exec \"$@\" </dev/null";
        let cannot = |why: &dyn std::fmt::Display| Fault::host(format!("cannot start `{}`: {why}", argv.program));
        let gated = Argv::new("sh").args(["-c", GATE, "sh"]).args(argv.words());
        let log_tail = log.map(LogTail::from_here);
        let (ours, theirs) = std::io::pipe().map_err(|why| cannot(&why))?;
        let output = match log.and_then(of_log) {
            Some((output, error)) => (Stdio::from(output), error),
            None => (Stdio::from(theirs.try_clone().map_err(|why| cannot(&why))?), Stdio::from(theirs)),
        };
        let set = |command: &mut Command| {
            command.stdin(Stdio::piped()).stdout(output.0).stderr(output.1).process_group(0);
            folder.into_iter().for_each(|folder| _ = command.current_dir(folder));
        };
        let mut child = Self::start(&gated, set, log)?;
        let gate = child.stdin.take();
        let stderr = log.is_none().then(|| ChildStderr::from(OwnedFd::from(ours)));
        let (words, shown) = (Words::default(), shown::Pieces::default());
        let process = Self { child, signals, stderr, words, shown, log_tail, input: None, shared: None };
        let pipe = process.stderr.iter().map(AsFd::as_fd).next();
        pipe.map_or(Ok(()), set_nonblocking).map_err(|why| cannot(&why))?;
        Ok((process, gate.ok_or_else(|| cannot(&"it has no input"))?))
    }

    /// Returns how it ended, if it has, and passes on what it has said. It waits for nothing.
    pub(crate) fn look(&mut self) -> Option<ExitStatus> {
        match self.wait_for(Some(Instant::now()), None, false) {
            Happened::Exited(status) => Some(status),
            Happened::StopAsked | Happened::TimeOver | Happened::Extra | Happened::Gone => None,
        }
    }

    /// Starts a program whose errors we hear, or the log.
    fn start(argv: &Argv, set: impl FnOnce(&mut Command), log: Option<&Path>) -> Result<Child, Fault> {
        let mut command = command(&argv.program);
        command.args(&argv.args).stderr(if log.is_some() { Stdio::inherit() } else { Stdio::piped() });
        set(&mut command);
        spawn::start(&mut command).map_err(|why| match why.kind() {
            ErrorKind::NotFound => Fault::host(format!("cannot start `{}`: it is not installed", argv.program))
                .hint("install it, or put its folder into PATH"),
            _ => spawn::refused(&argv.program, &why),
        })
    }

    /// Returns its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the last lines that it wrote to its standard error.
    pub(crate) fn last_words(&self) -> Vec<String> {
        self.log_tail.as_ref().map_or_else(|| self.words.lines(), LogTail::last_words)
    }

    /// Returns what a status means.
    pub(crate) fn ended_by(status: ExitStatus) -> EndedBy {
        match (status.code(), status.signal()) {
            (Some(code), _) => EndedBy::Code(code),
            (None, signal) => EndedBy::Signal(signal.unwrap_or_default()),
        }
    }

    /// Sends it a signal; one that has ended already gets none.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if let (Ok(None), Ok(id)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            kill(Pid::from_raw(id), signal)
                .may_fail("it has not been waited for, so that the number is its own and takes the signal");
        }
    }

    /// Sends a signal to it and to what it has started, which is a group of its own; one that has ended already gets none.
    pub(crate) fn signal_group(&mut self, signal: Signal) {
        if let (Ok(None), Ok(id)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            killpg(Pid::from_raw(id), signal).may_fail("it has not been waited for, so that the number is its own");
        }
    }

    /// Waits until something happens, at most until then.
    pub(crate) fn wait(&mut self, until: Option<Instant>, extra: Option<BorrowedFd<'_>>) -> Happened {
        self.wait_for(until, extra, true)
    }

    /// Waits for its end without heeding who asks to stop, and kills it when it takes too long.
    pub(crate) fn end(&mut self, within: Duration) -> Option<ExitStatus> {
        if let Happened::Exited(status) = self.wait_for(Some(Instant::now() + within), None, false) {
            return Some(status);
        }
        self.signal(Signal::SIGKILL);
        match self.wait_for(None, None, false) {
            Happened::Exited(status) => Some(status),
            Happened::StopAsked | Happened::TimeOver | Happened::Extra | Happened::Gone => None,
        }
    }

    fn wait_for(&mut self, until: Option<Instant>, extra: Option<BorrowedFd<'_>>, heed_stop: bool) -> Happened {
        if let Some(input) = &mut self.input {
            input.try_again();
        }
        loop {
            // In this order, so that a child that ends between the two is seen by poll(2).
            self.signals.forget_children();
            if let Ok(Some(status)) = self.child.try_wait() {
                self.hear(DRAIN_MAX);
                (self.shared, self.input) = (None, None);
                return Happened::Exited(status);
            }
            if heed_stop && self.signals.take_stop() {
                return Happened::StopAsked;
            }
            self.shared.iter_mut().for_each(Descriptions::look);
            let look = self.shared.as_ref().and_then(Descriptions::next);
            let ready = self.poll(until.into_iter().chain(look).min(), extra, heed_stop);
            if ready.stderr {
                self.hear(LINE_MAX);
            }
            if (ready.keyboard || ready.pipe) && self.input.as_mut().is_some_and(|input| !input.feed(ready.keyboard)) {
                self.input = None;
            }
            if ready.extra {
                return Happened::Extra;
            }
            if !ready.woken && until.is_some_and(|until| until <= Instant::now()) {
                return Happened::TimeOver;
            }
        }
    }

    fn poll(&self, until: Option<Instant>, extra: Option<BorrowedFd<'_>>, heed_stop: bool) -> Ready {
        let keyboard = std::io::stdin();
        let input = self.input.as_deref();
        let listens = input.is_some_and(Input::wants_more);
        let pipe = input.filter(|input| !input.pending.is_empty()).map(|input| input.pipe.as_fd());
        let wanted = [
            (Some(self.signals.child_fd()), PollFlags::POLLIN),
            (heed_stop.then(|| self.signals.stop_fd()), PollFlags::POLLIN),
            (self.stderr.as_ref().map(AsFd::as_fd), PollFlags::POLLIN),
            (listens.then(|| keyboard.as_fd()), PollFlags::POLLIN),
            (pipe, PollFlags::POLLOUT),
            (extra, PollFlags::POLLIN),
        ];
        let mut fds: Vec<PollFd<'_>> =
            wanted.iter().filter_map(|(fd, flags)| Some(PollFd::new((*fd)?, *flags))).collect();
        wait::for_any(&mut fds, timeout(until));
        let mut answers = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let ready = wanted.map(|(fd, _)| fd.is_some() && answers.next().unwrap_or_default());
        let [child, stop, stderr, keyboard, pipe, extra] = ready;
        Ready { woken: child || stop, stderr, keyboard, pipe, extra }
    }

    /// Passes on what it wrote to its standard error.
    fn hear(&mut self, limit: usize) {
        let mut heard = 0;
        let mut buffer = [0; LINE_MAX];
        while let Some(pipe) = &mut self.stderr
            && heard < limit
        {
            match pipe.read(&mut buffer) {
                Ok(0) => {
                    self.stderr = None;
                    terminal::print(Stream::Error, TextForm::Text, &self.shown.finish())
                        .may_fail("there is nowhere left to complain");
                }
                Ok(count) => {
                    heard += count;
                    let text = self.shown.add(&buffer[..count]);
                    terminal::print(Stream::Error, TextForm::Text, &text).may_fail("there is nowhere left to complain");
                    self.words.add(&buffer[..count]);
                }
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.stderr = None,
            }
        }
    }
}

/// The part of a log that a process has written.
#[derive(Debug)]
pub(crate) struct LogTail {
    log: PathBuf,
    from: u64,
}

impl LogTail {
    /// How much of it is looked at.
    const TAIL: u64 = 8192;

    /// Begins where the log ends now.
    pub(crate) fn from_here(log: &Path) -> Self {
        Self { log: log.into(), from: std::fs::metadata(log).map_or(0, |meta| meta.len()) }
    }

    /// Returns its last lines.
    pub(crate) fn last_words(&self) -> Vec<String> {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(&self.log)?;
            let end = file.metadata()?.len();
            // A log that was begun anew meanwhile is shorter.
            let from = if end < self.from { 0 } else { self.from };
            file.seek(SeekFrom::Start(from.max(end.saturating_sub(Self::TAIL))))?;
            let mut bytes = Vec::new();
            file.take(Self::TAIL).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let mut words = Words::default();
        words.add(&read().unwrap_or_default());
        // What vmrun itself says stands there as well.
        words.lines().into_iter().filter(|line| !line.starts_with("vmrun: ")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            spawn::end(&mut self.child);
        }
    }
}

/// What poll(2) found.
#[expect(clippy::struct_excessive_bools, reason = "one for each descriptor")]
struct Ready {
    woken: bool,
    stderr: bool,
    keyboard: bool,
    pipe: bool,
    extra: bool,
}

/// The last lines of a text that comes in pieces.
#[derive(Debug, Default)]
struct Words {
    lines: VecDeque<String>,
    rest: Vec<u8>,
}

impl Words {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => {
                    let line = String::from_utf8_lossy(&std::mem::take(&mut self.rest)).trim_end().to_string();
                    self.lines.push_back(line);
                    self.lines.drain(..self.lines.len().saturating_sub(LAST_LINES));
                }
                _ if self.rest.len() < LINE_MAX => self.rest.push(*byte),
                _ => {}
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let rest = String::from_utf8_lossy(&self.rest).trim_end().to_string();
        let all: Vec<String> = self.lines.iter().cloned().chain((!rest.is_empty()).then_some(rest)).collect();
        all[all.len().saturating_sub(LAST_LINES)..].to_vec()
    }
}

pub(crate) fn set_nonblocking(fd: BorrowedFd<'_>) -> nix::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).map(drop)
}

/// Rounded up, so that poll(2) does not return before the time.
pub(crate) fn timeout(until: Option<Instant>) -> PollTimeout {
    let Some(until) = until else { return PollTimeout::NONE };
    let left = until.saturating_duration_since(Instant::now());
    let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Process {
        Process::spawn(&Argv::new("sh").args(["-c", script]), false, Signals::install().unwrap(), None).unwrap()
    }

    fn exit(process: &mut Process) -> EndedBy {
        match process.wait(Some(Instant::now() + Duration::from_secs(10)), None) {
            Happened::Exited(status) => Process::ended_by(status),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_end_comes_with_its_status_and_the_last_words() {
        let mut process = sh("i=0; while [ $i -lt 30 ]; do echo line $i >&2; i=$((i+1)); done; printf end >&2; exit 7");
        assert_eq!(exit(&mut process), EndedBy::Code(7));
        let words = process.last_words();
        assert_eq!((words.len(), words[0].as_str(), words[19].as_str()), (20, "line 11", "end"));
        assert_eq!(exit(&mut process), EndedBy::Code(7));
    }

    #[test]
    fn a_grandchild_that_holds_stderr_does_not_hold_us() {
        let start = Instant::now();
        assert_eq!(exit(&mut sh("sleep 5 & echo gone >&2; kill -9 $$")), EndedBy::Signal(9));
        assert!(start.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn time_and_signals_and_kills_are_told() {
        let mut process = sh("exec sleep 20");
        assert_eq!(process.wait(Some(Instant::now() + Duration::from_millis(20)), None), Happened::TimeOver);
        process.signal(Signal::SIGTERM);
        assert_eq!(exit(&mut process), EndedBy::Signal(15));
        let mut deaf = sh("trap '' TERM; sleep 20");
        assert_eq!(deaf.end(Duration::from_millis(20)).map(Process::ended_by), Some(EndedBy::Signal(9)));
    }

    #[test]
    fn a_missing_program_is_named() {
        let signals = Signals::install().unwrap();
        let fault = Process::spawn(&Argv::new("no-such-program"), false, signals, None).unwrap_err();
        assert_eq!(fault.message, "cannot start `no-such-program`: it is not installed");
    }
}

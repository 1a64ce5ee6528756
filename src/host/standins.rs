//! Stand-ins: links to this program under the names of others, first in the PATH of a script that is recorded.
//!
//! The folder of a recording, which only its owner may enter, holds the links, the setting, the journal of calls and a bell
//! that is rung when there were too many of them. A stand-in reads the journal under a lock, tells a new world the calls
//! that it finds, answers its own, and appends it: so the calls have one order, and every answer fits all that was before.

mod done;
mod player;
mod stream;
mod temporary;
#[cfg(target_os = "linux")]
mod watched;

use super::enclosure::{self, EnclosureSocket, ScriptStatus, VARIABLE, refused, usual_path};
use super::environment;
use super::files::{self, io_fault, write_private};
use super::program::{find, run, without_interpreter};
use super::signals::Signals;
use super::spawn;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault, Source};
use crate::host::wait;
use crate::model::Argv;
use crate::recording::{
    CARRIERS, Call, NAMES, Recording, Scenario, Written, base_name, journal, made_up, sized, started,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::Mode;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, mkfifo};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

pub(crate) use player::play;
pub(crate) use stream::Lines;
use stream::Stream;

/// How long a script's children may go on after its end, and how long it may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);

/// How long the journal has to stay as it is before it counts as whole.
const CALM: Duration = Duration::from_millis(50);

/// How many of the last lines of standard error are kept.
const LAST_LINES: usize = 20;

/// How much of a line is kept, in bytes.
const LINE_MAX: usize = 64 << 10;

/// The beginning of the names of files that tell of watched programs that have not ended.
const BEGUN: &str = "begun.";

/// How large a script is that is looked into, in bytes.
const SCRIPT_MAX: u64 = 1 << 20;

/// Runs scripts with stand-ins, and heeds who asks to stop meanwhile.
pub(crate) struct Recorder {
    signals: Rc<Signals>,
    reach: Reach,
}

/// How far the scripts of a recorder reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// They are enclosed, and change nothing of this host.
    Enclosure,
    /// What has no stand-in is done for real.
    Host,
}

impl Recorder {
    /// Installs the handlers of signals, so that nothing is left behind on the way out.
    pub(crate) fn new(reach: Reach) -> Result<Self, Fault> {
        Ok(Self { signals: Signals::install()?, reach })
    }

    /// Runs a command with stand-ins to its end, and returns what it called. What it writes is told line by line, without
    /// passwords. It is ended, with its whole process group, when it takes too long, calls too much, or somebody asks to.
    pub(crate) fn record(
        &self,
        command: &[String],
        setting: &Scenario,
        within: Duration,
        (lines, hear): (Lines, &mut dyn FnMut(&str)),
    ) -> Result<Recording, Fault> {
        let program = startable(command)?;
        let folder = Folder::make(setting)?;
        let bell = folder.bell()?;
        let mut script = Script::start(command, &folder, self.reach, lines)?;
        let mut is_cut = self.until_end(&mut script, (&folder, &bell), setting, within, hear)?;
        let until = if is_cut { Instant::now() } else { Instant::now() + GRACE };
        while script.is_heard() && Instant::now() < until {
            script.listen(&[], Some(until.saturating_duration_since(Instant::now())), hear);
        }
        folder.calm_down(until);
        let (status, stderr, mut written) = script.end(hear)?;
        // What goes on in the background boots its machine too often after the script's own end.
        let has_rung = is_readable(&bell);
        written.retain(|file| !is_made_up(file, setting));
        let calls = folder.calls_of(program)?;
        let left = if is_cut { Vec::new() } else { folder.left(&calls) };
        let made_up = made_up(setting, &calls);
        let status = if is_cut { 0 } else { status };
        is_cut |= has_rung && calls.len() < setting.limit;
        Ok(Recording {
            calls,
            status,
            stderr,
            written,
            made_up,
            is_cut,
            left,
            files: setting.files.clone(),
            umask: Some(if self.reach == Reach::Enclosure { enclosure::UMASK } else { files::umask() }),
            ..Recording::default()
        })
    }

    /// Waits until a script has ended, and returns whether it booted a machine too often before.
    fn until_end(
        &self,
        script: &mut Script,
        (folder, bell): (&Folder, &File),
        setting: &Scenario,
        within: Duration,
        hear: &mut dyn FnMut(&str),
    ) -> Result<bool, Fault> {
        let until = Instant::now().checked_add(within);
        loop {
            // In this order, so that an end between the two is seen by poll(2).
            self.signals.forget_children();
            if script.has_ended()? {
                return Ok(false);
            }
            if self.signals.take_stop() {
                return Err(Fault::new("interrupted").blame(Blame::Interrupted));
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(too_long(within));
            }
            if script.listen(&[bell.as_fd(), self.signals.stop_fd(), self.signals.child_fd()], left, hear).first()
                == Some(&true)
            {
                // Fewer calls than it may make: a machine was booted too often, and what is known of it is enough.
                let is_cut = folder.calls()?.len() < setting.limit;
                return if is_cut { Ok(true) } else { Err(too_much(setting)) };
            }
        }
    }
}

/// Whether something is to be read, at once.
fn is_readable(file: &File) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok() && fds.first().and_then(PollFd::any) == Some(true)
}

/// Returns the program of a command, unless it is a script whose interpreter is not there.
fn startable(command: &[String]) -> Result<&str, Fault> {
    let program = command.first().map(String::as_str).unwrap_or_default();
    let missing = without_interpreter(Path::new(program)).filter(|_| program.contains('/'));
    missing.map_or(Ok(program), Err)
}

/// Whether the first line of a script has env(1) find its interpreter.
fn is_found_by_env(program: &str) -> bool {
    let head = script(&[program.to_string()]).and_then(|script| script.text.lines().next().map(String::from));
    head.is_some_and(|head| head.starts_with("#!") && head.split_whitespace().any(|word| word.ends_with("/env")))
}

/// Returns the carriers of a call without the one that found the interpreter of the whole script.
fn without_env(carriers: &str) -> String {
    carriers.split(' ').skip_while(|carrier| *carrier == "env").collect::<Vec<_>>().join(" ")
}

/// Whether a file is there for the recording alone: the script has not written it.
fn is_made_up(file: &Written, setting: &Scenario) -> bool {
    let is_set = || setting.files.iter().any(|other| other.is_there && other.path == file.path);
    let content = file.content.as_deref();
    content == Some(sized::CONTENT) || content == Some(setting.content_of(&file.path)) && is_set()
}

fn too_long(within: Duration) -> Fault {
    let fault = Fault::new(format!("the script took longer than {}s and was ended", within.as_secs_f64()));
    fault.hint("give it more by `--within 5m`; its standard input is empty, and no guest ever runs")
}

fn too_much(setting: &Scenario) -> Fault {
    let fault = Fault::new(format!("the script made {} calls, did not come to an end, and was ended", setting.limit));
    fault.hint(match setting.exits.last() {
        Some(0) => "every boot ended in a reboot: `--exits 0,1` lets the second one power off",
        _ => "it repeats calls for ever: does it wait for something that a stand-in does not do?",
    })
}

/// Returns what the host's own ifconfig prints, if there is one and it is FreeBSD's: each interface of it has a metric (ifconfig(8)), and one of
/// Linux has none but in the old form. Its names would be in a recipe for FreeBSD.
pub(crate) fn interfaces() -> Option<String> {
    find("ifconfig")?;
    let is_of_freebsd = |text: &String| text.lines().next().is_some_and(|line| line.contains(" metric "));
    run(&Argv::new("ifconfig")).ok().filter(is_of_freebsd)
}

/// The shells that run scripts.
const SHELLS: &[&str] = &["sh", "ash", "bash", "dash", "ksh", "ksh93", "mksh", "oksh", "zsh", "csh", "tcsh"];

/// Other programs that run scripts, with or without a version behind the name.
const INTERPRETERS: &[&str] = &["perl", "python", "ruby", "lua", "tclsh", "php", "fish"];

/// Whether a program runs the script that it is given.
fn runs_scripts(program: &str) -> bool {
    let stem = base_name(program).trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    SHELLS.contains(&base_name(program)) || INTERPRETERS.contains(&stem)
}

/// Returns a command by which the shell of a script tells of each of its commands. Nothing where no shell of sh's kin runs it.
pub(crate) fn traced(command: &[String]) -> Option<Vec<String>> {
    let tells = |program: &str| SHELLS.contains(&base_name(program)) && !program.ends_with("csh");
    let (program, args) = command.split_first()?;
    let tracing = || "-x".to_string();
    if tells(program) {
        return Some([&[program.clone(), tracing()], args].concat());
    }
    let source = script(command)?;
    let first = source.text.lines().next()?.strip_prefix("#!")?;
    let mut words: Vec<String> = first.split_whitespace().map(String::from).collect();
    if words.first().is_some_and(|word| base_name(word) == "env") {
        words.remove(0);
    }
    let is_told = words.first().is_some_and(|word| tells(word));
    is_told.then(|| [words, vec![tracing(), source.name], args.to_vec()].concat())
}

/// Returns the text of the script that a command runs, if it can be read: the command itself, or what a shell is given.
pub(crate) fn script(command: &[String]) -> Option<Source> {
    let (program, args) = command.split_first()?;
    let path = if runs_scripts(program) {
        PathBuf::from(args.iter().find(|arg| !arg.starts_with(['-', '+']))?)
    } else if program.contains('/') {
        program.into()
    } else {
        find(program)?
    };
    let file = files::open(&path).ok()?;
    let mut bytes = Vec::new();
    file.take(SCRIPT_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    Some(Source { name: path.display().to_string(), text })
}

/// The folder of one recording. Dropping it removes it.
struct Folder(PathBuf);

impl Folder {
    fn make(setting: &Scenario) -> Result<Self, Fault> {
        let base = std::path::absolute(std::env::temp_dir()).map_err(io_fault("find", Path::new("TMPDIR")))?;
        let path = |n: u32| base.join(format!("vmrun-record-{}-{n}", std::process::id()));
        let made = (0..100).map(|n| (DirBuilder::new().mode(0o700).create(path(n)), path(n)));
        let mut made =
            made.skip_while(|(made, _)| made.as_ref().is_err_and(|why| why.kind() == ErrorKind::AlreadyExists));
        let Some((made, path)) = made.next() else {
            return Err(
                Fault::host(format!("{} is full of old recordings", base.display())).hint("remove vmrun-record-*")
            );
        };
        made.map_err(io_fault("make", &path))?;
        let folder = Self(path);
        let (bin, bell) = (folder.0.join("bin"), folder.0.join("bell"));
        DirBuilder::new().mode(0o700).create(&bin).map_err(io_fault("make", &bin))?;
        let us = std::env::current_exe().map_err(|why| Fault::host(format!("cannot find this program: {why}")))?;
        for name in NAMES.iter().chain(CARRIERS).copied().chain(setting.programs.iter().map(String::as_str)) {
            symlink(&us, bin.join(name)).map_err(io_fault("make", &bin.join(name)))?;
        }
        enclosure::make_place(&folder.0)?;
        mkfifo(&bell, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|why| io_fault("make", &bell)(why.into()))?;
        write_private(&folder.0.join("setting"), &journal::write_scenario(setting))?;
        write_private(&folder.0.join("journal"), &[])?;
        Ok(folder)
    }

    /// Returns the bell, readable once it was rung. It is open for writing too, so that it never is at its end.
    fn bell(&self) -> Result<File, Fault> {
        let path = self.0.join("bell");
        let file = OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_NONBLOCK).open(&path);
        file.map_err(io_fault("open", &path))
    }

    /// Returns the PATH of a script.
    fn search_path(&self) -> Result<OsString, Fault> {
        let old = usual_path();
        let folders = std::iter::once(self.0.join("bin")).chain(std::env::split_paths(&old));
        std::env::join_paths(folders).map_err(|_| {
            let fault = Fault::host(format!("{} holds a colon, which PATH cannot hold", self.0.display()));
            fault.hint("let TMPDIR name another folder")
        })
    }

    /// Returns the calls of a script that has ended, in their order.
    fn calls_of(&self, program: &str) -> Result<Vec<Call>, Fault> {
        let mut calls = self.calls()?;
        if is_found_by_env(program) {
            calls.iter_mut().for_each(|call| call.carriers = without_env(&call.carriers));
        }
        started::in_order(&mut calls);
        Ok(calls)
    }

    fn calls(&self) -> Result<Vec<Call>, Fault> {
        let path = self.0.join("journal");
        let mut bytes = Vec::new();
        // A script can put anything in its place: no link is followed, and no pipe waited for.
        let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&path);
        let read = file.and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(io_fault("read", &path))?;
        Ok(journal::read_calls(&bytes).0)
    }

    /// Returns the watched programs that went on until the end and called nothing, each command once.
    fn left(&self, calls: &[Call]) -> Vec<String> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(Ok(number)) = name.to_str().and_then(|name| name.strip_prefix(BEGUN)).map(str::parse::<u32>)
            else {
                continue;
            };
            let bytes = files::read_within(&entry.path(), SCRIPT_MAX).unwrap_or_default();
            let lines = journal::read_calls(&bytes).0.into_iter().map(|call| call.command().to_string());
            let has_called = calls.iter().any(|call| call.parent >= number);
            all.extend(lines.filter(|line| !has_called && !all.contains(line)).collect::<Vec<_>>());
        }
        all.sort();
        all
    }

    /// Waits until calls that were begun in the background are written.
    fn calm_down(&self, until: Instant) {
        let length = || std::fs::metadata(self.0.join("journal")).map(|meta| meta.len()).unwrap_or_default();
        let mut before = None;
        while before != Some(length()) && Instant::now() < until {
            before = Some(length());
            wait::pause(PollTimeout::try_from(CALM).unwrap_or(PollTimeout::ZERO));
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).may_fail("there is nobody left to tell");
    }
}

/// A script that runs: as the leader of a process group, or in an enclosure. Dropping it ends all of it.
struct Script {
    /// The leader, or the process that the enclosure is the child of.
    child: Child,
    enclosure: Option<EnclosureSocket>,
    /// How an enclosed script ended.
    ended: Option<i32>,
    program: String,
    /// Its standard output and error.
    streams: [Stream; 2],
    is_reaped: bool,
}

impl Script {
    fn start(command: &[String], folder: &Folder, reach: Reach, lines: Lines) -> Result<Self, Fault> {
        let (program, args) = command.split_first().ok_or_else(|| Fault::usage("there is no command to record"))?;
        let (mut command, enclosure) = if reach == Reach::Enclosure {
            let (command, talk) = EnclosureSocket::prepare(&folder.0, command)?;
            (command, Some(talk))
        } else {
            let mut command = environment::command(program);
            command.args(args).env("PATH", folder.search_path()?).env(VARIABLE, &folder.0).stdin(Stdio::null());
            (command, None)
        };
        let (stderr, socket) = stream::writable(lines).map_err(|why| not_started(program, why))?;
        command.stdout(Stdio::piped()).stderr(stderr).process_group(0);
        let mut child = spawn::start(&mut command).map_err(|why| not_started(program, why))?;
        let stdout = child.stdout.take().map(OwnedFd::from);
        let stderr = socket.or_else(|| child.stderr.take().map(OwnedFd::from));
        let streams = [Stream::new(stdout, Lines::AsWritten), Stream::new(stderr, lines)];
        Ok(Self { child, enclosure, ended: None, program: program.clone(), streams, is_reaped: false })
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// Returns whether the script itself has ended.
    fn has_ended(&mut self) -> Result<bool, Fault> {
        match self.enclosure.as_mut().map(EnclosureSocket::state) {
            None => Ok(self.has_left()),
            Some(ScriptStatus::Runs) => Ok(false),
            Some(ScriptStatus::Ended(status)) => {
                self.ended = Some(status);
                Ok(true)
            }
            Some(ScriptStatus::NotStarted(why)) => Err(not_started(&self.program, why)),
            Some(ScriptStatus::Refused(why)) => Err(refused(&why)),
        }
    }

    /// Returns whether our child has ended. It is not waited for yet, so that its number stays its group's.
    fn has_left(&self) -> bool {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        !matches!(waitid(Id::Pid(self.group()), flags), Ok(WaitStatus::StillAlive) | Err(nix::errno::Errno::EINTR))
    }

    /// Returns whether somebody may still write.
    fn is_heard(&self) -> bool {
        self.streams.iter().any(|stream| stream.fd().is_some())
    }

    /// Waits until it writes something or one of the other descriptors is ready, and returns which of those are.
    fn listen(&mut self, extra: &[BorrowedFd<'_>], within: Option<Duration>, hear: &mut dyn FnMut(&str)) -> Vec<bool> {
        let pipes: Vec<bool> = self.streams.iter().map(|stream| stream.fd().is_some()).collect();
        let fds = extra.iter().copied().chain(self.streams.iter().filter_map(Stream::fd));
        let fds = fds.chain(self.enclosure.as_ref().filter(|_| self.ended.is_none()).map(EnclosureSocket::fd));
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // A millisecond more, so that poll(2) does not return before the time.
        let time =
            within.map(|time| PollTimeout::try_from(time + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX));
        // An error is an interruption by a signal, whose byte the next turn finds.
        let is_known = poll(&mut fds, time.unwrap_or(PollTimeout::NONE)).is_ok();
        let mut ready: Vec<bool> = fds.iter().map(|fd| is_known && fd.any().unwrap_or_default()).collect();
        let mut written = ready.split_off(extra.len()).into_iter();
        for (stream, is_open) in self.streams.iter_mut().zip(pipes) {
            if is_open && written.next() == Some(true) {
                stream.read(hear);
            }
        }
        ready
    }

    /// Ends what is left of it, and returns the script's status, last words and files.
    fn end(mut self, hear: &mut dyn FnMut(&str)) -> Result<(i32, Vec<String>, Vec<Written>), Fault> {
        let (written, patience) = if let Some(talk) = self.enclosure.take() {
            (talk.end()?, GRACE)
        } else {
            killpg(self.group(), Signal::SIGKILL).may_fail("there may be none of the group any more");
            (Vec::new(), Duration::ZERO)
        };
        // What it said last is still to be read, and nobody is left in an enclosure who could go on.
        let until = Instant::now() + patience;
        while self.is_heard() && Instant::now() < until {
            self.listen(&[], Some(until.saturating_duration_since(Instant::now())), hear);
        }
        let status = self.child.wait().map_err(|why| Fault::host(format!("cannot wait for the script: {why}")))?;
        self.is_reaped = true;
        self.streams.iter_mut().for_each(|stream| stream.finish(hear));
        let of_child = || status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let [_, stderr] = &mut self.streams;
        Ok((self.ended.unwrap_or_else(of_child), std::mem::take(&mut stderr.last).into(), written))
    }
}

/// Returns the fault of a script that could not be started.
fn not_started(program: &str, why: std::io::Error) -> Fault {
    if let Some(fault) = without_interpreter(Path::new(program)) {
        return fault;
    }
    let usual = "after `--` comes the command, as you type it: `vmrun record -- ./vm.ksh install`";
    let hint = spawn::hint(&why).unwrap_or_else(|| usual.into());
    io_fault("start", Path::new(program))(why).hint(hint)
}

impl Drop for Script {
    fn drop(&mut self) {
        if self.is_reaped {
            return;
        }
        // What is enclosed ends when nobody listens to it any more; its parent then does so too.
        if self.enclosure.take().is_none() {
            killpg(self.group(), Signal::SIGTERM).may_fail("there may be none of the group any more");
        }
        let until = Instant::now() + GRACE;
        while !self.has_left() && Instant::now() < until {
            wait::pause(PollTimeout::from(10_u8));
        }
        killpg(self.group(), Signal::SIGKILL).may_fail("there may be none of the group any more");
        self.child.wait().may_fail("it was waited for then");
    }
}

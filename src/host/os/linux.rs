//! Linux: machines that are QEMU processes.

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::boot_plan::BootPlan;
use crate::host::files::remove;
use crate::host::foreign_process::{ForeignProcess, HypervisorProcess};
use crate::host::guests::does_not_end;
use crate::host::process::{EndedBy, Happened, Process};
use crate::host::signals::Signals;
use crate::host::{Guest, Settings, Woken, kernel};
use crate::model::{Argv, Ended, Machine, VmName};
use crate::qemu::{self, Event};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long QEMU may take to leave when it is told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same for one that was given its time before: nobody waits much longer than he said.
const LAST_PATIENCE: Duration = Duration::from_millis(700);

/// How much of the log of resets is looked at: its last line is what matters.
const LOG_TAIL: u64 = 4096;

/// bhyve's exit status for what QEMU's exit status 1 says: it did not get as far as running a guest.
const REFUSED: i32 = 4;

/// What a umask has to take away so that nobody else connects to a new socket: connecting is writing (unix(7)).
const OTHERS_WRITE: u32 = 0o022;

/// Starts a machine under QEMU.
pub(crate) fn boot(
    settings: &Settings,
    machine: &Machine,
    plan: &BootPlan,
    signals: Rc<Signals>,
    log: Option<&Path>,
    umask: u32,
) -> Result<Box<dyn Guest>, Fault> {
    let folder = settings.machine_folder(machine.name());
    let is_private = umask & OTHERS_WRITE == OTHERS_WRITE;
    let (listener, qmp) = Qmp::open(&qemu::qmp_socket(&folder), is_private)?;
    let questions = listen(&qemu::ask_socket(&folder), is_private)?;
    let mut argv = plan.argv.clone();
    for ((name, socket), listener) in qemu::monitors(&folder).iter().zip([&listener, &questions]) {
        let by_path = qemu::by_path(name, socket);
        for arg in argv.args.iter_mut().filter(|arg| **arg == by_path) {
            *arg = qemu::by_descriptor(name, listener.as_raw_fd());
        }
    }
    let ports = serial_ports(&mut argv, &folder, is_private)?;
    let process = HypervisorProcess::Child(Process::spawn(&argv, machine.uses_stdio() && log.is_none(), signals, log)?);
    drop((listener, questions, ports));
    Ok(Box::new(Qemu { process, qmp, reset_log: qemu::reset_log(&folder), ended: None }))
}

/// Listens for consoles at the sockets of serial ports, and has the arguments name them by the descriptors that they have.
fn serial_ports(argv: &mut Argv, folder: &Path, is_private: bool) -> Result<Vec<UnixListener>, Fault> {
    let mut listeners = Vec::new();
    for arg in &mut argv.args {
        let Some(port) = arg.strip_prefix("socket,id=").and_then(|rest| rest.split(',').next()).map(String::from)
        else {
            continue;
        };
        if let Some(rest) = arg.strip_prefix(&qemu::serial_by_path(folder, &port)) {
            let path = qemu::serial_socket(folder, &port);
            remove(&path)?;
            let listener = listen(&path, is_private)?;
            *arg = qemu::serial_by_descriptor(&port, listener.as_raw_fd()) + rest;
            listeners.push(listener);
        }
    }
    Ok(listeners)
}

/// Makes a socket that a child can listen at as well. Nobody else may connect, where that is not so already.
fn listen(path: &Path, is_private: bool) -> Result<UnixListener, Fault> {
    let cannot = |why: &dyn std::fmt::Display| Fault::host(format!("cannot listen at {}: {why}", path.display()));
    let listener = UnixListener::bind(path).map_err(|why| cannot(&why))?;
    if !is_private {
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|why| cannot(&why))?;
    }
    fcntl(listener.as_fd(), FcntlArg::F_SETFD(FdFlag::empty())).map_err(|why| cannot(&why))?;
    Ok(listener)
}

/// Takes over a QEMU that is none of our children.
pub(crate) fn adopt(
    settings: &Settings,
    name: &VmName,
    pid: u32,
    signals: Rc<Signals>,
    log: Option<&Path>,
) -> Result<Box<dyn Guest>, Fault> {
    let folder = settings.machine_folder(name);
    let cannot = |why| Fault::host(format!("cannot talk to the QEMU of {name}, process {pid}: {why}"));
    let process = HypervisorProcess::Adopted(ForeignProcess::of(pid, signals, log)?);
    let mut qmp = UnixStream::connect(qemu::qmp_socket(&folder)).and_then(Qmp::over).map_err(cannot)?;
    // A guest that ended before we were here has left a QEMU that is paused, and will not tell it again.
    qmp.execute("query-status");
    Ok(Box::new(Qemu { process, qmp, reset_log: qemu::reset_log(&folder), ended: None }))
}

/// Ends a QEMU that is none of our children: the power button, so long, then the switch, then a signal.
pub(crate) fn end(folder: &Path, pid: u32, guest: &mut ForeignProcess, within: Duration) -> Result<(), Fault> {
    let until = Instant::now() + within;
    if let Ok(stream) = UnixStream::connect(qemu::qmp_socket(folder)) {
        let mut qmp = Qmp::over(stream).map_err(|why| Fault::host(format!("cannot talk to QEMU: {why}")))?;
        // A guest that powered off since has left a QEMU that waits to be told to leave.
        qmp.execute("system_powerdown");
        qmp.execute("query-status");
        while qmp.is_open && !qmp.is_down() && Instant::now() < until {
            kernel::tick();
        }
        qmp.execute("quit");
        if guest.ends_within(LAST_PATIENCE) {
            return Ok(());
        }
    }
    guest.signal(Signal::SIGKILL);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if guest.ends_within(PATIENCE) { Ok(()) } else { Err(does_not_end(&name, pid)) }
}

/// How much of what a monitor says is taken at a time, in bytes: one that never stops is not listened to for ever.
const TAKEN_MAX: usize = 64 << 10;

/// The longest line of a monitor that says something, in bytes; its events are shorter by far.
const LINE_MAX: usize = 64 << 10;

/// The connection to QEMU's monitor. A QEMU that a guest has taken over may say what it wants there, as much as it wants.
struct Qmp {
    stream: UnixStream,
    heard: Vec<u8>,
    /// Whether the rest of a line that is too long is still to come.
    is_skipping: bool,
    is_open: bool,
    /// Whether it said by now that the machine is down.
    is_down: bool,
}

impl Qmp {
    /// Listens for QEMU, and connects at once: no event can be missed.
    fn open(path: &Path, is_private: bool) -> Result<(UnixListener, Self), Fault> {
        let cannot = |why: &dyn std::fmt::Display| Fault::host(format!("cannot listen at {}: {why}", path.display()));
        let listener = listen(path, is_private)?;
        let stream = UnixStream::connect(path).map_err(|why| cannot(&why))?;
        Ok((listener, Self::over(stream).map_err(|why| cannot(&why))?))
    }

    fn over(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_nonblocking(true)?;
        let mut qmp = Self { stream, heard: Vec::new(), is_skipping: false, is_open: true, is_down: false };
        qmp.execute("qmp_capabilities");
        Ok(qmp)
    }

    /// Returns whether QEMU told by now that the machine is down.
    fn is_down(&mut self) -> bool {
        let tells = |line: &String| {
            let line = line.replace(' ', "");
            line.contains("\"event\":\"SHUTDOWN\"") || line.contains("\"status\":\"shutdown\"")
        };
        self.is_down |= self.lines().iter().any(tells);
        self.is_down
    }

    /// Tells QEMU to do something. A QEMU that is gone, or that does not read, needs no telling.
    fn execute(&mut self, command: &str) {
        self.stream
            .write_all(format!("{{\"execute\":\"{command}\"}}\n").as_bytes())
            .may_fail("a QEMU that is gone, or that does not read, needs no telling");
    }

    /// Returns the first event that ends the boot among those that are taken now.
    fn event(&mut self) -> Option<Event> {
        let lines = self.lines();
        lines.iter().find_map(|line| qemu::event(line).filter(|event| !matches!(event, Event::Other)))
    }

    /// Returns the first event that ends the boot among those that a QEMU has left which is gone.
    fn last_event(&mut self) -> Option<Event> {
        // What it has left is what a socket keeps.
        const TIMES: usize = 64;
        (0..TIMES).find_map(|_| self.event())
    }

    /// Takes a part of what has come, and returns the lines that are whole. One that is too long says nothing.
    fn lines(&mut self) -> Vec<String> {
        self.listen();
        let mut lines = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.heard[begin..].iter().position(|byte| *byte == b'\n') {
            if !std::mem::take(&mut self.is_skipping) {
                lines.push(String::from_utf8_lossy(&self.heard[begin..begin + length]).into_owned());
            }
            begin += length + 1;
        }
        self.heard.drain(..begin);
        if self.is_skipping || self.heard.len() > LINE_MAX {
            self.is_skipping = true;
            self.heard.clear();
        }
        lines
    }

    /// Reads a part of what has come.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        let mut taken = 0;
        while self.is_open && taken < TAKEN_MAX {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.is_open = false,
                Ok(count) => {
                    taken += count;
                    self.heard.extend_from_slice(&buffer[..count]);
                }
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(_) => self.is_open = false,
            }
        }
    }
}

/// A machine that runs under QEMU.
struct Qemu {
    process: HypervisorProcess,
    qmp: Qmp,
    reset_log: PathBuf,
    ended: Option<Ended>,
}

impl Qemu {
    /// The first event decides: QEMU waits to be told to leave, and tells that as an event too.
    fn leave(&mut self, event: Event) -> Ended {
        let ended = qemu::ended(event, &tail(&self.reset_log));
        self.qmp.execute("quit");
        self.process.end(PATIENCE);
        ended
    }

    fn exited(&mut self, status: ExitStatus) -> Ended {
        match (self.qmp.last_event(), Process::ended_by(status)) {
            (Some(event), _) => qemu::ended(event, &tail(&self.reset_log)),
            (None, EndedBy::Code(0 | 1)) => Ended::Failed { status: REFUSED },
            (None, EndedBy::Code(status)) => Ended::Failed { status },
            (None, EndedBy::Signal(signal)) => Ended::Killed { signal },
        }
    }
}

impl Guest for Qemu {
    fn wait(&mut self, until: Option<Instant>) -> Woken {
        while self.ended.is_none() {
            let extra = self.qmp.is_open.then(|| self.qmp.stream.as_fd());
            match self.process.wait(until, extra) {
                Happened::Exited(status) => self.ended = Some(self.exited(status)),
                Happened::Gone => {
                    let event = self.qmp.last_event().map(|event| qemu::ended(event, &tail(&self.reset_log)));
                    self.ended = Some(event.unwrap_or(Ended::Failed { status: REFUSED }));
                }
                Happened::Extra => {
                    self.ended = self.qmp.event().map(|event| self.leave(event));
                    // One that never stops talking holds up nobody's time.
                    if self.ended.is_none() && until.is_some_and(|until| until <= Instant::now()) {
                        return Woken::TimeOver;
                    }
                }
                Happened::StopAsked => return Woken::StopAsked,
                Happened::TimeOver => return Woken::TimeOver,
            }
        }
        self.ended.clone().map_or(Woken::TimeOver, Woken::Ended)
    }

    fn press_power_button(&mut self) {
        self.qmp.execute("system_powerdown");
    }

    fn force(&mut self) {
        self.qmp.execute("quit");
    }

    fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
    }

    fn process(&self) -> Option<u32> {
        Some(self.process.id())
    }

    fn last_words(&self) -> Vec<String> {
        self.process.last_words()
    }
}

/// Returns the end of a file; nothing if it cannot be read.
fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let start = file.metadata()?.len().saturating_sub(LOG_TAIL);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A monitor that somebody else speaks at, whose first words to it are passed over.
    fn monitor() -> (UnixStream, Qmp) {
        let (theirs, ours) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        (theirs, Qmp::over(ours).unwrap())
    }

    /// Says something again and again, as long as it is heard.
    fn flood(theirs: &mut UnixStream, text: &[u8]) -> usize {
        let mut said = 0;
        while let Ok(count) = theirs.write(text) {
            said += count;
        }
        said
    }

    #[test]
    fn a_monitor_that_never_stops_is_listened_to_a_part_at_a_time() {
        let (mut theirs, mut qmp) = monitor();
        let many = b"{\"event\": \"RTC_CHANGE\"}\n".repeat(200);
        assert!(flood(&mut theirs, &many) > TAKEN_MAX);
        assert!(qmp.event().is_none() && qmp.heard.len() <= LINE_MAX && qmp.is_open);
        // More comes than is taken, and the end is heard once it is its turn.
        flood(&mut theirs, &many);
        while qmp.event().is_none() {
            let _ = theirs
                .write(b"\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-shutdown\"}}\n");
        }
    }

    #[test]
    fn a_monitor_that_says_no_line_takes_no_memory() {
        let (mut theirs, mut qmp) = monitor();
        let mut said = 0;
        while said < 4 << 20 {
            said += flood(&mut theirs, &[b'x'; 4096]);
            assert!(qmp.event().is_none() && qmp.heard.capacity() < 4 * (LINE_MAX + TAKEN_MAX));
        }
        // What follows the line is heard again.
        while qmp.event().is_none() {
            let _ = theirs
                .write(b"\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": \"guest-shutdown\"}}\n");
        }
    }
}

//! Between a serial port and its consoles: what the port says is kept in a log and goes to each of them, and what any of them says goes
//! to the port. Nobody who does not read holds up the guest.

use super::{Console, PENDING, SerialLine};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::files::{io_fault, remove, without_links};
use crate::host::log::{LOG_MAX, rotate};
use crate::host::process::timeout;
use crate::host::signals::Signals;
use crate::host::wait;
use nix::poll::{PollFd, PollFlags};
use nix::sys::stat::{Mode, umask};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often it is looked whether the port is there, where it is not: before the hypervisor is, and between its boots.
const LOOK: Duration = Duration::from_millis(20);

/// How many consoles there may be at once.
const CONSOLES: usize = 8;

/// How much waits for a console that does not read, in bytes, before that is let go.
const UNREAD: usize = 256 << 10;

/// A log that is begun anew when it has become too long.
struct BoundedLog {
    path: PathBuf,
    file: File,
    length: u64,
    max: u64,
}

impl BoundedLog {
    fn open(path: &Path, max: u64) -> Result<Self, Fault> {
        let open = || without_links().create(true).append(true).mode(0o600).open(path);
        let file = open().map_err(io_fault("write", path))?;
        let length = file.metadata().map_or(0, |meta| meta.len());
        Ok(Self { path: path.into(), file, length, max })
    }

    /// Adds what was said. That there is no room for it is no reason to hold up who says it.
    fn add(&mut self, bytes: &[u8]) {
        self.file.write_all(bytes).may_fail("the guest goes on though nobody keeps what it says");
        self.length += bytes.len() as u64;
        if self.length > self.max {
            rotate(&self.path, self.max);
            self.length = self.file.metadata().map_or(0, |meta| meta.len());
        }
    }
}

/// A console that was let in.
struct Client {
    stream: UnixStream,
    unsent: Vec<u8>,
}

impl Client {
    /// Sends what it takes, and returns whether it is still there.
    fn send(&mut self) -> bool {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return false,
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(why) if why.kind() == ErrorKind::WouldBlock => return self.unsent.len() <= UNREAD,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Returns what it has said; nothing if it is gone.
    fn hear(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; PENDING];
        match self.stream.read(&mut buffer) {
            Ok(0) => None,
            Ok(count) => {
                buffer.truncate(count);
                Some(buffer)
            }
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Some(Vec::new()),
            Err(_) => None,
        }
    }
}

/// What is between a serial port and its consoles.
pub(crate) struct Relay {
    line: SerialLine,
    listener: UnixListener,
    log: BoundedLog,
    signals: Rc<Signals>,
    console: Option<Console>,
    clients: Vec<Client>,
}

impl Relay {
    /// Opens the log, and lets consoles in at a socket, which nobody else may.
    pub(crate) fn open(line: SerialLine, socket: &Path, log: &Path) -> Result<Self, Fault> {
        let log = BoundedLog::open(log, LOG_MAX)?;
        remove(socket)?;
        let mask = umask(Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(socket).map_err(io_fault("listen at", socket));
        umask(mask);
        let listener = listener?;
        listener.set_nonblocking(true).map_err(io_fault("listen at", socket))?;
        let signals = Signals::install()?;
        Ok(Self { line, listener, log, signals, console: None, clients: Vec::new() })
    }

    /// Goes on until somebody asks to stop.
    pub(crate) fn run(&mut self) {
        while !self.signals.take_stop() {
            if self.console.is_none() {
                // It is there as soon as the hypervisor is, and again when that is started again.
                self.console = self.line.open().ok();
            }
            self.wait();
            self.let_in();
            self.hear_port();
            self.hear_consoles();
            self.clients.retain_mut(Client::send);
        }
    }

    fn wait(&self) {
        let pending =
            |is_pending: bool| if is_pending { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN };
        let mut fds = vec![
            PollFd::new(self.listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.stop_fd(), PollFlags::POLLIN),
        ];
        let port = self.console.as_ref();
        fds.extend(port.map(|port| PollFd::new(port.file.as_fd(), pending(!port.unsent.is_empty()))));
        // What is typed waits in the console for as long as the port takes nothing.
        let is_heard = port.is_some_and(|port| port.unsent.len() < PENDING);
        for client in &self.clients {
            let hears = if is_heard { PollFlags::POLLIN } else { PollFlags::empty() };
            let sends = if client.unsent.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
            // One that is gone would wake us again and again.
            if !(hears | sends).is_empty() {
                fds.push(PollFd::new(client.stream.as_fd(), hears | sends));
            }
        }
        let look = self.console.is_none().then(|| Instant::now() + LOOK);
        wait::for_any(&mut fds, timeout(look));
    }

    fn let_in(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.clients.len() < CONSOLES && stream.set_nonblocking(true).is_ok() {
                self.clients.push(Client { stream, unsent: Vec::new() });
            }
        }
    }

    /// Keeps what the port has said, and has it go to every console.
    fn hear_port(&mut self) {
        let Some(port) = &mut self.console else { return };
        let Some(bytes) = port.take().filter(|_| port.send().is_some()) else {
            self.console = None;
            return;
        };
        if bytes.is_empty() {
            return;
        }
        self.log.add(&bytes);
        self.clients.iter_mut().for_each(|client| client.unsent.extend_from_slice(&bytes));
    }

    fn hear_consoles(&mut self) {
        let Some(port) = &mut self.console else { return };
        self.clients.retain_mut(|client| {
            if port.unsent.len() >= PENDING {
                return true;
            }
            let said = client.hear();
            said.iter().for_each(|bytes| port.say(bytes));
            said.is_some()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_begun_anew_when_it_is_too_long_and_three_old_ones_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = BoundedLog::open(&path, 10).unwrap();
        for number in 0..8 {
            log.add(format!("line {number}, which is long\n").as_bytes());
        }
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["log", "log.1", "log.2", "log.3"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        assert!(std::fs::read_to_string(folder.path().join("log.1")).unwrap().contains("which is long"));
    }
}

//! Serial consoles: the other end of a guest's serial port.

pub(crate) mod attach;
pub(crate) mod relay;

use crate::diag::Fault;
use crate::host::files::{io_fault, reason};
use crate::host::process::timeout;
use crate::host::serial_log;
use crate::host::wait;
use crate::host::{Platform, Settings};
use crate::model::VmName;
use crate::model::value::Tty;
use crate::qemu;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags};
use nix::sys::termios::{ControlFlags, SetArg, cfmakeraw, tcgetattr, tcsetattr};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether a line that cannot be waited for has more, or is there again.
const LOOK: Duration = Duration::from_millis(100);

/// How long an address may take to answer.
const CONNECT: Duration = Duration::from_secs(5);

/// How much of what is typed waits for the guest to take it, in bytes.
const PENDING: usize = 4096;

/// Where the other end of a serial port is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SerialLine {
    /// A socket in the file system.
    Socket(PathBuf),
    /// A tty: the other end of a nmdm(4).
    Tty(PathBuf),
    /// An address at which the hypervisor listens.
    Address(SocketAddr),
    /// A log of what is said, which nothing can be said to, from a place on.
    Log(PathBuf, u64),
}

impl SerialLine {
    /// Returns the other end of a serial port of a machine, if it has one that can be opened. Under QEMU a socket in the machine's
    /// folder stands for a nmdm(4).
    pub(crate) fn of(tty: &Tty, port: &str, machine: &VmName, settings: &Settings) -> Option<Self> {
        let kept = serial_log::socket(settings, machine);
        match (tty, tty.other_end(), settings.platform) {
            // Who keeps what the port says has its other end.
            (_, Some(_), _) if port == serial_log::PORT && kept.exists() => Some(Self::Socket(kept)),
            (Tty::Tcp(address), ..) => Some(Self::Address(reachable(*address))),
            (_, Some(_), Platform::Linux) => {
                Some(Self::Socket(qemu::serial_socket(&settings.machine_folder(machine), port)))
            }
            (_, Some(other), Platform::FreeBsd) => Some(Self::Tty(other.into())),
            (_, None, _) => None,
        }
    }

    /// Opens the line.
    pub(crate) fn open(&self) -> Result<Console, Fault> {
        let cannot = |why: std::io::Error| match self {
            Self::Address(address) => {
                Fault::host(format!("the serial port at {address} cannot be reached: {}", reason(&why)))
            }
            Self::Socket(path) | Self::Tty(path) | Self::Log(path, _) => io_fault("open", path)(why),
        };
        let opened = match self {
            Self::Socket(path) => UnixStream::connect(path).and_then(|stream| {
                stream.set_nonblocking(true)?;
                Ok(File::from(OwnedFd::from(stream)))
            }),
            Self::Address(address) => TcpStream::connect_timeout(address, CONNECT).and_then(|stream| {
                stream.set_nonblocking(true)?;
                Ok(File::from(OwnedFd::from(stream)))
            }),
            Self::Tty(path) => open_tty(path),
            Self::Log(path, from) => open_log(path, *from),
        };
        let log = matches!(self, Self::Log(..)).then(OwnLines::default);
        opened.map(|file| Console { file, unsent: Vec::new(), log }).map_err(cannot)
    }
}

/// Where somebody on this host reaches who listens at every address.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Opens a tty so that every byte goes through as it is, and the end of who has its other end does not close it.
fn open_tty(path: &Path) -> std::io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)?;
    let mut settings = tcgetattr(&file)?;
    cfmakeraw(&mut settings);
    settings.control_flags |= ControlFlags::CLOCAL;
    tcsetattr(&file, SetArg::TCSANOW, &settings)?;
    Ok(file)
}

/// Opens a log at a place; one that is shorter was begun anew.
fn open_log(path: &Path, from: u64) -> std::io::Result<File> {
    let mut file = File::open(path)?;
    if from <= file.metadata()?.len() {
        file.seek(SeekFrom::Start(from))?;
    }
    Ok(file)
}

/// The lines of a log that vmrun has written, as far as the one that is being read is known to be one.
#[derive(Debug, Default)]
struct OwnLines {
    /// The beginning of a line that may be one.
    begun: Vec<u8>,
    /// Whether another line has begun.
    is_another: bool,
}

impl OwnLines {
    /// How each of them begins.
    const MARK: &'static [u8] = b"vmrun: ";

    /// Returns what others have written.
    fn without(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut others = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if self.is_another {
                others.push(*byte);
            } else if self.begun.len() < Self::MARK.len() {
                self.begun.push(*byte);
                if !Self::MARK.starts_with(&self.begun) {
                    others.append(&mut self.begun);
                    self.is_another = true;
                }
            }
            if *byte == b'\n' {
                *self = Self::default();
            }
        }
        others
    }
}

/// A line that is open.
pub(crate) struct Console {
    file: File,
    unsent: Vec<u8>,
    /// A log has lines of vmrun itself as well.
    log: Option<OwnLines>,
}

impl Console {
    /// Returns what was said by then; nothing if the line is gone.
    pub(crate) fn hear(&mut self, until: Instant) -> Option<Vec<u8>> {
        loop {
            let heard = self.take()?;
            let is_over = until <= Instant::now();
            if !heard.is_empty() || is_over {
                return Some(heard);
            }
            if self.log.is_some() {
                wait::pause(timeout(Some(until.min(Instant::now() + LOOK))));
            } else {
                let wants =
                    if self.unsent.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT };
                wait::for_any(&mut [PollFd::new(self.file.as_fd(), wants)], timeout(Some(until)));
                self.send()?;
            }
        }
    }

    /// Says something, as far as the guest takes it; the rest is said while it is heard.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Returns whether the guest took all that was said.
    pub(crate) fn is_sent(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Returns what has come, which may be nothing; none if the line is gone.
    fn take(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1 << 13];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) if self.log.is_some() => {
                    // One that was begun anew is shorter than what was read of it.
                    let is_cut = self.file.metadata().ok()?.len() < self.file.stream_position().ok()?;
                    if is_cut {
                        self.file.rewind().ok()?;
                    }
                    return Some(Vec::new());
                }
                Ok(0) => return None,
                Ok(count) => {
                    buffer.truncate(count);
                    return Some(self.log.as_mut().map_or_else(|| buffer.clone(), |own| own.without(&buffer)));
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Some(Vec::new()),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends what the line takes; nothing if it is gone.
    fn send(&mut self) -> Option<()> {
        while !self.unsent.is_empty() {
            match self.file.write(&self.unsent) {
                Ok(0) => return None,
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        Some(())
    }
}

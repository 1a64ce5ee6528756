//! Where a VNC server listens: on an address, or on a socket of the file system.

use super::wait;
use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// How often an address is looked at before it counts as taken: another vmrun that looks has it for a moment, too.
const LOOKS: usize = 3;

/// How long is waited from one look to the next, in milliseconds.
const BETWEEN: u16 = 10;

/// Where a VNC server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// An address and a port of TCP.
    Address(SocketAddr),
    /// On a socket of the file system, since FreeBSD 15.1 (bhyve(8), `rfb=unix:PATH`).
    Socket(PathBuf),
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Seat {
    /// Returns whether somebody listens there. The file of a socket stays when its listener is gone, and counts for nothing.
    pub(super) fn is_taken(&self) -> bool {
        match self {
            Self::Address(address) => {
                stays(|| TcpListener::bind(address).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse))
            }
            Self::Socket(path) => match reach(path) {
                Ok(_) => true,
                // He has more callers than he takes.
                Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            },
        }
    }
}

/// Returns whether an address is taken however often one looks.
fn stays(mut is_taken: impl FnMut() -> bool) -> bool {
    (0..LOOKS).all(|look| {
        if look > 0 {
            wait::pause(PollTimeout::from(BETWEEN));
        }
        is_taken()
    })
}

/// Connects to a socket of the file system, without waiting for a listener that is busy (`WouldBlock`) or for what is sent.
pub(crate) fn reach(path: &Path) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let error = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
    let address = UnixAddr::new(path).map_err(error)?;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(error)?;
    connect(fd.as_raw_fd(), &address).map_err(error)?;
    Ok(UnixStream::from(fd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_somebody_only_looks_at_is_free() {
        let seen = |answers: [bool; LOOKS]| {
            let mut answers = answers.into_iter();
            (stays(|| answers.next().unwrap()), answers.count())
        };
        assert_eq!(seen([false, true, true]), (false, 2));
        assert_eq!(seen([true, false, true]), (false, 1));
        assert_eq!(seen([true, true, true]), (true, 0));
    }
}

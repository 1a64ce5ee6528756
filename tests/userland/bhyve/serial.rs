//! What is behind a serial port: stdin and stdout, a TCP port, or a terminal device.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{SFlag, fstat};

use super::machine::Machine;
use crate::exit::{strerror, warn};

/// Opens a backend; false if that cannot be done.
pub(crate) fn open(machine: &mut Machine, path: &str) -> bool {
    if path == "stdio" {
        // Once in a process, whatever kind of port it is.
        return !std::mem::replace(&mut machine.stdio, true) && (machine.assume || unblock().is_ok());
    }
    if machine.tree.release.major >= 15 && path.starts_with("tcp") {
        return listen(machine, path);
    }
    // nmdm(4) makes its devices when they are opened.
    machine.assume || path.starts_with("/dev/nmdm") || is_terminal(path)
}

/// Sets exactly O_NONBLOCK on stdin and stdout, and so takes O_APPEND away. The descriptions belong to whoever has opened them,
/// who has it so even after bhyve has ended (uart_emul.c; uart_backend.c of later releases does the same).
fn unblock() -> nix::Result<()> {
    for fd in [io::stdin().as_fd(), io::stdout().as_fd()] {
        fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    Ok(())
}

/// What 12.1's kqueue says of a device that cannot be waited for, as /dev/null.
pub(crate) fn warn_of_stdin() {
    let is_device = fstat(io::stdin().as_fd())
        .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR);
    if is_device && !io::stdin().is_terminal() {
        warn("Error return from kevent change: Operation not supported by device");
    }
}

fn is_terminal(path: &str) -> bool {
    let device = fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_char_device());
    device && OpenOptions::new().read(true).write(true).open(path).is_ok_and(|file| file.is_terminal())
}

fn listen(machine: &mut Machine, path: &str) -> bool {
    let Some((host, port)) = address(path) else {
        warn("bhyve: Invalid number of parameter");
        return false;
    };
    let (Ok(ip), Ok(number)) = (host.parse::<IpAddr>(), port.parse::<u16>()) else {
        warn(format!("bhyve: Invalid address {host}:{port}"));
        return false;
    };
    if let Err(error) = machine.listen(ip, number) {
        warn(format!("bhyve: bind({host}:{port}): {}", strerror(&error)));
        return false;
    }
    true
}

/// Splits `tcp=HOST:PORT` or `tcp=[HOST]:PORT`; of the port five characters are read.
fn address(path: &str) -> Option<(&str, &str)> {
    let text = path.strip_prefix("tcp=")?;
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once("]:")?,
        None => text.split_once(':')?,
    };
    let port = port.get(..5).unwrap_or(port);
    (!host.is_empty() && !port.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_need_a_host_and_a_port() {
        assert_eq!(address("tcp=127.0.0.1:1234"), Some(("127.0.0.1", "1234")));
        assert_eq!(address("tcp=[::1]:1235"), Some(("::1", "1235")));
        for wrong in ["tcp:127.0.0.1:1234", "tcp=127.0.0.1", "tcp=:1", "tcp=[::1]", "tcp="] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }
}

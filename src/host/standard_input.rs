//! What somebody has put into our standard input before he started us: a pipe or a file.

use super::files::reason;
use super::process::timeout;
use super::wait;
use crate::diag::Fault;
use nix::poll::{PollFd, PollFlags};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::read;
use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

/// Returns all that comes from a pipe, a socket or a file on the standard input, at most so many bytes and until then; nothing comes
/// from a terminal or another device.
pub(crate) fn piped(most: usize, until: Option<Instant>) -> Result<Vec<u8>, Fault> {
    let input = io::stdin();
    let cannot = |why: nix::Error| Fault::host(format!("cannot read the standard input: {}", reason(&why.into())));
    let Ok(kind) = fstat(input.as_fd()).map(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT) else {
        return Ok(Vec::new());
    };
    if ![SFlag::S_IFIFO, SFlag::S_IFREG, SFlag::S_IFSOCK].contains(&kind) {
        return Ok(Vec::new());
    }
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        wait::for_any(&mut [PollFd::new(input.as_fd(), PollFlags::POLLIN)], timeout(until));
        if until.is_some_and(|until| until <= Instant::now()) {
            let fault = Fault::usage("the standard input has not ended in the time that --within gives");
            return Err(fault.hint("what the guest needs nothing of is started with </dev/null"));
        }
        match read(input.as_fd(), &mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(count) => bytes.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(nix::Error::EINTR | nix::Error::EAGAIN) => {}
            Err(why) => return Err(cannot(why)),
        }
        if bytes.len() > most {
            let fault = Fault::usage(format!("the standard input is longer than {} MiB", most >> 20));
            return Err(fault.hint("`vmrun cp` carries files of any size into the guest"));
        }
    }
}

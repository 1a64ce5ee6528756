//! The enclosure of a script that is recorded: it sees this host's files, and changes copies of them in memory.
//!
//! On Linux this program is started twice more, by names of its own. The first process ([`OUTER`]) leaves the namespaces of this host; its
//! child ([`INNER`]) is the first process of the new ones. It mounts what the script may see, starts the script, and ends with all that the
//! script has started as soon as nobody holds the other end of its standard input: that is a socket, on which it tells how the script
//! ended, and at last which files it wrote.
//!
//! On FreeBSD a jail with the host's files read-only by nullfs(5) and what is written in a tmpfs(5) is planned, and not there yet: a script
//! is refused, unless it shall run without an enclosure.

#[cfg(target_os = "linux")]
mod calm;
#[cfg(target_os = "linux")]
mod changes;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(any(target_os = "linux", test))]
mod mounts;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod written;

use super::environment;
use crate::diag::Fault;
use crate::recording::Written;
use crate::recording::journal;
use std::io::{ErrorKind, Read as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// The name by which this program leaves the namespaces of the host.
const OUTER: &str = "vmrun-enclosure";

/// The name by which this program is the first process of an enclosure.
#[cfg(target_os = "linux")]
const INNER: &str = "vmrun-enclosed";

/// The variable that names the folder of a recording to the stand-ins.
pub(super) const VARIABLE: &str = "VMRUN_RECORDING";

/// Returns the PATH that a script has beside its stand-ins.
pub(super) fn usual_path() -> String {
    environment::env("PATH").unwrap_or_else(|| "/sbin:/bin:/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin".into())
}

/// Where the folder of a recording is in an enclosure. Nobody but root can make it elsewhere.
pub(super) const INSIDE: &str = "/dev/.vmrun-recording";

/// Where the programs for files are in an enclosure, in whose place stand-ins are.
pub(super) const PROGRAMS_INSIDE: &str = "/dev/.vmrun-programs";

/// Where the upper sides of an enclosure's overlays are to be seen in it, and nothing can be written.
#[cfg(target_os = "linux")]
const WRITTEN_INSIDE: &str = "/dev/.vmrun-written";

/// The beginning of the names of links there, each to the folder that an overlay covers.
#[cfg(target_os = "linux")]
const COVERED: &str = "covered";

#[cfg(target_os = "linux")]
pub(super) use changes::changes;

/// The umask with which an enclosed script begins.
pub(super) const UMASK: u32 = 0o022;

/// The file in the folder of a recording that has what the script wrote and removed again.
pub(super) const REMOVED: &str = "removed";

/// The folder in that of a recording on which an enclosure is mounted.
#[cfg(target_os = "linux")]
const PLACE: &str = "enclosure";

/// How long an enclosure may take to tell what was written.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what a process of an enclosure does, if this is one, and returns its exit status. It has to be called before there is a second
/// thread: only a process of one thread may leave its user namespace (unshare(2)).
#[cfg(target_os = "linux")]
pub(crate) fn enter() -> Option<ExitCode> {
    inside::enter()
}

/// There are no such processes on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) const fn enter() -> Option<ExitCode> {
    None
}

/// What has become of an enclosed script.
pub(super) enum ScriptStatus {
    /// It runs, or is about to.
    Runs,
    /// It ended with this status; 128 and the signal's number if one killed it.
    Ended(i32),
    /// It could not be started.
    NotStarted(std::io::Error),
    /// There is no enclosure, and why.
    Refused(String),
}

/// Our end of the socket to an enclosure. All that is enclosed ends when it is dropped.
pub(super) struct EnclosureSocket {
    socket: UnixStream,
    heard: Vec<u8>,
}

impl EnclosureSocket {
    /// Returns the command that encloses a script, and our end of its socket. `folder` is that of the recording.
    pub(super) fn prepare(folder: &Path, script: &[String]) -> Result<(Command, Self), Fault> {
        if !cfg!(target_os = "linux") {
            return Err(refused("this system has none that vmrun makes; a jail is planned"));
        }
        let us = std::env::current_exe().map_err(|why| Fault::host(format!("cannot find this program: {why}")))?;
        let cannot = |why| Fault::host(format!("cannot make a socket: {why}"));
        let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
        ours.set_nonblocking(true).map_err(cannot)?;
        let mut command = environment::command(us);
        command.arg0(OUTER).arg(folder).args(script).stdin(Stdio::from(OwnedFd::from(theirs)));
        Ok((command, Self { socket: ours, heard: Vec::new() }))
    }

    /// Returns what is readable when there is news.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads what is there, and returns how the script stands.
    pub(super) fn state(&mut self) -> ScriptStatus {
        let mut buffer = [0; 4096];
        let is_over = loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => self.heard.extend_from_slice(&buffer[..count]),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => break false,
                Err(_) => break true,
            }
        };
        let line = self.heard.split(|byte| *byte == b'\n').next().filter(|line| line.len() < self.heard.len());
        let Some(line) = line.map(|line| String::from_utf8_lossy(line).into_owned()) else {
            return if is_over {
                ScriptStatus::Refused("it ended before the script".into())
            } else {
                ScriptStatus::Runs
            };
        };
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match (word, rest.parse()) {
            ("ended", Ok(status)) => ScriptStatus::Ended(status),
            ("failed", Ok(number)) => ScriptStatus::NotStarted(std::io::Error::from_raw_os_error(number)),
            _ => ScriptStatus::Refused(rest.into()),
        }
    }

    /// Ends all that is enclosed, and returns the files that it wrote.
    pub(super) fn end(mut self) -> Result<Vec<Written>, Fault> {
        let cannot = |why| Fault::host(format!("cannot hear what the script wrote: {why}"));
        self.socket.shutdown(Shutdown::Write).map_err(cannot)?;
        self.socket.set_nonblocking(false).map_err(cannot)?;
        self.socket.set_read_timeout(Some(PATIENCE)).map_err(cannot)?;
        self.socket.read_to_end(&mut self.heard).map_err(cannot)?;
        let end = self.heard.iter().position(|byte| *byte == b'\n').map_or(self.heard.len(), |end| end + 1);
        Ok(journal::read_written(self.heard.get(end..).unwrap_or_default()))
    }
}

/// Returns the fault of a host that has no enclosure for a script, with the way out.
pub(super) fn refused(why: &str) -> Fault {
    let hint = "allow namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), record as root, \
                or let the script reach this host by `--anyway`: all that has no stand-in is done for real then";
    let elsewhere = "record on Linux, or let the script reach this host by `--anyway`: all that has no stand-in is done for real then";
    let fault = Fault::host(format!("the script cannot be enclosed, and was not run: {why}"));
    fault.hint(if cfg!(target_os = "linux") { hint } else { elsewhere })
}

/// Returns the folder of the recording that goes on in the enclosure that we are in.
pub(super) fn recording() -> Option<std::path::PathBuf> {
    let folder = Path::new(INSIDE);
    std::fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir()).then(|| folder.to_path_buf())
}

/// Makes the folder on which an enclosure is mounted.
#[cfg(target_os = "linux")]
pub(super) fn make_place(folder: &Path) -> Result<(), Fault> {
    let place = folder.join(PLACE);
    std::fs::create_dir(&place).map_err(super::files::io_fault("make", &place))
}

/// There is none.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it is made on another system")]
pub(super) const fn make_place(_: &Path) -> Result<(), Fault> {
    Ok(())
}

//! How a program ends before its work is done: its status or signal, and what it leaves on stderr.

use std::fmt::Display;
#[cfg(not(test))]
use std::io::Write;
use std::io::{self, ErrorKind};

/// `EX_SOFTWARE` of sysexits(3): the fake itself failed, not the program it plays.
pub(crate) const FAKE_FAILED: u8 = 70;

/// What the parent of a program sees when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// An exit status.
    Status(u8),
    /// Death by this signal.
    Signal(i32),
}

/// An early end. It travels as the error of a [`Step`]; a program that ends well returns its status instead.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) ending: Ending,
    /// Lines for stderr.
    pub(crate) lines: Vec<String>,
}

/// The result of anything that may end the program.
pub(crate) type Step<T> = Result<T, Exit>;

impl Exit {
    /// Ends with one line on stderr.
    pub(crate) fn new(status: u8, line: impl Display) -> Self {
        Self { ending: Ending::Status(status), lines: vec![line.to_string()] }
    }

    /// Ends without a word.
    pub(crate) fn silent(status: u8) -> Self {
        Self { ending: Ending::Status(status), lines: Vec::new() }
    }

    /// Dies by a signal.
    pub(crate) fn signal(number: i32) -> Self {
        Self { ending: Ending::Signal(number), lines: Vec::new() }
    }

    /// The fake could not do its own work.
    pub(crate) fn fake(message: impl Display) -> Self {
        Self::new(FAKE_FAILED, format!("fake FreeBSD: {message}"))
    }
}

impl From<io::Error> for Exit {
    fn from(error: io::Error) -> Self {
        Self::fake(error)
    }
}

/// FreeBSD's strerror(3) texts, which differ from other systems' (`Device busy`).
const ERRORS: &[(ErrorKind, &str)] = &[
    (ErrorKind::NotFound, ENOENT),
    (ErrorKind::PermissionDenied, "Permission denied"),
    (ErrorKind::AlreadyExists, EEXIST),
    (ErrorKind::AddrInUse, EADDRINUSE),
    (ErrorKind::AddrNotAvailable, "Can't assign requested address"),
    (ErrorKind::IsADirectory, "Is a directory"),
    (ErrorKind::NotADirectory, "Not a directory"),
    (ErrorKind::ReadOnlyFilesystem, "Read-only file system"),
    (ErrorKind::ResourceBusy, EBUSY),
    (ErrorKind::InvalidFilename, "File name too long"),
];

pub(crate) const EPERM: &str = "Operation not permitted";
pub(crate) const ENOENT: &str = "No such file or directory";
pub(crate) const EEXIST: &str = "File exists";
pub(crate) const EBUSY: &str = "Device busy";
pub(crate) const ESRCH: &str = "No such process";
pub(crate) const EINVAL: &str = "Invalid argument";
pub(crate) const ENOSPC: &str = "No space left on device";
pub(crate) const EADDRINUSE: &str = "Address already in use";
/// What strerror(3) says of an `errno` that nothing has set; the real program shows whatever was left in it.
pub(crate) const NO_ERROR: &str = "No error: 0";

/// The text FreeBSD would print for this error.
pub(crate) fn strerror(error: &io::Error) -> &'static str {
    ERRORS.iter().find(|(kind, _)| *kind == error.kind()).map_or("Input/output error", |(_, text)| text)
}

/// Writes to stdout; a reader that went away is no error.
#[cfg(not(test))]
pub(crate) fn say(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Writes one line to stderr.
#[cfg(not(test))]
pub(crate) fn warn(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// What is said in a test is the test's.
#[cfg(test)]
pub(crate) fn say(text: impl Display) {
    print!("{text}");
}

#[cfg(test)]
pub(crate) fn warn(line: impl Display) {
    eprintln!("{line}");
}

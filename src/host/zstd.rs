//! Streams of zstd, packed and unpacked by zstd(1), which FreeBSD has in its base system and Linux as a package: it packs on all
//! processors, and a library for that would be one in C.

use super::piped::{Fed, ended, start, wait_for};
use super::signals::Signals;
use super::spawn;
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::model::Argv;
use nix::poll::PollFlags;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, ChildStdout, Stdio};
use std::rc::Rc;
use std::thread::JoinHandle;

/// The program.
const ZSTD: &str = "zstd";

/// The fault of a host on which it is not there, with the way out.
fn with_way_out(fault: Fault) -> Fault {
    fault.hint("install zstd: `apt install zstd`; FreeBSD has it in its base system")
}

/// Begins a stream that is packed as it is written, and goes to a file, or to our standard output. The quickest level that has a number:
/// the digest is made on the same processors.
pub(super) fn packer(to: Option<File>, signals: &Signals) -> Result<Fed<'_>, Fault> {
    let output = to.map_or_else(Stdio::inherit, Stdio::from);
    Fed::start(&Argv::new(ZSTD).args(["-q", "-c", "-1", "-T0"]), output, signals).map_err(with_way_out)
}

fn unpack(input: Stdio) -> Result<Child, Fault> {
    start(&Argv::new(ZSTD).args(["-q", "-dc"]), input, Stdio::piped()).map_err(with_way_out)
}

/// A stream that is unpacked as it is read.
pub(crate) struct Unpacker {
    child: Option<Child>,
    output: Option<ChildStdout>,
    /// Who feeds it, where somebody has read the beginning of its input.
    feeder: Option<JoinHandle<()>>,
    /// Who asks to stop.
    signals: Option<Rc<Signals>>,
}

impl Unpacker {
    /// Begins with a file at its beginning.
    pub(crate) fn of_file(file: File) -> Result<Self, Fault> {
        let mut child = unpack(Stdio::from(file))?;
        let output = child.stdout.take();
        Ok(Self { child: Some(child), output, feeder: None, signals: None })
    }

    /// Begins with what comes of a pipe after what was read of it.
    pub(crate) fn of_pipe(begun: Vec<u8>, mut pipe: File) -> Result<Self, Fault> {
        let mut child = unpack(Stdio::piped())?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let feed = move || {
            let Some(mut input) = input else { return };
            let fed = input.write_all(&begun).and_then(|()| io::copy(&mut pipe, &mut input).map(drop));
            fed.may_fail("whoever reads finds that it ends too early");
        };
        let feeder = Some(spawn::thread(feed)?);
        Ok(Self { child: Some(child), output, feeder, signals: None })
    }

    /// Has it heed who asks to stop.
    pub(super) fn heed(&mut self, signals: Rc<Signals>) {
        self.signals = Some(signals);
    }

    /// Ends it, and says why it could not be unpacked, if it says so.
    pub(super) fn end(&mut self) -> Result<(), Option<String>> {
        self.output = None;
        self.child.take().map_or(Ok(()), ended)
    }

    /// Ends it before its end.
    pub(super) fn stop(&mut self) {
        self.child.iter_mut().for_each(spawn::end);
        self.child = None;
    }

    /// Waits for whoever feeds it, once all was read: nothing is left in the pipe then.
    pub(super) fn fed(&mut self) {
        if let Some(feeder) = self.feeder.take() {
            feeder.join().may_fail("what it did not feed is not there");
        }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.child.iter_mut().for_each(spawn::end);
    }
}

impl Read for Unpacker {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(output) = self.output.as_mut() else { return Ok(0) };
        if let Some(signals) = &self.signals {
            wait_for(output.as_fd(), PollFlags::POLLIN, signals)?;
        }
        output.read(into)
    }
}

//! Ways through other hosts: who connects to a port of this host reaches what listens on theirs, by a program that carries it.

use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::host::environment::command as child;
use crate::host::files::reason;
use crate::host::signals::Signals;
use crate::host::spawn;
use crate::host::wait;
use crate::model::{Argv, Secret};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much of what such a program says is kept, in bytes.
const OUTPUT_MAX: u64 = 1 << 16;

/// How long it is listened to after its end: what it has started may have its error open still.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How a VNC server begins.
const BANNER: &[u8] = b"RFB ";

/// What came of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tried {
    /// A VNC server is at the other end.
    Vnc,
    /// Something else is.
    Other,
    /// The program ended with this status, having said this.
    Ended(i32, String),
    /// Nothing came in time.
    Silent,
}

/// A port of this host that leads elsewhere, until this is dropped.
pub(crate) struct Tunnel {
    address: SocketAddr,
    carriers: Arc<Mutex<Carriers>>,
}

/// The programs that carry, one for each connection.
#[derive(Default)]
struct Carriers {
    children: Vec<Child>,
    is_closed: bool,
}

impl Tunnel {
    /// Begins to listen. Whoever connects has a program of his own, whose standard streams are the connection.
    pub(crate) fn open(carrier: Argv) -> Result<Self, Fault> {
        let cannot =
            |why: std::io::Error| Fault::host(format!("cannot listen on a port of this host: {}", reason(&why)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let carriers: Arc<Mutex<Carriers>> = Arc::default();
        let known = carriers.clone();
        spawn::thread(move || {
            for stream in listener.incoming().flatten() {
                let mut carriers = locked(&known);
                if carriers.is_closed {
                    return;
                }
                // Of one that cannot be started the other side is told by the end of its connection.
                carriers.children.extend(carry(&carrier, stream));
            }
        })?;
        Ok(Self { address, carriers })
    }

    /// Returns where it begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a program to its end, with one more variable in its environment, and returns its status. The tunnel ends with it.
    pub(crate) fn lead(self, argv: &Argv, variable: Option<(&str, &Secret)>) -> Result<i32, Fault> {
        let signals = Signals::install()?;
        let mut command = child(&argv.program);
        command.args(&argv.args);
        if let Some((name, secret)) = variable {
            command.env(name, secret.reveal());
        }
        let mut child = spawn::start(&mut command).map_err(|why| spawn::refused(&argv.program, &why))?;
        loop {
            signals.forget_children();
            if let Ok(Some(status)) = child.try_wait() {
                return Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()));
            }
            if signals.take_stop() {
                spawn::end(&mut child);
                return Err(Fault::new("interrupted").blame(Blame::Interrupted));
            }
            let mut fds = [signals.child_fd(), signals.stop_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            wait::for_any(&mut fds, PollTimeout::NONE);
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let mut carriers = locked(&self.carriers);
        carriers.is_closed = true;
        for child in &mut carriers.children {
            spawn::end(child);
        }
    }
}

fn locked(carriers: &Mutex<Carriers>) -> MutexGuard<'_, Carriers> {
    carriers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn command(carrier: &Argv) -> Command {
    tracing::debug!("{carrier}");
    let mut command = child(&carrier.program);
    command.args(&carrier.args).env("LC_ALL", "C");
    command
}

fn carry(carrier: &Argv, stream: TcpStream) -> Option<Child> {
    let (from, to) = (OwnedFd::from(stream.try_clone().ok()?), OwnedFd::from(stream));
    spawn::start(command(carrier).stdin(from).stdout(to).stderr(Stdio::null())).ok()
}

/// Returns what comes to its end, or nothing if that does not come in time, or nobody can listen.
fn heard_within(from: ChildStderr, within: Duration) -> Vec<u8> {
    let (tell, heard) = channel();
    let listening = spawn::thread(move || {
        let mut output = Vec::new();
        from.take(OUTPUT_MAX).read_to_end(&mut output).may_fail("what came until it failed is what came");
        tell.send(output).may_fail("nobody listens any more when the time is over");
    });
    listening.ok().and_then(|_| heard.recv_timeout(within).ok()).unwrap_or_default()
}

/// Has such a program connect once, and returns what is at the other end.
pub(crate) fn try_once(carrier: &Argv, within: Duration) -> Result<Tried, Fault> {
    let mut child = started(carrier)?;
    let (Some(mut output), Some(error)) = (child.stdout.take(), child.stderr.take()) else { return Ok(Tried::Silent) };
    let (tell, heard) = channel();
    let listening = spawn::thread(move || {
        let mut banner = [0; BANNER.len()];
        let whole = output.read_exact(&mut banner).is_ok();
        tell.send(whole.then_some(banner)).may_fail("nobody listens any more when the time is over");
    });
    if let Err(fault) = listening {
        spawn::end(&mut child);
        return Err(fault);
    }
    let tried = match heard.recv_timeout(within) {
        Ok(Some(banner)) if banner == BANNER => Tried::Vnc,
        Ok(Some(_)) => Tried::Other,
        Ok(None) => {
            let output = heard_within(error, LAST_WORDS);
            let status = child.wait().ok().and_then(|status| status.code()).unwrap_or(-1);
            Tried::Ended(status, String::from_utf8_lossy(&output).into_owned())
        }
        Err(_) => Tried::Silent,
    };
    spawn::end(&mut child);
    Ok(tried)
}

/// Starts the program of a tunnel, whose ends are ours.
fn started(carrier: &Argv) -> Result<Child, Fault> {
    let mut command = command(carrier);
    let spawned = spawn::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    spawned.map_err(|why| match why.kind() {
        ErrorKind::NotFound => Fault::host(format!("{} is not installed here", carrier.program)),
        _ => spawn::refused(&carrier.program, &why),
    })
}

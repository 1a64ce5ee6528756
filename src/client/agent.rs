//! The guest agent: a program in the guest that does what it is asked over a port of virtio-console. It is the guest's, and may
//! send anything: whatever is no answer within its time is a fault.

pub(crate) mod base64;
pub(crate) mod clock;
pub(crate) mod exec;
pub(crate) mod freeze;
pub(crate) mod network;
pub(crate) mod protocol;

use crate::diag::{Blame, Fault};
use crate::host::files::reason;
use crate::host::process::timeout;
use crate::host::seat::reach;
use crate::host::wait;
use nix::poll::{PollFd, PollFlags};
use protocol::{Heard, request, synchronisation};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the agent may take for one answer; each of its commands answers at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A conversation with the agent of a guest. There is one at a time: the hypervisor hears one client.
pub(crate) struct Agent {
    stream: UnixStream,
    heard: Heard,
}

impl Agent {
    /// Begins a conversation at the socket of its port, within a time.
    pub(crate) fn open(socket: &Path, until: Instant) -> Result<Self, Fault> {
        let stream = reach(socket).map_err(|why| {
            let fault = Fault::host(format!("cannot be reached at {}: {}", socket.display(), reason(&why)));
            match why.kind() {
                ErrorKind::PermissionDenied => fault.hint("whoever started the machine may, and root"),
                ErrorKind::WouldBlock => fault.hint("others speak with it: try again when they are done"),
                _ => fault.hint(
                    "the hypervisor makes that socket when the machine boots: `vmrun status` says whether it runs",
                ),
            }
        })?;
        let mut agent = Self { stream, heard: Heard::default() };
        // Any number will do, if those before had others.
        let id = std::process::id() ^ 0x5a5a_0000;
        let asks = synchronisation(id);
        agent.exchange(&asks, until, |heard| Ok(heard.is_synchronised(id)?.then_some(())))?;
        Ok(agent)
    }

    /// Has the agent carry out a command, and returns what that returns.
    pub(crate) fn call(&mut self, command: &str, arguments: &Value, until: Instant) -> Result<Value, Fault> {
        self.ask(command, arguments, until)?.map_err(|why| {
            let fault = Fault::new(format!("refuses {command}: {why}")).blame(Blame::Guest);
            fault.hint("is the program there, in the guest? What qemu-ga may be asked its own configuration there says (block-rpcs)")
        })
    }

    /// Has it carry out a command, and returns what that returns or, as the inner error, why it is refused.
    fn ask(&mut self, command: &str, arguments: &Value, until: Instant) -> Result<Result<Value, String>, Fault> {
        self.exchange(&request(command, arguments), until.min(Instant::now() + PATIENCE), Heard::answer)
    }

    /// Asks the guest to power itself off. The command has no answer but a refusal, for which it is waited a moment.
    pub(crate) fn power_down(&mut self, until: Instant) -> Result<(), Fault> {
        const MOMENT: Duration = Duration::from_millis(100);
        let asks = request("guest-shutdown", &json!({ "mode": "powerdown" }));
        match self.exchange(&asks, until.min(Instant::now() + MOMENT), Heard::answer) {
            Ok(Err(why)) => Err(Fault::new(format!("refuses guest-shutdown: {why}")).blame(Blame::Guest)),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    /// Sends a request, and waits until something is heard.
    fn exchange<T>(
        &mut self,
        request: &[u8],
        until: Instant,
        hears: impl Fn(&mut Heard) -> Result<Option<T>, Fault>,
    ) -> Result<T, Fault> {
        let (begun, mut unsent) = (Instant::now(), request);
        loop {
            if !unsent.is_empty() {
                let sent = self.send(unsent)?;
                unsent = unsent.get(sent..).unwrap_or_default();
            }
            if let Some(heard) = hears(&mut self.heard)? {
                return Ok(heard);
            }
            if until <= Instant::now() {
                return Err(silent(until.saturating_duration_since(begun)));
            }
            let wants = if unsent.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT };
            wait::for_any(&mut [PollFd::new(self.stream.as_fd(), wants)], timeout(Some(until)));
            self.receive()?;
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        match self.stream.write(bytes) {
            Ok(count) => Ok(count),
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(_) => Err(gone()),
        }
    }

    /// Takes what is there, a piece at a time, so that a flood is seen as one.
    fn receive(&mut self) -> Result<(), Fault> {
        let mut buffer = vec![0; 1 << 16];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(gone()),
            Ok(count) => {
                self.heard.add(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(_) => Err(gone()),
        }
    }
}

/// Returns a time in tenths of a second, as it was given; a part of it may have gone by before.
fn said(within: Duration) -> Duration {
    let tenths = u64::try_from(within.as_millis().div_ceil(100)).unwrap_or(u64::MAX);
    Duration::from_millis(tenths.saturating_mul(100))
}

/// The fault of an agent that has not answered.
fn silent(within: Duration) -> Fault {
    let within = said(within);
    let fault = Fault::new(format!("has not answered within {within:?}")).blame(Blame::Guest);
    fault.hint("the guest may still boot; else its package qemu-guest-agent is missing or not running, or another program speaks with it")
}

/// The fault of an agent whose port was closed.
fn gone() -> Fault {
    let fault = Fault::new("closed the connection before it answered").blame(Blame::Guest);
    fault.hint("the machine has ended, or its hypervisor takes one conversation at a time: try again")
}

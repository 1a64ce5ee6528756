//! Carries what a VNC server and its client say to each other.

use crate::diag::{Blame, Fault};
use crate::host::files::{self, io_fault, reason};
use crate::host::process::timeout;
pub(crate) use crate::host::seat::Seat;
use crate::host::seat::reach;
use crate::host::signals::Signals;
use crate::host::wait;
use crate::model::Secret;
use crate::screen::keys::Stroke;
use crate::screen::picture::Picture;
use crate::screen::rfb::Client;
use nix::poll::{PollFd, PollFlags};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How long a server may say nothing of what it was asked for, which a guest has no part in.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// How long a server may take altogether to let us in, or to send its screen: there are slow lines.
pub(crate) const WHOLE: Duration = Duration::from_secs(60);

impl Seat {
    /// Connects, at most so long, without waiting for what is sent.
    fn connect(&self, within: Duration) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Address(address) => {
                // No time at all is refused.
                let stream = TcpStream::connect_timeout(address, within.max(Duration::from_millis(1)))?;
                stream.set_nonblocking(true)?;
                // Keys are small, and each is to arrive when it is pressed.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Socket(path) => Ok(Box::new(reach(path)?)),
        }
    }

    /// Whether somebody listens there.
    pub(crate) fn is_open(&self) -> bool {
        self.connect(SILENCE).is_ok()
    }
}

/// A connection of either kind.
trait Stream: Read + Write + AsFd {}

impl<T: Read + Write + AsFd> Stream for T {}

/// The screen of a guest, looked at through its VNC server.
pub(crate) struct Screen {
    seat: Seat,
    stream: Box<dyn Stream>,
    client: Client,
    unsent: Vec<u8>,
    is_gone: bool,
    signals: Option<Rc<Signals>>,
    /// When whoever looks has no more time.
    until: Option<Instant>,
}

impl Screen {
    /// Connects, and has the server let us in. Signals end whatever is waited for, where they are given, and so does the time.
    pub(crate) fn open(
        seat: Seat,
        password: Option<&Secret>,
        signals: Option<Rc<Signals>>,
        until: Option<Instant>,
    ) -> Result<Self, Fault> {
        let cannot = |why: io::Error| about(&seat, lost(format!("cannot be reached: {}", reason(&why))));
        let left = until.map_or(SILENCE, |until| until.saturating_duration_since(Instant::now()).min(SILENCE));
        let stream = seat.connect(left).map_err(cannot)?;
        let client = Client::new(password.cloned());
        let mut screen = Self { seat, stream, client, unsent: Vec::new(), is_gone: false, signals, until };
        screen.expect(Client::is_in)?;
        Ok(screen)
    }

    /// Returns what is on the screen now, all of it.
    pub(crate) fn whole(&mut self) -> Result<&Picture, Fault> {
        let before = self.client.updates();
        self.client.ask(false);
        self.expect(|client| client.updates() > before && client.picture().is_some())?;
        Ok(self.seen())
    }

    /// Waits until something changes, at most until then, and returns what is on the screen then; nothing if nothing changed.
    pub(crate) fn changed(&mut self, until: Instant) -> Result<Option<&Picture>, Fault> {
        let before = self.client.updates();
        self.client.ask(true);
        let is_new = |client: &Client| client.updates() > before && client.picture().is_some();
        while !is_new(&self.client) {
            // One that sends a little again and again sends something all the time.
            if !self.exchange(until)? || until <= Instant::now() {
                return Ok(None);
            }
        }
        Ok(Some(self.seen()))
    }

    fn seen(&self) -> &Picture {
        const NOTHING: &Picture = &Picture::EMPTY;
        self.client.picture().unwrap_or(NOTHING)
    }

    /// Presses keys one after the other, so much time apart, and returns when the server has taken all of them.
    pub(crate) fn press(&mut self, strokes: &[Stroke], apart: Duration) -> Result<(), Fault> {
        for (left, stroke) in (0..strokes.len()).rev().zip(strokes) {
            self.client.press(stroke);
            let until = Instant::now() + apart;
            // What it says meanwhile is taken, so that it never waits for us.
            while self.or_end(left, |screen| screen.exchange(until))?.unwrap_or_default() {}
        }
        // Who goes away at once may take what was sent with him: what was asked last is answered last.
        self.or_end(0, |screen| screen.whole().map(drop)).map(drop)
    }

    /// Does something that may fail because what was typed was the guest's end, if no more than this is left to type.
    fn or_end<T>(&mut self, left: usize, does: impl Fn(&mut Self) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
        match does(self) {
            Err(_) if left == 0 && self.is_gone && self.unsent.is_empty() => Ok(None),
            result => result.map(Some),
        }
    }

    /// Carries until something holds.
    fn expect(&mut self, holds: impl Fn(&Client) -> bool) -> Result<(), Fault> {
        let begun = Instant::now();
        let end = self.until.map_or(begun + WHOLE, |until| until.min(begun + WHOLE));
        while !holds(&self.client) {
            let is_over = end <= Instant::now();
            if is_over || !self.exchange(end.min(Instant::now() + SILENCE))? {
                let slow = end <= Instant::now();
                let whole = Duration::from_millis(
                    u64::try_from(end.saturating_duration_since(begun).as_millis()).unwrap_or(u64::MAX),
                );
                let (what, time) = (self.client.awaits(), if slow { whole } else { SILENCE });
                let fault = lost(format!("did not send {what} within {time:?}"));
                return Err(about(&self.seat, fault.hint("bhyve lets in one viewer at a time: close the other one")));
            }
        }
        Ok(())
    }

    /// Sends what there is to send, and takes what comes; returns whether something came until then.
    fn exchange(&mut self, until: Instant) -> Result<bool, Fault> {
        loop {
            let more = self.client.to_send();
            self.unsent.extend(more);
            self.send()?;
            let wants = if self.unsent.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT };
            // An error is an interruption by a signal: the next turn looks again.
            let stop = self.signals.as_ref().map(|signals| PollFd::new(signals.stop_fd(), PollFlags::POLLIN));
            let mut both: Vec<_> = std::iter::once(PollFd::new(self.stream.as_fd(), wants)).chain(stop).collect();
            wait::for_any(&mut both, timeout(Some(until)));
            if let Some(signals) = &self.signals {
                signals.pause(Instant::now())?;
            }
            if self.take()? {
                return Ok(true);
            }
            if until <= Instant::now() {
                return Ok(false);
            }
        }
    }

    fn send(&mut self) -> Result<(), Fault> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                // What it said before it went away is more than that it did.
                Err(_) => return self.take().and_then(|_| Err(self.gone())),
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Result<bool, Fault> {
        let mut buffer = [0; 1 << 13];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.gone()),
                Ok(count) => {
                    let taken = self.client.take(&buffer[..count]);
                    return taken.map(|()| true).map_err(|fault| about(&self.seat, fault));
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(self.gone()),
            }
        }
    }

    fn gone(&mut self) -> Fault {
        self.is_gone = true;
        about(&self.seat, lost(format!("closed the connection before it sent {}", self.client.awaits())))
    }
}

/// The fault of a server that is not there any more, which ends with its guest.
fn lost(message: String) -> Fault {
    Fault::new(message).blame(Blame::Guest)
}

/// Returns what a file holds.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    files::read_within(path, files::CONTENT).map_err(io_fault("read", path))
}

/// Writes a file, of which nobody ever sees half.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    crate::host::files::replace(path, |file| file.write_all(bytes))
}

/// Says which server it was.
fn about(seat: &Seat, fault: Fault) -> Fault {
    Fault { message: format!("the VNC server at {seat} {}", fault.message), ..fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_server_that_sends_a_little_again_and_again_holds_up_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let seat = Seat::Address(listener.local_addr().unwrap());
        let drips = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for byte in b"RFB 003.008\n" {
                std::thread::park_timeout(Duration::from_millis(40));
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
            }
        });
        let until = Instant::now() + Duration::from_millis(100);
        let fault = Screen::open(seat.clone(), None, None, Some(until)).err().unwrap();
        assert!(fault.message.starts_with(&format!("the VNC server at {seat} did not send ")), "{}", fault.message);
        drips.join().unwrap();
    }
}

//! The other host of a move, as the one that gives the machine sees it: it is called by ssh, and asked one thing after the other.

use crate::client::peer::{Lost, RemotePeer};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::image::migration::{Answer, BlockDigests, Frame, Hello, MoveState, Offer, PROTOCOL, Request};
use crate::ops::remote::{Remote, failure};
use std::time::Duration;

/// What a shell ends with that finds no such command (sh(1), EXIT STATUS).
const NOT_FOUND: i32 = 127;

/// How long a vmrun there may take to answer once ssh has let us in.
const GREETING: Duration = Duration::from_secs(5);

/// The other host.
pub(super) struct OtherHost {
    /// What it is called in messages.
    name: String,
    remote: Remote,
    answer_within: Duration,
    peer: Option<RemotePeer>,
    /// Whether anything came from a vmrun there.
    has_answered: bool,
}

impl OtherHost {
    /// Names it; it is not called yet.
    pub(super) const fn new(name: String, remote: Remote, answer_within: Duration) -> Self {
        Self { name, remote, answer_within, peer: None, has_answered: false }
    }

    /// Whether it can be asked.
    pub(super) const fn is_called(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether a vmrun there has answered anything.
    pub(super) const fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Calls it, and returns how far a move is there.
    pub(super) fn greet(&mut self, hello: Hello) -> Result<Option<MoveState>, Vec<Diagnostic>> {
        let argv = self.remote.peer(&["migrate-receive"], self.answer_within);
        self.peer = Some(RemotePeer::call(&argv, self.answer_within + GREETING)?);
        match self.answered(&Request::Hello(hello)) {
            Ok(Answer::State(state, PROTOCOL, _)) => Ok(state),
            Ok(Answer::State(_, other, vmrun)) => {
                self.peer = None;
                let fault = format!("the vmrun of {} is {vmrun} and moves machines by protocol {other}", self.name);
                Err(Fault::host(fault).hint("install the same vmrun on both hosts").into())
            }
            Ok(Answer::Done | Answer::Refused(_)) => Err(self.senseless().into()),
            Err(faults) => {
                self.peer = None;
                Err(faults)
            }
        }
    }

    /// The fault of an answer that is none.
    pub(super) fn senseless(&self) -> Fault {
        let fault = Fault::host(format!("{}: what it answered is not what was asked", self.name));
        fault.hint("is it the same vmrun on both hosts?")
    }

    /// Asks for something that is done or refused.
    pub(super) fn ask(&mut self, request: &Request) -> Result<(), Vec<Diagnostic>> {
        match self.answered(request)? {
            Answer::Done => Ok(()),
            Answer::State(..) | Answer::Refused(_) => Err(self.senseless().into()),
        }
    }

    /// Offers a machine with its texts.
    pub(super) fn offer(&mut self, offer: Offer, texts: &[Vec<u8>]) -> Result<(), Vec<Diagnostic>> {
        self.send(&Frame::Message(Request::Offer(Box::new(offer)).text()))?;
        texts.iter().try_for_each(|text| self.send(&Frame::Text(text.clone())))?;
        match self.said(RemotePeer::answer)? {
            Answer::Done => Ok(()),
            Answer::State(..) | Answer::Refused(_) => Err(self.senseless().into()),
        }
    }

    /// Asks what it has of a disk of that size.
    pub(super) fn digests(&mut self, disk: u32, size: u64) -> Result<BlockDigests, Vec<Diagnostic>> {
        let mut digests = BlockDigests::default();
        self.send(&Frame::Message(Request::Digests(disk).text()))?;
        loop {
            match self.peer.as_mut().map(RemotePeer::receive) {
                Some(Ok(Frame::Digests(part))) => {
                    digests.take(&part, BlockDigests::count(size)).map_err(|fault| fault.context(&self.name))?;
                }
                Some(Ok(Frame::Message(text))) if Answer::read(&text) == Ok(Answer::Done) => return Ok(digests),
                Some(Err(lost)) => return Err(self.lost(lost).into()),
                Some(Ok(_)) | None => return Err(self.senseless().into()),
            }
        }
    }

    /// Sends a frame that is not answered.
    pub(super) fn send(&mut self, frame: &Frame) -> Result<(), Vec<Diagnostic>> {
        let Some(peer) = self.peer.as_mut() else { return Err(self.closed().into()) };
        match peer.send(frame) {
            Ok(()) => Ok(()),
            // Who takes nothing more may have said why.
            Err(lost) => match peer.last_answer() {
                Some(Answer::Refused(faults)) => {
                    self.peer = None;
                    Err(self.refused(faults))
                }
                Some(Answer::State(..) | Answer::Done) | None => Err(self.lost(lost).into()),
            },
        }
    }

    /// Asks for something, and returns what is answered; a refusal is a fault, with the host before it.
    fn answered(&mut self, request: &Request) -> Result<Answer, Vec<Diagnostic>> {
        self.said(|peer| peer.ask(request))
    }

    fn said(&mut self, ask: impl FnOnce(&mut RemotePeer) -> Result<Answer, Lost>) -> Result<Answer, Vec<Diagnostic>> {
        let said = self.peer.as_mut().map(ask);
        self.has_answered |= matches!(said, Some(Ok(_)));
        match said {
            Some(Ok(Answer::Refused(faults))) => Err(self.refused(faults)),
            Some(Ok(answer)) => Ok(answer),
            Some(Err(lost)) => Err(self.lost(lost).into()),
            None => Err(self.closed().into()),
        }
    }

    fn refused(&self, faults: Vec<Fault>) -> Vec<Diagnostic> {
        if faults.is_empty() {
            return self.senseless().into();
        }
        let there = |fault: Fault| {
            let hint = fault.hint.as_ref().map(|hint| format!("on {}: {hint}", self.name));
            Diagnostic::error(fault.maybe_hint(hint).context(&self.name))
        };
        faults.into_iter().map(there).collect()
    }

    fn closed(&self) -> Fault {
        Fault::host(format!("{}: the connection was closed", self.name))
    }

    /// The fault of a connection that is gone.
    fn lost(&mut self, lost: Lost) -> Fault {
        self.peer = None;
        match lost {
            Lost::Ended(0, _) => self.closed(),
            Lost::Ended(NOT_FOUND, _) => {
                let fault = Fault::host(format!("{}: ssh finds no vmrun there", self.name));
                fault.hint("install it there, in a folder that the PATH of a command of ssh has")
            }
            Lost::Ended(status, said) => {
                Fault::host(format!("{}: {}", self.name, failure(&self.remote, status, &said)))
            }
            Lost::Wrong(fault) => fault.context(&self.name).blame(Blame::Host),
        }
    }
}

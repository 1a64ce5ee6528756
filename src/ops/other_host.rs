//! Another host that has a part in a machine of this one, as this one sees it: it gets the machine, or has a replica of it. It is called
//! by ssh, and asked one thing after the other.

use super::remote::{NOT_FOUND, Remote, SCHEME, SSH_FAILED, failure};
use crate::client::peer::{Lost, RemotePeer};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::environment::{host_name, host_within};
use crate::host::signals::StopAsked;
use crate::image::migration::{
    Answer, BlockDigests, Frame, Hello, MoveState, Offer, PROTOCOL, Request, State, TakenAway,
};
use crate::model::VmName;
use std::time::Duration;

/// How long a vmrun there may take to answer once ssh has let us in.
const GREETING: Duration = Duration::from_secs(5);

/// Returns where a host is reached that may be written with `ssh://` or without.
pub(crate) fn remote(host: &str) -> Result<Remote, Fault> {
    format!("{SCHEME}{}", host.trim_start_matches(SCHEME)).parse().map_err(|fault: Fault| {
        let wrong = Fault::usage(format!("{host:?} is no host that ssh reaches"));
        fault.hint.map_or_else(|| wrong.clone(), |_| wrong.clone().hint("write HOST, USER@HOST or USER@HOST:PORT"))
    })
}

/// The other host.
pub(crate) struct OtherHost {
    /// What it is called in messages.
    name: String,
    remote: Remote,
    answer_within: Duration,
    /// By what we are asked to stop waiting for it.
    stop: Option<StopAsked>,
    peer: Option<RemotePeer>,
    /// Whether anything came from a vmrun there.
    has_answered: bool,
    /// Which replicas it has sent of those that its greeting named; nothing where it remembers none.
    given_up: Option<Vec<String>>,
    /// Whether it makes volumes anew that are encrypted.
    encrypts: bool,
}

impl OtherHost {
    /// Names it; it is not called yet.
    pub(crate) const fn new(name: String, remote: Remote, answer_within: Duration) -> Self {
        Self {
            name,
            remote,
            answer_within,
            stop: None,
            peer: None,
            has_answered: false,
            given_up: None,
            encrypts: false,
        }
    }

    /// Has it be waited for no longer than some seconds once somebody asks us to stop.
    pub(crate) fn heed(&mut self, stop: StopAsked) {
        self.stop = Some(stop);
    }

    /// Whether it can be asked.
    pub(crate) const fn is_called(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether a vmrun there has answered anything.
    pub(crate) const fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Whether it remembers which replicas it has taken; told by its greeting.
    pub(crate) const fn remembers_takeovers(&self) -> bool {
        self.given_up.is_some()
    }

    /// Returns which of the replicas that were taken it has sent, and has given up; told by its greeting.
    pub(crate) fn given_up(&self) -> &[String] {
        self.given_up.as_deref().unwrap_or_default()
    }

    /// Whether it makes volumes anew that are encrypted; told by its greeting.
    pub(crate) const fn encrypts(&self) -> bool {
        self.encrypts
    }

    fn call(&mut self) -> Result<(), Fault> {
        let argv = self.remote.peer(&["migrate-receive"], self.answer_within);
        self.peer = Some(RemotePeer::call(&argv, self.answer_within + GREETING, host_within()?, self.stop.clone())?);
        Ok(())
    }

    /// Asks whether a machine was taken over there from one of these replicas. What asks that asks nothing else.
    pub(crate) fn taken_over(
        &mut self,
        machine: &VmName,
        replicas: Vec<String>,
    ) -> Result<Option<TakenAway>, Vec<Diagnostic>> {
        if !self.is_called() {
            self.call()?;
        }
        match self.answered(&Request::TakenOver(machine.clone(), replicas))? {
            Answer::Taken(taken) => Ok(taken),
            Answer::State(_) | Answer::Done | Answer::Refused(_) => Err(self.senseless().into()),
        }
    }

    /// Has it give up a machine of which this host has another copy, by the replica that that came from or that it has: it refuses that
    /// where the machine runs there.
    pub(crate) fn give_up(&mut self, machine: &VmName, replica: &str) -> Result<(), Vec<Diagnostic>> {
        self.greet(Hello {
            protocol: PROTOCOL,
            vmrun: env!("CARGO_PKG_VERSION").into(),
            id: replica.into(),
            machine: machine.clone(),
            from: host_name().unwrap_or_else(|| "another host".into()),
            is_replica: true,
            signs: true,
            taken: Vec::new(),
        })?;
        self.ask(&Request::GiveUp)
    }

    /// Calls it, and returns how far a move is there.
    pub(crate) fn greet(&mut self, hello: Hello) -> Result<Option<MoveState>, Vec<Diagnostic>> {
        self.call()?;
        match self.answered(&Request::Hello(hello)) {
            Ok(Answer::State(State { state, protocol: PROTOCOL, given_up, encrypts, .. })) => {
                (self.given_up, self.encrypts) = (given_up, encrypts);
                Ok(state)
            }
            Ok(Answer::State(State { protocol, vmrun, .. })) => {
                self.peer = None;
                let fault = format!("the vmrun of {} is {vmrun} and moves machines by protocol {protocol}", self.name);
                Err(Fault::host(fault).hint("install the same vmrun on both hosts").into())
            }
            Ok(Answer::Done | Answer::Refused(_) | Answer::Taken(_)) => Err(self.senseless().into()),
            Err(faults) => {
                self.peer = None;
                Err(faults)
            }
        }
    }

    /// The fault of an answer that is none.
    pub(crate) fn senseless(&self) -> Fault {
        let fault = Fault::host(format!("{}: what it answered is not what was asked", self.name));
        fault.hint("is it the same vmrun on both hosts?")
    }

    /// Asks for something that is done or refused.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<(), Vec<Diagnostic>> {
        match self.answered(request)? {
            Answer::Done => Ok(()),
            Answer::State(_) | Answer::Refused(_) | Answer::Taken(_) => Err(self.senseless().into()),
        }
    }

    /// Offers a machine with its texts.
    pub(crate) fn offer(&mut self, offer: Offer, texts: &[Vec<u8>]) -> Result<(), Vec<Diagnostic>> {
        self.send(&Frame::Message(Request::Offer(Box::new(offer)).text()))?;
        texts.iter().try_for_each(|text| self.send(&Frame::Text(text.clone())))?;
        match self.said(RemotePeer::answer)? {
            Answer::Done => Ok(()),
            Answer::State(_) | Answer::Refused(_) | Answer::Taken(_) => Err(self.senseless().into()),
        }
    }

    /// Asks what it has of a disk of that size.
    pub(crate) fn digests(&mut self, disk: u32, size: u64) -> Result<BlockDigests, Vec<Diagnostic>> {
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
    pub(crate) fn send(&mut self, frame: &Frame) -> Result<(), Vec<Diagnostic>> {
        let Some(peer) = self.peer.as_mut() else { return Err(self.closed().into()) };
        match peer.send(frame) {
            Ok(()) => Ok(()),
            // Who takes nothing more may have said why.
            Err(lost) => match peer.last_answer() {
                Some(Answer::Refused(faults)) => {
                    self.peer = None;
                    Err(self.refused(faults))
                }
                Some(Answer::State(_) | Answer::Done | Answer::Taken(_)) | None => Err(self.lost(lost).into()),
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
                let fault = Fault::host(format!("{}: {}", self.name, failure(&self.remote, status, &said)));
                // One from before there were moves takes the command for a recipe, or does not know it.
                let is_mute = !self.has_answered && status != SSH_FAILED;
                fault.maybe_hint(is_mute.then(|| "it answered nothing: is it the same vmrun on both hosts?".into()))
            }
            Lost::Interrupted => Fault::new("interrupted").blame(Blame::Interrupted),
            Lost::Wrong(fault) => fault.context(&self.name).blame(Blame::Host),
        }
    }
}

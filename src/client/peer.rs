//! The other side of a move, which is called by ssh: a vmrun there that answers.

use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::environment::command;
use crate::host::files::reason;
use crate::host::peer::{Heard, Told};
use crate::host::signals::StopAsked;
use crate::host::spawn;
use crate::image::migration::{Answer, Frame, Request};
use crate::model::Argv;
use std::io::{BufReader, BufWriter, ErrorKind, Read as _, Write};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How much is read or written at once, in bytes.
const CHUNK: usize = 256 << 10;

/// How much of what it complains of is kept, in bytes.
const COMPLAINTS: u64 = 1 << 16;

/// How long it is waited for its last words once it says nothing more.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The other side.
pub(crate) struct RemotePeer {
    child: Child,
    to: Option<BufWriter<Told>>,
    from: BufReader<Heard>,
    complaints: Receiver<String>,
    /// How long it may say nothing, or take nothing, once it has answered.
    silence: Duration,
    /// By what we are asked to stop.
    stop: Option<StopAsked>,
    /// Whether it is none that one can speak with.
    is_wrong: bool,
}

/// Why the other side says nothing more.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Its program has ended with this status, having complained of this; 0 of one that was ended by us.
    Ended(i32, String),
    /// What it said cannot be understood.
    Wrong(Fault),
    /// We were asked to stop, and nothing came.
    Interrupted,
}

impl RemotePeer {
    /// Calls it. Its first answer has to come in time; others take as long as what is asked, but it must not be silent for too long: ssh
    /// tells of a connection that is dead, and of nobody who hangs at its other end. Once we are asked to stop it has some seconds.
    pub(crate) fn call(
        argv: &Argv,
        greeting: Duration,
        silence: Duration,
        stop: Option<StopAsked>,
    ) -> Result<Self, Fault> {
        tracing::debug!("{argv}");
        let mut program = command(&argv.program);
        program.args(&argv.args).env("LC_ALL", "C");
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawn::start(&mut program).map_err(|why| match why.kind() {
            ErrorKind::NotFound => Fault::host(format!("{} is not installed here", argv.program)),
            _ => Fault::host(format!("cannot start {}: {}", argv.program, reason(&why))),
        })?;
        let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(to), Some(from), Some(errors)) = streams else {
            spawn::end(&mut child);
            return Err(Fault::host(format!("{} has no standard streams", argv.program)));
        };
        let (tell, complaints) = channel();
        let listening = spawn::thread(move || {
            let mut bytes = Vec::new();
            errors.take(COMPLAINTS).read_to_end(&mut bytes).may_fail("what came until it failed is what came");
            tell.send(String::from_utf8_lossy(&bytes).into_owned()).may_fail("nobody listens any more at the end");
        });
        if let Err(fault) = listening {
            spawn::end(&mut child);
            return Err(fault);
        }
        let to = match Told::new(to.into(), silence, stop.clone()) {
            Ok(to) => BufWriter::with_capacity(CHUNK, to),
            Err(why) => {
                spawn::end(&mut child);
                return Err(Fault::host(format!("cannot write to {}: {}", argv.program, reason(&why))));
            }
        };
        let from = BufReader::with_capacity(CHUNK, Heard::new(from.into(), Some(greeting), stop.clone()));
        Ok(Self { child, to: Some(to), from, complaints, silence, stop, is_wrong: false })
    }

    /// Sends a frame, which may wait for others here.
    pub(crate) fn send(&mut self, frame: &Frame) -> Result<(), Lost> {
        match self.to.as_mut().map(|to| frame.write(to)) {
            Some(Ok(())) => Ok(()),
            Some(Err(why)) if why.kind() == ErrorKind::TimedOut => Err(self.deaf()),
            Some(Err(_)) | None => Err(self.lost()),
        }
    }

    /// Why one is lost that takes nothing more, and is still there.
    fn deaf(&mut self) -> Lost {
        self.is_wrong = true;
        if self.is_asked_to_stop() {
            return Lost::Interrupted;
        }
        Lost::Wrong(Fault::host("the other side has taken nothing for too long"))
    }

    fn is_asked_to_stop(&self) -> bool {
        self.stop.as_ref().is_some_and(StopAsked::peek)
    }

    /// Waits for a frame that is more than a sign of life.
    pub(crate) fn receive(&mut self) -> Result<Frame, Lost> {
        loop {
            let frame = self.received()?;
            if frame != Frame::Still {
                return Ok(frame);
            }
        }
    }

    fn received(&mut self) -> Result<Frame, Lost> {
        let flushed = self.to.as_mut().map(Write::flush);
        let flushed = match flushed {
            Some(Err(why)) if why.kind() == ErrorKind::TimedOut => return Err(self.deaf()),
            flushed => flushed.is_some_and(|flushed| flushed.is_ok()),
        };
        match Frame::read(&mut self.from) {
            Ok(Some(frame)) => {
                self.from.get_mut().patience = Some(self.silence);
                Ok(frame)
            }
            Ok(None) => Err(self.lost()),
            // Who is still there is not waited for: what it said is wrong, or it says nothing.
            Err(fault) if flushed => Err(self.has_ended().unwrap_or_else(|| {
                self.is_wrong = true;
                if self.is_asked_to_stop() { Lost::Interrupted } else { Lost::Wrong(fault) }
            })),
            Err(_) => Err(self.lost()),
        }
    }

    /// Asks for something, and returns what is answered.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Lost> {
        // Who takes nothing more may have said why.
        if let Err(lost) = self.send(&Frame::Message(request.text())) {
            return self.last_answer().ok_or(lost);
        }
        self.answer()
    }

    /// Waits for an answer.
    pub(crate) fn answer(&mut self) -> Result<Answer, Lost> {
        match self.receive()? {
            Frame::Message(text) => Answer::read(&text).map_err(Lost::Wrong),
            other @ (Frame::Text(_) | Frame::Block { .. } | Frame::Hole { .. } | Frame::Digests(_) | Frame::Still) => {
                Err(Lost::Wrong(Fault::host(format!("it sent {} where it had to answer", other.name()))))
            }
        }
    }

    /// Returns the refusal that it may have sent before it took nothing more.
    pub(crate) fn last_answer(&mut self) -> Option<Answer> {
        match Frame::read(&mut self.from) {
            Ok(Some(Frame::Message(text))) => Answer::read(&text).ok(),
            _ => None,
        }
    }

    /// Returns how it has ended, if it has ended already.
    fn has_ended(&mut self) -> Option<Lost> {
        self.child.try_wait().ok().flatten().and_then(|_| self.ended())
    }

    fn lost(&mut self) -> Lost {
        self.ended().unwrap_or_else(|| Lost::Ended(0, String::new()))
    }

    /// Returns how it has ended, if it has.
    fn ended(&mut self) -> Option<Lost> {
        self.to = None;
        let complaints = self.complaints.recv_timeout(LAST_WORDS).ok()?;
        let status = self.child.wait().ok()?;
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Some(Lost::Ended(code, complaints))
    }
}

impl Drop for RemotePeer {
    fn drop(&mut self) {
        self.to = None;
        if self.is_wrong {
            self.child.kill().may_fail("it has ended by itself");
        }
        // Whoever has nothing more to do ends by himself, once nothing more can come.
        if self.complaints.recv_timeout(LAST_WORDS).is_err() {
            self.child.kill().may_fail("it has ended by itself");
        }
        self.child.wait().may_fail("it was waited for");
    }
}

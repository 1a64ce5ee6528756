//! File systems of a guest that are frozen for a moment by its agent (`guest-fsfreeze-freeze`), and thawed whatever becomes of who asked.
//! A thread of its own does it, so that a guest which is slow or silent keeps nobody from looking after the machine.

use super::Agent;
use super::protocol::garbled;
use crate::diag::may_fail::MayFail as _;
use crate::diag::{Blame, Fault};
use crate::host::spawn;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long an agent may take to say that it is there.
const GREETS_WITHIN: Duration = Duration::from_secs(1);

/// How long it may take to thaw.
const THAWS_WITHIN: Duration = Duration::from_secs(2);

/// How long it is waited before it is asked again to thaw, at first and at most.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What becomes of file systems that are frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FreezeNews {
    /// So many are frozen.
    Frozen(u64),
    /// They are not, and why.
    Refused(Fault),
    /// Whoever was asked does not thaw them, and is asked again.
    Stuck(Fault),
    /// Nothing is frozen any more, and whether everything was until somebody asked for that. This is the last news.
    Thawed(bool),
}

/// File systems of a guest that are being frozen, or are frozen.
#[derive(Debug)]
pub(crate) struct Freezing {
    news: Receiver<FreezeNews>,
    thaw: Sender<()>,
}

impl Freezing {
    /// Has them frozen by the agent at a socket, for so long at most.
    pub(crate) fn begin(socket: PathBuf, most: Duration) -> Result<Self, Fault> {
        Self::of(move |ends| ends.keep(&socket, most))
    }

    /// Has them thawed that somebody has frozen who is gone.
    pub(crate) fn left(socket: PathBuf) -> Result<Self, Fault> {
        Self::of(move |ends| ends.thaw(None, &socket, false))
    }

    fn of(act: impl FnOnce(&Ends) + Send + 'static) -> Result<Self, Fault> {
        let ((tell, news), (thaw, asked)) = (channel(), channel());
        spawn::thread(move || act(&Ends { tell, asked }))?;
        Ok(Self { news, thaw })
    }

    /// Returns what has happened since the last time.
    pub(crate) fn news(&self) -> Option<FreezeNews> {
        self.news.try_recv().ok()
    }

    /// Waits so long for what happens next.
    pub(crate) fn news_within(&self, within: Duration) -> Option<FreezeNews> {
        self.news.recv_timeout(within).ok()
    }

    /// Asks for an end of it.
    pub(crate) fn let_go(&self) {
        self.thaw.send(()).may_fail("it is over already");
    }
}

/// Thaws what somebody has frozen who is gone, within a few seconds.
pub(crate) fn thaw_left(socket: &Path) -> Result<(), Fault> {
    let until = Instant::now() + THAWS_WITHIN;
    Agent::open(socket, until)?.thaw(until)
}

/// The thread's ends of the channels.
struct Ends {
    tell: Sender<FreezeNews>,
    asked: Receiver<()>,
}

impl Ends {
    fn tell(&self, news: FreezeNews) {
        self.tell.send(news).may_fail("nobody wants to know any more");
    }

    /// Freezes, waits until somebody asks for the end or the time is over, and thaws.
    fn keep(&self, socket: &Path, most: Duration) {
        let until = Instant::now() + most;
        let mut agent = match Agent::open(socket, until.min(Instant::now() + GREETS_WITHIN)) {
            Ok(agent) => agent,
            Err(fault) => {
                self.tell(FreezeNews::Refused(fault));
                return self.tell(FreezeNews::Thawed(false));
            }
        };
        match agent.freeze(until) {
            Ok(Ok(count)) => {
                self.tell(FreezeNews::Frozen(count));
                let asked = self.asked.recv_timeout(until.saturating_duration_since(Instant::now()));
                let is_whole = asked.is_ok() && agent.is_frozen();
                self.thaw(Some(agent), socket, is_whole);
            }
            // One that says no has frozen nothing; it may be that it does not thaw either.
            Ok(Err(fault)) => {
                agent.thaw(Instant::now() + THAWS_WITHIN).may_fail("nothing is frozen");
                self.tell(FreezeNews::Refused(fault));
                self.tell(FreezeNews::Thawed(false));
            }
            // One that says nothing may have frozen them all the same, or be about to.
            Err(fault) => {
                self.tell(FreezeNews::Refused(fault));
                self.thaw(Some(agent), socket, false);
            }
        }
    }

    /// Thaws, and tries that again until it is done or nobody wants it any more.
    fn thaw(&self, mut agent: Option<Agent>, socket: &Path, is_whole: bool) {
        let (mut pause, mut is_told) = (PAUSE, false);
        loop {
            let until = Instant::now() + THAWS_WITHIN;
            let agent = agent.take().map_or_else(|| Agent::open(socket, until), Ok);
            match agent.and_then(|mut agent| agent.thaw(until)) {
                Ok(()) => return self.tell(FreezeNews::Thawed(is_whole)),
                Err(fault) if !std::mem::replace(&mut is_told, true) => self.tell(FreezeNews::Stuck(fault)),
                Err(_) => {}
            }
            if self.asked.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Agent {
    /// Freezes the file systems, and returns how many; the inner fault is that of an agent that does not do it, and says so.
    fn freeze(&mut self, until: Instant) -> Result<Result<u64, Fault>, Fault> {
        const COMMAND: &str = "guest-fsfreeze-freeze";
        let answer = match self.ask(COMMAND, &Value::Null, until)? {
            Ok(answer) => answer,
            Err(why) => return Ok(Err(Fault::new(format!("refuses {COMMAND}: {why}")).blame(Blame::Guest))),
        };
        let count = answer.as_u64().ok_or_else(|| garbled("a number of file systems that is none"))?;
        let none = || Fault::new("has no file system that can be frozen").blame(Blame::Guest);
        Ok(if count == 0 { Err(none()) } else { Ok(count) })
    }

    /// Returns whether they are still frozen: who is in the guest may have thawed them.
    fn is_frozen(&mut self) -> bool {
        let status = self.ask("guest-fsfreeze-status", &Value::Null, Instant::now() + GREETS_WITHIN);
        matches!(status, Ok(Ok(status)) if status == "frozen")
    }

    /// Thaws them.
    fn thaw(&mut self, until: Instant) -> Result<(), Fault> {
        self.call("guest-fsfreeze-thaw", &Value::Null, until).map(drop)
    }
}

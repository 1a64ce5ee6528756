//! File systems that are frozen while a snapshot is made: by the agent of a guest in the background, whose supervisor thaws them after
//! a time whatever becomes of who asked. The journal says so meanwhile, for whoever comes after a supervisor that was killed.

use super::progress::Progress;
use super::{Run, journal, recovery};
use crate::client::agent::freeze::{self, FreezeNews, Freezing};
use crate::diag::Fault;
use crate::diag::may_fail::MayFail as _;
use crate::host::freeze::{FreezeAnswer, FreezeRequest, answer, take};
use crate::model::VmName;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long file systems are frozen at most.
pub(crate) const FROZEN_AT_MOST: Duration = Duration::from_secs(10);

/// How often it is looked whether somebody wants them frozen, and how often while they are.
const ASKED_CHECKED: Duration = Duration::from_millis(200);
const NEWS_CHECKED: Duration = Duration::from_millis(20);

/// What is frozen for somebody.
pub(crate) struct Frozen {
    freezing: Freezing,
    /// The process of who asked, and what tells his asking from others; of one that is gone it is not known.
    asked: Option<(u32, String)>,
    /// Whether it was told that something is frozen.
    is_told: bool,
}

impl Run {
    /// Returns when it is looked next whether somebody wants file systems frozen, if the guest may have an agent.
    pub(super) fn freeze_checked(&self) -> Option<Instant> {
        let every = if self.frozen.is_some() { NEWS_CHECKED } else { ASKED_CHECKED };
        self.agent().map(|_| Instant::now() + every)
    }

    /// Hears what is wanted, and what has become of what was wanted.
    pub(super) fn look_at_freeze(&mut self, name: &VmName) {
        if self.agent().is_none() {
            return;
        }
        if let Some(request) = take(self.host.settings(), name) {
            self.hear_freeze(name, &request);
        }
        self.hear_freeze_news(name);
        let is_gone = |(asker, _): &(u32, String)| !self.host.processes().exists(*asker);
        if let Some(frozen) = self.frozen.as_mut().filter(|frozen| frozen.asked.as_ref().is_some_and(is_gone)) {
            frozen.freezing.let_go();
            frozen.asked = None;
        }
    }

    fn hear_freeze(&mut self, name: &VmName, request: &FreezeRequest) {
        let say = |run: &Self, said: FreezeAnswer| answer(run.host.settings(), name, &request.token, &said);
        let is_its = |frozen: &Frozen| frozen.asked.as_ref().is_some_and(|(_, token)| *token == request.token);
        match (&self.frozen, request.freezes) {
            (Some(frozen), false) if is_its(frozen) => frozen.freezing.let_go(),
            // They were thawed when their time was over.
            (_, false) => say(self, FreezeAnswer::Thawed(false)),
            (Some(_), true) => say(self, FreezeAnswer::Refused("is asked by somebody else just now".into())),
            (None, true) => {
                if let Err(fault) = self.begin_freeze(request.asker, &request.token) {
                    say(self, FreezeAnswer::Refused(fault.message));
                }
            }
        }
    }

    fn begin_freeze(&mut self, asker: u32, token: &str) -> Result<(), Fault> {
        let Some(socket) = self.agent() else { return Ok(()) };
        // Before: whoever comes after us is to know.
        self.note_freeze(&journal::frozen(&socket))?;
        let freezing = Freezing::begin(socket, FROZEN_AT_MOST).inspect_err(|_| self.note_thaw())?;
        self.frozen = Some(Frozen { freezing, asked: Some((asker, token.into())), is_told: false });
        Ok(())
    }

    fn hear_freeze_news(&mut self, name: &VmName) {
        while let Some(news) = self.frozen.as_ref().and_then(|frozen| frozen.freezing.news()) {
            let Some(mut frozen) = self.frozen.take() else { return };
            let asked = frozen.asked.clone();
            let (said, answered) = match news {
                FreezeNews::Frozen(count) => {
                    frozen.is_told = true;
                    (Some("its file systems are frozen for a snapshot".to_string()), FreezeAnswer::Frozen(count))
                }
                FreezeNews::Refused(fault) => {
                    // What becomes of it now is nothing to who asked.
                    frozen.asked = None;
                    (None, FreezeAnswer::Refused(fault.message))
                }
                FreezeNews::Stuck(Fault { message, .. }) => {
                    frozen.is_told = true;
                    let what = format!("its file systems may stay frozen: the agent {message}; it is asked again");
                    (Some(what), FreezeAnswer::Stuck(message))
                }
                FreezeNews::Thawed(is_whole) => {
                    let what = frozen.is_told.then(|| "its file systems are thawed".to_string());
                    (what, FreezeAnswer::Thawed(is_whole))
                }
            };
            match answered {
                FreezeAnswer::Thawed(_) => self.note_thaw(),
                FreezeAnswer::Frozen(_) | FreezeAnswer::Refused(_) | FreezeAnswer::Stuck(_) => {
                    self.frozen = Some(frozen)
                }
            }
            said.iter().for_each(|what| self.tell(Progress::Freeze(what)));
            asked.iter().for_each(|(_, token)| answer(self.host.settings(), name, token, &answered));
        }
    }

    /// Has what is frozen thawed, and waits for that until then: a guest in which nothing can be written does not end well.
    pub(super) fn thaw_until(&mut self, until: Instant) {
        let Some(frozen) = self.frozen.take() else { return };
        frozen.freezing.let_go();
        while let Some(news) = frozen.freezing.news_within(until.saturating_duration_since(Instant::now())) {
            if matches!(news, FreezeNews::Thawed(_)) {
                return self.note_thaw();
            }
        }
    }

    /// Has thawed what was frozen by a run that is gone, whose guest was taken over.
    pub(super) fn adopt_frozen(&mut self, name: &VmName) {
        let Some(socket) = recovery::frozen(&*self.host, name) else { return };
        match Freezing::left(socket) {
            Ok(freezing) => self.frozen = Some(Frozen { freezing, asked: None, is_told: true }),
            Err(fault) => self.tell(Progress::Freeze(&format!("its file systems may stay frozen: {}", fault.message))),
        }
    }

    /// Nothing is frozen any more: the boot is over.
    pub(super) fn freeze_is_over(&mut self) {
        if self.frozen.take().is_some() {
            self.note_thaw();
        }
    }

    fn note_thaw(&mut self) {
        self.note_freeze(&journal::thawed()).may_fail("to thaw what is not frozen does nothing");
    }

    fn note_freeze(&mut self, line: &str) -> Result<(), Fault> {
        let Some((name, _)) = &self.owner else { return Ok(()) };
        self.host.store_mut().note(name, line, false)
    }
}

/// Thaws what a run has left frozen that is gone.
pub(super) fn thaw_left(name: &VmName, socket: &Path) -> Option<Fault> {
    let fault = freeze::thaw_left(socket).err()?;
    let message = format!("the file systems of {name} may stay frozen: its agent {}", fault.message);
    Some(Fault { message, ..fault })
}

//! The recordings of one script: the first is heard, the others, with the same answers or with other ones, are not.

use super::Request;
use crate::diag::Fault;
use crate::host::standins::{self, Reach, Recorder};
use crate::model::Argv;
use crate::ops::notice::{Notice, Notify};
use crate::recording::guests::{Before, Guests};
use crate::recording::hidden::hide;
use crate::recording::race::race;
use crate::recording::{Recording, Scenario};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

/// How many recordings are made of a script at most.
const RECORDINGS_MAX: u32 = 64;

/// How often a machine may be booted beyond the statuses that are given for its ends.
const BOOTS_MORE: usize = 7;

/// How long a recording may take that nobody hears.
const TIME_MAX: Duration = Duration::from_secs(10);

/// Records one script, once or again and again.
pub(super) struct Sessions<'a> {
    recorder: Recorder,
    reach: Reach,
    /// What the world begins with, where nothing else is said.
    pub(super) setting: Scenario,
    timeout: Duration,
    notify: Notify<'a>,
    /// What was made up in one recording is usually so in the next.
    told: BTreeSet<String>,
    left: u32,
    /// The machine of which alone is recorded from now on, and which calls are whose.
    guest: Option<(Rc<Guests>, String)>,
}

impl<'a> Sessions<'a> {
    pub(super) fn new(request: &Request<'_>, setting: Scenario, notify: Notify<'a>) -> Result<Self, Fault> {
        let reach = if request.anyway { Reach::Host } else { Reach::Enclosure };
        let recorder = Recorder::new(reach)?;
        let told = BTreeSet::new();
        // A script that boots its machine for ever is cut where its recordings are compared.
        let boots_max = setting.exits.len().saturating_add(BOOTS_MORE);
        let setting = if request.anyway { setting } else { Scenario { boots_max, ..setting } };
        Ok(Self { recorder, reach, setting, timeout: request.timeout, notify, told, left: RECORDINGS_MAX, guest: None })
    }

    /// Records one of several machines from now on, as if the script were its own.
    pub(super) fn go_on_with(&mut self, guests: &Rc<Guests>, name: &str) {
        self.left = RECORDINGS_MAX;
        self.setting.exits_of = Some(name.into());
        self.guest = Some((guests.clone(), name.into()));
    }

    /// Returns what of a recording is the machine's that is recorded.
    pub(super) fn share(&self, recording: Recording) -> Recording {
        self.guest.as_ref().map_or_else(|| recording.clone(), |(guests, name)| guests.share(name, &recording))
    }

    /// Returns the machine that the script starts before the one that is recorded.
    pub(super) fn before(&self) -> Option<Before> {
        self.guest.as_ref().and_then(|(guests, name)| guests.before(name))
    }

    /// Whether a command may be recorded more than once: what it does for real is not done twice.
    pub(super) fn is_repeatable(&self) -> bool {
        self.reach == Reach::Enclosure
    }

    /// Says something to whoever records.
    pub(super) fn notify(&mut self, notice: Notice) {
        (self.notify)(notice);
    }

    /// Records a command, and tells what it writes, what was made up for it, and what is doubtful.
    pub(super) fn heard(&mut self, command: &[String]) -> Result<Recording, Fault> {
        self.left = self.left.saturating_sub(1);
        let notify = &mut self.notify;
        let mut hear = |line: &str| notify(Notice::Printed(line.into()));
        let recording = self.recorder.record(command, &self.setting, self.timeout, &mut hear)?;
        let made_up = recording.made_up.iter();
        let news: Vec<&str> = made_up.filter(|text| self.told.insert((*text).clone())).map(String::as_str).collect();
        if !news.is_empty() {
            self.notify(Notice::Message(format!("made up, where `--answer` says nothing: {}", news.join("; "))));
        }
        doubts(command, &recording).into_iter().for_each(|doubt| self.notify(Notice::warning(doubt)));
        Ok(recording)
    }

    /// Records a command again, unheard. Nothing where it is not enclosed: what it does for real is not done twice; nor where there were too
    /// many recordings.
    pub(super) fn again(&mut self, command: &[String], setting: &Scenario) -> Result<Option<Recording>, Fault> {
        self.listened(command, setting, &mut |_| {})
    }

    /// Records a command again as [`Self::again`] does, and hears it by itself.
    pub(super) fn listened(
        &mut self,
        command: &[String],
        setting: &Scenario,
        hear: &mut dyn FnMut(&str),
    ) -> Result<Option<Recording>, Fault> {
        if !self.is_repeatable() || self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.recorder.record(command, setting, self.timeout.min(TIME_MAX), hear).map(|one| Some(self.share(one)))
    }
}

/// Returns what is wrong with two recordings that have the same answers, if they differ.
pub(super) fn unsteady(first: &Recording, second: &Recording) -> Option<Fault> {
    let race = race(first, second)?;
    let shown = |command: Option<String>| command.map_or("nothing more".into(), |text| format!("`{}`", hide(&text)));
    let (first, second) = (shown(race.first), shown(race.second));
    let fault = Fault::new(format!("with the same answers the script called {first} once and {second} the next time"));
    Some(fault.hint(
        "the recipe is of the first time: let what runs in the background be waited for, and what is new each time stand in the \
         recipe as a parameter",
    ))
}

/// Returns what is doubtful in a recording.
fn doubts(command: &[String], recording: &Recording) -> Vec<Fault> {
    let mut doubts = Vec::new();
    // The status of a last line that is bhyve's says how the guest ended, but where each status ends the script.
    let is_guests =
        recording.calls.last().is_some_and(|call| call.boots().is_some() && call.status == recording.status);
    let ends_at_once = standins::script(command).is_some_and(|script| script.text.contains("set -e"));
    if recording.status != 0 && (!is_guests || ends_at_once) {
        let shown = hide(
            &Argv::new(command.first().map(String::as_str).unwrap_or_default())
                .args(command.iter().skip(1))
                .to_string(),
        );
        let fault = Fault::new(format!("`{shown}` ended with status {}", recording.status));
        doubts.push(fault.hint("what it would have done after that is not in the recording"));
    }
    if let Some(call) = recording.calls.iter().find(|call| call.is_lossy) {
        let fault = Fault::new(format!("`{}` was called with bytes that are no text", call.command()));
        doubts.push(fault.hint("U+FFFD stands for them"));
    }
    doubts
}

//! What a script does although a command before it failed: each that fails at a second start does so in one recording.

use super::asked_files::has_same_acts;
use super::sessions::Sessions;
use crate::diag::Fault;
use crate::recording::hidden::hide;
use crate::recording::repeated::failing_again;
use crate::recording::{Call, Prepared, Recording};

/// What a script does where commands fail.
#[derive(Default)]
pub(super) struct Tolerance {
    /// The commands after which it goes on all the same.
    pub(super) tolerated: Vec<String>,
    /// Those after which it calls others, and then goes on, with these.
    pub(super) instead: Vec<(String, Vec<Call>)>,
    /// What no recipe says.
    pub(super) gaps: Vec<Fault>,
}

/// What a script does where a command fails.
enum Failure {
    /// It goes on all the same.
    GoesOn,
    /// It calls others, and goes on.
    Instead(Vec<Call>),
    /// It boots no machine.
    GivesUp,
    /// It does something else, which begins with this.
    Otherwise(Option<Box<Call>>),
}

impl Sessions<'_> {
    /// Finds what the script does where a command fails, as what that does is done already, or as it fails on this host.
    pub(super) fn going_on(&mut self, command: &[String], usual: &Recording) -> Result<Tolerance, Fault> {
        let mut failing = failing_again(&usual.calls);
        failing.extend(self.failing_here(usual));
        let line = |call: &Call| call.command().to_string();
        let mut all = Tolerance::default();
        if failing.is_empty() || matches!(self.failure(command, usual, &failing)?, Failure::GoesOn) {
            all.tolerated = failing.into_iter().map(line).collect();
            return Ok(all);
        }
        for call in failing {
            match self.failure(command, usual, &[call])? {
                Failure::GoesOn => all.tolerated.push(line(call)),
                Failure::Instead(others) => all.instead.push((line(call), others)),
                // Of a program that fails here it is told by itself that something hangs on it.
                Failure::Otherwise(other) if call.watched.is_none() => all.gaps.push(otherwise(call, other.as_deref())),
                Failure::Otherwise(_) | Failure::GivesUp => {}
            }
        }
        Ok(all)
    }

    /// Returns the calls of programs of this host that fail where the script is recorded, each once.
    fn failing_here<'a>(&self, usual: &'a Recording) -> Vec<&'a Call> {
        let mut all: Vec<&Call> = Vec::new();
        for call in usual.calls.iter().filter(|call| call.watched.is_some() && self.failing.contains(&call.argv)) {
            if all.iter().all(|known| known.argv != call.argv) {
                all.push(call);
            }
        }
        all
    }

    /// Finds what a script does where some of its calls fail.
    fn failure(&mut self, command: &[String], usual: &Recording, failing: &[&Call]) -> Result<Failure, Fault> {
        let mut setting = self.setting.clone();
        let fails = |call: &&Call| Prepared { words: call.argv.clone(), status: 1, ..Prepared::default() };
        setting.answers.extend(failing.iter().map(fails));
        let Some(other) = self.unheard(command, &setting)? else { return Ok(Failure::GivesUp) };
        if has_same_acts(&other, usual) {
            return Ok(Failure::GoesOn);
        }
        if !other.calls.iter().any(|call| call.boots().is_some()) {
            return Ok(Failure::GivesUp);
        }
        let [call] = failing else { return Ok(Failure::Otherwise(None)) };
        Ok(instead(call, usual, &other)
            .map_or_else(|| Failure::Otherwise(first_more(usual, &other).map(Box::new)), Failure::Instead))
    }
}

/// Returns what a script calls after a command that fails, where that is all that it does otherwise.
fn instead(failing: &Call, usual: &Recording, other: &Recording) -> Option<Vec<Call>> {
    let acts = |of: &Recording| of.calls.iter().filter(|call| !call.reads).cloned().collect::<Vec<Call>>();
    let (usual, other) = (acts(usual), acts(other));
    let at = usual.iter().position(|call| call.argv == failing.argv)?;
    let more = other.len().checked_sub(usual.len()).filter(|more| *more > 0)?;
    let is_once = usual.iter().filter(|call| call.argv == failing.argv).count() == 1;
    let is_same =
        |one: &[Call], other: &[Call]| one.iter().map(|call| &call.argv).eq(other.iter().map(|call| &call.argv));
    let (before, rest) = (other.get(..=at)?, other.get(at + 1..)?);
    let (others, after) = rest.split_at_checked(more)?;
    let is_plain =
        others.iter().all(|call| call.boots().is_none() && call.program() != "ifconfig" && call.watched.is_none());
    let is_all = is_same(usual.get(..=at)?, before) && is_same(usual.get(at + 1..)?, after);
    (is_once && is_plain && is_all).then(|| others.to_vec())
}

/// Returns the first call of a recording that another one has not.
fn first_more(usual: &Recording, other: &Recording) -> Option<Call> {
    let is_there = |call: &&Call| !call.reads && usual.calls.iter().all(|known| known.argv != call.argv);
    other.calls.iter().find(is_there).cloned()
}

/// Tells that a script does something else where a command fails.
fn otherwise(call: &Call, other: Option<&Call>) -> Fault {
    let line = |call: &Call| hide(&call.command().to_string());
    let does = other.map_or_else(|| "does something else".to_string(), |other| format!("calls `{}`", line(other)));
    let fault = Fault::new(format!(
        "where `{}` fails, as what it does is done already, the script {does}, and the recipe ends there",
        line(call)
    ));
    fault.hint("write into the recipe what it does then: `try { … } catch { … }`")
}

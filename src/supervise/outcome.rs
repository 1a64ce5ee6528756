//! What became of a run: how its last boot ended, and what that says.

use super::step::Phase;
use super::{Run, interrupted};
use crate::bhyve;
use crate::diag::{Blame, Fault};
use crate::host::Platform;
use crate::model::message::{Explained, explain};
use crate::model::{Ended, Machine};
use crate::qemu;

/// SIGABRT: abort(3).
const ABORTED: i32 = 6;

/// SIGHUP, SIGINT, SIGQUIT, SIGALRM and SIGTERM, by which a process is asked to end; these have one number on every system.
const ASKED: [i32; 5] = [1, 2, 3, 14, 15];

/// SIGPIPE.
const BROKEN_PIPE: i32 = 13;

/// SIGILL, SIGTRAP, SIGFPE and SIGSEGV: what a process does that ends by its own fault. SIGBUS and SIGSYS are other numbers on each
/// system.
const CRASHES: [i32; 4] = [4, 5, 8, 11];

impl Run {
    /// Returns whether the run was stopped from outside, by somebody or because its dialog failed.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.is_stopped
    }

    /// Returns the fault that the last boot is, if the recipe has done nothing since but to hear of it.
    pub(crate) fn failed(&self) -> Option<Fault> {
        self.verdict().filter(|_| self.state.phase == Phase::Down)
    }

    /// Returns the fault that the way in which the last boot ended is, if it is one.
    pub(crate) fn verdict(&self) -> Option<Fault> {
        if self.state.is_stopped {
            return Some(interrupted());
        }
        let fault = |hint: &str| {
            let ended = self.state.last.as_ref().map(ToString::to_string).unwrap_or_default();
            Some(Fault::new(ended).hint(hint).blame(Blame::Guest))
        };
        match self.state.last.as_ref()? {
            Ended::Rebooted | Ended::PoweredOff | Ended::Halted => None,
            Ended::TripleFault => fault("the guest's kernel or firmware crashed; its console shows where"),
            Ended::Killed { signal: 9 } if self.memory_kills.limit.is_some() => {
                let limit = self.memory_kills.limit.map(|limit| limit.to_string()).unwrap_or_default();
                fault(&format!(
                    "the kernel killed it: with what serves it, it had all of the {limit} that `limits` gives as `memory`; give it more"
                ))
            }
            Ended::Killed { signal: 9 } => fault("somebody killed it, or the host ran out of memory"),
            // A guest that did what bhyve cannot do for it, as a triple fault under SVM (12.1), or whose node was destroyed (12.1).
            Ended::Killed { signal: ABORTED } => {
                let said = self.last_words.last().map(|words| format!("; its last words: {words}")).unwrap_or_default();
                let what =
                    "it gave up: the guest crashed in a way that it cannot tell, or somebody has destroyed the machine";
                fault(&format!("{what}{said}"))
            }
            Ended::Killed { signal } if ASKED.contains(signal) => fault("somebody ended it from outside"),
            Ended::Killed { signal: BROKEN_PIPE } => fault("whoever read what it says is gone"),
            Ended::Killed { signal } => {
                let said = self.last_words.last().map(|words| format!("; its last words: {words}")).unwrap_or_default();
                let what = if CRASHES.contains(signal) {
                    "the hypervisor itself crashed"
                } else {
                    "it crashed, or somebody ended it"
                };
                fault(&format!("{what}: dmesg(8) shows what the kernel says of it{said}"))
            }
            Ended::Failed { .. } => match self.last_words.last() {
                Some(words) => fault(&format!("its last words: {words}")),
                None => fault("it said nothing"),
            },
        }
    }

    /// Returns the last lines of the hypervisor that ended last.
    pub(crate) fn last_words(&self) -> &[String] {
        &self.last_words
    }

    /// Returns what is known about the way in which the last boot failed.
    pub(crate) fn explained(&self, machine: &Machine) -> Option<Explained> {
        let table = match self.host.settings().platform {
            Platform::FreeBsd => bhyve::messages::KNOWN,
            Platform::Linux => qemu::messages::KNOWN,
        };
        matches!(self.state.last, Some(Ended::Failed { .. }))
            .then(|| explain(table, &self.last_words, machine))
            .flatten()
    }
}

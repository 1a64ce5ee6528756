//! What a script does although a command before it failed: each that fails at a second start does so in one recording.

use super::asked_files::has_same_acts;
use super::sessions::Sessions;
use crate::diag::{Blame, Fault};
use crate::recording::repeated::failing_again;
use crate::recording::{Call, Prepared, Recording};

impl Sessions<'_> {
    /// Returns the commands that fail where what they do is done already, and after which a script goes on all the same.
    pub(super) fn going_on(&mut self, command: &[String], usual: &Recording) -> Result<Vec<String>, Fault> {
        let failing = failing_again(&usual.calls);
        let line = |call: &&Call| call.command().to_string();
        if failing.is_empty() || self.goes_on(command, usual, &failing)? {
            return Ok(failing.iter().map(line).collect());
        }
        let mut all = Vec::new();
        for call in failing.iter().filter(|_| failing.len() > 1) {
            if self.goes_on(command, usual, &[call])? {
                all.push(line(call));
            }
        }
        Ok(all)
    }

    /// Whether a script calls the same where some of its calls fail.
    fn goes_on(&mut self, command: &[String], usual: &Recording, failing: &[&Call]) -> Result<bool, Fault> {
        let mut setting = self.setting.clone();
        let fails = |call: &&Call| Prepared { words: call.argv.clone(), status: 1, ..Prepared::default() };
        setting.answers.extend(failing.iter().map(fails));
        match self.again(command, &setting) {
            Ok(other) => Ok(other.is_some_and(|other| has_same_acts(&other, usual))),
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            Err(_) => Ok(false),
        }
    }
}

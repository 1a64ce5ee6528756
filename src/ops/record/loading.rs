//! What a script does where the loader of its machine fails: it is recorded with one that fails once.

use super::asked_files::has_same_acts;
use super::sessions::Sessions;
use crate::diag::{Blame, Fault};
use crate::recording::hidden::hide;
use crate::recording::{Call, Prepared, Recording};

/// The programs that load a machine before it is booted.
const LOADERS: &[&str] = &["bhyveload", "grub-bhyve"];

impl Sessions<'_> {
    /// Tells if the script goes on in a way of its own where a loader fails: a recipe that has one ends there.
    pub(super) fn loading(&mut self, command: &[String], usual: &Recording) -> Result<Vec<Fault>, Fault> {
        let mut loaders: Vec<&Call> = Vec::new();
        for call in usual.calls.iter().filter(|call| LOADERS.contains(&call.program()) && !call.reads) {
            if loaders.iter().all(|known| known.argv != call.argv) {
                loaders.push(call);
            }
        }
        let mut gaps = Vec::new();
        for loader in loaders {
            let mut setting = self.setting.clone();
            let fails = Prepared { words: loader.argv.clone(), status: 1, times: Some(1), ..Prepared::default() };
            setting.answers.push(fails);
            let other = match self.again(command, &setting) {
                Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
                other => other.ok().flatten(),
            };
            let boots = |other: &Recording| other.calls.iter().any(|call| call.boots().is_some());
            if other.is_some_and(|other| boots(&other) && !has_same_acts(&other, usual)) {
                let line = hide(&loader.command().to_string());
                let what = format!(
                    "where `{line}` fails the script goes on, and boots the machine after all; the recipe ends there"
                );
                gaps.push(
                    Fault::new(what)
                        .hint("mend what makes it fail: what the loader said is told where the recipe ends"),
                );
            }
        }
        Ok(gaps)
    }
}

//! What a script does where an interface is not there that it changes: one that it makes then is not there.

use super::ends::hangs_on_status;
use super::guards::made;
use super::sessions::Sessions;
use crate::diag::{Blame, Fault};
use crate::recording::hidden::hide;
use crate::recording::{Call, Prepared, Recording, Scenario};
use std::collections::BTreeSet;

impl Sessions<'_> {
    /// Has the changes of interfaces fail after which the script makes the interface by itself.
    pub(super) fn learn_fallbacks(&mut self, command: &[String]) -> Result<(), Fault> {
        if !self.is_repeatable() || !hangs_on_status(command) {
            return Ok(());
        }
        let Some(usual) = self.unheard(command, &self.setting.clone())? else { return Ok(()) };
        for change in changes(&usual, &self.setting.interfaces) {
            let mut setting = self.setting.clone();
            setting.answers.push(failing(change));
            let name = change.args().first().map(String::as_str);
            let makes = |other: &Recording| other.calls.iter().any(|call| made(call) == name);
            let boots = |other: &Recording| other.calls.iter().any(|call| call.boots().is_some());
            if self.unheard(command, &setting)?.is_some_and(|other| boots(&other) && makes(&other)) {
                self.assumed.push(format!("`{}` fails, as it is not there", hide(&change.command().to_string())));
                self.setting = setting;
                self.fallen.push(change.argv.clone());
            }
        }
        Ok(())
    }

    /// Records a command. Nothing where that fails: what is wrong with it is told where it is heard.
    pub(super) fn unheard(&mut self, command: &[String], setting: &Scenario) -> Result<Option<Recording>, Fault> {
        match self.again(command, setting) {
            Err(fault) if fault.blame == Blame::Interrupted => Err(fault),
            other => Ok(other.ok().flatten()),
        }
    }
}

fn failing(change: &Call) -> Prepared {
    Prepared { words: change.argv.clone(), status: 1, times: Some(1), ..Prepared::default() }
}

/// Returns the first change of each interface that the script has not made, and that is not in what `ifconfig` prints of its host.
fn changes<'a>(usual: &'a Recording, interfaces: &str) -> Vec<&'a Call> {
    let mut known: BTreeSet<&str> =
        interfaces.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    let mut all = Vec::new();
    let before = usual.calls.iter().take_while(|call| call.boots().is_none());
    for call in before.filter(|call| call.program() == "ifconfig" && !call.reads) {
        known.extend(made(call));
        let named = call.args().windows(2).find_map(|pair| (pair[0] == "name").then_some(pair[1].as_str()));
        known.extend(named);
        if made(call).is_some() {
            continue;
        }
        let Some(name) = call.args().first().filter(|name| !name.starts_with('-')) else { continue };
        if known.insert(name) && call.args().get(1).is_some_and(|word| word != "destroy") {
            all.push(call);
        }
    }
    all
}

//! A script that boots several machines: each is recorded as if the script were its own.

use super::sessions::Sessions;
use super::{Recorded, Request, filled};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::standins;
use crate::recording::guests::Guests;
use crate::recording::{Recording, words};
use std::rc::Rc;

/// Returns the machines that a command boots, in its order.
pub(super) fn guests(command: &[String], with: &Recording, without: Option<&Recording>) -> Rc<Guests> {
    let all: Vec<&Recording> = without.into_iter().chain([with]).collect();
    let script = standins::script(command).map(|script| script.text).unwrap_or_default();
    // A word of the command says more than the text that it is given to.
    let text = [command.get(1..).unwrap_or_default().join(" "), script].join("\n");
    Rc::new(Guests::of(&all, &text))
}

/// What is said where one recipe is asked for of a script that boots several machines.
pub(super) fn refused(guests: &Guests) -> Fault {
    let names = guests.names();
    let fault = Fault::new(format!("the script boots {} machines, {}", names.len(), suggest::list(names)));
    fault.hint("a recipe is of one machine: `vmrun record --out FOLDER -- …` writes one for each")
}

impl Request<'_> {
    /// Records each of several machines: what is its own, what all of them say, and what it is the first to need.
    pub(super) fn each(
        &self,
        mut sessions: Sessions<'_>,
        guests: &Rc<Guests>,
        (with, without): (&Recording, Option<&Recording>),
    ) -> Result<Result<Vec<Recorded>, Fault>, Vec<Diagnostic>> {
        let init = self.init_args.map(words::split).transpose()?;
        let mut all = Vec::new();
        for name in guests.names() {
            sessions.go_on_with(guests, name);
            let (usual, initial) = (without.unwrap_or(with), without.map(|_| with));
            let usual = self.of_machine(&mut sessions, &[], usual)?;
            let initial =
                initial.map(|initial| self.of_machine(&mut sessions, init.as_deref().unwrap_or_default(), initial));
            let (with, without) = match initial.transpose()? {
                None => (usual, None),
                Some(initial) => (initial, Some(usual)),
            };
            match self.one(&mut sessions, with, without)? {
                Ok(recorded) => all.push(recorded),
                Err(fault) => return Ok(Err(fault.context(name))),
            }
        }
        Ok(Ok(all))
    }

    /// Records the command once more, with the exit statuses as those of the machine alone, where that may be.
    fn of_machine(&self, sessions: &mut Sessions<'_>, args: &[String], heard: &Recording) -> Result<Recording, Fault> {
        let setting = sessions.setting.clone();
        let again = sessions.again(&filled(self.command, args), &setting)?;
        Ok(again.unwrap_or_else(|| sessions.share(heard.clone())))
    }
}

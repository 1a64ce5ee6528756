//! The rehearsal of a run: this boot, the one after its reboot, and one for each end that the recipe wants to hear of.

use super::{Inputs, Recipe};
use crate::diag::Diagnostic;
use crate::host::Host;
use crate::host::worlds::rehearsal::Rehearsal;
use crate::model::Ended;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use crate::supervise::driver::Evaluation;
use crate::supervise::recovery::{await_commands, is_left};
use std::collections::VecDeque;

/// A rehearsal in which something was wrong.
pub(crate) struct Refused {
    /// What was wrong.
    pub faults: Vec<Diagnostic>,
    /// What the recipe printed in the evaluation that failed.
    pub printed: Vec<String>,
}

impl Recipe {
    /// Evaluates the recipe in earnest, as the driver of runs wants it.
    pub(crate) fn perform(&self, run: Run, inputs: &Inputs, init: bool) -> Evaluation {
        let evaluated = self.evaluate(run, &Inputs { init, ..inputs.clone() }, None);
        Evaluation { run: evaluated.run, faults: evaluated.faults, blamed: evaluated.blamed }
    }

    /// Rehearses the recipe on a host, and returns the run with all that it would take; each warning is told once.
    pub(crate) fn rehearse(
        &self,
        host: Box<dyn Host>,
        inputs: &Inputs,
        warned: &mut dyn FnMut(&Diagnostic),
    ) -> Result<Run, Refused> {
        let mut rehearsal = Rehearsal::new(host);
        rehearsal.is_left = is_left;
        rehearsal.await_commands = await_commands;
        rehearsal.exits = if inputs.init { Ended::Rebooted } else { Ended::PoweredOff };
        let mut imagined = vec![rehearsal.exits.clone()];
        let mut run = Run::new(Box::new(rehearsal));
        let mut shown: Vec<Diagnostic> = Vec::new();
        let mut boots: VecDeque<bool> = [true, false].into_iter().filter(|init| inputs.init || !init).collect();
        let mut heard: VecDeque<Ended> = VecDeque::new();
        while let Some(init) = boots.pop_front() {
            let evaluated = self.evaluate(run, &Inputs { init, ..inputs.clone() }, Some(Purpose::Run));
            for warning in evaluated.warnings {
                if !shown.contains(&warning) {
                    warned(&warning);
                    shown.push(warning);
                }
            }
            if !evaluated.faults.is_empty() {
                return Err(Refused { faults: evaluated.faults, printed: evaluated.printed });
            }
            run = evaluated.run;
            run.goes_on();
            // What the recipe does about another end is rehearsed as well.
            heard.extend(evaluated.heard.into_iter().filter(|end| !imagined.contains(end)));
            if boots.is_empty()
                && let Some(end) = heard.pop_front()
            {
                imagined.push(end.clone());
                heard.retain(|other| *other != end);
                run.host.rehearsal_mut().into_iter().for_each(|rehearsal| rehearsal.exits = end.clone());
                boots.push_back(false);
            }
        }
        Ok(run)
    }
}

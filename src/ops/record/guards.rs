//! What a script does only where something is missing, or only where it is there: each question that found nothing is answered the other
//! way, and the recordings are compared.

use super::ends::hangs_on_status;
use super::sessions::Sessions;
use crate::diag::{Blame, Fault};
use crate::import::commands_proof::deeds;
use crate::recording::hidden::hide;
use crate::recording::{Call, Prepared, Recording, merge};

/// How many questions are answered the other way.
const QUESTIONS_MAX: usize = 16;

/// What hangs on answers.
#[derive(Default)]
pub(super) struct Guards {
    /// The commands that are called only where something is missing.
    pub(super) missing: Vec<String>,
    /// What cannot be said in a recipe.
    pub(super) gaps: Vec<Fault>,
}

impl Sessions<'_> {
    /// Answers each question of a recording that found nothing the other way.
    pub(super) fn guards(&mut self, command: &[String], usual: &Recording) -> Result<Guards, Fault> {
        let mut guards = Guards::default();
        if !self.is_repeatable() || !hangs_on_status(command) {
            return Ok(guards);
        }
        let mut questions: Vec<&Call> = Vec::new();
        for call in usual.calls.iter().filter(|call| call.reads && call.status != 0) {
            if !questions.iter().any(|other| other.argv == call.argv) {
                questions.push(call);
            }
        }
        for question in questions.into_iter().take(QUESTIONS_MAX) {
            let mut setting = self.setting.clone();
            setting.answers.push(Prepared { words: question.argv.clone(), text: found(question) });
            match self.again(command, &setting) {
                Ok(Some(other)) => guards.compare(question, usual, &other),
                Ok(None) => {}
                Err(fault) if fault.blame == Blame::Interrupted => return Err(fault),
                Err(fault) => {
                    let asked = hide(&question.command().to_string());
                    let what = format!("what the script does where `{asked}` finds something is not known: {fault}");
                    guards.gaps.push(Fault::new(what).maybe_hint(fault.hint));
                }
            }
        }
        Ok(guards)
    }
}

impl Guards {
    fn compare(&mut self, question: &Call, usual: &Recording, other: &Recording) {
        // One that gives up there does nothing that a recipe could say.
        if !other.calls.iter().any(|call| call.boots().is_some()) {
            return;
        }
        let is_there = |call: &Call| other.calls.iter().any(|there| there.argv == call.argv);
        let missing = usual.calls.iter().filter(|call| !call.reads && !is_there(call));
        self.missing.extend(missing.map(|call| call.command().to_string()));
        let calls =
            |recording: &Recording| -> Vec<Call> { merge(recording, None).into_iter().map(|step| step.call).collect() };
        let (_, more) = deeds(&calls(usual)).differences(&deeds(&calls(other)));
        for line in more {
            let asked = hide(&question.command().to_string());
            let fault = Fault::new(format!(
                "where `{asked}` finds something the script calls `{}`, and the recipe never does",
                hide(&line)
            ));
            self.gaps.push(fault.hint(
                "record where it is there, by `--answer`, or write it into the recipe, in `try { … } catch { }`",
            ));
        }
    }
}

/// What a question is answered that finds something.
fn found(question: &Call) -> String {
    let name = question.args().last().map(String::as_str).unwrap_or_default();
    if question.program() != "ifconfig" {
        return format!("{name}\n");
    }
    let name = question.args().iter().find(|word| !word.starts_with('-')).map_or(name, String::as_str);
    format!("{name}: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500\n")
}

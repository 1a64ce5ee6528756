//! A recipe rehearsed in every way that its text allows: with and without `init`, with each way in which a boot can end, with
//! each parameter at its extremes.
//!
//! It is done on a host that is nowhere, which has whatever a recipe needs: what it finds is wrong on every host.

use super::shared::{Claim, claims};
use super::{Finding, Rule};
use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::Settings;
use crate::host::elsewhere::Elsewhere;
use crate::host::rehearsal::Rehearsal;
use crate::model::Ended;
use crate::run::Run;
use crate::run::conflicts::Purpose;
use crate::script::{Evaluated, Inputs, Recipe};
use std::collections::BTreeMap;

/// The ways in which a boot can end, the usual one first.
const ENDS: [Ended; 6] = [
    Ended::PoweredOff,
    Ended::Rebooted,
    Ended::Halted,
    Ended::TripleFault,
    Ended::Failed { status: 4 },
    Ended::Killed { signal: 9 },
];

/// What says in a text that it asks how boots end.
const LISTENS: [&str; 10] =
    ["on(", "rebooted", "powered_off", "halted", "triple_fault", "failed", "killed", ".status", ".word", "import \"."];

/// What the rehearsals of a recipe have shown.
#[derive(Default)]
pub struct Rehearsals {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What the recipe wants for itself.
    pub claims: Vec<Claim>,
    /// The parameter that it needs and that has no value, so that it was not rehearsed.
    pub lacks: Option<String>,
    /// How often it was evaluated.
    pub count: usize,
}

/// Rehearses a recipe in every way. `params` is what all of them are given.
pub fn rehearse(recipe: &Recipe, settings: &Settings, params: &BTreeMap<String, String>) -> Rehearsals {
    let mut stage = Stage { recipe, settings, params: params.clone(), all: Rehearsals::default() };
    let asked = stage.boots(&ENDS[0], "");
    if let Some(lacks) = stage.all.lacks.take() {
        // What it may be was declared, so one of that will do.
        let Some(extreme) = asked.get(&lacks).and_then(|extremes| extremes.first()) else {
            return Rehearsals { lacks: Some(lacks), ..Rehearsals::default() };
        };
        let mut params = params.clone();
        params.insert(lacks, extreme.clone());
        return rehearse(recipe, settings, &params);
    }
    if stage.is_endless() {
        return stage.all;
    }
    if LISTENS.iter().any(|word| recipe.source().text.contains(word)) {
        for end in &ENDS[1..] {
            stage.boots(end, &format!("after a boot that ended by {}", end.word()));
        }
    }
    for (name, extremes) in asked.iter().filter(|(name, _)| !params.contains_key(*name)) {
        for extreme in extremes {
            stage.params.insert(name.clone(), extreme.clone());
            stage.boots(&ENDS[0], &format!("with --set {name}={extreme}"));
        }
        stage.params.remove(name);
    }
    stage.all
}

struct Stage<'a> {
    recipe: &'a Recipe,
    settings: &'a Settings,
    params: BTreeMap<String, String>,
    all: Rehearsals,
}

type Asked = BTreeMap<String, Vec<String>>;

impl Stage<'_> {
    /// Rehearses a boot without `init`, and one with it; after a reboot the one that follows. Returns the parameters that the
    /// recipe asked for.
    fn boots(&mut self, end: &Ended, how: &str) -> Asked {
        let mut asked = Asked::new();
        for init in [false, true] {
            let mut rehearsal = Rehearsal::new(Box::new(Elsewhere::nowhere(self.settings.clone())));
            rehearsal.exits = if init && *end == ENDS[0] { Ended::Rebooted } else { end.clone() };
            let how = match (init, how.is_empty()) {
                (false, _) => how.to_string(),
                (true, true) => "with --init".to_string(),
                (true, false) => format!("with --init, {how}"),
            };
            let mut run = self.boot(Run::new(Box::new(rehearsal)), init, &how, &mut asked);
            // Each further way would take as long.
            if self.is_endless() {
                break;
            }
            if init && run.goes_on() {
                let how = how.replace("with --init", "in the boot after that with --init");
                self.boot(run, false, &how, &mut asked);
            }
        }
        asked
    }

    fn is_endless(&self) -> bool {
        let endless = |hint: &String| hint.starts_with("is there a loop");
        self.all.findings.iter().any(|finding| finding.diagnostic.fault.hint.as_ref().is_some_and(endless))
    }

    fn boot(&mut self, run: Run, init: bool, how: &str, asked: &mut Asked) -> Run {
        let inputs = Inputs { init, params: self.params.clone() };
        let evaluated = self.recipe.evaluate(run, &inputs, Some(Purpose::Check));
        self.all.count += 1;
        for one in &evaluated.asked {
            if !one.has_default && !self.params.contains_key(&one.name) {
                self.all.lacks.get_or_insert(one.name.clone());
            }
            asked.insert(one.name.clone(), one.extremes.clone());
        }
        self.note(&evaluated, how);
        evaluated.run
    }

    fn note(&mut self, evaluated: &Evaluated, how: &str) {
        for diagnostic in evaluated.faults.iter().chain(&evaluated.warnings) {
            let is_known = |known: &Finding| {
                known.diagnostic.place == diagnostic.place
                    && known.diagnostic.fault.message.starts_with(&diagnostic.fault.message)
            };
            if !self.all.findings.iter().any(is_known) {
                let diagnostic = told(diagnostic, how);
                self.all.findings.push(Finding { rule: Rule::Rehearsal, diagnostic });
            }
        }
        for claim in claims(evaluated) {
            if !self.all.claims.iter().any(|known| known.what == claim.what) {
                self.all.claims.push(claim);
            }
        }
    }
}

/// Says in which way of being rehearsed it was found. Whoever's fault it is, the recipe is to be mended.
fn told(diagnostic: &Diagnostic, how: &str) -> Diagnostic {
    let Fault { message, hint, .. } = diagnostic.fault.clone();
    let message = if how.is_empty() { message } else { format!("{message} ({how})") };
    Diagnostic { fault: Fault { message, hint, blame: Blame::Recipe }, ..diagnostic.clone() }
}

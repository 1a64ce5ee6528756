//! A recipe rehearsed in every way that its text allows: with and without `init`, with each way in which a boot can end, with
//! each parameter at its extremes.
//!
//! It is done on a host that is nowhere, which has whatever a recipe needs: what it finds is wrong on every host.

use super::init::Init;
use super::shared::{Claim, claims};
use super::{Finding, Rule};
use crate::diag::{Blame, Cause, Diagnostic, Fault, Place};
use crate::host::Settings;
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::Rehearsal;
use crate::model::Ended;
use crate::model::instance::INSTANCE;
use crate::script::origin::Origin;
use crate::script::{Evaluated, Inputs, Recipe};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
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

/// Rehearses a recipe in every way that can make a difference: with an end only where the recipe hears of it or asks for it.
/// `params` is what all rehearsals are given.
pub fn rehearse(recipe: &Recipe, settings: &Settings, params: &BTreeMap<String, String>) -> Rehearsals {
    let mut rehearser = Rehearser {
        recipe,
        settings,
        params: params.clone(),
        origin: Origin::of(&recipe.source.name),
        init: Init::of(&recipe.ast),
        ends: Vec::new(),
        asked: BTreeMap::new(),
        found: Vec::new(),
        all: Rehearsals::default(),
    };
    rehearser.usual();
    if let Some(lacks) = rehearser.all.lacks.take() {
        // What it may be was declared, so one of that will do.
        let Some(extreme) = rehearser.asked.get(&lacks).and_then(|extremes| extremes.first()) else {
            return Rehearsals { lacks: Some(lacks), ..Rehearsals::default() };
        };
        let mut params = params.clone();
        params.insert(lacks, extreme.clone());
        return rehearse(recipe, settings, &params);
    }
    rehearser.extremes();
    rehearser.ends();
    rehearser.all
}

struct Rehearser<'a> {
    recipe: &'a Recipe,
    settings: &'a Settings,
    params: BTreeMap<String, String>,
    origin: Origin,
    init: Init,
    /// The ends of a boot after which the recipe may do something else than after the usual one.
    ends: Vec<Ended>,
    /// The parameters that the recipe asked for, and their extremes.
    asked: BTreeMap<String, Vec<String>>,
    /// What was found so far, by place and message, in whichever way of being rehearsed.
    found: Vec<(Option<Place>, String)>,
    all: Rehearsals,
}

impl Rehearser<'_> {
    /// Rehearses a boot without `init`, and one with it that ends by a reboot, and the one that follows.
    fn usual(&mut self) {
        self.boot(self.run(&ENDS[0]), false, "");
        // Each further way would take as long.
        if self.is_endless() {
            return;
        }
        let mut run = self.boot(self.run(&Ended::Rebooted), true, "with --init");
        if !self.is_endless() && run.goes_on() {
            self.boot(run, false, "in the boot after that with --init");
        }
    }

    /// Rehearses it with each parameter at its extremes, the others as they are.
    fn extremes(&mut self) {
        for (name, extremes) in self.asked.clone() {
            if self.params.contains_key(&name) {
                continue;
            }
            for extreme in extremes {
                self.params.insert(name.clone(), extreme.clone());
                self.both(&ENDS[0], &format!("with --set {name}={extreme}"));
            }
            self.params.remove(&name);
        }
    }

    /// Rehearses it with each end that makes a difference.
    fn ends(&mut self) {
        for end in ENDS.iter().skip(1).filter(|end| self.ends.contains(end)).cloned().collect::<Vec<_>>() {
            self.both(&end, &format!("after a boot that ended by {}", end.word()));
        }
    }

    /// Rehearses a boot without `init`, and one with it, as far as that makes a difference.
    fn both(&mut self, end: &Ended, how: &str) {
        if self.is_endless() {
            return;
        }
        let with_init = format!("with --init, {how}");
        if self.init == Init::More {
            let evaluated = self.evaluate(self.run(end), true);
            if evaluated.faults.is_empty() && evaluated.warnings.is_empty() {
                self.note(&evaluated, &with_init);
                return;
            }
            // It is to be told whether it is so without `init` as well.
        }
        self.boot(self.run(end), false, how);
        if self.init != Init::None && !self.is_endless() {
            self.boot(self.run(end), true, &with_init);
        }
    }

    /// Returns a run on a host that is nowhere, on which boots end so.
    fn run(&self, end: &Ended) -> Run {
        let mut rehearsal = Rehearsal::new(Box::new(Elsewhere::nowhere(self.settings.clone())));
        rehearsal.exits = end.clone();
        Run::new(Box::new(rehearsal))
    }

    fn is_endless(&self) -> bool {
        self.all.findings.iter().any(|finding| finding.diagnostic.fault.cause == Some(Cause::Endless))
    }

    fn boot(&mut self, run: Run, init: bool, how: &str) -> Run {
        let evaluated = self.evaluate(run, init);
        self.note(&evaluated, how);
        evaluated.run
    }

    fn evaluate(&mut self, run: Run, init: bool) -> Evaluated {
        self.all.count += 1;
        let (params, origin) = (self.params.clone(), self.origin.clone());
        let inputs = Inputs { init, params, origin, ..Inputs::default() };
        self.recipe.evaluate(run, &inputs, Some(Purpose::Check))
    }

    fn note(&mut self, evaluated: &Evaluated, how: &str) {
        for one in &evaluated.asked {
            if !one.has_default && !self.params.contains_key(&one.name) {
                self.all.lacks.get_or_insert(one.name.clone());
            }
            self.asked.insert(one.name.clone(), one.extremes.clone());
        }
        self.ends.extend(if evaluated.asks_end { ENDS.to_vec() } else { evaluated.heard.clone() });
        for diagnostic in evaluated.faults.iter().chain(&evaluated.warnings) {
            let found = (diagnostic.place.clone(), diagnostic.fault.message.clone());
            if !self.found.contains(&found) {
                self.found.push(found);
                let diagnostic = with_way(diagnostic, how);
                self.all.findings.push(Finding { rule: Rule::Rehearsal, diagnostic });
            }
        }
        for claim in claims(evaluated) {
            let instance = self.params.get(INSTANCE).or(evaluated.instances.first()).cloned();
            let claim = Claim { recipe: self.recipe.source.name.clone(), instance, ..claim };
            let is_it = |known: &Claim| known.instance == claim.instance && known.what == claim.what;
            if !self.all.claims.iter().any(is_it) {
                self.all.claims.push(claim);
            }
        }
    }
}

/// Says in which way of being rehearsed it was found. Whoever's fault it is, the recipe is to be mended.
fn with_way(diagnostic: &Diagnostic, how: &str) -> Diagnostic {
    let fault = diagnostic.fault.clone();
    let message = if how.is_empty() { fault.message } else { format!("{} ({how})", fault.message) };
    Diagnostic { fault: Fault { message, blame: Blame::Recipe, ..fault }, ..diagnostic.clone() }
}

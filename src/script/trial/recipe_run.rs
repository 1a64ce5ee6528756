//! A recipe, run on the host of a test.

use super::{SharedState, word};
use crate::diag::{Diagnostic, Fault};
use crate::host::worlds::fixture::{Fixture, Refusal};
use crate::host::worlds::simulated::Simulated;
use crate::host::{Host, files};
use crate::script::check::test_words::RECIPE;
use crate::script::raise::Raised;
use crate::script::words::{expected, map, text, unknown_key};
use crate::script::{Inputs, Recipe, unreadable};
use crate::supervise::driver::{Beginning, Evaluation, boots, finish};
use crate::supervise::{Claim, Run};
use rhai::{Array, Dynamic, Engine, Position};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How often a recipe may be started again in a test.
const BOOTS: usize = 100;

/// What came out of a run.
#[derive(Clone)]
pub(super) struct Ran {
    pub(super) recipe: Rc<Recipe>,
    pub(super) inputs: Inputs,
    /// The host before.
    pub(super) before: Fixture,
    /// The host afterwards.
    pub(super) after: Fixture,
    /// How many effects there were before anything was given back.
    pub(super) taken: usize,
    /// What was wrong.
    pub(super) faults: Vec<Diagnostic>,
    /// What was warned of.
    pub(super) warnings: Vec<Diagnostic>,
    /// What the recipe printed.
    pub(super) printed: Vec<String>,
}

pub(super) fn register(engine: &mut Engine, state: &SharedState) {
    engine.register_type_with_name::<Ran>("Run");
    word(engine, state, "recipe", recipe);
    let texts = |all: Vec<String>| all.into_iter().map(Dynamic::from).collect::<Array>();
    let messages = |all: &[Diagnostic]| all.iter().map(|one| one.fault.message.clone()).collect::<Vec<_>>();
    engine.register_get("plan", |ran: &mut Ran| ran.plan());
    engine.register_get("errors", move |ran: &mut Ran| texts(messages(&ran.faults)));
    engine.register_get("warnings", move |ran: &mut Ran| texts(messages(&ran.warnings)));
    engine.register_get("printed", move |ran: &mut Ran| texts(ran.printed.clone()));
}

fn recipe(state: &SharedState, args: &[Dynamic], _: Position) -> Result<Dynamic, Raised> {
    let path = state.borrow().folder.join(text(&args[0]).map_err(|raised| raised.arg(0))?);
    let mut inputs = Inputs::default();
    let options = args.get(1).map(map).transpose().map_err(|raised| raised.arg(1))?.unwrap_or_default();
    for (key, value) in &options {
        let set = match key.as_str() {
            "init" => value.as_bool().map(|init| inputs.init = init).map_err(|_| expected("true or false", value)),
            "params" => params(value).map(|params| inputs.params = params),
            other => return Err(unknown_key(other, &RECIPE.map(|(key, _)| key)).arg(1)),
        };
        set.map_err(|raised| raised.under(key).arg(1))?;
    }
    let name = path.display().to_string();
    let read = files::read_text(&path).map_err(|error| Raised::from(unreadable(&name, &error)).arg(0))?;
    let fixture = state.borrow().fixture.clone();
    let recipe = match Recipe::parse(&name, &read) {
        Ok(mut recipe) => {
            recipe.is_heard = true;
            Rc::new(recipe)
        }
        Err(faults) => {
            let empty = Recipe::parse(&name, "").map_err(|_| Fault::new("nothing is no recipe"))?;
            let (before, after) = (fixture.clone(), fixture);
            let (warnings, printed) = (Vec::new(), Vec::new());
            let recipe = Rc::new(empty);
            return Ok(Dynamic::from(Ran { recipe, inputs, before, after, taken: 0, faults, warnings, printed }));
        }
    };
    let ran = perform(&recipe, &inputs, fixture);
    state.borrow_mut().printed.extend(ran.printed.iter().cloned());
    // The next recipe finds the host as this one left it.
    let mut state = state.borrow_mut();
    state.fixture = ran.after.apart();
    (state.fixture.log, state.fixture.done, state.fixture.steps) = (Vec::new(), Vec::new(), 0);
    Ok(Dynamic::from(ran))
}

fn params(value: &Dynamic) -> Result<BTreeMap<String, String>, Raised> {
    Ok(map(value)?.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

impl Ran {
    /// Returns what was done, line by line.
    pub(super) fn plan(&self) -> String {
        self.after.log.join("\n")
    }

    /// Runs the same again, with one effect that fails.
    pub(super) fn failing(&self, at: usize) -> Self {
        let mut fixture = self.before.apart();
        fixture.refuses = Some(Refusal::Step(at));
        perform(&self.recipe, &self.inputs, fixture)
    }
}

/// Runs a recipe as `vmrun RECIPE` does.
pub(super) fn perform(recipe: &Rc<Recipe>, inputs: &Inputs, before: Fixture) -> Ran {
    let fixture = Rc::new(RefCell::new(before.apart()));
    let mut ran = Ran {
        recipe: recipe.clone(),
        inputs: inputs.clone(),
        after: before.clone(),
        before,
        taken: 0,
        faults: Vec::new(),
        warnings: Vec::new(),
        printed: Vec::new(),
    };
    if let Some((run, claim)) = rehearsed(&mut ran, Box::new(Simulated::new(&fixture))) {
        let mut printed = Vec::new();
        let mut starts = 0;
        let (run, faults) = boots(run, Beginning::Claim(&claim), inputs.init, &mut |run, init| {
            starts += 1;
            if starts > BOOTS {
                let fault = Fault::new(format!("the guest was started {BOOTS} times"));
                return Evaluation { run, faults: vec![fault.into()], blamed: None };
            }
            let evaluated = recipe.evaluate(run, &Inputs { init, ..inputs.clone() }, None);
            printed.extend(evaluated.printed);
            Evaluation { run: evaluated.run, faults: evaluated.faults, blamed: evaluated.blamed }
        });
        ran.printed = printed;
        ran.taken = fixture.borrow().steps;
        ran.faults = finish(run, faults);
    }
    ran.after = fixture.borrow().clone();
    ran.after.refuses = None;
    ran
}

/// Rehearses this boot and the one after a reboot, and each end that the recipe wants to hear of: the run, and what it takes.
fn rehearsed(ran: &mut Ran, host: Box<dyn Host>) -> Option<(Run, Claim)> {
    let (recipe, inputs) = (ran.recipe.clone(), ran.inputs.clone());
    let rehearsed = recipe.rehearse(host, &inputs, &mut |warning| ran.warnings.push(warning.clone()));
    let run = rehearsed.map_err(|refused| ran.faults = refused.faults).ok()?;
    let claim = run.claim_of(&ran.recipe.source().name);
    let mut run = Run::new(run.into_host());
    run.service = claim.service.clone();
    Some((run, claim))
}

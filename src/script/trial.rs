//! Tests of recipes: what a test says of a host, the recipes that it runs there, and what it asserts.
//!
//! A test is a function `fn test_…()` of a file that ends in `_test.rhai`; a file without one is a test as a whole. Each test
//! has a host of its own, in memory. A recipe is run there as `vmrun RECIPE` runs it: it is rehearsed, performed, started again
//! after a reboot, and what it took is given back.

mod assertions;
mod fixture;
mod recipe_run;

use super::check::test_words;
use super::raise::Raised;
use super::source::{self, Sources};
use super::{Inputs, Recipe, bounds, handle, limit, modules, report, type_names};
use crate::diag::{Diagnostic, Source};
use crate::host::worlds::fixture::Fixture;
use crate::host::worlds::rehearsal::Rehearsed;
use rhai::{AST, Dynamic, Engine, NativeCallContext, Position, Scope};
use std::any::TypeId;
use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

/// A file whose functions are tests of recipes.
pub(crate) struct TestFile {
    source: Rc<Source>,
    sources: Rc<Sources>,
    ast: AST,
}

/// What came out of a test.
#[derive(Debug, Default)]
pub(crate) struct TestResult {
    /// What was wrong.
    pub faults: Vec<Diagnostic>,
    /// What it printed, and what its recipes did.
    pub printed: Vec<String>,
    /// Plans that are to be written into the file: which part of it becomes what.
    pub blessed: Vec<(Range<usize>, String)>,
}

/// What the words of one test share.
struct TestState {
    /// The host as it is described so far.
    fixture: Fixture,
    /// The folder of the test.
    folder: PathBuf,
    /// Whether plans that differ are to be written into the file.
    rewrites: bool,
    blessed: Vec<(Position, String)>,
    printed: Vec<String>,
}

type SharedState = Rc<RefCell<TestState>>;

impl TestFile {
    /// Parses a file of tests.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Rc::new(Source { name: name.into(), text: text.into() });
        let parsed = super::check::parse(&source);
        if !parsed.faults.is_empty() {
            return Err(parsed.faults);
        }
        let (sources, mut ast) = (Rc::new(Sources::default()), parsed.ast);
        ast.set_source(name);
        sources.add(&source, &ast);
        Ok(Self { source, sources, ast })
    }

    /// Returns the names of the tests, in order; an empty one is the file as a whole.
    pub(crate) fn tests(&self) -> Vec<String> {
        let is_test = |def: &&Rc<rhai::ScriptFuncDef>| def.name.starts_with("test_") && def.params.is_empty();
        let mut found: Vec<(Position, String)> =
            self.ast.iter_fn_def().filter(is_test).map(|def| (def.body.position(), def.name.to_string())).collect();
        found.sort();
        if found.is_empty() { vec![String::new()] } else { found.into_iter().map(|(_, name)| name).collect() }
    }

    /// Runs a test.
    pub(crate) fn run(&self, test: &str, rewrites: bool) -> TestResult {
        let folder = std::path::Path::new(&self.source.name).parent().unwrap_or(std::path::Path::new(""));
        let state = TestState {
            fixture: fixture::usual(),
            folder: folder.into(),
            rewrites,
            blessed: Vec::new(),
            printed: Vec::new(),
        };
        let state = Rc::new(RefCell::new(state));
        let engine = self.engine(&state);
        let ended = if test.is_empty() {
            engine.run_ast_with_scope(&mut Scope::new(), &self.ast)
        } else {
            engine.call_fn::<Dynamic>(&mut Scope::new(), &self.ast, test, ()).map(drop)
        };
        let faults = match ended {
            Ok(()) => Vec::new(),
            Err(error) => report::runtime(&error, &self.source, &self.sources),
        };
        let mut state = state.borrow_mut();
        let place = |position| source::token(&self.source, position).span;
        let blessed = state.blessed.drain(..).map(|(position, text)| (place(position), text)).collect();
        TestResult { faults, printed: std::mem::take(&mut state.printed), blessed }
    }

    fn engine(&self, state: &SharedState) -> Engine {
        let mut engine = super::functions();
        limit(&mut engine);
        bounds::alone(&mut engine);
        type_names::register(&mut engine);
        handle::register(&mut engine);
        engine.set_module_resolver(modules::Library::new(self.sources.clone()));
        let printed = state.clone();
        engine.on_print(move |text| printed.borrow_mut().printed.push(text.to_string()));
        fixture::register(&mut engine, state);
        recipe_run::register(&mut engine, state);
        assertions::register(&mut engine, state, &Rc::new(self.ast.clone()));
        engine
    }
}

/// Returns the host of which nothing is said: FreeBSD with a loopback.
pub(crate) fn usual_host() -> Fixture {
    fixture::usual()
}

/// Runs a recipe on a simulated host as `vmrun RECIPE` does, and returns what was done there, what was given back included, and what was
/// wrong.
pub(crate) fn run_on(recipe: &Rc<Recipe>, inputs: &Inputs, host: Fixture) -> (Vec<Rehearsed>, Vec<Diagnostic>) {
    let ran = recipe_run::perform(recipe, inputs, host);
    (ran.after.done, ran.faults)
}

/// What a word of tests does with its arguments, called at a position.
type Does = fn(&SharedState, &[Dynamic], Position) -> Result<Dynamic, Raised>;

/// Makes a word known, for each number of arguments that it takes.
fn word(engine: &mut Engine, state: &SharedState, name: &str, does: Does) {
    let (least, most) = test_words::of_name(name).map_or((1, 0), |word| word.arity);
    for arity in least..=most {
        let state = state.clone();
        let types = vec![TypeId::of::<Dynamic>(); arity];
        engine.register_raw_fn(name, types, move |context: NativeCallContext<'_>, args: &mut [&mut Dynamic]| {
            let position = context.call_position();
            let args: Vec<Dynamic> = args.iter().map(|arg| arg.flatten_clone()).collect();
            does(&state, &args, position).map_err(|raised| raised.throw(position))
        });
    }
}

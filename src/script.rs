//! Recipes: Rhai with words that know bhyve.
//!
//! A recipe is checked as text, then evaluated against a rehearsal, then, if nothing was wrong, for real. Every word is one
//! row of the table in [`words`].

pub(crate) mod allowance;
pub(crate) mod audit;
mod bounds;
pub(crate) mod check;
mod cycles;
pub(crate) mod definitions;
pub(crate) mod docs;
pub(crate) mod editor;
mod given;
mod habits;
pub(crate) mod handle;
mod idle;
mod imports;
pub(crate) mod lexer;
pub(crate) mod library_store;
pub(crate) mod modules;
mod natives;
pub(crate) mod origin;
pub(crate) mod raise;
mod rehearsed;
pub(crate) mod report;
pub(crate) mod source;
pub(crate) mod trial;
pub(crate) mod type_names;
pub(crate) mod words;

use crate::diag::{Diagnostic, Fault, Place, Source, shown};
use crate::host::Effect;
use crate::host::terminal::{self, Stream, TextForm};
use crate::model::{Ended, InterfaceName, Machine};
use crate::netboot::NetbootOptions;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use allowance::Allowance;
use bounds::{Bounds, OPERATIONS};
use origin::{Origin, Whole};
use raise::{Raised, Site};
pub(crate) use rehearsed::Refused;
use rhai::packages::{
    BasicArrayPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage, CorePackage, LogicPackage,
    MoreStringPackage, Package,
};
use rhai::{AST, Engine, FnPtr, OptimizationLevel, ParseError, Scope, def_package};
use source::Sources;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use words::hooks::{Due, Hook};

/// How deep calls may go.
pub(crate) const CALLS: usize = 64;

/// How long a text may get, in bytes.
pub(crate) const TEXT: usize = 1 << 20;

/// How many values a list or a map may have.
pub(crate) const VALUES: usize = 10_000;

/// How many things may be left for the end of an evaluation.
pub(crate) const DEFERRED: usize = 1_000;

/// How many actions a recipe may ask for in one evaluation.
pub(crate) const ACTIONS: usize = 2_000;

/// How many variables a text may have at once, and how many functions.
pub(crate) const NAMES: usize = 4_096;

/// How much memory an evaluation may take, in bytes, beside the files that it puts into images.
pub(crate) const MEMORY: u64 = 128 << 20;

/// How long a rehearsal may take, beside the time that it sleeps.
pub(crate) const REHEARSAL: Duration = Duration::from_secs(60);

/// What a recipe can ask of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Whether this boot initializes the machine.
    pub init: bool,
    /// The parameters of the command line.
    pub params: BTreeMap<String, String>,
    /// Where paths begin.
    pub origin: Origin,
    /// Who has the recipe, where that is somebody else than who runs it, and not root.
    pub owner: Option<String>,
    /// Whether a plan runs no command of the recipe that only asks.
    pub asks_nothing: bool,
}

/// What the words of one evaluation share.
pub(crate) struct EvaluationContext {
    /// The run, while an evaluation lasts.
    run: Option<Run>,
    /// What the recipe can ask.
    pub inputs: Inputs,
    /// What this evaluation is for; nothing when it is the real thing.
    pub rehearsal: Option<Purpose>,
    /// What is to be said though it stops nothing.
    pub warnings: Vec<Diagnostic>,
    /// What the recipe printed while it was rehearsed.
    printed: Vec<String>,
    /// What is known about the way in which the last boot failed, and where.
    pub blamed: Option<Diagnostic>,
    /// What was begun and left to itself, and the calls that began it.
    pub begun: Vec<(Effect, Site)>,
    /// What was said of installs, and where.
    pub installs: Vec<(NetbootOptions, Site)>,
    /// The pairs that got a name in this evaluation.
    pub pairs: Vec<InterfaceName>,
    /// The closures that wait for the end of a boot.
    pub hooks: Vec<Hook>,
    /// Those of them that are to be called now.
    pub due: Vec<Due>,
    /// What went wrong beside what the evaluation ended with.
    #[expect(clippy::vec_box, reason = "Rhai's errors travel boxed")]
    pub also: Vec<Box<rhai::EvalAltResult>>,
    /// What the recipe left to be done at its end, first to last.
    pub defers: Vec<FnPtr>,
    /// Which effects of a plan were asked for where: the first of them, and the call.
    places: Vec<(usize, Site)>,
    /// How many operations the evaluation took.
    spent: Rc<Cell<u64>>,
    /// How long a rehearsal may take.
    patience: Duration,
    /// What the evaluation may take.
    bounds: Bounds,
    /// What its closures share.
    cells: cycles::Cells,
    /// How many actions it has asked for.
    actions: usize,
    /// What libraries may do.
    pub allowance: Allowance,
    /// Whether what is printed is kept.
    is_heard: bool,
    /// The parameters that the recipe asked for.
    pub asked: Vec<Wanted>,
    /// Whether the recipe asked how a boot ended, or wants to hear of every end: after another it may do something else.
    pub asks_end: bool,
    /// The machines that were described, and those that were booted.
    pub(crate) machines: idle::Machines,
    /// The machines that were booted and the calls that made them; noted for a check alone.
    pub booted: Vec<Booted>,
    /// The recipe and its modules.
    pub sources: Rc<Sources>,
}

/// A parameter that a recipe asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name.
    pub name: String,
    /// Whether it has a default.
    pub has_default: bool,
    /// The ends of what it may be, or all that it may be, as `--set` gives them; empty where nothing was declared.
    pub extremes: Vec<String>,
}

/// A machine that was booted in a rehearsal, as it was then.
pub(crate) struct Booted {
    /// What was known of it, with the calls that made its parts.
    pub state: handle::VmState,
    /// The machine.
    pub machine: Machine,
}

/// What the words share, for as long as one evaluation lasts.
pub(crate) type SharedContext = Rc<RefCell<EvaluationContext>>;

/// A recipe that was read and parsed.
pub struct Recipe {
    source: Rc<Source>,
    sources: Rc<Sources>,
    ast: AST,
    /// Whether its engine has to know nothing but words.
    words_only: bool,
    /// Whether what it prints in earnest is kept for whoever evaluates it, instead of being printed.
    pub is_heard: bool,
    /// The engine and what its words share: made once, because making it costs more than an evaluation.
    engine: OnceCell<Rc<ScriptEngine>>,
}

/// An engine, and what its words share. One that knows every word serves for one recipe after the other.
pub struct ScriptEngine {
    engine: Engine,
    shared: SharedContext,
}

impl Recipe {
    /// Parses a recipe and checks its names, without running anything.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Rc::new(Source { name: name.into(), text: text.into() });
        if let Some(fault) = bounds::declared(text) {
            return Err(vec![Diagnostic::error(fault).at(Place { source, span: 0..0 })]);
        }
        let sources = Rc::new(Sources::default());
        let engine = bare_engine();
        let mut ast = compile(&engine, text).map_err(|error| vec![report::syntax(&error, &source)])?;
        ast.set_source(name);
        sources.add(&source, &ast);
        let names = check::names(&source, &ast, check::Role::Recipe);
        let words_only = names.words_only;
        let mut faults = imports::faults(&source, &ast);
        faults.extend(names.faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { source, sources, ast, words_only, is_heard: false, engine: OnceCell::new() })
    }

    /// Makes a recipe of what was parsed and checked, for an engine that knows every word. The recipe that it had before is done with.
    pub fn from_ast(source: &Rc<Source>, mut ast: AST, engine: &Rc<ScriptEngine>) -> Self {
        let sources = engine.shared.borrow().sources.clone();
        ast.set_source(source.name.as_str());
        sources.begin(source, &ast);
        let engine = OnceCell::from(engine.clone());
        Self { source: source.clone(), sources, ast, words_only: false, is_heard: false, engine }
    }

    /// Has the recipe evaluated by an engine that knows every word.
    #[must_use]
    pub fn with_engine(self, engine: &Rc<ScriptEngine>) -> Self {
        Self::from_ast(&self.source, self.ast, engine)
    }

    /// Returns the text of the recipe.
    pub fn source(&self) -> &Rc<Source> {
        &self.source
    }

    /// Returns the parameters that it asks for: names and defaults as they are written.
    pub fn params(&self) -> Vec<(String, String)> {
        check::params(&self.source, &self.ast)
    }

    /// Returns the parameters that are secrets.
    pub fn secret_params(&self) -> Vec<String> {
        check::secret_params(&self.ast)
    }

    /// Evaluates the recipe once. The run and what it has to say come back, whatever happens.
    pub(crate) fn evaluate(&self, run: Run, inputs: &Inputs, rehearsal: Option<Purpose>) -> Evaluated {
        let ScriptEngine { engine, shared } = &**self.engine.get_or_init(|| {
            let shared = Rc::new(RefCell::new(EvaluationContext::new(self.sources.clone())));
            Rc::new(ScriptEngine { engine: engine(&shared, self.words_only), shared })
        });
        shared.borrow_mut().begin(run, inputs, rehearsal);
        shared.borrow_mut().is_heard = self.is_heard;
        let mut faults = self.guarded(|| engine.run_ast_with_scope(&mut Scope::new(), &self.ast));
        for count in 0.. {
            let Some(deferred) = shared.borrow_mut().defers.pop() else { break };
            if count == DEFERRED {
                shared.borrow_mut().defers.clear();
                let fault = Fault::new(format!("more than {DEFERRED} things were left for the end"));
                faults.push(fault.hint("does something that is deferred defer something?").into());
                break;
            }
            shared.borrow_mut().run().repeats.defer();
            faults.extend(self.guarded(|| deferred.call::<rhai::Dynamic>(engine, &self.ast, ())));
        }
        let mut evaluation = shared.borrow_mut();
        let also = std::mem::take(&mut evaluation.also);
        faults.extend(also.iter().flat_map(|error| report::runtime(error, &self.source, &self.sources)));
        if let Err(fault) = evaluation.run().settle() {
            let raised = evaluation.raised(fault);
            faults.extend(report::raised(raised, &handle::nowhere(), &self.sources));
        }
        let mut warnings = std::mem::take(&mut evaluation.warnings);
        if rehearsal.is_some() && faults.is_empty() {
            warnings.extend(idle::warnings(self, &evaluation.machines, &self.sources));
        }
        let printed = std::mem::take(&mut evaluation.printed);
        let calls = std::mem::take(&mut evaluation.begun);
        let installs = std::mem::take(&mut evaluation.installs);
        let asked = std::mem::take(&mut evaluation.places);
        let places =
            asked.iter().filter_map(|(first, site)| Some((*first, report::place(site, &self.sources)?))).collect();
        let blamed = evaluation.blamed.take();
        evaluation.cells.end();
        let heard = evaluation.hooks.iter().map(Hook::end).collect();
        let asks_end = evaluation.asks_end;
        let (asked, booted) = (std::mem::take(&mut evaluation.asked), std::mem::take(&mut evaluation.booted));
        match evaluation.run.take() {
            Some(run) => Evaluated {
                run,
                printed,
                warnings,
                faults,
                blamed,
                heard,
                calls,
                installs,
                places,
                asked,
                asks_end,
                booted,
            },
            None => unreachable!("an evaluation keeps its run"),
        }
    }
}

impl Recipe {
    /// Says where the call is that a fault is about.
    pub(crate) fn diagnostic(&self, fault: Fault, site: &Site) -> Vec<Diagnostic> {
        report::raised(Raised::from(fault), site, &self.sources)
    }

    /// Returns what was wrong with a part of an evaluation. Even where vmrun itself fails, the run comes back, so that what it
    /// has taken is given back.
    fn guarded<T>(&self, part: impl FnOnce() -> Result<T, Box<rhai::EvalAltResult>>) -> Vec<Diagnostic> {
        match catch_unwind(AssertUnwindSafe(part)) {
            Ok(Ok(_)) => Vec::new(),
            Ok(Err(error)) => report::runtime(&error, &self.source, &self.sources),
            Err(_) => {
                let fault = Fault::host("vmrun itself failed: this is a mistake in it");
                vec![fault.hint("what the run has taken is given back; please report the lines above").into()]
            }
        }
    }
}

impl ScriptEngine {
    /// Makes one that knows every word.
    pub fn new() -> Rc<Self> {
        let shared = Rc::new(RefCell::new(EvaluationContext::new(Rc::default())));
        Rc::new(Self { engine: engine(&shared, false), shared })
    }
}

impl EvaluationContext {
    /// Lets the evaluation have more memory: what a file has that it reads.
    pub(crate) fn holds(&mut self, bytes: usize) {
        self.bounds.hold(bytes as u64);
    }

    /// Returns a path of the recipe from the root on, and notes the parameter that it was made of.
    pub(crate) fn whole(&mut self, text: &str) -> String {
        let Whole { path, given } = self.inputs.origin.whole(text, &self.inputs.params);
        if let Some((name, value)) = given {
            self.run().given.insert(name, value);
        }
        path
    }

    /// Notes which call asked for what a plan holds from here on.
    pub(crate) fn asks(&mut self, site: &Site) {
        if self.rehearsal == Some(Purpose::Plan) {
            let first = self.run().rehearsed().len();
            self.places.push((first, site.clone()));
        }
    }

    fn new(sources: Rc<Sources>) -> Self {
        let (warnings, defers, hooks, due) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (printed, begun, installs, pairs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            run: None,
            inputs: Inputs::default(),
            rehearsal: None,
            warnings,
            printed,
            blamed: None,
            begun,
            installs,
            pairs,
            hooks,
            due,
            also: Vec::new(),
            defers,
            places: Vec::new(),
            spent: Rc::default(),
            patience: REHEARSAL,
            bounds: Bounds::begin(),
            cells: cycles::Cells::default(),
            actions: 0,
            allowance: Allowance::default(),
            is_heard: false,
            asked: Vec::new(),
            asks_end: false,
            machines: idle::Machines::default(),
            booted: Vec::new(),
            sources,
        }
    }

    fn begin(&mut self, run: Run, inputs: &Inputs, rehearsal: Option<Purpose>) {
        self.run = Some(run);
        self.inputs = inputs.clone();
        self.rehearsal = rehearsal;
        self.begun.clear();
        self.hooks.clear();
        self.due.clear();
        self.pairs.clear();
        self.installs.clear();
        self.allowance.begin();
        self.places.clear();
        self.spent.set(0);
        self.bounds = Bounds::begin();
        self.actions = 0;
        self.asked.clear();
        self.asks_end = false;
        self.machines = idle::Machines::default();
        self.booted.clear();
    }

    /// Raises a fault of the run, at the call that began what it is about where that was an earlier one.
    pub(crate) fn raised(&mut self, fault: Fault) -> Raised {
        let late = self.run().take_late();
        let site = late.and_then(|effect| self.begun.iter().rfind(|(begun, _)| *begun == effect));
        let raised = Raised::from(fault);
        match site {
            Some((_, site)) => raised.at(site),
            None => raised,
        }
    }

    /// Returns the run. Words are called only while an evaluation lasts.
    pub(crate) fn run(&mut self) -> &mut Run {
        match &mut self.run {
            Some(run) => run,
            None => unreachable!("a word outlived its evaluation"),
        }
    }
}

/// What came out of an evaluation.
pub(crate) struct Evaluated {
    /// The run, with what it has taken.
    pub run: Run,
    /// What the recipe printed, if this was a rehearsal; what it prints in earnest is printed at once.
    pub printed: Vec<String>,
    /// What is to be said.
    pub warnings: Vec<Diagnostic>,
    /// What was wrong.
    pub faults: Vec<Diagnostic>,
    /// What is known about the way in which the last boot failed, and where.
    pub blamed: Option<Diagnostic>,
    /// The ends of boots that the recipe wants to hear of.
    pub heard: Vec<Ended>,
    /// What was begun and left to itself, or all that a network is made of, and the calls.
    pub calls: Vec<(Effect, Site)>,
    /// What was said of installs, and where.
    pub installs: Vec<(NetbootOptions, Site)>,
    /// Of a plan, from which of its steps on which call asked for them.
    pub places: Vec<(usize, Place)>,
    /// The parameters that the recipe asked for.
    pub asked: Vec<Wanted>,
    /// Whether it asked how a boot ended, or wants to hear of every end.
    pub asks_end: bool,
    /// The machines that were booted, if this was for a check.
    pub booted: Vec<Booted>,
}

/// An engine with every word. A recipe that calls nothing else is spared Rhai's own functions, which take 4 to 6 % of a start.
fn engine(shared: &SharedContext, words_only: bool) -> Engine {
    let mut engine = if words_only { texts() } else { functions() };
    limit(&mut engine);
    for word in words::all() {
        words::register(&mut engine, word, shared);
    }
    type_names::register(&mut engine);
    handle::register(&mut engine);
    if !words_only {
        handle::register_properties(&mut engine, shared);
    }
    engine.set_module_resolver(modules::Library::new(shared.borrow().sources.clone()));
    let (facts, spent) = (shared.clone(), shared.borrow().spent.clone());
    #[expect(deprecated, reason = "the callback is marked volatile, not on its way out")]
    engine.on_var(move |name, index, context| {
        if let Some(fact) = words::fact(name, &facts) {
            return Ok(Some(fact));
        }
        let Some(value) = bounds::variable(name, index, context.scope()) else { return Ok(None) };
        if value.is_shared()
            && let Ok(mut evaluation) = facts.try_borrow_mut()
        {
            evaluation.cells.note(value);
        }
        let cost = bounds::weigh(value)?;
        bounds::spend(&facts, &spent, cost).map_or(Ok(None), |why| Err(bounds::end(why)))
    });
    let evaluation = shared.clone();
    engine.on_print(move |text| print(&evaluation, text));
    let evaluation = shared.clone();
    engine.on_debug(move |text, source, at| {
        let main = evaluation.borrow().sources.main();
        let (line, column) = (at.line().unwrap_or_default(), at.position().unwrap_or_default());
        print(&evaluation, &format!("{}:{line}:{column}: {text}", source.unwrap_or(&main)));
    });
    let (watched, spent) = (shared.clone(), shared.borrow().spent.clone());
    // Rhai counts anew in every closure that it calls from one of its own functions.
    engine.on_progress(move |_| bounds::spend(&watched, &spent, 1).map(Into::into));
    engine
}

/// An engine that can parse recipes, for which it needs to know no function.
fn bare_engine() -> Engine {
    let mut engine = Engine::new_raw();
    limit(&mut engine);
    engine
}

/// Parses a text. The mark of UTF-8 that some editors write at the beginning is a blank, so that columns stay.
fn compile(engine: &Engine, text: &str) -> Result<AST, ParseError> {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => engine.compile(format!(" {rest}")),
        None => engine.compile(text),
    }
}

/// Limits are explicit because Rhai's own differ between debug and release.
fn limit(engine: &mut Engine) {
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_max_call_levels(CALLS);
    engine.set_max_expr_depths(64, 64);
    engine.set_max_operations(OPERATIONS);
    engine.set_max_modules(64);
    engine.set_max_variables(NAMES);
    engine.set_max_functions(NAMES);
    engine.set_max_string_size(TEXT);
    engine.set_max_array_size(VALUES);
    engine.set_max_map_size(VALUES);
    engine.set_fail_on_invalid_map_property(true);
    engine.disable_symbol("eval");
    engine.disable_symbol("Fn");
}

def_package! {
    /// Rhai's own functions as far as recipes have a use for them; each one costs time at every start. Left out are blobs and
    /// single bits.
    Functions(module) : CorePackage, LogicPackage, BasicMathPackage, BasicArrayPackage, BasicMapPackage, MoreStringPackage {
        module.set_id("functions");
    }
}

/// An engine that can put values into texts, and knows no other function.
fn texts() -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(BasicStringPackage::new().as_shared_module());
    ["print", "to_string", "debug", "to_debug"].iter().for_each(|name| natives::written(&mut engine, name));
    engine
}

/// An engine with Rhai's own functions.
fn functions() -> Engine {
    let mut engine = Engine::new_raw();
    engine.register_global_module(Functions::new().as_shared_module());
    natives::register(&mut engine);
    engine
}

/// Prints what a recipe prints: once, so not while it is rehearsed. A reader that went away is no error, and a terminal gets
/// text only.
fn print(shared: &SharedContext, text: &str) {
    let mut evaluation = shared.borrow_mut();
    if evaluation.rehearsal.is_some() || evaluation.is_heard {
        evaluation.printed.push(shown::text(text).into_owned());
    } else {
        let _ = terminal::print(Stream::Output, TextForm::Text, &format!("{text}\n"));
    }
}

/// Makes the fault of a recipe that cannot be read.
pub(crate) fn unreadable(path: &str, error: &std::io::Error) -> Fault {
    let why = error.to_string();
    let (why, hint) = match error.kind() {
        ErrorKind::InvalidData => ("it is no UTF-8 text", Some("a recipe is text, as in recipes/install.rhai")),
        ErrorKind::IsADirectory => ("it is a folder", Some("name a recipe in it")),
        ErrorKind::InvalidInput => (why.as_str(), Some("name a file")),
        ErrorKind::FileTooLarge => (why.as_str(), Some("a recipe is a text of some lines, as recipes/install.rhai is")),
        ErrorKind::NotFound => ("there is no such file", None),
        ErrorKind::PermissionDenied => ("you may not read it", Some("see its owner and mode: ls -l")),
        _ => (why.split(" (os error").next().unwrap_or_default(), None),
    };
    Fault::new(format!("cannot read the recipe {path}: {why}")).maybe_hint(hint.map(String::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::simulated::{Fixture, Refusal, Simulated};

    fn evaluate(fixture: Fixture, text: &str) -> (Vec<String>, Vec<String>) {
        let fixture = Rc::new(RefCell::new(fixture));
        let recipe = Recipe::parse("lab.rhai", text).unwrap_or_else(|_| panic!("{text}"));
        let evaluated = recipe.evaluate(Run::new(Box::new(Simulated::new(&fixture))), &Inputs::default(), None);
        let mut run = evaluated.run;
        run.give_back();
        (
            std::mem::take(&mut fixture.borrow_mut().log),
            evaluated.faults.into_iter().map(|diagnostic| diagnostic.fault.message).collect(),
        )
    }

    #[test]
    fn what_is_deferred_is_done_at_the_end_the_last_one_first_whatever_happens() {
        let text = "defer(|| run(\"a\")); defer(|| run(\"b\")); tap(\"tap1\"); throw \"no\";";
        let (log, faults) = evaluate(Fixture::lab(), text);
        assert_eq!(log, ["ifconfig tap1 create", "ifconfig tap1 up", "b", "a", "ifconfig tap1 destroy"]);
        assert_eq!(faults, ["no"]);
    }

    #[test]
    fn a_rehearsal_that_takes_too_long_ends() {
        let recipe = Recipe::parse("lab.rhai", "for n in 0..100000 { }").unwrap_or_else(|_| panic!("it parses"));
        let rehearse = || {
            let evaluated = recipe.evaluate(
                Run::new(Box::new(Simulated::new(&Rc::new(RefCell::new(Fixture::lab()))))),
                &Inputs::default(),
                Some(Purpose::Plan),
            );
            evaluated.faults.into_iter().map(|diagnostic| diagnostic.fault.message).collect::<Vec<_>>()
        };
        assert_eq!(rehearse(), [""; 0]);
        if let Some(engine) = recipe.engine.get() {
            engine.shared.borrow_mut().patience = Duration::ZERO;
        }
        assert_eq!(rehearse(), ["the rehearsal takes more than 60 s"]);
    }

    #[test]
    fn what_was_taken_is_given_back_even_where_vmrun_itself_fails() {
        let fixture = Fixture { refuses: Some(Refusal::Panic("ifconfig tap2 create")), ..Fixture::lab() };
        let (log, faults) = evaluate(fixture, "tap(\"tap1\"); tap(\"tap2\"); tap(\"tap3\");");
        let taken = ["ifconfig tap1 create", "ifconfig tap1 up", "ifconfig tap2 create"];
        assert_eq!(log[..3], taken);
        // What cannot be begun beside others is tried alone.
        let tap2 = "ifconfig tap2 destroy  # refused";
        assert_eq!(log[3..], [tap2, tap2, "ifconfig tap1 destroy"]);
        assert_eq!(faults, ["vmrun itself failed: this is a mistake in it"]);
    }
}

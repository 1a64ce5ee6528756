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
pub(crate) mod edit;
pub(crate) mod editor;
mod engine;
mod evaluation;
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
mod standard;
pub(crate) mod trial;
pub(crate) mod type_names;
pub(crate) mod words;

use crate::diag::{Diagnostic, Fault, Place, Source};
use crate::model::VmName;
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use check::test_words;
use engine::{bare_engine, compile, engine, functions, limit};
pub use evaluation::Inputs;
pub(crate) use evaluation::{Booted, Evaluated, EvaluationContext, SharedContext, Wanted};
use raise::{Raised, Site};
pub(crate) use rehearsed::Refused;
use rhai::{AST, Engine, Scope};
use source::Sources;
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;
use words::hooks::Hook;

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

/// A recipe that was read and parsed.
pub struct Recipe {
    source: Rc<Source>,
    sources: Rc<Sources>,
    ast: AST,
    /// The words that its engine has to know, if it has to know nothing else.
    words: Option<BTreeSet<&'static str>>,
    /// Whether what it prints in earnest is kept for whoever evaluates it, instead of being printed.
    pub is_heard: bool,
    /// The engine and what its words share: made once, because making it costs more than an evaluation.
    engine: OnceCell<Rc<ScriptEngine>>,
    /// The machines that it has booted in rehearsals; nothing before the first.
    booted: RefCell<Option<BTreeSet<VmName>>>,
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
        let words = names.words;
        let mut faults = imports::faults(&source, &ast);
        faults.extend(names.faults);
        if !faults.is_empty() {
            return Err(test_words::of_tests(name, &faults).map_or(faults, Into::into));
        }
        Ok(Self { source, sources, ast, words, is_heard: false, engine: OnceCell::new(), booted: RefCell::default() })
    }

    /// Makes a recipe of what was parsed and checked, for an engine that knows every word. The recipe that it had before is done with.
    pub fn from_ast(source: &Rc<Source>, mut ast: AST, engine: &Rc<ScriptEngine>) -> Self {
        let sources = engine.shared.borrow().sources.clone();
        ast.set_source(source.name.as_str());
        sources.begin(source, &ast);
        let engine = OnceCell::from(engine.clone());
        Self { source: source.clone(), sources, ast, words: None, is_heard: false, engine, booted: RefCell::default() }
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

    /// Returns the recipe and the files of its own that it has imported, once it was evaluated; the recipe first.
    pub(crate) fn own_texts(&self) -> Vec<Rc<Source>> {
        let own =
            self.sources.own().into_iter().map(|unit| unit.source).filter(|source| source.name != self.source.name);
        std::iter::once(self.source.clone()).chain(own).collect()
    }

    /// Has a text count in the place of a file beside it that is not written yet.
    pub(crate) fn knows(&self, path: &std::path::Path, text: String) {
        self.sources.give(path.display().to_string(), text);
    }

    /// Returns whether it has imported anything of a library that vmrun.toml names, once it was evaluated.
    pub(crate) fn has_libraries(&self) -> bool {
        self.sources.has_libraries()
    }

    /// Returns the parameters that it asks for: names and defaults as they are written.
    pub fn params(&self) -> Vec<(String, String)> {
        check::params(&self.source, &self.ast)
    }

    /// Returns values that a parameter may have, as far as they are written: those of its list, `true` and `false`, or its default.
    pub(crate) fn param_values(&self, name: &str) -> Vec<String> {
        check::param_values(&self.ast, name)
    }

    /// Returns the parameters that are secrets.
    pub fn secret_params(&self) -> Vec<String> {
        check::secret_params(&self.ast)
    }

    /// Evaluates the recipe once. The run and what it has to say come back, whatever happens.
    pub(crate) fn evaluate(&self, run: Run, inputs: &Inputs, rehearsal: Option<Purpose>) -> Evaluated {
        let ScriptEngine { engine, shared } = &**self.engine.get_or_init(|| {
            let shared = Rc::new(RefCell::new(EvaluationContext::new(self.sources.clone())));
            Rc::new(ScriptEngine { engine: engine(&shared, self.words.as_ref()), shared })
        });
        shared.borrow_mut().begin(run, inputs, rehearsal);
        shared.borrow_mut().is_heard = self.is_heard;
        shared.borrow_mut().allowance.machines.begin(self.booted.borrow().clone());
        let mut faults = self.guarded(|| engine.run_ast_with_scope(&mut Scope::new(), &self.ast));
        self.do_deferred(engine, shared, &mut faults);
        let mut evaluation = shared.borrow_mut();
        let also = std::mem::take(&mut evaluation.also);
        faults.extend(also.iter().flat_map(|error| report::runtime(error, &self.source, &self.sources)));
        if let Err(fault) = evaluation.run().settle() {
            let raised = evaluation.raised(fault);
            faults.extend(report::raised(raised, &handle::nowhere(), &self.sources));
        }
        if rehearsal.is_some() {
            faults.extend(self.not_booted(&mut evaluation));
        }
        let mut warnings = std::mem::take(&mut evaluation.warnings);
        if rehearsal.is_some() && faults.is_empty() {
            warnings.extend(idle::warnings(self, &evaluation.machines, &self.sources));
        }
        let (printed, calls) = (std::mem::take(&mut evaluation.printed), std::mem::take(&mut evaluation.begun));
        let (installs, afters) = (std::mem::take(&mut evaluation.installs), std::mem::take(&mut evaluation.afters));
        let asked = std::mem::take(&mut evaluation.places);
        let places =
            asked.iter().filter_map(|(first, site)| Some((*first, report::place(site, &self.sources)?))).collect();
        let blamed = evaluation.blamed.take();
        evaluation.cells.end();
        let heard = evaluation.hooks.iter().map(Hook::end).collect();
        let (asked, instances) = (std::mem::take(&mut evaluation.asked), std::mem::take(&mut evaluation.instances));
        let booted = std::mem::take(&mut evaluation.booted);
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
                afters,
                places,
                asked,
                instances,
                asks_end: evaluation.asks_end,
                booted,
            },
            None => unreachable!("an evaluation keeps its run"),
        }
    }
}

impl Recipe {
    /// Does what was left for the end of an evaluation, the last first.
    fn do_deferred(&self, engine: &Engine, shared: &SharedContext, faults: &mut Vec<Diagnostic>) {
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
    }

    /// Takes the machines that a rehearsal has booted, and returns what was asked for of others.
    fn not_booted(&self, evaluation: &mut EvaluationContext) -> Vec<Diagnostic> {
        let (booted, refused) = evaluation.end_of_rehearsal();
        self.booted.replace(Some(booted));
        let raised = |(fault, site): (Fault, Site)| report::raised(fault.into(), &site, &self.sources);
        refused.into_iter().flat_map(raised).collect()
    }

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
        Rc::new(Self { engine: engine(&shared, None), shared })
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
    use crate::host::worlds::fixture::{Fixture, Refusal};
    use crate::host::worlds::simulated::Simulated;

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
    fn what_is_done_to_this_alone_ends_by_the_processor_time_that_it_takes() {
        let text = "fn work(much) { for at in range(0, much) { this.to_upper(); } }\n\
                    let value = \"x\"; value.pad(1000000, \"x\"); value.work(param(\"much\", 0));";
        let recipe = Recipe::parse("lab.rhai", text).unwrap_or_else(|_| panic!("it parses"));
        let told = |much: &str| {
            let inputs = Inputs { params: [("much".into(), much.into())].into(), ..Inputs::default() };
            let run = Run::new(Box::new(Simulated::new(&Rc::new(RefCell::new(Fixture::lab())))));
            let faults = recipe.evaluate(run, &inputs, Some(Purpose::Plan)).faults;
            faults.into_iter().map(|one| (one.fault.message, one.fault.hint)).collect::<Vec<_>>()
        };
        assert_eq!(told("0"), []);
        if let Some(engine) = recipe.engine.get() {
            engine.shared.borrow_mut().effort = Duration::from_millis(200);
        }
        let message = format!("the recipe takes more than {} s of processor time", bounds::PROCESSOR.as_secs());
        assert_eq!(told("4000000"), [(message, Some("is there a loop or a recursion without an end?".into()))]);
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

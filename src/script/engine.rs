//! Rhai's engine as recipes have it: which functions it knows, and within which limits.

use super::bounds::{self, OPERATIONS};
use super::evaluation::SharedContext;
use super::{CALLS, NAMES, TEXT, VALUES, handle, lexer, modules, natives, type_names, words};
use crate::diag::may_fail::MayFail as _;
use crate::diag::shown;
use crate::host::terminal::{self, Stream, TextForm};
use rhai::packages::{
    BasicArrayPackage, BasicMapPackage, BasicMathPackage, BasicStringPackage, CorePackage, LogicPackage,
    MoreStringPackage, Package,
};
use rhai::{AST, Engine, OptimizationLevel, ParseError, def_package};
use std::collections::BTreeSet;

/// An engine with every word. One for a recipe that calls nothing but these words is spared the others, and Rhai's own functions: they
/// take a tenth of a start.
pub(super) fn engine(shared: &SharedContext, only: Option<&BTreeSet<&'static str>>) -> Engine {
    let mut engine = if only.is_some() { texts() } else { functions() };
    limit(&mut engine);
    for word in words::all().filter(|word| only.is_none_or(|only| only.contains(word.name()))) {
        words::register(&mut engine, word, shared);
    }
    type_names::register(&mut engine);
    handle::register(&mut engine);
    if only.is_none() {
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
pub(super) fn bare_engine() -> Engine {
    let mut engine = Engine::new_raw();
    limit(&mut engine);
    engine
}

/// Parses a text. The mark of UTF-8 that some editors write at the beginning is a blank, so that columns stay, and of a first line by
/// which a kernel runs it only the end is left, so that lines do.
pub(super) fn compile(engine: &Engine, text: &str) -> Result<AST, ParseError> {
    match text.strip_prefix('\u{feff}') {
        Some(rest) => engine.compile(format!(" {rest}")),
        None => engine.compile(&text[lexer::interpreter(text)..]),
    }
}

/// Limits are explicit because Rhai's own differ between debug and release.
pub(super) fn limit(engine: &mut Engine) {
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
pub(super) fn functions() -> Engine {
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
        terminal::print(Stream::Output, TextForm::Text, &format!("{text}\n"))
            .may_fail("whoever reads the output may be gone");
    }
}

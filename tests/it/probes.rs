//! What the program relies on in Rhai 1.25.1, asked of Rhai itself; a newer version has to answer the same.

use rhai::module_resolvers::StaticModuleResolver;
use rhai::{AST, Dynamic, Engine, FnPtr, Module, OptimizationLevel, Scope};

/// An engine as the program uses it, which knows one library, `lib`.
fn engine(library: &str) -> Engine {
    let mut engine = Engine::new();
    engine.set_optimization_level(OptimizationLevel::None);
    let ast = engine.compile(library).unwrap();
    let module = Module::eval_ast_as_new(Scope::new(), &ast, &engine).unwrap();
    let mut resolver = StaticModuleResolver::new();
    resolver.insert("lib", module);
    engine.set_module_resolver(resolver);
    engine
}

fn eval(library: &str, recipe: &str) -> Dynamic {
    engine(library).eval(recipe).unwrap()
}

const RUNS: &str = "fn run(hook) { hook.call() } fn helper() { `library` }";

#[test]
fn a_closure_that_a_library_runs_calls_its_own_recipes_functions() {
    let recipe = "import `lib` as lib; fn helper() { `recipe` } lib::run(|| helper())";
    assert_eq!(eval(RUNS, recipe).into_string().unwrap(), "recipe");
}

#[test]
fn a_closure_that_a_library_runs_sees_its_own_recipes_constants() {
    let library = "const WHO = `library`; fn run(hook) { hook.call() }";
    let recipe = "import `lib` as lib; const WHO = `recipe`; lib::run(|| global::WHO)";
    assert_eq!(eval(library, recipe).into_string().unwrap(), "recipe");
}

#[test]
fn a_closure_that_a_library_runs_keeps_what_it_captured() {
    let recipe = "import `lib` as lib; let who = `recipe`; lib::run(|| who)";
    assert_eq!(eval(RUNS, recipe).into_string().unwrap(), "recipe");
}

#[test]
fn a_closure_made_in_a_module_can_be_called_by_the_importer() {
    let library = "fn make() { || helper() } fn helper() { `library` }";
    let recipe = "import `lib` as lib; let made = lib::make(); made.call()";
    assert_eq!(eval(library, recipe).into_string().unwrap(), "library");
}

#[test]
fn a_closure_can_be_called_from_rust_after_the_evaluation_and_still_uses_its_imports() {
    let engine = engine(RUNS);
    let ast: AST = engine.compile("import `lib` as lib; || lib::helper()").unwrap();
    let hook: FnPtr = engine.eval_ast(&ast).unwrap();
    let said: String = hook.call(&engine, &ast, ()).unwrap();
    assert_eq!(said, "library");
}

/// A fault of this version, which the program has to refuse: the second arm is right.
#[test]
fn a_switch_over_a_captured_variable_falls_to_the_default() {
    let recipe = "let x = 2; let hook = || x; switch x { 1 => `one`, 2 => `two`, _ => `default` }";
    assert_eq!(eval("", recipe).into_string().unwrap(), "default");
    let recipe = "let x = 2; let hook = || x; let y = x; switch y { 1 => `one`, 2 => `two`, _ => `default` }";
    assert_eq!(eval("", recipe).into_string().unwrap(), "two");
}

/// A fault of this version, which the program has to refuse.
#[test]
fn a_switch_range_behind_a_guard_that_failed_is_passed_over() {
    let recipe = "let x = 5; switch x { 5 if false => `guard`, 0..10 => `range`, _ => `default` }";
    assert_eq!(eval("", recipe).into_string().unwrap(), "default");
}

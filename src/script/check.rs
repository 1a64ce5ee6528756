//! Names, before anything runs: unknown variables and functions, wrong numbers of arguments, unknown keys of literals.
//!
//! Rhai's own strict mode cannot know the facts that a host offers, so names are our business. Where a type is unknown nothing is
//! said: the rehearsal will find it.

use super::source;
use super::words::{self, Row};
use crate::diag::{Diagnostic, Fault, Source, suggest};
use rhai::{AST, Expr, FnCallExpr, Position, Stmt};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A recipe, which sees the facts.
    Recipe,
    /// A library, which sees only what it is given.
    Library,
}

/// The functions that Rhai brings along, with their numbers of arguments.
fn builtins() -> BTreeMap<String, BTreeSet<usize>> {
    let mut all: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let engine = super::functions();
    let pairs = engine.collect_fn_metadata(None, |f| Some((f.metadata.name.to_string(), f.metadata.num_params)), true);
    let keywords = [("print", 1), ("debug", 1), ("type_of", 1), ("is_shared", 1), ("is_def_var", 1), ("is_def_fn", 2)];
    let more = [("call", 1), ("call", 2), ("call", 3), ("call", 4), ("curry", 2), ("curry", 3)];
    let named = keywords.into_iter().chain(more).map(|(name, arity)| (name.to_string(), arity));
    for (name, arity) in pairs.into_iter().chain(named) {
        all.entry(name).or_default().insert(arity);
    }
    all
}

/// The names in a text.
pub struct Names {
    /// Every name that nothing knows.
    pub faults: Vec<Diagnostic>,
    /// What is called.
    pub calls: BTreeSet<String>,
    /// Whether there is nothing but words, literals and sizes: no operator, no loop, no property and no import.
    pub plain: bool,
}

/// Returns the names in a text, above all those that nothing knows.
pub fn names(source: &Rc<Source>, ast: &AST, role: Role) -> Names {
    let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    for def in ast.iter_fn_def() {
        functions.entry(def.name.to_string()).or_default().insert(def.params.len());
    }
    let (calls, plain) = (BTreeSet::new(), functions.is_empty());
    let scope = Vec::new();
    let mut checker = Checker { source, role, functions, builtins: None, scope, found: Vec::new(), calls, plain };
    for statement in ast.statements() {
        checker.statement(statement);
    }
    let top = std::mem::take(&mut checker.scope);
    for def in ast.iter_fn_def() {
        if role == Role::Library && def.this_type.is_some() {
            let fault = Fault::new(format!("a library must not define the method `{}` of a type", def.name));
            let place = source::token(source, def.body.position());
            checker
                .found
                .push(Diagnostic::error(fault.hint("it would replace the recipe's own; use a function")).at(place));
        }
        checker.scope = def.params.iter().map(ToString::to_string).collect();
        for statement in def.body.statements() {
            checker.statement(statement);
        }
    }
    drop(top);
    checker.found.sort_by_key(|diagnostic| diagnostic.place.as_ref().map(|place| place.span.start));
    checker.found.dedup_by(|a, b| a.place == b.place);
    Names { faults: checker.found, calls: checker.calls, plain: checker.plain }
}

/// Returns the parameters that a recipe asks for by `param("name", default)`.
pub fn params(source: &Rc<Source>, ast: &AST) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    ast.walk(&mut |nodes| {
        if let Some(rhai::ASTNode::Expr(Expr::FnCall(call, _))) = nodes.last()
            && call.name == "param"
            && let Some(Expr::StringConstant(name, _)) = call.args.first()
            && !all.iter().any(|(known, _)| known == name.as_str())
        {
            let default = call.args.get(1).map(|default| {
                let begin = source::offset(&source.text, default.start_position()).unwrap_or_default();
                let rest = source.text.get(begin..).unwrap_or_default();
                argument(rest).to_string()
            });
            all.push((name.to_string(), default.unwrap_or_default()));
        }
        true
    });
    all
}

/// Returns a text up to the bracket or comma that ends an argument.
fn argument(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => return text[..at].trim_end(),
            ')' | ']' | '}' => depth -= 1,
            ',' | '\n' if depth == 0 => return text[..at].trim_end(),
            _ => {}
        }
    }
    text
}

struct Checker<'a> {
    source: &'a Rc<Source>,
    role: Role,
    functions: BTreeMap<String, BTreeSet<usize>>,
    builtins: Option<BTreeMap<String, BTreeSet<usize>>>,
    scope: Vec<String>,
    found: Vec<Diagnostic>,
    calls: BTreeSet<String>,
    plain: bool,
}

impl Checker<'_> {
    fn report(&mut self, fault: Fault, position: Position) {
        let place = source::token(self.source, position);
        self.found.push(Diagnostic::error(fault).at(place));
    }

    fn block(&mut self, statements: &[Stmt]) {
        let depth = self.scope.len();
        statements.iter().for_each(|statement| self.statement(statement));
        self.scope.truncate(depth);
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(x, ..) => {
                self.expression(&x.1);
                self.scope.push(x.0.name.to_string());
            }
            Stmt::Assignment(x) => {
                self.plain = false;
                self.expression(&x.1.lhs);
                self.expression(&x.1.rhs);
            }
            Stmt::FnCall(call, position) => self.call(call, *position, false),
            Stmt::Expr(expression) => self.expression(expression),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::If(flow, _) | Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.expression(&flow.expr);
                self.block(flow.body.statements());
                self.block(flow.branch.statements());
            }
            Stmt::For(x, _) => {
                self.plain = false;
                self.expression(&x.2.expr);
                let depth = self.scope.len();
                self.scope.push(x.0.name.to_string());
                self.scope.extend(x.1.iter().map(|counter| counter.name.to_string()));
                self.block(x.2.body.statements());
                self.scope.truncate(depth);
            }
            Stmt::TryCatch(flow, _) => {
                self.block(flow.body.statements());
                let depth = self.scope.len();
                if let Expr::Variable(x, ..) = &flow.expr {
                    self.scope.push(x.1.to_string());
                }
                self.block(flow.branch.statements());
                self.scope.truncate(depth);
            }
            Stmt::Switch(x, position) => {
                self.plain = false;
                self.switch(x, *position);
            }
            Stmt::Return(Some(value), ..) | Stmt::BreakLoop(Some(value), ..) => self.expression(value),
            Stmt::Import(x, position) if !matches!(x.0, Expr::StringConstant(..)) => {
                let fault = Fault::new("an import names its module literally");
                self.report(fault.hint("import \"std/guest\" as guest;"), *position);
            }
            Stmt::Import(..) => self.plain = false,
            _ => {}
        }
    }

    /// Rhai 1.25 takes the wrong arm for a variable that a closure captured, and for ranges after failed guards.
    fn switch(&mut self, x: &(Expr, rhai::SwitchCasesCollection), position: Position) {
        self.expression(&x.0);
        let guards = x.1.expressions.iter().any(|both| !matches!(both.lhs, Expr::BoolConstant(true, _)));
        if guards && !x.1.ranges.is_empty() {
            let fault = Fault::new("a `switch` with both ranges and conditions takes wrong arms");
            self.report(fault.hint("use `if … else if …`"), position);
        }
        for both in &x.1.expressions {
            self.expression(&both.lhs);
            self.expression(&both.rhs);
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::InterpolatedString(all, _) | Expr::Array(all, _) => all.iter().for_each(|e| self.expression(e)),
            Expr::Map(map, _) => map.0.iter().for_each(|(_, value)| self.expression(value)),
            Expr::Variable(x, _, position) if x.2.is_empty() => self.variable(&x.1, *position),
            Expr::FnCall(call, position) => self.call(call, *position, false),
            Expr::MethodCall(call, position) => self.call(call, *position, true),
            Expr::Dot(both, ..) => {
                if let (Expr::IntegerConstant(..), Expr::Property(property, position)) = (&both.lhs, &both.rhs) {
                    self.unit(&property.2, *position);
                    return;
                }
                self.expression(&both.lhs);
                self.expression(&both.rhs);
            }
            Expr::Property(..) => self.plain = false,
            Expr::Index(both, ..) => {
                self.plain = false;
                self.expression(&both.lhs);
                self.expression(&both.rhs);
            }
            Expr::And(all, _) | Expr::Or(all, _) | Expr::Coalesce(all, _) => {
                all.iter().for_each(|e| self.expression(e))
            }
            Expr::Stmt(block) => self.block(block.statements()),
            _ => {}
        }
    }

    /// `20.Gib`: the only thing that a number literal can have is a unit.
    fn unit(&mut self, name: &str, position: Position) {
        let units = || words::UNITS.iter().map(|(unit, _)| *unit);
        if !units().any(|unit| unit == name) {
            let fault = Fault::new(format!("a number has no property `{name}`"));
            let fault = fault.hint(format!("sizes have {}", suggest::list(units())));
            self.report(fault.maybe_hint(suggest::did_you_mean(name, units())), position);
        }
    }

    fn variable(&mut self, name: &str, position: Position) {
        if self.scope.iter().any(|known| known == name) {
            return;
        }
        let facts = || words::variables().iter().map(|(name, _)| *name);
        if facts().any(|fact| fact == name) {
            if self.role == Role::Library {
                let fault = Fault::new(format!("`{name}` is the recipe's: a library sees only what it is given"));
                self.report(fault.hint("take it as an argument"), position);
            }
            return;
        }
        let candidates = self.scope.iter().map(String::as_str).chain(facts());
        let fault = Fault::new(format!("there is no variable `{name}`"));
        let fault = fault.maybe_hint(suggest::did_you_mean(name, candidates));
        self.report(fault, position);
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, method: bool) {
        call.args.iter().for_each(|arg| self.expression(arg));
        self.plain &= call.op_token.is_none();
        if call.is_qualified() || call.op_token.is_some() || call.name.starts_with("anon$") || call.name == "curry" {
            return;
        }
        let (name, given) = (call.name.as_str(), call.args.len());
        let rows: Vec<Row> = words::all().filter(|row| row.is_named(name)).collect();
        self.calls.insert(name.into());
        self.plain &= !rows.is_empty();
        self.literal_keys(&rows, call);
        let fits = |row: &Row| (row.arity().0..=row.arity().1).contains(&given);
        if rows.iter().any(fits) || self.functions.get(name).is_some_and(|arities| arities.contains(&given)) {
            return;
        }
        // A variable that holds a closure is called like a function.
        if self.scope.iter().any(|known| known == name) {
            return;
        }
        let builtins = self.builtins.get_or_insert_with(builtins);
        let total = given + usize::from(method);
        if builtins.get(name).is_some_and(|arities| arities.contains(&total) || method) {
            return;
        }
        let known = !rows.is_empty() || self.functions.contains_key(name) || builtins.contains_key(name);
        let fault = if known {
            let usages = words::usages(name);
            let fault =
                Fault::new(format!("`{name}` does not take {given} argument{}", if given == 1 { "" } else { "s" }));
            if usages.is_empty() { fault } else { fault.hint(format!("write {}", usages.join(" or "))) }
        } else {
            let own = words::names();
            let candidates = own.iter().copied().chain(self.functions.keys().map(String::as_str));
            let candidates: Vec<&str> = candidates.chain(builtins.keys().map(String::as_str)).collect();
            let what = if method { "method" } else { "function" };
            Fault::new(format!("there is no {what} `{name}`")).maybe_hint(suggest::did_you_mean(name, candidates))
        };
        self.report(fault, position);
    }

    /// The keys of a map that is written out as a word's argument.
    fn literal_keys(&mut self, rows: &[Row], call: &FnCallExpr) {
        let Some(known) = rows.iter().map(|row| row.options()).find(|options| !options.is_empty()) else { return };
        let Some(Expr::Map(map, _)) = call.args.last() else { return };
        for (key, _) in map.0.iter().filter(|(key, _)| !known.iter().any(|(name, _)| *name == key.name.as_str())) {
            let raised = words::unknown_key(&key.name, &known.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            self.report(raised.fault, key.pos);
        }
    }
}

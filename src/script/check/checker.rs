//! The walk through a syntax tree.

use super::builtins::builtins;
use super::exports::{Exports, Modules};
use super::kinds::{self, Kind};
use super::literal::{Known, Trial};
use super::usage::Usage;
use super::{Finding, Role, Rule};
use crate::diag::{Diagnostic, Fault, Place, Source, suggest};
use crate::script::words::{self, Row};
use crate::script::{habits, modules, source};
use rhai::{AST, ASTFlags, ASTNode, Dynamic, Expr, FnCallExpr, ImmutableString, Position, Stmt, SwitchCasesCollection};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// How many findings of one text are told: whoever has more sees the rest when those are mended.
const FINDINGS: usize = 100;

/// What a check needs that goes deeper than names.
pub(super) struct Deep<'a> {
    /// The modules that texts import.
    pub(super) modules: &'a Modules,
    /// Where words read their literal arguments.
    pub(super) trial: Trial,
    /// The names in what did not parse: nothing is known of them.
    pub(super) blanked: Vec<String>,
    /// What the text does with its variables.
    pub(super) usages: BTreeMap<String, Usage>,
}

/// A name that is known at some place.
struct Local {
    name: ImmutableString,
    at: Position,
    kind: Kind,
    /// What it holds for good.
    value: Option<Dynamic>,
    /// Whether it is told of when nothing reads it.
    is_told: bool,
    is_read: bool,
}

/// A module that was imported.
struct Alias {
    name: ImmutableString,
    at: Position,
    exports: Option<Rc<Exports>>,
    is_used: bool,
}

/// Goes through a text once.
pub(super) struct Checker<'a> {
    source: &'a Rc<Source>,
    ast: &'a AST,
    role: Role,
    functions: BTreeMap<String, BTreeSet<usize>>,
    deep: Option<Deep<'a>>,
    scope: Vec<Local>,
    aliases: Vec<Alias>,
    /// What functions read of the text's own constants: `global::X`.
    globals: BTreeSet<String>,
    /// The variables that closures capture in the body at hand; found when it is asked for.
    captured: Option<BTreeSet<String>>,
    /// The function at hand, unless it is the text itself.
    function: Option<ImmutableString>,
    found: Vec<Finding>,
    plain: bool,
}

impl<'a> Checker<'a> {
    /// Makes one that only looks at names, or a deep one.
    pub(super) fn new(source: &'a Rc<Source>, ast: &'a AST, role: Role, deep: Option<Deep<'a>>) -> Self {
        let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for def in ast.iter_fn_def() {
            functions.entry(def.name.to_string()).or_default().insert(def.params.len());
        }
        let plain = functions.is_empty();
        let (scope, aliases, found) = (Vec::new(), Vec::new(), Vec::new());
        let globals = BTreeSet::new();
        let (captured, function) = (None, None);
        Self { source, ast, role, functions, deep, scope, aliases, globals, captured, function, found, plain }
    }

    /// Returns what was found, and whether it is plain.
    pub(super) fn into_parts(self) -> (Vec<Finding>, bool) {
        (self.found, self.plain)
    }

    /// Goes through the text and then through its functions.
    pub(super) fn whole(&mut self) {
        self.statements(self.ast.statements());
        let top = std::mem::take(&mut self.scope);
        for def in self.ast.iter_fn_def() {
            if self.role == Role::Library && def.this_type.is_some() {
                let fault = Fault::new(format!("a library must not define the method `{}` of a type", def.name));
                let fault = fault.hint("it would replace the recipe's own; use a function");
                self.report(Rule::Library, fault, def.body.position());
            }
            self.function = Some(def.name.clone());
            self.captured = None;
            let local = |name: &ImmutableString| Local {
                name: name.clone(),
                at: Position::NONE,
                kind: Kind::Any,
                value: None,
                is_told: false,
                is_read: false,
            };
            self.scope = def.params.iter().map(local).collect();
            self.statements(def.body.statements());
            self.leave(0);
        }
        self.scope = top;
        self.leave(0);
        self.leave_aliases(0);
        self.found.sort_by_key(|finding| finding.diagnostic.place.as_ref().map(|place| place.span.start));
        let same = |a: &Place, b: &Place| a.span == b.span;
        self.found.dedup_by(|a, b| match (&a.diagnostic.place, &b.diagnostic.place) {
            (Some(a), Some(b)) => same(a, b),
            _ => false,
        });
    }

    fn report(&mut self, rule: Rule, fault: Fault, position: Position) {
        if self.found.len() >= FINDINGS {
            return;
        }
        let place = source::token(self.source, position);
        let diagnostic = Diagnostic { severity: rule.severity(), ..Diagnostic::error(fault).at(place) };
        self.found.push(Finding { rule, diagnostic });
    }

    /// Whether nothing can be said of a name, because it stands in what did not parse.
    fn is_blanked(&self, name: &str) -> bool {
        self.deep.as_ref().is_some_and(|deep| deep.blanked.iter().any(|blanked| blanked == name))
    }

    /// Ends the life of the names from there on.
    fn leave(&mut self, depth: usize) {
        let gone = self.scope.split_off(depth.min(self.scope.len()));
        if self.deep.is_none() {
            return;
        }
        for local in gone.iter().filter(|local| local.is_told && !local.is_read) {
            if self.is_blanked(&local.name) || self.globals.contains(local.name.as_str()) {
                continue;
            }
            let fault = Fault::new(format!("the variable `{}` is never read", local.name));
            let fault = fault.hint(format!("remove it, or call it `_{}` if that is meant", local.name));
            self.report(Rule::Unused, fault, local.at);
        }
    }

    fn leave_aliases(&mut self, depth: usize) {
        let gone = self.aliases.split_off(depth.min(self.aliases.len()));
        if self.deep.is_none() {
            return;
        }
        for alias in gone.iter().filter(|alias| !alias.is_used && !alias.name.is_empty()) {
            if !self.is_blanked(&alias.name) {
                let fault = Fault::new(format!("the module `{}` is never used", alias.name));
                self.report(Rule::Unused, fault.hint("remove the import"), alias.at);
            }
        }
    }

    fn block(&mut self, statements: &[Stmt]) {
        let (depth, aliases) = (self.scope.len(), self.aliases.len());
        self.statements(statements);
        self.leave(depth);
        self.leave_aliases(aliases);
    }

    fn statements(&mut self, statements: &[Stmt]) {
        let mut ended: Option<&Stmt> = None;
        for statement in statements {
            if let Some(end) = ended.take().filter(|_| !matches!(statement, Stmt::Noop(_)) && self.deep.is_some()) {
                let fault = Fault::new(format!("this is never reached: {} before it", ending(end)));
                self.report(Rule::Unreachable, fault.hint("remove it, or move it up"), begin(statement));
            }
            self.statement(statement);
            if ends(statement) {
                ended = Some(statement);
            }
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Var(x, flags, _) => self.declare(&x.0, &x.1, *flags),
            Stmt::Assignment(x) => {
                self.plain = false;
                let kind = self.expression(&x.1.rhs);
                self.assign(&x.1.lhs, x.0.is_op_assignment(), &x.1.rhs, &kind);
            }
            Stmt::FnCall(call, position) => drop(self.call(call, *position, None)),
            Stmt::Expr(expression) => drop(self.expression(expression)),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::If(flow, _) => {
                self.condition(&flow.expr, flow.body.is_empty(), flow.branch.is_empty());
                self.block(flow.body.statements());
                self.block(flow.branch.statements());
            }
            Stmt::While(flow, _) => {
                self.condition(&flow.expr, flow.body.is_empty(), true);
                self.block(flow.body.statements());
            }
            Stmt::Do(flow, ..) => {
                self.block(flow.body.statements());
                self.expression(&flow.expr);
            }
            Stmt::For(x, _) => {
                self.plain = false;
                self.expression(&x.2.expr);
                let depth = self.scope.len();
                self.name(&x.0.name);
                x.1.iter().for_each(|counter| self.name(&counter.name));
                self.block(x.2.body.statements());
                self.leave(depth);
            }
            Stmt::TryCatch(flow, _) => {
                self.block(flow.body.statements());
                let depth = self.scope.len();
                if let Expr::Variable(x, ..) = &flow.expr {
                    self.name(&x.1);
                }
                self.block(flow.branch.statements());
                self.leave(depth);
            }
            Stmt::Switch(x, position) => {
                self.plain = false;
                self.switch(x, *position);
            }
            Stmt::Return(Some(value), ..) | Stmt::BreakLoop(Some(value), ..) => drop(self.expression(value)),
            Stmt::Import(x, position) => self.import(&x.0, &x.1.name, *position),
            Stmt::Export(x, _) => {
                self.plain = false;
                self.variable(&x.0.name, x.0.pos);
            }
            Stmt::Share(names) => names.iter().for_each(|(name, _)| {
                self.read(&name.name);
            }),
            _ => {}
        }
    }

    /// Makes a name known that is not told of.
    fn name(&mut self, name: &ImmutableString) {
        let (at, kind) = (Position::NONE, Kind::Any);
        self.scope.push(Local { name: name.clone(), at, kind, value: None, is_told: false, is_read: false });
    }

    fn declare(&mut self, name: &rhai::Ident, value: &Expr, flags: ASTFlags) {
        let mut kind = self.expression(value);
        let mut constant = None;
        if let Some(deep) = &self.deep {
            let usage = deep.usages.get(name.name.as_str());
            if usage.is_some_and(|usage| usage.is_changed) {
                kind = match kind {
                    Kind::Handle(_) => kind,
                    _ => Kind::Any,
                };
            } else if let Kind::Map(Some(keys)) = &mut kind {
                Rc::make_mut(keys).extend(usage.into_iter().flat_map(|usage| usage.keys.iter().cloned()));
            }
            let stays = usage.is_none_or(|usage| !usage.is_changed && usage.keys.is_empty());
            constant = stays.then(|| self.constant(value)).flatten();
        }
        let name = name.clone();
        let is_told = !name.name.starts_with('_') && !flags.contains(ASTFlags::EXPORTED);
        self.scope.push(Local {
            name: name.name.as_str().into(),
            at: name.pos,
            kind,
            value: constant,
            is_told,
            is_read: false,
        });
    }

    /// What is assigned to is not read by that.
    fn assign(&mut self, lhs: &Expr, with_operator: bool, value: &Expr, kind: &Kind) {
        match lhs {
            Expr::Variable(x, _, position) if x.2.is_empty() => {
                if !self.scope.iter().any(|known| known.name == x.1) {
                    self.variable(&x.1, *position);
                }
            }
            Expr::Dot(both, flags, _) => {
                let base = self.expression(&both.lhs);
                let set = (!with_operator).then_some((value, kind));
                self.chain(&base, &both.rhs, false, flags.contains(ASTFlags::BREAK), set);
            }
            Expr::Index(both, flags, _) => {
                let base = self.expression(&both.lhs);
                self.chain(&base, &both.rhs, true, flags.contains(ASTFlags::BREAK), Some((value, kind)));
            }
            other => drop(self.expression(other)),
        }
    }

    /// A condition that is always the same.
    fn condition(&mut self, expression: &Expr, is_empty: bool, has_no_other: bool) {
        self.expression(expression);
        let Expr::BoolConstant(value, position) = expression else { return };
        // `loop` is a `while` with no condition of its own.
        let is_dead = if *value { !has_no_other } else { !is_empty };
        if self.deep.is_some() && is_dead {
            let what = if *value { "what follows `else` is" } else { "what follows is" };
            let fault = Fault::new(format!("{what} never done: the condition is always {value}"));
            self.report(Rule::Unreachable, fault.hint("remove it, or write the condition that is meant"), *position);
        }
    }

    fn import(&mut self, path: &Expr, alias: &str, position: Position) {
        let Expr::StringConstant(path, at) = path else {
            let fault = Fault::new("an import names its module literally");
            self.report(Rule::Import, fault.hint("import \"std/guest\" as guest;"), position);
            return;
        };
        self.plain = false;
        let Some(deep) = &self.deep else {
            self.aliases.push(Alias { name: alias.into(), at: *at, exports: None, is_used: true });
            return;
        };
        let exports = match deep.modules.get(&self.source.name, path) {
            Ok(exports) => {
                if let Some(fault) = &exports.fault {
                    let fault = Fault::new(format!("the module `{path}` has a fault: {fault}"));
                    self.report(Rule::Import, fault, *at);
                }
                Some(exports)
            }
            Err(fault) => {
                self.report(Rule::Import, fault, *at);
                None
            }
        };
        self.aliases.push(Alias { name: alias.into(), at: *at, exports, is_used: false });
    }

    /// Rhai 1.25 takes the wrong arm for a variable that a closure captured, and for ranges after failed guards.
    fn switch(&mut self, x: &(Expr, SwitchCasesCollection), position: Position) {
        self.expression(&x.0);
        let guards = x.1.expressions.iter().any(|both| !matches!(both.lhs, Expr::BoolConstant(true, _)));
        if guards && !x.1.ranges.is_empty() {
            let fault = Fault::new("a `switch` with both ranges and conditions takes wrong arms");
            self.report(Rule::Switch, fault.hint("use `if … else if …`"), position);
        }
        if let Expr::Variable(of, _, at) = &x.0
            && of.2.is_empty()
            && self.is_captured(&of.1)
        {
            let name = &of.1;
            let fault = Fault::new(format!("a `switch` on `{name}` takes the wrong arm: a closure has captured it"));
            self.report(Rule::Switch, fault.hint(format!("let {name}_now = {name}; switch {name}_now {{ … }}")), *at);
        }
        for both in &x.1.expressions {
            self.expression(&both.lhs);
            self.expression(&both.rhs);
        }
    }

    /// Whether a closure has captured a variable of the body at hand, or this body is that closure's.
    fn is_captured(&mut self, name: &str) -> bool {
        if self.captured.is_none() {
            self.captured = Some(match &self.function {
                Some(function) if function.starts_with("anon$") => self.captures_of(function),
                _ => BTreeSet::new(),
            });
            let mut shared: BTreeSet<String> = BTreeSet::new();
            let mut look = |nodes: &[ASTNode<'_>]| {
                if let Some(ASTNode::Stmt(Stmt::Share(names))) = nodes.last() {
                    shared.extend(names.iter().map(|(name, _)| name.name.to_string()));
                }
                true
            };
            let def = self.ast.iter_fn_def().find(|def| Some(&def.name) == self.function.as_ref());
            let body = def.map_or(self.ast.statements(), |def| def.body.statements());
            for statement in body {
                statement.walk(&mut Vec::new(), &mut look);
            }
            self.captured.get_or_insert_default().extend(shared);
        }
        self.captured.as_ref().is_some_and(|captured| captured.contains(name))
    }

    /// The first parameters of a closure are what it has captured.
    fn captures_of(&self, closure: &str) -> BTreeSet<String> {
        let mut count = 0;
        self.ast.walk(&mut |nodes: &[ASTNode<'_>]| {
            let call = match nodes.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, _))) => call,
                Some(ASTNode::Stmt(Stmt::FnCall(call, _))) => call,
                _ => return true,
            };
            let is_it = |value: &Dynamic| value.read_lock::<rhai::FnPtr>().is_some_and(|of| of.fn_name() == closure);
            if call.name == "curry" && matches!(call.args.first(), Some(Expr::DynamicConstant(of, _)) if is_it(of)) {
                count = call.args.len() - 1;
            }
            true
        });
        let def = self.ast.iter_fn_def().find(|def| def.name == closure);
        def.into_iter().flat_map(|def| def.params.iter().take(count)).map(ToString::to_string).collect()
    }

    fn expression(&mut self, expression: &Expr) -> Kind {
        match expression {
            Expr::InterpolatedString(all, position) => {
                let values = all.iter().filter(|e| !matches!(e, Expr::StringConstant(..)));
                values.for_each(|e| drop(self.expression(e)));
                self.text(*position);
                Kind::Text
            }
            Expr::Array(all, _) => {
                all.iter().for_each(|e| drop(self.expression(e)));
                Kind::List
            }
            Expr::Map(map, _) => {
                map.0.iter().for_each(|(_, value)| drop(self.expression(value)));
                if self.deep.is_none() {
                    return Kind::Map(None);
                }
                Kind::map(map.0.iter().map(|(key, _)| key.name.as_str()))
            }
            Expr::Variable(x, _, position) if x.2.is_empty() => self.variable(&x.1, *position),
            Expr::Variable(x, _, position) => {
                self.value_of_module(x.2.root(), &x.1, *position);
                Kind::Any
            }
            Expr::FnCall(call, position) => self.call(call, *position, None),
            Expr::MethodCall(call, position) => self.call(call, *position, Some(&Kind::Any)),
            Expr::Dot(both, flags, _) => {
                if let Some(kind) = self.of_module(both) {
                    return kind;
                }
                let base = self.expression(&both.lhs);
                let is_literal = matches!(both.lhs, Expr::IntegerConstant(..));
                if !(is_literal && matches!(both.rhs, Expr::Property(..))) {
                    return self.chain(&base, &both.rhs, false, flags.contains(ASTFlags::BREAK), None);
                }
                let Expr::Property(property, position) = &both.rhs else { return Kind::Any };
                self.unit(&property.2, *position);
                Kind::Number
            }
            Expr::Property(..) => {
                self.plain = false;
                Kind::Any
            }
            Expr::Index(both, flags, _) => {
                let base = self.expression(&both.lhs);
                self.chain(&base, &both.rhs, true, flags.contains(ASTFlags::BREAK), None)
            }
            Expr::And(all, _) | Expr::Or(all, _) => {
                all.iter().for_each(|e| drop(self.expression(e)));
                Kind::Flag
            }
            Expr::Coalesce(all, _) => {
                all.iter().for_each(|e| drop(self.expression(e)));
                Kind::Any
            }
            Expr::Stmt(block) => {
                self.block(block.statements());
                Kind::Any
            }
            Expr::BoolConstant(..) => Kind::Flag,
            Expr::IntegerConstant(..) => Kind::Number,
            Expr::StringConstant(_, position) => {
                self.text(*position);
                Kind::Text
            }
            Expr::Unit(_) => Kind::Unit,
            Expr::DynamicConstant(value, _) if value.is_fnptr() => Kind::Closure,
            _ => Kind::Any,
        }
    }

    /// What is read of a value, link by link: `a.b[c].d()`. What is set is the last link.
    fn chain(&mut self, base: &Kind, link: &Expr, is_index: bool, is_last: bool, set: Option<(&Expr, &Kind)>) -> Kind {
        match link {
            Expr::Dot(both, flags, _) if !is_last => {
                let next = self.link(base, &both.lhs, is_index, None);
                self.chain(&next, &both.rhs, false, flags.contains(ASTFlags::BREAK), set)
            }
            Expr::Index(both, flags, _) if !is_last => {
                let next = self.link(base, &both.lhs, is_index, None);
                self.chain(&next, &both.rhs, true, flags.contains(ASTFlags::BREAK), set)
            }
            link => self.link(base, link, is_index, set),
        }
    }

    fn link(&mut self, base: &Kind, link: &Expr, is_index: bool, set: Option<(&Expr, &Kind)>) -> Kind {
        if is_index {
            self.plain = false;
            self.expression(link);
            return Kind::Any;
        }
        match link {
            Expr::Property(property, position) => {
                self.plain = false;
                self.property(base, &property.2, *position, set)
            }
            Expr::MethodCall(call, position) => self.call(call, *position, Some(base)),
            other => self.expression(other),
        }
    }

    fn property(&mut self, base: &Kind, name: &str, position: Position, set: Option<(&Expr, &Kind)>) -> Kind {
        if self.deep.is_none() {
            return Kind::Any;
        }
        let known: Vec<&str> = match base {
            Kind::Handle(of) => {
                if let (Some((value, _)), "Vm") = (set, *of) {
                    self.set_of_machine(name, value, position);
                }
                kinds::properties(of, set.is_some())
            }
            Kind::Map(Some(keys)) if set.is_none() => {
                if !keys.contains(name) {
                    let fault = Fault::new(format!("the map has no key `{name}`"));
                    let fault = fault.hint(format!("`\"{name}\" in map` asks whether it has"));
                    let fault = fault.maybe_hint(suggest::did_you_mean(name, keys.iter().map(ImmutableString::as_str)));
                    self.report(Rule::UnknownKey, fault, position);
                }
                return Kind::Any;
            }
            Kind::Number if words::UNITS.iter().any(|(unit, _)| *unit == name) => return Kind::Number,
            Kind::Flag | Kind::Number | Kind::Text | Kind::List | Kind::Closure if set.is_none() => {
                builtins().getters.iter().map(String::as_str).collect()
            }
            _ => return Kind::Any,
        };
        if known.contains(&name) {
            return kinds::property(base, name);
        }
        let what = if set.is_some() { "property to set" } else { "property" };
        let fault = Fault::new(format!("{} has no {what} `{name}`", base.article()));
        let list = matches!(base, Kind::Handle(_)).then(|| suggest::list(known.iter().copied()));
        let list = list.filter(|list| !list.is_empty()).map(|list| format!("it has {list}"));
        let fault = fault.maybe_hint(list).maybe_hint(suggest::did_you_mean(name, known));
        self.report(Rule::UnknownProperty, fault, position);
        Kind::Any
    }

    /// A literal that is set as a key of a machine.
    fn set_of_machine(&mut self, name: &str, value: &Expr, position: Position) {
        let value = self.constant(value);
        let (Some(deep), Some(value)) = (&self.deep, value) else { return };
        self.found.extend(deep.trial.key(name, &value, position));
    }

    /// `20.Gib`: the only thing that a number literal can have is a unit.
    fn unit(&mut self, name: &str, position: Position) {
        let units = || words::UNITS.iter().map(|(unit, _)| *unit);
        if !units().any(|unit| unit == name) {
            let fault = Fault::new(format!("a number has no property `{name}`"));
            let fault = fault.hint(format!("sizes have {}", suggest::list(units())));
            let fault = fault.maybe_hint(suggest::did_you_mean(name, units()));
            self.report(Rule::UnknownProperty, fault, position);
        }
    }

    /// Notes that a variable is read.
    fn read(&mut self, name: &str) -> Option<Kind> {
        let local = self.scope.iter_mut().rfind(|known| known.name == name)?;
        local.is_read = true;
        Some(local.kind.clone())
    }

    fn variable(&mut self, name: &str, position: Position) -> Kind {
        if let Some(kind) = self.read(name) {
            return kind;
        }
        let facts = || words::variables().iter().map(|(name, _)| *name);
        if facts().any(|fact| fact == name) {
            if self.role == Role::Library {
                let fault = Fault::new(format!("`{name}` is the recipe's: a library sees only what it is given"));
                self.report(Rule::Library, fault.hint("take it as an argument"), position);
            }
            return kinds::fact(name);
        }
        if self.is_blanked(name) {
            return Kind::Any;
        }
        let candidates = self.scope.iter().map(|known| known.name.as_str()).chain(facts());
        let fault = Fault::new(format!("there is no variable `{name}`"));
        let fault = fault.maybe_hint(suggest::did_you_mean(name, candidates)).maybe_hint(habits::name(name));
        self.report(Rule::UnknownName, fault, position);
        Kind::Any
    }

    /// A text that is written out.
    fn text(&mut self, position: Position) {
        if self.deep.is_none() {
            return;
        }
        let place = source::token(self.source, position);
        let facts = || words::variables().iter().map(|(name, _)| *name);
        let is_known = |name: &str| self.scope.iter().any(|local| local.name == name) || facts().any(|of| of == name);
        let written = source::slice(self.source, place.span);
        if let Some(fault) = habits::literal(written, &is_known) {
            // What was to be put in was to be read.
            let named: Vec<String> = habits::interpolated(written).map(String::from).collect();
            named.iter().for_each(|name| drop(self.read(name)));
            self.report(Rule::Text, fault, position);
        }
    }

    /// A module whose function is called as that of a value, `guest.debian(…)`, and what is read of that.
    fn of_module(&mut self, both: &rhai::BinaryExpr) -> Option<Kind> {
        let (first, rest) = match &both.rhs {
            Expr::Dot(chain, flags, _) => (&chain.lhs, Some((chain, false, flags))),
            Expr::Index(chain, flags, _) => (&chain.lhs, Some((chain, true, flags))),
            only => (only, None),
        };
        let (Expr::Variable(x, _, position), Expr::MethodCall(call, _)) = (&both.lhs, first) else { return None };
        if !x.2.is_empty() || !self.is_module(&x.1, &call.name, *position) {
            return None;
        }
        call.args.iter().for_each(|arg| drop(self.expression(arg)));
        if let Some((chain, is_index, flags)) = rest {
            return Some(self.chain(&Kind::Any, &chain.rhs, is_index, flags.contains(ASTFlags::BREAK), None));
        }
        Some(Kind::Any)
    }

    /// Tells of a name that is a module's, if it is.
    fn is_module(&mut self, name: &str, function: &str, position: Position) -> bool {
        let (is_local, id) = (self.scope.iter().any(|known| known.name == name), format!("std/{name}"));
        let is_standard = modules::STDLIB.iter().any(|(known, _)| *known == id) && !self.is_blanked(name);
        let alias = self.aliases.iter_mut().rfind(|alias| alias.name == name).filter(|_| !is_local);
        let hint = match alias {
            Some(alias) => {
                alias.is_used = true;
                format!("write {name}::{function}(…)")
            }
            None if is_standard && !is_local => {
                format!("import \"{id}\" as {name}; then write {name}::{function}(…)")
            }
            None => return false,
        };
        let fault = Fault::new(format!("`{name}` is a module: its functions are called by `::`"));
        self.report(Rule::UnknownName, fault.hint(hint), position);
        true
    }

    /// `module::NAME`, or `global::NAME`, which is a constant of the text's own.
    fn value_of_module(&mut self, module: &str, name: &str, position: Position) {
        if module == "global" {
            self.globals.insert(name.into());
            return;
        }
        let Some(exports) = self.module(module, position) else { return };
        if !exports.values.iter().any(|known| known == name) {
            let fault = Fault::new(format!("the module `{module}` has no value `{name}`"));
            let known = exports.values.iter().map(String::as_str);
            self.report(Rule::UnknownName, fault.maybe_hint(suggest::did_you_mean(name, known)), position);
        }
    }

    /// Returns what the module of that name offers, if that is known; an unknown name is reported.
    fn module(&mut self, name: &str, position: Position) -> Option<Rc<Exports>> {
        self.deep.as_ref()?;
        if let Some(alias) = self.aliases.iter_mut().rfind(|alias| alias.name == name) {
            alias.is_used = true;
            return alias.exports.clone();
        }
        if !self.is_blanked(name) {
            let known = self.aliases.iter().map(|alias| alias.name.as_str());
            let fault = Fault::new(format!("no module was imported as `{name}`"));
            let fault = fault.hint(if modules::STDLIB.iter().any(|(id, _)| *id == format!("std/{name}")) {
                format!("add an import: import \"std/{name}\" as {name};")
            } else {
                format!("add an import: import \"./{name}\" as {name}; for {name}.rhai beside this file")
            });
            self.report(Rule::UnknownName, fault.maybe_hint(suggest::did_you_mean(name, known)), position);
        }
        None
    }

    /// `module::function(…)`.
    fn call_of_module(&mut self, call: &FnCallExpr, position: Position) {
        let module = call.namespace.root();
        // The name of the function stands behind that of the module.
        let Some(exports) = self.module(module, call.namespace.position()) else { return };
        let (name, given) = (call.name.as_str(), call.args.len());
        let Some(forms) = exports.functions.get(name) else {
            let known = exports.functions.keys().map(String::as_str);
            let fault = Fault::new(format!("the module `{module}` has no function `{name}`"));
            let fault = fault.maybe_hint(suggest::did_you_mean(name, known));
            return self.report(Rule::UnknownName, fault, position);
        };
        if !forms.iter().any(|params| params.len() == given) {
            let usage = |params: &Vec<String>| format!("`{module}::{name}({})`", params.join(", "));
            let usages: Vec<String> = forms.iter().map(usage).collect();
            let fault = Fault::new(format!("`{module}::{name}` does not take {}", arguments(given)));
            self.report(Rule::Arguments, fault.hint(format!("write {}", usages.join(" or "))), position);
        }
    }

    fn call(&mut self, call: &FnCallExpr, position: Position, on: Option<&Kind>) -> Kind {
        let kinds: Vec<Kind> = call.args.iter().map(|arg| self.expression(arg)).collect();
        self.plain &= call.op_token.is_none();
        if call.is_qualified() {
            self.call_of_module(call, position);
            return Kind::Any;
        }
        // Rhai writes it where a closure captures a variable; nobody else may.
        let is_written = on.is_some() || !matches!(call.args.first(), Some(Expr::DynamicConstant(..)));
        if call.name == "curry" && is_written {
            let fault =
                Fault::new("there is no `curry`").hint("a closure takes along what it names: `|x| f.call(a, x)`");
            self.report(Rule::UnknownName, fault, position);
            return Kind::Closure;
        }
        if call.op_token.is_some() || call.name.starts_with("anon$") || call.name == "curry" {
            return if call.name == "curry" { Kind::Closure } else { Kind::Any };
        }
        let (name, given, method) = (call.name.as_str(), call.args.len(), on.is_some());
        let rows: Vec<Row> = words::all().filter(|row| row.is_named(name)).collect();
        self.plain &= !rows.is_empty();
        self.literal_keys(&rows, call);
        let fits = |row: &&Row| (row.arity().0..=row.arity().1).contains(&given);
        if self.functions.get(name).is_some_and(|arities| arities.contains(&given)) {
            return Kind::Any;
        }
        if let Some(row) = rows.iter().find(|row| fits(row) && (kinds::on(**row).is_some() == method)) {
            return self.word(*row, call, position, &kinds, on.unwrap_or(&Kind::Any));
        }
        if rows.iter().any(|row| fits(&row)) {
            return Kind::Any;
        }
        // A variable that holds a closure is called like a function.
        if self.read(name).is_some() || self.is_blanked(name) {
            return Kind::Any;
        }
        let total = given + usize::from(method);
        let arities = builtins().functions.get(name);
        if arities.is_some_and(|arities| arities.contains(&total) || method) {
            return Kind::Any;
        }
        let known = !rows.is_empty() || self.functions.contains_key(name) || arities.is_some();
        if known {
            let usages = words::usages(name);
            let fault = Fault::new(format!("`{name}` does not take {}", arguments(given)));
            let hint = (!usages.is_empty()).then(|| format!("write {}", usages.join(" or ")));
            self.report(Rule::Arguments, fault.maybe_hint(hint), position);
        } else {
            let own = words::names();
            let candidates = own.iter().copied().chain(self.functions.keys().map(String::as_str));
            let candidates: Vec<&str> = candidates.chain(builtins().functions.keys().map(String::as_str)).collect();
            let what = if method { "method" } else { "function" };
            let fault = Fault::new(format!("there is no {what} `{name}`"));
            self.report(Rule::UnknownName, fault.maybe_hint(suggest::did_you_mean(name, candidates)), position);
        }
        Kind::Any
    }

    /// A call of a word, with a number of arguments that it takes.
    fn word(&mut self, row: Row, call: &FnCallExpr, position: Position, kinds: &[Kind], on: &Kind) -> Kind {
        if self.deep.is_none() {
            return Kind::Any;
        }
        let builtin = || builtins().functions.contains_key(call.name.as_str());
        if let (Some(wanted), false) = (kinds::on(row), matches!(on, Kind::Any))
            && *on != Kind::Handle(wanted)
            && !builtin()
        {
            let fault = Fault::new(format!("{} has no method `{}`", on.article(), call.name));
            let fault = fault.hint(format!("it is called on {}: `{}`", Kind::Handle(wanted).article(), row.usage()));
            self.report(Rule::UnknownProperty, fault, position);
            return Kind::Any;
        }
        let partial: Vec<Dynamic> = call.args.iter().map(|arg| self.partial(arg)).collect();
        if let Some(deep) = &self.deep {
            let is_known = |e: &Expr| self.constant(e).is_some();
            let known = Known { partial: &partial, kinds, whole: &is_known };
            let room = FINDINGS.saturating_sub(self.found.len());
            self.found.extend(deep.trial.call(row, call, position, &known).into_iter().take(room));
        }
        if row.is_named("param") {
            // A default that is no text decides what the parameter is.
            return kinds.get(1).filter(|kind| matches!(kind, Kind::Number | Kind::Flag)).cloned().unwrap_or(Kind::Any);
        }
        kinds::returned(row)
    }

    /// The keys of a map that is written out as a word's argument.
    fn literal_keys(&mut self, rows: &[Row], call: &FnCallExpr) {
        let Some(known) = rows.iter().map(|row| row.options()).find(|options| !options.is_empty()) else { return };
        let Some(Expr::Map(map, _)) = call.args.last() else { return };
        for (key, _) in map.0.iter().filter(|(key, _)| !known.iter().any(|(name, _)| *name == key.name.as_str())) {
            let raised = words::unknown_key(&key.name, &known.iter().map(|(name, _)| *name).collect::<Vec<_>>());
            self.report(Rule::UnknownKey, raised.fault, key.pos);
        }
    }

    /// Returns what an expression always is, if that is known.
    fn constant(&self, expression: &Expr) -> Option<Dynamic> {
        self.evaluated(expression, false)
    }

    /// Returns what is known of an expression: what is not is `()`, in lists and maps as well.
    fn partial(&self, expression: &Expr) -> Dynamic {
        self.evaluated(expression, true).unwrap_or(Dynamic::UNIT)
    }

    fn evaluated(&self, expression: &Expr, partly: bool) -> Option<Dynamic> {
        let inner = |e: &Expr| if partly { Some(self.partial(e)) } else { self.constant(e) };
        Some(match expression {
            Expr::BoolConstant(value, _) => (*value).into(),
            Expr::IntegerConstant(value, _) => (*value).into(),
            Expr::FloatConstant(value, _) => (**value).into(),
            Expr::CharConstant(value, _) => (*value).into(),
            Expr::StringConstant(value, _) => value.clone().into(),
            Expr::Unit(_) => Dynamic::UNIT,
            Expr::Array(all, _) => all.iter().map(inner).collect::<Option<rhai::Array>>()?.into(),
            Expr::Map(map, _) => {
                let pair = |(key, value): &(rhai::Ident, Expr)| Some((key.name.as_str().into(), inner(value)?));
                map.0.iter().map(pair).collect::<Option<rhai::Map>>()?.into()
            }
            Expr::Dot(both, ..) => match (&both.lhs, &both.rhs) {
                (Expr::IntegerConstant(number, _), Expr::Property(unit, _)) => {
                    let (_, shift) = words::UNITS.iter().find(|(name, _)| *name == unit.2.as_str())?;
                    number.checked_mul(1 << shift)?.into()
                }
                _ => return None,
            },
            Expr::Variable(x, ..) if x.2.is_empty() => {
                let local = self.scope.iter().rfind(|known| known.name == x.1)?;
                local.value.clone()?
            }
            _ => return None,
        })
    }
}

fn arguments(number: usize) -> String {
    format!("{number} argument{}", if number == 1 { "" } else { "s" })
}

/// Returns whether nothing that follows a statement in its block is ever done.
fn ends(statement: &Stmt) -> bool {
    match statement {
        Stmt::Return(..) | Stmt::BreakLoop(..) => true,
        Stmt::FnCall(call, _) => call.name == "exit" && !call.is_qualified(),
        Stmt::Expr(expression) => match &**expression {
            Expr::FnCall(call, _) => call.name == "exit" && !call.is_qualified(),
            _ => false,
        },
        Stmt::Block(block) => block.statements().iter().any(ends),
        Stmt::If(flow, _) => flow.body.statements().iter().any(ends) && flow.branch.statements().iter().any(ends),
        // A loop without a condition ends by `break` alone.
        Stmt::While(flow, _) => {
            matches!(flow.expr, Expr::Unit(_) | Expr::BoolConstant(true, _))
                && !flow.body.statements().iter().any(breaks)
        }
        _ => false,
    }
}

/// Returns whether a statement of a loop may end that loop.
fn breaks(statement: &Stmt) -> bool {
    match statement {
        Stmt::BreakLoop(_, flags, _) => flags.contains(ASTFlags::BREAK),
        Stmt::Block(block) => block.statements().iter().any(breaks),
        Stmt::If(flow, _) | Stmt::TryCatch(flow, _) => {
            flow.body.statements().iter().chain(flow.branch.statements()).any(breaks)
        }
        // An arm, or a block that is an expression: one has to look closely.
        Stmt::While(..) | Stmt::Do(..) | Stmt::For(..) => false,
        other => {
            let mut found = false;
            other.walk(&mut Vec::new(), &mut |nodes: &[ASTNode<'_>]| {
                let is_break = |flags: &ASTFlags| flags.contains(ASTFlags::BREAK);
                found |= matches!(nodes.last(), Some(ASTNode::Stmt(Stmt::BreakLoop(_, flags, _))) if is_break(flags));
                true
            });
            found
        }
    }
}

/// Says what ends a block.
fn ending(statement: &Stmt) -> &'static str {
    match statement {
        Stmt::Return(_, flags, _) if flags.contains(ASTFlags::BREAK) => "there is a `throw`",
        Stmt::Return(..) => "there is a `return`",
        Stmt::BreakLoop(_, flags, _) if flags.contains(ASTFlags::BREAK) => "there is a `break`",
        Stmt::BreakLoop(..) => "there is a `continue`",
        Stmt::FnCall(..) | Stmt::Expr(_) => "there is an `exit`",
        Stmt::While(..) => "there is a loop without an end",
        _ => "every way ends",
    }
}

/// Returns where a statement begins.
fn begin(statement: &Stmt) -> Position {
    match statement {
        Stmt::Expr(expression) => expression.start_position(),
        Stmt::Assignment(both) => both.1.lhs.start_position(),
        // What a closure captures is made ready before the statement with the closure.
        other => other.position(),
    }
}

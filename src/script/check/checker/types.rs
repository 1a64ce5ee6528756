//! Expressions: of which kind each is, and what is asked of values that have no such thing.

use super::names::arguments;
use super::{Checker, FINDINGS};
use crate::diag::{Fault, suggest};
use crate::script::check::builtins::builtins;
use crate::script::check::kinds::{self, ValueKind};
use crate::script::check::literal::Known;
use crate::script::check::{Role, Rule};
use crate::script::handle::Handle;
use crate::script::words::{self, Row};
use rhai::{ASTFlags, BinaryExpr, Dynamic, Expr, FnCallExpr, ImmutableString, Position};

impl Checker<'_> {
    pub(super) fn expression(&mut self, expression: &Expr) -> ValueKind {
        match expression {
            Expr::InterpolatedString(all, position) => {
                let values = all.iter().filter(|e| !matches!(e, Expr::StringConstant(..)));
                values.for_each(|e| drop(self.expression(e)));
                self.text(*position);
                ValueKind::Text
            }
            Expr::Array(all, _) => {
                all.iter().for_each(|e| drop(self.expression(e)));
                ValueKind::List
            }
            Expr::Map(map, _) => {
                map.0.iter().for_each(|(_, value)| drop(self.expression(value)));
                if self.deep.is_none() {
                    return ValueKind::Map(None);
                }
                ValueKind::map(map.0.iter().map(|(key, _)| key.name.as_str()))
            }
            Expr::Variable(x, _, position) if x.2.is_empty() => self.variable(&x.1, *position),
            Expr::Variable(x, _, position) => {
                self.value_of_module(x.2.root(), &x.1, *position);
                ValueKind::Any
            }
            Expr::FnCall(call, position) => self.call(call, *position, None),
            Expr::MethodCall(call, position) => self.call(call, *position, Some(&ValueKind::Any)),
            Expr::Dot(both, flags, _) => self.dot(both, flags.contains(ASTFlags::BREAK)),
            Expr::Property(..) => {
                self.words = None;
                ValueKind::Any
            }
            Expr::Index(both, flags, _) => {
                let base = self.expression(&both.lhs);
                self.chain(&base, &both.rhs, true, flags.contains(ASTFlags::BREAK), None)
            }
            Expr::And(all, _) | Expr::Or(all, _) => {
                all.iter().for_each(|e| drop(self.expression(e)));
                ValueKind::Flag
            }
            Expr::Coalesce(all, _) => {
                all.iter().for_each(|e| drop(self.expression(e)));
                ValueKind::Any
            }
            Expr::Stmt(block) => {
                self.block(block.statements());
                ValueKind::Any
            }
            constant => self.written(constant),
        }
    }

    /// What is read of a value by its name: `20.GiB`, `vm.name`, `guest.debian(…)`.
    fn dot(&mut self, both: &BinaryExpr, is_last: bool) -> ValueKind {
        if let Some(kind) = self.of_module(both) {
            return kind;
        }
        let base = self.expression(&both.lhs);
        let is_literal = matches!(both.lhs, Expr::IntegerConstant(..));
        if !(is_literal && matches!(both.rhs, Expr::Property(..))) {
            return self.chain(&base, &both.rhs, false, is_last, None);
        }
        let Expr::Property(property, position) = &both.rhs else { return ValueKind::Any };
        self.unit(&property.2, *position);
        ValueKind::Number
    }

    /// The kind of what is written out.
    fn written(&mut self, constant: &Expr) -> ValueKind {
        match constant {
            Expr::BoolConstant(..) => ValueKind::Flag,
            Expr::IntegerConstant(..) => ValueKind::Number,
            Expr::StringConstant(_, position) => {
                self.text(*position);
                ValueKind::Text
            }
            Expr::Unit(_) => ValueKind::Unit,
            Expr::DynamicConstant(value, _) if value.is_fnptr() => ValueKind::Closure,
            _ => ValueKind::Any,
        }
    }

    /// What is read of a value, link by link: `a.b[c].d()`. What is set is the last link.
    pub(super) fn chain(
        &mut self,
        base: &ValueKind,
        link: &Expr,
        is_index: bool,
        is_last: bool,
        set: Option<(&Expr, &ValueKind)>,
    ) -> ValueKind {
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

    fn link(&mut self, base: &ValueKind, link: &Expr, is_index: bool, set: Option<(&Expr, &ValueKind)>) -> ValueKind {
        if is_index {
            self.words = None;
            self.expression(link);
            return ValueKind::Any;
        }
        match link {
            Expr::Property(property, position) => {
                self.words = None;
                self.property(base, &property.2, *position, set)
            }
            Expr::MethodCall(call, position) => self.call(call, *position, Some(base)),
            other => self.expression(other),
        }
    }

    fn property(
        &mut self,
        base: &ValueKind,
        name: &str,
        position: Position,
        set: Option<(&Expr, &ValueKind)>,
    ) -> ValueKind {
        if self.deep.is_none() {
            return ValueKind::Any;
        }
        let known: Vec<&str> = match base {
            ValueKind::Handle(of) => {
                if let (Some((value, _)), Handle::Vm) = (set, *of) {
                    self.set_of_machine(name, value, position);
                }
                of.properties(set.is_some())
            }
            ValueKind::Map(Some(keys)) if set.is_none() => {
                if !keys.contains(name) {
                    let fault = Fault::new(format!("the map has no key `{name}`"));
                    let fault = fault.hint(format!("`\"{name}\" in map` asks whether it has"));
                    let fault = fault.did_you_mean(name, keys.iter().map(ImmutableString::as_str));
                    self.report(Rule::UnknownKey, fault, position);
                }
                return ValueKind::Any;
            }
            ValueKind::Number if words::UNITS.iter().any(|(unit, _)| *unit == name) => return ValueKind::Number,
            ValueKind::Flag | ValueKind::Number | ValueKind::Text | ValueKind::List | ValueKind::Closure
                if set.is_none() =>
            {
                builtins().getters.iter().map(String::as_str).collect()
            }
            ValueKind::Any
            | ValueKind::Unit
            | ValueKind::Flag
            | ValueKind::Number
            | ValueKind::Text
            | ValueKind::List
            | ValueKind::Map(_)
            | ValueKind::Closure => return ValueKind::Any,
        };
        if known.contains(&name) {
            let ValueKind::Handle(of) = base else { return ValueKind::Any };
            return kinds::of(of.property(name), &[]);
        }
        let what = if set.is_some() { "property to set" } else { "property" };
        let fault = Fault::new(format!("{} has no {what} `{name}`", base.article()));
        let list = matches!(base, ValueKind::Handle(_)).then(|| suggest::list(known.iter().copied()));
        let list = list.filter(|list| !list.is_empty()).map(|list| format!("it has {list}"));
        let fault = fault.maybe_hint(list).did_you_mean(name, known);
        self.report(Rule::UnknownProperty, fault, position);
        ValueKind::Any
    }

    /// `20.Gib`: the only thing that a number literal can have is a unit.
    fn unit(&mut self, name: &str, position: Position) {
        let units = || words::UNITS.iter().map(|(unit, _)| *unit);
        if !units().any(|unit| unit == name) {
            let fault = Fault::new(format!("a number has no property `{name}`"));
            let fault = fault.hint(format!("sizes have {}", suggest::list(units())));
            let fault = fault.did_you_mean(name, units());
            self.report(Rule::UnknownProperty, fault, position);
        }
    }

    pub(super) fn call(&mut self, call: &FnCallExpr, position: Position, on: Option<&ValueKind>) -> ValueKind {
        let kinds: Vec<ValueKind> = call.args.iter().map(|arg| self.expression(arg)).collect();
        if call.op_token.is_some() {
            self.words = None;
        }
        if call.is_qualified() {
            self.call_of_module(call, position);
            return ValueKind::Any;
        }
        // Rhai writes it where a closure captures a variable; nobody else may.
        let is_written = on.is_some() || !matches!(call.args.first(), Some(Expr::DynamicConstant(..)));
        if call.name == "curry" && is_written {
            let fault =
                Fault::new("there is no `curry`").hint("a closure takes along what it names: `|x| f.call(a, x)`");
            self.report(Rule::UnknownName, fault, position);
            return ValueKind::Closure;
        }
        if call.op_token.is_some() || call.name.starts_with("anon$") || call.name == "curry" {
            return if call.name == "curry" { ValueKind::Closure } else { ValueKind::Any };
        }
        let (name, given, method) = (call.name.as_str(), call.args.len(), on.is_some());
        let rows: Vec<Row> = words::all().filter(|row| row.is_named(name)).collect();
        self.words = self.words.take().filter(|_| !rows.is_empty());
        self.words.iter_mut().for_each(|words| words.extend(rows.iter().map(|row| row.name())));
        self.literal_keys(&rows, call);
        let fits = |row: &&Row| (row.arity().0..=row.arity().1).contains(&given);
        if self.functions.get(name).is_some_and(|arities| arities.contains(&given)) {
            return ValueKind::Any;
        }
        if self.role == Role::Test && !method && !rows.is_empty() {
            let fault = Fault::new(format!("`{name}` is a word of recipes, and a test only runs them"));
            self.report(
                Rule::UnknownName,
                fault.hint("let ran = recipe(\"web.rhai\"); runs one; the name of a recipe does not end in _test.rhai"),
                position,
            );
            return ValueKind::Any;
        }
        if let Some(row) = rows.iter().find(|row| fits(row) && (row.on().is_some() == method)) {
            return self.word(*row, call, position, &kinds, on.unwrap_or(&ValueKind::Any));
        }
        if rows.iter().any(|row| fits(&row)) {
            return ValueKind::Any;
        }
        // A variable that holds a closure is called like a function.
        if self.read(name).is_some() || self.is_blanked(name) {
            return ValueKind::Any;
        }
        self.of_rhai(&rows, call, position, method);
        ValueKind::Any
    }

    /// A call of what neither the recipe language nor the text has: Rhai's own function, or a fault.
    fn of_rhai(&mut self, rows: &[Row], call: &FnCallExpr, position: Position, method: bool) {
        let (name, given) = (call.name.as_str(), call.args.len());
        let total = given + usize::from(method);
        let arities = builtins().functions.get(name);
        if arities.is_some_and(|arities| arities.contains(&total) || method) {
            return;
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
            self.report(Rule::UnknownName, fault.did_you_mean(name, candidates), position);
        }
    }

    /// A call of a word, with a number of arguments that it takes.
    fn word(
        &mut self,
        row: Row,
        call: &FnCallExpr,
        position: Position,
        kinds: &[ValueKind],
        on: &ValueKind,
    ) -> ValueKind {
        if self.deep.is_none() {
            return ValueKind::Any;
        }
        let builtin = || builtins().functions.contains_key(call.name.as_str());
        if let (Some(wanted), false) = (row.on(), matches!(on, ValueKind::Any))
            && *on != ValueKind::Handle(wanted)
            && !builtin()
        {
            let fault = Fault::new(format!("{} has no method `{}`", on.article(), call.name));
            let fault = fault.hint(format!("it is called on {}: `{}`", wanted.article(), row.usage()));
            self.report(Rule::UnknownProperty, fault, position);
            return ValueKind::Any;
        }
        let partial: Vec<Dynamic> = call.args.iter().map(|arg| self.partial(arg)).collect();
        if let Some(deep) = &self.deep {
            let is_known = |e: &Expr| self.constant(e).is_some();
            let known = Known { partial: &partial, kinds, whole: &is_known };
            let room = FINDINGS.saturating_sub(self.found.len());
            self.found.extend(deep.trial.call(row, call, position, &known).into_iter().take(room));
        }
        kinds::of(row.returns(), kinds)
    }
}

//! Names: which are known where, what is never read, and what modules offer.

use super::{Alias, Checker, Local};
use crate::diag::{Fault, Fix};
use crate::script::check::exports::Exports;
use crate::script::check::kinds::{self, ValueKind};
use crate::script::check::{Role, Rule};
use crate::script::{habits, modules, words};
use rhai::{ASTFlags, Expr, FnCallExpr, ImmutableString, Position, Stmt};
use std::rc::Rc;

impl Checker<'_> {
    /// Whether nothing can be said of a name, because it stands in what did not parse.
    pub(super) fn is_blanked(&self, name: &str) -> bool {
        self.deep.as_ref().is_some_and(|deep| deep.blanked.iter().any(|blanked| blanked == name))
    }

    /// Ends the life of the names from there on.
    pub(super) fn leave(&mut self, depth: usize) {
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

    pub(super) fn leave_aliases(&mut self, depth: usize) {
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

    /// Makes a name known that is not told of.
    pub(super) fn name(&mut self, name: &ImmutableString) {
        let (at, kind) = (Position::NONE, ValueKind::Any);
        self.scope.push(Local { name: name.clone(), at, kind, value: None, is_told: false, is_read: false });
    }

    pub(super) fn declare(&mut self, name: &rhai::Ident, value: &Expr, flags: ASTFlags) {
        let mut kind = self.expression(value);
        let mut constant = None;
        if let Some(deep) = &self.deep {
            let usage = deep.usages.get(name.name.as_str());
            if usage.is_some_and(|usage| usage.is_changed) {
                kind = match kind {
                    ValueKind::Handle(_) => kind,
                    ValueKind::Any
                    | ValueKind::Unit
                    | ValueKind::Flag
                    | ValueKind::Number
                    | ValueKind::Text
                    | ValueKind::List
                    | ValueKind::Map(_)
                    | ValueKind::Closure => ValueKind::Any,
                };
            } else if let ValueKind::Map(Some(keys)) = &mut kind {
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
    pub(super) fn assign(&mut self, lhs: &Expr, with_operator: bool, value: &Expr, kind: &ValueKind) {
        match lhs {
            Expr::Variable(x, _, position) if x.2.is_empty() => {
                let is_known = self.scope.iter().any(|known| known.name == x.1);
                if !is_known && !with_operator && self.is_nothing(&x.1) {
                    let fault = Fault::new(format!("there is no variable `{}`", x.1));
                    let names = self.scope.iter().map(|known| known.name.as_str());
                    let fault = fault.hint(format!("a variable begins with `let`: let {} = …;", x.1));
                    let fault = fault.did_you_mean(&x.1, names);
                    self.report(Rule::UnknownName, fault, *position);
                    // Whoever is told so once knows it of what follows.
                    self.name(&x.1);
                } else if !is_known {
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

    pub(super) fn import(&mut self, path: &Expr, alias: &str, position: Position) {
        let Expr::StringConstant(path, at) = path else {
            let fault = Fault::new("an import names its module literally");
            self.report(Rule::Import, fault.hint("import \"std/guest\" as guest;"), position);
            return;
        };
        self.words = None;
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

    /// Notes that a variable is read.
    pub(super) fn read(&mut self, name: &str) -> Option<ValueKind> {
        let local = self.scope.iter_mut().rfind(|known| known.name == name)?;
        local.is_read = true;
        Some(local.kind.clone())
    }

    pub(super) fn variable(&mut self, name: &str, position: Position) -> ValueKind {
        if let Some(kind) = self.read(name) {
            return kind;
        }
        let facts = || words::variables().iter().map(|(name, _)| *name);
        if facts().any(|fact| fact == name) {
            if self.role == Role::Test {
                let fault = Fault::new(format!("`{name}` is the recipe's: a test says how it is run"));
                self.report(Rule::UnknownName, fault.hint("recipe(\"web.rhai\", #{ init: true })"), position);
            }
            if self.role == Role::Library {
                let fault = Fault::new(format!("`{name}` is the recipe's: a library sees only what it is given"));
                self.report(Rule::Library, fault.hint("take it as an argument"), position);
            }
            return kinds::fact(name);
        }
        if self.is_blanked(name) {
            return ValueKind::Any;
        }
        let candidates = self.scope.iter().map(|known| known.name.as_str()).chain(facts());
        let fault = Fault::new(format!("there is no variable `{name}`"));
        let other =
            || format!("a variable begins with `let`: let {name} = …; a text stands in double quotes: \"{name}\"");
        let known = self.of_text(name).or_else(|| habits::name(name)).or_else(|| as_word(name));
        let fault = match known {
            Some(hint) => fault.hint(hint),
            None => fault.hint(other()).did_you_mean(name, candidates),
        };
        self.report(Rule::UnknownName, fault, position);
        ValueKind::Any
    }

    /// Says how a function has a variable that the text has, which it does not see.
    fn of_text(&self, name: &str) -> Option<String> {
        let is_its = |stmt: &Stmt| matches!(stmt, Stmt::Var(x, ..) if x.0.name == name);
        let is_hidden = self.function.is_some() && self.ast.statements().iter().any(is_its);
        is_hidden.then(|| format!("a function sees its own parameters alone: make `{name}` one of them"))
    }

    /// Whether nothing has a name that the checker could know.
    fn is_nothing(&self, name: &str) -> bool {
        !words::variables().iter().any(|(fact, _)| *fact == name) && !self.is_blanked(name)
    }

    /// A module whose function is called as that of a value, `guest.debian(…)`, and what is read of that.
    pub(super) fn of_module(&mut self, both: &rhai::BinaryExpr) -> Option<ValueKind> {
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
            return Some(self.chain(&ValueKind::Any, &chain.rhs, is_index, flags.contains(ASTFlags::BREAK), None));
        }
        Some(ValueKind::Any)
    }

    /// Tells of a name that is a module's, if it is.
    fn is_module(&mut self, name: &str, function: &str, position: Position) -> bool {
        let (is_local, id) = (self.scope.iter().any(|known| known.name == name), format!("std/{name}"));
        let is_standard = modules::STDLIB.iter().any(|(known, _)| *known == id) && !self.is_blanked(name);
        let alias = self.aliases.iter_mut().rfind(|alias| alias.name == name).filter(|_| !is_local);
        let fault = Fault::new(format!("`{name}` is a module: its functions are called by `::`"));
        let fault = match alias {
            Some(alias) => {
                alias.is_used = true;
                fault.hint(format!("write {name}::{function}(…)"))
            }
            None if is_standard && !is_local => {
                let hint = format!("import \"{id}\" as {name}; then write {name}::{function}(…)");
                fault.hint(hint).fix(import(id, name))
            }
            None => return false,
        };
        self.report(Rule::UnknownName, fault, position);
        true
    }

    /// `module::NAME`, or `global::NAME`, which is a constant of the text's own.
    pub(super) fn value_of_module(&mut self, module: &str, name: &str, position: Position) {
        if module == "global" {
            self.globals.insert(name.into());
            return;
        }
        let Some(exports) = self.module(module, position) else { return };
        if !exports.values.iter().any(|known| known == name) {
            let fault = Fault::new(format!("the module `{module}` has no value `{name}`"));
            let known = exports.values.iter().map(String::as_str);
            self.report(Rule::UnknownName, fault.did_you_mean(name, known), position);
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
            let id = format!("std/{name}");
            let fault = if modules::STDLIB.iter().any(|(known, _)| *known == id) {
                fault.hint(format!("add an import: import \"{id}\" as {name};")).fix(import(id, name))
            } else {
                fault.hint(format!("add an import: import \"./{name}\" as {name}; for {name}.rhai beside this file"))
            };
            self.report(Rule::UnknownName, fault.did_you_mean(name, known), position);
        }
        None
    }

    /// `module::function(…)`.
    pub(super) fn call_of_module(&mut self, call: &FnCallExpr, position: Position) {
        let module = call.namespace.root();
        // The name of the function stands behind that of the module.
        let Some(exports) = self.module(module, call.namespace.position()) else { return };
        let (name, given) = (call.name.as_str(), call.args.len());
        let Some(forms) = exports.functions.get(name) else {
            let known = exports.functions.keys().map(String::as_str);
            let fault = Fault::new(format!("the module `{module}` has no function `{name}`"));
            let fault = fault.did_you_mean(name, known);
            return self.report(Rule::UnknownName, fault, position);
        };
        if !forms.iter().any(|params| params.len() == given) {
            let usage = |params: &Vec<String>| format!("`{module}::{name}({})`", params.join(", "));
            let usages: Vec<String> = forms.iter().map(usage).collect();
            let fault = Fault::new(format!("`{module}::{name}` does not take {}", arguments(given)));
            self.report(Rule::Arguments, fault.hint(format!("write {}", usages.join(" or "))), position);
        }
    }
}

/// Says how a word is called whose name stands alone.
fn as_word(name: &str) -> Option<String> {
    let usages = words::usages(name);
    (!usages.is_empty()).then(|| format!("a word is called with parentheses: {}", usages.join(" or ")))
}

fn import(path: String, name: &str) -> Fix {
    Fix::Import { path, name: name.into() }
}

pub(super) fn arguments(number: usize) -> String {
    format!("{number} argument{}", if number == 1 { "" } else { "s" })
}

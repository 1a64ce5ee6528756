//! The walk through a syntax tree.

mod constants;
mod flow;
mod names;
mod types;

use super::exports::{Exports, Modules};
use super::kinds::ValueKind;
use super::literal::Trial;
use super::test_words::TEST_WORDS;
use super::usage::Usage;
use super::{Finding, Role, Rule};
use crate::diag::{Diagnostic, Fault, Place, Source};
use crate::script::source;
use rhai::{AST, Dynamic, ImmutableString, Position};
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
    kind: ValueKind,
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
    /// The words that are called, while nothing else is that an engine has to know.
    words: Option<BTreeSet<&'static str>>,
}

impl<'a> Checker<'a> {
    /// Makes one that only looks at names, or a deep one.
    pub(super) fn new(source: &'a Rc<Source>, ast: &'a AST, role: Role, deep: Option<Deep<'a>>) -> Self {
        let mut functions: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for def in ast.iter_fn_def() {
            functions.entry(def.name.to_string()).or_default().insert(def.params.len());
        }
        if role == Role::Test {
            for word in TEST_WORDS {
                functions.entry(word.name.into()).or_default().extend(word.arity.0..=word.arity.1);
            }
        }
        let words = functions.is_empty().then(BTreeSet::new);
        let (scope, aliases, found) = (Vec::new(), Vec::new(), Vec::new());
        let globals = BTreeSet::new();
        let (captured, function) = (None, None);
        Self { source, ast, role, functions, deep, scope, aliases, globals, captured, function, found, words }
    }

    /// Returns what was found, and the words that are called if the text has words only.
    pub(super) fn into_parts(self) -> (Vec<Finding>, Option<BTreeSet<&'static str>>) {
        (self.found, self.words)
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
                kind: ValueKind::Any,
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

    pub(super) fn report(&mut self, rule: Rule, fault: Fault, position: Position) {
        if self.found.len() >= FINDINGS {
            return;
        }
        let place = source::token(self.source, position);
        let diagnostic = Diagnostic { severity: rule.severity(), ..Diagnostic::error(fault).at(place) };
        self.found.push(Finding { rule, diagnostic });
    }
}

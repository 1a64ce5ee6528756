//! Literal arguments, read by the words themselves on a host that is nowhere.

use super::kinds::ValueKind;
use super::{Finding, Rule};
use crate::diag::{Blame, Cause, Source};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::Rehearsal;
use crate::model::Target;
use crate::script::raise::{Raised, Site};
use crate::script::source::Sources;
use crate::script::words::{self, Row};
use crate::script::{EvaluationContext, Inputs, SharedContext, report};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use rhai::{AST, Dynamic, Expr, FnCallExpr, Position};
use std::cell::RefCell;
use std::rc::Rc;

/// What is known of the arguments of a call.
pub(super) struct Known<'a> {
    /// Their values; what is not known is `()`, inside of lists and maps too.
    pub(super) partial: &'a [Dynamic],
    /// What is known of each, in the same order.
    pub(super) kinds: &'a [ValueKind],
    /// Whether all of an expression is known.
    pub(super) whole: &'a dyn Fn(&Expr) -> bool,
}

/// A place to try calls of words at: what they do there is simulated, and forgotten.
#[derive(Clone)]
pub(super) struct Trial {
    shared: SharedContext,
    sources: Rc<Sources>,
    name: String,
}

impl Default for Trial {
    fn default() -> Self {
        let sources = Rc::new(Sources::default());
        Self { shared: Rc::new(RefCell::new(EvaluationContext::new(sources.clone()))), sources, name: String::new() }
    }
}

impl Trial {
    /// Returns one for the calls of a text.
    pub(super) fn of(&self, source: &Rc<Source>, ast: &AST) -> Self {
        let sources = Rc::new(Sources::default());
        sources.add(source, ast);
        self.shared.borrow_mut().sources = sources.clone();
        Self { shared: self.shared.clone(), sources, name: source.name.clone() }
    }

    /// Tries a call of a word, whose name stands at a position.
    pub(super) fn call(&self, row: Row, call: &FnCallExpr, position: Position, known: &Known<'_>) -> Vec<Finding> {
        let Known { partial, kinds, whole: is_known } = known;
        let given: Vec<bool> = call.args.iter().map(is_known).collect();
        let nothing = partial.iter().all(Dynamic::is_unit);
        if nothing || !row.is_tried() {
            return Vec::new();
        }
        let site = Site { source: Some(self.name.clone()), position };
        let whole = given.iter().zip(*kinds).all(|(given, kind)| *given || matches!(kind, ValueKind::Handle(_)));
        let args = partial.iter().zip(&given).zip(*kinds).enumerate();
        let args: Vec<Dynamic> = args
            .map(|(at, ((partial, given), kind))| {
                let unknown = !given && partial.is_unit();
                if unknown { placeholder(row, at, kind, &site) } else { partial.clone() }
            })
            .collect();
        let raised = match row {
            Row::Device(kind) if !whole => words::read_alone(kind, &args, partial),
            Row::Word(_) | Row::Device(_) => {
                let run = Run::new(Box::new(Rehearsal::new(Box::new(Elsewhere::alone(Target::default())))));
                self.shared.borrow_mut().begin(run, &Inputs::default(), Some(Purpose::Plan));
                let tried = words::tried(row, &args, &site, &self.shared);
                let mut evaluation = self.shared.borrow_mut();
                evaluation.warnings.clear();
                evaluation.run = None;
                tried.err().into_iter().collect()
            }
        };
        raised.into_iter().flat_map(|raised| self.of_written(raised, call, &site, is_known)).collect()
    }

    /// Tries to set a key of a machine.
    pub(super) fn key(&self, name: &str, value: &Dynamic, position: Position) -> Vec<Finding> {
        let site = Site { source: Some(self.name.clone()), position };
        match words::machine::try_key(name, value) {
            Ok(()) => Vec::new(),
            Err(raised) => self.findings(raised.arg(0), &site),
        }
    }

    /// Of what a word raised, keeps what is about something that was written out.
    fn of_written(
        &self,
        mut raised: Raised,
        call: &FnCallExpr,
        site: &Site,
        is_known: &dyn Fn(&Expr) -> bool,
    ) -> Vec<Finding> {
        let more = std::mem::take(&mut raised.more);
        let mut found: Vec<Finding> = Vec::new();
        let is_written = match raised.arg {
            Some(at) => call.args.get(at).is_some_and(|arg| is_written(arg, &raised.path, raised.key, is_known)),
            None => call.args.iter().all(is_known),
        };
        if is_written && raised.fault.blame == Blame::Recipe {
            found.extend(self.findings(raised, site));
        }
        found.extend(more.into_iter().flat_map(|more| self.of_written(more, call, site, is_known)));
        found
    }

    fn findings(&self, raised: Raised, site: &Site) -> Vec<Finding> {
        let is_key = raised.fault.cause == Some(Cause::UnknownKey);
        let rule = if is_key { Rule::UnknownKey } else { Rule::Literal };
        let findings = report::raised(raised, site, &self.sources);
        findings.into_iter().map(|diagnostic| Finding { rule, diagnostic }).collect()
    }
}

/// Whether the part of an argument that a path leads to is known; a value may stand for a map that a word makes of it.
fn is_written(argument: &Expr, path: &[String], is_key: bool, is_known: &dyn Fn(&Expr) -> bool) -> bool {
    let mut part = argument;
    for (at, segment) in path.iter().enumerate() {
        let next = match part {
            Expr::Map(map, _) => map.0.iter().find(|(name, _)| name.name == segment.as_str()).map(|(_, value)| value),
            Expr::Array(array, _) => segment.parse::<usize>().ok().and_then(|index| array.get(index)),
            _ => None,
        };
        let Some(next) = next else { break };
        if at + 1 == path.len() && is_key {
            return true;
        }
        part = next;
    }
    is_known(part)
}

/// Something of the right kind in place of an argument that is not known.
fn placeholder(row: Row, at: usize, kind: &ValueKind, site: &Site) -> Dynamic {
    let known = if let ValueKind::Handle(handle) = kind { handle.placeholder(site) } else { None };
    known.unwrap_or_else(|| row.placeholder(at, site))
}

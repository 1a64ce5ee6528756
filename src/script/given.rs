//! What the standard library refuses is what the recipe gave it: the fault is shown where the recipe says so.
//!
//! Which call of the recipe it is, the calls on the way to the fault tell. What a boot refuses was given long before: there
//! it is the one call of the recipe that it can be.

use super::source::{self, Sources, Unit};
use crate::diag::{Diagnostic, Place};
use rhai::{ASTNode, Expr, FnCallExpr, Position, Stmt};

/// A call of a function of the standard library in a text of the recipe's own.
struct Given {
    unit: Unit,
    call: FnCallExpr,
    position: Position,
}

/// Returns a diagnostic whose place is in the standard library with the place where the recipe gave what it is about; how the library
/// came to it is kept beside.
pub(super) fn outward(diagnostic: Diagnostic, sources: &Sources) -> Diagnostic {
    match diagnostic.place.as_ref().filter(|place| is_standard(place)) {
        Some(_) => moved(diagnostic, &sources.own()),
        None => diagnostic,
    }
}

/// Whether a place is in the standard library.
pub(super) fn is_standard(place: &Place) -> bool {
    place.source.name.starts_with("std/")
}

/// Moves a diagnostic into one of the texts of the recipe, if it is known where.
pub(super) fn moved(mut diagnostic: Diagnostic, own: &[Unit]) -> Diagnostic {
    let Some(place) = diagnostic.place.clone() else { return diagnostic };
    let way = diagnostic.trail.iter().find(|(place, _)| !is_standard(place)).map(|(place, _)| place.clone());
    let message = diagnostic.fault.message.as_str();
    let calls = own.iter().flat_map(calls).collect::<Vec<_>>();
    let call = match &way {
        Some(way) => calls.iter().find(|given| given.is_at(way)),
        None => only(&calls, message),
    };
    let Some(found) = call.map(|given| given.value(&place, message)).or_else(|| way.clone()) else { return diagnostic };
    let is_there = |other: &Place| Some(other) == way.as_ref() || *other == found;
    let (inside, outside) = diagnostic.trail.into_iter().partition(|(place, _)| is_standard(place));
    diagnostic.inside = [vec![(place, "refused here".into())], inside].concat();
    diagnostic.trail = outside;
    diagnostic.trail.retain(|(place, _)| !is_there(place));
    diagnostic.place = Some(found);
    diagnostic
}

/// Returns the one call that a message can be about.
fn only<'a>(calls: &'a [Given], message: &str) -> Option<&'a Given> {
    if let [one] = calls {
        return Some(one);
    }
    let mut named = calls.iter().filter(|given| given.named(message).is_some());
    named.next().filter(|_| named.next().is_none())
}

/// Returns the calls of functions of the standard library in a text.
fn calls(unit: &Unit) -> Vec<Given> {
    let (mut aliases, mut found): (Vec<String>, Vec<Given>) = (Vec::new(), Vec::new());
    unit.ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::Import(x, _))) => {
                if matches!(&x.0, Expr::StringConstant(path, _) if path.starts_with("std/")) {
                    aliases.push(x.1.name.to_string());
                }
            }
            Some(ASTNode::Stmt(Stmt::FnCall(call, position)) | ASTNode::Expr(Expr::FnCall(call, position)))
                if call.is_qualified() && aliases.iter().any(|alias| alias == call.namespace.root()) =>
            {
                found.push(Given { unit: unit.clone(), call: (**call).clone(), position: *position });
            }
            _ => {}
        }
        true
    });
    found
}

impl Given {
    fn is_at(&self, place: &Place) -> bool {
        self.unit.source.name == place.source.name
            && source::offset(&self.unit.source.text, self.position) == Some(place.span.start)
    }

    /// The place of what was given: by the key that the library reads, else by what the message names, else the call.
    fn value(&self, library: &Place, message: &str) -> Place {
        let read = source::slice(&library.source, library.span.clone());
        let key = read.rsplit_once('.').map(|(_, key)| key);
        let of_key = |argument: &Expr| match argument {
            Expr::Map(map, _) => {
                let (_, value) = map.0.iter().find(|(name, _)| Some(name.name.as_str()) == key)?;
                Some(source::value(&self.unit.source, value))
            }
            _ => None,
        };
        let found = self.call.args.iter().find_map(of_key).or_else(|| self.named(message));
        found.unwrap_or_else(|| source::call(&self.unit.source, self.position))
    }

    /// The place of the longest literal that a message names, if there is one such.
    fn named(&self, message: &str) -> Option<Place> {
        let mut all: Vec<(String, &Expr)> = Vec::new();
        self.call.args.iter().for_each(|argument| literals(argument, &mut all));
        all.retain(|(text, _)| text.len() > 1 && message.contains(text.as_str()));
        let longest = all.iter().map(|(text, _)| text.len()).max()?;
        let mut longest = all.iter().filter(|(text, _)| text.len() == longest);
        let (_, expression) = longest.next().filter(|_| longest.next().is_none())?;
        Some(source::value(&self.unit.source, expression))
    }
}

/// The texts and numbers that are written out in an expression.
fn literals<'a>(expression: &'a Expr, all: &mut Vec<(String, &'a Expr)>) {
    match expression {
        Expr::StringConstant(text, _) => all.push((text.to_string(), expression)),
        Expr::IntegerConstant(number, _) => all.push((number.to_string(), expression)),
        Expr::Array(list, _) => list.iter().for_each(|value| literals(value, all)),
        Expr::Map(map, _) => map.0.iter().for_each(|(_, value)| literals(value, all)),
        _ => {}
    }
}

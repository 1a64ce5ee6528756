//! Where an argument, a key or a value stands, as the syntax tree has it.

use crate::diag::Place;
use crate::script::raise::{Raised, Site};
use crate::script::source::{self, Sources, Unit};
use rhai::{ASTNode, Expr, Position, Stmt};
use std::rc::Rc;

/// Returns the place of a call.
pub(crate) fn place(site: &Site, sources: &Rc<Sources>) -> Option<Place> {
    let unit = site.source.as_deref().and_then(|name| sources.get(name))?;
    Some(source::call(&unit.source, site.position))
}

/// Finds the argument, key or value in the syntax tree; the call itself where it is no literal.
pub(super) fn exact(raised: &Raised, unit: &Unit, position: Position) -> Place {
    let Some(arg) = raised.arg else { return source::call(&unit.source, position) };
    let place = with_argument(unit, position, arg, |expression| descend(expression, &raised.path, raised.key, unit));
    place.or_else(|| assigned(unit, position)).unwrap_or_else(|| source::token(&unit.source, position))
}

/// Looks at an argument of the call whose name stands at a position.
pub(super) fn with_argument<T>(unit: &Unit, position: Position, arg: usize, look: impl Fn(&Expr) -> T) -> Option<T> {
    let mut seen = None;
    unit.ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        let args = match nodes.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at) | Expr::MethodCall(call, at))) if *at == position => &call.args,
            Some(ASTNode::Stmt(Stmt::FnCall(call, at))) if *at == position => &call.args,
            _ => return true,
        };
        seen = args.get(arg).map(&look);
        false
    });
    seen
}

/// Finds the value that is assigned to the property at a position.
fn assigned(unit: &Unit, position: Position) -> Option<Place> {
    let mut place = None;
    unit.ast.walk(&mut |nodes: &[ASTNode<'_>]| match nodes.last() {
        Some(ASTNode::Stmt(Stmt::Assignment(both))) if is_assigned(&both.1.lhs, position) => {
            place = Some(source::token(&unit.source, both.1.rhs.start_position()));
            false
        }
        _ => true,
    });
    place
}

fn is_assigned(lhs: &Expr, position: Position) -> bool {
    matches!(lhs, Expr::Dot(dot, ..) if dot.rhs.position() == position)
}

/// Finds the value, or the key, to which a path leads in an expression, as far as it leads there.
fn descend(expression: &Expr, path: &[String], key: bool, unit: &Unit) -> Place {
    let mut place = source::value(&unit.source, expression);
    let mut expression = expression;
    for (at, segment) in path.iter().enumerate() {
        match expression {
            Expr::Map(map, _) => {
                let Some((name, value)) = map.0.iter().find(|(name, _)| name.name == segment.as_str()) else { break };
                let at_key = key && at + 1 == path.len();
                place = if at_key { source::token(&unit.source, name.pos) } else { source::value(&unit.source, value) };
                expression = value;
            }
            Expr::Array(array, _) => {
                let Some(value) = segment.parse::<usize>().ok().and_then(|index| array.get(index)) else { break };
                place = source::value(&unit.source, value);
                expression = value;
            }
            _ => break,
        }
    }
    place
}

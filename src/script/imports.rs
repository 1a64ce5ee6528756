//! Where imports may stand: at the top, so that what a text needs can be known and pinned before anything runs.

use super::source;
use crate::diag::{Diagnostic, Fault, Source};
use rhai::{AST, ASTNode, Position, Stmt};
use std::rc::Rc;

/// Returns the imports that stand anywhere else.
pub(super) fn faults(source: &Rc<Source>, ast: &AST) -> Vec<Diagnostic> {
    // The text is asked first: the tree has to be walked for none of most recipes.
    if !source.text.contains("import") {
        return Vec::new();
    }
    let mut places: Vec<Position> = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        if let Some(ASTNode::Stmt(Stmt::Import(_, position))) = nodes.last() {
            places.push(*position);
        }
        true
    });
    places.sort();
    let at_top = |position: &Position| {
        ast.statements().iter().any(|statement| matches!(statement, Stmt::Import(_, at) if at == position))
    };
    let fault = || Fault::new("an import stands at the top of a file").hint("not in a block, nor in a function");
    let all = places.iter().filter(|position| !at_top(position));
    all.map(|position| Diagnostic::error(fault()).at(source::token(source, *position))).collect()
}

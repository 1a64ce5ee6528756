//! What a text does with its variables, wherever that is: by name alone, so that too much is taken for changed, never too little.

use rhai::{AST, ASTNode, Expr, ImmutableString, Stmt};
use std::collections::{BTreeMap, BTreeSet};

/// What is done with the variables of one name.
#[derive(Default)]
pub(super) struct Usage {
    /// Whether its value may become another one, in a way that is not followed.
    pub(super) is_changed: bool,
    /// The keys that it is given: `of.name = …`.
    pub(super) keys: BTreeSet<ImmutableString>,
}

/// Returns what is done with each name.
pub(super) fn usages(ast: &AST) -> BTreeMap<String, Usage> {
    let mut all: BTreeMap<String, Usage> = BTreeMap::new();
    let mut changed = |name: &str| all.entry(name.into()).or_default().is_changed = true;
    let mut keys: Vec<(String, ImmutableString)> = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        match nodes.last() {
            Some(ASTNode::Stmt(Stmt::Assignment(both))) => match (&both.1.lhs, both.0.is_op_assignment()) {
                (Expr::Variable(x, ..), _) => changed(&x.1),
                (Expr::Dot(dot, ..), false) => match (&dot.lhs, &dot.rhs) {
                    (Expr::Variable(x, ..), Expr::Property(key, _)) => keys.push((x.1.to_string(), key.2.clone())),
                    _ => root(&both.1.lhs).iter().for_each(|name| changed(name)),
                },
                (other, _) => root(other).iter().for_each(|name| changed(name)),
            },
            // A method may change what it is called on.
            Some(ASTNode::Expr(Expr::Dot(dot, ..))) if calls(&dot.rhs) => {
                root(&dot.lhs).iter().for_each(|name| changed(name));
            }
            Some(ASTNode::Stmt(Stmt::Share(names))) => names.iter().for_each(|(name, _)| changed(&name.name)),
            _ => {}
        }
        true
    });
    for (name, key) in keys {
        all.entry(name).or_default().keys.insert(key);
    }
    all
}

/// Returns the variable that an expression begins with.
fn root(expression: &Expr) -> Option<ImmutableString> {
    match expression {
        Expr::Variable(x, ..) => Some(x.1.clone()),
        Expr::Dot(both, ..) | Expr::Index(both, ..) => root(&both.lhs),
        _ => None,
    }
}

fn calls(link: &Expr) -> bool {
    match link {
        // What only reads is of Rhai's own.
        Expr::MethodCall(call, _) => !["get", "len", "keys", "contains", "is_empty"].contains(&call.name.as_str()),
        Expr::Dot(both, ..) | Expr::Index(both, ..) => calls(&both.lhs) || calls(&both.rhs),
        _ => false,
    }
}

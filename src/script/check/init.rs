//! What a recipe makes of `init`.

use rhai::{AST, ASTNode, Expr, Stmt};

/// What difference `init` makes in a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Init {
    /// It makes none: the recipe does not ask for it, or does the same either way.
    None,
    /// With it the recipe does what it does without, and more.
    More,
    /// With it the recipe may do something else.
    Else,
}

impl Init {
    /// Finds out what a recipe does with `init`. It is more only where each `if init { … }` has no `else`, changes no variable
    /// and leaves nothing early.
    pub(super) fn of(ast: &AST) -> Self {
        let mut found = Self::None;
        ast.walk(&mut |nodes| {
            found = match nodes {
                // What is imported may be given it.
                [.., ASTNode::Stmt(Stmt::Import(..))] => Self::Else,
                [.., ASTNode::Expr(Expr::Variable(x, ..))] if x.1 == "init" => {
                    if found != Self::Else && is_addition(nodes) { Self::More } else { Self::Else }
                }
                [before @ .., node] if may_change(node) && before.iter().any(is_asking) => Self::Else,
                _ => found,
            };
            found != Self::Else
        });
        found
    }
}

/// Whether the variable at the end of a path is the condition of an `if` without `else` that is a statement.
fn is_addition(nodes: &[ASTNode<'_>]) -> bool {
    let [before @ .., if_node, _] = nodes else { return false };
    let has_else = |node: &ASTNode<'_>| matches!(node, ASTNode::Stmt(Stmt::If(flow, _)) if !flow.branch.is_empty());
    is_asking(if_node) && !has_else(if_node) && !matches!(before.last(), Some(ASTNode::Expr(_)))
}

/// Whether this is `if init …`.
fn is_asking(node: &ASTNode<'_>) -> bool {
    matches!(node, ASTNode::Stmt(Stmt::If(flow, _)) if matches!(&flow.expr, Expr::Variable(x, ..) if x.1 == "init"))
}

/// Whether what follows may go another way because of this.
fn may_change(node: &ASTNode<'_>) -> bool {
    match node {
        ASTNode::Stmt(Stmt::Return(..) | Stmt::BreakLoop(..) | Stmt::Assignment(..)) => true,
        ASTNode::Stmt(Stmt::FnCall(call, _)) | ASTNode::Expr(Expr::FnCall(call, _)) => call.name == "exit",
        // A method may change what it is called on: `vm.slot(…)`.
        ASTNode::Expr(Expr::Dot(x, ..) | Expr::Index(x, ..)) => matches!(x.lhs, Expr::Variable(..)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_does_more_with_init_unless_it_may_do_something_else() {
        let init = |text: &str| {
            let engine = crate::script::bare_engine();
            Init::of(&engine.compile(text).unwrap_or_else(|error| panic!("{text}: {error}")))
        };
        let none = ["", "let x = 1; x", "// if init\nprint(\"init\")", "if exists(1) { exit(); }"];
        for text in none {
            assert_eq!(init(text), Init::None, "{text}");
        }
        let more = [
            "if init { make(1); } make(2)",
            "let x = 1; if init { make(x).run(); }",
            "if init { if exists(1) { make(1); } }\nif init { let x = 1; make(x); }",
            "fn f() { let x = 1; x += 1; return x; } if init { f(); }",
        ];
        for text in more {
            assert_eq!(init(text), Init::More, "{text}");
        }
        let differs = [
            "if init { make(1); } else { make(2); }",
            "if !init { make(1); }",
            "let x = 1; if init { x = 2; }",
            "if init { vm.slot(3, make(1)); }",
            "let all = []; if init { all.push(1); }",
            "let all = #{ a: [] }; if init { all[\"a\"].push(1); }",
            "if init { return; }",
            "if init { throw \"no\"; }",
            "if init { exit(); }",
            "if init { if exists(1) { exit(2) } }",
            "loop { if init { break; } }",
            "make(init)",
            "let x = if init { 1 };",
            "print(`${init}`)",
            "if init { make(1); } make(init)",
            "make(init); if init { make(1); }",
            "import \"std/guest\" as guest; guest::make()",
        ];
        for text in differs {
            assert_eq!(init(text), Init::Else, "{text}");
        }
    }
}

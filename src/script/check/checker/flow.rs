//! Statements: what is never reached, what is always the same, and what Rhai does otherwise than it says.

use super::Checker;
use crate::diag::Fault;
use crate::script::check::Rule;
use rhai::{ASTFlags, ASTNode, Dynamic, Expr, Position, Stmt, SwitchCasesCollection};
use std::collections::BTreeSet;

impl Checker<'_> {
    pub(super) fn block(&mut self, statements: &[Stmt]) {
        let (depth, aliases) = (self.scope.len(), self.aliases.len());
        self.statements(statements);
        self.leave(depth);
        self.leave_aliases(aliases);
    }

    pub(super) fn statements(&mut self, statements: &[Stmt]) {
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
                self.words = None;
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
                self.words = None;
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
                self.words = None;
                self.switch(x, *position);
            }
            Stmt::Return(Some(value), ..) | Stmt::BreakLoop(Some(value), ..) => drop(self.expression(value)),
            Stmt::Import(x, position) => self.import(&x.0, &x.1.name, *position),
            Stmt::Export(x, _) => {
                self.words = None;
                self.variable(&x.0.name, x.0.pos);
            }
            Stmt::Share(names) => names.iter().for_each(|(name, _)| {
                self.read(&name.name);
            }),
            _ => {}
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

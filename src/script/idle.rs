//! Recipes that do nothing, or less than they seem to: they are warned of.

use super::raise::Site;
use super::source::Sources;
use super::{Recipe, report};
use crate::diag::{Diagnostic, Fault, Fix};
use rhai::{AST, ASTNode, Expr, Stmt};
use std::rc::Rc;

/// The machines of one evaluation.
#[derive(Default)]
pub(crate) struct Machines {
    /// The calls that described one, and its name where it had one by then.
    pub(super) made: Vec<(Site, Option<String>)>,
    /// The calls that booted one, and its name.
    pub(super) booted: Vec<(Site, String)>,
}

impl Machines {
    /// Notes that a call boots a machine. If the same call has booted another one, that is told: it was down by then.
    pub(super) fn boots(&mut self, site: &Site, name: &str) -> Option<Fault> {
        let same = |(known, _): &&(Site, String)| known.source == site.source && known.position == site.position;
        let other = self.booted.iter().rfind(same).map(|(_, name)| name.clone()).filter(|other| other != name);
        self.booted.push((site.clone(), name.into()));
        let fault = Fault::new(format!("`{name}` boots only when `{}` is down: they never run at once", other?));
        Some(fault.hint(
            "`.run()` waits for the end of its guest; for guests beside each other, `vmrun start` a recipe for each",
        ))
    }
}

/// Returns what is to be said of a recipe whose evaluation went well.
pub(super) fn warnings(recipe: &Recipe, machines: &Machines, sources: &Rc<Sources>) -> Vec<Diagnostic> {
    if is_empty(&recipe.ast) {
        let fault = Fault::new(format!("the recipe {} does nothing", recipe.source.name));
        return vec![Diagnostic::warning(fault.hint("a recipe boots a machine: bhyve(#{ name: \"lab\", … }).run();"))];
    }
    // Where the text boots a machine at all, it had its reasons not to do it this time.
    if !machines.booted.is_empty() || sources.own().iter().any(|unit| boots(&unit.ast)) {
        return Vec::new();
    }
    let main = sources.main();
    let warning = |(site, name): &(Site, Option<String>)| {
        let what = name.as_ref().map_or("the machine".into(), |name| format!("the machine `{name}`"));
        let fault = Fault::new(format!("{what} is described and never run")).hint("add .run()").fix(Fix::Run);
        let warning = Diagnostic::warning(fault);
        match report::place(site, sources).filter(|_| site.source.as_deref() == Some(&main)) {
            Some(place) => warning.at(place),
            None => warning,
        }
    };
    machines.made.iter().map(warning).collect()
}

/// Whether a text does nothing, whatever it defines.
fn is_empty(ast: &AST) -> bool {
    ast.statements().iter().all(|statement| matches!(statement, Stmt::Noop(_) | Stmt::Import(..) | Stmt::Export(..)))
}

/// Whether a text calls `.run()` on anything.
fn boots(ast: &AST) -> bool {
    let mut found = false;
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        found |= matches!(nodes.last(), Some(ASTNode::Expr(Expr::MethodCall(call, _))) if call.name == "run");
        !found
    });
    found
}

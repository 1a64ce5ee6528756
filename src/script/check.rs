//! What can be said of a text before anything runs.
//!
//! [`names`] is what every run asks: unknown variables and functions, wrong numbers of arguments, unknown keys of literals.
//! [`Inspector`] finds all that can be known, as `vmrun check` and editors want it: it goes on past a line that does not
//! parse, follows imports, and has every word read its literal arguments.
//!
//! Rhai's own strict mode cannot know the facts that a host offers, so names are our business. Where a type is unknown nothing
//! is said: the rehearsal will find it.

mod builtins;
mod checker;
mod exports;
mod finding;
mod init;
mod inspector;
mod kinds;
mod literal;
mod parse_recovery;
mod rehearsals;
mod shared;
pub(crate) mod test_words;
mod usage;

pub use finding::{Finding, Rule};
pub use inspector::Inspector;
pub(crate) use parse_recovery::{Parsed, parse};
pub use rehearsals::rehearse;
pub(crate) use shared::Claim;
pub use shared::{Places, conflicts};

use super::{lexer, source};
use crate::diag::{Diagnostic, Source};
use crate::model::instance::INSTANCE;
use checker::Checker;
use rhai::{AST, Expr};
use std::collections::BTreeSet;
use std::rc::Rc;

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A recipe, which sees the facts.
    Recipe,
    /// A library, which sees only what it is given.
    Library,
    /// A file of tests, which runs recipes and has words of its own.
    Test,
}

impl Role {
    /// Returns what the text of a file is by its name and, of one that is no test, by whether it only offers functions.
    fn of(name: &str, is_library: bool) -> Self {
        match (test_words::is_test_file(name), is_library) {
            (true, _) => Self::Test,
            (false, true) => Self::Library,
            (false, false) => Self::Recipe,
        }
    }
}

/// The names in a text.
pub(crate) struct Names {
    /// Every name that nothing knows.
    pub faults: Vec<Diagnostic>,
    /// The words that are called where there are only words, literals and sizes: no operator, no loop, no property and no import.
    pub words: Option<BTreeSet<&'static str>>,
}

/// Returns the names in a text, above all those that nothing knows.
pub(crate) fn names(source: &Rc<Source>, ast: &AST, role: Role) -> Names {
    let mut checker = Checker::new(source, ast, role, None);
    checker.whole();
    let (found, words) = checker.into_parts();
    Names { faults: found.into_iter().map(|finding| finding.diagnostic).collect(), words }
}

/// The word by which a recipe asks for a parameter that is a secret.
pub(crate) const SECRET_PARAM: &str = "secret_param";

/// Returns the parameters of a recipe that are secrets.
pub(crate) fn secret_params(ast: &AST) -> Vec<String> {
    let mut all = Vec::new();
    ast.walk(&mut |nodes| {
        if let Some(rhai::ASTNode::Expr(Expr::FnCall(call, _))) = nodes.last()
            && call.name == SECRET_PARAM
            && let Some(Expr::StringConstant(name, _)) = call.args.first()
        {
            all.push(name.to_string());
        }
        true
    });
    all
}

/// Returns values that a parameter may have, as far as they are written: those of its list, `true` and `false`, or its default.
pub(crate) fn param_values(ast: &AST, name: &str) -> Vec<String> {
    let mut all = Vec::new();
    ast.walk(&mut |nodes| {
        if let Some(rhai::ASTNode::Expr(Expr::FnCall(call, _))) = nodes.last()
            && call.name == "param"
            && matches!(call.args.first(), Some(Expr::StringConstant(known, _)) if known == name)
        {
            let default = call.args.get(1).map(literal).unwrap_or_default();
            let is_flag = default.iter().any(|value| value == "true" || value == "false");
            all = match call.args.get(2) {
                Some(Expr::Array(values, _)) => values.iter().flat_map(literal).collect(),
                Some(list @ Expr::DynamicConstant(..)) => literal(list),
                _ if is_flag => vec!["true".into(), "false".into()],
                _ => default,
            };
            return false;
        }
        true
    });
    all
}

/// Returns the value of a literal, as it is given on a command line.
fn literal(value: &Expr) -> Vec<String> {
    match value {
        Expr::StringConstant(text, _) => vec![text.to_string()],
        Expr::IntegerConstant(number, _) => vec![number.to_string()],
        Expr::BoolConstant(flag, _) => vec![flag.to_string()],
        Expr::DynamicConstant(all, _) => {
            all.read_lock::<rhai::Array>().map(|all| all.iter().map(ToString::to_string).collect()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// Returns the name of the parameter that a call reads, and its default. What `instance` has been given stands for its default.
fn parameter(call: &rhai::FnCallExpr) -> Option<(String, Option<&Expr>)> {
    if call.name == INSTANCE {
        return Some((INSTANCE.into(), call.args.first()));
    }
    if !["param", SECRET_PARAM].contains(&call.name.as_str()) {
        return None;
    }
    let Some(Expr::StringConstant(name, _)) = call.args.first() else { return None };
    Some((name.to_string(), call.args.get(1)))
}

/// Returns the parameters that a recipe asks for by `param("name", default)`.
pub(crate) fn params(source: &Rc<Source>, ast: &AST) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    ast.walk(&mut |nodes| {
        if let Some(rhai::ASTNode::Expr(Expr::FnCall(call, _))) = nodes.last()
            && let Some((name, default)) = parameter(call)
            && !all.iter().any(|(known, _)| *known == name)
        {
            let default = default.map(|default| {
                let begin = source::offset(&source.text, default.start_position()).unwrap_or_default();
                let rest = source.text.get(begin..).unwrap_or_default();
                lexer::argument(rest).to_string()
            });
            let secret = || if call.name == SECRET_PARAM { "a secret".into() } else { String::new() };
            all.push((name, default.unwrap_or_else(secret)));
        }
        true
    });
    all
}

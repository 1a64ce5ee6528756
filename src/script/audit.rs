//! What the functions of a library can ask the host for, told from its text alone.
//!
//! There is no `eval`, no pointer to a function by its name, and imports are literal, so that every word which acts stands there
//! by its name. What a function of the standard library asks for counts where that is called.

use super::modules::STDLIB;
use super::source;
use super::words::{self, Asks, Row};
use crate::diag::{Diagnostic, Place, Source};
use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Something that a library asks for.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// The call.
    pub place: Place,
    /// The function that it stands in; nothing for what stands outside of all.
    pub function: Option<String>,
    /// The word, or what is called in the standard library or another one.
    pub word: String,
    /// What it can ask for: files, commands, and so on.
    pub asks: BTreeSet<&'static str>,
}

/// Returns all that a text asks for, in its order.
pub(crate) fn audit(source: &Rc<Source>) -> Result<Vec<Ask>, Diagnostic> {
    let ast =
        super::compile(&super::bare_engine(), &source.text).map_err(|error| super::report::syntax(&error, source))?;
    let modules = imports(&ast);
    let mut standard = BTreeMap::new();
    let mut all = Vec::new();
    for found in calls(&ast) {
        let (word, asks) = match found.call.namespace.path.first().map(|alias| alias.name.as_str()) {
            None => (found.call.name.to_string(), of_word(&found)),
            Some(alias) => {
                let module = modules.get(alias).map_or("", String::as_str);
                let word = format!("{alias}::{}", found.call.name);
                match STDLIB.iter().any(|(name, _)| *name == module) {
                    true => (word, of_standard(module, &found.call.name, &mut standard)),
                    false if module.starts_with('.') => continue,
                    false => (word, BTreeSet::from(["what that library asks for"])),
                }
            }
        };
        if !asks.is_empty() {
            let place = source::call(source, found.position);
            all.push(Ask { place, function: function_at(&ast, found.position), word, asks });
        }
    }
    all.sort_by_key(|ask| ask.place.span.start);
    Ok(all)
}

/// The modules of a text, by the names that it gives them.
fn imports(ast: &AST) -> BTreeMap<String, String> {
    let import = |statement: &Stmt| match statement {
        Stmt::Import(x, _) => match &x.0 {
            Expr::StringConstant(path, _) => Some((x.1.name.to_string(), path.to_string())),
            _ => None,
        },
        _ => None,
    };
    ast.statements().iter().filter_map(import).collect()
}

/// A call, and whether it is written as a method of something.
struct FoundCall {
    call: FnCallExpr,
    position: Position,
    is_method: bool,
}

fn calls(ast: &AST) -> Vec<FoundCall> {
    let mut all = Vec::new();
    ast.walk(&mut |nodes: &[ASTNode<'_>]| {
        let (call, position, is_method) = match nodes.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at))) => (call, at, false),
            Some(ASTNode::Expr(Expr::MethodCall(call, at))) => (call, at, true),
            Some(ASTNode::Stmt(Stmt::FnCall(call, at))) => (call, at, false),
            _ => return true,
        };
        all.push(FoundCall { call: (**call).clone(), position: *position, is_method });
        true
    });
    all
}

/// The function around a position; closures belong to the one that they stand in.
fn function_at(ast: &AST, position: Position) -> Option<String> {
    let holds = |begin: Position, end: Position| begin <= position && (end.is_none() || position <= end);
    let mut named = ast.iter_fn_def().filter(|def| !def.name.starts_with("anon$"));
    let def = named.find(|def| holds(def.body.position(), def.body.end_position()));
    def.map(|def| def.name.to_string())
}

/// What a word can ask for.
fn of_word(found: &FoundCall) -> BTreeSet<&'static str> {
    let name = found.call.name.as_str();
    let rows: Vec<Row> = words::all().filter(|row| row.is_named(name)).collect();
    rows.into_iter().flat_map(|row| of_row(row, found.is_method)).collect()
}

/// A function may be called like a method, and then takes one argument less; a method cannot be called like a function.
fn of_row(row: Row, is_method: bool) -> Vec<&'static str> {
    if row.on().is_some() && !is_method {
        return Vec::new();
    }
    row.asks().into_iter().map(Asks::name).collect()
}

type Known = BTreeMap<(String, String), BTreeSet<&'static str>>;

/// What a function of the standard library can ask for, with all that it calls.
fn of_standard(module: &str, function: &str, known: &mut Known) -> BTreeSet<&'static str> {
    let key = (module.to_string(), function.to_string());
    if let Some(asks) = known.get(&key) {
        return asks.clone();
    }
    // A function that calls itself asks for nothing more by that.
    known.insert(key.clone(), BTreeSet::new());
    let text = STDLIB.iter().find(|(name, _)| *name == module).map(|(_, text)| *text).unwrap_or_default();
    let Ok(ast) = super::compile(&super::bare_engine(), text) else { return BTreeSet::new() };
    let modules = imports(&ast);
    let mut asks = BTreeSet::new();
    for found in calls(&ast).iter().filter(|found| function_at(&ast, found.position).as_deref() == Some(function)) {
        let name = found.call.name.as_str();
        let alias = found.call.namespace.path.first().and_then(|alias| modules.get(alias.name.as_str()));
        let is_own = ast.iter_fn_def().any(|def| def.name == name);
        asks.extend(match alias {
            Some(other) => of_standard(other, name, known),
            None if is_own => of_standard(module, name, known),
            None => of_word(found),
        });
    }
    known.insert(key, asks.clone());
    asks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::words::WordKind;

    #[test]
    fn every_word_that_acts_is_told_with_its_function() {
        let text = "import \"std/disk\" as disk;\nimport \"std/net\" as net;\nimport \"other\" as other;\nimport \"./near\" as near;\n\
                    fn a(x) {\n    x.map(|y| run(y));\n    \"zfs\".run();\n    disk::zvol(x, 1.GiB);\n}\n\
                    fn b(vm) { vm.run(); net::mac(\"x\", 0); net::nic(\"b\", \"t\"); other::f(); near::f(); virtio_blk(\"/x\"); x.len() }\n";
        let source = Rc::new(Source { name: "lib.rhai".into(), text: text.into() });
        let all = audit(&source).unwrap();
        let told: Vec<String> = all
            .iter()
            .map(|ask| {
                let asks: Vec<&str> = ask.asks.iter().copied().collect();
                let (line, _) = ask.place.line_column();
                format!("{line} {} {}: {}", ask.function.clone().unwrap_or_default(), ask.word, asks.join(", "))
            })
            .collect();
        assert_eq!(
            told,
            [
                "6 a run: commands, paths",
                "7 a run: boots, commands, paths",
                "8 a disk::zvol: commands, paths",
                "10 b run: boots, commands, paths",
                "10 b net::nic: interfaces",
                "10 b other::f: what that library asks for",
                "10 b virtio_blk: paths",
            ]
        );
    }

    #[test]
    fn no_action_is_forgotten() {
        for row in words::all().filter(|row| row.kind() == WordKind::Action) {
            let is_harmless = ["defer", "on", "sleep"].contains(&row.name());
            assert_eq!(row.asks().is_empty(), is_harmless, "{}", row.name());
        }
    }
}

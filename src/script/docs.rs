//! The documentation of a module: its own comments `//!`, and those above its functions, `///`.

use super::editor::{self, Sort};
use super::{lexer, report};
use crate::diag::{Diagnostic, Source};
use std::rc::Rc;

/// What a module says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Module {
    /// What imports of it are written with.
    pub name: String,
    /// What it is for, in Markdown.
    pub about: String,
    /// What others may call, in its order.
    pub functions: Vec<Function>,
}

/// A function that others may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// The function's name, without the module.
    pub name: String,
    /// The names of its parameters.
    pub parameters: Vec<String>,
    /// What it does, in Markdown; empty where nobody said.
    pub about: String,
}

impl Function {
    /// Returns how it is called, but for the module.
    pub(crate) fn usage(&self) -> String {
        format!("{}({})", self.name, self.parameters.join(", "))
    }
}

/// Reads the documentation of a module.
pub(crate) fn module(name: &str, source: &Rc<Source>) -> Result<Module, Diagnostic> {
    super::compile(&super::bare_engine(), &source.text).map_err(|error| report::syntax(&error, source))?;
    let all = editor::names(&source.text).declarations.into_iter();
    let functions = all.filter(|one| one.sort == Sort::Function && !one.is_private).map(|one| Function {
        name: one.name,
        parameters: lexer::words(&one.detail).map(String::from).collect(),
        about: one.docs.trim_matches('\n').to_string(),
    });
    let about: Vec<&str> = source.text.lines().filter_map(|line| line.strip_prefix("//!")).map(unindented).collect();
    let about = about.join("\n").trim_matches('\n').to_string();
    Ok(Module { name: name.into(), about, functions: functions.collect() })
}

fn unindented(line: &str) -> &str {
    line.strip_prefix(' ').unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_told_by_its_comments() {
        let text = "//! Cards.\n//!\n//! More.\n\n/// A card,\n/// by number.\n///     n  which\nfn card(n, of) { || n }\n\n// no\nfn plain() {\n\
                    }\n/// Hidden.\nprivate fn hidden() { 1 }\n/// Far.\nfn far(\n    a\n) { a }\n";
        let source = Rc::new(Source { name: "net/cards".into(), text: text.into() });
        let function = |name: &str, parameters: &[&str], about: &str| Function {
            name: name.into(),
            parameters: parameters.iter().map(ToString::to_string).collect(),
            about: about.into(),
        };
        let functions = vec![
            function("card", &["n", "of"], "A card,\nby number.\n    n  which"),
            function("plain", &[], ""),
            function("far", &["a"], "Far."),
        ];
        let expected = Module { name: "net/cards".into(), about: "Cards.\n\nMore.".into(), functions };
        assert_eq!(module("net/cards", &source), Ok(expected));
    }
}

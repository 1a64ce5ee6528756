//! What modules offer: found once, and kept.

use super::{Role, names, parse};
use crate::diag::{Fault, Source};
use crate::script::modules::Library;
use crate::script::source::Sources;
use rhai::{AST, ASTFlags, FnAccess, Stmt};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What a module offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exports {
    /// Its functions that others may call, each with its parameters.
    pub functions: BTreeMap<String, Vec<Vec<String>>>,
    /// The names of the values that others may read.
    pub values: Vec<String>,
    /// What is wrong with it, if anything is.
    pub fault: Option<String>,
}

impl Exports {
    fn of(ast: &AST) -> Self {
        let mut exports = Self::default();
        for def in ast.iter_fn_def().filter(|def| def.access == FnAccess::Public && !def.name.starts_with("anon$")) {
            let params = def.params.iter().map(ToString::to_string).collect();
            exports.functions.entry(def.name.to_string()).or_default().push(params);
        }
        for statement in ast.statements() {
            match statement {
                Stmt::Var(x, flags, _) if flags.contains(ASTFlags::EXPORTED) => {
                    exports.values.push(x.0.name.to_string());
                }
                Stmt::Export(x, _) => {
                    let name = if x.1.name.is_empty() { &x.0.name } else { &x.1.name };
                    exports.values.push(name.to_string());
                }
                _ => {}
            }
        }
        exports
    }
}

/// The modules that texts import, each read once.
#[derive(Default)]
pub(super) struct Modules {
    known: RefCell<BTreeMap<String, Rc<Exports>>>,
    /// What finds them, for the texts of each folder.
    folders: RefCell<BTreeMap<PathBuf, Rc<Library>>>,
}

impl Modules {
    /// Returns what the module offers that a text imports by a path.
    pub(super) fn get(&self, importer: &str, path: &str) -> Result<Rc<Exports>, Fault> {
        let known = self.known.borrow().get(path).cloned();
        if let Some(known) = known.filter(|_| path.starts_with("std/")) {
            return Ok(known);
        }
        let (id, text) = self.library(importer).locate(importer, path)?;
        if let Some(known) = self.known.borrow().get(&id) {
            return Ok(known.clone());
        }
        let source = Rc::new(Source { name: id.clone(), text });
        let parsed = parse(&source);
        let mut exports = Exports::of(&parsed.ast);
        let names = || names(&source, &parsed.ast, Role::Library).faults;
        let fault = parsed.faults.first().cloned().or_else(|| names().into_iter().next());
        exports.fault = fault.map(|fault| match &fault.place {
            Some(place) => format!("{place}: {}", fault.fault),
            None => fault.fault.to_string(),
        });
        let exports = Rc::new(exports);
        self.known.borrow_mut().insert(id, exports.clone());
        Ok(exports)
    }

    fn library(&self, importer: &str) -> Rc<Library> {
        let folder = Path::new(importer).parent().unwrap_or(Path::new("")).to_path_buf();
        let make = || {
            let sources = Rc::new(Sources::default());
            let source = Rc::new(Source { name: importer.into(), text: String::new() });
            sources.add(&source, &AST::empty());
            Rc::new(Library::new(sources))
        };
        self.folders.borrow_mut().entry(folder).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::modules::STDLIB;

    #[test]
    fn the_standard_library_has_no_fault_so_that_no_recipe_needs_to_look_for_one() {
        for (name, _) in STDLIB {
            assert_eq!(Modules::default().get("recipe.rhai", name).unwrap().fault, None, "{name}");
        }
    }
}

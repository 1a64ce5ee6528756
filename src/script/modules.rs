//! Imports: `std/…` is carried in the binary, `./…` is beside the importing file.

use super::check::{self, Role};
use super::raise::Raised;
use super::source::Sources;
use crate::diag::{Diagnostic, Fault, Source, suggest};
use rhai::{AST, Engine, EvalAltResult, Module, ModuleResolver, Position, Scope};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// The standard library: import name and text.
pub const STDLIB: &[(&str, &str)] = &[
    ("std/answers", include_str!("../../stdlib/answers.rhai")),
    ("std/disk", include_str!("../../stdlib/disk.rhai")),
    ("std/guest", include_str!("../../stdlib/guest.rhai")),
    ("std/net", include_str!("../../stdlib/net.rhai")),
];

/// Finds modules, evaluates each once in an empty scope, and tells cycles.
pub struct Library {
    sources: Rc<Sources>,
    known: RefCell<BTreeMap<String, Rc<Module>>>,
    loading: RefCell<Vec<String>>,
}

impl Library {
    /// Makes an empty library.
    pub fn new(sources: Rc<Sources>) -> Self {
        Self { sources, known: RefCell::default(), loading: RefCell::default() }
    }

    fn load(&self, engine: &Engine, id: &str, text: String) -> Result<Rc<Module>, Loading> {
        let source = Rc::new(Source { name: id.into(), text });
        let mut ast = engine.compile(&source.text).map_err(|error| {
            self.sources.add(&source, &AST::empty());
            let unit = super::report::syntax(&error, &source);
            Loading::Text(unit.fault, error.position())
        })?;
        ast.set_source(id);
        self.sources.add(&source, &ast);
        if let Some(Diagnostic { fault, place, .. }) =
            check::names(&source, &ast, Role::Library).faults.into_iter().next()
        {
            let (line, column) = place.map(|place| place.line_column()).unwrap_or_default();
            let (line, column) = (u16::try_from(line).unwrap_or(1), u16::try_from(column).unwrap_or(1));
            return Err(Loading::Text(fault, Position::new(line, column)));
        }
        Module::eval_ast_as_new(Scope::new(), &ast, engine).map(Rc::new).map_err(Loading::Error)
    }
}

enum Loading {
    Text(Fault, Position),
    Error(Box<EvalAltResult>),
}

/// Returns the name and the text of a module.
fn locate(importer: Option<&str>, path: &str) -> Result<(String, String), Fault> {
    if path.starts_with("std/") {
        let names = || STDLIB.iter().map(|(name, _)| *name);
        let found = STDLIB.iter().find(|(name, _)| *name == path);
        let none = || {
            let fault = Fault::new(format!("there is no module `{path}`"));
            fault.hint(format!("the standard library has {}", suggest::list(names())))
        };
        let none = || none().maybe_hint(suggest::did_you_mean(path, names()));
        return found.map(|(name, text)| ((*name).to_string(), (*text).to_string())).ok_or_else(none);
    }
    if !path.starts_with("./") && !path.starts_with("../") {
        let fault = Fault::new(format!("there is no module `{path}`"));
        return Err(fault.hint("an import begins with `std/`, or with `./` for a file beside the recipe"));
    }
    let folder = importer.map(Path::new).and_then(Path::parent).unwrap_or(Path::new(""));
    let file = tidy(&folder.join(format!("{}.rhai", path.strip_suffix(".rhai").unwrap_or(path))));
    match std::fs::read_to_string(&file) {
        Ok(text) => Ok((file.display().to_string(), text)),
        Err(error) => {
            let why = error.to_string();
            let why = why.split(" (os error").next().unwrap_or_default().to_string();
            Err(Fault::new(format!("cannot read the module {}: {why}", file.display())))
        }
    }
}

/// Resolves `.` and `..` as far as the path itself goes.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if tidy.file_name().is_some() => {
                tidy.pop();
            }
            Component::ParentDir | Component::Normal(_) | Component::RootDir | Component::Prefix(_) => tidy.push(part),
        }
    }
    tidy
}

impl ModuleResolver for Library {
    fn resolve(
        &self,
        engine: &Engine,
        importer: Option<&str>,
        path: &str,
        position: Position,
    ) -> Result<Rc<Module>, Box<EvalAltResult>> {
        let main = self.sources.main();
        let (id, text) = locate(importer.or(Some(&main)), path).map_err(|fault| Raised::from(fault).throw(position))?;
        if let Some(known) = self.known.borrow().get(&id) {
            return Ok(known.clone());
        }
        let begun = self.loading.borrow().iter().position(|loading| *loading == id);
        if let Some(at) = begun {
            let mut chain = self.loading.borrow()[at..].to_vec();
            chain.push(id);
            let fault = Fault::new(format!("the modules import each other: {}", chain.join(" -> ")));
            return Err(Raised::from(fault.hint("move what both need into a third")).throw(position));
        }
        self.loading.borrow_mut().push(id.clone());
        let loaded = self.load(engine, &id, text);
        self.loading.borrow_mut().pop();
        let module = loaded.map_err(|loading| {
            let inner = match loading {
                Loading::Text(fault, at) => Raised::from(fault).throw(at),
                Loading::Error(error) => error,
            };
            EvalAltResult::ErrorInModule(id.clone(), inner, position)
        })?;
        self.known.borrow_mut().insert(id, module.clone());
        Ok(module)
    }
}

//! Imports: `std/…` is carried in the binary, `./…` is beside the importing file, anything else is in a library that
//! `vmrun.toml` names.

use super::bounds;
use super::check::{self, Role};
use super::library_store::{LibraryModule, LibraryStore, tidy};
use super::raise::Raised;
use super::source::Sources;
use super::standard::{Kept, words_of};
use super::{allowance, imports};
use crate::diag::{Diagnostic, Fault, Source, suggest};
use crate::host::files;
use crate::library::{FETCHED, MANIFEST};
use rhai::{AST, Engine, EvalAltResult, Module, ModuleResolver, Position, Scope};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

/// The standard library: import name and text.
pub(crate) const STDLIB: &[(&str, &str)] = &[
    ("std/answers", include_str!("../../stdlib/answers.rhai")),
    ("std/disk", include_str!("../../stdlib/disk.rhai")),
    ("std/guest", include_str!("../../stdlib/guest.rhai")),
    ("std/images", include_str!("../../stdlib/images.rhai")),
    ("std/net", include_str!("../../stdlib/net.rhai")),
];

/// Finds modules, evaluates each once in an empty scope, and tells cycles.
pub(crate) struct Library {
    sources: Rc<Sources>,
    known: RefCell<BTreeMap<String, Rc<Module>>>,
    /// What was read of the modules of the standard library.
    kept: RefCell<BTreeMap<String, Kept>>,
    /// What is named and pinned beside the recipes of a folder, once it was asked for.
    stores: RefCell<BTreeMap<PathBuf, Read>>,
    /// The library of a module, and its file there.
    inside: RefCell<BTreeMap<String, (String, PathBuf)>>,
}

impl Library {
    /// Makes an empty library.
    pub(crate) fn new(sources: Rc<Sources>) -> Self {
        let (known, kept, stores, inside) = Default::default();
        Self { sources, known, kept, stores, inside }
    }

    fn load(&self, engine: &Engine, id: &str, text: String) -> Result<Rc<Module>, Loading> {
        let source = Rc::new(Source { name: id.into(), text });
        if let Some(fault) = bounds::declared(&source.text) {
            self.sources.add(&source, &AST::empty());
            return Err(Loading::Text(fault, Position::new(1, 1)));
        }
        let mut ast = super::compile(engine, &source.text).map_err(|error| {
            self.sources.add(&source, &AST::empty());
            let unit = super::report::syntax(&error, &source);
            Loading::Text(unit.fault, error.position())
        })?;
        ast.set_source(id);
        self.sources.add(&source, &ast);
        let faults = imports::faults(&source, &ast).into_iter().chain(allowance::faults(&source, &ast));
        if let Some(Diagnostic { fault, place, .. }) =
            faults.chain(check::names(&source, &ast, Role::Library).faults).next()
        {
            let (line, column) = place.map(|place| place.line_column()).unwrap_or_default();
            let (line, column) = (u16::try_from(line).unwrap_or(1), u16::try_from(column).unwrap_or(1));
            return Err(Loading::Text(fault, Position::new(line, column)));
        }
        Module::eval_ast_as_new(Scope::new(), &ast, engine).map(Rc::new).map_err(Loading::Error)
    }

    /// Reads a module of the standard library, or more of it than before: what the words name. The project's tests have checked it.
    fn load_standard(
        &self,
        engine: &Engine,
        id: &str,
        text: String,
        words: &BTreeSet<String>,
    ) -> Result<Rc<Module>, Loading> {
        let read = self.kept.borrow_mut().entry(id.into()).or_default().read(&text, words);
        let source = Rc::new(Source { name: id.into(), text });
        let mut ast = super::compile(engine, &read)
            .map_err(|error| Loading::Text(super::report::syntax(&error, &source).fault, error.position()))?;
        ast.set_source(id);
        self.sources.add(&source, &ast);
        Module::eval_ast_as_new(Scope::new(), &ast, engine).map(Rc::new).map_err(Loading::Error)
    }

    /// Returns the words by which functions of a module of the standard library are called: those of the text that imports it, and
    /// those of the recipe, which may go through that one (`guest::net::mac`). A module that is not ours may pass on all of it.
    fn asked(&self, importer: &str, id: &str, text: &str) -> BTreeSet<String> {
        let main = self.sources.main();
        let of_main = || {
            let unit = self.sources.get(&main);
            unit.map(|unit| words_of(&unit.source.text).map(str::to_string).collect::<BTreeSet<_>>())
                .unwrap_or_default()
        };
        if importer == main {
            return of_main();
        }
        let Some(kept) = self.kept.borrow().get(importer).map(|kept| kept.words().clone()) else {
            return words_of(text).map(str::to_string).collect();
        };
        let through = of_main();
        let is_named = id.rsplit('/').next().is_some_and(|name| through.contains(name));
        if is_named { kept.into_iter().chain(through).collect() } else { kept }
    }
}

/// What is named and pinned somewhere, or why that cannot be read.
type Read = Rc<Result<Option<LibraryStore>, Fault>>;

enum Loading {
    Text(Fault, Position),
    Error(Box<EvalAltResult>),
}

impl Library {
    /// Returns the name and the text of a module.
    pub(super) fn locate(&self, importer: &str, path: &str) -> Result<(String, String), Fault> {
        if path == "std" || path.starts_with("std/") {
            return standard(path);
        }
        let inside = self.inside.borrow().get(importer).cloned();
        let is_near = path.starts_with("./") || path.starts_with("../");
        if is_near && inside.is_none() {
            return beside(importer, path, &self.sources);
        }
        let main = self.sources.main();
        let folder = &folder_of(&main);
        let mut stores = self.stores.borrow_mut();
        let read = stores
            .entry(folder.clone())
            .or_insert_with(|| Rc::new(LibraryStore::beside(folder).map_err(first)))
            .clone();
        let Some(read) = (*read).as_ref().map_err(Clone::clone)? else { return Err(unnamed(path)) };
        let LibraryModule { library, id, text } = read.find(inside.as_ref(), path)?;
        let root = read.named.iter().find(|named| named.name == library).map(|named| read.root(named));
        let file = root.and_then(|root| Path::new(&id).strip_prefix(root).ok().map(Path::to_path_buf));
        self.inside.borrow_mut().insert(id.clone(), (library.clone(), file.unwrap_or_default()));
        self.sources.belongs(&id, &library);
        Ok((id, text))
    }
}

/// The first of several faults, with its place in words: it is in no text that is evaluated.
fn first(all: Vec<Diagnostic>) -> Fault {
    let Some(Diagnostic { fault, place, .. }) = all.into_iter().next() else {
        return Fault::new("vmrun.toml is wrong");
    };
    match place {
        Some(place) => fault.context(place),
        None => fault,
    }
}

fn unnamed(path: &str) -> Fault {
    let fault = Fault::new(format!("there is no module `{path}`"));
    fault.hint(format!(
        "an import begins with `std/`, with `./` for a file beside, or with a library that {MANIFEST} names"
    ))
}

/// A module of the standard library.
fn standard(path: &str) -> Result<(String, String), Fault> {
    let names = || STDLIB.iter().map(|(name, _)| *name);
    let found = STDLIB.iter().find(|(name, _)| *name == path);
    let none = || {
        let fault = Fault::new(format!("there is no module `{path}`"));
        fault.hint(format!("the standard library has {}", suggest::list(names())))
    };
    let none = || none().did_you_mean(path, names());
    found.map(|(name, text)| ((*name).to_string(), (*text).to_string())).ok_or_else(none)
}

/// The folder of a text; of one that is a link, that of what it leads to.
fn folder_of(text: &str) -> PathBuf {
    let path = Path::new(text);
    if files::is_link(path) { files::home(path) } else { path.parent().unwrap_or(Path::new("")).into() }
}

/// A file beside the importing one.
fn beside(importer: &str, path: &str, sources: &Sources) -> Result<(String, String), Fault> {
    let folder = folder_of(importer);
    let file = tidy(&folder.join(format!("{}.rhai", path.strip_suffix(".rhai").unwrap_or(path))));
    if file.components().any(|part| part == Component::Normal(FETCHED.as_ref())) {
        let fault = Fault::new(format!(
            "{} is in a library, and would not be compared with {}",
            file.display(),
            crate::library::LOCK
        ));
        return Err(fault.hint("import it by the library's name, as in \"net/cards\""));
    }
    if let Some(text) = sources.given(&file.display().to_string()) {
        return Ok((file.display().to_string(), text));
    }
    match files::read_text(&file) {
        Ok(text) => Ok((file.display().to_string(), text)),
        Err(error) => {
            let why = files::reason(&error);
            Err(Fault::new(format!("cannot read the module {}: {why}", file.display())))
        }
    }
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
        let importer = importer.unwrap_or(&main);
        let (id, text) = self.locate(importer, path).map_err(|fault| Raised::from(fault).throw(position))?;
        let asked = id.starts_with("std/").then(|| self.asked(importer, &id, &text));
        if let Some(known) = self.known.borrow().get(&id) {
            let kept = self.kept.borrow();
            let has = |asked| kept.get(&id).is_some_and(|kept| kept.has(&text, asked));
            if asked.as_ref().is_none_or(has) {
                return Ok(known.clone());
            }
        }
        let begun = self.sources.loading.borrow().iter().position(|loading| *loading == id);
        if let Some(at) = begun {
            let mut chain = self.sources.loading.borrow()[at..].to_vec();
            chain.push(id);
            let fault = Fault::new(format!("the modules import each other: {}", chain.join(" -> ")));
            return Err(Raised::from(fault.hint("move what both need into a third")).throw(position));
        }
        self.sources.loading.borrow_mut().push(id.clone());
        let loaded = match &asked {
            Some(words) => self.load_standard(engine, &id, text, words),
            None => self.load(engine, &id, text),
        };
        self.sources.loading.borrow_mut().pop();
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

//! The libraries of a folder of recipes: what `vmrun.toml` names and `vmrun.lock` pins. Nothing is fetched here.

use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::library_tree::{self, Unread};
use crate::library::lock::{self, Lock};
use crate::library::manifest::{self, From, Manifest, Named};
use crate::library::tree::{self, Change};
use crate::library::{FETCHED, LOCK, MANIFEST, ROOT, VENDORED};
use std::path::{Component, Path, PathBuf};

/// The library store of a folder of recipes: what is named beside them, and what is pinned.
#[derive(Debug)]
pub(crate) struct LibraryStore {
    folder: PathBuf,
    /// The libraries, in the order in which they are named.
    pub named: Vec<Named>,
    /// The file of those who sign what comes from repositories.
    pub signers: Option<PathBuf>,
    /// What is pinned.
    pub lock: Lock,
}

/// A Rhai file of a library, as an import names it.
#[derive(Debug)]
pub(crate) struct LibraryModule {
    /// The name of the library.
    pub library: String,
    /// The path of the file, which names it in messages.
    pub id: String,
    /// The text of the module.
    pub text: String,
}

impl LibraryStore {
    /// Makes one of a folder whose recipes name no libraries.
    pub(crate) fn empty(folder: &Path) -> Self {
        Self { folder: folder.into(), named: Vec::new(), signers: None, lock: Lock::new() }
    }

    /// Reads what is beside the recipes of a folder; nothing where no libraries are named.
    pub(crate) fn beside(folder: &Path) -> Result<Option<Self>, Vec<Diagnostic>> {
        let name = folder.join(MANIFEST);
        let Some(text) = library_tree::text(&name)? else { return Ok(None) };
        let Manifest { named, signers } = manifest::parse(&name.display().to_string(), &text)?;
        let name = folder.join(LOCK);
        let lock = match library_tree::text(&name)? {
            Some(text) => lock::parse(&name.display().to_string(), &text)?,
            None => Lock::new(),
        };
        let signers = signers.map(|file| folder.join(file));
        Ok(Some(Self { folder: folder.into(), named, signers, lock }))
    }

    /// Returns the folder that a library is in: its own, or beside the recipes, kept with them or only fetched.
    pub(crate) fn root(&self, library: &Named) -> PathBuf {
        match &library.from {
            From::Path(path) => {
                let root = tidy(&self.folder.join(path));
                // One that is beside its recipes, where these are in the folder at hand: no path is no folder.
                if root.as_os_str().is_empty() { PathBuf::from(".") } else { root }
            }
            From::Git(..) => {
                let vendored = self.vendored(&library.name);
                let is_kept = library_tree::is_folder(&vendored);
                if is_kept { vendored } else { self.folder.join(FETCHED).join(&library.name) }
            }
        }
    }

    /// Returns the folder in which a library is kept with the recipes.
    pub(crate) fn vendored(&self, library: &str) -> PathBuf {
        self.folder.join(VENDORED).join(library)
    }

    /// Returns the folder of the recipes.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Finds what an import means that begins with the name of a library, or that stands in one and begins with a dot.
    pub(crate) fn find(&self, inside: Option<&(String, PathBuf)>, path: &str) -> Result<LibraryModule, Fault> {
        let whole = match inside.filter(|_| path.starts_with('.')) {
            Some((library, file)) => {
                let inner = tidy(&file.parent().unwrap_or(Path::new("")).join(path));
                if inner.components().any(|part| !matches!(part, Component::Normal(_))) {
                    return Err(leaves(library));
                }
                format!("{library}/{}", inner.display())
            }
            None => path.into(),
        };
        let (name, module) = whole.split_once('/').unwrap_or((&whole, ROOT));
        let library = self.named.iter().find(|library| library.name == name).ok_or_else(|| self.unknown(name))?;
        let module = format!("{}.rhai", module.strip_suffix(".rhai").unwrap_or(module));
        tree::check_path(&module).map_err(|_| leaves(name))?;
        self.read(library, &module)
    }

    fn unknown(&self, name: &str) -> Fault {
        let names = || self.named.iter().map(|library| library.name.as_str());
        let fault = Fault::new(format!("there is no library `{name}`"));
        let listed = suggest::list(names());
        let listed = if listed.is_empty() { "none".into() } else { listed };
        fault
            .hint(format!("{} names {listed}; `./{name}` is a file beside", self.folder.join(MANIFEST).display()))
            .did_you_mean(name, names())
    }

    fn read(&self, library: &Named, module: &str) -> Result<LibraryModule, Fault> {
        let (name, root) = (&library.name, self.root(library));
        let pin = match &library.from {
            From::Path(_) => None,
            From::Git(..) => Some(self.lock.get(name).filter(|pin| pin.is_of(library)).ok_or_else(|| {
                let fault =
                    Fault::new(format!("the library `{name}` is not pinned in {}", self.folder.join(LOCK).display()));
                fault.hint(format!("{} fetches and pins it; a recipe that runs fetches nothing", self.sync()))
            })?),
        };
        let known = |module: &String| pin.is_none_or(|pin| pin.files.contains_key(module));
        let bytes = match library_tree::read_below(&root, module) {
            Ok(bytes) => bytes,
            Err(Unread::Outside) => return Err(leaves(name).context(format!("{module} is a link"))),
            Err(Unread::Refused(why)) => {
                return Err(Fault::host(format!("cannot read {}: {why}", root.join(module).display())));
            }
            Err(Unread::Missing) if !known(&module.to_string()) || pin.is_none() => {
                return Err(self.lacks(library, module));
            }
            Err(Unread::Missing) if !library_tree::is_folder(&root) => {
                let fault = Fault::new(format!("the library `{name}` is not here"));
                return Err(fault.hint(format!("{} fetches it; a recipe that runs fetches nothing", self.sync())));
            }
            Err(Unread::Missing) => return Err(self.changed(library)),
        };
        if pin.is_some_and(|pin| pin.files.get(module) != Some(&tree::sum(&bytes))) {
            return Err(self.changed(library));
        }
        let id = root.join(module).display().to_string();
        let no_text = |_| Fault::new(format!("{id} is no UTF-8 text")).hint("a module is text");
        let text = String::from_utf8(bytes).map_err(no_text)?;
        Ok(LibraryModule { library: name.clone(), id, text })
    }

    fn lacks(&self, library: &Named, module: &str) -> Fault {
        let stem = |path: &String| path.strip_suffix(".rhai").map(|stem| format!("{}/{stem}", library.name));
        let files = match &library.from {
            From::Path(_) => {
                library_tree::read(&self.root(library)).ok().flatten().map(|(files, _)| tree::sums(&files))
            }
            From::Git(..) => self.lock.get(&library.name).map(|pin| pin.files.clone()),
        };
        let Some(files) = files else {
            let fault =
                Fault::new(format!("the library `{}` is not in {}", library.name, self.root(library).display()));
            return fault.hint("its `path` in vmrun.toml is where it is, from that file on");
        };
        let names: Vec<String> = files.keys().filter_map(stem).filter(|name| !name.ends_with("_test")).collect();
        let names = || names.iter().map(String::as_str);
        let wanted = format!("{}/{}", library.name, module.trim_end_matches(".rhai"));
        let fault = Fault::new(format!("the library `{}` has no file {module}", library.name));
        let fault = fault.hint(format!("it has {}", suggest::list(names())));
        fault.did_you_mean(&wanted, names())
    }

    fn sync(&self) -> String {
        let is_here = self.folder.as_os_str().is_empty();
        if is_here { "`vmrun lib sync`".into() } else { format!("`vmrun lib --folder {} sync`", self.folder.display()) }
    }

    /// Says what is different in a library.
    fn changed(&self, library: &Named) -> Fault {
        let changes = self.changes(library).ok().flatten().unwrap_or_default();
        let listed: Vec<String> = changes.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = changes.len().saturating_sub(SHOWN);
        let more = if more == 0 { String::new() } else { format!(", and {more} more") };
        let root = self.root(library);
        let fault = Fault::new(format!(
            "the library `{}` is not as it was pinned: in {}, {}{more}",
            library.name,
            root.display(),
            suggest::list(listed.iter().map(String::as_str))
        ));
        fault.hint(format!("{} puts it back; a change is made in its repository", self.sync()))
    }

    /// Returns how a library differs from what was pinned; nothing where it is not here.
    pub(crate) fn changes(&self, library: &Named) -> Result<Option<Vec<Change>>, Fault> {
        let Some(pin) = self.lock.get(&library.name).filter(|pin| pin.is_of(library)) else {
            return Ok(Some(Vec::new()));
        };
        let found = library_tree::read(&self.root(library))?;
        Ok(found.map(|(files, links)| tree::changes(&pin.files, &files, &links)))
    }
}

/// How many changes a message names.
const SHOWN: usize = 5;

fn leaves(library: &str) -> Fault {
    let fault = Fault::new(format!("the import leaves the library `{library}`"));
    fault.hint("a library imports its own files, `std/…`, and libraries that the recipe's vmrun.toml names")
}

/// Resolves `.` and `..` as far as the path itself goes.
pub(crate) fn tidy(path: &Path) -> PathBuf {
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

//! The libraries that somebody asks about: by their names in vmrun.toml, or by their folders.

use crate::diag::{Diagnostic, Fault, Source};
use crate::host::library_tree;
use crate::script::docs::{self, Module};
use crate::script::library_store::LibraryStore;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Returns the folder of a library that vmrun.toml names, or of one that is a folder.
pub(crate) fn root_of(folder: Option<&Path>, library: &str) -> Result<PathBuf, Vec<Diagnostic>> {
    let named = LibraryStore::beside(folder.unwrap_or(Path::new("")))?;
    let all = named.iter().flat_map(|store| store.named.iter().map(move |named| (store, named)));
    match all.into_iter().find(|(_, named)| named.name == library) {
        Some((store, named)) if library_tree::is_folder(&store.root(named)) => Ok(store.root(named)),
        Some((_, named)) => {
            let fault = Fault::new(format!("the library `{}` is not here", named.name));
            Err(fault.hint("`vmrun lib sync` fetches it").into())
        }
        None if library_tree::is_folder(Path::new(library)) => Ok(library.into()),
        None => {
            let fault = Fault::usage(format!("{library} is no library and no folder"));
            Err(fault.hint("vmrun.toml names libraries: `vmrun lib list`").into())
        }
    }
}

/// Returns the texts of a library, by their paths in it, without its tests.
pub(crate) fn texts_of(root: &Path) -> Result<Vec<(String, Rc<Source>)>, Fault> {
    let none = || Fault::usage(format!("{} is no folder", root.display()));
    let (files, links) = library_tree::read(root)?.ok_or_else(none)?;
    if let Some(link) = links.first() {
        let fault = Fault::new(format!("{} is a symbolic link", root.join(link).display()));
        return Err(fault.hint("a library has none"));
    }
    let text = |(path, bytes): (String, Vec<u8>)| {
        let stem = path.strip_suffix(".rhai").filter(|stem| !stem.ends_with("_test"))?.to_string();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some((stem, Rc::new(Source { name: root.join(&path).display().to_string(), text })))
    };
    Ok(files.into_iter().filter_map(text).collect())
}

/// Returns what the modules of a library say of themselves.
pub(crate) fn modules_of(folder: Option<&Path>, library: &str) -> Result<Vec<Module>, Vec<Diagnostic>> {
    let root = root_of(folder, library)?;
    let name = Path::new(library).file_name().map_or(library.into(), |name| name.to_string_lossy().into_owned());
    let (mut modules, mut faults) = (Vec::new(), Vec::new());
    for (stem, source) in texts_of(&root)? {
        // The root is imported by the library's name alone.
        let import = if stem == crate::library::ROOT { name.clone() } else { format!("{name}/{stem}") };
        match docs::module(&import, &source) {
            Ok(module) => modules.push(module),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(modules) } else { Err(faults) }
}

/// Returns the names of the libraries that vmrun.toml names; none where there is no such file.
pub(crate) fn all_names(folder: Option<&Path>) -> Result<Vec<String>, Vec<Diagnostic>> {
    let store = LibraryStore::beside(folder.unwrap_or(Path::new("")))?;
    Ok(store.iter().flat_map(|store| store.named.iter().map(|named| named.name.clone())).collect())
}

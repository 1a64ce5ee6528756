//! The library store beside recipes: what is named in vmrun.toml is fetched, pinned in vmrun.lock and kept.

mod fetch;
pub(crate) mod sources;
pub(crate) mod status;
pub(crate) mod template;

use crate::diag::{Blame, Diagnostic, Fault};
use crate::host::library_tree;
use crate::library::lock::{self, Lock, Pin};
use crate::library::manifest::{self, From, Named, Want};
use crate::library::{FETCHED, LOCK, MANIFEST};
use crate::script::library_store::LibraryStore;
use fetch::{Fetched, Tags};
use status::LibraryState;
use std::path::{Path, PathBuf};

/// Where a library comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A repository.
    Git {
        /// Its address.
        url: String,
        /// The versions that will do, as Cargo writes it.
        semver: Option<String>,
        /// A tag, a branch or a commit; it counts where no version is given.
        rev: Option<String>,
    },
    /// A folder that is used as it is, from the folder of the recipes on.
    Path(PathBuf),
}

/// What became of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing: what is pinned is here.
    Unchanged,
    /// What is pinned was fetched.
    Fetched,
    /// Something else is pinned now, and was fetched.
    Pinned,
}

/// What became of a library.
#[derive(Debug)]
pub(crate) enum LibraryOutcome {
    /// It is pinned and here.
    Pinned {
        /// The name by which recipes import it.
        name: String,
        /// What is pinned.
        pin: Pin,
        /// What is new about it.
        change: Change,
    },
    /// It is in a folder.
    Path {
        /// The name by which recipes import it.
        name: String,
        /// The folder.
        root: PathBuf,
    },
    /// It is not named any more; its pin and its files were removed.
    Removed {
        /// The name by which recipes import it.
        name: String,
    },
}

/// Reads the store of a folder of recipes, which has to be there.
fn store(folder: &Path) -> Result<LibraryStore, Vec<Diagnostic>> {
    let none = || {
        let fault = Fault::new(format!("there is no {}", folder.join(MANIFEST).display())).blame(Blame::Usage);
        vec![fault.hint("`vmrun lib add NAME URL` makes it; --folder says where recipes are").into()]
    };
    LibraryStore::beside(folder)?.ok_or_else(none)
}

/// Names a library, fetches and pins it. Nothing is written before all of it was had.
pub(crate) fn add(folder: &Path, name: &str, origin: &Origin) -> Result<LibraryOutcome, Vec<Diagnostic>> {
    manifest::check_name(name).map_err(|fault| fault.blame(Blame::Usage))?;
    let path = folder.join(MANIFEST);
    let text = library_tree::text(&path)?.unwrap_or_default();
    let store = LibraryStore::beside(folder)?.unwrap_or_else(|| LibraryStore::empty(folder));
    if store.named.iter().any(|named| named.name == name) {
        let fault = Fault::usage(format!("{} names a library `{name}` already", path.display()));
        return Err(fault.hint("change it there, and then: `vmrun lib sync`").into());
    }
    let (named, fetched) = wanted(&store, name, origin)?;
    let name = named.name.clone();
    let outcome = match fetched {
        Some(fetched) => {
            put(&store, &named, &fetched)?;
            let mut lock = store.lock.clone();
            lock.insert(name.clone(), fetched.pin.clone());
            library_tree::replace(&folder.join(LOCK), &lock::text(&lock))?;
            LibraryOutcome::Pinned { name, pin: fetched.pin, change: Change::Fetched }
        }
        None => LibraryOutcome::Path { name, root: store.root(&named) },
    };
    let gap = match text.as_str() {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    library_tree::replace(&path, &format!("{text}{gap}{}", manifest::entry(&named)))?;
    Ok(outcome)
}

/// Returns the entry of a new library, and what was fetched of its repository.
fn wanted(store: &LibraryStore, name: &str, origin: &Origin) -> Result<(Named, Option<Fetched>), Fault> {
    match origin {
        Origin::Git { url, semver, rev } => {
            manifest::check_url(url).map_err(|fault| fault.blame(Blame::Usage))?;
            let want = match (semver, rev) {
                (Some(version), _) => Some(Want::Version(version.clone())),
                (_, Some(rev)) => {
                    manifest::check_rev(rev).map_err(|fault| fault.blame(Blame::Usage))?;
                    Some(Want::Rev(rev.clone()))
                }
                (None, None) => None,
            };
            let (want, fetched) = fetch::anew(store, name, url, want)?;
            Ok((Named { name: name.into(), from: From::Git(url.clone(), want) }, Some(fetched)))
        }
        Origin::Path(path) => {
            let named = Named { name: name.into(), from: From::Path(path.clone()) };
            let root = store.root(&named);
            if !library_tree::is_folder(&root) {
                let fault = Fault::usage(format!("{} is no folder", root.display()));
                return Err(fault.hint("a path is from the folder of the recipes on"));
            }
            Ok((named, None))
        }
    }
}

/// Fetches what is pinned and not here, and pins what is not pinned yet.
pub(crate) fn sync(folder: &Path) -> Result<Vec<LibraryOutcome>, Vec<Diagnostic>> {
    let store = store(folder)?;
    pin(&store, &store.named, Tags::Kept)
}

/// Pins the newest that the manifest allows, of all libraries or of those with these names; with `moved` also what a tag was moved
/// to.
pub(crate) fn update(folder: &Path, names: &[String], moved: bool) -> Result<Vec<LibraryOutcome>, Vec<Diagnostic>> {
    let store = store(folder)?;
    let known = || store.named.iter().map(|named| named.name.as_str());
    if let Some(name) = names.iter().find(|name| !known().any(|known| known == *name)) {
        let fault = Fault::usage(format!("{} names no library `{name}`", folder.join(MANIFEST).display()));
        return Err(fault.did_you_mean(name, known()).into());
    }
    let is_meant = |named: &&Named| names.is_empty() || names.contains(&named.name);
    let wanted: Vec<Named> = store.named.iter().filter(is_meant).cloned().collect();
    pin(&store, &wanted, if moved { Tags::Moved } else { Tags::Newest })
}

/// Returns what became of a library, by how it was pinned before.
fn change(before: Option<&Pin>, fetched: Option<&Fetched>) -> Change {
    match fetched {
        None => Change::Unchanged,
        Some(fetched) if before == Some(&fetched.pin) => Change::Fetched,
        Some(_) => Change::Pinned,
    }
}

/// Pins libraries and puts them where they belong: all are fetched before the first is written.
fn pin(store: &LibraryStore, wanted: &[Named], tags: Tags) -> Result<Vec<LibraryOutcome>, Vec<Diagnostic>> {
    let done = fetched(store, wanted, tags)?;
    let is_named =
        |name: &str| store.named.iter().any(|named| named.name == name && matches!(named.from, From::Git(..)));
    let mut lock: Lock = store.lock.clone();
    lock.retain(|name, _| is_named(name));
    let mut outcomes = Vec::new();
    for (named, fetched) in done {
        let name = &named.name;
        let change = change(store.lock.get(name), fetched.as_ref());
        if let Some(fetched) = fetched {
            put(store, named, &fetched)?;
            lock.insert(name.clone(), fetched.pin);
        }
        if let Some(pin) = lock.get(name) {
            outcomes.push(LibraryOutcome::Pinned { name: name.clone(), pin: pin.clone(), change });
        }
    }
    if lock != store.lock {
        library_tree::replace(&store.folder().join(LOCK), &lock::text(&lock))?;
    }
    for gone in store.lock.keys().filter(|name| !is_named(name)) {
        library_tree::remove(&store.folder().join(FETCHED).join(gone))?;
        outcomes.push(LibraryOutcome::Removed { name: gone.clone() });
    }
    Ok(outcomes)
}

/// Fetches of each library what is to be pinned; nothing of one whose files are here as they are pinned.
fn fetched<'a>(
    store: &LibraryStore,
    wanted: &'a [Named],
    tags: Tags,
) -> Result<Vec<(&'a Named, Option<Fetched>)>, Vec<Diagnostic>> {
    let mut done = Vec::new();
    for named in wanted {
        let From::Git(url, want) = &named.from else { continue };
        let known = store.lock.get(&named.name).filter(|pin| pin.is_of(named));
        let fetched = match known {
            Some(pin) if tags == Tags::Kept => {
                let is_here = LibraryState::of(store, named)? == LibraryState::AsPinned;
                if is_here { None } else { Some(fetch::again(store, named, pin)?) }
            }
            _ => {
                let (_, fetched) = fetch::anew(store, &named.name, url, Some(want.clone()))?;
                if let Some(old) = known.filter(|_| tags != Tags::Moved) {
                    fetch::check_moved(&named.name, old, &fetched.pin)?;
                }
                Some(fetched)
            }
        };
        done.push((named, fetched));
    }
    Ok(done)
}

/// Puts a library where it belongs.
fn put(store: &LibraryStore, named: &Named, fetched: &Fetched) -> Result<(), Fault> {
    let fetched_to = store.folder().join(FETCHED);
    let root = store.root(named);
    if root.starts_with(&fetched_to) && !library_tree::is_folder(&fetched_to) {
        library_tree::make_folder(&fetched_to)?;
    }
    if library_tree::is_folder(&fetched_to) {
        // What can be fetched again is nothing for version control.
        library_tree::put(&fetched_to.join(".gitignore"), b"*\n")?;
    }
    library_tree::write(&root, &fetched.files)
}

/// Moves the libraries that come from a repository into the folder that is kept with the recipes.
pub(crate) fn vendor(folder: &Path) -> Result<Vec<LibraryOutcome>, Vec<Diagnostic>> {
    let store = store(folder)?;
    let mut all = Vec::new();
    for named in store.named.iter().filter(|named| matches!(named.from, From::Git(..))) {
        let state = LibraryState::of(&store, named)?;
        if state != LibraryState::AsPinned {
            let fault = Fault::new(format!("the library `{}` is {}", named.name, state.word()));
            return Err(fault.hint("first: `vmrun lib sync`").into());
        }
        all.push(named);
    }
    let mut outcomes = Vec::new();
    for named in all {
        let (from, to) = (store.root(named), store.vendored(&named.name));
        if from != to
            && let Some((files, _)) = library_tree::read(&from)?
        {
            library_tree::write(&to, &files)?;
            library_tree::remove(&from)?;
        }
        outcomes.push(LibraryOutcome::Path { name: named.name.clone(), root: to });
    }
    Ok(outcomes)
}

//! The library store beside recipes: what is named in vmrun.toml is fetched, pinned in vmrun.lock and kept.

mod fetch;
pub(crate) mod sources;
pub(crate) mod status;
pub(crate) mod template;

use crate::diag::{Blame, Diagnostic, Fault, suggest};
use crate::host::shelf;
use crate::library::lock::{self, Lock, Pin};
use crate::library::manifest::{self, From, Named, Want};
use crate::library::{FETCHED, LOCK, MANIFEST};
use crate::script::shelf::Shelf;
use fetch::{Fetched, Tags};
use status::State;
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
pub(crate) enum Outcome {
    /// It is pinned and here.
    Pinned {
        /// Its name.
        name: String,
        /// What is pinned.
        pin: Pin,
        /// What is new about it.
        change: Change,
    },
    /// It is in a folder.
    Path {
        /// Its name.
        name: String,
        /// The folder.
        root: PathBuf,
    },
    /// It is not named any more; its pin and its files were removed.
    Removed {
        /// Its name.
        name: String,
    },
}

/// Reads the store of a folder of recipes, which has to be there.
fn store(folder: &Path) -> Result<Shelf, Vec<Diagnostic>> {
    let none = || {
        let fault = Fault::new(format!("there is no {}", folder.join(MANIFEST).display())).blame(Blame::Usage);
        vec![fault.hint("`vmrun lib add NAME URL` makes it; --folder says where recipes are").into()]
    };
    Shelf::beside(folder)?.ok_or_else(none)
}

/// Names a library, fetches and pins it. Nothing is written before all of it was had.
pub(crate) fn add(folder: &Path, name: &str, origin: &Origin) -> Result<Outcome, Vec<Diagnostic>> {
    manifest::check_name(name).map_err(|fault| fault.blame(Blame::Usage))?;
    let path = folder.join(MANIFEST);
    let text = shelf::text(&path)?.unwrap_or_default();
    let shelf = Shelf::beside(folder)?.unwrap_or_else(|| Shelf::empty(folder));
    if shelf.named.iter().any(|named| named.name == name) {
        let fault = Fault::usage(format!("{} names a library `{name}` already", path.display()));
        return Err(fault.hint("change it there, and then: `vmrun lib sync`").into());
    }
    let (named, fetched) = wanted(&shelf, name, origin)?;
    let name = named.name.clone();
    let outcome = match fetched {
        Some(fetched) => {
            put(&shelf, &named, &fetched)?;
            let mut lock = shelf.lock.clone();
            lock.insert(name.clone(), fetched.pin.clone());
            shelf::replace(&folder.join(LOCK), &lock::text(&lock))?;
            Outcome::Pinned { name, pin: fetched.pin, change: Change::Fetched }
        }
        None => Outcome::Path { name, root: shelf.root(&named) },
    };
    let gap = match text.as_str() {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    shelf::replace(&path, &format!("{text}{gap}{}", manifest::entry(&named)))?;
    Ok(outcome)
}

/// Returns the entry of a new library, and what was fetched of its repository.
fn wanted(shelf: &Shelf, name: &str, origin: &Origin) -> Result<(Named, Option<Fetched>), Fault> {
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
            let (want, fetched) = fetch::anew(shelf, name, url, want)?;
            Ok((Named { name: name.into(), from: From::Git(url.clone(), want) }, Some(fetched)))
        }
        Origin::Path(path) => {
            let named = Named { name: name.into(), from: From::Path(path.clone()) };
            let root = shelf.root(&named);
            if !shelf::is_folder(&root) {
                let fault = Fault::usage(format!("{} is no folder", root.display()));
                return Err(fault.hint("a path is from the folder of the recipes on"));
            }
            Ok((named, None))
        }
    }
}

/// Fetches what is pinned and not here, and pins what is not pinned yet.
pub(crate) fn sync(folder: &Path) -> Result<Vec<Outcome>, Vec<Diagnostic>> {
    let shelf = store(folder)?;
    pin(&shelf, &shelf.named, Tags::Kept)
}

/// Pins the newest that the manifest allows, of all libraries or of those with these names; with `moved` also what a tag was moved
/// to.
pub(crate) fn update(folder: &Path, names: &[String], moved: bool) -> Result<Vec<Outcome>, Vec<Diagnostic>> {
    let shelf = store(folder)?;
    let known = || shelf.named.iter().map(|named| named.name.as_str());
    if let Some(name) = names.iter().find(|name| !known().any(|known| known == *name)) {
        let fault = Fault::usage(format!("{} names no library `{name}`", folder.join(MANIFEST).display()));
        return Err(fault.maybe_hint(suggest::did_you_mean(name, known())).into());
    }
    let is_meant = |named: &&Named| names.is_empty() || names.contains(&named.name);
    let wanted: Vec<Named> = shelf.named.iter().filter(is_meant).cloned().collect();
    pin(&shelf, &wanted, if moved { Tags::Moved } else { Tags::Newest })
}

/// Pins libraries and puts them where they belong: all are fetched before the first is written.
fn pin(shelf: &Shelf, wanted: &[Named], tags: Tags) -> Result<Vec<Outcome>, Vec<Diagnostic>> {
    let done = fetched(shelf, wanted, tags)?;
    let is_named =
        |name: &str| shelf.named.iter().any(|named| named.name == name && matches!(named.from, From::Git(..)));
    let mut lock: Lock = shelf.lock.clone();
    lock.retain(|name, _| is_named(name));
    let mut outcomes = Vec::new();
    for (named, fetched) in done {
        let name = &named.name;
        let change = match &fetched {
            None => Change::Unchanged,
            Some(fetched) if shelf.lock.get(name).is_some_and(|old| *old == fetched.pin) => Change::Fetched,
            Some(_) => Change::Pinned,
        };
        if let Some(fetched) = fetched {
            put(shelf, named, &fetched)?;
            lock.insert(name.clone(), fetched.pin);
        }
        if let Some(pin) = lock.get(name) {
            outcomes.push(Outcome::Pinned { name: name.clone(), pin: pin.clone(), change });
        }
    }
    if lock != shelf.lock {
        shelf::replace(&shelf.folder().join(LOCK), &lock::text(&lock))?;
    }
    for gone in shelf.lock.keys().filter(|name| !is_named(name)) {
        shelf::remove(&shelf.folder().join(FETCHED).join(gone))?;
        outcomes.push(Outcome::Removed { name: gone.clone() });
    }
    Ok(outcomes)
}

/// Fetches of each library what is to be pinned; nothing of one whose files are here as they are pinned.
fn fetched<'a>(
    shelf: &Shelf,
    wanted: &'a [Named],
    tags: Tags,
) -> Result<Vec<(&'a Named, Option<Fetched>)>, Vec<Diagnostic>> {
    let mut done = Vec::new();
    for named in wanted {
        let From::Git(url, want) = &named.from else { continue };
        let known = shelf.lock.get(&named.name).filter(|pin| pin.is_of(named));
        let fetched = match known {
            Some(pin) if tags == Tags::Kept => {
                let is_signed = shelf.signers.is_none() || pin.signed.is_some();
                let is_here = is_signed && shelf.changes(named)?.is_some_and(|changes| changes.is_empty());
                if is_here { None } else { Some(fetch::again(shelf, named, pin)?) }
            }
            _ => {
                let (_, fetched) = fetch::anew(shelf, &named.name, url, Some(want.clone()))?;
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
fn put(shelf: &Shelf, named: &Named, fetched: &Fetched) -> Result<(), Fault> {
    let fetched_to = shelf.folder().join(FETCHED);
    let root = shelf.root(named);
    if root.starts_with(&fetched_to) && !shelf::is_folder(&fetched_to) {
        shelf::make_folder(&fetched_to)?;
    }
    if shelf::is_folder(&fetched_to) {
        // What can be fetched again is nothing for version control.
        shelf::put(&fetched_to.join(".gitignore"), b"*\n")?;
    }
    shelf::write(&root, &fetched.files)
}

/// Moves the libraries that come from a repository into the folder that is kept with the recipes.
pub(crate) fn vendor(folder: &Path) -> Result<Vec<Outcome>, Vec<Diagnostic>> {
    let shelf = store(folder)?;
    let mut all = Vec::new();
    for named in shelf.named.iter().filter(|named| matches!(named.from, From::Git(..))) {
        let state = State::of(&shelf, named)?;
        if state != State::AsPinned {
            let fault = Fault::new(format!("the library `{}` is {}", named.name, state.word()));
            return Err(fault.hint("first: `vmrun lib sync`").into());
        }
        all.push(named);
    }
    let mut outcomes = Vec::new();
    for named in all {
        let (from, to) = (shelf.root(named), shelf.vendored(&named.name));
        if from != to
            && let Some((files, _)) = shelf::read(&from)?
        {
            shelf::write(&to, &files)?;
            shelf::remove(&from)?;
        }
        outcomes.push(Outcome::Path { name: named.name.clone(), root: to });
    }
    Ok(outcomes)
}

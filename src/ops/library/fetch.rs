//! What a repository has, and which of it is wanted.

use crate::client::git::Repository;
use crate::client::ssh_keygen::{self, Signer};
use crate::diag::{Fault, suggest};
use crate::host::{clock, files};
use crate::library::lock::{Pin, Signing};
use crate::library::manifest::{Named, Want};
use crate::library::tree::{self, Files};
use crate::library::{FETCHED, LOCK, MANIFEST};
use crate::script::library_store::LibraryStore;
use semver::{Version, VersionReq};

/// What becomes of what is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tags {
    /// It stays.
    Kept,
    /// The newest is pinned, but no other commit for the same tag.
    Newest,
    /// The newest is pinned, also where its tag was moved.
    Moved,
}

/// A library that was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    /// What is to be pinned.
    pub(super) pin: Pin,
    /// Its modules, by their paths in the repository.
    pub(super) files: Files,
}

fn repository(store: &LibraryStore, url: &str) -> Result<Repository, Fault> {
    let folder = files::of_this_process(&store.folder().join(FETCHED), ".fetch");
    let folder = std::path::absolute(&folder).unwrap_or(folder);
    Repository::fetch(url, store.folder(), folder)
}

/// Fetches what is wanted of a repository; if nobody said, its newest version.
pub(super) fn anew(store: &LibraryStore, name: &str, url: &str, want: Option<Want>) -> Result<(Want, Fetched), Fault> {
    let required = match &want {
        Some(Want::Version(version)) => Some(requirement(version)?),
        // A revision is no requirement, and who wants nothing gets the newest.
        _ => None,
    };
    let repository = repository(store, url)?;
    let (want, tag, commit) = match want {
        Some(Want::Rev(rev)) => {
            let (commit, is_tag) = repository.resolve(&rev)?;
            (Want::Rev(rev.clone()), is_tag.then_some(rev), commit)
        }
        want @ (Some(Want::Version(_)) | None) => {
            let tags = repository.tags()?;
            let tag = newest(&tags, required.as_ref()).ok_or_else(|| none(url, required.as_ref(), &tags))?;
            let commit = repository.tagged(&tag.0);
            let commit = commit.ok_or_else(|| Fault::new(format!("the tag {} of {url} is no commit", tag.0)))?;
            (want.unwrap_or(Want::Version(tag.1.to_string())), Some(tag.0), commit)
        }
    };
    let files = modules(&repository, name, &commit)?;
    let signed = signing(store, &repository, name, (tag.as_deref(), &commit), &clock::stamp())?;
    let pin = Pin { git: url.into(), want: want.to_string(), tag, commit, signed, files: tree::sums(&files) };
    Ok((want, Fetched { pin, files }))
}

fn requirement(version: &str) -> Result<VersionReq, Fault> {
    VersionReq::parse(version).map_err(|error| {
        let fault = Fault::new(format!("{version:?} is no requirement of a version: {error}"));
        fault.hint("\"1.2\" is 1.2.0 and what is compatible with it; \"=1.2.3\", \">=1.2, <1.5\"")
    })
}

/// Returns the tag with the highest version that will do. A version before a release is taken only where it is asked for.
fn newest(tags: &[String], required: Option<&VersionReq>) -> Option<(String, Version)> {
    let version = |tag: &String| Some((Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()?, tag.clone()));
    let fits = |(version, _): &(Version, String)| {
        required.map_or(version.pre.is_empty(), |required| required.matches(version))
    };
    tags.iter().filter_map(version).filter(fits).max().map(|(version, tag)| (tag, version))
}

fn none(url: &str, required: Option<&VersionReq>, tags: &[String]) -> Fault {
    let known: Vec<&str> = tags.iter().map(String::as_str).collect();
    let listed = if known.is_empty() { "it has no tags".into() } else { format!("its tags: {}", suggest::list(known)) };
    match required {
        Some(required) => Fault::new(format!("{url} has no version {required}")).hint(listed),
        None => Fault::new(format!("{url} has no tag that is a version")).hint("say which: --rev main, or a commit"),
    }
}

fn modules(repository: &Repository, name: &str, commit: &str) -> Result<Files, Fault> {
    let files = repository.files(commit)?;
    let is_module = |path: &String| path.strip_suffix(".rhai").is_some_and(|stem| !stem.ends_with("_test"));
    if files.keys().any(is_module) {
        return Ok(files);
    }
    Err(Fault::new(format!("`{name}` is no library: it has no file that ends in .rhai"))
        .hint("`vmrun lib new` makes one"))
}

/// Fetches what is pinned.
pub(super) fn again(store: &LibraryStore, named: &Named, pin: &Pin) -> Result<Fetched, Fault> {
    let name = &named.name;
    let repository = repository(store, &pin.git)?;
    if let Some(tag) = &pin.tag {
        let now = repository.tagged(tag);
        if now.as_ref() != Some(&pin.commit) {
            return Err(moved(name, tag, &pin.commit, now.as_deref()));
        }
    }
    if !repository.has(&pin.commit) {
        let fault = Fault::new(format!(
            "{} does not have the commit {} any more, which {LOCK} pins for `{name}`",
            pin.git, pin.commit
        ));
        return Err(
            fault.hint(format!("`vmrun lib update {name}` pins what is there now, after a look at what changed"))
        );
    }
    let files = modules(&repository, name, &pin.commit)?;
    if tree::sums(&files) != pin.files {
        let fault =
            Fault::new(format!("the files of `{name}` at the commit {} are not those that {LOCK} pins", pin.commit));
        return Err(fault.hint("somebody changed the one or the other: ask who keeps them"));
    }
    // What was good when it was pinned stays good.
    let at = pin.signed.as_ref().map_or_else(clock::stamp, |signed| signed.at.clone());
    let signed = signing(store, &repository, name, (pin.tag.as_deref(), &pin.commit), &at)?;
    Ok(Fetched { pin: Pin { signed: signed.or_else(|| pin.signed.clone()), ..pin.clone() }, files })
}

/// Finds out who signed a tag or a commit, where the manifest names signers.
fn signing(
    store: &LibraryStore,
    repository: &Repository,
    name: &str,
    (tag, commit): (Option<&str>, &str),
    at: &str,
) -> Result<Option<Signing>, Fault> {
    let Some(signers) = &store.signers else { return Ok(None) };
    let of = |fault: Fault| {
        let hint =
            fault.hint.is_none().then(|| format!("{MANIFEST} names signers: ask who keeps the library to sign it"));
        fault.maybe_hint(hint).context(format!("the library `{name}` is refused"))
    };
    let signed = repository.signed(tag, commit).map_err(of)?;
    let signers = std::path::absolute(signers).unwrap_or_else(|_| signers.clone());
    let Signer { name, key } = ssh_keygen::signer(&signed, &signers, at, repository.folder()).map_err(of)?;
    Ok(Some(Signing { by: name, key, at: at.into() }))
}

/// Refuses a tag that means another commit than when it was pinned.
pub(super) fn check_moved(name: &str, old: &Pin, new: &Pin) -> Result<(), Fault> {
    match &old.tag {
        Some(tag) if old.tag == new.tag && old.commit != new.commit => {
            Err(moved(name, tag, &old.commit, Some(&new.commit)))
        }
        _ => Ok(()),
    }
}

fn moved(name: &str, tag: &str, pinned: &str, now: Option<&str>) -> Fault {
    let short = |commit: &str| commit.chars().take(12).collect::<String>();
    let fault = match now {
        Some(now) => Fault::new(format!(
            "the tag {tag} of the library `{name}` was moved: {LOCK} pins {}, and it is {} now",
            short(pinned),
            short(now)
        )),
        None => Fault::new(format!(
            "the library `{name}` has no tag {tag} any more, which {LOCK} pins at {}",
            short(pinned)
        )),
    };
    fault.hint(format!("ask who moved it, and why; `vmrun lib update --moved {name}` then pins what is there now"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_is_taken_that_will_do() {
        let tags = ["v1.2.0", "v1.10.1", "1.3.0", "v2.0.0-rc.1", "v0.9", "release", "v3.0.0"].map(String::from);
        let tag = |version: Option<&str>| {
            let required = version.map(|version| requirement(version).unwrap());
            newest(&tags, required.as_ref()).map(|(tag, _)| tag)
        };
        assert_eq!(tag(None).as_deref(), Some("v3.0.0"));
        assert_eq!(tag(Some("1.2")).as_deref(), Some("v1.10.1"));
        assert_eq!(tag(Some(">=1.2, <1.5")).as_deref(), Some("1.3.0"));
        assert_eq!(tag(Some("=2.0.0-rc.1")).as_deref(), Some("v2.0.0-rc.1"));
        assert_eq!(tag(Some("2")), None);
        assert_eq!(
            requirement("1.x.y.z").unwrap_err().message,
            "\"1.x.y.z\" is no requirement of a version: unexpected character after wildcard in version req"
        );
    }
}

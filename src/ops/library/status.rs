//! The status of libraries: whether what is here is what is pinned.

use super::store;
use crate::client::ssh_keygen;
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::library_tree;
use crate::library::lock::{Pin, Signing};
use crate::library::manifest::{From, Named};
use crate::script::library_store::LibraryStore;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Whether a library is what it was when it was pinned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LibraryState {
    /// It is a folder that is used as it is.
    ByPath,
    /// It is to be such a folder, which is not there.
    Missing,
    /// The lock file has no commit of it yet.
    NotPinned,
    /// It is pinned and was not fetched.
    NotHere,
    /// Its files are those that are pinned.
    AsPinned,
    /// It was pinned before signers were named.
    NotSigned,
    /// Who signed it is no signer any more: with which key.
    NotBySigner(String),
    /// Its files are others; each difference in words.
    Changed(Vec<String>),
}

impl LibraryState {
    /// Returns the state in words.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::ByPath => "by path",
            Self::Missing => "missing",
            Self::NotPinned => "not pinned",
            Self::NotHere => "not here",
            Self::AsPinned => "as pinned",
            Self::NotSigned => "not signed",
            Self::NotBySigner(_) => "not by a signer",
            Self::Changed(_) => "changed",
        }
    }

    /// Finds out the state of a library.
    pub(super) fn of(store: &LibraryStore, named: &Named) -> Result<Self, Fault> {
        if let From::Path(_) = named.from {
            let is_there = library_tree::is_folder(&store.root(named));
            return Ok(if is_there { Self::ByPath } else { Self::Missing });
        }
        let Some(pin) = store.lock.get(&named.name).filter(|pin| pin.is_of(named)) else { return Ok(Self::NotPinned) };
        Ok(match store.changes(named)? {
            None => Self::NotHere,
            Some(changes) if changes.is_empty() => Self::signed(store.signers.as_deref(), pin.signed.as_ref())?,
            Some(changes) => Self::Changed(changes.iter().map(ToString::to_string).collect()),
        })
    }

    /// Finds out whether one that is here as it was pinned has the signature that the manifest asks for. A key that was good then is good,
    /// whatever became of its time: but whoever was taken out of the file is trusted no more.
    fn signed(signers: Option<&Path>, signed: Option<&Signing>) -> Result<Self, Fault> {
        let Some(signers) = signers else { return Ok(Self::AsPinned) };
        let Some(signed) = signed else { return Ok(Self::NotSigned) };
        let has_key = ssh_keygen::has_key(signers, &signed.key)?;
        Ok(if has_key { Self::AsPinned } else { Self::NotBySigner(signed.key.clone()) })
    }
}

/// A library and its state.
#[derive(Debug)]
pub(crate) struct Status {
    /// The name by which recipes import the library.
    pub(crate) name: String,
    /// Its folder.
    pub(crate) root: PathBuf,
    /// The address of its repository, or its path.
    pub(crate) from: String,
    /// What is wanted of the repository; empty for a path.
    pub(crate) want: String,
    /// What is pinned, if it is of the same repository and the same wish.
    pub(crate) pin: Option<Pin>,
    /// Whether it is what is pinned.
    pub(crate) state: LibraryState,
}

/// Returns the status of every library that the manifest of a folder names.
pub(crate) fn all(folder: &Path) -> Result<Vec<Status>, Vec<Diagnostic>> {
    let store = store(folder)?;
    let status = |named: &Named| {
        let (from, want) = match &named.from {
            From::Git(url, want) => (url.clone(), want.to_string()),
            From::Path(path) => (path.display().to_string(), String::new()),
        };
        let pin = store.lock.get(&named.name).filter(|pin| pin.is_of(named)).cloned();
        let (name, root, state) = (named.name.clone(), store.root(named), LibraryState::of(&store, named)?);
        Ok(Status { name, root, from, want, pin, state })
    };
    store.named.iter().map(status).collect()
}

impl Status {
    /// Returns the pinned tag, or the first letters of the pinned commit; nothing where nothing is pinned.
    pub(crate) fn short(&self) -> String {
        self.pin.as_ref().map(Pin::short).unwrap_or_default()
    }

    /// Returns what is wrong with the library.
    pub(crate) fn fault(&self) -> Option<Fault> {
        let (name, root) = (&self.name, self.root.display());
        match &self.state {
            LibraryState::ByPath | LibraryState::AsPinned => None,
            LibraryState::Changed(changes) => {
                let changes = suggest::list(changes.iter().map(String::as_str));
                let fault = Fault::new(format!("{name}: in {root}, {changes}"));
                Some(fault.hint("`vmrun lib sync` puts it back"))
            }
            LibraryState::NotSigned => {
                let fault = Fault::new(format!("{name} was pinned without a signature, and vmrun.toml names signers"));
                Some(fault.hint("`vmrun lib sync` asks for it"))
            }
            LibraryState::NotBySigner(key) => {
                let fault = Fault::new(format!(
                    "{name} was signed by the {key}, which the file of signers does not have any more"
                ));
                Some(fault.hint(format!(
                    "`vmrun lib update {name}` pins what one of them has signed; if the key is right, add it there"
                )))
            }
            LibraryState::Missing => Some(Fault::new(format!("{name}: {root} is not there"))),
            LibraryState::NotHere | LibraryState::NotPinned => {
                let fault = Fault::new(format!("{name} is {}", self.state.word()));
                Some(fault.hint("`vmrun lib sync` fetches and pins it"))
            }
        }
    }
}

/// Returns a JSON list of libraries, with where each comes from and what is pinned.
pub(crate) fn json(all: &[Status]) -> String {
    let object = |one: &Status| {
        json!({
            "name": one.name, "from": one.from, "want": one.want,
            "tag": one.pin.as_ref().and_then(|pin| pin.tag.clone()),
            "commit": one.pin.as_ref().map(|pin| pin.commit.clone()), "state": one.state.word(),
            "signed_by": one.pin.as_ref().and_then(|pin| Some(pin.signed.as_ref()?.by.clone())),
            "folder": one.root.display().to_string(),
        })
    };
    format!("{:#}", Value::Array(all.iter().map(object).collect()))
}

/// Returns a JSON list of libraries, with what changed in each.
pub(crate) fn changes_json(all: &[Status]) -> String {
    let object = |one: &Status| {
        let changes = if let LibraryState::Changed(changes) = &one.state { changes.as_slice() } else { &[] };
        json!({ "name": one.name, "state": one.state.word(), "changes": changes })
    };
    format!("{:#}", Value::Array(all.iter().map(object).collect()))
}

//! Libraries that recipes share: which there are, what they were when they were pinned, and what is different now.
//!
//! [`allowed`] says what they may ask for, [`manifest`] reads `vmrun.toml`, [`lock`] reads and writes `vmrun.lock`, and [`tree`] tells one tree of files from another.
//! Nothing here touches a file.

pub(crate) mod allowed;
pub(crate) mod lock;
pub(crate) mod manifest;
pub(crate) mod named_texts;
pub(crate) mod protected;
pub(crate) mod signature;
pub(crate) mod tree;

/// The name of the file that names libraries, beside the recipes.
pub(crate) const MANIFEST: &str = "vmrun.toml";

/// The name of the file that pins them, beside it.
pub(crate) const LOCK: &str = "vmrun.lock";

/// The folder beside them in which libraries are that were fetched.
pub(crate) const FETCHED: &str = ".vmrun";

/// The folder beside them in which libraries are that are kept with the recipes.
pub(crate) const VENDORED: &str = "vendor";

/// The module of a library that is meant by its name alone.
pub(crate) const ROOT: &str = "lib";

//! Libraries that recipes share: which there are, what they were when they were pinned, and what is different now.
//!
//! [`allowed`] says what they may ask for, [`manifest`] reads `vmrun.toml`, [`lock`] reads and writes `vmrun.lock`, and [`tree`] tells one tree of files from another.
//! Nothing here touches a file.

pub mod allowed;
pub mod lock;
pub mod manifest;
pub mod tree;

/// The name of the file that names libraries, beside the recipes.
pub const MANIFEST: &str = "vmrun.toml";

/// The name of the file that pins them, beside it.
pub const LOCK: &str = "vmrun.lock";

/// The folder beside them in which libraries are that were fetched.
pub const FETCHED: &str = ".vmrun";

/// The folder beside them in which libraries are that are kept with the recipes.
pub const VENDORED: &str = "vendor";

/// The module of a library that is meant by its name alone.
pub const ROOT: &str = "lib";

//! Files that a command was asked to write: reports, and tests with new plans.

use crate::diag::Fault;
use std::path::Path;

/// Writes a text as a file, in place of an old one.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Fault> {
    #[expect(clippy::disallowed_methods, reason = "here is where files are written")]
    std::fs::write(path, text).map_err(|error| {
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or_default().to_string();
        Fault::host(format!("cannot write {}: {why}", path.display()))
    })
}

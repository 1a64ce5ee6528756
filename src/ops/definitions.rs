//! Files of definitions, which editors read: those of the words and of libraries.

use super::library::sources::{all_names, modules_of};
use super::reference::standard;
use crate::diag::Diagnostic;
use crate::host::library_tree;
use crate::script::definitions;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Writes the definitions of the words, of the standard library and of the libraries beside the recipes of a folder, and returns the
/// files.
pub(crate) fn write(out: &Path, folder: Option<&Path>) -> Result<Vec<PathBuf>, Vec<Diagnostic>> {
    let mut files = BTreeMap::from([("vmrun.d.rhai".to_string(), definitions::words().into_bytes())]);
    let mut modules = standard();
    for name in all_names(folder)? {
        modules.extend(modules_of(folder, &name)?);
    }
    for module in modules {
        files.insert(format!("{}.d.rhai", module.name), definitions::module(&module).into_bytes());
    }
    library_tree::add(out, &files)?;
    Ok(files.keys().map(|file| out.join(file)).collect())
}

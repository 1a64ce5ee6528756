//! `vmrun definitions`: what editors read of the words and of libraries.

use super::doc::standard;
use super::library::found::{all_names, modules_of};
use super::term::Term;
use crate::diag::Diagnostic;
use crate::host::shelf;
use crate::script::definitions;
use clap::Args;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct DefinitionsArgs {
    /// The folder into which the files are written
    #[arg(default_value = "definitions")]
    out: PathBuf,
    /// The folder of the recipes, with vmrun.toml, whose libraries are written too
    #[arg(long)]
    folder: Option<PathBuf>,
}

pub(super) fn run(args: &DefinitionsArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let mut files = BTreeMap::from([("vmrun.d.rhai".to_string(), definitions::words().into_bytes())]);
    let mut modules = standard();
    for name in all_names(args.folder.as_deref())? {
        modules.extend(modules_of(args.folder.as_deref(), &name)?);
    }
    for module in modules {
        files.insert(format!("{}.d.rhai", module.name), definitions::module(&module).into_bytes());
    }
    shelf::add(&args.out, &files)?;
    let lines: Vec<String> = files.keys().map(|file| args.out.join(file).display().to_string()).collect();
    Ok(term.data(lines.join("\n"))?)
}

//! `vmrun definitions`: what editors read of the words and of libraries.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::definitions;
use clap::Args;
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
    let files = definitions::write(&args.out, args.folder.as_deref())?;
    let lines: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Ok(term.data(lines.join("\n"))?)
}

//! `vmrun lsp`: recipes in an editor, by the Language Server Protocol over the standard streams.

use super::place;
use crate::diag::Diagnostic;
use crate::ops::lsp;
use crate::ops::settings::Platform;
use clap::Args;

#[derive(Args)]
#[command(after_help = AFTER)]
pub(super) struct LspArgs {}

const AFTER: &str = "\
An editor starts it for files that end in .rhai, and speaks with it by its standard streams.

While one types it tells what is wrong with the text, and when a recipe is saved what its rehearsal says; it completes words,
keys of maps, devices, members of modules and paths, shows what a word does, leads to where a name is declared, and renames
names of the text. The book has what VS Code, Neovim and Helix have to be told.";

pub(super) fn run(_: &LspArgs) -> Result<(), Vec<Diagnostic>> {
    Ok(lsp::serve(place::settings(Platform::FreeBsd.into(), false).ok())?)
}

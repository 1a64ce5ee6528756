//! `vmrun doc`: the reference of words, and of a library's functions, as Markdown or as a page of the manual.

use super::term::Term;
use crate::diag::Diagnostic;
use crate::ops::reference::{self, ReferenceFormat};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args)]
pub(super) struct DocArgs {
    /// A library that vmrun.toml names, a folder, `std` or a module of it; else the words
    library: Option<String>,
    /// The folder of the recipes, with vmrun.toml
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How it is written
    #[arg(long = "format", alias = "form", value_enum, default_value_t = DocFormat::Markdown)]
    form: DocFormat,
}

/// How documentation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DocFormat {
    /// Markdown.
    Markdown,
    /// A page for man(1).
    Man,
}

pub(super) fn run(args: &DocArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let form = match args.form {
        DocFormat::Markdown => ReferenceFormat::Markdown,
        DocFormat::Man => ReferenceFormat::Man,
    };
    let text = match &args.library {
        None => reference::words(form)?,
        Some(name) => reference::library(args.folder.as_deref(), name, form)?,
    };
    Ok(term.data(text.trim_end())?)
}

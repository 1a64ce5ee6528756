//! `vmrun doc`: the reference of words, and of a library's functions, as Markdown or as a page of the manual.

mod markdown;
mod page;

use super::library::found::modules_of;
use super::term::Term;
use crate::diag::{Diagnostic, Fault, Source, suggest};
use crate::script::docs::{self, Module};
use crate::script::modules::STDLIB;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::rc::Rc;

#[derive(Args)]
pub(super) struct DocArgs {
    /// A library that vmrun.toml names, a folder, `std` or a module of it; else the words
    library: Option<String>,
    /// The folder of the recipes, with vmrun.toml
    #[arg(long)]
    folder: Option<PathBuf>,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Form::Markdown)]
    form: Form,
}

/// How documentation is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Markdown.
    Markdown,
    /// A page for man(1).
    Man,
}

pub(super) fn run(args: &DocArgs, term: &Term) -> Result<(), Vec<Diagnostic>> {
    let text = match (&args.library, args.form) {
        (None, Form::Markdown) => markdown::words(),
        (None, Form::Man) => page::words()?,
        (Some(name), form) => {
            let modules = modules(args, name)?;
            if form == Form::Markdown { markdown::library(&modules) } else { page::library(name, &modules)? }
        }
    };
    Ok(term.data(text.trim_end())?)
}

/// The modules that are meant.
fn modules(args: &DocArgs, name: &str) -> Result<Vec<Module>, Vec<Diagnostic>> {
    if name == "std" || name.starts_with("std/") {
        let found = standard().into_iter().filter(|module| name == "std" || module.name == name).collect::<Vec<_>>();
        if found.is_empty() {
            let names = || STDLIB.iter().map(|(name, _)| *name);
            let fault = Fault::usage(format!("there is no module `{name}`"));
            let fault = fault.hint(format!("the standard library has {}", suggest::list(names())));
            return Err(fault.maybe_hint(suggest::did_you_mean(name, names())).into());
        }
        return Ok(found);
    }
    modules_of(args.folder.as_deref(), name)
}

/// The standard library.
pub(super) fn standard() -> Vec<Module> {
    let read = |(name, text): &(&str, &str)| {
        let source = Rc::new(Source { name: (*name).into(), text: (*text).into() });
        docs::module(name, &source).ok()
    };
    STDLIB.iter().filter_map(read).collect()
}

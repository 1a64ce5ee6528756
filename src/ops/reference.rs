//! The reference of words and of libraries, as documents.

mod markdown;
mod page;
pub(crate) mod words;

use super::library::sources::modules_of;
use crate::diag::{Diagnostic, Fault, Source, suggest};
use crate::script::docs::{self, Module};
use crate::script::modules::STDLIB;
use std::path::Path;
use std::rc::Rc;

/// How a reference is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferenceFormat {
    /// Markdown, as docs/reference.md is.
    Markdown,
    /// A page of section 5 of the manual.
    Man,
}

/// Returns the reference of all words.
pub(crate) fn words(form: ReferenceFormat) -> Result<String, Fault> {
    match form {
        ReferenceFormat::Markdown => Ok(markdown::words()),
        ReferenceFormat::Man => page::words(),
    }
}

/// Returns the reference of a library: one that the manifest of a folder names, a folder, `std`, or a module of that.
pub(crate) fn library(folder: Option<&Path>, name: &str, form: ReferenceFormat) -> Result<String, Vec<Diagnostic>> {
    let modules = modules(folder, name)?;
    match form {
        ReferenceFormat::Markdown => Ok(markdown::library(&modules)),
        ReferenceFormat::Man => Ok(page::library(name, &modules)?),
    }
}

/// The modules that are meant.
fn modules(folder: Option<&Path>, name: &str) -> Result<Vec<Module>, Vec<Diagnostic>> {
    if name == "std" || name.starts_with("std/") {
        let found = standard().into_iter().filter(|module| name == "std" || module.name == name).collect::<Vec<_>>();
        if found.is_empty() {
            let names = || STDLIB.iter().map(|(name, _)| *name);
            let fault = Fault::usage(format!("there is no module `{name}`"));
            let fault = fault.hint(format!("the standard library has {}", suggest::list(names())));
            return Err(fault.did_you_mean(name, names()).into());
        }
        return Ok(found);
    }
    modules_of(folder, name)
}

/// Returns the modules of the standard library.
pub(super) fn standard() -> Vec<Module> {
    let read = |(name, text): &(&str, &str)| {
        let source = Rc::new(Source { name: (*name).into(), text: (*text).into() });
        docs::module(name, &source).ok()
    };
    STDLIB.iter().filter_map(read).collect()
}

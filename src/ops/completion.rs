//! What command lines are completed with: names that this host has. No process is started for it, and what cannot be read is left out:
//! nobody wants a fault where a tab was pressed.

use super::images;
use super::installation::{Installation, stem};
use super::library::sources::all_names;
use super::recipe::{RecipeHelp, is_recipe};
use super::settings;
use crate::host::files;
use crate::model::VmName;
use crate::script::modules::STDLIB;
use crate::script::words;
use std::path::Path;

/// Something that a command line can be completed with, and what it is.
pub(crate) type Candidate = (String, String);

/// Returns the machines that have a state record: those that run, and those that did.
pub(crate) fn machines() -> Vec<Candidate> {
    let folders = settings::states().unwrap_or_default();
    let names = folders.iter().flat_map(|folder| files::names(folder));
    named(names.filter(|name| name.parse::<VmName>().is_ok()), "a machine of this host")
}

/// Returns the machines that recipes describe, by the names of their files.
pub(crate) fn described() -> Vec<Candidate> {
    let recipes = Installation::open().map(|it| it.recipes()).unwrap_or_default();
    recipes.iter().map(|path| (stem(path), path.display().to_string())).collect()
}

/// Returns the recipes whose paths begin so, and the folders, which may have more.
pub(crate) fn recipes(begun: &str) -> Vec<Candidate> {
    let (folder, name) = begun.rsplit_once('/').map_or(("", begun), |(folder, name)| (folder, name));
    let prefix = if begun.contains('/') { format!("{folder}/") } else { String::new() };
    let inside = if prefix.is_empty() { Path::new(".") } else { Path::new(&prefix) };
    let shown = files::names(inside).into_iter().filter(|known| known.starts_with(name));
    shown
        .filter(|known| name.starts_with('.') || !known.starts_with('.'))
        .filter_map(|known| {
            let is_folder = files::is_folder(&inside.join(&known));
            let (path, is_one) = (format!("{prefix}{known}"), is_recipe(&known));
            if is_folder {
                Some((format!("{path}/"), "a folder".into()))
            } else {
                is_one.then(|| (path, "a recipe".into()))
            }
        })
        .collect()
}

/// Returns the recipe that a word of a command line means: the path of one, or a name.
pub(crate) fn recipe(word: &str) -> Option<String> {
    if is_recipe(word) || files::is_file(Path::new(word)) {
        return Some(word.into());
    }
    let path = Installation::open().ok()?.recipe(word).ok()?;
    Some(path.display().to_string())
}

/// Returns the parameters of a recipe as `NAME=`, with their defaults; after the sign the values that one may have.
pub(crate) fn parameters(recipe: &str, begun: &str) -> Vec<Candidate> {
    let Some(help) = RecipeHelp::of(recipe) else { return Vec::new() };
    match begun.split_once('=') {
        None => help.params.iter().map(|(name, default)| (format!("{name}="), default.clone())).collect(),
        Some((name, _)) => {
            let values = help.values.get(name).cloned().unwrap_or_default();
            values.into_iter().map(|value| (format!("{name}={value}"), format!("a value of {name}"))).collect()
        }
    }
}

/// Returns the hosts that the configuration names.
pub(crate) fn hosts() -> Vec<Candidate> {
    named(Installation::open().map(|it| it.config.hosts).unwrap_or_default().into_iter(), "a host of config.toml")
}

/// Returns the libraries that the vmrun.toml of this folder names.
pub(crate) fn libraries() -> Vec<Candidate> {
    named(all_names(None).unwrap_or_default().into_iter(), "a library of vmrun.toml")
}

/// Returns the modules of the standard library.
pub(crate) fn modules() -> Vec<Candidate> {
    named(STDLIB.iter().map(|(name, _)| (*name).into()), "a module of the standard library")
}

/// Returns the images of systems that are known.
pub(crate) fn systems() -> Vec<Candidate> {
    let Ok(catalog) = images::catalog() else { return Vec::new() };
    catalog.systems().map(|(name, system)| (name.into(), system.title.clone())).collect()
}

/// Returns the words of recipes.
pub(crate) fn all_words() -> Vec<Candidate> {
    words::all().map(|row| (row.name().to_string(), row.help().to_string())).collect()
}

fn named(names: impl Iterator<Item = String>, what: &str) -> Vec<Candidate> {
    names.map(|name| (name, what.into())).collect()
}

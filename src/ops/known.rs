//! Machines by name: what this host knows of them, from a run in the background or from the last one since the host was started,
//! comes first; then recipes.

use super::installation::{Installation, Wanted};
use super::recipe::is_recipe;
use super::settings::states;
use crate::diag::{Diagnostic, Fault};
use crate::host::{Kept, files, kept, last};
use crate::supervise::standing::Standing;
use std::path::{Path, PathBuf};

/// Returns a machine with what it was started with.
fn as_before(standing: Standing) -> Wanted {
    let name = Some(standing.name.to_string());
    Wanted { path: standing.recipe.into(), params: standing.params, user_net: standing.user_net, name }
}

/// Returns how each machine stands that runs in the background or is held, and how those stood that did so before.
pub(crate) fn standings() -> Result<Vec<Standing>, Fault> {
    let states = states()?;
    let stands = |one: Kept| Standing::read(one.standing.as_deref()?).filter(|standing| standing.name == one.name);
    let now = states.iter().flat_map(|folder| kept(folder)).filter_map(stands);
    let before = states.iter().flat_map(|folder| last(folder)).filter_map(|text| Standing::read(&text));
    let mut known: Vec<Standing> = Vec::new();
    for standing in now.chain(before) {
        if !known.iter().any(|other| other.name == standing.name) {
            known.push(standing);
        }
    }
    Ok(known)
}

/// Finds machines by name or by recipe.
pub(crate) fn wanted(installation: &Installation, names: &[String]) -> Result<Vec<Wanted>, Vec<Diagnostic>> {
    let known = standings()?;
    let all: Vec<_> = names.iter().map(|name| one(installation, &known, name)).collect();
    let faults: Vec<Diagnostic> = all.iter().filter_map(|one| one.clone().err()).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(all.into_iter().flatten().collect()) } else { Err(faults) }
}

/// Finds a machine by name or by recipe.
pub(crate) fn one(installation: &Installation, known: &[Standing], name: &str) -> Result<Wanted, Fault> {
    // One whose recipe is gone may have another by now.
    let is_it = |standing: &&Standing| standing.name.as_str() == name && files::exists(Path::new(&standing.recipe));
    let standing = known.iter().filter(|_| !is_recipe(name)).find(is_it);
    match standing {
        Some(standing) => Ok(as_before(standing.clone())),
        None => Ok(Wanted {
            name: Some(name.into()).filter(|_| !is_recipe(name)),
            ..Wanted::of(installation.recipe(name)?)
        }),
    }
}

/// Returns every recipe of the installation, and every machine that this host knows, each with what it was started with.
pub(crate) fn every(installation: &Installation) -> Result<Vec<Wanted>, Fault> {
    let whole = |path: &Path| files::whole(Path::new(""), path);
    let known = standings()?;
    let is_known = |path: &PathBuf| known.iter().any(|standing| Path::new(&standing.recipe) == whole(path));
    let recipes = installation.recipes().into_iter().filter(|path| !is_known(path)).map(Wanted::of);
    let known = known.iter().filter(|standing| files::exists(Path::new(&standing.recipe))).cloned();
    Ok(recipes.chain(known.map(as_before)).collect())
}

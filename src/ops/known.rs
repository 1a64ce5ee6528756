//! Machines by name: what this host knows of them, from a run in the background or from the last one since the host was started,
//! comes first; then recipes.

use super::installation::Installation;
use super::recipe::is_recipe;
use super::settings::states;
use crate::diag::{Diagnostic, Fault};
use crate::host::{Kept, files, kept};
use crate::supervise::standing::Standing;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A machine that was asked for: its recipe, and how that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The recipe.
    pub path: PathBuf,
    /// The parameters with which it was started.
    pub params: BTreeMap<String, String>,
    /// Whether its network is inside its process.
    pub user_net: bool,
    /// The machine, where it was asked for by its name.
    pub name: Option<String>,
}

impl Wanted {
    /// Returns that of a recipe of which nothing else is known.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, params: BTreeMap::new(), user_net: false, name: None }
    }

    fn as_before(standing: Standing) -> Self {
        let name = Some(standing.name.to_string());
        Self { path: standing.recipe.into(), params: standing.params, user_net: standing.user_net, name }
    }
}

/// Returns how each machine stands that runs in the background or is held, and how those stood that did so before.
pub(crate) fn standings() -> Result<Vec<Standing>, Fault> {
    let all: Vec<Kept> = states()?.iter().flat_map(|folder| kept(folder)).collect();
    let stands = |one: &Kept| Some((one.standing.is_some(), Standing::read(one.standing.as_deref().or(one.last.as_deref())?)?));
    let mut found: Vec<(bool, Standing)> =
        all.iter().filter_map(|one| stands(one).filter(|(_, standing)| standing.name == one.name)).collect();
    // What stands now comes before what stood.
    found.sort_by_key(|(now, _)| !now);
    let mut known: Vec<Standing> = Vec::new();
    for (_, standing) in found {
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
        Some(standing) => Ok(Wanted::as_before(standing.clone())),
        None => Ok(Wanted { name: Some(name.into()).filter(|_| !is_recipe(name)), ..Wanted::of(installation.recipe(name)?) }),
    }
}

/// Returns every recipe of the installation, and every machine that this host knows, each with what it was started with.
pub(crate) fn every(installation: &Installation) -> Result<Vec<Wanted>, Fault> {
    let whole = |path: &Path| files::whole(Path::new(""), path);
    let known = standings()?;
    let is_known = |path: &PathBuf| known.iter().any(|standing| Path::new(&standing.recipe) == whole(path));
    let recipes = installation.recipes().into_iter().filter(|path| !is_known(path)).map(Wanted::of);
    let known = known.iter().filter(|standing| files::exists(Path::new(&standing.recipe))).cloned();
    Ok(recipes.chain(known.map(Wanted::as_before)).collect())
}

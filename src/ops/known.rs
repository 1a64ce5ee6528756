//! Machines by name: what this host knows of them, from a run in the background or from the last one since the host was started,
//! comes first; then recipes.

use super::installation::{Installation, Wanted};
use super::instances::{self, Asked};
use super::recipe::is_recipe;
use super::settings::states;
use super::stopped;
use crate::diag::{Diagnostic, Fault};
use crate::host::{Host, Kept, files, kept, last};
use crate::model::VmName;
use crate::model::instance::INSTANCE;
use crate::supervise::status::MachineStatus;
use std::path::Path;

/// Returns a machine with what it was started with.
fn as_before(status: MachineStatus) -> Wanted {
    let name = Some(status.name.to_string());
    Wanted { path: status.recipe.into(), params: status.params, user_net: status.user_net, permit: status.permit, name }
}

/// Returns the status of each machine that runs in the background or has failed, and the last status of those that did so before.
pub(crate) fn statuses() -> Result<Vec<MachineStatus>, Fault> {
    let states = states()?;
    let stands = |one: Kept| MachineStatus::read(one.status.as_deref()?).filter(|status| status.name == one.name);
    let now = states.iter().flat_map(|folder| kept(folder)).filter_map(stands);
    let before = states.iter().flat_map(|folder| last(folder)).filter_map(|text| MachineStatus::read(&text));
    let mut known: Vec<MachineStatus> = Vec::new();
    for status in now.chain(before) {
        if !known.iter().any(|other| other.name == status.name) {
            known.push(status);
        }
    }
    Ok(known)
}

/// Finds machines by name or by recipe.
pub(crate) fn wanted(installation: &Installation, names: &[String]) -> Result<Vec<Wanted>, Vec<Diagnostic>> {
    let known = statuses()?;
    let all: Vec<_> = names.iter().map(|name| several(installation, &known, name)).collect();
    let faults: Vec<Diagnostic> = all.iter().filter_map(|some| some.clone().err()).map(Diagnostic::error).collect();
    if faults.is_empty() { Ok(all.into_iter().flatten().flatten().collect()) } else { Err(faults) }
}

/// Finds a machine by name or by recipe; of a recipe that is of several, one has to be said.
pub(crate) fn one(installation: &Installation, known: &[MachineStatus], name: &str) -> Result<Wanted, Fault> {
    instances::only(several(installation, known, name)?)
}

/// Finds what is asked for by a name or a recipe, one for each instance that is meant.
fn several(installation: &Installation, known: &[MachineStatus], word: &str) -> Result<Vec<Wanted>, Fault> {
    let Asked { name, only } = Asked::read(word)?;
    match of_name(installation, known, &name) {
        Ok(one) => instances::each(installation, &one, only.as_ref()),
        Err(fault) if only.is_none() => instances::named(installation, &name)?.map(|one| vec![one]).ok_or(fault),
        Err(fault) => Err(fault),
    }
}

/// Finds a recipe by its path, or by the name of its machine.
fn of_name(installation: &Installation, known: &[MachineStatus], name: &str) -> Result<Wanted, Fault> {
    // One whose recipe is gone may have another by now.
    let is_it = |status: &&MachineStatus| status.name.as_str() == name && files::exists(Path::new(&status.recipe));
    let status = known.iter().filter(|_| !is_recipe(name)).find(is_it);
    match status {
        Some(status) => Ok(as_before(status.clone())),
        None => Ok(Wanted {
            name: Some(name.into()).filter(|_| !is_recipe(name)),
            ..Wanted::of(installation.recipe(name)?)
        }),
    }
}

/// Refuses a name for a new machine, or a place for its recipe, that something has already.
pub(crate) fn against_name(
    host: &dyn Host,
    installation: &Installation,
    name: &VmName,
    recipe: &Path,
) -> Result<(), Fault> {
    if let Some(own) = name.as_str().strip_suffix(".rhai") {
        let fault = Fault::usage(format!("{name} is how the recipe of a machine {own} is called, and no machine"));
        return Err(fault.hint(format!("call the machine {own}")));
    }
    if files::exists(recipe) || files::is_link(recipe) {
        let fault = Fault::usage(format!("{} is there already", recipe.display()));
        return Err(fault.hint("choose another name"));
    }
    if installation.recipe(name.as_str()).is_ok() {
        return Err(has_name(name));
    }
    stopped::against(host, name, &[]).map_or(Ok(()), Err)
}

/// The fault of a name that another machine has.
pub(crate) fn has_name(name: &VmName) -> Fault {
    Fault::usage(format!("there is a machine {name} already")).hint("choose another name")
}

/// Returns every recipe of the installation, and every machine that this host knows, each with what it was started with.
pub(crate) fn every(installation: &Installation) -> Result<Vec<Wanted>, Fault> {
    let whole = |path: &Path| files::whole(Path::new(""), path);
    let known = statuses()?;
    let is_known = |one: &Wanted| {
        let instance = one.params.get(INSTANCE).map(String::as_str);
        let is_its = |status: &&MachineStatus| Path::new(&status.recipe) == whole(&one.path);
        known.iter().filter(is_its).any(|status| instances::is_of(status, instance))
    };
    let recipes = installation.recipes().into_iter().map(|path| instances::each(installation, &Wanted::of(path), None));
    let recipes = recipes.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().filter(|one| !is_known(one));
    let known = known.iter().filter(|status| files::exists(Path::new(&status.recipe))).cloned();
    Ok(recipes.chain(known.map(as_before)).collect())
}

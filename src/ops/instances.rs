//! Recipes that are of several machines: which instances they have, and which of them are meant.

use super::installation::{Installation, Wanted, says_instances};
use super::recipe::{RecipeRequest, absolute, is_recipe};
use super::settings;
use crate::diag::{Diagnostic, Fault};
use crate::host::{Facts as _, Host as _, files};
use crate::model::VmName;
use crate::model::argv::quote;
use crate::model::instance::{INSTANCE, Instances, shown};
use crate::supervise::status::MachineStatus;
use std::path::{Path, PathBuf};

/// A recipe, or a machine, as it is asked for, and which of its instances are meant; nothing where all are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The recipe or the machine.
    pub(crate) name: String,
    /// Its instances.
    pub(crate) only: Option<Instances>,
}

impl Asked {
    /// Reads `worker.rhai[1..=3]`. What is a file as it stands is meant as it stands.
    pub(crate) fn read(word: &str) -> Result<Self, Fault> {
        match Instances::split(word).filter(|_| !files::exists(Path::new(word))) {
            Some((name, inside)) => Ok(Self { name: name.into(), only: Some(inside.parse()?) }),
            None => Ok(Self { name: word.into(), only: None }),
        }
    }

    /// Returns whether a machine of the recipe is meant, which is of that instance.
    pub(super) fn has(&self, instance: Option<&str>) -> bool {
        self.only.as_ref().is_none_or(|only| instance.is_some_and(|instance| only.has(instance)))
    }
}

/// Returns those that are wanted, one for each instance; of a recipe without instances, it alone. One that says which instance it is
/// of is left as it is.
pub(super) fn each(
    installation: &Installation,
    wanted: &Wanted,
    only: Option<&Instances>,
) -> Result<Vec<Wanted>, Fault> {
    if only.is_none() && wanted.params.contains_key(INSTANCE) {
        return Ok(vec![wanted.clone()]);
    }
    let (all, path) = (installation.instances(wanted), wanted.path.display().to_string());
    let picked = match only {
        // Of one that is not there, or is wrong, its own fault is told.
        Some(only) if all.is_empty() && (says_instances(&path) || !files::exists(&wanted.path)) => only.names(),
        Some(_) if all.is_empty() => {
            let fault = Fault::usage(format!("{path} is of one machine"));
            return Err(fault.hint("a recipe has several by `let n = instance(1..=10);`"));
        }
        None if all.is_empty() => return Ok(vec![wanted.clone()]),
        Some(only) => only.of(&path, &all)?,
        None => all,
    };
    Ok(picked.into_iter().map(|instance| of(wanted, instance)).collect())
}

/// Returns one as that of an instance.
fn of(wanted: &Wanted, instance: String) -> Wanted {
    let mut one = wanted.clone();
    one.params.insert(INSTANCE.into(), instance);
    one
}

/// Refuses several where one is needed.
pub(super) fn only(mut some: Vec<Wanted>) -> Result<Wanted, Fault> {
    let names: Vec<String> = some.iter().filter_map(|one| one.params.get(INSTANCE).cloned()).collect();
    match some.pop() {
        Some(one) if some.is_empty() => Ok(one),
        Some(one) => {
            let path = one.path.display();
            let fault = Fault::usage(format!("{path} is of several machines, {}", shown(&names)));
            let example = names.first().map(String::as_str).unwrap_or_default();
            Err(fault.hint(format!("say which one: {}", quote(&format!("{path}[{example}]")))))
        }
        None => Err(Fault::usage("nothing is asked for")),
    }
}

/// Finds the instance whose machine has a name, in the recipes that are looked for by name.
pub(super) fn named(installation: &Installation, name: &str) -> Result<Option<Wanted>, Fault> {
    for path in installation.recipes() {
        let wanted = Wanted { name: Some(name.into()), ..Wanted::of(path) };
        for instance in installation.instances(&wanted) {
            let one = of(&wanted, instance);
            if installation.machines_of(&one)?.all.iter().any(|machine| machine.name == name) {
                return Ok(Some(one));
            }
        }
    }
    Ok(None)
}

/// Returns the requests of a recipe that is run or planned, one for each instance that is meant.
pub(crate) fn requests(request: &RecipeRequest) -> Result<Vec<RecipeRequest>, Vec<Diagnostic>> {
    let Asked { name, only } = Asked::read(&request.path)?;
    let request = RecipeRequest { path: name, ..request.clone() };
    if only.is_none() && !says_instances(&request.path) {
        return Ok(vec![request]);
    }
    let params = request.set.iter().cloned().collect();
    let wanted = Wanted { params, ..Wanted::of(PathBuf::from(&request.path)) };
    let some = each(&Installation::open()?, &wanted, only.as_ref())?;
    Ok(some.iter().map(|one| request.of_instance(one.params.get(INSTANCE))).collect())
}

/// Returns the only request of a recipe that is run in the foreground.
pub(crate) fn request(request: &RecipeRequest) -> Result<RecipeRequest, Vec<Diagnostic>> {
    let mut all = requests(request)?;
    match all.pop() {
        Some(one) if all.is_empty() => Ok(one),
        _ => {
            let fault = Fault::usage(format!("{} is of several machines", request.path));
            let start = format!("`vmrun start {}` starts all of them in the background", quote(&request.path));
            Err(fault.hint(format!("say which one, as {}; {start}", quote(&format!("{}[…]", request.path)))).into())
        }
    }
}

/// Returns whether a machine that is known is of that instance of its recipe.
pub(crate) fn is_of(status: &MachineStatus, instance: Option<&str>) -> bool {
    status.params.get(INSTANCE).map(String::as_str) == instance
}

/// Reads what a machine that runs is asked for by: its name, or its recipe.
pub(crate) fn word(text: &str) -> Result<String, Fault> {
    let asked = Asked::read(text)?;
    if !is_recipe(&asked.name) {
        text.parse::<VmName>()?;
    }
    Ok(text.into())
}

/// Returns the machines that are asked for by their names, or by recipes: those of their machines that are in the background.
pub(crate) fn running(words: &[String]) -> Result<Vec<VmName>, Vec<Diagnostic>> {
    let host = settings::host(false)?;
    let mut names: Vec<VmName> = Vec::new();
    for word in words {
        let asked = Asked::read(word)?;
        if !is_recipe(&asked.name) {
            names.push(word.parse()?);
            continue;
        }
        let path = host.real(Path::new(&absolute(&asked.name)));
        let is_its = |status: &MachineStatus| {
            let instance = status.params.get(INSTANCE).map(String::as_str);
            host.real(Path::new(&status.recipe)) == path && asked.has(instance)
        };
        let known = host
            .store()
            .records()
            .into_iter()
            .filter(|record| MachineStatus::of(&host, &record.name).is_some_and(|status| is_its(&status)));
        let before = names.len();
        names.extend(known.map(|record| record.name));
        // What runs may have a recipe that is gone; what does not run has one that is there.
        if names.len() == before && !files::exists(Path::new(&absolute(&asked.name))) {
            let fault = Fault::usage(format!("{word} is no recipe, and no machine was started by it"));
            return Err(fault.hint("`vmrun list` shows what runs").into());
        }
    }
    Ok(names)
}

//! The recipes of this installation, and the machines that they describe.

use super::{is_recipe, place, platform};
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::fleet::config::{self, Config};
use crate::fleet::find::Wanted;
use crate::host::system::{Ahead, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Asked, Host, Settings};
use crate::script::{Inputs, Recipe};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use std::path::{Path, PathBuf};
use std::thread;

/// What is known of this installation.
pub(super) struct Inventory {
    /// What `config.toml` says.
    pub(super) config: Config,
    settings: Settings,
    asked: Asked,
}

/// The machines of some recipes, and what was wrong with others.
#[derive(Default)]
pub(super) struct Machines {
    /// The machines.
    pub(super) all: Vec<Wanted>,
    /// What was wrong, as it is shown.
    pub(super) faults: Vec<Shown>,
}

/// A diagnostic that has been drawn, because it was made in another thread.
pub(super) type Shown = String;

/// Returns what the name of a machine that is not there may have been meant for: another that is, or one that has a recipe.
pub(super) fn meant(name: &str, there: impl IntoIterator<Item = String>) -> Option<String> {
    let recipes = Inventory::open().map(|inventory| inventory.recipes()).unwrap_or_default();
    let known: Vec<String> = there.into_iter().chain(recipes.iter().map(|path| stem(path))).collect();
    let is_known = known.iter().any(|known| known == name);
    suggest::did_you_mean(name, known.iter().map(String::as_str)).filter(|_| !is_known)
}

/// Returns the name of the machine that a recipe is of, by the name of the file.
fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Inventory {
    /// Reads the configuration, if there is one.
    pub(super) fn open() -> Result<Self, Vec<Diagnostic>> {
        let asked = platform()?;
        let settings = place::settings(asked, false)?;
        let path = settings.config.join("config.toml");
        let config = match std::fs::read_to_string(&path) {
            Ok(text) => config::parse(&path.display().to_string(), &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Config::default(),
            Err(error) => {
                let why = error.to_string();
                let why = why.split(" (os error").next().unwrap_or_default();
                let fault = Fault::host(format!("cannot read the configuration {}: {why}", path.display()));
                return Err(vec![fault.hint("correct its mode, or name another folder by VMRUN_CONFIG").into()]);
            }
        };
        Ok(Self { config, settings, asked })
    }

    /// The folders in which recipes are looked for.
    fn folders(&self) -> Vec<PathBuf> {
        if self.config.recipes.is_empty() {
            return vec![self.settings.config.join("recipes"), "recipes".into(), ".".into()];
        }
        self.config.recipes.clone()
    }

    /// Every recipe in these folders, by path; of two with one name the first one counts.
    pub(super) fn recipes(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = Vec::new();
        for folder in self.folders() {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            names.retain(|name| is_recipe(name) && !all.iter().any(|known| known.ends_with(name)));
            names.sort();
            all.extend(
                names.into_iter().map(|name| if folder == Path::new(".") { name.into() } else { folder.join(name) }),
            );
        }
        all
    }

    /// Finds the recipe of a machine: a path, or a name in the folders.
    pub(super) fn recipe(&self, name: &str) -> Result<PathBuf, Fault> {
        if is_recipe(name) {
            return Ok(name.into());
        }
        let all = self.recipes();
        if let Some(path) = all.iter().find(|path| stem(path) == name) {
            return Ok(path.clone());
        }
        let names: Vec<String> = all.iter().map(|path| stem(path)).collect();
        let folders: Vec<String> = self.folders().iter().map(|folder| folder.display().to_string()).collect();
        let fault = Fault::usage(format!("there is no recipe of a machine {name}"));
        let fault =
            fault.hint(format!("looked for {name}.rhai in {}", suggest::list(folders.iter().map(String::as_str))));
        Err(fault.maybe_hint(suggest::did_you_mean(name, names.iter().map(String::as_str))))
    }

    /// Rehearses recipes, on all processors, and returns their machines in the order of the recipes.
    pub(super) fn machines(&self, recipes: &[PathBuf], draw: fn(&Diagnostic) -> Shown) -> Result<Machines, Fault> {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let part = recipes.len().div_ceil(threads).max(1);
        let parts: Vec<Result<Machines, Fault>> = thread::scope(|scope| {
            let threads: Vec<_> = recipes
                .chunks(part)
                .map(|part| scope.spawn(move || self.part(part, &Inputs::default(), draw)))
                .collect();
            let lost = || Err(Fault::host("vmrun itself failed: this is a mistake in it"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).collect()
        });
        let mut machines = Machines::default();
        for part in parts {
            let part = part?;
            machines.all.extend(part.all);
            machines.faults.extend(part.faults);
        }
        Ok(machines)
    }

    /// Rehearses one recipe with what it is told, and returns its machines.
    pub(super) fn told(&self, recipe: &Path, inputs: &Inputs) -> Result<Machines, Fault> {
        self.part(&[recipe.into()], inputs, |fault| draw(fault, Colour::Plain))
    }

    fn part(&self, recipes: &[PathBuf], inputs: &Inputs, draw: fn(&Diagnostic) -> Shown) -> Result<Machines, Fault> {
        let settings = place::settings(self.asked, false)?;
        let here = System::new(settings.clone(), Ahead::default())?;
        let mut host: Box<dyn Host> = Box::new(Elsewhere::new(settings, Box::new(here)));
        let mut machines = Machines::default();
        for path in recipes {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| crate::script::unreadable(&name, &error));
            let recipe = text.map_err(|fault| vec![fault.into()]).and_then(|text| Recipe::parse(&name, &text));
            let recipe = match recipe {
                Ok(recipe) => recipe,
                Err(faults) => {
                    machines.faults.extend(faults.iter().map(draw));
                    continue;
                }
            };
            let run = Run::new(Box::new(Rehearsal::new(host)));
            let evaluated = recipe.evaluate(run, inputs, Some(Purpose::Plan));
            machines.faults.extend(evaluated.faults.iter().map(draw));
            machines.all.extend(evaluated.run.rehearsed().iter().filter_map(wanted));
            host = evaluated.run.into_host();
        }
        Ok(machines)
    }
}

/// What is asked for a machine that a recipe boots.
fn wanted(done: &Rehearsed) -> Option<Wanted> {
    let Rehearsed::Boot(machine) = done else { return None };
    let screen = machine.screen();
    Some(Wanted {
        name: machine.name().to_string(),
        console: screen.map(|(address, _)| address),
        password: screen.and_then(|(_, password)| password.cloned()),
        ttys: machine.ttys().into_iter().map(|(name, tty)| (name.into(), tty.clone())).collect(),
    })
}

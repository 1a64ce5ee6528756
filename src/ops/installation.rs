//! The configuration and the recipes of this installation, and the machines that the recipes describe.

use super::config::{self, Config};
use super::hosts::KnownMachine;
use super::recipe::is_recipe;
use super::settings::{platform, settings};
use crate::diag::snippet::{Colour, draw};
use crate::diag::{Diagnostic, Fault, Place, suggest};
use crate::host::files;
use crate::host::spawn;
use crate::host::system::{Prefetch, System};
use crate::host::worlds::elsewhere::Elsewhere;
use crate::host::worlds::rehearsal::{Rehearsal, Rehearsed};
use crate::host::{Asked, Effect, Host, Platform, Settings};
use crate::model::Machine;
use crate::model::instance::INSTANCE;
use crate::model::permit::PermitOptions;
use crate::script::origin::Origin;
use crate::script::{Evaluated, Inputs, Recipe};
use crate::supervise::Run;
use crate::supervise::conflicts::Purpose;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;

/// The configuration of this host, and where its recipes are.
pub(crate) struct Installation {
    /// The values of `config.toml`.
    pub(crate) config: Config,
    settings: Settings,
    asked: Asked,
}

/// A machine that was asked for: its recipe, and how that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The recipe.
    pub(crate) path: PathBuf,
    /// The parameters with which it was started.
    pub(crate) params: BTreeMap<String, String>,
    /// Whether its network is inside its process.
    pub(crate) user_net: bool,
    /// What its machine needs to run, as its command line said.
    pub(crate) permit: PermitOptions,
    /// The machine, where it was asked for by its name.
    pub(crate) name: Option<String>,
}

impl Wanted {
    /// Returns that of a recipe of which nothing else is known.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, params: BTreeMap::new(), user_net: false, permit: PermitOptions::default(), name: None }
    }
}

/// What a recipe would do.
#[derive(Debug)]
pub(crate) struct Foreseen {
    /// Every change and every boot, in order.
    pub(crate) steps: Vec<Rehearsed>,
    /// From which of them on which call asked for it.
    pub(crate) places: Vec<(usize, Place)>,
}

impl Foreseen {
    /// Returns the machines that it boots, one for each boot.
    pub(crate) fn machines(&self) -> impl Iterator<Item = &Machine> {
        self.steps.iter().filter_map(boot)
    }

    /// Returns the files that it writes itself, such as seeds and host keys, and how.
    pub(crate) fn written(&self) -> Vec<(PathBuf, Effect)> {
        let of = |step: &Rehearsed| match step {
            Rehearsed::Effect(effect @ (Effect::WriteImage { path, .. } | Effect::WriteFile { path, .. })) => {
                Some((path.clone(), effect.clone()))
            }
            Rehearsed::Effect(effect @ Effect::MakeHostKey(path)) => Some((path.clone(), effect.clone())),
            Rehearsed::Effect(_) | Rehearsed::Boot(_) => None,
        };
        self.steps.iter().filter_map(of).collect()
    }

    /// Returns the private keys of hosts of ssh that it makes.
    pub(crate) fn host_keys(&self) -> Vec<PathBuf> {
        let is_key = |(_, effect): &(PathBuf, Effect)| matches!(effect, Effect::MakeHostKey(_));
        self.written().into_iter().filter(is_key).map(|(path, _)| path).collect()
    }

    /// Returns the call that asked for a step.
    pub(crate) fn place(&self, step: usize) -> Option<&Place> {
        self.places.iter().rfind(|(first, _)| *first <= step).map(|(_, place)| place)
    }
}

/// The machines of some recipes, and the faults of others.
#[derive(Default)]
pub(crate) struct Machines {
    /// The machines.
    pub(crate) all: Vec<KnownMachine>,
    /// The faults, drawn without colour: a diagnostic cannot leave its thread.
    pub(crate) faults: Vec<String>,
}

/// Returns a hint at a machine that is there, or has a recipe, whose name is near to one that is not there.
pub(crate) fn did_you_mean(name: &str, there: impl IntoIterator<Item = String>) -> Option<String> {
    let recipes = Installation::open().map(|it| it.recipes()).unwrap_or_default();
    let known: Vec<String> = there.into_iter().chain(recipes.iter().map(|path| stem(path))).collect();
    let is_known = known.iter().any(|known| known == name);
    suggest::did_you_mean(name, known.iter().map(String::as_str)).filter(|_| !is_known)
}

/// Returns the name of the machine that a recipe is of, by the name of the file.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Installation {
    /// Reads the configuration, if there is one.
    pub(crate) fn open() -> Result<Self, Vec<Diagnostic>> {
        let asked = platform()?;
        let settings = settings(asked, false)?;
        let path = settings.config.join("config.toml");
        let config = match files::read_text(&path) {
            Ok(text) => config::parse(&path.display().to_string(), &text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => Config::default(),
            Err(error) => {
                let why = files::reason(&error);
                let fault = Fault::host(format!("cannot read the configuration {}: {why}", path.display()));
                return Err(fault.hint("correct its mode, or name another folder by VMRUN_CONFIG").into());
            }
        };
        Ok(Self { config, settings, asked })
    }

    /// The kind of this host.
    pub(crate) const fn platform(&self) -> Platform {
        self.asked.platform
    }

    /// The folder in which a recipe is put that is new: the first that the configuration names, or that beside it.
    pub(crate) fn home(&self) -> PathBuf {
        self.config.recipes.first().cloned().unwrap_or_else(|| self.settings.config.join("recipes"))
    }

    /// The folders in which recipes are looked for.
    fn folders(&self) -> Vec<PathBuf> {
        if self.config.recipes.is_empty() {
            return vec![self.settings.config.join("recipes"), "recipes".into(), ".".into()];
        }
        self.config.recipes.clone()
    }

    /// Every recipe in the folders that the configuration names, by path, or else in that beside it.
    pub(crate) fn configured(&self) -> Vec<PathBuf> {
        let own = vec![self.settings.config.join("recipes")];
        Self::within(if self.config.recipes.is_empty() { own } else { self.config.recipes.clone() })
    }

    /// Every recipe in the folders in which recipes are looked for, by path.
    pub(crate) fn recipes(&self) -> Vec<PathBuf> {
        Self::within(self.folders())
    }

    /// Every recipe in folders, by path; of two with one name the first one counts.
    pub(crate) fn within(folders: Vec<PathBuf>) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = Vec::new();
        for folder in folders {
            let mut names = files::names(&folder);
            names.retain(|name| is_recipe(name) && !all.iter().any(|known| known.ends_with(name)));
            all.extend(
                names.into_iter().map(|name| if folder == Path::new(".") { name.into() } else { folder.join(name) }),
            );
        }
        all
    }

    /// Finds the recipe of a machine: a path, or a name in the folders.
    pub(crate) fn recipe(&self, name: &str) -> Result<PathBuf, Fault> {
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
        Err(fault.did_you_mean(name, names.iter().map(String::as_str)))
    }

    /// Rehearses recipes, on all processors, and returns their machines in the order of the recipes.
    pub(crate) fn machines(&self, recipes: &[Wanted]) -> Result<Machines, Fault> {
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let part = recipes.len().div_ceil(threads).max(1);
        let parts = spawn::side_by_side(&recipes.chunks(part).collect::<Vec<_>>(), |part| self.part(part));
        let lost = || Err(Fault::host("vmrun itself failed: this is a mistake in it"));
        let mut machines = Machines::default();
        for part in parts {
            let part = part.unwrap_or_else(lost)?;
            machines.all.extend(part.all);
            machines.faults.extend(part.faults);
        }
        Ok(machines)
    }

    /// Rehearses one recipe, and returns its machines.
    pub(crate) fn machines_of(&self, wanted: &Wanted) -> Result<Machines, Fault> {
        self.part(std::slice::from_ref(wanted))
    }

    /// Rehearses one recipe as if nothing ran, and returns the machines that it boots, one for each boot.
    pub(crate) fn booted(&self, wanted: &Wanted) -> Result<Vec<Machine>, Vec<Diagnostic>> {
        self.booted_by(&read(wanted)?, wanted)
    }

    /// Rehearses a recipe that was read as [`Self::booted`] does.
    pub(crate) fn booted_by(&self, recipe: &Recipe, wanted: &Wanted) -> Result<Vec<Machine>, Vec<Diagnostic>> {
        Ok(self.foreseen(recipe, wanted, false)?.machines().cloned().collect())
    }

    /// Rehearses a recipe as if nothing ran and nothing was there; with `init` as for a machine that is new. Whoever asks wants to
    /// know no secret.
    pub(crate) fn foreseen(&self, recipe: &Recipe, wanted: &Wanted, init: bool) -> Result<Foreseen, Vec<Diagnostic>> {
        let here = Box::new(System::new(self.settings.clone(), Prefetch::default())?);
        let host = Box::new(Elsewhere::with_every_secret(self.settings.clone(), here));
        let evaluated = evaluated(recipe, host, wanted, init);
        if !evaluated.faults.is_empty() {
            return Err(evaluated.faults);
        }
        Ok(Foreseen { steps: evaluated.run.rehearsed().to_vec(), places: evaluated.places })
    }

    /// Returns the instances that a recipe has; none of one that is of one machine, or cannot be read, which is told elsewhere.
    pub(super) fn instances(&self, wanted: &Wanted) -> Vec<String> {
        let path = wanted.path.display().to_string();
        let (true, Ok(recipe), Ok(host)) = (says_instances(&path), read(wanted), self.elsewhere()) else {
            return Vec::new();
        };
        // Whichever one it is rehearsed as: it says all.
        let mut asked = wanted.clone();
        asked.params.remove(INSTANCE);
        evaluated(&recipe, host, &asked, false).instances
    }

    fn part(&self, recipes: &[Wanted]) -> Result<Machines, Fault> {
        let draw = |fault: &Diagnostic| draw(fault, Colour::Plain);
        let mut host = self.elsewhere()?;
        let mut machines = Machines::default();
        for wanted in recipes {
            match read(wanted) {
                Ok(recipe) => {
                    let evaluated = evaluated(&recipe, host, wanted, false);
                    machines.faults.extend(evaluated.faults.iter().map(draw));
                    machines.all.extend(evaluated.run.rehearsed().iter().filter_map(boot).map(known));
                    host = evaluated.run.into_host();
                }
                Err(faults) => machines.faults.extend(faults.iter().map(draw)),
            }
        }
        Ok(machines)
    }

    /// Returns a host as this one, on which nothing runs and nothing is there yet.
    fn elsewhere(&self) -> Result<Box<dyn Host>, Fault> {
        let settings = settings(self.asked, false)?;
        let here = System::new(settings.clone(), Prefetch::default())?;
        Ok(Box::new(Elsewhere::new(settings, Box::new(here))))
    }
}

/// Reads the recipe of a machine.
pub(crate) fn read(wanted: &Wanted) -> Result<Recipe, Vec<Diagnostic>> {
    let name = wanted.path.display().to_string();
    let text = files::read_text(&wanted.path).map_err(|error| crate::script::unreadable(&name, &error))?;
    Recipe::parse(&name, &text)
}

/// Whether a recipe may be of several machines: only one that has the word is rehearsed to find out.
pub(super) fn says_instances(path: &str) -> bool {
    files::read_text(Path::new(path)).is_ok_and(|text| text.contains("instance("))
}

/// Rehearses a recipe with what its machine was started with.
fn evaluated(recipe: &Recipe, host: Box<dyn Host>, wanted: &Wanted, init: bool) -> Evaluated {
    let origin = Origin::of(&wanted.path.display().to_string());
    let inputs = Inputs { init, params: wanted.params.clone(), origin, ..Inputs::default() };
    recipe.evaluate(Run::new(Box::new(Rehearsal::new(host))), &inputs, Some(Purpose::Plan))
}

/// Returns the machine of a boot.
fn boot(done: &Rehearsed) -> Option<&Machine> {
    let Rehearsed::Boot(machine) = done else { return None };
    Some(machine)
}

/// Returns what is known of a machine that a recipe boots.
fn known(machine: &Machine) -> KnownMachine {
    let (screen, socket) = (machine.screen(), machine.screen_socket());
    let password = screen.and_then(|(_, password)| password).or(socket.and_then(|(_, password)| password));
    KnownMachine {
        name: machine.name().to_string(),
        console: screen.map(|(address, _)| address),
        socket: socket.map(|(path, _)| path.as_path().into()),
        password: password.cloned(),
        ttys: machine.ttys().into_iter().map(|(name, tty)| (name.into(), tty.clone())).collect(),
        serial_log: machine.serial_log().map(|path| path.as_path().into()),
    }
}

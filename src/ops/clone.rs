//! A machine under another name, with copies of its disks: its recipe says in literals what has to be another one, and a rehearsal says
//! whether that is enough.

mod copies;
mod text;

use super::installation::{Foreseen, Installation, Wanted};
use super::machine_disks::{MachineDisks, disks, vars};
use super::{known, settings, stopped};
use crate::diag::{Diagnostic, Fault, suggest};
use crate::host::system::System;
use crate::host::{Effect, Host, files};
use crate::model::exclusive::{Exclusive, Role};
use crate::model::volume::ZVOLS;
use crate::model::{Machine, VmName};
use crate::script::Recipe;
use crate::supervise::recovery;
pub(crate) use copies::{CloneEvent, Listener};
use copies::{Copies, Made};
use std::path::{Path, PathBuf};

/// With what the tags of snapshots begin that are made for a clone.
pub(crate) const TAG: &str = "clone-";

/// A machine that is to be cloned, once all of it was checked.
pub(crate) struct Clone {
    /// The recipe that is written.
    pub(crate) recipe: PathBuf,
    /// What both machines have and only one of them at a time, with the way out.
    pub(crate) shared: Vec<String>,
    /// Whether the source runs.
    pub(crate) runs: bool,
    text: String,
    source: VmName,
    name: VmName,
    copies: Copies,
    host: System,
}

impl Clone {
    /// Finds out what the clone is, and checks all of it.
    ///
    /// # Errors
    /// Something of that name is there, a disk cannot be copied, or what comes out is not the same machine under another name.
    pub(crate) fn of(source: &str, name: &VmName) -> Result<Self, Vec<Diagnostic>> {
        let installation = Installation::open()?;
        let machine = MachineDisks::of(&installation, source)?;
        let host = settings::host(false)?;
        if let Some(fault) = recovery::exports::against_exported(&host, machine.name()) {
            return Err(fault.into());
        }
        let runs = recovery::holder(&host, machine.name()).is_some();
        if let Some(fault) = stopped::against(&host, machine.name(), &[]).filter(|_| !runs) {
            return Err(fault.into());
        }
        let recipe = machine.wanted.path.with_file_name(format!("{name}.rhai"));
        if machine.name() == name {
            return Err(known::has_name(name).into());
        }
        known::against_name(&host, &installation, name, &recipe)?;
        let old = machine.wanted.path.display().to_string();
        let before = files::read_text(&machine.wanted.path).map_err(|why| crate::script::unreadable(&old, &why))?;
        let source = Recipe::parse(&old, &before)?;
        let theirs = installation.foreseen(&source, &machine.wanted, true)?.written();
        // What the recipe makes itself is each machine's own, even where the guest only reads it.
        let is_shared = |path: &Path| files::exists(path) && !theirs.iter().any(|(made, _)| made == path);
        let text = text::renamed(&before, &machine, name, &is_shared);
        let parsed = Recipe::parse(&recipe.display().to_string(), &text)?;
        let mut wanted = Wanted { path: recipe.clone(), name: None, ..machine.wanted.clone() };
        for value in wanted.params.values_mut().filter(|value| value == &machine.name().as_str()) {
            *value = name.to_string();
        }
        let foreseen = installation.foreseen(&parsed, &wanted, false)?;
        let made = installation.foreseen(&parsed, &wanted, true)?;
        against_parameters(&installation, &parsed, (&machine, name), &wanted, &foreseen)?;
        let new = the_one(&foreseen, machine.name(), name)?;
        let shared = against_shared(&machine.machine, new)?;
        against_others(&installation, &machine, new)?;
        let new_disks = disks(foreseen.machines())?;
        let ours = made.written();
        against_written(&theirs, &ours)?;
        let copies = Copies::of(&host, (&machine, name), (&new_disks, vars(new)), &ours, runs)?;
        Ok(Self { recipe, shared, runs, text, source: machine.name().clone(), name: name.clone(), copies, host })
    }

    /// Returns the commands that do the same, but for the recipe.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.copies.commands()
    }

    /// Does it, the recipe last; where something fails, what was made goes again.
    ///
    /// # Errors
    /// The host refuses a part of it, or somebody asked to stop.
    pub(crate) fn perform(mut self, listener: Listener<'_>) -> Result<(), Fault> {
        let (copies, recipe, text) = (&self.copies, &self.recipe, &self.text);
        let (name, source) = (&self.name, &self.source);
        let work = |host: &mut dyn Host| {
            let mut made = Made::of(name.clone(), source);
            let done = copies.make(host, &mut made, listener).and_then(|()| made.settle(host));
            let done = done.and_then(|()| files::write_whole(recipe, text));
            done.map_err(|fault| made.take_back(host, fault))
        };
        if self.runs {
            return stopped::hold(&mut self.host, name, &[], work);
        }
        let files = copies.sources();
        stopped::hold(&mut self.host, &self.source, &files, |host| stopped::hold(host, name, &[], work))
    }
}

/// Refuses a machine that only its parameters make the one that it is: nobody gives them to the clone, which its recipe alone has to be.
fn against_parameters(
    installation: &Installation,
    recipe: &Recipe,
    (machine, new): (&MachineDisks, &VmName),
    wanted: &Wanted,
    with: &Foreseen,
) -> Result<(), Vec<Diagnostic>> {
    if wanted.params.is_empty() {
        return Ok(());
    }
    let without = installation.foreseen(recipe, &Wanted::of(wanted.path.clone()), false)?;
    if without.machines().eq(with.machines()) {
        return Ok(());
    }
    let (old, params) = (machine.name(), &machine.wanted.params);
    let given: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let fault =
        Fault::new(format!("{old} was started with {}, and {new} would be another machine without", given.join(", ")));
    let fault = fault.hint("write these values into the recipe as the defaults of its parameters, and clone that");
    Err(fault.into())
}

/// Returns the machine that a recipe boots, which has to be one of that name alone.
fn the_one<'a>(foreseen: &'a Foreseen, old: &VmName, name: &VmName) -> Result<&'a Machine, Fault> {
    let wrong = foreseen.machines().find(|one| one.name() != name).map(Machine::name);
    match (wrong, foreseen.machines().next()) {
        (Some(other), _) if other == old => {
            let fault = Fault::new(format!("the recipe says the name {old} by no literal, and would boot {old} again"));
            Err(fault.hint(format!("write the name as a literal in the recipe itself: name: \"{old}\"")))
        }
        (Some(other), _) => {
            let fault = Fault::new(format!("the recipe boots {other} as well, which would be in two recipes"));
            Err(fault.hint(format!("give {old} a recipe of its own")))
        }
        (None, Some(machine)) => Ok(machine),
        (None, None) => Err(Fault::new("the recipe boots no machine")),
    }
}

/// Returns what both machines have, and refuses what makes them one.
fn against_shared(old: &Machine, new: &Machine) -> Result<Vec<String>, Fault> {
    let old = old.exclusives();
    let mut told = Vec::new();
    for (one, _) in new.exclusives() {
        if !old.iter().any(|(other, _)| other.excludes(one)) {
            continue;
        }
        if is_identity(one) {
            let fault = Fault::new(format!("both machines would have {}", one.named()));
            if one.role == Role::Image && one.text.starts_with("/dev/") && !one.text.starts_with(ZVOLS) {
                return Err(
                    fault.hint("a device is one machine's alone: take it out of the recipe, and clone without it")
                );
            }
            return Err(fault.hint(format!("the recipe says it by no literal that can be replaced; {}", one.way_out())));
        }
        told.push(format!(
            "both machines have {}, and only one of them runs at a time: {}",
            one.named(),
            one.way_out()
        ));
    }
    Ok(told)
}

/// Whether it is what makes a machine that machine, or its data.
const fn is_identity(one: &Exclusive) -> bool {
    matches!(one.role, Role::Name | Role::Mac | Role::Uuid | Role::Vars | Role::Image)
}

/// Refuses what another machine of the installation has.
fn against_others(installation: &Installation, source: &MachineDisks, new: &Machine) -> Result<(), Fault> {
    let own = files::whole(Path::new(""), &source.wanted.path);
    let mine = new.exclusives();
    for wanted in known::every(installation)?.iter().filter(|one| files::whole(Path::new(""), &one.path) != own) {
        for other in installation.booted(wanted).unwrap_or_default() {
            let theirs = other.exclusives();
            let clash =
                mine.iter().find(|(one, _)| is_identity(one) && theirs.iter().any(|(other, _)| other.excludes(one)));
            if let Some((one, _)) = clash {
                let fault = Fault::new(format!("{} has {} already", other.name(), one.named()));
                return Err(fault.hint("choose another name for the clone"));
            }
        }
    }
    Ok(())
}

/// Refuses a file that both recipes would write.
fn against_written(theirs: &[(PathBuf, Effect)], ours: &[(PathBuf, Effect)]) -> Result<(), Fault> {
    let is_both = |(path, _): &&(PathBuf, Effect)| theirs.iter().any(|(other, _)| other == path);
    let Some((path, _)) = ours.iter().find(is_both) else { return Ok(()) };
    let fault = Fault::new(format!("both recipes would write {}", path.display()));
    Err(fault.hint("have the recipe say its path by a literal that has the name of the machine"))
}

/// Returns paths as a list for people.
fn list(paths: &[PathBuf]) -> String {
    let all: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    suggest::list(all.iter().map(String::as_str))
}

//! The machines of a recipe: whose files anybody may use whom it imports.
//!
//! A text of the recipe that could be a machine's name may be anything else: a user, a tag, the machine that it starts after. So the
//! files of a machine are usual if the recipe is called as it is, or boots it in a rehearsal. What is asked for before that waits for
//! the end of the rehearsal.

use super::is_led_below;
use crate::diag::Fault;
use crate::host::files;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::library::named_texts::owner;
use crate::library::protected::is_below;
use crate::model::VmName;
use crate::script::EvaluationContext;
use crate::script::raise::Site;
use crate::script::words::VM_DIR;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many files may wait for the end of a rehearsal; any more are refused at once.
const WAITING: usize = 256;

/// What is known of them.
#[derive(Default)]
pub(in crate::script) struct OwnMachines {
    /// Those that were booted in rehearsals of the recipe; nothing before the first.
    booted: Option<BTreeSet<VmName>>,
    /// What was asked for and is refused if its machine is not booted: the file, the fault, and the call.
    waiting: Vec<(PathBuf, Fault, Site)>,
}

impl OwnMachines {
    /// Begins an evaluation of a recipe of which this is known.
    pub(in crate::script) fn begin(&mut self, booted: Option<BTreeSet<VmName>>) {
        self.booted = booted;
        self.waiting.clear();
    }

    /// Has a file be refused at the end of the rehearsal, unless it is of a machine that is booted there. Returns whether there was room.
    pub(super) fn wait_for(&mut self, path: &Path, fault: &Fault, site: &Site) -> bool {
        let waits = self.waiting.iter().any(|(waits, ..)| waits == path);
        let has_room = waits || self.waiting.len() < WAITING;
        if has_room && !waits {
            self.waiting.push((path.into(), fault.clone(), site.clone()));
        }
        has_room
    }
}

impl EvaluationContext {
    /// Whether a file in the folder of machines is of a machine of the recipe, and no link leads out of there.
    pub(super) fn is_of_an_own_machine(&mut self, path: &Path) -> bool {
        // A guest that was taken over is gone on with by a recipe that was not rehearsed.
        let is_unknown = self.allowance.machines.booted.is_none() && self.rehearsal.is_none();
        if is_unknown { self.is_of_a_named_machine(path) } else { self.is_of(path, &self.own_machines()) }
    }

    /// Whether a file may be of a machine of the recipe, as its text has a name for that.
    pub(super) fn is_of_a_named_machine(&mut self, path: &Path) -> bool {
        let named: BTreeSet<String> = self.named().texts().map(String::from).collect();
        self.is_of(path, &named)
    }

    /// Returns the machines that are the recipe's as far as it is known: that which is called as it is, and those that it names and boots.
    fn own_machines(&self) -> BTreeSet<String> {
        let named = self.named();
        let booted = self.allowance.machines.booted.iter().flatten().map(VmName::as_str).filter(|name| named.has(name));
        let main = self.sources.main();
        let stem = Path::new(&main).file_stem().and_then(|stem| stem.to_str());
        booted.chain(stem).map(String::from).collect()
    }

    /// Whether a file in the folder of machines has the name of one of these, where no other machine's that is known fits longer.
    fn is_of(&mut self, path: &Path, own: &BTreeSet<String>) -> bool {
        let folder = Path::new(VM_DIR);
        if !is_below(path, folder) {
            return false;
        }
        let mut others = recipes_beside(Path::new(&self.sources.main()));
        others.extend(self.run().host.store().records().iter().map(|record| record.name.to_string()));
        let known = own.iter().chain(&others).map(String::as_str);
        let is_own = owner(path, folder, known).is_some_and(|name| own.contains(name));
        is_own && is_led_below(&*self.run().host, path, folder, folder)
    }

    /// Takes the machines that a rehearsal has booted, and returns what was asked for of others, with the calls.
    pub(in crate::script) fn end_of_rehearsal(&mut self) -> (BTreeSet<VmName>, Vec<(Fault, Site)>) {
        let mut booted = self.allowance.machines.booted.take().unwrap_or_default();
        let machine = |done: &Rehearsed| match done {
            Rehearsed::Boot(machine) => Some(machine.name().clone()),
            Rehearsed::Effect(_) => None,
        };
        booted.extend(self.run().rehearsed().iter().filter_map(machine));
        self.allowance.machines.booted = Some(booted.clone());
        let mut refused = std::mem::take(&mut self.allowance.machines.waiting);
        if !refused.is_empty() {
            let own = self.own_machines();
            refused.retain(|(path, ..)| !self.is_of(path, &own));
        }
        (booted, refused.into_iter().map(|(_, fault, site)| (fault, site)).collect())
    }
}

/// The names of the recipes in the folder of a recipe.
fn recipes_beside(recipe: &Path) -> Vec<String> {
    let folder = recipe.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::names(folder).iter().filter_map(|name| Some(name.strip_suffix(".rhai")?.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use crate::host::worlds::fixture::Fixture;
    use crate::host::worlds::rehearsal::Rehearsal;
    use crate::host::worlds::simulated::Simulated;
    use crate::script::{Inputs, Recipe};
    use crate::supervise::Run;
    use crate::supervise::conflicts::Purpose;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// What is said of a recipe in a rehearsal, and in earnest after that: `init` tells them apart.
    fn said(recipe: &str) -> [String; 2] {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            crate::host::library_tree::put(&folder.path().join(name), text.as_bytes()).unwrap()
        };
        write("vmrun.toml", "[lib.team]\npath = \".\"\n");
        write("lib.rhai", "fn room(path) { truncate(path, 1.MiB); }\n");
        let name = folder.path().join("recipe.rhai").display().to_string();
        let text = format!("import \"team\" as team;\n{recipe}\n");
        let recipe = Recipe::parse(&name, &text).unwrap_or_else(|_| panic!("{text}"));
        let simulated = || Box::new(Simulated::new(&Rc::new(RefCell::new(Fixture::lab()))));
        let rehearsed = Run::new(Box::new(Rehearsal::new(simulated())));
        [(rehearsed, Some(Purpose::Run)), (Run::new(simulated()), None)].map(|(run, purpose)| {
            let mut evaluated = recipe.evaluate(run, &Inputs { init: purpose.is_none(), ..Inputs::default() }, purpose);
            evaluated.run.give_back();
            let messages = evaluated.faults.into_iter().map(|diagnostic| diagnostic.fault.message);
            messages.collect::<Vec<_>>().join(", ")
        })
    }

    #[test]
    fn the_files_of_a_machine_are_usual_if_the_recipe_boots_it() {
        let boot = "bhyve(#{ name: \"web\", slots: #{} }).run();";
        let refused = "the library `team` may not use /vm/web.img";
        assert_eq!(said(&format!("team::room(\"/vm/\" + \"web.img\"); {boot}")), ["", ""]);
        assert_eq!(said("let user = \"web\"; team::room(\"/vm/\" + \"web.img\");"), [refused, refused]);
        // A library gives itself no machine.
        let theirs = "let vm = bhyve(#{ name: \"w\" + \"eb\", slots: #{} }); vm.run();";
        assert_eq!(said(&format!("{theirs} team::room(\"/vm/\" + \"web.img\");")), [refused, refused]);
        // What a library does in earnest alone is held to what the rehearsal has booted.
        let other =
            |path: &str| said(&format!("let user = \"db\"; if init {{ team::room(\"/vm/\" + \"{path}\"); }} {boot}"));
        assert_eq!(other("web.img"), ["", ""]);
        assert_eq!(other("db.img"), ["", "the library `team` may not use /vm/db.img"]);
    }
}

//! A rehearsal: real facts below, every effect simulated on top.
//!
//! A file that was truncated is there afterwards, a tap that was made is there. What would have been done is kept in
//! order.

use crate::diag::Fault;
use crate::host::boot_plan::BootPlan;
use crate::host::{
    Capacity, Effect, FileFact, Guest, Host, Identity, Interface, InterfaceKind, ProcessFact, Settings, Trace, Woken,
    interfaces,
};
use crate::image::Disk;
use crate::model::device::Access;
use crate::model::{Argv, Ended, Machine, Secret, Size, VmName};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Something that a rehearsal would have done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rehearsed {
    /// A change of the host.
    Effect(Effect),
    /// A boot.
    Boot(Box<Machine>),
}

/// A host on which nothing happens.
pub(crate) struct Rehearsal {
    below: Box<dyn Host>,
    /// Whether a dead run has left an interface: then it counts as gone, because it is given back first.
    pub is_left: fn(&dyn Host, &Interface) -> bool,
    files: BTreeMap<PathBuf, FileFact>,
    /// What was written, for those who read it afterwards.
    texts: BTreeMap<PathBuf, Rc<str>>,
    interfaces: BTreeMap<String, Option<Interface>>,
    /// How the next boots end.
    pub exits: Ended,
    /// What would have been done, in order.
    pub done: Vec<Rehearsed>,
}

impl Rehearsal {
    /// Begins a rehearsal on top of a host.
    pub(crate) fn new(below: Box<dyn Host>) -> Self {
        let (files, texts, interfaces) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { below, is_left: |_, _| false, files, texts, interfaces, exits: Ended::PoweredOff, done: Vec::new() }
    }

    fn made_interfaces(&mut self, all: Vec<Interface>) {
        self.interfaces.extend(all.into_iter().map(|one| (one.name.clone(), Some(one))));
    }

    fn made(&mut self, path: &Path, size: Size, has_data: bool) {
        let before = self.file(path).is_some_and(|fact| fact.has_data);
        let fact = FileFact { size: Some(size), has_data: before || has_data, is_folder: false };
        self.files.insert(path.into(), fact);
    }
}

impl Host for Rehearsal {
    fn settings(&self) -> &Settings {
        self.below.settings()
    }

    fn is_assumed(&self) -> bool {
        self.below.is_assumed()
    }

    fn file(&self, path: &Path) -> Option<FileFact> {
        self.files.get(path).copied().or_else(|| self.below.file(path))
    }

    fn real(&self, path: &Path) -> PathBuf {
        self.below.real(path)
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Fault> {
        match self.texts.get(path) {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => self.below.read(path),
        }
    }

    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault> {
        let below = self.below.interfaces()?;
        if self.interfaces.is_empty() && below.iter().all(|one| one.mark.is_none()) {
            return Ok(below);
        }
        let is_left = |one: &Interface| one.mark.is_some() && (self.is_left)(&*self.below, one);
        // The second one of a pair goes with the first, which has the mark.
        let first = |one: &Interface| Some(format!("{}a", one.name.strip_suffix('b')?));
        let goes_along = |one: &Interface| {
            one.kind == InterfaceKind::Pair
                && first(one).is_some_and(|first| below.iter().any(|other| other.name == first && is_left(other)))
        };
        let is_there = |one: &&Interface| !self.interfaces.contains_key(&one.name) && !is_left(one) && !goes_along(one);
        let mut all: Vec<Interface> = below.iter().filter(is_there).cloned().collect();
        all.extend(self.interfaces.values().flatten().cloned());
        Ok(all.into())
    }

    fn hostname(&self) -> String {
        self.below.hostname()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.below.env(name)
    }

    fn capacity(&self, cpus: u64, memory: Size) -> Capacity {
        self.below.capacity(cpus, memory)
    }

    fn is_taken(&self, address: SocketAddr) -> bool {
        self.below.is_taken(address)
    }

    fn has_program(&self, name: &str) -> bool {
        self.below.has_program(name)
    }

    fn may_change_network(&self) -> bool {
        self.below.may_change_network()
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        self.below.secret(name)
    }

    fn query(&self, argv: &Argv) -> Result<String, Fault> {
        self.below.query(argv)
    }

    fn perform(&mut self, effect: &Effect) -> Result<String, Fault> {
        match effect {
            Effect::Truncate { path, size } => self.made(path, *size, false),
            Effect::WriteImage { path, image, .. } => self.made(path, Size::bytes(image.size()), true),
            Effect::WriteFile { path, text, .. } => {
                self.made(path, Size::bytes(text.len() as u64), true);
                self.texts.insert(path.clone(), text.clone());
            }
            Effect::CopyVars { to, .. } => self.made(to.as_path(), Size::bytes(0), true),
            Effect::Make { path, .. } => self.made(path, Size::bytes(0), true),
            Effect::CreateTap(tap) => {
                let tap = Interface { is_ours: true, ..Interface::new(tap.to_string(), InterfaceKind::Tap) };
                self.made_interfaces(vec![tap]);
            }
            Effect::CreateLink(link) => self.made_interfaces(interfaces::made(link)),
            Effect::DestroyTap(name) | Effect::DestroyLink(name) => {
                self.interfaces.insert(name.to_string(), None);
            }
            Effect::Umask(_)
            | Effect::DestroyNode(_)
            | Effect::Join { .. }
            | Effect::Leave { .. }
            | Effect::AddRoute(_)
            | Effect::DeleteRoute(_)
            | Effect::Run(_) => {}
        }
        self.done.push(Rehearsed::Effect(effect.clone()));
        Ok(String::new())
    }

    fn traces(&self) -> Vec<Trace> {
        self.below.traces()
    }

    fn trace(&self, name: &VmName) -> Option<Trace> {
        self.below.trace(name)
    }

    fn identity(&self) -> Identity {
        self.below.identity()
    }

    fn is_same_boot(&self, one: &str, other: &str) -> bool {
        self.below.is_same_boot(one, other)
    }

    fn process(&self, pid: u32) -> Option<ProcessFact> {
        self.below.process(pid)
    }

    fn strays(&self, name: &VmName) -> Vec<u32> {
        self.below.strays(name)
    }

    fn temporary(&self, path: &Path) -> PathBuf {
        self.below.temporary(path)
    }

    fn is_held(&self, path: &Path, access: Access) -> bool {
        self.below.is_held(path, access)
    }

    fn reserve(&mut self, _: &VmName, _: Duration) -> Result<bool, Fault> {
        Ok(true)
    }

    fn boot(&mut self, machine: &Machine, _: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        self.done.push(Rehearsed::Boot(Box::new(machine.clone())));
        Ok(Box::new(Imagined(self.exits.clone())))
    }

    fn clear(&mut self, _: &VmName) -> Result<(), Fault> {
        Ok(())
    }

    fn imagine(&mut self, end: Ended) {
        self.exits = end;
    }

    fn rehearsed(&self) -> &[Rehearsed] {
        &self.done
    }

    fn into_below(self: Box<Self>) -> Box<dyn Host> {
        self.below
    }

    fn stop_asked(&self) -> bool {
        self.below.stop_asked()
    }
}

/// A guest that ends as it was told to.
pub(crate) struct Imagined(pub(crate) Ended);

impl Guest for Imagined {
    fn wait(&mut self, _: Option<Instant>) -> Woken {
        Woken::Ended(self.0.clone())
    }

    fn press_power_button(&mut self) {}

    fn force(&mut self) {}

    fn kill(&mut self) {}

    fn last_words(&self) -> Vec<String> {
        Vec::new()
    }
}

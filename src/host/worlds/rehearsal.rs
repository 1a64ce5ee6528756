//! A rehearsal: real facts below, every effect simulated on top.
//!
//! A file that was truncated is there afterwards, a tap that was made is there. What would have been done is kept in
//! order.

use super::imagined::Imagined;
use super::world::World;
use crate::diag::Fault;
use crate::host::boot_plan::{BootPlan, Load};
use crate::host::disks::DiskChange;
use crate::host::helper::{HelperProcess, HelperStart};
use crate::host::kvm::Kvm;
use crate::host::seat::Seat;
use crate::host::store::Store;
use crate::host::volumes;
use crate::host::{
    Capacity, Effect, Effects, Facts, FileFact, Guest, Guests, Host, Interface, InterfaceKind, ProcessTable, Rights,
    Settings, Tell,
};
use crate::model::{Argv, Ended, Fetch, Helper, Machine, Secret, Size, VmName};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Something that a rehearsal would have done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rehearsed {
    /// A change of the host.
    Effect(Effect),
    /// A machine boots, and ends as the rehearsal imagines.
    Boot(Box<Machine>),
}

/// A host on which nothing happens.
pub(crate) struct Rehearsal {
    below: Box<dyn Host>,
    store: Store,
    /// Whether a dead run has left an interface: then it counts as gone, because it is given back first.
    pub is_left: fn(&dyn Host, &Interface) -> bool,
    /// Waits for commands that dead runs have begun, before the interfaces are taken in that they make.
    pub await_commands: fn(&dyn Host),
    /// What was changed; its interfaces count from the first of them that was.
    world: World,
    has_interfaces: bool,
    /// How the next boots end.
    pub exits: Ended,
    /// What would have been done, in order.
    pub done: Vec<Rehearsed>,
}

impl Rehearsal {
    /// Begins a rehearsal on top of a host.
    pub(crate) fn new(below: Box<dyn Host>) -> Self {
        let store = below.store().looked_at();
        let (world, exits, done) = (World::default(), Ended::PoweredOff, Vec::new());
        Self { below, store, is_left: |_, _| false, await_commands: |_| (), world, has_interfaces: false, exits, done }
    }

    /// Returns the host on which it is rehearsed.
    pub(crate) fn host(&self) -> &dyn Host {
        &*self.below
    }

    /// Returns the interfaces of the host below, without those that dead runs have left.
    fn below(&self) -> Result<Rc<[Interface]>, Fault> {
        let below = self.below.interfaces()?;
        if below.iter().all(|one| one.mark.is_none()) {
            return Ok(below);
        }
        let is_left = |one: &Interface| one.mark.is_some() && (self.is_left)(&*self.below, one);
        // The second one of a pair goes with the first, which has the mark.
        let first = |one: &Interface| Some(format!("{}a", one.name.strip_suffix('b')?));
        let goes_along = |one: &Interface| {
            one.kind == InterfaceKind::Pair
                && first(one).is_some_and(|first| below.iter().any(|other| other.name == first && is_left(other)))
        };
        Ok(below.iter().filter(|one| !is_left(one) && !goes_along(one)).cloned().collect())
    }

    /// Has the world know what an effect changes, as it is on the host below.
    fn take_in(&mut self, effect: &Effect) {
        match effect {
            Effect::Truncate { path, .. } | Effect::WriteImage { path, .. } | Effect::WriteFile { path, .. } => {
                if let Some(fact) = self.file(path) {
                    self.world.files.insert(path.clone(), fact);
                }
            }
            Effect::DestroyTap(_)
            | Effect::CreateLink(_)
            | Effect::DestroyLink(_)
            | Effect::Join { .. }
            | Effect::Lend { .. }
            | Effect::Leave { .. } => {
                if !self.has_interfaces {
                    (self.await_commands)(&*self.below);
                }
                // Whoever asks for interfaces that cannot be read is told so.
                if let Some(below) = (!self.has_interfaces).then(|| self.below().ok()).flatten() {
                    self.world.interfaces = below.to_vec();
                    self.has_interfaces = true;
                }
            }
            Effect::Disk(change) => self.take_in_disk(change),
            Effect::CopyVars { .. }
            | Effect::MakeHostKey(_)
            | Effect::Fetch(_)
            | Effect::Make { .. }
            | Effect::Umask(_)
            | Effect::DestroyNode(_)
            | Effect::AddRoute(_)
            | Effect::CreateJail { .. }
            | Effect::RemoveJail(_)
            | Effect::MakeCgroup(_)
            | Effect::RemoveCgroup(_)
            | Effect::IscsiLogin(_)
            | Effect::IscsiLogout(_)
            | Effect::Reclaim { .. }
            | Effect::CreateInner(_)
            | Effect::DestroyInner(_)
            | Effect::DeleteRoute(_)
            | Effect::StartHelper(_)
            | Effect::EndHelper(_)
            | Effect::Run(_) => {}
        }
    }
}

impl Rehearsal {
    /// Returns how much more than before is reserved in a pool, in bytes.
    pub(crate) fn promised(&self, pool: &str) -> u64 {
        self.world.volumes.promised(pool)
    }

    /// Has a file count as there that comes by what is rehearsed.
    pub(crate) fn expect(&mut self, path: &Path) {
        self.world.comes(path, None);
    }

    fn take_in_disk(&mut self, change: &DiskChange) {
        match change {
            DiskChange::ResizeFile { path, .. } => {
                if let Some(fact) = self.file(path) {
                    self.world.files.insert(path.clone(), fact);
                }
            }
            DiskChange::GrowVolume { name, .. } => {
                let fact = volumes::volume(self, name).ok().flatten();
                fact.into_iter().for_each(|fact| self.world.volumes.take_in(name, fact));
            }
            DiskChange::MakeFile { .. }
            | DiskChange::RemoveFile { .. }
            | DiskChange::MakeVolume { .. }
            | DiskChange::CloneVolume { .. }
            | DiskChange::DestroyVolume { .. }
            | DiskChange::KeepVolumes { .. }
            | DiskChange::KeepFiles { .. }
            | DiskChange::Fill(_) => {}
        }
    }
}

impl Facts for Rehearsal {
    fn settings(&self) -> &Settings {
        self.below.settings()
    }

    fn is_assumed(&self) -> bool {
        self.below.is_assumed()
    }

    fn file(&self, path: &Path) -> Option<FileFact> {
        let below = || if self.world.is_gone(path) { None } else { self.below.file(path) };
        self.world.files.get(path).copied().or_else(below)
    }

    fn real(&self, path: &Path) -> PathBuf {
        self.below.real(path)
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, Fault> {
        let text = self.world.texts.get(path);
        let below = || self.below.read(path, most).map_err(|fault| self.world.unread(path, fault));
        text.map_or_else(below, |text| Ok(text.iter().copied().take(most).collect()))
    }

    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault> {
        if self.has_interfaces { Ok(self.world.interfaces.clone().into()) } else { self.below() }
    }

    fn interfaces_anew(&self) -> Result<Rc<[Interface]>, Fault> {
        if !self.has_interfaces {
            self.below.interfaces_anew()?;
        }
        self.interfaces()
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

    fn is_taken(&self, seat: &Seat) -> bool {
        self.below.is_taken(seat)
    }

    fn has_program(&self, name: &str) -> bool {
        self.below.has_program(name)
    }

    fn rights(&self) -> Rights {
        self.below.rights()
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        self.below.secret(name)
    }

    fn query(&self, argv: &Argv) -> Result<String, Fault> {
        self.world.volumes.answer(argv).map_or_else(|| self.below.query(argv), Ok)
    }
}

impl Effects for Rehearsal {
    fn perform(&mut self, effect: &Effect) -> Result<String, Fault> {
        self.take_in(effect);
        self.world.apply(effect);
        self.done.push(Rehearsed::Effect(effect.clone()));
        Ok(String::new())
    }

    fn fetch(&mut self, fetch: &Fetch, _: Tell<'_>) -> Result<(), Fault> {
        // Of a host that is not here every file is assumed to be there.
        let is_there = !self.is_assumed() && self.below.file(&fetch.path()).is_some();
        if is_there || self.world.files.contains_key(&fetch.path()) {
            return Ok(());
        }
        self.perform(&Effect::Fetch(Box::new(fetch.clone()))).map(drop)
    }

    fn begin(&mut self, effect: &Effect) -> Result<(), Fault> {
        self.perform(effect).map(drop)
    }

    fn settle(&mut self, _: fn(&Effect) -> bool) -> Vec<(Effect, Fault)> {
        Vec::new()
    }

    fn mark(&mut self, _: &VmName) {}

    fn remove(&mut self, _: &Path) -> Result<(), Fault> {
        Ok(())
    }

    fn has_reflinks(&self, path: &Path) -> Result<bool, Fault> {
        self.below.has_reflinks(path)
    }
}

impl Guests for Rehearsal {
    fn kvm(&self) -> Kvm {
        self.below.kvm()
    }

    fn boot_plan(&self, machine: &Machine) -> Result<BootPlan, Fault> {
        self.below.boot_plan(machine)
    }

    fn prepare(&mut self, _: &BootPlan) -> Result<(), Fault> {
        Ok(())
    }

    fn load(&mut self, _: &Machine, _: &Load) -> Result<(), Fault> {
        Ok(())
    }

    fn boot(&mut self, machine: &Machine, _: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        self.done.push(Rehearsed::Boot(Box::new(machine.clone())));
        Ok(Box::new(Imagined(self.exits.clone())))
    }

    fn adopt(&mut self, name: &VmName, _: u32) -> Result<Box<dyn Guest>, Fault> {
        Err(no_guest(name))
    }

    fn end_guest(&mut self, name: &VmName, _: u32, _: Duration) -> Result<(), Fault> {
        Err(no_guest(name))
    }

    fn start_helper(&mut self, start: &HelperStart) -> Result<Option<HelperProcess>, Fault> {
        self.perform(&Effect::StartHelper(Box::new(start.clone()))).map(|_| None)
    }

    fn release_helper(&mut self, _: &Helper, _: bool) -> Result<(), Fault> {
        Ok(())
    }

    fn adopt_helper(&mut self, _: &str, _: &HelperProcess) -> bool {
        false
    }

    fn helper_ended(&mut self, _: &str) -> Option<String> {
        None
    }

    fn rotate_log(&mut self) -> Option<u64> {
        None
    }

    fn rest(&mut self, _: Duration) -> bool {
        false
    }

    fn stop_asked(&self) -> bool {
        self.below.stop_asked()
    }
}

/// The fault of a guest that is to be taken over or ended where nothing runs.
pub(super) fn no_guest(name: &VmName) -> Fault {
    Fault::host(format!("the guest of {name} is on no host that is here"))
}

impl Host for Rehearsal {
    fn processes(&self) -> &dyn ProcessTable {
        self.below.processes()
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    fn rehearsal(&self) -> Option<&Rehearsal> {
        Some(self)
    }

    fn rehearsal_mut(&mut self) -> Option<&mut Rehearsal> {
        Some(self)
    }

    fn into_below(self: Box<Self>) -> Box<dyn Host> {
        self.below
    }
}

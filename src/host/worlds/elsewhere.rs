//! A host that is not here: for `vmrun plan --on`, which has to work anywhere.
//!
//! It assumes what a recipe needs: that files and bridges are there, that taps are not, that everything is free.

use super::rehearsal::{Rehearsal, no_guest};
use crate::diag::Fault;
use crate::host::boot_plan::{BootPlan, Load, PlanSetting};
use crate::host::helper::{HelperProcess, HelperStart};
use crate::host::kvm::Kvm;
use crate::host::seat::Seat;
use crate::host::settings::{NODES, SYSTEM_CACHE};
use crate::host::store::{Locks, Store};
use crate::host::{
    Capacity, Effect, Effects, Facts, FileFact, Guest, Guests, Host, Interface, Platform, ProcessTable, Rights,
    Settings, Tell, UnknownProcesses,
};
use crate::model::volume::ZVOLS;
use crate::model::{Argv, Fetch, Helper, Machine, Secret, Size, Target, VmName};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The files of a host that is not here which a rehearsal asked for, and was told that they are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct AssumedFiles(Rc<RefCell<BTreeSet<PathBuf>>>);

impl AssumedFiles {
    /// Returns them, in order.
    pub(crate) fn all(&self) -> Vec<PathBuf> {
        self.0.borrow().iter().cloned().collect()
    }
}

/// Where packages and the system itself put files: what is there is there wherever they are installed.
const INSTALLED: [&str; 2] = ["/usr", "/dev"];

/// A host of which nothing is known; secrets and the environment are taken from the host that is here.
pub(crate) struct Elsewhere {
    settings: Settings,
    here: Option<Box<dyn Host>>,
    interfaces: Rc<[Interface]>,
    /// The files that it lacks.
    lacks: Vec<PathBuf>,
    has_secrets: bool,
    store: Store,
    assumed: AssumedFiles,
    lacks_files: bool,
}

impl Elsewhere {
    /// Makes a host of that kind.
    pub(crate) fn new(settings: Settings, here: Box<dyn Host>) -> Self {
        Self::of(settings, Some(here), false)
    }

    /// Makes a host of that kind on which every secret is there, for those who want to know no secret.
    pub(crate) fn with_every_secret(settings: Settings, here: Box<dyn Host>) -> Self {
        Self::of(settings, Some(here), true)
    }

    /// Makes a FreeBSD host with that bhyve, which knows nothing of the host that is here: every secret is there, and nothing is
    /// in the environment.
    pub(crate) fn alone(target: Target) -> Self {
        let (state, config) = ("/var/run/vmrun".into(), "/usr/local/etc/vmrun".into());
        let settings = Settings {
            platform: Platform::FreeBsd,
            state,
            config,
            cache: SYSTEM_CACHE.into(),
            target,
            nodes: NODES.into(),
            zvols: ZVOLS.into(),
            cgroups: crate::host::cgroup::CGROUPS.into(),
            user_net: false,
        };
        Self::of(settings, None, true)
    }

    /// Makes a host of that kind which knows nothing of the host that is here, as [`Elsewhere::alone`].
    pub(crate) fn nowhere(settings: Settings) -> Self {
        Self::of(settings, None, true)
    }

    fn of(settings: Settings, here: Option<Box<dyn Host>>, has_secrets: bool) -> Self {
        let store = Store::in_memory(settings.clone(), Locks::default());
        let (assumed, lacks, lacks_files) = (AssumedFiles::default(), Vec::new(), false);
        Self { settings, here, interfaces: Rc::new([]), lacks, has_secrets, store, assumed, lacks_files }
    }

    /// Has it keep there which files it was taken to have.
    #[must_use]
    pub(crate) fn telling(self, assumed: &AssumedFiles) -> Self {
        Self { assumed: assumed.clone(), ..self }
    }

    /// Says whether it lacks all files but those that are installed with the system and its packages.
    #[must_use]
    pub(crate) fn lacking_files(self, lacks_files: bool) -> Self {
        Self { lacks_files, ..self }
    }

    /// Says interfaces that it has.
    #[must_use]
    pub(crate) fn with(self, interfaces: &[Interface]) -> Self {
        Self { interfaces: interfaces.into(), ..self }
    }

    /// Says files that it lacks.
    #[must_use]
    pub(crate) fn without(self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { lacks: files.into_iter().collect(), ..self }
    }
}

fn no_effect() -> Fault {
    Fault::host("nothing can be done on a host that is not here").hint("plan it here, run it there")
}

impl Facts for Elsewhere {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn is_assumed(&self) -> bool {
        true
    }

    fn file(&self, path: &Path) -> Option<FileFact> {
        let lacks_all = self.lacks_files && !INSTALLED.iter().any(|folder| path.starts_with(folder));
        if lacks_all || self.lacks.iter().any(|lacks| lacks == path) {
            return None;
        }
        let own = [&self.settings.state, &self.settings.cache, &self.settings.nodes];
        if !own.iter().any(|folder| path.starts_with(folder)) {
            self.assumed.0.borrow_mut().insert(path.into());
        }
        Some(FileFact { size: None, has_data: false, is_folder: false, device: None })
    }

    fn real(&self, path: &Path) -> PathBuf {
        path.into()
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, Fault> {
        match &self.here {
            Some(here) => here.read(path, most),
            None => Err(Fault::host(format!("{} is on no host that is here", path.display()))),
        }
    }

    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault> {
        Ok(self.interfaces.clone())
    }

    fn interfaces_anew(&self) -> Result<Rc<[Interface]>, Fault> {
        self.interfaces()
    }

    fn hostname(&self) -> String {
        self.here.as_ref().map_or_else(|| "elsewhere".into(), |here| here.hostname())
    }

    fn env(&self, name: &str) -> Option<String> {
        self.here.as_ref()?.env(name)
    }

    fn capacity(&self, _: u64, _: Size) -> Capacity {
        Capacity::default()
    }

    fn is_taken(&self, _: &Seat) -> bool {
        false
    }

    fn has_program(&self, _: &str) -> bool {
        true
    }

    fn rights(&self) -> Rights {
        Rights::ALL
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        match &self.here {
            Some(here) if !self.has_secrets => here.secret(name),
            _ => Ok(Some(Secret::new("absent"))),
        }
    }

    fn query(&self, _: &Argv) -> Result<String, Fault> {
        Ok(String::new())
    }
}

impl Effects for Elsewhere {
    fn perform(&mut self, _: &Effect) -> Result<String, Fault> {
        Err(no_effect())
    }

    fn fetch(&mut self, _: &Fetch, _: Tell<'_>) -> Result<(), Fault> {
        Err(no_effect())
    }

    fn begin(&mut self, _: &Effect) -> Result<(), Fault> {
        Err(no_effect())
    }

    fn settle(&mut self, _: fn(&Effect) -> bool) -> Vec<(Effect, Fault)> {
        Vec::new()
    }

    fn mark(&mut self, _: &VmName) {}

    fn remove(&mut self, _: &Path) -> Result<(), Fault> {
        Err(no_effect())
    }

    fn has_reflinks(&self, _: &Path) -> Result<bool, Fault> {
        Ok(false)
    }
}

impl Guests for Elsewhere {
    fn kvm(&self) -> Kvm {
        // A host that is not here is assumed to have what helps.
        Kvm::Usable
    }

    fn boot_plan(&self, machine: &Machine) -> Result<BootPlan, Fault> {
        BootPlan::on(self, machine, &PlanSetting::of(&self.settings))
    }

    fn prepare(&mut self, _: &BootPlan) -> Result<(), Fault> {
        Err(no_effect())
    }

    fn load(&mut self, _: &Machine, _: &Load) -> Result<(), Fault> {
        Ok(())
    }

    fn boot(&mut self, _: &Machine, _: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        Err(no_effect())
    }

    fn adopt(&mut self, name: &VmName, _: u32) -> Result<Box<dyn Guest>, Fault> {
        Err(no_guest(name))
    }

    fn end_guest(&mut self, name: &VmName, _: u32, _: Duration) -> Result<(), Fault> {
        Err(no_guest(name))
    }

    fn start_helper(&mut self, _: &HelperStart) -> Result<Option<HelperProcess>, Fault> {
        Err(no_effect())
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
        self.here.as_ref().is_some_and(|here| here.stop_asked())
    }
}

impl Host for Elsewhere {
    fn processes(&self) -> &dyn ProcessTable {
        &UnknownProcesses
    }

    fn store(&self) -> &Store {
        &self.store
    }

    fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    fn rehearsal(&self) -> Option<&Rehearsal> {
        None
    }

    fn rehearsal_mut(&mut self) -> Option<&mut Rehearsal> {
        None
    }

    fn into_below(self: Box<Self>) -> Box<dyn Host> {
        self
    }
}

//! A simulated host, as a test of recipes describes it: interfaces, files, a release, and how boots end. Effects change it in
//! memory, each may be made to fail, and what is left in the end can be told.

use super::fixture::Fixture;
use super::imagined::Imagined;
use super::rehearsal::{Rehearsal, Rehearsed, no_guest};
use super::world::DISK;
use crate::bhyve;
use crate::diag::Fault;
use crate::host::boot_plan::{BootPlan, Load, PlanSetting};
use crate::host::commands::take_back;
use crate::host::commands::{commands, names_after};
use crate::host::helper::{HelperProcess, HelperStart};
use crate::host::interfaces::marks::Maker;
use crate::host::kvm::Kvm;
use crate::host::seat::Seat;
use crate::host::store::Store;
use crate::host::{
    Capacity, Effect, Effects, Facts, FileFact, Guest, Guests, Host, Interface, Platform, ProcessTable, Rights,
    Settings, Tell, UnknownProcesses,
};
use crate::model::{Argv, Ended, Fetch, Helper, Machine, Secret, Size, VmName};
use crate::qemu;
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The host of a fixture; whoever described it keeps the fixture.
pub(crate) struct Simulated {
    fixture: Rc<RefCell<Fixture>>,
    settings: Settings,
    store: Store,
    /// Who makes interfaces. There is no state folder that marks could tell.
    marked: Option<Maker>,
}

impl Simulated {
    /// Makes a host of a fixture.
    pub(crate) fn new(fixture: &Rc<RefCell<Fixture>>) -> Self {
        let settings = fixture.borrow().settings.clone();
        let store = Store::in_memory(settings.clone(), fixture.borrow().locks.clone());
        Self { fixture: fixture.clone(), settings, store, marked: None }
    }
}

impl Facts for Simulated {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn is_assumed(&self) -> bool {
        false
    }

    fn file(&self, path: &Path) -> Option<FileFact> {
        let files = &self.fixture.borrow().world.files;
        let is_folder = || files.keys().any(|file| file.starts_with(path)) || path == Path::new("/vm");
        let folder = || is_folder().then_some(FileFact { size: None, has_data: false, is_folder: true, device: DISK });
        files.get(path).copied().or_else(folder).or_else(|| firmware(path))
    }

    fn real(&self, path: &Path) -> PathBuf {
        path.into()
    }

    fn read(&self, path: &Path, most: usize) -> Result<Vec<u8>, Fault> {
        let world = &self.fixture.borrow().world;
        let none = || {
            let fault = Fault::host(format!("the test says nothing of what is in {}", path.display()));
            world.unread(path, fault)
        };
        // It has control groups (cgroups(7)), unless the test says otherwise.
        let is_of_groups = path.parent() == Some(&self.settings.cgroups);
        let usual = || is_of_groups.then(|| b"cpu io memory\n".to_vec());
        let text = world.texts.get(path).map(|bytes| bytes.iter().copied().take(most).collect());
        text.or_else(usual).ok_or_else(none)
    }

    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault> {
        Ok(self.fixture.borrow().world.interfaces.clone().into())
    }

    fn interfaces_anew(&self) -> Result<Rc<[Interface]>, Fault> {
        self.interfaces()
    }

    fn hostname(&self) -> String {
        self.fixture.borrow().hostname.clone()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.fixture.borrow().env.get(name).cloned()
    }

    fn capacity(&self, _: u64, _: Size) -> Capacity {
        self.fixture.borrow().capacity
    }

    fn is_taken(&self, _: &Seat) -> bool {
        false
    }

    fn has_program(&self, name: &str) -> bool {
        !self.fixture.borrow().lacks.contains(name)
    }

    fn rights(&self) -> Rights {
        self.fixture.borrow().rights
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        Ok(self.fixture.borrow().secrets.get(name).map(Secret::new))
    }

    fn query(&self, argv: &Argv) -> Result<String, Fault> {
        let line = argv.to_string();
        // It counts what processes take (rctl(8)), unless the test says otherwise.
        let usual = || if line == "sysctl -n kern.racct.enable" { "1".into() } else { String::new() };
        // It has the jails that were made, and those of which the test says what jls(8) shows.
        if let ["jls", .., name] = argv.words().as_slice()
            && !self.fixture.borrow().answers.contains_key(&line)
            && !self.fixture.borrow().world.has_jail(name)
        {
            return Err(Fault::host(format!("jls: jail \"{name}\" not found")));
        }
        Ok(self.fixture.borrow().answers.get(&line).cloned().unwrap_or_else(usual))
    }
}

impl Effects for Simulated {
    fn perform(&mut self, effect: &Effect) -> Result<String, Fault> {
        let platform = self.settings.platform;
        let steps = commands(platform, self.marked.as_ref(), effect);
        if self.fixture.borrow().lacks_what_goes(effect) {
            let lines = steps.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Err(self.fixture.borrow_mut().refuse(&lines));
        }
        for (at, step) in steps.iter().enumerate() {
            let counted = self.fixture.borrow_mut().count(&step.to_string());
            if let Err(fault) = counted {
                if at == 0 {
                    return Err(fault);
                }
                let is_marked = self.marked.is_some();
                let names = names_after(platform, is_marked, effect, at);
                self.fixture.borrow_mut().world.apply_half(effect, &names);
                return Err(take_back(self, platform, is_marked, effect, fault));
            }
        }
        let mut fixture = self.fixture.borrow_mut();
        fixture.world.apply(effect);
        if let Effect::DestroyNode(name) = effect {
            fixture.world.files.remove(&self.settings.node(name));
        }
        fixture.done.push(Rehearsed::Effect(effect.clone()));
        let (Effect::Run(argv) | Effect::Make { argv, .. }) = effect else { return Ok(String::new()) };
        Ok(fixture.answers.get(&argv.to_string()).cloned().unwrap_or_default())
    }

    fn fetch(&mut self, fetch: &Fetch, _: Tell<'_>) -> Result<(), Fault> {
        if self.file(&fetch.path()).is_some() {
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

    fn mark(&mut self, name: &VmName) {
        self.marked = Some(Maker { machine: name.clone(), folder: None });
    }

    fn remove(&mut self, path: &Path) -> Result<(), Fault> {
        self.fixture.borrow_mut().world.files.remove(path);
        Ok(())
    }

    fn has_reflinks(&self, _: &Path) -> Result<bool, Fault> {
        Ok(false)
    }
}

impl Guests for Simulated {
    fn kvm(&self) -> Kvm {
        // Tests of recipes are of what is said in these.
        Kvm::Usable
    }

    fn boot_plan(&self, machine: &Machine) -> Result<BootPlan, Fault> {
        BootPlan::on(self, machine, &PlanSetting::of(&self.settings))
    }

    fn prepare(&mut self, plan: &BootPlan) -> Result<(), Fault> {
        let mut fixture = self.fixture.borrow_mut();
        plan.preparations().iter().try_for_each(|step| fixture.count(&step.to_string()))
    }

    fn load(&mut self, machine: &Machine, load: &Load) -> Result<(), Fault> {
        let mut fixture = self.fixture.borrow_mut();
        // A loader makes the node, also where it fails afterwards.
        fixture.world.node(machine.name());
        fixture.count(&load.step.to_string())
    }

    fn boot(&mut self, machine: &Machine, plan: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        let mut fixture = self.fixture.borrow_mut();
        // bhyve makes the node, also where it fails afterwards.
        if self.settings.platform == Platform::FreeBsd {
            fixture.world.node(machine.name());
        }
        fixture.count(&plan.argv.to_string())?;
        fixture.done.push(Rehearsed::Boot(Box::new(machine.clone())));
        let ended = fixture.exits.pop_front().unwrap_or(Ended::PoweredOff);
        fixture.log.push(format!("# {ended}"));
        Ok(Box::new(Imagined(ended)))
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
        false
    }
}

impl Host for Simulated {
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

/// Firmware is there on every host that runs machines.
fn firmware(path: &Path) -> Option<FileFact> {
    let known = [bhyve::UEFI_CODE, bhyve::UEFI_VARS, qemu::OVMF_CODE, qemu::OVMF_VARS];
    let is_firmware = known.iter().any(|known| Path::new(known) == path);
    is_firmware.then_some(FileFact { size: Some(Size::bytes(4 << 20)), has_data: true, is_folder: false, device: DISK })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::fixture::Refusal;
    use crate::model::{Link, LinkKind};

    /// Has an effect on a marked Linux host that refuses the step of this number; returns what was done and what is left.
    fn refusing(effect: &Effect, step: usize) -> (Vec<String>, Vec<String>) {
        let mut before = Fixture::lab();
        before.settings.platform = Platform::Linux;
        before.refuses = Some(Refusal::Step(step));
        let fixture = Rc::new(RefCell::new(before.apart()));
        let mut host = Simulated::new(&fixture);
        host.mark(&"lab".parse().unwrap());
        let done = host.perform(effect);
        assert!(done.is_err(), "{done:?}");
        let after = fixture.borrow();
        (after.log.clone(), after.left(&before))
    }

    #[test]
    fn half_of_an_effect_is_none() {
        let (log, left) = refusing(&Effect::create_tap("tap1".parse().unwrap()), 1);
        assert_eq!(
            log,
            [
                "ip tuntap add dev tap1.new mode tap",
                "ip link set dev tap1.new name tap1 alias vmrun:lab up  # refused",
                "ip link delete dev tap1.new",
            ]
        );
        assert_eq!(left, [""; 0]);
        let (mtu, up, description) = (None, true, None);
        let kind = LinkKind::Pair { peer: "epair7b".parse().unwrap() };
        let addresses = vec!["10.0.0.1/24".parse().unwrap()];
        let name = "epair7a".parse().unwrap();
        let pair = Effect::CreateLink(Box::new(Link { name, kind, addresses, mtu, up, description }));
        for step in 1..4 {
            let (log, left) = refusing(&pair, step);
            assert_eq!(left, [""; 0], "{log:?}");
            assert_eq!(log.iter().filter(|line| line.starts_with("ip link delete")).count(), step.min(2), "{log:?}");
        }
    }
}

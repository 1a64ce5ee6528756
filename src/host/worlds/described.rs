//! A host that a test of recipes describes: interfaces, files, a release, and how boots end. Effects change it in memory, each
//! may be made to fail, and what is left in the end can be told.

use super::rehearsal::Imagined;
use crate::bhyve;
use crate::diag::Fault;
use crate::host::boot_plan::BootPlan;
use crate::host::{
    Capacity, Effect, FileFact, Guest, Host, Interface, InterfaceKind, Platform, Settings, commands, interfaces,
};
use crate::image::Disk;
use crate::model::{Argv, Ended, Machine, NetAddress, Secret, Size, VmName};
use crate::qemu;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// What a test says of a host, and what has become of it.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The kind of host.
    pub settings: Settings,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// Its files; a folder is where a file is below it.
    pub files: BTreeMap<PathBuf, FileFact>,
    /// What is in files that somebody reads.
    pub texts: BTreeMap<PathBuf, Rc<[u8]>>,
    /// Its secrets.
    pub secrets: BTreeMap<String, String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Its name.
    pub hostname: String,
    /// The programs that it lacks.
    pub lacks: BTreeSet<String>,
    /// What commands that only ask answer.
    pub answers: BTreeMap<String, String>,
    /// What it can give to machines.
    pub capacity: Capacity,
    /// How the next boots end; then guests power off.
    pub exits: VecDeque<Ended>,
    /// The number of the effect that fails, from 0.
    pub fails: Option<usize>,
    /// What was done: commands, and how boots ended.
    pub log: Vec<String>,
    /// How many effects there were.
    pub effects: usize,
    nodes: BTreeSet<String>,
    locks: BTreeSet<String>,
    routes: BTreeSet<String>,
}

impl World {
    /// Makes a host with nothing but a loopback.
    pub(crate) fn new(settings: Settings) -> Self {
        let mut lo = Interface::new("lo0", InterfaceKind::Other);
        lo.addresses.push(NetAddress { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), length: 8 });
        Self {
            settings,
            interfaces: vec![lo],
            files: BTreeMap::new(),
            texts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            env: BTreeMap::new(),
            hostname: "host".into(),
            lacks: BTreeSet::new(),
            answers: BTreeMap::new(),
            capacity: Capacity { cpus: Some(16), memory: Some(Size::bytes(64 << 30)), vcpus: Some(16) },
            exits: VecDeque::new(),
            fails: None,
            log: Vec::new(),
            effects: 0,
            nodes: BTreeSet::new(),
            locks: BTreeSet::new(),
            routes: BTreeSet::new(),
        }
    }

    /// Makes a file known.
    pub(crate) fn file(&mut self, path: &Path, size: Option<Size>, has_data: bool) {
        self.files.insert(path.into(), FileFact { size, has_data, is_folder: false });
    }

    /// Returns what is there and was not before, and what is gone: interfaces, members, nodes, routes and locks.
    pub(crate) fn left(&self, before: &Self) -> Vec<String> {
        let mut left = Vec::new();
        for interface in &self.interfaces {
            match before.interfaces.iter().find(|known| known.name == interface.name) {
                None => left.push(format!("the interface {}", interface.name)),
                Some(known) => left.extend(
                    interface
                        .members
                        .iter()
                        .filter(|member| !known.members.contains(member))
                        .map(|member| format!("{member} as a member of {}", interface.name)),
                ),
            }
        }
        left.extend(self.nodes.difference(&before.nodes).map(|node| format!("the node /dev/vmm/{node}")));
        left.extend(self.routes.difference(&before.routes).map(|route| format!("the route to {route}")));
        left.extend(self.locks.difference(&before.locks).map(|name| format!("the lock of the machine {name}")));
        let gone = before.interfaces.iter().filter(|known| !self.interfaces.iter().any(|one| one.name == known.name));
        left.extend(gone.map(|known| format!("nothing of the interface {}, which was there before", known.name)));
        left
    }

    /// Counts an effect, and refuses it if it is the one that fails.
    fn count(&mut self, line: &str) -> Result<(), Fault> {
        let fails = self.fails == Some(self.effects);
        self.effects += 1;
        self.log.push(if fails { format!("{line}  # refused") } else { line.to_string() });
        if fails { Err(Fault::host(format!("`{line}` failed")).hint("the test had it fail")) } else { Ok(()) }
    }

    fn remove(&mut self, name: &str) {
        self.interfaces.retain(|interface| interface.name != name);
        self.interfaces.iter_mut().for_each(|interface| interface.members.retain(|member| member != name));
    }

    fn change(&mut self, effect: &Effect) {
        match effect {
            Effect::Truncate { path, size } => {
                let has_data = self.files.get(path).is_some_and(|fact| fact.has_data);
                self.file(path, Some(*size), has_data);
            }
            Effect::WriteImage { path, image, .. } => self.file(path, Some(Size::bytes(image.size())), true),
            Effect::WriteFile { path, text, .. } => {
                self.file(path, Some(Size::bytes(text.len() as u64)), true);
                self.texts.insert(path.clone(), text.as_bytes().into());
            }
            Effect::CopyVars { to, .. } => self.file(to.as_path(), Some(Size::bytes(0)), true),
            Effect::Make { path, .. } => self.file(path, None, true),
            Effect::DestroyNode(name) => drop(self.nodes.remove(name.as_str())),
            Effect::CreateTap(name) => {
                let tap = Interface::new(name.to_string(), InterfaceKind::Tap);
                self.interfaces.push(Interface { is_ours: true, ..tap });
            }
            // Its addresses are not simulated.
            Effect::CreateLink(link) => {
                let without = |one| Interface { addresses: Vec::new(), ..one };
                self.interfaces.extend(interfaces::made(link).into_iter().map(without));
            }
            Effect::DestroyTap(name) => self.remove(name.as_str()),
            Effect::DestroyLink(name) => {
                // Both ends of a pair go together.
                let pair = name.as_str().strip_suffix('a').filter(|stem| stem.starts_with("epair"));
                if let Some(stem) = pair {
                    self.remove(&format!("{stem}b"));
                }
                self.remove(name.as_str());
            }
            Effect::Join { bridge, member } => {
                for interface in self.interfaces.iter_mut().filter(|one| one.name == bridge.as_str()) {
                    interface.members.push(member.to_string());
                }
            }
            Effect::Leave { bridge, member } => {
                for interface in self.interfaces.iter_mut().filter(|one| one.name == bridge.as_str()) {
                    interface.members.retain(|known| known != member.as_str());
                }
            }
            Effect::AddRoute(router) => drop(self.routes.insert(router.to_string())),
            Effect::DeleteRoute(router) => drop(self.routes.remove(&router.to_string())),
            Effect::Umask(_) | Effect::Run(_) => {}
        }
    }
}

/// That host; whoever described it keeps the world.
pub(crate) struct Described {
    world: Rc<RefCell<World>>,
    settings: Settings,
    /// The machine for which interfaces are made.
    marked: Option<VmName>,
}

impl Described {
    /// Makes a host of a world.
    pub(crate) fn new(world: &Rc<RefCell<World>>) -> Self {
        Self { world: world.clone(), settings: world.borrow().settings.clone(), marked: None }
    }
}

impl Host for Described {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn is_assumed(&self) -> bool {
        false
    }

    fn file(&self, path: &Path) -> Option<FileFact> {
        let world = self.world.borrow();
        let is_folder = || world.files.keys().any(|file| file.starts_with(path)) || path == Path::new("/vm");
        let folder = || is_folder().then_some(FileFact { size: None, has_data: false, is_folder: true });
        world.files.get(path).copied().or_else(folder).or_else(|| firmware(path))
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Fault> {
        let world = self.world.borrow();
        let none = || Fault::host(format!("the test says nothing of what is in {}", path.display()));
        world.texts.get(path).map(|bytes| bytes.to_vec()).ok_or_else(none)
    }

    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault> {
        Ok(self.world.borrow().interfaces.clone().into())
    }

    fn hostname(&self) -> String {
        self.world.borrow().hostname.clone()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.world.borrow().env.get(name).cloned()
    }

    fn capacity(&self, _: u64, _: Size) -> Capacity {
        self.world.borrow().capacity
    }

    fn is_taken(&self, _: SocketAddr) -> bool {
        false
    }

    fn has_program(&self, name: &str) -> bool {
        !self.world.borrow().lacks.contains(name)
    }

    fn may_change_network(&self) -> bool {
        true
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        Ok(self.world.borrow().secrets.get(name).map(Secret::new))
    }

    fn query(&self, argv: &Argv) -> Result<String, Fault> {
        Ok(self.world.borrow().answers.get(&argv.to_string()).cloned().unwrap_or_default())
    }

    fn perform(&mut self, effect: &Effect) -> Result<String, Fault> {
        let mut world = self.world.borrow_mut();
        for step in commands::commands(self.settings.platform, self.marked.as_ref(), effect) {
            world.count(&step.to_string())?;
        }
        world.change(effect);
        Ok(String::new())
    }

    fn reserve(&mut self, name: &VmName, _: Duration) -> Result<bool, Fault> {
        self.world.borrow_mut().locks.insert(name.to_string());
        Ok(true)
    }

    fn mark(&mut self, name: &VmName) {
        self.marked = Some(name.clone());
    }

    fn prepare(&mut self, plan: &BootPlan) -> Result<(), Fault> {
        let mut world = self.world.borrow_mut();
        plan.preparations().iter().try_for_each(|step| world.count(&step.to_string()))
    }

    fn boot(&mut self, machine: &Machine, plan: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        let mut world = self.world.borrow_mut();
        // bhyve makes the node, also where it fails afterwards.
        if self.settings.platform == Platform::FreeBsd {
            world.nodes.insert(machine.name().to_string());
        }
        world.count(&plan.argv.to_string())?;
        let ended = world.exits.pop_front().unwrap_or(Ended::PoweredOff);
        world.log.push(format!("# {ended}"));
        Ok(Box::new(Imagined(ended)))
    }

    fn clear(&mut self, name: &VmName) -> Result<(), Fault> {
        self.world.borrow_mut().locks.remove(name.as_str());
        Ok(())
    }

    fn into_below(self: Box<Self>) -> Box<dyn Host> {
        self
    }

    fn stop_asked(&self) -> bool {
        false
    }
}

/// Firmware is there on every host that runs machines.
fn firmware(path: &Path) -> Option<FileFact> {
    let known = [bhyve::UEFI_CODE, bhyve::UEFI_VARS, qemu::OVMF_CODE, qemu::OVMF_VARS];
    let is_firmware = known.iter().any(|known| Path::new(known) == path);
    is_firmware.then_some(FileFact { size: Some(Size::bytes(4 << 20)), has_data: true, is_folder: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{InterfaceName, Target};

    #[test]
    fn what_is_left_is_named_and_so_is_what_is_gone() {
        let settings = Settings {
            platform: Platform::FreeBsd,
            state: "/var/run/vmrun".into(),
            config: "/usr/local/etc/vmrun".into(),
            target: Target::default(),
            user_net: false,
        };
        let mut before = World::new(settings);
        before.interfaces.push(Interface::new("bridge2", InterfaceKind::Bridge));
        before.interfaces.push(Interface::new("tap9", InterfaceKind::Tap));
        let world = Rc::new(RefCell::new(before.clone()));
        let mut host = Described::new(&world);
        let (tap, bridge): (InterfaceName, InterfaceName) = ("tap1".parse().unwrap(), "bridge2".parse().unwrap());
        let name: VmName = "lab".parse().unwrap();
        assert!(host.reserve(&name, Duration::ZERO).unwrap());
        host.perform(&Effect::CreateTap(tap.clone())).unwrap();
        host.perform(&Effect::Join { bridge: bridge.clone(), member: tap.clone() }).unwrap();
        host.perform(&Effect::AddRoute("192.168.2.1".parse().unwrap())).unwrap();
        host.perform(&Effect::DestroyTap("tap9".parse().unwrap())).unwrap();
        let left = world.borrow().left(&before);
        assert_eq!(
            left,
            [
                "tap1 as a member of bridge2",
                "the interface tap1",
                "the route to 192.168.2.1",
                "the lock of the machine lab",
                "nothing of the interface tap9, which was there before"
            ]
        );
        host.perform(&Effect::Leave { bridge, member: tap.clone() }).unwrap();
        host.perform(&Effect::DestroyTap(tap)).unwrap();
        host.perform(&Effect::DeleteRoute("192.168.2.1".parse().unwrap())).unwrap();
        host.clear(&name).unwrap();
        assert_eq!(world.borrow().left(&before), ["nothing of the interface tap9, which was there before"]);
    }
}

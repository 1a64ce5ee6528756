//! What a test says of a simulated host, what that refuses, and what has become of it.

use super::rehearsal::Rehearsed;
use super::world::World;
use crate::diag::Fault;
use crate::host::store::Locks;
use crate::host::{Capacity, Effect, Interface, InterfaceKind, Rights, Settings};
use crate::model::{Ended, NetAddress, Size};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

/// What a test says of a host, and what has become of it.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    /// The kind of host.
    pub settings: Settings,
    /// Interfaces, files, processes and programs at the beginning.
    pub world: World,
    /// Secrets in clear text, by name.
    pub secrets: BTreeMap<String, String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// The host's name, as hostname(1) tells it.
    pub hostname: String,
    /// The programs that it lacks.
    pub lacks: BTreeSet<String>,
    /// What commands print.
    pub answers: BTreeMap<String, String>,
    /// What it can give to machines.
    pub capacity: Capacity,
    /// How the next boots end; then guests power off.
    pub exits: VecDeque<Ended>,
    /// The command that fails, by its number or by how it begins.
    pub refuses: Option<Refusal>,
    /// What was done: commands, and how boots ended.
    pub log: Vec<String>,
    /// The changes and the boots of it, in order.
    pub done: Vec<Rehearsed>,
    /// How many commands there were that could have been refused.
    pub steps: usize,
    /// The machines whose locks runs hold.
    pub locks: Locks,
    /// What its runs may do.
    pub rights: Rights,
}

/// A command that a simulated host refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The one of this number, from 0.
    Step(usize),
    /// Every one that begins so.
    #[cfg(test)]
    Line(&'static str),
    /// At every one that begins so vmrun itself fails.
    #[cfg(test)]
    Panic(&'static str),
}

impl Fixture {
    /// Makes a host with nothing but a loopback.
    pub(crate) fn new(settings: Settings) -> Self {
        let mut lo = Interface::new("lo0", InterfaceKind::Other);
        lo.addresses.push(NetAddress { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), length: 8 });
        Self {
            settings,
            world: World::with(vec![lo]),
            secrets: BTreeMap::new(),
            env: BTreeMap::new(),
            hostname: "host".into(),
            lacks: BTreeSet::new(),
            answers: BTreeMap::new(),
            capacity: Capacity { cpus: Some(16), memory: Some(Size::bytes(64 << 30)), vcpus: Some(16) },
            exits: VecDeque::new(),
            refuses: None,
            log: Vec::new(),
            done: Vec::new(),
            steps: 0,
            locks: Locks::default(),
            rights: Rights::ALL,
        }
    }

    /// Makes a FreeBSD host with the bridge `bridge2` and the address 192.168.2.5, for our own tests.
    #[cfg(test)]
    pub(crate) fn lab() -> Self {
        let mut lab = Self::new(Settings {
            platform: crate::host::Platform::FreeBsd,
            state: "/var/run/vmrun".into(),
            config: "/usr/local/etc/vmrun".into(),
            cache: crate::host::SYSTEM_CACHE.into(),
            target: crate::model::Target::default(),
            nodes: crate::host::NODES.into(),
            zvols: crate::model::volume::ZVOLS.into(),
            cgroups: crate::host::cgroup::CGROUPS.into(),
            user_net: false,
        });
        let mut card = Interface::new("ix0", InterfaceKind::Other);
        card.addresses.extend("192.168.2.5/24".parse::<NetAddress>());
        lab.world.interfaces.extend([card, Interface::new("bridge2", InterfaceKind::Bridge)]);
        lab
    }

    /// Returns what is there and was not before, and what is gone: interfaces, members, nodes, routes and locks.
    pub(crate) fn left(&self, before: &Self) -> Vec<String> {
        let mut left = self.world.left(&before.world);
        left.extend(self.locks.borrow().iter().map(|name| format!("the lock of the machine {name}")));
        left
    }

    /// Returns the same host with locks of its own, as a run finds it that begins now.
    #[must_use]
    pub(crate) fn apart(&self) -> Self {
        Self { locks: Rc::new(RefCell::new(self.locks.borrow().clone())), ..self.clone() }
    }

    /// Counts a command, and refuses it if it is to be refused.
    pub(super) fn count(&mut self, line: &str) -> Result<(), Fault> {
        let at = self.steps;
        self.steps += 1;
        let is_refused = match &self.refuses {
            Some(Refusal::Step(step)) => at == *step,
            #[cfg(test)]
            Some(Refusal::Line(beginning)) => line.starts_with(beginning),
            #[cfg(test)]
            Some(Refusal::Panic(beginning)) if line.starts_with(beginning) => {
                self.log.push(line.into());
                panic!("asked to fail");
            }
            #[cfg(test)]
            Some(Refusal::Panic(_)) => false,
            None => false,
        };
        if !is_refused {
            self.log.push(line.into());
            return Ok(());
        }
        Err(self.refuse(line).hint("the test had it fail"))
    }

    pub(super) fn refuse(&mut self, line: &str) -> Fault {
        self.log.push(format!("{line}  # refused"));
        Fault::host(format!("`{line}` failed"))
    }

    /// Whether an effect takes away an interface that is not there.
    pub(super) fn lacks_what_goes(&self, effect: &Effect) -> bool {
        let (Effect::DestroyTap(name) | Effect::DestroyLink(name)) = effect else { return false };
        !self.world.interfaces.iter().any(|one| one.name == name.as_str())
    }
}

//! A small world in memory, for tests: interfaces, files, scripted guests, and effects that are refused on demand.

use super::rehearsal::Imagined;
use crate::diag::Fault;
use crate::host::boot_plan::BootPlan;
use crate::host::{Capacity, Effect, FileFact, Guest, Host, Interface, InterfaceKind, Platform, Settings};
use crate::model::{Argv, Ended, Machine, Secret, Size, Target, VmName};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// What the tests see of the world: every command that was done, in order, refused ones with a mark.
pub(crate) type Log = Rc<RefCell<Vec<String>>>;

/// A host that exists in memory only.
pub(crate) struct Fake {
    /// The settings.
    pub settings: Settings,
    /// Every command, in order.
    pub log: Log,
    /// The interfaces.
    pub interfaces: Vec<Interface>,
    /// The files and their sizes.
    pub files: BTreeMap<PathBuf, u64>,
    /// How the next boots end.
    pub exits: VecDeque<Ended>,
    /// The beginning of a command that is refused.
    pub refuse: Option<String>,
    /// The beginning of a command at which vmrun itself fails.
    pub panic: Option<String>,
    /// The secrets.
    pub secrets: BTreeMap<String, String>,
}

impl Fake {
    /// Makes a FreeBSD host with a bridge `bridge2` and the address 192.168.2.5.
    pub(crate) fn new() -> Self {
        let interface = |name: &str, kind, address: &str| Interface {
            addresses: address.parse().into_iter().collect(),
            ..Interface::new(name, kind)
        };
        Self {
            settings: Settings {
                platform: Platform::FreeBsd,
                state: "/var/run/vmrun".into(),
                config: "/usr/local/etc/vmrun".into(),
                target: Target::default(),
                user_net: false,
            },
            log: Log::default(),
            interfaces: vec![
                interface("ix0", InterfaceKind::Other, "192.168.2.5/24"),
                interface("bridge2", InterfaceKind::Bridge, ""),
            ],
            files: BTreeMap::new(),
            exits: VecDeque::new(),
            refuse: None,
            panic: None,
            secrets: BTreeMap::new(),
        }
    }

    fn record(&self, line: &str) -> Result<(), Fault> {
        let refused = self.refuse.as_ref().is_some_and(|prefix| line.starts_with(prefix));
        self.log.borrow_mut().push(format!("{line}{}", if refused { "  # refused" } else { "" }));
        assert!(!self.panic.as_ref().is_some_and(|prefix| line.starts_with(prefix)), "asked to fail");
        if refused { Err(Fault::host(format!("`{line}` failed"))) } else { Ok(()) }
    }
}

impl Default for Fake {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for Fake {
    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn is_assumed(&self) -> bool {
        false
    }

    fn file(&self, path: &Path) -> Option<FileFact> {
        let size = *self.files.get(path)?;
        Some(FileFact { size: Some(Size::bytes(size)), has_data: true, is_folder: false })
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, Fault> {
        Err(Fault::host(format!("cannot read {}", path.display())))
    }

    fn interfaces(&self) -> Result<Rc<[Interface]>, Fault> {
        Ok(self.interfaces.clone().into())
    }

    fn hostname(&self) -> String {
        "fake".into()
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn capacity(&self, _: u64, _: Size) -> Capacity {
        Capacity { cpus: Some(8), memory: Some(Size::bytes(16 << 30)), vcpus: Some(8) }
    }

    fn is_taken(&self, _: SocketAddr) -> bool {
        false
    }

    fn has_program(&self, _: &str) -> bool {
        true
    }

    fn may_change_network(&self) -> bool {
        true
    }

    fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        Ok(self.secrets.get(name).map(Secret::new))
    }

    fn query(&self, _: &Argv) -> Result<String, Fault> {
        Ok(String::new())
    }

    fn perform(&mut self, effect: &Effect) -> Result<String, Fault> {
        for step in crate::host::commands::commands(self.settings.platform, None, effect) {
            self.record(&step.argv.to_string())?;
        }
        Ok(String::new())
    }

    fn reserve(&mut self, _: &VmName, _: Duration) -> Result<bool, Fault> {
        Ok(true)
    }

    fn boot(&mut self, machine: &Machine, _: &BootPlan) -> Result<Box<dyn Guest>, Fault> {
        self.record(&format!("bhyve {}", machine.name()))?;
        Ok(Box::new(Imagined(self.exits.pop_front().unwrap_or(Ended::PoweredOff))))
    }

    fn clear(&mut self, _: &VmName) -> Result<(), Fault> {
        Ok(())
    }

    fn into_below(self: Box<Self>) -> Box<dyn Host> {
        self
    }

    fn stop_asked(&self) -> bool {
        false
    }
}

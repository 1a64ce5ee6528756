//! What a plan for a host that is not here takes to be so there.

use crate::diag::Fault;
use crate::host::disks::DiskChange;
use crate::host::worlds::elsewhere::AssumedFiles;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Platform};
use crate::model::{Backend, LinkKind, Machine};
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// A kind of thing that is taken to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A file, a folder or a device.
    File,
    /// A bridge that the recipe does not make.
    Bridge,
    /// Another interface that it does not make.
    Interface,
    /// A jail that it does not make.
    Jail,
    /// Help of the processor.
    Kvm,
}

impl Kind {
    /// Returns its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Bridge => "bridge",
            Self::Interface => "interface",
            Self::Jail => "jail",
            Self::Kvm => "kvm",
        }
    }
}

/// Something that is taken to be so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Assumption {
    /// What kind of thing it is.
    pub(crate) kind: Kind,
    /// Its path or name.
    pub(crate) name: String,
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name } = self;
        match kind {
            Kind::Kvm => f.write_str("KVM helps"),
            Kind::File => write!(f, "{name} is there"),
            Kind::Bridge | Kind::Interface | Kind::Jail => {
                write!(f, "the {} {name} is there", kind.word())
            }
        }
    }
}

impl Assumption {
    /// Returns what a host without it has against the plan; nothing of files, which were asked for.
    pub(crate) fn missing(&self, platform: Platform) -> Option<Fault> {
        let name = &self.name;
        let way_out = match (self.kind, platform) {
            (Kind::File | Kind::Kvm, _) => return None,
            (Kind::Bridge, _) => format!("bridge(\"{name}\", #{{ create: true }}) makes one for the run"),
            (Kind::Interface, Platform::FreeBsd) => format!("ifconfig {name} tells there whether it is"),
            (Kind::Interface, Platform::Linux) => format!("ip link show {name} tells there whether it is"),
            (Kind::Jail, _) => format!("jls -j {name} tells there whether it is"),
        };
        let fault =
            Fault::host(format!("the {} {name} is not there, and the recipe does not make it", self.kind.word()));
        Some(fault.hint(way_out))
    }
}

/// Returns what a rehearsal has taken to be so, in order: the files that it asked for, and what it uses of the network without making it.
pub(super) fn of(done: &[Rehearsed], files: &AssumedFiles, platform: Platform) -> Vec<Assumption> {
    let effects =
        || done.iter().filter_map(|done| if let Rehearsed::Effect(effect) = done { Some(effect) } else { None });
    let machines =
        || done.iter().filter_map(|done| if let Rehearsed::Boot(machine) = done { Some(&**machine) } else { None });
    let made: BTreeSet<PathBuf> = effects().filter_map(made).collect();
    let mut all: BTreeSet<Assumption> = BTreeSet::new();
    let mut add = |kind, name: &str| all.insert(Assumption { kind, name: name.into() });
    for path in files.all().iter().filter(|path| !made.contains(*path)) {
        add(Kind::File, &path.display().to_string());
    }
    let links: BTreeSet<&str> = effects().flat_map(names).collect();
    for (kind, name) in effects().flat_map(used).chain(machines().flat_map(plugged)) {
        if !links.contains(name) {
            add(kind, name);
        }
    }
    for machine in machines() {
        machine.jail().filter(|jail| !jail.is_made).into_iter().for_each(|jail| {
            add(Kind::Jail, jail.name.as_str());
        });
        if platform == Platform::Linux {
            add(Kind::Kvm, "kvm");
        }
    }
    all.into_iter().collect()
}

/// The file that an effect makes, or makes anew.
fn made(effect: &Effect) -> Option<PathBuf> {
    if let Effect::Truncate { path, .. }
    | Effect::WriteFile { path, .. }
    | Effect::WriteImage { path, .. }
    | Effect::Make { path, .. }
    | Effect::MakeHostKey(path) = effect
    {
        return Some(path.clone());
    }
    let Effect::Disk(change) = effect else { return None };
    if let DiskChange::MakeFile { path, .. }
    | DiskChange::MakeVolume { device: path, .. }
    | DiskChange::CloneVolume { device: path, .. } = &**change
    {
        return Some(path.clone());
    }
    None
}

/// The interfaces that an effect makes.
fn names(effect: &Effect) -> Vec<&str> {
    let Effect::CreateLink(link) = effect else { return Vec::new() };
    link.names().into_iter().map(crate::model::InterfaceName::as_str).collect()
}

/// The interfaces that an effect uses.
fn used(effect: &Effect) -> Vec<(Kind, &str)> {
    if let Effect::Join { bridge, member, .. } = effect {
        return vec![(Kind::Bridge, bridge.as_str()), (Kind::Interface, member.as_str())];
    }
    let Effect::CreateLink(link) = effect else { return Vec::new() };
    let LinkKind::Vlan { parent, .. } = &link.kind else { return Vec::new() };
    vec![(Kind::Interface, parent.as_str())]
}

/// The taps that a machine is plugged into.
fn plugged(machine: &Machine) -> Vec<(Kind, &str)> {
    machine
        .devices()
        .filter_map(
            |(_, device)| if let Some(Backend::Tap(tap)) = device.backend() { Some(tap.as_str()) } else { None },
        )
        .map(|name| (Kind::Interface, name))
        .collect()
}

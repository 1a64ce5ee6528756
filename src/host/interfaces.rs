//! The network interfaces of a host: one model, read from ifconfig(8) on FreeBSD and from ip(8) on Linux.

pub(crate) mod freebsd;
pub(crate) mod linux;
pub(crate) mod marks;

use super::Platform;
use super::program::Query;
use crate::diag::Fault;
use crate::model::{Argv, Link, LinkKind, NetAddress, Router, VmName};
use marks::Folder;
use std::net::IpAddr;

/// How long a packet of Ethernet may be, in bytes: what an interface has that nobody said otherwise of.
const MTU: u32 = 1500;

/// A network interface of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Interface {
    /// The interface's name, as ifconfig(8) and ip(8) tell it.
    pub name: String,
    /// Of which driver it is, with what is peculiar to it.
    pub kind: InterfaceKind,
    /// The addresses of versions 4 and 6, each with the length of its network.
    pub addresses: Vec<NetAddress>,
    /// The names of its members, if it is a bridge.
    pub members: Vec<String>,
    /// How long a packet may be, in bytes.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// The machine for which vmrun made it, as its description says.
    pub mark: Option<VmName>,
    /// The machine for which its description says that vmrun made it, whether or not it is in our group: one that comes back from a
    /// jail has lost its groups. Anybody may describe an interface, so that this is no mark by itself.
    pub description_machine: Option<VmName>,
    /// Whether it has a description of any kind, where the system tells it (an alias on Linux).
    pub has_description: bool,
    /// The state folder of the run that made it, as its description says; older releases did not say it.
    pub folder: Option<Folder>,
    /// The machine for which a vmrun with another state folder made it.
    pub elsewhere: Option<VmName>,
    /// Whether vmrun made it, for a machine or as part of a network that stays.
    pub is_ours: bool,
    /// Whether a process has it open, if it is a tap.
    pub is_open: bool,
    /// That process, where the system tells it.
    pub opener: Option<u32>,
}

/// What an interface is, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceKind {
    /// A bridge, which others can join.
    Bridge,
    /// What a hypervisor reads and writes packets by (tap(4)).
    Tap,
    /// One VLAN of another interface.
    Vlan {
        /// The interface that carries it, as the system tells: `<none>` on FreeBSD where there is none yet.
        parent: String,
        /// The number of the VLAN, from 1 to 4094.
        tag: u16,
    },
    /// An end of a VXLAN, with what the system tells of its addresses.
    Vxlan {
        /// The number of the VXLAN.
        id: u32,
        /// The address of this end.
        local: Option<IpAddr>,
        /// The address of the other end, or the group of those.
        far: Option<IpAddr>,
    },
    /// One of a pair.
    Pair,
    /// Anything else.
    Other,
}

impl InterfaceKind {
    /// Returns what an interface is that a recipe makes.
    pub(crate) fn of(kind: &LinkKind) -> Self {
        match kind {
            LinkKind::Bridge => Self::Bridge,
            LinkKind::Vlan { parent, tag } => Self::Vlan { parent: parent.to_string(), tag: tag.get() },
            LinkKind::Vxlan(vxlan) => {
                Self::Vxlan { id: vxlan.id.get(), local: Some(vxlan.local), far: Some(vxlan.far.ip()) }
            }
            LinkKind::Pair { .. } => Self::Pair,
            LinkKind::Tap => Self::Tap,
        }
    }

    /// Returns its kind in a message: `VLAN 7 of em0`.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Vlan { parent, tag } => format!("VLAN {tag} of {parent}"),
            Self::Vxlan { id, local, far } => {
                let end = |ip: &Option<IpAddr>| ip.map_or_else(|| "nowhere".into(), |ip| ip.to_string());
                format!("VXLAN {id} from {} to {}", end(local), end(far))
            }
            Self::Bridge => "a bridge".into(),
            Self::Pair => "one of a pair".into(),
            Self::Tap => "a tap".into(),
            Self::Other => "something else".into(),
        }
    }
}

impl Interface {
    /// Makes one that has nothing but a name and a kind: down, without an address, and nobody's.
    pub fn new(name: impl Into<String>, kind: InterfaceKind) -> Self {
        Self {
            name: name.into(),
            kind,
            addresses: Vec::new(),
            members: Vec::new(),
            mtu: MTU,
            up: false,
            mark: None,
            description_machine: None,
            has_description: false,
            folder: None,
            elsewhere: None,
            is_ours: false,
            is_open: false,
            opener: None,
        }
    }

    /// Returns whether it has an address.
    pub(crate) fn has(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.ip == ip)
    }
}

/// Returns the interfaces that a link becomes, as they are once it is made.
pub(crate) fn made(link: &Link) -> Vec<Interface> {
    let mtu = link.mtu.map_or(MTU, u32::from);
    let one = |name: &_| Interface {
        addresses: link.addresses.clone(),
        mtu,
        up: link.up,
        is_ours: true,
        ..Interface::new(ToString::to_string(name), InterfaceKind::of(&link.kind))
    };
    link.names().into_iter().map(one).collect()
}

/// Returns the bridge that an interface is a member of.
pub(crate) fn bridge_of<'a>(all: &'a [Interface], member: &str) -> Option<&'a str> {
    let has = |one: &&Interface| one.members.iter().any(|name| name == member);
    all.iter().find(has).map(|bridge| bridge.name.as_str())
}

/// An address whose network is not told is a network of its own.
fn address(ip: IpAddr, length: Option<u8>) -> NetAddress {
    NetAddress { ip, length: length.unwrap_or(if ip.is_ipv4() { 32 } else { 128 }) }
}

/// Returns the command that tells the interfaces.
pub(crate) fn question(platform: Platform) -> Argv {
    match platform {
        Platform::FreeBsd => freebsd::question(),
        Platform::Linux => linux::question(),
    }
}

/// Reads the interfaces as they are now, whoever made them.
pub(crate) fn read(platform: Platform, query: Query<'_>) -> Result<Vec<Interface>, Fault> {
    match platform {
        Platform::FreeBsd => freebsd::read(query),
        Platform::Linux => linux::read(query),
    }
}

/// Reads the default router of the same version of IP as that one, which is returned if there are several and it is among them;
/// nothing if there is none.
pub(crate) fn default_router(platform: Platform, query: Query<'_>, like: &Router) -> Result<Option<Router>, Fault> {
    match platform {
        Platform::FreeBsd => Ok(freebsd::default_router(query, like)),
        Platform::Linux => linux::default_router(query, like),
    }
}

/// Returns an interface as tests compare it: all that is known of it, in a line.
#[cfg(test)]
fn line(one: &Interface, all: &[Interface]) -> String {
    let addresses: Vec<String> = one.addresses.iter().map(ToString::to_string).collect();
    let kind = match &one.kind {
        InterfaceKind::Tap => "a tap".into(),
        other => other.words(),
    };
    let mut line = format!(
        "{} is {kind}, {}, {} [{}]",
        one.name,
        if one.up { "up" } else { "down" },
        one.mtu,
        addresses.join(" ")
    );
    line += &bridge_of(all, &one.name).map(|bridge| format!(", in {bridge}")).unwrap_or_default();
    line += if one.is_ours { ", ours" } else { "" };
    line += &one.mark.as_ref().map(|name| format!(", of {name}")).unwrap_or_default();
    line += if one.is_open { ", open" } else { "" };
    line += &one.opener.map(|pid| format!(" by {pid}")).unwrap_or_default();
    line
}

#[cfg(test)]
fn lines(all: &[Interface]) -> Vec<String> {
    all.iter().map(|one| line(one, all)).collect()
}

//! Interfaces that are made: vlans, bridges and pairs, as they are meant to be.

use super::{InterfaceName, Vxlan};
use crate::diag::Fault;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// What marks an interface as made by vmrun: the group on FreeBSD, and how descriptions (on Linux aliases) begin.
pub(crate) const MARK: &str = "vmrun";

/// The tag of a VLAN, 1 to 4094: IEEE 802.1Q keeps 0 for frames without a VLAN and 4095 for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct VlanTag(u16);

impl VlanTag {
    /// Returns the number.
    pub(crate) const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<i64> for VlanTag {
    type Error = Fault;

    fn try_from(number: i64) -> Result<Self, Fault> {
        match u16::try_from(number) {
            Ok(tag @ 1..=4094) => Ok(Self(tag)),
            _ => Err(Fault::new(format!("{number} is no tag of a VLAN")).hint("from 1 to 4094")),
        }
    }
}

impl fmt::Display for VlanTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An address with the length of its network: `192.168.2.6/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetAddress {
    /// The address.
    pub ip: IpAddr,
    /// How many bits are the network's.
    pub length: u8,
}

impl NetAddress {
    /// Returns whether another address is in the same network.
    pub fn reaches(&self, other: IpAddr) -> bool {
        match (self.ip, other) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => {
                let mask = mask(self.length);
                mine.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(mine), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
                mine.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }

    /// Returns the first and the last address that a host of an IPv4 network can have, and the mask.
    pub fn hosts(&self) -> Option<(Ipv4Addr, Ipv4Addr, Ipv4Addr)> {
        let IpAddr::V4(ip) = self.ip else { return None };
        let mask = mask(self.length);
        let (first, last) = (ip.to_bits() & mask, ip.to_bits() | !mask);
        (self.length <= 30).then(|| (Ipv4Addr::from_bits(first + 1), Ipv4Addr::from_bits(last - 1), mask.into()))
    }
}

fn mask(length: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0)
}

impl FromStr for NetAddress {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let read = || {
            let (ip, length) = text.split_once('/')?;
            let ip: IpAddr = ip.parse().ok()?;
            let digits = length.bytes().all(|b| b.is_ascii_digit());
            let length = digits.then(|| length.parse().ok()).flatten()?;
            (length <= if ip.is_ipv4() { 32 } else { 128 }).then_some(Self { ip, length })
        };
        read().ok_or_else(|| {
            let fault = Fault::new(format!("{text:?} is no address of an interface"));
            fault.hint("an address and the length of its network: \"192.168.2.6/24\"")
        })
    }
}

impl fmt::Display for NetAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

/// What kind of interface it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// One VLAN of another interface (vlan(4)).
    Vlan {
        /// The interface that carries it.
        parent: InterfaceName,
        /// The number of the VLAN.
        tag: VlanTag,
    },
    /// A bridge (bridge(4)).
    Bridge,
    /// Two interfaces with a cable between them (epair(4), veth(4)); the name is the first one's.
    Pair {
        /// The other one.
        peer: InterfaceName,
    },
    /// An end of a VXLAN (vxlan(4)).
    Vxlan(Vxlan),
    /// A tap (tap(4)), whose other end a hypervisor opens.
    Tap,
}

impl LinkKind {
    /// Returns its kind in a message: `VLAN 7 of em0`.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Vlan { parent, tag } => format!("VLAN {tag} of {parent}"),
            Self::Bridge => "a bridge".into(),
            Self::Pair { peer } => format!("a pair with {peer}"),
            Self::Vxlan(vxlan) => format!("VXLAN {} from {} to {}", vxlan.id, vxlan.local, vxlan.far.ip()),
            Self::Tap => "a tap".into(),
        }
    }
}

/// An interface that is made, as it is meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The interface's name, at most 15 bytes.
    pub name: InterfaceName,
    /// Of which driver it is, with what is peculiar to it.
    pub kind: LinkKind,
    /// The addresses that it is given, each with the length of its network.
    pub addresses: Vec<NetAddress>,
    /// How long a packet may be; the system's choice where nothing is said.
    pub mtu: Option<u16>,
    /// Whether it is up.
    pub up: bool,
    /// A line about its purpose, as ifconfig(8) keeps one (`description`).
    pub description: Option<String>,
}

impl Link {
    /// Makes one that is up and has nothing else.
    pub(crate) fn new(name: InterfaceName, kind: LinkKind) -> Self {
        Self { name, kind, addresses: Vec::new(), mtu: None, up: true, description: None }
    }

    /// Makes a tap that is up and has nothing else.
    pub(crate) fn tap(name: InterfaceName) -> Self {
        Self::new(name, LinkKind::Tap)
    }

    /// Returns the names of the interfaces that it makes.
    pub(crate) fn names(&self) -> Vec<&InterfaceName> {
        match &self.kind {
            LinkKind::Pair { peer } => vec![&self.name, peer],
            LinkKind::Vlan { .. } | LinkKind::Bridge | LinkKind::Vxlan(_) | LinkKind::Tap => vec![&self.name],
        }
    }

    /// Returns the description that marks one of its interfaces as vmrun's.
    pub(crate) fn mark(&self, name: &InterfaceName) -> String {
        format!("{MARK}:{}", self.description.as_deref().unwrap_or(name.as_str()))
    }
}

/// How an interface is a member of a bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Membership {
    /// The MTU that the interface is given before it joins, in bytes; what it has where nothing is said.
    pub mtu: Option<u16>,
    /// Whether it is a span port: it is sent a copy of every frame, and is no member otherwise (bridge(4)).
    pub is_span: bool,
    /// What is switched on or off for it, by the words of ifconfig(8).
    pub switches: Vec<(&'static str, bool)>,
    /// The VLAN that its frames without a tag belong to (FreeBSD 15, bridge(4)).
    pub untagged: Option<VlanTag>,
    /// The VLANs whose frames it may send and receive with their tags (FreeBSD 15).
    pub tagged: Vec<VlanTag>,
}

impl Membership {
    /// Returns what ifconfig(8) is told behind the name of the bridge.
    pub(crate) fn words(&self, member: &InterfaceName) -> Vec<String> {
        let mut words = vec![if self.is_span { "span".into() } else { "addm".into() }, member.to_string()];
        for (word, is_on) in &self.switches {
            words.extend([format!("{}{word}", if *is_on { "" } else { "-" }), member.to_string()]);
        }
        if let Some(tag) = self.untagged {
            words.extend(["untagged".into(), member.to_string(), tag.to_string()]);
        }
        if !self.tagged.is_empty() {
            let tags: Vec<String> = self.tagged.iter().map(ToString::to_string).collect();
            words.extend(["tagged".into(), member.to_string(), tags.join(",")]);
        }
        words
    }
}

/// Reads a description: printable text of one line, for ifconfig(8), ip(8) and rc.conf(5) alike.
pub(crate) fn description(text: &str) -> Result<String, Fault> {
    let bad = text.chars().find(|c| c.is_control() || matches!(c, '"' | '\'' | '`' | '$' | '\\'));
    match bad {
        _ if text.starts_with('@') => {
            let fault = Fault::new("a description cannot begin with '@'");
            Err(fault.hint("so begins the mark of what a machine's run has made"))
        }
        Some(bad) => {
            let fault = Fault::new(format!("a description cannot have {bad:?}"));
            Err(fault.hint("it stands in rc.conf(5), between quotes"))
        }
        // IFALIASZ of Linux is 256, with the mark and the end.
        None if text.is_empty() || text.len() > 200 => {
            Err(Fault::new(format!("a description of {} bytes", text.len())).hint("from 1 to 200"))
        }
        None => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(fault: &Fault) -> String {
        format!("{} | {}", fault.message, fault.hint.as_deref().unwrap_or_default())
    }

    #[test]
    fn a_tag_is_one_that_a_frame_can_have() {
        assert_eq!(VlanTag::try_from(82).unwrap().get(), 82);
        for number in [0, 4095, -1, 65618] {
            let fault = VlanTag::try_from(number).unwrap_err();
            assert_eq!(told(&fault), format!("{number} is no tag of a VLAN | from 1 to 4094"));
        }
    }

    #[test]
    fn an_address_has_the_length_of_its_network() {
        let hint = "an address and the length of its network: \"192.168.2.6/24\"";
        for text in ["", "192.168.2.6", "192.168.2.6/33", "192.168.2.6/+4", "192.168.2/24", "fd00::1/129", "x/24"] {
            let fault = text.parse::<NetAddress>().unwrap_err();
            assert_eq!(told(&fault), format!("{text:?} is no address of an interface | {hint}"));
        }
        let address: NetAddress = "192.168.2.6/24".parse().unwrap();
        assert!(address.reaches("192.168.2.99".parse().unwrap()) && !address.reaches("192.168.3.6".parse().unwrap()));
        let hosts = ["192.168.2.1", "192.168.2.254", "255.255.255.0"].map(|text| text.parse().unwrap());
        assert_eq!(address.hosts(), Some((hosts[0], hosts[1], hosts[2])));
        assert_eq!("10.0.0.1/31".parse::<NetAddress>().unwrap().hosts(), None);
        assert!("0.0.0.0/0".parse::<NetAddress>().unwrap().reaches("9.9.9.9".parse().unwrap()));
        assert!("fd00::1/64".parse::<NetAddress>().unwrap().reaches("fd00::2".parse().unwrap()));
    }

    #[test]
    fn a_description_is_a_line_that_can_stand_between_quotes() {
        assert_eq!(description("the guests' net").unwrap_err().message, "a description cannot have '\\''");
        assert_eq!(
            told(&description("a\nb").unwrap_err()),
            "a description cannot have '\\n' | it stands in rc.conf(5), between quotes"
        );
        assert_eq!(told(&description("").unwrap_err()), "a description of 0 bytes | from 1 to 200");
        assert_eq!(
            told(&description("@db").unwrap_err()),
            "a description cannot begin with '@' | so begins the mark of what a machine's run has made"
        );
        assert_eq!(description("guests, 2nd floor").unwrap(), "guests, 2nd floor");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ip: IpAddr, length in 0_u8..=32) {
            let address = NetAddress { ip, length };
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn no_text_panics(text: String, number: i64) {
            let _ = text.parse::<NetAddress>().map(|address| (address.hosts(), address.reaches(address.ip)));
            let _ = (VlanTag::try_from(number), description(&text));
        }
    }
}

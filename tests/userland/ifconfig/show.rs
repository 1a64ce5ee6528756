//! What ifconfig prints of an interface, tabs included: for 12 as recorded, for 14 and 15 as the reference's sample has it, where
//! the media and nd6 lines of other kinds than bridges and taps are (k).

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::interface::{Address, Interface, Kind, Member, NO_ETHER};
use crate::release::Release;

/// The interface flags that occur here, by bit.
const FLAGS: &[(u32, &str)] = &[
    (0x1, "UP"),
    (0x2, "BROADCAST"),
    (0x8, "LOOPBACK"),
    (0x40, "RUNNING"),
    (0x100, "PROMISC"),
    (0x800, "SIMPLEX"),
    (0x8000, "MULTICAST"),
    (LOWER_UP, "LOWER_UP"),
];

const LOWER_UP: u32 = 0x0100_0000;

/// How long it takes to find out that nobody else has an IPv6 address, in seconds at most.
const TENTATIVE: u64 = 2;

/// Of which family addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Inet,
    Inet6,
    Link,
}

/// How the mask of an IPv4 address is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    Hex,
    Dotted,
    Cidr,
}

/// The formats that `-f` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Formats {
    pub(crate) inet: Mask,
    pub(crate) inet6_cidr: bool,
}

/// How interfaces are to be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) release: Release,
    /// All that are there.
    pub(crate) all: &'a [Interface],
    pub(crate) formats: Formats,
    /// Only what belongs to this family.
    pub(crate) family: Option<Family>,
    /// With what the interface could do.
    pub(crate) has_media: bool,
    /// The moment.
    pub(crate) now: u64,
}

impl View<'_> {
    /// The whole entry of an interface.
    pub(crate) fn interface(&self, one: &Interface) -> String {
        let mut text = format!("{}: {} metric 0 mtu {}\n", one.name, self.flags(one), one.mtu);
        if let Some(description) = &one.description {
            line(&mut text, &format!("description: {description}"));
        }
        self.options(&mut text, one);
        if one.kind != Kind::Lo && self.wants(Family::Link) {
            line(&mut text, &format!("ether {}", one.ether));
            if let Some(hwaddr) = &one.hwaddr {
                line(&mut text, &format!("hwaddr {hwaddr}"));
            }
        }
        self.addresses(&mut text, one);
        if self.family.is_none() {
            self.bridge(&mut text, one);
            let groups: Vec<&str> = one.own_groups().collect();
            if !groups.is_empty() {
                line(&mut text, &format!("groups: {}", groups.join(" ")));
            }
            self.vlan_and_media(&mut text, one);
        }
        if let Some(nd6) = self.nd6(one).filter(|_| self.wants(Family::Inet6)) {
            line(&mut text, nd6);
        }
        if let Some(pid) = one.opener() {
            line(&mut text, &format!("Opened by PID {pid}"));
        }
        text
    }

    fn wants(&self, family: Family) -> bool {
        self.family.is_none_or(|wanted| wanted == family)
    }

    fn is_old(&self) -> bool {
        self.release.major < 13
    }

    fn flags(&self, one: &Interface) -> String {
        let is_member = self.all.iter().any(|bridge| bridge.has_member(&one.name));
        let has_link = one.up && one.is_running() && (!one.kind.is_tap() || one.opener().is_some());
        let mut bits = match one.kind {
            Kind::Lo => 0x8008,
            Kind::Vlan if one.ether == NO_ETHER => 0x8002,
            _ => 0x8802,
        };
        bits |= u32::from(one.up);
        bits |= if one.is_running() { 0x40 } else { 0 };
        bits |= if is_member { 0x100 } else { 0 };
        bits |= if has_link && self.release >= Release::new(14, 1) { LOWER_UP } else { 0 };
        let names: Vec<&str> = FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
        format!("flags={bits:x}<{}>", names.join(","))
    }

    fn options(&self, text: &mut String, one: &Interface) {
        let options = match one.kind {
            Kind::Bridge if self.release.major >= 14 => "0",
            _ if !self.is_old() => return,
            Kind::Ether => "80028<VLAN_MTU,JUMBO_MTU,LINKSTATE>",
            Kind::Lo => "680003<RXCSUM,TXCSUM,LINKSTATE,RXCSUM_IPV6,TXCSUM_IPV6>",
            Kind::Epair => "8<VLAN_MTU>",
            Kind::Tap | Kind::Vmnet => "80000<LINKSTATE>",
            Kind::Vlan if one.ether != NO_ETHER => "80000<LINKSTATE>",
            Kind::Vlan | Kind::Vxlan | Kind::Bridge => return,
        };
        line(text, &format!("options={options}"));
        if self.has_media && one.kind == Kind::Ether {
            line(text, "capabilities=90028<VLAN_MTU,JUMBO_MTU,VLAN_HWFILTER,LINKSTATE>");
        }
    }

    /// The addresses, family by family: the one that came first is the first.
    fn addresses(&self, text: &mut String, one: &Interface) {
        let is_inet = |address: &&Address| matches!(address, Address::V4(..));
        let (inet, inet6): (Vec<&Address>, Vec<&Address>) = one.addresses.iter().partition(is_inet);
        let starts_with_inet = one.addresses.first().is_some_and(|first| is_inet(&first));
        let families = if starts_with_inet { [inet, inet6] } else { [inet6, inet] };
        for address in families.into_iter().flatten() {
            match address {
                Address::V4(address, bits) if self.wants(Family::Inet) => {
                    line(text, &inet_line(*address, *bits, one.kind, self.formats.inet));
                }
                Address::V6(address, bits, since) if self.wants(Family::Inet6) => {
                    line(text, &self.inet6_line(one, *address, *bits, *since));
                }
                Address::V4(..) | Address::V6(..) => {}
            }
        }
    }

    fn inet6_line(&self, one: &Interface, address: Ipv6Addr, bits: u8, since: u64) -> String {
        let is_link_local = address.is_unicast_link_local();
        let mut text = format!("inet6 {address}");
        if is_link_local {
            let _ = write!(text, "%{}", one.name);
        }
        let _ = if self.formats.inet6_cidr { write!(text, "/{bits}") } else { write!(text, " prefixlen {bits}") };
        if one.kind != Kind::Lo && self.now < since + TENTATIVE {
            text += " tentative";
        }
        if is_link_local {
            let _ = write!(text, " scopeid {:#x}", one.index.unwrap_or(0));
        }
        text
    }

    fn bridge(&self, text: &mut String, one: &Interface) {
        if one.kind != Kind::Bridge {
            return;
        }
        let other = |name: &str| self.all.iter().find(|other| other.name == name);
        // With a member that takes part in the spanning tree the bridge has the lowest of their addresses.
        let root = one.members.iter().filter(|member| is_stp(member)).filter_map(|member| other(&member.name));
        let root = root.map(|member| member.ether.as_str()).min().unwrap_or(NO_ETHER);
        let priority = if self.is_old() && !one.up { 0 } else { 32768 };
        line(text, &format!("id {root} priority 32768 hellotime 2 fwddelay 15"));
        line(text, "maxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200");
        line(text, &format!("root id {root} priority {priority} ifcost 0 port 0"));
        for member in one.members.iter().rev() {
            let card = other(&member.name);
            let port = card.and_then(|card| card.index).unwrap_or(0);
            let cost = match card {
                Some(card) if card.kind.is_tap() => 2_000_000,
                _ if self.is_old() => 2000,
                _ => 20_000,
            };
            let (flags, names) = member_flags(member);
            line(text, &format!("member: {} flags={flags:x}<{names}>", member.name));
            let stp = if is_stp(member) { " proto rstp" } else { "" };
            line(text, &format!("        ifmaxaddr 0 port {port} priority 128 path cost {cost}{stp}"));
            if is_stp(member) {
                line(text, "        role disabled state discarding");
            }
        }
    }

    fn vlan_and_media(&self, text: &mut String, one: &Interface) {
        if one.kind == Kind::Vlan {
            let (tag, parent) = one.vlan.as_ref().map_or((0, "<none>"), |(tag, parent)| (*tag, parent.as_str()));
            let proto = if self.is_old() { "" } else { "vlanproto: 802.1q " };
            line(text, &format!("vlan: {tag} {proto}vlanpcp: 0 parent interface: {parent}"));
        }
        if let Some(vxlan) = super::vxlan::shown(one) {
            line(text, &vxlan);
        }
        let card = match &one.vlan {
            Some((_, parent)) if self.is_old() => self.all.iter().find(|other| other.name == *parent),
            None if self.is_old() && one.kind == Kind::Vlan => None,
            _ => Some(one),
        };
        let Some(card) = card else { return };
        let media = match card.kind {
            Kind::Bridge | Kind::Lo => return,
            Kind::Tap | Kind::Vmnet if self.is_old() => "Ethernet autoselect",
            Kind::Tap | Kind::Vmnet => "Ethernet 1000baseT <full-duplex>",
            Kind::Epair => "Ethernet 10Gbase-T (10Gbase-T <full-duplex>)",
            Kind::Ether | Kind::Vlan | Kind::Vxlan if self.is_old() => "Ethernet 10Gbase-T <full-duplex>",
            Kind::Ether | Kind::Vlan | Kind::Vxlan => "Ethernet autoselect (1000baseT <full-duplex>)",
        };
        let has_link = !card.kind.is_tap() || card.opener().is_some();
        line(text, &format!("media: {media}"));
        line(text, &format!("status: {}", if has_link { "active" } else { "no carrier" }));
        if self.has_media && self.is_old() && one.kind == Kind::Ether {
            line(text, "supported media:");
            line(text, "\tmedia 10Gbase-T mediaopt full-duplex");
        }
    }

    fn nd6(&self, one: &Interface) -> Option<&'static str> {
        match one.kind {
            Kind::Bridge if self.is_old() => Some("nd6 options=1<PERFORMNUD>"),
            // Likely, and so in the reference's sample.
            Kind::Bridge => Some("nd6 options=9<PERFORMNUD,IFDISABLED>"),
            _ if self.is_old() || one.kind == Kind::Lo => Some("nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>"),
            Kind::Ether | Kind::Vlan | Kind::Vxlan => Some("nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>"),
            Kind::Epair | Kind::Tap | Kind::Vmnet | Kind::Lo => None,
        }
    }
}

fn line(text: &mut String, content: &str) {
    text.push('\t');
    *text += content;
    text.push('\n');
}

fn is_stp(member: &Member) -> bool {
    member.flags.iter().any(|flag| flag == "stp")
}

/// The flags of a member, by bit: those it begins with and those that were set.
fn member_flags(member: &Member) -> (u32, String) {
    const FLAGS: &[(u32, &str)] = &[
        (0x1, "learn LEARNING"),
        (0x2, "discover DISCOVER"),
        (0x4, "stp STP"),
        (0x20, "edge EDGE"),
        (0x40, "autoedge AUTOEDGE"),
        (0x80, "ptp PTP"),
        (0x100, "autoptp AUTOPTP"),
        (0x800, "private PRIVATE"),
    ];
    const FIRST: u32 = 0x143;
    if member.is_span() {
        return (0x8, "SPAN".to_string());
    }
    let is_set = |bit: u32, word: &str| {
        let is_first = FIRST & bit != 0;
        let changed = member.flags.iter().any(|flag| flag.trim_start_matches('-') == word);
        is_first != changed
    };
    let set = FLAGS.iter().filter_map(|(bit, both)| both.split_once(' ').map(|(word, name)| (*bit, word, name)));
    let set: Vec<(u32, &str)> =
        set.filter(|(bit, word, _)| is_set(*bit, word)).map(|(bit, _, name)| (bit, name)).collect();
    let names: Vec<&str> = set.iter().map(|(_, name)| *name).collect();
    (set.iter().map(|(bit, _)| bit).sum(), names.join(","))
}

fn inet_line(address: Ipv4Addr, bits: u8, kind: Kind, format: Mask) -> String {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    let mut text = format!("inet {address}");
    let _ = match format {
        Mask::Cidr => write!(text, "/{bits}"),
        Mask::Hex => write!(text, " netmask {mask:#010x}"),
        Mask::Dotted => write!(text, " netmask {}", Ipv4Addr::from_bits(mask)),
    };
    if kind != Kind::Lo {
        let _ = write!(text, " broadcast {}", Ipv4Addr::from_bits(address.to_bits() | !mask));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Formats, Mask, View};
    use crate::interface::Interface;
    use crate::release::Release;

    fn interface(one: &Interface, all: &[Interface], inet: Mask, release: Release) -> String {
        let formats = Formats { inet, inet6_cidr: false };
        View { release, all, formats, family: None, has_media: false, now: 0 }.interface(one)
    }

    fn two() -> [Interface; 2] {
        let bridge =
            "kind bridge\nup yes\nether 58:9c:fc:10:ff:a3\ninet 10.0.0.1/24\nmember tap0\ndescription vm-public\n";
        let tap = format!(
            "kind tap\nup yes\nether 58:9c:fc:10:0d:1a\ndescription vm/guest1/0\ngroup vm-port\nopened_by {}\nindex 2\n",
            std::process::id()
        );
        [Interface::parse("bridge0", bridge), Interface::parse("tap0", &tap)]
    }

    #[test]
    fn a_bridge_looks_as_on_freebsd() {
        let all = two();
        assert_eq!(
            interface(&all[0], &all, Mask::Hex, Release::newest(15)),
            "bridge0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500\n\
             \tdescription: vm-public\n\
             \toptions=0\n\
             \tether 58:9c:fc:10:ff:a3\n\
             \tinet 10.0.0.1 netmask 0xffffff00 broadcast 10.0.0.255\n\
             \tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15\n\
             \tmaxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200\n\
             \troot id 00:00:00:00:00:00 priority 32768 ifcost 0 port 0\n\
             \tmember: tap0 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>\n\
             \t        ifmaxaddr 0 port 2 priority 128 path cost 2000000\n\
             \tgroups: bridge\n\
             \tnd6 options=9<PERFORMNUD,IFDISABLED>\n"
        );
    }

    #[test]
    fn an_open_tap_names_its_opener() {
        let all = two();
        let pid = std::process::id();
        assert_eq!(
            interface(&all[1], &all, Mask::Hex, Release::newest(15)),
            format!(
                "tap0: flags=1008943<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 1500\n\
                 \tdescription: vm/guest1/0\n\
                 \tether 58:9c:fc:10:0d:1a\n\
                 \tgroups: tap vm-port\n\
                 \tmedia: Ethernet 1000baseT <full-duplex>\n\
                 \tstatus: active\n\
                 \tOpened by PID {pid}\n"
            )
        );
    }

    #[test]
    fn a_tap_that_nobody_holds_has_no_carrier() {
        let tap = Interface::parse("tap1", "kind tap\nopened_by 4294967295\n");
        let text = interface(&tap, &[], Mask::Hex, Release::newest(15));
        assert!(text.contains("flags=8802<BROADCAST,SIMPLEX,MULTICAST>") && text.contains("status: no carrier"));
        assert!(!text.contains("Opened by"));
    }

    #[test]
    fn addresses_can_be_shown_with_their_prefix_length() {
        let all = two();
        assert!(
            interface(&all[0], &all, Mask::Cidr, Release::newest(15))
                .contains("\tinet 10.0.0.1/24 broadcast 10.0.0.255\n")
        );
    }

    #[test]
    fn before_14_1_nothing_is_told_of_the_lower_layer() {
        let all = two();
        let shown = |release| interface(&all[0], &all, Mask::Hex, release);
        assert!(shown(Release::new(14, 0)).starts_with("bridge0: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST>"));
        assert!(shown(Release::new(14, 0)).contains("options=0") && !shown(Release::new(13, 2)).contains("options=0"));
    }

    #[test]
    fn what_is_set_of_a_member_is_among_its_flags() {
        let bridge = Interface::parse("bridge0", "kind bridge\nmember em0\tstp,private\n");
        let text = interface(&bridge, &[], Mask::Hex, Release::new(12, 1));
        assert!(text.contains("member: em0 flags=947<LEARNING,DISCOVER,STP,AUTOEDGE,AUTOPTP,PRIVATE>"), "{text}");
    }
}

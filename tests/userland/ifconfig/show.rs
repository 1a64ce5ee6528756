//! What ifconfig prints of an interface, tabs included. The numbers are those of FreeBSD 14 and 15.
//! Bridges and taps are the reference's sample; the media and nd6 lines of other kinds are (k).

use std::fmt::Write;
use std::net::Ipv4Addr;

use crate::interface::{Interface, Kind};

/// The interface flags that occur here, by bit.
const FLAGS: &[(u32, &str)] = &[
    (0x1, "UP"),
    (0x2, "BROADCAST"),
    (0x8, "LOOPBACK"),
    (0x40, "RUNNING"),
    (0x100, "PROMISC"),
    (0x800, "SIMPLEX"),
    (0x8000, "MULTICAST"),
    (0x0100_0000, "LOWER_UP"),
];

/// The whole entry of an interface.
pub(crate) fn interface(one: &Interface, all: &[Interface], cidr: bool) -> String {
    let mut text = format!("{}: {} metric 0 mtu {}\n", one.name, flags(one, all), one.mtu);
    if let Some(description) = &one.description {
        line(&mut text, &format!("description: {description}"));
    }
    if one.kind == Kind::Bridge {
        line(&mut text, "options=0");
    }
    if one.kind != Kind::Lo {
        line(&mut text, &format!("ether {}", one.ether));
    }
    for (address, bits) in &one.inet {
        line(&mut text, &inet(*address, *bits, one.kind, cidr));
    }
    if one.kind == Kind::Bridge {
        bridge(&mut text, one, all);
    }
    let groups: Vec<&str> = one.own_groups().collect();
    if !groups.is_empty() {
        line(&mut text, &format!("groups: {}", groups.join(" ")));
    }
    tail(&mut text, one);
    text
}

fn line(text: &mut String, content: &str) {
    text.push('\t');
    *text += content;
    text.push('\n');
}

fn flags(one: &Interface, all: &[Interface]) -> String {
    let is_member = all.iter().any(|bridge| bridge.members.contains(&one.name));
    let running = one.up && (one.kind != Kind::Tap || one.opener().is_some());
    let mut bits = if one.kind == Kind::Lo { 0x8008 } else { 0x8802 };
    bits |= u32::from(one.up);
    bits |= if running { 0x0100_0040 } else { 0 };
    bits |= if is_member { 0x100 } else { 0 };
    let names: Vec<&str> = FLAGS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    format!("flags={bits:x}<{}>", names.join(","))
}

fn inet(address: Ipv4Addr, bits: u8, kind: Kind, cidr: bool) -> String {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    let mut text = format!("inet {address}");
    if cidr {
        let _ = write!(text, "/{bits}");
    } else {
        let _ = write!(text, " netmask {mask:#010x}");
    }
    if kind != Kind::Lo {
        let _ = write!(text, " broadcast {}", Ipv4Addr::from_bits(address.to_bits() | !mask));
    }
    text
}

fn bridge(text: &mut String, one: &Interface, all: &[Interface]) {
    line(text, "id 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15");
    line(text, "maxage 20 holdcnt 6 proto rstp maxaddr 2000 timeout 1200");
    line(text, "root id 00:00:00:00:00:00 priority 32768 ifcost 0 port 0");
    for member in &one.members {
        let port = all.iter().position(|other| other.name == *member).map_or(0, |at| at + 1);
        let cost =
            if all.iter().any(|other| other.name == *member && other.kind == Kind::Tap) { 2_000_000 } else { 20_000 };
        line(text, &format!("member: {member} flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>"));
        line(text, &format!("        ifmaxaddr 0 port {port} priority 128 path cost {cost}"));
    }
}

/// What follows the groups depends on the kind.
fn tail(text: &mut String, one: &Interface) {
    let (media, nd6) = match one.kind {
        Kind::Bridge => (None, Some("nd6 options=9<PERFORMNUD,IFDISABLED>")),
        Kind::Lo => (None, Some("nd6 options=21<PERFORMNUD,AUTO_LINKLOCAL>")),
        Kind::Tap => (Some("Ethernet 1000baseT <full-duplex>"), None),
        Kind::Epair => (Some("Ethernet 10Gbase-T (10Gbase-T <full-duplex>)"), None),
        Kind::Ether | Kind::Vlan => (
            Some("Ethernet autoselect (1000baseT <full-duplex>)"),
            Some("nd6 options=29<PERFORMNUD,IFDISABLED,AUTO_LINKLOCAL>"),
        ),
    };
    if let Some((tag, parent)) = &one.vlan {
        line(text, &format!("vlan: {tag} vlanproto: 802.1q vlanpcp: 0 parent interface: {parent}"));
    }
    if let Some(media) = media {
        let linked = one.kind != Kind::Tap || one.opener().is_some();
        line(text, &format!("media: {media}"));
        line(text, &format!("status: {}", if linked { "active" } else { "no carrier" }));
    }
    if let Some(nd6) = nd6 {
        line(text, nd6);
    }
    if let Some(pid) = one.opener() {
        line(text, &format!("Opened by PID {pid}"));
    }
}

#[cfg(test)]
mod tests {
    use super::interface;
    use crate::interface::Interface;

    fn two() -> [Interface; 2] {
        let bridge =
            "kind bridge\nup yes\nether 58:9c:fc:10:ff:a3\ninet 10.0.0.1/24\nmember tap0\ndescription vm-public\n";
        let tap = format!(
            "kind tap\nup yes\nether 58:9c:fc:10:0d:1a\ndescription vm/guest1/0\ngroup vm-port\nopened_by {}\n",
            std::process::id()
        );
        [Interface::parse("bridge0", bridge), Interface::parse("tap0", &tap)]
    }

    #[test]
    fn a_bridge_looks_as_on_freebsd() {
        let all = two();
        assert_eq!(
            interface(&all[0], &all, false),
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
            interface(&all[1], &all, false),
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
        let text = interface(&tap, &[], false);
        assert!(text.contains("flags=8802<BROADCAST,SIMPLEX,MULTICAST>") && text.contains("status: no carrier"));
        assert!(!text.contains("Opened by"));
    }

    #[test]
    fn addresses_can_be_shown_with_their_prefix_length() {
        let all = two();
        assert!(interface(&all[0], &all, true).contains("\tinet 10.0.0.1/24 broadcast 10.0.0.255\n"));
    }
}

//! ifconfig(8) and route(8).

use super::marks::marked;
use super::{Interface, InterfaceKind, address};
use crate::diag::Fault;
use crate::host::program::Query;
use crate::model::link::MARK;
use crate::model::{Argv, NetAddress, Router};
use std::net::Ipv4Addr;

/// Returns the command that tells the interfaces.
pub(super) fn question() -> Argv {
    Argv::new("ifconfig")
}

/// Reads the interfaces.
pub(super) fn read(query: Query<'_>) -> Result<Vec<Interface>, Fault> {
    Ok(parse_interfaces(&query(&question())?))
}

/// Reads the default router. Without one route(8) says `route has not been found` and fails.
pub(super) fn default_router(query: Query<'_>, like: &Router) -> Option<Router> {
    let family = if like.ip().is_ipv6() { "-6" } else { "-4" };
    gateway(&query(&Argv::new("route").args(["-n", "get", family, "default"])).ok()?)
}

/// Reads what route(8) prints of a route. A router that is known on one link only has its zone behind it: `fe80::1%em0`.
fn gateway(text: &str) -> Option<Router> {
    let address = |line: &str| line.trim().strip_prefix("gateway:")?.trim().parse().ok();
    text.lines().find_map(address)
}

/// What the lines of an interface say. What it is, and whether it is ours, stands below its description.
struct Lines<'a> {
    interface: Interface,
    description: &'a str,
    groups: Vec<&'a str>,
    /// The VLAN or VXLAN that it is.
    vlan: Option<InterfaceKind>,
    /// Every bridge prints its id, whether or not it is in its group.
    has_bridge_id: bool,
}

/// Reads what `ifconfig` prints: a line with the name for each interface, indented lines with what belongs to it. Unknown
/// lines are passed over, because releases differ.
pub fn parse_interfaces(text: &str) -> Vec<Interface> {
    let mut all: Vec<Lines<'_>> = Vec::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some(lines) = all.last_mut() {
                lines.add(line.trim());
            }
        } else {
            all.extend(Lines::begin(line));
        }
    }
    all.into_iter().map(Lines::end).collect()
}

impl<'a> Lines<'a> {
    /// `em0: flags=8843<UP,BROADCAST> metric 0 mtu 1500`; a name may hold blanks.
    fn begin(line: &'a str) -> Option<Self> {
        let (name, rest) = line.split_once(':')?;
        let flags = rest.split(['<', '>']).nth(1).unwrap_or_default();
        let mtu = rest.split_once(" mtu ").and_then(|(_, mtu)| mtu.split(' ').next()?.parse().ok());
        let up = flags.split(',').any(|flag| flag == "UP");
        let interface = Interface { up, mtu: mtu.unwrap_or_default(), ..Interface::new(name, InterfaceKind::Other) };
        Some(Self { interface, description: "", groups: Vec::new(), vlan: None, has_bridge_id: false })
    }

    fn add(&mut self, line: &'a str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["inet" | "inet6", address, ..] => self.interface.addresses.extend(net_address(address, &words)),
            ["groups:", groups @ ..] => self.groups.extend(groups),
            ["member:", member, ..] => self.interface.members.push((*member).into()),
            ["description:", ..] => self.description = line.trim_start_matches("description:").trim_start(),
            ["id", _, "priority", ..] => self.has_bridge_id = true,
            ["vlan:", tag, .., "parent", "interface:", parent] => {
                let tag = tag.parse().unwrap_or_default();
                self.vlan = Some(InterfaceKind::Vlan { parent: (*parent).into(), tag });
            }
            // `vxlan vni 108 local 10.0.0.1:4789 remote [fd00::2]:4789` ((src) ifvxlan.c).
            ["vxlan", "vni", id, "local", local, _, far] => {
                let ip = |text: &str| text.rsplit_once(':')?.0.trim_matches(['[', ']']).split('%').next()?.parse().ok();
                let id = id.parse().unwrap_or_default();
                self.vlan = Some(InterfaceKind::Vxlan { id, local: ip(local), far: ip(far) });
            }
            ["Opened", .., pid] => {
                self.interface.is_open = true;
                self.interface.opener = pid.parse().ok();
            }
            _ => {}
        }
    }

    fn end(self) -> Interface {
        let kind = self.kind();
        // Anybody may describe an interface; the group is ours.
        let is_ours = self.groups.contains(&MARK);
        let (description_machine, folder) =
            marked(&kind, self.description).map(|maker| (maker.machine, maker.folder)).unzip();
        let mark = description_machine.clone().filter(|_| is_ours);
        Interface { kind, mark, description_machine, folder: folder.flatten(), is_ours, ..self.interface }
    }

    /// Groups tell what an interface is, whatever it is called; but anybody may take it out of them.
    fn kind(&self) -> InterfaceKind {
        let is_in = |group| self.groups.contains(&group);
        let is_called_tap = || {
            let number = self.interface.name.strip_prefix("tap");
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        match &self.vlan {
            Some(vlan) => vlan.clone(),
            None if self.has_bridge_id || is_in("bridge") => InterfaceKind::Bridge,
            None if is_in("vxlan") => InterfaceKind::Vxlan { id: 0, local: None, far: None },
            None if is_in("epair") => InterfaceKind::Pair,
            None if is_in("tap") || is_called_tap() => InterfaceKind::Tap,
            None => InterfaceKind::Other,
        }
    }
}

/// `inet A netmask 0xffffff00`, `inet A netmask 255.255.255.0`, `inet A/24`, `inet6 A%em0 prefixlen 64`.
fn net_address(text: &str, words: &[&str]) -> Option<NetAddress> {
    let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1));
    let (bare, length) = match text.split_once('/') {
        Some((bare, length)) => (bare, length.parse().ok()),
        None => (text, after("prefixlen").and_then(|length| length.parse().ok())),
    };
    let mask = || {
        let mask = after("netmask")?;
        let bits = match mask.strip_prefix("0x") {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => mask.parse::<Ipv4Addr>().ok()?.to_bits(),
        };
        u8::try_from(bits.leading_ones()).ok()
    };
    let ip = bare.split('%').next().unwrap_or_default().parse().ok()?;
    Some(address(ip, length.or_else(mask)))
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;
    use crate::host::corpus;

    #[test]
    fn interfaces_are_read_as_ifconfig_shows_them() {
        let text = "\
ix0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 9000
\tinet 192.168.0.6/24 broadcast 192.168.0.255
\tinet6 fe80::1%ix0 prefixlen 64 scopeid 0x1
\tdescription: vmrun:not-in-the-group
bridge2: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tdescription: vmrun:bridge2
\tinet 10.0.0.1
\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15
\tmember: ix0.82 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\t        ifmaxaddr 0 port 5 priority 128 path cost 2000000
\tmember: vm0 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\tgroups: bridge vmrun viid-4c918@
ix0.82: flags=8843<UP> metric 0 mtu 1500
\tinet 192.168.2.6 netmask 0xffffff00 broadcast 192.168.2.255
\tdescription: vmrun:@web the LAN
\tgroups: vlan vmrun
\tvlan: 82 vlanproto: 802.1q vlanpcp: 0 parent interface: ix0
vxlan0: flags=8843<UP> metric 0 mtu 1430
\tgroups: vxlan vmrun
\tvxlan vni 108 local [fd00::1]:4789 remote [fd00::2]:4789
vxlan1: flags=8802<BROADCAST> metric 0 mtu 1470
\tgroups: vxlan
epair0a: flags=8843<UP> metric 0 mtu 1500
\tgroups: epair
vm0: flags=1008943<UP> metric 0 mtu 1500
\tgroups: tap vm-port
tap0: flags=1008943<UP> metric 0 mtu 1500
\tdescription: vmrun:web
\tgroups: tap vmrun
\tOpened by PID 1234
";
        assert_eq!(
            lines(&parse_interfaces(text)),
            [
                "ix0 is something else, up, 9000 [192.168.0.6/24 fe80::1/64]",
                "bridge2 is a bridge, down, 1500 [10.0.0.1/32], ours",
                "ix0.82 is VLAN 82 of ix0, up, 1500 [192.168.2.6/24], in bridge2, ours, of web",
                "vxlan0 is VXLAN 108 from fd00::1 to fd00::2, up, 1430 [], ours",
                "vxlan1 is VXLAN 0 from nowhere to nowhere, down, 1470 []",
                "epair0a is one of a pair, up, 1500 []",
                "vm0 is a tap, up, 1500 [], in bridge2",
                "tap0 is a tap, up, 1500 [], ours, of web, open by 1234",
            ]
        );
        assert_eq!(parse_interfaces("\tinet 1.2.3.4\nnonsense\n"), []);
    }

    /// Returns an interface as the n-th recorded `ifconfig NAME` of a file shows it.
    fn recorded(file: &str, name: &str, nth: usize) -> String {
        let steps = corpus::steps(file);
        let command = format!("ifconfig {name}");
        let step = steps.iter().filter(|step| step.command == command && step.status == 0).nth(nth).unwrap();
        let all = read(&|_| step.outcome()).unwrap();
        lines(&all).join("\n")
    }

    #[test]
    fn what_an_interface_is_follows_from_what_freebsd_tells_of_it_before_its_name() {
        // A VLAN of a tap is no tap; the name alone would say so.
        assert_eq!(recorded("ifconfig-vlan.txt", "tap1.7", 0), "tap1.7 is VLAN 7 of tap1, down, 1496 []");
        // A tap stays one under another name, and without its group.
        let said = "two words is a tap, down, 1500 [], ours";
        assert_eq!(recorded("ifconfig-names-groups.txt", "'two words'", 0), said);
        assert_eq!(recorded("ifconfig-names-groups.txt", "tap1", 1), "tap1 is a tap, down, 1500 []");
        assert_eq!(recorded("ifconfig-vlan.txt", "vlan10", 0), "vlan10 is VLAN 0 of <none>, down, 1500 []");
    }

    #[test]
    fn an_address_has_its_network_in_whatever_form_ifconfig_prints_it() {
        let steps = corpus::steps("ifconfig-show.txt");
        for form in ["cidr", "dotted"] {
            let command = format!("ifconfig -f inet:{form} vtnet0");
            let step = steps.iter().find(|step| step.command == command).unwrap();
            let all = read(&|_| step.outcome()).unwrap();
            assert_eq!(all[0].addresses[0].to_string(), "10.0.2.15/24", "{form}");
        }
    }

    #[test]
    fn a_default_router_is_read_as_route_tells_it() {
        let steps = corpus::steps("route.txt");
        let [v4, v6] = ["10.0.0.1", "fd00::1"].map(|text| text.parse::<Router>().unwrap());
        let routers = |like: &Router, family: &str| -> Vec<Option<String>> {
            let asked = steps.iter().filter(|step| step.command == format!("route -n get {family} default"));
            asked.map(|step| default_router(&|_| step.outcome(), like).map(|router| router.to_string())).collect()
        };
        assert_eq!(routers(&v6, "-6"), [None, None, Some("fd00::7".into())]);
        let found: Vec<bool> = routers(&v4, "-4").iter().map(Option::is_some).collect();
        assert_eq!(found, [false, true, false, false, true]);
        let zoned = gateway("   route to: default\n    gateway: fe80::1%em0\n        fib: 0\n");
        assert_eq!(zoned.map(|router| router.to_string()), Some("fe80::1%em0".into()));
        let asked = std::cell::RefCell::new(Vec::new());
        let query = |argv: &Argv| {
            asked.borrow_mut().push(argv.to_string());
            Err(Fault::host("no"))
        };
        assert_eq!((default_router(&query, &v4), default_router(&query, &v6)), (None, None));
        assert_eq!(*asked.borrow(), ["route -n get -4 default", "route -n get -6 default"]);
    }
}

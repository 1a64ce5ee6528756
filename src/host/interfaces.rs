//! Interfaces as they are: what `vmrun network` compares with what a recipe means.
//!
//! A run needs to know less, and reads it ahead of time; see [`super::Interface`].

use super::{Host, Platform};
use crate::diag::Fault;
use crate::model::link::MARK;
use crate::model::{Argv, NetAddress};
use serde_json::Value;
use std::net::IpAddr;

/// An interface as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: StateKind,
    /// Its addresses.
    pub addresses: Vec<NetAddress>,
    /// How long a packet may be.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// The bridge that it is a member of.
    pub bridge: Option<String>,
    /// Whether vmrun made it.
    pub is_ours: bool,
}

/// What an interface is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StateKind {
    /// One VLAN of another interface.
    Vlan {
        /// The interface that carries it.
        parent: String,
        /// Its tag.
        tag: u16,
    },
    /// A bridge.
    Bridge,
    /// One of a pair.
    Pair,
    /// Anything else.
    #[default]
    Other,
}

impl StateKind {
    /// Returns what it is, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Vlan { parent, tag } => format!("VLAN {tag} of {parent}"),
            Self::Bridge => "a bridge".into(),
            Self::Pair => "one of a pair".into(),
            Self::Other => "something else".into(),
        }
    }
}

/// Reads the interfaces.
pub(crate) fn links(host: &dyn Host) -> Result<Vec<LinkState>, Fault> {
    match host.settings().platform {
        Platform::FreeBsd => Ok(of_ifconfig(&host.query(&Argv::new("ifconfig"))?)),
        Platform::Linux => of_ip(&host.query(&Argv::new("ip").args(["-json", "-details", "address", "show"]))?),
    }
}

/// Reads the default router; nothing if there is none.
pub(crate) fn default_router(host: &dyn Host, like: IpAddr) -> Result<Option<IpAddr>, Fault> {
    let family = if like.is_ipv6() { "-6" } else { "-4" };
    match host.settings().platform {
        // Without a route it says `route has not been found` and fails.
        Platform::FreeBsd => {
            let said = host.query(&Argv::new("route").args(["-n", "get", family, "default"]));
            Ok(said.ok().and_then(|text| of_route(&text)))
        }
        Platform::Linux => {
            let text = host.query(&Argv::new("ip").args(["-json", family, "route", "show", "default"]))?;
            let routes = json(&text, "ip route show")?;
            Ok(routes.first().and_then(|route| route.get("gateway")?.as_str()?.parse().ok()))
        }
    }
}

/// Reads what route(8) prints of a route.
fn of_route(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| line.trim().strip_prefix("gateway:")?.trim().parse().ok())
}

/// Reads what ifconfig(8) prints; unknown lines are passed over, because releases differ.
pub fn of_ifconfig(text: &str) -> Vec<LinkState> {
    let mut all: Vec<LinkState> = Vec::new();
    let mut members: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if !line.starts_with([' ', '\t']) {
            let Some((name, rest)) = line.split_once(':') else { continue };
            let flags = rest.split(['<', '>']).nth(1).unwrap_or_default();
            let mtu = rest.split_once(" mtu ").and_then(|(_, mtu)| mtu.split(' ').next()?.parse().ok());
            let up = flags.split(',').any(|flag| flag == "UP");
            all.push(LinkState { name: name.into(), up, mtu: mtu.unwrap_or_default(), ..LinkState::default() });
            continue;
        }
        let Some(link) = all.last_mut() else { continue };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["inet" | "inet6", address, ..] => link.addresses.extend(address_of(address, &words)),
            ["groups:", groups @ ..] => {
                link.is_ours |= groups.contains(&MARK);
                if groups.contains(&"bridge") {
                    link.kind = StateKind::Bridge;
                } else if groups.contains(&"epair") {
                    link.kind = StateKind::Pair;
                }
            }
            ["member:", member, ..] => members.push(((*member).into(), link.name.clone())),
            ["vlan:", tag, .., "parent", "interface:", parent] => {
                let tag = tag.parse().unwrap_or_default();
                link.kind = StateKind::Vlan { parent: (*parent).into(), tag };
            }
            _ => {}
        }
    }
    for (member, bridge) in members {
        all.iter_mut().filter(|link| link.name == member).for_each(|link| link.bridge = Some(bridge.clone()));
    }
    all
}

/// `inet A netmask 0xffffff00`, `inet A/24`, `inet6 A%em0 prefixlen 64`.
fn address_of(address: &str, words: &[&str]) -> Option<NetAddress> {
    let after = |key: &str| words.iter().position(|word| *word == key).and_then(|at| words.get(at + 1));
    let (bare, length) = match address.split_once('/') {
        Some((bare, length)) => (bare, length.parse().ok()),
        None => (address, after("prefixlen").and_then(|length| length.parse().ok())),
    };
    let mask = || {
        let mask = u32::from_str_radix(after("netmask")?.strip_prefix("0x")?, 16).ok()?;
        u8::try_from(mask.leading_ones()).ok()
    };
    let ip = bare.split('%').next().unwrap_or_default().parse().ok()?;
    Some(NetAddress { ip, length: length.or_else(mask)? })
}

fn json(text: &str, what: &str) -> Result<Vec<Value>, Fault> {
    // Of nothing it says nothing at all.
    let text = if text.trim().is_empty() { "[]" } else { text };
    serde_json::from_str(text).map_err(|why| Fault::host(format!("what `{what}` says is no JSON: {why}")))
}

/// Reads what `ip -json -details address show` says.
pub fn of_ip(text: &str) -> Result<Vec<LinkState>, Fault> {
    let links = json(text, "ip address show")?;
    Ok(links.iter().filter_map(one_of_ip).collect())
}

fn one_of_ip(link: &Value) -> Option<LinkState> {
    let text = |path: &str| link.pointer(path).and_then(Value::as_str).map(String::from);
    let number = |path: &str| link.pointer(path).and_then(Value::as_u64);
    let kind = match text("/linkinfo/info_kind").as_deref() {
        Some("bridge") => StateKind::Bridge,
        Some("veth") => StateKind::Pair,
        Some("vlan") => StateKind::Vlan {
            parent: text("/link").unwrap_or_default(),
            tag: number("/linkinfo/info_data/id").and_then(|tag| u16::try_from(tag).ok()).unwrap_or_default(),
        },
        _ => StateKind::Other,
    };
    let addresses = link.get("addr_info").and_then(Value::as_array).into_iter().flatten().filter_map(|address| {
        let ip = address.get("local")?.as_str()?.parse().ok()?;
        Some(NetAddress { ip, length: u8::try_from(address.get("prefixlen")?.as_u64()?).ok()? })
    });
    let flags = link.get("flags").and_then(Value::as_array);
    let alias = text("/ifalias").unwrap_or_default();
    Some(LinkState {
        name: text("/ifname")?,
        kind,
        addresses: addresses.collect(),
        mtu: number("/mtu").and_then(|mtu| u32::try_from(mtu).ok()).unwrap_or_default(),
        up: flags.is_some_and(|flags| flags.iter().any(|flag| flag == "UP")),
        bridge: (text("/linkinfo/info_slave_kind").as_deref() == Some("bridge")).then(|| text("/master")).flatten(),
        is_ours: alias.strip_prefix(MARK).is_some_and(|rest| rest.starts_with(':')),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(links: &[LinkState]) -> Vec<String> {
        let show = |link: &LinkState| {
            let addresses: Vec<String> = link.addresses.iter().map(ToString::to_string).collect();
            let ours = if link.is_ours { ", ours" } else { "" };
            let up = if link.up { "up" } else { "down" };
            let bridge = link.bridge.as_ref().map(|bridge| format!(", in {bridge}")).unwrap_or_default();
            format!("{} is {}, {up}, {} {addresses:?}{bridge}{ours}", link.name, link.kind.words(), link.mtu)
        };
        links.iter().map(show).collect()
    }

    #[test]
    fn interfaces_are_read_as_ifconfig_shows_them() {
        let text = "\
ix0: flags=1008843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST,LOWER_UP> metric 0 mtu 9000
\tinet 192.168.0.6/24 broadcast 192.168.0.255
\tinet6 fe80::1%ix0 prefixlen 64 scopeid 0x1
bridge2: flags=8802<BROADCAST,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tdescription: vmrun:bridge2
\tid 00:00:00:00:00:00 priority 32768 hellotime 2 fwddelay 15
\tmember: ix0.82 flags=143<LEARNING,DISCOVER,AUTOEDGE,AUTOPTP>
\t        ifmaxaddr 0 port 5 priority 128 path cost 2000000
\tgroups: bridge vmrun
ix0.82: flags=8843<UP> metric 0 mtu 1500
\tinet 192.168.2.6 netmask 0xffffff00 broadcast 192.168.2.255
\tgroups: vlan
\tvlan: 82 vlanproto: 802.1q vlanpcp: 0 parent interface: ix0
epair0a: flags=8843<UP> metric 0 mtu 1500
\tgroups: epair
";
        assert_eq!(
            shown(&of_ifconfig(text)),
            [
                "ix0 is something else, up, 9000 [\"192.168.0.6/24\", \"fe80::1/64\"]",
                "bridge2 is a bridge, down, 1500 [], ours",
                "ix0.82 is VLAN 82 of ix0, up, 1500 [\"192.168.2.6/24\"], in bridge2",
                "epair0a is one of a pair, up, 1500 []",
            ]
        );
        assert_eq!(of_ifconfig("\tinet 1.2.3.4\nnonsense\n"), []);
    }

    #[test]
    fn interfaces_are_read_as_ip_shows_them() {
        // Captured from iproute2 6.1, shortened.
        let text = r#"[{},{"ifname":"ix0","link_netnsid":0,"flags":["BROADCAST","UP"],"mtu":1500,"linkinfo":{"info_kind":"veth"},
            "addr_info":[{"family":"inet6","local":"fe80::1","prefixlen":64}]},
            {"ifname":"ix0.82","link":"ix0","flags":["BROADCAST"],"mtu":1400,"master":"bridge2","ifalias":"vmrun:ix0.82",
            "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":82,"flags":["REORDER_HDR"]},
            "info_slave_kind":"bridge"},"addr_info":[]},
            {"ifname":"bridge2","ifalias":"vmrunning","linkinfo":{"info_kind":"bridge"},
            "addr_info":[{"local":"192.168.2.5","prefixlen":24}]}]"#;
        assert_eq!(
            shown(&of_ip(text).unwrap()),
            [
                "ix0 is one of a pair, up, 1500 [\"fe80::1/64\"]",
                "ix0.82 is VLAN 82 of ix0, down, 1400 [], in bridge2, ours",
                "bridge2 is a bridge, down, 0 [\"192.168.2.5/24\"]",
            ]
        );
        assert_eq!(of_ip("").unwrap(), []);
        let message = of_ip("Object").unwrap_err().message;
        assert_eq!(message, "what `ip address show` says is no JSON: expected value at line 1 column 1");
    }

    #[test]
    fn a_router_is_read_as_route_shows_it() {
        let text = "   route to: default\ndestination: default\n       mask: default\n    gateway: 192.168.0.7\n\
                    \x20       fib: 0\n  interface: ix0\n      flags: <UP,GATEWAY,DONE,STATIC>\n";
        assert_eq!(of_route(text), Some("192.168.0.7".parse().unwrap()));
        assert_eq!(of_route(""), None);
    }
}

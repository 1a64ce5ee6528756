//! ip(8) of iproute2.

use super::marks::marked;
use super::{Interface, InterfaceKind, address};
use crate::diag::{Cause, Fault};
use crate::host::program::Query;
use crate::model::link::MARK;
use crate::model::{Argv, Router};
use serde_json::Value;

/// Returns the command that tells the interfaces.
pub(super) fn question() -> Argv {
    Argv::new("ip").args(["-json", "-details", "address", "show"])
}

/// Reads the interfaces.
pub(super) fn read(query: Query<'_>) -> Result<Vec<Interface>, Fault> {
    let text = query(&question()).map_err(|fault| match fault.cause {
        Some(Cause::NoProgram) => fault.hint("apt install iproute2"),
        // An ip(8) that is there explains itself.
        _ => fault,
    })?;
    parse_interfaces(&text)
}

/// Reads the default router, that one if it is among several; nothing if there is none.
pub(super) fn default_router(query: Query<'_>, like: &Router) -> Result<Option<Router>, Fault> {
    let family = if like.ip().is_ipv6() { "-6" } else { "-4" };
    let text = query(&Argv::new("ip").args(["-json", family, "route", "show", "default"]))?;
    let routes = json(&text, "ip route show")?;
    let mut all = routes.iter().filter_map(router);
    let first = all.next();
    Ok(if first.as_ref() == Some(like) { first } else { all.find(|other| other == like).or(first) })
}

/// A link-local router is known by the device of its route too.
fn router(route: &Value) -> Option<Router> {
    let text = |key: &str| route.get(key)?.as_str();
    let gateway = text("gateway")?;
    gateway.parse().ok().or_else(|| format!("{gateway}%{}", text("dev")?).parse().ok())
}

fn json(text: &str, what: &str) -> Result<Vec<Value>, Fault> {
    // Of nothing it says nothing at all.
    let text = if text.trim().is_empty() { "[]" } else { text };
    serde_json::from_str(text).map_err(|why| Fault::host(format!("what `{what}` says is no JSON: {why}")))
}

/// Reads what `ip -json -details address show` says.
pub fn parse_interfaces(text: &str) -> Result<Vec<Interface>, Fault> {
    let links = json(text, "ip address show")?;
    let mut all: Vec<Interface> = links.iter().filter_map(interface).collect();
    let text = |link: &Value, key: &str| Some(link.get(key)?.as_str()?.to_string());
    for (member, master) in links.iter().filter_map(|link| Some((text(link, "ifname")?, text(link, "master")?))) {
        // There are other masters: bond(4), vrf(8).
        let is_bridge = |one: &&mut Interface| one.name == master && one.kind == InterfaceKind::Bridge;
        all.iter_mut().filter(is_bridge).for_each(|bridge| bridge.members.push(member.clone()));
    }
    Ok(all)
}

fn interface(link: &Value) -> Option<Interface> {
    let text = |path: &str| link.pointer(path).and_then(Value::as_str);
    let number = |path: &str| link.pointer(path).and_then(Value::as_u64);
    let list = |key: &str| link.get(key).and_then(Value::as_array).into_iter().flatten();
    let kind = match text("/linkinfo/info_kind") {
        Some("bridge") => InterfaceKind::Bridge,
        Some("tun") => InterfaceKind::Tap,
        Some("veth") => InterfaceKind::Pair,
        Some("vlan") => InterfaceKind::Vlan {
            parent: text("/link").unwrap_or_default().into(),
            tag: number("/linkinfo/info_data/id").and_then(|tag| u16::try_from(tag).ok()).unwrap_or_default(),
        },
        Some("vxlan") => {
            let ip =
                |keys: [&str; 2]| keys.iter().find_map(|key| text(&format!("/linkinfo/info_data/{key}"))?.parse().ok());
            let id = number("/linkinfo/info_data/id").and_then(|id| u32::try_from(id).ok()).unwrap_or_default();
            let far = ip(["remote", "remote6"]).or_else(|| ip(["group", "group6"]));
            InterfaceKind::Vxlan { id, local: ip(["local", "local6"]), far }
        }
        _ => InterfaceKind::Other,
    };
    let addresses = list("addr_info").filter_map(|one| {
        let length = one.get("prefixlen").and_then(Value::as_u64).and_then(|length| u8::try_from(length).ok());
        Some(address(one.get("local")?.as_str()?.parse().ok()?, length))
    });
    let has_flag = |flag: &str| list("flags").any(|one| one == flag);
    let alias = text("/ifalias").unwrap_or_default();
    let (mark, folder) = marked(&kind, alias).map(|maker| (maker.machine, maker.folder)).unzip();
    Some(Interface {
        addresses: addresses.collect(),
        mtu: number("/mtu").and_then(|mtu| u32::try_from(mtu).ok()).unwrap_or_default(),
        up: has_flag("UP"),
        mark,
        folder: folder.flatten(),
        has_description: !alias.is_empty(),
        is_ours: alias.strip_prefix(MARK).is_some_and(|rest| rest.starts_with(':')),
        // A tap has a carrier for as long as somebody has it open.
        is_open: kind == InterfaceKind::Tap && has_flag("LOWER_UP"),
        ..Interface::new(text("/ifname")?, kind)
    })
}

#[cfg(test)]
mod tests {
    use super::super::lines;
    use super::*;

    #[test]
    fn interfaces_are_read_as_ip_shows_them() {
        // Captured from iproute2 6.1, shortened.
        let text = r#"[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"link_type":"loopback",
            "addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host","label":"lo"},
            {"family":"inet6","local":"::1","prefixlen":128,"scope":"host"}]},{},
            {"ifname":"ix0","link_netnsid":0,"flags":["BROADCAST","UP"],"mtu":1500,"linkinfo":{"info_kind":"veth"},
            "addr_info":[{"family":"inet6","local":"fe80::1","prefixlen":64}]},
            {"ifname":"ix0.82","link":"ix0","flags":["BROADCAST"],"mtu":1400,"master":"bridge2","ifalias":"vmrun:ix0.82",
            "linkinfo":{"info_kind":"vlan","info_data":{"protocol":"802.1Q","id":82,"flags":["REORDER_HDR"]},
            "info_slave_kind":"bridge"},"addr_info":[]},
            {"ifname":"bridge2","ifalias":"vmrunning","linkinfo":{"info_kind":"bridge","info_data":{"forward_delay":0}},
            "addr_info":[{"local":"192.168.2.5","prefixlen":24},{"local":"192.168.2.6"}]},
            {"ifname":"vx0","flags":["BROADCAST","MULTICAST"],"mtu":1450,"linkinfo":{"info_kind":"vxlan","info_data":{"id":5,
            "remote":"10.0.0.2","local":"10.0.0.1","link":"d0","port":4789}}},
            {"ifname":"bond0","linkinfo":{"info_kind":"bond"}},{"ifname":"ix1","master":"bond0","linkinfo":{"info_slave_kind":"bond"}},
            {"ifindex":6,"ifname":"tap0","master":"bridge2","flags":["UP","LOWER_UP"],"mtu":1500,"ifalias":"vmrun:web",
            "linkinfo":{"info_kind":"tun","info_data":{"type":"tap"},"info_slave_kind":"bridge"},"addr_info":[]}]"#;
        let all = parse_interfaces(text).unwrap();
        assert_eq!(
            lines(&all),
            [
                "lo is something else, up, 65536 [127.0.0.1/8 ::1/128]",
                "ix0 is one of a pair, up, 1500 [fe80::1/64]",
                "ix0.82 is VLAN 82 of ix0, down, 1400 [], in bridge2, ours",
                "bridge2 is a bridge, down, 0 [192.168.2.5/24 192.168.2.6/32]",
                "vx0 is VXLAN 5 from 10.0.0.1 to 10.0.0.2, down, 1450 []",
                "bond0 is something else, down, 0 []",
                "ix1 is something else, down, 0 []",
                "tap0 is a tap, up, 1500 [], in bridge2, ours, of web, open",
            ]
        );
        assert_eq!(parse_interfaces("").unwrap(), []);
        let message = parse_interfaces("Object").unwrap_err().message;
        assert_eq!(message, "what `ip address show` says is no JSON: expected value at line 1 column 1");
    }

    #[test]
    fn a_default_router_is_read_as_ip_tells_it() {
        let router = |text: &str| {
            let like = "192.168.0.6".parse().unwrap();
            default_router(&|_| Ok(text.into()), &like).unwrap().map(|router| router.to_string())
        };
        let text = r#"[{"dst":"default","gateway":"192.168.0.7","dev":"eth0","protocol":"static","flags":[]}]"#;
        assert_eq!((router(text), router("[]"), router("")), (Some("192.168.0.7".into()), None, None));
        let asked = |argv: &Argv| Err(Fault::host(argv.to_string()));
        let fault = default_router(&asked, &"fd00::6".parse().unwrap()).unwrap_err();
        assert_eq!(fault.message, "ip -json -6 route show default");
    }

    #[test]
    fn a_link_local_router_is_one_on_its_link() {
        // Captured from iproute2 6.1.
        let text = r#"[{"dst":"default","gateway":"fe80::2","dev":"d0","metric":100,"flags":[],"pref":"medium"},
            {"dst":"default","gateway":"fe80::1","dev":"d1","metric":1024,"flags":[],"pref":"medium"}]"#;
        for (like, found) in [("fe80::1%d1", "fe80::1%d1"), ("fe80::1%d0", "fe80::2%d0")] {
            let router = default_router(&|_| Ok(text.into()), &like.parse().unwrap()).unwrap().unwrap();
            assert_eq!(router.to_string(), found);
        }
    }

    #[test]
    fn where_ip_is_missing_it_is_said_what_brings_it() {
        let fault = read(&|_| Err(Fault::host("cannot start `ip`: no such file").cause(Cause::NoProgram))).unwrap_err();
        assert_eq!(fault.hint.as_deref(), Some("apt install iproute2"));
        let fault = read(&|argv| Err(Fault::host(format!("`{argv}` failed with status 1")))).unwrap_err();
        assert_eq!(fault.message, "`ip -json -details address show` failed with status 1");
        assert_eq!(fault.hint, None);
    }
}

//! What makes an interface, with all that it has: ifconfig(8) and ip-link(8).

use super::unmarked;
use crate::host::interfaces::marks::{Maker, mark, mark_link};
use crate::model::link::MARK;
use crate::model::{Argv, InterfaceName, Link, LinkKind, Vxlan};
use crate::network::naming;

/// Returns the call of ifconfig(8) that gives an interface of a link all that it is to have.
fn freebsd_words(maker: Option<&Maker>, link: &Link, name: &InterfaceName) -> Argv {
    let mut argv = Argv::new("ifconfig").arg(name);
    if let LinkKind::Vlan { parent, tag } = &link.kind
        && link.name.as_str() != format!("{parent}.{tag}")
    {
        argv = argv.arg("vlan").arg(tag).arg("vlandev").arg(parent);
    }
    if let LinkKind::Vxlan(vxlan) = &link.kind {
        argv = argv.args(vxlan.words());
    }
    if let Some(mark) = link_mark(maker, link, name) {
        argv = argv.args(["group", MARK, "description"]).arg(mark);
    }
    if let Some(mtu) = link.mtu {
        argv = argv.arg("mtu").arg(mtu);
    }
    if link.up { argv.arg("up") } else { argv }
}

/// ifconfig(8). An interface is made by a call that says nothing else, since only that one is refused where there is one of the name
/// already: with a word behind `create` the one that is there is taken instead (12.1, ifconfig-tap.txt). A family of addresses is
/// known only as the first word behind the name (12.1, ifconfig-bridge.txt), so that each address has a call of its own.
pub(super) fn freebsd_link(maker: Option<&Maker>, link: &Link) -> Vec<Argv> {
    let ifconfig = |name: &dyn std::fmt::Display| Argv::new("ifconfig").arg(name);
    let mut argvs = match naming::first_name(link) {
        Some(first) => vec![ifconfig(&first).arg("create"), ifconfig(&first).arg("name").arg(&link.name)],
        None => vec![ifconfig(&naming::made(link)).arg("create")],
    };
    for name in link.names() {
        let argv = freebsd_words(maker, link, name);
        argvs.extend((argv.args.len() > 1).then_some(argv));
    }
    for (at, address) in link.addresses.iter().enumerate() {
        let argv = ifconfig(&link.name).arg(if address.ip.is_ipv4() { "inet" } else { "inet6" }).arg(address);
        argvs.push(if at > 0 { argv.arg("alias") } else { argv });
    }
    argvs
}

/// What marks one of the interfaces that a link is; nothing for a tap of nobody. The second one of a pair goes with the first.
fn link_mark(maker: Option<&Maker>, link: &Link, name: &InterfaceName) -> Option<String> {
    match (maker, &link.kind) {
        (None, LinkKind::Tap) => None,
        (Some(maker), LinkKind::Tap) => Some(mark(maker, link)),
        (Some(maker), _) if *name == link.name => Some(mark_link(maker, link)),
        _ => Some(link.mark(name)),
    }
}

/// ip-link(8). A bridge forwards at once, as FreeBSD's does. As with a tap, what a machine's run makes gets its name and its mark
/// at once.
pub(super) fn linux_link(maker: Option<&Maker>, link: &Link) -> Vec<Argv> {
    let ip = |words: &[&str]| Argv::new("ip").args(words);
    let add = || ip(&["link", "add"]);
    let first = |name: &InterfaceName| maker.map_or_else(|| name.to_string(), |_| unmarked(name));
    let name = first(&link.name);
    let made = match &link.kind {
        LinkKind::Vlan { parent, tag } => {
            add().arg("link").arg(parent).arg("name").arg(name).args(["type", "vlan", "id"]).arg(tag)
        }
        LinkKind::Vxlan(vxlan) => linux_vxlan(add().arg("name").arg(name), vxlan),
        LinkKind::Bridge => add().arg("name").arg(name).args(["type", "bridge", "forward_delay", "0"]),
        LinkKind::Pair { peer } => add().arg("name").arg(name).args(["type", "veth", "peer", "name"]).arg(first(peer)),
        LinkKind::Tap => ip(&["tuntap", "add", "dev", &name, "mode", "tap"]),
    };
    let mut argvs = vec![made];
    for name in link.names() {
        let mut argv = ip(&["link", "set", "dev"]);
        argv = match maker {
            Some(_) => argv.arg(first(name)).arg("name").arg(name),
            None => argv.arg(name),
        };
        if let Some(mark) = link_mark(maker, link, name) {
            argv = argv.arg("alias").arg(mark);
        }
        if let Some(mtu) = link.mtu {
            argv = argv.arg("mtu").arg(mtu);
        }
        argvs.push(if link.up { argv.arg("up") } else { argv });
    }
    argvs.extend(link.addresses.iter().map(|address| {
        let argv = ip(&["address", "add"]).arg(address).arg("dev").arg(&link.name);
        // Until duplicates are ruled out, nothing can listen on an address of version 6.
        if address.ip.is_ipv6() { argv.arg("nodad") } else { argv }
    }));
    argvs
}

/// ip-link(8). The port is always said: Linux has one of its own.
fn linux_vxlan(add: Argv, vxlan: &Vxlan) -> Argv {
    let argv = add.args(["type", "vxlan", "id"]).arg(vxlan.id).arg("local").arg(vxlan.local);
    let argv = argv.arg(vxlan.far.key()).arg(vxlan.far.ip());
    let argv = vxlan.dev.iter().fold(argv, |argv, dev| argv.arg("dev").arg(dev));
    argv.arg("dstport").arg(vxlan.port)
}

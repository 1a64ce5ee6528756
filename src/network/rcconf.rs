//! The lines of rc.conf(5) that make a network.

use super::{Network, naming};
use crate::model::{InterfaceName, Link, LinkKind, NetAddress};

/// Returns the lines, in the order in which one would write them: cards and their VLANs, routers, what is cloned.
pub(crate) fn rcconf(network: &Network) -> Vec<String> {
    let mut lines = Vec::new();
    for (parent, vlans) in network.parents() {
        if network.link(parent).is_none() {
            lines.push(line("ifconfig", parent, "", "up"));
        }
        let own = |link: &Link, tag: &dyn ToString| link.name.as_str() == format!("{parent}.{}", tag.to_string());
        let names =
            vlans.iter().map(|(link, tag)| if own(link, tag) { tag.to_string() } else { link.name.to_string() });
        lines.push(line("vlans", parent, "", &names.collect::<Vec<_>>().join(" ")));
        for (link, tag) in &vlans {
            if !own(link, tag) {
                lines.push(line("create_args", &link.name, "", &format!("vlan {tag}")));
            }
        }
        vlans.iter().for_each(|(link, _)| lines.extend(interface(&link.name, link, &[])));
    }
    lines.extend(network.routers.iter().map(|router| {
        let variable = if router.ip().is_ipv6() { "ipv6_defaultrouter" } else { "defaultrouter" };
        format!("{variable}=\"{router}\"")
    }));
    lines.extend(cloned(network));
    lines
}

fn cloned(network: &Network) -> Vec<String> {
    let is_cloned = |link: &&Link| !matches!(link.kind, LinkKind::Vlan { .. });
    let all: Vec<&Link> = network.links.iter().filter(is_cloned).collect();
    // One that FreeBSD does not make under its name is made under another, and renamed (rc.conf(5), `ifconfig_bridge0_name`).
    let first = |link: &&Link| naming::first_name(link).map(|first| (first, Some(link.name.clone())));
    let made: Vec<(String, Option<InterfaceName>)> =
        all.iter().map(|link| first(link).unwrap_or_else(|| (naming::made(link).to_string(), None))).collect();
    let mut lines = Vec::new();
    if !made.is_empty() {
        let names: Vec<&str> = made.iter().map(|(name, _)| name.as_str()).collect();
        lines.push(format!("cloned_interfaces=\"{}\"", names.join(" ")));
    }
    for (link, (made, _)) in all.iter().zip(&made) {
        if let LinkKind::Vxlan(vxlan) = &link.kind {
            lines.push(format!("create_args_{made}=\"{}\"", vxlan.words().join(" ")));
        }
    }
    lines.extend(made.iter().filter_map(|(made, name)| Some(format!("ifconfig_{made}_name=\"{}\"", name.as_ref()?))));
    for link in all {
        for name in link.names() {
            let members = network.members_of(name).into_iter().map(|(member, how)| how.words(member).join(" "));
            lines.extend(interface(name, &given(network, link, name), &members.collect::<Vec<_>>()));
        }
    }
    for (bridge, member, how) in network.members.iter().filter(|(bridge, ..)| network.link(bridge).is_none()) {
        lines.push(format!("# {bridge} is made elsewhere; its line needs: {}", how.words(member).join(" ")));
    }
    lines
}

/// An interface with the MTU that it is given to join its bridge.
fn given(network: &Network, link: &Link, name: &InterfaceName) -> Link {
    let joins = network.members.iter().find(|(_, member, _)| member == name);
    Link { mtu: link.mtu.or(joins.and_then(|(.., how)| how.mtu)), ..link.clone() }
}

/// The lines that configure one interface. An address makes it go up by itself.
fn interface(name: &InterfaceName, link: &Link, first: &[String]) -> Vec<String> {
    let (v4, v6): (Vec<&NetAddress>, Vec<&NetAddress>) =
        link.addresses.iter().partition(|address| address.ip.is_ipv4());
    let mut words: Vec<String> = v4.first().map(|address| format!("inet {address}")).into_iter().collect();
    words.extend(link.mtu.map(|mtu| format!("mtu {mtu}")));
    words.extend(first.iter().cloned());
    if link.up && (v4.is_empty() || !first.is_empty()) {
        words.push("up".into());
    }
    let mut lines = Vec::new();
    if !words.is_empty() {
        lines.push(line("ifconfig", name, "", &words.join(" ")));
    }
    lines.extend(v6.first().map(|address| line("ifconfig", name, "_ipv6", &format!("inet6 {address}"))));
    let more = v4.iter().skip(1).map(|address| format!("inet {address}"));
    let more = more.chain(v6.iter().skip(1).map(|address| format!("inet6 {address}")));
    lines.extend(more.enumerate().map(|(at, words)| line("ifconfig", name, &format!("_alias{at}"), &words)));
    lines.extend(link.description.as_ref().map(|text| line("ifconfig", name, "_descr", text)));
    lines
}

/// rc(8) writes `_` for what a variable's name cannot have.
fn line(prefix: &str, name: &InterfaceName, suffix: &str, value: &str) -> String {
    let name = name.as_str().replace(['.', '-'], "_");
    format!("{prefix}_{name}{suffix}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::super::samples::odd;
    use super::*;

    #[test]
    fn everything_that_a_recipe_can_mean_has_a_line() {
        let expected = r#"
ifconfig_ix0="up"
vlans_ix0="80 guests"
create_args_guests="vlan 81"
ifconfig_ix0_80="inet 10.0.0.1/24 mtu 9000"
ifconfig_ix0_80_ipv6="inet6 fd00::1/64"
ifconfig_ix0_80_alias0="inet 10.0.1.1/24"
ifconfig_ix0_80_alias1="inet6 fd01::1/64"
ifconfig_guests="up"
ifconfig_guests_descr="the guests"
vlans_epair0a="5"
defaultrouter="10.0.0.7"
ipv6_defaultrouter="fd00::7"
cloned_interfaces="epair0 vxlan0 bridge2 bridge3"
create_args_vxlan0="vxlanid 108 vxlanlocal 10.0.0.1 vxlangroup 224.0.2.6 vxlanlocalport 4790 vxlanremoteport 4790 vxlandev ix1"
ifconfig_epair0a="mtu 1400 up"
ifconfig_epair0b="mtu 1400 up"
ifconfig_vxlan0="mtu 1450 up"
ifconfig_bridge2="inet 192.168.9.1/24 addm guests addm epair0b addm vxlan0 up"
# bridge7 is made elsewhere; its line needs: addm ix0.80
"#;
        assert_eq!(rcconf(&odd()).join("\n"), expected.trim());
        assert_eq!(rcconf(&Network::default()), [""; 0]);
    }
}

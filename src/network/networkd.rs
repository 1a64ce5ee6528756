//! The files of systemd-networkd that make a network: systemd.netdev(5), systemd.network(5).

use super::Network;
use crate::model::{Far, InterfaceName, Link, LinkKind, Vxlan};
use std::collections::BTreeSet;

/// Returns the names and texts of files for /etc/systemd/network.
pub(crate) fn networkd(network: &Network) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> =
        network.links.iter().map(|link| (file(&link.name, "netdev"), netdev(link))).collect();
    for link in &network.links {
        files.extend(link.names().into_iter().map(|name| (file(name, "network"), of_link(network, link, name))));
    }
    // What the recipe does not make only gets what hangs on it.
    let foreign = |name: &&InterfaceName| network.link(name).is_none();
    let carriers = network.parents().into_iter().map(|(parent, _)| parent).chain(network.vxlans().map(|(dev, _)| dev));
    let members = network.members.iter().map(|(_, member, _)| member);
    let zones = network.routers.iter().filter_map(|router| router.zone());
    let mut others: Vec<&InterfaceName> = carriers.chain(members).chain(zones).filter(foreign).collect();
    let mut known = BTreeSet::new();
    others.retain(|name| known.insert(*name));
    files.extend(others.into_iter().map(|name| (file(name, "network"), of_other(network, name))));
    files
}

fn file(name: &InterfaceName, kind: &str) -> String {
    format!("50-vmrun-{name}.{kind}")
}

fn netdev(link: &Link) -> String {
    let kind = match link.kind {
        LinkKind::Vlan { .. } => "vlan",
        LinkKind::Vxlan(_) => "vxlan",
        LinkKind::Bridge => "bridge",
        LinkKind::Pair { .. } => "veth",
        LinkKind::Tap => "tap",
    };
    let mut text = format!("[NetDev]\nName={}\nKind={kind}\n", link.name);
    if let Some(description) = &link.description {
        text.push_str(&format!("Description={description}\n"));
    }
    if let Some(mtu) = link.mtu {
        text.push_str(&format!("MTUBytes={mtu}\n"));
    }
    text += &match &link.kind {
        LinkKind::Vlan { tag, .. } => format!("\n[VLAN]\nId={tag}\n"),
        LinkKind::Vxlan(vxlan) => format!("\n{}", vxlan_section(vxlan)),
        LinkKind::Bridge => "\n[Bridge]\nForwardDelaySec=0\n".to_string(),
        LinkKind::Pair { peer } => format!("\n[Peer]\nName={peer}\n"),
        LinkKind::Tap => String::new(),
    };
    text
}

/// systemd.netdev(5), \[VXLAN\]; one that no card carries says so.
fn vxlan_section(vxlan: &Vxlan) -> String {
    let (far, key) = (vxlan.far.ip(), if matches!(vxlan.far, Far::Remote(_)) { "Remote" } else { "Group" });
    let alone = if vxlan.dev.is_none() { "Independent=yes\n" } else { "" };
    format!("[VXLAN]\nVNI={}\nLocal={}\n{key}={far}\nDestinationPort={}\n{alone}", vxlan.id, vxlan.local, vxlan.port)
}

fn of_link(network: &Network, link: &Link, name: &InterfaceName) -> String {
    let mut text = format!("[Match]\nName={name}\n");
    if !link.up {
        text.push_str("\n[Link]\nActivationPolicy=down\n");
    }
    text.push_str("\n[Network]\n");
    for address in &link.addresses {
        text.push_str(&format!("Address={address}\n"));
    }
    let gateways: Vec<String> = network
        .routers
        .iter()
        .filter(|router| router.zone().is_none() && link.addresses.iter().any(|own| own.reaches(router.ip())))
        .map(|router| format!("Gateway={router}\n"))
        .collect();
    text += &gateways.concat();
    // A link-local router is reached from an address of its kind.
    if link.addresses.is_empty() && !is_zone(network, name) {
        text.push_str("LinkLocalAddressing=no\n");
    }
    if link.kind == LinkKind::Bridge {
        text.push_str("ConfigureWithoutCarrier=yes\n");
    }
    text + hanging(network, name).as_str()
}

/// Whether a default router is on the link of an interface.
fn is_zone(network: &Network, name: &InterfaceName) -> bool {
    network.routers.iter().any(|router| router.zone() == Some(name))
}

fn of_other(network: &Network, name: &InterfaceName) -> String {
    format!(
        "# If another file matches {name} already, these lines belong there.\n[Match]\nName={name}\n\n[Network]\n{}",
        hanging(network, name)
    )
}

fn hanging(network: &Network, name: &InterfaceName) -> String {
    let vlans = network.parents().into_iter().filter(|(parent, _)| *parent == name);
    let vlans = vlans.flat_map(|(_, vlans)| vlans).map(|(link, _)| format!("VLAN={}\n", link.name));
    let bridges = || network.members.iter().filter(|(_, member, how)| member == name && !how.is_span);
    let tunnels = network.vxlans().filter(|(dev, _)| *dev == name).map(|(_, link)| format!("VXLAN={}\n", link.name));
    let routers = network.routers.iter().filter(|router| router.zone() == Some(name));
    let routers = routers.map(|router| format!("Gateway={}\n", router.ip()));
    let masters = bridges().map(|(bridge, ..)| format!("Bridge={bridge}\n"));
    let mut text: String = routers.chain(vlans).chain(tunnels).chain(masters).collect();
    let switches = bridges().flat_map(|(.., how)| &how.switches).filter_map(|(word, is_on)| {
        let key = match *word {
            "private" => "Isolated",
            "learn" => "Learning",
            "discover" => "UnicastFlood",
            _ => return None,
        };
        Some(format!("{key}={}\n", if *is_on { "yes" } else { "no" }))
    });
    let switches: String = switches.collect();
    if !switches.is_empty() {
        text.push_str(&format!("\n[Bridge]\n{switches}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::samples::odd;
    use super::*;

    #[test]
    fn everything_that_a_recipe_can_mean_has_a_file() {
        let files = networkd(&odd());
        let text: Vec<String> = files.iter().map(|(name, text)| format!("# {name}\n{text}")).collect();
        assert_eq!(text.join("\n"), include_str!("networkd.txt"));
        assert_eq!(networkd(&Network::default()), []);
    }
}

//! What a network recipe means, and the files with which a host makes the same at every start: rc.conf(5) of FreeBSD, and
//! systemd.network(5) and systemd.netdev(5) of Linux.

pub(crate) mod naming;
mod networkd;
mod rcconf;

pub(crate) use networkd::networkd;
pub(crate) use rcconf::rcconf;

use crate::model::{InterfaceName, Link, LinkKind, Membership, Router, VlanTag};

/// What a network is made of, each in the order of the recipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Network {
    /// The interfaces that are made.
    pub links: Vec<Link>,
    /// Bridges, their members, and how these are that.
    pub members: Vec<(InterfaceName, InterfaceName, Membership)>,
    /// The default routers, one for each version of IP at most.
    pub routers: Vec<Router>,
}

impl Network {
    fn link(&self, name: &InterfaceName) -> Option<&Link> {
        self.links.iter().find(|link| link.names().contains(&name))
    }

    /// Returns the interfaces that carry VLANs, with those VLANs.
    fn parents(&self) -> Vec<(&InterfaceName, Vec<(&Link, VlanTag)>)> {
        let mut all: Vec<(&InterfaceName, Vec<(&Link, VlanTag)>)> = Vec::new();
        for link in &self.links {
            let LinkKind::Vlan { parent, tag } = &link.kind else { continue };
            match all.iter_mut().find(|(known, _)| *known == parent) {
                Some((_, vlans)) => vlans.push((link, *tag)),
                None => all.push((parent, vec![(link, *tag)])),
            }
        }
        all
    }

    /// Returns the cards that carry VXLANs, each with one of them.
    fn vxlans(&self) -> impl Iterator<Item = (&InterfaceName, &Link)> {
        self.links.iter().filter_map(|link| match &link.kind {
            LinkKind::Vxlan(vxlan) => Some((vxlan.dev.as_ref()?, link)),
            LinkKind::Vlan { .. } | LinkKind::Bridge | LinkKind::Pair { .. } | LinkKind::Tap => None,
        })
    }

    fn members_of(&self, bridge: &InterfaceName) -> Vec<(&InterfaceName, &Membership)> {
        self.members.iter().filter(|(of, ..)| of == bridge).map(|(_, member, how)| (member, how)).collect()
    }
}

#[cfg(test)]
mod samples {
    use super::*;
    use crate::model::{Far, Vxlan};

    pub(super) fn name(text: &str) -> InterfaceName {
        text.parse().unwrap()
    }

    fn vlan(link: &str, parent: &str, tag: i64, addresses: &[&str]) -> Link {
        let kind = LinkKind::Vlan { parent: name(parent), tag: tag.try_into().unwrap() };
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Link { addresses, ..Link::new(name(link), kind) }
    }

    pub(super) fn vxlan() -> Vxlan {
        let far = Far::Group("224.0.2.6".parse().unwrap());
        let id = 108.try_into().unwrap();
        Vxlan { id, local: "10.0.0.1".parse().unwrap(), far, dev: Some(name("ix1")), port: 4790 }
    }

    /// Everything that there is, in odd forms.
    pub(super) fn odd() -> Network {
        let bridge = |text: &str| Link::new(name(text), LinkKind::Bridge);
        let pair = Link::new(name("epair0a"), LinkKind::Pair { peer: name("epair0b") });
        Network {
            links: vec![
                Link {
                    mtu: Some(9000),
                    ..vlan("ix0.80", "ix0", 80, &["10.0.0.1/24", "10.0.1.1/24", "fd00::1/64", "fd01::1/64"])
                },
                Link { description: Some("the guests".into()), ..vlan("guests", "ix0", 81, &[]) },
                Link { mtu: Some(1400), ..pair },
                Link { up: false, ..vlan("epair0a.5", "epair0a", 5, &[]) },
                Link { mtu: Some(1450), ..Link::new(name("vxlan0"), LinkKind::Vxlan(vxlan())) },
                Link { addresses: vec!["192.168.9.1/24".parse().unwrap()], ..bridge("bridge2") },
                Link { up: false, ..bridge("bridge3") },
            ],
            members: [("bridge2", "guests"), ("bridge2", "epair0b"), ("bridge2", "vxlan0"), ("bridge7", "ix0.80")]
                .map(|(bridge, member)| (name(bridge), name(member), Membership::default()))
                .into(),
            routers: vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
        }
    }
}

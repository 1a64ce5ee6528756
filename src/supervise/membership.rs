//! The MTU of a bridge and of its members, which is one: bridge(4) takes that of its first member, and refuses a later one of
//! another or changes it.

use super::Run;
use super::holds::Hold;
use crate::diag::Fault;
use crate::host::{Effect, Interface, Platform};
use crate::model::{InterfaceName, Link, LinkKind, Membership};

/// How long a packet of Ethernet may be, in bytes, on an interface of which nobody said otherwise.
const MTU: u32 = 1500;

impl Run {
    /// Returns the MTU that an interface has to be given before it joins a bridge, in bytes; nothing if it has that already, or if
    /// neither is known. A tap or a pair that this run made without one is given the bridge's; whatever was said of another, or is
    /// so on the host, stays, and is a fault where the bridge has members of another.
    pub(crate) fn mtu_to_join(&self, bridge: &InterfaceName, member: &InterfaceName) -> Result<Option<u16>, Fault> {
        let settings = self.host.settings();
        if settings.user_net {
            return Ok(None);
        }
        let interfaces = self.host.interfaces()?;
        let on_host = |name: &InterfaceName| interfaces.iter().find(|one| one.name == name.as_str());
        let own = self.link(member);
        let is_free = own.is_some_and(|link| link.mtu.is_none() && !matches!(link.kind, LinkKind::Vlan { .. }));
        let Some(its) = self.mtu_of(member, &interfaces) else { return Ok(None) };
        let made = self.link(bridge).map(|link| link.mtu.map_or(MTU, u32::from));
        let Some(mut mtu) = on_host(bridge).map(|one| one.mtu).filter(|mtu| *mtu > 0).or(made) else {
            return Ok(None);
        };
        let mut is_empty = on_host(bridge).is_none_or(|one| one.members.is_empty());
        for (joined, how) in self.members(bridge) {
            if is_empty {
                mtu = how.mtu.map(u32::from).or_else(|| self.mtu_of(joined, &interfaces)).unwrap_or(mtu);
            }
            is_empty = false;
        }
        if mtu == its {
            return Ok(None);
        }
        if is_free {
            return Ok(u16::try_from(mtu).ok());
        }
        // Linux has a bridge go by the smallest of its members. One of FreeBSD without members takes whatever comes, unless the recipe
        // says what it is to be.
        let is_said = self.link(bridge).is_some_and(|link| link.mtu.is_some());
        if is_empty && !is_said || settings.platform == Platform::Linux {
            return Ok(None);
        }
        let of = if is_empty { bridge.to_string() } else { format!("the members of {bridge}") };
        let fault = Fault::new(format!("{member} has an MTU of {its} bytes, and {of} one of {mtu}"));
        Err(fault.hint(match own {
            Some(link) if link.mtu.is_some() && !matches!(link.kind, LinkKind::Vxlan(_)) => {
                format!("leave its `mtu` out, or make it {mtu}: a bridge has one MTU")
            }
            Some(Link { kind: LinkKind::Vxlan(_), .. }) => format!(
                "a VXLAN has that of its card without its headers: make its `mtu` {mtu}, or give {bridge} one of {its}"
            ),
            Some(_) => format!("a VLAN has the MTU of its card: make that {mtu}, or give {bridge} another"),
            None => format!("it is not vmrun's to change: a bridge has one MTU, ifconfig {member} mtu {mtu}"),
        }))
    }

    /// Returns the MTU that an interface has, or will have; nothing where that is not known. A VLAN has that of its card, which may be
    /// a VLAN too; on a host that is not here they may be said of each other.
    pub(crate) fn mtu_of<'a>(&'a self, mut name: &'a InterfaceName, interfaces: &[Interface]) -> Option<u32> {
        for _ in 0..=self.holds.len() {
            name = match self.link(name) {
                Some(Link { mtu: Some(mtu), .. }) => return Some(u32::from(*mtu)),
                Some(Link { kind: LinkKind::Vlan { parent, .. }, .. }) => parent,
                Some(_) => return Some(MTU),
                None => {
                    let known = interfaces.iter().find(|one| one.name == name.as_str());
                    return known.map(|one| one.mtu).filter(|mtu| *mtu > 0);
                }
            };
        }
        None
    }

    /// Returns what was said of an interface that the run has made.
    fn link(&self, name: &InterfaceName) -> Option<&Link> {
        self.holds.iter().find_map(|hold| match hold {
            Hold::Effect(Effect::CreateLink(link)) if link.names().contains(&name) => Some(&**link),
            Hold::Effect(_)
            | Hold::Lock(_)
            | Hold::Node(_)
            | Hold::Image(..)
            | Hold::Temporary(_)
            | Hold::Link(_)
            | Hold::Jail(_)
            | Hold::Helper { .. }
            | Hold::Guest { .. } => None,
        })
    }

    /// Returns the members that the run has given a bridge.
    fn members(&self, of: &InterfaceName) -> impl Iterator<Item = (&InterfaceName, &Membership)> {
        let holds =
            self.holds.iter().filter_map(|hold| if let Hold::Effect(effect) = hold { Some(effect) } else { None });
        holds.chain(&self.joined).filter_map(move |effect| match effect {
            Effect::Join { bridge, member, how } if bridge == of && !how.is_span => Some((member, how)),
            // Only a membership makes a member.
            _ => None,
        })
    }
}

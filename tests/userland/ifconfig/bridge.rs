//! The members of a bridge: they come, go, and have flags.

use super::words::{Target, refused};
use crate::exit::{EBUSY, EEXIST, EINVAL, ENOENT, EPERM, Step};
use crate::interface::{self, Interface, Kind, Member};

/// The flags of a member that a bridge sets by itself.
const FIRST: &[&str] = &["learn", "discover", "autoedge", "autoptp"];

/// The flags of a member that can be set, and with a `-` before them taken away.
pub(super) const FLAGS: &[&str] = &["private", "stp", "edge", "autoedge", "ptp", "autoptp", "learn", "discover"];

impl Target<'_> {
    /// The bridge that an interface is a member of.
    pub(super) fn bridge_of(&self, name: &str) -> Step<Option<Interface>> {
        let all = interface::all(self.host.state)?;
        Ok(all.into_iter().find(|one| one.has_member(name)))
    }

    pub(super) fn add_member(&self, name: &str) -> Step<()> {
        let what = format!("BRDGADD {name}");
        let mut bridge = self.load()?;
        if bridge.kind != Kind::Bridge {
            return Err(refused(what, EINVAL));
        }
        self.privileged(&what, EPERM)?;
        let mut member = interface::load(self.host.state, name)?.ok_or_else(|| refused(&what, ENOENT))?;
        match self.bridge_of(name)? {
            Some(other) if other.name == bridge.name => return Err(refused(what, EEXIST)),
            Some(_) => return Err(refused(what, EBUSY)),
            None => {}
        }
        // The first member gives the bridge its mtu. A later one with another mtu is refused by 12; from 13 on it is given the
        // bridge's, which a card is taken to refuse, as one without jumbo frames would (k).
        let gives_way = self.host.release.major >= 13 && member.kind != Kind::Ether;
        let refuses_addresses = self.host.release.major >= 15
            && self.host.state.sysctl("net.link.bridge.member_ifaddrs")?.is_some_and(|value| value == "0");
        match member.kind {
            Kind::Bridge | Kind::Lo => return Err(refused(what, EINVAL)),
            // From 15 on, if net.link.bridge.member_ifaddrs says so.
            _ if refuses_addresses && !member.addresses.is_empty() => return Err(refused(what, EINVAL)),
            _ if bridge.members.is_empty() => bridge.mtu = member.mtu,
            _ if member.mtu != bridge.mtu && !gives_way => return Err(refused(what, EINVAL)),
            _ => member.mtu = bridge.mtu,
        }
        bridge.members.push(Member { name: name.to_string(), flags: Vec::new() });
        member.save(self.host.state)?;
        Ok(bridge.save(self.host.state)?)
    }

    pub(super) fn remove_member(&self, name: &str) -> Step<()> {
        let what = format!("BRDGDEL {name}");
        self.privileged(&what, EPERM)?;
        if !self.load()?.has_member(name) {
            return Err(refused(what, ENOENT));
        }
        self.change(|bridge| bridge.members.retain(|member| member.name != name))
    }

    /// Adds a port that is sent a copy of everything, or takes it away. The words are those of if_bridge's source. (k)
    pub(super) fn span(&self, word: &str, name: &str) -> Step<()> {
        let is_new = !word.starts_with('-');
        let what = format!("{} {name}", if is_new { "BRDGADDS" } else { "BRDGDELS" });
        self.privileged(&what, EPERM)?;
        interface::load(self.host.state, name)?.ok_or_else(|| refused(&what, ENOENT))?;
        let bridge = self.bridge_of(name)?;
        if is_new {
            if bridge.is_some() {
                return Err(refused(what, EBUSY));
            }
            return self.change(|one| {
                one.members.push(Member { name: name.to_string(), flags: vec!["span".to_string()] });
            });
        }
        let is_port = |member: &Member| member.name == name && member.is_span();
        if !self.load()?.members.iter().any(is_port) {
            return Err(refused(what, ENOENT));
        }
        self.change(|one| one.members.retain(|member| !is_port(member)))
    }

    /// Sets a flag of a member, or takes it away; only what is not so from the beginning is kept.
    pub(super) fn member_flag(&self, word: &str, name: &str) -> Step<()> {
        let mut bridge = self.load()?;
        let member = bridge.members.iter_mut().find(|member| member.name == name);
        let member = member.ok_or_else(|| refused("unable to get bridge flags", ENOENT))?;
        self.privileged("unable to set bridge flags", EPERM)?;
        let (flag, is_set) = word.strip_prefix('-').map_or((word, true), |flag| (flag, false));
        member.flags.retain(|kept| kept != flag);
        if is_set != FIRST.contains(&flag) {
            member.flags.push(flag.to_string());
        }
        Ok(bridge.save(self.host.state)?)
    }

    /// Sets the mtu of a bridge that has members: 12 only takes the one they all have, from 13 on they are given it.
    pub(super) fn mtu_of_members(&self, bridge: &Interface, mtu: u32) -> Result<Vec<Interface>, crate::exit::Exit> {
        let all = interface::all(self.host.state)?;
        let mut members: Vec<Interface> = all.into_iter().filter(|one| bridge.has_member(&one.name)).collect();
        if self.host.release.major < 13 && members.iter().any(|member| member.mtu != mtu) {
            return Err(refused(super::words::SET_MTU, EINVAL));
        }
        members.iter_mut().for_each(|member| member.mtu = mtu);
        Ok(members)
    }
}

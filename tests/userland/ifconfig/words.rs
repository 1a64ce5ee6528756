//! What the words behind an interface do to it.
//!
//! As ifconfig does it: a family of addresses is known as such only at the beginning (behind `create`, behind the words of a vlan),
//! and any other word that is not known is an address.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::thread;
use std::time::Duration;

use super::show::Family;
use super::{Host, bridge, clone, vnet, vxlan};
use crate::exit::{EBUSY, EEXIST, EINVAL, EPERM, Exit, Step, say};
use crate::interface::{self, Address, Interface, Kind};
use crate::state::State;

/// The limits of any MTU: `IF_MINMTU` and `IF_MAXMTU`.
const MTU: std::ops::RangeInclusive<i128> = 72..=65535;

pub(super) const SET_MTU: &str = "ioctl SIOCSIFMTU (set mtu)";

/// The interface that is being changed.
pub(crate) struct Target<'a> {
    pub(super) host: &'a Host<'a>,
    name: String,
    /// Whether the name is to be printed: it was chosen by the system, or has changed.
    renamed: bool,
    family: Family,
    address: Wanted,
    tag: Option<i128>,
    parent: Option<String>,
}

/// The address that is being put together; it is set when all words have been read.
#[derive(Default)]
struct Wanted {
    address: Option<Address>,
    ether: Option<Vec<i128>>,
    /// The mask, where it was told apart from the address.
    bits: Option<u8>,
    alias: bool,
    remove: bool,
}

pub(super) fn refused(what: impl std::fmt::Display, why: &str) -> Exit {
    Exit::new(1, format!("ifconfig: {what}: {why}"))
}

/// A tap that is destroyed from 13 on: it waits until nobody has it open. What is refused anyway is not waited for.
pub(crate) fn wait_until_closed(host: &Host, name: &str) -> Step<()> {
    const POLL: Duration = Duration::from_millis(10);
    if host.release.major < 13 || !host.is_root {
        return Ok(());
    }
    while interface::load(host.state, name)?.is_some_and(|one| one.opener().is_some()) {
        thread::sleep(POLL);
    }
    Ok(())
}

impl<'a> Target<'a> {
    pub(crate) fn new(host: &'a Host<'a>, name: &str) -> Self {
        Self {
            host,
            name: name.to_string(),
            renamed: false,
            family: Family::Inet,
            address: Wanted::default(),
            tag: None,
            parent: None,
        }
    }

    /// Goes on with an interface that has just been made.
    pub(crate) fn created(&mut self, made: &str, words: &[String]) -> Step<()> {
        self.renamed = made != self.name;
        self.name = made.to_string();
        self.apply(words)
    }

    /// Prints the name if the caller cannot know it; ifconfig does so even when a later word was refused.
    pub(crate) fn announce(&self) {
        if self.renamed {
            say(format!("{}\n", self.name));
        }
    }

    /// Applies words one by one.
    pub(crate) fn apply(&mut self, words: &[String]) -> Step<()> {
        let mut words = words.iter();
        let first = words.as_slice().first().and_then(|word| super::family(word));
        if let Some(family) = first {
            self.family = family;
            words.next();
        }
        while let Some(word) = words.next() {
            let alone = self.plain(word)?;
            if !alone && takes_value(word) {
                let value = words.next();
                let value = value.ok_or_else(|| Exit::new(1, format!("ifconfig: '{word}' requires argument")))?;
                self.valued(word, value)?;
            } else if !alone {
                self.read_address(word)?;
            }
        }
        self.set_address()
    }

    /// A word that stands alone; false if it is none.
    fn plain(&mut self, word: &str) -> Step<bool> {
        match word {
            "up" => {
                self.privileged(word, "permission denied")?;
                let link_local = self.host.link_local();
                self.change(|one| one.raise(link_local))?;
            }
            "down" => {
                self.privileged(word, "permission denied")?;
                self.lower()?;
            }
            "-description" | "-descr" => self.describe("")?,
            "destroy" | "unplumb" => self.destroy()?,
            "-vlandev" => self.change(|one| one.vlan = None)?,
            "alias" | "add" => self.address.alias = true,
            "-alias" | "delete" | "remove" => self.address.remove = true,
            "create" | "plumb" | "promisc" | "-promisc" | "monitor" | "-monitor" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A word with a value.
    fn valued(&mut self, word: &str, value: &str) -> Step<()> {
        match word {
            "mtu" => self.mtu(value),
            "name" => self.rename(value),
            "group" => self.join_group(value),
            "-group" => self.leave_group(value),
            "description" | "descr" => self.describe(value),
            "vnet" => self.lend(value),
            "-vnet" => vnet::reclaim(self.host, &self.name, value),
            "addm" => self.add_member(value),
            "deletem" => self.remove_member(value),
            "span" | "-span" => self.span(word, value),
            "netmask" => {
                let mask = netmask(value).ok_or_else(|| refused(value, "bad value"))?;
                self.address.bits = Some(mask);
                Ok(())
            }
            "vlan" => {
                self.tag = Some(clone::tag_number(value)?);
                self.set_vlan()
            }
            "vlandev" => {
                self.parent = Some(value.to_string());
                self.set_vlan()
            }
            "broadcast" => Ok(()),
            word if vxlan::WORDS.contains(&word) => {
                self.privileged("VXLAN_CMD_SET", EPERM)?;
                let mut one = self.load()?;
                vxlan::tell(&mut one, word, value)?;
                Ok(one.save(self.host.state)?)
            }
            flag => self.member_flag(flag, value),
        }
    }

    pub(super) fn load(&self) -> Step<Interface> {
        super::existing(self.host.state, &self.name)
    }

    pub(super) fn change(&self, what: impl FnOnce(&mut Interface)) -> Step<()> {
        let mut one = interface::all(self.host.state)?.into_iter().find(|one| one.name == self.name);
        let one =
            one.as_mut().ok_or_else(|| Exit::new(1, format!("ifconfig: interface {} does not exist", self.name)))?;
        what(one);
        Ok(one.save(self.host.state)?)
    }

    /// What only root may do.
    pub(super) fn privileged(&self, what: &str, why: &str) -> Step<()> {
        if self.host.is_root { Ok(()) } else { Err(refused(what, why)) }
    }

    /// Takes an interface down; a tap's driver goes on.
    fn lower(&self) -> Step<()> {
        self.change(|one| {
            if one.kind.is_tap() {
                one.is_started = Some(one.is_running());
            }
            one.up = false;
        })
    }

    fn describe(&self, text: &str) -> Step<()> {
        self.privileged("ioctl SIOCSIFDESCR (set descr)", EPERM)?;
        let text = text.replace('\n', " ");
        self.change(|one| one.description = Some(text).filter(|text| !text.is_empty()))
    }

    fn mtu(&self, value: &str) -> Step<()> {
        self.privileged(SET_MTU, EPERM)?;
        let mtu = crate::number::atoi(value);
        let mtu = u32::try_from(mtu).ok().filter(|_| MTU.contains(&mtu)).ok_or_else(|| refused(SET_MTU, EINVAL))?;
        let one = self.load()?;
        // From 15 on a member's mtu is the bridge's affair, even when it would not change (likely).
        if self.host.release.major >= 15 && self.bridge_of(&self.name)?.is_some() {
            return Err(refused(SET_MTU, "Operation not supported"));
        }
        if let Some((_, parent)) = &one.vlan
            && interface::load(self.host.state, parent)?.is_some_and(|card| mtu > card.mtu)
        {
            return Err(refused(SET_MTU, EINVAL));
        }
        for member in self.mtu_of_members(&one, mtu)? {
            member.save(self.host.state)?;
        }
        self.change(|one| one.mtu = mtu)
    }

    fn rename(&mut self, new: &str) -> Step<()> {
        const WHAT: &str = "ioctl SIOCSIFNAME (set name)";
        self.privileged(WHAT, EPERM)?;
        if new.len() > super::NAME_MAX {
            return Err(refused(WHAT, "File name too long"));
        }
        // Refused from 14 on, for netlink's sake (likely); before that such a name is taken.
        if new.is_empty() || (self.host.release.major >= 14 && new.contains(['/', ' ', '\n'])) {
            return Err(refused(WHAT, EINVAL));
        }
        if interface::load(self.host.state, new)?.is_some() {
            return Err(refused(WHAT, EEXIST));
        }
        for mut other in interface::all(self.host.state)? {
            let old = interface::file(&other.name);
            let is_this = other.name == self.name;
            let members = other.members.iter_mut().filter(|member| member.name == self.name);
            members.for_each(|member| member.name = new.to_string());
            if let Some((_, parent)) = other.vlan.as_mut().filter(|(_, parent)| *parent == self.name) {
                *parent = new.to_string();
            }
            if is_this {
                self.host.state.remove(&old)?;
                other.name = new.to_string();
            }
            other.save(self.host.state)?;
        }
        self.name = new.to_string();
        self.renamed = true;
        Ok(())
    }

    fn join_group(&self, group: &str) -> Step<()> {
        if group.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(Exit::new(1, "ifconfig: setifgroup: group names may not end in a digit"));
        }
        if group.len() > super::NAME_MAX {
            return Err(Exit::new(1, "ifconfig: setifgroup: group name too long"));
        }
        self.privileged(" SIOCAIFGROUP", EPERM)?;
        self.change(|one| {
            if group == one.kind.name() && one.has_left {
                one.has_left = false;
            } else if !one.own_groups().any(|own| own == group) {
                one.groups.push(group.to_string());
            }
        })
    }

    /// Leaves a group, the one of its kind too; one that it is not in is no error.
    fn leave_group(&self, group: &str) -> Step<()> {
        self.privileged(" SIOCDIFGROUP", EPERM)?;
        self.change(|one| {
            one.groups.retain(|own| own != group);
            one.has_left |= group == one.kind.name();
        })
    }

    /// Gives a vlan its tag and its parent, when both are known.
    fn set_vlan(&mut self) -> Step<()> {
        const WHAT: &str = "SIOCSETVLAN";
        let (Some(tag), Some(parent)) = (self.tag, self.parent.clone()) else {
            return Ok(());
        };
        let all = interface::all(self.host.state)?;
        let mut one = self.load()?;
        if one.vlan.is_some() {
            return Err(refused(WHAT, EBUSY));
        }
        clone::tagged(self.host, &all, &mut one, tag, &parent).map_err(|why| refused(WHAT, why))?;
        Ok(one.save(self.host.state)?)
    }

    fn destroy(&self) -> Step<()> {
        const WHAT: &str = "SIOCIFDESTROY";
        let one = self.load()?;
        self.privileged(WHAT, EPERM)?;
        if one.kind == Kind::Ether || one.name == "lo0" {
            return Err(refused(WHAT, EINVAL));
        }
        let is_gone = |other: &Interface| {
            other.name == one.name || (one.kind == Kind::Epair && other.kind == one.kind && other.unit == one.unit)
        };
        remove(self.host.state, is_gone)?;
        // The other half of a pair may be in another network, and goes all the same (if_epair.c, `epair_clone_destroy`).
        let is_elsewhere = |state: &State| state.network() != self.host.state.network();
        for network in interface::networks(self.host.state)?.iter().filter(|state| is_elsewhere(state)) {
            remove(network, |other| one.kind == Kind::Epair && is_gone(other) && other.unit == one.unit)?;
        }
        Ok(crate::route::forget(self.host.state)?)
    }

    /// A word that is none of ifconfig's is an address of the family.
    fn read_address(&mut self, word: &str) -> Step<()> {
        let (text, bits) = word.split_once('/').map_or((word, None), |(text, bits)| (text, Some(bits)));
        let wrong = || refused(word, "bad value");
        let (most, usual) = if self.family == Family::Inet6 { (128, 64) } else { (32, 32) };
        let bits = bits.map(|bits| bits.parse::<u8>().map_err(|_| wrong())).transpose()?;
        if bits.is_some_and(|bits| bits > most) {
            return Err(refused(word, "bad value (width too large)"));
        }
        match self.family {
            Family::Inet => {
                let address = text.parse().map_err(|_| wrong())?;
                self.address.bits = bits.or(self.address.bits);
                self.address.address = Some(Address::V4(address, bits.unwrap_or(usual)));
            }
            Family::Inet6 => {
                let address: Ipv6Addr = text.parse().map_err(|_| wrong())?;
                self.address.address = Some(Address::V6(address, bits.unwrap_or(usual), self.host.now));
            }
            Family::Link => {
                let octets = crate::number::scan(word, 16, ':', 7);
                if octets.len() > 6 || octets.iter().any(|octet| !(0..=255).contains(octet)) {
                    return Err(Exit::new(1, "ifconfig: malformed link-level address"));
                }
                self.address.ether = Some(octets);
            }
        }
        Ok(())
    }

    fn set_address(&self) -> Step<()> {
        const ADD: &str = "ioctl (SIOCAIFADDR)";
        if let Some(octets) = &self.address.ether {
            self.privileged(ADD, "permission denied")?;
            return self.set_ether(octets);
        }
        let Some(address) = self.address.address else {
            return Ok(());
        };
        if self.address.remove {
            self.privileged("ioctl (SIOCDIFADDR)", "permission denied")?;
            return self.remove_address(address);
        }
        self.privileged(ADD, "permission denied")?;
        // From 15 on, if net.link.bridge.member_ifaddrs says so.
        if self.host.release.major >= 15
            && self.host.state.sysctl("net.link.bridge.member_ifaddrs")?.is_some_and(|value| value == "0")
            && self.bridge_of(&self.name)?.is_some()
        {
            return Err(refused(ADD, EINVAL));
        }
        let link_local = self.host.link_local();
        self.change(|one| {
            one.addresses.retain(|own| !is_same(own, &address));
            let first = one.addresses.iter().position(|own| matches!(own, Address::V4(..)));
            if let (Some(first), Address::V4(..), false) = (first, address, self.address.alias) {
                one.addresses.remove(first);
            }
            one.addresses.push(match address {
                Address::V4(address, _) => {
                    Address::V4(address, self.address.bits.unwrap_or_else(|| class_bits(address)))
                }
                address @ Address::V6(..) => address,
            });
            one.raise(link_local);
        })?;
        Ok(crate::route::forget(self.host.state)?)
    }

    fn remove_address(&self, address: Address) -> Step<()> {
        if !self.load()?.addresses.iter().any(|own| is_same(own, &address)) {
            return Err(refused("ioctl (SIOCDIFADDR)", "Can't assign requested address"));
        }
        self.change(|one| one.addresses.retain(|own| !is_same(own, &address)))?;
        Ok(crate::route::forget(self.host.state)?)
    }

    /// Changes the link-level address; the one that the interface was made with is kept beside it.
    fn set_ether(&self, octets: &[i128]) -> Step<()> {
        if octets.len() != 6 {
            return Err(refused("ioctl (SIOCAIFADDR)", EINVAL));
        }
        let text: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        self.change(|one| {
            let made_with = one.hwaddr.take().unwrap_or_else(|| one.ether.clone());
            one.ether = text.join(":");
            one.hwaddr = Some(made_with).filter(|made_with| *made_with != one.ether);
        })
    }
}

/// Removes interfaces from a network: bridges and vlans lose them.
fn remove(state: &State, is_gone: impl Fn(&Interface) -> bool) -> Step<()> {
    let (gone, mut rest): (Vec<Interface>, Vec<Interface>) = interface::all(state)?.into_iter().partition(is_gone);
    for name in gone.iter().map(|one| one.name.as_str()) {
        for other in &mut rest {
            let is_parent = other.vlan.as_ref().is_some_and(|(_, parent)| parent == name);
            if is_parent || other.has_member(name) {
                other.members.retain(|member| member.name != name);
                other.vlan = other.vlan.take().filter(|_| !is_parent);
                other.save(state)?;
            }
        }
        state.remove(&interface::file(name))?;
    }
    Ok(())
}

/// Whether two addresses are the same, whatever their masks.
fn is_same(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::V4(one, _), Address::V4(other, _)) => one == other,
        (Address::V6(one, ..), Address::V6(other, ..)) => one == other,
        _ => false,
    }
}

fn takes_value(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "mtu",
        "name",
        "group",
        "-group",
        "description",
        "descr",
        "addm",
        "deletem",
        "netmask",
        "broadcast",
        "vlan",
        "vlandev",
        "span",
        "-span",
        "vnet",
        "-vnet",
    ];
    WORDS.contains(&word)
        || vxlan::WORDS.contains(&word)
        || bridge::FLAGS.contains(&word.strip_prefix('-').unwrap_or(word))
}

/// A mask as `255.255.255.0` or `0xffffff00`, as a number of bits.
fn netmask(text: &str) -> Option<u8> {
    let mask = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => text.parse::<Ipv4Addr>().ok()?.to_bits(),
    };
    u8::try_from(mask.leading_ones()).ok().filter(|_| mask.leading_ones() == mask.count_ones())
}

/// The mask that an address without one gets.
fn class_bits(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

#[cfg(test)]
mod tests {
    use super::netmask;

    #[test]
    fn netmasks_come_in_two_notations_and_have_no_holes() {
        assert_eq!((netmask("255.255.255.0"), netmask("0xffff0000")), (Some(24), Some(16)));
        assert_eq!((netmask("255.0.255.0"), netmask("mask")), (None, None));
    }
}

//! What the words behind an interface do to it.
//!
//! The texts of BRDGADD, BRDGDEL and of a missing interface are the reference's; SIOCSIFMTU, SIOCSIFNAME and the
//! groups' were read in ifconfig's source; SIOCIFDESTROY's reasons and SIOCDIFGROUP are (k).

use std::net::Ipv4Addr;

use crate::exit::{EBUSY, EEXIST, EINVAL, ENOENT, Exit, Step, say};
use crate::interface::{self, Interface, Kind};
use crate::state::State;

/// The limits of any MTU: `IF_MINMTU` and `IF_MAXMTU`. (k)
const MTU: std::ops::RangeInclusive<i128> = 72..=65535;

/// The interface that is being changed.
pub(crate) struct Target<'a> {
    state: &'a State,
    name: String,
    /// Whether the name is to be printed: it was chosen by the system, or has changed.
    renamed: bool,
    inet: Inet,
}

/// The IPv4 address that is being put together; it is set when all words have been read.
#[derive(Default)]
struct Inet {
    address: Option<Ipv4Addr>,
    bits: Option<u8>,
    alias: bool,
    remove: bool,
}

fn refused(what: impl std::fmt::Display, why: &str) -> Exit {
    Exit::new(1, format!("ifconfig: {what}: {why}"))
}

impl<'a> Target<'a> {
    pub(crate) fn new(state: &'a State, name: &str) -> Self {
        Self { state, name: name.to_string(), renamed: false, inet: Inet::default() }
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
        while let Some(word) = words.next() {
            let alone = self.plain(word)?;
            if !alone && takes_value(word) {
                let value = words.next();
                let value = value.ok_or_else(|| Exit::new(1, format!("ifconfig: '{word}' requires argument")))?;
                self.valued(word, value)?;
            } else if !alone {
                self.address(word)?;
            }
        }
        self.set_address()
    }

    /// A word that stands alone; false if it is none.
    fn plain(&mut self, word: &str) -> Step<bool> {
        match word {
            "up" => self.change(|one| one.up = true)?,
            "down" => self.change(|one| one.up = false)?,
            "-description" | "-descr" => self.change(|one| one.description = None)?,
            "destroy" | "unplumb" => self.destroy()?,
            "alias" | "add" => self.inet.alias = true,
            "-alias" | "delete" | "remove" => self.inet.remove = true,
            "inet" | "inet6" | "create" | "plumb" | "promisc" | "-promisc" | "monitor" | "-monitor" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// A word with a value.
    fn valued(&mut self, word: &str, value: &str) -> Step<()> {
        match word {
            "mtu" => self.mtu(value),
            "ether" | "link" | "lladdr" => self.ether(value),
            "name" => self.rename(value),
            "group" => self.join_group(value),
            "-group" => self.leave_group(value),
            "description" | "descr" => {
                let text = value.replace('\n', " ");
                self.change(|one| one.description = Some(text).filter(|text| !text.is_empty()))
            }
            "addm" => self.add_member(value),
            "deletem" => self.remove_member(value),
            "netmask" => {
                let mask = netmask(value).ok_or_else(|| refused(value, "bad value"))?;
                self.inet.bits = Some(mask);
                Ok(())
            }
            "broadcast" => Ok(()),
            // Flags of one member: it must be one.
            _ if self.load()?.members.iter().any(|member| member == value) => Ok(()),
            _ => Err(refused("unable to get bridge flags", ENOENT)),
        }
    }

    fn load(&self) -> Step<Interface> {
        super::existing(self.state, &self.name)
    }

    fn change(&self, what: impl FnOnce(&mut Interface)) -> Step<()> {
        let mut one = self.load()?;
        what(&mut one);
        Ok(one.save(self.state)?)
    }

    /// The bridge that an interface is a member of.
    fn bridge_of(&self, name: &str) -> Step<Option<Interface>> {
        let all = interface::all(self.state)?;
        Ok(all.into_iter().find(|one| one.members.iter().any(|member| member == name)))
    }

    fn mtu(&self, value: &str) -> Step<()> {
        const WHAT: &str = "ioctl SIOCSIFMTU (set mtu)";
        let mtu = crate::number::atoi(value);
        let mtu = u32::try_from(mtu).ok().filter(|_| MTU.contains(&mtu)).ok_or_else(|| refused(WHAT, EINVAL))?;
        // (k) A member's MTU is the bridge's affair, even when it would not change.
        if self.bridge_of(&self.name)?.is_some() {
            return Err(refused(WHAT, "Operation not supported"));
        }
        for member in &self.load()?.members {
            Target::new(self.state, member).change(|one| one.mtu = mtu)?;
        }
        self.change(|one| one.mtu = mtu)
    }

    fn ether(&self, value: &str) -> Step<()> {
        let octets = crate::number::scan(value, 16, ':', 6);
        if octets.len() != 6 || octets.iter().any(|octet| !(0..=255).contains(octet)) {
            return Err(Exit::new(1, "ifconfig: malformed link-level address"));
        }
        let text: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        self.change(|one| one.ether = text.join(":"))
    }

    fn rename(&mut self, new: &str) -> Step<()> {
        const WHAT: &str = "ioctl SIOCSIFNAME (set name)";
        if new.len() > super::NAME_MAX {
            return Err(refused(WHAT, "File name too long"));
        }
        if new.is_empty() || new.starts_with('.') || new.contains(['/', ' ', '\n']) {
            return Err(refused(WHAT, EINVAL));
        }
        if interface::load(self.state, new)?.is_some() {
            return Err(refused(WHAT, EEXIST));
        }
        let mut one = self.load()?;
        self.state.remove(&interface::file(&self.name))?;
        one.name = new.to_string();
        one.save(self.state)?;
        if let Some(mut bridge) = self.bridge_of(&self.name)? {
            bridge
                .members
                .iter_mut()
                .filter(|member| **member == self.name)
                .for_each(|member| *member = new.to_string());
            bridge.save(self.state)?;
        }
        self.name = new.to_string();
        self.renamed = true;
        Ok(())
    }

    fn join_group(&self, group: &str) -> Step<()> {
        if group.ends_with(|c: char| c.is_ascii_digit()) {
            return Err(Exit::new(1, "ifconfig: setifgroup: group names may not end in a digit"));
        }
        if group.is_empty() || group.len() > super::NAME_MAX {
            return Err(Exit::new(1, "ifconfig: setifgroup: group name too long"));
        }
        self.change(|one| {
            if !one.own_groups().any(|own| own == group) {
                one.groups.push(group.to_string());
            }
        })
    }

    fn leave_group(&self, group: &str) -> Step<()> {
        if !self.load()?.groups.iter().any(|own| own == group) {
            return Err(refused(" SIOCDIFGROUP", ENOENT));
        }
        self.change(|one| one.groups.retain(|own| own != group))
    }

    fn add_member(&self, name: &str) -> Step<()> {
        let what = format!("BRDGADD {name}");
        let mut bridge = self.load()?;
        if bridge.kind != Kind::Bridge {
            return Err(refused(what, EINVAL));
        }
        let mut member = interface::load(self.state, name)?.ok_or_else(|| refused(&what, ENOENT))?;
        match self.bridge_of(name)? {
            Some(other) if other.name == bridge.name => return Err(refused(what, EEXIST)),
            Some(_) => return Err(refused(what, EBUSY)),
            None => {}
        }
        // (k) The first member sets the bridge's MTU. A later one that was made by ifconfig is given the bridge's
        // (13.0 and later); a card is taken to refuse that, as one without jumbo frames would.
        match member.kind {
            Kind::Bridge | Kind::Lo => return Err(refused(what, EINVAL)),
            _ if bridge.members.is_empty() => bridge.mtu = member.mtu,
            Kind::Ether if member.mtu != bridge.mtu => return Err(refused(what, EINVAL)),
            Kind::Ether | Kind::Epair | Kind::Tap | Kind::Vlan => member.mtu = bridge.mtu,
        }
        bridge.members.push(name.to_string());
        member.save(self.state)?;
        Ok(bridge.save(self.state)?)
    }

    fn remove_member(&self, name: &str) -> Step<()> {
        if !self.load()?.members.iter().any(|member| member == name) {
            return Err(refused(format!("BRDGDEL {name}"), ENOENT));
        }
        self.change(|bridge| bridge.members.retain(|member| member != name))
    }

    fn destroy(&self) -> Step<()> {
        const WHAT: &str = "SIOCIFDESTROY";
        let one = self.load()?;
        if one.kind == Kind::Ether || one.name == "lo0" {
            return Err(refused(WHAT, EINVAL));
        }
        // FreeBSD waits here until the tap is closed.
        if one.opener().is_some() {
            return Err(refused(WHAT, EBUSY));
        }
        let twin = one.name.strip_suffix('a').map(|stem| format!("{stem}b"));
        let twin = twin.or_else(|| one.name.strip_suffix('b').map(|stem| format!("{stem}a")));
        let twin = twin.filter(|_| one.kind == Kind::Epair);
        for name in std::iter::once(one.name).chain(twin) {
            if let Some(mut bridge) = self.bridge_of(&name)? {
                bridge.members.retain(|member| *member != name);
                bridge.save(self.state)?;
            }
            self.state.remove(&interface::file(&name))?;
        }
        Ok(())
    }

    /// Anything else is an address.
    fn address(&mut self, word: &str) -> Step<()> {
        let (address, bits) = match word.split_once('/') {
            Some(_) => interface::parse_inet(word).map(|(address, bits)| (address, Some(bits))),
            None => word.parse().ok().map(|address| (address, None)),
        }
        .ok_or_else(|| refused(word, "bad value"))?;
        self.inet.address = Some(address);
        self.inet.bits = bits.or(self.inet.bits);
        Ok(())
    }

    fn set_address(&self) -> Step<()> {
        let Some(address) = self.inet.address else {
            return Ok(());
        };
        let entry = (address, self.inet.bits.unwrap_or_else(|| class_bits(address)));
        if self.inet.remove {
            if !self.load()?.inet.iter().any(|(own, _)| *own == address) {
                return Err(refused("ioctl (SIOCDIFADDR)", "Can't assign requested address"));
            }
            return self.change(|one| one.inet.retain(|(own, _)| *own != address));
        }
        self.change(|one| {
            one.inet.retain(|(own, _)| *own != address);
            if !self.inet.alias && !one.inet.is_empty() {
                one.inet.remove(0);
            }
            let place = if self.inet.alias { one.inet.len() } else { 0 };
            one.inet.insert(place, entry);
            one.up = true;
        })
    }
}

fn takes_value(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "mtu",
        "ether",
        "link",
        "lladdr",
        "name",
        "group",
        "-group",
        "description",
        "descr",
        "addm",
        "deletem",
        "netmask",
        "broadcast",
        "private",
        "-private",
        "stp",
        "-stp",
        "edge",
        "-edge",
        "learn",
        "-learn",
        "discover",
        "-discover",
    ];
    WORDS.contains(&word)
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

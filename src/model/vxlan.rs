//! What a VXLAN is made of: vxlan(4) of FreeBSD, `type vxlan` of ip-link(8), RFC 7348.

use super::InterfaceName;
use crate::diag::Fault;
use std::fmt;
use std::net::IpAddr;

/// The number of a VXLAN, 0 to 16777215: 24 bits of its header (RFC 7348, section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VxlanId(u32);

impl VxlanId {
    /// Returns the number.
    pub(crate) const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<i64> for VxlanId {
    type Error = Fault;

    fn try_from(number: i64) -> Result<Self, Fault> {
        match u32::try_from(number) {
            Ok(id @ 0..=0xff_ffff) => Ok(Self(id)),
            _ => Err(Fault::new(format!("{number} is no number of a VXLAN")).hint("from 0 to 16777215")),
        }
    }
}

impl fmt::Display for VxlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who has the other ends of a VXLAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Far {
    /// One host.
    Remote(IpAddr),
    /// All that listen to a group.
    Group(IpAddr),
}

impl Far {
    /// Returns the address.
    pub(crate) const fn ip(self) -> IpAddr {
        match self {
            Self::Remote(ip) | Self::Group(ip) => ip,
        }
    }

    /// Returns the key of a recipe that says it.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Remote(_) => "remote",
            Self::Group(_) => "group",
        }
    }
}

/// One VXLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vxlan {
    /// The number of the VXLAN, up to 16777215.
    pub id: VxlanId,
    /// The address of this end.
    pub local: IpAddr,
    /// The other ends.
    pub far: Far,
    /// The card that carries it.
    pub dev: Option<InterfaceName>,
    /// The UDP port of every end.
    pub port: u16,
}

impl Vxlan {
    /// The port that IANA has given it. Linux has another of its own if none is said (ip-link(8)).
    pub(crate) const PORT: u16 = 4789;

    /// Returns how many bytes of its card's packets a VXLAN takes: Ethernet 14, UDP 8, VXLAN 8, and IP 20 or 40
    /// (`vxlan_setup_interface_hdrlen` of FreeBSD's if_vxlan.c; Linux has the same).
    pub(crate) const fn overhead(&self) -> u32 {
        if self.local.is_ipv4() { 50 } else { 70 }
    }

    /// Checks what is said of one against the rest of it; a fault has the key that it is about.
    pub(crate) fn check(&self) -> Result<(), (&'static str, Fault)> {
        let far = self.far.ip();
        let fault = |key: &'static str, text: String, hint: &str| Err((key, Fault::new(text).hint(hint)));
        if self.local.is_multicast() {
            return fault("local", format!("{} is a group, and no address of this host", self.local), "write its own");
        }
        match self.far {
            Far::Remote(ip) if ip.is_multicast() => {
                return fault("remote", format!("{ip} is a group, and not one host"), "write it under `group`");
            }
            Far::Group(ip) if !ip.is_multicast() => {
                let hint = "224.0.0.0/4 and ff00::/8 are; one host is written under `remote`";
                return fault("group", format!("{ip} is no group"), hint);
            }
            Far::Group(ip) if self.dev.is_none() => {
                return fault("group", format!("nothing says which card listens to {ip}"), "add `dev: \"em0\"`");
            }
            Far::Remote(_) | Far::Group(_) => {}
        }
        if self.local.is_ipv4() != far.is_ipv4() {
            let text = format!("{far} and {} are of different versions of IP", self.local);
            return fault(self.far.key(), text, "a VXLAN is carried by one of them");
        }
        Ok(())
    }

    /// Returns what ifconfig(8) is told of it. A card is only said with a group: if_vxlan.c refuses it otherwise.
    pub(crate) fn words(&self) -> Vec<String> {
        let port = self.port.to_string();
        let far = format!("vxlan{}", self.far.key());
        let mut words =
            ["vxlanid", &self.id.to_string(), "vxlanlocal", &self.local.to_string()].map(String::from).to_vec();
        words.extend([far, self.far.ip().to_string()]);
        words.extend(["vxlanlocalport", &port, "vxlanremoteport", &port].map(String::from));
        if let (Far::Group(_), Some(dev)) = (self.far, &self.dev) {
            words.extend(["vxlandev".into(), dev.to_string()]);
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vxlan(local: &str, far: Far, dev: Option<&str>) -> Vxlan {
        let dev = dev.map(|dev| dev.parse().unwrap());
        Vxlan { id: 108.try_into().unwrap(), local: local.parse().unwrap(), far, dev, port: Vxlan::PORT }
    }

    fn remote(ip: &str) -> Far {
        Far::Remote(ip.parse().unwrap())
    }

    fn group(ip: &str) -> Far {
        Far::Group(ip.parse().unwrap())
    }

    #[test]
    fn a_vxlan_has_a_number_of_24_bits() {
        assert_eq!(VxlanId::try_from(16_777_215).unwrap().get(), 16_777_215);
        for number in [-1, 16_777_216, i64::MAX] {
            let fault = VxlanId::try_from(number).unwrap_err();
            let told = format!("{} | {}", fault.message, fault.hint.unwrap());
            assert_eq!(told, format!("{number} is no number of a VXLAN | from 0 to 16777215"));
        }
    }

    #[test]
    fn the_ends_of_a_vxlan_fit() {
        let told = |vxlan: Vxlan| {
            let (key, fault) = vxlan.check().unwrap_err();
            format!("{key}: {} | {}", fault.message, fault.hint.unwrap())
        };
        assert_eq!(vxlan("10.0.0.1", remote("10.0.0.2"), None).check(), Ok(()));
        assert_eq!(vxlan("fd00::1", group("ff05::1"), Some("em0")).check(), Ok(()));
        assert_eq!(
            told(vxlan("224.0.0.9", remote("10.0.0.2"), None)),
            "local: 224.0.0.9 is a group, and no address of this host | write its own"
        );
        assert_eq!(
            told(vxlan("10.0.0.1", remote("224.0.0.9"), None)),
            "remote: 224.0.0.9 is a group, and not one host | write it under `group`"
        );
        assert_eq!(
            told(vxlan("10.0.0.1", group("10.0.0.2"), None)),
            "group: 10.0.0.2 is no group | 224.0.0.0/4 and ff00::/8 are; one host is written under `remote`"
        );
        assert_eq!(
            told(vxlan("10.0.0.1", group("224.0.0.9"), None)),
            "group: nothing says which card listens to 224.0.0.9 | add `dev: \"em0\"`"
        );
        assert_eq!(
            told(vxlan("10.0.0.1", remote("fd00::2"), None)),
            "remote: fd00::2 and 10.0.0.1 are of different versions of IP | a VXLAN is carried by one of them"
        );
    }

    #[test]
    fn ifconfig_is_told_of_a_card_only_with_a_group() {
        let words = |far| vxlan("10.0.0.1", far, Some("em0")).words().join(" ");
        let expected = "vxlanid 108 vxlanlocal 10.0.0.1 vxlanremote 10.0.0.2 vxlanlocalport 4789 vxlanremoteport 4789";
        assert_eq!(words(remote("10.0.0.2")), expected);
        let expected = "vxlanid 108 vxlanlocal 10.0.0.1 vxlangroup 224.0.0.9 vxlanlocalport 4789 vxlanremoteport 4789 vxlandev em0";
        assert_eq!(words(group("224.0.0.9")), expected);
    }
}

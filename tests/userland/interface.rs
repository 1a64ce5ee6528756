//! A network interface, and the file that holds it: `interfaces/NAME`, lines of a key and a value.
//!
//! ```text
//! kind bridge                  ether (a real card; the default), tap, bridge, vlan, epair or lo
//! up yes                       or no; the default is yes for ether and lo, no for the rest
//! mtu 1500
//! ether 58:9c:fc:10:ff:a3
//! inet 10.0.0.1/24             as often as wanted
//! member tap0                  of a bridge, as often as wanted
//! description any text
//! group vmrun                  as often as wanted; the group named like the kind is implied
//! opened_by 1234               the process that holds a tap open; one that has died holds nothing
//! vlan 82 em0                  the tag and the parent of a vlan
//! ```
//!
//! Unknown keys and empty lines are ignored.

use std::io;
use std::net::Ipv4Addr;

use crate::state::{State, alive};

/// What an interface is; its name need not say so, because interfaces can be renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ether,
    Lo,
    Bridge,
    Epair,
    Tap,
    Vlan,
}

const KINDS: &[(&str, Kind)] = &[
    ("ether", Kind::Ether),
    ("lo", Kind::Lo),
    ("bridge", Kind::Bridge),
    ("epair", Kind::Epair),
    ("tap", Kind::Tap),
    ("vlan", Kind::Vlan),
];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("ether", |(name, _)| name)
    }

    fn parse(name: &str) -> Self {
        KINDS.iter().find(|(known, _)| *known == name).map_or(Kind::Ether, |(_, kind)| *kind)
    }
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) up: bool,
    pub(crate) mtu: u32,
    pub(crate) ether: String,
    pub(crate) inet: Vec<(Ipv4Addr, u8)>,
    pub(crate) members: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) opened_by: Option<u32>,
    pub(crate) vlan: Option<(u16, String)>,
}

impl Interface {
    /// A fresh interface, as FreeBSD makes it.
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_string(),
            kind,
            up: matches!(kind, Kind::Ether | Kind::Lo),
            mtu: if kind == Kind::Lo { 16384 } else { 1500 },
            ether: generated_mac(name),
            inet: Vec::new(),
            members: Vec::new(),
            description: None,
            groups: Vec::new(),
            opened_by: None,
            vlan: None,
        }
    }

    /// Reads the text of an interface file.
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let pairs: Vec<(&str, &str)> = text.lines().map(|line| line.split_once(' ').unwrap_or((line, ""))).collect();
        let kind = pairs.iter().find(|(key, _)| *key == "kind").map_or(Kind::Ether, |(_, value)| Kind::parse(value));
        let mut interface = Self::new(name, kind);
        for (key, value) in pairs {
            interface.take(key, value.trim());
        }
        interface
    }

    fn take(&mut self, key: &str, value: &str) {
        match key {
            "up" => self.up = value == "yes",
            "mtu" => self.mtu = value.parse().unwrap_or(self.mtu),
            "ether" => self.ether = value.to_string(),
            "inet" => self.inet.extend(parse_inet(value)),
            "member" => self.members.push(value.to_string()),
            "description" => self.description = Some(value.to_string()),
            "group" => self.groups.push(value.to_string()),
            "opened_by" => self.opened_by = value.parse().ok(),
            "vlan" => {
                self.vlan =
                    value.split_once(' ').and_then(|(tag, parent)| Some((tag.parse().ok()?, parent.to_string())));
            }
            _ => {}
        }
    }

    /// The text of the interface file.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!("kind {}", self.kind.name()),
            format!("up {}", if self.up { "yes" } else { "no" }),
            format!("mtu {}", self.mtu),
            format!("ether {}", self.ether),
        ];
        lines.extend(self.inet.iter().map(|(address, bits)| format!("inet {address}/{bits}")));
        lines.extend(self.members.iter().map(|member| format!("member {member}")));
        lines.extend(self.description.iter().map(|text| format!("description {text}")));
        lines.extend(self.groups.iter().map(|group| format!("group {group}")));
        lines.extend(self.opened_by.iter().map(|pid| format!("opened_by {pid}")));
        lines.extend(self.vlan.iter().map(|(tag, parent)| format!("vlan {tag} {parent}")));
        lines.join("\n") + "\n"
    }

    /// The living process that holds a tap open.
    pub(crate) fn opener(&self) -> Option<u32> {
        self.opened_by.filter(|pid| alive(*pid))
    }

    /// Whether the interface belongs to a group; each belongs to the one named like its kind.
    pub(crate) fn in_group(&self, group: &str) -> bool {
        group == "all" || self.own_groups().any(|own| own == group)
    }

    /// The groups as ifconfig lists them. A card has none of its own.
    pub(crate) fn own_groups(&self) -> impl Iterator<Item = &str> {
        let kind = (self.kind != Kind::Ether).then(|| self.kind.name());
        kind.into_iter().chain(self.groups.iter().map(String::as_str))
    }

    /// Saves the file.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        state.write(&file(&self.name), self.text())
    }
}

/// Where an interface of this name is kept.
pub(crate) fn file(name: &str) -> String {
    format!("interfaces/{name}")
}

/// Loads one interface, if there is one of this name.
pub(crate) fn load(state: &State, name: &str) -> io::Result<Option<Interface>> {
    if name.is_empty() || name.starts_with('.') || name.contains('/') || !state.path(&file(name)).is_file() {
        return Ok(None);
    }
    Ok(Some(Interface::parse(name, &state.read(&file(name))?)))
}

/// All interfaces: cards, lo, then the made ones, each by name and number.
pub(crate) fn all(state: &State) -> io::Result<Vec<Interface>> {
    let mut interfaces = Vec::new();
    for name in state.names("interfaces")? {
        interfaces.extend(load(state, &name)?);
    }
    interfaces.sort_by_key(|interface| (interface.kind, natural(&interface.name)));
    Ok(interfaces)
}

/// Closes every tap that a process holds open.
pub(crate) fn close_all(state: &State, pid: u32) -> io::Result<()> {
    let _lock = state.lock()?;
    for mut interface in all(state)?.into_iter().filter(|interface| interface.opened_by == Some(pid)) {
        interface.opened_by = None;
        interface.save(state)?;
    }
    Ok(())
}

/// Splits `A.B.C.D/N`.
pub(crate) fn parse_inet(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, bits) = text.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok().filter(|bits| *bits <= 32)?))
}

/// A name as text and number, so that `tap10` comes after `tap9`.
fn natural(name: &str) -> (String, u64) {
    let text = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (text.to_string(), name[text.len()..].parse().unwrap_or(0))
}

/// An address under FreeBSD's own prefix, always the same for a name.
fn generated_mac(name: &str) -> String {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [_, a, b, c] = hash.to_be_bytes();
    format!("58:9c:fc:{a:02x}:{b:02x}:{c:02x}")
}

#[cfg(test)]
mod tests {
    use super::{Interface, Kind, natural, parse_inet};

    #[test]
    fn a_file_with_nothing_but_a_kind_is_enough() {
        let tap = Interface::parse("tap0", "kind tap\n");
        assert_eq!((tap.kind, tap.up, tap.mtu), (Kind::Tap, false, 1500));
        assert_eq!(Interface::parse("em0", "").kind, Kind::Ether);
    }

    #[test]
    fn what_is_saved_is_what_is_read() {
        let text = "kind bridge\nup yes\nmtu 9000\nether 58:9c:fc:10:ff:a3\ninet 10.0.0.1/24\ninet 10.0.1.1/24\n\
                    member tap0\nmember em0\ndescription two words\ngroup vmrun\nopened_by 12\nvlan 82 em0\n";
        assert_eq!(Interface::parse("bridge0", text).text(), text);
    }

    #[test]
    fn every_interface_is_in_the_group_of_its_kind_except_cards() {
        assert!(Interface::new("vm0", Kind::Tap).in_group("tap"));
        assert!(!Interface::new("em0", Kind::Ether).in_group("ether"));
    }

    #[test]
    fn addresses_need_a_prefix_length_that_exists() {
        assert!(parse_inet("10.0.0.1/24").is_some());
        assert!(parse_inet("10.0.0.1/33").is_none() && parse_inet("10.0.0/8").is_none());
    }

    #[test]
    fn tap10_comes_after_tap9() {
        assert!(natural("tap10") > natural("tap9"));
    }
}

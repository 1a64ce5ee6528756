//! A network interface, and the file that holds it: `interfaces/NAME`, lines of a key and a value.
//!
//! ```text
//! kind bridge                  ether (a real card; the default), tap, vmnet, bridge, vlan, vxlan, epair or lo
//! up yes                       or no; the default is yes for ether and lo, no for the rest
//! running yes                  whether a tap's driver is started; the default is what `up` says
//! mtu 1500
//! ether 58:9c:fc:10:ff:a3
//! hwaddr 58:9c:fc:10:ff:a4     the address before somebody changed it
//! inet 10.0.0.1/24             as often as wanted; these and the next are shown in the order in which they came
//! inet6 fd00::1/64 12          as often as wanted; by `clock` it came then
//! member tap0                  of a bridge, as often as wanted, the oldest first; flags follow a tab: `tap0<TAB>stp,private`
//! description any text
//! group vmrun                  as often as wanted; the group named like the kind is implied
//! left yes                     the interface has left the group that is named like its kind
//! opened_by 1234               the process that holds a tap open; one that has died holds nothing
//! vlan 82 em0                  the tag and the parent of a vlan
//! vxlan vxlanid 108            what ifconfig(8) was told of a vxlan, by its word, as often as wanted
//! unit 3                       the number it was made with, which it keeps when it is renamed; the default is its name's
//! born 7                       interfaces are listed in this order; those without it come first, by kind and name
//! index 5                      the number of the interface in the kernel; the default is the lowest that is free
//! lent yes                     it was made in the host's network, and is in that of a jail
//! ```
//!
//! Unknown keys and empty lines are ignored. In the name of the file `/`, `%` and a dot at the beginning are written as `%2F`,
//! `%25` and `%2E`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::exit::{EBUSY, ENOENT, Step};
use crate::state::{State, alive};

/// What an interface is; its name need not say so, because interfaces can be renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Ether,
    Lo,
    Bridge,
    Epair,
    Tap,
    Vmnet,
    Vlan,
    Vxlan,
}

const KINDS: &[(&str, Kind)] = &[
    ("ether", Kind::Ether),
    ("lo", Kind::Lo),
    ("bridge", Kind::Bridge),
    ("epair", Kind::Epair),
    ("tap", Kind::Tap),
    ("vmnet", Kind::Vmnet),
    ("vlan", Kind::Vlan),
    ("vxlan", Kind::Vxlan),
];

/// The link-level address of a vlan that never had a parent.
pub(crate) const NO_ETHER: &str = "00:00:00:00:00:00";

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("ether", |(name, _)| name)
    }

    fn parse(name: &str) -> Self {
        KINDS.iter().find(|(known, _)| *known == name).map_or(Kind::Ether, |(_, kind)| *kind)
    }

    /// Whether programs can open it.
    pub(crate) fn is_tap(self) -> bool {
        matches!(self, Kind::Tap | Kind::Vmnet)
    }
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    V4(Ipv4Addr, u8),
    /// With the moment at which it came: for a while nobody knows whether another has it too.
    V6(Ipv6Addr, u8, u64),
}

/// A member of a bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// What was set: `stp`, `private`, …
    pub(crate) flags: Vec<String>,
}

impl Member {
    /// Whether it is sent a copy of everything, instead of taking part.
    pub(crate) fn is_span(&self) -> bool {
        self.flags.iter().any(|flag| flag == "span")
    }
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) up: bool,
    pub(crate) is_started: Option<bool>,
    pub(crate) mtu: u32,
    pub(crate) ether: String,
    pub(crate) hwaddr: Option<String>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) members: Vec<Member>,
    pub(crate) description: Option<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) has_left: bool,
    pub(crate) opened_by: Option<u32>,
    pub(crate) vlan: Option<(u16, String)>,
    pub(crate) vxlan: Vec<(String, String)>,
    pub(crate) unit: Option<u32>,
    pub(crate) born: Option<u64>,
    pub(crate) index: Option<u32>,
    pub(crate) is_lent: bool,
}

impl Interface {
    /// A fresh interface, as FreeBSD makes it.
    pub(crate) fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_string(),
            kind,
            up: matches!(kind, Kind::Ether | Kind::Lo),
            is_started: None,
            mtu: if kind == Kind::Lo { 16384 } else { 1500 },
            ether: generated_mac(name),
            hwaddr: None,
            addresses: Vec::new(),
            members: Vec::new(),
            description: None,
            groups: Vec::new(),
            has_left: false,
            opened_by: None,
            vlan: None,
            vxlan: Vec::new(),
            unit: unit(name, kind),
            born: None,
            index: None,
            is_lent: false,
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
            "running" => self.is_started = Some(value == "yes"),
            "mtu" => self.mtu = value.parse().unwrap_or(self.mtu),
            "ether" => self.ether = value.to_string(),
            "hwaddr" => self.hwaddr = Some(value.to_string()),
            "inet" => self.addresses.extend(parse_inet(value).map(|(address, bits)| Address::V4(address, bits))),
            "inet6" => {
                let (address, since) = value.split_once(' ').unwrap_or((value, "0"));
                let since = since.parse().unwrap_or(0);
                self.addresses.extend(parse_inet6(address).map(|(address, bits)| Address::V6(address, bits, since)));
            }
            "member" => {
                let (name, flags) = value.split_once('\t').unwrap_or((value, ""));
                let flags = flags.split(',').filter(|flag| !flag.is_empty()).map(str::to_string).collect();
                self.members.push(Member { name: name.to_string(), flags });
            }
            "description" => self.description = Some(value.to_string()),
            "group" => self.groups.push(value.to_string()),
            "left" => self.has_left = value == "yes",
            "opened_by" => self.opened_by = value.parse().ok(),
            "vlan" => {
                self.vlan =
                    value.split_once(' ').and_then(|(tag, parent)| Some((tag.parse().ok()?, parent.to_string())));
            }
            "vxlan" => {
                let pair = value.split_once(' ').map(|(word, value)| (word.to_string(), value.to_string()));
                self.vxlan.extend(pair);
            }
            "unit" => self.unit = value.parse().ok(),
            "born" => self.born = value.parse().ok(),
            "index" => self.index = value.parse().ok(),
            "lent" => self.is_lent = value == "yes",
            _ => {}
        }
    }

    /// The text of the interface file.
    pub(crate) fn text(&self) -> String {
        let yes = |is_so: bool| if is_so { "yes" } else { "no" };
        let mut lines = vec![format!("kind {}", self.kind.name()), format!("up {}", yes(self.up))];
        lines.extend(self.is_started.iter().map(|is_started| format!("running {}", yes(*is_started))));
        lines.push(format!("mtu {}", self.mtu));
        lines.push(format!("ether {}", self.ether));
        lines.extend(self.hwaddr.iter().map(|address| format!("hwaddr {address}")));
        lines.extend(self.addresses.iter().map(|address| match address {
            Address::V4(address, bits) => format!("inet {address}/{bits}"),
            Address::V6(address, bits, since) => format!("inet6 {address}/{bits} {since}"),
        }));
        lines.extend(self.members.iter().map(|member| match member.flags.as_slice() {
            [] => format!("member {}", member.name),
            flags => format!("member {}\t{}", member.name, flags.join(",")),
        }));
        lines.extend(self.description.iter().map(|text| format!("description {text}")));
        lines.extend(self.groups.iter().map(|group| format!("group {group}")));
        lines.extend(self.has_left.then(|| "left yes".to_string()));
        lines.extend(self.opened_by.iter().map(|pid| format!("opened_by {pid}")));
        lines.extend(self.vlan.iter().map(|(tag, parent)| format!("vlan {tag} {parent}")));
        lines.extend(self.vxlan.iter().map(|(word, value)| format!("vxlan {word} {value}")));
        lines.extend(self.unit.filter(|_| self.unit != unit(&self.name, self.kind)).map(|unit| format!("unit {unit}")));
        lines.extend(self.born.iter().map(|born| format!("born {born}")));
        lines.extend(self.index.iter().map(|index| format!("index {index}")));
        lines.extend(self.is_lent.then(|| "lent yes".to_string()));
        lines.join("\n") + "\n"
    }

    /// The IPv4 addresses.
    pub(crate) fn inet(&self) -> impl Iterator<Item = (Ipv4Addr, u8)> {
        self.addresses.iter().filter_map(|address| match address {
            Address::V4(address, bits) => Some((*address, *bits)),
            Address::V6(..) => None,
        })
    }

    /// The IPv6 addresses.
    pub(crate) fn inet6(&self) -> impl Iterator<Item = (Ipv6Addr, u8)> {
        self.addresses.iter().filter_map(|address| match address {
            Address::V6(address, bits, _) => Some((*address, *bits)),
            Address::V4(..) => None,
        })
    }

    /// Whether a bridge has this member.
    pub(crate) fn has_member(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// What ifconfig was told of a vxlan by a word.
    pub(crate) fn vxlan(&self, word: &str) -> Option<&str> {
        self.vxlan.iter().find(|(known, _)| known == word).map(|(_, value)| value.as_str())
    }

    /// Whether the driver runs: a tap's from the first `up` or opening, an epair's and a vlan's from the beginning.
    pub(crate) fn is_running(&self) -> bool {
        match self.kind {
            Kind::Tap | Kind::Vmnet => self.is_started.unwrap_or(self.up),
            Kind::Epair => true,
            Kind::Vlan => self.vlan.is_some(),
            Kind::Vxlan => self.up && self.vxlan("vxlanid").is_some(),
            Kind::Ether | Kind::Lo | Kind::Bridge => self.up,
        }
    }

    /// Sets the interface going. With `link_local` at a moment it gives itself an address that follows from the link's, except
    /// a bridge.
    pub(crate) fn raise(&mut self, link_local: Option<u64>) {
        self.up = true;
        if self.kind.is_tap() {
            self.is_started = Some(true);
        }
        let has_one = self.inet6().any(|(address, _)| address.is_unicast_link_local());
        if let Some(now) = link_local.filter(|_| self.kind != Kind::Bridge && self.ether != NO_ETHER && !has_one) {
            let address = if self.kind == Kind::Lo {
                Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)
            } else {
                link_local_of(self.hwaddr.as_ref().unwrap_or(&self.ether))
            };
            self.addresses.push(Address::V6(address, 64, now));
        }
    }

    /// The living process that holds a tap open.
    pub(crate) fn opener(&self) -> Option<u32> {
        self.opened_by.filter(|pid| alive(*pid))
    }

    /// What closing a tap does to it: one that was up is down then, and has no address any more (12.1).
    fn close(&mut self) {
        self.opened_by = None;
        if self.up {
            self.up = false;
            self.is_started = Some(false);
            self.addresses.clear();
        }
    }

    /// Whether the interface belongs to a group; each belongs to the one named like its kind.
    pub(crate) fn in_group(&self, group: &str) -> bool {
        group == "all" || self.own_groups().any(|own| own == group)
    }

    /// The groups as ifconfig lists them. A card has none of its own.
    pub(crate) fn own_groups(&self) -> impl Iterator<Item = &str> {
        let kind = (self.kind != Kind::Ether && !self.has_left).then(|| self.kind.name());
        kind.into_iter().chain(self.groups.iter().map(String::as_str))
    }

    /// Saves the file.
    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        state.write(&file(&self.name), self.text())
    }
}

/// Where an interface of this name is kept.
pub(crate) fn file(name: &str) -> String {
    let name = name.replace('%', "%25").replace('/', "%2F");
    match name.strip_prefix('.') {
        Some(rest) => format!("interfaces/%2E{rest}"),
        None => format!("interfaces/{name}"),
    }
}

/// The name of the interface that a file is of.
fn name_of(file: &str) -> String {
    file.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")
}

/// Loads one interface, if there is one of this name.
pub(crate) fn load(state: &State, name: &str) -> io::Result<Option<Interface>> {
    if name.is_empty() || name.contains('\0') || !state.path(&file(name)).is_file() {
        return Ok(None);
    }
    let mut one = Interface::parse(name, &state.read(&file(name))?);
    if one.opened_by.is_some() && one.opener().is_none() {
        one.close();
    }
    Ok(Some(one))
}

/// All interfaces, each with its index: cards and lo, then the made ones in the order in which they were made.
pub(crate) fn all(state: &State) -> io::Result<Vec<Interface>> {
    let mut all = Vec::new();
    for file in state.names("interfaces")? {
        all.extend(load(state, &name_of(&file))?);
    }
    all.sort_by_key(|one| (one.born, one.kind, natural(&one.name)));
    for at in 0..all.len() {
        if all[at].index.is_none() {
            all[at].index = Some(free_index(&all));
        }
    }
    Ok(all)
}

/// The lowest index that no interface has.
fn free_index(all: &[Interface]) -> u32 {
    (1..u32::MAX).find(|index| all.iter().all(|one| one.index != Some(*index))).unwrap_or(u32::MAX)
}

/// Adds an interface to those that are there.
pub(crate) fn add(state: &State, mut one: Interface) -> io::Result<()> {
    let all = all(state)?;
    one.born = Some(all.iter().filter_map(|one| one.born).max().unwrap_or(0) + 1);
    one.index = Some(free_index(&all));
    one.save(state)
}

/// The networks of a state: the host's, and those of jails that have one of their own.
pub(crate) fn networks(state: &State) -> io::Result<Vec<State>> {
    let jails = state.names("networks")?;
    Ok(std::iter::once(None)
        .chain(jails.iter().map(|jail| Some(jail.as_str())))
        .map(|at| state.seen_from(at))
        .collect())
}

/// Whether a tap of that number is in any network: they are numbered once for all (if_tuntap.c of 2026). (k)
pub(crate) fn is_tap_anywhere(state: &State, kind: Kind, number: u32) -> io::Result<bool> {
    for network in networks(state)? {
        if kind.is_tap() && all(&network)?.iter().any(|one| one.kind == kind && one.unit == Some(number)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Moves an interface into another network. It leaves its groups, its bridge and its addresses, and is down; what describes it
/// stays (if.c of 2024, `if_detach_internal`). (k)
pub(crate) fn carry(from: &State, to: &State, mut one: Interface) -> io::Result<()> {
    for mut other in all(from)?.into_iter().filter(|other| other.has_member(&one.name)) {
        other.members.retain(|member| member.name != one.name);
        other.save(from)?;
    }
    from.remove(&file(&one.name))?;
    (one.up, one.is_started, one.is_lent) = (false, Some(one.is_running()).filter(|_| one.kind.is_tap()), !one.is_lent);
    one.groups.clear();
    one.addresses.clear();
    add(to, one)
}

/// Opens a tap by the name of its device, which only one process can do at a time. The device is named by the number the tap was
/// made with. Where there is none, it is made if net.link.tap.devfs_cloning allows that.
pub(crate) fn open(state: &State, device: &str, pid: u32, is_cloning: bool) -> Step<Result<(), &'static str>> {
    let kind = if device.starts_with("vmnet") { Kind::Vmnet } else { Kind::Tap };
    let release = crate::release::Release::of_environment()?.major;
    // From 13 on a tap that was renamed has an alias of its name (freebsd-facts).
    let has_alias =
        |one: &Interface| release >= 13 && one.name == device && matches!(one.kind, Kind::Tap | Kind::Vmnet);
    let number = unit(device, kind);
    let is_numbered = |one: &Interface| one.kind == kind && one.unit == number && number.is_some();
    let mut network = state.seen_from(state.network());
    let mut found = None;
    for place in networks(state)? {
        if let Some(tap) = all(&place)?.into_iter().find(|one| is_numbered(one) || has_alias(one)) {
            (network, found) = (place, Some(tap));
        }
    }
    if found.is_none() && number.is_none() {
        return Ok(Err(ENOENT));
    }
    if found.is_none() && is_cloning {
        add(state, Interface::new(device, kind))?;
        found = load(state, device)?;
    }
    let Some(mut tap) = found else { return Ok(Err(ENOENT)) };
    if tap.opener().is_some() {
        return Ok(Err(EBUSY));
    }
    tap.opened_by = Some(pid);
    tap.is_started = Some(true);
    if state.sysctl("net.link.tap.up_on_open")?.is_some_and(|value| value == "1") {
        tap.up = true;
    }
    tap.save(&network)?;
    Ok(Ok(()))
}

/// Gives back the taps that a process holds.
pub(crate) fn close_all(state: &State, pid: u32) -> io::Result<()> {
    let _lock = state.lock()?;
    for network in networks(state)? {
        for mut interface in all(&network)?.into_iter().filter(|interface| interface.opened_by == Some(pid)) {
            interface.close();
            interface.save(&network)?;
        }
    }
    Ok(())
}

/// The number in a name like `tap3`, `epair3a`.
fn unit(name: &str, kind: Kind) -> Option<u32> {
    let digits = name.strip_prefix(kind.name())?;
    let digits = if kind == Kind::Epair { digits.strip_suffix(['a', 'b'])? } else { digits };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| is_number)
}

/// The link-local address that follows from a link-level one (RFC 4291, appendix A).
fn link_local_of(ether: &str) -> Ipv6Addr {
    let octets = crate::number::scan(ether, 16, ':', 6);
    let octet = |at: usize| octets.get(at).and_then(|octet| u16::try_from(*octet).ok()).unwrap_or(0);
    let pair = |at: usize| octet(at) << 8 | octet(at + 1);
    Ipv6Addr::new(0xfe80, 0, 0, 0, pair(0) ^ 0x0200, octet(2) << 8 | 0xff, 0xfe00 | octet(3), pair(4))
}

/// Splits `A.B.C.D/N`.
pub(crate) fn parse_inet(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, bits) = text.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok().filter(|bits| *bits <= 32)?))
}

/// Splits `X::Y/N`.
pub(crate) fn parse_inet6(text: &str) -> Option<(Ipv6Addr, u8)> {
    let (address, bits) = text.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok().filter(|bits| *bits <= 128)?))
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
    use super::{Interface, Kind, file, link_local_of, name_of, natural, parse_inet, unit};

    #[test]
    fn a_file_with_nothing_but_a_kind_is_enough() {
        let tap = Interface::parse("tap0", "kind tap\n");
        assert_eq!((tap.kind, tap.up, tap.mtu), (Kind::Tap, false, 1500));
        assert_eq!(Interface::parse("em0", "").kind, Kind::Ether);
    }

    #[test]
    fn what_is_saved_is_what_is_read() {
        let text = "kind bridge\nup yes\nrunning no\nmtu 9000\nether 58:9c:fc:10:ff:a3\nhwaddr 0:1:2:3:4:5\n\
                    inet 10.0.0.1/24\ninet6 fd00::1/64 7\ninet 10.0.1.1/24\nmember tap0\nmember em 0\tstp,private\n\
                    description two words\ngroup vmrun\ngroup \nleft yes\nopened_by 12\nvlan 82 em0\nunit 3\nborn 4\nindex 5\n";
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

    #[test]
    fn a_number_has_no_leading_zero_and_an_epair_two_halves() {
        assert_eq!((unit("tap10", Kind::Tap), unit("epair0b", Kind::Epair)), (Some(10), Some(0)));
        for wrong in ["tap", "tap01", "tapx", "web0"] {
            assert_eq!(unit(wrong, Kind::Tap), None, "{wrong}");
        }
    }

    #[test]
    fn any_name_has_a_file_of_its_own() {
        for name in ["a/b", ".x", "two words", "50%", "%2F"] {
            assert_eq!(name_of(file(name).strip_prefix("interfaces/").unwrap()), name);
        }
    }

    #[test]
    fn a_link_local_address_follows_from_the_link_level_one() {
        assert_eq!(link_local_of("52:54:00:12:34:56").to_string(), "fe80::5054:ff:fe12:3456");
    }

    #[test]
    fn a_tap_that_was_up_goes_down_when_it_is_closed_and_another_stays_as_it_is() {
        let mut tap = Interface::parse("tap1", "kind tap\nup yes\ninet 10.0.0.1/8\nopened_by 1\n");
        tap.close();
        assert_eq!((tap.up, tap.is_running(), tap.addresses.len()), (false, false, 0));
        let mut tap = Interface::parse("tap1", "kind tap\nup no\nrunning yes\nopened_by 1\n");
        tap.close();
        assert_eq!((tap.up, tap.is_running()), (false, true));
    }
}

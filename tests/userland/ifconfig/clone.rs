//! `ifconfig NAME create`: interfaces that exist because someone asked for them.

use super::{Host, vxlan};
use crate::exit::{EEXIST, EINVAL, ENOSPC, EPERM, Exit, Step};
use crate::interface::{self, Interface, Kind};

/// The cloners of this system, by the start of the name.
const CLONERS: &[(&str, Kind)] = &[
    ("tap", Kind::Tap),
    ("vmnet", Kind::Vmnet),
    ("bridge", Kind::Bridge),
    ("epair", Kind::Epair),
    ("vlan", Kind::Vlan),
    ("vxlan", Kind::Vxlan),
    ("lo", Kind::Lo),
];

/// Units go up to `IF_MAXUNIT`.
const MAX_UNIT: u32 = 0x7fff;

/// What a name asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    /// `tap`: the next free unit.
    Any(Kind),
    /// `tap3`: this one.
    Unit(Kind, u32),
    /// `em0.82`: a tag on a card.
    Tag(&'a str, &'a str),
}

fn wanted(name: &str) -> Option<Wanted<'_>> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((parent, tag)) = name.rsplit_once('.') {
        return is_number(tag).then_some(Wanted::Tag(parent, tag));
    }
    let (prefix, kind) = CLONERS.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    match &name[prefix.len()..] {
        "" => Some(Wanted::Any(*kind)),
        "0" => Some(Wanted::Unit(*kind, 0)),
        unit if unit.starts_with('0') || !is_number(unit) => None,
        unit => unit.parse().ok().filter(|unit| i32::try_from(*unit).is_ok()).map(|unit| Wanted::Unit(*kind, unit)),
    }
}

/// Creates an interface. Returns its name and the words that are left; those about the vlan are taken.
pub(crate) fn create<'a>(host: &Host, name: &str, words: &'a [String]) -> Step<(String, &'a [String])> {
    if name.len() > super::NAME_MAX {
        return Err(Exit::new(1, format!("ifconfig: {name}: cloning name too long")));
    }
    let (vlan, rest) = vlan_words(words)?;
    make(host, name, vlan).map(|made| (made, rest)).map_err(|why| match why {
        Refusal::Errno(why) if host.release.major < 14 => Exit::new(1, format!("ifconfig: SIOCIFCREATE2: {why}")),
        Refusal::Errno(why) => Exit::new(1, format!("ifconfig: SIOCIFCREATE2 ({name}): {why}")),
        Refusal::Fault(exit) => exit,
    })
}

/// Why there is no new interface.
enum Refusal {
    Errno(&'static str),
    Fault(Exit),
}

impl From<&'static str> for Refusal {
    fn from(why: &'static str) -> Self {
        Self::Errno(why)
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(error.into())
    }
}

/// What the kernel does for SIOCIFCREATE2.
fn make(host: &Host, name: &str, vlan: Option<(i128, String)>) -> Result<String, Refusal> {
    if !host.is_root {
        return Err(EPERM.into());
    }
    let all = interface::all(host.state)?;
    let (kind, unit, vlan) = match wanted(name).ok_or(EINVAL)? {
        Wanted::Any(kind) => (kind, None, vlan),
        Wanted::Unit(kind, unit) => (kind, Some(unit), vlan),
        // A parent that is not there makes it a name that no cloner knows.
        Wanted::Tag(parent, tag) => {
            let is_there = all.iter().any(|one| one.name == parent);
            let tag = tag.parse().ok().filter(|_| is_there).ok_or(EINVAL)?;
            (Kind::Vlan, None, Some((tag, parent.to_string())))
        }
    };
    // From 14 on taken to be one that no name can ask for (likely).
    if unit.is_some_and(|unit| unit > MAX_UNIT) {
        return Err((if host.release.major < 14 { ENOSPC } else { EINVAL }).into());
    }
    let is_here = |unit: u32| all.iter().any(|one| one.kind == kind && one.unit == Some(unit));
    let is_elsewhere = |unit: u32| interface::is_tap_anywhere(host.state, kind, unit).unwrap_or(false);
    let is_taken = |unit: u32| is_here(unit) || is_elsewhere(unit);
    let is_free = |unit: &u32| !is_taken(*unit) && all.iter().all(|one| one.name != named(kind, *unit, "a"));
    let unit = match unit {
        Some(unit) if is_taken(unit) => return Err(EEXIST.into()),
        Some(unit) => unit,
        None => (0..=MAX_UNIT).find(is_free).ok_or(ENOSPC)?,
    };
    let name = if name.contains('.') { name.to_string() } else { named(kind, unit, "a") };
    let mut one = Interface::new(&name, kind);
    one.unit = Some(unit);
    if kind == Kind::Vlan {
        one.ether = interface::NO_ETHER.to_string();
    }
    if let Some((tag, parent)) = vlan {
        tagged(host, &all, &mut one, tag, &parent)?;
    }
    if kind == Kind::Vxlan {
        one.mtu = vxlan::mtu(&one);
    }
    interface::add(host.state, one)?;
    if kind == Kind::Epair {
        interface::add(host.state, Interface::new(&named(kind, unit, "b"), kind))?;
    }
    Ok(name)
}

/// The name of a unit; of an epair's it is that of one half.
fn named(kind: Kind, unit: u32, half: &str) -> String {
    format!("{}{unit}{}", kind.name(), if kind == Kind::Epair { half } else { "" })
}

/// Puts a tag of a card on a vlan.
pub(crate) fn tagged(
    host: &Host,
    all: &[Interface],
    one: &mut Interface,
    tag: i128,
    parent: &str,
) -> Result<(), &'static str> {
    const ENXIO: &str = "Device not configured";
    /// What a tag takes from the packets of a parent that cannot carry longer ones.
    const TAG_SIZE: u32 = 4;
    let card = all.iter().find(|other| other.name == parent).filter(|_| one.kind == Kind::Vlan).ok_or(ENXIO)?;
    let tag = u16::try_from(tag).ok().filter(|tag| (1..4095).contains(tag)).ok_or(EINVAL)?;
    // A vlan in a vlan is carried since 13, and one on a bridge since 15 (k).
    let carries = match card.kind {
        Kind::Lo => false,
        Kind::Vlan => host.release.major >= 13,
        Kind::Bridge => host.release.major >= 15,
        Kind::Ether | Kind::Epair | Kind::Tap | Kind::Vmnet | Kind::Vxlan => true,
    };
    if !carries {
        return Err("Protocol not supported");
    }
    // A tag is on a card once, whatever the name.
    if all.iter().any(|other| other.vlan == Some((tag, parent.to_string()))) {
        return Err(EEXIST);
    }
    one.mtu = if card.kind.is_tap() { card.mtu - TAG_SIZE } else { card.mtu };
    one.ether.clone_from(&card.ether);
    one.vlan = Some((tag, parent.to_string()));
    Ok(())
}

/// The tag and the parent, when a vlan is wanted with one.
type Vlan = Option<(i128, String)>;

fn vlan_words(words: &[String]) -> Step<(Vlan, &[String])> {
    let (mut tag, mut parent, mut rest) = (None, None, words);
    while let [key @ ("vlan" | "vlandev" | "vlanproto" | "vlanpcp"), tail @ ..] =
        rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
    {
        let Some(value) = tail.first() else {
            return Err(Exit::new(1, format!("ifconfig: '{key}' requires argument")));
        };
        match *key {
            "vlan" => tag = Some((*value).to_string()),
            "vlandev" => parent = Some((*value).to_string()),
            _ => {}
        }
        rest = &rest[2..];
    }
    let vlan = match (tag, parent) {
        (None, None) => None,
        (Some(tag), Some(parent)) => Some((tag_number(&tag)?, parent)),
        (None, _) => return Err(Exit::new(1, "ifconfig: must specify a tag for vlan create")),
        (_, None) => return Err(Exit::new(1, "ifconfig: must specify a parent device for vlan create")),
    };
    Ok((vlan, rest))
}

/// A tag as ifconfig reads it: a number that fits into 16 bits.
pub(crate) fn tag_number(text: &str) -> Step<i128> {
    let number = crate::number::strtol(text, 0).and_then(|number| number.whole());
    let number = number.ok_or_else(|| Exit::new(1, "ifconfig: invalid value for vlan"))?;
    let fits = u16::try_from(number).is_ok();
    fits.then_some(number).ok_or_else(|| Exit::new(1, "ifconfig: value for vlan out of range"))
}

#[cfg(test)]
mod tests {
    use super::{Kind, Wanted, tag_number, vlan_words, wanted};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn a_name_asks_for_any_unit_a_unit_or_a_tag() {
        assert_eq!(wanted("tap"), Some(Wanted::Any(Kind::Tap)));
        assert_eq!(wanted("bridge12"), Some(Wanted::Unit(Kind::Bridge, 12)));
        assert_eq!(wanted("em0.82"), Some(Wanted::Tag("em0", "82")));
    }

    #[test]
    fn names_that_no_cloner_knows_are_refused() {
        for name in ["em0", "tapx", "tap01", "tap4294967296", "em0.", "em0.x", "web0"] {
            assert_eq!(wanted(name), None, "{name}");
        }
    }

    #[test]
    fn a_vlan_needs_both_its_tag_and_its_parent() {
        let args = words("vlan 82 vlandev em0 up");
        let (vlan, rest) = vlan_words(&args).unwrap();
        assert_eq!((vlan, rest.len()), (Some((82, "em0".to_string())), 1));
        assert!(vlan_words(&words("vlan 82")).is_err() && vlan_words(&words("vlandev em0")).is_err());
    }

    #[test]
    fn a_tag_is_a_number_of_16_bits() {
        assert_eq!(tag_number("5000").unwrap(), 5000);
        assert!(tag_number("x").is_err() && tag_number("65536").is_err());
    }
}

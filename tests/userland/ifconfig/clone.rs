//! `ifconfig NAME create`: interfaces that exist because someone asked for them.
//!
//! The form of SIOCIFCREATE2's message, its reasons and the words about vlans are (k).

use crate::exit::{EEXIST, EINVAL, Exit, Step};
use crate::interface::{self, Interface, Kind};
use crate::state::State;

/// The cloners of this system, by the start of the name.
const CLONERS: &[(&str, Kind)] = &[
    ("tap", Kind::Tap),
    ("vmnet", Kind::Tap),
    ("bridge", Kind::Bridge),
    ("epair", Kind::Epair),
    ("vlan", Kind::Vlan),
    ("lo", Kind::Lo),
];

/// Units go up to `IF_MAXUNIT`.
const MAX_UNIT: u32 = 0x7fff;

/// What a name asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    /// `tap`: the next free unit.
    Any(&'a str, Kind),
    /// `tap3`: this one.
    Unit(&'a str, Kind),
    /// `em0.82`: a tag on a card.
    Tag(&'a str, u16),
}

fn wanted(name: &str) -> Option<Wanted<'_>> {
    if let Some((parent, tag)) = name.rsplit_once('.') {
        return Some(Wanted::Tag(parent, tag.parse().ok().filter(|tag| (1..4095).contains(tag))?));
    }
    let (prefix, kind) = CLONERS.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    match &name[prefix.len()..] {
        "" => Some(Wanted::Any(name, *kind)),
        "0" => Some(Wanted::Unit(name, *kind)),
        unit if unit.starts_with('0') || !unit.bytes().all(|byte| byte.is_ascii_digit()) => None,
        unit => unit.parse().ok().filter(|unit: &u32| *unit <= MAX_UNIT).map(|_| Wanted::Unit(name, *kind)),
    }
}

/// Creates an interface. Returns its name and the words that are left; those about the vlan are taken.
pub(crate) fn create<'a>(state: &State, name: &str, words: &'a [String]) -> Step<(String, &'a [String])> {
    if name.len() > super::NAME_MAX {
        return Err(Exit::new(1, format!("ifconfig: {name}: cloning name too long")));
    }
    let refused = |why| Exit::new(1, format!("ifconfig: SIOCIFCREATE2 ({name}): {why}"));
    let (vlan, rest) = vlan_words(words)?;
    let (new, vlan) = match wanted(name).ok_or_else(|| refused(EINVAL))? {
        Wanted::Any(prefix, kind) => (free_unit(state, prefix, kind)?, vlan.map(|vlan| (kind, vlan))),
        Wanted::Unit(name, kind) => (Interface::new(name, kind), vlan.map(|vlan| (kind, vlan))),
        Wanted::Tag(parent, tag) => (Interface::new(name, Kind::Vlan), Some((Kind::Vlan, (tag, parent.to_string())))),
    };
    let halves = if new.kind == Kind::Epair && !new.name.ends_with('a') { vec!["a", "b"] } else { vec![""] };
    for half in &halves {
        let mut one = new.clone();
        one.name.push_str(half);
        one.ether = Interface::new(&one.name, one.kind).ether;
        if interface::load(state, &one.name)?.is_some() {
            return Err(refused(EEXIST));
        }
        if let Some((kind, (tag, parent))) = &vlan {
            // (k) ENXIO for a parent that is not there.
            let card = interface::load(state, parent)?.filter(|_| *kind == Kind::Vlan);
            // (k) A tag is on a card once, whatever the name (vlan_config of if_vlan.c).
            if interface::all(state)?.iter().any(|other| other.vlan == Some((*tag, parent.clone()))) {
                return Err(refused(EEXIST));
            }
            one.mtu = card.ok_or_else(|| refused("Device not configured"))?.mtu;
            one.vlan = Some((*tag, parent.clone()));
        }
        one.save(state)?;
    }
    Ok((format!("{}{}", new.name, halves[0]), rest))
}

/// The lowest unit that is free.
fn free_unit(state: &State, prefix: &str, kind: Kind) -> Step<Interface> {
    for unit in 0..=MAX_UNIT {
        let name = format!("{prefix}{unit}");
        let probe = if kind == Kind::Epair { format!("{name}a") } else { name.clone() };
        if interface::load(state, &probe)?.is_none() {
            return Ok(Interface::new(&name, kind));
        }
    }
    Err(Exit::new(1, "ifconfig: SIOCIFCREATE2: No space left on device"))
}

/// The tag and the parent, when a vlan is wanted with one.
type Vlan = Option<(u16, String)>;

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
        (Some(tag), Some(parent)) => {
            let number = tag.parse().ok().filter(|tag| (1..4095).contains(tag));
            Some((number.ok_or_else(|| Exit::new(1, format!("ifconfig: value for vlan out of range: {tag}")))?, parent))
        }
        (None, _) => return Err(Exit::new(1, "ifconfig: must specify a tag for vlan create")),
        (_, None) => return Err(Exit::new(1, "ifconfig: must specify a parent device for vlan create")),
    };
    Ok((vlan, rest))
}

#[cfg(test)]
mod tests {
    use super::{Kind, Wanted, vlan_words, wanted};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_string).collect()
    }

    #[test]
    fn a_name_asks_for_any_unit_a_unit_or_a_tag() {
        assert_eq!(wanted("tap"), Some(Wanted::Any("tap", Kind::Tap)));
        assert_eq!(wanted("bridge12"), Some(Wanted::Unit("bridge12", Kind::Bridge)));
        assert_eq!(wanted("em0.82"), Some(Wanted::Tag("em0", 82)));
    }

    #[test]
    fn names_that_no_cloner_knows_are_refused() {
        for name in ["em0", "tapx", "tap01", "tap99999", "em0.0", "em0.4095", "em0.x"] {
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
}

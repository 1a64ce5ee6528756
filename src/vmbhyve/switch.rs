//! vm-bhyve's switches, as `.config/system.conf` describes them.

use super::Note;
use super::conf::{Conf, Entry, identifier};
use super::reading::yes;
use crate::diag::suggest::{did_you_mean, list};
use std::collections::BTreeMap;

/// A switch as a line of `switch_list` and the keys with its name describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// The name in `switch_list`.
    pub name: String,
    /// Its kind, as the file calls it.
    pub kind: String,
    /// The bridge that its guests are members of, if it is one.
    pub bridge: Option<String>,
    /// The interfaces that are members of it.
    pub ports: Vec<String>,
    /// The VLAN of its ports, or the number of its VXLAN.
    pub vlan: Option<String>,
    /// The address of the bridge.
    pub address: Option<String>,
    /// The MTU of the bridge and its ports.
    pub mtu: Option<String>,
    /// Whether its guests are kept from each other.
    pub private: bool,
}

/// The keys of a switch, without its name (vm-bhyve's `lib/vm-switch-*`).
const KEYS: [&str; 7] = ["type", "bridge", "ports", "vlan", "addr", "mtu", "private"];

/// Reads the switches of a system.conf, and notes of every other key why it is not taken over.
pub(crate) fn all(system: &str) -> (Vec<Description>, Vec<Note>) {
    let conf = Conf::parse(system);
    let mut notes = conf.notes().to_vec();
    let list = conf.get("switch_list").map_or("", |entry| &entry.value);
    let mut names: Vec<&str> = Vec::new();
    for name in list.split_whitespace() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let bridges = long(&names);
    for entry in conf.entries().iter().filter(|entry| !entry.repeated && entry.key != "switch_list") {
        if let Some(note) = fate(entry, &names, &conf) {
            notes.push(note);
        }
    }
    notes.sort();
    let describe = |name: &&str| {
        let get = |key: &str| conf.get(&format!("{key}_{name}")).map(|entry| entry.value.trim().to_string());
        let get = |key: &str| get(key).filter(|value| !value.is_empty());
        let bridge = match named(name, &conf) {
            Switch::Bridge { name: own, .. } => own.or_else(|| bridges.get(*name).cloned()),
            Switch::Vale | Switch::Netgraph | Switch::Unknown(_) => None,
        };
        Description {
            name: (*name).to_string(),
            kind: get("type").unwrap_or_else(|| "standard".into()),
            bridge,
            ports: get("ports").unwrap_or_default().split_whitespace().map(String::from).collect(),
            vlan: get("vlan").filter(|vlan| vlan != "0"),
            address: get("addr"),
            mtu: get("mtu"),
            private: get("private").is_some_and(|value| yes(&value)),
        }
    };
    (names.iter().map(describe).collect(), notes)
}

/// Returns names for the bridges of switches whose own are too long for an interface's.
pub(crate) fn bridges(system: &str) -> BTreeMap<String, String> {
    let conf = Conf::parse(system);
    long(&conf.get("switch_list").map_or("", |entry| &entry.value).split_whitespace().collect::<Vec<_>>())
}

fn long(names: &[&str]) -> BTreeMap<String, String> {
    let is_long = |name: &&&str| name.chars().count() > LONGEST;
    let cut = |(at, name): (usize, &&str)| {
        let begin: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(8).collect();
        ((*name).to_string(), format!("vm-{begin}{at}"))
    };
    names.iter().filter(is_long).enumerate().map(cut).collect()
}

/// Returns what there is to say of a line that is no part of a switch's description here.
fn fate(entry: &Entry, names: &[&str], conf: &Conf) -> Option<Note> {
    let key = entry.key.as_str();
    let note = |text: String| Some(Note::new(entry.line, identifier(key), text));
    let hole = |text: String| Some(Note::hole(entry.line, identifier(key), text));
    let is_of = |name: &&&str| KEYS.iter().chain(&["nat"]).any(|known| key == format!("{known}_{name}"));
    let ends = |name: &&&str| key.strip_suffix(**name).is_some_and(|head| head.ends_with('_'));
    let of = names.iter().find(is_of).or_else(|| names.iter().find(ends));
    let Some(name) = of else {
        let is_store = ["path_", "type_"].iter().any(|head| key.starts_with(head));
        return match key {
            "datastore_list" => {
                note("guests of other datastores are imported by themselves: `vmrun import --all FOLDER`".into())
            }
            "console" => note("vmrun opens a console by itself: `vmrun console NAME`".into()),
            _ if is_store && conf.get("datastore_list").is_some() => note("it describes another datastore".into()),
            _ => note("it is no key of a switch that `switch_list` has".into()),
        };
    };
    let known = key.strip_suffix(&format!("_{name}")).unwrap_or(key);
    if known == "nat" {
        if !yes(&entry.value) {
            return None;
        }
        return hole(
            "vmrun translates no addresses: write a rule of pf(4), as `nat on em0 from NETWORK to any -> (em0)`".into(),
        );
    }
    if !KEYS.contains(&known) {
        return note("vm-bhyve 1.7 reads no such key of a switch".into());
    }
    match (named(name, conf), known) {
        (Switch::Vale, "type") => hole("vmrun makes no VALE switch: its cards stay on taps without a bridge".into()),
        (Switch::Netgraph, "type") => {
            hole(format!("vmrun makes no netgraph bridge: make `{name}` by ngctl(8) before its guests start"))
        }
        (Switch::Unknown(kind), "type") => hole(format!("vm-bhyve knows no switch of type {kind:?}")),
        (Switch::Vale | Switch::Netgraph | Switch::Unknown(_), _) => {
            note("it belongs to a switch that is not taken over".into())
        }
        _ => None,
    }
}

/// A switch of vm-bhyve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    /// A bridge: its name, if it is known, whether its members are kept from each other, and its MTU, if it is told one.
    Bridge { name: Option<String>, private: bool, mtu: Option<String> },
    /// A VALE switch.
    Vale,
    /// A netgraph bridge.
    Netgraph,
    /// A kind that vm-bhyve does not know, so that it adds no card.
    Unknown(String),
}

/// The longest name of a switch that becomes the name of its bridge, in characters.
const LONGEST: usize = 12;

/// Returns what a switch is: without a word about it in system.conf, a standard one.
pub(super) fn named(switch: &str, system: &Conf) -> Switch {
    let get = |key: &str| system.get(&format!("{key}_{switch}")).map(|entry| entry.value.trim().to_string());
    let private = get("private").is_some_and(|value| yes(&value));
    let mtu = get("mtu").filter(|mtu| !["", "1500"].contains(&mtu.as_str()));
    match get("type").as_deref() {
        None | Some("standard" | "vxlan") => {
            let name = (switch.chars().count() <= LONGEST).then(|| format!("vm-{switch}"));
            Switch::Bridge { name, private, mtu }
        }
        Some("manual") => Switch::Bridge { name: get("bridge").filter(|name| !name.is_empty()), private, mtu },
        Some("vale") => Switch::Vale,
        Some("netgraph") => Switch::Netgraph,
        Some(other) => Switch::Unknown(other.into()),
    }
}

/// Returns what is said of a switch that system.conf does not list, where there is one that lists any.
pub(super) fn unknown(switch: &str, system: &Conf) -> Option<String> {
    let known: Vec<&str> = system.get("switch_list").map_or("", |entry| &entry.value).split_whitespace().collect();
    let is_known = known.contains(&switch) || system.get(&format!("type_{switch}")).is_some();
    if system.entries().is_empty() || is_known {
        return None;
    }
    let near = did_you_mean(switch, known.iter().copied());
    let hint = near.unwrap_or_else(|| match known.as_slice() {
        [] => "it lists none".into(),
        known => format!("it lists {}", list(known.iter().copied())),
    });
    Some(format!("system.conf knows no switch {switch:?}, so that it is taken for a standard one: {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_that_system_conf_does_not_list_is_told() {
        let told = |switch: &str, text: &str| unknown(switch, &Conf::parse(text));
        let system = "switch_list=\"lan wan\"\ntype_lan=\"standard\"\ntype_old=\"manual\"\n";
        let is_told = |hint: &str, switch: &str| {
            format!("system.conf knows no switch {switch:?}, so that it is taken for a standard one: {hint}")
        };
        assert_eq!(told("lann", system), Some(is_told("did you mean `lan`?", "lann")));
        assert_eq!(told("public", system), Some(is_told("it lists lan and wan", "public")));
        assert_eq!(told("public", "mon_x=\"1\"\n"), Some(is_told("it lists none", "public")));
        assert_eq!([told("wan", system), told("old", system), told("public", "")], [None, None, None]);
    }

    #[test]
    fn a_switch_is_what_system_conf_says_and_a_standard_one_otherwise() {
        let system = "switch_list=\"lan wan v n odd\"\ntype_lan=\"standard\"\nprivate_lan=\"yes\"\ntype_wan=\"manual\"\n\
                      bridge_wan=\"bridge7\"\ntype_v=\"vale\"\ntype_n=\"netgraph\"\ntype_odd=\"mesh\"\nmtu_jumbo=\"9000\"\nmtu_lan=\"1500\"\n";
        let bridge =
            |name: Option<&str>, private| Switch::Bridge { name: name.map(str::to_string), private, mtu: None };
        for (switch, expected) in [
            ("lan", bridge(Some("vm-lan"), true)),
            ("wan", bridge(Some("bridge7"), false)),
            ("v", Switch::Vale),
            ("n", Switch::Netgraph),
            ("odd", Switch::Unknown("mesh".into())),
            ("public", bridge(Some("vm-public"), false)),
            ("jumbo", Switch::Bridge { name: Some("vm-jumbo".into()), private: false, mtu: Some("9000".into()) }),
            ("a-rather-long-one", bridge(None, false)),
        ] {
            assert_eq!(named(switch, &Conf::parse(system)), expected);
        }
        assert_eq!(named("public", &Conf::default()), bridge(Some("vm-public"), false));
    }
}

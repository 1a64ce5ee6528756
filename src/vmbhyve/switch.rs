//! vm-bhyve's switches, as `.config/system.conf` describes them.

use super::conf::Conf;
use super::reading::yes;
use crate::diag::suggest::{did_you_mean, list};

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

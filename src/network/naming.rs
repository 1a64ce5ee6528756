//! The names that FreeBSD gives to interfaces: which it makes under, which it can be renamed to, and which are others'.

use crate::diag::Fault;
use crate::model::{Link, LinkKind};

/// The highest number of a cloned interface (`IF_MAXUNIT` of net/if.h; tap32767 was made, tap32768 refused: ifconfig-tap.txt).
const MAX_UNIT: u32 = 0x7fff;

/// What cards and other interfaces of FreeBSD's own are called (section 4 of its manual). An interface with such a name would be
/// taken for one of them, by people and by rc.conf(5).
const DRIVERS: &[&str] = &[
    "ae", "age", "alc", "ale", "ath", "aue", "axe", "axgbe", "bce", "bfe", "bge", "bnxt", "bridge", "carp", "cas",
    "cc", "cdce", "cue", "cxgb", "cxgbe", "cxl", "dc", "disc", "edsc", "em", "ena", "enc", "enic", "epair", "et",
    "faith", "fwe", "fwip", "fxp", "gem", "genet", "gif", "gre", "gve", "hn", "iavf", "ice", "igb", "igc", "ipfw",
    "ipheth", "iwlwifi", "iwm", "iwn", "ix", "ixgbe", "ixl", "ixv", "jme", "kue", "lagg", "le", "lge", "liquidio",
    "lo", "mce", "me", "mge", "mlx", "mlxen", "mos", "msk", "mxge", "my", "nfe", "ng", "ngeth", "nge", "oce", "otus",
    "ovpn", "pflog", "pflow", "pfsync", "ppp", "qlnxe", "qlxgb", "qlxgbe", "ral", "re", "rge", "rl", "rsu", "rtw",
    "rtwn", "rue", "rum", "run", "sfxge", "sge", "sis", "sk", "smsc", "ste", "stf", "stge", "tap", "ti", "tun", "uath",
    "udav", "ue", "upgt", "ural", "ure", "urndis", "urtw", "usbus", "vge", "vlan", "vmnet", "vmx", "vr", "vtnet",
    "vxlan", "wg", "wlan", "wpi", "wtap", "xl", "xn", "zyd",
];

/// Splits a name that is a driver's with a number.
fn unit(name: &str) -> Option<(&str, &str)> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let (stem, number) = name.split_at(stem.len());
    (!stem.is_empty() && !number.is_empty()).then_some((stem, number))
}

/// Returns the drivers that make an interface of a kind; the first is its family.
const fn makers(kind: &LinkKind) -> &'static [&'static str] {
    match kind {
        LinkKind::Tap => &["tap", "vmnet"],
        LinkKind::Bridge => &["bridge"],
        LinkKind::Vlan { .. } => &["vlan"],
        LinkKind::Vxlan(_) => &["vxlan"],
        LinkKind::Pair { .. } => &["epair"],
    }
}

/// Whether FreeBSD makes the interface under its name: `tapN`, `bridgeN`, `vlanN`, `vxlanN`, `epairN`, `PARENT.TAG`.
fn is_native(link: &Link) -> bool {
    let of_driver = unit(made(link)).is_some_and(|(stem, _)| makers(&link.kind).contains(&stem));
    let of_parent =
        matches!(&link.kind, LinkKind::Vlan { parent, tag } if link.name.as_str() == format!("{parent}.{tag}"));
    of_driver || of_parent
}

/// Returns the name that a call of ifconfig(8) makes: a pair is made without the letters of its ends.
pub(crate) fn made(link: &Link) -> &str {
    match link.kind {
        LinkKind::Pair { .. } => link.name.as_str().trim_end_matches('a'),
        LinkKind::Tap | LinkKind::Bridge | LinkKind::Vlan { .. } | LinkKind::Vxlan(_) => link.name.as_str(),
    }
}

/// Returns the name under which an interface is made before it is given its own, where FreeBSD does not make it under that. The
/// number stays taken for as long as the interface is there (12.1, ifconfig-names-groups.txt), so that it is none that somebody would
/// choose, and always the same for a name.
pub(crate) fn first_name(link: &Link) -> Option<String> {
    const FIRST: u32 = MAX_UNIT / 2 + 1;
    // FNV-1a: numbers of different names should differ, and stay as they are with every release of ours.
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    let hash = || link.name.as_str().bytes().fold(0x811c_9dc5, step);
    (!is_native(link)).then(|| format!("{}{}", makers(&link.kind)[0], FIRST + hash() % FIRST))
}

/// Returns why FreeBSD cannot have such an interface of that name.
pub(crate) fn fault(link: &Link) -> Option<Fault> {
    let name = link.name.as_str();
    let family = makers(&link.kind)[0];
    let refused = |why: String, hint: String| Some(Fault::new(format!("FreeBSD cannot make {name}: {why}")).hint(hint));
    if let LinkKind::Vlan { parent, tag } = &link.kind
        && let Some((card, number)) = name.rsplit_once('.')
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        let own = format!("{parent}.{tag}");
        let why = || format!("that is the name of VLAN {number} of {card}");
        return if own == name {
            None
        } else {
            refused(why(), format!("leave `name` out, for {own}, or write \"vlan{tag}\""))
        };
    }
    let (stem, number) = unit(made(link))?;
    if !makers(&link.kind).contains(&stem) {
        let is_others = DRIVERS.contains(&stem);
        let why = || format!("that is a name of {stem}(4), and this is {}", link.kind.words());
        return if is_others {
            refused(why(), format!("{family}0 and the like, or a name of your own: guests"))
        } else {
            None
        };
    }
    match number.parse::<u32>() {
        Ok(unit) if unit > MAX_UNIT => refused(format!("the highest number is {MAX_UNIT}"), format!("write {stem}1")),
        Ok(unit) if unit.to_string() != number => {
            refused("its number begins with 0".into(), format!("write {stem}{unit}"))
        }
        Ok(_) => None,
        Err(_) => refused(format!("the highest number is {MAX_UNIT}"), format!("write {stem}1")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::name;
    use super::*;

    fn said(link: &Link) -> String {
        let first = first_name(link).map(|first| format!("{first} name ")).unwrap_or_default();
        fault(link).map_or_else(
            || format!("{first}{}", made(link)),
            |fault| format!("{} | {}", fault.message, fault.hint.unwrap_or_default()),
        )
    }

    #[test]
    fn a_tap_has_a_number_or_a_name_of_its_own() {
        let said = |text: &str| said(&Link::tap(name(text)));
        assert_eq!(["tap0", "tap32767", "vmnet3"].map(said), ["tap0", "tap32767", "vmnet3"]);
        assert_eq!(
            ["web0", "tapx", "guests"].map(said),
            ["tap29043 name web0", "tap21806 name tapx", "tap19072 name guests"]
        );
        assert_eq!(said("tap01"), "FreeBSD cannot make tap01: its number begins with 0 | write tap1");
        for text in ["tap32768", "tap99999", "tap123456789012"] {
            assert_eq!(said(text), format!("FreeBSD cannot make {text}: the highest number is 32767 | write tap1"));
        }
        assert_eq!(
            said("em0"),
            "FreeBSD cannot make em0: that is a name of em(4), and this is a tap | tap0 and the like, or a name of your own: guests"
        );
    }

    #[test]
    fn other_interfaces_have_numbers_too_and_a_vlan_that_of_its_parent_and_tag() {
        let bridge = |text: &str| said(&Link::new(name(text), LinkKind::Bridge));
        assert_eq!([bridge("bridge2"), bridge("lan")], ["bridge2", "bridge16400 name lan"]);
        assert_eq!(
            bridge("tap1"),
            "FreeBSD cannot make tap1: that is a name of tap(4), and this is a bridge | bridge0 and the like, or a name of your own: \
             guests"
        );
        let vlan = |text: &str| {
            said(&Link::new(name(text), LinkKind::Vlan { parent: name("ix0"), tag: 82.try_into().unwrap() }))
        };
        assert_eq!([vlan("ix0.82"), vlan("vlan5"), vlan("guests0")], ["ix0.82", "vlan5", "vlan21264 name guests0"]);
        for (text, of) in [("ix0.83", "VLAN 83 of ix0"), ("em0.82", "VLAN 82 of em0"), ("ix0.082", "VLAN 082 of ix0")] {
            let expected = format!(
                "FreeBSD cannot make {text}: that is the name of {of} | leave `name` out, for ix0.82, or write \"vlan82\""
            );
            assert_eq!(vlan(text), expected);
        }
        let tunnel = |text: &str| said(&Link::new(name(text), LinkKind::Vxlan(super::super::samples::vxlan())));
        assert_eq!([tunnel("vxlan0"), tunnel("far")], ["vxlan0", "vxlan23022 name far"]);
        assert_eq!(
            tunnel("vlan5"),
            "FreeBSD cannot make vlan5: that is a name of vlan(4), and this is VXLAN 108 from 10.0.0.1 to 224.0.2.6 | vxlan0 and the \
             like, or a name of your own: guests"
        );
        let pair = Link::new(name("epair7a"), LinkKind::Pair { peer: name("epair7b") });
        assert_eq!(said(&pair), "epair7");
    }
}

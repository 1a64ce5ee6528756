//! The words of ifconfig about a vxlan, as FreeBSD's ifvxlan.c and if_vxlan.c have them (src); no corpus has them.

use crate::exit::{Exit, Step};
use crate::interface::{Interface, Kind};
use std::net::IpAddr;

/// The words that have a value.
pub(crate) const WORDS: &[&str] =
    &["vni", "vxlanid", "vxlanlocal", "vxlanremote", "vxlangroup", "vxlanlocalport", "vxlanremoteport", "vxlandev"];

/// `VXLAN_VNI_MAX`: what no number reaches.
const VNI_END: u64 = 1 << 24;

fn refused<T>(text: &str) -> Step<T> {
    Err(Exit::new(1, format!("ifconfig: {text}")))
}

/// Has a vxlan be told a word with its value.
pub(crate) fn tell(one: &mut Interface, word: &str, value: &str) -> Step<()> {
    let number = value.parse::<u64>().ok();
    let ip = value.parse::<IpAddr>().ok();
    let word = match word {
        "vni" | "vxlanid" if number.is_none_or(|id| id >= VNI_END) => {
            return refused(&format!("invalid network identifier: {value}"));
        }
        "vni" => "vxlanid",
        "vxlanlocalport" | "vxlanremoteport" if number.is_none_or(|port| port >= u16::MAX.into()) => {
            let side = if word == "vxlanlocalport" { "local" } else { "remote" };
            return refused(&format!("invalid {side} port: {value}"));
        }
        "vxlanlocal" | "vxlanremote" | "vxlangroup" => {
            let what = &word["vxlan".len()..];
            match ip {
                None => return refused(&format!("error in parsing {what} address string: Name does not resolve")),
                Some(ip) if word == "vxlangroup" && !ip.is_multicast() => {
                    return refused("group address must be multicast");
                }
                Some(ip) if word != "vxlangroup" && ip.is_multicast() => {
                    return refused(&format!("{what} address cannot be multicast"));
                }
                Some(_) => word,
            }
        }
        word => word,
    };
    if one.kind != Kind::Vxlan || one.up {
        let why = if one.kind == Kind::Vxlan { "Device busy" } else { "Invalid argument" };
        return refused(&format!("VXLAN_CMD_SET: {why}"));
    }
    one.vxlan.retain(|(known, _)| known != word);
    one.vxlan.push((word.into(), value.into()));
    one.mtu = mtu(one);
    Ok(())
}

fn far(one: &Interface) -> Option<(&'static str, IpAddr)> {
    let of = |word, name| one.vxlan(word)?.parse().ok().map(|ip| (name, ip));
    of("vxlangroup", "group").or_else(|| of("vxlanremote", "remote"))
}

/// 1500 without the headers, whatever the card has (vxlan(4), MTU; `vxlan_setup_interface_hdrlen`).
pub(crate) fn mtu(one: &Interface) -> u32 {
    1500 - 30
        - match far(one) {
            Some((_, IpAddr::V4(_))) => 20,
            Some((_, IpAddr::V6(_))) => 40,
            None => 0,
        }
}

/// The line of a vxlan that has a number.
pub(crate) fn shown(one: &Interface) -> Option<String> {
    let id = one.vxlan("vxlanid")?;
    let (name, far) = far(one)?;
    let local = one.vxlan("vxlanlocal").and_then(|local| local.parse().ok());
    let end = |ip: IpAddr, port: &str| {
        let port = one.vxlan(port).unwrap_or("4789");
        if ip.is_ipv6() { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
    };
    let local = local.map_or_else(|| "0.0.0.0:4789".into(), |local| end(local, "vxlanlocalport"));
    Some(format!("vxlan vni {id} local {local} {name} {}", end(far, "vxlanremoteport")))
}

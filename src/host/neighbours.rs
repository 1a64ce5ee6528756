//! Who this host has spoken to lately: arp(8) and ndp(8) of FreeBSD, ip-neighbour(8) of Linux.
//!
//! Whoever is on a network can claim any address there, so that a neighbour is a hint where a guest is and never who it is.

use super::Platform;
use super::program::Query;
use crate::model::{Argv, Mac};
use serde_json::Value;
use std::net::IpAddr;

/// An address that a hardware address was seen with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neighbour {
    /// The hardware address.
    pub mac: Mac,
    /// The address.
    pub address: IpAddr,
    /// Whether it was heard of within the last moments, as far as that is told.
    pub is_fresh: bool,
}

/// Asks for the neighbours; of a program that is not there, or fails, there are none.
pub(crate) fn read(platform: Platform, query: Query<'_>) -> Vec<Neighbour> {
    let ask = |argv: Argv| query(&argv).unwrap_or_default();
    match platform {
        Platform::FreeBsd => {
            let arp = parse_arp(&ask(Argv::new("arp").arg("-an")));
            arp.into_iter().chain(parse_ndp(&ask(Argv::new("ndp").arg("-an")))).collect()
        }
        Platform::Linux => parse_ip(&ask(Argv::new("ip").args(["-json", "neigh", "show"]))),
    }
}

/// Returns the address of one of these cards: IPv4 before IPv6, and those that were heard of lately first. Link-local ones would need
/// the name of an interface.
pub(crate) fn of(all: &[Neighbour], macs: &[Mac]) -> Option<IpAddr> {
    let is_local = |address: IpAddr| match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let ours = all.iter().filter(|one| macs.contains(&one.mac) && !is_local(one.address));
    ours.min_by_key(|one| (one.address.is_ipv6(), !one.is_fresh)).map(|one| one.address)
}

/// Reads `arp -an` of FreeBSD: `? (10.0.0.5) at 58:9c:fc:00:00:01 on bridge2 expires in 1195 seconds [bridge]`.
pub(crate) fn parse_arp(text: &str) -> Vec<Neighbour> {
    let one = |line: &str| {
        let (address, rest) = line.split_once('(')?.1.split_once(')')?;
        let mac = rest.strip_prefix(" at ")?.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Neighbour { mac, address: address.parse().ok()?, is_fresh: !rest.contains(" expired") })
    };
    text.lines().filter_map(one).collect()
}

/// Reads `ndp -an` of FreeBSD: `fd00::5  58:9c:fc:00:00:01 bridge2 23h59m58s S R`.
pub(crate) fn parse_ndp(text: &str) -> Vec<Neighbour> {
    let one = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [address, mac, _, expire, rest @ ..] = words.as_slice() else { return None };
        let address = address.split('%').next()?.parse().ok()?;
        let is_fresh = *expire != "expired" && rest.first().is_some_and(|state| matches!(*state, "R" | "D" | "P"));
        Some(Neighbour { mac: mac.parse().ok()?, address, is_fresh })
    };
    text.lines().filter_map(one).collect()
}

/// Reads `ip -json neigh show`.
pub(crate) fn parse_ip(text: &str) -> Vec<Neighbour> {
    let all: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let one = |one: &Value| {
        let word = |key: &str| one.get(key).and_then(Value::as_str);
        let states = one.get("state").and_then(Value::as_array).into_iter().flatten();
        let states: Vec<&str> = states.filter_map(Value::as_str).collect();
        if states.iter().any(|state| ["FAILED", "INCOMPLETE"].contains(state)) {
            return None;
        }
        let is_fresh = states.iter().any(|state| ["REACHABLE", "PERMANENT", "DELAY", "PROBE"].contains(state));
        Some(Neighbour { mac: word("lladdr")?.parse().ok()?, address: word("dst")?.parse().ok()?, is_fresh })
    };
    all.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(all: &[Neighbour]) -> Vec<String> {
        let fresh = |one: &Neighbour| if one.is_fresh { "" } else { ", stale" };
        all.iter().map(|one| format!("{} {}{}", one.mac, one.address, fresh(one))).collect()
    }

    #[test]
    fn what_each_tool_says_is_read() {
        let arp = "? (10.0.0.5) at 58:9c:fc:00:00:01 on bridge2 expires in 1195 seconds [bridge]\n\
                   ? (10.0.0.6) at (incomplete) on bridge2 expired [bridge]\n\
                   gw (10.0.0.1) at 58:9c:fc:00:00:09 on bridge2 permanent [bridge]\n";
        assert_eq!(shown(&parse_arp(arp)), ["58:9c:fc:00:00:01 10.0.0.5", "58:9c:fc:00:00:09 10.0.0.1"]);
        let ndp = "Neighbor                             Linklayer Address  Netif Expire    1s 5s\n\
                   fd00::5                              58:9c:fc:00:00:01 bridge2 23h59m58s S \n\
                   fe80::5a9c:fcff:fe00:1%bridge2       58:9c:fc:00:00:01 bridge2 20s       R  \n\
                   fd00::6                              (incomplete)      bridge2 expired   N\n";
        assert_eq!(
            shown(&parse_ndp(ndp)),
            ["58:9c:fc:00:00:01 fd00::5, stale", "58:9c:fc:00:00:01 fe80::5a9c:fcff:fe00:1"]
        );
        let ip = r#"[{"dst":"10.0.0.5","dev":"br0","lladdr":"58:9c:fc:00:00:01","state":["STALE"]},
            {"dst":"10.0.0.7","dev":"br0","state":["FAILED"]},{"dst":"10.0.0.8","dev":"br0","lladdr":"58:9c:fc:00:00:01","state":["REACHABLE"]},
            {"dst":"\u001b[2J","lladdr":"58:9c:fc:00:00:01"},{"lladdr":5},7]"#;
        let all = parse_ip(ip);
        assert_eq!(shown(&all), ["58:9c:fc:00:00:01 10.0.0.5, stale", "58:9c:fc:00:00:01 10.0.0.8"]);
        let macs = ["58:9c:fc:00:00:01".parse().unwrap()];
        assert_eq!(of(&all, &macs).map(|ip| ip.to_string()).as_deref(), Some("10.0.0.8"));
        assert_eq!(of(&parse_ndp(ndp), &macs).map(|ip| ip.to_string()).as_deref(), Some("fd00::5"));
        assert_eq!(of(&all, &[]), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\? \\(|\\) at |[0-9a-f:.% ]|\\PC|\n){0,80}", values in "[\\[\\]{}\",:a-z0-9.]{0,60}") {
            let _ = (parse_arp(&text), parse_ndp(&text), parse_ip(&text), parse_ip(&values));
        }
    }
}

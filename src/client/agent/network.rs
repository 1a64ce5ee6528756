//! Where a guest says that it is: the addresses of its network cards (`guest-network-get-interfaces`). It may say anything: what counts
//! is an address by which somebody else can be reached, of a card that the machine has.

use super::Agent;
use crate::model::Mac;
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many interfaces are looked at, and how many addresses of each.
const MOST: usize = 256;

/// Asks the agent at a socket for the address of the guest whose machine has these cards, within a time.
pub(crate) fn address(socket: &Path, macs: &[Mac], within: Duration) -> Option<IpAddr> {
    let until = Instant::now() + within;
    let answer = Agent::open(socket, until).ok()?.call("guest-network-get-interfaces", &Value::Null, until).ok()?;
    read(&answer, macs)
}

/// Reads it: of the first card that has one, and one of version 4 before those of version 6.
fn read(answer: &Value, macs: &[Mac]) -> Option<IpAddr> {
    let interfaces = answer.as_array()?.iter().take(MOST);
    let mac = |one: &Value| one.get("hardware-address")?.as_str()?.parse::<Mac>().ok();
    let mut found: Vec<(usize, bool, usize, IpAddr)> = Vec::new();
    for one in interfaces {
        let Some(card) = mac(one).and_then(|mac| macs.iter().position(|own| *own == mac)) else { continue };
        let all = one.get("ip-addresses").and_then(Value::as_array).into_iter().flatten().take(MOST);
        let ips = all.filter_map(|one| one.get("ip-address")?.as_str()?.parse().ok()).filter(is_reachable);
        found.extend(ips.enumerate().map(|(at, ip)| (card, ip.is_ipv6(), at, ip)));
    }
    found.into_iter().min().map(|(.., ip)| ip)
}

/// Whether an address leads to one guest from here, as far as that can be told: one of its link alone does not without saying which.
fn is_reachable(ip: &IpAddr) -> bool {
    let is_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some(),
    };
    !(is_local || ip.is_loopback() || ip.is_unspecified() || ip.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn own() -> Vec<Mac> {
        ["58:9c:fc:00:00:01", "58:9c:fc:00:00:02"].map(|mac| mac.parse().unwrap()).to_vec()
    }

    fn card(mac: &str, ips: &[&str]) -> Value {
        let ips: Vec<Value> = ips.iter().map(|ip| json!({ "ip-address": ip, "prefix": 24 })).collect();
        json!({ "name": "\u{1b}[2J", "hardware-address": mac, "ip-addresses": ips })
    }

    fn told(cards: &[Value]) -> Option<String> {
        read(&json!(cards), &own()).map(|ip| ip.to_string())
    }

    #[test]
    fn the_address_is_that_of_a_card_of_the_machine_and_leads_there() {
        let first = card("58:9C:FC:00:00:01", &["fe80::1", "2001:db8::7", "169.254.1.2", "10.0.0.7", "10.0.0.8"]);
        let second = card("58:9c:fc:00:00:02", &["10.0.0.9"]);
        assert_eq!(told(&[second.clone(), first]).as_deref(), Some("10.0.0.7"));
        assert_eq!(told(&[card("58:9c:fc:00:00:01", &["2001:db8::7"]), second]).as_deref(), Some("2001:db8::7"));
        assert_eq!(told(&[card("58:9c:fc:00:00:03", &["10.0.0.7"])]), None);
    }

    #[test]
    fn what_leads_nowhere_or_here_is_no_address() {
        let none = [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "0.1.2.3",
            "::",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "::ffff:127.0.0.1",
        ];
        for wrong in none.iter().chain(&["fe80::1", "169.254.0.1", "", "10.0.0.7; rm", "\u{1b}[2J", "10.0.0.7\n"]) {
            assert_eq!(told(&[card("58:9c:fc:00:00:01", &[wrong])]), None, "{wrong:?}");
        }
        for odd in [json!(1), json!({}), json!([[]]), json!([{ "hardware-address": 7 }]), json!([null])] {
            assert_eq!(read(&odd, &own()), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_guest_says_leads_to_this_host(ips in prop::collection::vec("[0-9a-f:.]{0,20}", 0..9)) {
            let ips: Vec<&str> = ips.iter().map(String::as_str).collect();
            let found = read(&json!([card("58:9c:fc:00:00:01", &ips)]), &own());
            prop_assert!(!found.is_some_and(|ip| ip.is_loopback() || ip.is_unspecified() || ip.is_multicast()));
        }
    }
}

//! Network devices: the address, the MTU, and the backend.

use super::device::{SIGABRT, failed};
use super::machine::Machine;
use crate::exit::{EINVAL, EPERM, Exit, NO_ERROR, Step};
use crate::interface;
use crate::jail;
use crate::number::{scan, strtol};

/// What virtio-net takes for an MTU: `ETHERMIN` and `ETHERMTU` of its own making.
const MTU: std::ops::RangeInclusive<i128> = 46..=65535;

/// Initialises a network device. Only virtio-net looks at the MTU.
pub(crate) fn start(machine: &Machine, node: &str, has_mtu: bool) -> Step<()> {
    let value = |key: &str| machine.tree.get(&format!("{node}.{key}"));
    if let Some(mac) = value("mac").filter(|mac| !is_mac(mac)) {
        return Err(failed(format!("Invalid MAC {mac}"), EINVAL));
    }
    if has_mtu && value("mtu").is_some_and(|mtu| !is_mtu(&mtu)) {
        return Err(failed("", EINVAL));
    }
    let Some(backend) = value("backend") else {
        // e1000 says so; virtio-net asks what is not there what it can do, and asserts that it is (`netbe_get_cap`).
        return Err(if has_mtu { Exit::signal(SIGABRT) } else { failed("", EINVAL) });
    };
    let kind = value("type").unwrap_or_else(|| backend.clone());
    match kind.as_str() {
        tap if tap.starts_with("tap") || tap.starts_with("vmnet") => open_tap(machine, &backend),
        graph if graph.starts_with("netgraph") => {
            for (key, complaint) in [("path", "path must be provided"), ("peerhook", "peer hook must be provided")] {
                if value(key).is_none() {
                    return Err(complaint_of_backend(complaint, NO_ERROR));
                }
            }
            Ok(())
        }
        map if map.starts_with("netmap") || map.starts_with("vale") => Ok(()),
        // From 15 on a helper reads the rules, and a bad one may be a dead link instead; nobody has looked. (k)
        slirp if slirp.starts_with("slirp") => match value("hostfwd").filter(|rules| !are_forwards(rules)) {
            Some(rules) => Err(failed(format!("Invalid hostfwd rule \"{rules}\""), EINVAL)),
            None => Ok(()),
        },
        _ => Err(failed("", EINVAL)),
    }
}

/// The backends complain on stderr, from 13 on.
fn complaint_of_backend(line: &str, errno: &str) -> crate::exit::Exit {
    failed(line, errno)
}

/// Opens a tap.
fn open_tap(machine: &Machine, name: &str) -> Step<()> {
    match hold_tap(machine, name)? {
        Some(errno) => Err(complaint_of_backend(&format!("open of tap device /dev/{name} failed"), errno)),
        None if machine.assume || jail::own().is_none() => Ok(()),
        None => raise(machine, name),
    }
}

/// Brings a tap up by its name, in the network that this process is in (net_backends.c of 13 and later; played in jails only, where
/// it can go wrong). A jail without a network of its own may do nothing to the host's (kern_jail.c, `prison_priv_check`). (k)
fn raise(machine: &Machine, name: &str) -> Step<()> {
    let _lock = machine.state.lock()?;
    let Some(mut tap) = interface::load(machine.state, name)? else {
        return Err(complaint_of_backend("Could not get interface flags", "Device not configured"));
    };
    if machine.state.network().is_none() {
        return Err(complaint_of_backend("Could not set interface flags", EPERM));
    }
    tap.raise(None);
    Ok(tap.save(machine.state)?)
}

/// Opens a tap, which only one process can hold, or tells why it cannot be opened. One that is not there is made, unless the state
/// says otherwise.
pub(crate) fn hold_tap(machine: &Machine, name: &str) -> Step<Option<&'static str>> {
    if machine.assume {
        return Ok(None);
    }
    let _lock = machine.state.lock()?;
    let is_users = machine.state.sysctl("net.link.tap.user_open")?.is_some_and(|value| value == "1");
    // if_tuntap.c, PRIV_NET_TAP, which only a jail with a network of its own has. (k)
    if jail::own().is_some() && machine.state.network().is_none() && !is_users {
        return Ok(Some(EPERM));
    }
    let is_cloning = machine.state.sysctl("net.link.tap.devfs_cloning")?.is_none_or(|value| value == "1");
    Ok(interface::open(machine.state, name, std::process::id(), is_cloning)?.err())
}

/// Six hexadecimal numbers, cut to 8 bits; neither multicast nor all zero. What follows is ignored.
pub(crate) fn is_mac(text: &str) -> bool {
    let octets: Vec<i128> = scan(text, 16, ':', 6).iter().map(|octet| octet & 0xff).collect();
    octets.len() == 6 && octets[0] & 1 == 0 && octets.iter().any(|octet| *octet != 0)
}

fn is_mtu(text: &str) -> bool {
    strtol(text, 0).and_then(|number| number.whole()).is_some_and(|mtu| MTU.contains(&mtu))
}

/// Rules `PROTO:[HADDR]:[HPORT]-[GADDR]:[GPORT]`, joined by semicolons.
fn are_forwards(rules: &str) -> bool {
    let end = |text: &str| {
        text.split_once(':').is_some_and(|(address, port)| {
            (address.is_empty() || address.parse::<std::net::Ipv4Addr>().is_ok())
                && (port.is_empty() || port.parse::<u16>().is_ok())
        })
    };
    rules.split(';').all(|rule| {
        let ends = rule.split_once(':').and_then(|(_, ends)| ends.split_once('-'));
        ends.is_some_and(|(host, guest)| end(host) && end(guest))
    })
}

#[cfg(test)]
mod tests {
    use super::{are_forwards, is_mac, is_mtu};

    #[test]
    fn a_mac_is_unicast_and_not_zero_and_text_behind_it_does_not_matter() {
        assert!(is_mac("58:9c:fc:00:00:01") && is_mac("2:0:0:0:0:1") && is_mac("58:9c:fc:00:00:01:zz"));
        for wrong in ["01:00:5e:00:00:01", "0:0:0:0:0:0", "58-9c-fc-00-00-01", "58:9c:fc:00:00", ""] {
            assert!(!is_mac(wrong), "{wrong}");
        }
    }

    #[test]
    fn an_mtu_is_a_whole_number_in_any_base() {
        assert!(is_mtu("1500") && is_mtu("0x5dc") && is_mtu("46") && is_mtu("65535"));
        assert!(!is_mtu("45") && !is_mtu("9k") && !is_mtu("65536") && !is_mtu("-1"));
    }

    #[test]
    fn a_forward_needs_both_of_its_colons() {
        assert!(are_forwards("tcp:127.0.0.1:2222-10.0.2.15:22") && are_forwards("udp::53-:53;tcp::80-:80"));
        assert!(!are_forwards("tcp:2222-:22") && !are_forwards("tcp::70000-:22") && !are_forwards("tcp:host:1-:1"));
    }
}

//! route(8): the default routes, kept in the files `route` and `route6`, and what follows from the addresses of interfaces.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::exit::{EEXIST, EINVAL, Exit, Step, say};
use crate::interface::{self, Interface, Kind};
use crate::release::Release;
use crate::state::{self, State};

const USAGE: &str = "usage: route [-46dnqtv] command [[modifiers] args]";

const UNREACHABLE: &str = "Network is unreachable";

/// `EX_USAGE`, `EX_NOHOST` and `EX_NOPERM` of sysexits(3).
const WRONG_USE: u8 = 64;
const NO_HOST: u8 = 68;
const NO_PERMISSION: u8 = 77;

/// A call that has been read.
struct Call<'a> {
    state: &'a State,
    release: Release,
    is_inet6: bool,
}

/// A router, with the interface that a link-local address is on: `fe80::1%em0` (getaddrinfo(3); (src) route.c, which takes a
/// zone that is none for a bad address; no corpus has it).
struct Router<'a> {
    ip: IpAddr,
    zone: Option<&'a str>,
}

impl<'a> Router<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (bare, zone) = text.split_once('%').map_or((text, None), |(bare, zone)| (bare, Some(zone)));
        let ip: IpAddr = bare.parse().ok()?;
        (zone.is_none() || ip.is_ipv6()).then_some(Self { ip, zone })
    }

    fn has_link(&self, all: &[Interface]) -> bool {
        self.zone.is_none_or(|zone| all.iter().any(|one| one.name == zone))
    }

    /// The interface that is on its network; of a link-local address the one of its zone, if that has such an address too.
    fn link<'b>(&self, all: &'b [Interface]) -> Option<&'b Interface> {
        let is_link_local = matches!(self.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        match self.zone {
            Some(zone) => all.iter().filter(|one| one.name == zone).find(|one| reaches(one, self.ip)),
            // Without a zone it is on no link.
            None if is_link_local => None,
            None => connected(all, self.ip).map(|(one, _)| one),
        }
    }
}

/// Runs route; of destinations that are added and deleted only the default one is known.
pub(crate) fn run(state: &State, args: &[String]) -> Step<u8> {
    let release = Release::of_environment()?;
    let (flags, words): (Vec<&str>, Vec<&str>) =
        args.iter().map(String::as_str).partition(|word| word.len() > 1 && word.starts_with('-'));
    let call = Call { state, release, is_inet6: flags.iter().any(|flag| flag.contains('6')) };
    let _lock = state.lock()?;
    match words.as_slice() {
        [] => Err(Exit::new(WRONG_USE, format!("route: {USAGE}"))),
        ["add" | "delete", ..] if !state::is_root() => {
            Err(Exit::new(NO_PERMISSION, "route: must be root to alter routing table"))
        }
        ["get", "default"] => call.get(),
        ["get", destination] => call.get_host(destination),
        ["add", "default"] => Err(call.failed("add net default", EINVAL, EINVAL)),
        ["add", "default", router] => call.add(router),
        ["delete", "default"] => call.delete(""),
        ["delete", "default", router] => call.delete(&format!(": gateway {router}")),
        [word, ..] => {
            let mut exit = Exit::new(WRONG_USE, format!("route: bad keyword: {word}"));
            exit.lines.push(format!("route: {USAGE}"));
            Err(exit)
        }
    }
}

impl Call<'_> {
    fn file(&self) -> &'static str {
        if self.is_inet6 { "route6" } else { "route" }
    }

    /// A command that the kernel refused: what it was goes to standard output before 14 (which speaks netlink).
    fn failed(&self, what: &str, why: &str, errno: &str) -> Exit {
        if self.release.major < 14 {
            say(format!("{what} fib 0: {why}\n"));
        }
        match (why, self.release.major) {
            // No error at all, but for the status.
            ("route already in table", ..14) => Exit::silent(1),
            ("not in table", _) => Exit::new(1, "route: route has not been found"),
            _ => Exit::new(1, format!("route: writing to routing socket: {errno}")),
        }
    }

    /// That there is no route is status 255; from 13 on 1 (likely).
    fn not_found(&self) -> Exit {
        Exit::new(if self.release.major < 13 { 255 } else { 1 }, "route: route has not been found")
    }

    fn add(&self, router: &str) -> Step<u8> {
        let bad = || Exit::new(NO_HOST, format!("route: bad address: {router}"));
        let all = interface::all(self.state)?;
        let address = Router::read(router).filter(|router| router.has_link(&all)).ok_or_else(bad)?;
        let what = format!("add net default: gateway {router}");
        if address.ip.is_ipv6() != self.is_inet6 {
            return Err(bad());
        }
        if self.state.path(self.file()).is_file() {
            return Err(self.failed(&what, "route already in table", EEXIST));
        }
        if address.link(&all).is_none() {
            return Err(self.failed(&what, UNREACHABLE, UNREACHABLE));
        }
        self.state.write(self.file(), router)?;
        say(format!("{what}\n"));
        Ok(0)
    }

    /// Whatever router is named, the default route that is there goes.
    fn delete(&self, router: &str) -> Step<u8> {
        let what = format!("delete net default{router}");
        if !self.state.path(self.file()).is_file() {
            return Err(self.failed(&what, "not in table", ""));
        }
        self.state.remove(self.file())?;
        say(format!("{what}\n"));
        Ok(0)
    }

    fn get(&self) -> Step<u8> {
        if !self.state.path(self.file()).is_file() {
            return Err(self.not_found());
        }
        let gateway = self.state.read(self.file())?;
        let gateway = gateway.trim();
        let all = interface::all(self.state)?;
        let by = Router::read(gateway).and_then(|router| router.link(&all));
        let any = if self.is_inet6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        say(format!("   route to: {any}\ndestination: {any}\n       mask: {any}\n    gateway: {gateway}\n"));
        say(by.map_or_else(String::new, |one| rest(&one.name, "UP,GATEWAY,DONE,STATIC", one.mtu)));
        Ok(0)
    }

    /// A host: one of its own, one of a network that an interface is on, or one behind the default router.
    fn get_host(&self, destination: &str) -> Step<u8> {
        let host: IpAddr =
            destination.parse().map_err(|_| Exit::new(NO_HOST, format!("route: bad address: {destination}")))?;
        let all = interface::all(self.state)?;
        let is_own = |one: &Interface| networks(one).iter().any(|(own, _)| *own == host);
        if let Some(lo) = all.iter().find(|one| one.kind == Kind::Lo).filter(|_| all.iter().any(is_own)) {
            say(format!(
                "   route to: {host}\ndestination: {host}\n{}",
                rest(&lo.name, "UP,HOST,DONE,PINNED,LOCAL", lo.mtu)
            ));
        } else if let Some((one, bits)) = connected(&all, host) {
            let mask = masked(IpAddr::V4(Ipv4Addr::BROADCAST), bits);
            let network = masked(host, bits);
            say(format!("   route to: {host}\ndestination: {network}\n       mask: {mask}\n"));
            say(rest(&one.name, "UP,DONE,PINNED", one.mtu));
        } else {
            return self.get();
        }
        Ok(0)
    }
}

/// The lines behind the gateway's.
fn rest(interface: &str, flags: &str, mtu: u32) -> String {
    format!(
        "        fib: 0\n  interface: {interface}\n      flags: <{flags}>\n \
         recvpipe  sendpipe  ssthresh  rtt,msec    mtu        weight    expire\n       \
         0         0         0         0{mtu:>10}         1         0 \n"
    )
}

/// The addresses of an interface, with the lengths of their prefixes.
fn networks(one: &Interface) -> Vec<(IpAddr, u8)> {
    let inet = one.inet().map(|(address, bits)| (IpAddr::V4(address), bits));
    inet.chain(one.inet6().map(|(address, bits)| (IpAddr::V6(address), bits))).collect()
}

/// An address without what is behind its first bits.
fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

/// The interface that is on the network of a host, up or not, and the length of that network's prefix.
fn connected(all: &[Interface], host: IpAddr) -> Option<(&Interface, u8)> {
    let reaches =
        |(own, bits): &(IpAddr, u8)| own.is_ipv4() == host.is_ipv4() && masked(*own, *bits) == masked(host, *bits);
    all.iter().find_map(|one| networks(one).into_iter().find(reaches).map(|(_, bits)| (one, bits)))
}

fn reaches(one: &Interface, host: IpAddr) -> bool {
    connected(std::slice::from_ref(one), host).is_some()
}

/// Takes away the default routes whose routers are on no network any more.
pub(crate) fn forget(state: &State) -> io::Result<()> {
    let all = interface::all(state)?;
    for file in ["route", "route6"] {
        if Router::read(state.read(file)?.trim()).is_some_and(|router| router.link(&all).is_none()) {
            state.remove(file)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Router, connected, masked};
    use crate::interface::Interface;

    #[test]
    fn a_host_is_on_the_network_of_an_interface_by_the_prefix() {
        let all = [Interface::parse("em0", "up no\ninet 10.0.2.15/24\ninet6 fd00::6/64\n")];
        let is_on = |host: &str| connected(&all, host.parse().unwrap()).is_some();
        assert!(is_on("10.0.2.1") && is_on("fd00::7") && !is_on("10.0.3.1") && !is_on("fd01::7"));
        let all = [Interface::parse("em0", "up no\n"), Interface::parse("em1", "up no\ninet6 fe80::6/64\n")];
        let link = |router: &str| Router::read(router).unwrap().link(&all).map(|one| one.name.as_str());
        assert_eq!(["fe80::1%em0", "fe80::1%em1", "fe80::1"].map(link), [None, Some("em1"), None]);
        assert_eq!(masked("10.0.2.15".parse().unwrap(), 0).to_string(), "0.0.0.0");
    }
}

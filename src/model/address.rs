//! Where a frame buffer listens.

use super::InterfaceName;
use crate::diag::Fault;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// An address and port for VNC: `PORT`, `HOST:PORT` or `[V6]:PORT`, numeric, as bhyve(8) fbuf takes it. No host is 127.0.0.1, and
/// port 0 is 5900.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VncAddress {
    socket: SocketAddr,
    /// The interface of a link-local address: `fe80::1%em0`.
    zone: Option<InterfaceName>,
}

impl VncAddress {
    /// The port that bhyve takes when none is given.
    pub const PORT: u16 = 5900;

    /// Makes an address.
    pub const fn new(ip: IpAddr, port: u16) -> Self {
        Self { socket: SocketAddr::new(ip, port), zone: None }
    }

    /// Returns the address as one of the operating system's.
    pub const fn socket(&self) -> SocketAddr {
        self.socket
    }

    /// Returns the interface that a link-local address is on, if it is said.
    pub const fn zone(&self) -> Option<&InterfaceName> {
        self.zone.as_ref()
    }
}

/// Stricter than bhyve, whose atoi(3) makes 5900 of any port it cannot read.
impl FromStr for VncAddress {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || {
            let fault = Fault::new(format!("{text:?} is not an address for VNC"));
            fault.hint("a numeric address and a port up to 65535: \"192.168.2.5:5901\", \"[::1]:5901\" or \"5901\"")
        };
        let port = |text: &str| -> Result<u16, Fault> {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| text.parse().ok()).flatten().ok_or_else(fault)?;
            Ok(if number == 0 { Self::PORT } else { number })
        };
        let (ip, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, rest) = rest.split_once(']').ok_or_else(fault)?;
            let (host, zone) = host.split_once('%').map_or((host, None), |(host, zone)| (host, Some(zone)));
            let ip = IpAddr::V6(host.parse().map_err(|_| fault())?);
            let zone = zone.map(str::parse).transpose().map_err(|_| fault())?;
            let port = if rest.is_empty() { Self::PORT } else { port(rest.strip_prefix(':').ok_or_else(fault)?)? };
            return Ok(Self { zone, ..Self::new(ip, port) });
        } else {
            match text.split_once(':') {
                None => (IpAddr::V4(Ipv4Addr::LOCALHOST), port(text)?),
                Some(("", rest)) => (IpAddr::V4(Ipv4Addr::LOCALHOST), port(rest)?),
                Some((host, rest)) => (IpAddr::V4(host.parse().map_err(|_| fault())?), port(rest)?),
            }
        };
        Ok(Self::new(ip, port))
    }
}

impl fmt::Display for VncAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.zone {
            Some(zone) => write!(f, "[{}%{zone}]:{}", self.socket.ip(), self.socket.port()),
            None => self.socket.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_of_bhyve_reads_and_its_guesses_are_refused() {
        for (text, shown) in [
            ("5901", "127.0.0.1:5901"),
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("[::1]", "[::1]:5900"),
            (":5901", "127.0.0.1:5901"),
            (":0", "127.0.0.1:5900"),
            ("0", "127.0.0.1:5900"),
            ("[fe80::1%em0]", "[fe80::1%em0]:5900"),
        ] {
            assert_eq!(text.parse::<VncAddress>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            ":",
            "65536",
            "localhost:5900",
            "127.0.0.1:abc",
            "[::1:5900",
            "[::1]5900",
            "::1:5900",
            "1.2.3.4:+5",
            "[::1%]:1",
        ] {
            let message = text.parse::<VncAddress>().unwrap_err().message;
            assert_eq!(message, format!("{text:?} is not an address for VNC"));
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ip: IpAddr, port in 1_u16.., zone in proptest::option::of("[a-z]{1,4}[0-9]")) {
            let zone = zone.filter(|_| ip.is_ipv6()).map(|zone| zone.parse().unwrap());
            let address = VncAddress { zone, ..VncAddress::new(ip, port) };
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }
    }
}

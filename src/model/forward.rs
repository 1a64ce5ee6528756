//! Ports of the host that reach into a network inside the process.

use crate::diag::Fault;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// One rule of a slirp backend (bhyve(8), `hostfwd`): `PROTO:[HADDR]:[HPORT]-[GADDR]:[GPORT]`, IPv4 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    udp: bool,
    host: (Option<Ipv4Addr>, Option<u16>),
    guest: (Option<Ipv4Addr>, Option<u16>),
}

impl Forward {
    /// Returns the address of the host on which is listened: every one, if the rule names none.
    pub fn host_address(&self) -> Ipv4Addr {
        self.host.0.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Returns whether it is for UDP, and not for TCP.
    pub const fn is_udp(&self) -> bool {
        self.udp
    }

    /// Returns the port of the host, if the rule names one.
    pub const fn host_port(&self) -> Option<u16> {
        self.host.1
    }

    /// Returns the port of the guest, if the rule names one.
    pub const fn guest_port(&self) -> Option<u16> {
        self.guest.1
    }

    /// Reads rules that `;` joins.
    pub fn list(text: &str) -> Result<Vec<Self>, Fault> {
        text.split(';').map(str::parse).collect()
    }
}

/// Stricter than bhyve, which takes any other protocol for TCP and leaves a wrong rule out without a word.
impl FromStr for Forward {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || {
            let fault = Fault::new(format!("{text:?} is not a rule for `hostfwd`"));
            fault.hint(
                "write PROTO:[ADDRESS]:PORT-[ADDRESS]:PORT: \"tcp::2222-:22\" or \"udp:127.0.0.1:53-10.0.2.15:53\"",
            )
        };
        let end = |text: &str| -> Result<(Option<Ipv4Addr>, Option<u16>), Fault> {
            let (address, port) = text.split_once(':').ok_or_else(fault)?;
            let digits = port.bytes().all(|b| b.is_ascii_digit());
            let address = if address.is_empty() { None } else { Some(address.parse().map_err(|_| fault())?) };
            let port = match port {
                "" => None,
                _ if digits => Some(port.parse().map_err(|_| fault())?),
                _ => return Err(fault()),
            };
            Ok((address, port))
        };
        let (udp, rest) = match text.split_once(':') {
            Some(("udp", rest)) => (true, rest),
            Some(("tcp", rest)) => (false, rest),
            _ => return Err(fault()),
        };
        let (host, guest) = rest.split_once('-').ok_or_else(fault)?;
        Ok(Self { udp, host: end(host)?, guest: end(guest)? })
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |(address, port): (Option<Ipv4Addr>, Option<u16>)| {
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            format!("{address}:{}", port.map(|port| port.to_string()).unwrap_or_default())
        };
        write!(f, "{}:{}-{}", if self.udp { "udp" } else { "tcp" }, end(self.host), end(self.guest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_that_bhyve_would_drop_are_refused() {
        for text in ["tcp::2222-:22", "udp:127.0.0.1:53-10.0.2.15:53", "tcp::-:22", "tcp::0-:"] {
            assert_eq!(text.parse::<Forward>().unwrap().to_string(), text);
        }
        for text in ["", "sctp::1-:2", "tcp:2222-:22", "tcp::2222:22", "tcp::70000-:22", "tcp:host:1-:2", "tcp::+1-:2"]
        {
            let message = text.parse::<Forward>().unwrap_err().message;
            assert_eq!(message, format!("{text:?} is not a rule for `hostfwd`"));
        }
        assert_eq!(Forward::list("tcp::1-:2;udp::3-:4").unwrap().len(), 2);
        assert!(Forward::list("tcp::1-:2;").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(tcp|udp)?[:;.0-9-]{0,30}|.{0,20}") {
            if let Ok(rule) = text.parse::<Forward>() {
                prop_assert_eq!(rule.to_string().parse(), Ok(rule));
            }
        }
    }
}

//! The address of a default router.

use super::InterfaceName;
use crate::diag::Fault;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A default router: `192.168.0.7`, `fd00::7` or `fe80::1%em0`.
///
/// A link-local address of version 6 (`fe80::/10`) means another host on each link, and therefore has a zone, which is the interface
/// of its link (RFC 4007, section 11); any other address has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Router {
    /// Its address.
    ip: IpAddr,
    /// The interface through which it is reached, of a link-local address.
    zone: Option<InterfaceName>,
}

impl Router {
    /// Returns the address.
    pub(crate) const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Returns the interface of a link-local address.
    pub(crate) const fn zone(&self) -> Option<&InterfaceName> {
        self.zone.as_ref()
    }

    /// Returns whether both are of the same version of IP, of which a host has one default router.
    pub(crate) const fn is_like(&self, other: &Self) -> bool {
        self.ip.is_ipv4() == other.ip.is_ipv4()
    }
}

const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

impl FromStr for Router {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let (bare, zone) = text.split_once('%').map_or((text, None), |(bare, zone)| (bare, Some(zone)));
        let ip: IpAddr = bare.parse().map_err(|_| {
            Fault::new(format!("{text:?} is no address of a router")).hint("write \"192.168.0.7\" or \"fe80::1%em0\"")
        })?;
        let zone = zone.map(str::parse::<InterfaceName>).transpose().map_err(|fault| {
            let hint = fault.hint.unwrap_or_default();
            Fault::new(format!("the zone of the router {text:?}: {}", fault.message)).hint(hint)
        })?;
        match (is_link_local(ip), &zone) {
            (true, None) => {
                let fault = Fault::new(format!("the router {ip} is link-local, and does not say on which interface"));
                Err(fault.hint(format!("write the interface behind it: \"{ip}%em0\"")))
            }
            (false, Some(zone)) => {
                let fault = Fault::new(format!("the router {ip} is not link-local, and has the zone {zone}"));
                Err(fault.hint(format!("only fe80::/10 has a zone: write \"{ip}\"")))
            }
            _ => Ok(Self { ip, zone }),
        }
    }
}

impl fmt::Display for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip.fmt(f)?;
        self.zone.as_ref().map_or(Ok(()), |zone| write!(f, "%{zone}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(text: &str) -> String {
        let fault = text.parse::<Router>().unwrap_err();
        format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
    }

    #[test]
    fn a_link_local_router_has_a_zone_and_no_other_has_one() {
        for text in ["192.168.0.7", "169.254.0.1", "fd00::7", "fe80::1%em0", "febf::1%ix0.82"] {
            assert_eq!(text.parse::<Router>().unwrap().to_string(), text);
        }
        assert_eq!(
            told("fe80::1"),
            "the router fe80::1 is link-local, and does not say on which interface | write the interface behind it: \"fe80::1%em0\""
        );
        for (text, ip) in [("fd00::7%em0", "fd00::7"), ("192.168.0.7%em0", "192.168.0.7"), ("::1%lo0", "::1")] {
            let zone = text.rsplit('%').next().unwrap();
            let expected = format!(
                "the router {ip} is not link-local, and has the zone {zone} | only fe80::/10 has a zone: write \"{ip}\""
            );
            assert_eq!(told(text), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_one_that_is() {
        for text in ["", "%em0", "gateway", "192.168.0", "[fe80::1%em0]"] {
            let expected = format!("{text:?} is no address of a router | write \"192.168.0.7\" or \"fe80::1%em0\"");
            assert_eq!(told(text), expected);
        }
        assert_eq!(
            told("fe80::1%"),
            "the zone of the router \"fe80::1%\": \"\" is not an interface name | letters, digits, `.`, `_` and `-`, beginning with a \
             letter or digit: tap1"
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(ip: IpAddr, zone in "[a-z]{1,4}[0-9]") {
            let zone = is_link_local(ip).then(|| zone.parse().unwrap());
            let router = Router { ip, zone };
            prop_assert_eq!(router.to_string().parse(), Ok(router));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Router>();
        }
    }
}

//! Hardware addresses.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// A unicast MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

impl Mac {
    /// Returns the six octets.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

/// Six hexadecimal octets with colons, each of one or two digits.
///
/// Stricter than bhyve, which ignores text after the sixth octet and cuts long ones to eight bits.
impl FromStr for Mac {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || {
            let fault = Fault::new(format!("{text:?} is not a MAC address"));
            fault.hint("six hexadecimal octets with colons: 58:9c:fc:00:00:01")
        };
        let parts: Vec<&str> = text.split(':').collect();
        let mut octets = [0; 6];
        if parts.len() != octets.len() {
            return Err(fault());
        }
        for (octet, part) in octets.iter_mut().zip(parts) {
            let digits = matches!(part.len(), 1 | 2) && part.bytes().all(|b| b.is_ascii_hexdigit());
            *octet = digits.then(|| u8::from_str_radix(part, 16).ok()).flatten().ok_or_else(fault)?;
        }
        if octets[0] & 1 == 1 {
            let hint = "the first octet of a machine's address is even; 58:9c:fc is FreeBSD's";
            return Err(Fault::new(format!("the MAC address {text} is a multicast address")).hint(hint));
        }
        if octets == [0; 6] {
            return Err(
                Fault::new("the MAC address 0:0:0:0:0:0 means no address").hint("leave `mac` out for bhyve's own")
            );
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_that_bhyve_misreads_are_refused() {
        let message = |text: &str| text.parse::<Mac>().unwrap_err().message;
        assert_eq!("0:c:29:A5:19:b9".parse::<Mac>().unwrap().to_string(), "00:0c:29:a5:19:b9");
        assert_eq!(message("58-9c-fc-00-00-01"), "\"58-9c-fc-00-00-01\" is not a MAC address");
        assert_eq!(message("58:9c:fc:00:00:01:zz"), "\"58:9c:fc:00:00:01:zz\" is not a MAC address");
        assert_eq!(message("58:9c:fc:00:00:+1"), "\"58:9c:fc:00:00:+1\" is not a MAC address");
        assert_eq!(message("01:00:5e:00:00:01"), "the MAC address 01:00:5e:00:00:01 is a multicast address");
        assert_eq!(message("0:0:0:0:0:0"), "the MAC address 0:0:0:0:0:0 means no address");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(octets: [u8; 6]) {
            let mac = Mac([octets[0] & 0xfe, octets[1], octets[2], octets[3], octets[4], octets[5] | 1]);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<Mac>();
        }
    }
}

//! The name that a machine gets by DHCP.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// One label of a host name as RFC 952 and RFC 1123, section 2.1, have it: letters, digits and hyphens, the first and the last
/// no hyphen, at most 63 characters. It is also the name of a file and of a tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(String);

impl HostName {
    /// How many characters a label may have.
    pub const MAX: usize = 63;

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// dnsmasq(8) takes these words of a `dhcp-host` line for something else: a lease time, or what to do.
fn is_taken_for_something_else(text: &str) -> bool {
    let time = text.trim_end_matches(['s', 'm', 'h', 'd', 'w']);
    let is_time = text.len() - time.len() <= 1 && !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit());
    is_time || ["infinite", "ignore"].contains(&text)
}

impl FromStr for HostName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        const RULE: &str = "letters, digits and `-`, neither first nor last (RFC 1123); \
                            netboot(#{ host: \"web1\" }) gives a machine another name there than its own";
        let fault = |why: &str| Err(Fault::new(format!("DHCP has no host name {text:?}: {why}")).hint(RULE));
        let bad = text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-'));
        match bad {
            _ if text.is_empty() => fault("it is empty"),
            Some('.') => fault("the domain is the server's affair"),
            Some(bad) => fault(&format!("it has {bad:?}")),
            None if text.starts_with('-') || text.ends_with('-') => fault("a hyphen is first or last"),
            None if text.len() > Self::MAX => fault(&format!("it has {} characters, of 63 at most", text.len())),
            None if is_taken_for_something_else(&text.to_ascii_lowercase()) => {
                fault("DHCP servers take it for a time, or for an order")
            }
            // Names are the same in either case.
            None => Ok(Self(text.to_ascii_lowercase())),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_dhcp_forbids_are_refused_with_the_reason() {
        assert_eq!("Web-1".parse::<HostName>().unwrap().as_str(), "web-1");
        assert!("4you".parse::<HostName>().is_ok() && "h".parse::<HostName>().is_ok());
        let long = "a".repeat(64);
        for (text, why) in [
            ("", "it is empty"),
            ("web_1", "it has '_'"),
            ("bücher", "it has 'ü'"),
            ("web.example.org", "the domain is the server's affair"),
            ("-web", "a hyphen is first or last"),
            ("web-", "a hyphen is first or last"),
            (&long, "it has 64 characters, of 63 at most"),
            ("3600", "DHCP servers take it for a time, or for an order"),
            ("2h", "DHCP servers take it for a time, or for an order"),
            ("Infinite", "DHCP servers take it for a time, or for an order"),
        ] {
            let fault = text.parse::<HostName>().unwrap_err();
            assert_eq!(fault.message, format!("DHCP has no host name {text:?}: {why}"));
            let rule = "letters, digits and `-`, neither first nor last (RFC 1123); \
                        netboot(#{ host: \"web1\" }) gives a machine another name there than its own";
            assert_eq!(fault.hint.as_deref(), Some(rule));
        }
    }

    proptest! {
        #[test]
        fn what_is_a_name_reads_back(text in "[a-zA-Z0-9.-]{0,70}") {
            if let Ok(name) = text.parse::<HostName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }
}

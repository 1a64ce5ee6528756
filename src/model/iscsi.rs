//! A disk of an iSCSI target, and the session by which it is reached.

use crate::diag::Fault;
use std::fmt;
use std::net::SocketAddrV4;
use std::str::FromStr;

/// The name of a target: `iqn.`, `eui.` or `naa.`, and what follows (RFC 3720, 3.2.6; RFC 3980).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiTarget(String);

impl IscsiTarget {
    /// How many bytes a name may have.
    const MAX: usize = 223;

    /// Returns the name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IscsiTarget {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_wrong = |c: &char| !c.is_ascii_alphanumeric() && !"-.:".contains(*c);
        let begins = ["iqn.", "eui.", "naa."].iter().any(|kind| text.len() > kind.len() && text.starts_with(kind));
        let why = match text.chars().find(is_wrong) {
            _ if text.len() > Self::MAX => format!("it has {} bytes, of {} at most", text.len(), Self::MAX),
            Some(bad) => format!("it has {bad:?}"),
            None if !begins => "it begins with none of `iqn.`, `eui.` and `naa.`".into(),
            None => return Ok(Self(text.into())),
        };
        let fault = Fault::new(format!("{text:?} is no name of an iSCSI target: {why}"));
        Err(fault.hint("\"iqn.2012-06.com.example:target0\", as its server calls it"))
    }
}

impl fmt::Display for IscsiTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address by which a target is reached: a host and, behind a colon, a port (iscsi.conf(5), `TargetAddress`; iscsiadm(8), `--portal`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiPortal(String);

impl IscsiPortal {
    /// The port of a portal of which nobody says one (iscsi.conf(5)).
    const PORT: u16 = 3260;

    /// How many bytes it may have: FreeBSD cuts off what is longer (ISCSI_ADDR_LEN in iscsi_ioctl.h).
    const MAX: usize = 46;

    /// Whether it is the portal that somebody else names: either may leave out the usual port.
    pub(crate) fn is(&self, told: &str) -> bool {
        let with_port = |text: &str| format!("{text}:{}", Self::PORT);
        self.0 == told || with_port(&self.0) == told || self.0 == with_port(told)
    }

    /// Returns it with its port where its host is an address of IPv4.
    pub(crate) fn socket(&self) -> Option<SocketAddrV4> {
        self.0.parse().ok().or_else(|| Some(SocketAddrV4::new(self.0.parse().ok()?, Self::PORT)))
    }
}

impl FromStr for IscsiPortal {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_wrong = |c: &char| !c.is_ascii_alphanumeric() && !"-.:[]".contains(*c);
        let why = match text.chars().find(is_wrong) {
            _ if text.len() > Self::MAX => format!("it has {} bytes, of {} at most", text.len(), Self::MAX),
            Some(bad) => format!("it has {bad:?}"),
            None if text.is_empty() => "it is empty".into(),
            None if text.starts_with('-') => "it begins with '-'".into(),
            None => return Ok(Self(text.into())),
        };
        let fault = Fault::new(format!("{text:?} is no portal of an iSCSI target: {why}"));
        Err(fault.hint("an address or a name, and a port where it is not 3260: \"10.0.0.30\", \"[fd00::30]:3261\""))
    }
}

impl fmt::Display for IscsiPortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What /etc/iscsi.conf calls a target (iscsi.conf(5)): a word that its grammar takes without quotes (token.l of iscsictl).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiNickname(String);

impl FromStr for IscsiNickname {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_wrong = |c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c);
        if text.is_empty() || text.starts_with('-') || text.contains(is_wrong) {
            let fault = Fault::new(format!("{text:?} is no nickname of /etc/iscsi.conf"));
            return Err(fault.hint("letters, digits, `.`, `_` and `-`, as they stand there before `{`"));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for IscsiNickname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A session with a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiSession {
    /// The target.
    pub target: IscsiTarget,
    /// The address by which it is reached.
    pub portal: IscsiPortal,
    /// What /etc/iscsi.conf calls it, where its secrets are there.
    pub nickname: Option<IscsiNickname>,
}

impl IscsiSession {
    /// Whether a target and a portal, as somebody else names them, are its own. Whoever logs in by a name in capital letters has it listed
    /// so, and the same target (RFC 3720, 3.2.6.2).
    pub(crate) fn is(&self, target: &str, portal: &str) -> bool {
        target.eq_ignore_ascii_case(self.target.as_str()) && self.portal.is(portal)
    }

    /// Returns the folder of the paths that stand for its devices where these are not known.
    pub(crate) fn unknown(&self) -> String {
        format!("/dev/iscsi/{}", self.target)
    }
}

impl fmt::Display for IscsiSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the iSCSI session of {} at {}", self.target, self.portal)
    }
}

/// A disk of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiDisk {
    /// Its target.
    pub target: IscsiTarget,
    /// Which one of the target's it is.
    pub lun: u16,
    /// The address by which the target is reached, where there are several.
    pub portal: Option<IscsiPortal>,
}

impl IscsiDisk {
    /// Returns the path that stands for its device where that is not known: there is nothing, and never will be.
    pub(crate) fn unknown(&self) -> String {
        format!("/dev/iscsi/{}/{}", self.target, self.lun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_name_of_the_three_kinds() {
        for name in ["iqn.2012-06.com.example:target0", "eui.02004567A425678D", "naa.52004567BA64678D"] {
            assert_eq!(name.parse::<IscsiTarget>().unwrap().as_str(), name);
        }
        let long = format!("iqn.{}", "a".repeat(220));
        let faults = [
            ("target0", "it begins with none of `iqn.`, `eui.` and `naa.`"),
            ("iqn.", "it begins with none of `iqn.`, `eui.` and `naa.`"),
            ("iqn.a b", "it has ' '"),
            ("iqn.a/0", "it has '/'"),
            (&long, "it has 224 bytes, of 223 at most"),
        ];
        for (name, why) in faults {
            let fault = name.parse::<IscsiTarget>().unwrap_err();
            assert_eq!(fault.message, format!("{name:?} is no name of an iSCSI target: {why}"));
            assert_eq!(fault.hint.as_deref(), Some("\"iqn.2012-06.com.example:target0\", as its server calls it"));
        }
    }

    #[test]
    fn the_usual_port_of_a_portal_may_be_left_out_on_either_side() {
        let is = |own: &str, told: &str| own.parse::<IscsiPortal>().unwrap().is(told);
        assert!(is("10.0.0.30", "10.0.0.30") && is("10.0.0.30", "10.0.0.30:3260") && is("10.0.0.30:3260", "10.0.0.30"));
        assert!(is("[fd00::1]", "[fd00::1]:3260") && is("san.example", "san.example:3260"));
        assert!(!is("10.0.0.30", "10.0.0.30:3261") && !is("10.0.0.3", "10.0.0.30"));
    }

    #[test]
    fn a_portal_is_an_address_and_a_port() {
        let long = "a".repeat(47);
        for (text, why) in [
            ("", "it is empty"),
            ("-w", "it begins with '-'"),
            ("10.0.0.30 -t", "it has ' '"),
            (long.as_str(), "it has 47 bytes, of 46 at most"),
        ] {
            let fault = text.parse::<IscsiPortal>().unwrap_err();
            assert_eq!(fault.message, format!("{text:?} is no portal of an iSCSI target: {why}"));
        }
        let socket = |text: &str| text.parse::<IscsiPortal>().unwrap().socket().map(|socket| socket.to_string());
        assert_eq!(socket("10.0.0.30").as_deref(), Some("10.0.0.30:3260"));
        assert_eq!(socket("10.0.0.30:3261").as_deref(), Some("10.0.0.30:3261"));
        assert_eq!((socket("san.example"), socket("[fd00::1]:3260")), (None, None));
    }
}

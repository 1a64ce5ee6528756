//! A disk of an iSCSI target.

use crate::diag::Fault;
use std::fmt;
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

/// A disk of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IscsiDisk {
    /// Its target.
    pub target: IscsiTarget,
    /// Which one of the target's it is.
    pub lun: u16,
    /// The address by which the target is reached, where there are several.
    pub portal: Option<String>,
}

impl IscsiDisk {
    /// The port of a portal of which nobody says one (iscsi.conf(5)).
    pub(crate) const PORT: u16 = 3260;

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
}

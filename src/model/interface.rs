//! The name of a network interface.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// A name that the kernel accepts for a network interface: at most 15 characters (`IFNAMSIZ` less the end mark).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// How many characters a name may have.
    pub const MAX: usize = 15;

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text.len() > Self::MAX {
            let message = format!("the interface name {text:?} has {} characters", text.len());
            return Err(Fault::new(message).hint(format!("at most {}", Self::MAX)));
        }
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        // A comma would split bhyve's option, a colon names a netmap port or an alias, a slash leaves /dev.
        let follows = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if begins && follows {
            Ok(Self(text.into()))
        } else {
            let hint = "letters, digits, `.`, `_` and `-`, beginning with a letter or digit: tap1";
            Err(Fault::new(format!("{text:?} is not an interface name")).hint(hint))
        }
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_kernel_or_bhyve_would_misread_are_refused() {
        assert_eq!("ix0.82".parse::<InterfaceName>().unwrap().as_str(), "ix0.82");
        let message = |text: &str| text.parse::<InterfaceName>().unwrap_err().message;
        assert_eq!(message("a123456789012345"), "the interface name \"a123456789012345\" has 16 characters");
        for text in ["", "-a", "tap 1", "tap1,x", "../x", "vale0:1"] {
            assert_eq!(message(text), format!("{text:?} is not an interface name"));
        }
    }
}

//! The jail in which a machine's hypervisor runs.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// The name of a jail (jail(8)), as jls(8) and jexec(8) take it. A number would be an id, which another jail has after the next
/// start of the host; a `.` leads to a jail within a jail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JailName(String);

impl JailName {
    /// How many bytes a name may have: FreeBSD's MAXHOSTNAMELEN with its end.
    pub const MAX: usize = 255;

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for JailName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let follows = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        let is_id = text.bytes().all(|byte| byte.is_ascii_digit());
        if begins && follows && !is_id && text.len() <= Self::MAX {
            return Ok(Self(text.into()));
        }
        let hint = "write its name, as jls(8) shows it: letters, digits, `.`, `_` and `-`, not only digits";
        Err(Fault::new(format!("{text:?} is not the name of a jail")).hint(hint))
    }
}

impl fmt::Display for JailName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The jail of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jail {
    /// The jail's name (jail(8), `name`).
    pub name: JailName,
    /// Whether it is made for the machine, and goes with it; else it is there, and only entered.
    pub is_made: bool,
    /// Whether one that is made has a network of its own (jail(8), `vnet`).
    pub has_network: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jail_has_a_name_and_no_number() {
        for name in ["web", "a.b", "_x", "9front", "vm-1"] {
            assert_eq!(name.parse::<JailName>().unwrap().to_string(), name);
        }
        for name in ["", "7", "-r", ".a", "a b", "a/b", "*", "ä", &"a".repeat(256)] {
            assert_eq!(name.parse::<JailName>().unwrap_err().message, format!("{name:?} is not the name of a jail"));
        }
    }
}

//! The name of a machine.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// A name that bhyve accepts and that is safe as `/dev/vmm/NAME`, as a folder and in a shell.
///
/// bhyve itself checks only the length (229 bytes since FreeBSD 13).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmName(String);

impl VmName {
    /// How many bytes a name may have: `VM_MAX_NAMELEN` of FreeBSD 13 and later.
    pub const MAX: usize = 229;

    /// Returns the name of a run that has no machine, and whose recipe's name would be none.
    pub fn nameless() -> Self {
        Self("recipe".into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns by what names are put in order for people, who count: `worker2` before `worker10`. Each part is a text and the number
/// that follows it.
pub(crate) fn in_order(name: &str) -> Vec<(String, u64, usize)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (text, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let (digits, after) = after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len()));
        // Of two numbers that are one, that with fewer digits comes first.
        parts.push((text.into(), digits.parse().unwrap_or(if digits.is_empty() { 0 } else { u64::MAX }), digits.len()));
        rest = after;
    }
    parts
}

impl FromStr for VmName {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        const RULE: &str = "a name begins with a letter or digit; letters, digits, `.`, `_` and `-` follow";
        if text.len() > Self::MAX {
            let message = format!("a machine's name of {} bytes is too long", text.len());
            return Err(Fault::new(message).hint(format!("at most {} bytes", Self::MAX)));
        }
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let follows = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if begins && follows {
            Ok(Self(text.into()))
        } else {
            Err(Fault::new(format!("{text:?} is not a machine's name")).hint(RULE))
        }
    }
}

impl fmt::Display for VmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_in_order_as_people_count() {
        let mut names =
            ["web", "worker10", "worker2", "a", "worker", "worker02", "7", "worker2b", "99999999999999999999"];
        names.sort_by_cached_key(|name| in_order(name));
        let wanted = ["7", "99999999999999999999", "a", "web", "worker", "worker2", "worker2b", "worker02", "worker10"];
        assert_eq!(names, wanted);
        assert_eq!(in_order(""), []);
    }
}

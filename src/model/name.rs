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

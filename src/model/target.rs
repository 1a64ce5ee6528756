//! Which bhyve a machine is for: its architecture and its release.

use std::fmt;

/// The processor that bhyve was built for; the guests' is the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// x86 with 64 bits.
    #[default]
    Amd64,
    /// ARM with 64 bits.
    Arm64,
    /// RISC-V with 64 bits.
    Riscv64,
}

impl Arch {
    /// Every architecture that bhyve runs on.
    pub const ALL: [Self; 3] = [Self::Amd64, Self::Arm64, Self::Riscv64];
}

/// FreeBSD's names of them, as `uname -m` or `uname -p` print them.
impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
            Self::Riscv64 => "riscv",
        })
    }
}

/// A release of FreeBSD, by its first number; later ones know all that earlier ones do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// FreeBSD 14.
    V14,
    /// FreeBSD 15.
    #[default]
    V15,
    /// FreeBSD 16, which is not out yet: what its development branch has.
    V16,
}

impl Release {
    /// Every release that is known.
    pub const ALL: [Self; 3] = [Self::V14, Self::V15, Self::V16];

    /// Returns its first number.
    pub const fn number(self) -> u32 {
        match self {
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V16 => 16,
        }
    }

    /// Finds the release by its first number; one that is newer than all known counts as the newest.
    pub fn numbered(number: u32) -> Option<Self> {
        match number {
            0..14 => None,
            14 => Some(Self::V14),
            15 => Some(Self::V15),
            _ => Some(Self::V16),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FreeBSD {}", self.number())
    }
}

/// Which bhyve a machine is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its architecture.
    pub arch: Arch,
    /// Its release.
    pub release: Release,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_is_newer_than_all_known_counts_as_the_newest() {
        let named = |number| Release::numbered(number).map(|release| release.to_string());
        assert_eq!(
            [13, 14, 15, 16, 19].map(named).map(Option::unwrap_or_default),
            ["", "FreeBSD 14", "FreeBSD 15", "FreeBSD 16", "FreeBSD 16"]
        );
        assert!(Release::V14 < Release::V15 && Release::ALL.map(Release::number) == [14, 15, 16]);
    }
}

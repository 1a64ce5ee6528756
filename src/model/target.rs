//! Which bhyve a machine is for: its architecture and its release.

use crate::diag::Fault;
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

impl std::str::FromStr for Arch {
    type Err = Fault;

    /// Reads FreeBSD's names, and those that other systems have for the same.
    fn from_str(text: &str) -> Result<Self, Fault> {
        match text {
            "amd64" | "x86_64" => Ok(Self::Amd64),
            "arm64" | "aarch64" => Ok(Self::Arm64),
            "riscv" | "riscv64" => Ok(Self::Riscv64),
            _ => {
                Err(Fault::usage(format!("{text:?} is no architecture that bhyve runs on"))
                    .hint("amd64, arm64 or riscv"))
            }
        }
    }
}

impl std::str::FromStr for Release {
    type Err = Fault;

    /// Reads `14`, or what `uname -r` prints: `14.3-RELEASE-p2`.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let digits = text.split(['.', '-']).next().unwrap_or_default();
        let release = digits.parse().ok().and_then(Self::numbered);
        let fault = || Fault::usage(format!("{text:?} is no release of FreeBSD that is known")).hint("14, 15 or 16");
        release.ok_or_else(fault)
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
        assert_eq!("14.3-RELEASE-p2".parse::<Release>().unwrap(), Release::V14);
        assert_eq!("aarch64".parse::<Arch>().unwrap(), Arch::Arm64);
        let said = |fault: Fault| format!("{} | {}", fault.message, fault.hint.unwrap_or_default());
        assert_eq!(
            said("13.2".parse::<Release>().unwrap_err()),
            "\"13.2\" is no release of FreeBSD that is known | 14, 15 or 16"
        );
        assert_eq!(
            said("mips".parse::<Arch>().unwrap_err()),
            "\"mips\" is no architecture that bhyve runs on | amd64, arm64 or riscv"
        );
        assert!(Release::V14 < Release::V15 && Release::ALL.map(Release::number) == [14, 15, 16]);
    }
}

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

/// A release of FreeBSD; later ones know all that earlier ones do, but for what [`gate`](super::gate) has otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// FreeBSD 14.3, the oldest that is known.
    V14_3,
    /// FreeBSD 14.4.
    V14_4,
    /// FreeBSD 14.5.
    V14_5,
    /// FreeBSD 15.0.
    V15_0,
    /// FreeBSD 15.1, the newest that is out.
    #[default]
    V15_1,
    /// FreeBSD 16, which is not out yet: what its development branch has.
    V16,
}

impl Release {
    /// Every release that is known, in order.
    pub const ALL: [Self; 6] = [Self::V14_3, Self::V14_4, Self::V14_5, Self::V15_0, Self::V15_1, Self::V16];

    /// The oldest release that is known.
    pub const OLDEST: Self = Self::ALL[0];

    /// The newest release that is known.
    pub const NEWEST: Self = Self::ALL[Self::ALL.len() - 1];

    /// Returns its numbers.
    pub const fn numbers(self) -> (u32, u32) {
        match self {
            Self::V14_3 => (14, 3),
            Self::V14_4 => (14, 4),
            Self::V14_5 => (14, 5),
            Self::V15_0 => (15, 0),
            Self::V15_1 => (15, 1),
            Self::V16 => (16, 0),
        }
    }

    /// Finds the newest release that is known and not later than these numbers; without the second, the newest of the first.
    pub fn numbered(major: u32, minor: Option<u32>) -> Option<Self> {
        let wanted = (major, minor.unwrap_or(u32::MAX));
        Self::ALL.into_iter().rev().find(|release| release.numbers() <= wanted)
    }

    /// Returns the release of a host by `kern.osreldate`, as `uname -K` prints it: 1403000 is 14.3. A host that is older than all
    /// known counts as the oldest.
    pub fn of_osreldate(number: u64) -> Self {
        let part = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self::numbered(part(number / 100_000), Some(part(number / 1000 % 100))).unwrap_or(Self::OLDEST)
    }

    /// Returns the release of a host by `uname -r`: `14.3-RELEASE-p2`, `16.0-CURRENT`. A host that is older than all known counts
    /// as the oldest.
    pub fn of_host(text: &str) -> Option<Self> {
        let (major, minor) = read_numbers(text.split('-').next()?)?;
        Some(Self::numbered(major, minor).unwrap_or(Self::OLDEST))
    }

    /// Returns what is to be known where a host that says this of itself (`uname -r`) counts as this release, and is another one.
    pub fn doubt(self, said: &str) -> Option<Fault> {
        let (major, minor) = read_numbers(said.split('-').next()?)?;
        let told = (major, minor.unwrap_or_default());
        if told == self.numbers() {
            return None;
        }
        let (end, hint) = if told < self.numbers() {
            let hint = "its bhyve may refuse what that release has: look at `vmrun plan`, or bring the host to a release that is known";
            ("the oldest", hint)
        } else {
            (
                "the newest before it",
                "its bhyve may have more, and may refuse what that release had: a newer vmrun may know it",
            )
        };
        let fault = Fault::new(format!(
            "this host is FreeBSD {said}, which vmrun does not know: it counts as {self}, {end} that is known"
        ));
        Some(fault.hint(format!("{hint}; known are {}", Self::ALL.map(Self::name).join(", "))))
    }

    /// Returns its name as it is asked for: `14.3`, `16`.
    pub fn name(self) -> String {
        self.to_string().trim_start_matches("FreeBSD ").to_string()
    }
}

/// Reads `14` or `14.3`.
fn read_numbers(text: &str) -> Option<(u32, Option<u32>)> {
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match text.split_once('.') {
        None => Some((number(text)?, None)),
        Some((major, minor)) => Some((number(major)?, Some(number(minor)?))),
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

    /// Reads `14.3`, or `14` for the newest of them. One that is newer than all known counts as the newest; one that is older is
    /// refused.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let release = read_numbers(text).and_then(|(major, minor)| Self::numbered(major, minor));
        let fault = || {
            let known = Self::ALL.map(Self::name);
            let fault = Fault::usage(format!("{text:?} is no release of FreeBSD that is known"));
            fault.hint(format!("one of {}; the nearest to an older one is {}", known.join(", "), known[0]))
        };
        release.ok_or_else(fault)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.numbers()) {
            (Self::V16, (major, _)) => write!(f, "FreeBSD {major}"),
            (_, (major, minor)) => write!(f, "FreeBSD {major}.{minor}"),
        }
    }
}

/// Which bhyve a machine is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its architecture.
    pub arch: Arch,
    /// The release of FreeBSD, of which bhyve is a part.
    pub release: Release,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_known_by_its_numbers_and_a_first_number_is_the_newest_of_it() {
        let read = |text: &str| text.parse::<Release>().map_or_else(|_| "-".into(), |release| release.to_string());
        let told = ["14.3", "14", "14.9", "15", "15.0", "16", "16.0", "19"].map(read).join(", ");
        assert_eq!(
            told,
            "FreeBSD 14.3, FreeBSD 14.5, FreeBSD 14.5, FreeBSD 15.1, FreeBSD 15.0, FreeBSD 16, FreeBSD 16, FreeBSD 16"
        );
        assert_eq!(["14.2", "13", "12.1", "", ".", "14.", "14.3-RELEASE", "+14", "a"].map(read), ["-"; 9]);
        assert_eq!("aarch64".parse::<Arch>().unwrap(), Arch::Arm64);
        let said = |fault: Fault| format!("{} | {}", fault.message, fault.hint.unwrap_or_default());
        assert_eq!(
            said("13.2".parse::<Release>().unwrap_err()),
            "\"13.2\" is no release of FreeBSD that is known | one of 14.3, 14.4, 14.5, 15.0, 15.1, 16; the nearest to an \
             older one is 14.3"
        );
        assert_eq!(
            said("mips".parse::<Arch>().unwrap_err()),
            "\"mips\" is no architecture that bhyve runs on | amd64, arm64 or riscv"
        );
        assert!(Release::ALL.is_sorted() && Release::ALL.iter().all(|r| r.name().parse() == Ok(*r)));
    }

    #[test]
    fn a_host_counts_as_the_nearest_release_that_is_known() {
        let numbers =
            [1_201_000, 1_402_000, 1_403_000, 1_404_500, 1_500_000, 1_500_500, 1_501_000, 1_600_018, 9_999_999];
        let releases = numbers.map(|number| Release::of_osreldate(number).name()).join(" ");
        assert_eq!(releases, "14.3 14.3 14.3 14.4 15.0 15.0 15.1 16 16");
        let names = ["12.1-RELEASE-p10", "14.3-RELEASE-p2", "15.0-STABLE", "15.7-RELEASE", "16.0-CURRENT"];
        let releases = names.map(|text| Release::of_host(text).unwrap().name()).join(" ");
        assert_eq!(releases, "14.3 14.3 15.0 15.1 16");
        assert_eq!(["", "6.8.0-45-generic-x", "CURRENT"].map(Release::of_host), [None; 3]);
    }

    #[test]
    fn a_host_whose_release_is_not_known_is_told_of() {
        let said = |text: &str| {
            let fault = Release::of_host(text).unwrap().doubt(text)?;
            Some(format!("{} | {}", fault.message, fault.hint.unwrap_or_default()))
        };
        for known in ["14.3-RELEASE-p2", "15.0-STABLE", "15.1", "16.0-CURRENT"] {
            assert_eq!(said(known), None, "{known}");
        }
        assert_eq!(
            said("12.1-RELEASE-p10").unwrap(),
            "this host is FreeBSD 12.1-RELEASE-p10, which vmrun does not know: it counts as FreeBSD 14.3, the oldest that is known | its \
             bhyve may refuse what that release has: look at `vmrun plan`, or bring the host to a release that is known; known are 14.3, \
             14.4, 14.5, 15.0, 15.1, 16"
        );
        assert_eq!(
            said("15.2-RELEASE").unwrap(),
            "this host is FreeBSD 15.2-RELEASE, which vmrun does not know: it counts as FreeBSD 15.1, the newest before it that is known | \
             its bhyve may have more, and may refuse what that release had: a newer vmrun may know it; known are 14.3, 14.4, 14.5, 15.0, \
             15.1, 16"
        );
        assert_eq!(Release::NEWEST.doubt("6.8.0-45-generic-x"), None);
    }
}

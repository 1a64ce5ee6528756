//! Processors: how a machine's are arranged, and sets of them.

use super::number::base_0;
use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// How virtual CPUs are arranged (bhyve(8), `-c`). bhyve makes as many sockets as CPUs where they are not told, so they are
/// always told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Sockets of the machine.
    pub sockets: u16,
    /// Cores of each socket.
    pub cores: u16,
    /// Threads of each core.
    pub threads: u16,
}

impl Topology {
    /// Returns how many CPUs it has; bhyve takes at most 65535.
    pub fn total(self) -> Option<u16> {
        self.sockets.checked_mul(self.cores)?.checked_mul(self.threads)
    }
}

/// A set of CPUs as cpuset(1) writes it: numbers and ranges, `0-3,8`. They are read as strtoul(3) with base 0 does (bhyve's
/// source): `010` is 8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSet(Vec<(u16, u16)>);

impl CpuSet {
    /// The greatest number that a CPU of the host may have (bhyve(8), `-p`).
    pub const MAX: u16 = 1023;

    /// Makes a set of one CPU.
    pub fn one(cpu: u16) -> Result<Self, Fault> {
        cpu.to_string().parse()
    }

    /// Returns the greatest number in it.
    pub fn greatest(&self) -> u16 {
        self.0.iter().map(|(_, last)| *last).max().unwrap_or_default()
    }

    /// Returns the CPUs one by one, or nothing where there is a range.
    pub fn singles(&self) -> Option<Vec<u16>> {
        self.0.iter().map(|(first, last)| (first == last).then_some(*first)).collect()
    }

    /// Returns a CPU that both sets have.
    pub fn common(&self, other: &Self) -> Option<u16> {
        let meet = |(a, b): &(u16, u16)| {
            let both = other.0.iter().map(|(c, d)| ((*a).max(*c), (*b).min(*d)));
            both.filter(|(first, last)| first <= last).map(|(first, _)| first).min()
        };
        self.0.iter().filter_map(meet).min()
    }
}

impl FromStr for CpuSet {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || {
            let fault = Fault::new(format!("{text:?} is not a set of CPUs"));
            fault.hint(format!("numbers from 0 to {} and ranges, joined by commas: \"0-3,8\"", Self::MAX))
        };
        let number = |part: &str| -> Result<u16, Fault> {
            let number = base_0(part).and_then(|number| u16::try_from(number).ok());
            number.filter(|number| *number <= Self::MAX).ok_or_else(fault)
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first <= last { Ok((first, last)) } else { Err(fault()) }
        };
        text.split(',').map(range).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last { write!(f, "{comma}{first}")? } else { write!(f, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_set_is_numbers_and_ranges() {
        let set = |text: &str| text.parse::<CpuSet>().unwrap();
        assert_eq!((set("0-3,8").to_string(), set("0-3,8").greatest()), ("0-3,8".into(), 8));
        assert_eq!((set("1,5").singles(), set("1-5").singles()), (Some(vec![1, 5]), None));
        assert_eq!((set("0-3,8").common(&set("2-9")), set("0-3").common(&set("4"))), (Some(2), None));
        assert_eq!((set("010").to_string(), set("0x10-0x1f,+2").to_string()), ("8".into(), "16-31,2".into()));
        for text in ["", "1,", "08", "3-1", "1024", "a", "1-2-3", "-1", " 1"] {
            assert_eq!(text.parse::<CpuSet>().unwrap_err().message, format!("{text:?} is not a set of CPUs"));
        }
    }

    #[test]
    fn a_topology_too_large_has_no_total() {
        assert_eq!(Topology { sockets: 2, cores: 3, threads: 4 }.total(), Some(24));
        assert_eq!(Topology { sockets: 256, cores: 256, threads: 1 }.total(), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-,0-9]{0,12}|.{0,20}") {
            if let Ok(set) = text.parse::<CpuSet>() {
                prop_assert_eq!(set.to_string().parse(), Ok(set));
            }
        }
    }
}

//! A PCI device of the host that a guest gets.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// A PCI device of the host (bhyve(8), passthru): `ppt0`, `2/0/0`, `pci2:0:0` or `pci0:2:0:0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostDevice {
    /// By the number of its ppt(4) driver.
    Ppt(u16),
    /// By its bus, slot and function in PCI domain 0, the only one that bhyve takes.
    Address(u8, u8, u8),
}

const FORM: &str = "write \"2/0/0\" for bus, slot and function, \"pci0:2:0:0\" as pciconf(8) has it, or \"ppt0\"";

impl FromStr for HostDevice {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || Fault::new(format!("{text:?} is not a PCI device of the host")).hint(FORM);
        let number = |part: &str, limit: u16| -> Result<u16, Fault> {
            let digits = (1..=5).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            let number = digits.then(|| part.parse().ok()).flatten();
            number.filter(|number: &u16| *number <= limit).ok_or_else(fault)
        };
        if let Some(unit) = text.strip_prefix("ppt") {
            return number(unit, u16::MAX).map(Self::Ppt);
        }
        let pciconf = text.strip_prefix("pci");
        let parts: Vec<&str> = match pciconf {
            Some(rest) => rest.split(':').collect(),
            None => text.split('/').collect(),
        };
        let (domain, [bus, slot, function]) = match (parts.as_slice(), pciconf) {
            ([bus, slot, function], _) => ("0", [*bus, *slot, *function]),
            ([domain, bus, slot, function], Some(_)) => (*domain, [*bus, *slot, *function]),
            _ => return Err(fault()),
        };
        if number(domain, u16::MAX)? != 0 {
            let message = format!("{text:?} is in PCI domain {domain}");
            return Err(Fault::new(message).hint("bhyve passes on devices of domain 0 only"));
        }
        let small = |part, limit| u8::try_from(number(part, limit)?).map_err(|_| fault());
        Ok(Self::Address(small(bus, 255)?, small(slot, 31)?, small(function, 7)?))
    }
}

impl fmt::Display for HostDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ppt(unit) => write!(f, "ppt{unit}"),
            Self::Address(bus, slot, function) => write!(f, "{bus}/{slot}/{function}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_four_spellings_of_bhyve_read() {
        for text in ["2/0/1", "pci2:0:1", "pci0:2:0:1"] {
            assert_eq!(text.parse::<HostDevice>().unwrap().to_string(), "2/0/1");
        }
        assert_eq!("ppt12".parse(), Ok(HostDevice::Ppt(12)));
        for text in ["", "2:0:1", "ppt", "pptx", "2/0", "2/0/8", "2/32/0", "256/0/0", "0/2/0/1", "pci", "2/0/+1"] {
            let message = text.parse::<HostDevice>().unwrap_err().message;
            assert_eq!(message, format!("{text:?} is not a PCI device of the host"));
        }
        assert_eq!("pci1:2:0:1".parse::<HostDevice>().unwrap_err().message, "\"pci1:2:0:1\" is in PCI domain 1");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(ppt|pci)?[:/0-9]{0,12}|.{0,20}") {
            if let Ok(device) = text.parse::<HostDevice>() {
                prop_assert_eq!(device.to_string().parse(), Ok(device));
            }
        }
    }
}

//! Where a device sits.

use crate::diag::Fault;
use std::fmt;
use std::str::FromStr;

/// A place on the PCI bus: bus 0 to 255, slot 0 to 31, function 0 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciSlot {
    bus: u8,
    slot: u8,
    function: u8,
}

const FORM: &str =
    "slots are SLOT, SLOT:FUNCTION or BUS:SLOT:FUNCTION with bus 0 to 255, slot 0 to 31, function 0 to 7";

impl PciSlot {
    /// Makes a place on bus 0, function 0.
    pub fn slot(slot: i64) -> Result<Self, Fault> {
        Self::of(slot, 0, 0, || slot.to_string())
    }

    /// Returns the bus.
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// Returns the number of the slot on its bus.
    pub const fn number(self) -> u8 {
        self.slot
    }

    /// Returns the function.
    pub const fn function(self) -> u8 {
        self.function
    }

    /// Returns the same slot's function 0.
    #[must_use]
    pub const fn first(self) -> Self {
        Self { function: 0, ..self }
    }

    fn of(slot: i64, bus: i64, function: i64, text: impl Fn() -> String) -> Result<Self, Fault> {
        let within = |number: i64, limit: u8| u8::try_from(number).ok().filter(|n| *n <= limit);
        match (within(bus, 255), within(slot, 31), within(function, 7)) {
            (Some(bus), Some(slot), Some(function)) => Ok(Self { bus, slot, function }),
            _ => Err(Fault::new(format!("`{}` is not a PCI slot", text())).hint(FORM)),
        }
    }
}

/// Stricter than bhyve, which also takes blanks, signs, a fourth number and any text after the last number.
impl FromStr for PciSlot {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = || Fault::new(format!("`{text}` is not a PCI slot")).hint(FORM);
        let number = |part: &str| -> Result<i64, Fault> {
            let digits = (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten().ok_or_else(fault)
        };
        let parts = text.split(':').map(number).collect::<Result<Vec<i64>, Fault>>()?;
        match parts[..] {
            [slot] => Self::of(slot, 0, 0, || text.into()),
            [slot, function] => Self::of(slot, 0, function, || text.into()),
            [bus, slot, function] => Self::of(slot, bus, function, || text.into()),
            _ => Err(fault()),
        }
    }
}

/// In the shortest form that bhyve reads.
impl fmt::Display for PciSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bus, self.function) {
            (0, 0) => write!(f, "{}", self.slot),
            (0, function) => write!(f, "{}:{function}", self.slot),
            (bus, function) => write!(f, "{bus}:{}:{function}", self.slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_spelling_of_a_slot_is_the_same_slot() {
        let slots = ["3", "03", "3:0", "0:3:0"].map(|text| text.parse::<PciSlot>().unwrap());
        assert!(slots.iter().all(|slot| *slot == slots[0] && slot.to_string() == "3"));
    }

    #[test]
    fn what_is_no_slot_is_refused_even_where_bhyve_would_guess() {
        for text in ["", "32", "0:8", "256:0:0", "4x", "1:2:3:4", "+4", " 4", "-1", "4:", "99999999999"] {
            let fault = text.parse::<PciSlot>().unwrap_err();
            assert_eq!(fault, Fault::new(format!("`{text}` is not a PCI slot")).hint(FORM));
        }
        assert_eq!(PciSlot::slot(40).unwrap_err().message, "`40` is not a PCI slot");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bus: u8, slot in 0_u8..32, function in 0_u8..8) {
            let slot = PciSlot { bus, slot, function };
            prop_assert_eq!(slot.to_string().parse(), Ok(slot));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<PciSlot>();
        }
    }
}

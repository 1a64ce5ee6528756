//! The parts of a machine that a fault may be about.

use super::PciSlot;

/// What a fault of a machine is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The machine as a whole.
    Whole,
    /// One of its keys.
    Key(&'static str),
    /// A key in the map of one of its keys: `port` of `gdb`.
    Under(&'static str, String),
    /// A device.
    Slot(PciSlot),
    /// An option of a device.
    Option(PciSlot, &'static str),
    /// An option of one of a device's ports or targets, by its number.
    Item(PciSlot, u16, &'static str),
}

impl Part {
    /// Returns the part for an option that may belong to a port.
    pub const fn option(slot: PciSlot, number: Option<u16>, name: &'static str) -> Self {
        match number {
            Some(number) => Self::Item(slot, number, name),
            None => Self::Option(slot, name),
        }
    }
}

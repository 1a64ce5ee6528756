//! The counter by which vm-bhyve gives slots.

/// Where the next device goes. Bus 0 ends before slot 31, which is the LPC bridge's; later buses are whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    bus: u32,
    slot: u32,
    function: u32,
    end: u32,
}

impl Slots {
    /// Begins at `start_slot`.
    pub(super) const fn new(start: u32) -> Self {
        Self { bus: 0, slot: start, function: 0, end: 31 }
    }

    /// Returns the bus.
    pub(super) const fn bus(self) -> u32 {
        self.bus
    }

    /// Returns bus, slot and function, as `-s` takes them.
    pub(super) fn here(self) -> String {
        format!("{}:{}:{}", self.bus, self.slot, self.function)
    }

    /// Returns slot and function alone: what vm-bhyve writes of the last controller of `ahci_device_limit`.
    pub(super) fn without_bus(self) -> String {
        format!("{}:{}", self.slot, self.function)
    }

    /// Makes room: the eighth function is the last of its slot, and the last slot that of its bus.
    pub(super) fn settle(&mut self) {
        if self.function >= 8 {
            self.function = 0;
            self.slot += 1;
        }
        self.settle_bus();
    }

    /// Makes room in the next bus after the last slot of this one.
    pub(super) fn settle_bus(&mut self) {
        if self.slot >= self.end {
            self.slot = 0;
            self.bus += 1;
            self.end = 32;
        }
    }

    /// Goes to the next function.
    pub(super) fn next_function(&mut self) {
        self.function += 1;
    }

    /// Goes to function 0 of the next slot.
    pub(super) fn next_slot(&mut self) {
        self.function = 0;
        self.slot += 1;
        self.settle_bus();
    }

    /// Goes to the next slot, and leaves the function and the bus for later: a disk of a UEFI guest.
    pub(super) fn next_slot_only(&mut self) {
        self.slot += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_functions_fill_a_slot_and_slot_thirty_one_is_left_to_the_bridge() {
        let mut slots = Slots::new(30);
        let mut seen = Vec::new();
        for _ in 0..9 {
            slots.settle();
            seen.push(slots.here());
            slots.next_function();
        }
        assert_eq!((seen[0].as_str(), seen[7].as_str(), seen[8].as_str()), ("0:30:0", "0:30:7", "1:0:0"));
        (0..32).for_each(|_| slots.next_slot());
        assert_eq!((slots.here(), slots.bus()), ("2:0:0".into(), 2));
    }
}

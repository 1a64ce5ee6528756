//! Slots of bus 0: those that a domain gives, and libvirt's next free one for the rest.

use super::Reading;
use roxmltree::Node;
use std::collections::BTreeSet;

/// The slots of bus 0.
pub(super) struct Slots {
    taken: BTreeSet<u8>,
}

/// Reads the address of a device, if it has one on bus 0 that is bhyve's.
fn address<'a, 'input>(reading: &mut Reading<'a, 'input>, device: Node<'a, 'input>) -> Option<(u8, u8)> {
    let address = reading.child(device, "address")?;
    let mut number = |name| {
        let text = reading.attribute(address, name).unwrap_or("0");
        u8::from_str_radix(text.strip_prefix("0x").unwrap_or(text), if text.starts_with("0x") { 16 } else { 10 }).ok()
    };
    let [_, bus, slot, function] = ["domain", "bus", "slot", "function"].map(&mut number);
    let kind = reading.attribute(address, "type");
    // QEMU's own places mean nothing to bhyve.
    let is_ours = reading.is_bhyve && kind == Some("pci") && bus == Some(0);
    reading.take_whole(address);
    slot.zip(function).filter(|(slot, function)| is_ours && (1..32).contains(slot) && *function < 8)
}

impl Slots {
    /// Takes the slots that devices have; slot 0 is the host bridge's, and slot 1 is kept for LPC.
    pub(super) fn new<'a, 'input>(reading: &mut Reading<'a, 'input>, devices: Option<Node<'a, 'input>>) -> Self {
        let all = devices.map(|devices| devices.children().filter(Node::is_element).collect::<Vec<_>>());
        let given = all.into_iter().flatten().filter_map(|device| Some(address(reading, device)?.0));
        Self { taken: given.chain([0, 1]).collect() }
    }

    /// Returns where a device stands: where it says, or in the next free slot.
    pub(super) fn of<'a, 'input>(&mut self, reading: &mut Reading<'a, 'input>, device: Node<'a, 'input>) -> String {
        address(reading, device).map_or_else(|| self.next(), |(slot, function)| format!("{slot}:{function}"))
    }

    /// Returns where a device stands that may be named nowhere.
    pub(super) fn of_some<'a, 'input>(
        &mut self,
        reading: &mut Reading<'a, 'input>,
        device: Option<Node<'a, 'input>>,
    ) -> String {
        match device {
            Some(device) => self.of(reading, device),
            None => self.next(),
        }
    }

    /// Returns where the LPC bridge stands.
    pub(super) fn lpc<'a, 'input>(reading: &mut Reading<'a, 'input>, isa: Option<Node<'a, 'input>>) -> String {
        let given = isa.and_then(|isa| address(reading, isa));
        given.map_or_else(|| "1:0".into(), |(slot, function)| format!("{slot}:{function}"))
    }

    /// Returns the next free slot. Where there is none, bhyve's own check tells that 31 is there twice.
    pub(super) fn next(&mut self) -> String {
        let slot = (2..31).find(|slot| !self.taken.contains(slot)).unwrap_or(31);
        self.taken.insert(slot);
        format!("{slot}:0")
    }
}

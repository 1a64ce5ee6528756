//! What two devices of a machine cannot share: images, taps, addresses, sockets, devices of the host.

use super::check::Faults;
use super::{Draft, Part};
use crate::diag::Fault;
use crate::model::device::{Access, Counterpart, Device};
use crate::model::{Backend, PciSlot, Value};
use std::collections::BTreeMap;

impl Draft {
    pub(super) fn check_shared(&self, faults: &mut Faults) {
        let mut images: BTreeMap<String, PciSlot> = BTreeMap::new();
        let mut macs = BTreeMap::new();
        let mut backends = BTreeMap::new();
        let mut own = BTreeMap::new();
        for (slot, device) in &self.slots {
            for (part, path, key) in writes(*slot, device) {
                let Some(first) = images.insert(key, *slot) else { continue };
                let message = if first == *slot {
                    format!("two ports of slot {slot} both write {path}")
                } else {
                    format!("slots {first} and {slot} both write {path}")
                };
                let hint = "give each disk an image of its own, or make one of them `ro: true`";
                faults.push((part, Fault::new(message).hint(hint)));
            }
            if let Some(mac) = device.mac()
                && let Some(first) = macs.insert(mac, *slot)
            {
                let fault = Fault::new(format!("slots {first} and {slot} have the same MAC address {mac}"));
                faults.push((Part::Option(*slot, "mac"), fault.hint("change one of them")));
            }
            if let Some(first) = self.same_default_mac(*slot, device) {
                let fault = Fault::new(format!("slots {first} and {slot} get the same MAC address from bhyve"));
                faults.push((Part::Slot(*slot), fault.hint("it leaves the bus out: give one of them a `mac`")));
            }
            if let Some(backend @ (Backend::Tap(_) | Backend::Netmap(_))) = device.backend()
                && let Some(first) = backends.insert(backend.to_string(), *slot)
            {
                let fault = Fault::new(format!("slots {first} and {slot} are both plugged into {backend}"));
                faults.push((Part::Option(*slot, "backend"), fault.hint("make a tap for each card")));
            }
            for item in device.items() {
                let own_socket = matches!(device.kind().counterpart, Counterpart::Console | Counterpart::Input);
                let alone =
                    matches!(item.value, Value::HostDevice(_)) || own_socket && matches!(item.value, Value::Path(_));
                if alone && let Some(first) = own.insert(item.value.to_string(), *slot).filter(|first| first != slot) {
                    let fault = Fault::new(format!("slots {first} and {slot} both use {}", item.value));
                    let part = Part::option(*slot, item.number, item.parameter.name);
                    faults.push((part, fault.hint("give each its own")));
                }
            }
        }
    }

    /// bhyve makes the address of slot, function and machine, and leaves the bus out.
    fn same_default_mac(&self, slot: PciSlot, device: &Device) -> Option<PciSlot> {
        let is_default = |device: &Device| device.backend().is_some() && device.mac().is_none();
        let place = |slot: PciSlot| (slot.number(), slot.function());
        let mut earlier = self.slots.iter().take_while(|(other, _)| **other < slot);
        let found = earlier.find(|(other, d)| is_default(d) && place(**other) == place(slot));
        found.filter(|_| is_default(device)).map(|(first, _)| *first)
    }
}

/// What a device writes: what the fault would be about, the path, and what no other may have.
fn writes(slot: PciSlot, device: &Device) -> Vec<(Part, String, String)> {
    let images = device.images().into_iter().filter(|(_, _, _, access)| *access == Access::ReadWrite);
    let image = |(number, name, path, _): (Option<u16>, &'static str, &crate::model::DevicePath, Access)| {
        (Part::option(slot, number, name), path.to_string(), path.to_string())
    };
    let mut all: Vec<_> = images.map(image).collect();
    if device.kind().name == "virtio-scsi" {
        // One device of ctl(4) serves several initiators.
        let iid = device.value("iid").map(ToString::to_string).unwrap_or_default();
        for item in device.items().iter().filter(|item| matches!(item.value, Value::Path(_))) {
            let path = item.value.to_string();
            all.push((Part::option(slot, item.number, item.parameter.name), path.clone(), format!("{path},{iid}")));
        }
    }
    all
}

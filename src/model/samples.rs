//! Devices and machines as tests describe them.

pub(crate) mod any;

use super::{Device, DeviceKind, Draft, Size};

/// A device by its name, with the texts of its parameters.
pub(crate) fn device(name: &str, values: &[(&str, &str)]) -> Device {
    let kind = DeviceKind::named(name).unwrap();
    let values = values.iter().map(|(key, text)| {
        let parameter = kind.parameter(key).unwrap();
        (parameter, parameter.ty.read(text).unwrap())
    });
    Device::new(kind, values.collect()).unwrap()
}

/// The machine `lab` with 512 MiB and the devices in their slots.
pub(crate) fn draft(devices: &[(&str, Device)]) -> Draft {
    let mut draft = Draft { name: "lab".parse().ok(), memory: Size::mib(512), ..Draft::default() };
    for (slot, device) in devices {
        draft.put(slot.parse().unwrap(), device.clone()).unwrap();
    }
    draft
}

//! The VirtIO network card.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// What a network card is given.
pub(super) const BACKEND: Parameter =
    Parameter::new("backend", Type::Backend, "the tap that it is plugged into").required();

/// The hardware address; bhyve makes one of slot and machine name otherwise.
pub(super) const MAC: Parameter = Parameter::new("mac", Type::Mac, "hardware address");

/// bhyve(8), `virtio-net`.
pub(super) const VIRTIO_NET: DeviceKind = DeviceKind {
    name: "virtio-net",
    help: "A VirtIO network card.",
    given: &[BACKEND],
    options: &[&[MAC, Parameter::new("mtu", Type::Integer { min: 46, max: 65535 }, "MTU that the guest is told")]],
    single: false,
    counterpart: Counterpart::Nic("virtio-net-pci"),
};

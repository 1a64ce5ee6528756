//! An input device of the host for the guest.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), `virtio-input`.
pub(super) const VIRTIO_INPUT: DeviceKind = DeviceKind {
    given: &[Parameter::new("path", Type::Path, "the input device: /dev/input/event0").required()],
    ..DeviceKind::new("virtio-input", "A keyboard or mouse of the host, for the guest alone.", Counterpart::Input)
};

//! The VirtIO disk.

use super::block::{BLOCK, DISK};
use super::kind::one_of;
use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

const SERIAL: &[Parameter] = &[
    Parameter::new("ser", Type::Text { max: 20 }, "serial number"),
    Parameter::new("serial", Type::Text { max: 20 }, "longer name of `ser`"),
];

/// bhyve(8), `virtio-blk`.
pub(super) const VIRTIO_BLK: DeviceKind = DeviceKind {
    given: &[DISK],
    options: &[BLOCK, SERIAL],
    check: |device| one_of(device, "ser", "serial"),
    ..DeviceKind::new("virtio-blk", "A VirtIO disk.", Counterpart::Disk("virtio-blk-pci"))
};

//! The VirtIO disk.

use super::block::{BLOCK, DISK};
use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), `virtio-blk`.
pub(super) const VIRTIO_BLK: DeviceKind = DeviceKind {
    name: "virtio-blk",
    help: "A VirtIO disk.",
    given: &[DISK],
    options: &[BLOCK, &[Parameter::new("ser", Type::Text { max: 20 }, "serial number")]],
    single: false,
    counterpart: Counterpart::Disk("virtio-blk-pci"),
};

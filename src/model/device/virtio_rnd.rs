//! The VirtIO random number generator.

use super::{Counterpart, DeviceKind};

/// bhyve(8), `virtio-rnd`.
pub(super) const VIRTIO_RND: DeviceKind = DeviceKind {
    name: "virtio-rnd",
    help: "A VirtIO random number generator.",
    given: &[],
    options: &[],
    single: false,
    counterpart: Counterpart::Plain("virtio-rng-pci"),
};

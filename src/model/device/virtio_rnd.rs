//! The VirtIO random number generator.

use super::{Counterpart, DeviceKind};

/// bhyve(8), `virtio-rnd`.
pub(super) const VIRTIO_RND: DeviceKind =
    DeviceKind::new("virtio-rnd", "A VirtIO random number generator.", Counterpart::Plain("virtio-rng-pci"));

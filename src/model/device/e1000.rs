//! The Intel network card.

use super::virtio_net::{BACKEND, MAC};
use super::{Counterpart, DeviceKind};

/// bhyve(8), `e1000`.
pub(super) const E1000: DeviceKind = DeviceKind {
    name: "e1000",
    help: "An Intel e82545 network card, for guests without VirtIO.",
    given: &[BACKEND],
    options: &[&[MAC]],
    single: false,
    counterpart: Counterpart::Nic("e1000"),
};

//! The Intel network card.

use super::virtio_net::{BACKEND, CONNECTION, MAC, check};
use super::{Counterpart, DeviceKind};

/// bhyve(8), `e1000`. It does not read `mtu`.
pub(super) const E1000: DeviceKind = DeviceKind {
    given: &[BACKEND],
    options: &[CONNECTION, &[MAC]],
    check,
    ..DeviceKind::new("e1000", "An Intel e82545 network card, for guests without VirtIO.", Counterpart::Nic("e1000"))
};

//! Host bridges.

use super::{Counterpart, DeviceKind};

/// bhyve(8), `hostbridge`.
pub(super) const HOSTBRIDGE: DeviceKind = DeviceKind {
    name: "hostbridge",
    help: "The host bridge; usually in slot 0.",
    given: &[],
    options: &[],
    single: false,
    counterpart: Counterpart::HostBridge,
};

/// bhyve(8), `amd_hostbridge`.
pub(super) const AMD_HOSTBRIDGE: DeviceKind = DeviceKind {
    name: "amd_hostbridge",
    help: "The host bridge with AMD's vendor id, which some guests want in order to use MSI.",
    ..HOSTBRIDGE
};

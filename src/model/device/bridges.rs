//! Host bridges.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, ParameterForm, Type};

/// What the guest reads in its configuration space; bhyve(8) takes them by `-o` only, because of their dots.
const REGISTERS: &[Parameter] = &[
    Parameter::new("pcireg.vendor", Type::Register { host: false }, "vendor id (0x1275)").form(ParameterForm::Config),
    Parameter::new("pcireg.device", Type::Register { host: false }, "device id (0x1275)").form(ParameterForm::Config),
];

/// bhyve(8), `hostbridge`.
pub(super) const HOSTBRIDGE: DeviceKind = DeviceKind {
    options: &[REGISTERS],
    ..DeviceKind::new("hostbridge", "The host bridge; usually in slot 0.", Counterpart::HostBridge)
};

/// bhyve(8), `amd_hostbridge`.
pub(super) const AMD_HOSTBRIDGE: DeviceKind = DeviceKind {
    name: "amd_hostbridge",
    implied: &[("pcireg.vendor", "0x1022"), ("pcireg.device", "0x7432")],
    help: "The host bridge with AMD's vendor id, which some guests want in order to use MSI.",
    options: &[],
    ..HOSTBRIDGE
};

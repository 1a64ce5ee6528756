//! SATA disks and CDs.

use super::block::{BLOCK, DISK};
use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), AHCI device backends.
const PORT: &[Parameter] = &[
    Parameter::new("nmrr", Type::Integer { min: 0, max: 65535 }, "rotation rate; 1 means that nothing rotates"),
    Parameter::new("ser", Type::Text { max: 20 }, "serial number"),
    Parameter::new("rev", Type::Text { max: 8 }, "revision"),
    Parameter::new("model", Type::Text { max: 40 }, "model"),
];

/// bhyve(8), `ahci-hd`.
pub(super) const AHCI_HD: DeviceKind = DeviceKind {
    name: "ahci-hd",
    help: "A SATA disk.",
    given: &[DISK],
    options: &[BLOCK, PORT],
    single: false,
    counterpart: Counterpart::AhciDisk,
};

/// bhyve(8), `ahci-cd`.
pub(super) const AHCI_CD: DeviceKind = DeviceKind {
    name: "ahci-cd",
    help: "A SATA CD: an ISO or any image to install from, never written.",
    given: &[Parameter::new("path", Type::Path, "the ISO or image").required()],
    options: &[BLOCK, PORT],
    single: false,
    counterpart: Counterpart::AhciCd,
};

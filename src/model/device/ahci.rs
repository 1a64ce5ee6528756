//! SATA disks and CDs.

use super::block::{BLOCK, DISK};
use super::{Counterpart, DeviceKind, Group, Shape};
use crate::model::value::{Parameter, ParameterForm, Type};

/// bhyve(8), AHCI device backends.
const PORT: &[Parameter] = &[
    Parameter::new("nmrr", Type::Integer { min: 0, max: 65535 }, "rotation rate; 1 means that nothing rotates"),
    Parameter::new("ser", Type::Text { max: 20 }, "serial number"),
    Parameter::new("rev", Type::Text { max: 8 }, "revision"),
    Parameter::new("model", Type::Text { max: 40 }, "model"),
];

/// What a port of the controller begins with.
const MEDIA: &[Parameter] = &[
    Parameter::new("hd", Type::Path, "a disk in this port")
        .leading()
        .form(ParameterForm::Prefixed)
        .at("path")
        .implying("type", "hd"),
    Parameter::new("cd", Type::Path, "a CD in this port")
        .leading()
        .form(ParameterForm::Prefixed)
        .at("path")
        .implying("type", "cd"),
];

/// bhyve(8), `ahci`.
pub(super) const AHCI: DeviceKind = DeviceKind {
    group: Some(Group {
        what: "port",
        parameters: &[MEDIA, BLOCK, PORT],
        below: "port.N",
        first: 0,
        last: 31,
        // An absent port has nothing plugged in (pci_ahci.c).
        gaps: true,
        needed: true,
        shape: Shape::Rows,
    }),
    ..DeviceKind::new("ahci", "A SATA controller with up to 32 disks and CDs.", Counterpart::Ahci)
};

/// bhyve(8), `ahci-hd`.
pub(super) const AHCI_HD: DeviceKind = DeviceKind {
    device: "ahci",
    implied: &[("port.0.type", "hd")],
    given: &[DISK],
    options: &[BLOCK, PORT],
    below: "port.0",
    ..DeviceKind::new("ahci-hd", "A SATA disk.", Counterpart::AhciDisk)
};

/// bhyve(8), `ahci-cd`.
pub(super) const AHCI_CD: DeviceKind = DeviceKind {
    implied: &[("port.0.type", "cd")],
    given: &[Parameter::new("path", Type::Path, "the ISO or image").required()],
    ..DeviceKind {
        name: "ahci-cd",
        help: "A SATA CD: an ISO or any image to install from, never written.",
        counterpart: Counterpart::AhciCd,
        ..AHCI_HD
    }
};

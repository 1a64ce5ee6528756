//! The frame buffer with its VNC server.

use super::kind::one_of;
use super::{Counterpart, DeviceKind};
use crate::model::target::Arch;
use crate::model::value::{Parameter, Type};

/// bhyve(8), frame buffer device backends.
const OPTIONS: &[Parameter] = &[
    Parameter::new("rfb", Type::Address, "where VNC listens (127.0.0.1:5900)"),
    Parameter::new("tcp", Type::Address, "older name of `rfb`"),
    Parameter::new("w", Type::Pixels { min: 640, max: 3840, before: 1920 }, "width in pixels (1024)"),
    Parameter::new("h", Type::Pixels { min: 480, max: 2160, before: 1200 }, "height in pixels (768)"),
    Parameter::new("vga", Type::Vga, "legacy VGA registers"),
    Parameter::new("wait", Type::Flag, "start the guest when a viewer has connected"),
    Parameter::new("password", Type::Password, "VNC password, at most eight bytes: `secret(\"vnc\")`"),
];

/// bhyve(8), `fbuf`.
pub(super) const FBUF: DeviceKind = DeviceKind {
    options: &[OPTIONS],
    single: true,
    archs: &[Arch::Amd64],
    check: |device| one_of(device, "rfb", "tcp"),
    ..DeviceKind::new("fbuf", "A frame buffer with a VNC server; needs UEFI.", Counterpart::Screen)
};

//! The frame buffer with its VNC server.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), frame buffer device backends. `vga=on` is left out: bhyve prints a message and runs without any VNC server. The
/// sizes are those of FreeBSD 15; 13 and 14 take at most 1920 by 1200.
const OPTIONS: &[Parameter] = &[
    Parameter::new("rfb", Type::Address, "where VNC listens (127.0.0.1:5900)"),
    Parameter::new("tcp", Type::Address, "older name of `rfb`"),
    Parameter::new("w", Type::Integer { min: 640, max: 3840 }, "width in pixels (1024)"),
    Parameter::new("h", Type::Integer { min: 480, max: 2160 }, "height in pixels (768)"),
    Parameter::new("vga", Type::Choice(&["io", "off"]), "legacy VGA registers"),
    Parameter::new("wait", Type::Flag, "start the guest when a viewer has connected"),
    Parameter::new("password", Type::Password, "VNC password, at most eight bytes: `secret(\"vnc\")`"),
];

/// bhyve(8), `fbuf`.
pub(super) const FBUF: DeviceKind = DeviceKind {
    name: "fbuf",
    help: "A frame buffer with a VNC server; needs UEFI.",
    given: &[],
    options: &[OPTIONS],
    single: true,
    counterpart: Counterpart::Screen,
};

//! The LPC bridge with its serial ports.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// The serial ports, each told by a `-l` of its own.
pub(super) const PORTS: &[Parameter] = &[
    Parameter::new("com1", Type::Tty, "first serial port").by_lpc(),
    Parameter::new("com2", Type::Tty, "second serial port").by_lpc(),
    Parameter::new("com3", Type::Tty, "third serial port").by_lpc(),
    Parameter::new("com4", Type::Tty, "fourth serial port").by_lpc(),
];

/// bhyve(8), `lpc`.
pub(super) const LPC: DeviceKind = DeviceKind {
    name: "lpc",
    help: "The LPC bridge: serial ports and boot ROM hang on it; bus 0, usually slot 31.",
    given: &[],
    options: &[PORTS],
    single: true,
    counterpart: Counterpart::Lpc,
};

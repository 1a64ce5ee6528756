//! A serial port on the PCI bus.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), `uart`.
pub(super) const UART: DeviceKind = DeviceKind {
    given: &[Parameter::new("tty", Type::Tty, "\"stdio\" or a tty").at("path")],
    ..DeviceKind::new("uart", "A serial port on the PCI bus.", Counterpart::Uart)
};

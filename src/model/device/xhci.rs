//! The USB controller.

use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), `xhci`. The tablet is the only device that bhyve has for it.
pub(super) const XHCI: DeviceKind = DeviceKind {
    name: "xhci",
    help: "A USB controller; with a tablet, the pointer of VNC is where it should be.",
    given: &[Parameter::new("device", Type::Choice(&["tablet"]), "what is plugged in").repeated()],
    options: &[],
    single: true,
    counterpart: Counterpart::Usb,
};

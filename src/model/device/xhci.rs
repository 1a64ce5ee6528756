//! The USB controller.

use super::{Counterpart, DeviceKind, Group, Shape};
use crate::model::value::{Parameter, Type};

/// bhyve(8), USB device backends. The tablet is the only one.
const DEVICE: &[Parameter] = &[Parameter::new("device", Type::Choice(&["tablet"]), "what is plugged in").leading()];

/// bhyve(8), `xhci`.
pub(super) const XHCI: DeviceKind = DeviceKind {
    group: Some(Group {
        what: "slot",
        parameters: &[DEVICE],
        below: "slot.N",
        first: 1,
        last: 4,
        gaps: false,
        needed: false,
        shape: Shape::List,
    }),
    single: true,
    ..DeviceKind::new(
        "xhci",
        "A USB controller; with a tablet, the pointer of VNC is where it should be.",
        Counterpart::Usb,
    )
};

//! Ports of the guest that are sockets of the host.

use super::{Counterpart, Device, DeviceKind, Group, Shape};
use crate::diag::Fault;
use crate::model::value::{Parameter, ParameterForm, Type, Value};
use std::collections::BTreeSet;

/// The name of the port at which QEMU's guest agent listens in a guest unless it is told another one (qemu-ga(8), `--path`).
pub(crate) const AGENT_PORT: &str = "org.qemu.guest_agent.0";

/// bhyve(8), `virtio-console`.
const PORT: &[Parameter] = &[
    Parameter::new("name", Type::Name { max: 256 }, "the name that the guest sees")
        .leading()
        .form(ParameterForm::Label),
    Parameter::new("path", Type::Path, "the socket that bhyve makes").form(ParameterForm::Labelled).required(),
];

/// bhyve(8), `virtio-console`.
pub(super) const VIRTIO_CONSOLE: DeviceKind = DeviceKind {
    group: Some(Group {
        what: "port",
        parameters: &[PORT],
        below: "port.N",
        first: 0,
        last: 15,
        gaps: false,
        needed: true,
        shape: Shape::Pairs,
    }),
    check,
    ..DeviceKind::new("virtio-console", "Up to 16 ports of the guest, each a socket of the host.", Counterpart::Console)
};

fn check(device: &Device) -> Result<(), (Option<&'static str>, Fault)> {
    let mut seen = BTreeSet::new();
    for item in device.items() {
        if matches!(&item.value, Value::Text(_) | Value::Path(_))
            && !seen.insert((item.parameter.name, item.value.to_string()))
        {
            let (what, text) = (if item.parameter.name == "name" { "name" } else { "socket" }, &item.value);
            let fault = Fault::new(format!("two ports have the {what} {:?}", text.to_string()));
            return Err((Some(item.parameter.name), fault.hint("give each port its own")));
        }
    }
    Ok(())
}

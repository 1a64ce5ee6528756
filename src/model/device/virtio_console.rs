//! Ports of the guest that are sockets of the host.

use super::{Counterpart, Device, DeviceKind, Group, Shape};
use crate::diag::Fault;
use crate::model::DevicePath;
use crate::model::value::{Parameter, ParameterForm, Type, Value};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The name of the port at which QEMU's guest agent listens in a guest unless it is told another one (qemu-ga(8), `--path`).
const AGENT_PORT: &str = "org.qemu.guest_agent.0";

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

/// Returns the socket of the agent's port of a machine whose folder that is.
pub(crate) fn agent_socket(folder: &Path) -> PathBuf {
    folder.join("agent.sock")
}

impl Device {
    /// Makes the port for QEMU's guest agent, whose socket is in a folder of the host.
    pub(crate) fn of_agent(folder: &Path) -> Result<Self, Fault> {
        let path = agent_socket(folder).display().to_string().parse().map(Value::Path)?;
        let values = [("name", Value::Text(AGENT_PORT.into())), ("path", path)];
        let kind = &VIRTIO_CONSOLE;
        let values = values.into_iter().filter_map(|(name, value)| Some((kind.parameter(name)?, value)));
        Self::new(kind, values.collect()).map_err(|(_, fault)| fault)
    }

    /// Returns the socket of the port at which QEMU's guest agent is (qemu-ga(8), `--path`).
    pub fn agent(&self) -> Option<&DevicePath> {
        let name = Value::Text(AGENT_PORT.into());
        let number = self.items.iter().find(|item| item.parameter.name == "name" && item.value == name)?.number;
        self.items.iter().find_map(|item| match &item.value {
            Value::Path(path) if item.number == number && item.parameter.name == "path" => Some(path),
            // The name of this port, or what another one has.
            _ => None,
        })
    }
}

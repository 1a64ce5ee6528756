//! The VirtIO network card.

use super::{Counterpart, Device, DeviceKind};
use crate::diag::Fault;
use crate::model::Feature;
use crate::model::backend::{Backend, KINDS};
use crate::model::value::{Parameter, Type, Value};

/// What a network card is given.
pub(super) const BACKEND: Parameter =
    Parameter::new("backend", Type::Backend, "the tap that it is plugged into; without one bhyve fails").required();

/// The hardware address; bhyve makes one of slot and machine name otherwise.
pub(super) const MAC: Parameter = Parameter::new(
    "mac",
    Type::Mac,
    "hardware address, else made of the machine's name and the slot: give one that is to stay",
);

/// bhyve(8), network device backends.
pub(super) const CONNECTION: &[Parameter] = &[
    Parameter::new("type", Type::Choice(KINDS), "kind of backend, where its name does not say it"),
    Parameter::new("path", Type::Text { max: 1024 }, "netgraph: the node to connect to"),
    Parameter::new("peerhook", Type::Text { max: 1024 }, "netgraph: the hook of that node"),
    Parameter::new("hook", Type::Text { max: 1024 }, "netgraph: the card's own hook (vmlink)"),
    Parameter::new("socket", Type::Text { max: 1024 }, "netgraph: the name of the card's own node"),
    Parameter::new("hostfwd", Type::Forwards, "slirp: ports of the host that reach the guest"),
    Parameter::new("open", Type::Flag, "slirp: the guest may reach the network").needs(Feature::SlirpOpen),
];

/// bhyve(8), `virtio-net`. `mtu` is only told to the guest.
pub(super) const VIRTIO_NET: DeviceKind = DeviceKind {
    given: &[BACKEND],
    options: &[
        CONNECTION,
        &[MAC, Parameter::new("mtu", Type::Number { min: 46, max: 65535 }, "MTU that the guest is told")],
    ],
    check,
    ..DeviceKind::new("virtio-net", "A VirtIO network card.", Counterpart::Nic("virtio-net-pci"))
};

/// The keys of a backend are for that backend, and a name that does not say its kind needs `type`.
pub(super) fn check(device: &Device) -> Result<(), (Option<&'static str>, Fault)> {
    let Some(backend) = device.backend() else {
        return Ok(());
    };
    if let Backend::Named(name) = backend {
        let fault = Fault::new(format!("\"{name}\" is not a network backend"));
        let hint = "give a tap, `tap(\"tap1\")`, or \"slirp\" for a network that needs no root";
        return Err((Some("backend"), fault.hint(hint)));
    }
    let kind = backend.kind().unwrap_or("tap");
    if let Some(Value::Choice(ty)) = device.value("type") {
        let same = |a: &str, b: &str| {
            a == b || [a, b].iter().all(|k| ["tap", "vmnet"].contains(k) || ["netmap", "vale"].contains(k))
        };
        if !same(ty, kind) || (kind == "tap" && ["netmap", "vale"].contains(ty)) {
            let fault = Fault::new(format!("{backend} is no backend of type {ty}"));
            return Err((Some("type"), fault.hint("leave `type` out")));
        }
    }
    for (of, names) in [("netgraph", &["path", "peerhook", "hook", "socket"][..]), ("slirp", &["hostfwd", "open"])] {
        if let Some(name) = names.iter().find(|name| of != kind && device.value(name).is_some()) {
            let fault = Fault::new(format!("`{name}` is for {of}, and the card is plugged into {backend}"));
            return Err((Some(name), fault.hint(format!("leave it out, or give the backend \"{of}\""))));
        }
    }
    for name in ["path", "peerhook"] {
        if kind == "netgraph" && device.value(name).is_none() {
            let fault = Fault::new(format!("a netgraph backend needs `{name}`"));
            return Err((None, fault.hint("write #{ path: \"bridge0:\", peerhook: \"link1\" }")));
        }
    }
    Ok(())
}

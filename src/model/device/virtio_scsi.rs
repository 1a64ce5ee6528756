//! The VirtIO SCSI controller.

use super::{Counterpart, DeviceKind, Group, Shape};
use crate::diag::Fault;
use crate::model::Feature;
use crate::model::value::{Parameter, ParameterForm, Type};

/// Further targets, since FreeBSD 16.
const TARGET: &[Parameter] =
    &[Parameter::new("target", Type::Path, "a device of ctl(4) as a further target, by its number")
        .leading()
        .form(ParameterForm::Numbered)
        .at("")
        .needs(Feature::ScsiTargets)];

const fn queues(name: &'static str, help: &'static str) -> Parameter {
    Parameter::new(name, Type::Integer { min: 1, max: 65535 }, help).needs(Feature::ScsiQueues)
}

/// bhyve(8), `virtio-scsi`. What is given is target 0.
pub(super) const VIRTIO_SCSI: DeviceKind = DeviceKind {
    given: &[Parameter::new("dev", Type::Path, "the device of ctl(4) (/dev/cam/ctl)")
        .renamed(Feature::ScsiTargets, "target.0")],
    options: &[&[
        Parameter::new("iid", Type::Integer { min: 0, max: i32::MAX as i64 }, "initiator id (0)"),
        Parameter::new("bootindex", Type::Integer { min: 0, max: 255 }, "place in the boot order; needs fwcfg=qemu"),
        Parameter::new("backend", Type::Choice(&["ctl"]), "what answers: ctl(4)").needs(Feature::ScsiQueues),
        queues("ctl_ringsz", "size of the ring of the control queue"),
        queues("evt_ringsz", "size of the ring of the event queue"),
        queues("req_ringsz", "size of the ring of each request queue"),
        queues("num_queues", "request queues"),
        queues("seg_max", "most segments of a command"),
        queues("thr_per_q", "threads of each request queue"),
    ]],
    group: Some(Group {
        what: "target",
        parameters: &[TARGET],
        below: "target.N",
        first: 1,
        last: 255,
        gaps: true,
        needed: false,
        shape: Shape::Numbers("targets"),
    }),
    check: |device| {
        let told = device.items().iter().any(|item| item.parameter.name != "dev");
        if told && device.value("dev").is_none() && device.numbers().is_empty() {
            let fault = Fault::new("bhyve takes the first option of virtio-scsi for its device, where it has none");
            return Err((None, fault.hint("give it: virtio_scsi(\"/dev/cam/ctl\", #{ … })")));
        }
        Ok(())
    },
    ..DeviceKind::new(
        "virtio-scsi",
        "A VirtIO SCSI controller, with devices of ctl(4).",
        Counterpart::None("use virtio_blk or ahci where the recipe runs under QEMU"),
    )
};

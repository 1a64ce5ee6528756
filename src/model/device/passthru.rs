//! A PCI device of the host for the guest.

use super::{Counterpart, DeviceKind};
use crate::model::target::Arch;
use crate::model::value::{Parameter, ParameterForm, Type};

const fn register(name: &'static str, help: &'static str) -> Parameter {
    Parameter::new(name, Type::Register { host: false }, help).form(ParameterForm::Config)
}

/// bhyve(8), `passthru`.
const OPTIONS: &[Parameter] = &[
    Parameter::new("rom", Type::Path, "the device's option ROM, from a file"),
    Parameter::new("bootindex", Type::Integer { min: 0, max: 255 }, "place in the boot order; needs fwcfg=qemu"),
    register("pcireg.vendor", "vendor id that the guest reads"),
    register("pcireg.device", "device id that the guest reads"),
    register("pcireg.revid", "revision that the guest reads"),
    register("pcireg.subvendor", "subsystem's vendor id that the guest reads"),
    register("pcireg.subdevice", "subsystem's device id that the guest reads"),
];

/// bhyve(8), `passthru`.
pub(super) const PASSTHRU: DeviceKind = DeviceKind {
    given: &[Parameter::new("host", Type::HostDevice, "the device: \"2/0/0\" or \"ppt0\"").required().at("pptdev")],
    options: &[OPTIONS],
    archs: &[Arch::Amd64],
    ..DeviceKind::new(
        "passthru",
        "A PCI device of the host, for the guest alone; needs `wired: true`.",
        Counterpart::Passthrough,
    )
};

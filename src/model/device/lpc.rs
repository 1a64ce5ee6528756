//! The LPC bridge with its serial ports.

use super::{Counterpart, DeviceKind};
use crate::model::target::Arch;
use crate::model::value::{Parameter, ParameterForm, Type};

/// The serial ports, each told by a `-l` of its own (bhyve(8), `-l`).
pub(super) const PORTS: &[Parameter] = &[
    Parameter::new("com1", Type::Tty, "first serial port").form(ParameterForm::Lpc).at("lpc.com1.path"),
    Parameter::new("com2", Type::Tty, "second serial port").form(ParameterForm::Lpc).at("lpc.com2.path"),
    Parameter::new("com3", Type::Tty, "third serial port").form(ParameterForm::Lpc).at("lpc.com3.path"),
    Parameter::new("com4", Type::Tty, "fourth serial port").form(ParameterForm::Lpc).at("lpc.com4.path"),
];

const fn register(name: &'static str, help: &'static str) -> Parameter {
    Parameter::new(name, Type::Register { host: true }, help).form(ParameterForm::Config)
}

/// What the guest reads in its configuration space (bhyve_config(5), `pcireg`), for drivers of Intel's graphics.
const REGISTERS: &[Parameter] = &[
    register("pcireg.vendor", "vendor id (0x8086)"),
    register("pcireg.device", "device id (0x7000)"),
    register("pcireg.revid", "revision (0)"),
    register("pcireg.subvendor", "subsystem's vendor id (0)"),
    register("pcireg.subdevice", "subsystem's device id (0)"),
];

/// bhyve(8), `lpc`.
pub(super) const LPC: DeviceKind = DeviceKind {
    options: &[PORTS, REGISTERS],
    single: true,
    archs: &[Arch::Amd64],
    ..DeviceKind::new(
        "lpc",
        "The LPC bridge: serial ports and boot ROM hang on it; bus 0, usually slot 31.",
        Counterpart::Lpc,
    )
};

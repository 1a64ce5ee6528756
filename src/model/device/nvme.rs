//! The NVMe disk.

use super::block::{BLOCK, DISK};
use super::{Counterpart, DeviceKind};
use crate::model::value::{Parameter, Type};

/// bhyve(8), NVMe device backends. Values that bhyve would ignore without a word are out of range here.
const NVME_ONLY: &[Parameter] = &[
    Parameter::new("maxq", Type::Integer { min: 1, max: 16 }, "number of queues (16)"),
    Parameter::new("qsz", Type::Integer { min: 1, max: 65536 }, "entries of a queue (2048)"),
    Parameter::new("ioslots", Type::Integer { min: 1, max: 65536 }, "requests at once (8)"),
    Parameter::new("sectsz", Type::Choice(&["512", "4096", "8192"]), "sector size"),
    Parameter::new("ser", Type::Text { max: 20 }, "serial number"),
    Parameter::new("eui64", Type::Eui64, "IEEE identifier"),
    Parameter::new("dsm", Type::Choice(&["auto", "enable", "disable"]), "trim (auto)"),
];

/// bhyve(8), `nvme`.
pub(super) const NVME: DeviceKind = DeviceKind {
    name: "nvme",
    help: "An NVMe disk.",
    given: &[DISK],
    options: &[BLOCK, NVME_ONLY],
    single: false,
    counterpart: Counterpart::Disk("nvme"),
};

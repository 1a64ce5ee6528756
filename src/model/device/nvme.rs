//! The NVMe disk.

use super::block::BLOCK;
use super::{Counterpart, DeviceKind};
use crate::diag::Fault;
use crate::model::value::{Parameter, Type};

/// bhyve takes `ram` as the first item only.
const RAM: &[Parameter] = &[Parameter::new(
    "ram",
    Type::Integer { min: 1, max: 1 << 24 },
    "MiB of memory in the place of a disk, forgotten when the boot ends",
)];

/// bhyve(8), NVMe device backends. Values that bhyve would ignore without a word are out of range here.
const NVME_ONLY: &[Parameter] = &[
    Parameter::new("maxq", Type::Integer { min: 1, max: 16 }, "number of queues (16)"),
    Parameter::new("qsz", Type::Integer { min: 1, max: 65536 }, "entries of a queue (2048)"),
    Parameter::new("ioslots", Type::Integer { min: 1, max: 65536 }, "requests at once (8)"),
    Parameter::new("sectsz", Type::Choice(&["512", "4096", "8192"]), "sector size"),
    Parameter::new("ser", Type::Text { max: 20 }, "serial number"),
    Parameter::new(
        "eui64",
        Type::Eui64,
        "IEEE identifier, else made of the machine's name and the slot (pci_nvme.c): give one that is to stay",
    ),
    Parameter::new("dsm", Type::Choice(&["auto", "enable", "disable"]), "trim (auto)"),
];

/// bhyve(8), `nvme`.
pub(super) const NVME: DeviceKind = DeviceKind {
    given: &[Parameter::new("path", Type::Path, "the disk: an image, a volume or a device; or give `ram`")],
    options: &[RAM, BLOCK, NVME_ONLY],
    check: |device| match (device.value("path"), device.value("ram")) {
        (Some(_), Some(_)) => {
            let fault = Fault::new("an nvme is a disk or memory, not both");
            Err((Some("ram"), fault.hint("leave out the path or `ram`")))
        }
        (None, None) => {
            Err((None, Fault::new("nvme needs a path: the disk: an image, a volume or a device; or `ram`")))
        }
        _ => Ok(()),
    },
    ..DeviceKind::new("nvme", "An NVMe disk.", Counterpart::Disk("nvme"))
};

//! Disks as QEMU is told them.

use super::{Seat, escape};
use crate::model::device::{Access, Counterpart, Item};
use crate::model::value::Value;
use crate::model::{Argv, Device, DevicePath};

/// One disk: of a device, or in a port of one.
struct Disk<'a> {
    /// The name that belongs to it.
    place: String,
    path: &'a DevicePath,
    access: Access,
    counterpart: Counterpart,
    items: Vec<&'a Item>,
}

impl Disk<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        self.items.iter().find(|item| item.parameter.name == name).map(|item| &item.value)
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name) == Some(&Value::Flag(true))
    }

    fn boot_index(&self) -> Option<i64> {
        if let Some(Value::Integer(index)) = self.value("bootindex") { Some(*index) } else { None }
    }
}

/// Returns the greatest place in the boot order that a device was given.
pub(super) fn boot_index(device: &Device) -> Option<i64> {
    let index = |item: &Item| match (item.parameter.name, &item.value) {
        ("bootindex", Value::Integer(index)) => Some(*index),
        _ => None,
    };
    device.items().iter().filter_map(index).max()
}

/// Adds the disks of a device; those without a place in the boot order take the next of `places`.
pub(super) fn disks(mut argv: Argv, at: &Seat, device: &Device, places: &mut impl Iterator<Item = i64>) -> Argv {
    let counterpart = device.kind().counterpart;
    let own = matches!(counterpart, Counterpart::AhciDisk | Counterpart::AhciCd | Counterpart::Ahci);
    let controller = own.then(|| format!("ich9-ahci,id={},{}", at.id("ahci"), at.address()));
    let mut first = true;
    for (number, name, path, access) in device.images() {
        let at_port = if name == "cd" { Counterpart::AhciCd } else { Counterpart::AhciDisk };
        let counterpart = number.map_or(counterpart, |_| at_port);
        let place = number.map_or_else(|| at.id("disk"), |number| at.id(&format!("disk{number}")));
        let items = device.items().iter().filter(|item| item.number == number).collect();
        let disk = Disk { place, path, access, counterpart, items };
        let index = disk.boot_index().or_else(|| places.next()).unwrap_or_default();
        argv = argv.args(["-drive", &drive(&disk)]);
        let rest = format!("drive={},bootindex={index}{}", disk.place, disk_options(at, &disk));
        if let (Some(controller), true) = (&controller, first) {
            argv = argv.args(["-device", controller]);
        }
        first = false;
        let port = format!("bus={}.{}", at.id("ahci"), number.unwrap_or_default());
        argv = match counterpart {
            Counterpart::Disk(name) => argv.args(["-device", &format!("{name},{},{rest}", at.address())]),
            Counterpart::AhciCd => argv.args(["-device", &format!("ide-cd,{port},{rest}")]),
            // The others that have disks are controllers with ports for them.
            _ => argv.args(["-device", &format!("ide-hd,{port},{rest}")]),
        };
    }
    argv
}

fn drive(disk: &Disk) -> String {
    let mut text = format!("if=none,id={},format=raw,file={}", disk.place, escape(disk.path));
    let sync = disk.flag("direct") || disk.flag("sync");
    text += match (disk.flag("nocache"), sync) {
        (true, true) => ",cache=directsync",
        (true, false) => ",cache=none",
        (false, true) => ",cache=writethrough",
        (false, false) => "",
    };
    text += match (disk.access, disk.counterpart) {
        // QEMU's SATA disk cannot be read-only: what is written to it is forgotten.
        (Access::ReadOnly, Counterpart::AhciDisk) => ",snapshot=on",
        (Access::ReadOnly, _) => ",readonly=on",
        (Access::ReadWrite, _) if disk.flag("nodelete") => "",
        (Access::ReadWrite, _) => ",discard=unmap",
    };
    text
}

fn disk_options(at: &Seat, disk: &Disk) -> String {
    let counterpart = disk.counterpart;
    let needs_serial = counterpart == Counterpart::Disk("nvme") && disk.value("ser").is_none();
    let serial = needs_serial.then(|| format!(",serial={}", at.id("vmrun")));
    let option = |name: &str, value: &Value| match (name, value) {
        ("ser" | "serial", value) => Some(format!(",serial={}", escape(value))),
        ("model", value) => Some(format!(",model={}", escape(value))),
        ("rev", value) => Some(format!(",ver={}", escape(value))),
        ("nmrr", value) if counterpart == Counterpart::AhciDisk => Some(format!(",rotation_rate={value}")),
        ("sectorsize", Value::SectorSize(logical, physical)) => {
            Some(format!(",logical_block_size={logical},physical_block_size={physical}"))
        }
        ("sectsz", size) if disk.value("sectorsize").is_none() => {
            Some(format!(",logical_block_size={size},physical_block_size={size}"))
        }
        _ => None,
    };
    let options = disk.items.iter().filter_map(|item| option(item.parameter.name, &item.value));
    serial.into_iter().chain(options).collect()
}

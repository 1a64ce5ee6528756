//! Disks: a slot each on VirtIO and NVMe, and the ports of a controller on SATA.

use super::Reading;
use super::slots::Slots;
use roxmltree::Node;
use std::collections::BTreeMap;

/// What libvirt says of a disk or CD, with bhyve's words.
struct Disk {
    bus: String,
    is_cd: bool,
    path: String,
    options: String,
    controller: String,
    unit: u32,
}

/// Returns the paths of the disks, in order, without what reads CDs.
pub(super) fn names<'a, 'input>(reading: &mut Reading<'a, 'input>, all: Node<'a, 'input>) -> Vec<String> {
    let disks = reading.children(all, "disk");
    let is_disk = |disk: &Node<'_, '_>| disk.attribute("device").unwrap_or("disk") == "disk";
    disks.into_iter().filter(is_disk).filter_map(|disk| source(reading, disk)).collect()
}

/// Returns the path of a file or a device.
fn source<'a, 'input>(reading: &mut Reading<'a, 'input>, disk: Node<'a, 'input>) -> Option<String> {
    let source = reading.child(disk, "source")?;
    let names = ["file", "dev", "dir"].map(|name| reading.attribute(source, name));
    reading.attribute(source, "index");
    names.into_iter().flatten().next().map(String::from)
}

/// Adds the controllers of SATA with their disks, and the disks that are devices of their own, in libvirt's order: `nets` adds the cards
/// between both.
pub(super) fn add<'a, 'input>(
    reading: &mut Reading<'a, 'input>,
    all: Node<'a, 'input>,
    slots: &mut Slots,
    argv: &mut Vec<String>,
    nets: impl FnOnce(&mut Reading<'a, 'input>, &mut Slots, &mut Vec<String>),
) {
    let nodes = reading.children(all, "disk");
    let disks: Vec<(Node<'_, '_>, Disk)> =
        nodes.into_iter().filter_map(|node| Some((node, disk(reading, node)?))).collect();
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for controller in reading.children(all, "controller") {
        if reading.attribute(controller, "type") == Some("sata") {
            let index = reading.attribute(controller, "index").unwrap_or("0").to_string();
            let is_used = disks.iter().any(|(_, disk)| disk.bus == "sata" && disk.controller == index);
            let place = slots.of(reading, controller);
            if is_used {
                places.insert(index, place);
            }
        }
    }
    for (_, disk) in disks.iter().filter(|(_, disk)| disk.bus == "sata") {
        places.entry(disk.controller.clone()).or_insert_with(|| slots.next());
    }
    for (index, place) in &places {
        let mut ports: Vec<&Disk> =
            disks.iter().map(|(_, disk)| disk).filter(|disk| disk.bus == "sata" && disk.controller == *index).collect();
        ports.sort_by_key(|disk| disk.unit);
        let port = |disk: &&Disk| format!(",{}:{}{}", if disk.is_cd { "cd" } else { "hd" }, disk.path, disk.options);
        let ports: String = ports.iter().map(port).collect();
        argv.extend(["-s".into(), format!("{place},ahci{ports}")]);
    }
    nets(reading, slots, argv);
    for (node, disk) in disks.iter().filter(|(_, disk)| disk.bus != "sata") {
        let place = slots.of(reading, *node);
        argv.extend(["-s".into(), format!("{place},{},{}{}", disk.bus, disk.path, disk.options)]);
    }
}

/// Reads a disk; nothing where there is none, or none that bhyve can have.
fn disk<'a, 'input>(reading: &mut Reading<'a, 'input>, node: Node<'a, 'input>) -> Option<Disk> {
    let kind = reading.attribute(node, "type").unwrap_or("file");
    let device = reading.attribute(node, "device").unwrap_or("disk");
    let target = reading.child(node, "target");
    let bus = target.and_then(|target| reading.attribute(target, "bus"));
    let name = target.and_then(|target| reading.attribute(target, "dev")).unwrap_or_default();
    let address = reading.child(node, "address");
    let mut of = |name| address.and_then(|address| reading.attribute(address, name)).unwrap_or("0").to_string();
    let (controller, unit) = (of("controller"), of("unit"));
    if !["disk", "cdrom"].contains(&device) {
        reading.hole(node, format!("bhyve has no {device}: the device is left out"));
        return None;
    }
    if !["file", "block"].contains(&kind) {
        reading.hole(node, format!("a disk of type {kind:?} is no file and no device: the disk is left out"));
        return None;
    }
    let Some(path) = source(reading, node) else {
        reading.note(node, "nothing is in it, so that libvirt gives bhyve no such device");
        return None;
    };
    if let Some(driver) = reading.child(node, "driver") {
        let format = reading.attribute(driver, "type").unwrap_or("raw");
        if format != "raw" {
            let text = format!(
                "bhyve reads raw images only: `qemu-img convert -f {} -O raw FROM TO`, and name TO here",
                word(format)
            );
            reading.hole(driver, text);
        }
        reading.attribute(driver, "name");
    }
    let bus = device_of(reading, node, bus.unwrap_or(if name.starts_with("vd") { "virtio" } else { "sata" }));
    let mut options = String::new();
    if let Some(flag) = reading.child(node, "readonly") {
        reading.take_whole(flag);
        options += if device == "disk" && bus != "nvme" { ",ro" } else { "" };
    }
    if let Some(boot) = reading.child(node, "boot") {
        reading.take_whole(boot);
        reading.note(boot, "bhyve has no order of boot: UEFI keeps one in its variables");
    }
    if let Some(serial) = reading.text(node, "serial") {
        options += &format!(",ser={}", word(serial));
    }
    let bus = if device == "cdrom" { "sata" } else { bus };
    let unit = unit.parse().unwrap_or_default();
    Some(Disk { bus: bus.into(), is_cd: device == "cdrom", path, options, controller, unit })
}

/// Returns bhyve's device for a disk on a bus; `sata` is a port of a controller.
fn device_of<'a, 'input>(reading: &mut Reading<'a, 'input>, node: Node<'a, 'input>, bus: &str) -> &'static str {
    match bus {
        "sata" | "ahci" => "sata",
        "virtio" => "virtio-blk",
        "nvme" => "nvme",
        "ide" => {
            reading.note(node, "bhyve has no IDE: the disk is at SATA");
            "sata"
        }
        other => {
            reading.hole(
                node,
                format!("bhyve has no bus {:?} for disks: it is at VirtIO, which the guest has to know", word(other)),
            );
            "virtio-blk"
        }
    }
}

/// Returns the part of a value that can stand among bhyve's options.
pub(super) fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(*c)).take(64).collect()
}

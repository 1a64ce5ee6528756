//! QEMU's disks: drives, nodes of the block layer, and the short options for images.

use super::{Given, Reading, first, key};
use crate::model::Part;
use crate::qemu::seen::in_json;
use std::collections::BTreeMap;

/// An image, and how it is read.
#[derive(Clone, Default)]
struct Image {
    path: String,
    format: Option<String>,
    is_cd: bool,
    is_read_only: bool,
    interface: String,
    /// The node of the block layer that this one stands on.
    below: Option<String>,
}

/// The images that devices refer to, by name.
pub(super) struct Disks {
    images: BTreeMap<String, Image>,
}

fn is_on(value: &str, name: &str) -> bool {
    key(value, name).is_some_and(|value| matches!(value.as_str(), "on" | "true" | "yes"))
}

impl Disks {
    /// Reads the images that have names.
    pub(super) fn of(given: &[Given]) -> Self {
        let mut images = BTreeMap::new();
        for one in given {
            match one.name.as_str() {
                "drive" => drop(key(&one.value, "id").map(|id| images.insert(id, drive(&one.value)))),
                "blockdev" => images.extend(node(&one.value)),
                _ => {}
            }
        }
        Self { images }
    }

    /// Returns an image with what the nodes below it say.
    fn find(&self, name: &str) -> Option<Image> {
        let mut image = self.images.get(name)?.clone();
        // A node may stand on another, a few deep; what stands on itself ends.
        for _ in 0..8 {
            let Some(below) = image.below.take().and_then(|below| self.images.get(&below)) else { break };
            if image.path.is_empty() {
                image.path.clone_from(&below.path);
            }
            image.is_read_only |= below.is_read_only;
            image.below.clone_from(&below.below);
        }
        Some(image)
    }
}

fn drive(value: &str) -> Image {
    Image {
        path: key(value, "file").unwrap_or_default(),
        format: key(value, "format"),
        is_cd: key(value, "media").as_deref() == Some("cdrom"),
        is_read_only: is_on(value, "readonly") || is_on(value, "read-only"),
        // QEMU's usual machine has IDE where nothing is said.
        interface: key(value, "if").unwrap_or_else(|| "ide".into()),
        below: None,
    }
}

/// Reads a node of the block layer, with its name.
fn node(value: &str) -> Option<(String, Image)> {
    if !value.starts_with('{') {
        let image = Image {
            path: key(value, "filename").or_else(|| key(value, "file.filename")).unwrap_or_default(),
            format: key(value, "driver"),
            is_read_only: is_on(value, "read-only"),
            below: key(value, "file"),
            ..Image::default()
        };
        return Some((key(value, "node-name")?, image));
    }
    let object: serde_json::Value = serde_json::from_str(value).ok()?;
    let text = |name: &str| object.get(name).and_then(|value| value.as_str()).map(String::from);
    let image = Image {
        path: in_json(value).unwrap_or_default(),
        format: text("driver"),
        is_read_only: object.get("read-only").and_then(serde_json::Value::as_bool).unwrap_or_default(),
        below: text("file"),
        ..Image::default()
    };
    Some((text("node-name")?, image))
}

impl Reading {
    /// Adds the disks that need no device of their own.
    pub(super) fn disks(&mut self, given: &[Given]) {
        for one in given {
            let image = match one.name.as_str() {
                "drive" => drive(&one.value),
                "hda" | "hdb" | "hdc" | "hdd" => {
                    Image { path: one.value.clone(), interface: "ide".into(), ..Image::default() }
                }
                "cdrom" => Image { path: one.value.clone(), interface: "ide".into(), is_cd: true, ..Image::default() },
                _ => continue,
            };
            let device = match image.interface.as_str() {
                // A device refers to it, or the firmware.
                "none" | "pflash" => continue,
                "virtio" => "virtio-blk",
                _ => "ahci-hd",
            };
            self.disk(one, device, &image, None);
        }
    }

    /// Adds a disk that a device has; returns whether the device is one.
    pub(super) fn disk_device(&mut self, one: &Given) -> bool {
        let model = first(&one.value);
        let device = match model.as_str() {
            "virtio-blk" | "virtio-blk-pci" | "virtio-blk-pci-non-transitional" | "virtio-blk-device" => "virtio-blk",
            "nvme" | "nvme-ns" => "nvme",
            "ide-hd" | "ide-cd" | "ide-drive" | "scsi-hd" | "scsi-cd" | "scsi-block" | "usb-storage" => "ahci-hd",
            _ => return false,
        };
        let Some(mut image) = key(&one.value, "drive").and_then(|name| self.disks.find(&name)) else {
            self.machine.hole(
                one.line,
                "-device",
                Part::Whole,
                &format!("the device {model} has no image that is known"),
            );
            return true;
        };
        image.is_cd |= model.ends_with("-cd");
        let serial = key(&one.value, "serial");
        self.disk(one, device, &image, serial);
        if model.starts_with("scsi") || model == "usb-storage" {
            let text = format!("bhyve has no {model}: the disk is at SATA");
            self.machine.note(one.line, "-device", text);
        }
        true
    }

    fn disk(&mut self, one: &Given, device: &str, image: &Image, serial: Option<String>) {
        let option = format!("-{}", one.name);
        if image.path.is_empty() {
            self.machine.note(one.line, &option, "nothing is in it, and it is left out");
            return;
        }
        let device = if image.is_cd { "ahci-cd" } else { device };
        let read_only = if image.is_read_only && !image.is_cd && device != "nvme" { ",ro" } else { "" };
        let serial = serial.map(|serial| format!(",ser={serial}")).unwrap_or_default();
        let part = self.put(&format!("{device},{}{read_only}{serial}", image.path));
        let named =
            image.path.rsplit_once('.').map(|(_, end)| end).filter(|end| ["qcow2", "vmdk", "vdi"].contains(end));
        let format = image.format.as_deref().or(named).unwrap_or("raw");
        if !["raw", "file", "host_device"].contains(&format) {
            let format: String = format.chars().filter(char::is_ascii_alphanumeric).take(12).collect();
            let text =
                format!("bhyve reads raw images only: `qemu-img convert -f {format} -O raw FROM TO`, and name TO here");
            self.machine.hole(one.line, &option, part, &text);
        }
    }
}

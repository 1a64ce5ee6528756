//! Disks, from slot 4 on: a slot each with UEFI, a function each without, and AHCI disks together if that is wished.

use super::reading::Reading;
use super::slots::Slots;
use crate::model::Size;

/// What keeps the bytes of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// A file in the guest's folder.
    File,
    /// A ZFS volume in the guest's dataset.
    Zvol {
        /// Whether it takes its space only when it is written.
        sparse: bool,
    },
    /// A whole path: a file or device anywhere.
    Custom,
    /// A disk of an iSCSI target.
    Iscsi,
    /// A folder that the guest shares: `NAME=PATH`.
    Share,
}

/// A disk of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The path that bhyve is told.
    pub path: String,
    /// The size, if the file says one: templates only.
    pub size: Option<Size>,
    /// What keeps its bytes, as `diskN_dev` says.
    pub kind: DiskKind,
    /// bhyve's device, as `virtio-blk`.
    pub emulation: String,
    /// The line of its name.
    pub line: usize,
}

/// Adds the disks to the devices, and returns them.
pub(super) fn add(reading: &mut Reading, slots: &mut Slots, devices: &mut Vec<String>) -> Vec<Disk> {
    let limit = shared_limit(reading);
    let (mut disks, mut shared) = (Vec::new(), Vec::new());
    loop {
        let number = disks.len();
        let Some(disk) = next(reading, number) else { break };
        let opts = reading.word(&format!("disk{number}_opts")).map(|opts| format!(",{opts}")).unwrap_or_default();
        slots.settle();
        let mut added = true;
        if limit > 1 && disk.emulation.split('-').next() == Some("ahci") {
            added = false;
            let port = match disk.emulation.as_str() {
                "ahci-hd" => Some("hd"),
                "ahci-cd" => Some("cd"),
                _ => None,
            };
            if let Some(port) = port {
                shared.push(format!(",{port}:{}{opts}", disk.path));
            } else {
                let key = format!("disk{number}_type");
                reading
                    .note(&key, "with `ahci_device_limit`, vm-bhyve leaves out all AHCI disks but ahci-hd and ahci-cd");
            }
            if shared.len() >= limit {
                push(devices, &slots.here(), &format!("ahci{}", shared.concat()));
                shared.clear();
                added = true;
            }
        } else {
            push(devices, &slots.here(), &format!("{},{}{opts}", disk.emulation, disk.path));
        }
        if added && reading.uefi {
            slots.next_slot_only();
        } else if added {
            slots.next_function();
        }
        slots.settle_bus();
        disks.push(disk);
    }
    if !shared.is_empty() {
        push(devices, &slots.without_bus(), &format!("ahci{}", shared.concat()));
        if reading.uefi {
            slots.next_slot_only();
        }
    }
    if !disks.is_empty() && !reading.uefi {
        slots.next_slot();
    }
    slots.settle_bus();
    reading.reach("disk", disks.len());
    disks
}

/// Adds `-s SLOT,TEXT`.
pub(super) fn push(devices: &mut Vec<String>, slot: &str, text: &str) {
    devices.extend(["-s".into(), format!("{slot},{text}")]);
}

/// Returns how many AHCI disks share a controller.
fn shared_limit(reading: &mut Reading) -> usize {
    let key = "ahci_device_limit";
    let value = reading.text(key).to_string();
    let number = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten();
    match number {
        Some(limit @ 2..=32) => limit,
        Some(1) => 1,
        _ => {
            if !value.is_empty() {
                reading.note(key, "vm-bhyve takes 2 to 32 only, and gives each disk its own controller otherwise");
            }
            1
        }
    }
}

/// Returns a disk, if vm-bhyve finds it.
fn next(reading: &mut Reading, number: usize) -> Option<Disk> {
    let [name, device, dev] = ["name", "type", "dev"].map(|part| format!("disk{number}_{part}"));
    if reading.text(&name).is_empty() || reading.text(&device).is_empty() {
        return None;
    }
    let (file, emulation) = (reading.word(&name).unwrap_or_default(), reading.word(&device).unwrap_or_default());
    let kind = reading.text(&dev).to_string();
    let (kind, path) = match kind.as_str() {
        "zvol" | "sparse-zvol" => {
            let dataset = dataset(reading, &name);
            let kind = DiskKind::Zvol { sparse: kind == "sparse-zvol" };
            (kind, format!("/dev/zvol/{dataset}/{}/{file}", reading.name))
        }
        "custom" => (DiskKind::Custom, file),
        "9p" => {
            reading.note(&dev, "a shared folder, which vm-bhyve knows from the version after 1.7.1 on");
            (DiskKind::Share, file)
        }
        "iscsi" => {
            let text = "an iSCSI target, whose session has to be there when the machine starts: `iscsictl -L` shows it";
            reading.note(&name, text);
            // That a number behind the target is the LUN is from memory.
            let has_lun = file.rsplit_once('/').is_some_and(|(_, lun)| lun.bytes().all(|byte| byte.is_ascii_digit()));
            (DiskKind::Iscsi, format!("/dev/iscsi/{file}{}", if has_lun { "" } else { "/0" }))
        }
        other => {
            if !["", "file"].contains(&other) {
                reading.note(&dev, "vm-bhyve takes any word that it does not know for `file`");
            }
            if file.starts_with('/') {
                reading.note(
                    &name,
                    format!("vm-bhyve looks for it in the guest's folder: a whole path needs `{dev}=\"custom\"`"),
                );
            }
            if file == "seed.iso" {
                reading.note(&name, "vm-bhyve makes the file of the guest's folder `.cloud-init` if it is not there");
            }
            (DiskKind::File, reading.own(&file))
        }
    };
    let size = reading.text(&format!("disk{number}_size")).trim().parse().ok();
    Some(Disk { path, size, kind, emulation, line: reading.line(&name) })
}

/// Returns the dataset of the datastore, or the one whose folder it would be if nobody moved it.
fn dataset(reading: &mut Reading, key: &str) -> String {
    if let Some(dataset) = reading.place.dataset {
        return dataset.into();
    }
    let guess = reading.place.datastore.trim_matches('/').to_string();
    reading.note(key, format!("the dataset of the datastore is taken to be {guess:?}, by its folder"));
    guess
}

//! The recipe of a clone: that of its source, with other literals.

use crate::model::exclusive::Role;
use crate::model::volume::DiskPlace;
use crate::model::{Mac, VmName};
use crate::ops::machine_disks::MachineDisks;
use crate::script::edit::{self, replaced};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Returns the text of a recipe for another machine.
pub(super) fn renamed(text: &str, machine: &MachineDisks, new: &VmName, is_there: &dyn Fn(&Path) -> bool) -> String {
    let old = machine.name().as_str();
    let macs: Vec<Mac> = exclusives(machine, Role::Mac).filter_map(|text| text.parse().ok()).collect();
    let uuids: Vec<String> = exclusives(machine, Role::Uuid).collect();
    let whole = |written: &str| {
        if let Some(mac) = written.parse::<Mac>().ok().filter(|mac| macs.contains(mac)) {
            return Some(other_mac(mac, new));
        }
        if uuids.iter().any(|uuid| uuid.eq_ignore_ascii_case(written)) {
            return Some(other_uuid(written, new));
        }
        machine.disks.iter().find_map(|disk| {
            let path = disk.place.path();
            let is_it = written == path.to_string_lossy()
                || matches!(&disk.place, DiskPlace::Volume(name, _) if name.as_str() == written);
            match &disk.place {
                _ if !is_it => None,
                // Both may read the same, as long as it is there.
                _ if disk.only_reads && is_there(path) => Some(written.to_string()),
                DiskPlace::Device(_) => Some(written.to_string()),
                DiskPlace::File(_) | DiskPlace::Volume(..) => Some(beside(written, old, new)),
            }
        })
    };
    replaced(text, &edit::renamed(text, old, new.as_str(), &whole))
}

fn exclusives(machine: &MachineDisks, role: Role) -> impl Iterator<Item = String> {
    machine.machine.exclusives().iter().filter(move |(one, _)| one.role == role).map(|(one, _)| one.text.clone())
}

/// Returns the path of the clone's disk: with its name in the place of the other, or before that of the file.
fn beside(path: &str, old: &str, new: &VmName) -> String {
    let renamed = edit::words(path, old, new.as_str());
    if renamed != path {
        return renamed;
    }
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/{new}-{name}"),
        None => format!("{new}-{path}"),
    }
}

fn digest(of: &str, new: &VmName) -> [u8; 32] {
    Sha256::digest(format!("{of}\n{new}")).into()
}

/// Returns an address of the same maker that is the clone's for ever.
fn other_mac(mac: Mac, new: &VmName) -> String {
    let [a, b, c, ..] = mac.octets();
    let [d, e, f, ..] = digest(&mac.to_string(), new);
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// Returns a UUID that is the clone's for ever, of version 8 (RFC 9562, 5.8).
fn other_uuid(uuid: &str, new: &VmName) -> String {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = digest(&uuid.to_lowercase(), new);
    let (g, i) = (g & 0x0f | 0x80, i & 0x3f | 0x80);
    format!(
        "{a:02x}{b:02x}{c:02x}{d:02x}-{e:02x}{f:02x}-{g:02x}{h:02x}-{i:02x}{j:02x}-{k:02x}{l:02x}{m:02x}{n:02x}{o:02x}{p:02x}"
    )
}

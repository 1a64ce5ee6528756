//! Disks: the keys that all of them share, the boot order, and what ahci and nvme add. nvme's words are (k).

use super::device::{Place, failed};
use super::machine::{Access, Machine};
use super::slot::MAX_PORTS;
use super::tree::fatal;
use crate::exit::{EINVAL, NO_ERROR, Step, warn};
use crate::number::{atoi, strtol};

/// A disk whose keys stand in the device's own node.
pub(crate) fn start(machine: &mut Machine, place: Place, node: &str, device: &str) -> Step<()> {
    open(machine, node)?;
    boot_index(machine, place, node, device)
}

/// Each port of an ahci controller is a disk of its own.
pub(crate) fn start_ahci(machine: &mut Machine, place: Place, node: &str) -> Step<()> {
    let ports = format!("{node}.port");
    // Ports that are not there are skipped, and names that are no port's are never asked for.
    let numbers = (0..MAX_PORTS).filter(|port| machine.tree.has_node(&format!("{ports}.{port}")));
    let names: Vec<String> = numbers.map(|port| format!("{ports}.{port}")).collect();
    names.iter().try_for_each(|port| start(machine, place, port, "ahci"))
}

/// nvme has queues, and can do without a disk.
pub(crate) fn start_nvme(machine: &mut Machine, place: Place, node: &str) -> Step<()> {
    for key in ["qsz", "ioslots"] {
        let value = machine.tree.get(&format!("{node}.{key}"));
        if let Some(value) = value.filter(|value| atoi(value) <= 0) {
            return Err(failed(format!("nvme: Invalid {key} option {}", atoi(&value)), EINVAL));
        }
    }
    match machine.tree.get(&format!("{node}.ram")) {
        Some(_) => boot_index(machine, place, node, "nvme"),
        None => start(machine, place, node, "nvme"),
    }
}

/// Opens the file or device and checks the sector sizes.
fn open(machine: &Machine, node: &str) -> Step<()> {
    for key in ["nocache", "nodelete", "sync", "direct"] {
        machine.tree.flag(&format!("{node}.{key}"), false)?;
    }
    let access = if machine.tree.flag(&format!("{node}.ro"), false)? { Access::Read } else { Access::Disk };
    let sector = machine.tree.get(&format!("{node}.sectorsize"));
    let sizes = match &sector {
        Some(text) => sector_sizes(text).ok_or_else(|| failed(format!("Invalid sector size \"{text}\""), NO_ERROR))?,
        None => (0, 0),
    };
    let path = machine.tree.get(&format!("{node}.path"));
    let path = path.ok_or_else(|| failed("Missing \"path\" for block device.", NO_ERROR))?;
    if let Err(errno) = machine.size(&path, access) {
        warn(format!("bhyve: Could not open backing file: {path}: {errno}"));
        return Err(failed("", errno));
    }
    let (logical, physical) = sizes;
    let powers = is_power(logical) && is_power(physical);
    if logical != 0 && (!powers || logical < 512 || logical > physical) {
        return Err(failed(format!("Invalid sector size {logical}/{physical}"), NO_ERROR));
    }
    Ok(())
}

/// `L` or `L/P`, decimal.
fn sector_sizes(text: &str) -> Option<(i128, i128)> {
    let logical = strtol(text, 10)?;
    match logical.rest.strip_prefix('/') {
        Some(physical) => Some((logical.value, strtol(physical, 10)?.whole()?)),
        None => logical.whole().map(|size| (size, size)),
    }
}

fn is_power(number: i128) -> bool {
    number & (number - 1) == 0
}

/// Takes a place in the boot order; there is only one of each.
pub(crate) fn boot_index(machine: &mut Machine, place: Place, node: &str, device: &str) -> Step<()> {
    let Some(text) = machine.tree.get(&format!("{node}.bootindex")) else {
        return Ok(());
    };
    let index = atoi(&text);
    let name = format!("{device}@pci.{}.{}.{}", place.bus, place.slot, place.function);
    if index < 0 {
        return Err(fatal(format!("Invalid bootindex {index} for {name}")));
    }
    if let Some((_, other)) = machine.boot.iter().find(|(taken, _)| *taken == index) {
        return Err(fatal(format!(
            "Could not set bootindex {index} for {name}. Bootindex already occupied by {other}"
        )));
    }
    machine.boot.push((index, name));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::sector_sizes;

    #[test]
    fn the_physical_sector_defaults_to_the_logical_one() {
        assert_eq!(sector_sizes("4096"), Some((4096, 4096)));
        assert_eq!(sector_sizes("512/4096"), Some((512, 4096)));
        for wrong in ["", "4k", "512/", "512/4k", "x"] {
            assert_eq!(sector_sizes(wrong), None, "{wrong}");
        }
    }
}

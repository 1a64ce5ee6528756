//! What QEMU cannot be told of a machine.

use super::host_parts;
use crate::diag::Fault;
use crate::model::device::Counterpart;
use crate::model::value::Value;
use crate::model::{Backend, Device, Machine, Part, PciSlot, VncAddress};

/// Returns what QEMU cannot be told of a machine.
pub fn check(machine: &Machine) -> Vec<(Part, Fault)> {
    let mut faults: Vec<(Part, Fault)> = Vec::new();
    for (slot, device) in machine.devices() {
        if let Some(fault) = check_slot(machine, slot, device) {
            faults.push((Part::Slot(slot), fault));
        }
        faults.extend(check_options(slot, device));
    }
    faults
}

fn check_slot(machine: &Machine, slot: PciSlot, device: &Device) -> Option<Fault> {
    let name = device.kind().name;
    let counterpart = device.kind().counterpart;
    if let Counterpart::None(hint) = counterpart {
        return Some(Fault::new(format!("{name} in slot {slot} has no counterpart under QEMU")).hint(hint));
    }
    let built_in = |kind| matches!(kind, Counterpart::HostBridge | Counterpart::Lpc);
    let first = machine.devices().find(|(other, _)| slot.function() != 0 && *other == slot.first());
    let fault = match (counterpart, slot.number()) {
        _ if slot.bus() != 0 => {
            Fault::new(format!("{name} in slot {slot} is on bus {}, and QEMU's machine has bus 0 only", slot.bus()))
                .hint("put it into a slot of bus 0")
        }
        (Counterpart::HostBridge, number) if number != 0 || slot.function() != 0 => {
            Fault::new(format!("{name} in slot {slot} cannot be moved there: QEMU's host bridge is in slot 0"))
                .hint("put it into slot 0")
        }
        (Counterpart::HostBridge | Counterpart::Lpc, _) => return None,
        (_, 0) => Fault::new(format!("slot {slot} is not free for {name}: QEMU's host bridge is in slot 0"))
            .hint("put it into a slot from 1 to 30"),
        (_, 31) => Fault::new(format!("slot {slot} is not free for {name}: QEMU's LPC bridge is in slot 31"))
            .hint("put it into a slot from 1 to 30"),
        _ if first.is_some_and(|(_, first)| built_in(first.kind().counterpart)) => {
            let message = format!("slot {slot} has no function 0 under QEMU, whose LPC bridge is in slot 31");
            Fault::new(message).hint(format!("put {name} into a slot of its own"))
        }
        _ => return None,
    };
    Some(fault)
}

fn check_options(slot: PciSlot, device: &Device) -> Option<(Part, Fault)> {
    let counterpart = device.kind().counterpart;
    if let (Counterpart::Screen, Some(address)) = (counterpart, device.vnc())
        && address.socket().port() < VncAddress::PORT
    {
        let name = if device.value("rfb").is_some() { "rfb" } else { "tcp" };
        let message = format!("VNC in slot {slot} listens on port {}, below 5900", address.socket().port());
        let fault = Fault::new(message).hint("QEMU counts its ports from 5900: choose one from there on");
        return Some((Part::Option(slot, name), fault));
    }
    if device.value("ram").is_some() {
        let fault = Fault::new(format!("nvme in slot {slot} is memory, which has no counterpart under QEMU"));
        return Some((Part::Option(slot, "ram"), fault.hint("give it a file")));
    }
    if let Some((option, fault)) = host_parts::against_passthrough(device) {
        return Some((Part::Option(slot, option), fault));
    }
    check_sectors(slot, device)
}

/// QEMU's SATA has sectors of 512 bytes only.
fn check_sectors(slot: PciSlot, device: &Device) -> Option<(Part, Fault)> {
    let counterpart = device.kind().counterpart;
    if !matches!(counterpart, Counterpart::AhciDisk | Counterpart::AhciCd | Counterpart::Ahci) {
        return None;
    }
    let is_cd = |number| device.images().iter().any(|(n, name, ..)| *n == number && *name == "cd");
    device.items().iter().find_map(|item| {
        let Value::SectorSize(logical, physical) = item.value else { return None };
        let cd = counterpart == Counterpart::AhciCd || is_cd(item.number);
        if logical == 512 && (!cd || physical == 512) {
            return None;
        }
        let message = format!("{} in slot {slot} has sectors of {logical} bytes", device.kind().name);
        let fault = Fault::new(message).hint("QEMU's SATA has 512 only: use nvme or virtio-blk");
        Some((Part::option(slot, item.number, "sectorsize"), fault))
    })
}

/// Returns what a machine says to bhyve alone: QEMU is not told it.
pub fn ignored(machine: &Machine) -> Vec<Fault> {
    let options = machine.options().iter().map(|(key, value)| format!("the option {key}={value}"));
    let args = machine.args().iter().map(|arg| format!("the argument {arg:?}"));
    let settings = machine.settings().filter(|(setting, value)| {
        let counterpart = setting.quiet || setting.name.starts_with("gdb.") || setting.name.starts_with("tpm.");
        !counterpart && !setting.is_default(value, machine.target())
    });
    let settings = settings.map(|(setting, value)| format!("`{}` {value}", setting.name));
    let jail = machine.jail().map(|_| "`jail`".to_string());
    let fault = |what| Fault::new(format!("{what} is for bhyve: QEMU is not told it"));
    let ignored = jail.into_iter().chain(settings).chain(options).chain(args).map(fault);
    host_parts::said_of_pins(machine).into_iter().chain(ignored).collect()
}

/// Returns the network backends that QEMU cannot be given.
pub fn backends(machine: &Machine) -> Vec<(Part, Fault)> {
    let fault = |(slot, device): (PciSlot, &Device)| {
        let backend = device.backend().filter(|b| matches!(b, Backend::Netgraph | Backend::Netmap(_)))?;
        let fault = Fault::new(format!("{backend} in slot {slot} has no counterpart under QEMU"));
        Some((Part::Option(slot, "backend"), fault.hint("give a tap or \"slirp\", or run it with --user-net")))
    };
    machine.devices().filter_map(fault).collect()
}

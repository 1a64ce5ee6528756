//! The configuration's key for a part of a machine, so that a fault finds the argument that said it.

use crate::model::parameter::numbered;
use crate::model::setting::SETTINGS;
use crate::model::tree::{bootrom_keys, slot_key};
use crate::model::{Draft, Part, PciSlot, device};

/// Returns the keys that may have said a part, the likeliest first. A key that ends in a dot stands for all below it.
pub(super) fn keys(draft: &Draft, part: &Part) -> Vec<String> {
    match part {
        Part::Whole => Vec::new(),
        Part::Key(name) => key(draft, name),
        Part::Under("pin", vcpu) => vec![format!("vcpu.{vcpu}.cpuset")],
        Part::Under("oem_strings", number) => vec![format!("oemstring.{number}")],
        Part::Under("domains", id) => vec![format!("domains.{id}.")],
        Part::Under(top, name) => {
            let setting = SETTINGS.iter().find(|setting| setting.under == Some(top) && setting.short() == name);
            setting.map(|setting| setting.key.to_string()).into_iter().collect()
        }
        Part::Slot(slot) => vec![format!("{}.device", slot_key(*slot))],
        Part::Option(slot, name) => option(draft, *slot, None, name),
        Part::Item(slot, number, name) => option(draft, *slot, Some(*number), name),
    }
}

fn key(draft: &Draft, name: &str) -> Vec<String> {
    let own = |keys: &[&str]| keys.iter().map(ToString::to_string).collect();
    match name {
        "name" => own(&["name"]),
        "cpus" => own(&["cpus", "sockets", "cores", "threads"]),
        "memory" => own(&["memory.size"]),
        "domains" => own(&["domains."]),
        "gdb" => own(&["gdb."]),
        "tpm" => own(&["tpm."]),
        "bootrom" => own(&[bootrom_keys(draft.target).0, "bootrom", "lpc.bootrom"]),
        _ => {
            let ports = device::serial_ports().iter().find(|port| port.name == name).map(|port| port.key);
            let setting = SETTINGS.iter().find(|setting| setting.name == name).map(|setting| setting.key);
            ports.or(setting).map(String::from).into_iter().collect()
        }
    }
}

fn option(draft: &Draft, slot: PciSlot, number: Option<u16>, name: &str) -> Vec<String> {
    let node = slot_key(slot);
    let device = format!("{node}.device");
    let Some(kind) = draft.slots.get(&slot).map(device::Device::kind) else { return vec![device] };
    let found = kind.parameters().find(|(_, parameter)| parameter.name == name);
    let Some((below, parameter)) = found else { return vec![device] };
    let below = numbered(below, number.unwrap_or_default());
    let dot = if below.is_empty() || parameter.key.is_empty() { "" } else { "." };
    let own = format!("{node}.{below}{dot}{}", parameter.key);
    let renamed = format!("{node}.{}", parameter.key_for(draft.target));
    vec![own, renamed, device]
}

/// Returns whether a fault about a part may only follow from keys that could not be read.
pub(super) fn is_doubtful(part: &Part, failed: &[String]) -> bool {
    const PROCESSORS: [&str; 4] = ["cpus", "sockets", "cores", "threads"];
    const ROM: [&str; 4] = ["bootrom", "bootvars", "lpc.bootrom", "lpc.bootvars"];
    let any = |names: &[&str]| {
        failed
            .iter()
            .any(|key| names.iter().any(|name| if name.ends_with('.') { key.starts_with(name) } else { key == name }))
    };
    match part {
        Part::Whole => any(&["name"]) || any(&ROM),
        Part::Key("cpus") | Part::Under("pin", _) => any(&PROCESSORS),
        Part::Key("domains") | Part::Under("domains", _) => {
            any(&["domains.", "memory.size", "acpi_tables"]) || any(&PROCESSORS) || any(&ROM)
        }
        Part::Key("fw_cfg") | Part::Option(_, "bootindex") | Part::Item(_, _, "bootindex") => any(&["lpc.fwcfg"]),
        Part::Key("tpm") => any(&["tpm."]),
        Part::Key("gdb") => any(&["gdb."]),
        Part::Key("memory") => any(&["memory.size"]),
        // Perhaps the LPC bridge could not be read.
        Part::Key(_) => any(&["pci."]),
        // Perhaps it was function 0, or the memory is wired after all.
        Part::Slot(slot) => slot.function() > 0 && any(&["pci."]) || any(&["memory.wired"]),
        // The others do not follow from keys that name something else.
        _ => false,
    }
}

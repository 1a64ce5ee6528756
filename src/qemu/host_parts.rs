//! What of the host a machine gets for itself: processors that it is pinned to, memory by NUMA domains, PCI devices.

use super::{Seat, escape};
use crate::diag::Fault;
use crate::model::value::Value;
use crate::model::{Argv, Device, Domain, HostDevice, Machine, Size};

/// Returns the command that runs QEMU on the processors of all pins (taskset(1)): QEMU pins no vCPU by its command line.
pub(crate) fn pinned(argv: Argv, machine: &Machine) -> Argv {
    match cpus(machine) {
        Some(cpus) => Argv::new("taskset").arg("-c").arg(cpus).args(argv.words()),
        None => argv,
    }
}

/// Returns the processors of all pins; nothing where there is no pin.
fn cpus(machine: &Machine) -> Option<String> {
    let mut sets: Vec<String> = machine.pins().values().map(ToString::to_string).collect();
    sets.sort();
    sets.dedup();
    (!sets.is_empty()).then(|| sets.join(","))
}

/// Returns what is said of pins.
pub(super) fn said_of_pins(machine: &Machine) -> Option<Fault> {
    let cpus = cpus(machine)?;
    Some(Fault::new(format!(
        "under QEMU all of the machine runs on the processors {cpus}: no vCPU is pinned by itself"
    )))
}

/// Adds the NUMA domains (qemu(1), `-numa`, `-object memory-backend-ram`), which QEMU counts from 0 on.
pub(super) fn domains(mut argv: Argv, machine: &Machine) -> Argv {
    let sizes = sizes(machine);
    for (number, (domain, size)) in machine.domains().values().zip(sizes).enumerate() {
        let cpus = domain.cpus.as_ref().map(ToString::to_string).unwrap_or_default();
        let cpus: String = cpus.split(',').filter(|set| !set.is_empty()).map(|set| format!(",cpus={set}")).collect();
        let memory = format!("memory-backend-ram,id=node{number},size={}k{}", size.get() >> 10, policy(domain));
        let node = format!("node,nodeid={number},memdev=node{number}{cpus}");
        argv = argv.args(["-object", &memory, "-numa", &node]);
    }
    argv
}

/// Returns the memory of each domain; where one of them has none, the machine's is divided evenly, and the last has the rest, in MiB.
fn sizes(machine: &Machine) -> Vec<Size> {
    let domains = machine.domains();
    if let Some(sizes) = domains.values().map(|domain| domain.size).collect() {
        return sizes;
    }
    let (all, count) = (machine.memory().get(), domains.len() as u64);
    let each = (all / count.max(1)) >> 20 << 20;
    (1..=count).map(|number| Size::bytes(if number == count { all - each * (count - 1) } else { each })).collect()
}

/// Returns the words for where the host takes a domain's memory from: those policies of cpuset(1) that name domains of the host and
/// have a counterpart (mbind(2)). Without one the host takes it where the guest touches it first.
fn policy(domain: &Domain) -> String {
    let policy = domain.policy.as_deref().unwrap_or_default().to_ascii_lowercase();
    let (name, list) = match policy.split_once(':') {
        Some(parts) => parts,
        None if policy.starts_with(|c: char| c.is_ascii_digit()) => ("rr", policy.as_str()),
        None => return String::new(),
    };
    let word = match name {
        "prefer" => "preferred",
        "round-robin" | "rr" | "interleave" | "il" => "interleave",
        _ => return String::new(),
    };
    if list == "all" {
        return String::new();
    }
    let nodes: String = list.split(',').map(|nodes| format!(",host-nodes={nodes}")).collect();
    format!("{nodes},policy={word}")
}

/// A PCI device of the host (qemu(1), `vfio-pci`; the kernel's Documentation/driver-api/vfio.rst).
pub(super) fn passthrough(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let Some(address) = address(device) else { return argv };
    let rom = device.value("rom").map(|rom| format!(",romfile={}", escape(rom))).unwrap_or_default();
    let index = device.value("bootindex").map(|index| format!(",bootindex={index}")).unwrap_or_default();
    argv.args(["-device", &format!("vfio-pci,host={address},{}{rom}{index}", at.address())])
}

/// Returns the address of the device of the host that a guest is given, as Linux has it: in hexadecimal.
pub(crate) fn address(device: &Device) -> Option<String> {
    match device.value("host") {
        Some(Value::HostDevice(HostDevice::Address(bus, slot, function))) => {
            Some(format!("0000:{bus:02x}:{slot:02x}.{function:x}"))
        }
        // It is none of the host's, or has only the number of FreeBSD's driver.
        _ => None,
    }
}

/// Returns why a device of the host cannot be named to QEMU, with the option that it is about.
pub(super) fn against_passthrough(device: &Device) -> Option<(&'static str, Fault)> {
    if let Some(Value::HostDevice(host @ HostDevice::Ppt(_))) = device.value("host") {
        let fault = Fault::new(format!("{host} is the number of a driver of FreeBSD, which says nothing to QEMU"));
        return Some(("host", fault.hint("name the device by bus, slot and function: \"2/0/0\"")));
    }
    let register = device.items().iter().map(|item| item.parameter.name).find(|name| name.starts_with("pcireg."))?;
    let fault = Fault::new(format!("`{register}` has no counterpart under QEMU"));
    Some((register, fault.hint("leave it out where the recipe runs under QEMU")))
}

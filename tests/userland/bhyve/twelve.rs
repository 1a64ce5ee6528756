//! bhyve of 12.1, before there was a tree of configuration: flags and devices are read by parsers of their own, which refuse
//! options that they do not know. Everything here is as the corpus recorded it (bhyve-start.txt, bhyve-node.txt).

use super::device::{self, Place};
use super::flags::{EX_USAGE, listing, pin};
use super::machine::{Machine, is_uuid};
use super::tree::{ERROR, Tree};
use crate::exit::{EINVAL, ENOENT, EPERM, Ending, Exit, Step};
use crate::jail;
use crate::node;
use crate::number::{atoi, memory_size, scan, strtol};
use crate::state::is_root;

mod devices;
mod screen;

/// The flags without and with an argument.
pub(crate) const PLAIN: &str = "abehuwxACHIPSWY";
pub(crate) const VALUED: &str = "pgGcsmlU";

pub(crate) const USAGE: &str = "Usage: bhyve [-abehuwxACHPSWY]
             [-c [[cpus=]numcpus][,sockets=n][,cores=n][,threads=n]]
             [-g <gdb port>] [-l <lpc>]
             [-m mem] [-p vcpu:hostcpu] [-s <pci>] [-U uuid] <vm>
       -a: local apic is in xAPIC mode (deprecated)
       -A: create ACPI tables
       -c: number of cpus and/or topology specification
       -C: include guest memory in core file
       -e: exit on unhandled I/O access
       -g: gdb port
       -h: help
       -H: vmexit from the guest on hlt
       -l: LPC device configuration
       -m: memory size in MB
       -p: pin 'vcpu' to 'hostcpu'
       -P: vmexit from the guest on pause
       -s: <slot,driver,configinfo> PCI slot config
       -S: guest memory cannot be swapped
       -u: RTC keeps UTC time
       -U: uuid
       -w: ignore unimplemented MSRs
       -W: force virtio to use single-vector MSI
       -x: local apic is in x2APIC mode
       -Y: disable MPtable generation";

/// What `-s help` and `-l help` list.
const NAMES: &[&str] = &[
    "ahci",
    "ahci-hd",
    "ahci-cd",
    "e1000",
    "dummy",
    "fbuf",
    "amd_hostbridge",
    "hostbridge",
    "lpc",
    "nvme",
    "passthru",
    "virtio-blk",
    "virtio-console",
    "virtio-net",
    "virtio-rnd",
    "virtio-scsi",
    "uart",
    "xhci",
];
const LPC_NAMES: &[&str] = &["bootrom", "COM1", "COM2"];

/// `SIGABRT`.
const SIGABRT: i32 = 6;

/// The assertions that do not hold for a bad UUID, and for a processor that the host does not have.
const BAD_UUID: &str =
    "Assertion failed: (error == 0), function main, file /usr/src/usr.sbin/bhyve/bhyverun.c, line 1186.";
const BAD_PIN: &str =
    "Assertion failed: (error == 0), function vm_loop, file /usr/src/usr.sbin/bhyve/bhyverun.c, line 804.";

/// What a flag with an argument does.
pub(crate) fn valued(tree: &mut Tree, letter: char, value: &str) -> Step<()> {
    let wrong = |what: &str| Exit::new(EX_USAGE, format!("bhyve: invalid {what} '{value}'"));
    let help = "help".starts_with(value);
    match letter {
        'c' => topology(tree, value)?.then_some(()).ok_or_else(|| wrong("cpu topology")),
        'm' if memory_size(value).is_none() => Err(wrong("memsize")),
        'm' => tree.set("memory.size", value),
        'l' if help => listing(LPC_NAMES),
        'l' => lpc(tree, value)?.then_some(()).ok_or_else(|| wrong("lpc device configuration")),
        'p' => pin(tree, value).map_err(|mut exit| {
            exit.lines.extend(wrong("vcpu pinning configuration").lines);
            exit
        }),
        's' if help => listing(NAMES),
        's' => slot(tree, value),
        'U' => tree.set("uuid", value),
        _ => Ok(()),
    }
}

/// `[cpus=]N[,sockets=N][,cores=N][,threads=N]`; false for what is no number, or does not add up.
fn topology(tree: &mut Tree, value: &str) -> Step<bool> {
    let (mut cpus, mut sockets, mut cores, mut threads) = (None, None, 1, 1);
    for item in value.split(',') {
        let (key, text) = item.split_once('=').unwrap_or(("cpus", item));
        let count = strtol(text, 0).and_then(|number| number.whole()).and_then(|count| u16::try_from(count).ok());
        let Some(count) = count.filter(|count| *count > 0) else { return Ok(false) };
        match key {
            "cpus" => cpus = Some(count),
            "sockets" => sockets = Some(count),
            "cores" => cores = count,
            "threads" => threads = count,
            _ => return Ok(false),
        }
    }
    let sockets = sockets.or(cpus).unwrap_or(1);
    let product = u64::from(sockets) * u64::from(cores) * u64::from(threads);
    if product > u64::from(u16::MAX) || cpus.is_some_and(|cpus| u64::from(cpus) != product) {
        return Ok(false);
    }
    for (key, count) in [("sockets", sockets), ("cores", cores), ("threads", threads)] {
        tree.set(key, &count.to_string())?;
    }
    Ok(true)
}

/// `bootrom[,PATH]` or `comN[,BACKEND]`; false for another device.
fn lpc(tree: &mut Tree, value: &str) -> Step<bool> {
    let (device, conf) = value.split_once(',').map_or((value, None), |(device, conf)| (device, Some(conf)));
    let key = match device.to_ascii_lowercase().as_str() {
        "bootrom" => "lpc.bootrom",
        "com1" => "lpc.com1.path",
        "com2" => "lpc.com2.path",
        _ => return Ok(false),
    };
    conf.map_or(Ok(()), |conf| tree.set(key, conf))?;
    Ok(true)
}

/// `SLOT,DEVICE[,CONF]`: the place must be free and the device known; what it is configured with it reads when it starts.
fn slot(tree: &mut Tree, value: &str) -> Step<()> {
    let refused = |line: String| Exit::new(ERROR, line);
    let invalid = || refused(format!("Invalid PCI slot info field \"{value}\""));
    let (place, rest) = value.split_once(',').ok_or_else(invalid)?;
    let (device, conf) = rest.split_once(',').map_or((rest, None), |(device, conf)| (device, Some(conf)));
    let (bus, slot, function) = match scan(place, 10, ':', 3)[..] {
        [bus, slot, function] => (bus, slot, function),
        [slot, function] => (0, slot, function),
        [slot] => (0, slot, 0),
        _ => return Err(invalid()),
    };
    if !((0..=255).contains(&bus) && (0..=31).contains(&slot) && (0..=7).contains(&function)) {
        return Err(invalid());
    }
    let node = format!("pci.{bus}.{slot}.{function}");
    if tree.has_node(&node) {
        return Err(refused(format!("pci slot {slot}:{function} already occupied!")));
    }
    if !NAMES.contains(&device) {
        return Err(refused(format!("pci slot {slot}:{function}: unknown device \"{device}\"")));
    }
    tree.set(&format!("{node}.device"), device)?;
    conf.map_or(Ok(()), |conf| tree.set(&format!("{node}.conf"), conf))
}

/// What the kernel says of a new machine of this name.
pub(crate) fn may_create(machine: &Machine) -> Step<()> {
    let why = if !node::has_vmm(machine.state)? {
        ENOENT
    } else if !is_root() || !jail::may_have_machines(machine.state)? {
        EPERM
    } else if !node::is_valid(&machine.name)? {
        EINVAL
    } else {
        return Ok(());
    };
    Err(Exit::new(ERROR, format!("vm_create: {why}")))
}

/// Starts the devices, and builds the tables.
pub(crate) fn start(machine: &mut Machine) -> Step<()> {
    devices::start(machine)?;
    if machine.tree.get("uuid").is_some_and(|uuid| !is_uuid(&uuid)) {
        return Err(Exit { ending: Ending::Signal(SIGABRT), lines: vec![BAD_UUID.to_string()] });
    }
    Ok(())
}

/// Whether there is an LPC bridge, without which no boot ROM is mapped.
pub(crate) fn has_bridge(machine: &Machine) -> bool {
    let is_bridge = |Place { bus, slot, function }: &Place| {
        machine.tree.get(&format!("pci.{bus}.{slot}.{function}.device")).as_deref() == Some("lpc")
    };
    device::places(machine).iter().any(is_bridge)
}

/// The processor of the host must be there when a virtual one is pinned to it, which its thread does.
pub(crate) fn assertion(machine: &Machine) -> Option<&'static str> {
    let there = machine.state.sysctl("hw.ncpu").ok()?.map_or(1, |text| atoi(&text));
    let wanted = machine.tree.get("vcpu.0.cpuset")?;
    wanted.split(',').any(|cpu| atoi(cpu) >= there).then_some(BAD_PIN)
}

#[cfg(test)]
mod tests {
    use super::{lpc, slot, topology};
    use crate::bhyve::tree::Tree;
    use crate::release::Release;

    #[test]
    fn a_topology_must_add_up() {
        let is_taken = |value| topology(&mut Tree::new(Release::newest(12)), value).unwrap();
        assert!(is_taken("2") && is_taken("cpus=2,cores=2,sockets=1") && is_taken("2,sockets=2") && is_taken("0x4"));
        for wrong in ["", "0", "x", "2x", "2,sockets=2,cores=2", "lots=1", "65536"] {
            assert!(!is_taken(wrong), "{wrong}");
        }
    }

    #[test]
    fn places_have_two_numbers_in_what_is_said_of_them() {
        let mut tree = Tree::new(Release::newest(12));
        slot(&mut tree, "4,virtio-rnd").unwrap();
        let said = |tree: &mut Tree, value| slot(tree, value).unwrap_err().lines.join("\n");
        assert_eq!(said(&mut tree, "4:0,virtio-rnd"), "pci slot 4:0 already occupied!");
        assert_eq!(said(&mut tree, "5,virtio-9p,a=/"), "pci slot 5:0: unknown device \"virtio-9p\"");
    }

    #[test]
    fn there_are_two_serial_ports_and_a_rom_of_one_path() {
        let mut tree = Tree::new(Release::newest(12));
        assert!(lpc(&mut tree, "bootrom,/a,/b").unwrap() && lpc(&mut tree, "COM2,stdio").unwrap());
        assert_eq!(tree.get("lpc.bootrom").as_deref(), Some("/a,/b"));
        assert!(!lpc(&mut tree, "com3,stdio").unwrap() && !lpc(&mut tree, "tpm,a,b").unwrap());
    }
}

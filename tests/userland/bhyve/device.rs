//! The PCI devices: each is initialised in bus, slot and function order, and any of them can end bhyve.
//!
//! That each check ends bhyve is the reference's; the words of virtio-9p, virtio-scsi, passthru, xhci, uart and of
//! plain files that cannot be opened are (k), and so is the errno behind those that set none.

use super::machine::{Access, Machine};
use super::slot::{ALIASES, NAMES};
use super::tree::ERROR;
use super::{disk, fbuf, lpc, network, serial};
use crate::exit::{EINVAL, Exit, NO_ERROR, Step, strerror};
use crate::release::V16;

/// `SIGABRT`: libnv ends bhyve when a value without a text is read.
pub(crate) const SIGABRT: i32 = 6;

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) bus: u16,
    pub(crate) slot: u16,
    pub(crate) function: u16,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.bus, self.slot, self.function)
    }
}

/// A device that could not be initialised: its own line, if it has one, and then bhyve's.
pub(crate) fn failed(line: impl std::fmt::Display, errno: &str) -> Exit {
    let line = line.to_string();
    let mut exit = Exit::silent(ERROR);
    exit.lines.extend(Some(line).filter(|line| !line.is_empty()));
    exit.lines.push(format!("Device emulation initialization error: {errno}"));
    exit
}

/// Of some devices there can be only one.
#[derive(Default)]
struct Singles {
    lpc: bool,
    fbuf: bool,
    xhci: bool,
}

/// Initialises all devices.
pub(crate) fn start(machine: &mut Machine) -> Step<()> {
    let mut singles = Singles::default();
    for place in places(machine) {
        let node = format!("pci.{}.{}.{}", place.bus, place.slot, place.function);
        let Some(device) = machine.tree.get(&format!("{node}.device")) else {
            return Err(failed(format!("pci slot {place}: missing \"device\" value"), NO_ERROR));
        };
        if !NAMES.contains(&device.as_str()) {
            return Err(failed(format!("pci slot {place}: unknown device \"{device}\""), NO_ERROR));
        }
        if let Some((_, real)) = ALIASES.iter().find(|(alias, _)| *alias == device) {
            let line = format!("pci slot {place}: legacy device \"{device}\", use \"{real}\" instead");
            return Err(failed(line, NO_ERROR));
        }
        if device.starts_with("virtio-") {
            machine.tree.flag("virtio_msix", true)?;
        }
        start_one(machine, &mut singles, place, &node, &device)?;
    }
    Ok(())
}

/// The nodes that bhyve looks for: numbers in range, without leading zeroes.
pub(crate) fn places(machine: &Machine) -> Vec<Place> {
    let numbers = |path: &str, most: u16| -> Vec<u16> {
        let names = machine.tree.names(path);
        let known = names.iter().filter_map(|name| Some((*name, name.parse::<u16>().ok()?)));
        let mut numbers: Vec<u16> = known
            .filter(|(name, number)| *number < most && number.to_string() == *name)
            .filter(|(name, _)| machine.tree.has_node(&format!("{path}.{name}")))
            .map(|(_, number)| number)
            .collect();
        numbers.sort_unstable();
        numbers
    };
    let mut places = Vec::new();
    for bus in numbers("pci", 256) {
        for slot in numbers(&format!("pci.{bus}"), 32) {
            let functions = numbers(&format!("pci.{bus}.{slot}"), 8);
            places.extend(functions.into_iter().map(|function| Place { bus, slot, function }));
        }
    }
    places
}

fn start_one(machine: &mut Machine, singles: &mut Singles, place: Place, node: &str, device: &str) -> Step<()> {
    match device {
        "virtio-blk" => disk::start(machine, place, node, device),
        "ahci" => disk::start_ahci(machine, place, node),
        "nvme" => disk::start_nvme(machine, place, node),
        "virtio-net" | "e1000" => network::start(machine, node, device == "virtio-net"),
        "virtio-scsi" => scsi(machine, place, node),
        "virtio-9p" => shared_folder(machine, node),
        "virtio-console" => console(machine, node),
        "virtio-input" => open(machine, node, "path", Access::Read),
        "hda" => open(machine, node, "play", Access::Write).and_then(|()| open(machine, node, "rec", Access::Read)),
        "passthru" => passthru(machine, node),
        "uart" => match machine.tree.get(&format!("{node}.path")) {
            Some(path) if !serial::open(machine, &path) => Err(failed(
                format!("Unable to initialize backend '{path}' for pci uart at {}:{}", place.slot, place.function),
                NO_ERROR,
            )),
            _ => Ok(()),
        },
        "fbuf" => fbuf::start(machine, &mut singles.fbuf, place, node),
        "xhci" => xhci(machine, &mut singles.xhci, node),
        "lpc" => lpc_bridge(machine, &mut singles.lpc, place),
        _ => Ok(()),
    }
}

/// Opens the file that a key names, if it names one.
fn open(machine: &Machine, node: &str, key: &str, access: Access) -> Step<()> {
    let Some(path) = machine.tree.get(&format!("{node}.{key}")) else {
        return Ok(());
    };
    machine.size(&path, access).map(|_| ()).map_err(|errno| failed(format!("Could not open {path}: {errno}"), errno))
}

fn scsi(machine: &mut Machine, place: Place, node: &str) -> Step<()> {
    let targets = format!("{node}.target");
    let has_targets = machine.tree.release >= V16;
    let mut devices: Vec<String> =
        machine.tree.names(&targets).iter().filter_map(|id| machine.tree.get(&format!("{targets}.{id}"))).collect();
    if !has_targets {
        let device = machine.tree.get(&format!("{node}.dev"));
        devices = vec![device.unwrap_or_else(|| "/dev/cam/ctl".to_string())];
    }
    for device in devices {
        machine
            .size(&device, Access::Write)
            .map_err(|errno| failed(format!("cannot open {device}: {errno}"), errno))?;
    }
    disk::boot_index(machine, place, node, "virtio-scsi")
}

fn shared_folder(machine: &Machine, node: &str) -> Step<()> {
    const NAME_MAX: usize = 256;
    let value = |key: &str| machine.tree.get(&format!("{node}.{key}"));
    let name = value("sharename").ok_or_else(|| failed("virtio-9p: share name not given", NO_ERROR))?;
    if name.len() > NAME_MAX {
        return Err(failed(format!("virtio-9p: share name too long ({} > {NAME_MAX})", name.len()), NO_ERROR));
    }
    machine.tree.flag(&format!("{node}.ro"), false)?;
    let path = value("path").unwrap_or_default();
    if !machine.has_folder(&path) {
        return Err(failed(format!("virtio-9p: cannot open {path}"), crate::exit::ENOENT));
    }
    Ok(())
}

fn console(machine: &mut Machine, node: &str) -> Step<()> {
    let ports = format!("{node}.port");
    let names: Vec<String> = machine.tree.names(&ports).iter().map(|port| format!("{ports}.{port}")).collect();
    for port in names {
        let path = machine.tree.get(&format!("{port}.path")).unwrap_or_default();
        if let Err(error) = machine.bind_socket(&path) {
            let name = machine.tree.get(&format!("{port}.name")).unwrap_or_default();
            let why = strerror(&error);
            return Err(failed(format!("cannot create port {name}: {why}"), why));
        }
    }
    Ok(())
}

fn passthru(machine: &Machine, node: &str) -> Step<()> {
    if !machine.tree.flag("memory.wired", false)? {
        return Err(failed("passthru: guest memory must be wired", EINVAL));
    }
    let value = |key: &str| machine.tree.get(&format!("{node}.{key}"));
    if let Some(device) = value("pptdev") {
        let unit = device.strip_prefix("ppt").unwrap_or_default();
        if unit.is_empty() || !unit.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(failed(format!("passthru: Invalid device \"{device}\""), EINVAL));
        }
    } else if ["bus", "slot", "func"].iter().any(|key| value(key).is_none()) {
        return Err(failed("passthru: no device given", EINVAL));
    }
    Ok(())
}

fn xhci(machine: &Machine, taken: &mut bool, node: &str) -> Step<()> {
    /// Ports of one controller; the tablet wants one of the USB 3 half. (k)
    const PORTS: usize = 4;
    if std::mem::replace(taken, true) {
        return Err(failed("pci_xhci controller already defined", EINVAL));
    }
    let slots = format!("{node}.slot");
    let names = machine.tree.names(&slots);
    for slot in &names {
        let device = machine.tree.get(&format!("{slots}.{slot}.device")).unwrap_or_default();
        if device != "tablet" {
            return Err(failed(format!("pci_xhci device not found \"{device}\""), EINVAL));
        }
    }
    if names.len() > PORTS {
        return Err(failed("pci_xhci: no free port", EINVAL));
    }
    Ok(())
}

fn lpc_bridge(machine: &mut Machine, taken: &mut bool, place: Place) -> Step<()> {
    if std::mem::replace(taken, true) {
        return Err(failed("Only one LPC bridge is allowed.", NO_ERROR));
    }
    if place.bus != 0 {
        return Err(failed("LPC bridge can be present only on bus 0.", NO_ERROR));
    }
    if machine.tree.release.major < 15 {
        machine.load_rom("lpc.").map_err(|exit| failed(exit.lines.join("\n"), NO_ERROR))?;
    }
    for port in lpc::PORTS {
        let key = format!("lpc.{port}.path");
        if machine.tree.is_broken(&key) {
            return Err(Exit::signal(SIGABRT));
        }
        if let Some(path) = machine.tree.get(&key).filter(|path| !serial::open(machine, path)) {
            let line = format!("Unable to initialize backend '{path}' for LPC device {port}");
            return Err(failed(line, NO_ERROR));
        }
    }
    machine.tree.flag("lpc.pc-testdev", false).map(|_| ())
}

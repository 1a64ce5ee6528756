//! The devices of 12.1, in the order of their places.

use super::super::device::Place;
use super::super::machine::{Access, Machine, PAGE, ROM_MAX};
use super::super::tree::ERROR;
use super::super::{device, network, serial};
use super::screen;
use crate::exit::{ENOENT, Exit, Step, say, strerror};
use crate::number::scan;

/// `SIGSEGV`: what the parsers of two devices do to bhyve when they are given nothing.
const SIGSEGV: i32 = 11;

/// How many ports an ahci controller has.
const AHCI_PORTS: usize = 32;

/// A device that could not be started: its own lines, and then bhyve's with what errno holds. That is `ENOENT`, from a file that
/// bhyve looked for at its start, where no call of the system has failed since.
pub(super) fn failed(lines: &[String], errno: &str) -> Exit {
    let mut exit = Exit::silent(ERROR);
    exit.lines.extend_from_slice(lines);
    exit.lines.push(format!("device emulation initialization error: {errno}"));
    exit
}

fn refused(line: impl std::fmt::Display) -> Exit {
    failed(&[line.to_string()], ENOENT)
}

/// Starts all devices.
pub(super) fn start(machine: &mut Machine) -> Step<()> {
    let (mut has_screen, mut has_bridge) = (false, false);
    for place in device::places(machine) {
        let node = format!("pci.{}.{}.{}", place.bus, place.slot, place.function);
        let name = machine.tree.get(&format!("{node}.device")).unwrap_or_default();
        let conf = machine.tree.get(&format!("{node}.conf"));
        let conf = conf.as_deref();
        match name.as_str() {
            "virtio-blk" if conf.is_none() => {
                say("virtio-block: backing device required\n");
                return Err(failed(&[], ENOENT));
            }
            "virtio-blk" | "nvme" => disk(machine, conf.unwrap_or_default()).map_err(|mut failure| {
                failure.lines.push(format!("Could not open backing file: {}", failure.errno));
                failed(&failure.lines, failure.errno)
            })?,
            "ahci-hd" | "ahci-cd" => ahci_disk(machine, conf.unwrap_or_default())?,
            "ahci" => ahci(machine, conf.unwrap_or_default())?,
            "virtio-net" | "e1000" => nic(machine, conf)?,
            "virtio-scsi" => scsi(machine, conf)?,
            "virtio-console" => console(machine, conf)?,
            "uart" => uart(machine, place, conf)?,
            "xhci" => xhci(conf)?,
            "passthru" => passthru(machine, conf.unwrap_or_default())?,
            "fbuf" => screen::start(machine, &mut has_screen, place, conf)?,
            "lpc" => lpc(machine, &mut has_bridge)?,
            _ => {}
        }
    }
    Ok(())
}

/// Why a disk cannot be opened: what was said, and the reason.
struct Failure {
    lines: Vec<String>,
    errno: &'static str,
}

/// `PATH[,OPTION…]`. Options are read before the file is opened, sector sizes are judged after it.
fn disk(machine: &Machine, conf: &str) -> Result<(), Failure> {
    let failure = |line: String, errno| Failure { lines: vec![line], errno };
    let mut items = conf.split(',');
    let path = items.next().unwrap_or_default();
    let (mut access, mut sector) = (Access::Disk, None);
    for item in items {
        match item.split_once('=') {
            None if ["nocache", "nodelete", "sync", "direct"].contains(&item) => {}
            None if item == "ro" => access = Access::Read,
            Some(("sectorsize", sizes)) => match scan(sizes, 10, '/', 2)[..] {
                [logical] => sector = Some((logical, logical)),
                [logical, physical] => sector = Some((logical, physical)),
                _ => return Err(failure(format!("Invalid device option \"{item}\""), ENOENT)),
            },
            _ => return Err(failure(format!("Invalid device option \"{item}\""), ENOENT)),
        }
    }
    if let Err(errno) = machine.size(path, access) {
        return Err(failure(format!("bhyve: Could not open backing file: {path}: {errno}"), errno));
    }
    let is_power = |size: i128| size > 0 && size & (size - 1) == 0;
    match sector {
        Some((logical, physical))
            if !is_power(logical) || !is_power(physical) || logical < 512 || logical > physical =>
        {
            Err(failure(format!("Invalid sector size {logical}/{physical}"), ENOENT))
        }
        _ => Ok(()),
    }
}

/// A disk of an ahci controller; without a file there is none.
fn ahci_disk(machine: &Machine, conf: &str) -> Step<()> {
    if conf.is_empty() {
        return Ok(());
    }
    disk(machine, conf).map_err(|failure| failed(&failure.lines, failure.errno))
}

/// `hd:PATH[,OPTION…]` or `cd:PATH[,OPTION…]`, repeated.
fn ahci(machine: &Machine, conf: &str) -> Step<()> {
    let mut next = Some(conf);
    for _ in 0..AHCI_PORTS {
        let Some(item) = next else { break };
        let body = item.strip_prefix("hd:").or_else(|| item.strip_prefix("cd:")).unwrap_or(item);
        let end = [",hd:", ",cd:"].iter().filter_map(|mark| body.find(mark)).min();
        next = end.map(|end| &body[end + 1..]);
        ahci_disk(machine, &body[..end.unwrap_or(body.len())])?;
    }
    Ok(())
}

/// `BACKEND[,mac=ADDRESS]`. Without a backend the card has no link; the start of its name tells what it is.
fn nic(machine: &Machine, conf: Option<&str>) -> Step<()> {
    let Some(conf) = conf else { return Ok(()) };
    let (backend, options) = conf.split_once(',').map_or((conf, None), |(backend, rest)| (backend, Some(rest)));
    if let Some(options) = options {
        let mac = options.strip_prefix("mac=").unwrap_or_default();
        if !network::is_mac(mac) {
            return Err(refused(format!("Invalid MAC {mac}")));
        }
    }
    match backend {
        tap if tap.starts_with("tap") || tap.starts_with("vmnet") => {
            network::hold_tap(machine, tap)?.map_or(Ok(()), |errno| {
                say(format!("open of tap device /dev/{tap} failed\n"));
                Err(failed(&[], errno))
            })
        }
        map if map.starts_with("netmap") || map.starts_with("vale") => Ok(()),
        _ => Err(failed(&[], ENOENT)),
    }
}

fn scsi(machine: &Machine, conf: Option<&str>) -> Step<()> {
    let path = conf.and_then(|conf| conf.split(',').next()).unwrap_or("/dev/cam/ctl");
    machine.size(path, Access::Write).map(|_| ()).map_err(|errno| {
        say(format!("cannot open {path}: {errno}\n"));
        failed(&[], errno)
    })
}

/// `NAME=PATH`, repeated.
fn console(machine: &mut Machine, conf: Option<&str>) -> Step<()> {
    for port in conf.ok_or_else(|| Exit::signal(SIGSEGV))?.split(',') {
        let (name, path) = port.split_once('=').unwrap_or((port, ""));
        if let Err(error) = machine.bind_socket(path) {
            let why = strerror(&error);
            return Err(failed(&[format!("cannot create port {name}: {why}")], why));
        }
    }
    Ok(())
}

fn uart(machine: &mut Machine, place: Place, conf: Option<&str>) -> Step<()> {
    match conf {
        Some(path) if !serial::open(machine, path) => Err(refused(format!(
            "Unable to initialize backend '{path}' for pci uart at {}:{}",
            place.slot, place.function
        ))),
        _ => Ok(()),
    }
}

fn xhci(conf: Option<&str>) -> Step<()> {
    for item in conf.ok_or_else(|| Exit::signal(SIGSEGV))?.split(',') {
        let device = item.split('=').next().unwrap_or_default();
        if device != "tablet" {
            return Err(refused(format!("Invalid USB emulation \"{device}\"\r")));
        }
    }
    Ok(())
}

/// `BUS/SLOT/FUNCTION`. No device of the host is ever free here.
fn passthru(machine: &Machine, conf: &str) -> Step<()> {
    if !machine.tree.flag("memory.wired", false)? {
        return Err(refused("bhyve: passthru requires guest memory to be wired"));
    }
    match scan(conf, 10, '/', 3)[..] {
        [bus, slot, function] => {
            Err(refused(format!("bhyve: PCI device at {bus}/{slot}/{function} is not using the ppt(4) driver")))
        }
        _ => Err(refused("bhyve: invalid passthru options")),
    }
}

/// The bridge maps the boot ROM and has the serial ports.
fn lpc(machine: &mut Machine, taken: &mut bool) -> Step<()> {
    if std::mem::replace(taken, true) {
        return Err(refused("Only one LPC bridge is allowed."));
    }
    if let Some(path) = machine.tree.get("lpc.bootrom") {
        rom(machine, &path)?;
    }
    for (key, port) in [("lpc.com1.path", "COM1"), ("lpc.com2.path", "COM2")] {
        if let Some(path) = machine.tree.get(key).filter(|path| !serial::open(machine, path)) {
            return Err(refused(format!("Unable to initialize backend '{path}' for LPC device {port}")));
        }
    }
    Ok(())
}

fn rom(machine: &Machine, path: &str) -> Step<()> {
    if machine.has_folder(path) {
        return Ok(());
    }
    let size = machine
        .size(path, Access::Read)
        .map_err(|errno| failed(&[format!("Error opening bootrom \"{path}\": {errno}")], errno))?;
    match size {
        Some(size) if !(PAGE..=ROM_MAX).contains(&size) => Err(refused(format!("Invalid bootrom size {size}"))),
        Some(size) if size % PAGE != 0 => {
            Err(refused(format!("Bootrom size {size} is not a multiple of the page size")))
        }
        _ => Ok(()),
    }
}

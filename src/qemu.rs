//! A machine as QEMU is told it, and what QEMU's events mean. Pure: nothing is touched.

use crate::diag::Fault;
use crate::model::device::{Access, Counterpart};
use crate::model::value::{Backend, Tty, Value};
use crate::model::{Argv, Device, DevicePath, Ended, Machine, Part, PciSlot, Secret, VncAddress};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The firmware of Debian's package ovmf.
pub const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/// The same package's empty variables.
pub const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Where iPXE's loader may be, the preferred one first: one made here, or Debian's package ipxe.
pub const IPXE_LOADERS: &[&str] = &["/usr/local/share/ipxe/ipxe-amd64.efi", "/usr/lib/ipxe/ipxe-amd64.efi"];

/// The signal that a machine which was ended from outside is said to have died of: SIGTERM.
const TERMINATED: i32 = 15;

/// What the command line needs to know beside the machine.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The folder of the machine's state.
    pub folder: &'a Path,
    /// Whether the processor helps.
    pub kvm: bool,
    /// Whether network cards are plugged into a network inside the process.
    pub user_net: bool,
}

/// Returns the file that keeps the firmware's variables of a machine that names none.
pub fn vars_file(folder: &Path) -> PathBuf {
    folder.join("vars.fd")
}

/// Returns the file that holds the password of the frame buffer.
pub fn secret_file(folder: &Path) -> PathBuf {
    folder.join("vnc")
}

/// Returns the socket on which QEMU is asked and tells its events.
pub fn qmp_socket(folder: &Path) -> PathBuf {
    folder.join("qmp.sock")
}

/// Returns the file in which QEMU notes resets of the processor.
pub fn reset_log(folder: &Path) -> PathBuf {
    folder.join("reset.log")
}

/// Returns the argument that names the socket by its path.
pub fn qmp_by_path(folder: &Path) -> String {
    format!("socket,id=qmp,path={},server=on,wait=off", escape(qmp_socket(folder).display()))
}

/// Returns the argument that names the socket by its descriptor, for one that listens already.
pub fn qmp_by_descriptor(descriptor: i32) -> String {
    format!("socket,id=qmp,fd={descriptor},server=on,wait=off")
}

/// Returns the command line of a machine that [`check`] has nothing against.
pub fn argv(machine: &Machine, setting: &Setting) -> Argv {
    let (accel, cpu) = if setting.kvm { ("kvm", "host") } else { ("tcg", "max") };
    let mut argv = Argv::new("qemu-system-x86_64")
        .args(["-name", &escape(machine.name()), "-M", "q35,sata=off,smbus=off", "-accel", accel, "-cpu", cpu])
        .arg("-smp")
        .arg(machine.cpus())
        .args(["-m", &memory(machine)])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-action", "reboot=shutdown,shutdown=pause", "-d", "cpu_reset", "-D"])
        .arg(reset_log(setting.folder).display())
        .args(["-chardev", &qmp_by_path(setting.folder), "-mon", "chardev=qmp,mode=control"]);
    if let Some(uuid) = machine.uuid() {
        argv = argv.args(["-uuid", uuid]);
    }
    argv = firmware(argv, machine, setting);
    let mut places = machine.devices().filter_map(|(_, device)| boot_index(device)).max().map_or(0, |last| last + 1)..;
    for (slot, device) in machine.devices() {
        let at = Seat { machine, setting, slot };
        argv = match device.kind().counterpart {
            Counterpart::HostBridge | Counterpart::Lpc => argv,
            Counterpart::Disk(_) | Counterpart::AhciDisk | Counterpart::AhciCd => {
                let index = boot_index(device).or_else(|| places.next()).unwrap_or_default();
                disk(argv, &at, device, index)
            }
            Counterpart::Nic(name) => nic(argv, &at, device, name),
            Counterpart::Screen => screen(argv, &at, device),
            Counterpart::Usb => usb(argv, &at, device),
            Counterpart::Plain(name) => argv.args(["-device", &format!("{name},{}", at.address())]),
        };
    }
    serial_ports(argv, machine)
}

/// Writes a value so that QEMU's comma does not end it.
fn escape(value: impl Display) -> String {
    value.to_string().replace(',', ",,")
}

fn memory(machine: &Machine) -> String {
    let bytes = machine.memory().get();
    if bytes.is_multiple_of(1 << 20) { format!("{}M", bytes >> 20) } else { format!("size={}k", bytes >> 10) }
}

fn firmware(argv: Argv, machine: &Machine, setting: &Setting) -> Argv {
    let Some(bootrom) = machine.bootrom() else { return argv };
    let own = || vars_file(setting.folder).display().to_string();
    let vars = bootrom.vars.as_ref().map_or_else(own, ToString::to_string);
    let pflash = |path: &str, rest: &str| format!("if=pflash,format=raw,file={}{rest}", escape(path));
    argv.args(["-drive", &pflash(bootrom.code.as_str(), ",readonly=on"), "-drive", &pflash(&vars, "")])
}

/// A place on the bus of a machine.
struct Seat<'a> {
    machine: &'a Machine,
    setting: &'a Setting<'a>,
    slot: PciSlot,
}

impl Seat<'_> {
    /// Returns the address, which QEMU reads as hexadecimal.
    fn address(&self) -> String {
        let others = |(slot, _): (PciSlot, &Device)| slot.first() == self.slot && slot != self.slot;
        let several = self.slot.function() == 0 && self.machine.devices().any(others);
        let multifunction = if several { ",multifunction=on" } else { "" };
        format!("addr={:x}.{}{multifunction}", self.slot.number(), self.slot.function())
    }

    /// Returns the name of something that belongs to this place.
    fn id(&self, what: &str) -> String {
        format!("{what}-{}.{}", self.slot.number(), self.slot.function())
    }
}

fn boot_index(device: &Device) -> Option<i64> {
    if let Some(Value::Integer(index)) = device.value("bootindex") { Some(*index) } else { None }
}

fn disk(argv: Argv, at: &Seat, device: &Device, index: i64) -> Argv {
    let Some((path, access)) = device.image() else { return argv };
    let counterpart = device.kind().counterpart;
    let argv = argv.args(["-drive", &drive(&at.id("disk"), path, access, device)]);
    let rest = format!("drive={},bootindex={index}{}", at.id("disk"), disk_options(at, device));
    let port = |argv: Argv, name| {
        let bus = at.id("ahci");
        argv.args(["-device", &format!("ich9-ahci,id={bus},{}", at.address())])
            .args(["-device", &format!("{name},bus={bus}.0,{rest}")])
    };
    match counterpart {
        Counterpart::Disk(name) => argv.args(["-device", &format!("{name},{},{rest}", at.address())]),
        Counterpart::AhciDisk => port(argv, "ide-hd"),
        Counterpart::AhciCd => port(argv, "ide-cd"),
        _ => argv,
    }
}

fn drive(id: &str, path: &DevicePath, access: Access, device: &Device) -> String {
    let mut text = format!("if=none,id={id},format=raw,file={}", escape(path));
    let sync = device.flag("direct") || device.flag("sync");
    text += match (device.flag("nocache"), sync) {
        (true, true) => ",cache=directsync",
        (true, false) => ",cache=none",
        (false, true) => ",cache=writethrough",
        (false, false) => "",
    };
    text += match (access, device.kind().counterpart) {
        // QEMU's SATA disk cannot be read-only: what is written to it is forgotten.
        (Access::ReadOnly, Counterpart::AhciDisk) => ",snapshot=on",
        (Access::ReadOnly, _) => ",readonly=on",
        (Access::ReadWrite, _) if device.flag("nodelete") => "",
        (Access::ReadWrite, _) => ",discard=unmap",
    };
    text
}

fn disk_options(at: &Seat, device: &Device) -> String {
    let counterpart = device.kind().counterpart;
    let needs_serial = counterpart == Counterpart::Disk("nvme") && device.value("ser").is_none();
    let serial = needs_serial.then(|| format!(",serial={}", at.id("vmrun")));
    let option = |name: &str, value: &Value| match (name, value) {
        ("ser", value) => Some(format!(",serial={}", escape(value))),
        ("model", value) => Some(format!(",model={}", escape(value))),
        ("rev", value) => Some(format!(",ver={}", escape(value))),
        ("nmrr", value) if counterpart == Counterpart::AhciDisk => Some(format!(",rotation_rate={value}")),
        ("sectorsize", Value::SectorSize(logical, physical)) => {
            Some(format!(",logical_block_size={logical},physical_block_size={physical}"))
        }
        ("sectsz", size) if device.value("sectorsize").is_none() => {
            Some(format!(",logical_block_size={size},physical_block_size={size}"))
        }
        _ => None,
    };
    let options = device.values().iter().filter_map(|(parameter, value)| option(parameter.name, value));
    serial.into_iter().chain(options).collect()
}

fn nic(argv: Argv, at: &Seat, device: &Device, name: &str) -> Argv {
    let id = at.id("net");
    let netdev = match device.backend() {
        Some(Backend::Tap(tap)) if !at.setting.user_net => {
            format!("tap,id={id},ifname={},script=no,downscript=no", escape(tap))
        }
        _ => format!("user,id={id},hostname={}", escape(at.machine.name())),
    };
    let mac = device.mac().map_or_else(|| mac_of(at), |mac| mac.to_string());
    let mtu = match device.value("mtu") {
        Some(mtu) => format!(",host_mtu={mtu}"),
        None => String::new(),
    };
    let text = format!("{name},{},netdev={id},mac={mac},romfile={mtu}", at.address());
    argv.args(["-netdev", &netdev, "-device", &text])
}

/// Makes a hardware address of machine and slot, as bhyve does: QEMU gives the same one to every machine.
fn mac_of(at: &Seat) -> String {
    let name = format!("{}:{}", at.slot, at.machine.name());
    // FNV-1a.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
    let [a, b, c, _] = hash.to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

fn screen(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let number = |name, default: i64| match device.value(name) {
        Some(Value::Integer(number)) => *number,
        _ => default,
    };
    let text = format!("VGA,xres={},yres={},{}", number("w", 1024), number("h", 768), at.address());
    let argv = argv.args(["-device", &text]);
    let Some(address) = device.vnc().map(VncAddress::socket) else { return argv };
    let display = address.port().saturating_sub(VncAddress::PORT);
    let ip = if address.is_ipv6() { format!("[{}]", address.ip()) } else { address.ip().to_string() };
    if device.password().is_none() {
        return argv.args(["-vnc", &format!("{ip}:{display}")]);
    }
    let object = format!("secret,id=vnc,file={}", escape(secret_file(at.setting.folder).display()));
    argv.args(["-object", &object, "-vnc", &format!("{ip}:{display},password-secret=vnc")])
}

fn usb(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let id = at.id("usb");
    let tablets = device.values().iter().filter(|(_, value)| *value == Value::Choice("tablet")).count();
    let argv = argv.args(["-device", &format!("qemu-xhci,id={id},{}", at.address())]);
    (0..tablets).fold(argv, |argv, _| argv.args(["-device", &format!("usb-tablet,bus={id}.0")]))
}

/// QEMU numbers its serial ports in the order in which it is told them.
fn serial_ports(mut argv: Argv, machine: &Machine) -> Argv {
    let ttys = machine.ttys();
    let last = ttys.keys().next_back().copied().unwrap_or_default();
    for name in ["com1", "com2", "com3", "com4"].into_iter().filter(|name| *name <= last) {
        let chardev = match ttys.get(name) {
            None => {
                argv = argv.args(["-serial", "none"]);
                continue;
            }
            Some(Tty::Stdio) => format!("stdio,id={name},signal=off"),
            Some(Tty::Path(path)) => format!("serial,id={name},path={}", escape(path)),
        };
        argv = argv.args(["-chardev", &chardev, "-serial", &format!("chardev:{name}")]);
    }
    argv
}

/// Returns what QEMU cannot be told of a machine.
pub fn check(machine: &Machine) -> Vec<(Part, Fault)> {
    let mut faults = Vec::new();
    for (slot, device) in machine.devices() {
        if let Some(fault) = check_slot(machine, slot, device) {
            faults.push((Part::Slot(slot), fault));
        }
        faults.extend(check_options(slot, device));
    }
    faults.extend(check_boot_order(machine));
    for (name, tty) in machine.ttys() {
        let bridge = machine.devices().find(|(_, device)| device.ttys().any(|(own, _)| own == name));
        let part = bridge.map_or(Part::Key(name), |(slot, _)| Part::Option(slot, name));
        if let Tty::Path(path) = tty
            && path.as_str().starts_with("/dev/nmdm")
        {
            let fault = Fault::new(format!("`{name}` is plugged into {path}, and nmdm(4) is FreeBSD's"));
            faults.push((part, fault.hint("under QEMU use \"stdio\", or a tty of this host")));
        }
    }
    faults
}

fn check_slot(machine: &Machine, slot: PciSlot, device: &Device) -> Option<Fault> {
    let name = device.kind().name;
    let counterpart = device.kind().counterpart;
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
    if let (Counterpart::AhciDisk | Counterpart::AhciCd, Some(Value::SectorSize(logical, physical))) =
        (counterpart, device.value("sectorsize"))
        && (*logical != 512 || (counterpart == Counterpart::AhciCd && *physical != 512))
    {
        let message = format!("{} in slot {slot} has sectors of {logical} bytes", device.kind().name);
        let fault = Fault::new(message).hint("QEMU's SATA has 512 only: use nvme or virtio-blk");
        return Some((Part::Option(slot, "sectorsize"), fault));
    }
    None
}

fn check_boot_order(machine: &Machine) -> Vec<(Part, Fault)> {
    let mut seen = BTreeSet::new();
    let indexes = machine.devices().filter_map(|(slot, device)| Some((slot, boot_index(device)?)));
    let twice = indexes.filter(|(_, index)| !seen.insert(*index));
    let fault = |(slot, index)| {
        let fault = Fault::new(format!("slot {slot} has `bootindex` {index}, which another slot has already"));
        (Part::Option(slot, "bootindex"), fault.hint("give each a number of its own"))
    };
    twice.map(fault).collect()
}

/// Returns what a machine says to bhyve alone: QEMU is not told it.
pub fn ignored(machine: &Machine) -> Vec<Fault> {
    let options = machine.options().iter().map(|(key, value)| format!("the option {key}={value}"));
    let args = machine.args().iter().map(|arg| format!("the argument {arg:?}"));
    let fault = |what| Fault::new(format!("{what} is for bhyve: QEMU is not told it"));
    options.chain(args).map(fault).collect()
}

/// Returns the password of the frame buffer.
pub fn secret(machine: &Machine) -> Option<&Secret> {
    machine.devices().find_map(|(_, device)| device.password())
}

/// What QEMU tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The guest powered off.
    PoweredOff,
    /// The guest reset the machine, or met a triple fault.
    Reset,
    /// Somebody ended the machine from outside.
    HostEnded,
    /// Anything that does not end a boot.
    Other,
}

/// Reads a line of QMP; nothing if it tells no event.
pub fn event(line: &str) -> Option<Event> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    if value.get("event")?.as_str()? != "SHUTDOWN" {
        return Some(Event::Other);
    }
    Some(match value.pointer("/data/reason").and_then(serde_json::Value::as_str) {
        Some("guest-shutdown") => Event::PoweredOff,
        Some("guest-reset") => Event::Reset,
        _ => Event::HostEnded,
    })
}

/// Returns how the boot ended that an event ended. The last lines of the log of resets tell a triple fault from a reset.
pub fn ended(event: Event, reset_log_tail: &str) -> Ended {
    let last = reset_log_tail.lines().rev().find(|line| !line.trim().is_empty());
    match event {
        Event::PoweredOff => Ended::PoweredOff,
        Event::Reset if last.is_some_and(|line| line.trim() == "Triple fault") => Ended::TripleFault,
        Event::Reset => Ended::Rebooted,
        Event::HostEnded | Event::Other => Ended::Killed { signal: TERMINATED },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bootrom, DeviceKind, Draft, Size};

    fn device(name: &str, values: &[(&str, &str)]) -> Device {
        let kind = DeviceKind::named(name).unwrap();
        let values = values.iter().map(|(key, text)| {
            let parameter = kind.parameter(key).unwrap();
            (parameter, parameter.ty.read(text).unwrap())
        });
        Device::new(kind, values.collect()).unwrap()
    }

    fn draft(devices: &[(&str, Device)]) -> Draft {
        let mut draft = Draft { name: "lab".parse().ok(), memory: Size::mib(512), ..Draft::default() };
        for (slot, device) in devices {
            draft.put(slot.parse().unwrap(), device.clone()).unwrap();
        }
        draft
    }

    #[test]
    fn a_machine_with_one_of_each_is_told_whole() {
        let mut draft = draft(&[
            ("0", device("hostbridge", &[])),
            ("3", device("virtio-blk", &[("path", "/vm/a.img"), ("ro", "true"), ("sectorsize", "512/4096")])),
            ("4", device("nvme", &[("path", "/vm/b.img"), ("nocache", "true"), ("bootindex", "2")])),
            ("5", device("ahci-hd", &[("path", "/vm/c.img"), ("ser", "S1"), ("sync", "true")])),
            ("6", device("ahci-cd", &[("path", "/vm/d.iso")])),
            ("7", device("virtio-net", &[("mac", "0:c:29:a5:19:b9"), ("backend", "tap1")])),
            ("7:1", device("e1000", &[("mac", "0:c:29:a5:19:ba"), ("backend", "slirp")])),
            ("29", device("fbuf", &[("password", "pw"), ("w", "800"), ("rfb", "[::1]:5901")])),
            ("30", device("xhci", &[("device", "tablet")])),
            ("28", device("virtio-rnd", &[])),
            ("31", device("lpc", &[("com2", "stdio")])),
        ]);
        draft.uuid = Some("11111111-2222-3333-4444-555555555555".into());
        draft.bootrom = Some(Bootrom { code: OVMF_CODE.parse().unwrap(), vars: None, template: None });
        let machine = draft.check().unwrap();
        assert_eq!(check(&machine), []);
        assert_eq!(secret(&machine).unwrap().reveal(), "pw");
        let expected = "qemu-system-x86_64 -name lab -M q35,sata=off,smbus=off -accel tcg -cpu max -smp 1 -m 512M \
            -nodefaults -no-user-config -display none -action reboot=shutdown,shutdown=pause \
            -d cpu_reset -D /run/lab/reset.log \
            -chardev socket,id=qmp,path=/run/lab/qmp.sock,server=on,wait=off -mon chardev=qmp,mode=control \
            -uuid 11111111-2222-3333-4444-555555555555 \
            -drive if=pflash,format=raw,file=/usr/share/OVMF/OVMF_CODE_4M.fd,readonly=on \
            -drive if=pflash,format=raw,file=/run/lab/vars.fd \
            -drive if=none,id=disk-3.0,format=raw,file=/vm/a.img,readonly=on \
            -device virtio-blk-pci,addr=3.0,drive=disk-3.0,bootindex=3,logical_block_size=512,physical_block_size=4096 \
            -drive if=none,id=disk-4.0,format=raw,file=/vm/b.img,cache=none,discard=unmap \
            -device nvme,addr=4.0,drive=disk-4.0,bootindex=2,serial=vmrun-4.0 \
            -drive if=none,id=disk-5.0,format=raw,file=/vm/c.img,cache=writethrough,discard=unmap \
            -device ich9-ahci,id=ahci-5.0,addr=5.0 \
            -device ide-hd,bus=ahci-5.0.0,drive=disk-5.0,bootindex=4,serial=S1 \
            -drive if=none,id=disk-6.0,format=raw,file=/vm/d.iso,readonly=on \
            -device ich9-ahci,id=ahci-6.0,addr=6.0 -device ide-cd,bus=ahci-6.0.0,drive=disk-6.0,bootindex=5 \
            -netdev tap,id=net-7.0,ifname=tap1,script=no,downscript=no \
            -device virtio-net-pci,addr=7.0,multifunction=on,netdev=net-7.0,mac=00:0c:29:a5:19:b9,romfile= \
            -netdev user,id=net-7.1,hostname=lab \
            -device e1000,addr=7.1,netdev=net-7.1,mac=00:0c:29:a5:19:ba,romfile= \
            -device virtio-rng-pci,addr=1c.0 \
            -device VGA,xres=800,yres=768,addr=1d.0 -object secret,id=vnc,file=/run/lab/vnc \
            -vnc [::1]:1,password-secret=vnc \
            -device qemu-xhci,id=usb-30.0,addr=1e.0 -device usb-tablet,bus=usb-30.0.0 \
            -serial none -chardev stdio,id=com2,signal=off -serial chardev:com2";
        let setting = Setting { folder: Path::new("/run/lab"), kvm: false, user_net: false };
        assert_eq!(argv(&machine, &setting).words().join(" "), expected);
    }

    #[test]
    fn odd_memory_own_variables_and_commas_are_told_as_qemu_reads_them() {
        let mut draft = draft(&[("31", device("lpc", &[])), ("5", device("virtio-net", &[("backend", "tap1")]))]);
        draft.memory = Size::bytes((64 << 20) + 4096);
        let vars = Some("/vm/v.fd".parse().unwrap());
        draft.bootrom = Some(Bootrom { code: OVMF_CODE.parse().unwrap(), vars, template: None });
        let setting = Setting { folder: Path::new("/run/a,b"), kvm: true, user_net: true };
        let words = argv(&draft.check().unwrap(), &setting);
        for word in [
            "kvm",
            "host",
            "size=65540k",
            "if=pflash,format=raw,file=/vm/v.fd",
            "socket,id=qmp,path=/run/a,,b/qmp.sock,server=on,wait=off",
            "user,id=net-5.0,hostname=lab",
        ] {
            assert!(words.args.iter().any(|arg| arg == word), "{word} in {words}");
        }
    }

    #[test]
    fn what_qemu_cannot_be_told_names_the_slot_and_the_way_out() {
        let disk = |path: &str| device("virtio-blk", &[("path", path), ("bootindex", "1")]);
        let mut draft = draft(&[
            ("0:1", device("virtio-rnd", &[])),
            ("0", device("virtio-rnd", &[])),
            ("2", device("hostbridge", &[])),
            ("3", device("lpc", &[])),
            ("3:1", device("virtio-rnd", &[])),
            ("4", disk("/vm/a")),
            ("5", disk("/vm/b")),
            ("6", device("ahci-hd", &[("path", "/vm/c"), ("sectorsize", "4096")])),
            ("29", device("fbuf", &[("tcp", "127.0.0.1:5800")])),
            ("31", device("virtio-rnd", &[])),
            ("1:0:0", device("virtio-rnd", &[])),
        ]);
        draft.ttys.insert("com1", Tty::Path("/dev/nmdm0A".parse().unwrap()));
        draft.options.push(("x86.verbosemsr".into(), "true".into()));
        draft.args.push("-M".into());
        let machine = draft.check().unwrap();
        let said = |f: &Fault| format!("{} | {}", f.message, f.hint.as_deref().unwrap_or_default());
        let faults: Vec<String> = check(&machine).iter().map(|(_, fault)| said(fault)).collect();
        assert_eq!(
            faults,
            [
                "slot 0 is not free for virtio-rnd: QEMU's host bridge is in slot 0 | put it into a slot from 1 to 30",
                "slot 0:1 is not free for virtio-rnd: QEMU's host bridge is in slot 0 | put it into a slot from 1 to 30",
                "hostbridge in slot 2 cannot be moved there: QEMU's host bridge is in slot 0 | put it into slot 0",
                "slot 3:1 has no function 0 under QEMU, whose LPC bridge is in slot 31 | put virtio-rnd into a slot of its own",
                "ahci-hd in slot 6 has sectors of 4096 bytes | QEMU's SATA has 512 only: use nvme or virtio-blk",
                "VNC in slot 29 listens on port 5800, below 5900 | QEMU counts its ports from 5900: choose one from there on",
                "slot 31 is not free for virtio-rnd: QEMU's LPC bridge is in slot 31 | put it into a slot from 1 to 30",
                "virtio-rnd in slot 1:0:0 is on bus 1, and QEMU's machine has bus 0 only | put it into a slot of bus 0",
                "slot 5 has `bootindex` 1, which another slot has already | give each a number of its own",
                "`com1` is plugged into /dev/nmdm0A, and nmdm(4) is FreeBSD's | under QEMU use \"stdio\", or a tty of this host",
            ]
        );
        let ignored: Vec<String> = ignored(&machine).iter().map(ToString::to_string).collect();
        assert_eq!(
            ignored,
            [
                "the option x86.verbosemsr=true is for bhyve: QEMU is not told it",
                "the argument \"-M\" is for bhyve: QEMU is not told it"
            ]
        );
    }

    #[test]
    fn events_say_how_a_boot_ended() {
        let shutdown = |reason| {
            event(&format!(r#"{{"event": "SHUTDOWN", "data": {{"guest": true, "reason": "{reason}"}}}}"#)).unwrap()
        };
        assert_eq!(ended(shutdown("guest-shutdown"), ""), Ended::PoweredOff);
        assert_eq!(ended(shutdown("guest-reset"), "CPU Reset (CPU 0)\n"), Ended::Rebooted);
        assert_eq!(ended(shutdown("guest-reset"), "CPU Reset (CPU 0)\nTriple fault\n"), Ended::TripleFault);
        assert_eq!(ended(shutdown("host-signal"), ""), Ended::Killed { signal: 15 });
        assert_eq!(ended(shutdown("host-qmp-quit"), ""), Ended::Killed { signal: 15 });
        assert_eq!(event(r#"{"event": "POWERDOWN"}"#), Some(Event::Other));
        assert_eq!(event(r#"{"return": {}}"#), None);
        assert_eq!(event("no JSON"), None);
    }
}

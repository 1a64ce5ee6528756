//! Network cards, screens and what else is plugged in, as QEMU is told them.

use super::{QemuSetting, Seat, escape, secret_file, serial_by_path};
use crate::model::device::agent_socket;
use crate::model::value::{Tty, Value};
use crate::model::{Argv, Backend, Device, Machine, VncAddress};

pub(super) fn nic(argv: Argv, at: &Seat, device: &Device, name: &str) -> Argv {
    let id = at.id("net");
    let netdev = match device.backend() {
        None => String::new(),
        Some(Backend::Tap(tap)) if !at.setting.user_net => {
            format!("tap,id={id},ifname={},script=no,downscript=no", escape(tap))
        }
        // QEMU's own network needs nothing of the host.
        _ => format!("user,id={id},hostname={}{}", escape(at.machine.name()), forwards(device)),
    };
    let mac = device.mac().map_or_else(|| mac_of(at), |mac| mac.to_string());
    let mtu = match device.value("mtu") {
        Some(mtu) => format!(",host_mtu={mtu}"),
        None => String::new(),
    };
    if netdev.is_empty() {
        // Without a link.
        return argv.args(["-device", &format!("{name},{},mac={mac},romfile={mtu}", at.address())]);
    }
    let text = format!("{name},{},netdev={id},mac={mac},romfile={mtu}", at.address());
    argv.args(["-netdev", &netdev, "-device", &text])
}

/// bhyve's rules are QEMU's.
fn forwards(device: &Device) -> String {
    match device.value("hostfwd") {
        Some(Value::Forwards(rules)) => rules.iter().map(|rule| format!(",hostfwd={rule}")).collect(),
        // Without rules nothing is forwarded.
        _ => String::new(),
    }
}

/// Makes a hardware address of machine and slot, as bhyve does: QEMU gives the same one to every machine.
fn mac_of(at: &Seat) -> String {
    let name = format!("{}:{}", at.slot, at.machine.name());
    // FNV-1a.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
    let [a, b, c, _] = hash.to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

pub(super) fn screen(argv: Argv, at: &Seat, device: &Device) -> Argv {
    // Zero stands for the greatest but one (pci_fbuf.c).
    let number = |name, default: i64, zero| match device.value(name) {
        Some(Value::Integer(0)) => zero,
        Some(Value::Integer(number)) => *number,
        // Nobody gave a number.
        _ => default,
    };
    let (width, height) = (number("w", 1024, 1920), number("h", 768, 1080));
    let text = format!("VGA,xres={width},yres={height},{}", at.address());
    let argv = argv.args(["-device", &text]);
    let display = match (device.vnc_socket(), device.vnc()) {
        (Some(path), _) => format!("unix:{}", escape(path)),
        (None, Some(listen)) => display(&listen),
        (None, None) => return argv,
    };
    if device.password().is_none() {
        return argv.args(["-vnc", &display]);
    }
    let object = format!("secret,id=vnc,file={}", escape(secret_file(at.setting.folder).display()));
    argv.args(["-object", &object, "-vnc", &format!("{display},password-secret=vnc")])
}

/// An address as QEMU has it, which counts its ports from 5900.
fn display(listen: &VncAddress) -> String {
    let (address, zone) = (listen.socket(), listen.zone().map(|zone| format!("%{zone}")).unwrap_or_default());
    let display = address.port().saturating_sub(VncAddress::PORT);
    let ip = if address.is_ipv6() { format!("[{}{zone}]", address.ip()) } else { address.ip().to_string() };
    format!("{ip}:{display}")
}

pub(super) fn usb(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let id = at.id("usb");
    let tablets = device.items().iter().filter(|item| item.value == Value::Choice("tablet")).count();
    let argv = argv.args(["-device", &format!("qemu-xhci,id={id},{}", at.address())]);
    (0..tablets).fold(argv, |argv, _| argv.args(["-device", &format!("usb-tablet,bus={id}.0")]))
}

/// A folder of the host. The guest's owners and modes are the host's, as under bhyve.
pub(super) fn share(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let text = |name: &str| device.value(name).map(escape).unwrap_or_default();
    let readonly = if device.flag("ro") { ",readonly=on" } else { "" };
    let fsdev = format!("local,id={},path={},security_model=none{readonly}", at.id("share"), text("path"));
    let tag = format!("virtio-9p-pci,{},fsdev={},mount_tag={}", at.address(), at.id("share"), text("sharename"));
    argv.args(["-fsdev", &fsdev, "-device", &tag])
}

/// Ports that are sockets of the host.
pub(super) fn console(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let bus = at.id("console");
    let mut argv = argv.args(["-device", &format!("virtio-serial-pci,id={bus},{}", at.address())]);
    for (number, items) in device.numbers() {
        let text = |name: &str| {
            let found = items.iter().find(|item| item.parameter.name == name);
            found.map(|item| escape(&item.value)).unwrap_or_default()
        };
        // The agent's is one that vmrun makes itself, as it does those of serial ports.
        let is_agent = device.agent().is_some_and(|path| path.as_path() == agent_socket(at.setting.folder));
        let id = if is_agent { "agent".into() } else { at.id(&format!("port{number}")) };
        let socket = format!("socket,id={id},path={},server=on,wait=off", text("path"));
        let port = format!("virtserialport,bus={bus}.0,chardev={id},name={}", text("name"));
        argv = argv.args(["-chardev", &socket, "-device", &port]);
    }
    argv
}

/// A sound card; what it plays is not heard, because sound devices are named otherwise here.
pub(super) fn sound(argv: Argv, at: &Seat) -> Argv {
    let (bus, audio) = (at.id("hda"), at.id("audio"));
    argv.args(["-audiodev", &format!("none,id={audio}")])
        .args(["-device", &format!("intel-hda,id={bus},{}", at.address())])
        .args(["-device", &format!("hda-duplex,bus={bus}.0,audiodev={audio}")])
}

/// A serial port on the PCI bus.
pub(super) fn uart(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let id = at.id("uart");
    let tty = device.ttys().next().map(|(_, tty)| tty);
    argv.args([
        "-chardev",
        &chardev(&id, tty, at.setting),
        "-device",
        &format!("pci-serial,{},chardev={id}", at.address()),
    ])
}

/// An input device of the host.
pub(super) fn input(argv: Argv, at: &Seat, device: &Device) -> Argv {
    let path = device.value("path").map(escape).unwrap_or_default();
    argv.args(["-device", &format!("virtio-input-host-pci,{},evdev={path}", at.address())])
}

/// Where nobody is before the standard streams, and in the place of one end of a nmdm(4), which is FreeBSD's, there is a socket.
fn chardev(id: &str, tty: Option<&Tty>, setting: &QemuSetting) -> String {
    match (tty, setting.log) {
        (Some(Tty::Stdio), Some(log)) => {
            format!("{},logfile={},logappend=on", serial_by_path(setting.folder, id), escape(log.display()))
        }
        (Some(tty), _) if tty.other_end().is_some() => serial_by_path(setting.folder, id),
        (None, _) => format!("null,id={id}"),
        (Some(Tty::Stdio), None) => format!("stdio,id={id},signal=off"),
        (Some(Tty::Path(path)), _) => format!("serial,id={id},path={}", escape(path)),
        (Some(Tty::Tcp(address)), _) => {
            format!("socket,id={id},host={},port={},server=on,wait=off", address.ip(), address.port())
        }
    }
}

/// QEMU numbers its serial ports in the order in which it is told them.
pub(super) fn serial_ports(mut argv: Argv, machine: &Machine, setting: &QemuSetting) -> Argv {
    let ttys = machine.ttys();
    let last = ttys.keys().next_back().copied().unwrap_or_default();
    for name in ["com1", "com2", "com3", "com4"].into_iter().filter(|name| *name <= last) {
        argv = match ttys.get(name) {
            None => argv.args(["-serial", "none"]),
            Some(tty) => {
                argv.args(["-chardev", &chardev(name, Some(tty), setting), "-serial", &format!("chardev:{name}")])
            }
        };
    }
    argv
}

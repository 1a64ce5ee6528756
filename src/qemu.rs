//! A machine as QEMU is told it, and what QEMU's events mean. Pure: nothing is touched.

pub(crate) mod blocks;
mod check;
mod disk;
mod host_parts;
mod limits;
pub(crate) mod messages;
mod own;
mod plug;
pub(crate) mod seen;
pub(crate) mod statistics;

use crate::model::device::Counterpart;
use crate::model::{Accelerator, Argv, Device, Ended, Machine, PciSlot, Secret, Tty};
use std::fmt::Display;
use std::path::{Path, PathBuf};

pub use check::{backends, check, ignored};
pub(crate) use host_parts::{address as host_address, pinned};
pub(crate) use limits::{Cgroup, limited};

/// The most processors that QEMU's q35 has (7.2).
pub(crate) const Q35_CPUS: u64 = 288;

/// The firmware of Debian's package ovmf.
pub(crate) const OVMF_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";

/// The same package's empty variables.
pub(crate) const OVMF_VARS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Where iPXE's loader may be, the preferred one first: one made here, or Debian's package ipxe.
pub(crate) const IPXE_LOADERS: &[&str] = &["/usr/local/share/ipxe/ipxe-amd64.efi", "/usr/lib/ipxe/ipxe-amd64.efi"];

/// The signal that a machine which was ended from outside is said to have died of: SIGTERM.
const TERMINATED: i32 = 15;

/// What the command line needs to know beside the machine.
#[derive(Clone, Copy, Debug)]
pub struct QemuSetting<'a> {
    /// The folder of the machine's state.
    pub folder: &'a Path,
    /// Whether the processor helps.
    pub kvm: bool,
    /// Whether network cards are plugged into a network inside the process.
    pub user_net: bool,
    /// The log, where nobody is before the standard streams: a serial port is a socket then, and what it says is written there.
    pub log: Option<&'a Path>,
}

/// Returns the file that keeps the firmware's variables of a machine that names none.
pub(crate) fn vars_file(folder: &Path) -> PathBuf {
    folder.join("vars.fd")
}

/// Returns the file that holds the password of the frame buffer.
pub(crate) fn secret_file(folder: &Path) -> PathBuf {
    folder.join("vnc")
}

/// Returns the socket on which QEMU is asked and tells its events.
pub(crate) fn qmp_socket(folder: &Path) -> PathBuf {
    folder.join("qmp.sock")
}

/// Returns the file in which QEMU notes resets of the processor.
pub(crate) fn reset_log(folder: &Path) -> PathBuf {
    folder.join("reset.log")
}

/// Returns the socket at which a console is attached to a serial port.
pub(crate) fn serial_socket(folder: &Path, port: &str) -> PathBuf {
    folder.join(format!("{port}.sock"))
}

/// Returns how an argument begins that names the socket of a serial port by its path.
pub(crate) fn serial_by_path(folder: &Path, port: &str) -> String {
    format!("socket,id={port},path={},server=on,wait=off", escape(serial_socket(folder, port).display()))
}

/// Returns how it begins where it names it by its descriptor, for one that listens already.
pub(crate) fn serial_by_descriptor(port: &str, descriptor: i32) -> String {
    format!("socket,id={port},fd={descriptor},server=on,wait=off")
}

/// Returns the socket on which anybody who may asks QEMU something; whoever runs the machine keeps the other one to himself.
pub(crate) fn ask_socket(folder: &Path) -> PathBuf {
    folder.join("ask.sock")
}

/// Returns QEMU's monitors: the name of each, and its socket.
pub(crate) fn monitors(folder: &Path) -> [(&'static str, PathBuf); 2] {
    [("qmp", qmp_socket(folder)), ("ask", ask_socket(folder))]
}

/// Returns every socket of a machine that is in its folder: the monitors, and serial ports that have no tty and no address there.
pub(crate) fn sockets(machine: &Machine, folder: &Path) -> Vec<PathBuf> {
    let is_socket = |tty: &Tty| *tty == Tty::Stdio || tty.other_end().is_some();
    let lpc = machine.ttys().into_iter().filter(|(_, tty)| is_socket(tty)).map(|(port, _)| port.to_string());
    let uarts = machine.devices().filter(|(_, device)| device.kind().counterpart == Counterpart::Uart);
    let uarts = uarts.filter(|(_, device)| device.ttys().any(|(_, tty)| is_socket(tty)));
    let uarts = uarts.map(|(slot, _)| format!("uart-{}.{}", slot.number(), slot.function()));
    let serial = lpc.chain(uarts).map(|port| serial_socket(folder, &port));
    monitors(folder).into_iter().map(|(_, socket)| socket).chain(serial).collect()
}

/// Returns the argument that names a monitor's socket by its path.
pub(crate) fn by_path(name: &str, socket: &Path) -> String {
    format!("socket,id={name},path={},server=on,wait=off", escape(socket.display()))
}

/// Returns the argument that names a monitor's socket by its descriptor, for one that listens already.
pub(crate) fn by_descriptor(name: &str, descriptor: i32) -> String {
    format!("socket,id={name},fd={descriptor},server=on,wait=off")
}

/// Returns the command line of a machine that [`check()`] has nothing against.
pub fn argv(machine: &Machine, setting: &QemuSetting) -> Argv {
    let found = if setting.kvm { Accelerator::Kvm } else { Accelerator::Tcg };
    let accelerator = machine.accelerator().unwrap_or(found);
    let cpu = if accelerator == Accelerator::Kvm { "host" } else { "max" };
    let mut argv = Argv::new("qemu-system-x86_64")
        // Threads that have names can be told apart by whoever looks at them.
        .args([
            "-name",
            &format!("{},debug-threads=on", escape(machine.name())),
            "-M",
            "q35,sata=off,smbus=off",
            "-accel",
            accelerator.word(),
            "-cpu",
            cpu,
        ])
        .arg("-smp")
        .arg(own::cpus(machine))
        .args(["-m", &memory(machine)])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-action", "reboot=shutdown,shutdown=pause", "-d", "cpu_reset", "-D"])
        .arg(reset_log(setting.folder).display());
    for (name, socket) in monitors(setting.folder) {
        argv = argv.args(["-chardev", &by_path(name, &socket), "-mon", &format!("chardev={name},mode=control")]);
    }
    if let Some(uuid) = machine.uuid() {
        argv = argv.args(["-uuid", uuid]);
    }
    argv = own::with_own_options(host_parts::domains(argv, machine), machine);
    argv = tpm(firmware(argv, machine, setting), machine);
    let mut places =
        machine.devices().filter_map(|(_, device)| disk::boot_index(device)).max().map_or(0, |last| last + 1)..;
    for (slot, device) in machine.devices() {
        let at = Seat { machine, setting, slot };
        argv = match device.kind().counterpart {
            Counterpart::HostBridge | Counterpart::Lpc | Counterpart::None(_) => argv,
            Counterpart::Disk(_) | Counterpart::AhciDisk | Counterpart::AhciCd | Counterpart::Ahci => {
                disk::disks(argv, &at, device, &mut places)
            }
            Counterpart::Nic(name) => plug::nic(argv, &at, device, name),
            Counterpart::Screen => plug::screen(argv, &at, device),
            Counterpart::Usb => plug::usb(argv, &at, device),
            Counterpart::Share => plug::share(argv, &at, device),
            Counterpart::Console => plug::console(argv, &at, device),
            Counterpart::Sound => plug::sound(argv, &at),
            Counterpart::Uart => plug::uart(argv, &at, device),
            Counterpart::Input => plug::input(argv, &at, device),
            Counterpart::Passthrough => host_parts::passthrough(argv, &at, device),
            Counterpart::Plain(name) => argv.args(["-device", &format!("{name},{}", at.address())]),
        };
    }
    plug::serial_ports(argv, machine, setting)
}

/// Writes a value so that QEMU's comma does not end it.
fn escape(value: impl Display) -> String {
    value.to_string().replace(',', ",,")
}

fn memory(machine: &Machine) -> String {
    let bytes = machine.memory().get();
    if bytes.is_multiple_of(1 << 20) { format!("{}M", bytes >> 20) } else { format!("size={}k", bytes >> 10) }
}

fn firmware(argv: Argv, machine: &Machine, setting: &QemuSetting) -> Argv {
    let Some(bootrom) = machine.bootrom() else { return argv };
    let own = || vars_file(setting.folder).display().to_string();
    let vars = bootrom.vars.as_ref().map_or_else(own, ToString::to_string);
    let pflash = |path: &str, rest: &str| format!("if=pflash,format=raw,file={}{rest}", escape(path));
    argv.args(["-drive", &pflash(bootrom.code.as_str(), ",readonly=on"), "-drive", &pflash(&vars, "")])
}

/// The TPM: that of the host, or one of swtpm, which QEMU asks at its control channel. It is reached as bhyve's is (tpm_crb.c).
fn tpm(argv: Argv, machine: &Machine) -> Argv {
    let (Some(kind), Some(path)) = (machine.value("tpm.type"), machine.value("tpm.path")) else { return argv };
    let argv = match kind.to_string().as_str() {
        "swtpm" => {
            let socket = format!("socket,id=tpm,path={}", escape(path));
            argv.args(["-chardev", &socket, "-tpmdev", "emulator,id=tpm0,chardev=tpm"])
        }
        _ => argv.args(["-tpmdev", &format!("passthrough,id=tpm0,path={}", escape(path))]),
    };
    argv.args(["-device", "tpm-crb,tpmdev=tpm0"])
}

/// A place on the bus of a machine.
struct Seat<'a> {
    machine: &'a Machine,
    setting: &'a QemuSetting<'a>,
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

/// Returns the password of the frame buffer.
pub(crate) fn secret(machine: &Machine) -> Option<&Secret> {
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
    // The answer to a question: whether it powered off or was reset is not told any more.
    if value.pointer("/return/status").and_then(serde_json::Value::as_str) == Some("shutdown") {
        return Some(Event::PoweredOff);
    }
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
mod tests;

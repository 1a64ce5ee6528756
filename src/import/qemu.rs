//! Command lines of QEMU: the command line of bhyve that comes nearest in, and notes on everything else out. QEMU's places of devices mean
//! nothing to bhyve, which has them at places of its own, and the firmware is bhyve's.
//!
//! The options are those of QEMU's manual. What bhyve has no counterpart for, and the guest may need, is a hole.

mod devices;
mod disks;

use super::kind;
use super::translated::Translated;
use super::words::{Word, Wrong, lines, program};
use crate::bhyve::UEFI_CODE;
use crate::diag::Fault;
use crate::model::{Part, Shape, Size};
use crate::qemu::seen::{is_qemu, options_of, words};

/// Options without a value.
const FLAGS: &[&str] = &[
    "S",
    "nographic",
    "enable-kvm",
    "daemonize",
    "no-reboot",
    "no-shutdown",
    "nodefaults",
    "no-user-config",
    "snapshot",
    "s",
    "usb",
    "no-acpi",
    "no-hpet",
    "full-screen",
    "mem-prealloc",
    "no-fd-bootchk",
    "preconfig",
    "win2k-hack",
    "only-migratable",
];

/// Options that say how QEMU does its work, not what the guest has.
const ITS_OWN: &[&str] = &[
    "machine",
    "M",
    "accel",
    "enable-kvm",
    "cpu",
    "boot",
    "monitor",
    "qmp",
    "qmp-pretty",
    "pidfile",
    "chardev",
    "mon",
    "sandbox",
    "msg",
    "object",
    "global",
    "overcommit",
    "D",
    "d",
    "runas",
    "run-with",
    "display",
    "vga",
    "k",
    "audiodev",
    "audio",
    "nodefaults",
    "no-user-config",
    "daemonize",
    "S",
    "s",
    "gdb",
    "usb",
    "no-hpet",
    "no-shutdown",
    "trace",
    "compat",
    "mem-path",
    "mem-prealloc",
    "full-screen",
    "name",
    "smp",
    "m",
    "vnc",
    "nographic",
    "L",
    "icount",
    "no-fd-bootchk",
    "only-migratable",
    "parallel",
    "set",
];

/// An option with its value.
struct Given {
    name: String,
    value: String,
    line: usize,
}

/// A machine while it is put together.
struct Reading {
    machine: Translated,
    disks: disks::Disks,
    nets: devices::Nets,
    next: u8,
    /// Whether there is something that points at places on the screen.
    has_tablet: bool,
}

impl Reading {
    /// Returns the next free slot. Where there is none, bhyve's own check tells that 31 is there twice.
    fn slot(&mut self) -> String {
        let slot = self.next;
        self.next = slot.saturating_add(1).min(31);
        slot.to_string()
    }

    /// Adds a device in the next free slot, and returns the part of the machine that it is.
    fn put(&mut self, device: &str) -> Part {
        let slot = self.slot();
        self.machine.put(&slot, device);
        slot.parse().map_or(Part::Whole, Part::Slot)
    }
}

/// Whether a text is a command line of QEMU.
pub(super) fn is(text: &str) -> bool {
    command(text).is_some()
}

/// Returns the words of the last command of QEMU, the program first.
fn command(text: &str) -> Option<Vec<Word>> {
    let all = lines(text).ok()?;
    let of = |words: &[Word]| program(words, is_qemu).map(|at| words.iter().skip(at).cloned().collect());
    all.iter().rev().find_map(|line| line.commands.iter().rev().find_map(|command| of(&command.words)))
}

/// Reads a command line.
pub(super) fn read(text: &str) -> Result<Translated, Vec<Wrong>> {
    let whole = 0..text.lines().next().map_or(0, str::len);
    let Some(found) = command(text) else {
        let fault =
            Fault::new("there is no command line of QEMU").hint("write `qemu-system-x86_64 -m 1G … -name NAME`");
        return Err(vec![(whole, fault)]);
    };
    kind::known(&found, text).map_err(|wrong| vec![wrong])?;
    let span = found.first().map_or(whole, |word| word.span.clone());
    let args: Vec<String> = found.iter().skip(1).map(|word| word.text.clone()).collect();
    let seen = options_of(&args);
    let Some(name) = seen.name else {
        let fault = Fault::new("the machine has no name").hint("add `-name NAME`");
        return Err(vec![(span, fault)]);
    };
    let given = given(&found, text);
    let mut reading = Reading {
        machine: Translated { name: name.clone(), ..Translated::default() },
        disks: disks::Disks::of(&given),
        nets: devices::Nets::default(),
        next: 3,
        has_tablet: false,
    };
    reading.processors(&given, &seen.shape);
    reading.machine.put("0", "hostbridge");
    reading.disks(&given);
    reading.nets(&given);
    reading.devices(&given);
    reading.screen(&given, &seen.shape);
    reading.machine.put("31", "lpc");
    reading.firmware(&given);
    reading.rest(&given);
    reading.machine.note(0, "", "QEMU's places of devices mean nothing to bhyve: they are at places of its own");
    reading.machine.notes.sort();
    reading.machine.notes.dedup();
    reading.machine.argv.push(name);
    Ok(reading.machine)
}

/// Returns the options in order. A word that is none is the image of a disk.
fn given(found: &[Word], text: &str) -> Vec<Given> {
    let line_of = |word: &Word| text.get(..word.span.start).unwrap_or_default().matches('\n').count() + 1;
    let mut all = Vec::new();
    let mut words = found.iter().skip(1);
    while let Some(word) = words.next() {
        let line = line_of(word);
        let Some(name) = word.text.strip_prefix('-') else {
            all.push(Given { name: "hda".into(), value: word.text.clone(), line });
            continue;
        };
        let name = name.strip_prefix('-').unwrap_or(name).to_string();
        let value = if FLAGS.contains(&name.as_str()) { None } else { words.next() };
        all.push(Given { name, value: value.map(|word| word.text.clone()).unwrap_or_default(), line });
    }
    all
}

/// Returns the value of a key among an option's.
fn key(value: &str, name: &str) -> Option<String> {
    words(value).into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Returns what an option is called by its first word.
fn first(value: &str) -> String {
    let all = words(value);
    all.first().filter(|(key, _)| key.is_empty()).map(|(_, value)| value.clone()).unwrap_or_default()
}

impl Reading {
    /// Processors, memory, clock and identity.
    fn processors(&mut self, given: &[Given], shape: &Shape) {
        let last = |name: &str| given.iter().rev().find(|one| one.name == name);
        let mut cpus = shape.cpus.unwrap_or(1).to_string();
        let parts =
            ["sockets", "cores", "threads"].map(|part| key(&last("smp")?.value, part).map(|count| (part, count)));
        let product =
            parts.iter().flatten().filter_map(|(_, count)| count.parse::<u64>().ok()).try_fold(1_u64, u64::checked_mul);
        if parts.iter().all(Option::is_some) && product == shape.cpus {
            parts.iter().flatten().for_each(|(part, count)| cpus += &format!(",{part}={count}"));
        }
        // QEMU's own default is 128 MiB.
        let memory = shape.memory.unwrap_or(Size::mib(128));
        self.machine.argv = ["-c", &cpus, "-m", &memory.to_string(), "-A", "-H", "-w"].map(String::from).into();
        let is_local = last("rtc").and_then(|one| key(&one.value, "base")).is_some_and(|base| base == "localtime");
        if !is_local {
            self.machine.argv.push("-u".into());
        }
        if let Some(uuid) = last("uuid") {
            self.machine.argv.extend(["-U".into(), uuid.value.clone()]);
        }
        let is_console = |one: &Given| one.name == "serial" && matches!(one.value.as_str(), "stdio" | "mon:stdio");
        if given.iter().any(|one| is_console(one) || one.name == "nographic") {
            self.machine.argv.extend(["-l", "com1,stdio"].map(String::from));
        }
    }

    /// The screen, and what points at places on it.
    fn screen(&mut self, given: &[Given], shape: &Shape) {
        if let Some(address) = shape.vnc {
            let part = self.put(&format!("fbuf,tcp={address}"));
            let has_password = |one: &&Given| {
                let has = |name: &str| key(&one.value, name).is_some_and(|value| value != "off");
                one.name == "vnc" && (has("password") || has("password-secret") || one.value.ends_with(",password"))
            };
            if let Some(vnc) = given.iter().find(has_password) {
                let text = "the screen has a password that no command line tells: `password: secret(\"vnc\")` has one";
                self.machine.hole(vnc.line, "-vnc", part, text);
            }
        } else if let Some(vnc) = given.iter().find(|one| one.name == "vnc" && first(&one.value) != "none") {
            let text = "bhyve's screen listens at an address and a port: the screen is left out";
            self.machine.hole(vnc.line, "-vnc", Part::Whole, text);
        }
        if self.has_tablet {
            self.machine.put("30", "xhci,tablet");
        }
    }

    /// bhyve's own firmware, whatever QEMU's was.
    fn firmware(&mut self, given: &[Given]) {
        self.machine.argv.extend(["-l".into(), format!("bootrom,{UEFI_CODE}")]);
        let is_flash = |one: &&Given| match one.name.as_str() {
            "drive" => key(&one.value, "if").as_deref() == Some("pflash"),
            "bios" | "pflash" => true,
            "machine" | "M" => key(&one.value, "pflash0").is_some(),
            _ => false,
        };
        if let Some(flash) = given.iter().find(is_flash) {
            let text = format!("the firmware is bhyve's own, {UEFI_CODE}; variables of another mean nothing to it");
            self.machine.note(flash.line, &format!("-{}", flash.name), text);
        } else {
            let text = "QEMU boots the guest by a BIOS, and bhyve by UEFI: the disk needs a boot loader for UEFI";
            self.machine.hole(0, "-bios", Part::Key("bootrom"), text);
        }
    }

    /// Notes what nobody has asked for.
    fn rest(&mut self, given: &[Given]) {
        const READ: &[&str] = &[
            "drive",
            "blockdev",
            "device",
            "hda",
            "hdb",
            "hdc",
            "hdd",
            "cdrom",
            "netdev",
            "nic",
            "net",
            "uuid",
            "bios",
            "pflash",
            "rtc",
            "vnc",
            "name",
            "smp",
            "m",
            "usbdevice",
        ];
        for one in given.iter().filter(|one| !READ.contains(&one.name.as_str())) {
            let option = format!("-{}", one.name);
            match one.name.as_str() {
                "serial" if ["stdio", "mon:stdio", "none", "null"].contains(&one.value.as_str()) => {}
                "serial" => {
                    self.machine.note(
                        one.line,
                        &option,
                        "the serial line is not taken over: `com1: \"stdio\"` has one",
                    );
                }
                "no-reboot" => {
                    self.machine.note(one.line, &option, "vmrun starts a guest that reboots again: `on` hears of it");
                }
                name if ITS_OWN.contains(&name) => {
                    self.machine.note(one.line, &option, "it says how QEMU works, and is left out");
                }
                _ => {
                    self.machine.hole(one.line, &option, Part::Whole, "bhyve has no such option, and it is left out");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

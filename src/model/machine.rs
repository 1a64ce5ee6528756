//! A machine: drafted piece by piece as a [`Draft`], checked once into a [`Machine`].

use super::device::{Access, Counterpart};
use super::value::Tty;
use super::{Device, DevicePath, PciSlot, Size, VmName};
use crate::diag::Fault;
use std::collections::{BTreeMap, BTreeSet};

/// The switches of a machine: the recipe's key, bhyve's flag, the value for which the flag is given, and one line for the
/// reference. They are rendered in this order.
pub const SWITCHES: &[Switch] = &[
    Switch::new("strict_msr", "-w", false, "fail on unknown model specific registers (true)"),
    Switch::new("exit_on_hlt", "-H", true, "give the host its CPU back when the guest's is idle (false)"),
    Switch::new("exit_on_pause", "-P", true, "leave the guest on a PAUSE instruction (false)"),
    Switch::new("acpi", "-A", true, "ACPI tables; FreeBSD 15 makes them always, 14 only when told (false)"),
    Switch::new("wired", "-S", true, "wire the guest's memory (false)"),
    Switch::new("guest_in_core", "-C", true, "include the guest's memory in a core dump (false)"),
    Switch::new("destroy_on_poweroff", "-D", true, "destroy the vmm node when the guest powers off (false)"),
    Switch::new("strict_io", "-e", true, "end on access to an unknown I/O port (false)"),
    Switch::new("localtime", "-u", false, "the clock shows the host's local time, not UTC (true)"),
    Switch::new("msix", "-W", false, "VirtIO devices use MSI-X, not MSI (true)"),
    Switch::new("x2apic", "-x", true, "the guest's APIC is an x2APIC (false)"),
    Switch::new("mptable", "-Y", false, "make an MP table (true)"),
];

/// One switch of a machine.
#[derive(Debug)]
pub struct Switch {
    /// The recipe's key.
    pub name: &'static str,
    /// bhyve's flag.
    pub flag: &'static str,
    /// The value for which the flag is given.
    pub given_when: bool,
    /// One line for the reference, the default in parentheses.
    pub help: &'static str,
}

impl Switch {
    const fn new(name: &'static str, flag: &'static str, given_when: bool, help: &'static str) -> Self {
        Self { name, flag, given_when, help }
    }
}

/// The boot ROM: the firmware's code, and the file that keeps its variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootrom {
    /// The firmware.
    pub code: DevicePath,
    /// The variables, which the guest writes.
    pub vars: Option<DevicePath>,
    /// What a missing variables file is a copy of.
    pub template: Option<DevicePath>,
}

/// What a fault of a machine is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The machine as a whole.
    Whole,
    /// One of its keys.
    Key(&'static str),
    /// A device.
    Slot(PciSlot),
    /// An option of a device.
    Option(PciSlot, &'static str),
}

/// A machine that is still being described.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The name.
    pub name: Option<VmName>,
    /// The number of virtual CPUs.
    pub cpus: u16,
    /// The memory.
    pub memory: Size,
    /// The switches that were set, by name.
    pub switches: BTreeMap<&'static str, bool>,
    /// The UUID that SMBIOS shows.
    pub uuid: Option<String>,
    /// The firmware.
    pub bootrom: Option<Bootrom>,
    /// The serial ports that were given beside the devices, by name.
    pub ttys: BTreeMap<&'static str, Tty>,
    /// The devices.
    pub slots: BTreeMap<PciSlot, Device>,
    /// Configuration that vmrun does not know (`-o KEY=VALUE`), in order.
    pub options: Vec<(String, String)>,
    /// Arguments that vmrun does not know, in order.
    pub args: Vec<String>,
}

impl Default for Draft {
    /// bhyve's own defaults: one CPU, 256 MiB.
    fn default() -> Self {
        Self {
            name: None,
            cpus: 1,
            memory: Size::mib(256),
            switches: BTreeMap::new(),
            uuid: None,
            bootrom: None,
            ttys: BTreeMap::new(),
            slots: BTreeMap::new(),
            options: Vec::new(),
            args: Vec::new(),
        }
    }
}

impl Draft {
    /// Puts a device into a slot.
    pub fn put(&mut self, slot: PciSlot, device: Device) -> Result<(), Fault> {
        if let Some(there) = self.slots.get(&slot) {
            let message = format!("slot {slot} is taken twice: by {} and by {}", there.kind().name, device.kind().name);
            return Err(Fault::new(message).maybe_hint(self.free_slot().map(|free| format!("slot {free} is free"))));
        }
        self.slots.insert(slot, device);
        Ok(())
    }

    /// Checks everything that can be known without a host, and makes a machine of it.
    pub fn check(self) -> Result<Machine, Vec<(Part, Fault)>> {
        let mut faults = Vec::new();
        if self.name.is_none() {
            faults.push((Part::Whole, Fault::new("a machine needs a `name`").hint("add `name: \"lab\"`")));
        }
        self.check_memory(&mut faults);
        self.check_functions(&mut faults);
        self.check_singles(&mut faults);
        self.check_lpc(&mut faults);
        self.check_shared(&mut faults);
        self.check_stdio(&mut faults);
        match (self.name.clone(), faults.is_empty()) {
            (Some(name), true) => Ok(Machine { name, draft: self }),
            _ => Err(faults),
        }
    }

    /// Returns every serial port with what it is plugged into, and the slot of the bridge that names it.
    pub fn ttys(&self) -> impl Iterator<Item = (Part, &'static str, &Tty)> {
        let own = self.ttys.iter().map(|(name, tty)| (Part::Key(name), *name, tty));
        let lpc = self
            .slots
            .iter()
            .flat_map(|(slot, device)| device.ttys().map(|(name, tty)| (Part::Option(*slot, name), name, tty)));
        own.chain(lpc)
    }

    fn free_slot(&self) -> Option<PciSlot> {
        (3..31).filter_map(|slot| PciSlot::slot(slot).ok()).find(|slot| !self.slots.contains_key(slot))
    }

    /// The kernel takes whole pages only (`Unable to setup memory (22)`).
    fn check_memory(&self, faults: &mut Vec<(Part, Fault)>) {
        const PAGE: u64 = 4096;
        let bytes = self.memory.get();
        if bytes == 0 || !bytes.is_multiple_of(PAGE) {
            let fault = Fault::new(format!("{bytes} bytes of memory are no whole number of pages"));
            faults.push((Part::Key("memory"), fault.hint("write 512.MiB or \"512M\"")));
        }
    }

    /// A guest looks for further functions only where it finds function 0.
    fn check_functions(&self, faults: &mut Vec<(Part, Fault)>) {
        for slot in self.slots.keys().filter(|slot| slot.function() != 0) {
            if !self.slots.contains_key(&slot.first()) {
                let message = format!("slot {slot} has no function 0 beside it: the guest will never see it");
                let fault = Fault::new(message).hint(format!("put a device into slot {} too", slot.first()));
                faults.push((Part::Slot(*slot), fault));
            }
        }
    }

    fn check_singles(&self, faults: &mut Vec<(Part, Fault)>) {
        let mut seen: BTreeMap<&str, PciSlot> = BTreeMap::new();
        for (slot, device) in self.slots.iter().filter(|(_, device)| device.kind().single) {
            let name = device.kind().name;
            if let Some(first) = seen.insert(name, *slot) {
                let message = format!("a machine has one {name}, and there is one in slot {first} already");
                faults.push((Part::Slot(*slot), Fault::new(message).hint("remove one of them")));
            }
        }
    }

    fn check_lpc(&self, faults: &mut Vec<(Part, Fault)>) {
        let lpc = self.slots.iter().find(|(_, device)| device.kind().counterpart == Counterpart::Lpc);
        let needs_it = self.bootrom.iter().map(|_| "bootrom").chain(self.ttys.keys().copied()).next();
        match (lpc, needs_it) {
            (None, Some(key)) => {
                let message = format!("`{key}` hangs on an LPC bridge, and no slot has one");
                faults.push((Part::Key(key), Fault::new(message).hint("add `\"31\": lpc()` to `slots`")));
            }
            (Some((slot, _)), _) if slot.bus() != 0 => {
                let fault = Fault::new(format!("lpc in slot {slot} is not on bus 0")).hint("put it into slot 31");
                faults.push((Part::Slot(*slot), fault));
            }
            _ => {}
        }
    }

    /// Images that two devices write, and addresses and taps that two cards use.
    fn check_shared(&self, faults: &mut Vec<(Part, Fault)>) {
        let mut images = BTreeMap::new();
        let mut macs = BTreeMap::new();
        let mut backends = BTreeMap::new();
        for (slot, device) in &self.slots {
            if let Some((path, Access::ReadWrite)) = device.image()
                && let Some(first) = images.insert(path.clone(), *slot)
            {
                let message = format!("slots {first} and {slot} both write {path}");
                let fault =
                    Fault::new(message).hint("give each disk an image of its own, or make one of them `ro: true`");
                faults.push((Part::Option(*slot, "path"), fault));
            }
            if let Some(mac) = device.mac()
                && let Some(first) = macs.insert(mac, *slot)
            {
                let fault = Fault::new(format!("slots {first} and {slot} have the same MAC address {mac}"));
                faults.push((Part::Option(*slot, "mac"), fault.hint("change one of them")));
            }
            if let Some(super::Backend::Tap(tap)) = device.backend()
                && let Some(first) = backends.insert(tap.clone(), *slot)
            {
                let fault = Fault::new(format!("slots {first} and {slot} are both plugged into {tap}"));
                faults.push((Part::Option(*slot, "backend"), fault.hint("make a tap for each card")));
            }
        }
    }

    fn check_stdio(&self, faults: &mut Vec<(Part, Fault)>) {
        let mut names = BTreeSet::new();
        let mut stdio: Option<&str> = None;
        for (part, name, tty) in self.ttys() {
            if !names.insert(name) {
                faults.push((part.clone(), Fault::new(format!("`{name}` is given twice")).hint("keep one of them")));
            }
            if *tty == Tty::Stdio
                && let Some(first) = stdio.replace(name)
            {
                let fault = Fault::new(format!("`{first}` and `{name}` both use stdio, which there is one of"));
                faults.push((part, fault.hint("plug one of them into a nmdm(4)")));
            }
        }
    }
}

/// A machine that holds together: what can be known without a host has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    name: VmName,
    draft: Draft,
}

impl Machine {
    /// Returns the name.
    pub const fn name(&self) -> &VmName {
        &self.name
    }

    /// Returns the number of virtual CPUs.
    pub const fn cpus(&self) -> u16 {
        self.draft.cpus
    }

    /// Returns the memory.
    pub const fn memory(&self) -> Size {
        self.draft.memory
    }

    /// Returns the value of a switch, if it was set.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.draft.switches.get(name).copied()
    }

    /// Returns the UUID.
    pub fn uuid(&self) -> Option<&str> {
        self.draft.uuid.as_deref()
    }

    /// Returns the firmware.
    pub const fn bootrom(&self) -> Option<&Bootrom> {
        self.draft.bootrom.as_ref()
    }

    /// Returns the devices in the order of bus, slot and function.
    pub fn devices(&self) -> impl Iterator<Item = (PciSlot, &Device)> {
        self.draft.slots.iter().map(|(slot, device)| (*slot, device))
    }

    /// Returns the serial ports by name.
    pub fn ttys(&self) -> BTreeMap<&'static str, &Tty> {
        self.draft.ttys().map(|(_, name, tty)| (name, tty)).collect()
    }

    /// Returns whether a serial port uses the standard streams.
    pub fn uses_stdio(&self) -> bool {
        self.draft.ttys().any(|(_, _, tty)| *tty == Tty::Stdio)
    }

    /// Returns the configuration that vmrun does not know.
    pub fn options(&self) -> &[(String, String)] {
        &self.draft.options
    }

    /// Returns the arguments that vmrun does not know.
    pub fn args(&self) -> &[String] {
        &self.draft.args
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DeviceKind;

    fn device(name: &str, values: &[(&str, &str)]) -> Device {
        let kind = DeviceKind::named(name).unwrap();
        let values = values.iter().map(|(key, text)| {
            let parameter = kind.parameter(key).unwrap();
            (parameter, parameter.ty.read(text).unwrap())
        });
        Device::new(kind, values.collect()).unwrap()
    }

    fn draft(devices: &[(&str, Device)]) -> Draft {
        let mut draft = Draft { name: "lab".parse().ok(), ..Draft::default() };
        for (slot, device) in devices {
            draft.put(slot.parse().unwrap(), device.clone()).unwrap();
        }
        draft
    }

    fn faults(draft: Draft) -> Vec<String> {
        let faults = draft.check().unwrap_err();
        faults.iter().map(|(_, f)| format!("{} | {}", f.message, f.hint.as_deref().unwrap_or_default())).collect()
    }

    #[test]
    fn a_slot_is_taken_once_however_it_is_spelt() {
        let mut draft = draft(&[("3", device("virtio-rnd", &[]))]);
        let fault = draft.put("0:03:0".parse().unwrap(), device("lpc", &[])).unwrap_err();
        let said = Fault::new("slot 3 is taken twice: by virtio-rnd and by lpc").hint("slot 4 is free");
        assert_eq!(fault, said);
    }

    #[test]
    fn what_bhyve_finds_late_or_never_is_found_at_once() {
        let disk = |path| device("virtio-blk", &[("path", path)]);
        let nic = |tap, mac| device("virtio-net", &[("backend", tap), ("mac", mac)]);
        let mut wrong = draft(&[
            ("3:1", device("virtio-rnd", &[])),
            ("4", disk("/vm/a.img")),
            ("5", disk("/vm/a.img")),
            ("6", nic("tap1", "0:0:0:0:0:2")),
            ("7", nic("tap1", "0:0:0:0:0:2")),
            ("8", device("xhci", &[("device", "tablet")])),
            ("9", device("xhci", &[("device", "tablet")])),
        ]);
        wrong.memory = Size::bytes(1_048_577);
        wrong.ttys.insert("com1", Tty::Stdio);
        assert_eq!(
            faults(wrong),
            [
                "1048577 bytes of memory are no whole number of pages | write 512.MiB or \"512M\"",
                "slot 3:1 has no function 0 beside it: the guest will never see it | put a device into slot 3 too",
                "a machine has one xhci, and there is one in slot 8 already | remove one of them",
                "`com1` hangs on an LPC bridge, and no slot has one | add `\"31\": lpc()` to `slots`",
                "slots 4 and 5 both write /vm/a.img | give each disk an image of its own, or make one of them `ro: true`",
                "slots 6 and 7 have the same MAC address 00:00:00:00:00:02 | change one of them",
                "slots 6 and 7 are both plugged into tap1 | make a tap for each card",
            ]
        );
    }

    #[test]
    fn serial_ports_are_named_once_and_stdio_is_used_once() {
        let mut wrong = draft(&[("1:0:0", device("lpc", &[("com1", "stdio"), ("com2", "stdio")]))]);
        wrong.ttys.insert("com1", Tty::Path("/dev/nmdm0A".parse().unwrap()));
        assert_eq!(
            faults(wrong),
            [
                "lpc in slot 1:0:0 is not on bus 0 | put it into slot 31",
                "`com1` is given twice | keep one of them",
                "`com1` and `com2` both use stdio, which there is one of | plug one of them into a nmdm(4)",
            ]
        );
        assert_eq!(faults(Draft::default()), ["a machine needs a `name` | add `name: \"lab\"`"]);
    }

    #[test]
    fn an_image_may_be_read_by_many() {
        let disk = device("virtio-blk", &[("path", "/vm/a.img"), ("ro", "true")]);
        assert!(draft(&[("4", disk.clone()), ("5", disk)]).check().is_ok());
    }
}

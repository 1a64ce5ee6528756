//! What a machine says that its bhyve does not have, and what bhyve finds late or never.

use super::Draft;
use crate::diag::Fault;
use crate::model::device::Counterpart;
use crate::model::target::Arch;
use crate::model::value::{Tty, Value};
use crate::model::{DialogStep, Feature, Part, PciSlot, Setting, Size, VmName};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

pub(super) type Faults = Vec<(Part, Fault)>;

impl Draft {
    /// Returns everything that is wrong with the machine.
    pub(in crate::model) fn faults(&self) -> Faults {
        let mut faults = Vec::new();
        if self.name.is_none() {
            faults.push((Part::Whole, Fault::new("a machine needs a `name`").hint("add `name: \"lab\"`")));
        }
        self.check_memory(&mut faults);
        self.check_processors(&mut faults);
        self.check_settings(&mut faults);
        self.check_oem_strings(&mut faults);
        self.check_serial_log(&mut faults);
        self.check_firmware(&mut faults);
        self.check_loader(&mut faults);
        self.check_devices(&mut faults);
        self.check_functions(&mut faults);
        self.check_buses(&mut faults);
        self.check_singles(&mut faults);
        self.check_lpc(&mut faults);
        self.check_shared(&mut faults);
        self.check_boot_order(&mut faults);
        self.check_ttys(&mut faults);
        self.check_screen(&mut faults);
        faults
    }

    /// The kernel takes whole pages only (`Unable to setup memory (22)`), and less than this boots nothing.
    fn check_memory(&self, faults: &mut Faults) {
        const PAGE: u64 = 4096;
        let bytes = self.memory.get();
        let least = Size::mib(if self.bootrom.is_some() { 64 } else { 32 });
        if bytes == 0 || !bytes.is_multiple_of(PAGE) {
            let fault = Fault::new(format!("{bytes} bytes of memory are no whole number of pages"));
            faults.push((Part::Key("memory"), fault.hint("write 512.MiB or \"512M\"")));
        } else if self.memory < least {
            let fault = Fault::new(format!("{} of memory are too little for a guest to boot", self.memory.rough()));
            faults.push((Part::Key("memory"), fault.hint(format!("at least {}", least.rough()))));
        }
    }

    /// Says that something needs another release or architecture.
    pub(super) fn lacks(&self, what: &dyn Display, feature: Option<Feature>, archs: &[Arch]) -> Option<Fault> {
        let target = self.target;
        if !archs.contains(&target.arch) {
            let names: Vec<String> = archs.iter().map(ToString::to_string).collect();
            let fault = Fault::new(format!("{what} is not there on {}", target.arch));
            return Some(fault.hint(format!("only bhyve on {} has it", names.join(" and "))));
        }
        let gate = feature.filter(|feature| !target.has(*feature))?.gate();
        let fault = Fault::new(format!("{what} needs {}, and this is for {}", gate.since, target.release));
        let doubt = gate.doubt().map(|doubt| format!("; {doubt}")).unwrap_or_default();
        Some(fault.hint(format!("leave it out, or run the machine on a later release{doubt}")))
    }

    fn check_settings(&self, faults: &mut Faults) {
        for (name, value) in &self.settings {
            let Some(setting) = Setting::named(name) else { continue };
            let own = self.lacks(&format_args!("`{name}`"), setting.feature, setting.archs);
            let fault = own.or_else(|| self.lacks(&format_args!("`{name}` {value}"), value.feature(), setting.archs));
            faults.extend(fault.map(|fault| (setting.part(), fault)));
        }
        for (name, tty) in &self.ttys {
            let own = self.lacks(&format_args!("`{name}`"), None, &[Arch::Amd64]);
            let fault = own.or_else(|| self.lacks(&format_args!("`{name}` {tty}"), tty.feature(), &Arch::ALL));
            faults.extend(fault.map(|fault| (Part::Key(name), fault)));
        }
        let has = |name: &str| self.settings.contains_key(name);
        let mut needs = |part: Part, what: &str, hint: &str| faults.push((part, Fault::new(what).hint(hint)));
        if (has("gdb.address") || has("gdb.wait")) && !has("gdb.port") {
            needs(
                Part::Key("gdb"),
                "`gdb` needs a `port`: without one bhyve has no stub",
                "write `gdb: #{ port: 1234 }`",
            );
        }
        let of_tpm = self.settings.keys().any(|name| name.starts_with("tpm."));
        let is_played = self.settings.get("tpm.type") == Some(&Value::Choice("swtpm"));
        if is_played && !has("tpm.path") {
            let how = "write `tpm: #{ type: \"swtpm\", state: \"NAME.tpm\" }`, or give the firmware variables, beside which it is then";
            needs(Part::Key("tpm"), "the TPM has no folder for what it has to keep", how);
        } else if self.tpm_state.is_some() && !is_played {
            let how = "write `tpm: #{ type: \"swtpm\", state: \"NAME.tpm\" }`";
            needs(Part::Key("tpm"), "only a TPM of the type `swtpm` has a `state`", how);
        } else if of_tpm && !(has("tpm.type") && has("tpm.path")) {
            let how = "write `tpm: #{ type: \"passthru\", path: \"/dev/tpm0\" }`";
            needs(Part::Key("tpm"), "`tpm` needs a `type` and a `path`", how);
        }
        let given = |flag: &str| self.args.iter().any(|arg| arg == flag);
        if given("-a") && (given("-x") || self.flag("x2apic")) {
            needs(
                Part::Key("x2apic"),
                "`-a` and x2apic contradict each other",
                "keep one of them: bhyve takes the last",
            );
        }
    }

    /// Whoever keeps what a port says has the other end of it, and a console is at him.
    fn check_serial_log(&self, faults: &mut Faults) {
        let mut com1 = self.ttys().filter(|(_, name, _)| *name == "com1");
        if self.serial_log.is_some() && !com1.any(|(_, _, tty)| tty.other_end().is_some()) {
            let fault = Fault::new("`serial_log` keeps what a `com1` says that is one end of a nmdm(4)");
            faults.push((Part::Key("serial_log"), fault.hint("write `com1: \"/dev/nmdm-NAME.1A\"`")));
        }
    }

    /// SMBIOS counts its texts in one byte.
    fn check_oem_strings(&self, faults: &mut Faults) {
        const MOST: usize = 255;
        let Some(first) = self.oem_strings.keys().next() else { return };
        let part = || Part::Under("oem_strings", first.to_string());
        faults.extend(
            self.lacks(&"`oem_strings`", Some(Feature::OemStrings), &[Arch::Amd64]).map(|fault| (part(), fault)),
        );
        let outside = self.oem_strings.keys().find(|number| usize::from(**number) > MOST);
        if let Some(number) = outside {
            let fault =
                Fault::new(format!("{number} is no number of a text of SMBIOS")).hint(format!("from 0 to {MOST}"));
            faults.push((Part::Under("oem_strings", number.to_string()), fault));
        } else if self.oem_strings.len() > MOST {
            let fault = Fault::new(format!("SMBIOS holds {MOST} texts of the maker, and these are {}", MOST + 1));
            faults.push((part(), fault.hint("leave one of them out")));
        }
    }

    fn check_firmware(&self, faults: &mut Faults) {
        if self.bootrom.is_none() && self.loader.is_none() && self.target.arch != Arch::Amd64 {
            let fault = Fault::new(format!("a machine on {} needs a `bootrom`", self.target.arch));
            faults.push((Part::Whole, fault.hint("add `bootrom: \"/path/of/the/firmware\"`")));
        }
        if !self.fw_items.is_empty() && self.settings.get("fwcfg") != Some(&Value::Choice("qemu")) {
            let fault = Fault::new("firmware sees the items of `fw_cfg` only with `fwcfg` \"qemu\"");
            faults.push((Part::Key("fw_cfg"), fault.hint("add `fwcfg: \"qemu\"`")));
        }
        let mut names = BTreeSet::new();
        for item in self.fw_items.iter().filter(|item| !names.insert(item.name())) {
            let fault = Fault::new(format!("two items of `fw_cfg` are named {:?}", item.name()));
            faults.push((Part::Key("fw_cfg"), fault.hint("keep one of them")));
        }
        if !self.fw_items.is_empty()
            && let Some(fault) = self.lacks(&"`fw_cfg`", None, &[Arch::Amd64])
        {
            faults.push((Part::Key("fw_cfg"), fault));
        }
    }

    fn check_devices(&self, faults: &mut Faults) {
        for (slot, device) in &self.slots {
            let kind = device.kind();
            if let Some(fault) = self.lacks(&kind.name, None, kind.archs) {
                faults.push((Part::Slot(*slot), fault));
                continue;
            }
            for item in device.items() {
                let name = item.parameter.name;
                let what = format_args!("`{name}` of {}", kind.name);
                let own = self.lacks(&what, item.parameter.feature, &Arch::ALL);
                let value = || self.lacks(&format_args!("{what} {}", item.value), item.value.feature(), &Arch::ALL);
                let limits = || item.parameter.ty.against(&item.value, self.target);
                let fault = own.or_else(value).or_else(limits);
                faults.extend(fault.map(|fault| (Part::option(*slot, item.number, name), fault)));
            }
            let of_scsi = kind.name == "virtio-scsi" && self.target.has(Feature::ScsiTargets);
            if of_scsi && device.value("dev").is_none() && device.numbers().is_empty() {
                let fault = Fault::new(format!("virtio-scsi in slot {slot} has no target"));
                faults.push((Part::Slot(*slot), fault.hint("name it: virtio_scsi(\"/dev/cam/ctl\")")));
            }
            if kind.name == "passthru" && !self.flag("wired") {
                let fault = Fault::new(format!("passthru in slot {slot} needs memory that is wired"));
                faults.push((Part::Slot(*slot), fault.hint("add `wired: true`")));
            }
        }
    }

    /// A guest looks for further functions only where it finds function 0.
    fn check_functions(&self, faults: &mut Faults) {
        for slot in self.slots.keys().filter(|slot| slot.function() != 0) {
            if !self.slots.contains_key(&slot.first()) {
                let message = format!("slot {slot} has no function 0 beside it: the guest will never see it");
                let fault = Fault::new(message).hint(format!("put a device into slot {} too", slot.first()));
                faults.push((Part::Slot(*slot), fault));
            }
        }
    }

    /// An MP table knows one bus alone: bhyve ends with `MPtable is incompatible with multiple PCI hierarchies.` (mptbl.c).
    fn check_buses(&self, faults: &mut Faults) {
        let mptable = self.settings.get("mptable") != Some(&Value::Flag(false));
        let given = self.args.iter().any(|arg| arg == "-Y") || self.options.iter().any(|(key, _)| key == "x86.mptable");
        let further = self.slots.keys().find(|slot| slot.bus() != 0);
        if let Some(slot) = further.filter(|_| mptable && !given && self.target.arch == Arch::Amd64) {
            let fault = Fault::new(format!(
                "bhyve makes no MP table of more than one bus, and slot {slot} is on bus {}",
                slot.bus()
            ));
            faults.push((Part::Slot(*slot), fault.hint("add `mptable: false`")));
        }
    }

    fn check_singles(&self, faults: &mut Faults) {
        let mut seen: BTreeMap<&str, PciSlot> = BTreeMap::new();
        for (slot, device) in self.slots.iter().filter(|(_, device)| device.kind().single) {
            let name = device.kind().name;
            if let Some(first) = seen.insert(name, *slot) {
                let message = format!("a machine has one {name}, and there is one in slot {first} already");
                faults.push((Part::Slot(*slot), Fault::new(message).hint("remove one of them")));
            }
        }
    }

    fn check_lpc(&self, faults: &mut Faults) {
        let lpc = self.slots.iter().find(|(_, device)| device.kind().counterpart == Counterpart::Lpc);
        let testdev = self.flag("pc_testdev").then_some("pc_testdev");
        // FreeBSD 15 loads the firmware without the bridge too; a machine without one has most likely lost it.
        let needs_it = self.bootrom.iter().map(|_| "bootrom").chain(self.ttys.keys().copied()).chain(testdev).next();
        match (lpc, needs_it) {
            (None, Some(key)) if self.target.arch == Arch::Amd64 => {
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

    /// The boot order is told by fw_cfg, to QEMU's kind of firmware (bhyve(8), `bootindex`).
    fn check_boot_order(&self, faults: &mut Faults) {
        let qemu = self.settings.get("fwcfg") == Some(&Value::Choice("qemu"));
        let mut seen: BTreeMap<i64, PciSlot> = BTreeMap::new();
        for (slot, device) in &self.slots {
            let mut own = None;
            for item in device.items().iter().filter(|item| item.parameter.name == "bootindex") {
                let Value::Integer(index) = item.value else { continue };
                let part = Part::option(*slot, item.number, "bootindex");
                let fault = if !qemu {
                    Fault::new("firmware sees `bootindex` only with `fwcfg` \"qemu\"").hint("add `fwcfg: \"qemu\"`")
                } else if let Some(first) = seen.insert(index, *slot) {
                    let message = format!("slot {slot} has `bootindex` {index}, which slot {first} has already");
                    Fault::new(message).hint("give each a number of its own")
                } else if own.replace(index).is_some() {
                    let message =
                        format!("the boot order knows slot {slot} as a whole, and two of its ports are in it");
                    Fault::new(message).hint("keep the first `bootindex`, or give the disk a controller of its own")
                } else {
                    continue;
                };
                faults.push((part, fault));
            }
        }
    }

    fn check_screen(&self, faults: &mut Faults) {
        let has_screen = || self.slots.values().any(|device| device.kind().counterpart == Counterpart::Screen);
        if self.dialog.iter().any(DialogStep::is_on_screen) && !has_screen() {
            let fault = Fault::new("`vm.screen` and `vm.type` need a frame buffer, and the machine has none");
            faults.push((Part::Whole, fault.hint("add one: `\"29\": fbuf(#{ tcp: \"127.0.0.1:5901\" })`")));
        }
    }

    fn check_ttys(&self, faults: &mut Faults) {
        let mut names = BTreeSet::new();
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for (part, name, tty) in self.every_tty() {
            if !names.insert(name.clone()) {
                faults.push((part.clone(), Fault::new(format!("{name} is given twice")).hint("keep one of them")));
            }
            let Some(first) = taken.insert(tty.to_string(), name.clone()).filter(|first| *first != name) else {
                continue;
            };
            let fault = match tty {
                Tty::Stdio => Fault::new(format!("{first} and {name} both use stdio, which there is one of"))
                    .hint("plug one of them into a nmdm(4)"),
                Tty::Path(_) | Tty::Tcp(_) => {
                    Fault::new(format!("{first} and {name} are both plugged into {tty}")).hint("give each its own")
                }
            };
            faults.push((part, fault));
        }
        let com1 = self.ttys().find(|(_, name, _)| *name == "com1").map(|(_, _, tty)| tty);
        let has_other_end = |tty: &Tty| matches!(tty, Tty::Tcp(_)) || tty.other_end().is_some();
        if self.dialog.iter().any(|step| !step.is_on_screen()) && !com1.is_some_and(has_other_end) {
            let plugged = com1.map_or_else(|| "nothing".into(), ToString::to_string);
            let fault = Fault::new(format!("`vm.serial` needs the other end of com1, which is plugged into {plugged}"));
            let name = self.name.as_ref().map_or("web", VmName::as_str);
            let fault = fault.hint(format!("plug it into a nmdm(4): `com1: \"/dev/nmdm-{name}.1A\"`"));
            faults.push((Part::Key("com1"), fault));
        }
    }
}

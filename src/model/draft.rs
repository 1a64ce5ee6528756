//! A machine that is still being described: a [`Draft`] is put together piece by piece and checked once.

mod check;
mod loader;
mod paths;
mod processors;
mod shared;

use super::device::Counterpart;
use super::dialog::DialogStep;
use super::value::Tty;
use super::{
    Accelerator, Bootrom, CpuSet, Device, DevicePath, Domain, FwItem, Jail, Limits, Loader, Part, PciSlot, Setting,
    Size, SshOptions, Target, Topology, Value, VmName,
};
use crate::diag::Fault;
use std::collections::BTreeMap;

/// A machine that is still being described.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Which bhyve it is for.
    pub target: Target,
    /// The machine's name, as in /dev/vmm.
    pub name: Option<VmName>,
    /// The number of virtual CPUs.
    pub cpus: u16,
    /// How they are arranged.
    pub topology: Option<Topology>,
    /// The CPUs of the host that each virtual CPU is pinned to.
    pub pins: BTreeMap<u16, CpuSet>,
    /// How much memory the guest has.
    pub memory: Size,
    /// NUMA domains, by number.
    pub domains: BTreeMap<u16, Domain>,
    /// The settings that were given, by name.
    pub settings: BTreeMap<&'static str, Value>,
    /// Texts of the maker that SMBIOS shows, by number (bhyve_config(5), `oemstring.N`).
    pub oem_strings: BTreeMap<u16, String>,
    /// The firmware.
    pub bootrom: Option<Bootrom>,
    /// What puts the guest into its memory before bhyve runs, where no firmware does.
    pub loader: Option<Loader>,
    /// Items that firmware can ask for, in order.
    pub fw_items: Vec<FwItem>,
    /// The serial ports that were given beside the devices, by name.
    pub ttys: BTreeMap<&'static str, Tty>,
    /// The devices.
    pub slots: BTreeMap<PciSlot, Device>,
    /// Configuration that vmrun does not know (`-o KEY=VALUE`), in order.
    pub options: Vec<(String, String)>,
    /// Arguments that vmrun does not know, in order.
    pub args: Vec<String>,
    /// How much of the host its hypervisor may take.
    pub limits: Limits,
    /// The jail in which its hypervisor runs.
    pub jail: Option<Jail>,
    /// What is said to the guest and heard from it while it runs, in order.
    pub dialog: Vec<DialogStep>,
    /// How its guest is reached by ssh.
    pub ssh: SshOptions,
    /// The slot of the port at which the guest's agent is; its socket is in the machine's folder, which who boots it knows.
    pub agent: Option<PciSlot>,
    /// The folder in which a TPM that is played for it keeps its state (swtpm(8)).
    pub tpm_state: Option<DevicePath>,
    /// The log in which what its first serial port says is kept, beside what that is plugged into.
    pub serial_log: Option<DevicePath>,
    /// What runs the guest's code under QEMU; what the host has, where it is not said.
    pub accelerator: Option<Accelerator>,
}

impl Default for Draft {
    /// bhyve's own defaults: one CPU, 256 MiB.
    fn default() -> Self {
        Self {
            target: Target::default(),
            name: None,
            cpus: 1,
            topology: None,
            pins: BTreeMap::new(),
            memory: Size::mib(256),
            domains: BTreeMap::new(),
            settings: BTreeMap::new(),
            oem_strings: BTreeMap::new(),
            bootrom: None,
            loader: None,
            fw_items: Vec::new(),
            ttys: BTreeMap::new(),
            slots: BTreeMap::new(),
            options: Vec::new(),
            args: Vec::new(),
            limits: Limits::default(),
            jail: None,
            dialog: Vec::new(),
            ssh: SshOptions::default(),
            agent: None,
            tpm_state: None,
            serial_log: None,
            accelerator: None,
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

    /// Gives a setting a value of its type.
    pub fn set(&mut self, setting: &Setting, value: Value) {
        self.settings.insert(setting.name, value);
    }

    /// Returns whether a switch is set.
    pub fn flag(&self, name: &str) -> bool {
        self.settings.get(name) == Some(&Value::Flag(true))
    }

    /// Returns the serial ports of the LPC bridge, with what each is plugged into and what names it.
    pub fn ttys(&self) -> impl Iterator<Item = (Part, &'static str, &Tty)> {
        let own = self.ttys.iter().map(|(name, tty)| (Part::Key(name), *name, tty));
        let lpc = self.slots.iter().filter(|(_, device)| device.kind().counterpart == Counterpart::Lpc);
        let lpc =
            lpc.flat_map(|(slot, device)| device.ttys().map(|(name, tty)| (Part::Option(*slot, name), name, tty)));
        own.chain(lpc)
    }

    /// Returns every serial port: those of the LPC bridge, `uart`s and the console, with a name for people.
    pub fn every_tty(&self) -> Vec<(Part, String, &Tty)> {
        let mut all: Vec<(Part, String, &Tty)> =
            self.ttys().map(|(part, name, tty)| (part, format!("`{name}`"), tty)).collect();
        for (slot, device) in self.slots.iter().filter(|(_, d)| d.kind().counterpart == Counterpart::Uart) {
            let named = |(name, tty)| (Part::Option(*slot, name), format!("the uart in slot {slot}"), tty);
            all.extend(device.ttys().map(named));
        }
        if let Some(Value::Tty(tty)) = self.settings.get("console") {
            all.push((Part::Key("console"), "`console`".into(), tty));
        }
        all
    }

    fn free_slot(&self) -> Option<PciSlot> {
        (3..31).filter_map(|slot| PciSlot::slot(slot).ok()).find(|slot| !self.slots.contains_key(slot))
    }
}

#[cfg(test)]
mod tests;

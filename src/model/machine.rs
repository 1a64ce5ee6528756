//! A machine: what a [`Draft`] becomes when nothing is wrong with it.

use super::dialog::DialogStep;
use super::setting::SETTINGS;
use super::value::Tty;
use super::{
    Accelerator, Bhyveload, Bootrom, CpuSet, Device, DevicePath, Domain, Draft, Exclusive, FwItem, Grub, Jail, Limits,
    Loader, Part, PciSlot, Secret, Setting, Size, SshOptions, Target, Topology, Value, VmName,
};
use crate::diag::Fault;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// A machine that holds together: what can be known without a host has been checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    name: VmName,
    draft: Draft,
    /// A start asks for them again and again.
    exclusives: Vec<(Exclusive, Part)>,
}

impl Draft {
    /// Checks everything that can be known without a host, and makes a machine of it.
    pub fn check(mut self) -> Result<Machine, Vec<(Part, Fault)>> {
        let faults = self.faults();
        // There is one version, which is written anyway.
        self.settings.remove("tpm.version");
        match (self.name.clone(), faults.is_empty()) {
            (Some(name), true) => Ok(Machine::new(name, self)),
            _ => Err(faults),
        }
    }
}

impl Machine {
    /// Makes a machine of a draft that was checked.
    fn new(name: VmName, draft: Draft) -> Self {
        let exclusives = draft.exclusives();
        Self { name, draft, exclusives }
    }

    /// Returns what it has alone while it runs, each with where it stands.
    pub fn exclusives(&self) -> &[(Exclusive, Part)] {
        &self.exclusives
    }

    /// Returns what it was made of.
    pub(crate) const fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Returns the name.
    pub const fn name(&self) -> &VmName {
        &self.name
    }

    /// Returns which bhyve it is for.
    pub const fn target(&self) -> Target {
        self.draft.target
    }

    /// Returns the number of virtual CPUs.
    pub const fn cpus(&self) -> u16 {
        self.draft.cpus
    }

    /// Returns how they are arranged, if that was said.
    pub const fn topology(&self) -> Option<Topology> {
        self.draft.topology
    }

    /// Returns the CPUs of the host that a virtual CPU is pinned to.
    pub const fn pins(&self) -> &BTreeMap<u16, CpuSet> {
        &self.draft.pins
    }

    /// Returns the NUMA domains.
    pub const fn domains(&self) -> &BTreeMap<u16, Domain> {
        &self.draft.domains
    }

    /// Returns the texts of the maker that SMBIOS shows, by number.
    pub const fn oem_strings(&self) -> &BTreeMap<u16, String> {
        &self.draft.oem_strings
    }

    /// Returns the memory.
    pub const fn memory(&self) -> Size {
        self.draft.memory
    }

    /// Returns the settings that were given, in the order of their table.
    pub fn settings(&self) -> impl Iterator<Item = (&'static Setting, &Value)> {
        SETTINGS.iter().filter_map(|setting| Some((setting, self.draft.settings.get(setting.name)?)))
    }

    /// Returns the value of a setting, if it was given.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.draft.settings.get(name)
    }

    /// Returns the value of a switch, if it was set.
    pub fn switch(&self, name: &str) -> Option<bool> {
        if let Some(Value::Flag(flag)) = self.value(name) { Some(*flag) } else { None }
    }

    /// Returns the UUID that the guest sees, if the recipe gives one (bhyve(8), `-U`).
    pub fn uuid(&self) -> Option<&str> {
        if let Some(Value::Text(uuid)) = self.value("uuid") { Some(uuid) } else { None }
    }

    /// Returns the folder in which its TPM keeps its state, if that is played for it (swtpm(8)).
    pub const fn tpm_state(&self) -> Option<&DevicePath> {
        self.draft.tpm_state.as_ref()
    }

    /// Returns the log in which what its first serial port says is kept.
    pub const fn serial_log(&self) -> Option<&DevicePath> {
        self.draft.serial_log.as_ref()
    }

    /// Returns what its recipe says that runs the guest's code under QEMU.
    pub(crate) const fn accelerator(&self) -> Option<Accelerator> {
        self.draft.accelerator
    }

    /// Returns the firmware.
    pub const fn bootrom(&self) -> Option<&Bootrom> {
        self.draft.bootrom.as_ref()
    }

    /// Returns what puts the guest into its memory before bhyve runs, where no firmware does.
    pub const fn loader(&self) -> Option<&Loader> {
        self.draft.loader.as_ref()
    }

    /// Returns the disks that bhyveload is told of, in order.
    pub(crate) fn loader_disks(&self, load: &Bhyveload) -> Vec<DevicePath> {
        let own = || self.draft.loader_images().into_iter().map(|(_, path)| path).collect();
        match &load.disks {
            Some(disks) => disks.clone(),
            None if load.host.is_some() => Vec::new(),
            None => own(),
        }
    }

    /// Returns GRUB's names of the host's files.
    pub(crate) fn grub_map(&self, grub: &Grub) -> Vec<(String, DevicePath)> {
        grub.map.clone().unwrap_or_else(|| self.draft.grub_devices())
    }

    /// Returns the items that firmware can ask for, in order.
    pub fn fw_items(&self) -> &[FwItem] {
        &self.draft.fw_items
    }

    /// Returns the devices in the order of bus, slot and function.
    pub fn devices(&self) -> impl Iterator<Item = (PciSlot, &Device)> {
        self.draft.slots.iter().map(|(slot, device)| (*slot, device))
    }

    /// Returns the serial ports of the LPC bridge by name.
    pub fn ttys(&self) -> BTreeMap<&'static str, &Tty> {
        self.draft.ttys().map(|(_, name, tty)| (name, tty)).collect()
    }

    /// Returns every serial port, with what a fault would be about and a name for people.
    pub fn every_tty(&self) -> Vec<(Part, String, &Tty)> {
        self.draft.every_tty()
    }

    /// Returns whether something of the machine uses the standard streams.
    pub fn uses_stdio(&self) -> bool {
        self.draft.every_tty().iter().any(|(_, _, tty)| **tty == Tty::Stdio)
    }

    /// Returns the configuration that vmrun does not know.
    pub fn options(&self) -> &[(String, String)] {
        &self.draft.options
    }

    /// Returns the jail in which its hypervisor runs, if that is one.
    pub const fn jail(&self) -> Option<&Jail> {
        self.draft.jail.as_ref()
    }

    /// Returns how much of the host its hypervisor may take.
    pub const fn limits(&self) -> Limits {
        self.draft.limits
    }

    /// Returns the socket of the file system where its screen is shown by VNC, and the password that lets one in.
    pub fn screen_socket(&self) -> Option<(&super::DevicePath, Option<&Secret>)> {
        let (_, device) = self.devices().find(|(_, device)| device.vnc_socket().is_some())?;
        Some((device.vnc_socket()?, device.password().filter(|password| !password.is_absent())))
    }

    /// Returns where its screen is shown by VNC, and the password that lets one in.
    pub fn screen(&self) -> Option<(SocketAddr, Option<&Secret>)> {
        let (address, password) =
            self.devices().find_map(|(_, device)| device.vnc().map(|address| (address, device.password())))?;
        Some((address.socket(), password.filter(|password| !password.is_absent())))
    }

    /// Returns what is said to its guest and heard from it while that runs, in order.
    pub fn dialog(&self) -> &[DialogStep] {
        &self.draft.dialog
    }

    /// Returns what its recipe says of ssh to its guest.
    pub const fn ssh(&self) -> &SshOptions {
        &self.draft.ssh
    }

    /// Returns the arguments that vmrun does not know.
    pub fn args(&self) -> &[String] {
        &self.draft.args
    }
}

//! A machine as the tree of bhyve_config(5): written as keys and values, and read from them.

use super::device::entries::KeyFault;
use super::number::base_0;
use super::parameter::matches;
use super::setting::SETTINGS;
use super::{
    Arch, Bootrom, CpuSet, Device, Domain, Draft, Feature, Machine, Parameter, PciSlot, Size, Target, Topology, Type,
    Value, device,
};
use crate::diag::Fault;
use std::collections::BTreeMap;

/// Returns the keys of the boot ROM and of its variables.
pub(crate) fn bootrom_keys(target: Target) -> (&'static str, &'static str) {
    let old = !target.has(Feature::BootromKeys) && target.arch == Arch::Amd64;
    if old { ("lpc.bootrom", "lpc.bootvars") } else { ("bootrom", "bootvars") }
}

/// Returns the key of a device's node: `pci.0.4.0`.
pub(crate) fn slot_key(slot: PciSlot) -> String {
    format!("pci.{}.{}.{}", slot.bus(), slot.number(), slot.function())
}

impl Machine {
    /// Returns the whole machine as configuration, keys with their values as bhyve reads them (a `%` is not escaped).
    ///
    /// Secrets are left out. So is what no configuration holds: items of fw_cfg, and arguments that vmrun does not know.
    /// Configuration that vmrun does not know comes last, as it was given.
    pub fn entries(&self) -> Vec<(String, String)> {
        let target = self.target();
        let mut all: Vec<(String, String)> = Vec::new();
        let mut add = |key: &str, value: String| all.push((key.to_string(), value));
        add("name", self.name().to_string());
        add("cpus", self.cpus().to_string());
        if let Some(topology) = self.topology() {
            add("sockets", topology.sockets.to_string());
            add("cores", topology.cores.to_string());
            add("threads", topology.threads.to_string());
        }
        add("memory.size", self.memory().to_string());
        for (setting, value) in self.settings() {
            add(setting.key, value.to_string());
        }
        for (number, text) in self.oem_strings() {
            add(&format!("oemstring.{number}"), text.clone());
        }
        if self.value("tpm.type").is_some() {
            // Only the command line has a default; a configuration without it aborts (tpm_device.c).
            add("tpm.version", "2.0".into());
        }
        for (vcpu, set) in self.pins() {
            add(&format!("vcpu.{vcpu}.cpuset"), set.to_string());
        }
        for (id, domain) in self.domains() {
            all.extend(domain_entries(*id, domain));
        }
        let mut add = |key: &str, value: String| all.push((key.to_string(), value));
        if let Some(rom) = self.bootrom() {
            let (code, vars) = bootrom_keys(target);
            add(code, rom.code.to_string());
            if let Some(path) = &rom.vars {
                add(vars, path.to_string());
            }
        }
        for (name, tty) in self.ttys() {
            add(&format!("lpc.{name}.path"), tty.to_string());
        }
        for (slot, device) in self.devices() {
            let entries = device.entries_for(target).into_iter();
            all.extend(entries.map(|(key, value)| (format!("{}.{key}", slot_key(slot)), value)));
        }
        all.extend(self.options().iter().cloned());
        all
    }
}

/// Returns a domain as configuration.
pub(crate) fn domain_entries(id: u16, domain: &Domain) -> Vec<(String, String)> {
    let size = domain.size.map(|size| ("size", size.to_string()));
    let cpus = domain.cpus.as_ref().map(|cpus| ("cpus", cpus.to_string()));
    let policy = domain.policy.clone().map(|policy| ("domain_policy", policy));
    let entries = [size, cpus, policy].into_iter().flatten();
    entries.map(|(key, value)| (format!("domains.{id}.{key}"), value)).collect()
}

/// The serial ports of the LPC bridge, whose keys are the machine's own.
fn com(key: &str) -> Option<&'static Parameter> {
    device::serial_ports().iter().find(|port| port.key == key)
}

/// What is read piece by piece before it makes sense as a whole.
#[derive(Default)]
struct Reading {
    draft: Draft,
    faults: Vec<KeyFault>,
    numbers: BTreeMap<&'static str, u16>,
    roms: BTreeMap<bool, (String, super::DevicePath)>,
    slots: BTreeMap<PciSlot, Vec<(String, String)>>,
}

impl Draft {
    /// Reads a machine from any configuration tree, with what is wrong about which key. Of two equal keys the later wins, as
    /// in bhyve. Values are as bhyve reads them, after their expansion. `config.dump` is passed over.
    pub fn from_entries(entries: impl IntoIterator<Item = (String, String)>) -> (Self, Vec<KeyFault>) {
        let mut reading = Reading::default();
        for (key, value) in entries {
            if let Err(fault) = reading.take(&key, &value) {
                reading.faults.push((key, fault));
            }
        }
        reading.finish()
    }
}

impl Reading {
    fn take(&mut self, key: &str, text: &str) -> Result<(), Fault> {
        if let Some(rest) = key.strip_prefix("pci.")
            && rest.starts_with(|c: char| c.is_ascii_digit())
        {
            let (slot, key) = slot_of(rest)?;
            self.slots.entry(slot).or_default().push((key.to_string(), text.to_string()));
            return Ok(());
        }
        if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
            let value = setting.ty.read(text)?;
            self.draft.set(setting, value);
        } else if let Some(port) = com(key) {
            if let Value::Tty(tty) = port.ty.read(text)? {
                self.draft.ttys.insert(port.name, tty);
            }
        } else if let Some(vcpu) = matches("vcpu.N.cpuset", key) {
            self.draft.pins.insert(vcpu, text.parse::<CpuSet>()?);
        } else if let Some(number) = matches("oemstring.N", key) {
            self.draft.oem_strings.insert(number, Type::Line.read(text)?.to_string());
        } else if let Some((id, rest)) = domain_of(key) {
            read_domain(self.draft.domains.entry(id).or_default(), rest, key, text)?;
        } else {
            self.take_own(key, text)?;
        }
        Ok(())
    }

    fn take_own(&mut self, key: &str, text: &str) -> Result<(), Fault> {
        match key {
            "config.dump" => {}
            "name" => self.draft.name = Some(text.parse()?),
            "memory.size" => self.draft.memory = Size::memory(text)?,
            "cpus" | "sockets" | "cores" | "threads" => {
                let fault = || Fault::new(format!("{text:?} is no number of {key}")).hint("from 1 to 65535");
                let number = base_0(text).and_then(|number| u16::try_from(number).ok());
                let number = number.filter(|number| *number > 0).ok_or_else(fault)?;
                let known = ["cpus", "sockets", "cores", "threads"].into_iter().find(|known| *known == key);
                self.numbers.extend(known.map(|key| (key, number)));
            }
            "bootrom" | "bootvars" | "lpc.bootrom" | "lpc.bootvars" => {
                let path = text.parse()?;
                let of_vars = key.ends_with("vars");
                // A bhyve that reads both takes `bootrom` (bootrom.c), wherever it stands.
                let is_lesser =
                    key.starts_with("lpc.") && self.roms.get(&of_vars).is_some_and(|(k, _)| !k.starts_with("lpc."));
                if !is_lesser {
                    self.roms.insert(of_vars, (key.to_string(), path));
                }
            }
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn finish(mut self) -> (Draft, Vec<KeyFault>) {
        self.processors();
        self.tpm();
        match (self.roms.remove(&false), self.roms.remove(&true)) {
            (Some((_, code)), vars) => {
                let vars = vars.map(|(_, path)| path);
                self.draft.bootrom = Some(Bootrom { code, vars, template: None });
            }
            (None, Some((key, _))) => {
                let fault = Fault::new(format!("`{key}` is there without a boot ROM"));
                self.faults.push((key, fault.hint("add `bootrom`")));
            }
            (None, None) => {}
        }
        for (slot, entries) in std::mem::take(&mut self.slots) {
            let result = Device::from_entries(&entries).map(|device| self.draft.put(slot, device));
            let faults = match result {
                Ok(Ok(())) => Vec::new(),
                Ok(Err(fault)) => vec![("device".to_string(), fault)],
                Err(faults) => faults,
            };
            let under = |(key, fault): KeyFault| (format!("{}.{key}", slot_key(slot)), fault);
            self.faults.extend(faults.into_iter().map(under));
        }
        (self.draft, self.faults)
    }

    /// bhyve aborts over a TPM without its version, and over a version without a TPM; `-l tpm` always sets it.
    fn tpm(&mut self) {
        let has = |name: &str| self.draft.settings.contains_key(name);
        let fault = match (has("tpm.type") || has("tpm.path"), has("tpm.version")) {
            (true, false) => {
                let fault = Fault::new("the TPM has no `tpm.version`, without which bhyve aborts");
                (if has("tpm.type") { "tpm.type" } else { "tpm.path" }, fault.hint("add `tpm.version=2.0`"))
            }
            (false, true) => {
                let fault = Fault::new("`tpm.version` is there without a TPM, over which bhyve aborts");
                ("tpm.version", fault.hint("add `tpm.type` and `tpm.path`, or leave it out"))
            }
            // What is written anyway need not be said.
            (true, true) => {
                self.draft.settings.remove("tpm.version");
                return;
            }
            (false, false) => return,
        };
        self.faults.push((fault.0.to_string(), fault.1));
    }

    /// By bhyve's rule: no `cpus` is as many as the others make; no `sockets` is as many as `cpus`.
    fn processors(&mut self) {
        let get = |key| self.numbers.get(key).copied();
        let cpus = get("cpus");
        if get("sockets").is_some() || get("cores").is_some() || get("threads").is_some() {
            let sockets = get("sockets").unwrap_or(cpus.unwrap_or(1));
            let (cores, threads) = (get("cores").unwrap_or(1), get("threads").unwrap_or(1));
            let topology = Topology { sockets, cores, threads };
            self.draft.topology = Some(topology);
            self.draft.cpus = cpus.or(topology.total()).unwrap_or(1);
        } else if let Some(cpus) = cpus {
            self.draft.cpus = cpus;
        }
    }
}

/// Reads `4.0.path` after `pci.`: bus, slot, function and the key below.
fn slot_of(rest: &str) -> Result<(PciSlot, &str), Fault> {
    let mut parts = rest.splitn(4, '.');
    let fault = || Fault::new(format!("`pci.{rest}` is no key of a device")).hint("write pci.BUS.SLOT.FUNCTION.KEY");
    let mut next = || parts.next().filter(|part| !part.is_empty()).ok_or_else(fault);
    let (bus, number, function, key) = (next()?, next()?, next()?, next()?);
    let slot: PciSlot = format!("{bus}:{number}:{function}").parse()?;
    // bhyve looks for numbers as it writes them.
    if slot_key(slot) != format!("pci.{bus}.{number}.{function}") {
        return Err(fault());
    }
    Ok((slot, key))
}

fn domain_of(key: &str) -> Option<(u16, &str)> {
    let rest = key.strip_prefix("domains.")?;
    let (id, rest) = rest.split_once('.')?;
    Some((matches("N", id)?, rest))
}

fn read_domain(domain: &mut Domain, rest: &str, key: &str, text: &str) -> Result<(), Fault> {
    match (rest, Type::Size.read(text)) {
        ("size", Ok(Value::Size(size))) => domain.size = Some(size),
        ("size", Ok(_)) => {}
        ("size", Err(fault)) => return Err(fault),
        ("cpus", _) => domain.cpus = Some(text.parse()?),
        ("domain_policy", _) => domain.policy = Some(super::domain::policy(text)?),
        _ => {
            let fault =
                Fault::new(format!("there is no key `{key}`")).hint("domains have size, cpus and domain_policy");
            return Err(fault.did_you_mean(rest, ["size", "cpus", "domain_policy"]));
        }
    }
    Ok(())
}

/// Keys that no table has.
const OWN: [&str; 11] = [
    "name",
    "cpus",
    "sockets",
    "cores",
    "threads",
    "memory.size",
    "bootrom",
    "bootvars",
    "lpc.bootrom",
    "lpc.bootvars",
    "vcpu.0.cpuset",
];

/// Returns whether bhyve reads a key. Below the node of a device, all may be read.
pub(crate) fn is_key(key: &str) -> bool {
    key.starts_with("pci.")
        || OWN.contains(&key)
        || SETTINGS.iter().any(|setting| setting.key == key)
        || com(key).is_some()
        || matches("vcpu.N.cpuset", key).is_some()
        || domain_of(key).is_some()
}

fn unknown(key: &str) -> Fault {
    if key.starts_with("lpc.pcireg.") {
        let fault = Fault::new(format!("bhyve does not read `{key}`"));
        return fault.hint(format!("it reads pci.0.31.0.{}: write it below the slot of the LPC bridge", &key[4..]));
    }
    let known = || {
        let ports = device::serial_ports().iter().map(|port| port.key);
        OWN.iter().copied().chain(SETTINGS.iter().map(|setting| setting.key)).chain(ports)
    };
    let fault = Fault::new(format!("there is no key `{key}`"));
    let hint = "bhyve would never read it; bhyve_config(5) lists its keys";
    fault.hint(hint).did_you_mean(key, known())
}

#[cfg(test)]
mod tests;

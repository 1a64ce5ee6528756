//! The keys of a machine, as recipes write them.

mod jail;
mod ssh;
pub(super) mod tpm;

use super::super::devices::read_type;
use super::super::loader;
use super::super::{expected, map, size, text, unknown_key};
use crate::diag::Fault;
use crate::model::device;
use crate::model::domain::policy;
use crate::model::fwcfg::FwContent;
use crate::model::setting::SETTINGS;
use crate::model::value::{Tty, Type, Value};
use crate::model::{Bootrom, CpuSet, Domain, Draft, Feature, FwItem, PciSlot, Setting, Size, Topology};
use crate::script::handle::{Rom, VmState};
use crate::script::raise::Raised;
use rhai::{Array, Dynamic};

/// A key of a machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// The key, as a recipe writes it.
    pub name: &'static str,
    /// One line for the reference.
    pub help: &'static str,
}

const fn key(name: &'static str, help: &'static str) -> Key {
    Key { name, help }
}

/// The keys that have a form of their own.
const OWN: &[Key] = &[
    key("name", "the machine's name, as in /dev/vmm"),
    key("cpus", "number of virtual CPUs (1), or #{ sockets: 2, cores: 2, threads: 1 }"),
    key("pin", "CPUs of the host for virtual ones: #{ \"0\": \"0-3,8\" }"),
    key("memory", "memory: 512.MiB or \"512M\" (256M)"),
    key("domains", "NUMA: [#{ size: 1.GiB, cpus: \"0-1\", policy: \"prefer:0\" }, …]"),
    key("bootrom", "firmware: uefi(), bootrom(path) or a path"),
    key(
        "loader",
        "what loads the guest before each boot, in place of firmware: bhyveload(#{ … }) or grub_bhyve(#{ … })",
    ),
    key("fw_cfg", "items for firmware: #{ \"opt/name\": \"text\" } or #{ \"opt/name\": #{ file: path } }"),
    key("slots", "devices by PCI slot: \"4\" or \"BUS:SLOT:FUNCTION\""),
    key("com1", "first serial port: \"stdio\", \"/dev/nmdm-NAME.1A\", \"tcp=ADDRESS:PORT\" or a tty"),
    key(
        "serial_log",
        "a file in which what com1 says is kept, a nmdm(4) at which `vmrun console` is as before; four of 4 MiB at most, of which `vmrun \
         logs --serial` shows the last lines",
    ),
    key("com2", "second serial port"),
    key("com3", "third serial port"),
    key("com4", "fourth serial port"),
    key("gdb", "a stub for gdb: 1234 or #{ port: 1234, address: \"127.0.0.1\", wait: true }"),
    key(
        "tpm",
        "a TPM: #{ type: \"swtpm\", state: \"web.tpm\" }, which vmrun has swtpm play, with its state in that folder (beside the firmware's \
         variables); or #{ type: \"passthru\", path: \"/dev/tpm0\" }",
    ),
    key(
        "jail",
        "FreeBSD: the jail in which bhyve runs: \"web\", which is there, has the host's root and allow.vmm, or #{ name: \"web\", \
         create: true, vnet: true }; only one with a network of its own (vnet) has taps (not run on a FreeBSD yet)",
    ),
    key("smbios", "texts that the guest sees: #{ \"system.serial_number\": \"X\" }"),
    key(
        "ssh",
        "how `vmrun ssh` reaches the guest: #{ user: \"debian\", host_key: key.public_key, port: 22, address: \"10.0.0.5\", identity: \"id_ed25519\" }",
    ),
    key(
        "agent",
        "the slot of a port for QEMU's guest agent, as \"9\", by which `vmrun exec` runs commands in the guest and `vmrun stop` asks it first; \
         its socket is in the folder of the machine's state. The guest needs the package qemu-guest-agent",
    ),
    key(
        "accel",
        "QEMU: what runs the guest's code: \"kvm\", which is refused where it does not work, or \"tcg\", which is many times slower \
         (kvm where it works, and tcg with a word of it where not)",
    ),
    key("oem_strings", "texts of the maker that SMBIOS shows, by number: #{ \"1\": \"X\" }"),
];

/// The key below `tpm` that bhyve does not have.
const TPM_STATE: Key =
    key("tpm.state", "the folder in which swtpm keeps what the TPM has to keep; vmrun starts and ends it");

/// Returns every key of a machine.
pub(crate) fn keys() -> impl Iterator<Item = Key> {
    let settings = SETTINGS.iter().filter(|setting| setting.under.is_none());
    OWN.iter().copied().chain(settings.map(|setting| key(setting.name, setting.help)))
}

/// Returns the names of all keys, those of maps in maps too.
pub(crate) fn names() -> Vec<&'static str> {
    let own = OWN.iter().map(|key| key.name);
    own.chain(SETTINGS.iter().map(|setting| setting.name)).chain([TPM_STATE.name]).collect()
}

/// Returns the help of a key, and since when there is what it asks for.
pub(crate) fn help(name: &str) -> String {
    let of_own = [("domains", Feature::Domains), ("oem_strings", Feature::OemStrings)];
    let feature = of_own.into_iter().find(|(own, _)| *own == name).map(|(_, feature)| feature);
    let own = OWN.iter().chain([&TPM_STATE]).find(|key| key.name == name).map(|key| (key.help, feature));
    let setting = || SETTINGS.iter().find(|setting| setting.name == name).map(|one| (one.help, one.feature));
    let (help, feature) = own.or_else(setting).unwrap_or_default();
    feature.and_then(Feature::needs).map_or_else(|| help.into(), |needs| format!("{help}; {needs}"))
}

/// Sets a key of a machine; `()` leaves it as it is.
pub(crate) fn set_key(state: &mut VmState, key: &Key, value: &Dynamic) -> Result<(), Raised> {
    if value.is_unit() {
        return Ok(());
    }
    let draft = &mut state.draft;
    match key.name {
        "name" => draft.name = Some(text(value)?.parse()?),
        "cpus" => set_cpus(draft, value)?,
        "memory" => draft.memory = memory(value)?,
        "bootrom" => set_bootrom(state, value)?,
        "loader" => set_loader(state, value)?,
        "pin" => set_pins(draft, value)?,
        "domains" => set_domains(draft, value)?,
        "oem_strings" => set_oem_strings(draft, value)?,
        "fw_cfg" => set_items(draft, value)?,
        "jail" => draft.jail = Some(jail::jail(value)?),
        "ssh" => draft.ssh = ssh::options(value)?,
        "serial_log" => draft.serial_log = Some(text(value)?.parse()?),
        "accel" => draft.accelerator = Some(text(value)?.parse()?),
        "agent" => draft.agent = Some(slot(value)?),
        "gdb" if value.is_int() => set_under(draft, "gdb", "port", value)?,
        top @ ("gdb" | "tpm" | "smbios") => {
            for (name, value) in map(value)? {
                match (top, name.as_str()) {
                    ("tpm", tpm::STATE) => tpm::set_state(draft, &value).map_err(|raised| raised.under(&name))?,
                    _ => set_under(draft, top, &name, &value)?,
                }
            }
        }
        name => {
            if let Some(port) = device::serial_ports().iter().find(|port| port.name == name) {
                draft.ttys.insert(port.name, tty(value)?);
            } else if let Some(setting) = Setting::named(name) {
                let value = read_type(setting.ty, value)?;
                draft.set(setting, value);
            }
        }
    }
    Ok(())
}

/// Returns the values that a key gives, as far as they can be read, with the names of their settings.
pub(super) fn values(name: &str, value: &Dynamic) -> Vec<(&'static str, Value)> {
    if let Some(port) = device::serial_ports().iter().find(|port| port.name == name) {
        return tty(value).ok().map(|tty| (port.name, Value::Tty(tty))).into_iter().collect();
    }
    if let Some(setting) = Setting::named(name) {
        return read_type(setting.ty, value).ok().map(|value| (setting.name, value)).into_iter().collect();
    }
    let Some(given) = value.read_lock::<rhai::Map>() else { return Vec::new() };
    let below = SETTINGS.iter().filter(|setting| setting.under == Some(name));
    below.filter_map(|setting| Some((setting.name, read_type(setting.ty, given.get(setting.short())?).ok()?))).collect()
}

/// Sets a key in the map of a key.
fn set_under(draft: &mut Draft, top: &str, name: &str, value: &Dynamic) -> Result<(), Raised> {
    let settings = || SETTINGS.iter().filter(|setting| setting.under == Some(top));
    let own = (top == "tpm").then_some(tpm::STATE);
    let known = || settings().map(Setting::short).chain(own).collect::<Vec<_>>();
    let setting = settings().find(|setting| setting.short() == name).ok_or_else(|| unknown_key(name, &known()))?;
    if !value.is_unit() {
        let value = read_type(setting.ty, value).map_err(|raised| raised.under(name))?;
        draft.set(setting, value);
    }
    Ok(())
}

/// A slot, as the keys of `slots` name it.
fn slot(value: &Dynamic) -> Result<PciSlot, Raised> {
    match value.as_int() {
        Ok(number) => Ok(PciSlot::slot(number)?),
        Err(_) => Ok(value.clone().into_string().map_err(|_| expected("a slot, as \"9\"", value))?.parse()?),
    }
}

fn set_bootrom(state: &mut VmState, value: &Dynamic) -> Result<(), Raised> {
    if let Some(rom) = value.clone().try_cast::<Rom>() {
        state.draft.bootrom = Some(rom.bootrom);
        state.bootrom = Some(rom.site);
    } else {
        let code = value.clone().into_string().map_err(|_| expected("uefi(), bootrom(path) or a path", value))?;
        state.draft.bootrom = Some(Bootrom { code: code.parse()?, vars: None, template: None });
    }
    Ok(())
}

fn set_loader(state: &mut VmState, value: &Dynamic) -> Result<(), Raised> {
    let given = loader::given(value)?;
    (state.draft.loader, state.loader) = (Some(given.loader), Some(given.site));
    Ok(())
}

fn number(value: &Dynamic) -> Result<u16, Raised> {
    let number = value.as_int().map_err(|_| expected("a number of CPUs", value))?;
    let fault = || Fault::new(format!("{number} is no number of CPUs")).hint("from 1 to 65535");
    u16::try_from(number).ok().filter(|number| *number > 0).ok_or_else(|| fault().into())
}

/// A number, or how they are arranged; what is not said of that is 1, but sockets follow from the number where it is said.
fn set_cpus(draft: &mut Draft, value: &Dynamic) -> Result<(), Raised> {
    const KNOWN: [&str; 4] = ["cpus", "sockets", "cores", "threads"];
    if !value.is_map() {
        (draft.cpus, draft.topology) = (number(value)?, None);
        return Ok(());
    }
    let given = map(value)?;
    if let Some(key) = given.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(unknown_key(key, &KNOWN));
    }
    let get = |key: &str| {
        let value = given.get(key).filter(|value| !value.is_unit());
        value.map(|value| number(value).map_err(|raised| raised.under(key))).transpose()
    };
    let (cpus, cores, threads) = (get("cpus")?, get("cores")?.unwrap_or(1), get("threads")?.unwrap_or(1));
    let each = cores.saturating_mul(threads);
    let sockets = get("sockets")?.unwrap_or_else(|| cpus.map_or(1, |cpus| (cpus / each).max(1)));
    let topology = Topology { sockets, cores, threads };
    let many = || Fault::new("there are more than 65535 CPUs").hint("sockets, cores and threads multiply");
    draft.cpus = cpus.or(topology.total()).ok_or_else(many)?;
    draft.topology = Some(topology);
    Ok(())
}

fn set_pins(draft: &mut Draft, value: &Dynamic) -> Result<(), Raised> {
    for (key, value) in map(value)? {
        let wrong =
            || Fault::new(format!("{:?} is no number of a CPU", key.as_str())).hint("write pin: #{ \"0\": \"0-3\" }");
        let vcpu: u16 = key.parse().map_err(|_| Raised::from(wrong()).under(&key).about_key())?;
        if !value.is_unit() {
            draft.pins.insert(vcpu, cpu_set(&value).map_err(|raised| raised.under(&key))?);
        }
    }
    Ok(())
}

fn set_oem_strings(draft: &mut Draft, value: &Dynamic) -> Result<(), Raised> {
    for (key, value) in map(value)? {
        let wrong = || {
            let fault = Fault::new(format!("{:?} is no number of a text of SMBIOS", key.as_str()));
            fault.hint("write oem_strings: #{ \"1\": \"text\" }")
        };
        let number: u16 = key.parse().map_err(|_| Raised::from(wrong()).under(&key).about_key())?;
        if !value.is_unit() {
            let text = read_type(Type::Line, &value).map_err(|raised| raised.under(&key))?;
            draft.oem_strings.insert(number, text.to_string());
        }
    }
    Ok(())
}

fn cpu_set(value: &Dynamic) -> Result<CpuSet, Raised> {
    match read_type(Type::CpuSet, value)? {
        Value::CpuSet(set) => Ok(set),
        // The type reads nothing else.
        _ => Err(expected(&Type::CpuSet.to_string(), value)),
    }
}

fn set_domains(draft: &mut Draft, value: &Dynamic) -> Result<(), Raised> {
    let wrong = || expected("a list of domains: [#{ size: 1.GiB, cpus: \"0-1\" }]", value);
    let list = value.clone().try_cast::<Array>().ok_or_else(wrong)?;
    draft.domains.clear();
    for ((at, value), id) in list.iter().enumerate().zip(0_u16..) {
        let domain = domain(value).map_err(|raised| raised.under(&at.to_string()))?;
        draft.domains.insert(id, domain);
    }
    Ok(())
}

fn domain(value: &Dynamic) -> Result<Domain, Raised> {
    let mut domain = Domain::default();
    for (key, value) in map(value)?.iter().filter(|(_, value)| !value.is_unit()) {
        let result = match key.as_str() {
            "size" => memory(value).map(|size| domain.size = Some(size)),
            "cpus" => cpu_set(value).map(|set| domain.cpus = Some(set)),
            "policy" => text(value).and_then(|text| Ok(policy(&text)?)).map(|policy| domain.policy = Some(policy)),
            _ => return Err(unknown_key(key, &["size", "cpus", "policy"])),
        };
        result.map_err(|raised| raised.under(key))?;
    }
    Ok(domain)
}

fn set_items(draft: &mut Draft, value: &Dynamic) -> Result<(), Raised> {
    draft.fw_items.clear();
    for (name, value) in map(value)?.iter().filter(|(_, value)| !value.is_unit()) {
        let content = content(value).map_err(|raised| raised.under(name))?;
        let item = FwItem::new(name, content).map_err(|fault| Raised::from(fault).under(name).about_key())?;
        draft.fw_items.push(item);
    }
    Ok(())
}

fn content(value: &Dynamic) -> Result<FwContent, Raised> {
    if !value.is_map() {
        let wrong = |_| expected("a text, or #{ file: path }", value);
        return value.clone().into_string().map(FwContent::Text).map_err(wrong);
    }
    let given = map(value)?;
    if let Some(key) = given.keys().find(|key| !["file", "text"].contains(&key.as_str())) {
        return Err(unknown_key(key, &["file", "text"]));
    }
    match (given.get("file"), given.get("text")) {
        (Some(path), None) => {
            let path = text(path).and_then(|path| path.parse().map_err(Raised::from));
            path.map(FwContent::File).map_err(|raised| raised.under("file"))
        }
        (None, Some(of)) => text(of).map(FwContent::Text).map_err(|raised| raised.under("text")),
        _ => Err(Fault::new("an item is a `file` or a `text`").hint("write #{ file: \"/path\" }").into()),
    }
}

/// By bhyve's rule a small number is in megabytes.
fn memory(value: &Dynamic) -> Result<Size, Raised> {
    match value.clone().into_string() {
        Ok(text) => Ok(Size::memory_written(&text)?),
        Err(_) => Ok(Size::memory_number(size(value)?.get())?),
    }
}

fn tty(value: &Dynamic) -> Result<Tty, Raised> {
    match Type::Tty.read(&text(value)?)? {
        Value::Tty(tty) => Ok(tty),
        // The type reads nothing else.
        _ => Err(expected("a serial port", value)),
    }
}

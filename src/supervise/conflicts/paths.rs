//! Paths of a machine that are no disk, no firmware and no loader's: what its hypervisor opens has to be there, and where it makes
//! something the folder has to be.

use super::{Conflict, Purpose};
use crate::diag::Fault;
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{Effect, Host, Platform};
use crate::model::device::{Counterpart, agent_socket};
use crate::model::fwcfg::FwContent;
use crate::model::{Argv, Device, Machine, Part, Role, Tty, Value};
use std::path::Path;

/// Returns what is not there.
pub(super) fn missing(host: &dyn Host, machine: &Machine, purpose: Purpose) -> Vec<Conflict> {
    if host.is_assumed() {
        return Vec::new();
    }
    let made = made(machine).into_iter().filter(|(_, path)| !is_own(host, machine, Path::new(path)));
    let made = made.filter_map(|(part, path)| Some((part, without_folder(host, &path)?)));
    let opened = opened(host, machine).into_iter().filter_map(|(part, path)| Some((part, not_there(host, &path)?)));
    made.chain(opened).map(|(part, fault)| (part, fault, purpose.severity())).collect()
}

/// Whether a path is that of the agent's port in the machine's folder, where each boot makes room for it.
pub(super) fn is_own(host: &dyn Host, machine: &Machine, path: &Path) -> bool {
    path == agent_socket(&host.settings().machine_folder(machine.name()))
}

/// The sockets that a hypervisor makes: those of VNC and of a guest's ports; and the log of its serial port.
fn made(machine: &Machine) -> Vec<(Part, String)> {
    let is_socket = |role| matches!(role, Role::Vnc | Role::Console);
    let log = machine.serial_log().map(|path| (Part::Key("serial_log"), path.to_string()));
    let sockets = machine.exclusives().iter().filter(|(own, _)| is_socket(own.role) && own.text.starts_with('/'));
    sockets.map(|(own, part)| (part.clone(), own.text.clone())).chain(log).collect()
}

/// What a hypervisor opens when it starts. Under QEMU devices of the host that are FreeBSD's have another part to play.
fn opened(host: &dyn Host, machine: &Machine) -> Vec<(Part, String)> {
    let mut all: Vec<(Part, String)> = Vec::new();
    for (part, _, tty) in machine.every_tty() {
        // nmdm(4) makes its devices when somebody looks for them (`readiness::null_modems`).
        if let Tty::Path(path) = tty
            && !path.as_str().starts_with("/dev/nmdm")
        {
            all.push((part, path.to_string()));
        }
    }
    for item in machine.fw_items() {
        if let FwContent::File(path) = item.content() {
            all.push((Part::Key("fw_cfg"), path.to_string()));
        }
    }
    // What serves it may be started by the recipe, and one that keeps its state is started with the machine.
    let is_served = || machine.tpm_state().is_some() || runs_commands(host);
    if let Some(Value::Path(path)) = machine.value("tpm.path").filter(|_| !is_served()) {
        all.push((Part::Under("tpm", "path".into()), path.to_string()));
    }
    if host.settings().platform == Platform::FreeBsd {
        all.extend(machine.devices().flat_map(|(slot, device)| {
            of_device(device).into_iter().map(move |(number, name, path)| (Part::option(slot, number, name), path))
        }));
    }
    all
}

/// The paths of a device that is no disk, no folder and no port: an option ROM, an input or sound device, a target of ctl(4).
fn of_device(device: &Device) -> Vec<(Option<u16>, &'static str, String)> {
    if matches!(device.kind().counterpart, Counterpart::Share | Counterpart::Console) {
        return Vec::new();
    }
    let images = device.images();
    let paths = device.items().iter().filter_map(|item| match &item.value {
        Value::Path(path) if images.iter().all(|(.., image, _)| *image != path) => {
            Some((item.number, item.parameter.name, path.to_string()))
        }
        // The others name no file.
        _ => None,
    });
    paths.collect()
}

fn runs_commands(host: &dyn Host) -> bool {
    let runs = |done: &Rehearsed| matches!(done, Rehearsed::Effect(Effect::Run(_) | Effect::Make { .. }));
    host.rehearsal().is_some_and(|rehearsal| rehearsal.done.iter().any(runs))
}

/// Tells of a folder that is not there.
pub(crate) fn without_folder(host: &dyn Host, path: &str) -> Option<Fault> {
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty())?;
    if host.file(folder).is_some() {
        return None;
    }
    let folder = folder.display();
    let way_out = Argv::new("mkdir").arg("-p").arg(folder.to_string());
    Some(Fault::new(format!("the folder {folder} is not there")).hint(way_out.to_string()))
}

fn not_there(host: &dyn Host, path: &str) -> Option<Fault> {
    // A test of a recipe may describe a host without its devices.
    let is_described = || !path.starts_with("/dev/") || host.file(Path::new("/dev/null")).is_some();
    if host.file(Path::new(path)).is_some() || !is_described() {
        return None;
    }
    Some(Fault::new(format!("{path} is not there")).hint("correct the path: it is opened when the machine starts"))
}

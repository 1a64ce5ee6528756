//! What a host has against a machine: found in rehearsal, before anything is touched.

mod alone;
mod content;
mod jail;
pub(crate) mod lengths;
mod limits;
mod loader;
pub(crate) mod network;
mod open;
pub(crate) mod paths;
pub(crate) mod readiness;
mod vfio;

use crate::diag::{Fault, Severity};
use crate::host::swtpm;
use crate::host::{Host, Platform, packages};
use crate::model::argv::quote;
use crate::model::device::{Access, Counterpart};
use crate::model::{Backend, Device, DevicePath, Machine, Part, PciSlot, Value};
use crate::qemu;
use crate::supervise::accelerator;
use crate::supervise::node;
use crate::supervise::recovery::{self, Aim};

/// What a rehearsal is for: a plan is only read, so what the host lacks at the moment is no error there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To print what would be done.
    Plan,
    /// To do it afterwards.
    Run,
    /// To find mistakes, on a host that is nowhere.
    Check,
    /// To learn what network is meant; what of it is there is found out afterwards.
    Network,
}

impl Purpose {
    /// Returns how bad it is that the host lacks something that a plan does not need.
    pub(crate) const fn severity(self) -> Severity {
        match self {
            Self::Plan | Self::Check => Severity::Warning,
            Self::Run | Self::Network => Severity::Error,
        }
    }
}

/// A conflict: what it is about, the fault, how bad it is.
pub(crate) type Conflict = (Part, Fault, Severity);

/// Returns everything that the host has against the machine of a recipe, by its path.
pub(crate) fn conflicts(
    host: &dyn Host,
    machine: &Machine,
    purpose: Purpose,
    init: bool,
    recipe: &str,
) -> Vec<Conflict> {
    let mut found = Vec::new();
    let mut error = |part: Part, fault: Fault| found.push((part, fault, Severity::Error));
    images(host, machine, init, &mut error);
    shares(host, machine, &mut error);
    firmware(host, machine, &mut error);
    lengths::too_long(host, machine).into_iter().for_each(|(part, fault)| error(part, fault));
    taps(host, machine, &mut error);
    if host.settings().platform == Platform::Linux {
        qemu::check(machine).into_iter().for_each(|(part, fault)| error(part, fault));
        if !host.settings().user_net {
            found.extend(qemu::backends(machine).into_iter().map(|(part, fault)| (part, fault, Severity::Error)));
        }
        found.extend(vfio::unusable(host, machine, purpose.severity()));
        found.extend(qemu::ignored(machine).into_iter().map(|fault| (Part::Whole, fault, Severity::Warning)));
    }
    found.extend(loader::conflicts(host, machine, purpose, init));
    found.extend(open::open(machine));
    found.extend(paths::missing(host, machine, purpose));
    let taken = alone::taken(host, machine, purpose);
    // Whose it is says more than that it is there.
    found.retain(|(part, ..)| taken.iter().all(|(known, ..)| known != part));
    found.extend(taken);
    found.extend(down_taps(host, machine));
    capacity(host, machine, purpose, &mut found);
    programs(host, purpose, &mut found);
    if host.settings().platform == Platform::FreeBsd {
        found.extend(readiness::unready(host, machine, purpose.severity()));
        found.extend(jail::unusable(host, machine, purpose.severity()));
    }
    found.extend(accelerated(host, machine, purpose));
    found.extend(tpm(host, machine).map(|fault| (Part::Key("tpm"), fault, purpose.severity())));
    found.extend(limits::unkept(host, machine).map(|fault| (Part::Whole, fault, purpose.severity())));
    if let Some(owner) = recovery::holder(host, machine.name()) {
        found.push((
            Part::Key("name"),
            recovery::running(host, machine.name(), owner.as_ref(), Aim::Boot(Some(recipe))),
            purpose.severity(),
        ));
    }
    let left = recovery::left_elsewhere(host, machine.name());
    let left = left.or_else(|| node::against_starting(host, machine.name()));
    found.extend(left.map(|fault| (Part::Key("name"), fault, purpose.severity())));
    for (slot, device) in machine.devices() {
        for (number, name, path, access) in device.images() {
            let fault = recovery::against_image(host, machine.name(), path.as_path(), access);
            found.extend(fault.map(|fault| (Part::option(slot, number, name), fault, purpose.severity())));
        }
    }
    if found.iter().all(|(.., severity)| *severity != Severity::Error) {
        found.extend(loader::missing(host, machine));
    }
    found
}

/// What runs the guest's code: KVM where it is wanted, and nothing else to say to bhyve.
fn accelerated(host: &dyn Host, machine: &Machine, purpose: Purpose) -> impl Iterator<Item = Conflict> {
    let unusable = accelerator::unusable(host, machine).map(|fault| (fault, purpose.severity()));
    // It is no mistake of a recipe that is for hosts of both kinds.
    let ignored = accelerator::ignored(host, machine).filter(|_| purpose != Purpose::Check);
    let all = unusable.into_iter().chain(ignored.map(|fault| (fault, Severity::Warning)));
    all.map(|(fault, severity)| (Part::Key("accel"), fault, severity))
}

fn images(host: &dyn Host, machine: &Machine, init: bool, error: &mut dyn FnMut(Part, Fault)) {
    for (slot, device) in machine.devices() {
        for (number, name, path, access) in device.images() {
            let part = Part::option(slot, number, name);
            match host.file(path.as_path()) {
                None if access == Access::ReadOnly => {
                    let fault = Fault::new(format!("{path} is not there"));
                    let how = if init { "" } else { "add --init if that makes it, or " };
                    error(part, fault.hint(format!("{how}fetch the image, or correct the path")));
                }
                None => {
                    let fault = Fault::new(format!("the disk {path} is not there, and the recipe does not make it"));
                    error(part, fault.hint(if init || is_device(path) { making(path) } else { INITIALIZE.into() }));
                }
                Some(fact) if fact.is_folder => {
                    let is_read = access == Access::ReadOnly;
                    let hint = if is_read { "name the image in it" } else { "name the disk image in it, or a device" };
                    error(part, Fault::new(format!("{path} is a folder")).hint(hint));
                }
                Some(_) => {
                    let cached = content::against_writing(host, path, access);
                    let other = || content::against(host, path, content::Use::Image(access));
                    let fault = if device.is_raw(number) { cached } else { cached.or_else(other) };
                    fault.into_iter().for_each(|fault| error(part.clone(), fault));
                }
            }
        }
    }
}

/// What is done of a disk that is not there, if the recipe makes it.
const INITIALIZE: &str = "add --init to initialize, or correct the path";

/// Whether a path is a device that no recipe makes: volumes of ZFS are made.
fn is_device(path: &DevicePath) -> bool {
    path.as_str().starts_with("/dev/") && !path.as_str().starts_with("/dev/zvol/")
}

/// Says how a disk is made that is not there: a volume of ZFS is below /dev/zvol (zfs-create(8)), and no other device is made.
fn making(path: &DevicePath) -> String {
    match path.as_str().strip_prefix("/dev/zvol/") {
        Some(volume) => format!("zvol(\"{volume}\", 20.GiB) makes it"),
        None if is_device(path) => "correct the path: a device is there or is not".into(),
        None => format!("truncate(\"{path}\", 20.GiB) makes it"),
    }
}

/// Folders that a guest mounts, and sockets that bhyve makes but never removes.
fn shares(host: &dyn Host, machine: &Machine, error: &mut dyn FnMut(Part, Fault)) {
    if host.is_assumed() {
        return;
    }
    for (slot, device) in machine.devices() {
        let paths = device.items().iter().filter_map(|item| match &item.value {
            Value::Path(path) => Some((Part::option(slot, item.number, item.parameter.name), path)),
            // The others name no folder and no socket that bhyve makes.
            _ => None,
        });
        for (part, path) in paths {
            match (device.kind().counterpart, host.file(path.as_path())) {
                (Counterpart::Share, Some(fact)) if !fact.is_folder => {
                    error(part, Fault::new(format!("{path} is no folder")).hint("a guest mounts folders"));
                }
                (Counterpart::Share, None) => {
                    error(
                        part,
                        Fault::new(format!("the folder {path} is not there")).hint("make it, or correct the path"),
                    );
                }
                (Counterpart::Console, Some(_)) if paths::is_own(host, machine, path.as_path()) => {}
                (Counterpart::Console, Some(fact)) if fact.is_folder => {
                    error(
                        part,
                        Fault::new(format!("{path} is a folder")).hint("name the socket in it that bhyve is to make"),
                    );
                }
                (Counterpart::Console, Some(_)) => {
                    let fault = Fault::new(format!("{path} is there already, and bhyve makes its sockets anew"));
                    error(
                        part,
                        fault.hint(format!(
                            "if no program listens there any more, remove it: rm {}",
                            quote(path.as_str())
                        )),
                    );
                }
                _ => {}
            }
        }
    }
}

/// Returns the fault of firmware that is not there.
fn no_firmware(host: &dyn Host, code: &str) -> Fault {
    let way_out = if code.starts_with("/usr/") {
        packages::way_out(host.settings().platform, "firmware")
    } else {
        // A package brings nothing to a place of one's own.
        "correct the path; `uefi()` is the firmware that a package brings".into()
    };
    Fault::new(format!("the firmware {code} is not there")).hint(way_out)
}

/// Returns what is wrong with the firmware of a package, of which the path is given.
pub(crate) fn against_firmware(host: &dyn Host, code: &str) -> Option<Fault> {
    let path: DevicePath = code.parse().ok()?;
    match host.file(path.as_path()) {
        None => Some(no_firmware(host, code)),
        Some(_) => content::against(host, &path, content::Use::Firmware("code")),
    }
}

fn firmware(host: &dyn Host, machine: &Machine, error: &mut dyn FnMut(Part, Fault)) {
    let Some(rom) = machine.bootrom() else { return };
    let code = no_firmware(host, rom.code.as_str());
    let vars = rom.vars.as_ref().map(|vars| {
        let fault = Fault::new(format!("the firmware's variables {vars} are not there"));
        ("variables", vars, fault.hint("copy the empty ones that came with the firmware"))
    });
    for (what, path, missing) in std::iter::once(("code", &rom.code, code)).chain(vars) {
        let fault = match host.file(path.as_path()) {
            None => Some(missing),
            Some(fact) if fact.is_folder => {
                Some(Fault::new(format!("{path} is a folder")).hint("name the firmware's file in it"))
            }
            Some(_) => content::against(host, path, content::Use::Firmware(what)),
        };
        fault.into_iter().for_each(|fault| error(Part::Key("bootrom"), fault));
    }
}

fn taps(host: &dyn Host, machine: &Machine, error: &mut dyn FnMut(Part, Fault)) {
    // What a jail makes of taps is looked at with the jail.
    let is_jailed = machine.jail().is_some() && host.settings().platform == Platform::FreeBsd;
    if host.is_assumed() || host.settings().user_net || is_jailed {
        return;
    }
    for (slot, device) in machine.devices() {
        let Some(Backend::Tap(tap)) = device.backend() else { continue };
        let there = host.interfaces().is_ok_and(|all| all.iter().any(|i| i.name == tap.as_str()));
        if !there {
            let fault = Fault::new(format!("the tap {tap} is not there, and the recipe does not make it"));
            error(Part::Option(slot, "backend"), fault.hint(format!("let nic = tap(\"{tap}\");")));
        }
    }
}

/// A tap of somebody else that is down, and that no hypervisor brings up: bhyve does that with taps from 13 on (net_backends.c), not
/// with what vmnet(4) makes, and QEMU with none.
fn down_taps(host: &dyn Host, machine: &Machine) -> Vec<Conflict> {
    if host.is_assumed() || host.settings().user_net {
        return Vec::new();
    }
    let Ok(all) = host.interfaces() else { return Vec::new() };
    let exposed = |(slot, device): (PciSlot, &Device)| {
        let Some(Backend::Tap(tap)) = device.backend() else { return None };
        let one = all.iter().find(|one| one.name == tap.as_str() && !one.up && !one.is_ours)?;
        let how = match host.settings().platform {
            Platform::Linux => format!("ip link set dev {} up", one.name),
            Platform::FreeBsd if tap.as_str().starts_with("vmnet") => format!("ifconfig {} up", one.name),
            Platform::FreeBsd => return None,
        };
        let fault = Fault::new(format!("{} is down, and what the guest sends gets nowhere", one.name));
        Some((
            Part::Option(slot, "backend"),
            fault.hint(format!("it is not vmrun's to change: {how}")),
            Severity::Warning,
        ))
    };
    machine.devices().filter_map(exposed).collect()
}

fn capacity(host: &dyn Host, machine: &Machine, purpose: Purpose, found: &mut Vec<Conflict>) {
    let (cpus, memory) = (u64::from(machine.cpus()), machine.memory());
    let capacity = host.capacity(cpus, memory);
    if let Some(most) = capacity.vcpus.filter(|most| cpus > *most) {
        let fault = Fault::new(format!("{cpus} vCPUs are more than this host allows: {most}"));
        let more = match host.settings().platform {
            Platform::FreeBsd => "; hw.vmm.maxcpu in /boot/loader.conf allows more",
            Platform::Linux => "",
        };
        found.push((Part::Key("cpus"), fault.hint(format!("at most {most}{more}")), purpose.severity()));
    } else if let Some(here) = capacity.cpus.filter(|here| cpus > *here) {
        let fault = Fault::new(format!("{cpus} vCPUs share the {here} processors of this host"));
        found.push((Part::Key("cpus"), fault.hint("they will wait for each other"), Severity::Warning));
    }
    if let Some(here) = capacity.memory.filter(|here| memory > *here) {
        let fault = Fault::new(format!("{} of memory are more than this host has: {}", memory.rough(), here.rough()));
        found.push((Part::Key("memory"), fault.hint("give the machine less"), purpose.severity()));
    }
}

fn programs(host: &dyn Host, purpose: Purpose, found: &mut Vec<Conflict>) {
    let program = match host.settings().platform {
        Platform::FreeBsd => "bhyve",
        Platform::Linux => "qemu-system-x86_64",
    };
    found.extend(without(host, program).map(|fault| (Part::Whole, fault, purpose.severity())));
}

/// Returns the fault of a program that is not installed.
pub(crate) fn without(host: &dyn Host, program: &str) -> Option<Fault> {
    let fault = || Fault::host(format!("`{program}` is not installed"));
    (!host.has_program(program)).then(|| fault().hint(packages::way_out(host.settings().platform, program)))
}

/// Returns the fault of a TPM that is to be played where nothing plays it.
fn tpm(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    machine.tpm_state().filter(|_| !host.is_assumed() && !host.has_program(swtpm::PROGRAM))?;
    let hint = packages::way_out(host.settings().platform, swtpm::PROGRAM);
    Some(Fault::host(format!("the machine has a TPM, and `{}` is not installed", swtpm::PROGRAM)).hint(hint))
}

//! Whether a FreeBSD host is ready for a machine: what the kernel lacks, and what whoever runs vmrun may not do there.
//!
//! A start usually pays for none of it: whether something is amiss is seen by looking at files, and only then, or for what few
//! machines have, is a command asked. What is wrong beyond that bhyve says itself (`bhyve::messages`).
//!
//! None of what is said here of jails, of the group vmm and of devices of the host was seen on a FreeBSD: it is from the manuals
//! and the source that are named (not run).

use super::Conflict;
use crate::diag::{Fault, Severity};
use crate::host::worlds::rehearsal::Rehearsed;
use crate::host::{CONTROL, Control, Effect, Host, Platform, Rights, packages};
use crate::model::{Argv, Backend, Device, DevicePath, Feature, HostDevice, Machine, Part, PciSlot, Size, Tty, Value};
use crate::supervise::status::MachineStatus;
use std::collections::BTreeMap;
use std::path::Path;

/// Returns what a FreeBSD host lacks for a machine; `severity` is how bad it is that it cannot be started now.
pub(super) fn unready(host: &dyn Host, machine: &Machine, severity: Severity) -> Vec<Conflict> {
    if host.is_assumed() {
        return Vec::new();
    }
    let mut found = Vec::new();
    let may = host.rights();
    let jail = Jail::around(host, may);
    kernel(host, may, jail, severity, &mut found);
    rights(host, may, Some(machine), severity, &mut found);
    jailed(host, may, Some(machine), jail, severity, &mut found);
    null_modems(host, machine, severity, &mut found);
    slirp(host, machine, &mut found);
    wired(host, machine, severity, &mut found);
    devices(host, machine, severity, &mut found);
    found
}

/// Returns what whoever runs vmrun may not do on a FreeBSD host, whatever the machine, and how bad that is.
pub(crate) fn of_host(host: &dyn Host) -> Vec<(Fault, Severity)> {
    let mut found = Vec::new();
    let may = host.rights();
    let jail = Jail::around(host, may);
    rights(host, may, None, Severity::Error, &mut found);
    jailed(host, may, None, jail, Severity::Error, &mut found);
    found.into_iter().map(|(_, fault, severity)| (fault, severity)).collect()
}

/// The jail in which vmrun runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Jail {
    /// Whether it has a network stack of its own.
    has_network: bool,
}

impl Jail {
    /// Returns the jail around vmrun. The kernel is asked only where something is not to be seen that every host has: jails see
    /// what devfs(8) rules show them, and those of /etc/defaults/devfs.rules hide /dev/mem.
    fn around(host: &dyn Host, may: Rights) -> Option<Self> {
        let memory = host.settings().nodes.with_file_name("mem");
        let is_usual =
            matches!(may.control, Control::Open | Control::Denied | Control::Unknown) && host.file(&memory).is_some();
        if is_usual {
            return None;
        }
        let known = sysctls(host, &["security.jail.jailed", "security.jail.vnet"]);
        let is = |name| known.get(name) == Some(&1);
        is("security.jail.jailed").then(|| Self { has_network: is("security.jail.vnet") })
    }
}

/// Returns numbers that the kernel tells (sysctl(8)), those that it knows.
pub(crate) fn sysctls(host: &dyn Host, names: &[&str]) -> BTreeMap<String, u64> {
    let text = host.query(&Argv::new("sysctl").arg("-i").args(names)).unwrap_or_default();
    let value = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_string(), value.trim().parse().ok()?))
    };
    text.lines().filter_map(value).collect()
}

/// Whether the kernel has a module (kldstat(8)), or the recipe loads it before.
pub(crate) fn has_module(host: &dyn Host, name: &str) -> bool {
    let loads = |done: &Rehearsed| match done {
        Rehearsed::Effect(Effect::Run(argv)) => {
            argv.program == "kldload" && argv.words().iter().any(|word| word.contains(name))
        }
        Rehearsed::Effect(_) | Rehearsed::Boot(_) => false,
    };
    host.rehearsal().is_some_and(|rehearsal| rehearsal.done.iter().any(loads))
        || host.query(&Argv::new("kldstat").args(["-q", "-m", name])).is_ok()
}

/// What brings vmm(4), now and from the next start of the host on.
pub(crate) const LOAD_VMM: &str = "kldload vmm, and vmm_load=\"YES\" in /boot/loader.conf";

/// vmm(4). bhyve loads it itself if it is root on the host (libvmmapi, `vm_create`; 12.1 did not), so that this is no error there.
fn kernel(host: &dyn Host, may: Rights, jail: Option<Jail>, severity: Severity, found: &mut Vec<Conflict>) {
    if may.control != Control::Missing || jail.is_some() || has_module(host, "vmm") {
        return;
    }
    found.push(if may.root {
        let fault = Fault::host("the kernel has no vmm yet: bhyve tries to load it").hint(LOAD_VMM);
        (Part::Whole, fault, Severity::Warning)
    } else {
        (Part::Whole, Fault::host("the kernel has no vmm, and only root can load it").hint(LOAD_VMM), severity)
    });
}

/// Without root bhyve makes machines that go with it (`-M`), as a member of the group vmm (sys/dev/vmm/vmm_dev.c of 2026).
fn rights(host: &dyn Host, may: Rights, machine: Option<&Machine>, severity: Severity, found: &mut Vec<Conflict>) {
    // Whether a machine is one that goes with its bhyve is not known before it is.
    let severity = if machine.is_none() && may.control == Control::Open { Severity::Warning } else { severity };
    let mut lacks = |part: Part, fault: Fault| found.push((part, fault, severity));
    match may.control {
        _ if may.root => {}
        Control::Open => {
            let fault = || {
                let fault = Fault::host("without root bhyve makes only machines that go when it ends");
                fault.hint("add `monitor: true`, which FreeBSD 16 has, or run vmrun as root")
            };
            if machine.is_none_or(|machine| machine.switch("monitor") != Some(true)) {
                lacks(Part::Whole, fault());
            }
            for (slot, _) in machine.into_iter().flat_map(passthru) {
                let fault = Fault::host("without root a guest is given no devices of the host");
                lacks(Part::Slot(slot), fault.hint("run vmrun as root, or leave the device away"));
            }
        }
        Control::Denied => {
            let door = host.settings().nodes.with_file_name(CONTROL);
            let fault = Fault::host(format!("{} may not be written, and bhyve makes machines by it", door.display()));
            let hint = "run vmrun as root; where it is the group vmm's, its members may: pw groupmod vmm -m USER";
            lacks(Part::Whole, fault.hint(hint));
        }
        Control::Unknown => {
            let fault = Fault::host("bhyve makes machines only as root").hint("run vmrun as root");
            lacks(Part::Whole, fault);
        }
        Control::Missing | Control::Jailed => {}
    }
}

/// What a jail may do is its owner's, on the host: jail(8), devfs(8).
fn jailed(
    host: &dyn Host,
    may: Rights,
    machine: Option<&Machine>,
    jail: Option<Jail>,
    severity: Severity,
    found: &mut Vec<Conflict>,
) {
    const ALLOW: &str = "on its host: kldload vmm, then jail -m name=NAME allow.vmm, and allow.vmm in jail.conf(5)";
    let control = may.control;
    let Some(jail) = jail else {
        if control == Control::Jailed {
            found.push((Part::Whole, Fault::host("this jail may not make machines").hint(ALLOW), severity));
        }
        return;
    };
    // Before FreeBSD 15.0 it is read-protected in the same way.
    let asks = || host.query(&Argv::new("sysctl").args(["-n", "hw.vmm.create"])).is_err();
    if control == Control::Jailed || control == Control::Unknown && asks() {
        found.push((Part::Whole, Fault::host("this jail may not make machines").hint(ALLOW), severity));
    }
    if control == Control::Missing {
        let door = host.settings().nodes.with_file_name(CONTROL);
        let fault = Fault::host(format!("this jail does not see {}, by which bhyve makes machines", door.display()));
        let hint = "on its host: allow.vmm in jail.conf(5), and devfs rules that unhide vmmctl, vmm, vmm/*, vmm.io, vmm.io/* and \
                    tap*";
        found.push((Part::Whole, fault.hint(hint), severity));
    }
    if !jail.has_network && (machine.is_none() || makes_interfaces(host)) {
        let fault = Fault::host("this jail has the network of its host, and can make no interfaces");
        let severity = if machine.is_some() { severity } else { Severity::Warning };
        found.push((
            Part::Whole,
            fault.hint("on its host: vnet in jail.conf(5), which is set when it is made"),
            severity,
        ));
    }
    let passed = machine.into_iter().flat_map(|machine| passthru(machine).map(move |(slot, _)| (machine, slot)));
    for (machine, slot) in passed {
        let fault = if machine.target().has(Feature::JailedPassthru) {
            Fault::host(
                "a jail is given devices of the host only with allow.vmm_ppt, which is not to be seen from inside",
            )
            .hint("on its host: jail -m name=NAME allow.vmm_ppt")
        } else {
            let since = Feature::JailedPassthru.since();
            Fault::host(format!("jails that may be given devices of the host came with {since}: allow.vmm_ppt"))
                .hint("run vmrun on the host")
        };
        found.push((Part::Slot(slot), fault, Severity::Warning));
    }
}

fn makes_interfaces(host: &dyn Host) -> bool {
    let makes = |done: &Rehearsed| matches!(done, Rehearsed::Effect(Effect::CreateLink(_)));
    host.rehearsal().is_some_and(|rehearsal| rehearsal.done.iter().any(makes))
}

/// What brings nmdm(4), now and from the next start of the host on.
pub(crate) const LOAD_NMDM: &str = "kldload nmdm, and nmdm_load=\"YES\" in /boot/loader.conf";

/// nmdm(4) makes its devices when somebody looks for them, if it is loaded.
fn null_modems(host: &dyn Host, machine: &Machine, severity: Severity, found: &mut Vec<Conflict>) {
    let mut missing = machine.every_tty().into_iter().filter_map(|(part, _, tty)| match tty {
        Tty::Path(path) if path.as_str().starts_with("/dev/nmdm") && host.file(path.as_path()).is_none() => {
            Some((part, path.clone()))
        }
        Tty::Stdio | Tty::Path(_) | Tty::Tcp(_) => None,
    });
    let Some(first) = missing.next() else { return };
    if has_module(host, "nmdm") {
        return;
    }
    let fault = |path: &DevicePath| {
        let fault = Fault::host(format!("the kernel has no nmdm, so that {path} cannot be opened"));
        fault.hint(LOAD_NMDM)
    };
    found.extend(std::iter::once(first).chain(missing).map(|(part, path)| (part, fault(&path), severity)));
}

/// Where the port net/libslirp has the library that bhyve opens for a network inside the process (net_backend_slirp.c).
const LIBSLIRP: &str = "/usr/local/lib/libslirp.so.0";

/// A warning only: the library may be somewhere else where ldconfig(8) finds it.
fn slirp(host: &dyn Host, machine: &Machine, found: &mut Vec<Conflict>) {
    let is_slirp = |device: &Device| device.backend().is_some_and(|backend| *backend == Backend::Slirp);
    let Some((slot, _)) = machine.devices().find(|(_, device)| is_slirp(device)) else { return };
    found.extend(without_slirp(host).map(|fault| (Part::Slot(slot), fault, Severity::Warning)));
}

/// Returns the fault of a host without the library for networks inside the process.
pub(crate) fn without_slirp(host: &dyn Host) -> Option<Fault> {
    let fault = || Fault::host(format!("{LIBSLIRP} is not there, and bhyve needs it for slirp"));
    let way_out = packages::line(Platform::FreeBsd, "libslirp").map(String::from);
    host.file(Path::new(LIBSLIRP)).is_none().then(|| fault().maybe_hint(way_out))
}

/// Wired memory counts against vm.max_user_wired, in pages (13 and later; sys/vm/vm_map.c), of which others have taken some.
fn wired(host: &dyn Host, machine: &Machine, severity: Severity, found: &mut Vec<Conflict>) {
    const MOST: &str = "vm.max_user_wired";
    const TAKEN: &str = "vm.stats.vm.v_user_wire_count";
    const FREE: &str = "vm.stats.vm.v_free_count";
    const INACTIVE: &str = "vm.stats.vm.v_inactive_count";
    const LAUNDRY: &str = "vm.stats.vm.v_laundry_count";
    if machine.switch("wired") != Some(true) {
        return;
    }
    let known = sysctls(host, &[MOST, TAKEN, FREE, INACTIVE, LAUNDRY, "hw.pagesize"]);
    let Some(page) = known.get("hw.pagesize").copied().filter(|size| *size > 0) else { return };
    let count = |name| known.get(name).copied();
    let size = |pages: u64| Size::bytes(pages.saturating_mul(page));
    let memory = machine.memory();
    // What a machine has that is stopped before is free by then.
    let own = MachineStatus::of(host, machine.name()).filter(|_| host.store().looks_past(machine.name()));
    let own = own.and_then(|status| status.shape.memory).map_or(0, |memory| memory.get() / page);
    let taken = count(TAKEN).unwrap_or(0).saturating_sub(own);
    if let Some(left) = count(MOST).map(|most| most.saturating_sub(taken)).filter(|left| memory > size(*left)) {
        let pages = taken.saturating_add(memory.get().div_ceil(page));
        let fault = Fault::host(format!(
            "{} of wired memory are more than this host lets programs wire: {} are left",
            memory.rough(),
            size(left).rough()
        ));
        let hint = format!("sysctl {MOST}={pages}, also in /etc/sysctl.conf; or give the machine less");
        found.push((Part::Key("memory"), fault.hint(hint), severity));
        return;
    }
    let free =
        count(FREE).map(|free| [INACTIVE, LAUNDRY].into_iter().filter_map(count).fold(free, u64::saturating_add));
    let free = free.map(|free| free.saturating_add(own));
    if let Some(free) = free.filter(|free| memory > size(*free)) {
        let fault = Fault::host(format!(
            "{} of wired memory are more than is free now: {}",
            memory.rough(),
            size(free).rough()
        ));
        let hint = "others have to be swapped out, or ZFS to give up some of its cache, before the guest runs";
        found.push((Part::Key("memory"), fault.hint(hint), Severity::Warning));
    }
}

/// The devices of the host that a machine gets, by their slots.
fn passthru(machine: &Machine) -> impl Iterator<Item = (PciSlot, HostDevice)> {
    machine.devices().filter_map(|(slot, device)| match device.value("host") {
        Some(Value::HostDevice(host)) => Some((slot, *host)),
        // Nobody gave a device of the host.
        _ => None,
    })
}

/// The IOMMU is not initialized before it is needed first, so that `hw.vmm.iommu.initialized` says nothing (FreeBSD's r304858);
/// AMD's is used only if somebody said so (sys/amd64/vmm/amd/amdvi_hw.c).
fn devices(host: &dyn Host, machine: &Machine, severity: Severity, found: &mut Vec<Conflict>) {
    let mut passed = passthru(machine).peekable();
    let Some((first, _)) = passed.peek().copied() else { return };
    let known = sysctls(host, &["hw.vmm.iommu.enable", "hw.vmm.svm.features", "hw.vmm.amdvi.enable"]);
    let is_off = |name: &str| known.get(name) == Some(&0);
    let is_amd = known.get("hw.vmm.svm.features").is_some_and(|features| *features != 0);
    let off = ["hw.vmm.iommu.enable", "hw.vmm.amdvi.enable"].into_iter();
    if let Some(name) = off.filter(|name| is_amd || !name.contains("amdvi")).find(|name| is_off(name)) {
        let fault =
            Fault::host(format!("this host uses no IOMMU, without which no device can be given away: {name} is 0"));
        let hint = format!("{name}=1 in /boot/loader.conf, and start the host anew");
        found.push((Part::Slot(first), fault.hint(hint), severity));
    }
    for (slot, device) in passed {
        let selector = match device {
            HostDevice::Ppt(unit) => format!("ppt{unit}"),
            HostDevice::Address(bus, slot, function) => format!("pci0:{bus}:{slot}:{function}"),
        };
        let listed = host.query(&Argv::new("pciconf").args(["-l", &selector])).unwrap_or_default();
        // `ppt0@pci0:2:0:0:` and what else is known of it (pciconf(8)).
        let driver = listed.split_once("@pci").map_or("", |(driver, _)| driver);
        if driver.is_empty() || driver.starts_with("ppt") {
            continue;
        }
        let whose = if driver.starts_with("none") { "has no driver".into() } else { format!("is {driver}'s") };
        let fault = Fault::host(format!("{device} {whose}, not ppt's"));
        let hint = format!(
            "pptdevs=\"{device}\" in /boot/loader.conf, and start the host anew; or devctl set driver -f {selector} ppt"
        );
        found.push((Part::Slot(slot), fault.hint(hint), severity));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Rights;
    use crate::host::worlds::fixture::Fixture;
    use crate::host::worlds::simulated::Simulated;
    use crate::model::samples::{device, draft};
    use crate::model::{Draft, Setting};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// What is said to somebody with these rights, of a machine that is given a device of the host.
    fn said(rights: Rights, release: crate::model::Release, answers: &[(&str, &str)], monitor: bool) -> Vec<String> {
        let mut fixture = Fixture { rights, ..Fixture::lab() };
        let told = |(question, answer): &(&str, &str)| (question.to_string(), answer.to_string());
        fixture.answers = answers.iter().map(told).collect();
        let host = Simulated::new(&Rc::new(RefCell::new(fixture)));
        let mut draft = draft(&[("8", device("passthru", &[("host", "2/0/0")])), ("31", device("lpc", &[]))]);
        draft.target.release = release;
        for (name, given) in [("wired", true), ("monitor", monitor)] {
            if given {
                draft.set(Setting::named(name).unwrap(), Value::Flag(true));
            }
        }
        let machine = Draft { name: "lab".parse().ok(), ..draft }.check().unwrap();
        let line = |(part, fault, severity): Conflict| {
            let hint = fault.hint.unwrap_or_default();
            format!("{part:?} {severity:?}: {} | {hint}", fault.message)
        };
        unready(&host, &machine, Severity::Error).into_iter().map(line).collect()
    }

    const NOBODY: Rights = Rights { root: false, network: false, control: Control::Open };

    #[test]
    fn a_member_of_the_group_vmm_makes_machines_that_go_with_bhyve_and_gives_no_devices() {
        let passthru = "Slot(PciSlot { bus: 0, slot: 8, function: 0 }) Error: without root a guest is given no devices of \
                        the host | run vmrun as root, or leave the device away";
        let monitor = "Whole Error: without root bhyve makes only machines that go when it ends | add `monitor: true`, which \
                       FreeBSD 16 has, or run vmrun as root";
        let of = |monitor| said(NOBODY, crate::model::Release::V16, &[], monitor);
        assert_eq!(of(true), [passthru]);
        assert_eq!(of(false), [monitor, passthru]);
    }

    #[test]
    fn somebody_who_may_not_make_machines_is_told_who_may() {
        let of = |control| said(Rights { control, ..NOBODY }, crate::model::Release::V15_1, &[], false);
        assert_eq!(
            of(Control::Denied),
            [
                "Whole Error: /dev/vmmctl may not be written, and bhyve makes machines by it | run vmrun as root; where it is the \
              group vmm's, its members may: pw groupmod vmm -m USER"
            ]
        );
        assert_eq!(of(Control::Unknown), ["Whole Error: bhyve makes machines only as root | run vmrun as root"]);
    }

    #[test]
    fn a_jail_without_allow_vmm_is_told_so_and_of_devices_what_is_not_to_be_seen() {
        let jailed =
            [("sysctl -i security.jail.jailed security.jail.vnet", "security.jail.jailed: 1\nsecurity.jail.vnet: 1\n")];
        let of = |release| said(Rights { control: Control::Jailed, ..Rights::ALL }, release, &jailed, false);
        let allow = "Whole Error: this jail may not make machines | on its host: kldload vmm, then jail -m name=NAME allow.vmm, \
                     and allow.vmm in jail.conf(5)";
        let slot = "Slot(PciSlot { bus: 0, slot: 8, function: 0 }) Warning:";
        assert_eq!(
            of(crate::model::Release::V15_1),
            [
                allow.to_string(),
                format!(
                    "{slot} a jail is given devices of the host only with allow.vmm_ppt, which is not to be seen from inside | on \
                     its host: jail -m name=NAME allow.vmm_ppt"
                )
            ]
        );
        assert_eq!(
            of(crate::model::Release::V15_0)[1],
            format!(
                "{slot} jails that may be given devices of the host came with FreeBSD 15.1: allow.vmm_ppt | run vmrun on the host"
            )
        );
    }
}

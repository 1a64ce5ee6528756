//! What speaks against running a machine's bhyve in its jail. None of it was seen on a FreeBSD (not run): it is from jail(8), jls(8)
//! and the source.

use super::Conflict;
use crate::bhyve;
use crate::diag::{Fault, Severity};
use crate::host::Host;
use crate::model::{Backend, DevicePath, Feature, Jail, Machine, Part, Value};
use crate::supervise::recovery;

/// Returns what speaks against a machine's jail; `severity` is how bad it is that the jail is not as it has to be.
pub(super) fn unusable(host: &dyn Host, machine: &Machine, severity: Severity) -> Vec<Conflict> {
    let Some(jail) = machine.jail() else { return Vec::new() };
    let mut found: Vec<Conflict> = Vec::new();
    let mut error = |part, fault: Fault| found.push((part, fault, Severity::Error));
    cards(machine, &mut error);
    relative(machine, &mut error);
    let passes = machine.devices().find(|(_, device)| device.kind().name == "passthru").map(|(slot, _)| slot);
    if let Some(slot) = passes.filter(|_| !machine.target().has(Feature::JailedPassthru)) {
        let fault = Fault::new("before FreeBSD 15.1 no jail is certain to be given devices of the host");
        error(Part::Slot(slot), fault.hint("run the machine outside of jails, or leave the device away"));
    }
    if !host.is_assumed() && !host.rights().root {
        let fault = Fault::host("only root makes jails and enters them").hint("run vmrun as root, or without `jail`");
        found.push((Part::Key("jail"), fault, severity));
    } else if !host.is_assumed() {
        let mut lacks = |fault: Fault| found.push((Part::Key("jail"), fault, severity));
        match host.query(&bhyve::look_at_jail(&jail.name)) {
            Ok(parameters) if jail.is_made => taken(host, machine, jail, &parameters, &mut lacks),
            Ok(parameters) => {
                entered(jail, &parameters, passes.is_some(), &mut lacks);
                found.extend(unreached(machine, jail, &parameters));
            }
            Err(fault) if bhyve::is_no_jail(&fault.message) && jail.is_made => {}
            Err(fault) if bhyve::is_no_jail(&fault.message) => {
                let name = &jail.name;
                let hint = format!("jls shows those that are; jail: #{{ name: \"{name}\", create: true }} has it made");
                lacks(Fault::host(format!("the jail {name} is not there")).hint(hint));
            }
            Err(fault) => lacks(fault.context(format!("the jail {} cannot be looked at", jail.name))),
        }
    }
    found
}

/// bhyve brings its tap up, which in a jail only one with a network of its own may (kern_jail.c, `prison_priv_check`), and there the
/// tap would have to be, outside of the host's bridge.
fn cards(machine: &Machine, error: &mut dyn FnMut(Part, Fault)) {
    for (slot, device) in machine.devices() {
        let Some(Backend::Tap(tap)) = device.backend() else { continue };
        let fault = Fault::new(format!("{tap} cannot be used in a jail: bhyve has to bring it up, and may not there"));
        let hint = "give the card \"slirp\", or run the machine outside of jails";
        error(Part::Option(slot, "backend"), fault.hint(hint));
    }
}

/// Returns the screens that listen where only the jail is.
fn unreached(machine: &Machine, jail: &Jail, parameters: &str) -> Vec<Conflict> {
    let has = |parameter: &str| parameters.split_whitespace().any(|word| word == parameter);
    let screens = machine.devices().filter_map(|(slot, device)| {
        let socket = device.vnc()?.socket();
        let family = if socket.is_ipv4() { "ip4=inherit" } else { "ip6=inherit" };
        if has(family) && !has("vnet=new") {
            return None;
        }
        let fault =
            Fault::host(format!("{socket} is in the network of the jail {}, where vmrun does not reach it", jail.name));
        let hint = "a jail has the host's addresses by vnet=inherit, ip4=inherit and ip6=inherit";
        let key = if device.value("rfb").is_some() { "rfb" } else { "tcp" };
        Some((Part::Option(slot, key), fault.hint(hint), Severity::Warning))
    });
    screens.collect()
}

/// jexec(8) goes to the root of the jail.
fn relative(machine: &Machine, error: &mut dyn FnMut(Part, Fault)) {
    let lost = |path: &DevicePath| {
        let fault = Fault::new(format!("{path} is looked for in the root of the jail"));
        path.as_path().is_relative().then(|| fault.hint("write the whole path"))
    };
    for path in machine.bootrom().into_iter().flat_map(|rom| std::iter::once(&rom.code).chain(&rom.vars)) {
        if let Some(fault) = lost(path) {
            error(Part::Key("bootrom"), fault);
        }
    }
    for (slot, device) in machine.devices() {
        for item in device.items() {
            let Value::Path(path) = &item.value else { continue };
            if let Some(fault) = lost(path) {
                error(Part::option(slot, item.number, item.parameter.name), fault);
            }
        }
    }
}

/// Adds what is wrong with a jail that is only entered.
fn entered(jail: &Jail, parameters: &str, passes_devices: bool, lacks: &mut dyn FnMut(Fault)) {
    let has = |parameter: &str| parameters.split_whitespace().any(|word| word == parameter);
    let name = &jail.name;
    if !has("path=/") {
        let fault = Fault::host(format!("the jail {name} has another root than the host, where bhyve finds no files"));
        lacks(fault.hint("a jail for machines has path=/"));
    }
    let mut allowed = vec!["allow.vmm"];
    allowed.extend(passes_devices.then_some("allow.vmm_ppt"));
    for allow in allowed.into_iter().filter(|allow| !has(allow)) {
        let fault = Fault::host(format!("the jail {name} does not have {allow}"));
        lacks(fault.hint(format!("kldload vmm, then jail -m name={name} {allow}")));
    }
}

/// Adds what is wrong where a jail that is to be made is there.
fn taken(host: &dyn Host, machine: &Machine, jail: &Jail, parameters: &str, lacks: &mut dyn FnMut(Fault)) {
    let is_left = bhyve::is_made_for(parameters, machine.name()) && recovery::is_to_be_taken_over(host, machine.name());
    if !is_left {
        let name = &jail.name;
        let fault = Fault::host(format!("the jail {name} is there already, and this run did not make it"));
        lacks(fault.hint(format!("choose another name, or enter it: jail: \"{name}\"")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::simulated::{Fixture, Simulated};
    use crate::host::{Control, Rights};
    use crate::model::samples::{device, draft};
    use crate::model::{Draft, Release, Setting};
    use std::cell::RefCell;
    use std::rc::Rc;

    fn said(draft: Draft, rights: Rights, parameters: &str) -> Vec<String> {
        let answers = [("jls -nq -j web".to_string(), parameters.to_string())].into();
        let host = Simulated::new(&Rc::new(RefCell::new(Fixture { answers, rights, ..Fixture::lab() })));
        let jail = Some(Jail { name: "web".parse().unwrap(), is_made: false });
        let machine = Draft { name: "lab".parse().ok(), jail, ..draft }.check().unwrap();
        let line = |(_, fault, severity): Conflict| {
            format!("{severity:?}: {} | {}", fault.message, fault.hint.unwrap_or_default())
        };
        unusable(&host, &machine, Severity::Error).into_iter().map(line).collect()
    }

    #[test]
    fn devices_of_the_host_need_a_release_and_a_parameter() {
        let of = |release, parameters| {
            let mut draft = draft(&[("8", device("passthru", &[("host", "2/0/0")]))]);
            draft.target.release = release;
            draft.set(Setting::named("wired").unwrap(), Value::Flag(true));
            said(draft, Rights::ALL, parameters)
        };
        assert_eq!(
            of(Release::V15_0, "path=/ allow.vmm allow.vmm_ppt"),
            [
                "Error: before FreeBSD 15.1 no jail is certain to be given devices of the host | run the machine outside of jails, or \
              leave the device away"
            ]
        );
        assert_eq!(
            of(Release::V15_1, "path=/ allow.vmm allow.novmm_ppt"),
            ["Error: the jail web does not have allow.vmm_ppt | kldload vmm, then jail -m name=web allow.vmm_ppt"]
        );
        assert_eq!(of(Release::V15_1, "path=/ allow.vmm allow.vmm_ppt"), [""; 0]);
    }

    #[test]
    fn paths_are_whole_and_only_root_enters() {
        let disk = draft(&[("4", device("nvme", &[("path", "a.img")]))]);
        let rights = Rights { root: false, network: false, control: Control::Open };
        assert_eq!(
            said(disk, rights, "path=/ allow.vmm"),
            [
                "Error: a.img is looked for in the root of the jail | write the whole path",
                "Error: only root makes jails and enters them | run vmrun as root, or without `jail`"
            ]
        );
    }
}

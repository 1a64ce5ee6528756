//! What speaks against running a machine's bhyve in its jail. None of it was seen on a FreeBSD (not run): it is from jail(8), jls(8)
//! and the source.

use super::Conflict;
use crate::bhyve;
use crate::diag::{Fault, Severity};
use crate::host::Host;
use crate::model::{DevicePath, Feature, InterfaceName, Jail, Machine, Part, PciSlot, Tty, Value};
use crate::supervise::{jail, recovery};
use std::net::SocketAddr;

/// Returns what speaks against a machine's jail; `severity` is how bad it is that the jail is not as it has to be.
pub(super) fn unusable(host: &dyn Host, machine: &Machine, severity: Severity) -> Vec<Conflict> {
    let Some(jail) = machine.jail() else { return Vec::new() };
    let mut found: Vec<Conflict> = Vec::new();
    let mut error = |part, fault: Fault| found.push((part, fault, Severity::Error));
    relative(machine, &mut error);
    if jail.is_made && !jail.has_network {
        let hint =
            format!("jail: #{{ name: \"{}\", create: true, vnet: true }}, or give the card \"slirp\"", jail.name);
        cards(machine).for_each(|(part, tap)| error(part, Fault::new(without_network(tap)).hint(hint.clone())));
    }
    let passes = machine.devices().find(|(_, device)| device.kind().name == "passthru").map(|(slot, _)| slot);
    if let Some(slot) = passes.filter(|_| !machine.target().has(Feature::JailedPassthru)) {
        let fault = Fault::new("before FreeBSD 15.1 no jail is certain to be given devices of the host");
        error(Part::Slot(slot), fault.hint("run the machine outside of jails, or leave the device away"));
    }
    if host.is_assumed() {
        return found;
    }
    if !host.rights().root {
        let fault = Fault::host("only root makes jails and enters them").hint("run vmrun as root, or without `jail`");
        found.push((Part::Key("jail"), fault, severity));
        return found;
    }
    let mut lacks = |part, fault: Fault| found.push((part, fault, severity));
    match host.query(&bhyve::look_at_jail(&jail.name)) {
        Ok(parameters) if jail.is_made => taken(host, machine, jail, &parameters, &mut lacks),
        Ok(parameters) => {
            entered(jail, &parameters, passes.is_some(), &mut lacks);
            if bhyve::has_network(&parameters) {
                lent(host, machine, jail, &mut lacks);
            } else {
                let hint = "one that is made with `vnet` has one (jail(8)); or give the card \"slirp\"";
                cards(machine).for_each(|(part, tap)| lacks(part, Fault::host(without_network(tap)).hint(hint)));
            }
            found.extend(unreached(machine, jail, &parameters));
        }
        Err(fault) if bhyve::is_no_jail(&fault.message) && jail.is_made => {
            lent(host, machine, jail, &mut lacks);
            found.extend(jail.has_network.then(|| unreached(machine, jail, "vnet=new")).into_iter().flatten());
        }
        Err(fault) if bhyve::is_no_jail(&fault.message) => {
            let name = &jail.name;
            let hint = format!("jls shows those that are; jail: #{{ name: \"{name}\", create: true }} has it made");
            lacks(Part::Key("jail"), Fault::host(format!("the jail {name} is not there")).hint(hint));
        }
        Err(fault) => {
            lacks(Part::Key("jail"), fault.context(format!("the jail {} cannot be looked at", jail.name)));
        }
    }
    found
}

/// Returns the taps of a machine's cards.
fn cards(machine: &Machine) -> impl Iterator<Item = (Part, &InterfaceName)> {
    machine.devices().filter_map(|(slot, device)| Some((Part::Option(slot, "backend"), device.tap()?)))
}

/// bhyve opens its tap (if_tuntap.c, PRIV_NET_TAP, unless net.link.tap.user_open is set), and brings it up (net_backends.c of 13 and
/// later; PRIV_NET_SETIFFLAGS). In a jail only one with a network of its own may (kern_jail.c, `prison_priv_check`), and the latter
/// has no switch.
fn without_network(tap: &InterfaceName) -> String {
    let why = "bhyve has to open it and to bring it up, and may not there";
    format!("{tap} cannot be used in a jail without a network of its own: {why}")
}

/// Adds what is wrong with the taps of a machine whose jail has a network of its own: those that the recipe makes are taken there,
/// those that are there already are used, and nobody else's is taken away.
fn lent(host: &dyn Host, machine: &Machine, jail: &Jail, lacks: &mut dyn FnMut(Part, Fault)) {
    if host.settings().user_net || jail.is_made && !jail.has_network {
        return;
    }
    let Ok(here) = host.interfaces() else { return };
    let is_within = |tap: &InterfaceName| {
        let all = || jail::interfaces_in(host, &jail.name);
        !jail.is_made && all().is_ok_and(|all| all.iter().any(|one| one.name == tap.as_str()))
    };
    for (part, tap) in cards(machine) {
        let name = &jail.name;
        match here.iter().find(|one| one.name == tap.as_str()) {
            Some(one) if one.is_ours => {}
            Some(_) => {
                let fault = Fault::host(format!("{tap} is not vmrun's to take into the jail {name}"));
                lacks(
                    part,
                    fault.hint(format!("have the recipe make a tap of its own, or: ifconfig {tap} vnet {name}")),
                );
            }
            None if is_within(tap) => {}
            None => {
                let fault = Fault::new(format!("the tap {tap} is not there, and the recipe does not make it"));
                lacks(part, fault.hint(format!("let nic = tap(\"{tap}\");")));
            }
        }
    }
}

/// Returns the screens and serial ports that listen where only the jail is.
fn unreached(machine: &Machine, jail: &Jail, parameters: &str) -> Vec<Conflict> {
    let has = |parameter: &str| parameters.split_whitespace().any(|word| word == parameter);
    let screens = machine.devices().filter_map(|(slot, device)| {
        let key = if device.value("rfb").is_some() { "rfb" } else { "tcp" };
        Some((slot, key, device.vnc()?.socket()))
    });
    let ports = machine.devices().flat_map(|(slot, device)| {
        device.ttys().filter_map(move |(key, tty)| match tty {
            Tty::Tcp(socket) => Some((slot, key, *socket)),
            Tty::Stdio | Tty::Path(_) => None,
        })
    });
    let exposed = |(slot, key, socket): (PciSlot, &'static str, SocketAddr)| {
        let family = if socket.is_ipv4() { "ip4=inherit" } else { "ip6=inherit" };
        let is_apart = bhyve::has_network(parameters);
        if has(family) && !is_apart {
            return None;
        }
        // The network of a jail that is made has no address but those that the system gives itself, and bhyve is refused any other.
        let name = &jail.name;
        let (fault, severity) = if jail.is_made && !socket.ip().is_unspecified() {
            let message = format!("{socket} is no address of the jail {name}, whose network is its own");
            (Fault::new(message), Severity::Error)
        } else {
            let message = format!("{socket} is in the network of the jail {name}, where vmrun does not reach it");
            (Fault::host(message), Severity::Warning)
        };
        let hint = if is_apart && jail.is_made {
            "leave `vnet` out, or have the guest answer by its own network"
        } else {
            "a jail has the host's addresses by vnet=inherit, ip4=inherit and ip6=inherit"
        };
        Some((Part::Option(slot, key), fault.hint(hint), severity))
    };
    screens.chain(ports).filter_map(exposed).collect()
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
fn entered(jail: &Jail, parameters: &str, passes_devices: bool, lacks: &mut dyn FnMut(Part, Fault)) {
    let has = |parameter: &str| parameters.split_whitespace().any(|word| word == parameter);
    let name = &jail.name;
    if !has("path=/") {
        let root = parameters.split_whitespace().find_map(|word| word.strip_prefix("path=")).unwrap_or_default();
        let why = "bhyve, its disks, firmware and /dev would be looked for there";
        let fault = Fault::host(format!("the jail {name} has a root of its own, {root}: {why}"));
        lacks(
            Part::Key("jail"),
            fault.hint("a jail for machines has path=/: files and /dev are the host's there, devfs rules or not"),
        );
    }
    let mut allowed = vec!["allow.vmm"];
    allowed.extend(passes_devices.then_some("allow.vmm_ppt"));
    for allow in allowed.into_iter().filter(|allow| !has(allow)) {
        let fault = Fault::host(format!("the jail {name} does not have {allow}"));
        lacks(Part::Key("jail"), fault.hint(format!("kldload vmm, then jail -m name={name} {allow}")));
    }
}

/// Adds what is wrong where a jail that is to be made is there.
fn taken(host: &dyn Host, machine: &Machine, jail: &Jail, parameters: &str, lacks: &mut dyn FnMut(Part, Fault)) {
    let name = machine.name();
    // Of one whose machine runs already it is told by the machine's name.
    let is_its = || recovery::is_to_be_taken_over(host, name) || recovery::holder(host, name).is_some();
    if !(bhyve::is_made_for(parameters, name) && is_its()) {
        let name = &jail.name;
        let fault = Fault::host(format!("the jail {name} is there already, and this run did not make it"));
        lacks(Part::Key("jail"), fault.hint(format!("choose another name, or enter it: jail: \"{name}\"")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::worlds::fixture::Fixture;
    use crate::host::worlds::simulated::Simulated;
    use crate::host::{Control, Rights};
    use crate::model::samples::{device, draft};
    use crate::model::{Draft, Release, Setting};
    use std::cell::RefCell;
    use std::rc::Rc;

    fn said(draft: Draft, rights: Rights, parameters: &str) -> Vec<String> {
        let answers = [("jls -nq -j web".to_string(), parameters.to_string())].into();
        let host = Simulated::new(&Rc::new(RefCell::new(Fixture { answers, rights, ..Fixture::lab() })));
        let jail = Some(Jail { name: "web".parse().unwrap(), is_made: false, has_network: false });
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

//! What of a machine listens where others than this host reach it, and lets everybody in.

use super::Conflict;
use crate::diag::{Fault, Severity};
use crate::model::{Exclusive, Machine, Part, PciSlot, Role, Tty, VmName};
use std::net::{IpAddr, SocketAddr};

/// Returns what of it is open: a screen without a password, and the stub for gdb and serial ports, which know none (bhyve(8)). It is
/// a warning, as the network around may be one's own.
pub(super) fn open(machine: &Machine) -> Vec<Conflict> {
    let exclusives = machine.exclusives();
    let listening = exclusives.iter().filter_map(|(own, part)| match (own.role, part) {
        (Role::Vnc, Part::Option(slot, _)) if !has_password(machine, *slot) => {
            Some((part.clone(), screen(machine, own)?))
        }
        (Role::Gdb, _) => Some((Part::Under("gdb", "address".into()), stub(own)?)),
        _ => None,
    });
    let ports = machine.every_tty().into_iter().filter_map(|(part, name, tty)| {
        let fault = port(machine.name(), &part, &name, tty)?;
        Some((part, fault))
    });
    listening.chain(ports).map(|(part, fault)| (part, fault, Severity::Warning)).collect()
}

fn has_password(machine: &Machine, slot: PciSlot) -> bool {
    machine.devices().any(|(at, device)| at == slot && device.password().is_some())
}

/// Whether others than the host itself reach an address.
fn is_open(ip: IpAddr) -> bool {
    !ip.to_canonical().is_loopback()
}

fn screen(machine: &Machine, own: &Exclusive) -> Option<Fault> {
    let address = own.address().filter(|address| is_open(address.ip()))?;
    let message =
        format!("VNC listens on {address} without a password: whoever reaches it sees the screen and types there");
    let tunnel = format!("`vmrun vnc {} --hosts ssh://HOST`", machine.name());
    // Eight bytes by DES, and nothing after it is encrypted (RFC 6143, 7.2.2).
    let weak = "which is weak: who sees the network sees the screen";
    let hint = format!("listen on 127.0.0.1, where {tunnel} leads; or add `password: secret(\"vnc\")`, {weak}");
    Some(Fault::new(message).hint(hint))
}

/// A host may be named here, and only loopback's own name is known (bhyve's default).
fn stub(own: &Exclusive) -> Option<Fault> {
    if own.address().is_some_and(|address| !is_open(address.ip())) {
        return None;
    }
    let what = "which knows no password: whoever reaches it reads and writes the guest's memory";
    let port = own.text.rsplit(':').next().unwrap_or_default();
    let fault = Fault::new(format!("the stub for gdb listens on {}, {what}", own.text));
    Some(fault.hint(format!("leave `address` out for 127.0.0.1; {}", tunnel(port))))
}

fn port(machine: &VmName, part: &Part, name: &str, tty: &Tty) -> Option<Fault> {
    let Tty::Tcp(address) = tty else { return None };
    let is_console = matches!(part, Part::Key(key) | Part::Option(_, key) if key.starts_with("com"));
    let way = match name.trim_matches('`') {
        com if is_console => format!("`vmrun console {machine} --port {com} --hosts ssh://HOST` leads there"),
        _ => tunnel(&address.port().to_string()),
    };
    let fault = || {
        let what = "which knows no password: whoever reaches it has the guest's screen";
        let own = SocketAddr::new([127, 0, 0, 1].into(), address.port());
        Fault::new(format!("{name} listens on {address}, {what}")).hint(format!("\"tcp={own}\"; {way}"))
    };
    is_open(address.ip()).then(fault)
}

fn tunnel(port: &str) -> String {
    format!("`ssh -L {port}:127.0.0.1:{port} HOST` leads there from elsewhere")
}

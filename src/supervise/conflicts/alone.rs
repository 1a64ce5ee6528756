//! What a machine has alone, and somebody has already.

use super::{Conflict, Purpose};
use crate::diag::{Fault, Severity};
use crate::host::Host;
use crate::host::seat::Seat;
use crate::model::{Exclusive, Machine, Role, VmName};
use crate::supervise::claim::alone_of;
use crate::supervise::recovery;
use crate::supervise::status::MachineStatus;
use std::net::SocketAddr;

/// Returns what of it another machine has that runs, and where somebody listens already.
pub(super) fn taken(host: &dyn Host, machine: &Machine, purpose: Purpose) -> Vec<Conflict> {
    if host.is_assumed() {
        return Vec::new();
    }
    let (own, parts): (Vec<Exclusive>, Vec<_>) = alone_of(machine).unzip();
    let by_machines = recovery::against_own(host, machine.name(), &own);
    let is_reported = |at: usize| by_machines.iter().any(|(reported, _)| *reported == at);
    let mut found = Vec::new();
    for (at, one) in own.iter().enumerate().filter(|(at, _)| !is_reported(*at)) {
        let fault = match one.tcp() {
            Some(address) => against_listening(host, machine.name(), one.role, address),
            None if one.role == Role::Vnc => against_socket(host, machine.name(), &one.text),
            None => None,
        };
        found.extend(fault.map(|fault| (parts[at].clone(), fault, Severity::Error)));
    }
    found.extend(by_machines.into_iter().map(|(at, fault)| (parts[at].clone(), fault, purpose.severity())));
    found
}

/// Returns why nobody can listen on an address.
fn against_listening(host: &dyn Host, name: &VmName, role: Role, address: SocketAddr) -> Option<Fault> {
    let ip = address.ip();
    let who = match role {
        Role::Gdb => "the stub for gdb",
        Role::Serial => "the serial port",
        Role::Forward => "`hostfwd`",
        // Nothing else listens on an address.
        _ => "VNC",
    };
    let own = host.interfaces().is_ok_and(|all| all.iter().any(|i| i.has(ip)));
    if !(own || ip.is_loopback() || ip.is_unspecified()) {
        let fault = Fault::new(format!("{who} cannot listen on {address}: this host does not have {ip}"));
        Some(fault.hint("host_ip(\"192.168.2.0/24\") finds the host's own address"))
    } else if !is_given_back(host, name, address) && host.is_taken(&Seat::Address(address)) {
        let fault = Fault::new(format!("{who} cannot listen on {address}: somebody does already"));
        Some(fault.hint("choose another port, or stop the other machine"))
    } else {
        None
    }
}

/// Returns why no VNC server can listen on a socket of the file system.
fn against_socket(host: &dyn Host, name: &VmName, path: &str) -> Option<Fault> {
    let is_free = recovery::is_to_be_taken_over(host, name) || !host.is_taken(&Seat::Socket(path.into()));
    let fault = || Fault::new(format!("VNC cannot listen on the socket {path}: somebody does already"));
    (!is_free).then(|| fault().hint("choose another path, or stop the other machine"))
}

/// Whether the guest that a run of the machine has left is ended before, and listens there, as far as that is known: by its journal,
/// or, where that is an older vmrun's, by its status.
fn is_given_back(host: &dyn Host, name: &VmName, address: SocketAddr) -> bool {
    if !recovery::is_to_be_taken_over(host, name) {
        return false;
    }
    let noted = recovery::noted_of(host, name);
    let vnc = || MachineStatus::of(host, name).and_then(|status| status.shape.vnc);
    if noted.is_empty() {
        vnc().is_none_or(|noted| noted == address)
    } else {
        noted.iter().any(|one| one.tcp() == Some(address))
    }
}

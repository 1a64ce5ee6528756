//! What QEMU needs of Linux, and what whoever runs vmrun may do there.

use super::Report;
use crate::diag::Fault;
use crate::host::system::System;
use crate::host::{Facts as _, Guests as _};
use crate::model::Argv;

pub(super) fn examine(host: &System, report: &mut Report) {
    kvm(host, report);
    if host.rights().network {
        report.ok("rights", "interfaces may be made");
    } else {
        let fault = Fault::host("without root, or CAP_NET_ADMIN, no tap and no bridge is made");
        report.note("rights", fault.hint("run vmrun as root; a machine with slirp, or --user-net, needs neither"));
    }
    if host.has_program("qemu-system-x86_64") {
        let said = host.query(&Argv::new("qemu-system-x86_64").arg("--version"));
        match said.as_deref().map(|text| text.lines().next().unwrap_or_default()) {
            Ok(line) => report.ok("hypervisor", line),
            Err(fault) => report.wrong("hypervisor", fault.clone()),
        }
    }
}

/// Without KVM machines run all the same, by QEMU's translation of their code.
fn kvm(host: &System, report: &mut Report) {
    match host.kvm().fault() {
        None => report.ok("kvm", "/dev/kvm opens, and the processor has VT-x or AMD-V"),
        Some(fault) => {
            let message = format!("{}: machines run, and many times slower", fault.message);
            report.note("kvm", Fault { message, ..fault });
        }
    }
}

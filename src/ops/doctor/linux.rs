//! What QEMU needs of Linux, and what whoever runs vmrun may do there.

use super::Report;
use crate::diag::Fault;
use crate::host::Facts as _;
use crate::host::kvm::{self, Kvm};
use crate::host::rights::user_name;
use crate::host::system::System;
use crate::model::Argv;
use crate::model::argv::quote;

pub(super) fn examine(host: &System, report: &mut Report) {
    kvm(report);
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
fn kvm(report: &mut Report) {
    let slow = |why: String| Fault::host(format!("{why}: machines run, and many times slower"));
    let fault = match kvm::look() {
        Kvm::Usable => return report.ok("kvm", "/dev/kvm opens, and the processor has VT-x or AMD-V"),
        Kvm::NoProcessor => slow("the processor shows neither VT-x nor AMD-V (vmx, svm in /proc/cpuinfo)".into())
            .hint("switch it on in the firmware of this host; where this is a guest, let its host nest"),
        Kvm::NoDevice(module) => slow(format!("/dev/kvm does not work: {module} is not loaded"))
            .hint(format!("modprobe {module}; in a container: give it the device /dev/kvm")),
        Kvm::Denied(group) => {
            let way_out = format!("usermod -aG {} {}, and log in anew", quote(&group), quote(&user_name()));
            slow(format!("/dev/kvm is of the group {group}, and this user is not in it")).hint(way_out)
        }
        Kvm::Refused(why) => {
            slow(format!("/dev/kvm cannot be opened: {why}")).hint("look at what the kernel says: dmesg | grep kvm")
        }
    };
    report.note("kvm", fault);
}

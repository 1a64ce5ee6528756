//! What bhyve needs of FreeBSD's kernel, and what whoever runs vmrun may do there.

use super::Report;
use crate::diag::Fault;
use crate::host::Facts as _;
use crate::host::system::System;
use crate::supervise::conflicts::readiness;

pub(super) fn examine(host: &System, report: &mut Report) {
    kernel(host, report);
    rights(host, report);
}

/// vmm(4) and nmdm(4). A jail sees the modules of its host, and loads none.
fn kernel(host: &System, report: &mut Report) {
    if readiness::has_module(host, "vmm") {
        report.ok("kernel", "vmm is loaded");
        processor(host, report);
    } else if host.rights().root {
        let fault = Fault::host("the kernel has no vmm yet: bhyve tries to load it");
        report.note("kernel", fault.hint(readiness::LOAD_VMM));
    } else {
        let fault = Fault::host("the kernel has no vmm, and only root can load it");
        report.wrong("kernel", fault.hint(readiness::LOAD_VMM));
    }
    if readiness::has_module(host, "nmdm") {
        report.ok("kernel", "nmdm is loaded");
    } else {
        let fault = Fault::host("the kernel has no nmdm, by which a serial port has a terminal");
        report.note("kernel", fault.hint(readiness::LOAD_NMDM));
    }
    if let Some(fault) = readiness::without_slirp(host) {
        report.note("kernel", fault);
    }
}

/// Whether the processor helps, as vmm(4) tells it. That both are 0 where it does not was read in sys/amd64/vmm and not seen; where
/// the kernel does not tell, nothing is said.
fn processor(host: &System, report: &mut Report) {
    const VMX: &str = "hw.vmm.vmx.initialized";
    const SVM: &str = "hw.vmm.svm.features";
    let known = readiness::sysctls(host, &[VMX, SVM]);
    match (known.get(VMX), known.get(SVM)) {
        (Some(0) | None, Some(0)) | (Some(0), None) => {
            let fault =
                Fault::host("vmm has found no VT-x and no AMD-V in the processor, without which no machine runs");
            let way_out = "switch it on in the firmware of this host; where this is a guest, let its host nest";
            report.wrong("processor", fault.hint(way_out));
        }
        (Some(_), _) | (None, Some(_)) => report.ok("processor", "vmm uses it"),
        (None, None) => {}
    }
}

fn rights(host: &System, report: &mut Report) {
    let found = readiness::of_host(host);
    if found.is_empty() {
        let who = if host.rights().root { "root" } else { "a member of the group vmm" };
        report.ok("rights", format!("machines may be made: this is {who}"));
    }
    for (fault, severity) in found {
        report.said("rights", fault, severity);
    }
}

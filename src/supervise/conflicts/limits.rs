//! Why a host cannot keep a machine within its limits.

use super::without;
use crate::bhyve;
use crate::diag::Fault;
use crate::host::{Host, Platform, cgroup};
use crate::model::{Argv, Machine};

/// Returns why the host cannot keep the machine within its limits.
pub(super) fn unkept(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    if machine.limits().is_empty() {
        return None;
    }
    let fault = match host.settings().platform {
        Platform::FreeBsd => {
            bhyve::against_limits(machine).map(|(_, fault)| fault).or_else(|| uncounted(host, machine))
        }
        Platform::Linux => ungrouped(host, machine),
    };
    fault.or_else(|| not_so_nice(host, machine))
}

/// FreeBSD counts what processes take only where it was told so when it was started (rctl(8)).
fn uncounted(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    if machine.limits().controllers().is_empty() || host.is_assumed() {
        return None;
    }
    let counts = || host.query(&Argv::new("sysctl").args(["-n", "kern.racct.enable"]));
    missing(host, "rctl").or_else(|| {
        let fault = Fault::host("the machine has limits, and this host does not count what processes take");
        let fault = fault.hint("kern.racct.enable=1 in /boot/loader.conf, and start the host anew");
        counts().map_or(true, |text| text.trim() != "1").then_some(fault)
    })
}

/// Linux has the limits of a control group, and else of memory alone.
fn ungrouped(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    if let Some(fault) = cgroup::unkept(host, machine) {
        return Some(fault);
    }
    match cgroup::of(host, machine) {
        None if machine.limits().memory.is_some() && !host.is_assumed() => missing(host, "prlimit"),
        None => None,
        Some(group) => {
            let shown = group.folder.display();
            let is_there = !host.is_assumed() && host.file(&group.folder).is_some();
            let is_anothers = is_there && host.store().record(machine.name()).is_none();
            let fault = Fault::host(format!(
                "the control group {shown} is there, and no run of {} has made it",
                machine.name()
            ));
            is_anothers.then(|| {
                fault.hint(format!("once nothing runs in it: rmdir {shown}; or give the machine another name"))
            })
        }
    }
}

/// Only the superuser makes a process go before others (nice(1)).
fn not_so_nice(host: &dyn Host, machine: &Machine) -> Option<Fault> {
    let nice = machine.limits().nice.filter(|nice| *nice < 0 && !host.is_assumed() && !host.rights().root)?;
    Some(
        Fault::host(format!("only root may start a machine with a `nice` of {nice}"))
            .hint("run vmrun as root, or give 0 or more"),
    )
}

fn missing(host: &dyn Host, program: &str) -> Option<Fault> {
    let fault = without(host, program)?;
    Some(Fault { message: format!("the machine has limits, and {}", fault.message), ..fault })
}

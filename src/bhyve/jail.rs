//! bhyve in a jail: jail(8), jexec(8), jls(8). None of it was run on a FreeBSD; it is from the manuals and from the source.
//!
//! jexec(8) enters the jail and becomes bhyve, so that the process, its signals and its status are as without one, and the host
//! sees it by its title. Nodes have one name for all jails, and the host sees and destroys those of every jail
//! (sys/dev/vmm/vmm_dev.c of 2026, `vmmdev_lookup`), so that bhyvectl(8) is called outside.

use crate::model::{Argv, Jail, JailName, VmName};

/// Returns the command that runs bhyve in its jail.
pub(crate) fn jailed(argv: Argv, jail: Option<&Jail>) -> Argv {
    match jail {
        Some(jail) => within(&jail.name, &argv),
        None => argv,
    }
}

/// Returns the command that makes a jail for a machine: it has the files and addresses of the host, or a network of its own in their
/// place, and may do no more than make machines. Its host name tells whose it is. It is refused where there is one of the name.
/// A jail with a network of its own is told no addresses (kern_jail.c: `vnet jails cannot have IP address restrictions`).
pub(crate) fn create_jail(jail: &Jail, machine: &VmName, passes_devices: bool) -> Argv {
    let argv = Argv::new("jail").args(["-qc"]).arg(format!("name={}", jail.name)).args(["persist", "path=/"]);
    let argv = argv.arg(format!("host.hostname={}", hostname(machine)));
    let argv = if jail.has_network { argv.arg("vnet") } else { argv.args(["ip4=inherit", "ip6=inherit"]) };
    let argv = argv.arg("allow.vmm");
    if passes_devices { argv.arg("allow.vmm_ppt") } else { argv }
}

/// Returns the command that removes a jail with the processes in it. `-R` asks no jail.conf(5), which may be another's.
pub(crate) fn remove_jail(jail: &JailName) -> Argv {
    Argv::new("jail").arg("-qR").arg(jail)
}

/// Returns the command that runs another in a jail.
pub(crate) fn within(jail: &JailName, argv: &Argv) -> Argv {
    Argv::new("jexec").arg(jail).args(argv.words())
}

/// Whether the parameters of a jail say that it has a network of its own.
pub(crate) fn has_network(parameters: &str) -> bool {
    parameters.split_whitespace().any(|word| word == "vnet=new")
}

/// Returns the command that shows the parameters of a jail, as `path=/`, `allow.vmm` and `allow.novmm`.
pub(crate) fn look_at_jail(jail: &JailName) -> Argv {
    Argv::new("jls").args(["-nq", "-j"]).arg(jail)
}

/// Whether jls(8) says that there is no such jail: `jls: jail "web" not found` (libjail, `jail_getid`).
pub(crate) fn is_no_jail(message: &str) -> bool {
    message.contains("not found")
}

/// Whether the parameters of a jail are those of one that was made for a machine.
pub(crate) fn is_made_for(parameters: &str, machine: &VmName) -> bool {
    let hostname = format!("host.hostname={}", hostname(machine));
    parameters.split_whitespace().any(|word| word == hostname)
}

fn hostname(machine: &VmName) -> String {
    format!("{machine}.vmrun")
}

//! The keys of what vm-bhyve does around bhyve.

use super::Key;

const CREATED: &str = "vm-bhyve uses it only when it makes the guest or one of its disks";

pub(super) const KEYS: &[Key] = &[
    // keep what bhyve says on standard error in bhyve.log
    Key::instead("debug", "no", "vmrun always shows what bhyve says"),
    // a program that runs before each boot, with the guest's name and dataset
    Key::command("prestart", "", "`run(…)` before the machine"),
    // the nice value of bhyve; iN for idprio(1), rN for rtprio(1)
    Key::command("priority", "", "`vm.limits(#{ nice: … })`; idprio(1) and rtprio(1) are not the machine's"),
    // the most CPU, in percent
    Key::command("limit_pcpu", "", "`vm.limits(#{ cpu: … })`"),
    // the most that is read, a second
    Key::command("limit_rbps", "", "`vm.limits(#{ readbps: … })`"),
    // the most that is written, a second
    Key::command("limit_wbps", "", "`vm.limits(#{ writebps: … })`"),
    // the most reads a second
    Key::command("limit_riops", "", "`vm.limits(#{ readiops: … })`"),
    // the most writes a second
    Key::command("limit_wiops", "", "`vm.limits(#{ writeiops: … })`"),
    // what follows a reboot of the guest: restart, or anything else to end
    Key::command("on_restart", "restart", "`restart(#{ on: … })`"),
    // what follows bhyve's failure: restart, or anything else to end
    Key::command("on_fault", "shutdown", "`restart(#{ on: … })`"),
    // words by which `vm tags find` finds the guest
    Key::instead("tags", "", "vmrun has no tags: use folders"),
    // properties of the guest's dataset
    Key::nothing("zfs_dataset_opts", CREATED),
    // properties of its volumes
    Key::nothing("zfs_zvol_opts", CREATED),
];

//! The keys of what vm-bhyve does around bhyve.

use super::Key;

const LIMIT: &str = "vmrun sets no limits: use rctl(8) on bhyve's process";
const CREATED: &str = "vm-bhyve uses it only when it makes the guest or one of its disks";

pub(super) const KEYS: &[Key] = &[
    Key::instead(
        "debug",
        "keep what bhyve says on standard error in bhyve.log",
        "no",
        "vmrun always shows what bhyve says",
    ),
    Key::instead(
        "prestart",
        "a program that runs before each boot, with the guest's name and dataset",
        "",
        "call it in the recipe, before the machine runs",
    ),
    Key::instead(
        "priority",
        "the nice value of bhyve; iN for idprio(1), rN for rtprio(1)",
        "",
        "vmrun sets no priority: start it with nice(1), idprio(1) or rtprio(1)",
    ),
    Key::instead("limit_pcpu", "the most CPU, in percent", "", LIMIT),
    Key::instead("limit_rbps", "the most that is read, a second", "", LIMIT),
    Key::instead("limit_wbps", "the most that is written, a second", "", LIMIT),
    Key::instead("limit_riops", "the most reads a second", "", LIMIT),
    Key::instead("limit_wiops", "the most writes a second", "", LIMIT),
    Key::instead(
        "on_restart",
        "what follows a reboot of the guest: restart, or anything else to end",
        "restart",
        "vmrun starts the guest again after its reboot; any other wish is the recipe's",
    ),
    Key::instead(
        "on_fault",
        "what follows bhyve's failure: restart, or anything else to end",
        "shutdown",
        "vmrun ends the run when bhyve fails",
    ),
    Key::instead("tags", "words by which `vm tags find` finds the guest", "", "vmrun has no tags: use folders"),
    Key::nothing("zfs_dataset_opts", "properties of the guest's dataset", CREATED),
    Key::nothing("zfs_zvol_opts", "properties of its volumes", CREATED),
];

//! Keys of older versions, of a development line that was not released, and of proposals: vm-bhyve 1.7 reads none of them.

use super::Key;

const SLOT: &str = "vm-bhyve 1.7 gives slots in order from `start_slot`, and does not read it";
const LOADERS: &str = "vm-bhyve reads it no more since it has `grub_run0`";

pub(super) const KEYS: &[Key] = &[
    Key::nothing("uefi", "boot by UEFI", "vm-bhyve reads it no more: write `loader=\"uefi\"`"),
    Key::nothing("guest", "the guest's system", "vm-bhyve reads it no more: `loader` says how to boot"),
    Key::nothing("guest_version", "the version of OpenBSD", LOADERS),
    Key::nothing("arch", "the guest's architecture", LOADERS),
    Key::nothing("linux_kernel", "the version of the kernel", LOADERS),
    Key::nothing("grub_commands", "a file of grub's commands", LOADERS),
    Key::nothing("nice", "the nice value of bhyve", "vm-bhyve reads it no more: its name is `priority`"),
    Key::nothing("fwcfg_type", "the firmware's interface", "vm-bhyve does not read it: its name is `fwcfg`"),
    Key::nothing(
        "tpm",
        "a TPM",
        "vm-bhyve has no such key: write `bhyve_options=\"-l tpm,swtpm,SOCKET\"`, or passthru and a device",
    ),
    Key::nothing("sound_req", "the host's device that records", "vm-bhyve does not read it: its name is `sound_rec`"),
    Key::nothing("hostbridge_slot", "the slot of the host bridge", SLOT),
    Key::nothing("lpc_slot", "the slot of the LPC bridge", SLOT),
    Key::nothing("disk_slot_start", "the slot of the first disk", SLOT),
    Key::nothing("diskN_slot", "the slot of a disk", SLOT),
    Key::nothing("network_slot_start", "the slot of the first card", SLOT),
    Key::nothing("networkN_slot", "the slot of a card", SLOT),
    Key::nothing("passthru_slot_start", "the slot of the first device of the host", SLOT),
    Key::nothing("virt_random_slot", "the slot of the source of randomness", SLOT),
    Key::nothing("virt_console_slot", "the slot of the consoles", SLOT),
    Key::nothing("sound_slot", "the slot of the sound card", SLOT),
    Key::nothing("xhci_slot", "the slot of the USB controller", SLOT),
    Key::nothing("fbuf_slot", "the slot of the frame buffer", SLOT),
];

//! Keys of older versions, of a development line that was not released, and of proposals: vm-bhyve 1.7 reads none of them.

use super::Key;

const SLOT: &str = "vm-bhyve 1.7 gives slots in order from `start_slot`, and does not read it";
const LOADERS: &str = "vm-bhyve reads it no more since it has `grub_run0`";

pub(super) const KEYS: &[Key] = &[
    // boot by UEFI
    Key::nothing("uefi", "vm-bhyve reads it no more: write `loader=\"uefi\"`"),
    // the guest's system
    Key::nothing("guest", "vm-bhyve reads it no more: `loader` says how to boot"),
    // the version of OpenBSD
    Key::nothing("guest_version", LOADERS),
    // the guest's architecture
    Key::nothing("arch", LOADERS),
    // the version of the kernel
    Key::nothing("linux_kernel", LOADERS),
    // a file of grub's commands
    Key::nothing("grub_commands", LOADERS),
    // the nice value of bhyve
    Key::nothing("nice", "vm-bhyve reads it no more: its name is `priority`"),
    // the firmware's interface
    Key::nothing("fwcfg_type", "vm-bhyve does not read it: its name is `fwcfg`"),
    // a TPM
    Key::nothing(
        "tpm",
        "vm-bhyve has no such key: write `bhyve_options=\"-l tpm,swtpm,SOCKET\"`, or passthru and a device",
    ),
    // the host's device that records
    Key::nothing("sound_req", "vm-bhyve does not read it: its name is `sound_rec`"),
    // the slot of the host bridge
    Key::nothing("hostbridge_slot", SLOT),
    // the slot of the LPC bridge
    Key::nothing("lpc_slot", SLOT),
    // the slot of the first disk
    Key::nothing("disk_slot_start", SLOT),
    // the slot of a disk
    Key::nothing("diskN_slot", SLOT),
    // the slot of the first card
    Key::nothing("network_slot_start", SLOT),
    // the slot of a card
    Key::nothing("networkN_slot", SLOT),
    // the slot of the first device of the host
    Key::nothing("passthru_slot_start", SLOT),
    // the slot of the source of randomness
    Key::nothing("virt_random_slot", SLOT),
    // the slot of the consoles
    Key::nothing("virt_console_slot", SLOT),
    // the slot of the sound card
    Key::nothing("sound_slot", SLOT),
    // the slot of the USB controller
    Key::nothing("xhci_slot", SLOT),
    // the slot of the frame buffer
    Key::nothing("fbuf_slot", SLOT),
];

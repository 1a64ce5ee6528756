//! The keys of devices.

use super::Key;

const SHOWN: &str = "the frame buffer's tcp=";

pub(super) const KEYS: &[Key] = &[
    Key::command("diskN_type", "bhyve's device: virtio-blk, ahci-hd, ahci-cd, nvme, …", "", "-s"),
    Key::command("diskN_name", "the file or volume in the guest's folder, or a whole path", "", "the path of -s"),
    Key::command("diskN_dev", "file, zvol, sparse-zvol, custom, iscsi or 9p", "file", "the path of -s"),
    Key::command("diskN_opts", "bhyve's options of the disk, with commas", "", "the end of -s"),
    Key::instead(
        "diskN_size",
        "the size with which `vm create` makes the disk, in templates only",
        "20G",
        "no part of a guest's file; it is the size of a disk that has to be made",
    ),
    Key::command("ahci_device_limit", "how many AHCI disks share a controller: 2 to 32", "1", "-s ahci,hd:…,hd:…"),
    Key::command("networkN_type", "bhyve's card: virtio-net or e1000", "", "-s"),
    Key::command("networkN_switch", "the switch that the card is plugged into", "", "the tap's bridge"),
    Key::command("networkN_device", "an interface that is there already", "", "the backend of -s"),
    Key::command("networkN_name", "the name of the tap", "the kernel's next", "the backend of -s"),
    Key::command("networkN_mac", "the MAC address", "one that is made up and written into the file", "-s …,mac="),
    Key::command("networkN_span", "the tap only listens to the bridge", "no", "how the tap is on its bridge"),
    Key::command("passthruN", "a device of the host: B/S/F, or B/S/F=SLOT:FUNCTION", "", "-s …,passthru"),
    Key::command("passthruN_options", "bhyve's options of it", "", "the end of -s"),
    Key::command("virt_random", "a source of randomness", "no", "-s …,virtio-rnd"),
    Key::command("graphics", "a frame buffer with VNC; with UEFI only", "no", "-s …,fbuf"),
    Key::command("graphics_port", "its port", "the first free one from 5900", SHOWN),
    Key::command("graphics_listen", "its address", "0.0.0.0", SHOWN),
    Key::command("graphics_res", "its size, WxH", "bhyve's", "w= and h="),
    Key::command("graphics_wait", "wait for a viewer: yes, no, or auto, when installing", "auto", "wait"),
    Key::command("graphics_vga", "io, on or off", "bhyve's", "vga="),
    Key::command("vnc_password", "its password", "", "password="),
    Key::command("xhci_mouse", "a tablet on USB", "no", "-s …,xhci,tablet"),
    Key::command("sound", "a sound card", "no", "-s …,hda"),
    Key::command("sound_play", "the host's device that plays", "/dev/dsp0", "play="),
    Key::command("sound_rec", "the host's device that records", "", "rec="),
    Key::command("virt_consoleN", "a console port: its name, or yes for its number", "", "-s …,virtio-console"),
];

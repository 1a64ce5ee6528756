//! The keys of devices.

use super::Key;

const SHOWN: &str = "the frame buffer's tcp=";

pub(super) const KEYS: &[Key] = &[
    // bhyve's device: virtio-blk, ahci-hd, ahci-cd, nvme, …
    Key::command("diskN_type", "", "-s"),
    // the file or volume in the guest's folder, or a whole path
    Key::command("diskN_name", "", "the path of -s"),
    // file, zvol, sparse-zvol, custom, iscsi or 9p
    Key::command("diskN_dev", "file", "the path of -s"),
    // bhyve's options of the disk, with commas
    Key::command("diskN_opts", "", "the end of -s"),
    // the size with which `vm create` makes the disk, in templates only
    Key::instead("diskN_size", "20G", "no part of a guest's file; it is the size of a disk that has to be made"),
    // how many AHCI disks share a controller: 2 to 32
    Key::command("ahci_device_limit", "1", "-s ahci,hd:…,hd:…"),
    // bhyve's card: virtio-net or e1000
    Key::command("networkN_type", "", "-s"),
    // the switch that the card is plugged into
    Key::command("networkN_switch", "", "the tap's bridge"),
    // an interface that is there already
    Key::command("networkN_device", "", "the backend of -s"),
    // the name of the tap
    Key::command("networkN_name", "the kernel's next", "the backend of -s"),
    // the MAC address
    Key::command("networkN_mac", "one that is made up and written into the file", "-s …,mac="),
    // the tap only listens to the bridge
    Key::command("networkN_span", "no", "how the tap is on its bridge"),
    // a device of the host: B/S/F, or B/S/F=SLOT:FUNCTION
    Key::command("passthruN", "", "-s …,passthru"),
    // bhyve's options of it
    Key::command("passthruN_options", "", "the end of -s"),
    // a source of randomness
    Key::command("virt_random", "no", "-s …,virtio-rnd"),
    // a frame buffer with VNC; with UEFI only
    Key::command("graphics", "no", "-s …,fbuf"),
    // its port
    Key::command("graphics_port", "the first free one from 5900", SHOWN),
    // its address
    Key::command("graphics_listen", "0.0.0.0", SHOWN),
    // its size, WxH
    Key::command("graphics_res", "bhyve's", "w= and h="),
    // wait for a viewer: yes, no, or auto, when installing
    Key::command("graphics_wait", "auto", "wait"),
    // io, on or off
    Key::command("graphics_vga", "bhyve's", "vga="),
    // its password
    Key::command("vnc_password", "", "password="),
    // a tablet on USB
    Key::command("xhci_mouse", "no", "-s …,xhci,tablet"),
    // a sound card
    Key::command("sound", "no", "-s …,hda"),
    // the host's device that plays
    Key::command("sound_play", "/dev/dsp0", "play="),
    // the host's device that records
    Key::command("sound_rec", "", "rec="),
    // a console port: its name, or yes for its number
    Key::command("virt_consoleN", "", "-s …,virtio-console"),
];

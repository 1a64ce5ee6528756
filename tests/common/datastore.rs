//! A datastore of vm-bhyve with guests of all shapes and switches of every type.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Switches of every type, and keys that are not taken over.
pub(crate) const SYSTEM: &str = "\
switch_list=\"public lan tagged old far x v n\"
type_public=\"standard\"
ports_public=\"em0\"
type_lan=\"standard\"
addr_lan=\"10.9.0.1/24\"
private_lan=\"yes\"
type_tagged=\"standard\"
ports_tagged=\"em1 em2\"
vlan_tagged=\"80\"
type_old=\"manual\"
bridge_old=\"bridge7\"
type_far=\"standard\"
mtu_far=\"9000\"
nat_far=\"yes\"
type_x=\"vxlan\"
vlan_x=\"7\"
ports_x=\"em3\"
type_v=\"vale\"
type_n=\"netgraph\"
mon_x=\"1\"
";

/// Keys of the switches that are not taken over, in the order of their lines.
pub(crate) const SWITCHES_NOT_TAKEN: [&str; 4] = ["nat_far", "type_v", "type_n", "mon_x"];

/// Keys that have no place in a recipe.
pub(crate) const NOT_TAKEN: [(&str, &str); 8] = [
    ("priority", "idle"),
    ("limit_rbps", "fast"),
    ("limit_wiops", "many"),
    ("debug", "yes"),
    ("tags", "web"),
    ("zfs_zvol_opts", "volblocksize=16k"),
    ("fbuf_slot", "9"),
    ("memroy", "2G"),
];

/// The text of a guest.
pub(crate) fn guest(number: usize) -> String {
    let mut text = String::new();
    let mut say = |key: &str, value: &str| writeln!(text, "{key}=\"{value}\"").unwrap();
    let loader = ["bhyveload", "grub", "uefi", "uefi-csm", "uefi-custom"][number % 5];
    say("loader", loader);
    say("cpu", ["1", "2", "4", "8"][number % 4]);
    say("memory", ["256M", "512M", "1G", "4G", "16G"][number % 5]);
    say("uuid", &format!("6f1f3ba0-7c1c-11f0-9c59-{number:012x}"));
    let dev = ["file", "zvol", "sparse-zvol", "custom"][number / 5 % 4];
    let disk = if dev == "custom" { format!("/disks/d{number}.img") } else { "disk0".into() };
    say("disk0_type", ["virtio-blk", "ahci-hd", "nvme"][number % 3]);
    say("disk0_name", &disk);
    say("disk0_dev", dev);
    if number.is_multiple_of(3) {
        say("disk1_type", "ahci-cd");
        say("disk1_name", "seed.iso");
    }
    for card in 0..number % 3 {
        say(&format!("network{card}_type"), ["virtio-net", "e1000"][number % 2]);
        say(
            &format!("network{card}_switch"),
            ["public", "lan", "tagged", "old", "far", "x", "v", "n"][(number + card) % 8],
        );
        say(&format!("network{card}_mac"), &format!("58:9c:fc:00:{number:02x}:{card:02x}"));
    }
    if loader.starts_with("uefi") && number.is_multiple_of(2) {
        say("graphics", "yes");
        say("graphics_listen", "127.0.0.1");
        say("xhci_mouse", "yes");
        if number.is_multiple_of(4) {
            say("vnc_password", "hunter2");
        }
    }
    match loader {
        "grub" => say("grub_run0", "linux /boot/vmlinuz root=/dev/vda2"),
        "bhyveload" => say("loader_timeout", "3"),
        _ => say("uefi_vars", "yes"),
    }
    if number.is_multiple_of(6) {
        say("limit_pcpu", "150");
        say("prestart", "before.sh");
    }
    let (key, value) = NOT_TAKEN[number % NOT_TAKEN.len()];
    say(key, value);
    text
}

/// Makes a datastore of so many guests in a folder that is not there yet.
pub(crate) fn make(folder: &Path, guests: usize) {
    fs::create_dir_all(folder.join(".config")).unwrap();
    fs::write(folder.join(".config/system.conf"), SYSTEM).unwrap();
    for number in 0..guests {
        let own = folder.join(format!("g{number}"));
        fs::create_dir(&own).unwrap();
        fs::write(own.join(format!("g{number}.conf")), guest(number)).unwrap();
    }
}

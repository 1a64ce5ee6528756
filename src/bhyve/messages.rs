//! What bhyve says before it ends with an error.
//!
//! The texts are those of bhyve's source (`bhyverun.c`, `bootrom.c`, `pci_passthru.c`, `net_backends.c`, `rfb.c`,
//! `block_if.c`). Only those about vCPUs, memory, MACs and the boot order are in the reference too; none stands in a manual, so
//! that another release may say it in other words: then there is no hint.

use crate::model::message::{About, Known};

/// The messages that are known; the first that fits counts.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        says: &["vm_create", "No such file"],
        about: About::Machine,
        hint: "the kernel has no vmm: kldload vmm, and vmm_load=\"YES\" in /boot/loader.conf",
    },
    Known {
        says: &["vm_create", "Device not configured"],
        about: About::Machine,
        hint: "this processor has no virtualization that bhyve can use, or the firmware has switched it off",
    },
    Known {
        says: &["vm_create", "Operation not permitted"],
        about: About::Machine,
        hint: "run vmrun as root; in a jail bhyve makes machines only with allow.vmm",
    },
    Known {
        says: &["vm_open", "Permission denied"],
        about: About::Machine,
        hint: "/dev/vmm/NAME is of who made it: run vmrun as root, or as that user",
    },
    Known {
        says: &["virtual machine cannot be booted"],
        about: About::Key("bootrom"),
        hint: "without a boot ROM a loader has to put something into its memory: add `bootrom: uefi()`, or `loader: bhyveload()`",
    },
    Known {
        says: &["vCPUs requested but only"],
        about: About::Key("cpus"),
        hint: "give the machine fewer, or the host more: hw.vmm.maxcpu in /boot/loader.conf",
    },
    Known {
        says: &["Unable to setup memory (12)"],
        about: About::Key("memory"),
        hint: "the host has not so much memory free, or with `wired: true` vm.max_user_wired allows no more: give the machine less",
    },
    Known {
        says: &["Unable to setup memory (22)"],
        about: About::Key("memory"),
        hint: "a machine of this name has left its node with other memory: `bhyvectl --destroy --vm=NAME` takes it away; else the \
               memory is no multiple of a page, 4K",
    },
    Known {
        says: &["Error opening bootrom"],
        about: About::Key("bootrom"),
        hint: "pkg install edk2-bhyve (or bhyve-firmware) brings the firmware",
    },
    Known {
        says: &["ootrom", "size"],
        about: About::Key("bootrom"),
        hint: "that is no firmware, or only half of it: fetch it again",
    },
    Known { says: &["passthru requires guest memory to be wired"], about: About::Passthru, hint: "add `wired: true`" },
    Known {
        says: &["is not using the ppt"],
        about: About::Passthru,
        hint: "give the device to ppt(4): pptdevs=\"BUS/SLOT/FUNCTION\" in /boot/loader.conf",
    },
    Known {
        says: &["failed to open /dev/pci"],
        about: About::Passthru,
        hint: "devices of the host are given away only by root: run vmrun as root",
    },
    Known {
        says: &["open of tap device", "failed"],
        about: About::Cards,
        hint: "another program has it open, it is gone, or the jail's devfs rules hide it: ifconfig shows by whom it was opened",
    },
    // net_backends.c of 13 and later (not run).
    Known {
        says: &["Could not", "et interface flags"],
        about: About::Cards,
        hint: "bhyve brings its tap up, which in a jail only one with a network of its own may, for a tap that is in it",
    },
    Known {
        says: &["Could not open backing file", "No such file"],
        about: About::Machine,
        hint: "the disk was removed meanwhile: make it again, or correct the path",
    },
    Known {
        says: &["Could not open backing file", "Permission denied"],
        about: About::Machine,
        hint: "the disk is another user's: run vmrun as root, or as that user",
    },
    Known {
        says: &["Could not open backing file"],
        about: About::Machine,
        hint: "another program may have the disk open: stop it, or give this machine a disk of its own",
    },
    Known {
        says: &["bind", "Address already in use"],
        about: About::Screen,
        hint: "somebody listens there already: choose another port, or stop the other machine",
    },
    Known {
        says: &["bind", "Can't assign requested address"],
        about: About::Screen,
        hint: "the host does not have this address: host_ip(\"192.168.2.0/24\") finds its own",
    },
    // Of bhyveload.c, and of grub-bhyve's bhyve_hostif.c.
    Known {
        says: &["Could not open '"],
        about: About::Key("loader"),
        hint: "is the disk or the tty there, and does nobody else use it?",
    },
    Known {
        says: &["requested loader interpreter does not match"],
        about: About::Key("loader"),
        hint: "the guest wants another loader than the one that was named: take `loader` out of bhyveload's map",
    },
    Known {
        says: &["Could not create VM"],
        about: About::Key("loader"),
        hint: "is vmm loaded (kldload vmm), and is it root who starts the machine?",
    },
    Known {
        says: &["Could not reinit VM"],
        about: About::Key("loader"),
        hint: "a machine of this name runs, or one that was killed has left its node: `bhyvectl --destroy --vm=NAME` takes it away",
    },
    Known { says: &["Invalid MAC"], about: About::Cards, hint: "give it an address whose first byte is even" },
    Known {
        says: &["vm_reinit", "Device busy"],
        about: About::Key("name"),
        hint: "a machine of this name runs that vmrun did not start: stop it, or give this one another name; if `ps` shows none, \
               `bhyvectl --destroy --vm=NAME` takes away what it has left",
    },
    Known {
        says: &["vm_run error"],
        about: About::Machine,
        hint: "somebody has destroyed its node while it ran, by bhyvectl --destroy: start it again",
    },
    Known {
        says: &["-Y: ", "MPtable"],
        about: About::Machine,
        hint: "this bhyve does not know a word of its command line, which `vmrun plan` shows: is it of another release?",
    },
    Known { says: &["Could not set bootindex"], about: About::Machine, hint: "give each disk a bootindex of its own" },
];

#[cfg(test)]
mod tests {
    use super::KNOWN;
    use crate::model::message::explained_in_tests as told;
    use crate::model::samples::{device, draft};

    #[test]
    fn every_known_message_names_its_part_and_the_way_out() {
        let mut machine = draft(&[
            ("0", device("hostbridge", &[])),
            ("4", device("virtio-blk", &[("path", "/vm/a.img")])),
            ("5", device("nvme", &[("path", "/vm/b.img")])),
            ("6", device("virtio-net", &[("backend", "tap1")])),
            ("7", device("virtio-net", &[("backend", "tap2")])),
            ("8", device("passthru", &[("host", "2/0/0")])),
            ("29", device("fbuf", &[("tcp", "127.0.0.1:5901")])),
            ("31", device("lpc", &[])),
        ]);
        machine.settings.insert("wired", crate::model::Value::Flag(true));
        let lines = [
            "vm_create: No such file or directory",
            "vm_create: Device not configured",
            "vm_create: Operation not permitted",
            "vm_open: Permission denied",
            "vm_reinit: Device busy",
            "virtual machine cannot be booted",
            "17 vCPUs requested but only 16 available",
            "Unable to setup memory (12)",
            "Unable to setup memory (22)",
            "Error opening bootrom \"/fw/x.fd\": No such file or directory",
            "Bootrom size 4097 is not a multiple of the page size",
            "bhyve: passthru requires guest memory to be wired",
            "bhyve: PCI device at 2/0/0 is not using the ppt(4) driver",
            "bhyve: failed to open /dev/pci: Permission denied",
            "open of tap device /dev/tap2 failed",
            "tap_init: open of tap device tap2 failed",
            "Could not set interface flags",
            "bhyve: Could not open backing file: /vm/b.img: No such file or directory",
            "bhyve: Could not open backing file: /vm/a.img: Permission denied",
            "bhyve: Could not open backing file: /vm/a.img: Device busy",
            "bind: Address already in use",
            "bind: Can't assign requested address",
            "Invalid MAC 01:02:03:04:05:06",
            "Could not set bootindex 1 for 4,0. Bootindex already occupied by 5,0",
            "vm_run error -1, errno 25",
            "       -Y: disable MPtable generation",
            "something that nobody knows",
        ];
        let all: Vec<String> = lines.iter().map(|line| told(KNOWN, &[line], machine.clone())).collect();
        let expected = [
            "machine: the kernel has no vmm: kldload vmm, and vmm_load=\"YES\" in /boot/loader.conf",
            "machine: this processor has no virtualization that bhyve can use, or the firmware has switched it off",
            "machine: run vmrun as root; in a jail bhyve makes machines only with allow.vmm",
            "machine: /dev/vmm/lab is of who made it: run vmrun as root, or as that user",
            "name: a machine of this name runs that vmrun did not start: stop it, or give this one another name; if `ps` shows none, \
             `bhyvectl --destroy --vm=lab` takes away what it has left",
            "bootrom: without a boot ROM a loader has to put something into its memory: add `bootrom: uefi()`, or `loader: bhyveload()`",
            "cpus: give the machine fewer, or the host more: hw.vmm.maxcpu in /boot/loader.conf",
            "memory: the host has not so much memory free, or with `wired: true` vm.max_user_wired allows no more: give the machine \
             less",
            "memory: a machine of this name has left its node with other memory: `bhyvectl --destroy --vm=lab` takes it away; else \
             the memory is no multiple of a page, 4K",
            "bootrom: pkg install edk2-bhyve (or bhyve-firmware) brings the firmware",
            "bootrom: that is no firmware, or only half of it: fetch it again",
            "slot 8: add `wired: true`",
            "slot 8: give the device to ppt(4): pptdevs=\"BUS/SLOT/FUNCTION\" in /boot/loader.conf",
            "slot 8: devices of the host are given away only by root: run vmrun as root",
            "backend of slot 7: another program has it open, it is gone, or the jail's devfs rules hide it: ifconfig shows by whom \
             it was opened",
            "backend of slot 7: another program has it open, it is gone, or the jail's devfs rules hide it: ifconfig shows by whom \
             it was opened",
            "machine: bhyve brings its tap up, which in a jail only one with a network of its own may, for a tap that is in it",
            "path of slot 5: the disk was removed meanwhile: make it again, or correct the path",
            "path of slot 4: the disk is another user's: run vmrun as root, or as that user",
            "path of slot 4: another program may have the disk open: stop it, or give this machine a disk of its own",
            "slot 29: somebody listens there already: choose another port, or stop the other machine",
            "slot 29: the host does not have this address: host_ip(\"192.168.2.0/24\") finds its own",
            "machine: give it an address whose first byte is even",
            "machine: give each disk a bootindex of its own",
            "machine: somebody has destroyed its node while it ran, by bhyvectl --destroy: start it again",
            "machine: this bhyve does not know a word of its command line, which `vmrun plan` shows: is it of another release?",
            "nothing",
        ];
        assert_eq!(all, expected);
        // Where a debugger listens too, nobody knows whose port it is.
        machine.settings.insert("gdb.port", crate::model::Value::Integer(1234));
        let where_else = "machine: somebody listens there already: choose another port, or stop the other machine";
        assert_eq!(told(KNOWN, &["bind: Address already in use"], machine), where_else);
    }
}

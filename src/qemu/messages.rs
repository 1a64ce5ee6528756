//! What QEMU says before it ends with an error, as of version 7.2.

use crate::model::message::{About, Known};

/// The messages that are known; the first that fits counts.
pub(crate) const KNOWN: &[Known] = &[
    Known {
        says: &["Failed to get", "lock"],
        about: About::Machine,
        hint: "another program has the disk open: stop it, or give this machine a disk of its own",
    },
    Known {
        says: &["Could not open", "No such file"],
        about: About::Machine,
        hint: "the file was removed meanwhile: make it again, or correct the path",
    },
    Known {
        says: &["Could not open", "Permission denied"],
        about: About::Machine,
        hint: "the file is another user's: run vmrun as root, or as that user",
    },
    Known {
        says: &["Could not open", "Read-only file system"],
        about: About::Machine,
        hint: "nothing can be written there: add `ro: true`, or move the disk",
    },
    Known {
        says: &["Address already in use"],
        about: About::Screen,
        hint: "somebody listens there already: choose another port, or stop the other machine",
    },
    Known {
        says: &["Cannot assign requested address"],
        about: About::Screen,
        hint: "the host does not have this address: host_ip(\"192.168.2.0/24\") finds its own",
    },
    Known {
        says: &["/dev/net/tun", "Device or resource busy"],
        about: About::Cards,
        hint: "another program has the tap open: stop it, or give the card a tap of its own",
    },
    Known {
        says: &["/dev/net/tun", "Operation not permitted"],
        about: About::Cards,
        hint: "run vmrun as root, or with --user-net",
    },
    Known {
        says: &["Could not access KVM kernel module"],
        about: About::Machine,
        hint: "join the group of /dev/kvm (usermod -aG kvm USER), or load kvm_intel or kvm_amd",
    },
    Known {
        says: &["cannot set up guest memory"],
        about: About::Key("memory"),
        hint: "the host has not so much memory free: give the machine less",
    },
    Known {
        says: &["device requires", "block backend provides"],
        about: About::Key("bootrom"),
        hint: "the firmware and its variables are not of one kind: copy the variables that came with it",
    },
    Known {
        says: &["is not a valid device model name"],
        about: About::Machine,
        hint: "this QEMU was built without the device: apt-get install qemu-system-x86 brings it",
    },
];

#[cfg(test)]
mod tests {
    use super::KNOWN;
    use crate::model::message::explained_in_tests as told;
    use crate::model::samples::{device, draft};

    #[test]
    fn every_known_message_names_its_part_and_the_way_out() {
        let machine = draft(&[
            ("4", device("virtio-blk", &[("path", "/vm/a.img")])),
            ("5", device("nvme", &[("path", "/vm/b.img")])),
            ("6", device("virtio-net", &[("backend", "tap1")])),
            ("29", device("fbuf", &[("tcp", "127.0.0.1:5901")])),
            ("31", device("lpc", &[])),
        ]);
        let lines: [&[&str]; 13] = [
            &["-device nvme,…: Failed to get \"write\" lock", "Is another process using the image [/vm/b.img]?"],
            &["-drive file=/vm/a.img,…: Could not open '/vm/a.img': No such file or directory"],
            &["-drive file=/vm/a.img,…: Could not open '/vm/a.img': Permission denied"],
            &["-drive file=/vm/b.img,…: Could not open '/vm/b.img': Read-only file system"],
            &["-vnc 127.0.0.1:1: Failed to find an available port: Address already in use"],
            &["-vnc 192.168.2.1:1: Failed to bind socket: Cannot assign requested address"],
            &["-netdev tap,…: could not configure /dev/net/tun (tap1): Device or resource busy"],
            &["-netdev tap,…: could not configure /dev/net/tun (tap9): Operation not permitted"],
            &["Could not access KVM kernel module: Permission denied"],
            &["cannot set up guest memory 'pc.ram': Cannot allocate memory"],
            &["device requires 4194304 bytes, block backend provides 540672 bytes"],
            &["-device ich9-intel-hda: 'ich9-intel-hda' is not a valid device model name"],
            &["something that nobody knows"],
        ];
        let told: Vec<String> = lines.iter().map(|lines| told(KNOWN, lines, machine.clone())).collect();
        let expected = [
            "path of slot 5: another program has the disk open: stop it, or give this machine a disk of its own",
            "path of slot 4: the file was removed meanwhile: make it again, or correct the path",
            "path of slot 4: the file is another user's: run vmrun as root, or as that user",
            "path of slot 5: nothing can be written there: add `ro: true`, or move the disk",
            "slot 29: somebody listens there already: choose another port, or stop the other machine",
            "slot 29: the host does not have this address: host_ip(\"192.168.2.0/24\") finds its own",
            "backend of slot 6: another program has the tap open: stop it, or give the card a tap of its own",
            "slot 6: run vmrun as root, or with --user-net",
            "machine: join the group of /dev/kvm (usermod -aG kvm USER), or load kvm_intel or kvm_amd",
            "memory: the host has not so much memory free: give the machine less",
            "bootrom: the firmware and its variables are not of one kind: copy the variables that came with it",
            "machine: this QEMU was built without the device: apt-get install qemu-system-x86 brings it",
            "nothing",
        ];
        assert_eq!(told, expected);
    }
}

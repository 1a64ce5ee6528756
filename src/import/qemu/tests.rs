//! Whole command lines and what bhyve is told of them.

use super::*;
use proptest::prelude::*;

fn told(text: &str) -> (String, Vec<String>) {
    let machine = read(text).unwrap();
    let note = |note: &crate::vmbhyve::Note| format!("{}{note}", if note.is_hole { "! " } else { "" });
    (machine.argv.join(" "), machine.notes.iter().map(note).collect())
}

#[test]
fn a_command_line_of_libvirt_becomes_one_of_bhyve() {
    let text = "/usr/bin/qemu-system-x86_64 -name guest=web,debug-threads=on -S -machine pc-q35-8.2,pflash0=a -cpu host \
        -m size=4194304k -smp 4,sockets=1,cores=4,threads=1 -uuid 6f1f3ba0-7c1c-11f0-9c59-0800200c9a66 -rtc base=utc \
        -blockdev '{\"driver\":\"file\",\"filename\":\"/vm/web.img\",\"node-name\":\"s\"}' \
        -blockdev '{\"node-name\":\"f\",\"driver\":\"qcow2\",\"file\":\"s\"}' \
        -device '{\"driver\":\"virtio-blk-pci\",\"drive\":\"f\",\"id\":\"d0\"}' \
        -netdev '{\"type\":\"tap\",\"fd\":\"33\",\"id\":\"n0\"}' \
        -device '{\"driver\":\"virtio-net-pci\",\"netdev\":\"n0\",\"mac\":\"52:54:00:01:02:03\"}' \
        -device '{\"driver\":\"usb-tablet\"}' -device vfio-pci,host=01:00.0 -vnc 127.0.0.1:0,audiodev=a";
    let (argv, notes) = told(text);
    assert_eq!(
        argv,
        "-c 4,sockets=1,cores=4,threads=1 -m 4G -A -H -w -u -U 6f1f3ba0-7c1c-11f0-9c59-0800200c9a66 -s 0,hostbridge \
         -s 3,virtio-blk,/vm/web.img -s 4,virtio-net,tap0,mac=52:54:00:01:02:03 -s 5,fbuf,tcp=127.0.0.1:5900 -s 30,xhci,tablet \
         -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web"
    );
    let left = "it says how QEMU works, and is left out";
    let mut expected = vec![
        "QEMU's places of devices mean nothing to bhyve: they are at places of its own".to_string(),
        format!("line 1, -S: {left}"),
        format!("line 1, -cpu: {left}"),
        "! line 1, -device: bhyve has no device \"vfio-pci\", and it is left out".into(),
        "! line 1, -device: bhyve reads raw images only: `qemu-img convert -f qcow2 -O raw FROM TO`, and name TO here".into(),
        "! line 1, -device: the command line does not tell which interface it is: here it is a new tap, which needs a bridge".into(),
        format!("line 1, -machine: {left}"),
        "line 1, -machine: the firmware is bhyve's own, /usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd; variables of another mean nothing to it".into(),
    ];
    expected.sort();
    let mut notes = notes;
    notes.sort();
    assert_eq!(notes, expected);
}

#[test]
fn a_command_line_that_was_typed_becomes_one_of_bhyve() {
    let (argv, notes) = told(
        "sudo kvm -name a -hda /vm/a.img -cdrom /iso/x.iso -m 1G -smp 2 -nic tap,ifname=tap3,model=virtio-net-pci \\\n -nic user -drive file=/vm/b.vmdk,if=virtio,readonly=on \
         -drive if=pflash,file=/o.fd -kernel /k -serial stdio -vnc :1,password=on -rtc base=localtime &",
    );
    assert_eq!(
        argv,
        "-c 2 -m 1G -A -H -w -l com1,stdio -s 0,hostbridge -s 3,ahci-hd,/vm/a.img -s 4,ahci-cd,/iso/x.iso \
         -s 5,virtio-blk,/vm/b.vmdk,ro -s 6,virtio-net,tap3,mac=52:54:00:12:34:56 -s 7,e1000,tap0,mac=52:54:00:12:34:57 \
         -s 8,fbuf,tcp=0.0.0.0:5901 -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd a"
    );
    let holes: Vec<&String> = notes.iter().filter(|note| note.starts_with('!')).collect();
    assert_eq!(
        holes,
        [
            "! line 2, -drive: bhyve reads raw images only: `qemu-img convert -f vmdk -O raw FROM TO`, and name TO here",
            "! line 2, -kernel: bhyve has no such option, and it is left out",
            "! line 2, -nic: QEMU's own network reaches the guest by the host's addresses: here it is a tap, which needs a bridge",
            "! line 2, -vnc: the screen has a password that no command line tells: `password: secret(\"vnc\")` has one",
        ]
    );
    let fault = |text: &str| read(text).unwrap_err().remove(0).1.message;
    assert_eq!(fault("qemu-system-x86_64 -m 1G"), "the machine has no name");
    assert_eq!(fault("man qemu"), "there is no command line of QEMU");
    assert!(is("qemu-system-aarch64 -m 1G") && !is("bhyve a") && !is("'"));
}

proptest! {
    #[test]
    fn no_command_line_panics(args in prop::collection::vec("-(name|smp|m|vnc|drive|blockdev|device|nic|netdev|object)|[a-z,=:\\[\\]{}\"./0-9]{0,16}", 0..10)) {
        let _ = read(&format!("qemu-system-x86_64 -name a {}", args.join(" ")));
    }
}

use super::*;
use crate::diag::Fault;
use crate::model::samples::{device, draft};
use crate::model::value::{Tty, Value};
use crate::model::{Bootrom, Domain, Setting as Key, Size};

#[test]
fn a_machine_with_one_of_each_is_told_whole() {
    let mut draft = draft(&[
        ("0", device("hostbridge", &[])),
        ("3", device("virtio-blk", &[("path", "/vm/a.img"), ("ro", "true"), ("sectorsize", "512/4096")])),
        ("4", device("nvme", &[("path", "/vm/b.img"), ("nocache", "true"), ("bootindex", "2")])),
        ("5", device("ahci-hd", &[("path", "/vm/c.img"), ("ser", "S1"), ("sync", "true")])),
        ("6", device("ahci-cd", &[("path", "/vm/d.iso")])),
        ("7", device("virtio-net", &[("mac", "0:c:29:a5:19:b9"), ("backend", "tap1")])),
        ("7:1", device("e1000", &[("mac", "0:c:29:a5:19:ba"), ("backend", "slirp")])),
        ("29", device("fbuf", &[("password", "pw"), ("w", "800"), ("rfb", "[::1]:5901")])),
        ("30", device("xhci", &[("device", "tablet")])),
        ("28", device("virtio-rnd", &[])),
        ("31", device("lpc", &[("com2", "stdio")])),
    ]);
    draft.set(Key::named("uuid").unwrap(), Value::Text("11111111-2222-3333-4444-555555555555".into()));
    draft.set(Key::named("fwcfg").unwrap(), Value::Choice("qemu"));
    draft.bootrom = Some(Bootrom { code: OVMF_CODE.parse().unwrap(), vars: None, template: None });
    let machine = draft.check().unwrap();
    assert_eq!(check(&machine), []);
    assert_eq!(secret(&machine).unwrap().reveal(), "pw");
    let expected = "qemu-system-x86_64 -name lab,debug-threads=on -M q35,sata=off,smbus=off -accel tcg -cpu max -smp 1 -m 512M \
        -nodefaults -no-user-config -display none -action reboot=shutdown,shutdown=pause \
        -d cpu_reset -D /run/lab/reset.log \
        -chardev socket,id=qmp,path=/run/lab/qmp.sock,server=on,wait=off -mon chardev=qmp,mode=control \
        -chardev socket,id=ask,path=/run/lab/ask.sock,server=on,wait=off -mon chardev=ask,mode=control \
        -uuid 11111111-2222-3333-4444-555555555555 \
        -drive if=pflash,format=raw,file=/usr/share/OVMF/OVMF_CODE_4M.fd,readonly=on \
        -drive if=pflash,format=raw,file=/run/lab/vars.fd \
        -drive if=none,id=disk-3.0,format=raw,file=/vm/a.img,readonly=on \
        -device virtio-blk-pci,addr=3.0,drive=disk-3.0,bootindex=3,logical_block_size=512,physical_block_size=4096 \
        -drive if=none,id=disk-4.0,format=raw,file=/vm/b.img,cache=none,discard=unmap \
        -device nvme,addr=4.0,drive=disk-4.0,bootindex=2,serial=vmrun-4.0 \
        -drive if=none,id=disk-5.0,format=raw,file=/vm/c.img,cache=writethrough,discard=unmap \
        -device ich9-ahci,id=ahci-5.0,addr=5.0 \
        -device ide-hd,bus=ahci-5.0.0,drive=disk-5.0,bootindex=4,serial=S1 \
        -drive if=none,id=disk-6.0,format=raw,file=/vm/d.iso,readonly=on \
        -device ich9-ahci,id=ahci-6.0,addr=6.0 -device ide-cd,bus=ahci-6.0.0,drive=disk-6.0,bootindex=5 \
        -netdev tap,id=net-7.0,ifname=tap1,script=no,downscript=no \
        -device virtio-net-pci,addr=7.0,multifunction=on,netdev=net-7.0,mac=00:0c:29:a5:19:b9,romfile= \
        -netdev user,id=net-7.1,hostname=lab \
        -device e1000,addr=7.1,netdev=net-7.1,mac=00:0c:29:a5:19:ba,romfile= \
        -device virtio-rng-pci,addr=1c.0 \
        -device VGA,xres=800,yres=768,addr=1d.0 -object secret,id=vnc,file=/run/lab/vnc \
        -vnc [::1]:1,password-secret=vnc \
        -device qemu-xhci,id=usb-30.0,addr=1e.0 -device usb-tablet,bus=usb-30.0.0 \
        -serial none -chardev stdio,id=com2,signal=off -serial chardev:com2";
    let setting = QemuSetting { folder: Path::new("/run/lab"), kvm: false, user_net: false, log: None };
    assert_eq!(argv(&machine, &setting).words().join(" "), expected);
}

#[test]
fn odd_memory_own_variables_and_commas_are_told_as_qemu_reads_them() {
    let mut draft = draft(&[("31", device("lpc", &[])), ("5", device("virtio-net", &[("backend", "tap1")]))]);
    draft.memory = Size::bytes((64 << 20) + 4096);
    let vars = Some("/vm/v.fd".parse().unwrap());
    draft.bootrom = Some(Bootrom { code: OVMF_CODE.parse().unwrap(), vars, template: None });
    let setting = QemuSetting { folder: Path::new("/run/a,b"), kvm: true, user_net: true, log: None };
    let words = argv(&draft.check().unwrap(), &setting);
    for word in [
        "kvm",
        "host",
        "size=65540k",
        "if=pflash,format=raw,file=/vm/v.fd",
        "socket,id=qmp,path=/run/a,,b/qmp.sock,server=on,wait=off",
        "user,id=net-5.0,hostname=lab",
    ] {
        assert!(words.args.iter().any(|arg| arg == word), "{word} in {words}");
    }
}

#[test]
fn what_qemu_cannot_be_told_names_the_slot_and_the_way_out() {
    let disk = |path: &str| device("virtio-blk", &[("path", path)]);
    let mut draft = draft(&[
        ("0:1", device("virtio-rnd", &[])),
        ("0", device("virtio-rnd", &[])),
        ("2", device("hostbridge", &[])),
        ("3", device("lpc", &[])),
        ("3:1", device("virtio-rnd", &[])),
        ("4", disk("/vm/a")),
        ("5", disk("/vm/b")),
        ("6", device("ahci-hd", &[("path", "/vm/c"), ("sectorsize", "4096")])),
        ("29", device("fbuf", &[("tcp", "127.0.0.1:5800")])),
        ("31", device("virtio-rnd", &[])),
        ("1:0:0", device("virtio-rnd", &[])),
    ]);
    draft.options.push(("x86.verbosemsr".into(), "true".into()));
    draft.set(Key::named("mptable").unwrap(), Value::Flag(false));
    draft.args.push("-M".into());
    let machine = draft.check().unwrap();
    let said = |f: &Fault| format!("{} | {}", f.message, f.hint.as_deref().unwrap_or_default());
    let faults: Vec<String> = check(&machine).iter().map(|(_, fault)| said(fault)).collect();
    assert_eq!(
        faults,
        [
            "slot 0 is not free for virtio-rnd: QEMU's host bridge is in slot 0 | put it into a slot from 1 to 30",
            "slot 0:1 is not free for virtio-rnd: QEMU's host bridge is in slot 0 | put it into a slot from 1 to 30",
            "hostbridge in slot 2 cannot be moved there: QEMU's host bridge is in slot 0 | put it into slot 0",
            "slot 3:1 has no function 0 under QEMU, whose LPC bridge is in slot 31 | put virtio-rnd into a slot of its own",
            "ahci-hd in slot 6 has sectors of 4096 bytes | QEMU's SATA has 512 only: use nvme or virtio-blk",
            "VNC in slot 29 listens on port 5800, below 5900 | QEMU counts its ports from 5900: choose one from there on",
            "slot 31 is not free for virtio-rnd: QEMU's LPC bridge is in slot 31 | put it into a slot from 1 to 30",
            "virtio-rnd in slot 1:0:0 is on bus 1, and QEMU's machine has bus 0 only | put it into a slot of bus 0",
        ]
    );
    let ignored: Vec<String> = ignored(&machine).iter().map(ToString::to_string).collect();
    assert_eq!(
        ignored,
        [
            "the option x86.verbosemsr=true is for bhyve: QEMU is not told it",
            "the argument \"-M\" is for bhyve: QEMU is not told it"
        ]
    );
}

#[test]
fn a_serial_port_that_nobody_is_before_is_a_socket() {
    let mut draft = draft(&[("31", device("lpc", &[])), ("7", device("uart", &[("tty", "/dev/nmdm-lab.2B")]))]);
    draft.ttys.insert("com1", Tty::Stdio);
    draft.ttys.insert("com2", Tty::Path("/dev/nmdm-lab.1A".parse().unwrap()));
    let machine = draft.check().unwrap();
    assert_eq!(check(&machine), []);
    let log = Path::new("/log/a,b.log");
    let setting = QemuSetting { folder: Path::new("/run/lab"), kvm: false, user_net: false, log: Some(log) };
    let words = argv(&machine, &setting).words().join(" ");
    let (_, devices) = words.rsplit_once("mode=control ").unwrap();
    assert_eq!(
        devices,
        "-chardev socket,id=uart-7.0,path=/run/lab/uart-7.0.sock,server=on,wait=off -device pci-serial,addr=7.0,chardev=uart-7.0 \
         -chardev socket,id=com1,path=/run/lab/com1.sock,server=on,wait=off,logfile=/log/a,,b.log,logappend=on -serial chardev:com1 \
         -chardev socket,id=com2,path=/run/lab/com2.sock,server=on,wait=off -serial chardev:com2"
    );
}

#[test]
fn events_say_how_a_boot_ended() {
    let shutdown = |reason| {
        event(&format!(r#"{{"event": "SHUTDOWN", "data": {{"guest": true, "reason": "{reason}"}}}}"#)).unwrap()
    };
    assert_eq!(ended(shutdown("guest-shutdown"), ""), Ended::PoweredOff);
    assert_eq!(ended(shutdown("guest-reset"), "CPU Reset (CPU 0)\n"), Ended::Rebooted);
    assert_eq!(ended(shutdown("guest-reset"), "CPU Reset (CPU 0)\nTriple fault\n"), Ended::TripleFault);
    assert_eq!(ended(shutdown("host-signal"), ""), Ended::Killed { signal: 15 });
    assert_eq!(ended(shutdown("host-qmp-quit"), ""), Ended::Killed { signal: 15 });
    assert_eq!(event(r#"{"event": "POWERDOWN"}"#), Some(Event::Other));
    assert_eq!(event(r#"{"return": {}}"#), None);
    assert_eq!(event("no JSON"), None);
}

#[test]
fn every_new_device_is_told_as_qemu_knows_it() {
    let draft = draft(&[
        ("2", device("ahci", &[("hd", "/vm/a"), ("ser", "S"), ("cd", "/vm/b.iso"), ("hd", "/vm/c"), ("ro", "true")])),
        ("3", device("virtio-9p", &[("sharename", "share"), ("path", "/export"), ("ro", "true")])),
        (
            "4",
            device("virtio-console", &[("name", "org.a"), ("path", "/run/a"), ("name", "org.b"), ("path", "/run/b")]),
        ),
        ("5", device("hda", &[("play", "/dev/dsp0")])),
        ("6", device("uart", &[("tty", "tcp=127.0.0.1:4321")])),
        ("7", device("uart", &[])),
        ("8", device("virtio-input", &[("path", "/dev/input/event0")])),
        ("9", device("virtio-net", &[("backend", "slirp"), ("hostfwd", "tcp::2222-:22;udp::53-:53")])),
    ]);
    let machine = draft.check().unwrap();
    assert_eq!(check(&machine), []);
    let setting = QemuSetting { folder: Path::new("/run/lab"), kvm: false, user_net: false, log: None };
    let words = argv(&machine, &setting).words().join(" ");
    let (_, devices) = words.split_once("chardev=ask,mode=control ").unwrap();
    assert_eq!(
        devices,
        "-drive if=none,id=disk0-2.0,format=raw,file=/vm/a,discard=unmap -device ich9-ahci,id=ahci-2.0,addr=2.0 \
         -device ide-hd,bus=ahci-2.0.0,drive=disk0-2.0,bootindex=0,serial=S \
         -drive if=none,id=disk1-2.0,format=raw,file=/vm/b.iso,readonly=on \
         -device ide-cd,bus=ahci-2.0.1,drive=disk1-2.0,bootindex=1 \
         -drive if=none,id=disk2-2.0,format=raw,file=/vm/c,snapshot=on \
         -device ide-hd,bus=ahci-2.0.2,drive=disk2-2.0,bootindex=2 \
         -fsdev local,id=share-3.0,path=/export,security_model=none,readonly=on \
         -device virtio-9p-pci,addr=3.0,fsdev=share-3.0,mount_tag=share \
         -device virtio-serial-pci,id=console-4.0,addr=4.0 \
         -chardev socket,id=port0-4.0,path=/run/a,server=on,wait=off \
         -device virtserialport,bus=console-4.0.0,chardev=port0-4.0,name=org.a \
         -chardev socket,id=port1-4.0,path=/run/b,server=on,wait=off \
         -device virtserialport,bus=console-4.0.0,chardev=port1-4.0,name=org.b \
         -audiodev none,id=audio-5.0 -device intel-hda,id=hda-5.0,addr=5.0 \
         -device hda-duplex,bus=hda-5.0.0,audiodev=audio-5.0 \
         -chardev socket,id=uart-6.0,host=127.0.0.1,port=4321,server=on,wait=off -device pci-serial,addr=6.0,chardev=uart-6.0 \
         -chardev null,id=uart-7.0 -device pci-serial,addr=7.0,chardev=uart-7.0 \
         -device virtio-input-host-pci,addr=8.0,evdev=/dev/input/event0 \
         -netdev user,id=net-9.0,hostname=lab,hostfwd=tcp::2222-:22,hostfwd=udp::53-:53 \
         -device virtio-net-pci,addr=9.0,netdev=net-9.0,mac=52:54:00:bd:49:49,romfile="
    );
}

#[test]
fn what_has_no_counterpart_is_named() {
    let mut draft = draft(&[
        ("2", device("virtio-scsi", &[("dev", "/dev/cam/ctl")])),
        ("3", device("passthru", &[("host", "ppt0")])),
        ("4", device("nvme", &[("ram", "64")])),
        ("5", device("virtio-net", &[("backend", "vale0:lab")])),
    ]);
    draft.set(Key::named("wired").unwrap(), Value::Flag(true));
    draft.set(Key::named("keyboard").unwrap(), Value::Text("de".into()));
    draft.pins.insert(0, "1".parse().unwrap());
    let machine = draft.check().unwrap();
    let messages: Vec<String> = check(&machine).into_iter().chain(backends(&machine)).map(|(_, f)| f.message).collect();
    assert_eq!(
        messages,
        [
            "virtio-scsi in slot 2 has no counterpart under QEMU",
            "ppt0 is the number of a driver of FreeBSD, which says nothing to QEMU",
            "nvme in slot 4 is memory, which has no counterpart under QEMU",
            "vale0:lab in slot 5 has no counterpart under QEMU",
        ]
    );
    let ignored: Vec<String> = ignored(&machine).iter().map(ToString::to_string).collect();
    let said = [
        "under QEMU all of the machine runs on the processors 1: no vCPU is pinned by itself",
        "`keyboard` de is for bhyve: QEMU is not told it",
    ];
    assert_eq!(ignored, said);
}

#[test]
fn what_a_machine_gets_of_the_host_is_told_as_qemu_knows_it() {
    let options = [("host", "10/0/1"), ("rom", "/vm/a.rom")];
    let mut draft = draft(&[("8", device("passthru", &options)), ("31", device("lpc", &[]))]);
    draft.set(Key::named("wired").unwrap(), Value::Flag(true));
    draft.cpus = 4;
    draft.bootrom = Some(Bootrom { code: OVMF_CODE.parse().unwrap(), vars: None, template: None });
    draft.pins.insert(0, "2".parse().unwrap());
    draft.pins.insert(1, "4-5".parse().unwrap());
    let domain = |size, cpus: &str, policy: Option<&str>| Domain {
        size,
        cpus: cpus.parse().ok(),
        policy: policy.map(String::from),
    };
    draft.domains.insert(0, domain(Some(Size::mib(200)), "0,2-3", Some("prefer:1")));
    draft.domains.insert(1, domain(Some(Size::mib(312)), "1", Some("0-1,3")));
    let of = |draft: &crate::model::Draft| {
        let machine = draft.clone().check().unwrap();
        let setting = QemuSetting { folder: Path::new("/run/lab"), kvm: false, user_net: false, log: None };
        (check(&machine), pinned(argv(&machine, &setting), &machine).words().join(" "))
    };
    let (faults, words) = of(&draft);
    assert_eq!(faults, []);
    assert!(words.starts_with("taskset -c 2,4-5 qemu-system-x86_64 -name lab"), "{words}");
    let numa = "-object memory-backend-ram,id=node0,size=204800k,host-nodes=1,policy=preferred \
         -numa node,nodeid=0,memdev=node0,cpus=0,cpus=2-3 \
         -object memory-backend-ram,id=node1,size=319488k,host-nodes=0-1,host-nodes=3,policy=interleave \
         -numa node,nodeid=1,memdev=node1,cpus=1";
    assert!(words.contains(numa), "{words}");
    assert!(words.ends_with("-device vfio-pci,host=0000:0a:00.1,addr=8.0,romfile=/vm/a.rom"), "{words}");
    // Without a size each has as much.
    draft.domains.insert(1, domain(None, "1", Some("first-touch")));
    let (faults, words) = of(&draft);
    assert_eq!(faults, []);
    assert!(words.contains("id=node0,size=262144k") && words.contains("id=node1,size=262144k -numa"), "{words}");
}

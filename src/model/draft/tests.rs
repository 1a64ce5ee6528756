use super::*;
use crate::model::fwcfg::FwContent;
use crate::model::samples::{device, draft};
use crate::model::{Arch, Release};

fn faults(draft: Draft) -> Vec<String> {
    let faults = draft.check().unwrap_err();
    faults.iter().map(|(_, f)| format!("{} | {}", f.message, f.hint.as_deref().unwrap_or_default())).collect()
}

#[test]
fn texts_of_the_maker_need_a_release_and_are_numbered_by_a_byte() {
    let mut draft = draft(&[]);
    draft.oem_strings.insert(256, "a".into());
    draft.target.release = Release::V15_1;
    let later = "leave it out, or run the machine on a later release; that it came with FreeBSD 16 is inferred \
                 (bhyve_config(5), 2026)";
    let number = "256 is no number of a text of SMBIOS | from 0 to 255";
    let needs = format!("`oem_strings` needs FreeBSD 16, and this is for FreeBSD 15.1 | {later}");
    assert_eq!(faults(draft.clone()), [needs, number.to_string()]);
    draft.target.release = Release::V16;
    draft.oem_strings = (0..=255).map(|number| (number, "a".to_string())).collect();
    let many = "SMBIOS holds 255 texts of the maker, and these are 256 | leave one of them out";
    assert_eq!(faults(draft.clone()), [many]);
    draft.oem_strings.pop_last();
    assert!(draft.check().is_ok());
}

#[test]
fn a_slot_is_taken_once_however_it_is_spelt() {
    let mut draft = draft(&[("3", device("virtio-rnd", &[]))]);
    let fault = draft.put("0:03:0".parse().unwrap(), device("lpc", &[])).unwrap_err();
    let said = Fault::new("slot 3 is taken twice: by virtio-rnd and by lpc").hint("slot 4 is free");
    assert_eq!(fault, said);
}

#[test]
fn what_bhyve_finds_late_or_never_is_found_at_once() {
    let disk = |path| device("virtio-blk", &[("path", path)]);
    let nic = |tap, mac| device("virtio-net", &[("backend", tap), ("mac", mac)]);
    let mut wrong = draft(&[
        ("3:1", device("virtio-rnd", &[])),
        ("4", disk("/vm/a.img")),
        ("5", disk("/vm/a.img")),
        ("6", nic("tap1", "0:0:0:0:0:2")),
        ("7", nic("tap1", "0:0:0:0:0:2")),
        ("8", device("xhci", &[("device", "tablet")])),
        ("9", device("xhci", &[("device", "tablet")])),
    ]);
    wrong.memory = Size::bytes(1_048_577);
    wrong.ttys.insert("com1", Tty::Stdio);
    assert_eq!(
        faults(wrong),
        [
            "1048577 bytes of memory are no whole number of pages | write 512.MiB or \"512M\"",
            "slot 3:1 has no function 0 beside it: the guest will never see it | put a device into slot 3 too",
            "a machine has one xhci, and there is one in slot 8 already | remove one of them",
            "`com1` hangs on an LPC bridge, and no slot has one | add `\"31\": lpc()` to `slots`",
            "slots 4 and 5 both write /vm/a.img | give each disk an image of its own, or make one of them `ro: true`",
            "slots 6 and 7 have the same MAC address 00:00:00:00:00:02 | change one of them",
            "slots 6 and 7 are both plugged into tap1 | make a tap for each card",
        ]
    );
}

#[test]
fn serial_ports_are_named_once_and_stdio_is_used_once() {
    let mut wrong = draft(&[("1:0:0", device("lpc", &[("com1", "stdio"), ("com2", "stdio")]))]);
    wrong.ttys.insert("com1", Tty::Path("/dev/nmdm0A".parse().unwrap()));
    assert_eq!(
        faults(wrong),
        [
            "bhyve makes no MP table of more than one bus, and slot 1:0:0 is on bus 1 | add `mptable: false`",
            "lpc in slot 1:0:0 is not on bus 0 | put it into slot 31",
            "`com1` is given twice | keep one of them",
            "`com1` and `com2` both use stdio, which there is one of | plug one of them into a nmdm(4)",
        ]
    );
    assert_eq!(faults(Draft::default()), ["a machine needs a `name` | add `name: \"lab\"`"]);
}

#[test]
fn an_image_may_be_read_by_many() {
    let disk = device("virtio-blk", &[("path", "/vm/a.img"), ("ro", "true")]);
    assert!(draft(&[("4", disk.clone()), ("5", disk)]).check().is_ok());
}

fn set(draft: &mut Draft, name: &str, text: &str) {
    let setting = Setting::named(name).unwrap();
    draft.set(setting, setting.ty.read(text).unwrap());
}

#[test]
fn what_firmware_and_host_need_is_said() {
    let boot = |path, index| device("virtio-blk", &[("path", path), ("bootindex", index)]);
    let mut wrong = draft(&[
        ("1", device("ahci", &[("hd", "/vm/a"), ("hd", "/vm/a")])),
        ("2", boot("/vm/b", "1")),
        ("3", device("passthru", &[("host", "2/0/0")])),
        ("4", device("passthru", &[("host", "pci0:2:0:0")])),
        ("5", device("uart", &[("tty", "stdio")])),
        ("31", device("lpc", &[("com1", "stdio")])),
        ("1:6:0", device("virtio-net", &[("backend", "tap1")])),
        ("6", device("virtio-net", &[("backend", "tap2")])),
    ]);
    wrong.fw_items.push(FwItem::new("opt/x", FwContent::Text("1".into())).unwrap());
    wrong.memory = Size::mib(16);
    wrong.args.push("-a".into());
    set(&mut wrong, "x2apic", "true");
    set(&mut wrong, "gdb.wait", "true");
    set(&mut wrong, "tpm.type", "passthru");
    set(&mut wrong, "mptable", "false");
    let wired = "add `wired: true`";
    assert_eq!(
        faults(wrong),
        [
            "16 MiB of memory are too little for a guest to boot | at least 32 MiB".to_string(),
            "`gdb` needs a `port`: without one bhyve has no stub | write `gdb: #{ port: 1234 }`".into(),
            "`tpm` needs a `type` and a `path` | write `tpm: #{ type: \"passthru\", path: \"/dev/tpm0\" }`".into(),
            "`-a` and x2apic contradict each other | keep one of them: bhyve takes the last".into(),
            "firmware sees the items of `fw_cfg` only with `fwcfg` \"qemu\" | add `fwcfg: \"qemu\"`".into(),
            format!("passthru in slot 3 needs memory that is wired | {wired}"),
            format!("passthru in slot 4 needs memory that is wired | {wired}"),
            "two ports of slot 1 both write /vm/a | give each disk an image of its own, or make one of them `ro: true`"
                .into(),
            "slots 3 and 4 both use 2/0/0 | give each its own".into(),
            "slots 6 and 1:6:0 get the same MAC address from bhyve | it leaves the bus out: give one of them a `mac`"
                .into(),
            "firmware sees `bootindex` only with `fwcfg` \"qemu\" | add `fwcfg: \"qemu\"`".into(),
            "`com1` and the uart in slot 5 both use stdio, which there is one of | plug one of them into a nmdm(4)"
                .into(),
        ]
    );
}

#[test]
fn a_place_in_the_boot_order_is_taken_once() {
    let mut wrong = draft(&[
        ("1", device("ahci", &[("hd", "/vm/a"), ("bootindex", "0"), ("hd", "/vm/c"), ("bootindex", "2")])),
        ("2", device("virtio-blk", &[("path", "/vm/b"), ("bootindex", "0")])),
    ]);
    set(&mut wrong, "fwcfg", "qemu");
    assert_eq!(
        faults(wrong),
        [
            "the boot order knows slot 1 as a whole, and two of its ports are in it \
             | keep the first `bootindex`, or give the disk a controller of its own",
            "slot 2 has `bootindex` 0, which slot 1 has already | give each a number of its own",
        ]
    );
}

#[test]
fn processors_pins_and_domains_add_up() {
    let mut wrong = draft(&[]);
    wrong.cpus = 4;
    wrong.topology = Some(Topology { sockets: 4, cores: 2, threads: 1 });
    wrong.pins = [(4, "0".parse().unwrap()), (1000, "0".parse().unwrap())].into();
    let domain = |cpus: &str| Domain { size: Some(Size::mib(512)), cpus: cpus.parse().ok(), policy: None };
    wrong.domains = [(0, domain("0-1")), (2, domain("1-4")), (9, domain(""))].into();
    assert_eq!(
        faults(wrong),
        [
            "4 sockets of 2 cores with 1 threads are not 4 CPUs | their product is the number of CPUs",
            "there is no CPU 4 to pin: the machine has 4 | from 0 to 3",
            "CPU 1000 cannot be pinned | bhyve pins CPUs from 0 to 999",
            "`domains` needs a boot ROM | add `bootrom: uefi()`",
            "the domains have 1536M of memory together, and the machine 512M | bhyve would take the sum: write `memory: \"1536M\"`",
            "domain 2 follows no domain 1 | count them from 0 on without a gap: bhyve stops at the first that is not there",
            "domain 2 has CPU 4, and the machine has 4 | from 0 to 3",
            "CPU 1 is in domain 0 and in domain 2 | put it into one",
            "there is no domain 9 | from 0 to 7",
            "domain 9 needs `cpus` | write `cpus: \"0-1\"`",
        ]
    );
}

#[test]
fn what_the_release_does_not_have_is_refused_by_name() {
    let mut old = draft(&[
        ("3", device("virtio-net", &[("backend", "slirp"), ("open", "true")])),
        ("4", device("virtio-scsi", &[("dev", "/dev/cam/ctl"), ("target", "/dev/cam/ctl1")])),
        ("29", device("fbuf", &[("w", "2560"), ("h", "320")])),
        ("31", device("lpc", &[("com1", "tcp=127.0.0.1:1")])),
    ]);
    old.target.release = Release::V14_5;
    set(&mut old, "monitor", "true");
    set(&mut old, "tpm.type", "swtpm");
    set(&mut old, "tpm.path", "/run/tpm");
    let later = "leave it out, or run the machine on a later release";
    let of = |source: &str| format!("; that it came with FreeBSD 15.0 is inferred ({source})");
    assert_eq!(
        faults(old),
        [
            format!("`monitor` needs FreeBSD 16, and this is for FreeBSD 14.5 | {later}"),
            format!(
                "`open` of virtio-net needs FreeBSD 15.0, and this is for FreeBSD 14.5 | {later}{}",
                of("slirp-helper.c")
            ),
            format!("`target` of virtio-scsi needs FreeBSD 16, and this is for FreeBSD 14.5 | {later}"),
            "2560 pixels are out of range for FreeBSD 14.5 | from 0 to 1920".into(),
            format!(
                "`com1` of lpc tcp=127.0.0.1:1 needs FreeBSD 15.0, and this is for FreeBSD 14.5 | {later}{}",
                of("the date of bhyve(8)")
            ),
        ]
    );
}

#[test]
fn a_screen_at_a_socket_came_with_a_minor_release() {
    let told = |release| {
        let mut draft = draft(&[("29", device("fbuf", &[("rfb", "unix:/run/lab.vnc")]))]);
        draft.target.release = release;
        draft
    };
    let needs = "`rfb` of fbuf unix:/run/lab.vnc needs FreeBSD 15.1, and this is for FreeBSD 15.0";
    assert_eq!(
        faults(told(Release::V15_0)),
        [format!("{needs} | leave it out, or run the machine on a later release")]
    );
    assert!(told(Release::V15_1).check().is_ok());
}

#[test]
fn a_scsi_controller_of_freebsd_16_names_its_target() {
    let told = |release| {
        let mut draft = draft(&[("3", device("virtio-scsi", &[]))]);
        draft.target.release = release;
        draft
    };
    assert!(told(Release::V15_1).check().is_ok());
    let none = "virtio-scsi in slot 3 has no target | name it: virtio_scsi(\"/dev/cam/ctl\")";
    assert_eq!(faults(told(Release::V16)), [none]);
}

#[test]
fn what_the_architecture_does_not_have_is_refused_by_name() {
    let mut arm = draft(&[("29", device("fbuf", &[])), ("30", device("passthru", &[("host", "ppt0")]))]);
    arm.target.arch = Arch::Arm64;
    arm.ttys.insert("com1", Tty::Stdio);
    set(&mut arm, "x2apic", "true");
    assert_eq!(
        faults(arm),
        [
            "`x2apic` is not there on arm64 | only bhyve on amd64 has it",
            "`com1` is not there on arm64 | only bhyve on amd64 has it",
            "a machine on arm64 needs a `bootrom` | add `bootrom: \"/path/of/the/firmware\"`",
            "fbuf is not there on arm64 | only bhyve on amd64 has it",
            "passthru is not there on arm64 | only bhyve on amd64 has it",
        ]
    );
}

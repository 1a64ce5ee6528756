use super::*;
use crate::model::Release;
use proptest::prelude::*;

fn target(release: Release) -> Target {
    Target { arch: Arch::Amd64, release }
}

fn dump(text: &str) -> String {
    match read(text, target(Release::V16)) {
        Ok(read) => {
            let entries = read.entries.iter().map(|(key, value)| format!("{key}={value}"));
            let warnings = read.warnings.iter().map(|fault| format!("({fault})"));
            format!("{} {}", read.slot, entries.chain(warnings).collect::<Vec<_>>().join(" "))
        }
        Err(fault) => format!("! {fault}"),
    }
}

fn pairs(text: &str) -> Vec<(String, String)> {
    text.split_whitespace().map(|item| item.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect()
}

/// Writes the device of slot 4 whose keys are `text`.
fn written(text: &str, release: Release) -> String {
    match write("4".parse().unwrap(), &pairs(text), target(release)) {
        Ok(text) => text,
        Err(fault) => format!("! {} | {}", fault.message, fault.hint.unwrap_or_default()),
    }
}

#[test]
fn places_are_read_as_scanf_reads_them_but_nothing_may_follow() {
    for (text, slot) in
        [("03", "3"), (" +3:0", "3"), ("0:3:-0", "3"), ("000000000000004", "4"), ("255:31:7", "255:31:7")]
    {
        assert_eq!(place_of(text).unwrap().to_string(), slot);
    }
    for (text, rest) in [("4x", "x"), ("1:2:3:4", ":4"), ("4:", ":"), ("1:2 ", " "), ("3:x", ":x")] {
        let message = place_of(text).unwrap_err().message;
        assert_eq!(message, format!("`{rest}` follows the numbers of the slot `{text}`"));
    }
    for text in ["", "x", "-1", "32", "0:8", "256:0:0", "99999999999", "--1", "+ 1"] {
        assert_eq!(place_of(text).unwrap_err().message, format!("`{text}` is not a PCI slot"));
    }
}

#[test]
fn the_first_item_of_a_disk_or_a_card_has_no_key() {
    assert_eq!(dump("4,virtio-net,mac=1,x"), "4 device=virtio-net backend=mac=1 x=true");
    assert_eq!(dump("4,virtio-blk"), "4 device=virtio-blk");
    assert_eq!(dump("4,virtio-blk,,ro="), "4 device=virtio-blk path= ro=");
    assert_eq!(dump("4,nvme,/d,ram=1"), "4 device=nvme path=/d ram=1");
    assert_eq!(dump("4,nvme,ram=1,/d"), "4 device=nvme ram=1 /d=true");
    assert_eq!(dump("4,uart,a,b"), "4 device=uart path=a,b");
    assert_eq!(dump("4,hda,/dev/dsp0"), "4 device=hda /dev/dsp0=true");
    assert_eq!(dump("4,virtio-blk,/d,device=nvme"), "4 device=nvme path=/d (`virtio-blk` is given `device` twice)");
}

#[test]
fn ports_keep_their_numbers_and_their_options() {
    assert_eq!(
        dump("4,ahci,hd:,hd:/a,ro,cd:/b"),
        "4 device=ahci port.1.type=hd port.1.path=/a port.1.ro=true port.2.type=cd port.2.path=/b"
    );
    assert_eq!(dump("4,ahci,hd:/a,"), "! `ahci` has an option without a name");
    assert_eq!(dump("4,ahci,hd:/a,dh:/b"), "4 device=ahci port.0.type=hd port.0.path=/a port.0.dh:/b=true");
    let many = "hd:/a,".repeat(33);
    assert_eq!(dump(&format!("4,ahci,{}", &many[..many.len() - 1])), "! `ahci` has 32 ports, and more are given");
    assert_eq!(
        dump("4,xhci,tablet,tablet=a=b,c="),
        "4 device=xhci slot.1.device=tablet slot.2.device=tablet slot.2.a=b slot.3.device=c"
    );
}

#[test]
fn what_bhyve_would_take_for_something_else_is_refused() {
    let told = |text: &str| {
        let fault = read(text, target(Release::V15_1)).unwrap_err();
        format!("{} | {}", fault.message, fault.hint.unwrap_or_default())
    };
    let first = "the path comes first, and then the options";
    assert_eq!(told("4,virtio-blk,ro"), format!("`ro` stands where the path of `virtio-blk` belongs | {first}"));
    assert_eq!(
        told("4,virtio-scsi,iid=1"),
        format!("`iid=1` stands where the path of `virtio-scsi` belongs | {first}")
    );
    assert_eq!(told("4,ahci,hd:nocache"), format!("`nocache` stands where the path of `ahci` belongs | {first}"));
    let value = |key: &str| format!("bhyve would take \"true\" for it: write `{key}=...`");
    assert_eq!(told("4,hda,play"), format!("`play` of `hda` has no value | {}", value("play")));
    assert_eq!(told("4,nvme,/d,ser"), format!("`ser` of `nvme` has no value | {}", value("ser")));
    assert_eq!(
        told("4,amd_hostbridge,x"),
        "`amd_hostbridge` takes no options | bhyve ignores what follows: leave it out"
    );
}

#[test]
fn a_device_of_the_host_has_four_spellings() {
    let numbers = "4 device=passthru bus=2 slot=0 func=1";
    for text in ["2/0/1", "pci2:0:1", "pci0:2:0:1", "02/+0/ 1"] {
        assert_eq!(dump(&format!("4,passthru,{text}")), numbers);
    }
    assert_eq!(dump("4,passthru,pci0:2:3"), "4 device=passthru bus=0 slot=2 func=3");
    assert_eq!(dump("4,passthru,pptx,rom=/r"), "4 device=passthru pptdev=pptx rom=/r");
    for text in ["2:0:0", "2/0", "2/0/0x", "pci1:2:3:4", ""] {
        assert_eq!(dump(&format!("4,passthru,{text}")), format!("! `{text}` is no device of the host"));
    }
}

#[test]
fn targets_are_counted_on_from_the_highest() {
    let keys = "4 device=virtio-scsi target.3=/a target.1=/b target.4=/c iid=1";
    assert_eq!(dump("4,virtio-scsi,3:/a,target=1:/b,dev=/c,iid=1"), keys);
    assert_eq!(dump("4,virtio-scsi,iid=1"), "4 device=virtio-scsi iid=1");
    assert_eq!(dump("4,virtio-scsi"), "4 device=virtio-scsi target.0=/dev/cam/ctl");
    assert_eq!(dump("4,virtio-scsi,/a:b"), "4 device=virtio-scsi target.0=/a:b");
    assert_eq!(dump("4,virtio-scsi,0x10:/a,target=010:/b"), "4 device=virtio-scsi target.16=/a target.8=/b");
    assert_eq!(dump("4,virtio-scsi,08:/a"), "! `08:/a` has no id that a target can have");
    assert_eq!(dump("4,virtio-scsi,255:/a,target=/b"), "! `/b` has no id that a target can have");
    assert_eq!(dump("4,virtio-scsi,/a,target"), "! `target` of `virtio-scsi` names no device");
    let old = read("4,virtio-scsi,/a,target=x", target(Release::V15_1)).unwrap().entries;
    assert_eq!(old, pairs("device=virtio-scsi dev=/a target=x"));
}

#[test]
fn a_device_is_written_in_its_shortest_form() {
    let written = |text| written(text, Release::V16);
    assert_eq!(written("device=hostbridge pcireg.device=0x7432 pcireg.vendor=0x1022"), "4,amd_hostbridge");
    assert_eq!(written("port.0.path=/a port.0.ro=true device=ahci port.0.type=hd"), "4,ahci-hd,/a,ro");
    assert_eq!(written("device=ahci port.0.type=cd"), "4,ahci-cd");
    assert_eq!(
        written("device=ahci port.0.type=cd port.2.type=hd port.0.path=/a port.2.path=/b"),
        "4,ahci,cd:/a,hd:,hd:/b"
    );
    assert_eq!(written("device=virtio-net mac=1 backend=tap0"), "4,virtio-net,tap0,mac=1");
    assert_eq!(written("device=nvme ser=x ram=64"), "4,nvme,ram=64,ser=x");
    assert_eq!(written("device=virtio-9p ro=true path=/a sharename=b"), "4,virtio-9p,b=/a,ro");
    assert_eq!(written("device=virtio-console port.0.path=/a port.0.name=b"), "4,virtio-console,b=/a");
    assert_eq!(written("device=virtio-scsi iid=1 target.1=/b target.0=/a"), "4,virtio-scsi,/a,target=1:/b,iid=1");
    assert_eq!(written("device=passthru func=1 slot=0 bus=2 rom=/r"), "4,passthru,2/0/1,rom=/r");
    assert_eq!(written("device=xhci slot.1.device=tablet slot.2.device=tablet slot.2.a=b"), "4,xhci,tablet,tablet=a=b");
    assert_eq!(written("device=uart path=a,b"), "4,uart,a,b");
    assert_eq!(written("device=lpc"), "4,lpc");
}

#[test]
fn what_no_slot_can_say_is_refused() {
    let written = |text| written(text, Release::V15_1);
    let homeless = |key: &str, device: &str, what: &str| {
        let way = format!("write `-o pci.0.4.0.{key}=...`, or a configuration file");
        format!("! `{key}` of `{device}` in slot 4 {what} | {way}")
    };
    let comma = "holds a comma, where the next option would begin";
    assert_eq!(written("device=virtio-blk path=/a,b"), homeless("path", "virtio-blk", comma));
    assert_eq!(written("device=fbuf password=hunter,2"), homeless("password", "fbuf", comma));
    for (text, device, key) in [
        ("device=virtio-blk ro=true", "virtio-blk", "ro"),
        ("device=hostbridge pcireg.vendor=1", "hostbridge", "pcireg.vendor"),
        ("device=ahci bootindex=1", "ahci", "bootindex"),
        ("device=ahci port.0.type=xd port.0.path=/a", "ahci", "port.0.type"),
        ("device=ahci port.0.type=hd port.0.ro=true", "ahci", "port.0.ro"),
        ("device=ahci port.32.type=hd", "ahci", "port.32.type"),
        ("device=virtio-9p path=/a", "virtio-9p", "path"),
        ("device=virtio-console port.0.name=a", "virtio-console", "port.0.name"),
        ("device=passthru bus=1 slot=2", "passthru", "bus"),
        ("device=xhci slot.1.x=1", "xhci", "slot.1.x"),
        ("device=uart x=1", "uart", "x"),
    ] {
        assert_eq!(written(text), homeless(key, device, "has no place in a `-s`"));
    }
    let way = "write `-o pci.0.4.0.KEY=VALUE`, or a configuration file";
    for (text, device) in [
        ("device=xhci slot.2.device=tablet", "xhci"),
        ("device=virtio-console", "virtio-console"),
        ("device=passthru bus=02 slot=0 func=0", "passthru"),
        ("device=nvme path=ram=3", "nvme"),
        ("device=lpc x=1 x=2", "lpc"),
    ] {
        assert_eq!(written(text), format!("! `{device}` in slot 4 is set in a way that no `-s` says | {way}"));
    }
    assert_eq!(
        written("device=ahci-hd"),
        "! `ahci-hd` is no device of a configuration, only of `-s` | write `pci.0.4.0.device=ahci`"
    );
    assert_eq!(written("path=/a"), "! slot 4 has no device | set `pci.0.4.0.device`");
}

#[test]
fn arm_lacks_what_a_pc_has() {
    let target = Target { arch: Arch::Arm64, release: Release::V15_1 };
    assert_eq!(read("31,lpc", target).unwrap_err().message, "there is no `lpc` on arm64");
    assert_eq!(names(Arch::Arm64).count(), names(Arch::Amd64).count() - 3);
}

#[test]
fn a_password_is_not_shown() {
    let slot = read("29,fbuf,password=hunter2", Target::default()).unwrap();
    assert!(!format!("{slot:?}").contains("hunter2"));
}

const VALUE: &str = "[a-z0-9/:%.]{1,9}";

fn options() -> impl Strategy<Value = Vec<(String, String)>> {
    let key = prop::sample::select(vec!["ro", "nocache", "ser", "mac", "bootindex", "x"]);
    let options = prop::collection::btree_map(key, prop_oneof!["true", VALUE], 0..4);
    options.prop_map(|options| options.into_iter().map(|(key, value)| (key.to_string(), value)).collect())
}

/// The keys of devices that a `-s` can say.
fn entries() -> impl Strategy<Value = Vec<(String, String)>> {
    let first = prop::sample::select(vec![
        ("virtio-blk", "path"),
        ("nvme", "path"),
        ("virtio-input", "path"),
        ("virtio-net", "backend"),
        ("e1000", "backend"),
        ("virtio-scsi", "dev"),
    ]);
    let plain = prop::sample::select(vec!["fbuf", "hda", "lpc", "hostbridge", "virtio-rnd"]);
    let port = (prop::sample::select(vec!["hd", "cd"]), "/[a-z0-9]{1,9}", options());
    let one = |key: &str, value: &str| (key.to_string(), value.to_string());
    prop_oneof![
        (first, "/[a-z0-9]{0,9}", options()).prop_map(move |((device, key), value, rest)| {
            [vec![one("device", device), one(key, &value)], rest].concat()
        }),
        (plain, options()).prop_map(move |(device, rest)| [vec![one("device", device)], rest].concat()),
        prop::collection::btree_map(0..32_usize, port, 1..5).prop_map(move |ports| {
            let mut entries = vec![one("device", "ahci")];
            for (port, (kind, path, rest)) in ports {
                entries.extend([one(&format!("port.{port}.type"), kind), one(&format!("port.{port}.path"), &path)]);
                entries.extend(rest.into_iter().map(|(key, value)| (format!("port.{port}.{key}"), value)));
            }
            entries
        }),
        prop::collection::vec((VALUE, VALUE), 1..17).prop_map(move |ports| {
            let mut entries = vec![one("device", "virtio-console")];
            for (port, (name, path)) in ports.iter().enumerate() {
                entries.extend([one(&format!("port.{port}.name"), name), one(&format!("port.{port}.path"), path)]);
            }
            entries
        }),
    ]
}

proptest! {
    #[test]
    fn no_text_panics(text: String, device in prop::sample::select(KINDS), conf in "[hcd:=,./a0-9é]{0,20}") {
        for release in Release::ALL {
            let _ = read(&text, target(release));
            if let Ok(once) = read(&format!("4,{},{conf}", device.name), target(release)) {
                let mut entries = once.entries;
                if let Ok(text) = write(once.slot, &entries, target(release)) {
                    let mut again = read(&text, target(release)).unwrap().entries;
                    again.sort();
                    entries.sort();
                    prop_assert_eq!(again, entries);
                }
            }
        }
    }

    #[test]
    fn what_is_written_reads_back(entries in entries(), slot in "[0-9]:[0-7]|1[0-9]:31:[1-7]") {
        let slot: PciSlot = slot.parse().unwrap();
        let text = write(slot, &entries, target(Release::V15_1)).unwrap();
        let again = read(&text, target(Release::V15_1)).unwrap();
        prop_assert_eq!((again.slot, again.entries), (slot, entries));
    }

    #[test]
    fn no_keys_panic(entries in prop::collection::vec(("device|(port|slot|target)\\.[0-9]{1,2}(\\.(type|path|name|device))?|[a-z.,=]{0,4}", "ahci|xhci|virtio-(scsi|console|9p)|hd|cd|.{0,5}"), 0..6)) {
        let _ = write("4".parse().unwrap(), &entries, target(Release::V16));
    }
}

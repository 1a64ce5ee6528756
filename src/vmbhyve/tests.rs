//! Whole files and the whole command lines that vm-bhyve makes of them.

mod odd;

use super::conf::Conf;
use super::{Guest, Loader, Place, keys, read};
use crate::model::Size;

const DEFAULT: &str = include_str!("../../tests/fixtures/vm-bhyve/default.conf");
const FREEBSD: &str = include_str!("../../tests/fixtures/vm-bhyve/freebsd.conf");
const DEBIAN: &str = include_str!("../../tests/fixtures/vm-bhyve/debian.conf");
const WINDOWS: &str = include_str!("../../tests/fixtures/vm-bhyve/windows.conf");
const OPENBSD: &str = include_str!("../../tests/fixtures/vm-bhyve/openbsd.conf");
const ALPINE: &str = include_str!("../../tests/fixtures/vm-bhyve/alpine.conf");
const EVERY_KEY: &str = include_str!("../../tests/fixtures/vm-bhyve/every-key.conf");
const EVERY_NOTE: &str = include_str!("../../tests/fixtures/vm-bhyve/every-key.notes");

/// What a file needs beside the lines that a test is about.
const UEFI: &str = "loader=uefi\ncpu=1\nmemory=1G\nuuid=u\n";
const GRUB: &str = "loader=grub\ncpu=1\nmemory=1G\nuuid=u\n";

fn place() -> Place<'static> {
    let system = "switch_list=\"public lan dmz wan\"\ntype_public=\"standard\"\ntype_lan=\"vxlan\"\ntype_dmz=\"manual\"\n\
                  bridge_dmz=\"bridge3\"\ntype_wan=\"standard\"\nprivate_wan=\"yes\"\n";
    Place { dataset: Some("tank/vm"), system: Some(system), ..Place::new("/vm") }
}

fn guest(text: &str) -> Guest {
    read(text, "g1", &place()).unwrap()
}

fn argv(text: &str) -> String {
    guest(text).argv.join(" ")
}

/// The devices alone, without bridges and options.
fn devices(text: &str) -> Vec<String> {
    let argv = guest(text).argv;
    let pairs = argv.windows(2).filter(|pair| pair[0] == "-s").map(|pair| pair[1].clone());
    pairs.filter(|device| !device.ends_with("bridge") && !device.ends_with(",lpc")).collect()
}

fn notes(text: &str) -> Vec<String> {
    guest(text).notes.iter().map(|note| format!("{} {}: {}", note.line, note.key, note.text)).collect()
}

fn faults(text: &str) -> Vec<(usize, String, String)> {
    let faults = read(text, "g1", &place()).unwrap_err();
    faults.into_iter().map(|(line, fault)| (line, fault.message, fault.hint.unwrap_or_default())).collect()
}

fn many(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect()
}

#[test]
fn the_templates_become_the_command_lines_that_vm_bhyve_runs() {
    let tail = "-U 6f1f3ba0-7c1c-11f0-9c59-0800200c9a";
    let rom = "-l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI";
    for (text, expected) in [
        (
            DEFAULT,
            "-s 0,hostbridge -s 31,lpc -s 0:4:0,virtio-blk,/vm/g1/root.img -s 0:5:0,virtio-net,tap0 -c 1 -m 768M -AHPw \
             -u -l com1,/dev/nmdm-g1.1A g1"
                .to_string(),
        ),
        (
            FREEBSD,
            format!(
                "-s 0,hostbridge -s 31,lpc -s 0:4:0,nvme,/dev/zvol/tank/vm/g1/disk0 -s 0:5:0,virtio-blk,/dev/da3,nocache,ro \
                 -s 0:6:0,virtio-net,tap0,mac=58:9c:fc:01:02:03 -s 0:6:1,virtio-net,tap77,mac=58:9c:fc:01:02:04 \
                 -s 0:7:0,virtio-rnd -c 4,sockets=1,cores=2,threads=2 -m 4G -AHPw {rom}.fd,/vm/g1/uefi-vars.fd -S {tail}66 \
                 -u -l com1,/dev/nmdm-g1.1A g1"
            ),
        ),
        (
            DEBIAN,
            format!(
                "-s 0,hostbridge -s 31,lpc -s 0:4:0,ahci-hd,/vm/g1/disk0.img -s 0:4:1,ahci-cd,/vm/g1/seed.iso \
                 -s 0:5:0,virtio-net,tap0,mac=58:9c:fc:0a:0b:0c -c 2 -m 1G -AHPw {tail}67 \
                 -l com1,/dev/nmdm-g1.1A -l com2,/dev/nmdm-g1.2A g1"
            ),
        ),
        (
            WINDOWS,
            format!(
                "-s 0,hostbridge -s 31,lpc -s 4:0,ahci,hd:/vm/g1/disk0.img,cd:/iso/drivers.iso \
                 -s 0:5:0,e1000,tap0,mac=58:9c:fc:05:06:07 -s 0:6:0,fbuf,tcp=10.7.0.2:5943,w=1600,h=900 \
                 -s 0:7:0,xhci,tablet -s 0:8:0,hda,play=/dev/dsp0 -c 2 -m 4G -AHPw {rom}.fd {tail}68 \
                 -l com1,/dev/nmdm-g1.1A g1"
            ),
        ),
        (
            OPENBSD,
            format!(
                "-s 0,hostbridge -s 31,lpc -s 0:4:0,virtio-blk,/vm/g1/disk0.img \
                 -s 0:5:0,virtio-net,obsd0,mac=58:9c:fc:0d:0e:0f -s 0:6:0,fbuf,tcp=0.0.0.0:5900,password=hunter2,wait \
                 -c 1 -m 512M -AHPw {rom}_CSM.fd {tail}69 -u -l com1,/dev/nmdm-g1.1A g1"
            ),
        ),
        (
            ALPINE,
            format!(
                "-s 0,hostbridge -s 31,lpc -s 0:4:0,virtio-blk,/vm/g1/disk0.img -c 1 -m 256M -AHPw {tail}6a -u \
                 -l com1,/dev/nmdm-g1.1A g1"
            ),
        ),
    ] {
        assert_eq!(argv(text), expected);
    }
}

#[test]
fn a_file_with_every_key_becomes_one_command_line_and_a_note_for_the_rest() {
    assert_eq!(
        argv(EVERY_KEY),
        "-s 0,amd_hostbridge -s 31,lpc,fwcfg=qemu -s 0:5:0,virtio-scsi,/dev/cam/ctl1.0,iid=3 \
         -s 0:6:0,virtio-net,tap9,mac=58:9c:fc:00:00:01 -s 0:7:0,virtio-rnd -s 0:8:0,passthru,6/0/0,rom=vbios.rom \
         -s 0:9:0,fbuf,tcp=127.0.0.1:5901,w=1024,h=768,vga=io,password=hunter2 -s 0:10:0,xhci,tablet \
         -s 0:11:0,hda,play=/dev/dsp1,rec=/dev/dsp2 \
         -s 0:12:0,virtio-console,org.example.agent=/vm/g1/vtcon.org.example.agent,1=/vm/g1/vtcon.1 \
         -c 4,sockets=2,cores=2,threads=1 -m 8G -AHPww -l bootrom,/vm/.config/BHYVE_UEFI.fd,/vm/g1/uefi-vars.fd \
         -p 0:2 -o pci.0.31.0.pcireg.vendor=host -S -U 6f1f3ba0-7c1c-11f0-9c59-0800200c9a6b -u -S \
         -l com2,/dev/nmdm-g1.1A -l com1,/dev/nmdm-g1.2A g1"
    );
    assert_eq!(notes(EVERY_KEY).join("\n") + "\n", EVERY_NOTE);
    let conf = Conf::parse(EVERY_KEY);
    for entry in conf.entries() {
        let (key, _) = keys::find(&entry.key).unwrap();
        let noted = guest(EVERY_KEY).notes.iter().any(|note| note.key == entry.key);
        assert!(noted || matches!(key.becomes, keys::Becomes::Command(_)), "{} is passed over in silence", entry.key);
    }
    let current = keys::all().filter(|key| !matches!(key.becomes, keys::Becomes::Nothing(_)));
    let missing = current.filter(|key| conf.get(&key.name.replace('N', "0")).is_none());
    assert_eq!(missing.map(|key| key.name).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn what_is_no_part_of_the_command_line_is_noted() {
    let around =
        "prestart=before.sh\npriority=i10\nlimit_pcpu=50\ndebug=no\non_restart=restart\nzfs_zvol_opts=a=b\ntags=web\n";
    assert_eq!(
        notes(&format!("{UEFI}{around}memroy=1G\nmy-key=1\nfbuf_slot=9\nignore_bad_msr=yes\ntpm=yes\n")),
        [
            "6 priority: vmrun is only told by `nice` how nice it is: start it with idprio(1) or rtprio(1)",
            "10 zfs_zvol_opts: vm-bhyve uses it only when it makes the guest or one of its disks",
            "11 tags: vmrun has no tags: use folders",
            "12 memroy: vm-bhyve knows no such key: did you mean `memory`?",
            "13 my: vm-bhyve knows no such key",
            "14 fbuf_slot: vm-bhyve 1.7 gives slots in order from `start_slot`, and does not read it",
            "15 ignore_bad_msr: vm-bhyve reads it nowhere, and always gives `-w`, which does it",
            "16 tpm: vm-bhyve has no such key: write `bhyve_options=\"-l tpm,swtpm,SOCKET\"`, or passthru and a device",
        ]
    );
}

#[test]
fn a_guest_is_started_again_as_its_file_says() {
    let restarts = |lines: &str| guest(&format!("{UEFI}{lines}")).restarts;
    let cases = [
        ("", None),
        ("on_restart=restart\non_fault=shutdown\n", None),
        ("on_fault=restart\n", Some(vec!["reboot", "crash"])),
        ("on_restart=destroy\n", Some(vec![])),
        ("on_restart=destroy\non_fault=restart\n", Some(vec!["crash"])),
    ];
    for (lines, expected) in cases {
        assert_eq!(restarts(lines), expected, "{lines}");
    }
}

#[test]
fn what_the_recipe_does_beside_the_command_line_is_kept() {
    let text =
        format!("{UEFI}prestart=before.sh\nlimit_pcpu=50\ndisk0_type=virtio-blk\ndisk0_name=iqn.a:b\ndisk0_dev=iscsi");
    let read = guest(&text);
    assert_eq!(read.prestart.unwrap(), ["/vm/g1/before.sh", "g1", "tank/vm/g1"]);
    assert_eq!((read.limits.cpu, read.disks[0].path.as_str()), (Some(50), "/dev/iscsi/iqn.a:b/0"));
    let told =
        "8 disk0_name: an iSCSI target, whose session has to be there when the machine starts: `iscsictl -L` shows it";
    assert_eq!(notes(&text), [told]);
    assert_eq!(
        notes(&format!("{UEFI}limit_pcpu=much\n")),
        ["5 limit_pcpu: it is no percentage of one processor, and is left out"]
    );
    let limits =
        guest(&format!("{UEFI}priority=-5\nlimit_rbps=10M\nlimit_wbps=1048576\nlimit_riops=500\nlimit_wiops=x\n"));
    let of = &limits.limits.transfers;
    assert_eq!((limits.limits.nice, of.readbps, of.writebps), (Some(-5), Some(Size::mib(10)), Some(Size::mib(1))));
    assert_eq!((of.readiops, of.writeiops), (Some(500), None));
}

#[test]
fn a_loader_other_than_uefi_is_called_before_bhyve() {
    assert_eq!((guest(DEBIAN).loader, guest(DEFAULT).loader), (Loader::Grub, Loader::Bhyveload));
    assert_eq!(guest(DEBIAN).load.unwrap().argv.join(" "), "grub-bhyve -r hd0,gpt2 -d /grub g1");
    assert_eq!(guest(DEFAULT).load.unwrap().argv.join(" "), "bhyveload g1");
    let grub =
        guest(&format!("{GRUB}disk0_type=virtio-blk\ndisk0_name=d\ngrub_run0=\"linux /k\"\ngrub_run2=\"boot\"\n"));
    assert_eq!(grub.load.unwrap().commands, ["linux /k", "boot"]);
    let notes: Vec<String> = grub.notes.iter().map(|note| format!("{} {}", note.key, note.text)).collect();
    assert_eq!(notes, ["grub_run2 vm-bhyve never reaches it: it stops before `grub_run1`"]);
}

#[test]
fn what_vm_bhyve_needs_is_asked_for() {
    let fault = |line, message: &str, hint: &str| (line, message.to_string(), hint.to_string());
    assert_eq!(
        faults(""),
        [
            fault(0, "there is no `loader`, without which vm-bhyve starts nothing", "add `loader=\"uefi\"`"),
            fault(0, "there is no `cpu`, without which vm-bhyve starts nothing", "add `cpu=\"1\"`"),
            fault(0, "there is no `memory`, without which vm-bhyve starts nothing", "add `memory=\"512M\"`"),
        ]
    );
    assert_eq!(
        faults(
            "loader=efi\ncpu=1\nmemory=\"\"\nstart_slot=08\ndisk0_type=virtio-blk\ndisk0_name=\"a b\"\ngraphics=1\ngraphics_res=big"
        ),
        [
            fault(1, "vm-bhyve knows no loader \"efi\"", "did you mean `uefi`?"),
            fault(3, "there is no `memory`, without which vm-bhyve starts nothing", "add `memory=\"512M\"`"),
            fault(4, "`start_slot` is \"08\", which is no slot", "a number from 0 to 31, or leave the line out for 4"),
            fault(
                6,
                "`disk0_name` holds a blank, at which vm-bhyve's shell splits the argument",
                "take a name without blanks"
            ),
            fault(
                8,
                "`graphics_res` is not a width and a height",
                "write two numbers with an `x` between: \"1024x768\""
            ),
        ]
    );
    assert_eq!(faults(GRUB), [fault(0, "a guest without UEFI needs a disk", "add `disk0_type` and `disk0_name`")]);
    for (text, name, folder) in [("cpu=1\0", "g1", "/vm"), (UEFI, "g 1", "/vm"), (UEFI, "g1", "/my vm")] {
        assert_eq!(read(text, name, &Place::new(folder)).unwrap_err().len(), 1);
    }
}

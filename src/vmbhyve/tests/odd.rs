//! Odd cases: many devices, switches of every kind, keys that are not reached, and any text at all.

use super::super::DiskKind;
use super::super::disks::Disk;
use super::super::guest::Installer;
use super::super::nics::Nic;
use super::*;
use crate::model::{Release, Size};
use proptest::prelude::*;

#[test]
fn disks_take_a_slot_each_with_uefi_and_a_function_each_without() {
    let disks = many(9, |n| format!("disk{n}_type=virtio-blk\ndisk{n}_name=d{n}\n"));
    let nic = "network0_type=virtio-net\nnetwork0_mac=m\nnetwork0_switch=lan\n";
    let uefi = devices(&format!("{UEFI}{disks}{nic}"));
    assert_eq!([&uefi[0], &uefi[8]], ["0:4:0,virtio-blk,/vm/g1/d0", "0:12:0,virtio-blk,/vm/g1/d8"]);
    assert_eq!(uefi[9], "0:13:0,virtio-net,tap0,mac=m");
    let grub = devices(&format!("{GRUB}{disks}{nic}"));
    assert_eq!([&grub[7], &grub[8]], ["0:4:7,virtio-blk,/vm/g1/d7", "0:5:0,virtio-blk,/vm/g1/d8"]);
    assert_eq!(grub[9], "0:6:0,virtio-net,tap0,mac=m");
}

#[test]
fn ahci_disks_share_controllers_up_to_the_limit_and_the_last_is_written_without_a_bus() {
    let disk = |n, kind: &str| format!("disk{n}_type={kind}\ndisk{n}_name=d{n}\n");
    let nine = many(9, |n| disk(n, if n == 2 { "ahci-cd" } else { "ahci-hd" }));
    let port = |n| format!("hd:/vm/g1/d{n}");
    assert_eq!(
        devices(&format!("{UEFI}ahci_device_limit=8\n{nine}disk1_opts=ro\nvirt_random=1\n")),
        [
            format!(
                "0:4:0,ahci,{},{},ro,cd:/vm/g1/d2,{},{},{},{},{}",
                port(0),
                port(1),
                port(3),
                port(4),
                port(5),
                port(6),
                port(7)
            ),
            format!("5:0,ahci,{}", port(8)),
            "0:6:0,virtio-rnd".into(),
        ]
    );
    let mixed = [disk(0, "ahci-hd"), disk(1, "nvme"), disk(2, "ahci")].concat();
    assert_eq!(
        devices(&format!("{UEFI}ahci_device_limit=2\n{mixed}")),
        ["0:4:0,nvme,/vm/g1/d1", "5:0,ahci,hd:/vm/g1/d0"]
    );
    assert_eq!(
        notes(&format!("{UEFI}ahci_device_limit=2\n{mixed}")),
        ["10 disk2_type: with `ahci_device_limit`, vm-bhyve leaves out all AHCI disks but ahci-hd and ahci-cd"]
    );
    for limit in ["0", "33", "x", "99999999999999999999999"] {
        let text = format!("{UEFI}ahci_device_limit={limit}\n{}", disk(0, "ahci-hd"));
        assert_eq!(devices(&text), ["0:4:0,ahci-hd,/vm/g1/d0"]);
        assert_eq!(notes(&text).len(), 1, "{limit}");
    }
}

#[test]
fn a_full_bus_goes_on_in_the_next_and_the_mp_table_is_left_out() {
    let disks = many(29, |n| format!("disk{n}_type=nvme\ndisk{n}_name=d{n}\n"));
    let text = format!("{UEFI}{disks}xhci_mouse=yes\n");
    let found = devices(&text);
    assert_eq!([&found[26], &found[27]], ["0:30:0,nvme,/vm/g1/d26", "1:0:0,nvme,/vm/g1/d27"]);
    assert_eq!(found[29], "1:2:0,xhci,tablet");
    assert!(argv(&text).contains(" -u -Y -l com1,"), "{}", argv(&text));
    let nics = many(9, |n| format!("network{n}_type=e1000\nnetwork{n}_mac=m\nnetwork{n}_device=t{n}\n"));
    let found = devices(&format!("{UEFI}{nics}virt_random=yes\n"));
    assert_eq!([&found[7], &found[8], &found[9]], ["0:4:7,e1000,t7,mac=m", "0:5:0,e1000,t8,mac=m", "0:6:0,virtio-rnd"]);
}

#[test]
fn devices_of_the_host_share_a_slot_while_their_bus_is_the_same() {
    let text =
        "passthru0=6/0/0\npassthru1=6/0/1\npassthru2=7/0/0\npassthru3=8/0/0=2:5\npassthru5=9/0/0\nvirt_random=no\n";
    let text = format!("{UEFI}{text}passthru3_options=rom=x\ngraphics=yes\ngraphics_port=1\ngraphics_listen=::\n");
    assert_eq!(
        devices(&text),
        [
            "0:4:0,passthru,6/0/0",
            "0:4:1,passthru,6/0/1",
            "0:5:0,passthru,7/0/0",
            "0:2:5,passthru,8/0/0,rom=x",
            "0:6:0,fbuf,tcp=[::]:1"
        ]
    );
    assert!(argv(&text).contains(" -U u -u -S -l"));
    assert_eq!(
        notes(&text),
        [
            "9 passthru5: vm-bhyve never reaches it: it stops before `passthru4`",
            "14 graphics_listen: an address of IPv6 stands in brackets for bhyve, which vm-bhyve does not add",
        ]
    );
}

#[test]
fn disks_are_where_their_kind_says() {
    let text = format!(
        "{UEFI}disk0_type=nvme\ndisk0_name=a\ndisk0_dev=zvol\ndisk0_size=40G\ndisk1_type=virtio-9p\n\
         disk1_name=share=/srv\ndisk1_dev=9p\ndisk2_type=nvme\ndisk2_name=/x.img\ndisk2_dev=files\ndisk4_type=nvme\n"
    );
    let place = Place::new("/zroot/vm/");
    let guest = read(&text, "g1", &place).unwrap();
    let disk = |path: &str, size, kind, emulation: &str, line| Disk {
        path: path.into(),
        size,
        kind,
        emulation: emulation.into(),
        line,
    };
    let size = Some(Size::mib(40 << 10));
    assert_eq!(
        guest.disks,
        [
            disk("/dev/zvol/zroot/vm/g1/a", size, DiskKind::Zvol { sparse: false }, "nvme", 6),
            disk("share=/srv", None, DiskKind::Share, "virtio-9p", 10),
            disk("/zroot/vm/g1//x.img", None, DiskKind::File, "nvme", 13),
        ]
    );
    let notes: Vec<String> =
        guest.notes.iter().map(|note| format!("{} {}: {}", note.line, note.key, note.text)).collect();
    assert_eq!(
        notes,
        [
            "6 disk0_name: the dataset of the datastore is taken to be \"zroot/vm\", by its folder",
            "8 disk0_size: no part of a guest's file; it is the size of a disk that has to be made",
            "11 disk1_dev: a shared folder, which vm-bhyve knows from the version after 1.7.1 on",
            "13 disk2_name: vm-bhyve looks for it in the guest's folder: a whole path needs `disk2_dev=\"custom\"`",
            "14 disk2_dev: vm-bhyve takes any word that it does not know for `file`",
            "15 disk4_type: vm-bhyve never reaches it: it stops before `disk3`",
        ]
    );
}

#[test]
fn a_card_wishes_for_a_tap_on_the_bridge_of_its_switch() {
    let system = "type_v=vale\ntype_n=netgraph\ntype_m=manual\nbridge_m=bridge7\ntype_x=mesh\n";
    let cards = many(6, |n| format!("network{n}_type=virtio-net\nnetwork{n}_mac=m{n}\n"));
    let switches = "network0_switch=m\nnetwork1_switch=v\nnetwork2_switch=n\nnetwork3_switch=x\nnetwork4_switch=a-much-longer-name\n";
    let text = format!("{UEFI}{cards}{switches}network0_span=yes\nnetwork0_name=web\n");
    let place = Place { system: Some(system), first_tap: 40, ..Place::new("/vm") };
    let guest = read(&text, "g1", &place).unwrap();
    let card = |n: usize, backend: &str, switch: Option<&str>| Nic {
        number: n,
        emulation: "virtio-net".into(),
        backend: backend.into(),
        switch: switch.map(str::to_string),
        mac: Some(format!("m{n}")),
        line: 5 + 2 * n,
        ..Nic::default()
    };
    let (name, bridge) = (Some("web".into()), Some("bridge7".into()));
    assert_eq!(
        guest.nics,
        [
            Nic { name, bridge, span: true, ..card(0, "web", Some("m")) },
            card(1, "tap40", Some("v")),
            card(2, "netgraph,path=n:,peerhook=link2", Some("n")),
            card(4, "tap41", Some("a-much-longer-name")),
            card(5, "tap42", None),
        ]
    );
    assert!(guest.argv.contains(&"0:4:2,virtio-net,netgraph,path=n:,peerhook=link2,mac=m2".to_string()));
    assert!(guest.argv.contains(&"0:4:3,virtio-net,tap41,mac=m4".to_string()));
    let notes: Vec<(usize, &str)> = guest.notes.iter().map(|note| (note.line, note.key.as_str())).collect();
    let switch =
        |n: usize| (17 + n, ["network1_switch", "network2_switch", "network3_switch", "network4_switch"][n - 1]);
    // system.conf does not list the last one, and the name of its bridge is not known.
    assert_eq!(notes, [(15, "network5_switch"), switch(1), switch(2), switch(3), switch(4), switch(4)]);
}

#[test]
fn a_tap_that_the_file_names_is_not_given_to_another_card() {
    let cards = many(4, |n| format!("network{n}_type=e1000\nnetwork{n}_mac=m\nnetwork{n}_switch=public\n"));
    let text = format!("{UEFI}{cards}network1_device=tap1\nnetwork3_name=tap0\n");
    let backends = guest(&text).nics.into_iter().map(|nic| nic.backend).collect::<Vec<_>>();
    assert_eq!(backends, ["tap2", "tap1", "tap3", "tap0"]);
    let last = Place { first_tap: u32::MAX, ..place() };
    assert_eq!(read(&text, "g1", &last).unwrap().nics[2].backend, "tap4294967295");
    let alone =
        read(&format!("{UEFI}network0_type=e1000\nnetwork0_switch=public\n"), "g1", &Place::new("/vm")).unwrap();
    assert_eq!(
        alone.notes.iter().map(|note| (note.line, note.key.as_str())).collect::<Vec<_>>(),
        [(5, "network0_mac"), (6, "network0_switch")]
    );
}

#[test]
fn an_installer_is_a_cd_by_its_name_and_a_viewer_is_waited_for() {
    let screen = "graphics=yes\ngraphics_port=5901\ngraphics_listen=10.0.0.1\n";
    let installer = guest(&format!("{UEFI}{screen}install_slot=9\n")).installer;
    assert_eq!(installer, Installer { slot: "9:0".into(), wait: true });
    assert_eq!(installer.device("/vm/.iso/A.ISO"), "9:0,ahci-cd,/vm/.iso/A.ISO,ro,bootindex=1");
    assert_eq!(installer.device("/vm/.iso/a.img"), "9:0,ahci-hd,/vm/.iso/a.img,ro");
    assert!(!guest(UEFI).installer.wait && !guest(&format!("{UEFI}{screen}graphics_wait=yes")).installer.wait);
    assert_eq!(devices(&format!("{UEFI}nulliso_fix=yes\n")), ["3:0,ahci-cd,/vm/.config/null.iso"]);
}

#[test]
fn an_empty_value_is_not_the_default() {
    assert_eq!(
        argv(&format!("{UEFI}comports=\nutctime=\nhostbridge=none\ngraphics=OFF\nvirt_console0=no\n")),
        "-s 31,lpc -s 0:4:0,virtio-console,no=/vm/g1/vtcon.no -c 1 -m 1G -AHPw \
         -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI.fd -U u g1"
    );
    assert_eq!(
        notes(&format!("{UEFI}virt_console0=no\nsound_rec=/dev/dsp1\ngraphics_res=8x6\n{}", "virt_console2=yes\n")),
        [
            "5 virt_console0: vm-bhyve takes \"no\" for the name of a port: leave the key out for none",
            "6 sound_rec: it has no effect without `sound`",
            "7 graphics_res: it has no effect without `graphics` and UEFI",
            "8 virt_console2: vm-bhyve never reaches it: it stops before `virt_console1`",
        ]
    );
}

#[test]
fn what_the_release_does_not_show_is_noted() {
    let text = format!(
        "{UEFI}graphics=yes\ngraphics_port=1\ngraphics_listen=10.0.0.1\ngraphics_res=3840x2160\ngraphics_vga=on\n"
    );
    let on = |release| {
        let guest = read(&text, "g1", &Place { release, ..place() }).unwrap();
        guest.notes.into_iter().map(|note| note.text).collect::<Vec<_>>()
    };
    let vga = "with `vga=on` bhyve's guest runs without a VNC server: leave the key out";
    assert_eq!(on(Release::V14_5), ["bhyve of FreeBSD 14.5 takes 0x0 to 1920x1200", vga]);
    assert_eq!(on(Release::V15_1), [vga]);
}

#[test]
fn a_password_is_in_the_command_line_alone() {
    let shown = format!("{:?}{:?}", guest(OPENBSD), notes(OPENBSD));
    assert!(argv(OPENBSD).contains("password=hunter2,wait") && !shown.contains("hunter2"), "{shown}");
    let text = format!("{UEFI}graphics=yes\nvnc_password=\"hunter2 x\"\n");
    assert!(!format!("{:?}", faults(&text)).contains("hunter2"));
}

proptest! {
    #[test]
    fn no_text_panics(text: String, name in "[a-z]{1,3}") {
        let _ = read(&text, &name, &place());
    }

    #[test]
    fn no_file_of_known_keys_panics(
        lines in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..3, "[0-9a-z/=:,x. \"#-]{0,8}"), 0..60),
    ) {
        let keys: Vec<&str> = keys::all().map(|key| key.name).collect();
        let line = |(at, n, value): &(prop::sample::Index, usize, String)| {
            format!("{}={value}\n", at.get(&keys).replace('N', &n.to_string()))
        };
        let text: String = lines.iter().map(line).collect();
        for loader in [UEFI, GRUB, ""] {
            let _ = read(&format!("{loader}{text}"), "g1", &Place { system: Some(&text), ..place() });
        }
    }

    #[test]
    fn every_argument_is_one_word_and_the_name_is_the_last(slot in 0_usize..32, disks in 0_usize..70) {
        let disks = many(disks, |n| format!("disk{n}_type=nvme\ndisk{n}_name=d{n}\n"));
        let guest = guest(&format!("{UEFI}start_slot={slot}\n{disks}"));
        prop_assert!(guest.argv.iter().all(|word| !word.is_empty() && !word.contains(char::is_whitespace)));
        prop_assert_eq!(guest.argv.last().map(String::as_str), Some("g1"));
    }
}

#[test]
fn each_card_on_a_netgraph_bridge_has_a_hook_of_its_own() {
    let system = "type_n=netgraph\n";
    let cards = many(3, |n| format!("network{n}_type=virtio-net\nnetwork{n}_switch=n\n"));
    let taken = ["netgraph,path=n:,peerhook=link2".to_string(), "netgraph,path=n:,peerhook=link4".into()].into();
    let place = Place { system: Some(system), taken: Some(&taken), ..Place::new("/vm") };
    let guest = read(&format!("{UEFI}{cards}"), "g1", &place).unwrap();
    let hooks: Vec<&str> = guest.nics.iter().map(|nic| nic.backend.rsplit('=').next().unwrap()).collect();
    assert_eq!(hooks, ["link3", "link5", "link6"]);
}

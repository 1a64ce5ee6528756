//! One machine of each system, whole.

use super::plan;
use crate::sandbox::{Sandbox, same};

/// Compares what a guest's boot is, without and with `--init`.
#[track_caller]
fn planned(guest: &str, boot: &str, first: &str) {
    let sandbox = Sandbox::new();
    let recipe = format!("import \"std/guest\" as guest;\n{guest}");
    for (more, expected) in [(&[][..], boot), (&["--init"], first)] {
        let done = plan(&sandbox, &recipe, more);
        same(&done.stderr, "");
        same(&done.stdout, expected);
        assert_eq!(done.code, 0);
    }
}

#[test]
fn openbsd_reads_its_clock_as_utc_and_has_a_source_of_randomness() {
    let recipe = r#"
guest::openbsd(#{
    name: "bsd", memory: 512.MiB, disks: [["/vm/bsd.img", 20.GiB], "/vm/data.img"], init: init,
    installer: "/iso/miniroot78.img", bridge: "bridge2", tap: "tap1", vnc: 5901,
}).run();
"#;
    planned(recipe, "
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:bsd up
ifconfig bridge2 addm tap1
bhyve -c 1 -m 512M -w -H -u -s 0,hostbridge -s 4,virtio-blk,/vm/bsd.img -s 5,virtio-net,tap1,mac=02:54:e4:67:32:00 -s 13,virtio-blk,/vm/data.img -s 28,virtio-rnd -s 29,fbuf,tcp=127.0.0.1:5901,w=800,h=600 -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd bsd
# given back when the run ends:
bhyvectl --destroy --vm=bsd
ifconfig tap1 destroy
", "
umask 026
bhyvectl --destroy --vm=bsd
truncate -s 20G /vm/bsd.img
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:bsd up
ifconfig bridge2 addm tap1
bhyve -c 1 -m 512M -w -H -u -s 0,hostbridge -s 3,ahci-cd,/iso/miniroot78.img -s 4,virtio-blk,/vm/bsd.img -s 5,virtio-net,tap1,mac=02:54:e4:67:32:00 -s 13,virtio-blk,/vm/data.img -s 28,virtio-rnd -s 29,fbuf,tcp=127.0.0.1:5901,w=800,h=600 -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd bsd
# given back when the run ends:
bhyvectl --destroy --vm=bsd
ifconfig tap1 destroy
");
}

#[test]
fn freebsd_has_acpi_tables_on_every_host() {
    let recipe = r#"
guest::freebsd(#{
    name: "web", cpus: 2, memory: 2.GiB, disks: [#{ path: "/vm/web.img", size: 20.GiB, nocache: true }],
    controller: "nvme", installer: "/iso/disc1.iso", init: init, nics: ["slirp"], com1: "/dev/nmdm0A",
}).run();
"#;
    planned(recipe, "
umask 026
bhyve -c 2 -m 2G -w -H -A -u -s 0,hostbridge -s 4,nvme,/vm/web.img,nocache -s 5,virtio-net,slirp,mac=02:0f:d9:bc:91:00 -s 28,virtio-rnd -s 31,lpc -l com1,/dev/nmdm0A -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
", "
umask 026
bhyvectl --destroy --vm=web
truncate -s 20G /vm/web.img
bhyve -c 2 -m 2G -w -H -A -u -s 0,hostbridge -s 3,ahci-cd,/iso/disc1.iso -s 4,nvme,/vm/web.img,nocache -s 5,virtio-net,slirp,mac=02:0f:d9:bc:91:00 -s 28,virtio-rnd -s 31,lpc -l com1,/dev/nmdm0A -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd web
# given back when the run ends:
bhyvectl --destroy --vm=web
");
}

#[test]
fn debian_keeps_its_firmwares_variables() {
    let recipe = r#"
guest::debian(#{
    name: "db", memory: 2.GiB, disks: [["/vm/db.img", 40.GiB]], init: init, installer: "/iso/netinst.iso",
    vars: "/vm/db.vars", nics: [#{ bridge: "bridge2", tap: "tap3" }, #{ tap: "tap4", mac: "02:00:00:00:00:01" }],
}).run();
"#;
    planned(recipe, "
umask 026
ifconfig tap3 create
ifconfig tap3 group vmrun description vmrun:db up
ifconfig bridge2 addm tap3
ifconfig tap4 create
ifconfig tap4 group vmrun description vmrun:db up
bhyve -c 1 -m 2G -w -H -A -u -s 0,hostbridge -s 4,virtio-blk,/vm/db.img -s 5,virtio-net,tap3,mac=02:57:1c:c6:c3:00 -s 6,virtio-net,tap4,mac=02:00:00:00:00:01 -s 28,virtio-rnd -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd,/vm/db.vars db
# given back when the run ends:
bhyvectl --destroy --vm=db
ifconfig tap4 destroy
ifconfig tap3 destroy
", "
umask 026
bhyvectl --destroy --vm=db
truncate -s 40G /vm/db.img
ifconfig tap3 create
ifconfig tap3 group vmrun description vmrun:db up
ifconfig bridge2 addm tap3
ifconfig tap4 create
ifconfig tap4 group vmrun description vmrun:db up
bhyve -c 1 -m 2G -w -H -A -u -s 0,hostbridge -s 3,ahci-cd,/iso/netinst.iso -s 4,virtio-blk,/vm/db.img -s 5,virtio-net,tap3,mac=02:57:1c:c6:c3:00 -s 6,virtio-net,tap4,mac=02:00:00:00:00:01 -s 28,virtio-rnd -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd,/vm/db.vars db
# given back when the run ends:
bhyvectl --destroy --vm=db
ifconfig tap4 destroy
ifconfig tap3 destroy
");
}

#[test]
fn ubuntu_is_as_debian() {
    let recipe = r#"
guest::ubuntu(#{
    name: "db", memory: 2.GiB, disks: [["/vm/db.img", 40.GiB]], init: init, installer: "/iso/live.iso",
    vars: "/vm/db.vars", random: false, localtime: true, acpi: false,
}).run();
"#;
    planned(recipe, "
umask 026
bhyve -c 1 -m 2G -w -H -s 0,hostbridge -s 4,virtio-blk,/vm/db.img -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd,/vm/db.vars -o acpi_tables=false db
# given back when the run ends:
bhyvectl --destroy --vm=db
", "
umask 026
bhyvectl --destroy --vm=db
truncate -s 40G /vm/db.img
bhyve -c 1 -m 2G -w -H -s 0,hostbridge -s 3,ahci-cd,/iso/live.iso -s 4,virtio-blk,/vm/db.img -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd,/vm/db.vars -o acpi_tables=false db
# given back when the run ends:
bhyvectl --destroy --vm=db
");
}

#[test]
fn rocky_installs_from_its_cd() {
    let recipe = r#"
guest::rocky(#{
    name: "app", cpus: 2, memory: 4.GiB, disks: [["/vm/app.img", 40.GiB]], init: init, installer: "/iso/rocky.iso",
    bridge: "bridge2", tap: "tap5", vnc: "127.0.0.1:5905", screen: [1280, 800],
}).run();
"#;
    planned(recipe, "
umask 026
ifconfig tap5 create
ifconfig tap5 group vmrun description vmrun:app up
ifconfig bridge2 addm tap5
bhyve -c 2 -m 4G -w -H -A -u -s 0,hostbridge -s 4,virtio-blk,/vm/app.img -s 5,virtio-net,tap5,mac=02:1f:6a:83:2c:00 -s 28,virtio-rnd -s 29,fbuf,tcp=127.0.0.1:5905,w=1280,h=800 -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd app
# given back when the run ends:
bhyvectl --destroy --vm=app
ifconfig tap5 destroy
", "
umask 026
bhyvectl --destroy --vm=app
truncate -s 40G /vm/app.img
ifconfig tap5 create
ifconfig tap5 group vmrun description vmrun:app up
ifconfig bridge2 addm tap5
bhyve -c 2 -m 4G -w -H -A -u -s 0,hostbridge -s 3,ahci-cd,/iso/rocky.iso -s 4,virtio-blk,/vm/app.img -s 5,virtio-net,tap5,mac=02:1f:6a:83:2c:00 -s 28,virtio-rnd -s 29,fbuf,tcp=127.0.0.1:5905,w=1280,h=800 -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd app
# given back when the run ends:
bhyvectl --destroy --vm=app
ifconfig tap5 destroy
");
}

#[test]
fn linux_boots_an_image_with_ipxe_of_its_own_script() {
    let recipe = r##"
guest::linux(#{
    name: "net", memory: 1.GiB, disks: [["/vm/net.img", 10.GiB]], init: init, hostbridge: "amd",
    ipxe: #{ path: "/vm/ipxe.img", script: "#!ipxe\nshell\n" }, bridge: "bridge2", tap: "tap6",
}).run();
"##;
    planned(recipe, "
umask 026
ifconfig tap6 create
ifconfig tap6 group vmrun description vmrun:net up
ifconfig bridge2 addm tap6
bhyve -c 1 -m 1G -w -H -u -s 0,amd_hostbridge -s 4,virtio-blk,/vm/net.img -s 5,virtio-net,tap6,mac=02:25:99:91:58:00 -s 28,virtio-rnd -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd net
# given back when the run ends:
bhyvectl --destroy --vm=net
ifconfig tap6 destroy
", "
umask 026
bhyvectl --destroy --vm=net
truncate -s 10G /vm/net.img
vmrun image ipxe /vm/ipxe.img --loader /usr/local/share/ipxe/snp.efi-x86_64 --size 4M --script - <<'EOF'
#!ipxe
shell
EOF
ifconfig tap6 create
ifconfig tap6 group vmrun description vmrun:net up
ifconfig bridge2 addm tap6
bhyve -c 1 -m 1G -w -H -u -s 0,amd_hostbridge -s 1,nvme,/vm/ipxe.img -s 4,virtio-blk,/vm/net.img -s 5,virtio-net,tap6,mac=02:25:99:91:58:00 -s 28,virtio-rnd -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd net
# given back when the run ends:
bhyvectl --destroy --vm=net
ifconfig tap6 destroy
");
}

#[test]
fn windows_has_what_it_brings_drivers_for() {
    let recipe = r#"
guest::windows(#{
    name: "office", cpus: 4, memory: 8.GiB, disks: [["/vm/office.img", 80.GiB]], init: init,
    installer: "/iso/windows.iso", bridge: "bridge2", tap: "tap7", vnc: 5907,
}).run();
"#;
    planned(recipe, "
umask 026
ifconfig tap7 create
ifconfig tap7 group vmrun description vmrun:office up
ifconfig bridge2 addm tap7
bhyve -c 4,sockets=1,cores=4,threads=1 -m 8G -w -H -A -s 0,hostbridge -s 4,ahci-hd,/vm/office.img -s 5,e1000,tap7,mac=02:aa:8e:ba:31:00 -s 29,fbuf,tcp=127.0.0.1:5907,w=1024,h=768 -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd office
# given back when the run ends:
bhyvectl --destroy --vm=office
ifconfig tap7 destroy
", "
umask 026
bhyvectl --destroy --vm=office
truncate -s 80G /vm/office.img
ifconfig tap7 create
ifconfig tap7 group vmrun description vmrun:office up
ifconfig bridge2 addm tap7
bhyve -c 4,sockets=1,cores=4,threads=1 -m 8G -w -H -A -s 0,hostbridge -s 3,ahci-cd,/iso/windows.iso -s 4,ahci-hd,/vm/office.img -s 5,e1000,tap7,mac=02:aa:8e:ba:31:00 -s 29,fbuf,tcp=127.0.0.1:5907,w=1024,h=768,wait -s 30,xhci,tablet -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd office
# given back when the run ends:
bhyvectl --destroy --vm=office
ifconfig tap7 destroy
");
}

#[test]
fn windows_with_drivers_has_virtio() {
    let recipe = r#"
guest::windows(#{
    name: "office", cpus: #{ sockets: 2, cores: 2 }, memory: 8.GiB, disks: ["/vm/office.img"], init: init,
    installer: "/iso/windows.iso", drivers: "/iso/virtio-win.iso", tpm: #{ type: "swtpm", path: "/run/tpm" },
    bridge: "bridge2", tap: "tap7",
}).run();
"#;
    planned(recipe, "
umask 026
ifconfig tap7 create
ifconfig tap7 group vmrun description vmrun:office up
ifconfig bridge2 addm tap7
bhyve -c 4,sockets=2,cores=2,threads=1 -m 8G -w -H -A -s 0,hostbridge -s 4,ahci-hd,/vm/office.img -s 5,virtio-net,tap7,mac=02:aa:8e:ba:31:00 -s 28,virtio-rnd -s 31,lpc -l tpm,swtpm,/run/tpm,version=2.0 -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd office
# given back when the run ends:
bhyvectl --destroy --vm=office
ifconfig tap7 destroy
", "
umask 026
bhyvectl --destroy --vm=office
ifconfig tap7 create
ifconfig tap7 group vmrun description vmrun:office up
ifconfig bridge2 addm tap7
bhyve -c 4,sockets=2,cores=2,threads=1 -m 8G -w -H -A -s 0,hostbridge -s 3,ahci,cd:/iso/windows.iso,cd:/iso/virtio-win.iso -s 4,ahci-hd,/vm/office.img -s 5,virtio-net,tap7,mac=02:aa:8e:ba:31:00 -s 28,virtio-rnd -s 31,lpc -l tpm,swtpm,/run/tpm,version=2.0 -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd office
# given back when the run ends:
bhyvectl --destroy --vm=office
ifconfig tap7 destroy
");
}

#[test]
fn neither_a_card_nor_a_disk_moves_when_others_are_added() {
    let slots = |disks: usize, cards: usize| {
        let disks: Vec<String> = (0..disks).map(|number| format!("\"/vm/{number}.img\"")).collect();
        let cards = vec!["\"slirp\""; cards].join(", ");
        let recipe = format!(
            "import \"std/guest\" as guest;\nguest::rocky(#{{ name: \"lab\", memory: 1.GiB, disks: [{}], nics: [{cards}] }}).run();\n",
            disks.join(", ")
        );
        let done = plan(&Sandbox::new(), &recipe, &[]);
        same(&done.stderr, "");
        let words: Vec<String> = done.stdout.split(" -s ").skip(1).map(String::from).collect();
        let of = |kind: &str| {
            let is_it = |word: &&String| word.contains(kind);
            words.iter().filter(is_it).filter_map(|word| word.split(',').next()?.parse().ok()).collect::<Vec<u8>>()
        };
        (of(",virtio-blk,"), of(",virtio-net,"))
    };
    assert_eq!(slots(1, 1), (vec![4], vec![5]));
    assert_eq!(slots(3, 1), (vec![4, 13, 14], vec![5]));
    assert_eq!(slots(3, 2), (vec![4, 13, 14], vec![5, 6]));
    assert_eq!(slots(1, 10), (vec![4], vec![5, 6, 7, 8, 9, 10, 11, 12, 26, 27]));
    assert_eq!(slots(16, 8).0, [vec![4], (13..=27).collect()].concat());
}

#[test]
fn what_is_read_of_a_module_is_enough_for_whoever_comes_to_it_by_whichever_way() {
    let sandbox = Sandbox::new();
    // Named by the recipe alone, by a file beside it before, and after, and through a module that imports it.
    sandbox.write("before.rhai", "import \"std/net\" as net;\nfn nic() { net::nic(\"bridge2\", \"tap1\") }\n");
    sandbox.write("after.rhai", "import \"std/guest\" as guest;\nfn pass() { \"passed on\" }\n");
    let recipe = "import \"./before\" as before;\nimport \"std/guest\" as guest;\nimport \"std/net\" as net;\n\
                  import \"std/disk\" as disk;\nimport \"./after\" as after;\n\
                  print(net::mac(\"a\", 0));\nprint(guest::net::mac(\"a\", 1));\nprint(after::guest::net::mac(\"a\", 2));\n\
                  print(before::net::mac(\"a\", 3));\nprint(after::pass());\nprint(guest::disk::file(\"/vm/a.img\", 1.GiB));\n\
                  bhyve(#{ name: \"a\", memory: 1.GiB, bootrom: uefi(), slots: #{ \"0\": hostbridge(), \"31\": lpc(),\n\
                  \"4\": virtio_net(before::nic()), \"5\": virtio_net(after::guest::net::nic(\"bridge2\", \"tap2\")) } }).run();\n";
    let done = plan(&sandbox, recipe, &[]);
    same(
        &done.stderr,
        "\
02:e4:0c:29:2c:00
02:e4:0c:29:2c:01
02:e4:0c:29:2c:02
02:e4:0c:29:2c:03
passed on
/vm/a.img
",
    );
    same(
        &done.stdout,
        "
umask 026
ifconfig tap1 create
ifconfig tap1 group vmrun description vmrun:a up
ifconfig bridge2 addm tap1
ifconfig tap2 create
ifconfig tap2 group vmrun description vmrun:a up
ifconfig bridge2 addm tap2
bhyve -c 1 -m 1G -s 0,hostbridge -s 4,virtio-net,tap1 -s 5,virtio-net,tap2 -s 31,lpc -l bootrom,/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd a
# given back when the run ends:
bhyvectl --destroy --vm=a
ifconfig tap2 destroy
ifconfig tap1 destroy
",
    );
    assert_eq!(done.code, 0);
}

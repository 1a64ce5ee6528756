//! Whole guests and what bhyve is told of them.

use super::*;
use proptest::prelude::*;

/// What `bstart` of CBSD 13.1 writes.
const CONF: &str = include_str!("../../../tests/fixtures/import/cbsd/bhyve.conf");

fn told(text: &str) -> (String, Vec<String>) {
    let taken = ["tap0".to_string(), "5900".into()].into();
    let machine = read(text, &taken).unwrap();
    let note = |note: &crate::vmbhyve::Note| format!("{}{note}", if note.is_hole { "! " } else { "" });
    (machine.argv.join(" "), machine.notes.iter().map(note).collect())
}

#[test]
fn a_configuration_becomes_the_command_line_that_cbsd_runs() {
    let (argv, notes) = told(CONF);
    assert_eq!(
        argv,
        "-c cpus=2,sockets=2,cores=1,threads=1 -m 4294967296 -H -A -U 10db560c-f896-11ed-abf2-000000000001 -s 0,hostbridge \
         -s 4,virtio-blk,/zroot/cbsd/jails-data/ubuntu-data/dsk1.vhd,sectorsize=512/4096 -s 5,virtio-net,tap3,mac=00:a0:98:de:04:01 \
         -s 6,virtio-rnd -s 8,fbuf,tcp=127.0.0.1:5902,w=1024,h=768,password=hunter2 -s 30,xhci,tablet -s 31,lpc -l com1,stdio \
         -l bootrom,/usr/local/cbsd/upgrade/patch/efi.fd ubuntu"
    );
    assert_eq!(
        notes,
        [
            "bhyverun_wrapper cd_boot_once console_nmdm dsk_bootable media_auto_eject mytap tmuxcmd vm_console vm_logfile: they are \
             CBSD's own, and say nothing more of the machine",
            "line 26, vnc_password: CBSD writes the password into bhyve's command line, where ps(1) shows it: a recipe has a secret instead",
            "line 29, nice: vmrun sets no priority: start it with nice(1)",
            "! line 31, on_crash: vmrun does what \"destroy\" says: `restart(#{ … })` or `on` say what else is wished",
            "line 34, new_key: what CBSD makes of it is not known, and it is left out",
            "line 35, mytap_tap3_members: bridge1 has to be there: CBSD makes it at a start where it is not",
        ]
    );
}

#[test]
fn a_guest_without_firmware_has_its_loader() {
    let text = "jname='a'\nvm_cpus='1'\nvm_ram='1g'\nvm_efi='none'\nhostbridge_args='-s 0,hostbridge'\nlpc_args='-s 31,lpc'\nvnc_args=''\n\
                dsk_args=' -s 3,virtio-blk,/d'\nbhyveload_cmd='/usr/bin/lockf -s -t0 /tmp/x.lock /usr/sbin/bhyveload  -m 1g -d /d a'\nx=`y`\ny\n";
    let machine = read(text, &BTreeSet::new()).unwrap();
    assert_eq!(machine.argv.join(" "), "-c 1 -m 1g -H -s 0,hostbridge -s 3,virtio-blk,/d -s 31,lpc a");
    assert_eq!(machine.load.unwrap().argv.join(" "), "bhyveload -m 1g -d /d a");
    let holes: Vec<&str> = machine.notes.iter().filter(|note| note.is_hole).map(|note| note.text.as_str()).collect();
    assert_eq!(
        holes,
        [
            "the shell would put something in, so that the line is not taken over",
            "a command of the shell is not run here, and is left out"
        ]
    );
}

#[test]
fn tables_become_what_a_start_would_write() {
    let tables = r#"{"jname":"a","folder":"/c/jails-system/a","data":"/c/jails-data/a-data","files":["seed.iso","BHYVE_UEFI_VARS.fd"],
        "settings":[{"vm_cpus":2,"vm_ram":1073741824,"vm_efi":"uefi","vm_vnc_port":0,"bhyve_generate_acpi":1,"bhyve_mptable_gen":1,
            "vm_hostbridge":"hostbridge","xhci":1,"tablet":1,"vnc_password":"hunter2","vm_cpu_topology":"0","vm_console":"tmux","vm_boot":"hdd",
            "on_reboot":"restart","uuid":"10db560c-f896-11ed-abf2-000000000001","astart":1}],
        "bhyvedsk":[{"dsk_controller":"virtio-blk","dsk_path":"dsk1.vhd","dsk_conf":"sectorsize=512","dsk_sectorsize":"512/4096","bootable":"true"},
            {"dsk_controller":"virtio-blk","dsk_path":"/x.vhd","dsk_ro":1,"dsk_sectorsize":512,"bootable":1}],
        "bhyvenic":[{"id":1,"nic_driver":"vtnet","nic_parent":"bridge7","nic_hwaddr":"00a098de0401","nic_mtu":0},
            {"id":2,"nic_driver":"e1000","nic_parent":"auto","nic_hwaddr":"0","nic_mtu":9000},
            {"id":3,"nic_driver":"vtnet","nic_parent":"tap77","nic_persistent":1}],
        "pcibus":[{"pcislot_name":"virtio-blk","pcislot_bus":4,"pcislot_desc":"/c/jails-data/a-data/dsk1.vhd"},
            {"pcislot_name":"virtio-net","pcislot_bus":5,"pcislot_desc":"1"},{"pcislot_name":"virtio-rnd","pcislot_bus":6,"pcislot_desc":"none"},
            {"pcislot_name":"passthru","pcislot_bus":9,"pcislot_desc":"2/0/0"}],
        "media":[{"idx":4,"type":"iso","path":"/c/x.iso"},{"idx":5,"type":"iso","path":"y.fs"},{"idx":6,"type":"hdd","path":"dsk1.vhd"}]}"#;
    let (argv, notes) = told(tables);
    assert_eq!(
        argv,
        "-c 2,sockets=2,cores=1,threads=1 -m 1073741824 -H -A -S -U 10db560c-f896-11ed-abf2-000000000001 -s 0,hostbridge \
         -s 4,virtio-blk,/c/jails-data/a-data/dsk1.vhd,sectorsize=512/4096 -s 2,virtio-blk,/x.vhd,sectorsize=512 \
         -s 7,ahci-cd,/c/x.iso,ro -s 8,ahci-cd,/c/jails-system/a/seed.iso,ro -s 5,virtio-net,tap1,mac=00:a0:98:de:04:01 -s 10,e1000,tap2 -s 11,virtio-net,tap77 \
         -s 6,virtio-rnd -s 9,passthru,2/0/0 -s 12,fbuf,tcp=127.0.0.1:5901,w=1024,h=768,password=hunter2 -s 30,xhci,tablet -s 31,lpc \
         -l com1,stdio -l bootrom,/usr/local/cbsd/upgrade/patch/efi.fd,/c/jails-system/a/BHYVE_UEFI_VARS.fd a"
    );
    let holes: Vec<&String> = notes.iter().filter(|note| note.starts_with('!')).collect();
    assert_eq!(
        holes,
        [
            "! dsk_ro: what CBSD makes of it for /x.vhd is not known, and it is left out",
            "! media: where the image \"y.fs\" is, is not known, and it is left out",
            "! nic_mtu: it is set for the tap tap2, and is not taken over",
            "! nic_parent: CBSD finds the bridge of tap2 at each start, by its nic_parent: `bridge(\"…\").add(…)` names it",
        ]
    );
    let fault = |text: &str| read(text, &BTreeSet::new()).unwrap_err().remove(0).1.message;
    assert_eq!(fault("{\"jname\":1,\"settings\":2}"), "the tables of the guest cannot be read");
    assert_eq!(fault("x=1\n"), "there is no `jname`, without which CBSD starts nothing");
}

proptest! {
    #[test]
    fn no_text_panics(text in "((jname|nic_args|vnc_args|efi_args|dsk_args|bhyveload_cmd|vm_efi|[a-z]{1,4})=['\"]?[a-z0-9, $/-]{0,12}['\"]?\n){0,8}|.*") {
        let _ = read(&text, &BTreeSet::new());
    }
}

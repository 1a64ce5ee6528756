//! `vmrun import --all` of a working folder of CBSD.

use crate::golden;
use crate::sandbox::{Done, Sandbox, project, same};
use std::fs;

/// What stands for sqlite3(1): its arguments are `-batch -readonly -json FILE QUESTION`, and no rows are no text.
const SQLITE3: &str = r#"
case "$4" in
*/broken/*) echo "Error: file is not a database" >&2; exit 26;;
*/www/*) echo '[{"name":"settings"},{"name":"jailnic"}]'; exit;;
esac
case "$5" in
*sqlite_master*) echo '[{"name":"settings"},{"name":"bhyvedsk"},{"name":"bhyvenic"},{"name":"pcibus"},{"name":"p9shares"}]';;
*settings*) echo '[{"astart":1,"vm_cpus":2,"vm_ram":1073741824,"vm_os_type":"linux","vm_boot":"hdd","vm_efi":"uefi","vm_console":"tmux",
  "vm_vnc_port":0,"vnc_password":"hunter2","bhyve_generate_acpi":1,"bhyve_mptable_gen":1,"xhci":1,"vm_hostbridge":"hostbridge"}]';;
*bhyvedsk*) echo '[{"dsk_controller":"virtio-blk","dsk_path":"dsk1.vhd","dsk_conf":"sectorsize=512","dsk_sectorsize":"4096","dsk_type":"vhd"}]';;
*bhyvenic*) echo '[{"id":1,"nic_driver":"vtnet","nic_parent":"bridge1","nic_hwaddr":"00:a0:98:01:02:03"}]';;
*pcibus*) echo '[{"pcislot_name":"virtio-net","pcislot_bus":5,"pcislot_desc":"1"}]';;
esac
"#;

/// A working folder: a guest that was started, one of which there are tables alone, one whose tables are broken, and a jail.
fn workdir() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.script("sqlite3", SQLITE3);
    for name in ["ubuntu", "db", "broken", "www", "notes"] {
        fs::create_dir_all(sandbox.path(&format!("cbsd/jails-system/{name}"))).unwrap();
    }
    for name in ["db", "broken", "www"] {
        sandbox.write(&format!("cbsd/jails-system/{name}/local.sqlite"), "");
    }
    sandbox.write("cbsd/jails-system/db/seed.iso", "");
    let conf = fs::read_to_string(project("tests/fixtures/import/cbsd/bhyve.conf")).unwrap();
    sandbox.write("cbsd/jails-system/ubuntu/bhyve.conf", &conf);
    sandbox
}

fn import(sandbox: &Sandbox) -> Done {
    let args = ["import", "--all", "cbsd", "--datastore", "/usr/jails", "--out", "out", "--on", "freebsd-14"];
    sandbox.finish(&mut sandbox.command(&args))
}

fn written(sandbox: &Sandbox) -> Vec<(String, String)> {
    let names = sandbox.names("out");
    names.into_iter().map(|name| (name.clone(), sandbox.read(&format!("out/{name}")))).collect()
}

#[test]
fn a_working_folder_becomes_these_files_and_a_second_import_changes_nothing() {
    let sandbox = workdir();
    let done = import(&sandbox);
    let first = written(&sandbox);
    assert!(!format!("{first:?}{done:?}").contains("hunter"), "{first:?}{done:?}");
    golden::check(
        first
            .iter()
            .filter(|(name, _)| name != ".vmrun-import" && name != "report.json")
            .map(|(name, text)| (format!("tests/fixtures/import/cbsd/{name}"), text.clone())),
    );
    same(
        &done.stderr,
        "
vmrun: 1 of 3: same machine; 1 of 3: same machine, to be finished; 1 of 3: not imported (CBSD)
vmrun: what to do next is in out/REPORT.md
error: broken: not imported
 |
 = hint: see [tmp]/out/REPORT.md
error: ubuntu: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
",
    );
    assert_eq!(done.code, 1);
    import(&sandbox);
    assert_eq!(written(&sandbox), first);
    let edited = format!("// mine\n{}", sandbox.read("out/db.rhai"));
    sandbox.write("out/db.rhai", &edited);
    let done = import(&sandbox);
    assert_eq!(sandbox.read("out/db.rhai"), edited);
    assert!(!done.stderr.contains("by hand"), "{}", done.stderr);
    let done = sandbox.run(&["check", "--on", "freebsd-14", "out"]);
    same(&done.stderr, "vmrun: nothing is wrong with 2 recipes, after 6 rehearsals\n");
}

#[test]
fn a_single_guest_is_known_by_its_configuration() {
    let sandbox = workdir();
    let file = "cbsd/jails-system/ubuntu/bhyve.conf";
    let done = sandbox.finish(&mut sandbox.command(&["import", file, "--on", "freebsd-14"]));
    assert!(done.stdout.starts_with("// Made from CBSD's guest in bhyve.conf.\n"), "{}", done.stdout);
    same(
        &done.stderr,
        "
vmrun: the password is not copied: set VMRUN_SECRET_VNC, or write it to [tmp]/config/secrets/vnc (mode 0600)
error: line 31, on_crash: vmrun does what \"destroy\" says: `restart(#{ … })` or `on` say what else is wished
 |
 = hint: finish the recipe there
",
    );
    assert_eq!(done.code, 1);
}

/// As [`SQLITE3`], for guests of other shapes: one that cloud-init sets up, and one without firmware.
const SHAPES: &str = r#"
case "$4/$5" in
*sqlite_master*) echo '[{"name":"settings"},{"name":"bhyvedsk"},{"name":"bhyvenic"},{"name":"pcibus"},{"name":"p9shares"}]';;
*/cloud/*settings*) echo '[{"astart":1,"vm_cpus":4,"vm_ram":4294967296,"vm_os_type":"linux","vm_boot":"hdd","vm_efi":"uefi","vm_console":"tmux",
  "vm_vnc_port":5911,"bhyve_vnc_tcp_bind":"0.0.0.0","bhyve_vnc_resolution":"1280x720","vnc_password":"hunter2","bhyve_generate_acpi":1,"xhci":1,"tablet":1}]';;
*/cloud/*bhyvedsk*) echo '[{"dsk_controller":"virtio-blk","dsk_path":"dsk1.vhd","dsk_type":"vhd","bootable":1},
  {"dsk_controller":"ahci-hd","dsk_path":"dsk2.vhd","dsk_type":"vhd"},{"dsk_controller":"virtio-blk","dsk_path":"/dev/zvol/zroot/data"}]';;
*/cloud/*bhyvenic*) echo '[{"id":1,"nic_driver":"vtnet","nic_parent":"bridge1","nic_hwaddr":"00:a0:98:01:02:03"},
  {"id":2,"nic_driver":"e1000","nic_parent":"bridge2","nic_hwaddr":"0"},{"id":3,"nic_driver":"vtnet","nic_parent":"tap77","nic_persistent":1}]';;
*/cloud/*p9shares*) echo '[{"p9device":"src","p9path":"/usr/src"}]';;
*/loaded/*settings*) echo '[{"astart":0,"vm_cpus":1,"vm_ram":536870912,"vm_os_type":"freebsd","vm_boot":"hdd","vm_efi":"none","vm_vnc_port":1}]';;
*/loaded/*bhyvedsk*) echo '[{"dsk_controller":"virtio-blk","dsk_path":"dsk1.vhd"}]';;
esac
"#;

/// A guest as `bstart` writes it that bhyveload(8) loads, with two cards in bridges of their own and an image.
const LOADED: &str = "jname='bsd'\nvm_cpus='2'\nvm_ram='1073741824'\nvm_efi='none'\nhostbridge_args='-s 0,amd_hostbridge'\nlpc_args='-s 31,lpc'\n\
     dsk_args=' -s 4,virtio-blk,/usr/jails/jails-data/bsd-data/dsk1.vhd -s 5,virtio-blk,/usr/jails/jails-data/bsd-data/dsk2.vhd'\n\
     cd_args='-s 3,ahci-cd,/usr/jails/src/iso/bsd.iso'\nnic_args=' -s 6,virtio-net,tap10 -s 7,virtio-net,tap11,mac=00:a0:98:aa:bb:cc'\n\
     mytap_tap10_members='bridge1'\nmytap_tap11_members='bridge2'\nconsole_args='-l com1,stdio'\nvm_vnc_port='1'\n\
     bhyveload_cmd='/usr/bin/lockf -s -t0 /tmp/bhyveload.bsd.lock /usr/sbin/bhyveload -c stdio -m 1073741824 -d /usr/jails/jails-data/bsd-data/dsk1.vhd bsd'\n\
     bhyve_generate_acpi='1'\nvirtiornd_args='-s 8,virtio-rnd'\n";

#[test]
fn guests_of_other_shapes_become_these_recipes() {
    let sandbox = Sandbox::new();
    sandbox.script("sqlite3", SHAPES);
    for name in ["cloud", "loaded", "bsd"] {
        fs::create_dir_all(sandbox.path(&format!("cbsd/jails-system/{name}"))).unwrap();
        let file = if name == "bsd" { "bhyve.conf" } else { "local.sqlite" };
        sandbox.write(&format!("cbsd/jails-system/{name}/{file}"), if name == "bsd" { LOADED } else { "" });
    }
    for name in ["seed.iso", "BHYVE_UEFI_VARS.fd"] {
        sandbox.write(&format!("cbsd/jails-system/cloud/{name}"), "");
    }
    let done = import(&sandbox);
    let first = written(&sandbox);
    assert!(!format!("{first:?}{done:?}").contains("hunter"), "{first:?}{done:?}");
    let files = first.iter().filter(|(name, _)| name != ".vmrun-import" && name != "report.json");
    golden::check(files.map(|(name, text)| (format!("tests/fixtures/import/cbsd-shapes/{name}"), text.clone())));
    same(
        &done.stderr,
        "
vmrun: 2 of 3: same machine; 1 of 3: same machine, to be finished (CBSD)
vmrun: what to do next is in out/REPORT.md
error: loaded: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
",
    );
    import(&sandbox);
    assert_eq!(written(&sandbox), first);
    let done = sandbox.run(&["check", "--on", "freebsd-14", "out/cloud.rhai", "out/bsd.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
}

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

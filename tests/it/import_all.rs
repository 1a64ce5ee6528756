//! `vmrun import --all`: everything that another manager has, as a folder of recipes with a report.

use crate::sandbox::{Done, Sandbox, project, same};
use crate::{datastore, golden};
use std::fs;

const RC_CONF: &str = "sshd_enable=\"YES\"\nvm_enable=\"YES\"\nvm_dir=\"zfs:tank/vm\"\nvm_list=\"web db\"\nvm_list=\"${vm_list} gone\"\nvm_delay=\"5\"\n";

const UEFI: &str = "loader=\"uefi\"\ncpu=1\nmemory=512M\nuuid=\"6f1f3ba0-7c1c-11f0-9c59-0800200c9a66\"\n";

/// A datastore in `vm`, and an rc.conf.
fn store(sandbox: &Sandbox, system: &str, guests: &[(&str, &str)]) {
    fs::create_dir_all(sandbox.path("vm/.config")).unwrap();
    sandbox.write("vm/.config/system.conf", system);
    sandbox.write("rc.conf", RC_CONF);
    for (name, text) in guests {
        fs::create_dir_all(sandbox.path(&format!("vm/{name}"))).unwrap();
        sandbox.write(&format!("vm/{name}/{name}.conf"), text);
    }
}

fn import(sandbox: &Sandbox) -> Done {
    sandbox.run(&[
        "import",
        "--all",
        "vm",
        "--datastore",
        "/vm",
        "--rc-conf",
        "rc.conf",
        "--out",
        "out",
        "--on",
        "freebsd-14",
    ])
}

/// The files of the folder that was written, with what is in them.
fn written(sandbox: &Sandbox) -> Vec<(String, String)> {
    let entries = fs::read_dir(sandbox.path("out")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), sandbox.read(&format!("out/{name}")))).collect()
}

fn small(sandbox: &Sandbox) {
    let system = "switch_list=\"lan x v\"\ntype_lan=\"standard\"\nports_lan=\"em0\"\nvlan_lan=\"80\"\naddr_lan=\"10.9.0.1/24\"\n\
                  type_x=\"vxlan\"\nvlan_x=\"7\"\nports_x=\"em1\"\ntype_v=\"vale\"\nnat_lan=\"yes\"\n";
    let web = format!(
        "{UEFI}disk0_type=nvme\ndisk0_name=root\ndisk0_dev=zvol\nnetwork0_type=virtio-net\nnetwork0_switch=lan\n\
         network0_mac=\"58:9c:fc:01:02:03\"\ngraphics=yes\nvnc_password=hunter2\npriority=5\n"
    );
    let db = format!(
        "{UEFI}disk0_type=virtio-blk\ndisk0_name=iqn.a:b\ndisk0_dev=iscsi\nnetwork0_type=virtio-net\nnetwork0_switch=v\n\
         graphics=yes\ngraphics_listen=10.0.0.1\nvnc_password=hunter2\n"
    );
    store(sandbox, system, &[("web", &web), ("db", &db), ("bad", "loader=\"uefi\"\nvnc_password=hunter2\n")]);
}

#[test]
fn a_datastore_becomes_these_files() {
    let sandbox = Sandbox::new();
    small(&sandbox);
    let done = import(&sandbox);
    let files = written(&sandbox);
    assert!(!format!("{files:?}{done:?}").contains("hunter"), "{files:?}{done:?}");
    let files = files.into_iter().filter(|(name, _)| name != ".vmrun-import");
    let here = sandbox.path("").display().to_string();
    let shown = |text: String| text.replace(here.trim_end_matches('/'), "[tmp]");
    let files = files.map(|(name, text)| (format!("tests/fixtures/import/all/{name}"), shown(text)));
    golden::check(files);
    same(
        &done.stderr,
        "
vmrun: 1 of 3: same machine; 1 of 3: same machine, to be finished; 1 of 3: not imported (vm-bhyve)
vmrun: what to do next is in out/REPORT.md
error: bad: not imported
 |
 = hint: see [tmp]/out/REPORT.md
error: db: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: network.rhai: to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: what starts with the host is not whole
 |
 = hint: see [tmp]/out/REPORT.md
",
    );
    assert_eq!(done.code, 1);
}

#[test]
fn a_second_import_changes_nothing_and_hand_edits_stay() {
    let sandbox = Sandbox::new();
    small(&sandbox);
    import(&sandbox);
    let first = written(&sandbox);
    import(&sandbox);
    assert_eq!(written(&sandbox), first);
    // What is edited stays, and is told where the source is not what it was.
    let edited = format!("// mine\n{}", sandbox.read("out/web.rhai"));
    sandbox.write("out/web.rhai", &edited);
    let done = import(&sandbox);
    assert_eq!(sandbox.read("out/web.rhai"), edited);
    assert!(!done.stderr.contains("by hand"), "{}", done.stderr);
    assert!(sandbox.read("out/REPORT.md").contains("`web.rhai` was changed by hand, and stays as it is.\n"));
    let grown = sandbox.read("vm/web/web.conf").replace("512M", "768M");
    sandbox.write("vm/web/web.conf", &grown);
    for _ in 0..2 {
        let done = import(&sandbox);
        assert_eq!(sandbox.read("out/web.rhai"), edited);
        let told = "error: web.rhai was changed by hand and is not written: the import has another text now\n |\n = hint: move it away, import again, and take over your changes\n";
        assert!(done.stderr.contains(told) && done.code == 1, "{}", done.stderr);
    }
    fs::remove_file(sandbox.path("out/web.rhai")).unwrap();
    import(&sandbox);
    assert!(sandbox.read("out/web.rhai").contains("memory: 768.MiB"));
    // A guest that is gone leaves its recipe, which is told.
    fs::remove_dir_all(sandbox.path("vm/web")).unwrap();
    let done = import(&sandbox);
    let told = "vmrun: web.rhai is of an earlier import, and of no guest any more: remove it\n";
    assert!(done.stderr.contains(told), "{}", done.stderr);
}

#[test]
fn a_file_of_somebody_else_is_not_overwritten() {
    let sandbox = Sandbox::new();
    store(&sandbox, "", &[("web", UEFI)]);
    fs::create_dir(sandbox.path("out")).unwrap();
    sandbox.write("out/config.toml", "hosts = []\n");
    let done = import(&sandbox);
    assert_eq!((sandbox.read("out/config.toml").as_str(), done.code), ("hosts = []\n", 1));
    let told = "error: config.toml was changed by hand and is not written";
    assert!(done.stderr.contains(told), "{}", done.stderr);
}

#[test]
fn sixty_guests_of_all_shapes_are_imported_and_pass_a_check() {
    let sandbox = Sandbox::new();
    datastore::make(&sandbox.path("vm"), 60);
    sandbox.write("rc.conf", "vm_list=\"g3 g1\"\n");
    let done = import(&sandbox);
    same(
        &done.stderr,
        "
vmrun: 53 of 60: same machine; 7 of 60: same machine, to be finished (vm-bhyve)
vmrun: what to do next is in out/REPORT.md
error: g14: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: g22: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: g29: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: g38: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: g46: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: g5: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: g53: same machine, to be finished
 |
 = hint: see [tmp]/out/REPORT.md
error: network.rhai: to be finished
 |
 = hint: see [tmp]/out/REPORT.md
",
    );
    assert_eq!(done.code, 1);
    let report: serde_json::Value = serde_json::from_str(&sandbox.read("out/report.json")).unwrap();
    for (number, machine) in report["machines"].as_array().unwrap().iter().enumerate() {
        assert_eq!(machine["same_machine"], true, "{machine}");
        let number: usize = machine["name"].as_str().unwrap()[1..].parse().unwrap_or(number);
        let (key, _) = datastore::NOT_TAKEN[number % datastore::NOT_TAKEN.len()];
        assert!(machine["not_taken"].as_array().unwrap().iter().any(|note| note["key"] == key), "{key}: {machine}");
    }
    let notes = report["network"]["not_taken"].as_array().unwrap();
    let keys: Vec<&str> = notes.iter().map(|note| note["key"].as_str().unwrap()).collect();
    assert_eq!(keys, datastore::SWITCHES_NOT_TAKEN);
    assert!(sandbox.read("out/config.toml").contains("start = [\"g3\", \"g1\"]\n"));
    let done = sandbox.run(&["check", "--on", "freebsd-14", "out"]);
    same(&done.stderr, "vmrun: nothing is wrong with 61 recipes, after 182 rehearsals\n");
    assert_eq!(done.code, 0);
}

#[test]
fn a_folder_of_libvirt_is_imported_with_its_networks_and_what_starts_with_the_host() {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("xml/networks")).unwrap();
    fs::create_dir_all(sandbox.path("xml/autostart")).unwrap();
    for name in ["grub", "loaded", "web"] {
        let text = fs::read_to_string(project(&format!("tests/fixtures/import/libvirt/{name}.xml"))).unwrap();
        sandbox.write(&format!("xml/file-{name}.xml"), &text);
    }
    sandbox.write(
        "xml/networks/n.xml",
        "<network><name>default</name><bridge name='virbr0' stp='on'/><ip address='10.0.0.1'/></network>",
    );
    fs::copy(sandbox.path("xml/file-grub.xml"), sandbox.path("xml/autostart/grub.xml")).unwrap();
    let done = sandbox.run(&["import", "--all", "xml", "--out", "out", "--on", "freebsd-14"]);
    same(
        &done.stderr,
        "
vmrun: 3 of 3: same machine (libvirt)
vmrun: what to do next is in out/REPORT.md
",
    );
    assert_eq!(done.code, 0);
    assert!(sandbox.read("out/loaded.rhai").contains("let nic = tap(\"tap0\");\nbridge(\"virbr0\").add(nic);\n"));
    assert!(sandbox.read("out/config.toml").contains("start = [\"grub\"]\n"));
    let report = sandbox.read("out/REPORT.md");
    for line in
        ["   virsh autostart --disable web\n", "| 109 | devices/watchdog | it has no place", "secrets/vnc_web`, or"]
    {
        assert!(report.contains(line), "{line}: {report}");
    }
    assert!(!format!("{:?}", written(&sandbox)).contains("hunter"));
    let done = sandbox.run(&["check", "--on", "freebsd-14", "out"]);
    same(&done.stderr, "vmrun: nothing is wrong with 3 recipes, after 9 rehearsals\n");
}

#[test]
fn a_source_that_is_none_is_told() {
    let sandbox = Sandbox::new();
    // One that holds nothing, and those of managers that have no guest yet.
    for folder in ["empty", "cbsd/jails-system/x", "store/.config"] {
        fs::create_dir_all(sandbox.path(folder)).unwrap();
    }
    sandbox.write("store/.config/system.conf", "");
    let said = |args: &[&str]| {
        let done = sandbox.run(&[&["import", "--all"], args, &["--out", "out"]].concat());
        (done.code, done.stderr)
    };
    for folder in ["empty", "cbsd", "store"] {
        let (code, text) = said(&[folder]);
        assert_eq!(code, 2);
        same(
            &text,
            &format!(
                "
error: {folder} holds no guests that can be imported
 |
 = hint: give a folder of vm-bhyve's guests (NAME/NAME.conf), of libvirt's XML (NAME.xml), or CBSD's own (jails-system/NAME)
"
            ),
        );
    }
    same(
        &said(&["gone"]).1,
        "
error: gone is no folder
 |
 = hint: --all takes the folder of all guests; one guest is imported without it
",
    );
    store(&sandbox, "", &[("web", UEFI)]);
    same(
        &said(&["vm", "--rc-conf", "nope"]).1,
        "
error: cannot read nope: No such file or directory
 |
 = hint: --rc-conf FILE names the rc.conf(5) that has vm_list
",
    );
}

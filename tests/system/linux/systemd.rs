//! A machine as a unit of the real systemd, which is the first process of a small host: what the page and the packaged unit say of it.

use super::limits::{boot, make_host};
use super::story::{GUEST, Root, found};
use super::{World, need, read};
use std::path::Path;

/// What systemd wants before it runs anything.
const UNITS: [&str; 2] = [
    "default.target=[Unit]\nDescription=lab\nRequires=lab.service\n",
    "lab.service=[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sh /lab\nStandardOutput=tty\nStandardError=tty\nTTYPath=/dev/ttyS0\n",
];

fn project(path: &str) -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// Adds systemd with its libraries, and nothing that it starts by itself.
fn add_systemd(root: &Root) {
    root.program(Path::new("/lib/systemd/systemd"), "lib/systemd/systemd");
    ["systemd-run", "systemctl"].iter().for_each(|name| root.program(&found(name), &format!("usr/bin/{name}")));
    ["lib/systemd/system", "usr/lib/systemd/system", "etc/systemd/system"].iter().for_each(|name| root.folder(name));
    for unit in UNITS {
        let (name, text) = unit.split_once('=').unwrap();
        root.write(&format!("lib/systemd/system/{name}"), text);
    }
    for name in ["basic.target", "sysinit.target", "slices.target", "shutdown.target", "network-online.target"] {
        root.write(&format!("lib/systemd/system/{name}"), &format!("[Unit]\nDescription={name}\n"));
    }
    // What the manager of a user wants.
    root.folder("usr/lib/systemd/user");
    for name in ["default.target", "basic.target", "shutdown.target"] {
        root.write(&format!("usr/lib/systemd/user/{name}"), &format!("[Unit]\nDescription={name}\n"));
    }
    // There is no journal.
    for name in ["vm-lab", "vmrun@lab", "vm-own"] {
        root.folder(&format!("etc/systemd/system/{name}.service.d"));
        let text = format!("[Service]\nStandardOutput=file:/run/{name}\nStandardError=file:/run/{name}.err\n");
        root.write(&format!("etc/systemd/system/{name}.service.d/output.conf"), &text);
    }
}

#[test]
fn the_units_of_the_page_and_of_the_package_power_a_guest_off_under_the_real_systemd() {
    need(&["qemu-system-x86_64", "strip", "ldd", "dash", "nice", "ip", "systemd-run", "systemctl"]);
    assert!(Path::new(GUEST).join("complete").is_file(), "this test needs {GUEST}: tools/setup.sh test");
    let world = World::new();
    let root = Root::new(&world, "units", "systemd.init");
    make_host(&world, &root);
    add_systemd(&root);
    root.write("lab", &project("tests/guests/systemd.lab"));
    root.write("etc/systemd/system/vmrun@.service", &project("packaging/systemd/vmrun@.service"));
    // The page's own line.
    let page = project("docs/engines.md");
    let line = page.lines().find(|line| line.starts_with("systemd-run ")).unwrap();
    root.write("page", &line.replace("systemd-run ", "systemd-run --quiet --same-dir "));
    root.copy(&world.disk('B'), "button.img");
    root.folder("etc/vmrun/recipes");
    let recipe = |name: &str, limits: &str| {
        let slots = r#""0": hostbridge(), "4": virtio_blk("/vm/button.img"), "31": lpc()"#;
        format!(
            "let vm = bhyve(#{{ name: \"{name}\", memory: 32.MiB, accel: \"tcg\", com1: \"stdio\", slots: #{{ {slots} }} }});\n{limits}vm.run();\n"
        )
    };
    root.write("etc/vmrun/recipes/lab.rhai", &recipe("lab", ""));
    root.write("own.rhai", &recipe("own", "vm.limits(#{ memory: 256.MiB, cpu: 80 });\n"));
    let said = boot(&world, &root, &[]);
    let expected = "lab: as the page has it
vmrun test guest: B
lab foreground
Result=success
ActiveState=inactive
error: interrupted
no guest runs
lab: the unit of a machine
vmrun test guest: B
a guest runs
Result=success
ActiveState=inactive
error: interrupted
no guest runs
lab: a group that systemd delegates to a user
vmrun test guest: B
rest
vmrun-own
memory.max: 268435456
cpu.max: 80000 100000
Result=success
ActiveState=inactive
error: interrupted
no guest runs
lab: a group that a user has of a manager of his own
vmrun test guest: B
rest
vmrun-own
memory.max: 268435456
cpu.max: 80000 100000
Result=success
ActiveState=inactive
error: interrupted
no guest runs
lab: the end
";
    assert_eq!(said, expected);
}

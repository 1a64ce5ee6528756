//! Plans of the same recipes on ZFS, on UFS and on Linux (`tests/storage`).

use super::golden;
use super::sandbox::{Sandbox, project};
use std::fs;

/// The hosts: what each is, and where the disks of a machine are there.
const HOSTS: [(&str, &str, &[&str]); 3] = [
    ("zfs", "freebsd-15", &["--set", "root=/dev/zvol/zroot/vm/web", "--set", "data=/dev/zvol/zroot/vm/web-data"]),
    ("ufs", "freebsd-14.3", &[]),
    ("linux", "linux", &[]),
];

#[test]
fn the_same_recipes_are_planned_on_zfs_on_ufs_and_on_linux() {
    let mut plans = Vec::new();
    for recipe in ["cloud", "secret"] {
        let text = fs::read_to_string(project(&format!("tests/storage/{recipe}.rhai"))).unwrap();
        for (name, on, set) in HOSTS {
            let sandbox = Sandbox::new();
            sandbox.write("r.rhai", &text);
            let set = if recipe == "cloud" { set } else { &[][..] };
            let args = [&["plan", "r.rhai", "--init", "--on", on], set].concat();
            let mut command = sandbox.command(&args);
            let done = sandbox.finish(command.env_remove("VMRUN_ZVOL_DIR").env("VMRUN_CACHE_DIR", "/var/cache/vmrun"));
            assert_eq!(done.code, 0, "{recipe} on {name}: {}", done.stderr);
            plans.push((format!("tests/storage/{recipe}.{name}.plan"), format!("{}{}", done.stdout, done.stderr)));
        }
    }
    golden::check(plans);
}

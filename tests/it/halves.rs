//! Files that were half written when the power was cut, with a state folder in memory.

use super::sandbox::{Sandbox, same};
use std::fs;

const DEAD: &str = "vm/lab.img.vmrun-2147483647.new";

/// A host after a power cut: nothing is known of the run that wrote the image.
fn host() -> Sandbox {
    let host = Sandbox::new();
    fs::write(host.path("vm/rom.fd"), [0; 4096]).unwrap();
    fs::write(host.path(DEAD), "half").unwrap();
    fs::write(host.path("vm/lab.img.7.new"), "of somebody else").unwrap();
    host
}

const MACHINE: &str = "bhyve(#{
    name: \"lab\", bootrom: bootrom(\"[tmp]/vm/rom.fd\"),
    slots: #{ \"0\": hostbridge(), \"3\": virtio_blk(\"[tmp]/vm/lab.img\"), \"31\": lpc() },
}).run();
";

#[test]
fn half_an_image_goes_when_the_image_is_written_again() {
    let host = host();
    host.write("lab.rhai", "write_file(\"[tmp]/vm/lab.img\", \"x\");\n");
    let before = host.everything();
    assert_eq!(host.run(&["plan", "lab.rhai"]).code, 0);
    assert_eq!(host.everything(), before, "a plan changes nothing");
    assert_eq!(host.run(&["lab.rhai"]).code, 0);
    assert_eq!(host.names("vm"), ["lab.img", "lab.img.7.new", "rom.fd"]);
}

#[test]
fn half_an_image_goes_when_a_machine_with_that_disk_is_started() {
    let host = host();
    fs::write(host.path("vm/lab.img"), [0; 4096]).unwrap();
    host.write("fake/exits", "1\n");
    host.write("lab.rhai", MACHINE);
    assert_eq!(host.run(&["lab.rhai"]).code, 0);
    assert_eq!(host.names("vm"), ["lab.img", "lab.img.7.new", "rom.fd"]);
}

#[test]
fn gc_looks_into_the_folders_that_it_is_given() {
    let host = host();
    let said = "# left half written by a vmrun that is gone\nrm vm/lab.img.vmrun-2147483647.new";
    same(&host.run(&["gc", "--dry-run", "vm"]).stdout, said);
    assert!(host.path(DEAD).exists());
    // One that is being written has a lock.
    let held = fs::File::open(host.path(DEAD)).unwrap();
    held.lock().unwrap();
    same(&host.run(&["gc", "vm"]).stdout, "");
    held.unlock().unwrap();
    same(&host.run(&["gc", "vm"]).stdout, said);
    assert_eq!(host.names("vm"), ["lab.img.7.new", "rom.fd"]);
    let none = host.run(&["gc", "--json", "vm/rom.fd"]);
    same(
        &none.stderr,
        "
error: vm/rom.fd is no folder
 |
 = hint: name the folder in which disk images are
",
    );
    assert_eq!(none.code, 2);
}

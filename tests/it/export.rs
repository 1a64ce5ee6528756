//! Machines on their way to another host: exported as one stream, and imported as the same machine.

use super::disk_host::host;
use super::sandbox::{Done, Sandbox, same};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A machine whose disks are beside its recipe, and what it imports from there.
const WEB: &str = r#"import "./lib/cards" as cards;
let cpus = param("cpus", 1);
bhyve(#{
    name: "web", cpus: cpus, memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd", #{ vars: "web.vars" }),
    slots: #{ "0": hostbridge(), "4": virtio_blk(disk("web.img", cards::SIZE)), "5": virtio_blk("data.img"), "31": lpc() },
}).run();
"#;

/// What is said of a machine that has come.
const SAME: &str = "vmrun: same machine; `vmrun start [tmp]/config/recipes/web.rhai --set cpus=2` starts it\n";

/// A host with the machine, whose disks have something in them.
fn exporting() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::create_dir_all(sandbox.path("config/recipes/lib")).unwrap();
    fs::write(sandbox.path("vm/rom.fd"), [0; 4096]).unwrap();
    sandbox.write("config/recipes/web.rhai", WEB);
    sandbox.write("config/recipes/lib/cards.rhai", "export const SIZE = 64.MiB;\n");
    disk(&sandbox.path("config/recipes/web.img"), 64 << 20, &[(0, 1), (5 << 20, 2), (40 << 20, 3)]);
    disk(&sandbox.path("config/recipes/data.img"), 3 << 20, &[((3 << 20) - 4096, 4)]);
    fs::write(sandbox.path("config/recipes/web.vars"), vec![5; 10_000]).unwrap();
    sandbox
}

/// A host that knows nothing of it, but has its firmware, at the path that the recipe names.
fn importing(from: &Sandbox) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::copy(from.path("web.vmrun"), sandbox.path("web.vmrun")).unwrap_or_default();
    sandbox
}

/// Makes a sparse disk with a page of some byte at each place.
fn disk(path: &Path, size: u64, pages: &[(u64, u8)]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    pages.iter().for_each(|(at, byte)| file.write_all_at(&[*byte; 4096], *at).unwrap());
}

/// How many bytes of a file are on the disk.
fn taken(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// Exports the machine as it was started, with another number of processors.
fn exported(sandbox: &Sandbox) -> PathBuf {
    let done = sandbox.run(&["export", "web", "web.vmrun"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, ""), "{}", done.stderr);
    sandbox.path("web.vmrun")
}

/// The plan of the machine, but for the folder that it is in.
fn plan(sandbox: &Sandbox) -> String {
    let done = sandbox.run(&["plan", "config/recipes/web.rhai"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout
}

#[test]
fn a_machine_is_the_same_on_another_host() {
    let (one, other) = (exporting(), Sandbox::new());
    let done = one.run(&["export", "web", "web.vmrun"]);
    same(&done.stderr, "vmrun: exported web: 3 disks with 266.0 KiB, packed to 1 KiB");
}

//! What is done with a machine that does not run and with its disks: they grow, go, and are copied.

mod clone;
mod keys;
mod remove;
mod resize;

use super::disk_host::host;
use super::sandbox::Sandbox;
use std::fmt::Write as _;
use std::fs;

/// A machine with a volume, two files, a CD and a device.
const WEB: &str = r#"// The web server: 20.GiB are enough.
let root = zvol("zroot/vm/web", 20.GiB);
let data = disk("[tmp]/vm/web-data.img", 1.MiB);
let size = "2M";
let logs = disk("[tmp]/vm/logs.img", size);
bhyve(#{
    name: "web", memory: 64.MiB, bootrom: bootrom("[tmp]/vm/rom.fd"),
    slots: #{
        "0": hostbridge(), "4": virtio_blk(root), "5": virtio_blk(data), "6": virtio_blk(logs),
        "7": ahci_cd("[tmp]/vm/boot.iso"), "8": virtio_blk("/dev/ada1"), "31": lpc(),
    },
}).run();
"#;

/// A host on which a machine has these disks, and another recipe than [`WEB`].
fn with(recipe: &str) -> Sandbox {
    let sandbox = host(recipe);
    assert_eq!(sandbox.finish(&mut sandbox.shell("zfs create -V 20G zroot/vm/web")).code, 0);
    for (name, size) in [("web-data.img", 1 << 20), ("logs.img", 2 << 20)] {
        fs::write(sandbox.path("vm").join(name), [1; 4096]).unwrap();
        fs::File::options().write(true).open(sandbox.path("vm").join(name)).unwrap().set_len(size).unwrap();
    }
    fs::write(sandbox.path("vm/boot.iso"), [0; 4096]).unwrap();
    sandbox
}

/// A host on which that machine has its disks.
fn web() -> Sandbox {
    with(WEB)
}

/// Runs commands, and returns each with what came of it.
fn transcript(sandbox: &Sandbox, lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let own = sandbox.own(line);
        let args: Vec<&str> = own.split_whitespace().collect();
        let done = sandbox.run(&args);
        writeln!(text, "$ vmrun {line}\n{}{}[{}]", done.stdout, done.stderr, done.code).unwrap();
    }
    text
}

/// Holds that a transcript, whose lines after `$ vmrun ` are the commands, comes out as it stands.
#[track_caller]
fn holds(sandbox: &Sandbox, expected: &str) {
    let lines: Vec<&str> = expected.lines().filter_map(|line| line.strip_prefix("$ vmrun ")).collect();
    super::sandbox::same(&transcript(sandbox, &lines), expected);
}

/// The length of a file of the machine.
fn length(sandbox: &Sandbox, name: &str) -> u64 {
    fs::metadata(sandbox.path("vm").join(name)).unwrap().len()
}

/// All that a command could have changed: recipes, datasets, files with their lengths, and what is known of machines.
fn everything(sandbox: &Sandbox) -> String {
    let lengths = sandbox.names("vm").into_iter().map(|name| format!("{name} {}", length(sandbox, &name)));
    let recipes = sandbox.names("").into_iter().map(|name| format!("{name} {}", sandbox.read(&name)));
    let all: Vec<String> = lengths.chain(recipes).chain(sandbox.names("state")).collect();
    all.join("\n") + sandbox.read("fake/zfs").as_str()
}

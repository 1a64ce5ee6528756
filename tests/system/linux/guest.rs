//! A real Linux with Debian's qemu-ga, as the disk of a machine.

use super::story::{GUEST, Root};
use super::{World, need, need_firmware, read, tool, utf8};
use std::path::{Path, PathBuf};
use std::process::Command;
use vmrun::internals::supervise::status::MachineStatus;

/// A kernel from a file wants a card that is open (iPXE under UEFI).
const BOOT: &str = "#!ipxe\nifopen net0 ||\nkernel file:/linux initrd=initrd console=ttyS0 quiet\n\
                    initrd --name initrd file:/initrd\nboot\n";

/// Makes the disk of a Linux that begins with a first file system.
pub(super) fn bootable(world: &World, root: &Root) -> PathBuf {
    need(&["qemu-system-x86_64", "mcopy", "gzip"]);
    need_firmware();
    assert!(Path::new(GUEST).join("complete").is_file(), "this test needs {GUEST}: tools/setup.sh test");
    let system = root.pack();
    tool("gzip", &["-1", "-f", utf8(&system)]);
    let (image, script) = (world.path("guest.img"), world.write("guest.ipxe", BOOT));
    let made = world.vmrun().args(["image", "ipxe", "--size", "32M", "--script"]).arg(script).arg(&image).status();
    assert!(made.unwrap().success());
    let volume = format!("{}@@20480", image.display());
    tool("mcopy", &["-i", &volume, &format!("{GUEST}/linux"), "::/linux"]);
    tool("mcopy", &["-i", &volume, &format!("{}.gz", system.display()), "::/initrd"]);
    image
}

/// Makes the disk of a Linux that has an agent.
pub(super) fn with_agent(world: &World) -> PathBuf {
    need(&["qemu-ga"]);
    assert!(
        Path::new(GUEST).join("modules/virtio_console.ko").is_file(),
        "this test needs {GUEST} with virtio_console: tools/setup.sh test"
    );
    let root = Root::new(world, "agent", "agent.init");
    root.program(&super::story::found("qemu-ga"), "bin/qemu-ga");
    root.folder("data");
    bootable(world, &root)
}

/// Ends the machine of a world, and who looks after it, if they run.
pub(super) fn end(world: &World, name: &str) {
    let status = MachineStatus::read(&read(&world.path(&format!("state/{name}/standing.json"))));
    for pid in status.iter().flat_map(|it| [it.supervisor, it.guest]).flatten() {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
    }
}

//! Limits by the real controllers. A host that has hierarchies of version 1, as one that runs tests may, has none of them in control
//! groups of version 2; so it is a small machine of its own, with Debian's kernel, in which a second QEMU is within limits.

use super::story::{GUEST, Root, found};
use super::{FIRMWARE, World, need, tool, utf8};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the only partition of the host's disk begins, and how long it is, in sectors.
const PARTITION: (u32, u32) = (2048, 129_024);

/// Makes a disk that has one partition, with a file system: transfers are limited on whole disks.
fn disk(world: &World) -> PathBuf {
    let disk = world.write("host.img", b"");
    let file = fs::OpenOptions::new().write(true).open(&disk).unwrap();
    let (first, count) = PARTITION;
    file.set_len(64 << 20).unwrap();
    let row = [&[0, 0, 0, 0, 0x83, 0, 0, 0][..], &first.to_le_bytes(), &count.to_le_bytes()].concat();
    file.write_all_at(&row, 446).unwrap();
    file.write_all_at(&[0x55, 0xaa], 510).unwrap();
    tool("mke2fs", &["-q", "-t", "ext4", "-E", &format!("offset={}", first * 512), utf8(&disk), "60M"]);
    disk
}

/// The recipe of a machine with limits whose disk is that one.
fn recipe(name: &str, memory: &str, disk: &str, limits: &str) -> String {
    let slots = format!(r#""0": hostbridge(), "4": virtio_blk("/vm/{disk}.img"), "31": lpc()"#);
    format!(
        "let vm = bhyve(#{{ name: \"{name}\", memory: {memory}, accel: \"tcg\", com1: \"stdio\", slots: #{{ {slots} }} }});\n\
         vm.limits(#{{ {limits} }});\nvm.run();\n"
    )
}

/// Has a Linux be a host: with vmrun, and QEMU with its accelerator and its BIOS.
pub(super) fn make_host(world: &World, root: &Root) {
    let stripped = world.path("vmrun");
    tool("strip", &["-o", utf8(&stripped), env!("CARGO_BIN_EXE_vmrun")]);
    root.program(&stripped, "usr/local/bin/vmrun");
    for (program, to) in [("qemu-system-x86_64", "usr/bin"), ("ip", "sbin"), ("nice", "usr/bin"), ("dash", "bin")] {
        root.program(&found(program), &format!("{to}/{program}"));
    }
    // Where a QEMU looks for it: beside the folder that it is in.
    let modules = Path::new("/usr/lib/x86_64-linux-gnu/qemu");
    let is_accelerator = |name: &str| name.starts_with("accel-tcg-");
    let names = fs::read_dir(modules).unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    for name in names.filter(|name| is_accelerator(name)) {
        root.copy(&modules.join(&name), &format!("usr/lib/x86_64-linux-gnu/qemu/{name}"));
    }
    root.copy(Path::new("/usr/share/seabios/bios-256k.bin"), "usr/share/seabios/bios-256k.bin");
    root.copy(Path::new("/usr/share/qemu/kvmvapic.bin"), "usr/share/qemu/kvmvapic.bin");
}

/// The host of this test, with its machines.
fn root(world: &World) -> Root {
    let root = Root::new(world, "limited", "limits.init");
    make_host(world, &root);
    root.copy(&world.disk('W'), "wait.img");
    root.copy(&world.sector("memory", &[]), "memory.img");
    let all = "memory: 256.MiB, cpu: 50, cpu_weight: 50, nice: 5, readbps: 20.MiB, writebps: 10.MiB, readiops: 500, writeiops: 200";
    root.write("web.rhai", &recipe("web", "32.MiB", "wait", all));
    root.write("fat.rhai", &recipe("fat", "32.MiB", "memory", "memory: 33.MiB"));
    root.write("own.rhai", &recipe("own", "32.MiB", "wait", "memory: 256.MiB, cpu: 80"));
    root
}

#[test]
fn the_kernels_own_controllers_hold_a_machine_within_its_limits() {
    need(&["qemu-system-x86_64", "strip", "ldd", "mke2fs", "dash", "nice", "ip"]);
    assert!(Path::new(GUEST).join("complete").is_file(), "this test needs {GUEST}: tools/setup.sh test");
    let world = World::new();
    let disk = format!("file={},if=none,id=disk,format=raw", utf8(&disk(&world)));
    let said = boot(&world, &root(&world), &["-drive", &disk, "-device", "virtio-blk-pci,drive=disk"]);
    assert_eq!(said, SAID);
}

/// Boots a host, and returns what it says from its first line on, without the kernel's.
pub(super) fn boot(world: &World, root: &Root, devices: &[&str]) -> String {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-M", "q35,sata=off,smbus=off", "-nodefaults", "-no-user-config", "-display", "none"]);
    command.args(["-m", "1G", "-smp", "2", "-kernel", &format!("{GUEST}/linux"), "-initrd", utf8(&root.pack())]);
    command.args(["-append", "console=ttyS0 quiet panic=-1 net.ifnames=0", "-serial", "stdio", "-no-reboot"]);
    let lab = world.start("host", command.args(devices).stdin(Stdio::null())).ends(FIRMWARE);
    let heard = lab.stdout.replace('\r', "");
    let begin = heard.find("lab: ").unwrap_or_else(|| panic!("{heard}\n{}", lab.stderr));
    heard[begin..].split_inclusive('\n').filter(|line| !line.starts_with('[')).collect()
}

/// What the host says.
const SAID: &str = "lab: nothing is given to groups
error: the machine has limits, and the control groups in /sys/fs/cgroup do not get memory, cpu, io
hint: as root: echo \"+memory +cpu +io\" > /sys/fs/cgroup/cgroup.subtree_control
error: the machine has limits, and the control groups in /sys/fs/cgroup do not get memory
hint: as root: echo \"+memory\" > /sys/fs/cgroup/cgroup.subtree_control
lab: a machine within its limits
vmrun: web runs
memory.max: 268435456
cpu.max: 50000 100000
cpu.weight: 50
io.max: 254:0 rbps=20971520 wbps=10485760 riops=500 wiops=200
process: qemu-system-x86, nice 5
throttled: yes
killed: 0
vmrun: web was switched off
lab: a guest that has more than its limit
memory error: the hypervisor was killed by signal 9 (SIGKILL)
 |
 = hint: the kernel killed it: with what serves it, it had all of the 33M that `limits` gives as `memory`; give it more
code 4
vmrun: fat runs
error: the hypervisor was killed by signal 9 (SIGKILL)
 |
 = hint: the kernel killed it: with what serves it, it had all of the 33M that `limits` gives as `memory`; give it more
lab: a run that is killed
vmrun: web runs
/sys/fs/cgroup/vmrun-web
# web was left by vmrun [pid], of /web.rhai, since [time]
rmdir /sys/fs/cgroup/vmrun-web
rm -rf /var/run/vmrun/web /var/run/vmrun/.web.secrets /var/run/vmrun/.web.lock
lab: a group that is delegated
john: from the group of root
error: the machine has limits, and you may move no process into /sys/fs/cgroup/john from /, where vmrun is: /sys/fs/cgroup/cgroup.procs is not yours to write
hint: start vmrun in a group that is yours (systemd-run --user -p Delegate=yes), or as root
john: in it, with processes
error: the machine has limits, and the control groups in /sys/fs/cgroup/john do not get memory, cpu
hint: what has processes gives its groups nothing: move those of /sys/fs/cgroup/john/cgroup.procs into a group of their own in it, then echo \"+memory +cpu\" > /sys/fs/cgroup/john/cgroup.subtree_control
vmrun: own runs
memory.max: 268435456
cpu.max: 80000 100000
process: qemu-system-x86
vmrun: own was switched off
lab: the end
";

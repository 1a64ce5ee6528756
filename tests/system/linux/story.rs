//! The document's whole story. Not every kernel has VLANs, so the host of the story is a small machine of its own, with a real
//! Linux that has them: a trunk on a pair, a switch at its other end, and a bridge in VLAN 82 that `vmrun network up` makes.
//! The guest is a machine of vmrun's beside it; between its tap and the switch's DHCP server every frame has a tag.

use super::{FIRMWARE, Network, Running, SOON, World, need, need_firmware, read, search_path, tool, utf8, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where tools/setup.sh puts the Linux that the story boots.
pub(super) const GUEST: &str = "/usr/local/share/vmrun-test/guest";

/// What the host of the story makes: one VLAN of the document's, and its bridge, with a port for the guest.
const NETWORK: &str = r#"let guests = vlan("ix0", 82);
let bridge2 = bridge("bridge2", #{ create: true });
bridge2.add(guests);
bridge2.add("eth0");
"#;

/// What the switch has at its end.
const SWITCH: &str = r#"vlan("sw0", 82, #{ address: "192.168.2.5/24" });
"#;

/// What boots from the disk once the guest is installed. A kernel from a file wants a card that is open (iPXE under UEFI).
const INSTALLED: &str = "#!ipxe\nifopen net0 ||\nkernel file:/linux initrd=initrd console=ttyS0 quiet installed\n\
                         initrd --name initrd file:/initrd\nboot\n";

/// A folder that becomes the first file system of a Linux.
pub(super) struct Root {
    folder: PathBuf,
}

impl Root {
    pub(super) fn new(world: &World, name: &str, init: &str) -> Self {
        let folder = world.path(name);
        for folder in ["bin", "modules", "proc", "sys", "dev", "run", "tmp", "etc", "var"].map(|name| folder.join(name))
        {
            fs::create_dir_all(folder).unwrap();
        }
        let root = Self { folder };
        root.copy(&Path::new(GUEST).join("busybox"), "bin/busybox");
        let order = read(&Path::new(GUEST).join("complete"));
        root.write("modules/order", &order);
        for module in order.split_whitespace() {
            let name = format!("{module}.ko");
            let from = Path::new(GUEST).join("modules").join(&name);
            if from.is_file() {
                root.copy(&from, &format!("modules/{name}"));
            }
        }
        root.copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests").join(init), "init");
        tool("chmod", &["755", utf8(&root.folder.join("init"))]);
        root
    }

    pub(super) fn copy(&self, from: &Path, to: &str) {
        let to = self.folder.join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, &to).unwrap_or_else(|why| panic!("{}: {why}", from.display()));
    }

    pub(super) fn write(&self, to: &str, text: &str) {
        fs::write(self.folder.join(to), text).unwrap();
    }

    pub(super) fn folder(&self, name: &str) {
        fs::create_dir_all(self.folder.join(name)).unwrap();
    }

    /// Adds a program of this system with its libraries, if it has any.
    pub(super) fn program(&self, program: &Path, to: &str) {
        self.copy(program, to);
        let output = Command::new("ldd").arg(program).env("LC_ALL", "C").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() || said.trim() == "not a dynamic executable", "ldd {program:?}: {said}");
        for word in said.split_whitespace().filter(|word| word.starts_with('/')) {
            self.copy(Path::new(word), word.trim_start_matches('/'));
        }
    }

    pub(super) fn pack(&self) -> PathBuf {
        let out = self.folder.with_extension("cpio");
        let pack = "find . | \"$0\"/busybox cpio -o -H newc >\"$1\" 2>/dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", pack, GUEST, utf8(&out)]).current_dir(&self.folder);
        assert!(command.status().unwrap().success());
        out
    }
}

pub(super) fn found(program: &str) -> PathBuf {
    let path = search_path();
    path.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file()).unwrap()
}

/// Packs what the guest boots: to install it with the image of a disk, installed without.
fn guest(world: &World, image: Option<&Path>) -> PathBuf {
    let root = Root::new(world, if image.is_some() { "installer" } else { "installed" }, "guest.init");
    image.iter().for_each(|image| root.copy(image, "disk.img.gz"));
    root.pack()
}

/// Makes the disk as it is once the guest is installed, compressed.
fn disk(world: &World) -> PathBuf {
    let system = guest(world, None);
    tool("gzip", &["-f", utf8(&system)]);
    let (image, script) = (world.path("disk.img"), world.write("disk.ipxe", INSTALLED));
    let made = world.vmrun().args(["image", "ipxe", "--size", "24M", "--script"]).arg(script).arg(&image).status();
    assert!(made.unwrap().success());
    let volume = format!("{}@@20480", image.display());
    tool("mcopy", &["-i", &volume, &format!("{GUEST}/linux"), "::/linux"]);
    tool("mcopy", &["-i", &volume, &format!("{}.gz", system.display()), "::/initrd"]);
    tool("gzip", &["-1", "-f", utf8(&image)]);
    world.path("disk.img.gz")
}

/// The recipe of the guest, as the document's report1.
fn recipe(world: &World) -> PathBuf {
    let text = r#"
let disk = "[world]/report1.img";
let ipxe = "[world]/uefi-ipxe-chainload.img";
netboot(#{
    os: "linux", kernel: "tftp://${next-server}/linux", initrd: "tftp://${next-server}/initrd",
    args: "console=ttyS0 quiet host=${hostname} address=${net0/ip}", address: "192.168.2.50",
});
if init {
    truncate(disk, 64.MiB);
    ipxe_image(ipxe);
}
let nic = tap("tap2");
bridge("bridge2").add(nic);
bhyve(#{
    name: "report1", cpus: 1, memory: 512.MiB, bootrom: uefi(), com1: "stdio",
    slots: #{
        "0": hostbridge(),
        "1": if init { nvme(ipxe) },
        "4": virtio_blk(disk),
        "5": virtio_net(nic, #{ mac: "00:0c:29:f9:6d:4e" }),
        "31": lpc(),
    },
}).run();
"#;
    world.write("report1.rhai", text.replace("[world]", utf8(&world.path(""))).replace("//report1", "/report1"))
}

/// Writes what `vmrun netboot` says of the recipe into the host's first file system.
fn netboot(world: &World, root: &Root, recipe: &Path) {
    let tftp = root.folder.join("tftp");
    fs::create_dir_all(&tftp).unwrap();
    let mut chainload = world.vmrun();
    chainload.args(["netboot", "chainload"]).arg(recipe).arg("--out").arg(&tftp);
    let wrote = format!("vmrun: wrote {}\n", tftp.join("chainload/report1.ipxe").display());
    assert_eq!(String::from_utf8_lossy(&chainload.output().unwrap().stderr), wrote);
    let lines = world.vmrun().args(["netboot", "dnsmasq"]).arg(recipe).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&lines.stderr), "");
    root.write("dnsmasq.conf", &String::from_utf8(lines.stdout).unwrap());
}

/// Boots the host, whose port for the guest is on the bridge of the network; what it says is its serial console.
fn host(world: &World, network: &Network, recipe: &Path) -> Running {
    let root = Root::new(world, "lab", "lab.init");
    let stripped = world.path("vmrun");
    tool("strip", &["-o", utf8(&stripped), env!("CARGO_BIN_EXE_vmrun")]);
    root.program(&stripped, "bin/vmrun");
    root.program(&found("ip"), "sbin/ip");
    root.program(&found("dnsmasq"), "usr/sbin/dnsmasq");
    root.write("etc/passwd", "root:x:0:0:root:/:/bin/sh\n");
    root.write("etc/group", "root:x:0:\n");
    root.write("network.rhai", NETWORK);
    root.write("switch.rhai", SWITCH);
    netboot(world, &root, recipe);
    root.copy(&Path::new(GUEST).join("linux"), "tftp/linux");
    root.copy(&guest(world, Some(&disk(world))), "tftp/initrd");
    let mut command = network.inside("qemu-system-x86_64");
    command.args(["-M", "q35,sata=off,smbus=off", "-nodefaults", "-no-user-config", "-display", "none", "-m", "512M"]);
    command.args(["-kernel", &format!("{GUEST}/linux"), "-initrd", utf8(&root.pack())]);
    command.args(["-append", "console=ttyS0 quiet panic=-1 net.ifnames=0", "-serial", "stdio", "-no-reboot"]);
    command.args(["-netdev", "tap,id=port,ifname=lab0,script=no,downscript=no"]);
    command.args(["-device", "virtio-net-pci,netdev=port,romfile="]);
    world.start("lab", command.stdin(Stdio::piped()))
}

#[test]
fn the_documents_story_is_true_from_the_tagged_frame_to_the_installed_disk() {
    need(&["qemu-system-x86_64", "ip", "dnsmasq", "mcopy", "gzip", "strip", "ldd"]);
    need_firmware();
    assert!(Path::new(GUEST).join("complete").is_file(), "this test needs {GUEST}: tools/setup.sh test");
    let world = World::new();
    let recipe = recipe(&world);
    let network = Network::new("story");
    network.ip("link set lo up");
    network.ip("link add bridge2 type bridge stp_state 0 forward_delay 0");
    network.ip("link set bridge2 up");
    network.ip("tuntap add dev lab0 mode tap");
    network.ip("link set lab0 master bridge2 up");

    let mut lab = host(&world, &network, &recipe);
    wait_for("the DHCP server of the switch", FIRMWARE, || read(&lab.stdout).contains("TFTP root is").then_some(()));
    let begin = read(&lab.stdout).replace('\r', "");
    let network_up = "lab: the switch
vmrun: made sw0.82
lab: the host
vmrun: made ix0.82
vmrun: made bridge2
vmrun: made ix0.82 in bridge2
vmrun: made eth0 in bridge2
lab: again
vmrun: ix0.82 is there already
vmrun: bridge2 is there already
vmrun: ix0.82 in bridge2 is there already
vmrun: eth0 in bridge2 is there already
lab: it is
";
    assert!(begin.contains(network_up), "{begin}");
    assert!(begin.contains("ix0.82  VID: 82\t"), "{begin}");

    let mut command = network.inside(env!("CARGO_BIN_EXE_vmrun"));
    world.surroundings(&mut command).stdin(Stdio::null());
    let ended = world.start("report1", command.arg(&recipe).arg("--init")).ends(FIRMWARE);
    std::io::Write::write_all(lab.child.stdin.as_mut().unwrap(), b"\n").unwrap();
    let lab = lab.ends(SOON);
    let (guest, heard) = (ended.stdout.replace('\r', ""), lab.stdout.replace('\r', ""));
    let story = format!("{ended:#?}\n{heard}\n{}", lab.stderr);
    assert_eq!(ended.code, Some(0), "{story}");
    assert_eq!(ended.stderr, "vmrun: the guest rebooted; starting it again\n", "{story}");

    in_order(
        "the guest's console",
        &guest,
        &[
            "iPXE initialising devices",
            "tftp://192.168.2.5/chainload/report1.ipxe... ok",
            "tftp://192.168.2.5/linux...",
            "tftp://192.168.2.5/initrd...",
            "guest: linux initrd=initrd console=ttyS0 quiet host=report1 address=192.168.2.50\n",
            "guest: installed on /dev/vda\n",
            "iPXE initialising devices",
            "file:/linux...",
            "guest: linux initrd=initrd console=ttyS0 quiet installed\n",
            "guest: booted from the disk\n",
        ],
    );
    assert_eq!(guest.matches("DHCP").count(), 0, "{guest}");
    in_order(
        "dnsmasq's log",
        &heard,
        &[
            "DHCPDISCOVER(sw0.82) 00:0c:29:f9:6d:4e",
            "DHCPACK(sw0.82) 192.168.2.50 00:0c:29:f9:6d:4e report1",
            "sent /tftp/chainload/report1.ipxe to 192.168.2.50",
            "sent /tftp/linux to 192.168.2.50",
            "sent /tftp/initrd to 192.168.2.50",
            "lab: the end\nlab: tagged frames by the thousand\n",
            "vmrun: removed bridge2\nvmrun: removed ix0.82\nvmrun: removed sw0.82\nlab: nothing is left\n",
        ],
    );
    assert_eq!(heard.matches("sent /tftp/linux").count(), 1, "the disk has a kernel of its own: {story}");
    assert!(!network.ip("link show").contains("tap2"), "{story}");
    world.is_clean();
}

/// Fails unless the texts stand in the order.
#[track_caller]
fn in_order(what: &str, text: &str, expected: &[&str]) {
    let mut rest = text;
    for one in expected {
        let Some(at) = rest.find(one) else { panic!("{what} has no {one:?} in its place:\n{text}") };
        rest = &rest[at + one.len()..];
    }
}

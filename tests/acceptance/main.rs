//! The document's story with the installer of Debian itself: a machine whose disk is empty boots iPXE from an image that vmrun made, which
//! chains the installer; `std/answers` answers all that it asks; it reboots, and whoever was named logs in. Nothing is made easier than it is:
//! the packages are those of a mirror, with its signature. It takes root, and an hour or more where no processor helps: `make acceptance` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    unreachable_pub,
    missing_docs,
    reason = "tests may stop with a panic, and stand outside of the house"
)]

mod mirror;
#[path = "../system/namespace.rs"]
mod namespace;
#[path = "../system/tools.rs"]
mod tools;

use mirror::Mirror;
use namespace::Network;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tools::{need, tool};

/// How long a stage may take without help of the processor, on a host that has other things to do.
const STAGE: Duration = Duration::from_secs(5400);

/// How often it is looked how far it is.
const TICK: Duration = Duration::from_millis(500);

/// What the installer, the firmware and the installed system say of how far they are, in this order, and what that is called.
const STAGES: [(&str, &str); 10] = [
    ("chainload/report1.ipxe... ok", "iPXE has the machine's script"),
    ("Starting system log daemon", "the installer runs"),
    ("Loading additional components", "its parts come from the mirror"),
    ("Starting up the partitioner", "the disk is partitioned"),
    ("Installing the base system", "the base system is unpacked"),
    ("Configuring apt", "packages are chosen"),
    ("Select and install software", "further packages are installed"),
    ("Installing GRUB boot loader", "the loader is installed"),
    ("Finishing the installation", "what was asked for is done"),
    ("report1 login:", "the installed system asks who is there"),
];

/// The folder of the test, and what is in it.
struct World {
    folder: TempDir,
    /// What stays when it is over: what the console said and pictures of the screen.
    kept: PathBuf,
}

impl World {
    fn new() -> Self {
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("acceptance");
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(&kept).unwrap();
        // Where /tmp is memory there is no room for disks.
        let folder = tempfile::Builder::new().prefix("vmrun-acceptance").tempdir_in("/var/tmp").unwrap();
        for name in ["state", "config", "www", "tftp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, kept }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn console(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.kept.join("console")).unwrap_or_default()).into_owned()
    }

    /// vmrun in the network.
    fn vmrun(&self, network: &Network, args: &[&str]) -> Command {
        let mut command = network.inside(env!("CARGO_BIN_EXE_vmrun"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("VMRUN_STATE_DIR", self.path("state")).env("VMRUN_CONFIG", self.path("config"));
        command
    }

    /// What vmrun says to its output; it goes well.
    fn said(&self, network: &Network, args: &[&str]) -> String {
        let output = self.vmrun(network, args).output().unwrap();
        assert!(output.status.success(), "vmrun {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The recipe: the document's machine, as whoever has it writes it with `std`.
    fn recipe(&self) {
        tool(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", "ann@home", "-f", self.path("ann").to_str().unwrap()],
        );
        let text = r#"import "std/answers" as answers;
import "std/guest" as guest;

netboot(#{
    os: "debian", mirror: "http://192.168.77.1/debian", release: "bookworm", answers: "http://192.168.77.1/report1.cfg",
    args: "console=tty0 console=ttyS0 DEBIAN_FRONTEND=text", address: "192.168.77.50",
});
if init {
    write_file("[world]/www/report1.cfg", answers::debian(#{
        hostname: "report1", user: "ann", ssh_keys: ["[key]"], mirror: "192.168.77.1", packages: ["ca-certificates"],
        commands: ["touch /installed"],
    }));
}
guest::debian(#{
    name: "report1", cpus: 2, memory: 1.GiB, disks: [["[world]/report1.img", 6.GiB]], vars: "[world]/report1.vars",
    ipxe: "[world]/uefi-ipxe-chainload.img", init: init,
    bridge: "bridge2", tap: "tap2", mac: "00:0c:29:f9:6d:4e", vnc: 5902, com1: "stdio",
}).run();
"#;
        let key = fs::read_to_string(self.path("ann.pub")).unwrap();
        let text = text.replace("[world]", self.folder.path().to_str().unwrap()).replace("[key]", key.trim());
        fs::write(self.path("report1.rhai"), text).unwrap();
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The machine, which is switched off when the test fails: who runs it would leave it to others.
struct Machine<'a> {
    running: Running,
    world: &'a World,
    network: &'a Network,
}

impl Drop for Machine<'_> {
    fn drop(&mut self) {
        if matches!(self.running.0.try_wait(), Ok(None)) {
            let _ = self.world.vmrun(self.network, &["kill", "report1"]).output();
        }
    }
}

/// The network of the document, without its VLANs: a bridge, on which this host has an address.
fn lab() -> Network {
    let network = Network::new("acceptance");
    network.ip("link set lo up");
    network.ip("link add bridge2 type bridge stp_state 0 forward_delay 0");
    network.ip("address add 192.168.77.1/24 dev bridge2");
    network.ip("link set bridge2 up");
    network
}

/// DHCP and TFTP, by the lines that vmrun writes for dnsmasq.
fn dnsmasq(world: &World, network: &Network) -> Running {
    fs::write(world.path("dnsmasq.conf"), world.said(network, &["netboot", "dnsmasq", "report1.rhai"])).unwrap();
    world.said(network, &["netboot", "chainload", "report1.rhai", "--out", "tftp"]);
    let mut command = network.inside("dnsmasq");
    command.args(["--user=root", "--port=0", "--bind-interfaces", "--interface=bridge2", "--keep-in-foreground"]);
    command.args(["--dhcp-range=192.168.77.0,static", "--dhcp-option=option:router,192.168.77.1"]);
    command.args(["--enable-tftp", "--no-hosts", "--no-resolv"]);
    command.arg(format!("--tftp-root={}", world.path("tftp").display()));
    command.arg(format!("--dhcp-leasefile={}", world.path("leases").display()));
    command.arg(format!("--pid-file={}", world.path("dnsmasq.pid").display()));
    command.arg(format!("--conf-file={}", world.path("dnsmasq.conf").display()));
    let log = File::create(world.kept.join("dnsmasq")).unwrap();
    Running(command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

/// Waits for each stage, takes a picture of it, and tells when it came.
fn stages(world: &World, network: &Network, mirror: &Mirror, machine: &mut Machine<'_>) {
    let begin = Instant::now();
    for (number, (said, means)) in STAGES.iter().enumerate() {
        let since = Instant::now();
        while !world.console().contains(said) {
            let ended = machine.running.0.try_wait().unwrap();
            assert_eq!(
                mirror.missing(),
                None,
                "the mirror that apt has lacks what the installer needs (udebs): name a whole one"
            );
            let console = world.console();
            let end: String = console.chars().rev().take(3000).collect::<Vec<_>>().into_iter().rev().collect();
            assert!(ended.is_none() && since.elapsed() < STAGE, "{means}: {said} never came ({ended:?}): {end}");
            sleep(TICK);
        }
        eprintln!("{:7.0} s  {means}", begin.elapsed().as_secs_f64());
        let picture = world.kept.join(format!("{number}.png"));
        world.said(network, &["screenshot", "report1", picture.to_str().unwrap()]);
    }
}

/// Runs a command in the guest, as the user that the answers named.
fn in_guest(world: &World, network: &Network, command: &str) -> (Option<i32>, String) {
    let mut ssh = network.inside("ssh");
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new", "-l", "ann", "-i"]);
    ssh.arg(world.path("ann")).arg("-o").arg(format!("UserKnownHostsFile={}", world.path("known_hosts").display()));
    let output = ssh.args(["192.168.77.50", command]).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn debian_is_installed_by_its_installer_from_ipxe_to_the_first_login() {
    need(&["qemu-system-x86_64", "ip", "dnsmasq", "ssh", "ssh-keygen", "apt-get"]);
    let netboot = Path::new("/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/linux");
    assert!(netboot.is_file(), "this test needs debian-installer-12-netboot-amd64: tools/setup.sh acceptance");
    let (world, network) = (World::new(), lab());
    let home = std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from);
    let mirror = Mirror::new(&network, home.join(".cache/vmrun-tools/debian"), world.path("www"));
    world.recipe();
    let _dnsmasq = dnsmasq(&world, &network);
    assert_eq!(world.said(&network, &["check", "report1.rhai"]), "");

    let begin = Instant::now();
    let console = File::create(world.kept.join("console")).unwrap();
    let mut command = world.vmrun(&network, &["report1.rhai", "--init"]);
    // Whoever closes the console's input presses no key, but the machine would be switched off.
    let (input, keeps) = std::io::pipe().unwrap();
    let log = File::create(world.kept.join("vmrun")).unwrap();
    let running = Running(command.stdin(input).stdout(console).stderr(log).spawn().unwrap());
    let mut machine = Machine { running, world: &world, network: &network };
    stages(&world, &network, &mirror, &mut machine);

    let said = in_guest(
        &world,
        &network,
        "uname -n; id -un; ls /installed; sudo -n id -u; dpkg -s ca-certificates | grep ^Status",
    );
    assert_eq!(said, (Some(0), "report1\nann\n/installed\n0\nStatus: install ok installed\n".into()));
    assert!(mirror.asked("report1.cfg") == 1 && mirror.asked("InRelease") > 0 && mirror.asked("/pool/") > 100);
    in_guest(&world, &network, "sudo -n systemctl poweroff");
    let ended = machine.running.0.wait().unwrap();
    drop(keeps);
    let log = fs::read_to_string(world.kept.join("vmrun")).unwrap();
    assert_eq!(ended.code(), Some(0), "{log}");
    assert!(log.contains("vmrun: the guest rebooted; starting it again\n"), "{log}");
    eprintln!(
        "{:7.0} s  it is switched off; what was seen is in {}",
        begin.elapsed().as_secs_f64(),
        world.kept.display()
    );
}

//! Real machines on Linux: QEMU's, with real firmware, real iPXE and a real DHCP and TFTP server.

mod addresses;
mod attack;
mod background;
mod console;
mod guest;
mod guest_clock;
mod hostile_monitor;
mod identity;
mod limits;
mod list;
mod monitor;
mod network;
mod resize;
mod screen;
mod serial_log;
mod story;
mod systemd;
mod tpm;
mod upgrade;

use super::mess::{CALLS, THREADS, traced};
use super::namespace::Network;
use super::tools::{need, search_path, tool};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a guest of one sector may take to do all that it does: a fraction of a second, on a busy host more.
const SOON: Duration = Duration::from_secs(30);

/// How long firmware, iPXE and what it loads may take without help of the processor.
const FIRMWARE: Duration = Duration::from_secs(240);

/// How often it is looked whether something has happened.
const TICK: Duration = Duration::from_millis(10);

/// Fails when there is no firmware for UEFI or no iPXE for it.
fn need_firmware() {
    for file in ["/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"] {
        assert!(Path::new(file).is_file(), "this test needs OVMF, and {file} is missing: install ovmf");
    }
    let loaders = ["/usr/local/share/ipxe/ipxe-amd64.efi", "/usr/lib/ipxe/ipxe-amd64.efi"];
    assert!(loaders.iter().any(|file| Path::new(file).is_file()), "this test needs iPXE, one of {loaders:?}");
}

fn utf8(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Waits until something is there; fails when it takes too long.
fn wait_for<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < within, "{what}: not within {within:?}");
        sleep(TICK);
    }
}

/// The QEMU processes that a process has started and that still run.
fn qemus_of(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_child = |pid: &u32| {
        // "pid (name) state parent …"; the name may hold anything.
        let stat = read(Path::new(&format!("/proc/{pid}/stat")));
        let Some((head, tail)) = stat.rsplit_once(") ") else { return false };
        let mut fields = tail.split(' ');
        let lives = fields.next() != Some("Z");
        lives && fields.next() == Some(&parent.to_string()) && head.contains("(qemu")
    };
    pids.filter(is_child).collect()
}

fn command_line(pid: u32) -> String {
    read(Path::new(&format!("/proc/{pid}/cmdline"))).replace('\0', " ")
}

fn signal(pid: u32, name: &str) {
    tool("kill", &["-s", name, &pid.to_string()]);
}

/// A process of a test; it ends with the test at the latest, and so do the machines that it runs.
struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How a process ended and all that it said.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// What was said, without what a host says that has no KVM: `tests/it/accelerator.rs` holds that.
fn on_any_host(said: &str) -> String {
    let is_of_host = |line: &&str| line.ends_with(", and accel: \"tcg\" in the recipe that it is meant\n");
    said.split_inclusive('\n').filter(|line| !is_of_host(line)).collect()
}

fn outcome(code: i32, stdout: &str, stderr: &str) -> Outcome {
    Outcome { code: Some(code), stdout: stdout.into(), stderr: stderr.into() }
}

impl Running {
    /// Waits until the process has said something on its standard output.
    fn says(&self, text: &str) {
        wait_for(&format!("{text:?} on {}", self.stdout.display()), SOON, || {
            read(&self.stdout).contains(text).then_some(())
        });
    }

    /// Returns the process of its machine.
    fn qemu(&self) -> u32 {
        wait_for("a QEMU", SOON, || qemus_of(self.child.id()).first().copied())
    }

    fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Waits until the process has ended.
    fn ends(mut self, within: Duration) -> Outcome {
        let begin = Instant::now();
        loop {
            let status = self.child.try_wait().unwrap();
            let (stdout, stderr) = (on_any_host(&read(&self.stdout)), on_any_host(&read(&self.stderr)));
            if let Some(status) = status {
                return Outcome { code: status.code(), stdout, stderr };
            }
            assert!(begin.elapsed() < within, "still running after {within:?}:\n{stdout}\n{stderr}");
            sleep(TICK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            for pid in qemus_of(self.child.id()) {
                let _ = Command::new("kill").args(["-s", "KILL", &pid.to_string()]).status();
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A folder with everything that a test has: recipes, images, state.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Makes the disk of the guest of one sector, with the order that the guest follows.
    fn disk(&self, order: char) -> PathBuf {
        need(&["qemu-system-x86_64", "as", "ld"]);
        self.sector("bootsector", &[u8::try_from(order).unwrap()])
    }

    /// Makes the disk of a guest of one sector, with what is behind that.
    fn sector(&self, source: &str, rest: &[u8]) -> PathBuf {
        let source = format!("{}/tests/guests/{source}.S", env!("CARGO_MANIFEST_DIR"));
        let (object, sector) = (self.path("bootsector.o"), self.path("bootsector.bin"));
        tool("as", &["--32", "-o", utf8(&object), &source]);
        let layout = ["-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary"];
        tool("ld", &[&layout[..], &["-o", utf8(&sector), utf8(&object)]].concat());
        let mut image = fs::read(&sector).unwrap();
        assert_eq!(image.len(), 512);
        image.extend(rest);
        image.resize(1 << 20, 0);
        self.write("disk.img", image)
    }

    /// Writes the recipe of a machine that boots from the disk.
    fn recipe(&self, name: &str, disk: &Path) -> PathBuf {
        let slots = format!(r#""0": hostbridge(), "4": virtio_blk("{}"), "31": lpc()"#, disk.display());
        let machine = format!(r#"name: "{name}", memory: 64.MiB, com1: "stdio", slots: #{{ {slots} }}"#);
        self.write(&format!("{name}.rhai"), format!("bhyve(#{{ {machine} }}).run();\n"))
    }

    fn surroundings<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PATH", search_path()).env("VMRUN_PLATFORM", "linux").env("LC_ALL", "C.UTF-8");
        command.env("VMRUN_STATE_DIR", self.path("state")).env("VMRUN_CONFIG", self.path("config"))
    }

    fn vmrun(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
        self.surroundings(&mut command);
        command
    }

    /// Starts a process; what it says goes into files of the name.
    fn start(&self, name: &str, command: &mut Command) -> Running {
        let (stdout, stderr) = (self.path(&format!("{name}.out")), self.path(&format!("{name}.err")));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        let child = command.spawn().unwrap_or_else(|why| panic!("cannot start {command:?}: {why}"));
        Running { child, stdout, stderr }
    }

    /// Runs the recipe of a guest with the order.
    fn guest(&self, order: char, args: &[&str]) -> Running {
        let recipe = self.recipe("loop", &self.disk(order));
        self.start("loop", self.vmrun().arg(recipe).args(args).stdin(Stdio::null()))
    }

    /// Makes an image that boots iPXE with the script.
    fn ipxe(&self, image: &str, script: &str) -> PathBuf {
        need_firmware();
        let (image, script) = (self.path(image), self.write("script.ipxe", script));
        let made = self.start("image", self.vmrun().args(["image", "ipxe"]).arg(&image).arg("--script").arg(script));
        assert_eq!(made.ends(SOON).code, Some(0), "{}", read(&self.path("image.err")));
        image
    }

    /// Fails when a run has left anything behind.
    fn is_clean(&self) {
        let all = fs::read_dir(self.path("state")).unwrap().map(|entry| entry.unwrap().path());
        // How a machine was started last is known until the host is started anew.
        let left: Vec<_> = all.filter(|path| path.extension().is_none_or(|extension| extension != "last")).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

#[test]
fn a_guest_that_powers_off_ends_the_run_well() {
    let world = World::new();
    assert_eq!(world.guest('P', &[]).ends(SOON), outcome(0, "vmrun test guest: P\r\n", ""));
    world.is_clean();
}

#[test]
fn a_guest_that_reboots_is_started_again() {
    let world = World::new();
    let said = "vmrun test guest: R\r\nvmrun test guest: P\r\n";
    let expected = outcome(0, said, "vmrun: the guest rebooted; starting it again\n");
    assert_eq!(world.guest('R', &[]).ends(SOON), expected);
    world.is_clean();
}

#[test]
fn a_triple_fault_is_a_failure_of_the_guest() {
    let world = World::new();
    let error = "error: the guest met a triple fault\n |\n \
        = hint: the guest's kernel or firmware crashed; its console shows where\n";
    assert_eq!(world.guest('T', &[]).ends(SOON), outcome(4, "vmrun test guest: T\r\n", error));
    world.is_clean();
}

#[test]
fn the_first_serial_line_is_connected_both_ways() {
    let world = World::new();
    let recipe = world.recipe("loop", &world.disk('E'));
    let mut run = world.start("loop", world.vmrun().arg(recipe).stdin(Stdio::piped()));
    run.says("vmrun test guest: E\r\n");
    run.child.stdin.as_mut().unwrap().write_all(b"good morning\n").unwrap();
    assert_eq!(run.ends(SOON), outcome(0, "vmrun test guest: E\r\ngood morning\r\n", ""));
    world.is_clean();
}

#[test]
fn a_hypervisor_takes_its_limits_on_itself() {
    let world = World::new();
    let disk = world.disk('H');
    let slots = format!(r#""4": virtio_blk("{}"), "31": lpc()"#, disk.display());
    let vm = format!(r#"let vm = bhyve(#{{ name: "lab", memory: 64.MiB, com1: "stdio", slots: #{{ {slots} }} }});"#);
    let recipe = world.write("lab.rhai", format!("{vm}\nvm.limits(#{{ memory: 8.GiB }});\nvm.run();\n"));
    let mut command = world.vmrun();
    let run = world.start("lab", command.env("VMRUN_CGROUP_DIR", "/").arg(&recipe).stdin(Stdio::null()));
    run.says("vmrun test guest: H\r\n");
    let limits = fs::read_to_string(format!("/proc/{}/limits", run.qemu())).unwrap();
    let space: Vec<&str> = limits.lines().filter(|line| line.starts_with("Max address space")).collect();
    assert_eq!(
        space.join("").split_whitespace().collect::<Vec<_>>(),
        ["Max", "address", "space", "8589934592", "8589934592", "bytes"]
    );
    signal(run.qemu(), "KILL");
    assert_eq!(run.ends(SOON).code, Some(4));
    // What needs a control group is refused where there is none, before anything is done.
    let recipe = world.write("cpu.rhai", format!("{vm}\nvm.limits(#{{ cpu: 150 }});\nvm.run();\n"));
    let run =
        world.start("cpu", world.vmrun().env("VMRUN_CGROUP_DIR", "/").arg(&recipe).stdin(Stdio::null())).ends(SOON);
    assert!(
        run.stderr.starts_with("error: the machine has limits, and / is no tree of control groups of version 2\n")
            && run.stderr.ends_with(
                "  = hint: start the host with systemd.unified_cgroup_hierarchy=1, or say by VMRUN_CGROUP_DIR where it is\n"
            ),
        "{run:?}"
    );
    world.is_clean();
}

#[test]
fn a_hypervisor_that_somebody_kills_is_a_failure() {
    let world = World::new();
    let run = world.guest('H', &[]);
    run.says("vmrun test guest: H\r\n");
    signal(run.qemu(), "KILL");
    let error = "error: the hypervisor was killed by signal 9 (SIGKILL)\n |\n \
        = hint: somebody killed it, or the host ran out of memory\n";
    assert_eq!(run.ends(SOON), outcome(4, "vmrun test guest: H\r\n", error));
    world.is_clean();
}

#[test]
fn a_hypervisor_that_does_not_start_is_a_failure_with_its_last_words() {
    let world = World::new();
    let disk = world.disk('H');
    // A machine that vmrun knows nothing of.
    let drive = format!("file={},format=raw", disk.display());
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-nodefaults", "-display", "none", "-serial", "stdio", "-drive", &drive]);
    let first = world.start("first", command.stdin(Stdio::null()));
    first.says("vmrun test guest: H\r\n");
    let disk = disk.display().to_string();
    let text = format!(
        "let disk = virtio_blk(\n    \"{disk}\");\nbhyve(#{{ name: \"second\", slots: #{{ \"4\": disk }} }}).run();\n"
    );
    let recipe = world.write("second.rhai", text);
    let second = world.start("second", world.vmrun().arg(&recipe).stdin(Stdio::null()));
    let lock =
        "qemu-system-x86_64: -device virtio-blk-pci,addr=4.0,drive=disk-4.0,bootindex=0: Failed to get \"write\" lock";
    let (recipe, underline) = (recipe.display(), "^".repeat(disk.len() + 2));
    let error = format!(
        "{lock}\nIs another process using the image [{disk}]?\n\
         error: the hypervisor failed with status 4: {lock}\n --> {recipe}:2:5\n  |\n\
         2 |     \"{disk}\");\n  |     {underline}\n  |\n  = hint: another program has the disk open: \
         stop it, or give this machine a disk of its own\n"
    );
    assert_eq!(second.ends(SOON), outcome(4, "", &error));
    // The first one does not notice.
    signal(first.child.id(), "KILL");
    assert_eq!(first.ends(SOON).stdout, "vmrun test guest: H\r\n");
    world.is_clean();
}

#[test]
fn a_request_to_stop_presses_the_power_button() {
    let world = World::new();
    let run = world.guest('B', &[]);
    run.says("vmrun test guest: B\r\n");
    run.signal("TERM");
    // Sooner than a guest is forced, which has a minute.
    assert_eq!(run.ends(SOON), outcome(130, "vmrun test guest: B\r\n", "error: interrupted\n"));
    world.is_clean();
}

#[test]
fn a_guest_of_qemu_that_is_deaf_is_switched_off_when_its_time_is_over() {
    let world = World::new();
    let run = world.guest('H', &["--stop-within", "300ms"]);
    run.says("vmrun test guest: H\r\n");
    let begin = Instant::now();
    run.signal("TERM");
    assert_eq!(run.ends(SOON), outcome(130, "vmrun test guest: H\r\n", "error: interrupted\n"));
    assert!(begin.elapsed() >= Duration::from_millis(300), "not before its time was over");
    world.is_clean();
}

#[test]
fn a_second_request_to_stop_switches_a_deaf_guest_off_at_once() {
    let world = World::new();
    let run = world.guest('H', &["--stop-within", "10m"]);
    run.says("vmrun test guest: H\r\n");
    run.signal("INT");
    sleep(Duration::from_millis(500));
    assert_eq!(qemus_of(run.child.id()).len(), 1, "one request does not force");
    run.signal("INT");
    assert_eq!(run.ends(SOON), outcome(130, "vmrun test guest: H\r\n", "error: interrupted\n"));
    world.is_clean();
}

/// Starts the server that hands out the address, the name and the script of report1, and waits until it serves.
fn serve(world: &World, network: &Network) -> Running {
    need(&["dnsmasq"]);
    let root = world.path("tftp");
    fs::create_dir_all(root.join("chainload")).unwrap();
    fs::write(root.join("chainload/report1.ipxe"), "#!ipxe\necho this is the script of report1\nreboot\n").unwrap();
    let mut command = network.inside("dnsmasq");
    command.args(["--user=root", "--port=0", "--bind-interfaces", "--interface=bridge2"]);
    command.args(["--dhcp-range=192.168.2.10,192.168.2.99,255.255.255.0,10m"]);
    command.args(["--dhcp-host=00:0c:29:f9:6d:4e,report1,192.168.2.50", "--dhcp-option=encap:175,176,1b"]);
    command.args(["--enable-ra", "--dhcp-range=fd00:99::,ra-only", "--enable-tftp", "--conf-file=/dev/null"]);
    command.args(["--no-hosts", "--no-resolv", "--keep-in-foreground", "--log-dhcp", "--log-facility=-"]);
    command.arg(format!("--tftp-root={}", root.display()));
    command.arg(format!("--dhcp-leasefile={}", world.path("leases").display()));
    command.arg(format!("--pid-file={}", world.path("dnsmasq.pid").display()));
    let server = world.start("dnsmasq", command.stdin(Stdio::null()));
    wait_for("dnsmasq", SOON, || read(&server.stderr).contains("TFTP root is").then_some(()));
    server
}

/// The recipe of report1, with files of the test and a console that the test sees.
fn report1(world: &World, disk: &Path, chainload: &Path) -> PathBuf {
    let mut text = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/report1.rhai")));
    for (old, new) in [
        ("/vm/report1.img", utf8(disk)),
        ("/root/uefi-ipxe-chainload.img", utf8(chainload)),
        ("bootrom: uefi(),", "bootrom: uefi(), com1: \"stdio\","),
    ] {
        assert_eq!(text.matches(old).count(), 1, "{old} in {text}");
        text = text.replace(old, new);
    }
    world.write("report1.rhai", text)
}

#[test]
fn report1_is_installed_over_the_network_and_then_boots_from_its_disk() {
    need(&["qemu-system-x86_64", "ip", "dnsmasq"]);
    let world = World::new();
    let disk = world.ipxe("report1.img", "#!ipxe\necho installed\npoweroff\n");
    let recipe = report1(&world, &disk, &world.path("uefi-ipxe-chainload.img"));

    let network = Network::new("report1");
    network.ip("link set lo up");
    network.ip("link add bridge2 type bridge stp_state 0 forward_delay 0");
    network.ip("link set bridge2 up");
    network.ip("address add 192.168.2.5/24 dev bridge2");
    network.ip("address add fd00:99::1/64 dev bridge2 nodad");
    let server = serve(&world, &network);

    let mut command = network.inside(env!("CARGO_BIN_EXE_vmrun"));
    world.surroundings(&mut command).env("VMRUN_SECRET_VNC", "hunter2").stdin(Stdio::null());
    let run = world.start("report1", command.arg(recipe).args(["--init", "--set", "memory=512M"]));
    let program = run.child.id();
    let first = wait_for("the arguments of QEMU", SOON, || {
        let line = command_line(run.qemu());
        line.contains("password-secret=vnc").then_some(line)
    });
    assert!(!first.contains("hunter2"), "{first}");
    assert!(!command_line(program).contains("hunter2"));
    // To join is left to itself, and may end after QEMU has begun.
    wait_for("the tap in its bridge", SOON, || network.ip("link show master bridge2").contains("tap2").then_some(()));

    let ended = run.ends(FIRMWARE);
    let heard = read(&server.stderr);
    let story = format!("{ended:#?}\n{heard}");
    assert_eq!(ended.code, Some(0), "{story}");
    // A host with fewer processors than the machine is warned of it, once; nothing else is said.
    let before = ended.stderr.strip_suffix("vmrun: the guest rebooted; starting it again\n");
    let before = before.unwrap_or_else(|| panic!("no reboot: {story}"));
    let warned = before.starts_with("warning: 4 vCPUs share the ")
        && before.ends_with("= hint: they will wait for each other\n");
    assert!(before.is_empty() || (warned && before.matches("warning:").count() == 1), "{story}");
    assert!(!before.contains("error"), "{story}");
    let chained = ended.stdout.find("this is the script of report1").unwrap_or_else(|| panic!("no script: {story}"));
    let installed = ended.stdout.find("installed").unwrap_or_else(|| panic!("not installed: {story}"));
    assert!(chained < installed, "{story}");
    assert!(!story.contains("hunter2"), "{story}");

    let acknowledged = heard.lines().any(|line| line.contains("DHCPACK") && line.ends_with("report1"));
    assert!(acknowledged, "{story}");
    let sent = format!("sent {}", world.path("tftp/chainload/report1.ipxe").display());
    assert!(heard.contains(&sent), "{story}");

    assert_eq!(fs::metadata(&disk).unwrap().len(), 50 << 30);
    let links = network.ip("-oneline link show");
    assert!(links.contains("bridge2") && !links.contains("tap2"), "{links}");
    assert_eq!(network.ip("link show master bridge2"), "");
    assert_eq!(qemus_of(program), Vec::<u32>::new());
    world.is_clean();
}

#[test]
fn the_demo_prints_the_address_that_it_got() {
    need(&["qemu-system-x86_64"]);
    need_firmware();
    let world = World::new();
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/demo.rhai");
    let image = format!("image={}", world.path("demo.img").display());
    let args = [recipe, "--init", "--set", &image];
    let ended = world.start("demo", world.vmrun().args(args).stdin(Stdio::null())).ends(FIRMWARE);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    assert!(ended.stdout.contains("vmrun demo: this guest has the address 10.0.2.15"), "{}", ended.stdout);
    world.is_clean();
}

#[test]
fn other_programs_read_the_image_and_find_nothing_wrong_with_it() {
    need(&["sgdisk", "fsck.fat", "mtype"]);
    let world = World::new();
    let script = "#!ipxe\necho for other readers\npoweroff\n";
    let image = world.ipxe("one.img", script);
    let checked = tool("sgdisk", &["-v", utf8(&image)]);
    assert!(checked.contains("No problems found"), "{checked}");

    let bytes = fs::read(&image).unwrap();
    let partition = world.write("partition.img", &bytes[40 * 512..]);
    tool("fsck.fat", &["-n", utf8(&partition)]);
    assert_eq!(tool("mtype", &["-i", utf8(&partition), "::/autoexec.ipxe"]), script);

    let again = fs::read(world.ipxe("two.img", script)).unwrap();
    assert!(again == bytes, "the same twice is the same bytes");
}

/// In a mount namespace of its own, with a disk of half a mebibyte in memory.
#[test]
fn an_image_that_does_not_fit_on_the_disk_leaves_nothing_behind() {
    need(&["unshare", "mount"]);
    let folder = tempfile::tempdir().unwrap();
    let here = utf8(folder.path());
    let command = format!(
        "mount -t tmpfs -o size=512k tmpfs {here} && {} image ipxe {here}/boot.img; echo $?; ls -A {here}",
        env!("CARGO_BIN_EXE_vmrun")
    );
    need_firmware();
    let output = std::process::Command::new("unshare").args(["-m", "sh", "-c", &command]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "3\n");
    let said = format!(
        "error: cannot write {here}/boot.img: No space left on device\n |\n = hint: make room there: `df -h {here}` shows how much is left\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), said);
}

/// Whether a machine of this world runs under a QEMU that nobody has ended.
fn qemus_in(world: &World) -> Vec<u32> {
    let folder = format!("{}/", world.path("state").display());
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| command_line(*pid).contains(&folder) && command_line(*pid).starts_with("qemu")).collect()
}

/// A program that stands before the real one, and kills who called it before or after a call of the number.
fn killer(world: &World, program: &str, when: &str, number: usize) {
    let real = tool("sh", &["-c", &format!("command -v {program}")]);
    let count = world.path("count");
    let _ = fs::remove_file(&count);
    let kill = |at| if when == at { "[ $n != \"$K\" ] || kill -s KILL $PPID\n" } else { "" };
    // What is asked with -json changes nothing.
    let text = format!(
        "#!/bin/sh\nK={number}\ncase $* in -json*) exec {real} \"$@\" ;; esac\n\
         n=$(flock {count}.lock sh -c 'n=$(($(cat {count} 2>/dev/null || echo 0) + 1)); echo $n | tee {count}')\n\
         {}{} \"$@\"\nstatus=$?\n{}exit $status\n",
        kill("before"),
        real.trim(),
        kill("after"),
        count = count.display(),
        real = real.trim(),
    );
    let file = world.write(&format!("bin/{program}"), text);
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

/// report1's machine, with a disk that stands still so that the guest runs until it is ended.
#[test]
fn report1_that_is_killed_at_any_step_is_cleaned_up_after() {
    need(&["qemu-system-x86_64", "ip"]);
    need_firmware();
    let world = World::new();
    fs::create_dir(world.path("bin")).unwrap();
    let disk = world.ipxe("report1.img", "#!ipxe\nshell\n");
    let content = fs::read(&disk).unwrap();
    let chainload = world.ipxe("uefi-ipxe-chainload.img", "#!ipxe\nshell\n");
    let recipe = report1(&world, &disk, &chainload);
    let network = Network::new("killed");
    network.ip("link add bridge2 type bridge stp_state 0 forward_delay 0");
    network.ip("address add 192.168.2.5/24 dev bridge2");
    network.ip("link set bridge2 up");
    network.ip("tuntap add dev tap8 mode tap");
    network.ip("link set dev tap8 master bridge2 alias vmrun-is-not-mine");
    let path = format!("{}:{}", world.path("bin").display(), search_path());
    let vmrun = |args: &[&str]| {
        let mut command = network.inside("env");
        world.surroundings(&mut command).env("VMRUN_SECRET_VNC", "hunter2").stdin(Stdio::null());
        command.arg(format!("PATH={path}")).arg(env!("CARGO_BIN_EXE_vmrun")).args(args);
        command
    };
    let args = [utf8(&recipe), "--set", "memory=256M"];
    let (mut cases, mut killed) = (0, 0);
    for init in [true, false] {
        for (when, number) in (1..=3).flat_map(|number| [("before", number), ("after", number)]).chain([("never", 0)]) {
            killer(&world, "ip", when, number);
            let mut given: Vec<&str> = args.to_vec();
            given.extend(init.then_some("--init"));
            let mut run = world.start("report1", &mut vmrun(&given));
            if when == "never" {
                wait_for("the guest", SOON, || {
                    read(&world.path("state/.report1.lock")).contains(" + guest ").then_some(())
                });
                wait_for("its tap", SOON, || network.ip("link show dev tap2").contains("LOWER_UP").then_some(()));
                signal(run.child.id(), "KILL");
            }
            let status = wait_for("the end of the run", SOON, || run.child.try_wait().unwrap());
            killed += usize::from(std::os::unix::process::ExitStatusExt::signal(&status) == Some(9));
            let case = format!("{when} {number} {}", read(&world.path("report1.err")));
            killer(&world, "ip", "never", 0);
            let collected = world.start("gc", &mut vmrun(&["gc", "--stop-within", "0s"])).ends(SOON);
            assert_eq!((collected.code, collected.stderr.as_str()), (Some(0), ""), "{case}");
            let links = network.ip("-oneline link show");
            assert!(!links.contains("tap2") && links.contains("bridge2") && links.contains("tap8"), "{case}: {links}");
            assert!(network.ip("link show master bridge2").contains("tap8"), "{case}");
            assert_eq!(qemus_in(&world), Vec::<u32>::new(), "{case}");
            world.is_clean();
            let mut now = vec![0; content.len()];
            File::open(&disk).and_then(|mut file| file.read_exact(&mut now)).unwrap();
            assert!(now == content, "the disk: {case}");
            fs::OpenOptions::new().write(true).open(&disk).unwrap().set_len(content.len() as u64).unwrap();
            cases += 1;
        }
    }
    eprintln!("{cases} cases of report1 on a real bridge, {killed} of them killed");
    assert_eq!((cases, killed), (14, 14));
}

/// A machine that makes its own bridge and its own cable.
#[test]
fn a_machine_with_its_own_network_that_is_killed_at_any_step_is_cleaned_up_after() {
    need(&["qemu-system-x86_64", "ip"]);
    let world = World::new();
    fs::create_dir(world.path("bin")).unwrap();
    let disk = world.disk('H');
    let text = format!(
        "let both = epair(\"epair0\");\nlet own = bridge(\"bridge82\", #{{ create: true, address: \"10.82.0.1/24\" }});\nown.add(both.a);\n\
         let nic = tap(\"tap2\");\nown.add(nic);\nbhyve(#{{ name: \"own\", memory: 64.MiB, slots: #{{ \"0\": hostbridge(), \
         \"4\": virtio_blk(\"{}\"), \"6\": virtio_net(nic), \"31\": lpc() }} }}).run();\n",
        disk.display()
    );
    let recipe = world.write("own.rhai", text);
    let network = Network::new("own");
    let before = network.ip("-oneline link show");
    let path = format!("{}:{}", world.path("bin").display(), search_path());
    let vmrun = |args: &[&str]| {
        let mut command = network.inside("env");
        world.surroundings(&mut command).stdin(Stdio::null());
        command.arg(format!("PATH={path}")).arg(env!("CARGO_BIN_EXE_vmrun")).args(args);
        command
    };
    let (mut cases, mut killed) = (0, 0);
    for (number, when) in (1..=10).flat_map(|number| [(number, "before"), (number, "after")]) {
        killer(&world, "ip", when, number);
        let mut run = world.start("own", &mut vmrun(&[utf8(&recipe)]));
        let status = wait_for("the end of the run", SOON, || run.child.try_wait().unwrap());
        killed += usize::from(std::os::unix::process::ExitStatusExt::signal(&status) == Some(9));
        let case = format!("{when} {number} {}", read(&world.path("own.err")));
        killer(&world, "ip", "never", 0);
        if number % 2 == 0 {
            // The next start takes over.
            let mut run = world.start("again", &mut vmrun(&[utf8(&recipe), "--stop-within", "0s"]));
            wait_for("the guest", SOON, || {
                assert_eq!(run.child.try_wait().unwrap(), None, "{case}: {}", read(&world.path("again.err")));
                qemus_of(run.child.id()).pop()
            });
            signal(run.child.id(), "TERM");
            assert_eq!(run.ends(SOON).code, Some(130), "{case}");
        } else {
            let collected = world.start("gc", &mut vmrun(&["gc", "--stop-within", "0s"])).ends(SOON);
            assert_eq!((collected.code, collected.stderr.as_str()), (Some(0), ""), "{case}");
        }
        assert_eq!(network.ip("-oneline link show"), before, "{case}");
        world.is_clean();
        cases += 1;
    }
    eprintln!("{cases} cases of a machine with a network of its own, {killed} of them killed");
    assert_eq!((cases, killed), (20, 20));
}

#[test]
fn the_demo_whose_vmrun_is_killed_is_ended_by_the_next_start() {
    need(&["qemu-system-x86_64"]);
    need_firmware();
    let world = World::new();
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/demo.rhai");
    let image = format!("image={}", world.path("demo.img").display());
    let mut run = world.start("killed", world.vmrun().args([recipe, "--init", "--set", &image]).stdin(Stdio::null()));
    wait_for("the guest", SOON, || read(&world.path("state/.demo.lock")).contains(" + guest ").then_some(()));
    let left = run.qemu();
    let vars = fs::metadata(world.path("state/demo/vars.fd")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&vars.permissions()) & 0o777,
        0o600,
        "the firmware's variables are the guest's own"
    );
    signal(run.child.id(), "KILL");
    wait_for("the end of the run", SOON, || run.child.try_wait().unwrap());
    assert_eq!(qemus_in(&world), [left]);
    let args = [recipe, "--stop-within", "0s", "--set", &image];
    let ended = world.start("demo", world.vmrun().args(args).stdin(Stdio::null())).ends(FIRMWARE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("vmrun: demo was left by vmrun "), "{}", ended.stderr);
    assert!(
        ended.stderr.contains(&format!("; giving back what it took\nvmrun: kill {left}\nvmrun: rm -rf ")),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.contains("vmrun demo: this guest has the address 10.0.2.15"), "{}", ended.stdout);
    assert_eq!(qemus_in(&world), Vec::<u32>::new());
    world.is_clean();
}

/// Up to where its guest runs, and where what it took is given back.
#[test]
fn the_demo_that_is_killed_at_any_system_call_leaves_nothing() {
    need(&["qemu-system-x86_64", "strace"]);
    need_firmware();
    let world = World::new();
    let image = format!("image={}", world.path("demo.img").display());
    let strace = |args: &[&str]| {
        let mut command = Command::new("strace");
        command.args(["-qq", "-s", "400", "-o"]).arg(world.path("trace")).args(THREADS).args(args);
        command.arg(env!("CARGO_BIN_EXE_vmrun"));
        let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/demo.rhai");
        command.args([recipe, "--init", "--set", &image]).stdin(Stdio::null());
        world.surroundings(&mut command);
        world.start("demo", &mut command).ends(FIRMWARE)
    };
    assert_eq!(strace(&["-e", &format!("trace={CALLS}")]).code, Some(0), "{}", read(&world.path("demo.err")));
    world.is_clean();
    let whole = fs::read(world.path("demo.img")).unwrap();
    let trace = read(&world.path("trace"));
    let (mut numbers, mut strikes) = (std::collections::BTreeMap::new(), Vec::new());
    let calls = traced(&trace);
    let runs = calls.iter().position(|line| line.contains("+ guest ")).unwrap();
    for (at, line) in calls.iter().enumerate() {
        let call = line.split('(').next().unwrap_or_default();
        let number: &mut usize = numbers.entry(call).or_default();
        *number += 1;
        // What comes in between depends on how long the guest takes.
        if at <= runs || at + 2 >= calls.len() {
            strikes.push((call, *number));
        }
    }
    for (call, number) in &strikes {
        strace(&["-e", &format!("inject={call}:signal=SIGKILL:when={number}")]);
        let case = format!("killed at {call} {number}");
        let collected = world.start("gc", world.vmrun().args(["gc", "--stop-within", "0s"])).ends(SOON);
        assert_eq!((collected.code, collected.stderr.as_str()), (Some(0), ""), "{case}");
        assert_eq!(qemus_in(&world), Vec::<u32>::new(), "{case}");
        world.is_clean();
        let names: Vec<_> =
            fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{case}: {names:?}");
        assert!(fs::read(world.path("demo.img")).unwrap() == whole, "{case}: half an image");
    }
    eprintln!("{} cases of the demo killed at a system call", strikes.len());
    assert!(strikes.len() > 10, "{strikes:?}");
}

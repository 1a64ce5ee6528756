//! How long vmrun takes to start a machine, beside the ksh script that it stands in for, and how much memory it keeps.
//!
//! Both run against the same small programs named bhyve, bhyvectl and ifconfig, in turns, so that what is compared is what
//! vmrun and the shell do themselves. Both make the disks: vmrun by itself, the script by the system's truncate(1). Nothing is
//! asserted: times belong to the machine, ratios travel.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");
const RECIPE: &str = include_str!("../recipes/install.rhai");
const SCRIPT: &str = include_str!("vm.ksh");
const RUNS: usize = 41;

const IFCONFIG: &str = r"#!/bin/sh
[ $# -gt 0 ] || printf 'bridge2: flags=8843<UP>\n\tinet 192.168.2.5 netmask 0xffffff00\n\tgroups: bridge\n'
";

/// A folder with everything that the runs touch; it goes away at the end.
struct World {
    folder: PathBuf,
    path: String,
}

impl World {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("vmrun-bench.{}", std::process::id()));
        let world = Self { path: format!("{}/bin:{}", folder.display(), std::env::var("PATH").unwrap()), folder };
        for name in ["bin", "vm", "iso", "state", "config"] {
            fs::create_dir_all(world.file(name)).unwrap();
        }
        for name in ["iso/miniroot74.img", "code.fd"] {
            fs::write(world.file(name), vec![0; 1 << 20]).unwrap();
        }
        let at = world.folder.display();
        let recipe = RECIPE
            .replace("\"/vm/", &format!("\"{at}/vm/"))
            .replace("\"/iso/", &format!("\"{at}/iso/"))
            .replace("uefi()", &format!("bootrom(\"{at}/code.fd\")"));
        let script = SCRIPT
            .replace("/iso/", &format!("{at}/iso/"))
            .replace("/usr/local/share/uefi-firmware/BHYVE_UEFI_CODE.fd", &format!("{at}/code.fd"));
        fs::write(world.file("install.rhai"), recipe).unwrap();
        fs::write(world.file("vm.ksh"), script).unwrap();
        let truth = ["/bin/true", "/usr/bin/true"].iter().find(|file| Path::new(file).exists()).unwrap();
        symlink(truth, world.file("bin/bhyvectl")).unwrap();
        // A host that is ready, as FreeBSD 15 says it: nothing more has to be asked.
        fs::create_dir_all(world.file("dev/vmm")).unwrap();
        ["dev/vmmctl", "dev/mem"].iter().for_each(|name| fs::write(world.file(name), "").unwrap());
        world.program("ifconfig", IFCONFIG);
        world.guest("exit 1");
        world
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn program(&self, name: &str, text: &str) {
        let file = self.file("bin").join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What bhyve does.
    fn guest(&self, does: &str) {
        self.program("bhyve", &format!("#!/bin/sh\n{does}\n"));
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("PATH", &self.path).env("VMDIR", self.file("vm")).env("VMRUN_PLATFORM", "freebsd");
        command.env("VMRUN_VMM_DIR", self.file("dev/vmm"));
        command.env("VMRUN_STATE_DIR", self.file("state")).env("VMRUN_CONFIG", self.file("config"));
        command.env("VMRUN_SECRET_VNC", "secret").current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs a command to its end from a world without disks, and returns how long it took.
    fn time(&self, program: &str, args: &[&str]) -> Duration {
        for disk in ["vm/install.img", "vm/install-data.img"] {
            let _ = fs::remove_file(self.file(disk));
        }
        let mut command = self.command(program, args);
        let begin = Instant::now();
        let status = command.status().unwrap();
        let took = begin.elapsed();
        if program == VMRUN && !status.success() {
            // Its time would mean nothing.
            let _ = self.command(program, args).stderr(Stdio::inherit()).status();
            panic!("vmrun {args:?} ended with {status}");
        }
        took
    }

    /// Runs a command to its end from a world without disks, and returns how long it took until its guest ran: what comes behind that
    /// no guest waits for.
    /// Nothing where the system's date(1) does not tell nanoseconds.
    fn time_to_guest(&self, program: &str, args: &[&str]) -> Option<Duration> {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.time(program, args);
        let at = fs::read_to_string(self.file("began")).unwrap();
        Some(Duration::from_nanos(at.trim().parse().ok()?).saturating_sub(began))
    }

    /// Returns the most memory that a run of the recipe had while its guest ran.
    fn peak(&self) -> Option<u64> {
        self.guest("sleep 0.3; exit 1");
        let mut child = self.command(VMRUN, &["install.rhai", "--init"]).spawn().unwrap();
        let mut peak = None;
        while child.try_wait().unwrap().is_none() {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
            peak = peak.max(kib);
            std::thread::sleep(Duration::from_millis(20));
        }
        peak
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn is_there(program: &str) -> bool {
    std::env::var("PATH").unwrap().split(':').any(|folder| Path::new(folder).join(program).exists())
}

fn main() {
    let world = World::new();

    let run = ["install.rhai", "--init"];
    if is_there("mksh") {
        let script = ["vm.ksh", "install", "-i"];
        world.time(VMRUN, &run);
        world.time("mksh", &script);
        let (ours, shells): (Vec<_>, Vec<_>) =
            (0..RUNS).map(|_| (world.time(VMRUN, &run), world.time("mksh", &script))).unzip();
        let (ours, shells) = (median(ours), median(shells));
        println!(
            "start      vmrun {ours:.2} ms, mksh {shells:.2} ms: ratio {:.2} (goal 0.4, at most 0.6)",
            ours / shells
        );
    } else {
        let ours = median((0..RUNS).map(|_| world.time(VMRUN, &run)).collect());
        println!("start      vmrun {ours:.2} ms; no mksh to compare it with");
    }

    world.guest(&format!("date +%s%N >{}; exit 1", world.file("began").display()));
    match (0..RUNS).map(|_| world.time_to_guest(VMRUN, &run)).collect() {
        Some(ours) => println!("to guest   {:.2} ms from the command to a guest that runs", median(ours)),
        None => println!("to guest   not measured: date(1) tells no nanoseconds here"),
    }
    world.guest("exit 1");

    let plan = median((0..RUNS).map(|_| world.time(VMRUN, &["plan", "install.rhai", "--init"])).collect());
    println!("plan       {plan:.2} ms");

    match world.peak() {
        Some(kib) => println!("memory     {kib} KiB at most, while the guest runs"),
        None => println!("memory     not measured: no /proc here"),
    }
    println!("program    {} KiB", fs::metadata(VMRUN).unwrap().len() / 1024);
}

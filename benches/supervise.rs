//! Two hundred supervised guests at once: how long they take to start and to stop, how much memory each supervisor keeps, and
//! how much of a processor all of them use while their guests are idle; and how long it takes to hear whether one runs.
//!
//! The guests are stubs: what is measured is what vmrun itself needs.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

const GUESTS: usize = 200;

/// How long idle supervisors are looked at.
const IDLE: Duration = Duration::from_secs(10);

/// The clock ticks of a second of processor time (proc(5)).
const TICKS: f64 = 100.0;

struct World(PathBuf);

impl World {
    fn new() -> Self {
        let world = Self(std::env::temp_dir().join(format!("vmrun-supervise.{}", std::process::id())));
        for name in ["bin", "state", "config"] {
            fs::create_dir_all(world.0.join(name)).unwrap();
        }
        fs::write(world.0.join("rom.fd"), [0; 4096]).unwrap();
        for (name, text) in [("bhyve", "exec sleep 86400"), ("bhyvectl", "exit 0"), ("ifconfig", "exit 0")] {
            let path = world.0.join("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        for number in 0..GUESTS {
            // Each tenth one starts after the one before it.
            let after = if number % 10 == 1 { format!("after(\"m{}\");\n", number - 1) } else { String::new() };
            let text = format!(
                "{after}restart(#{{ on: [\"reboot\", \"crash\"] }});\nbhyve(#{{ name: \"m{number}\", memory: 256.MiB, \
                 bootrom: bootrom(\"{}/rom.fd\"), slots: #{{ \"0\": hostbridge(), \"31\": lpc() }} }}).run();\n",
                world.0.display()
            );
            fs::write(world.0.join(format!("m{number}.rhai")), text).unwrap();
        }
        world
    }

    fn vmrun(&self, args: &[&str]) -> Duration {
        let begin = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vmrun"));
        let path = format!("{}/bin:{}", self.0.display(), std::env::var("PATH").unwrap());
        command.args(args).current_dir(&self.0).env("PATH", path).env("VMRUN_PLATFORM", "freebsd");
        command.env("VMRUN_STATE_DIR", self.0.join("state")).env("VMRUN_CONFIG", self.0.join("config"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        begin.elapsed()
    }

    fn supervisors(&self) -> Vec<u64> {
        let supervisor = |number| {
            let path = self.0.join(format!("state/m{number}/standing.json"));
            let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
            assert_eq!(value["state"], "running");
            value["supervisor"].as_u64().unwrap()
        };
        (0..GUESTS).map(supervisor).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A line of /proc/PID/status, in KiB.
fn kib(pid: u64, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn ticks(pid: u64) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// How often a command is timed whose median counts.
const RUNS: usize = 31;

/// The median of how long something takes, in milliseconds.
fn median(act: impl Fn() -> Duration) -> f64 {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| act()).collect();
    times.sort_unstable();
    times[RUNS / 2].as_secs_f64() * 1000.0
}

/// How long it takes to hear whether one machine of all runs.
fn look(world: &World) {
    let monitor = median(|| world.vmrun(&["monitor", "m7"]));
    let status = median(|| world.vmrun(&["status", "m7"]));
    let pidof = median(|| {
        let begin = Instant::now();
        assert!(Command::new("pidof").arg("sleep").output().unwrap().status.success());
        begin.elapsed()
    });
    println!(
        "whether one runs: vmrun monitor {monitor:.1} ms (at most 5); vmrun status {status:.1} ms; pidof, which knows neither a \
         name nor who looks after it, {pidof:.1} ms"
    );
}

fn main() {
    if !fs::exists("/proc/self/status").unwrap() {
        println!("this benchmark reads proc(5) of Linux");
        return;
    }
    let world = World::new();
    let names: Vec<String> = (0..GUESTS).map(|number| format!("m{number}")).collect();
    let mut args = vec!["start"];
    args.extend(names.iter().map(String::as_str));
    let started = world.vmrun(&args);
    println!("{GUESTS} guests: all run after {:.2} s", started.as_secs_f64());
    let pids = world.supervisors();
    let mut resident: Vec<u64> = pids.iter().map(|pid| kib(*pid, "VmRSS:")).collect();
    resident.sort_unstable();
    let own: u64 = pids.iter().map(|pid| kib(*pid, "RssAnon:")).sum::<u64>() / GUESTS as u64;
    let (middle, most) = (resident[GUESTS / 2], resident[GUESTS - 1]);
    println!("resident memory of a supervisor: {middle} KiB, at most {most} KiB; not shared: {own} KiB on average");
    look(&world);
    let sum = || pids.iter().map(|pid| ticks(*pid)).sum::<u64>();
    let before = sum();
    sleep(IDLE);
    #[allow(clippy::cast_precision_loss, reason = "a few ticks")]
    let used = (sum() - before) as f64 / TICKS / IDLE.as_secs_f64() * 100.0;
    println!("all supervisors, while their guests are idle: {used:.2} % of a processor");
    let stopped = world.vmrun(&["stop", "--all"]);
    println!("all are down after {:.2} s", stopped.as_secs_f64());
    // How machines were started last is known until the host is started anew.
    let names = fs::read_dir(world.0.join("state")).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| !name.to_string_lossy().ends_with(".last")).collect();
    assert!(left.is_empty(), "{left:?} is left");
}

//! How long the machines of many hosts take to be listed, found and checked, and how much memory that takes: 500 machines a host, of
//! five, ten and twenty hosts, and with one that is dead. Twice the hosts should take no more than twice the time.
//!
//! Each host tells by a file, as `vmrun list --json --out` writes it, so that what is measured is what vmrun does with it and no
//! network. Beside it is what one would run otherwise: jq(1) over the same files, where it is installed.
//!
//! The machines of these hosts are restarted, too, each after the one of the same number on the host before, by an ssh that is a script and
//! says at once that it is done: what is measured is what vmrun itself needs for it, with two programs for each machine. A host that dies
//! in the middle ends it, and the rest is gone on with.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a benchmark may stop with a panic")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use nix::sys::resource::{UsageWho, getrusage};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

const MACHINES: usize = 500;
const HOSTS: [usize; 3] = [5, 10, 20];
const RUNS: usize = 11;

struct World {
    folder: PathBuf,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: std::env::temp_dir().join(format!("vmrun-bench-hosts.{}", std::process::id())) };
        // What is older than five minutes is not believed, nor what is newer by as much: all that is read is read within nine of them.
        let now = UNIX_EPOCH.elapsed().unwrap().as_secs() + 240;
        for hosts in HOSTS {
            for host in 0..hosts {
                let machines: Vec<_> = (0..MACHINES).map(|number| machine(host, number)).collect();
                let text = serde_json::json!({
                    "version": "0.1.0", "host": format!("vm{host}"), "time": now, "machines": machines,
                });
                fs::create_dir_all(world.told(hosts)).unwrap();
                fs::write(world.told(hosts).join(format!("vm{host}.json")), format!("{text:#}\n")).unwrap();
            }
            fs::create_dir_all(world.recipes(hosts)).unwrap();
            for number in 0..hosts * MACHINES {
                fs::write(world.recipes(hosts).join(format!("web{number}.rhai")), recipe(number)).unwrap();
            }
        }
        world
    }

    /// Has an ssh that answers for all hosts.
    fn with_ssh(&self) {
        let folder = self.folder.display();
        let script = format!(
            "#!/bin/sh\nwhile [ \"$1\" != -- ]; do shift; done\nhost=$2; shift 3\ncase \"$1 $2\" in\n\
             'list --json') exec cat {folder}/fleet/$host.json;;\n'restart --dry-run') exec cat {folder}/fleet/$host.after;;\nesac\n\
             [ ! -e {folder}/fleet/dead-$host ] || exit 255\n"
        );
        fs::create_dir_all(self.folder.join("bin")).unwrap();
        fs::create_dir_all(self.folder.join("fleet")).unwrap();
        let ssh = self.folder.join("bin/ssh");
        fs::write(&ssh, script).unwrap();
        fs::set_permissions(ssh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        for host in 0..HOSTS[HOSTS.len() - 1] {
            fs::copy(self.told(20).join(format!("vm{host}.json")), self.folder.join(format!("fleet/vm{host}.json")))
                .unwrap();
            let of = |number: usize| {
                let at = host * MACHINES + number;
                let after: Vec<String> = at.checked_sub(MACHINES).map(|at| format!("web{at}")).into_iter().collect();
                serde_json::json!({ "name": format!("web{at}"), "after": after })
            };
            let text = serde_json::json!({ "machines": (0..MACHINES).map(of).collect::<Vec<_>>() });
            fs::write(self.folder.join(format!("fleet/vm{host}.after")), text.to_string()).unwrap();
        }
    }

    /// Runs one command, which has to end with that status, and returns how long that took and what it said last.
    fn once(&self, args: &[String], status: i32) -> (Duration, String) {
        let begin = Instant::now();
        let output = self.run(env!("CARGO_BIN_EXE_vmrun"), args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = said.lines().last().unwrap_or_default().to_string();
        assert_eq!(output.status.code(), Some(status), "{args:?}: {last}");
        (begin.elapsed(), last)
    }

    fn told(&self, hosts: usize) -> PathBuf {
        self.folder.join(format!("told{hosts}"))
    }

    fn recipes(&self, hosts: usize) -> PathBuf {
        self.folder.join(format!("recipes{hosts}"))
    }

    fn run(&self, program: &str, args: &[String]) -> Output {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.folder).env("VMRUN_PLATFORM", "linux");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.folder.join("bin").display()));
        command.env("VMRUN_STATE_DIR", self.folder.join("state")).env("VMRUN_CONFIG", self.folder.join("config"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The median of the times that a command takes; its output has to have so many lines at least.
    fn median(&self, runs: usize, args: &[String], lines: usize) -> Duration {
        let time = |_| {
            let begin = Instant::now();
            let output = self.run(env!("CARGO_BIN_EXE_vmrun"), args);
            let took = begin.elapsed();
            let found = String::from_utf8_lossy(&output.stdout).lines().count();
            assert!(found >= lines, "{args:?}: {found} lines: {}", String::from_utf8_lossy(&output.stderr));
            took
        };
        let mut times: Vec<Duration> = (0..runs).map(time).collect();
        times.sort();
        times[runs / 2]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn machine(host: usize, number: usize) -> serde_json::Value {
    let name = format!("web{}", host * MACHINES + number);
    serde_json::json!({
        "name": name, "state": "running", "hypervisor": "bhyve", "pid": 1000 + number, "supervisor": 5000 + number, "uptime": 93_784,
        "since": 1, "until": null, "cpus": 2, "memory": 1_u64 << 30, "resident": 1_u64 << 29, "cpu": 12.5, "vnc": null,
        "disks": [format!("/vm/{name}.img")], "taps": [format!("tap{number}")], "macs": [], "address": "10.0.0.5",
        "address_from": "leases", "ssh": null, "boots": 1, "restarts": 0, "recipe": format!("/vm/{name}.rhai"),
        "recipe_digest": format!("{number:064x}"), "instance": null, "log": null, "error": null, "permit": null,
    })
}

fn recipe(number: usize) -> String {
    let (a, b) = (number / 250, number % 250);
    format!(
        "let disk = \"/vm/web{number}.img\";\nif init {{ truncate(disk, 20.GiB); }}\nbhyve(#{{\n    name: \"web{number}\", memory: 1.GiB, \
         slots: #{{\n        \"4\": virtio_blk(disk), \"6\": virtio_net(tap(\"tap{number}\"), #{{ mac: \"58:9c:fc:00:{a:02x}:{b:02x}\" }}),\n        \
         \"31\": lpc(),\n    }},\n}}).run();\n"
    )
}

/// The most memory that a command had until now, in MiB: it only grows, so what takes less is asked first.
fn peak() -> i64 {
    let unit = if cfg!(target_os = "macos") { 1 << 20 } else { 1 << 10 };
    getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss() / unit
}

fn words(all: &[&str], paths: &[&Path]) -> Vec<String> {
    all.iter().map(ToString::to_string).chain(paths.iter().map(|path| path.display().to_string())).collect()
}

fn main() {
    let world = World::new();
    let mut before: Option<(Duration, Duration)> = None;
    for hosts in HOSTS {
        let file = format!("file://{}", world.told(hosts).display());
        let all = hosts * MACHINES;
        let list = world.median(RUNS, &words(&["list", "--hosts", &file], &[]), all);
        let found = world.median(RUNS, &words(&["find", "web7", "--hosts", &file], &[]), 1);
        let memory = peak();
        println!(
            "list       {hosts:2} hosts, {all:5} machines: {:.1} ms, {memory} MiB; find of one {:.1} ms",
            ms(list),
            ms(found)
        );
        if let Some((list_before, found_before)) = before {
            println!(
                "growth     twice the hosts: list {:.2}, find {:.2} (goal 2.0)",
                ratio(list, list_before),
                ratio(found, found_before)
            );
        }
        before = Some((list, found));
    }
    let file = format!("file://{}", world.told(20).display());
    let dead = format!("{file},ssh://no-such-host.invalid");
    let list = world.median(RUNS, &words(&["list", "--hosts", &dead], &[]), 20 * MACHINES);
    println!("dead host  beside 20: {:.1} ms", ms(list));
    let jq = ".machines[] | [.name, .state, .uptime, .cpus, .memory, .cpu, .address, .restarts, .recipe] | @tsv";
    let files: Vec<PathBuf> = (0..20).map(|host| world.told(20).join(format!("vm{host}.json"))).collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    if Command::new("jq").arg("--version").output().is_ok() {
        let begin = Instant::now();
        world.run("jq", &words(&["-r", jq], &paths));
        println!("jq         of the same 20 files: {:.1} ms", ms(begin.elapsed()));
    } else {
        println!("jq         is not installed: not compared");
    }
    restarts(&world);
    let mut checked: Option<Duration> = None;
    for hosts in HOSTS {
        let took = world.median(1, &words(&["check"], &[&world.recipes(hosts)]), 0);
        println!("check      {:5} recipes: {:.2} s, {} MiB", hosts * MACHINES, took.as_secs_f64(), peak());
        if let Some(before) = checked {
            println!("growth     twice the recipes: {:.2} (goal 2.0)", ratio(took, before));
        }
        checked = Some(took);
    }
}

/// The machines of all hosts are restarted.
fn restarts(world: &World) {
    world.with_ssh();
    let mut before: Option<(Duration, Duration)> = None;
    for hosts in HOSTS {
        let all = (0..hosts).map(|host| format!("ssh://vm{host}")).collect::<Vec<_>>().join(",");
        let asked = ["restart", "--hosts", &all, "--answer-within", "60s"];
        let (planned, said) = world.once(&words(&[&asked[..], &["--dry-run"]].concat(), &[]), 0);
        assert!(said.contains(&format!("restarting {} machines", hosts * MACHINES)), "{said}");
        let (took, said) = world.once(&words(&[&asked[..], &["--at-once", "8"]].concat(), &[]), 0);
        assert!(said.contains(&format!("{} machines were restarted", hosts * MACHINES)), "{said}");
        let each = ms(took) / f64::from(u32::try_from(hosts * MACHINES).unwrap());
        println!(
            "restart    {hosts:2} hosts, {:5} machines: rehearsed and set in order {:.1} ms; restarted 8 at once {:.2} s, {each:.2} ms each; {} MiB",
            hosts * MACHINES,
            ms(planned),
            took.as_secs_f64(),
            peak()
        );
        if let Some((planned_before, took_before)) = before {
            println!(
                "growth     twice the hosts: rehearsed {:.2}, restarted {:.2} (goal 2.0)",
                ratio(planned, planned_before),
                ratio(took, took_before)
            );
        }
        before = Some((planned, took));
        if hosts == HOSTS[0] {
            fs::write(world.folder.join("fleet/dead-vm2"), "").unwrap();
            world.once(&words(&asked, &[]), 3);
            fs::remove_file(world.folder.join("fleet/dead-vm2")).unwrap();
            let (took, said) = world.once(&words(&["restart", "--resume", "--answer-within", "60s"], &[]), 0);
            println!("dead host  the third of 5, then gone on with: {:.2} s; {said}", took.as_secs_f64());
        }
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

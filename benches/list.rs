//! How long a list of a thousand machines takes, beside what one would run otherwise: ps and awk once for all, and once for each
//! machine, as a script does that knows their names.
//!
//! Guests and supervisors are processes that do nothing, with the names and arguments of real ones, each with what a supervisor
//! would have written.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MACHINES: usize = 1000;
const RUNS: usize = 11;

/// How many machines the script is timed for that asks for each of them: for all it takes too long.
const SOME: usize = 4;

struct World {
    folder: PathBuf,
    processes: Vec<Child>,
    locks: Vec<File>,
}

impl World {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("vmrun-bench-list.{}", std::process::id()));
        let mut world = Self { folder, processes: Vec::new(), locks: Vec::new() };
        for number in 0..MACHINES {
            let state = world.folder.join(format!("state/vm{number}"));
            fs::create_dir_all(&state).unwrap();
            let mut guest = Command::new("/proc/self/exe");
            guest.arg0("qemu-system-x86_64").args(["-name", &format!("vm{number},debug-threads=on")]);
            guest
                .args(["-smp", "2", "-m", "512M", "-nodefaults", "-display", "none", "-D"])
                .arg(state.join("reset.log"));
            guest.arg("-drive").arg(format!("if=none,id=disk-4.0,format=raw,file=/vm/{number}.img,discard=unmap"));
            guest.args(["-netdev", &format!("tap,id=net-6.0,ifname=tap{number},script=no,downscript=no")]);
            let mut supervisor = Command::new("/proc/self/exe");
            supervisor.arg0("/usr/local/bin/vmrun").args(["supervise", "-name", "vm"]);
            let [guest, supervisor] =
                [guest, supervisor].map(|mut it| it.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
            let status = serde_json::json!({
                "name": format!("vm{number}"), "state": "running", "supervisor": supervisor.id(), "guest": guest.id(),
                "since": 1, "boots": 1, "restarts": 0, "recipe": format!("/vm/{number}.rhai"), "init": false, "params": {},
                "user_net": false, "stop_within_ms": 60_000, "after": [], "log": format!("/var/log/vmrun/vm{number}.log"),
                "error": null, "until": null, "cpus": 2, "memory": 512 << 20, "vnc": null,
                "disks": [format!("/vm/{number}.img")], "taps": [format!("tap{number}")],
            });
            fs::write(state.join("standing.json"), status.to_string()).unwrap();
            let lock = File::create(world.folder.join(format!("state/.vm{number}.lock"))).unwrap();
            lock.lock().unwrap();
            world.locks.push(lock);
            world.processes.extend([guest, supervisor]);
        }
        world
    }

    fn vmrun(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.folder).env("VMRUN_PLATFORM", "linux");
        command.env("VMRUN_STATE_DIR", self.folder.join("state")).env("VMRUN_CONFIG", self.folder.join("config"));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn said(&self, args: &[&str]) -> String {
        let output = self.vmrun(env!("CARGO_BIN_EXE_vmrun"), args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// How long a command takes, the median of its runs; it has to print so many lines.
    fn median(&self, program: &str, args: &[&str], lines: usize) -> Duration {
        let one = |_| {
            let mut command = self.vmrun(program, args);
            let begin = Instant::now();
            let output = command.output().unwrap();
            let time = begin.elapsed();
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said.lines().count(), lines, "{program} {args:?}: {said}");
            time
        };
        let mut times: Vec<Duration> = (0..RUNS).map(one).collect();
        times.sort();
        times[RUNS / 2]
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for guest in &mut self.processes {
            let _ = guest.kill();
            let _ = guest.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn main() {
    if std::env::args().any(|arg| arg == "-name") {
        // A guest or a supervisor; it ends with who has started it.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    if !fs::exists("/proc/self/stat").unwrap() {
        println!("this benchmark reads proc(5) of Linux");
        return;
    }
    let world = World::new();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let list = world.median(env!("CARGO_BIN_EXE_vmrun"), &["list"], MACHINES + 1);
    let first = world.said(&["list"]);
    assert!(first.lines().nth(1).is_some_and(|line| line.contains(" running ")), "{first}");
    println!("list       {MACHINES} machines: {:.1} ms (at most 100)", ms(list));
    let once = "ps -axww -o pid=,etimes=,%cpu=,rss=,args= | awk '/qemu-system/ && !/awk/ { for (i = 5; i < NF; i++) if \
        ($i == \"-name\") print $1, $2, $3, $4, $(i + 1) }'";
    let once = world.median("sh", &["-c", once], MACHINES);
    println!(
        "           ps and awk once, which know of no state: {:.1} ms, {:.1} times as long",
        ms(once),
        ms(once) / ms(list)
    );
    let each = format!(
        "i=0; while [ $i -lt {SOME} ]; do ps -axww -o pid=,etimes=,%cpu=,args= | awk -v name=\"vm$i,\" \
         '/qemu-system/ && !/awk/ && index($0, \"-name \" name) {{ print $1, $2, $3 }}'; i=$((i + 1)); done"
    );
    let each = world.median("sh", &["-c", &each], SOME) * u32::try_from(MACHINES / SOME).unwrap();
    println!("           for each machine once: {:.1} s, {:.0} times as long", each.as_secs_f64(), ms(each) / ms(list));
}

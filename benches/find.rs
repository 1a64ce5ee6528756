//! How long vmrun takes to find machines on many hosts, and one machine beside the shell loop with nc(1) that it stands in for.
//!
//! The hosts are addresses in a network namespace of the benchmark's own: ten of them answer, ten are silent.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");
const MACHINES: u16 = 1000;
const HOSTS: u16 = 20;
const RUNS: usize = 5;

/// The address of a host, from 0; those in the upper half of them are silent.
fn host(number: u16) -> String {
    let last = if number < HOSTS / 2 { 10 + number } else { 64 + number };
    format!("10.89.1.{last}")
}

/// Two namespaces, one that asks and one with all the hosts, and a folder with the recipes.
struct World {
    folder: PathBuf,
    names: [String; 2],
    server: Option<Child>,
}

impl World {
    fn new() -> Self {
        let id = std::process::id();
        let folder = std::env::temp_dir().join(format!("vmrun-bench-find.{id}"));
        fs::create_dir_all(folder.join("recipes")).unwrap();
        let mut world = Self { folder, names: [format!("vmrun-ask-{id}"), format!("vmrun-hosts-{id}")], server: None };
        for name in &world.names {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        let [ask, hosts] = &world.names;
        ip(&["-n", ask, "link", "add", "em0", "type", "veth", "peer", "name", "em0", "netns", hosts]);
        ip(&["-n", ask, "address", "add", "10.89.1.1/24", "dev", "em0"]);
        (0..HOSTS)
            .for_each(|number| ip(&["-n", hosts, "address", "add", &format!("{}/24", host(number)), "dev", "em0"]));
        world.names.iter().for_each(|name| ip(&["-n", name, "link", "set", "em0", "up"]));
        // They hear everything and can answer nobody.
        ip(&["-n", hosts, "rule", "add", "from", "10.89.1.64/26", "blackhole"]);
        for number in 0..MACHINES {
            let console =
                format!("fbuf(#{{ tcp: `${{host_ip(\"10.89.1.0/24\")}}:{}`, w: 800, h: 600 }})", 5901 + number);
            let text = format!(
                "let nic = tap(\"tap{number}\");\nbridge(\"bridge2\").add(nic);\nbhyve(#{{\n    name: \"vm{number}\", cpus: 2, \
                 memory: 2.GiB, bootrom: uefi(),\n    slots: #{{\n        \"0\": hostbridge(),\n        \"4\": \
                 virtio_blk(\"/vm/{number}.img\"),\n        \"5\": virtio_net(nic),\n        \"29\": {console},\n        \
                 \"31\": lpc(),\n    }},\n}}).run();\n"
            );
            fs::write(world.folder.join(format!("recipes/vm{number}.rhai")), text).unwrap();
        }
        let all: Vec<String> = (0..HOSTS).rev().map(|number| format!("\"{}\"", host(number))).collect();
        let config = format!("hosts = [{}]\nrecipes = [\"recipes\"]\n", all.join(", "));
        fs::write(world.folder.join("config.toml"), config).unwrap();
        let myself = std::env::current_exe().unwrap();
        let mut server = world.inside(1, myself.to_str().unwrap());
        let server = server.arg("serve").stdout(Stdio::null()).spawn().unwrap();
        world.server = Some(server);
        world
    }

    fn inside(&self, number: usize, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.names[number], program]).current_dir(&self.folder);
        command.env("VMRUN_CONFIG", &self.folder).env("VMRUN_STATE_DIR", self.folder.join("state"));
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Returns how long a command takes, and what it says.
    fn time(&self, program: &str, args: &[&str]) -> (Duration, String) {
        let mut command = self.inside(0, program);
        let begin = Instant::now();
        let output = command.args(args).stdout(Stdio::piped()).output().unwrap();
        (begin.elapsed(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn median(&self, program: &str, args: &[&str], lines: usize) -> f64 {
        let one = |_| {
            let (time, said) = self.time(program, args);
            assert_eq!(said.lines().count(), lines, "{program} {args:?} said {said}");
            time
        };
        let mut times: Vec<Duration> = (0..RUNS).map(one).collect();
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn ip(args: &[&str]) {
    assert!(Command::new("ip").args(args).status().unwrap().success(), "ip {args:?}");
}

/// The consoles: every machine runs on one of the hosts that answer.
fn serve() {
    let bind = |number: u16| TcpListener::bind((host(number % (HOSTS / 2)), 5901 + number)).unwrap();
    let threads: Vec<_> = (0..MACHINES)
        .map(bind)
        .map(|listener| {
            let answer = move || {
                for stream in listener.incoming() {
                    let _ = stream.and_then(|mut stream| stream.write_all(b"RFB 003.008\n"));
                }
            };
            std::thread::Builder::new().stack_size(64 << 10).spawn(answer).unwrap()
        })
        .collect();
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

fn main() {
    if std::env::args().any(|arg| arg == "serve") {
        return serve();
    }
    let world = World::new();
    let begin = Instant::now();
    while world.time(VMRUN, &["find", "vm999"]).1.is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(30), "the consoles never came");
    }
    let all = world.median(VMRUN, &["find", "--all"], usize::from(MACHINES));
    println!(
        "find       {all:.0} ms for {MACHINES} machines on {HOSTS} hosts, half of them silent: {:.2} timeouts (at most 1.5)",
        all / 1000.0
    );
    if std::env::var("PATH").unwrap().split(':').any(|folder| Path::new(folder).join("nc").exists()) {
        let (silent, there) = (host(HOSTS - 1), host(0));
        let hosts = format!("{silent},{there}");
        let ours = world.median(VMRUN, &["find", "vm0", "--hosts", &hosts], 1);
        let script = format!("for host in {silent} {there}; do nc -w 1 -z $host 5901 && echo $host && exit; done");
        let loops = world.median("sh", &["-c", &script], 1);
        let times = loops / ours;
        println!("find one   vmrun {ours:.0} ms, nc {loops:.0} ms: {times:.1} times faster (at least 5)");
    } else {
        println!("find one   not compared: there is no nc here");
    }
}

//! What `vmrun ssh` and `vmrun exec` add to what they stand in for: to ssh(1) by a configuration that says the same, and to what Debian's
//! agent takes for the same command when it is asked without vmrun. In turns, so that both have the same host.
//!
//! The machine is a real one of QEMU's in which nothing boots; its guest's sshd and agent are this system's, which takes root.

#![allow(clippy::print_stdout, reason = "a benchmark's figures are its output")]
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to say")]
#![allow(clippy::disallowed_methods, reason = "it measures from outside, as a user would")]
#![allow(clippy::let_underscore_must_use, reason = "what it clears away may be gone")]
#![allow(missing_docs, reason = "there is nothing to call")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const VMRUN: &str = env!("CARGO_BIN_EXE_vmrun");
const RUNS: usize = 41;

/// What the agent is not to do to this system.
const REFUSED: &str =
    "guest-shutdown,guest-suspend-disk,guest-suspend-ram,guest-suspend-hybrid,guest-fsfreeze-freeze,guest-set-time";

/// A machine that runs, with the sshd and the agent of its guest.
struct World {
    folder: PathBuf,
    programs: Vec<Child>,
}

impl World {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("vmrun-bench-guest.{}", std::process::id()));
        for name in ["state", "config"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let mut world = Self { folder, programs: Vec::new() };
        for name in ["me", "web.key"] {
            world.does(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"])
                    .arg(world.path(name)),
            );
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let key = fs::read_to_string(world.path("web.key.pub")).unwrap();
        let ssh = format!(
            "user: \"root\", host_key: \"{}\", address: \"127.0.0.1\", port: {port}, identity: \"{}\"",
            key.trim(),
            world.path("me").display()
        );
        let recipe = format!(
            "bhyve(#{{ name: \"web\", memory: 32.MiB, agent: \"9\", ssh: #{{ {ssh} }}, slots: #{{ \"0\": hostbridge(), \"31\": lpc() }} \
             }}).run();\n"
        );
        fs::write(world.path("web.rhai"), recipe).unwrap();
        world.does(world.vmrun(&["start", "web.rhai"]));
        world.sshd(port);
        world.agent();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
        command.args(args).current_dir(&self.folder).env("PATH", path).stdin(Stdio::null());
        command.env("VMRUN_STATE_DIR", self.path("state")).env("VMRUN_CONFIG", self.path("config"));
        command
    }

    fn vmrun(&self, args: &[&str]) -> Command {
        self.command(VMRUN, args)
    }

    /// Runs a command to its end, which has to be a good one, and returns how long that took.
    fn does(&self, mut command: impl std::borrow::BorrowMut<Command>) -> Duration {
        let begin = Instant::now();
        let output = command.borrow_mut().output().unwrap();
        let took = begin.elapsed();
        assert!(output.status.success(), "{:?}: {}", command.borrow_mut(), String::from_utf8_lossy(&output.stderr));
        took
    }

    fn keeps(&mut self, mut command: Command) {
        self.programs.push(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    }

    fn sshd(&mut self, port: u16) {
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = self.command("/usr/sbin/sshd", &["-D", "-e", "-p", &port.to_string(), "-h"]);
        command.arg(self.path("web.key"));
        for option in ["ListenAddress=127.0.0.1", "StrictModes=no", "PidFile=none", "UsePAM=no", "PermitRootLogin=yes"]
        {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("AuthorizedKeysFile={}", self.path("me.pub").display()));
        self.keeps(command);
        until("sshd", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Puts an agent where the hypervisor listens, as which it is heard.
    fn agent(&mut self) {
        let socket = self.socket();
        until("the hypervisor's socket", || fs::remove_file(&socket).is_ok());
        let begin = [
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "qemu-ga",
            "-m",
            "unix-listen",
            "-b",
            REFUSED,
        ];
        let mut command = self.command("unshare", &begin);
        command.arg("-p").arg(&socket).arg("-t").arg(&self.folder).arg("-f").arg(self.path("qga.pid"));
        self.keeps(command);
        until("the agent's socket", || UnixStream::connect(&socket).is_ok());
    }

    fn socket(&self) -> PathBuf {
        self.path("state/web/agent.sock")
    }

    /// Has the agent itself run true(1), and returns how long its answers take.
    fn asks_agent(&self) -> Duration {
        let begin = Instant::now();
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let mut ask = |request: &str| -> serde_json::Value {
            stream.write_all(request.as_bytes()).unwrap();
            let mut line = Vec::new();
            answers.read_until(b'\n', &mut line).unwrap();
            serde_json::from_slice(line.strip_prefix(b"\xff").unwrap_or(&line)).unwrap()
        };
        ask("{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":7}}\n");
        let started = ask("{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"true\",\"capture-output\":true}}\n");
        let status =
            format!("{{\"execute\":\"guest-exec-status\",\"arguments\":{{\"pid\":{}}}}}\n", started["return"]["pid"]);
        while ask(&status)["return"]["exited"] != true {
            sleep(Duration::from_millis(1));
        }
        begin.elapsed()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.vmrun(&["kill", "web"]).output();
        for program in &mut self.programs {
            let _ = program.kill();
            let _ = program.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what} never came");
        sleep(Duration::from_millis(10));
    }
}

fn is_there(program: &str) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    path.split(':').any(|folder| Path::new(folder).join(program).exists())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    milliseconds(times[times.len() / 2])
}

/// Measures two ways in turns, and prints what ours adds to the other one: at the median of the pairs, and of each the least, which a
/// host that has other things to do makes no longer.
fn compare(name: &str, most: u32, other: (&str, &dyn Fn() -> Duration), ours: (&str, &dyn Fn() -> Duration)) {
    for _ in 0..2 {
        other.1();
        ours.1();
    }
    let (others, own): (Vec<_>, Vec<_>) = (0..RUNS).map(|_| (other.1(), ours.1())).unzip();
    let added = median(own.iter().zip(&others).map(|(own, other)| own.saturating_sub(*other)).collect());
    let least = |times: &[Duration]| milliseconds(*times.iter().min().unwrap());
    let (least_own, least_other) = (least(&own), least(&others));
    let (own, others) = (median(own), median(others));
    println!(
        "{name:10} {} {own:.2} ms, {} {others:.2} ms: ratio {:.2}, {added:.2} ms more in a pair (at most {most}); at best {least_own:.2} \
         and {least_other:.2} ms, {:.2} ms more",
        ours.0,
        other.0,
        own / others,
        least_own - least_other
    );
}

fn main() {
    let needed = ["qemu-system-x86_64", "qemu-ga", "unshare", "ssh", "sshd", "ssh-keygen"];
    if let Some(missing) = needed.iter().find(|program| !is_there(program)) {
        println!("ssh, exec  not measured: {missing} is not here");
        return;
    }
    let world = World::new();
    let config = world.vmrun(&["ssh-config", "web"]).output().unwrap();
    fs::write(world.path("ssh.conf"), &config.stdout).unwrap();
    let plain = || world.does(world.command("ssh", &["-F", "ssh.conf", "web", "true"]));
    compare("ssh", 20, ("ssh", &plain), ("vmrun ssh", &|| world.does(world.vmrun(&["ssh", "web", "--", "true"]))));
    let exec = || world.does(world.vmrun(&["exec", "web", "--", "true"]));
    compare("exec", 30, ("the agent", &|| world.asks_agent()), ("vmrun exec", &exec));
}

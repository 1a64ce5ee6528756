//! Which host runs a machine: three hosts in namespaces of the test, with consoles that are QEMU's.

use super::sandbox::{Done, Sandbox, same};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The namespaces: who asks, and the hosts `.2` to `.4` of its network.
const HOSTS: [&str; 4] = ["10.89.0.1", "10.89.0.2", "10.89.0.3", "10.89.0.4"];

/// A recipe whose console listens on its host's own address.
fn recipe(name: &str, port: u16) -> String {
    let console = format!("fbuf(#{{ tcp: `${{host_ip(\"10.89.0.0/24\")}}:{port}`, password: secret(\"vnc\") }})");
    format!("bhyve(#{{ name: \"{name}\", bootrom: uefi(), slots: #{{ \"29\": {console}, \"31\": lpc() }} }}).run();\n")
}

/// A network with hosts, each in a namespace; they go away with it.
struct Hosts(Vec<String>);

impl Hosts {
    fn new() -> Self {
        let names: Vec<String> =
            (0..HOSTS.len()).map(|number| format!("vmrun-find-{}-{number}", std::process::id())).collect();
        let hosts = Self(names);
        for name in &hosts.0 {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        ip(&["-n", &hosts.0[0], "link", "add", "bridge2", "type", "bridge"]);
        ip(&["-n", &hosts.0[0], "address", "add", "10.89.0.1/24", "dev", "bridge2"]);
        ip(&["-n", &hosts.0[0], "link", "set", "bridge2", "up"]);
        for (number, name) in hosts.0.iter().enumerate().skip(1) {
            let port = format!("port{number}");
            ip(&["-n", &hosts.0[0], "link", "add", &port, "type", "veth", "peer", "name", "em0", "netns", name]);
            ip(&["-n", &hosts.0[0], "link", "set", &port, "master", "bridge2", "up"]);
            ip(&["-n", name, "address", "add", &format!("{}/24", HOSTS[number]), "dev", "em0"]);
            ip(&["-n", name, "link", "set", "em0", "up"]);
        }
        // The last one hears everything and can answer nobody.
        ip(&["-n", &hosts.0[3], "route", "add", "blackhole", "10.89.0.1/32"]);
        hosts
    }

    fn inside(&self, number: usize, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.env_clear().args(["netns", "exec", &self.0[number]]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                inside.env(name, value);
            }
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        inside
    }

    /// A console on a host, without a guest behind it.
    fn console(&self, number: usize, port: u16) -> Console {
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-machine", "none", "-nodefaults", "-S", "-display", "none", "-vnc"]);
        qemu.arg(format!("{}:{}", HOSTS[number], port - 5900)).env("PATH", std::env::var("PATH").unwrap());
        let mut inside = self.inside(number, &qemu);
        Console(inside.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in &self.0 {
            let _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

struct Console(Child);

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ip(args: &[&str]) {
    let output = Command::new("ip").args(args).output().unwrap_or_else(|why| panic!("this test needs ip: {why}"));
    assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Asks until a console is up; the last answer counts.
fn until(deadline: Duration, ask: impl Fn() -> Done, holds: impl Fn(&Done) -> bool) -> Done {
    let begin = Instant::now();
    loop {
        let done = ask();
        if holds(&done) || begin.elapsed() > deadline {
            return done;
        }
    }
}

#[test]
fn a_machine_is_found_by_its_console_and_one_that_runs_twice_is_an_alarm() {
    let hosts = Hosts::new();
    let sandbox = Sandbox::new();
    sandbox.write(
        "config/config.toml",
        "hosts = [\"10.89.0.2\", \"10.89.0.3\", \"10.89.0.4\"]\nrecipes = [\"recipes\"]\n",
    );
    std::fs::create_dir(sandbox.path("recipes")).unwrap();
    sandbox.write("recipes/install.rhai", &recipe("install", 5901));
    sandbox.write("recipes/report1.rhai", &recipe("report1", 5902));
    let vmrun = |args: &[&str]| sandbox.finish(&mut hosts.inside(0, &sandbox.command(args)));
    let silent = "vmrun: 10.89.0.4 did not answer\n";

    let first = hosts.console(1, 5902);
    let found =
        until(Duration::from_secs(20), || vmrun(&["find", "report1", "--answer-within", "500ms"]), |it| it.code == 0);
    assert_eq!((found.code, found.stdout.as_str()), (0, "report1\t10.89.0.2\t10.89.0.2:5902\n"));
    assert_eq!(found.stderr, silent);

    let both = vmrun(&["find", "recipes/report1.rhai", "install", "--answer-within", "500ms"]);
    assert_eq!((both.code, both.stdout.as_str()), (4, "report1\t10.89.0.2\t10.89.0.2:5902\n"));
    let nowhere = "error: install runs on none of these hosts: 10.89.0.2, 10.89.0.3 and 10.89.0.4";
    same(&both.stderr, &format!("{silent}{nowhere}"));

    let second = hosts.console(2, 5902);
    let ask = || vmrun(&["find", "--all", "--json", "--answer-within", "500ms"]);
    let twice = until(Duration::from_secs(20), ask, |it| it.code == 4);
    same(
        &twice.stderr,
        &format!(
            "{silent}error: report1 runs on 2 hosts: 10.89.0.2 and 10.89.0.3\n |\n = hint: stop all but one at once: a disk \
             that two machines write to is lost"
        ),
    );
    same(
        &twice.stdout,
        r#"
{
  "machines": [
    {
      "hosts": [],
      "name": "install"
    },
    {
      "hosts": [
        {
          "address": "10.89.0.2:5902",
          "host": "10.89.0.2"
        },
        {
          "address": "10.89.0.3:5902",
          "host": "10.89.0.3"
        }
      ],
      "name": "report1"
    }
  ],
  "silent": [
    "10.89.0.4"
  ]
}
"#,
    );
    drop(second);

    // The viewer gets the address as an argument and the password where nobody else sees it.
    let viewer = "viewer = [\"sh\", \"-c\", \"echo view $0 $VNC_PASSWORD\", \"{host}:{port}\"]\n";
    sandbox.write("config/config.toml", &format!("recipes = [\"recipes\"]\n{viewer}"));
    let mut command = sandbox.command(&["vnc", "report1", "--hosts", "10.89.0.2,10.89.0.3"]);
    let seen = sandbox.finish(&mut hosts.inside(0, command.env("VMRUN_SECRET_VNC", "hunter22")));
    assert_eq!((seen.code, seen.stdout.as_str()), (0, "view 10.89.0.2:5902 hunter22\n"), "{}", seen.stderr);
    drop(first);
    let gone = vmrun(&["vnc", "report1", "--hosts", "10.89.0.2"]);
    assert_eq!((gone.code, gone.stdout.as_str()), (4, ""));
    same(&gone.stderr, "error: report1 runs on none of these hosts: 10.89.0.2");
}

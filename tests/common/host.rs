//! A FreeBSD whose machines run in the background.

use super::sandbox::{Done, Sandbox, same};
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};
use vmrun::internals::supervise::status::MachineStatus;

/// How long anything may take.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A FreeBSD with recipes; whatever runs there ends with the test.
pub(crate) struct Host(Sandbox);

impl std::ops::Deref for Host {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.0
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for name in self.0.names("state") {
            let file = self.0.path("state").join(&name).join("standing.json");
            if let Some(status) = fs::read_to_string(file).ok().and_then(|text| MachineStatus::read(&text)) {
                for pid in [status.supervisor, status.guest].into_iter().flatten() {
                    let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
                }
            }
        }
    }
}

impl Host {
    /// Makes one whose coming boots go so.
    pub(crate) fn new(exits: &str) -> Self {
        let host = Self(Sandbox::new());
        host.write("fake/exits", exits);
        fs::write(host.path("vm/rom.fd"), [0; 4096]).unwrap();
        host
    }

    /// Writes the recipe of a machine, with something before its boot.
    pub(crate) fn recipe(&self, name: &str, before: &str) {
        let image = self.path(&format!("vm/{name}.img"));
        fs::write(image, [0; 4096]).unwrap();
        let text = format!(
            "{before}let nic = tap(\"tap-{name}\");\nbridge(\"bridge2\").add(nic);\n\
             bhyve(#{{ name: \"{name}\", cpus: 1, memory: 256.MiB, bootrom: bootrom(\"[tmp]/vm/rom.fd\"), slots: #{{\n\
             \"0\": hostbridge(), \"4\": virtio_blk(\"[tmp]/vm/{name}.img\"), \"6\": virtio_net(nic), \"31\": lpc(),\n}} }}).run();\n"
        );
        self.write(&format!("{name}.rhai"), &text.replace(&format!("tap-{name}"), tap(name)));
    }

    /// Returns how a machine stands, if it is written.
    pub(crate) fn status(&self, name: &str) -> Option<MachineStatus> {
        MachineStatus::read(&fs::read_to_string(self.path(&format!("state/{name}/standing.json"))).ok()?)
    }

    /// Waits until a machine stands so.
    #[track_caller]
    pub(crate) fn until(&self, name: &str, holds: impl Fn(&MachineStatus) -> bool) -> MachineStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.status(name).filter(&holds) {
                return status;
            }
            assert!(begin.elapsed() < SOON, "never came: {:?}\n{}", self.status(name), self.log(name));
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The log of a machine, without its times.
    pub(crate) fn log(&self, name: &str) -> String {
        let text = self.read(&format!("log/{name}.log"));
        let shown = |line: &str| match line.strip_prefix("vmrun: ").and_then(|rest| rest.split_once(" UTC: ")) {
            Some((time, rest)) => {
                assert_eq!(time.len(), "2026-11-25 17:05:12".len(), "{line}");
                format!("vmrun: {rest}\n")
            }
            None => format!("{line}\n"),
        };
        text.lines().map(shown).collect()
    }

    /// Nothing is left of any machine.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        assert_eq!(
            self.names("fake/interfaces").into_iter().filter(|name| !name.starts_with('.')).collect::<Vec<_>>(),
            ["bridge2", "em0", "lo0"]
        );
        assert_eq!(self.names("state"), [""; 0]);
        assert!(!self.read("fake/interfaces/bridge2").contains("member"));
    }
}

/// The tap of a machine.
fn tap(name: &str) -> &'static str {
    match name {
        "db" => "tap1",
        "web" => "tap2",
        _ => "tap3",
    }
}

#[track_caller]
pub(crate) fn ended(done: &Done, code: i32, stderr: &str) {
    same(&done.stderr, stderr);
    same(&done.stdout, "");
    assert_eq!(done.code, code);
}

/// Whether a process runs; a zombie does not.
pub(crate) fn lives(pid: u32) -> bool {
    let ps = Command::new("ps").args(["-o", "state=", "-p", &pid.to_string()]).output().unwrap();
    !ps.stdout.is_empty() && !ps.stdout.starts_with(b"Z")
}

/// Kills a process, and waits until it is gone.
pub(crate) fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    let begin = Instant::now();
    while lives(pid) {
        assert!(begin.elapsed() < SOON, "process {pid} does not end");
    }
}

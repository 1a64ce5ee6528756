//! Guests under QEMU that the program of before has started: `upgrade.rs` says more.

use super::super::upgrade::before;
use super::{SOON, World, qemus_of, read, signal, utf8, wait_for};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use vmrun::internals::supervise::status::{MachineState, MachineStatus};

/// A world whose machine `loop` ends with the test.
struct Host(World);

impl Drop for Host {
    fn drop(&mut self) {
        for pid in self.status().iter().flat_map(|it| [it.supervisor, it.guest]).flatten() {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
        }
    }
}

impl Host {
    /// Makes one on which the program of before has started a guest with the order in the background, and with a serial line.
    fn new(order: char, com1: &str) -> Self {
        let host = Self(World::new());
        let disk = host.0.disk(order);
        let slots = format!(r#""0": hostbridge(), "4": virtio_blk("{}"), "31": lpc()"#, disk.display());
        let machine = format!(r#"name: "loop", memory: 64.MiB, com1: "{com1}", slots: #{{ {slots} }}"#);
        let recipe = host.0.write("loop.rhai", format!("bhyve(#{{ {machine} }}).run();\n"));
        let mut command = Command::new(before());
        let start = host.0.surroundings(&mut command).args(["start", utf8(&recipe)]).stdin(Stdio::null());
        let outcome = host.0.start("before", start).ends(SOON);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), "vmrun: loop runs\n"));
        host
    }

    fn status(&self) -> Option<MachineStatus> {
        MachineStatus::read(&read(&self.0.path("state/loop/standing.json")))
    }

    /// Waits until its guest knows of the power button.
    fn until_greeted(&self) {
        wait_for("the greeting", SOON, || read(&self.0.path("log/loop.log")).contains("guest: B").then_some(()));
    }

    /// Runs today's vmrun to its end, and returns what it said.
    fn vmrun(&self, args: &[&str]) -> (Option<i32>, String) {
        let outcome = self.0.start("vmrun", self.0.vmrun().args(args).stdin(Stdio::null())).ends(SOON);
        assert_eq!(outcome.stdout, "");
        (outcome.code, outcome.stderr)
    }
}

/// Kills a process, and waits until it is gone.
fn kill(pid: u32) {
    signal(pid, "KILL");
    let stat = format!("/proc/{pid}/stat");
    let lives = || read(Path::new(&stat)).rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'));
    wait_for("the end of a process", SOON, || (!lives()).then_some(()));
}

fn said(text: &str) -> (Option<i32>, String) {
    (Some(0), format!("vmrun: {text}\n"))
}

#[test]
fn a_guest_of_before_is_powered_off() {
    let host = Host::new('B', "stdio");
    host.until_greeted();
    let before = host.status().unwrap();
    assert_eq!(qemus_of(before.supervisor.unwrap()), [before.guest.unwrap()]);
    assert_eq!(host.vmrun(&["stop", "loop"]), said("loop is down"));
    host.0.is_clean();
}

#[test]
fn a_guest_of_before_is_adopted_and_goes_on_at_its_console() {
    let host = Host::new('E', "/dev/nmdm-loop.1A");
    let before = host.status().unwrap();
    kill(before.supervisor.unwrap());
    assert_eq!(host.vmrun(&["adopt", "loop"]), said("loop goes on; it was taken over"));
    let adopted = host.status().unwrap();
    assert_eq!((adopted.state, adopted.guest), (MachineState::Running, before.guest));
    let mut console = host.0.start("console", host.0.vmrun().args(["console", "loop"]).stdin(Stdio::piped()));
    console.child.stdin.as_mut().unwrap().write_all(b"good morning\n").unwrap();
    let console = console.ends(SOON);
    assert_eq!((console.code, console.stderr.as_str()), (Some(0), "vmrun: loop has ended\n"), "{console:?}");
    assert!(console.stdout.ends_with("good morning\r\n"), "{console:?}");
    wait_for("the end of the run", SOON, || (!host.0.path("state/loop").exists()).then_some(()));
    host.0.is_clean();
}

#[test]
fn a_guest_that_nobody_looks_after_since_before_is_stopped() {
    let host = Host::new('B', "stdio");
    host.until_greeted();
    kill(host.status().unwrap().supervisor.unwrap());
    let (code, text) = host.vmrun(&["stop", "loop"]);
    assert!(code == Some(0) && text.ends_with("vmrun: loop is down\n"), "{text}");
    host.0.is_clean();
}

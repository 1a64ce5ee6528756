//! Machines in the background under QEMU: supervisors that are killed, and guests that go on.

use super::{SOON, World, qemus_of, read, signal, wait_for};
use std::path::Path;
use std::process::{Command, Stdio};
use vmrun::internals::supervise::status::{MachineState, MachineStatus};

/// A world whose machines end with the test.
struct Host(World);

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(status) = self.status() {
            for pid in [status.supervisor, status.guest].into_iter().flatten() {
                let _ = Command::new("kill").args(["-9", &pid.to_string()]).output();
            }
        }
    }
}

impl Host {
    fn status(&self) -> Option<MachineStatus> {
        MachineStatus::read(&read(&self.0.path("state/loop/standing.json")))
    }

    /// Runs vmrun to its end, and returns what it said.
    fn vmrun(&self, args: &[&str]) -> (Option<i32>, String) {
        let outcome = self.0.start("vmrun", self.0.vmrun().args(args).stdin(Stdio::null())).ends(SOON);
        assert_eq!(outcome.stdout, "");
        (outcome.code, outcome.stderr)
    }

    /// Writes the recipe of a guest with the order, with something before its boot.
    fn recipe(&self, order: char, before: &str) -> String {
        let path = self.0.recipe("loop", &self.0.disk(order));
        let text = format!("{before}{}", read(&path));
        self.0.write("loop.rhai", text).display().to_string()
    }
}

/// Kills a process, and waits until it is gone.
fn kill(pid: u32) {
    signal(pid, "KILL");
    let lives = || {
        read(Path::new(&format!("/proc/{pid}/stat"))).rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    };
    wait_for("the end of a process", SOON, || (!lives()).then_some(()));
}

fn said(text: &str) -> (Option<i32>, String) {
    (Some(0), format!("vmrun: {text}\n"))
}

#[test]
fn a_guest_outlives_its_supervisor_and_is_taken_over() {
    let host = Host(World::new());
    let recipe = host.recipe('B', "restart(#{ on: [\"crash\"], delay: \"10ms\" });\n");
    assert_eq!(host.vmrun(&["start", &recipe]), said("loop runs"));
    let before = host.status().unwrap();
    let guest = before.guest.unwrap();
    assert_eq!(qemus_of(before.supervisor.unwrap()), [guest]);
    kill(before.supervisor.unwrap());
    assert_eq!(host.vmrun(&["adopt", "loop"]), said("loop goes on; it was taken over"));
    let after = host.status().unwrap();
    assert_eq!((after.state, after.guest, after.boots), (MachineState::Running, Some(guest), 1));
    assert_ne!(after.supervisor, before.supervisor);
    // Its end is decoded as any other, and its policy goes on.
    wait_for("the first greeting", SOON, || read(&host.0.path("log/loop.log")).contains("guest: B").then_some(()));
    signal(guest, "TERM");
    let again = wait_for("another boot", SOON, || {
        host.status().filter(|it| it.boots == 2 && it.state == MachineState::Running)
    });
    assert_ne!(again.guest, Some(guest));
    assert_eq!((again.restarts, again.error.as_deref()), (1, Some("the hypervisor was killed by signal 15 (SIGTERM)")));
    // Before that it does not know of a power button.
    let greetings = || read(&host.0.path("log/loop.log")).matches("vmrun test guest: B\r\n").count();
    wait_for("the second greeting", SOON, || (greetings() == 2).then_some(()));
    // A guest that is left to itself powers off when it is stopped.
    kill(again.supervisor.unwrap());
    let (code, text) = host.vmrun(&["stop", "loop"]);
    assert!(code == Some(0) && text.ends_with("vmrun: loop is down\n"), "{text}");
    host.0.is_clean();
}

#[test]
fn a_guest_in_the_background_that_crashes_is_held() {
    let host = Host(World::new());
    let recipe = host.recipe('T', "restart(#{ delay: \"10ms\", limit: 2 });\n");
    // Where QEMU takes long to start, its guest counts as one that runs until it has crashed.
    let (code, text) = host.vmrun(&["start", &recipe]);
    assert!(code == Some(4) || (code, text.clone()) == said("loop runs"), "{text}");
    let held = wait_for("the limit", SOON, || host.status().filter(|status| status.state == MachineState::Failed));
    let error = "the guest met a triple fault; it was started again 2 times within 600s, and is not any more";
    assert_eq!((held.boots, held.restarts, held.error.as_deref()), (3, 2, Some(error)));
    wait_for("the end", SOON, || read(&host.0.path("log/loop.log")).contains("has the limit").then_some(()));
    assert_eq!(host.vmrun(&["stop", "loop"]), said("loop is not held any more"));
    host.0.is_clean();
}

//! Whose a process is: what imitates a guest stays, and a run elsewhere is left alone.

use super::{SOON, World, need, qemus_of, read, signal, wait_for};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use vmrun::internals::supervise::status::MachineStatus;

/// A world with a guest that stands still, in the background; all of it ends with the test.
struct Host {
    world: World,
    others: Vec<Child>,
}

impl Drop for Host {
    fn drop(&mut self) {
        let status = MachineStatus::read(&read(&self.world.path("state/loop/standing.json")));
        let own = status.into_iter().flat_map(|it| [it.supervisor, it.guest]).flatten();
        own.for_each(|pid| drop(Command::new("kill").args(["-9", &pid.to_string()]).output()));
        for other in &mut self.others {
            let _ = other.kill();
            let _ = other.wait();
        }
    }
}

impl Host {
    fn started(before: &str) -> Self {
        need(&["qemu-system-x86_64"]);
        let host = Self { world: World::new(), others: Vec::new() };
        let path = host.world.recipe("loop", &host.world.disk('H'));
        let recipe = host.world.write("loop.rhai", format!("{before}{}", read(&path)));
        assert_eq!(host.vmrun(&["start", recipe.to_str().unwrap()]), (Some(0), "vmrun: loop runs\n".into()));
        host
    }

    fn status(&self) -> MachineStatus {
        MachineStatus::read(&read(&self.world.path("state/loop/standing.json"))).unwrap()
    }

    /// Runs vmrun to its end, and returns what it said.
    fn vmrun(&self, args: &[&str]) -> (Option<i32>, String) {
        self.within(&[], args)
    }

    /// The same by a program that stands before it.
    fn within(&self, before: &[&str], args: &[&str]) -> (Option<i32>, String) {
        let vmrun = env!("CARGO_BIN_EXE_vmrun");
        let words: Vec<&str> = before.iter().copied().chain([vmrun]).chain(args.iter().copied()).collect();
        let mut command = Command::new(words[0]);
        self.world.surroundings(command.args(&words[1..])).stdin(Stdio::null());
        let outcome = self.world.start("vmrun", &mut command).ends(SOON);
        (outcome.code, outcome.stderr)
    }

    fn other(&mut self, program: &str, args: &[&str]) {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.others.push(command.spawn().unwrap());
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

#[test]
fn what_has_the_command_line_of_a_guest_and_is_none_stays() {
    let mut host = Host::started("");
    let log = host.world.path("state/loop/reset.log").display().to_string();
    let status = host.status();
    // A shell with that text, and a QEMU of somebody else that was told the same file.
    host.other("sh", &["-c", "sleep 600; :", "qemu-system-x86_64", "-name", "loop", "-D", &log]);
    host.other("qemu-system-x86_64", &["-name", "loop", "-S", "-display", "none", "-machine", "none", "-D", &log]);
    kill(status.supervisor.unwrap());
    let (code, text) = host.vmrun(&["stop", "loop", "--within", "0s"]);
    let killed = format!("vmrun: kill {}\n", status.guest.unwrap());
    assert!(code == Some(0) && text.contains(&killed) && text.matches("vmrun: kill ").count() == 1, "{text}");
    assert_eq!(host.vmrun(&["gc"]), (Some(0), String::new()));
    for other in &mut host.others {
        assert_eq!(other.try_wait().unwrap(), None, "{text}");
    }
    host.world.is_clean();
}

#[test]
fn the_time_that_stop_gives_is_that_of_the_run() {
    let host = Host::started("");
    let supervisor = host.status().supervisor.unwrap();
    let forced = "vmrun: loop did not power off in time and was switched off\n";
    assert_eq!(host.vmrun(&["stop", "loop", "--within", "300ms"]), (Some(0), forced.into()));
    let log = read(&host.world.path("log/loop.log"));
    assert!(log.contains("asked the guest to power off; it has 300ms\n"), "{log}");
    let events = read(&host.world.path("log/loop.events.jsonl"));
    assert!(events.contains("\"within_ms\":300"), "{events}");
    assert_eq!(qemus_of(supervisor), Vec::<u32>::new());
    host.world.is_clean();
}

#[test]
fn a_supervisor_that_does_not_answer_is_told_of_when_the_time_is_over() {
    let host = Host::started("");
    let status = host.status();
    let (supervisor, guest) = (status.supervisor.unwrap(), status.guest.unwrap());
    signal(supervisor, "STOP");
    let expected = format!(
        "error: the run of loop, process {supervisor}, does not end: it was asked to power loop off within 200ms, then to switch \
         it off, and its guest, process {guest}, runs\n |\n = hint: `kill -9 {supervisor}` ends it, and `vmrun stop loop` what it \
         leaves\n"
    );
    assert_eq!(host.vmrun(&["stop", "loop", "--within", "200ms"]), (Some(3), expected));
    kill(supervisor);
    let (code, text) = host.vmrun(&["stop", "loop", "--within", "0s"]);
    assert!(code == Some(0) && text.contains(&format!("vmrun: kill {guest}\n")), "{text}");
    host.world.is_clean();
}

#[test]
fn a_machine_of_other_namespaces_is_told_of_and_left_alone() {
    need(&["unshare"]);
    let host = Host::started("");
    let status = host.status();
    let elsewhere = |args: &[&str]| host.within(&["unshare", "-n"], args);
    let space = ["net", "pid"].map(|kind| std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap());
    let space = space.map(|link| link.display().to_string()).join(",");
    let whereabouts = format!("in other namespaces than this vmrun, {space}\n |\n = hint: ");
    let (code, text) = elsewhere(&["stop", "loop"]);
    assert!(code == Some(5) && text.contains(&whereabouts), "{text}");
    // There its process is not even to be seen.
    let (code, text) = host.within(&["unshare", "--pid", "--fork", "--mount-proc"], &["stop", "loop"]);
    assert!(code == Some(5) && text.contains(&whereabouts), "{text}");
    assert_eq!(elsewhere(&["gc"]), (Some(0), String::new()));
    kill(status.supervisor.unwrap());
    for command in ["stop", "adopt"] {
        let expected = format!(
            "error: the guest of loop goes on without its vmrun {whereabouts}`vmrun adopt loop` there takes it over, \
             `vmrun stop loop` there stops it\n"
        );
        // A supervisor that adopts has a log of its own to tell of.
        let (code, text) = elsewhere(&[command, "loop"]);
        assert!(code == Some(3) && text.starts_with(&expected), "{command}: {text}");
    }
    assert_eq!(elsewhere(&["gc"]), (Some(0), String::new()));
    assert!(host.world.path("state/loop/qmp.sock").exists());
    let (code, text) = host.vmrun(&["stop", "loop", "--within", "0s"]);
    assert!(code == Some(0) && text.contains(&format!("vmrun: kill {}\n", status.guest.unwrap())), "{text}");
    host.world.is_clean();
}
